//! The life of a subscription is the life of its agent.

use serde_json::{Value, json};

use crate::shop::{
    KEY, PRICE, Shop, T, changed, completed, deleted, event, fetched, session, subscription, text,
};

#[tokio::test]
async fn a_paid_checkout_deploys_and_its_end_stops_and_undeploys() {
    let shop = Shop::new().await;
    let intent = shop.checkout().await;
    assert_eq!(shop.agent().await, "unpaid stopped pending_deploy");

    let paid = completed("evt_1", &intent, "sub_1", T);
    let answer = shop.apply(&paid, None).await;
    assert_eq!(answer["outcome"], json!("fetch"));
    assert_eq!(
        answer["fetch"],
        json!([{ "object": "subscription", "id": "sub_1", "expand": [] }])
    );
    assert_eq!(
        shop.agent().await,
        "unpaid stopped pending_deploy",
        "nothing is half applied"
    );
    assert_eq!(
        shop.value("select jsonb_agg(status) from stripe_events").await,
        json!(["waiting"]),
        "but it is visible"
    );
    let current = json!({ "sub_1": fetched(subscription(&intent, "sub_1", "active"), T + 1) });
    let answer = shop.apply(&paid, Some(current)).await;
    assert_eq!(answer["outcome"], json!("applied"), "{answer}");
    assert_eq!(shop.agent().await, "paid running pending_deploy");
    assert_eq!(shop.s.commands(KEY).await, ["deploy pending"]);
    assert_eq!(
        shop.value("select jsonb_agg(terms) from project_hosts").await,
        json!(["rented"])
    );
    assert_eq!(
        shop.value("select to_jsonb(content) from brain_docs where doc_type = 'soul'")
            .await,
        json!("Be wise.")
    );
    assert_eq!(shop.s.work().await, ["deploy"]);
    assert_eq!(shop.agent().await, "paid running running");

    let sub = shop.subscription("sub_1").await;
    assert_eq!(
        (
            &sub["status"],
            &sub["service"],
            &sub["amount_minor"],
            &sub["currency"]
        ),
        (&json!("active"), &json!("active"), &json!(PRICE), &json!("eur"))
    );
    let ends = "select to_jsonb(extract(epoch from current_period_end)::bigint) from subscriptions";
    assert_eq!(shop.value(ends).await, json!(T + 2_592_000), "the item's period");
    assert_eq!(
        shop.value("select jsonb_agg(status) from checkout_intents").await,
        json!(["paid"])
    );
    let latency = shop
        .value("select to_jsonb(p) from paid_to_running p where gap is null")
        .await;
    assert!(latency["running_at"].is_string(), "{latency}");
    assert!(latency["received_to_running"].is_string(), "{latency}");

    shop.deliver(&deleted("evt_2", &intent, "sub_1", T + 100)).await;
    assert_eq!(shop.agent().await, "unpaid stopped running");
    assert_eq!(shop.s.work().await, ["stop"]);
    shop.sweep().await;
    assert_eq!(
        shop.agent().await,
        "unpaid stopped stopped",
        "it is kept for a while"
    );
    assert_eq!(
        shop.value(
            "select to_jsonb(remove_at = ended_at + 2000000000 * interval '1 second') from subscriptions"
        )
        .await,
        json!(true)
    );

    shop.exec(
        "update creel.settings set billing_retention_secs = 0;
       update subscriptions set remove_at = now()",
    )
    .await;
    shop.sweep().await;
    assert_eq!(shop.s.work().await, ["undeploy"]);
    shop.sweep().await;
    assert_eq!(shop.s.work().await, Vec::<String>::new(), "once");
    assert_eq!(shop.agent().await, "unpaid removed removed");
    assert_eq!(shop.subscription("sub_1").await["service"], json!("removed"));
    assert_eq!(
        shop.told().await,
        [
            "billing.reserved",
            "billing.paid",
            "billing.ended",
            "billing.removed"
        ]
    );
    assert_eq!(
        shop.value("select to_jsonb(count(*)) from brain_docs").await,
        json!(1),
        "its memory stays"
    );

    shop.exec("update project_hosts set created_at = now() - interval '2 hours'")
        .await;
    shop.sweep().await;
    assert_eq!(
        shop.value("select to_jsonb(count(*)) from project_hosts").await,
        json!(0),
        "the host serves the project no longer"
    );

    // Paid again: the same agent, with its documents.
    let again = shop.checkout().await;
    assert_ne!(again, intent);
    assert_eq!(shop.agent().await, "unpaid stopped pending_deploy");
    shop.pay(&again, "sub_2", T + 500).await;
    assert_eq!(shop.s.work().await, ["deploy"]);
    assert_eq!(shop.agent().await, "paid running running");
    assert_eq!(
        shop.value("select to_jsonb(count(*)) from agents").await,
        json!(1)
    );
}

