//! What went wrong is told to a project's webhooks: once, to its own people only, and until it arrived or was given up.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::fixture::Session;
use crate::station::Station;

const KEY: &str = "agent:scout:main";

/// A day, and some more.
const LONG: i32 = 100_000;

async fn add(s: &Station, project: &str, events: Value) -> Value {
    let wish = json!({ "project_id": project, "url": "https://hooks.example.com/creel", "events": events });
    let sql = format!("select create_webhook('{wish}')");
    s.f.ask_as_person(s.f.owner, &sql).await.expect("make a webhook")
}

async fn call(s: &Station, person: Uuid, function: &str, argument: Value) -> Result<Value, String> {
    let sql = format!("select {function}('{argument}')");
    s.f.ask_as_person(person, &sql).await.map_err(|error| {
        let error = error.as_db_error().expect("an answer");
        format!("{}: {}", error.code().code(), error.message())
    })
}

/// What somebody who delivers is given.
async fn claim(s: &Station) -> Vec<Value> {
    let row =
        s.f.admin
            .query_one("select claim_notifications('{\"api\":1}')", &[]);
    let reply: Value = row.await.expect("claim").get(0);
    reply["notifications"].as_array().expect("a list").clone()
}

async fn finish(s: &Station, claimed: &Value, outcome: &str) -> bool {
    let item = json!({ "id": claimed["id"], "token": claimed["token"], "outcome": outcome, "error": "it answered 500" });
    let argument = json!({ "api": 1, "items": [item] });
    let row =
        s.f.admin
            .query_one("select finish_notifications($1)", &[&argument])
            .await
            .expect("finish");
    row.get::<_, Value>(0)["items"][0]["applied"] == json!(true)
}

/// A host tells of one of its agents.
async fn tell(s: &Station, kind: &str, payload: Value) {
    let event = json!({ "kind": kind, "agent_id": s.agent_id(KEY).await, "payload": payload });
    let args = json!({ "api": 1, "session": s.host.session, "host": { "events": [event] } });
    s.host.call("tick", &args).await.expect("tick");
}

async fn rows(s: &Station, sql: &str) -> Value {
    let sql = format!("select coalesce(jsonb_agg(to_jsonb(x)), '[]') from ({sql}) x");
    s.f.admin.query_one(&sql, &[]).await.expect("read").get(0)
}

fn body(claimed: &Value) -> Value {
    serde_json::from_str(claimed["body"].as_str().expect("a body")).expect("JSON")
}

fn kinds(claimed: &[Value]) -> Vec<String> {
    let kind = |one: &Value| body(one)["kind"].as_str().expect("a kind").to_owned();
    claimed.iter().map(kind).collect()
}

async fn silent_for(s: &Station, host: &Session, seconds: i32) {
    s.f.admin
        .execute(
            "update host_heartbeats set last_seen_at = now() - $2 * interval '1 second' where host_id = $1",
            &[&host.host, &f64::from(seconds)],
        )
        .await
        .expect("be silent");
}

#[tokio::test]
async fn an_agent_that_is_down_is_told_without_what_its_host_says_in_its_own_words() {
    let s = Station::with(&[KEY]).await;
    let made = add(&s, "p1", json!(["agent.down", "limit.exceeded"])).await;
    assert!(made["secret"].as_str().expect("a secret").starts_with("whsec_"));
    let said = json!({ "reason": "Error: key sk-12345 is wrong", "restart_in_secs": 4 });
    tell(&s, "agent.crashed", said).await;
    let samples =
        json!({ "limit": "ram_mb", "allowed": 512, "samples": [{ "ram_mb": 700, "log": "sk-12345" }] });
    tell(&s, "agent.limit_exceeded", samples).await;
    // What is no trouble, and what is none of this kind.
    tell(&s, "agent.restarted", json!({})).await;
    tell(&s, "agent.started", json!({})).await;

    let claimed = claim(&s).await;
    assert_eq!(kinds(&claimed), ["agent.down", "limit.exceeded"]);
    assert_eq!(claimed[0]["secrets"], json!([made["secret"]]));
    let down = body(&claimed[0]);
    assert_eq!(down["id"], claimed[0]["id"]);
    assert_eq!(down["project_id"], json!("p1"));
    assert_eq!(
        down["agent"],
        json!({ "id": s.agent_id(KEY).await, "key": KEY, "name": "Scout" })
    );
    assert_eq!(down["host"], json!({ "id": s.host.host, "name": "mini" }));
    assert_eq!(
        down["details"],
        json!({ "event": "agent.crashed", "restart_in_secs": 4, "held_back": 0 })
    );
    let limit = body(&claimed[1]);
    assert_eq!(
        limit["details"],
        json!({ "event": "agent.limit_exceeded", "limit": "ram_mb", "allowed": 512, "held_back": 0 })
    );
    assert!(!json!(claimed).to_string().contains("sk-12345"));
}

