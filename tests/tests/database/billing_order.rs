//! In whatever order Stripe tells it, and however often: the same comes of it.

use serde_json::{Value, json};

use crate::shop::{
    KEY, Shop, T, apply, changed, completed, deleted, event, fetched, session, subscription, text,
};

/// What an order must not change.
const STATE: &str = "select jsonb_build_object(
  'subscriptions', (select jsonb_agg(to_jsonb(s)
      - '{agent_id,host_id,intent_id,item_id,paid_at,received_at,asked_at,as_of,created_at,updated_at}'::text[])
    from subscriptions s),
  'states', (select jsonb_object_agg(extract(epoch from as_of)::bigint, status) from creel.subscription_states),
  'agents', (select jsonb_agg(jsonb_build_object('billing', a.billing, 'desired', a.desired_state)) from agents a),
  'intents', (select jsonb_agg(jsonb_build_object('status', i.status, 'session', i.session_id is not null))
    from checkout_intents i),
  'customers', (select count(*) from stripe_customers),
  'events', (select jsonb_object_agg(e.id, e.status) from stripe_events e))";

/// A small generator: the same cases in each run.
struct Shuffle(u64);

impl Shuffle {
    fn next(&mut self, below: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap_or_default() % below
    }

    fn shuffled<T: Clone>(&mut self, of: &[T]) -> Vec<T> {
        let mut all = of.to_vec();
        for i in (1..all.len()).rev() {
            all.swap(i, self.next(i + 1));
        }
        all
    }
}

/// From the checkout to the end, without invoices.
fn life(intent: &str) -> Vec<Value> {
    let sub = |status: &str| subscription(intent, "sub_1", status);
    vec![
        event(
            "answer_cs",
            "checkout.session.created",
            T - 9,
            session(intent, "sub_1", "unpaid"),
        ),
        changed("evt_1", "created", T, sub("incomplete")),
        changed("evt_2", "updated", T + 1, sub("active")),
        completed("evt_3", intent, "sub_1", T + 2),
        changed("evt_4", "updated", T + 100, sub("past_due")),
        changed("evt_5", "updated", T + 200, sub("past_due")),
        changed("evt_6", "updated", T + 300, sub("active")),
        changed("evt_7", "updated", T + 400, sub("past_due")),
        changed("evt_8", "updated", T + 500, sub("past_due")),
        deleted("evt_9", intent, "sub_1", T + 600),
    ]
}

/// Delivers as the Stripe function does: what is to be fetched is, from a Stripe that has come to the end.
async fn deliver(shop: &Shop, event: &Value, now: &Value) -> String {
    let endpoint = if text(&event["id"]).starts_with("answer_") {
        "answer"
    } else {
        "platform"
    };
    let answer = apply(&shop.s.f.admin, endpoint, event, None).await;
    if answer["outcome"] != json!("fetch") {
        return text(&answer["outcome"]);
    }
    assert_eq!(answer["fetch"][0]["id"], json!("sub_1"));
    let answer = apply(&shop.s.f.admin, endpoint, event, Some(json!({ "sub_1": now }))).await;
    text(&answer["outcome"])
}

#[tokio::test]
async fn every_order_with_repetitions_ends_the_same() {
    orders(4).await;
}

#[tokio::test]
async fn slow_every_order_with_repetitions_ends_the_same() {
    orders(40).await;
}

/// So many orders of one life.
async fn orders(count: usize) {
    let mut shuffle = Shuffle(7);
    let mut expected: Option<Value> = None;
    for case in 0..count {
        let shop = Shop::new().await;
        let intent = shop.checkout().await;
        let events = life(&intent);
        let ended = fetched(
            deleted("x", &intent, "sub_1", T + 600)["data"]["object"].clone(),
            T + 700,
        );
        let order = if case == 0 {
            events.clone()
        } else {
            let twice: Vec<Value> = events.iter().chain(&events).cloned().collect();
            shuffle.shuffled(&twice)
        };
        for event in &order {
            let outcome = deliver(&shop, event, &ended).await;
            assert!(
                ["applied", "repeated"].contains(&outcome.as_str()),
                "{case}: {event} {outcome}"
            );
        }
        let mut state = shop.value(STATE).await;
        // What was fetched is known as of when it was.
        state["states"]
            .as_object_mut()
            .expect("states")
            .remove(&(T + 700).to_string());
        let deploys = shop
            .s
            .commands(KEY)
            .await
            .iter()
            .filter(|c| c.starts_with("deploy"))
            .count();
        assert!(deploys <= 1, "{case}: {deploys} deployments");
        match &expected {
            None => expected = Some(state),
            Some(expected) => assert_eq!(&state, expected, "{case}: {order:#?}"),
        }
    }
}

