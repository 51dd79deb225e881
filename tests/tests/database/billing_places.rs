//! A place on a host that is let: nobody gets it without paying, loses it while he pays, or shares it with a stranger.

use std::time::Duration;

use creel_tests::wait::{eventually, eventually_some};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::shop::{KEY, Shop, T, changed, completed, deleted, fetched, subscription, text};

fn code(refused: &Result<Value, tokio_postgres::Error>) -> String {
    let error = refused.as_ref().expect_err("refused");
    error.code().map(|c| c.code().to_owned()).unwrap_or_default()
}

fn detail(refused: &Result<Value, tokio_postgres::Error>) -> String {
    let error = refused.as_ref().expect_err("refused").as_db_error();
    error
        .and_then(|e| e.detail())
        .unwrap_or_else(|| panic!("{error:?}"))
        .to_owned()
}

async fn by_row(shop: &Shop, sql: &str) -> Result<Value, tokio_postgres::Error> {
    shop.s.f.as_person(shop.s.f.owner, sql).await.map(|n| json!(n))
}

/// A stranger's project; answers who owns it.
async fn stranger(shop: &Shop) -> Uuid {
    let person = Uuid::new_v4();
    shop.s.f.person(person, "stranger@example.com").await;
    shop.s.f.project("p2", person).await;
    person
}

fn wish_of(shop: &Shop, project: &str) -> Value {
    let mut wish = shop.wish();
    wish["project_id"] = json!(project);
    wish
}

#[tokio::test]
async fn a_deployer_cannot_hide_his_agent_from_the_end_of_its_payment() {
    let shop = Shop::new().await;
    let intent = shop.running().await;
    let gone = by_row(&shop, "delete from project_hosts").await;
    assert_eq!(
        gone.expect("nothing is visible to it"),
        json!(0),
        "the row is Creel's"
    );
    shop.deliver(&deleted("evt_2", &intent, "sub_1", T + 1)).await;
    assert_eq!(shop.s.work().await, ["stop"], "the host is told");
    // Its owner may let nobody in any more.
    let ended = shop
        .s
        .f
        .as_person(shop.host_owner, "delete from project_hosts")
        .await;
    assert_eq!(ended.expect("his host"), 1);
    // A host of his own project's a person takes away as before.
    let own = shop.s.f.host(&["p1"]).await;
    let sql = format!("delete from project_hosts where host_id = '{}'", own.host);
    assert_eq!(by_row(&shop, &sql).await.expect("his own"), json!(1));
}

#[tokio::test]
async fn what_runs_unpaid_is_told_again_to_stop() {
    let shop = Shop::new().await;
    let intent = shop.running().await;
    shop.deliver(&deleted("evt_2", &intent, "sub_1", T + 1)).await;
    let held = shop.s.take("stop").await;
    let refused = json!({ "ok": false, "error": { "code": "x", "message": "no", "hint": "-" } });
    shop.s.finish(held, "failed", refused).await;
    assert_eq!(shop.agent().await, "unpaid stopped running");
    shop.sweep().await;
    assert_eq!(shop.s.work().await, Vec::<String>::new(), "not at once");
    shop.exec("update agent_commands set created_at = now() - interval '2 hours'")
        .await;
    shop.sweep().await;
    shop.sweep().await;
    assert_eq!(shop.s.work().await, ["stop"], "once");
    assert_eq!(shop.agent().await, "unpaid stopped stopped");
    shop.exec("update agent_commands set created_at = now() - interval '2 hours'")
        .await;
    shop.sweep().await;
    assert_eq!(shop.s.work().await, Vec::<String>::new());
}