#[tokio::test]
async fn a_command_that_failed_leaves_the_agent_down() {
    let s = Station::with(&[KEY]).await;
    add(&s, "p1", json!(["agent.down"])).await;
    for (kind, told) in [("update_config", 0), ("start", 1)] {
        s.send(KEY, kind, json!({})).await;
        let token = s.take(kind).await;
        s.host.finish(token, "failed").await;
        let claimed = claim(&s).await;
        assert_eq!(claimed.len(), told, "{kind}");
        for one in claimed {
            let details = body(&one)["details"].clone();
            assert_eq!(details["command"], json!(kind));
            assert_eq!(details["code"], json!("x"));
        }
    }
}

#[tokio::test]
async fn what_flaps_is_told_once_in_five_minutes_and_the_last_of_it_always() {
    let s = Station::with(&[KEY]).await;
    add(&s, "p1", json!(["agent.down"])).await;
    for _ in 0..4 {
        tell(&s, "agent.crashed", json!({ "restart_in_secs": 1 })).await;
    }
    tell(&s, "agent.given_up", json!({ "failures": 5 })).await;
    let first = claim(&s).await;
    assert_eq!(first.len(), 1, "one of five");
    assert!(finish(&s, &first[0], "delivered").await);
    s.f.pass(290).await;
    assert!(claim(&s).await.is_empty(), "not within five minutes");
    s.f.pass(11).await;
    let second = claim(&s).await;
    assert_eq!(second.len(), 1);
    let details = body(&second[0])["details"].clone();
    assert_eq!(
        details,
        json!({ "event": "agent.given_up", "failures": 5, "held_back": 3 })
    );
    assert_eq!(body(&second[0])["id"], second[0]["id"]);
    assert!(finish(&s, &second[0], "delivered").await);
    s.f.pass(301).await;
    tell(&s, "agent.crashed", json!({})).await;
    assert_eq!(claim(&s).await.len(), 1, "quiet for long enough: told at once");
}

#[tokio::test]
async fn an_outage_of_a_host_is_told_once_to_each_project_with_agents_there() {
    let s = Station::with(&[KEY]).await;
    s.f.project("p2", s.f.owner).await;
    s.f.project("p3", s.f.owner).await;
    for project in ["p1", "p2", "p3"] {
        add(&s, project, json!(["host.offline", "host.online"])).await;
    }
    s.f.admin
        .execute(
            "insert into agents (project_id, agent_key, host_id) values ('p2', 'agent:two:main', $1)",
            &[&s.host.host],
        )
        .await
        .expect("an agent of another project");
    s.f.sweep().await;
    s.f.pass(40).await;
    for _ in 0..3 {
        s.f.sweep().await;
    }
    let offline = claim(&s).await;
    let mut told: Vec<(String, String)> = offline
        .iter()
        .map(|one| (body(one)["project_id"].to_string(), body(one)["kind"].to_string()))
        .collect();
    told.sort();
    assert_eq!(
        told,
        ["\"p1\"", "\"p2\""].map(|project| (project.to_owned(), "\"host.offline\"".to_owned())),
        "none to a project without agents there"
    );
    for one in &offline {
        let said = body(one);
        assert_eq!(said["host"], json!({ "id": s.host.host, "name": "mini" }));
        assert_eq!(said["details"]["agents"], json!(1));
        assert!(said.get("agent").is_none());
        assert!(finish(&s, one, "delivered").await);
    }
    s.host.tick(&[]).await;
    s.f.sweep().await;
    s.f.sweep().await;
    let online = claim(&s).await;
    assert_eq!(kinds(&online), ["host.online", "host.online"]);
    for one in &online {
        finish(&s, one, "delivered").await;
    }
    // Another outage at once is held back, and told when five minutes are over.
    silent_for(&s, &s.host, 40).await;
    s.f.sweep().await;
    assert!(claim(&s).await.is_empty());
    s.f.pass(301).await;
    assert_eq!(kinds(&claim(&s).await), ["host.offline", "host.offline"]);
}

