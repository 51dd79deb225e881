//! Money that comes late, twice or not at all.

use std::time::Duration;

use creel_tests::wait::{eventually, eventually_some};
use serde_json::{Value, json};
use tokio_postgres::Error;

use crate::shop::{KEY, Shop, T, changed, completed, deleted, event, fetched, session, subscription, text};

fn detail(refused: &Result<Value, Error>) -> String {
    let error = refused.as_ref().expect_err("refused").as_db_error();
    error
        .and_then(|e| e.detail())
        .unwrap_or_else(|| panic!("{error:?}"))
        .to_owned()
}

async fn mismatches(shop: &Shop) -> Value {
    shop.value(
        "select coalesce(jsonb_agg(detail -> 'what' order by id), '[]') from events where kind = 'billing.mismatch'",
    )
    .await
}

fn invoice(id: &str, sub: &str, at: i64) -> Value {
    let object = json!({ "id": format!("in_{id}"), "object": "invoice", "amount_paid": 900, "currency": "eur",
      "parent": { "subscription_details": { "subscription": sub } } });
    event(id, "invoice.paid", at, object)
}

#[tokio::test]
async fn nothing_runs_before_the_bank_has_paid() {
    let shop = Shop::new().await;
    let intent = shop.checkout().await;
    // Of a debit Stripe calls the subscription active at once.
    let active = |id: &str, kind: &str| changed(id, kind, T, subscription(&intent, "sub_1", "active"));
    let under_way = |id: &str| {
        let object = session(&intent, "sub_1", "unpaid");
        event(id, "checkout.session.completed", T, object)
    };
    shop.deliver(&active("evt_1", "created")).await;
    shop.deliver(&under_way("evt_2")).await;
    shop.deliver(&active("evt_3", "updated")).await;
    assert_eq!(shop.agent().await, "unpaid stopped pending_deploy");
    assert_eq!(shop.subscription("sub_1").await["service"], json!("awaiting"));
    let late = subscription(&intent, "sub_1", "past_due");
    shop.deliver(&changed("evt_4", "updated", T + 9, late)).await;
    assert_eq!(
        shop.agent().await,
        "unpaid stopped pending_deploy",
        "nor is there a grace"
    );
    let refused = session(&intent, "sub_1", "unpaid");
    shop.deliver(&event(
        "evt_5",
        "checkout.session.async_payment_failed",
        T + 9,
        refused,
    ))
    .await;
    assert_eq!(shop.agent().await, "none", "its place is free");
    assert_eq!(
        shop.value("select jsonb_agg(status) from checkout_intents").await,
        json!(["failed"])
    );
    // The second try of Stripe succeeds: the invoice says so, and the agent gets its place again.
    let paid = subscription(&intent, "sub_1", "active");
    shop.deliver(&changed("evt_6", "updated", T + 90, paid)).await;
    assert_eq!(shop.agent().await, "none");
    shop.exec(
        "create or replace function creel.earn_invoice(
           event jsonb, invoice jsonb, subscription public.subscriptions, current jsonb)
         returns jsonb language sql as 'select null::jsonb'",
    )
    .await;
    shop.deliver(&invoice("evt_7", "sub_1", T + 91)).await;
    assert_eq!(shop.s.work().await, ["deploy"]);
    assert_eq!(shop.agent().await, "paid running running");
    assert_eq!(
        shop.value("select jsonb_agg(status) from checkout_intents").await,
        json!(["paid"])
    );
    let known = shop
        .value("select to_jsonb(agent_id is not null) from subscriptions")
        .await;
    assert_eq!(known, json!(true));
}

#[tokio::test]
async fn a_subscription_finds_the_agent_that_was_made_after_it() {
    let shop = Shop::new().await;
    let intent = shop.checkout().await;
    let incomplete = subscription(&intent, "sub_1", "incomplete");
    shop.deliver(&changed("evt_1", "created", T, incomplete)).await;
    shop.exec("delete from agents").await;
    shop.pay(&intent, "sub_1", T + 5).await;
    assert_eq!(shop.s.work().await, ["deploy"]);
    assert_eq!(shop.agent().await, "paid running running");
}

