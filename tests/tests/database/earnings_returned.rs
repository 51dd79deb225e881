//! A correction is carried out at Stripe: once, up to its target, and again only for what is new.

use serde_json::{Value, json};

use crate::till::{Till, dispute, refunded};

fn reversal(request: &Value, amount: i64) -> Value {
    json!({
        "request_id": request["request_id"], "ok": true, "stripe_id": format!("trr_{amount}"),
        "object": { "object": "transfer_reversal", "id": format!("trr_{amount}"), "amount": amount },
    })
}

/// What is left to be done of an earning's corrections, by what is known of Stripe.
async fn left(t: &Till, earning: i64) -> i64 {
    t.number(&format!("select creel.still_to_return({earning})"))
        .await
}

#[tokio::test]
async fn a_correction_is_asked_for_once_and_up_to_its_target() {
    let t = Till::new().await;
    let earning = t.earned(1, 1000).await;
    assert!(t.due().await.is_empty());
    t.correct("evt_1", &refunded(1, 1000, 200), &json!({})).await;
    let due = t.due().await;
    assert_eq!(due.len(), 1, "{due:?}");
    assert_eq!(due[0]["path"], json!("/v1/transfers/tr_1/reversals"));
    assert_eq!(due[0]["read_first"], json!("/v1/transfers/tr_1"));
    assert_eq!(due[0]["form"]["amount"], json!(170));
    assert!(t.due().await.is_empty(), "it is leased");

    // More to be corrected meanwhile does not change what was asked for under this key.
    t.correct("evt_2", &refunded(1, 1000, 300), &json!({})).await;
    t.exec("update creel.stripe_requests set not_before = now()")
        .await;
    let again = t.due().await;
    assert_eq!(again, due);
    t.settle(reversal(&due[0], 170)).await;
    t.settle(reversal(&due[0], 170)).await;
    let next = t.due().await;
    assert_eq!(next.len(), 1);
    assert_ne!(next[0]["idempotency_key"], due[0]["idempotency_key"]);
    assert_eq!(next[0]["form"]["amount"], json!(255), "in all");
    t.settle(reversal(&next[0], 85)).await;
    assert!(t.due().await.is_empty());
    assert_eq!(left(&t, earning).await, 0);
}

#[tokio::test]
async fn what_somebody_reversed_by_hand_is_not_reversed_again() {
    let t = Till::new().await;
    let earning = t.earned(1, 1000).await;
    // Refunded in Stripe's dashboard, with the transfer and the fee: 500, of which 75 were given back.
    t.correct("evt_1", &refunded(1, 1000, 500), &json!({})).await;
    let due = t.due().await;
    assert_eq!(due[0]["form"]["amount"], json!(425));
    assert_eq!(
        due[0]["read_expand"],
        json!(["source_transaction.application_fee"])
    );
    t.settle(json!({
        "request_id": due[0]["request_id"], "ok": true, "stripe_id": "tr_1",
        "object": {
            "object": "transfer", "id": "tr_1", "amount": 1000, "amount_reversed": 500,
            "source_transaction": { "application_fee": { "amount_refunded": 75 } },
            "reversals": { "data": [{ "amount": 500, "metadata": {} }] },
        },
    }))
    .await;
    assert_eq!(left(&t, earning).await, 0);
    assert!(t.due().await.is_empty());
    // An operator's correction comes on top of that.
    t.exec(&format!("select creel.adjust_earning({earning}, -25, 'x')"))
        .await;
    assert_eq!(t.due().await[0]["form"]["amount"], json!(450));
}

#[tokio::test]
async fn who_takes_more_by_hand_is_not_overruled() {
    let t = Till::new().await;
    let earning = t.earned(1, 1000).await;
    t.correct("evt_1", &refunded(1, 1000, 100), &json!({})).await;
    let due = t.due().await;
    let object = json!({ "object": "transfer", "id": "tr_1", "amount": 1000, "amount_reversed": 1000 });
    t.settle(
        json!({ "request_id": due[0]["request_id"], "ok": true, "stripe_id": "tr_1", "object": object }),
    )
    .await;
    assert_eq!(left(&t, earning).await, 85 - 1000);
    assert!(t.due().await.is_empty(), "that is for a person to look at");
}