#[tokio::test]
async fn who_did_not_look_does_not_say_that_hosts_were_silent() {
    let s = Station::with(&[KEY]).await;
    add(&s, "p1", json!(["host.offline"])).await;
    s.f.sweep().await;
    // The database was away, and so nobody was heard.
    silent_for(&s, &s.host, 600).await;
    let away = "update creel.sweep_state set watched_at = now() - interval '10 minutes', swept_at = '-infinity', reasoned_at = '-infinity'";
    s.f.admin.batch_execute(away).await.expect("be away");
    s.f.sweep().await;
    assert!(claim(&s).await.is_empty(), "it has time to be heard again");
    s.f.pass(31).await;
    s.f.sweep().await;
    assert_eq!(kinds(&claim(&s).await), ["host.offline"], "and is silent still");
}

#[tokio::test]
async fn a_host_that_polls_once_a_minute_or_is_retired_has_no_outage() {
    let s = Station::with(&[KEY]).await;
    add(&s, "p1", json!(["host.offline", "host.online"])).await;
    s.f.sweep().await;
    s.f.admin
        .batch_execute("update host_heartbeats set quiet_secs = 120")
        .await
        .expect("poll seldom");
    s.f.pass(100).await;
    s.f.sweep().await;
    assert!(claim(&s).await.is_empty());
    s.f.admin
        .batch_execute("update hosts set status = 'retired'")
        .await
        .expect("retire it");
    s.f.pass(LONG).await;
    s.f.sweep().await;
    assert!(claim(&s).await.is_empty());
}

#[tokio::test]
async fn a_thousand_hosts_that_fall_silent_are_told_and_cost_little_afterwards() {
    let s = Station::with(&[KEY]).await;
    add(&s, "p1", json!(["host.offline"])).await;
    s.f.admin
        .batch_execute(
            "with made as (insert into hosts (name, status) select 'h' || n, 'online' from generate_series(1, 1000) n returning id)
             insert into host_heartbeats (host_id, last_seen_at) select id, now() from made;
             insert into agents (project_id, agent_key, host_id)
             select 'p1', 'agent:a' || row_number() over () || ':main', id from hosts where name like 'h%' order by id limit 400",
        )
        .await
        .expect("make hosts");
    s.f.sweep().await;
    s.f.pass(40).await;
    for _ in 0..6 {
        s.f.sweep().await;
    }
    let outages = rows(&s, "select count(*) as n from creel.host_outages").await;
    assert_eq!(outages[0]["n"], json!(1001));
    let told = rows(&s, "select count(*) as n from notifications").await;
    assert_eq!(told[0]["n"], json!(401), "one for each host with agents");
    let plan: Value =
        s.f.admin
            .query_one(
                "with looked as materialized (select creel.sweep_outages() as told) select to_jsonb(told) from looked",
                &[],
            )
            .await
            .expect("sweep")
            .get(0);
    assert_eq!(plan, json!(0), "nothing is told again");
}

#[tokio::test]
async fn a_lease_that_was_lost_lets_the_same_be_delivered_again() {
    let s = Station::with(&[KEY]).await;
    add(&s, "p1", json!(["agent.down"])).await;
    tell(&s, "agent.crashed", json!({})).await;
    let first = claim(&s).await;
    assert!(claim(&s).await.is_empty(), "one delivers it at a time");
    s.f.pass(59).await;
    s.f.sweep().await;
    assert!(claim(&s).await.is_empty());
    s.f.pass(2).await;
    s.f.sweep().await;
    s.f.pass(20).await;
    let second = claim(&s).await;
    assert_eq!(second[0]["id"], first[0]["id"]);
    assert_eq!(second[0]["body"], first[0]["body"]);
    assert_ne!(second[0]["token"], first[0]["token"]);
    assert_eq!(second[0]["attempt"], json!(2));
    assert!(!finish(&s, &first[0], "delivered").await, "too late");
    assert!(finish(&s, &second[0], "delivered").await);
    assert!(
        !finish(&s, &second[0], "retry").await,
        "what has ended stays ended"
    );
    s.f.pass(LONG).await;
    assert!(claim(&s).await.is_empty());
}

