//! What is not paid for runs nowhere, whichever way somebody tries.

use serde_json::{Value, json};

use crate::shop::{KEY, Shop, T, changed, deleted, subscription, text};

fn code(refused: &Result<Value, tokio_postgres::Error>) -> String {
    let error = refused.as_ref().expect_err("refused");
    error.code().map(|c| c.code().to_owned()).unwrap_or_default()
}

async fn by_row(shop: &Shop, sql: &str) -> Result<Value, tokio_postgres::Error> {
    shop.s.f.as_person(shop.s.f.owner, sql).await.map(|n| json!(n))
}

#[tokio::test]
async fn nobody_starts_what_is_not_paid_for() {
    for lapsed in [false, true] {
        let shop = Shop::new().await;
        let owner = shop.s.f.owner;
        if lapsed {
            let intent = shop.running().await;
            shop.deliver(&deleted("evt_2", &intent, "sub_1", T + 1)).await;
            assert_eq!(shop.s.work().await, ["stop"]);
        } else {
            shop.checkout().await;
        }
        let before = shop.agent().await;
        for kind in ["deploy", "start", "restart"] {
            let sent = shop.s.try_send(owner, KEY, kind, &json!({})).await;
            assert_eq!(code(&sent), "PT402", "{kind}");
        }
        for sql in [
            "update agents set desired_state = 'running'",
            "insert into agent_provision_requests (project_id, agent_key) values ('p1', 'agent:scout:main')",
        ] {
            assert_eq!(code(&by_row(&shop, sql).await), "PT402", "{sql}");
        }
        let asked = shop
            .s
            .f
            .ask_as_person(
                owner,
                "select public.request_provision('{\"project_id\": \"p1\", \"agent_key\": \"agent:scout:main\"}')",
            )
            .await;
        assert_eq!(code(&asked), "PT402");
        // Whether it is paid for is nothing that a member writes.
        by_row(&shop, "update agents set billing = 'paid', name = 'Owl'")
            .await
            .expect("write");
        by_row(&shop, "update agents set billing = 'free'")
            .await
            .expect("write");
        assert_eq!(shop.agent().await, before, "lapsed: {lapsed}");
        assert_eq!(
            shop.s.agent(KEY).await["name"],
            json!("Owl"),
            "the rest he writes"
        );
        let id = shop.s.agent_id(KEY).await;
        let why = shop
            .s
            .f
            .ask_as_person(owner, &format!("select public.why_pending('{id}')"))
            .await
            .expect("ask");
        assert_eq!(why["code"], json!("unpaid"), "{why}");
    }
}

#[tokio::test]
async fn a_dead_command_does_not_come_back_unpaid() {
    let shop = Shop::new().await;
    let intent = shop.checkout().await;
    shop.pay(&intent, "sub_1", T).await;
    let held = shop.s.take("deploy").await;
    shop.s
        .finish(
            held,
            "failed",
            json!({ "ok": false, "error": { "code": "x", "message": "no", "hint": "-" } }),
        )
        .await;
    assert_eq!(shop.s.dead_letters().await, 1);
    let id = text(
        &shop
            .value("select to_jsonb(item_id) from creel.dead_letters")
            .await,
    );
    shop.deliver(&deleted("evt_2", &intent, "sub_1", T + 1)).await;
    let again = shop
        .s
        .f
        .ask_as_person(shop.s.f.owner, &format!("select public.redrive('{id}')"))
        .await;
    assert_eq!(code(&again), "PT402");
}

#[tokio::test]
async fn a_rented_host_takes_nothing_that_is_free() {
    let shop = Shop::new().await;
    shop.running().await;
    let host = shop.s.host.host;
    shop.exec("update hosts set backends = '{shared,profile}'").await;
    let pinned = format!(
        "insert into agents (project_id, agent_key, host_id) values ('p1', 'agent:b:main', '{host}')"
    );
    assert_eq!(code(&by_row(&shop, &pinned).await), "PT409");
    shop.s.send_new("agent:c:main").await;
    let moved = format!("update agents set host_id = '{host}' where agent_key = 'agent:c:main'");
    assert_eq!(code(&by_row(&shop, &moved).await), "PT409");
    let request = shop.s.f.request("agent:c:main").await;
    assert_eq!(
        shop.s.work().await,
        Vec::<String>::new(),
        "the claim passes it over"
    );
    let why = shop
        .s
        .f
        .ask_as_person(shop.s.f.owner, &format!("select public.why_pending('{request}')"))
        .await
        .expect("ask");
    assert_eq!(
        (&why["code"], &why["hosts"][0]["code"]),
        (&json!("rented"), &json!("rented")),
        "{why}"
    );
    // A host of their own takes it.
    let own = shop.s.f.host(&["p1"]).await;
    own.tick(&[]).await;
    assert_eq!(own.claim(10).await.len(), 1);
}

#[tokio::test]
async fn a_limit_of_a_day_keeps_nobody_from_being_stopped() {
    let shop = Shop::new().await;
    let intent = shop.running().await;
    shop.exec("update creel.settings set max_commands_per_day = 2")
        .await;
    shop.s.send(KEY, "restart", json!({})).await;
    let late = changed(
        "evt_2",
        "updated",
        T + 9,
        subscription(&intent, "sub_1", "unpaid"),
    );
    shop.deliver(&late).await;
    assert!(shop.s.work().await.contains(&"stop".to_owned()));
    assert_eq!(shop.agent().await, "unpaid stopped stopped");
}

#[tokio::test]
async fn what_is_at_work_when_the_payment_ends_is_stopped_after_it() {
    let shop = Shop::new().await;
    let intent = shop.checkout().await;
    shop.pay(&intent, "sub_1", T).await;
    let held = shop.s.take("deploy").await;
    shop.deliver(&deleted("evt_2", &intent, "sub_1", T + 1)).await;
    assert_eq!(shop.s.open(KEY).await, ["deploy", "stop"]);
    // And paid again before that.
    let again = shop.checkout().await;
    shop.pay(&again, "sub_2", T + 2).await;
    assert_eq!(shop.s.open(KEY).await, ["deploy", "start"]);
    shop.s
        .finish(
            held,
            "done",
            json!({ "ok": true, "state": "running", "workspace": "/w" }),
        )
        .await;
    assert_eq!(shop.s.work().await, ["start"]);
    assert_eq!(shop.agent().await, "paid running running");
}

#[tokio::test]
async fn a_person_and_stripe_at_the_same_time_end_stopped() {
    let shop = Shop::new().await;
    let intent = shop.running().await;
    for i in 0..6 {
        let (status, id) = if i % 2 == 0 {
            ("unpaid", "a")
        } else {
            ("active", "b")
        };
        let event = changed(
            &format!("evt_{id}{i}"),
            "updated",
            T + 100 + i,
            subscription(&intent, "sub_1", status),
        );
        let payload = json!({});
        let (_, sent) = tokio::join!(
            shop.deliver(&event),
            shop.s.try_send(shop.s.f.owner, KEY, "start", &payload)
        );
        if let Err(refused) = sent {
            assert!(
                ["PT402", "40P01"].contains(&refused.code().map_or("", |c| c.code())),
                "{refused:?}"
            );
        }
        // Whoever is refused holds the lane for a moment more, and a claim passes over it.
        while !shop.s.open(KEY).await.is_empty() {
            shop.s.work().await;
        }
        let wanted = if status == "unpaid" {
            "unpaid stopped stopped"
        } else {
            "paid running running"
        };
        assert_eq!(
            shop.agent().await,
            wanted,
            "{i}: {:?}",
            shop.s.commands(KEY).await
        );
    }
}