#[tokio::test]
async fn a_payment_that_is_under_way_is_not_asked_for_again() {
    let shop = Shop::new().await;
    let intent = shop.checkout().await;
    let object = session(&intent, "sub_1", "unpaid");
    shop.deliver(&event("evt_1", "checkout.session.completed", T, object))
        .await;
    shop.exec("update checkout_intents set expires_at = now() - interval '1 minute'")
        .await;
    let again = shop.try_begin(shop.s.f.owner, &shop.wish()).await;
    assert_eq!(detail(&again), "payment_under_way");
    // No bank takes a month.
    shop.exec("update checkout_intents set expires_at = now() - interval '31 days'")
        .await;
    shop.sweep().await;
    assert_eq!(shop.agent().await, "none");
}

#[tokio::test]
async fn an_open_invoice_is_paid_before_another_checkout() {
    let shop = Shop::new().await;
    let intent = shop.running().await;
    for (id, status) in [("evt_2", "unpaid"), ("evt_3", "paused"), ("evt_4", "past_due")] {
        let late = subscription(&intent, "sub_1", status);
        shop.deliver(&changed(id, "updated", T + 50, late.clone())).await;
        let again = shop.try_begin(shop.s.f.owner, &shop.wish()).await;
        assert_eq!(detail(&again), "open_invoice", "{status}");
        shop.exec("update subscriptions set as_of = as_of - interval '1 hour'")
            .await;
    }
    shop.deliver(&deleted("evt_9", &intent, "sub_1", T + 60)).await;
    shop.checkout().await;
}

#[tokio::test]
async fn a_second_payment_for_one_agent_is_told() {
    let shop = Shop::new().await;
    let first = shop.checkout().await;
    let object = session(&first, "sub_1", "unpaid");
    shop.deliver(&event("evt_1", "checkout.session.expired", T, object))
        .await;
    let second = shop.checkout().await;
    // The first was paid in its last moment.
    shop.pay(&first, "sub_1", T + 1).await;
    assert_eq!(mismatches(&shop).await, json!(["second_checkout"]));
    let again = shop.try_begin(shop.s.f.owner, &shop.wish()).await;
    assert_eq!(detail(&again), "paid", "its page is not given out any more");
    // And somebody had the page of the second.
    shop.pay(&second, "sub_2", T + 2).await;
    assert_eq!(
        mismatches(&shop).await,
        json!(["second_checkout", "second_subscription"])
    );
    assert_eq!(shop.s.work().await, ["deploy"], "it is deployed once");
    let customers = "select to_jsonb(count(*)) from stripe_customers";
    assert_eq!(shop.value(customers).await, json!(1));
}

#[tokio::test]
async fn each_customer_of_a_project_is_known() {
    let shop = Shop::new().await;
    shop.exec("update hosts set capacity = 9").await;
    let mut other = shop.wish();
    other["agent_key"] = json!("agent:b:main");
    let (first, second) = (
        shop.checkout().await,
        text(&shop.begin(&other).await["intent_id"]),
    );
    shop.pay(&first, "sub_1", T).await;
    let mut object = subscription(&second, "sub_2", "active");
    object["customer"] = json!("cus_2");
    let mut paid = completed("evt_2", &second, "sub_2", T + 1);
    paid["data"]["object"]["customer"] = json!("cus_2");
    let current = json!({ "sub_2": fetched(object, T + 2) });
    assert_eq!(
        shop.apply(&paid, Some(current)).await["outcome"],
        json!("applied")
    );
    let all = "select jsonb_agg(customer_id order by customer_id) from stripe_customers";
    assert_eq!(shop.value(all).await, json!(["cus_1", "cus_2"]));
    other["agent_key"] = json!("agent:c:main");
    assert_eq!(
        shop.begin(&other).await["customer_id"],
        json!("cus_2"),
        "the next is of the last"
    );
}

#[tokio::test]
async fn what_was_written_for_an_agent_does_not_stay_in_its_checkout() {
    let docs = "select jsonb_agg(i.agent ? 'docs' order by i.created_at) from checkout_intents i";
    let shop = Shop::new().await;
    let intent = shop.checkout().await;
    assert_eq!(shop.value(docs).await, json!([true]));
    shop.pay(&intent, "sub_1", T).await;
    assert_eq!(shop.value(docs).await, json!([false]));
    let soul = "select to_jsonb(content) from brain_docs where doc_type = 'soul'";
    assert_eq!(shop.value(soul).await, json!("Be wise."));

    let shop = Shop::new().await;
    shop.checkout().await;
    shop.exec("update checkout_intents set expires_at = now() - interval '1 day'")
        .await;
    shop.sweep().await;
    assert_eq!(
        shop.value(docs).await,
        json!([true]),
        "a payment may be late still"
    );
    shop.exec("update checkout_intents set ended_at = now() - interval '5 days'")
        .await;
    shop.sweep().await;
    assert_eq!(shop.value(docs).await, json!([false]));
    shop.exec("update checkout_intents set ended_at = now() - interval '5 years'")
        .await;
    shop.sweep().await;
    assert_eq!(shop.value(docs).await, Value::Null);
}