#[tokio::test]
async fn since_when_it_is_late_does_not_depend_on_the_order() {
    for order in [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1], [1, 3, 0, 2]] {
        let shop = Shop::new().await;
        shop.exec("update creel.settings set billing_grace_secs = 2000000000")
            .await;
        let intent = shop.running().await;
        let events = [
            changed(
                "evt_2",
                "updated",
                T + 100,
                subscription(&intent, "sub_1", "past_due"),
            ),
            changed(
                "evt_3",
                "updated",
                T + 200,
                subscription(&intent, "sub_1", "active"),
            ),
            changed(
                "evt_4",
                "updated",
                T + 300,
                subscription(&intent, "sub_1", "past_due"),
            ),
            changed(
                "evt_5",
                "updated",
                T + 400,
                subscription(&intent, "sub_1", "past_due"),
            ),
        ];
        for i in order {
            shop.deliver(&events[i]).await;
        }
        let since = "select to_jsonb(extract(epoch from past_due_since)::bigint) from subscriptions";
        assert_eq!(shop.value(since).await, json!(T + 300), "{order:?}");
        assert_eq!(shop.subscription("sub_1").await["service"], json!("grace"));
    }
}

#[tokio::test]
async fn an_event_that_comes_again_changes_nothing() {
    let shop = Shop::new().await;
    let intent = shop.running().await;
    let late = changed(
        "evt_2",
        "updated",
        T + 50,
        subscription(&intent, "sub_1", "unpaid"),
    );
    shop.deliver(&late).await;
    assert_eq!(shop.s.work().await, ["stop"]);
    for _ in 0..3 {
        assert_eq!(shop.apply(&late, None).await["outcome"], json!("repeated"));
    }
    // Not even when somebody says other things in its name.
    let other = changed(
        "evt_2",
        "updated",
        T + 90,
        subscription(&intent, "sub_1", "active"),
    );
    assert_eq!(shop.apply(&other, None).await["outcome"], json!("repeated"));
    assert_eq!(shop.s.open(KEY).await, Vec::<String>::new());
    assert_eq!(
        shop.value("select to_jsonb(deliveries) from stripe_events where id = 'evt_2'")
            .await,
        json!(5)
    );
    assert_eq!(
        shop.value("select to_jsonb(deliveries) from stripe_events where id = 'evt_paid_sub_1'")
            .await,
        json!(1),
        "the round with what was fetched is none"
    );
}

#[tokio::test]
async fn two_states_of_one_second_are_decided_by_stripe() {
    let shop = Shop::new().await;
    let intent = shop.running().await;
    shop.deliver(&changed(
        "evt_2",
        "updated",
        T + 50,
        subscription(&intent, "sub_1", "past_due"),
    ))
    .await;
    let tie = changed(
        "evt_3",
        "updated",
        T + 50,
        subscription(&intent, "sub_1", "active"),
    );
    let answer = shop.apply(&tie, None).await;
    assert_eq!(answer["outcome"], json!("fetch"), "{answer}");
    assert_eq!(shop.subscription("sub_1").await["status"], json!("past_due"));
    let now = fetched(subscription(&intent, "sub_1", "active"), T + 60);
    assert_eq!(
        shop.apply(&tie, Some(json!({ "sub_1": now }))).await["outcome"],
        json!("applied")
    );
    assert_eq!(shop.subscription("sub_1").await["status"], json!("active"));
    let same = changed(
        "evt_4",
        "updated",
        T + 60,
        subscription(&intent, "sub_1", "active"),
    );
    assert_eq!(
        shop.deliver(&same).await["note"],
        Value::Null,
        "the same twice is no tie"
    );
}