#[tokio::test]
async fn strangers_who_rent_are_kept_apart_whatever_the_owner_trusts() {
    let shop = Shop::new().await;
    shop.exec("update hosts set tenancy = 'trusted'").await;
    let other = stranger(&shop).await;
    shop.checkout().await;
    let beside = shop.try_begin(other, &wish_of(&shop, "p2")).await;
    assert_eq!(detail(&beside), "isolation", "while it is reserved");
    let mut boxed = wish_of(&shop, "p2");
    boxed["agent"]["backend"] = json!("docker");
    let beside = shop.try_begin(other, &boxed).await;
    assert_eq!(detail(&beside), "isolation", "and from one without a container");

    // Nor does what costs nothing come beside what is paid for.
    let shop = Shop::new().await;
    shop.exec("update hosts set tenancy = 'trusted'").await;
    shop.running().await;
    stranger(&shop).await;
    let host = shop.s.host.host;
    shop.exec(&format!(
        "insert into project_hosts (project_id, host_id) values ('p2', '{host}');
         insert into agents (project_id, agent_key, backend) values ('p2', 'agent:b:main', 'profile');
         insert into agent_commands (agent_id, type) select id, 'deploy' from agents where project_id = 'p2'"
    ))
    .await;
    assert_eq!(shop.s.work().await, Vec::<String>::new());
    // A host that already has one of somebody else is let to nobody who would be beside it.
    let shop = Shop::new().await;
    stranger(&shop).await;
    shop.exec(&format!(
        "update hosts set tenancy = 'trusted';
         insert into project_hosts (project_id, host_id) values ('p2', '{host}');
         insert into agents (project_id, agent_key, host_id, backend) values ('p2', 'agent:b:main', '{host}', 'profile')",
        host = shop.s.host.host
    ))
    .await;
    let beside = shop.try_begin(shop.s.f.owner, &shop.wish()).await;
    assert_eq!(detail(&beside), "isolation");
}

#[tokio::test]
async fn who_pays_keeps_his_place_while_it_is_undeployed() {
    let shop = Shop::new().await;
    shop.exec("update hosts set capacity = 1").await;
    shop.running().await;
    shop.s.send(KEY, "undeploy", json!({})).await;
    assert_eq!(shop.s.work().await, ["undeploy"]);
    assert_eq!(shop.agent().await, "paid removed removed");
    let other = stranger(&shop).await;
    assert_eq!(
        detail(&shop.try_begin(other, &wish_of(&shop, "p2")).await),
        "isolation"
    );
    let mut second = shop.wish();
    second["agent_key"] = json!("agent:b:main");
    assert_eq!(detail(&shop.try_begin(shop.s.f.owner, &second).await), "capacity");
    shop.s.send(KEY, "deploy", json!({})).await;
    assert_eq!(shop.s.work().await, ["deploy"]);
}

#[tokio::test]
async fn who_lost_his_place_does_not_come_back_beside_a_stranger() {
    let shop = Shop::new().await;
    shop.exec("update hosts set capacity = 1").await;
    let intent = shop.running().await;
    let late = changed(
        "evt_2",
        "updated",
        T + 50,
        subscription(&intent, "sub_1", "unpaid"),
    );
    shop.deliver(&late).await;
    shop.exec("update subscriptions set remove_at = now()").await;
    shop.sweep().await;
    shop.s.work().await;
    assert_eq!(shop.agent().await, "unpaid removed removed");
    let other = stranger(&shop).await;
    let theirs = text(
        &shop
            .try_begin(other, &wish_of(&shop, "p2"))
            .await
            .expect("the place is free")["intent_id"],
    );
    // Stripe collects the old invoice.
    let paid = changed(
        "evt_3",
        "updated",
        T + 90,
        subscription(&intent, "sub_1", "active"),
    );
    let answer = shop.apply(&paid, None).await;
    assert_eq!(shop.s.work().await, Vec::<String>::new(), "{answer}");
    assert!(
        shop.told().await.contains(&"billing.mismatch".to_owned()),
        "{:?}",
        shop.told().await
    );
    // The stranger does not pay, and the place is free again.
    let expired = crate::shop::event(
        "evt_4",
        "checkout.session.expired",
        T + 99,
        crate::shop::session(&theirs, "sub_2", "unpaid"),
    );
    shop.deliver(&expired).await;
    if answer["outcome"] == json!("waiting") {
        shop.deliver(&paid).await;
    }
    shop.sweep().await;
    assert_eq!(shop.s.work().await, ["deploy"]);
    assert_eq!(shop.agent().await, "paid running running");
}

