//! Where the owners of hosts are paid: their accounts, as Stripe tells of them.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::shop::{Shop, T, apply, event, fetched, text};

fn account(id: &str, owner: Uuid, enabled: bool) -> Value {
    json!({ "id": id, "object": "account", "charges_enabled": enabled, "payouts_enabled": enabled,
      "capabilities": { "transfers": if enabled { "active" } else { "inactive" } },
      "requirements": { "currently_due": if enabled { json!([]) } else { json!(["iban"]) } },
      "metadata": { "creel_owner": owner } })
}

fn connect(id: &str, kind: &str, at: i64, object: Value) -> Value {
    let mut event = event(id, kind, at, object);
    event["account"] = json!("acct_2");
    event
}

async fn told(shop: &Shop, endpoint: &str, event: &Value) -> String {
    text(&apply(&shop.s.f.admin, endpoint, event, None).await["outcome"])
}

#[tokio::test]
async fn an_account_is_bound_by_its_creation_and_follows_what_stripe_says() {
    let shop = Shop::new().await;
    let owner = Uuid::new_v4();
    shop.s.f.person(owner, "second@example.com").await;
    let row = format!("select to_jsonb(s) from stripe_accounts s where owner_id = '{owner}'");
    let made = event(
        "answer_acct_2",
        "account.created",
        T,
        account("acct_2", owner, false),
    );
    assert_eq!(told(&shop, "answer", &made).await, "applied");
    assert_eq!(told(&shop, "answer", &made).await, "repeated");
    assert_eq!(shop.value(&row).await["charges_enabled"], json!(false));

    let ready = connect(
        "evt_1",
        "account.updated",
        T + 100,
        account("acct_2", owner, true),
    );
    assert_eq!(told(&shop, "connect", &ready).await, "applied");
    assert_eq!(shop.value(&row).await["charges_enabled"], json!(true));
    // Older news, and news of the same second.
    let older = connect(
        "evt_2",
        "account.updated",
        T + 50,
        account("acct_2", owner, false),
    );
    assert_eq!(told(&shop, "connect", &older).await, "applied");
    assert_eq!(shop.value(&row).await["charges_enabled"], json!(true));
    let tie = connect(
        "evt_3",
        "account.updated",
        T + 100,
        account("acct_2", owner, false),
    );
    let answer = apply(&shop.s.f.admin, "connect", &tie, None).await;
    assert_eq!(
        answer["fetch"],
        json!([{ "object": "account", "id": "acct_2", "expand": [] }]),
        "{answer}"
    );
    let current = json!({ "acct_2": fetched(account("acct_2", owner, false), T + 101) });
    let answer = apply(&shop.s.f.admin, "connect", &tie, Some(current)).await;
    assert_eq!(answer["outcome"], json!("applied"));
    assert_eq!(
        shop.value(&row).await["requirements"],
        json!({ "currently_due": ["iban"] })
    );

    let capability =
        json!({ "id": "transfers", "object": "capability", "account": "acct_2", "status": "active" });
    let capability = connect("evt_4", "capability.updated", T + 200, capability);
    let answer = apply(&shop.s.f.admin, "connect", &capability, None).await;
    assert_eq!(answer["fetch"][0]["id"], json!("acct_2"), "{answer}");
    let current = json!({ "acct_2": fetched(account("acct_2", owner, true), T + 201) });
    apply(&shop.s.f.admin, "connect", &capability, Some(current)).await;
    let known = shop.value(&row).await;
    assert_eq!(
        (&known["payouts_enabled"], &known["transfers_active"]),
        (&json!(true), &json!(true))
    );

    let failed = json!({ "id": "po_1", "object": "payout", "failure_message": "account closed" });
    let failed = connect("evt_5", "payout.failed", T + 300, failed);
    assert_eq!(told(&shop, "connect", &failed).await, "applied");
    assert_eq!(shop.value(&row).await["payout_failed"], json!("account closed"));
    let before = connect("evt_6", "payout.paid", T + 250, json!({ "id": "po_0" }));
    assert_eq!(told(&shop, "connect", &before).await, "applied");
    assert_eq!(shop.value(&row).await["payout_failed"], json!("account closed"));
    let paid = connect("evt_7", "payout.paid", T + 400, json!({ "id": "po_2" }));
    assert_eq!(told(&shop, "connect", &paid).await, "applied");
    assert_eq!(shop.value(&row).await["payout_failed"], Value::Null);

    let gone = connect(
        "evt_8",
        "account.application.deauthorized",
        T + 500,
        json!({ "id": "ca_1" }),
    );
    assert_eq!(told(&shop, "connect", &gone).await, "applied");
    assert_eq!(shop.value(&row).await["charges_enabled"], json!(false));

    // Its owner sees it, and nobody else.
    for (person, count) in [(owner, 1), (shop.s.f.owner, 0), (shop.host_owner, 1)] {
        let seen = shop
            .s
            .f
            .ask_as_person(person, "select to_jsonb(count(*)) from stripe_accounts")
            .await
            .expect("read");
        assert_eq!(seen, json!(count));
    }
}