#[tokio::test]
async fn what_is_over_stays_over() {
    let shop = Shop::new().await;
    let intent = shop.running().await;
    shop.deliver(&deleted("evt_2", &intent, "sub_1", T + 100)).await;
    let answer = shop
        .deliver(&changed(
            "evt_3",
            "updated",
            T + 999,
            subscription(&intent, "sub_1", "active"),
        ))
        .await;
    assert_eq!(answer["note"], json!("this subscription has ended"));
    let resurrected = completed("evt_4", &intent, "sub_1", T + 999);
    let now = fetched(subscription(&intent, "sub_1", "active"), T + 1000);
    shop.apply(&resurrected, Some(json!({ "sub_1": now }))).await;
    assert_eq!(shop.subscription("sub_1").await["status"], json!("canceled"));
    assert_eq!(shop.s.work().await, ["stop"]);
    // An end that is told before everything else.
    let shop = Shop::new().await;
    let intent = shop.checkout().await;
    shop.deliver(&deleted("evt_1", &intent, "sub_1", T + 100)).await;
    shop.deliver(&changed(
        "evt_2",
        "created",
        T,
        subscription(&intent, "sub_1", "active"),
    ))
    .await;
    assert_eq!(shop.agent().await, "unpaid stopped pending_deploy");
    assert_eq!(shop.s.commands(KEY).await, Vec::<String>::new());
}

#[tokio::test]
async fn an_invoice_that_comes_first_asks_for_its_subscription() {
    let shop = Shop::new().await;
    let intent = shop.checkout().await;
    let failed = |id: &str, metadata: Value| {
        event(
            id,
            "invoice.payment_failed",
            T + 5,
            json!({ "id": format!("in_{id}"), "parent": { "subscription_details": {
                "subscription": "sub_1", "metadata": metadata } } }),
        )
    };
    let answer = shop
        .apply(&failed("evt_1", json!({ "creel_intent": intent })), None)
        .await;
    assert_eq!(answer["fetch"][0]["id"], json!("sub_1"), "{answer}");
    let current = json!({ "sub_1": fetched(subscription(&intent, "sub_1", "incomplete"), T + 6) });
    let answer = shop
        .apply(&failed("evt_1", json!({ "creel_intent": intent })), Some(current))
        .await;
    assert_eq!(answer["outcome"], json!("applied"), "{answer}");
    assert_eq!(shop.subscription("sub_1").await["service"], json!("awaiting"));
    let answer = shop.apply(&failed("evt_2", json!({})), None).await;
    assert_eq!(answer["outcome"], json!("applied"), "known by now");

    let shop = Shop::new().await;
    let answer = shop.apply(&failed("evt_1", json!({})), None).await;
    assert_eq!(answer["outcome"], json!("ignored"), "another product's");
}

#[tokio::test]
async fn what_waits_is_applied_when_its_subject_is_known() {
    let shop = Shop::new().await;
    let intent = shop.checkout().await;
    // Its subscription could not be fetched, and so it waits.
    let invoice = json!({ "id": "in_1", "parent": { "subscription_details": {
      "subscription": "sub_1", "metadata": { "creel_intent": intent } } } });
    let failed = event("evt_1", "invoice.payment_failed", T + 5, invoice);
    assert_eq!(shop.apply(&failed, None).await["outcome"], json!("fetch"));
    let status = "select to_jsonb(status) from stripe_events where id = 'evt_1'";
    assert_eq!(shop.value(status).await, json!("waiting"));
    shop.deliver(&changed(
        "evt_2",
        "created",
        T,
        subscription(&intent, "sub_1", "incomplete"),
    ))
    .await;
    assert_eq!(shop.value(status).await, json!("applied"));
    assert_eq!(shop.told().await, ["billing.reserved", "billing.payment_failed"]);
    assert_eq!(shop.apply(&failed, None).await["outcome"], json!("repeated"));

    // A customer's end that was told before anybody knew him.
    let shop = Shop::new().await;
    let intent = shop.checkout().await;
    let gone = event("evt_1", "customer.deleted", T + 500, json!({ "id": "cus_1" }));
    assert_eq!(shop.apply(&gone, None).await["outcome"], json!("ignored"));
    shop.deliver(&changed(
        "evt_2",
        "updated",
        T,
        subscription(&intent, "sub_1", "active"),
    ))
    .await;
    assert_eq!(shop.subscription("sub_1").await["status"], json!("canceled"));
    assert_eq!(shop.s.work().await, Vec::<String>::new());
}