#[tokio::test]
async fn an_agent_of_the_shared_gateway_is_provisioned() {
    let shop = Shop::new().await;
    let mut wish = shop.wish();
    wish["agent"]["backend"] = json!("shared");
    let intent = text(&shop.begin(&wish).await["intent_id"]);
    shop.pay(&intent, "sub_1", T).await;
    assert_eq!(shop.agent().await, "paid running pending_deploy");
    assert_eq!(shop.s.open(KEY).await, ["agent_provision_requests"]);
    assert_eq!(shop.s.work().await, ["provision"]);
    assert_eq!(shop.agent().await, "paid running running");
    assert_eq!(
        shop.value("select to_jsonb(gap is null and running_at is not null) from paid_to_running")
            .await,
        json!(true)
    );
    shop.deliver(&deleted("evt_2", &intent, "sub_1", T + 100)).await;
    assert_eq!(shop.s.work().await, ["stop"]);
    assert_eq!(shop.agent().await, "unpaid stopped stopped");
}

#[tokio::test]
async fn who_is_late_runs_on_through_the_grace_and_is_stopped_after_it() {
    let shop = Shop::new().await;
    let intent = shop.running().await;
    let past_due = subscription(&intent, "sub_1", "past_due");
    shop.exec("update creel.settings set billing_grace_secs = 2000000000")
        .await;
    shop.deliver(&changed("evt_2", "updated", T + 50, past_due.clone()))
        .await;
    assert_eq!(shop.agent().await, "paid running running");
    assert_eq!(shop.subscription("sub_1").await["service"], json!("grace"));
    shop.sweep().await;
    assert_eq!(shop.s.open(KEY).await, Vec::<String>::new());

    // Told again later, it is late since the first time.
    shop.deliver(&changed("evt_3", "updated", T + 90, past_due.clone()))
        .await;
    let since = "select to_jsonb(extract(epoch from past_due_since)::bigint) from subscriptions";
    assert_eq!(shop.value(since).await, json!(T + 50));

    shop.exec(
        "update creel.settings set billing_grace_secs = 60; update subscriptions set grace_until = now()",
    )
    .await;
    shop.sweep().await;
    assert_eq!(shop.subscription("sub_1").await["service"], json!("suspended"));
    assert_eq!(shop.agent().await, "unpaid stopped running");
    assert_eq!(shop.s.work().await, ["stop"]);

    // Paid after all.
    shop.deliver(&changed(
        "evt_4",
        "updated",
        T + 200,
        subscription(&intent, "sub_1", "active"),
    ))
    .await;
    assert_eq!(shop.subscription("sub_1").await["remove_at"], Value::Null);
    assert_eq!(shop.s.work().await, ["start"]);
    assert_eq!(shop.agent().await, "paid running running");
    assert_eq!(
        shop.told().await,
        [
            "billing.reserved",
            "billing.paid",
            "billing.past_due",
            "billing.suspended",
            "billing.paid"
        ]
    );
}

#[tokio::test]
async fn what_is_unpaid_or_paused_is_stopped_at_once() {
    for status in ["unpaid", "paused"] {
        let shop = Shop::new().await;
        let intent = shop.running().await;
        shop.deliver(&changed(
            "evt_2",
            "updated",
            T + 50,
            subscription(&intent, "sub_1", status),
        ))
        .await;
        assert_eq!(shop.subscription("sub_1").await["service"], json!("suspended"));
        assert_eq!(shop.s.work().await, ["stop"], "{status}");
        shop.deliver(&changed(
            "evt_3",
            "resumed",
            T + 60,
            subscription(&intent, "sub_1", "active"),
        ))
        .await;
        assert_eq!(shop.s.work().await, ["start"], "{status}");
    }
}