#[tokio::test]
async fn a_dispute_that_is_won_is_paid_back_and_one_after_it_taken_of_that() {
    let t = Till::new().await;
    let earning = t.earned(1, 1000).await;
    t.correct("evt_1", &dispute("dp_1", 1, 1000, "needs_response"), &json!({}))
        .await;
    let due = t.due().await;
    assert_eq!(due[0]["form"]["amount"], json!(850));
    t.settle(reversal(&due[0], 850)).await;
    t.correct("evt_2", &dispute("dp_1", 1, 1000, "won"), &json!({}))
        .await;
    assert_eq!(t.net(earning).await, 850);
    let back = t.due().await;
    assert_eq!(back[0]["path"], json!("/v1/transfers"));
    assert_eq!(back[0]["read_first"], Value::Null);
    // One that was made, and whose answer was lost, is found again by whoever asks.
    assert_eq!(
        back[0]["find_first"],
        json!("/v1/transfers?transfer_group=creel_tr_1&destination=acct_host")
    );
    let mut form = back[0]["form"].clone();
    let metadata = form.as_object_mut().expect("a form").remove("metadata");
    assert_eq!(
        metadata.expect("metadata")["creel_request"],
        back[0]["request_id"]
    );
    assert_eq!(
        form,
        json!({ "amount": 850, "currency": "usd", "destination": "acct_host", "transfer_group": "creel_tr_1" })
    );
    let object = json!({ "object": "transfer", "id": "tr_back", "amount": 850 });
    t.settle(
        json!({ "request_id": back[0]["request_id"], "ok": true, "stripe_id": "tr_back", "object": object }),
    )
    .await;
    assert!(t.due().await.is_empty());
    assert_eq!(left(&t, earning).await, 0);

    t.correct("evt_3", &refunded(1, 1000, 1000), &json!({})).await;
    let due = t.due().await;
    assert_eq!(due[0]["path"], json!("/v1/transfers/tr_back/reversals"));
    assert_eq!(due[0]["form"]["amount"], json!(850));
    t.settle(reversal(&due[0], 850)).await;
    assert_eq!((left(&t, earning).await, t.due().await.len()), (0, 0));
}

#[tokio::test]
async fn what_stripe_refuses_is_seen_and_what_may_pass_is_asked_for_again() {
    let t = Till::new().await;
    let earning = t.earned(1, 1000).await;
    t.correct("evt_1", &refunded(1, 1000, 100), &json!({})).await;
    let due = t.due().await;
    let failed = |permanent: bool| json!({ "request_id": due[0]["request_id"], "ok": false, "error": "balance_insufficient", "permanent": permanent });
    t.settle(failed(false)).await;
    assert!(t.due().await.is_empty(), "after a pause");
    let seen = t
        .rows("select status, error, attempts from creel.stripe_requests")
        .await;
    assert_eq!(
        seen,
        json!([{ "status": "waiting", "error": "balance_insufficient", "attempts": 1 }])
    );
    t.exec("update creel.stripe_requests set not_before = now()")
        .await;
    assert_eq!(
        t.due().await,
        due,
        "the very same request, as nobody knows what became of it"
    );
    // What Stripe was heard to refuse, it would refuse under that key for a day.
    let mut refused = failed(false);
    refused["refused"] = json!(true);
    t.settle(refused).await;
    t.exec("update creel.stripe_requests set not_before = now()")
        .await;
    let other = t.due().await;
    assert_ne!(other[0]["idempotency_key"], due[0]["idempotency_key"]);
    assert_eq!(other[0]["form"], due[0]["form"]);
    t.settle(failed(true)).await;
    assert_eq!(
        t.number("select count(*) from events where kind = 'billing.request_failed' and host_id is not null")
            .await,
        1
    );
    t.exec("update creel.stripe_requests set not_before = now()")
        .await;
    assert!(t.due().await.is_empty());
    // Another correction asks for all of it; and an operator may have it tried again.
    t.correct("evt_2", &refunded(1, 1000, 200), &json!({})).await;
    let next = t.due().await;
    assert_eq!(next[0]["form"]["amount"], json!(170));
    t.settle(json!({ "request_id": next[0]["request_id"], "ok": false, "error": "no", "permanent": true }))
        .await;
    let retried = t
        .rows("select creel.retry_stripe_request(id) as yes from creel.stripe_requests where amount_minor = 170")
        .await;
    assert_eq!(retried, json!([{ "yes": true }]));
    let last = t.due().await;
    assert_eq!(last[0]["idempotency_key"], next[0]["idempotency_key"]);
    t.settle(reversal(&last[0], 170)).await;
    assert_eq!(left(&t, earning).await, 0);
}

#[tokio::test]
async fn what_stripe_is_to_do_is_told_to_the_function_alone_and_not_with_an_answer() {
    let t = Till::new().await;
    t.earned(1, 1000).await;
    t.correct("evt_1", &refunded(1, 1000, 100), &json!({})).await;
    let function = t.s.f.test.postgres().await.expect("connect");
    function
        .batch_execute("set role creel_stripe")
        .await
        .expect("take the role");
    let clock = json!({ "api": 1, "endpoint": "clock" });
    let opened = json!({
        "api": 1, "endpoint": "answer", "event": {
            "id": "answer_acct_x", "type": "account.created", "created": 1_790_812_800,
            "data": { "object": { "id": "acct_x", "object": "account", "metadata": {} } } },
    });
    // An operator's tool does nothing at Stripe, and the checkout's key may not.
    for (client, said) in [(&t.s.f.admin, &clock), (&function, &opened), (&function, &opened)] {
        let told = client
            .query_one("select public.apply_stripe_event($1)", &[said])
            .await;
        let told: Value = told.expect("apply").get(0);
        assert_eq!(told["requests"], json!([]), "{told}");
        assert_eq!(
            t.number("select count(*) from creel.stripe_requests where attempts > 0")
                .await,
            0,
            "nothing is leased"
        );
    }
    let told = function
        .query_one("select public.apply_stripe_event($1)", &[&clock])
        .await;
    let told: Value = told.expect("apply").get(0);
    assert_eq!(told["requests"].as_array().expect("a list").len(), 1, "{told}");
}