#[tokio::test]
async fn accounts_of_others_are_ignored() {
    let shop = Shop::new().await;
    let owner = shop.host_owner;
    for (id, kind, object) in [
        (
            "evt_1",
            "account.updated",
            json!({ "id": "acct_2", "metadata": {} }),
        ),
        (
            "evt_2",
            "account.updated",
            account("acct_2", Uuid::new_v4(), true),
        ),
        ("evt_3", "account.updated", account("acct_2", owner, true)),
        ("evt_4", "payout.failed", json!({ "id": "po_1" })),
        (
            "evt_5",
            "customer.subscription.deleted",
            json!({ "id": "sub_1", "status": "canceled" }),
        ),
        ("evt_6", "invoice.paid", json!({ "id": "in_1" })),
    ] {
        assert_eq!(
            told(&shop, "connect", &connect(id, kind, T, object)).await,
            "ignored",
            "{id}"
        );
    }
    assert_eq!(
        shop.value("select jsonb_agg(account_id) from stripe_accounts")
            .await,
        json!(["acct_1"]),
        "who has one keeps it"
    );
}

#[tokio::test]
async fn an_account_that_stripe_does_not_know_any_more_ends_what_waits_and_may_be_replaced() {
    let shop = Shop::new().await;
    let owner = Uuid::new_v4();
    shop.s.f.person(owner, "second@example.com").await;
    let row = format!("select to_jsonb(s) from stripe_accounts s where owner_id = '{owner}'");
    let made = |id: &str, at: i64| {
        let object = account(id, owner, true);
        event(&format!("answer_{id}"), "account.created", at, object)
    };
    assert_eq!(told(&shop, "answer", &made("acct_2", T)).await, "applied");
    let capability = json!({ "id": "transfers", "object": "capability", "account": "acct_2" });
    let capability = connect("evt_1", "capability.updated", T + 100, capability);
    assert_eq!(told(&shop, "connect", &capability).await, "fetch");
    let gone = json!({ "id": "acct_2", "object": "account", "deleted": true });
    let current = json!({ "acct_2": fetched(gone, T + 101) });
    let answer = apply(&shop.s.f.admin, "connect", &capability, Some(current)).await;
    assert_eq!(answer["outcome"], json!("ignored"), "{answer}");
    assert_eq!(shop.value(&row).await["transfers_active"], json!(false));
    // Another one is made by the function, and by nobody else.
    let mut stray = connect(
        "evt_2",
        "account.updated",
        T + 150,
        account("acct_4", owner, true),
    );
    stray["account"] = json!("acct_4");
    assert_eq!(told(&shop, "connect", &stray).await, "ignored");
    assert_eq!(told(&shop, "answer", &made("acct_3", T + 50)).await, "applied");
    let known = shop.value(&row).await;
    assert_eq!(
        (&known["account_id"], &known["transfers_active"]),
        (&json!("acct_3"), &json!(true))
    );
}

#[tokio::test]
async fn what_is_said_in_test_mode_changes_no_account_of_live_mode() {
    let shop = Shop::new().await;
    let row = "select to_jsonb(s) from stripe_accounts s";
    let failed = |id: &str, at: i64, live: bool| {
        let object = json!({ "id": id, "object": "payout", "failure_message": "account closed" });
        let mut event = event(id, "payout.failed", at, object);
        event["account"] = json!("acct_1");
        event["livemode"] = json!(live);
        event
    };
    assert_eq!(
        told(&shop, "connect", &failed("evt_1", T, false)).await,
        "applied"
    );
    let mut paid = failed("evt_2", T - 9, true);
    paid["type"] = json!("payout.paid");
    assert_eq!(told(&shop, "connect", &paid).await, "applied");
    assert_eq!(
        shop.value(row).await["payout_failed"],
        Value::Null,
        "that was not said of this"
    );
    assert_eq!(
        told(&shop, "connect", &failed("evt_3", T + 99, false)).await,
        "ignored"
    );
    assert_eq!(shop.value(row).await["payout_failed"], Value::Null);
    assert_eq!(
        told(&shop, "connect", &failed("evt_4", T + 99, true)).await,
        "applied"
    );
    assert_eq!(shop.value(row).await["payout_failed"], json!("account closed"));
}