#[tokio::test]
async fn the_clock_looks_at_what_waits() {
    let shop = Shop::new().await;
    let intent = shop.checkout().await;
    let paid = completed("evt_1", &intent, "sub_1", T);
    assert_eq!(shop.apply(&paid, None).await["outcome"], json!("fetch"));
    let clock = |current: Value| {
        let mut args = json!({ "api": 1, "endpoint": "clock" });
        if !current.is_null() {
            args["current"] = current;
        }
        args
    };
    let ask = async |args: Value| -> Value {
        shop.s
            .f
            .admin
            .query_one("select public.apply_stripe_event($1)", &[&args])
            .await
            .expect("ask")
            .get(0)
    };
    assert_eq!(ask(clock(Value::Null)).await["fetch"], json!([]), "not at once");
    shop.exec("update stripe_events set looked_at = now() - interval '1 hour'")
        .await;
    let answer = ask(clock(Value::Null)).await;
    assert_eq!(answer["fetch"][0]["id"], json!("sub_1"), "{answer}");
    let current = json!({ "sub_1": fetched(subscription(&intent, "sub_1", "active"), T + 1) });
    assert_eq!(ask(clock(current)).await["outcome"], json!("applied"));
    assert_eq!(shop.s.work().await, ["deploy"]);
}

#[tokio::test]
async fn neither_a_backlog_nor_one_that_always_fails_keeps_the_clock_from_what_can_be_applied() {
    let shop = Shop::new().await;
    let intent = shop.checkout().await;
    let paid = completed("evt_1", &intent, "sub_1", T);
    assert_eq!(shop.apply(&paid, None).await["outcome"], json!("fetch"));
    // Thirty that want something which Stripe does not tell, and one at which the database's patience ends.
    shop.exec(
        "insert into stripe_events (id, endpoint, type, created, status, subjects, looked_at, payload)
         select format('evt_w%s', n), 'platform', 'charge.dispute.created', now(), 'waiting', '{}', '-infinity',
           jsonb_build_object('id', format('evt_w%s', n), 'type', 'charge.dispute.created', 'created', 1,
             'data', jsonb_build_object('object', jsonb_build_object(
               'object', 'dispute', 'id', format('dp_%s', n), 'charge', format('ch_%s', n), 'amount', 1)))
         from generate_series(1, 30) n;
         insert into stripe_events (id, endpoint, type, created, status, subjects, looked_at, payload)
         values ('evt_slow', 'platform', 'customer.deleted', now(), 'waiting', '{cus_9}', '-infinity',
           '{\"id\": \"evt_slow\", \"type\": \"customer.deleted\", \"created\": 1, \"data\": {\"object\": {\"id\": \"cus_9\"}}}');
         create or replace function creel.handle_customer_deleted(event jsonb) returns jsonb language plpgsql as
           'begin raise exception ''slow'' using errcode = ''57014''; end'",
    )
    .await;
    let sub = fetched(subscription(&intent, "sub_1", "active"), T + 1);
    let clock = json!({
        "api": 1, "endpoint": "clock", "current": { "sub_1": sub, "cus_9": { "id": "cus_9" } },
    });
    for _ in 0..2 {
        let answer = shop
            .s
            .f
            .admin
            .query_one("select public.apply_stripe_event($1)", &[&clock])
            .await;
        answer.expect("the clock goes on");
    }
    assert_eq!(shop.s.work().await, ["deploy"]);
}