#[tokio::test]
async fn what_does_not_arrive_is_given_up_where_people_see_it_and_can_be_sent_again() {
    let s = Station::with(&[KEY]).await;
    for (outcome, attempts) in [("retry", 8), ("refused", 4)] {
        let id = add(&s, "p1", json!(["agent.down"])).await["id"].clone();
        tell(&s, "agent.crashed", json!({})).await;
        let mut waited = Vec::new();
        for _ in 0..attempts {
            let claimed = claim(&s).await;
            assert_eq!(claimed.len(), 1, "{outcome}: {waited:?}");
            finish(&s, &claimed[0], outcome).await;
            let pause = rows(
                &s,
                "select extract(epoch from not_before - now())::int as secs from notifications",
            )
            .await;
            waited.push(pause[0]["secs"].as_i64().expect("a number"));
            s.f.admin
                .batch_execute("update notifications set not_before = now()")
                .await
                .expect("wait");
        }
        assert!(claim(&s).await.is_empty(), "{outcome}");
        let day: i64 = waited[..attempts - 1].iter().sum();
        if outcome == "retry" {
            assert!((60_000..110_000).contains(&day), "about a day: {waited:?}");
        }
        let failed = rows(&s, "select id, status, last_error from notifications").await;
        assert_eq!(failed[0]["status"], json!("failed"));
        assert_eq!(failed[0]["last_error"], json!("it answered 500"));
        let seen =
            "select to_jsonb(e) from events e where kind = 'notification.failed' order by e.id desc limit 1";
        let event = s.f.ask_as_person(s.f.owner, seen).await.expect("an event");
        assert_eq!(event["item_id"], failed[0]["id"]);
        assert_eq!(event["detail"]["attempts"], json!(attempts));

        let again = json!({ "notification_id": failed[0]["id"] });
        call(&s, s.f.owner, "redrive_notification", again.clone())
            .await
            .expect("redrive");
        let claimed = claim(&s).await;
        assert_eq!(
            (claimed[0]["id"].clone(), claimed[0]["attempt"].clone()),
            (failed[0]["id"].clone(), json!(1))
        );
        finish(&s, &claimed[0], "delivered").await;
        assert!(
            call(&s, s.f.owner, "redrive_notification", again)
                .await
                .is_err_and(|e| e.starts_with("PT404"))
        );
        call(&s, s.f.owner, "delete_webhook", json!({ "webhook_id": id }))
            .await
            .expect("delete");
        assert_eq!(rows(&s, "select from notifications").await, json!([]));
    }
}

#[tokio::test]
async fn a_receiver_that_wants_nothing_any_more_gets_nothing_any_more() {
    let s = Station::with(&[KEY]).await;
    let id = add(&s, "p1", json!(["agent.down", "limit.exceeded"])).await["id"].clone();
    let person = s.f.owner;
    call(&s, person, "test_webhook", json!({ "webhook_id": id }))
        .await
        .expect("test");
    let claimed = claim(&s).await;
    assert_eq!(kinds(&claimed), ["webhook.test"]);
    tell(&s, "agent.crashed", json!({})).await;
    finish(&s, &claimed[0], "gone").await;
    tell(&s, "agent.limit_exceeded", json!({})).await;
    s.f.pass(LONG).await;
    assert!(claim(&s).await.is_empty());
    let hook = rows(&s, "select enabled, disabled_reason from webhooks").await;
    assert_eq!(hook[0]["enabled"], json!(false));
    assert!(
        hook[0]["disabled_reason"]
            .as_str()
            .is_some_and(|why| why.contains("410"))
    );
    let left = rows(&s, "select status from notifications").await;
    assert_eq!(left, json!([{ "status": "failed" }, { "status": "failed" }]));
    assert_eq!(
        rows(&s, "select from events where kind = 'webhook.disabled'").await,
        json!([{}])
    );
    let refused = call(&s, person, "test_webhook", json!({ "webhook_id": id })).await;
    assert!(
        refused.as_ref().is_err_and(|e| e.starts_with("PT409")),
        "{refused:?}"
    );
    s.f.as_person(person, "update webhooks set enabled = true")
        .await
        .expect("enable it");
    assert_eq!(
        rows(&s, "select disabled_reason from webhooks").await,
        json!([{ "disabled_reason": null }])
    );
    tell(&s, "agent.limit_exceeded", json!({})).await;
    assert_eq!(claim(&s).await.len(), 1);
}

