//! Who looks for a host sees those that can be rented, and nothing of the others.

use serde_json::{Value, json};
use tokio_postgres::error::SqlState;
use uuid::Uuid;

use crate::shop::{PRICE, Shop};

/// The hosts that a person is shown for a project.
async fn shown(shop: &Shop, person: Uuid, project: &str) -> Result<Vec<Value>, tokio_postgres::Error> {
    let wish = json!({ "project_id": project });
    let answer = shop
        .s
        .f
        .ask_as_person(person, &format!("select public.list_hosts_for_rent('{wish}')"))
        .await?;
    assert_eq!(answer["currency"], json!("eur"));
    Ok(answer["hosts"].as_array().expect("hosts").clone())
}

/// Agents as workers would have left them.
async fn past_triggers(shop: &Shop, sql: &str) {
    let root = shop.s.f.test.superuser().await.expect("connect");
    let sql = format!("set session_replication_role = replica; {sql}");
    root.batch_execute(&sql)
        .await
        .unwrap_or_else(|e| panic!("{sql}: {e:?}"));
}

#[tokio::test]
async fn a_host_for_rent_tells_price_room_and_health_and_not_whose_it_is() {
    let shop = Shop::new().await;
    let owner = shop.s.f.owner;
    shop.exec("update hosts set capacity = 2").await;
    shop.checkout().await;
    let hosts = shown(&shop, owner, "p1").await.expect("shown");
    let [host] = hosts.as_slice() else {
        panic!("one host: {hosts:?}")
    };
    assert_eq!(
        (&host["month"], &host["year"], &host["currency"]),
        (&json!(PRICE), &json!(9000), &json!("eur"))
    );
    assert_eq!(
        (
            &host["capacity"],
            &host["room"],
            &host["online"],
            &host["outages"]
        ),
        (&json!(2), &json!(1), &json!(true), &json!(0))
    );
    assert!(
        !host.to_string().contains(&shop.host_owner.to_string()),
        "no word of the owner: {host}"
    );
    shop.exec(&format!(
        "insert into agent_outages (project_id, agent_key, agent_id, host_id, began_at)
         values ('x', 'y', gen_random_uuid(), '{}', now() - interval '2 days')",
        shop.s.host.host
    ))
    .await;
    let hosts = shown(&shop, owner, "p1").await.expect("shown");
    assert_eq!(hosts[0]["outages"], json!(1));
}

#[tokio::test]
async fn what_cannot_be_rented_is_not_shown() {
    let shop = Shop::new().await;
    let owner = shop.s.f.owner;
    let id = shop.s.host.host;
    for (spoilt, mended) in [
        (
            "update hosts set price = null".to_owned(),
            format!("update hosts set price = '{{\"month\": {PRICE}}}'"),
        ),
        (
            "update hosts set status = 'draining'".to_owned(),
            "update hosts set status = 'online'".to_owned(),
        ),
        (
            "update stripe_accounts set transfers_active = false".to_owned(),
            "update stripe_accounts set transfers_active = true".to_owned(),
        ),
        (
            "update host_heartbeats set last_seen_at = now() - interval '2 days'".to_owned(),
            "update host_heartbeats set last_seen_at = now()".to_owned(),
        ),
        (
            format!("insert into project_hosts (project_id, host_id) values ('p1', '{id}')"),
            "delete from project_hosts".to_owned(),
        ),
    ] {
        shop.exec(&spoilt).await;
        assert!(
            shown(&shop, owner, "p1").await.expect("asked").is_empty(),
            "{spoilt}"
        );
        shop.exec(&mended).await;
        assert_eq!(
            shown(&shop, owner, "p1").await.expect("asked").len(),
            1,
            "{mended}"
        );
    }
    // One that is merely silent for a while is shown as such.
    shop.exec("update host_heartbeats set last_seen_at = now() - interval '1 hour'")
        .await;
    let hosts = shown(&shop, owner, "p1").await.expect("asked");
    assert_eq!(hosts[0]["online"], json!(false));
}