#[tokio::test]
async fn deliveries_at_the_same_time_have_one_effect() {
    let shop = Shop::new().await;
    let intent = shop.checkout().await;
    let mut all = tokio::task::JoinSet::new();
    for i in 0..12 {
        let client = shop.s.f.test.postgres().await.expect("connect");
        let intent = intent.clone();
        all.spawn(async move {
            let current = json!({ "sub_1": fetched(subscription(&intent, "sub_1", "active"), T + 3) });
            // The same event, and others of the same subscription.
            let event = match i % 3 {
                0 => completed("evt_1", &intent, "sub_1", T),
                1 => changed(
                    "evt_2",
                    "updated",
                    T + 1,
                    subscription(&intent, "sub_1", "active"),
                ),
                _ => changed(
                    &format!("evt_3{i}"),
                    "updated",
                    T + 2,
                    subscription(&intent, "sub_1", "active"),
                ),
            };
            text(&apply(&client, "platform", &event, Some(current)).await["outcome"])
        });
    }
    while let Some(outcome) = all.join_next().await {
        let outcome = outcome.expect("it ends");
        assert!(["applied", "repeated"].contains(&outcome.as_str()), "{outcome}");
    }
    assert_eq!(shop.s.commands(KEY).await, ["deploy pending"]);
    assert_eq!(shop.told().await, ["billing.reserved", "billing.paid"]);
    assert_eq!(
        shop.value("select to_jsonb(count(*)) from subscriptions").await,
        json!(1)
    );
}

#[tokio::test]
async fn kinds_that_nobody_knows_are_kept_and_what_is_no_event_is_refused() {
    let shop = Shop::new().await;
    let odd = event("evt_1", "climate.order.created", T, json!({ "id": "x" }));
    let answer = shop.apply(&odd, None).await;
    assert_eq!(answer["outcome"], json!("ignored"));
    assert_eq!(
        shop.value("select payload -> 'type' from stripe_events").await,
        json!("climate.order.created")
    );
    assert_eq!(shop.apply(&odd, None).await["outcome"], json!("repeated"));
    // Another product of the same account at Stripe.
    let foreign = json!({ "id": "sub_x", "status": "active", "customer": "cus_x", "metadata": {} });
    let answer = shop.apply(&changed("evt_2", "created", T, foreign), None).await;
    assert_eq!(answer["outcome"], json!("ignored"));
    let elsewhere = subscription("6f1c6cb6-0a5f-4a29-b6a3-0d3f4a1f8f11", "sub_y", "active");
    let answer = shop.apply(&changed("evt_3", "created", T, elsewhere), None).await;
    assert_eq!(answer["outcome"], json!("ignored"), "another database's");
    // What only the function's own requests are answered.
    for (endpoint, bad) in [
        ("platform", json!({})),
        (
            "platform",
            json!({ "id": "evt_1", "type": "x", "created": "now", "data": { "object": {} } }),
        ),
        ("platform", event("answer_x", "account.created", T, json!({}))),
        ("answer", event("evt_9", "checkout.session.created", T, json!({}))),
        ("answer", event("answer_9", "invoice.paid", T, json!({}))),
        ("elsewhere", odd.clone()),
    ] {
        let args = json!({ "api": 1, "endpoint": endpoint, "event": bad });
        let refused = shop
            .s
            .f
            .admin
            .query_one("select public.apply_stripe_event($1)", &[&args])
            .await
            .expect_err("refused");
        assert_eq!(
            refused.code().map(tokio_postgres::error::SqlState::code),
            Some("22023"),
            "{bad}"
        );
    }
}

#[tokio::test]
async fn what_fails_waits_and_says_why() {
    let shop = Shop::new().await;
    let intent = shop.checkout().await;
    // Nobody has foreseen it.
    shop.exec("alter table brain_docs add constraint nothing_more check (false) not valid")
        .await;
    let paid = completed("evt_1", &intent, "sub_1", T);
    let current = json!({ "sub_1": fetched(subscription(&intent, "sub_1", "active"), T + 1) });
    let answer = shop.apply(&paid, Some(current.clone())).await;
    assert_eq!(answer["outcome"], json!("waiting"));
    assert!(text(&answer["note"]).contains("nothing_more"), "{answer}");
    assert_eq!(
        shop.agent().await,
        "unpaid stopped pending_deploy",
        "nothing is half applied"
    );
    assert_eq!(
        shop.value("select to_jsonb(count(*)) from subscriptions").await,
        json!(0)
    );
    shop.exec("alter table brain_docs drop constraint nothing_more")
        .await;
    assert_eq!(
        shop.apply(&paid, Some(current)).await["outcome"],
        json!("applied")
    );
    assert_eq!(shop.s.work().await, ["deploy"]);
}