#[tokio::test]
async fn only_members_see_webhooks_and_only_editors_change_them() {
    let s = Station::with(&[KEY]).await;
    let [viewer, editor, stranger] = [(); 3].map(|()| Uuid::new_v4());
    for (person, email) in [
        (viewer, "v@example.com"),
        (editor, "e@example.com"),
        (stranger, "s@example.com"),
    ] {
        s.f.person(person, email).await;
    }
    s.f.project("p2", stranger).await;
    s.f.admin
        .execute(
            "insert into project_members (project_id, user_id, role) values ('p1', $1, 'viewer'), ('p1', $2, 'editor')",
            &[&viewer, &editor],
        )
        .await
        .expect("add members");
    let wish = json!({ "project_id": "p1", "url": "https://hooks.example.com/" });
    let made = call(&s, editor, "create_webhook", wish.clone())
        .await
        .expect("an editor may");
    let id = json!({ "webhook_id": made["id"] });
    let tested = call(&s, editor, "test_webhook", id.clone()).await.expect("test");
    s.f.admin
        .batch_execute("update notifications set status = 'failed'")
        .await
        .expect("fail");
    let again = json!({ "notification_id": tested["notification_id"] });
    for person in [viewer, stranger] {
        assert!(
            call(&s, person, "create_webhook", wish.clone())
                .await
                .is_err_and(|e| e.starts_with("42501"))
        );
        for function in ["test_webhook", "rotate_webhook_secret", "delete_webhook"] {
            let refused = call(&s, person, function, id.clone()).await;
            assert!(
                refused.as_ref().is_err_and(|e| e.starts_with("PT404")),
                "{function}: {refused:?}"
            );
        }
        assert!(
            call(&s, person, "redrive_notification", again.clone())
                .await
                .is_err()
        );
        let changed = s.f.as_person(person, "update webhooks set enabled = false").await;
        assert_eq!(changed.expect("nothing is found"), 0);
    }
    for (person, seen) in [(editor, 1), (viewer, 1), (stranger, 0)] {
        for table in ["webhooks", "notifications"] {
            let found = s.f.as_person(person, &format!("select from {table}")).await;
            assert_eq!(found.expect("look"), seen, "{table}");
        }
    }
    // By anybody's login, and by a host's.
    let forbidden = [
        "select from creel.webhook_secrets",
        "select from creel.notification_leases",
        "select claim_notifications('{\"api\":1}')",
        "select finish_notifications('{\"api\":1,\"items\":[]}')",
    ];
    for sql in forbidden
        .into_iter()
        .chain(["delete from webhooks", "update notifications set status = 'sent'"])
    {
        let refused =
            s.f.as_person(editor, sql)
                .await
                .expect_err("nobody may")
                .to_string();
        assert!(!refused.is_empty(), "{sql}");
    }
    for sql in forbidden.into_iter().chain([
        "select from webhooks",
        "select from notifications",
        "select create_webhook('{}')",
        "select test_webhook('{}')",
    ]) {
        let refused = s
            .host
            .client
            .query(sql, &[])
            .await
            .expect_err("a host may nothing of it");
        assert_eq!(
            refused.code(),
            Some(&tokio_postgres::error::SqlState::INSUFFICIENT_PRIVILEGE),
            "{sql}"
        );
    }
}

#[tokio::test]
async fn a_secret_is_shown_once_and_two_are_good_for_a_day_after_a_rotation() {
    let s = Station::with(&[KEY]).await;
    let made = add(&s, "p1", json!(["agent.down"])).await;
    let id = json!({ "webhook_id": made["id"] });
    let seen = s.f.ask_as_person(s.f.owner, "select to_jsonb(w) || coalesce((select to_jsonb(e) from events e where kind = 'webhook.created'), '{}') from webhooks w");
    let shown = seen.await.expect("look").to_string();
    assert!(!shown.contains("whsec_"), "{shown}");
    let rotated = call(&s, s.f.owner, "rotate_webhook_secret", id.clone())
        .await
        .expect("rotate");
    let secrets = async || {
        call(&s, s.f.owner, "test_webhook", id.clone())
            .await
            .expect("test");
        claim(&s).await[0]["secrets"].clone()
    };
    assert_eq!(secrets().await, json!([rotated["secret"], made["secret"]]));
    s.f.admin
        .batch_execute("update creel.webhook_secrets set previous_until = now()")
        .await
        .expect("let a day pass");
    assert_eq!(secrets().await, json!([rotated["secret"]]));
    let id = json!({ "webhook_id": made["id"], "at_once": true });
    let again = call(&s, s.f.owner, "rotate_webhook_secret", id)
        .await
        .expect("rotate");
    assert_eq!(secrets().await, json!([again["secret"]]));
}