#[tokio::test]
async fn a_host_is_shown_with_the_ways_in_which_it_takes_somebody_in() {
    let shop = Shop::new().await;
    let owner = shop.s.f.owner;
    let id = shop.s.host.host;
    shop.exec("insert into projects (id) values ('theirs')").await;
    for (neighbour, backends) in [
        ("docker", Some(json!(["docker"]))),
        // Whose files could be read, or who could read them.
        ("shared", None),
        ("profile", None),
    ] {
        past_triggers(
            &shop,
            &format!(
                "delete from agents;
                 insert into agents (project_id, agent_key, name, backend, host_id, status)
                 values ('theirs', 'agent:ada:main', 'Ada', '{neighbour}', '{id}', 'running')"
            ),
        )
        .await;
        let hosts = shown(&shop, owner, "p1").await.expect("asked");
        let told = hosts.first().map(|host| host["backends"].clone());
        assert_eq!(told, backends, "beside {neighbour}");
        for backend in ["shared", "profile", "docker"] {
            let mut wish = shop.wish();
            wish["agent_key"] = json!(format!("agent:{neighbour}-{backend}:main"));
            wish["agent"]["backend"] = json!(backend);
            let is_told = told
                .as_ref()
                .is_some_and(|told| told.as_array().is_some_and(|told| told.contains(&json!(backend))));
            let begun = shop.try_begin(owner, &wish).await;
            assert_eq!(begun.is_ok(), is_told, "{backend} beside {neighbour}: {begun:?}");
        }
    }
}

#[tokio::test]
async fn a_place_that_is_paid_for_is_no_room_though_nothing_is_there() {
    let shop = Shop::new().await;
    shop.exec("update hosts set capacity = 1").await;
    let id = shop.s.host.host;
    past_triggers(
        &shop,
        &format!(
            "insert into agents (project_id, agent_key, name, backend, host_id, status, billing)
             values ('p1', 'agent:ada:main', 'Ada', 'profile', '{id}', 'removed', 'paid')"
        ),
    )
    .await;
    let hosts = shown(&shop, shop.s.f.owner, "p1").await.expect("asked");
    assert_eq!(hosts[0]["room"], json!(0));
    let refused = shop.try_begin(shop.s.f.owner, &shop.wish()).await;
    assert!(refused.is_err(), "the host is full: {refused:?}");
}

#[tokio::test]
async fn who_takes_somebody_in_now_comes_first_and_then_who_is_cheapest() {
    let shop = Shop::new().await;
    let owner = shop.host_owner;
    past_triggers(
        &shop,
        &format!(
            "insert into hosts (name, owner_id, price, capacity, status, backends)
             select name, '{owner}', price::jsonb, room, 'online', '{{docker}}' from (values
               ('dear', '{{\"month\": 5000}}', 5), ('full', '{{\"month\": 100}}', 0),
               ('yearly', '{{\"year\": 6000}}', 5), ('silent', '{{\"month\": 100}}', 5)) as h (name, price, room);
             insert into host_heartbeats (host_id, last_seen_at)
             select id, now() - case name when 'silent' then interval '1 hour' else interval '0' end
             from hosts h where not exists (select from host_heartbeats b where b.host_id = h.id);
             update hosts set name = 'usual' where name not in ('dear', 'full', 'yearly', 'silent')"
        ),
    )
    .await;
    let hosts = shown(&shop, shop.s.f.owner, "p1").await.expect("asked");
    let names: Vec<&str> = hosts.iter().filter_map(|host| host["name"].as_str()).collect();
    assert_eq!(names, ["yearly", "usual", "dear", "full", "silent"]);
    assert_eq!(hosts[0].get("place"), None);
}

#[tokio::test]
async fn only_members_look_for_hosts_of_a_project() {
    let shop = Shop::new().await;
    let stranger = Uuid::new_v4();
    shop.s.f.person(stranger, "stranger@example.com").await;
    let refused = shown(&shop, stranger, "p1").await.expect_err("refused");
    assert_eq!(refused.code(), Some(&SqlState::INSUFFICIENT_PRIVILEGE));
    // Nobody rents from himself.
    shop.exec(&format!(
        "insert into project_members (project_id, user_id, role) values ('p1', '{}', 'viewer')",
        shop.host_owner
    ))
    .await;
    assert!(
        shown(&shop, shop.host_owner, "p1")
            .await
            .expect("asked")
            .is_empty()
    );
}