#[tokio::test]
async fn a_persons_own_stop_stays_while_it_is_paid() {
    let shop = Shop::new().await;
    let intent = shop.running().await;
    shop.s.send(KEY, "stop", json!({})).await;
    assert_eq!(shop.s.work().await, ["stop"]);
    let mut next = subscription(&intent, "sub_1", "active");
    next["items"]["data"][0]["current_period_end"] = json!(T + 9_000_000);
    shop.deliver(&changed("evt_2", "updated", T + 50, next)).await;
    assert_eq!(shop.agent().await, "paid stopped stopped");
    assert_eq!(shop.s.open(KEY).await, Vec::<String>::new());
    shop.s.send(KEY, "start", json!({})).await;
    assert_eq!(shop.s.work().await, ["start"], "and he starts it himself");
}

#[tokio::test]
async fn a_late_word_of_an_old_subscription_stops_nothing() {
    let shop = Shop::new().await;
    let intent = shop.running().await;
    shop.deliver(&deleted("evt_2", &intent, "sub_1", T + 100)).await;
    assert_eq!(shop.s.work().await, ["stop"]);
    let again = shop.checkout().await;
    shop.pay(&again, "sub_2", T + 200).await;
    assert_eq!(shop.s.work().await, ["start"], "it is there still");
    // The old one's retention ends, and Stripe repeats that it was canceled.
    shop.exec("update subscriptions set remove_at = now() where id = 'sub_1'")
        .await;
    shop.sweep().await;
    shop.deliver(&deleted("evt_3", &intent, "sub_1", T + 300)).await;
    assert_eq!(shop.agent().await, "paid running running");
    assert_eq!(shop.s.open(KEY).await, Vec::<String>::new());
}

#[tokio::test]
async fn what_was_not_begun_when_the_payment_ended_is_not_done() {
    let shop = Shop::new().await;
    let intent = shop.checkout().await;
    shop.pay(&intent, "sub_1", T).await;
    shop.deliver(&deleted("evt_2", &intent, "sub_1", T + 1)).await;
    assert_eq!(shop.s.work().await, Vec::<String>::new());
    assert_eq!(shop.agent().await, "unpaid stopped pending_deploy");
    assert_eq!(
        shop.s.commands(KEY).await,
        ["deploy failed superseded", "stop acked"]
    );
    assert_eq!(shop.s.dead_letters().await, 0);
    let gap = shop.value("select to_jsonb(gap) from paid_to_running").await;
    assert_eq!(gap, json!("something newer took its place"));
}

#[tokio::test]
async fn a_customer_who_is_deleted_ends_what_he_paid_for() {
    let shop = Shop::new().await;
    let intent = shop.running().await;
    assert_eq!(
        shop.value("select to_jsonb(customer_id) from stripe_customers")
            .await,
        json!("cus_1")
    );
    let gone = event(
        "evt_2",
        "customer.deleted",
        T + 100,
        json!({ "id": "cus_1", "object": "customer", "deleted": true }),
    );
    shop.deliver(&gone).await;
    assert_eq!(shop.s.work().await, ["stop"]);
    let sub = shop.subscription("sub_1").await;
    assert_eq!(
        (&sub["status"], &sub["service"]),
        (&json!("canceled"), &json!("ended"))
    );
    assert_eq!(
        shop.value("select to_jsonb(count(*)) from stripe_customers")
            .await,
        json!(0)
    );
    // Nothing brings it back.
    shop.deliver(&changed(
        "evt_3",
        "updated",
        T + 200,
        subscription(&intent, "sub_1", "active"),
    ))
    .await;
    assert_eq!(shop.agent().await, "unpaid stopped stopped");
    let other = event("evt_4", "customer.deleted", T + 100, json!({ "id": "cus_9" }));
    assert_eq!(shop.apply(&other, None).await["outcome"], json!("ignored"));
}