#[tokio::test]
async fn what_is_no_webhook_is_refused_and_there_are_not_too_many() {
    let s = Station::with(&[KEY]).await;
    let long = format!("https://example.com/{}", "x".repeat(2000));
    for url in [
        "http://example.com/",
        "http://127.0.0.1:7/",
        "https://a:b@example.com/",
        "https://",
        "ftp://x/",
        "https://example.com/#x",
        "https://exa mple.com/",
        "https://example.com\\@127.0.0.1/",
        "https://ex\u{e4}mple.com/",
        long.as_str(),
        "",
    ] {
        let refused = call(
            &s,
            s.f.owner,
            "create_webhook",
            json!({ "project_id": "p1", "url": url }),
        )
        .await;
        assert!(
            refused.as_ref().is_err_and(|e| e.starts_with("22023")),
            "{url}: {refused:?}"
        );
    }
    for events in [
        json!([]),
        json!("agent.down"),
        json!(["agent.up"]),
        json!([7]),
        json!([null]),
        json!(["webhook.test"]),
    ] {
        let wish = json!({ "project_id": "p1", "url": "https://example.com", "events": events });
        assert!(
            call(&s, s.f.owner, "create_webhook", wish)
                .await
                .is_err_and(|e| e.starts_with("22023")),
            "{events}"
        );
    }
    for _ in 0..10 {
        add(&s, "p1", json!(["agent.down"])).await;
    }
    let wish = json!({ "project_id": "p1", "url": "https://example.com/?a=b" });
    assert!(
        call(&s, s.f.owner, "create_webhook", wish)
            .await
            .is_err_and(|e| e.starts_with("PT429"))
    );
}

#[tokio::test]
async fn nobody_floods_a_webhook_and_what_nobody_delivers_ends() {
    let s = Station::with(&[KEY]).await;
    let id = add(&s, "p1", json!(["agent.down"])).await["id"].clone();
    let test = async || call(&s, s.f.owner, "test_webhook", json!({ "webhook_id": id })).await;
    for _ in 0..5 {
        test().await.expect("test");
    }
    assert!(test().await.is_err_and(|e| e.starts_with("PT429")));
    s.f.admin
        .batch_execute("update creel.settings set max_open_notifications_per_webhook = 5")
        .await
        .expect("set");
    tell(&s, "agent.crashed", json!({})).await;
    tell(&s, "agent.given_up", json!({})).await;
    assert_eq!(
        rows(&s, "select from notifications")
            .await
            .as_array()
            .map(Vec::len),
        Some(5)
    );
    assert_eq!(
        rows(&s, "select from events where kind = 'webhook.overflowed'").await,
        json!([{}]),
        "said once"
    );
    s.f.pass(3 * 86_400 + 1).await;
    s.f.sweep().await;
    assert_eq!(
        rows(&s, "select distinct status, last_error from notifications").await,
        json!([{ "status": "failed", "last_error": "nobody delivered it for three days" }])
    );
    s.f.pass(12 * 86_400).await;
    s.f.sweep().await;
    assert_eq!(
        rows(&s, "select from notifications").await,
        json!([]),
        "kept for two weeks"
    );
}

#[tokio::test]
async fn trouble_with_webhooks_costs_a_host_nothing() {
    let s = Station::with(&[KEY]).await;
    add(&s, "p1", json!(["agent.down", "host.offline"])).await;
    s.f.admin
        .batch_execute("alter table notifications add constraint notifications_broken check (false)")
        .await
        .expect("break it");
    tell(&s, "agent.crashed", json!({})).await;
    assert_eq!(
        rows(&s, "select from events where kind = 'agent.crashed'").await,
        json!([{}])
    );
    s.f.pass(40).await;
    s.f.sweep().await;
    let swept = s.f.sweep().await;
    assert_eq!(swept["webhooks"], json!(0), "and the sweep goes on: {swept}");
}