#[tokio::test]
async fn documents_that_do_not_fit_keep_no_payment() {
    let shop = Shop::new().await;
    let intent = shop.checkout().await;
    shop.exec("update creel.settings set max_doc_bytes_per_project = 1")
        .await;
    shop.pay(&intent, "sub_1", T).await;
    assert_eq!(shop.s.work().await, ["deploy"]);
    assert_eq!(mismatches(&shop).await, json!(["docs"]));
}

#[tokio::test]
async fn nobody_keeps_a_host_full_without_paying() {
    let shop = Shop::new().await;
    shop.exec("update hosts set capacity = 12").await;
    let wish = |n: usize| {
        let mut wish = shop.wish();
        wish["agent_key"] = json!(format!("agent:a{n}:main"));
        wish
    };
    for n in 0..3 {
        shop.begin(&wish(n)).await;
    }
    let more = shop.try_begin(shop.s.f.owner, &wish(3)).await;
    assert_eq!(detail(&more), "reserved", "a quarter is");
    shop.exec("update checkout_intents set expires_at = now() - interval '1 day'")
        .await;
    shop.sweep().await;
    shop.exec("update creel.settings set max_unpaid_checkouts_per_day = 3")
        .await;
    let more = shop.try_begin(shop.s.f.owner, &wish(3)).await;
    let code = more.expect_err("refused").code().map(|c| c.code().to_owned());
    assert_eq!(code.as_deref(), Some("PT429"), "three in a day");
}

#[tokio::test]
async fn what_is_paused_is_not_kept_for_ever() {
    let shop = Shop::new().await;
    let intent = shop.running().await;
    shop.exec("update creel.settings set billing_retention_secs = 60")
        .await;
    for (id, at) in [("evt_2", T + 50), ("evt_3", T + 99)] {
        let paused = subscription(&intent, "sub_1", "paused");
        shop.deliver(&changed(id, "paused", at, paused)).await;
    }
    let until = "select to_jsonb(extract(epoch from remove_at)::bigint) from subscriptions";
    assert_eq!(shop.value(until).await, json!(T + 50 + 60));
    shop.sweep().await;
    assert_eq!(shop.s.work().await, ["undeploy"]);
}

#[tokio::test]
async fn one_row_that_cannot_be_swept_stops_no_other() {
    let shop = Shop::new().await;
    shop.exec("update hosts set capacity = 9").await;
    shop.checkout().await;
    let mut other = shop.wish();
    other["agent_key"] = json!("agent:b:main");
    shop.begin(&other).await;
    let intent = {
        let mut third = shop.wish();
        third["agent_key"] = json!("agent:c:main");
        // A quarter of nine are two.
        shop.exec("update hosts set capacity = 99").await;
        text(&shop.begin(&third).await["intent_id"])
    };
    shop.pay(&intent, "sub_1", T).await;
    shop.exec("update creel.settings set billing_grace_secs = 60")
        .await;
    let late = subscription(&intent, "sub_1", "past_due");
    shop.exec("update creel.settings set billing_grace_secs = 2000000000")
        .await;
    shop.deliver(&changed("evt_2", "updated", T + 5, late)).await;
    shop.exec(
        "update creel.settings set billing_grace_secs = 60;
         update subscriptions set grace_until = now();
         update checkout_intents set expires_at = now() - interval '3 days' where status = 'open';
         create function pg_temp_refuse() returns trigger language plpgsql as
           'begin if old.agent_key in (''agent:scout:main'', ''agent:c:main'') then
              raise exception ''held'' using errcode = ''55P03''; end if; return case when tg_op = ''DELETE'' then old else new end; end';
         create trigger a_refuse before update or delete on agents for each row execute function pg_temp_refuse()",
    )
    .await;
    shop.sweep().await;
    assert_eq!(
        shop.value("select jsonb_agg(agent_key order by agent_key) from agents")
            .await,
        json!(["agent:c:main", "agent:scout:main"]),
        "the one that is not held is released"
    );
}