#[tokio::test]
async fn a_bank_that_takes_its_time_is_waited_for() {
    let shop = Shop::new().await;
    let intent = shop.checkout().await;
    shop.deliver(&event(
        "evt_1",
        "checkout.session.completed",
        T,
        session(&intent, "sub_1", "unpaid"),
    ))
    .await;
    shop.exec("update checkout_intents set expires_at = now() - interval '3 days'")
        .await;
    shop.sweep().await;
    assert_eq!(
        shop.agent().await,
        "unpaid stopped pending_deploy",
        "its place is kept"
    );
    let paid = event(
        "evt_2",
        "checkout.session.async_payment_succeeded",
        T + 90_000,
        session(&intent, "sub_1", "paid"),
    );
    let current = json!({ "sub_1": fetched(subscription(&intent, "sub_1", "active"), T + 90_001) });
    assert_eq!(
        shop.apply(&paid, Some(current)).await["outcome"],
        json!("applied")
    );
    assert_eq!(shop.s.work().await, ["deploy"]);

    let shop = Shop::new().await;
    let intent = shop.checkout().await;
    let under_way = event(
        "evt_1",
        "checkout.session.completed",
        T,
        session(&intent, "sub_1", "unpaid"),
    );
    shop.deliver(&under_way).await;
    shop.deliver(&event(
        "evt_2",
        "checkout.session.async_payment_failed",
        T + 9,
        session(&intent, "sub_1", "unpaid"),
    ))
    .await;
    assert_eq!(shop.agent().await, "none");
    assert_eq!(
        shop.value("select jsonb_agg(status) from checkout_intents").await,
        json!(["failed"])
    );
}

#[tokio::test]
async fn a_refused_payment_and_one_to_confirm_are_told() {
    let shop = Shop::new().await;
    shop.running().await;
    for (id, kind, told) in [
        ("evt_2", "invoice.payment_failed", "billing.payment_failed"),
        (
            "evt_3",
            "invoice.payment_action_required",
            "billing.action_required",
        ),
    ] {
        let invoice = json!({ "id": "in_1", "object": "invoice", "amount_due": PRICE, "currency": "eur",
          "attempt_count": 1, "hosted_invoice_url": "https://invoice.example/1",
          "parent": { "subscription_details": { "subscription": "sub_1" } } });
        shop.deliver(&event(id, kind, T + 10, invoice)).await;
        let said = shop
            .value(&format!("select detail from events where kind = '{told}'"))
            .await;
        assert_eq!(said["pay_at"], json!("https://invoice.example/1"), "{said}");
    }
    assert_eq!(
        shop.agent().await,
        "paid running running",
        "the subscription decides"
    );
}

#[tokio::test]
async fn a_project_that_is_deleted_leaves_its_subscription() {
    let shop = Shop::new().await;
    let intent = shop.running().await;
    let refused = shop
        .s
        .f
        .admin
        .batch_execute("delete from projects where id = 'p1'")
        .await;
    let refused = refused.expect_err("Stripe would go on charging");
    assert_eq!(
        refused.as_db_error().and_then(|e| e.detail()),
        Some("subscribed"),
        "{refused:?}"
    );
    let mut ending = subscription(&intent, "sub_1", "active");
    ending["cancel_at_period_end"] = json!(true);
    shop.deliver(&changed("evt_1", "updated", T + 50, ending)).await;
    shop.exec("delete from projects where id = 'p1'").await;
    let sub = shop.subscription("sub_1").await;
    assert_eq!(
        (&sub["project_id"], &sub["status"]),
        (&Value::Null, &json!("active"))
    );
    assert_eq!(
        shop.value("select to_jsonb(count(*)) from checkout_intents")
            .await,
        json!(1),
        "what was paid is not forgotten"
    );
    shop.deliver(&deleted("evt_2", &intent, "sub_1", T + 100)).await;
    assert_eq!(shop.subscription("sub_1").await["service"], json!("ended"));
    shop.exec("update subscriptions set remove_at = now()").await;
    shop.sweep().await;
    assert_eq!(shop.subscription("sub_1").await["service"], json!("removed"));
}