#[tokio::test]
async fn what_is_paid_for_runs_where_it_is_paid_for() {
    let shop = Shop::new().await;
    let intent = shop.running().await;
    let late = changed(
        "evt_2",
        "updated",
        T + 50,
        subscription(&intent, "sub_1", "unpaid"),
    );
    shop.deliver(&late).await;
    shop.s.work().await;
    // A host of somebody who was never asked; and then the one that was paid for goes.
    let victim = shop.s.f.host(&[]).await;
    victim.tick(&[]).await;
    shop.exec(&format!(
        "update hosts set backends = '{{shared,profile}}' where id = '{v}';
         delete from hosts where id = '{h}'",
        v = victim.host,
        h = shop.s.host.host
    ))
    .await;
    let pinned = format!("update agents set host_id = '{}'", victim.host);
    by_row(&shop, &pinned).await.expect("nothing is written");
    let row = shop.s.agent(KEY).await;
    assert_eq!(row["host_id"], Value::Null, "{row}");
    // The old invoice is paid: it opens no host of others.
    shop.apply(
        &changed(
            "evt_3",
            "updated",
            T + 90,
            subscription(&intent, "sub_1", "active"),
        ),
        None,
    )
    .await;
    assert_eq!(
        shop.value("select to_jsonb(count(*)) from project_hosts").await,
        json!(0)
    );
    assert_eq!(code(&by_row(&shop, &pinned).await), "PT409");
    // Nor another host that the project rents for another agent.
    shop.exec(&format!(
        "insert into project_hosts (project_id, host_id, terms) values ('p1', '{}', 'rented')",
        victim.host
    ))
    .await;
    assert_eq!(code(&by_row(&shop, &pinned).await), "PT409");
    assert_eq!(victim.claim(10).await.len(), 0, "and it is not placed there");
    // A host of his own takes it.
    let own = shop.s.f.host(&["p1"]).await;
    own.tick(&[]).await;
    shop.exec(&format!(
        "update hosts set backends = '{{shared,profile}}' where id = '{}'",
        own.host
    ))
    .await;
    assert_eq!(own.claim(10).await.len(), 1);
}

#[tokio::test]
async fn a_page_that_writes_whole_rows_may_write_a_paid_one() {
    let shop = Shop::new().await;
    shop.running().await;
    let host = shop.s.host.host;
    let upsert = |key: &str| {
        format!(
            "insert into agents (project_id, agent_key, host_id, name) values ('p1', '{key}', '{host}', 'Owl')
             on conflict (project_id, agent_key) do update set host_id = excluded.host_id, name = excluded.name"
        )
    };
    by_row(&shop, &upsert(KEY)).await.expect("it is his");
    assert_eq!(shop.s.agent(KEY).await["name"], json!("Owl"));
    assert_eq!(code(&by_row(&shop, &upsert("agent:new:main")).await), "PT409");
}

#[tokio::test]
async fn a_host_that_is_draining_ends_what_is_not_paid_and_takes_nothing_new() {
    let shop = Shop::new().await;
    let intent = shop.running().await;
    shop.exec("update hosts set status = 'draining'").await;
    shop.s.send(KEY, "restart", json!({})).await;
    assert_eq!(shop.s.work().await, Vec::<String>::new());
    shop.deliver(&deleted("evt_2", &intent, "sub_1", T + 1)).await;
    assert_eq!(shop.s.work().await, ["stop"]);
    shop.exec("update subscriptions set remove_at = now()").await;
    shop.sweep().await;
    assert_eq!(shop.s.work().await, ["undeploy"]);
}

#[tokio::test]
async fn a_draining_host_is_asked_whether_its_agents_answer() {
    let shop = Shop::new().await;
    shop.running().await;
    shop.exec(
        "update hosts set status = 'draining';
         update agent_commands set created_at = now() - interval '1 hour', acked_at = now() - interval '1 hour';
         update creel.canary_plans set due_at = now(), running_at = now();
         select creel.ask_canaries()",
    )
    .await;
    let items = shop.s.host.claim(10).await;
    assert_eq!(items.len(), 1, "{items:?}");
    assert_eq!(items[0]["queue"], json!("agent_canaries"));
}