#[tokio::test]
async fn a_checkout_decides_by_what_is_when_it_has_the_lane() {
    let shop = Shop::new().await;
    let first = shop.checkout().await;
    let object = session(&first, "sub_1", "unpaid");
    // It lived once, so that its row stays.
    shop.pay(&first, "sub_1", T).await;
    shop.s.work().await;
    shop.deliver(&deleted("evt_1", &first, "sub_1", T + 5)).await;
    shop.s.work().await;
    let second = shop.checkout().await;
    shop.deliver(&event("evt_2", "checkout.session.expired", T + 6, {
        let mut object = object;
        object["client_reference_id"] = json!(second);
        object["id"] = json!("cs_2");
        object
    }))
    .await;
    // Its payment was on its way, and is being written.
    let stripe = shop.s.f.test.postgres().await.expect("connect");
    stripe.batch_execute("begin").await.expect("begin");
    let paid = completed("evt_3", &second, "sub_2", T + 7);
    let args = json!({ "api": 1, "endpoint": "platform", "event": paid,
      "current": { "sub_2": fetched(subscription(&second, "sub_2", "active"), T + 8) } });
    stripe
        .execute("select public.apply_stripe_event($1)", &[&args])
        .await
        .expect("apply");
    let wish = shop.wish();
    let begin = shop.try_begin(shop.s.f.owner, &wish);
    let commit = async {
        eventually("the checkout waits", Duration::from_secs(20), async || {
            let waits = shop
                .value("select to_jsonb(count(*)) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()")
                .await;
            waits != json!(0)
        })
        .await;
        stripe.batch_execute("commit").await.expect("commit");
    };
    let (begun, ()) = tokio::join!(begin, commit);
    assert_eq!(detail(&begun), "paid");
    // Who is refused hears of it before the lane is free again.
    let done = eventually_some("the lane is free", Duration::from_secs(20), async || {
        Some(shop.s.work().await).filter(|done| !done.is_empty())
    })
    .await;
    assert_eq!(done, ["start"]);
    assert_eq!(shop.agent().await, "paid running running");
}

#[tokio::test]
async fn a_key_that_no_host_can_have_is_not_sold() {
    let shop = Shop::new().await;
    for key in ["agent:main:main", "Agent 1", "agent:a b:main"] {
        let mut wish = shop.wish();
        wish["agent_key"] = json!(key);
        let refused = shop.try_begin(shop.s.f.owner, &wish).await.expect_err(key);
        assert_eq!(refused.code().map(|c| c.code()), Some("22023"), "{key}");
    }
}

#[tokio::test]
async fn a_payment_for_a_project_that_is_gone_is_not_forgotten() {
    let shop = Shop::new().await;
    let intent = shop.checkout().await;
    shop.exec("delete from projects where id = 'p1'").await;
    let paid = completed("evt_1", &intent, "sub_1", T);
    let current = json!({ "sub_1": fetched(subscription(&intent, "sub_1", "active"), T + 1) });
    let answer = shop.apply(&paid, Some(current)).await;
    assert_eq!(answer["outcome"], json!("waiting"), "{answer}");
    assert!(text(&answer["note"]).contains("project"), "{answer}");
}

#[tokio::test]
async fn an_agent_that_is_not_paid_for_is_refused_for_itself() {
    let shop = Shop::new().await;
    shop.checkout().await;
    shop.exec(&format!(
        "update hosts set owner_id = '{}', capacity = 9;
         insert into project_hosts (project_id, host_id) select 'p1', id from hosts;
         update agents set openclaw_id = 'scout'",
        shop.s.f.owner
    ))
    .await;
    let adopted = shop
        .s
        .f
        .ask_as_person(
            shop.s.f.owner,
            &format!(
                "select public.adopt_agents('{}')",
                json!({ "project_id": "p1", "host_id": shop.s.host.host,
                  "agents": [{ "openclaw_id": "scout" }, { "openclaw_id": "owl" }] })
            ),
        )
        .await
        .expect("the others are adopted");
    assert_eq!(
        (&adopted["agents"][0]["outcome"], &adopted["agents"][1]["outcome"]),
        (&json!("refused"), &json!("adopted")),
        "{adopted}"
    );
    assert_eq!(shop.s.agent(KEY).await["billing"], json!("unpaid"));
}