#[tokio::test]
async fn an_agent_that_is_paid_for_is_not_deleted_behind_stripes_back() {
    for running in [true, false] {
        let shop = Shop::new().await;
        let intent = shop.checkout().await;
        shop.pay(&intent, "sub_1", T).await;
        if running {
            assert_eq!(shop.s.work().await, ["deploy"]);
        }
        let refused = by_row(&shop, "delete from agents").await;
        assert_eq!(
            (code(&refused), detail(&refused)),
            ("PT409".to_owned(), "subscribed".to_owned())
        );
        let sent = shop
            .s
            .try_send(shop.s.f.owner, KEY, "undeploy", &json!({ "delete_row": true }))
            .await;
        assert_eq!(code(&sent), "PT409");
        let mut ending = subscription(&intent, "sub_1", "active");
        ending["cancel_at_period_end"] = json!(true);
        shop.deliver(&changed("evt_2", "updated", T + 5, ending)).await;
        by_row(&shop, "delete from agents").await.expect("it ends anyway");
        shop.s.work().await;
        assert_eq!(shop.agent().await, "none");
        assert!(!shop.told().await.contains(&"billing.mismatch".to_owned()));
    }
    // Whoever may do everything is told what it means.
    let shop = Shop::new().await;
    shop.running().await;
    shop.exec("delete from agents").await;
    assert_eq!(shop.s.work().await, ["undeploy"]);
    assert_eq!(
        shop.value("select detail -> 'what' from events where kind = 'billing.mismatch'")
            .await,
        json!("agent_deleted")
    );
}

#[tokio::test]
async fn what_is_redriven_waits_for_the_end_of_its_payment() {
    let shop = Shop::new().await;
    let intent = shop.checkout().await;
    shop.pay(&intent, "sub_1", T).await;
    let held = shop.s.take("deploy").await;
    let failed = json!({ "ok": false, "error": { "code": "x", "message": "no", "hint": "-" } });
    shop.s.finish(held, "failed", failed).await;
    let id = text(
        &shop
            .value("select to_jsonb(item_id) from creel.dead_letters")
            .await,
    );
    // The end of the payment is being written.
    let stripe = shop.s.f.test.postgres().await.expect("connect");
    stripe.batch_execute("begin").await.expect("begin");
    let end = deleted("evt_2", &intent, "sub_1", T + 1);
    let told = crate::shop::apply(&stripe, "platform", &end, None).await;
    assert_eq!(told["outcome"], json!("applied"));
    let sql = format!("select public.redrive('{id}')");
    let redrive = shop.s.f.ask_as_person(shop.s.f.owner, &sql);
    let commit = async {
        eventually("the redrive waits", Duration::from_secs(20), async || {
            let waits = shop
                .value("select to_jsonb(count(*)) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()")
                .await;
            waits != json!(0)
        })
        .await;
        stripe.batch_execute("commit").await.expect("commit");
    };
    let (redriven, ()) = tokio::join!(redrive, commit);
    assert_eq!(code(&redriven), "PT402", "{redriven:?}");
    // Who is refused hears of it before the lane is free again.
    let done = eventually_some("the lane is free", Duration::from_secs(20), async || {
        Some(shop.s.work().await).filter(|done| !done.is_empty())
    })
    .await;
    assert_eq!(done, ["stop"], "nothing but that");
    assert_eq!(shop.agent().await, "unpaid stopped stopped");
}

#[tokio::test]
async fn a_late_payment_for_a_host_that_takes_nothing_is_told() {
    let shop = Shop::new().await;
    let intent = shop.checkout().await;
    shop.deliver(&crate::shop::event(
        "evt_1",
        "checkout.session.expired",
        T,
        crate::shop::session(&intent, "sub_1", "unpaid"),
    ))
    .await;
    shop.exec("update hosts set status = 'draining'").await;
    let paid = completed("evt_2", &intent, "sub_1", T);
    let current = json!({ "sub_1": fetched(subscription(&intent, "sub_1", "active"), T + 1) });
    for _ in 0..2 {
        let answer = shop.apply(&paid, Some(current.clone())).await;
        assert_eq!(answer["outcome"], json!("waiting"), "{answer}");
    }
    assert_eq!(
        shop.told().await,
        ["billing.reserved", "billing.released", "billing.mismatch"],
        "once"
    );
}
