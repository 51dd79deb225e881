//! A checkout: the price is the database's, and its place is kept for as long as it can be paid.

use serde_json::{Value, json};
use tokio_postgres::error::SqlState;
use uuid::Uuid;

use crate::shop::{KEY, PRICE, Shop, T, completed, event, fetched, session, subscription, text};

fn refusal(refused: &Result<Value, tokio_postgres::Error>) -> (String, String) {
    let error = refused
        .as_ref()
        .expect_err("refused")
        .as_db_error()
        .expect("by the database");
    (
        error.code().code().to_owned(),
        error.detail().unwrap_or(error.message()).to_owned(),
    )
}

#[tokio::test]
async fn the_database_decides_the_price_and_keeps_the_place() {
    let shop = Shop::new().await;
    shop.exec("update hosts set capacity = 1").await;
    let mut wish = shop.wish();
    // What a caller says of money is nothing that anybody reads.
    wish["amount_minor"] = json!(1);
    wish["currency"] = json!("vnd");
    let begun = shop.begin(&wish).await;
    assert_eq!(
        (&begun["amount_minor"], &begun["currency"], &begun["interval"]),
        (&json!(PRICE), &json!("eur"), &json!("month"))
    );
    assert_eq!(
        (&begun["fee_bp"], &begun["destination"]),
        (&json!(1500), &json!("acct_1"))
    );
    assert_eq!(
        (&begun["host_name"], &begun["agent_name"]),
        (&json!("mini"), &json!("Scout"))
    );
    assert_eq!(
        (&begun["customer_id"], &begun["repeated"]),
        (&Value::Null, &json!(false))
    );
    let ttl = begun["expires_at"].as_i64().expect("seconds")
        - shop
            .value("select to_jsonb(extract(epoch from now())::bigint)")
            .await
            .as_i64()
            .expect("now");
    assert!(
        (2640..=2730).contains(&ttl),
        "Stripe's half an hour, and a quarter to open it in: {ttl}"
    );

    let again = shop.begin(&wish).await;
    assert_eq!(
        (&again["intent_id"], &again["repeated"]),
        (&begun["intent_id"], &json!(true))
    );
    let mut other = wish.clone();
    other["plan"] = json!("year");
    assert_eq!(
        refusal(&shop.try_begin(shop.s.f.owner, &other).await),
        ("PT409".to_owned(), "open_checkout".to_owned())
    );
    other["agent_key"] = json!("agent:other:main");
    assert_eq!(
        refusal(&shop.try_begin(shop.s.f.owner, &other).await),
        ("PT409".to_owned(), "capacity".to_owned()),
        "the place is kept"
    );
    assert_eq!(
        shop.value("select to_jsonb(count(*)) from project_hosts").await,
        json!(0),
        "who has not paid is not served"
    );

    // What Stripe calls it is remembered, and the customer for the next time.
    let intent = text(&begun["intent_id"]);
    let mut made = session(&intent, "sub_1", "unpaid");
    made["url"] = json!("https://checkout.example/1");
    made["subscription"] = Value::Null;
    let answer = crate::shop::apply(
        &shop.s.f.admin,
        "answer",
        &event("answer_cs", "checkout.session.created", T, made),
        None,
    )
    .await;
    assert_eq!(answer["outcome"], json!("applied"));
    assert_eq!(
        shop.begin(&wish).await["session_url"],
        json!("https://checkout.example/1")
    );
    shop.pay(&intent, "sub_1", T).await;
    shop.exec("update hosts set capacity = 9").await;
    let begun = shop.begin(&other).await;
    assert_eq!(
        (&begun["amount_minor"], &begun["customer_id"]),
        (&json!(9000), &json!("cus_1"))
    );
    assert_eq!(
        refusal(&shop.try_begin(shop.s.f.owner, &shop.wish()).await),
        ("PT409".to_owned(), "paid".to_owned())
    );
}

#[tokio::test]
async fn a_host_that_cannot_be_rented_says_why() {
    let shop = Shop::new().await;
    let me = shop.s.f.owner;
    let cases = [
        ("update hosts set price = null", "PT404", "not_for_rent"),
        (
            "update hosts set price = '{\"year\": 9000}'",
            "PT404",
            "not_for_rent",
        ),
        (
            "update stripe_accounts set transfers_active = false",
            "PT409",
            "not_payable",
        ),
        ("delete from stripe_accounts", "PT409", "not_payable"),
        ("update hosts set owner_id = null", "PT409", "not_payable"),
        ("update hosts set status = 'draining'", "PT409", "draining"),
        ("update hosts set status = 'retired'", "PT409", "retired"),
        ("update hosts set backends = '{shared}'", "PT409", "backend"),
        ("update hosts set capacity = 0", "PT409", "capacity"),
    ];
    for (change, code, detail) in cases {
        // Each beside the others: what it changed is taken back.
        let client = shop.s.f.test.postgres().await.expect("connect");
        client.batch_execute("begin").await.expect("begin");
        client.batch_execute(change).await.expect("change");
        let claims = json!({ "sub": me, "role": "authenticated" }).to_string();
        client
            .execute("select set_config('request.jwt.claims', $1, true)", &[&claims])
            .await
            .expect("sign in");
        client
            .batch_execute("set local role authenticated")
            .await
            .expect("switch");
        let asked = client
            .query_one("select public.begin_checkout($1)", &[&shop.wish()])
            .await;
        let error = asked.expect_err(change);
        let error = error.as_db_error().expect("by the database");
        assert_eq!(
            (error.code().code(), error.detail()),
            (code, Some(detail)),
            "{change}"
        );
    }
    let mut tagged = shop.wish();
    tagged["agent"]["config"] = json!({ "tags": ["gpu"] });
    assert_eq!(refusal(&shop.try_begin(me, &tagged).await).1, "tags");
    let mut nowhere = shop.wish();
    nowhere["host_id"] = json!(Uuid::new_v4());
    assert_eq!(refusal(&shop.try_begin(me, &nowhere).await).0, "PT404");

    // Whoever lives there already must be kept from this one's files, and this one from theirs.
    shop.s.f.project("p2", me).await;
    let mut neighbour = shop.wish();
    neighbour["project_id"] = json!("p2");
    shop.begin(&neighbour).await;
    assert_eq!(refusal(&shop.try_begin(me, &shop.wish()).await).1, "isolation");
    assert_eq!(
        shop.value("select to_jsonb(count(*)) from agents").await,
        json!(1)
    );
}

#[tokio::test]
async fn a_wish_that_is_malformed_or_not_ones_own_is_refused() {
    let shop = Shop::new().await;
    let stranger = Uuid::new_v4();
    shop.s.f.person(stranger, "stranger@example.com").await;
    assert_eq!(refusal(&shop.try_begin(stranger, &shop.wish()).await).0, "42501");
    let viewer = Uuid::new_v4();
    shop.s.f.person(viewer, "viewer@example.com").await;
    shop.exec(&format!(
        "insert into project_members (project_id, user_id, role) values ('p1', '{viewer}', 'viewer')"
    ))
    .await;
    assert_eq!(refusal(&shop.try_begin(viewer, &shop.wish()).await).0, "42501");
    for (field, value) in [
        ("agent_key", json!("")),
        ("agent_key", json!("x".repeat(1025))),
        ("host_id", json!("x' or 1=1")),
        ("host_id", Value::Null),
        ("plan", json!("week")),
        ("agent", json!([1])),
        ("agent", json!({ "backend": "chroot" })),
        ("agent", json!({ "docs": { "soul": 3 } })),
        ("agent", json!({ "docs": { "memory_today": "x" } })),
        ("agent", json!({ "limits": { "ram_mb": -1 } })),
        ("agent", json!({ "billing": "paid" })),
    ] {
        let mut wish = shop.wish();
        wish[field] = value.clone();
        assert_eq!(
            refusal(&shop.try_begin(shop.s.f.owner, &wish).await).0,
            "22023",
            "{field} {value}"
        );
    }
    shop.s.send_new("agent:free:main").await;
    let mut taken = shop.wish();
    taken["agent_key"] = json!("agent:free:main");
    assert_eq!(refusal(&shop.try_begin(shop.s.f.owner, &taken).await).1, "free");
    shop.exec("update creel.settings set max_open_checkouts_per_project = 0")
        .await;
    assert_eq!(
        refusal(&shop.try_begin(shop.s.f.owner, &shop.wish()).await).0,
        "PT429"
    );
    assert_eq!(
        shop.value("select to_jsonb(count(*)) from checkout_intents")
            .await,
        json!(0)
    );
}

#[tokio::test]
async fn a_price_that_is_none_is_refused_where_it_is_written() {
    let shop = Shop::new().await;
    let owner = shop.host_owner;
    for price in [
        "3",
        "[]",
        r#"{"month": 0}"#,
        r#"{"month": 9.5}"#,
        r#"{"month": "900"}"#,
        r#"{"month": 100000000}"#,
        r#"{"week": 900}"#,
        r#"{"month": 900, "currency": "EUR"}"#,
        r#"{"month": 900, "currency": 3}"#,
        // Stripe would change it into its own before it is the host's.
        r#"{"month": 900, "currency": "usd"}"#,
        // Stripe takes no less than half a dollar.
        r#"{"month": 49}"#,
    ] {
        let sql = format!("update hosts set price = '{price}'");
        let refused = shop.s.f.as_person(owner, &sql).await.expect_err(price);
        assert_eq!(
            refused.code(),
            Some(&SqlState::INVALID_PARAMETER_VALUE),
            "{price}"
        );
    }
    for price in [
        "{}",
        r#"{"year": 9000}"#,
        r#"{"month": 50, "year": 9000, "currency": "eur"}"#,
    ] {
        let sql = format!("update hosts set price = '{price}'");
        assert_eq!(shop.s.f.as_person(owner, &sql).await.expect(price), 1);
    }
}

#[tokio::test]
async fn nobody_pays_and_nothing_is_left() {
    let shop = Shop::new().await;
    let intent = shop.checkout().await;
    let expired = event(
        "evt_1",
        "checkout.session.expired",
        T + 1800,
        session(&intent, "sub_1", "unpaid"),
    );
    shop.deliver(&expired).await;
    assert_eq!(shop.agent().await, "none");
    for table in [
        "agents",
        "brain_docs",
        "project_hosts",
        "subscriptions",
        "creel.lanes",
    ] {
        assert_eq!(
            shop.value(&format!("select to_jsonb(count(*)) from {table}"))
                .await,
            json!(0),
            "{table}"
        );
    }
    assert_eq!(shop.told().await, ["billing.reserved", "billing.released"]);

    // Stripe is silent: the clock ends it.
    let again = shop.checkout().await;
    assert_ne!(again, intent);
    shop.exec(
        "update checkout_intents set session_id = 'cs_9', expires_at = now() - interval '1 hour'
       where status = 'open'",
    )
    .await;
    shop.sweep().await;
    assert_eq!(
        shop.agent().await,
        "unpaid stopped pending_deploy",
        "a word may be on its way"
    );
    shop.exec("update checkout_intents set expires_at = now() - interval '2 days' where status = 'open'")
        .await;
    shop.sweep().await;
    assert_eq!(shop.agent().await, "none");

    // Stripe was never asked.
    shop.checkout().await;
    shop.exec("update checkout_intents set expires_at = now() - interval '11 minutes' where status = 'open'")
        .await;
    shop.sweep().await;
    assert_eq!(shop.agent().await, "none");
}

#[tokio::test]
async fn a_payment_that_comes_after_the_end_of_its_checkout_counts() {
    let shop = Shop::new().await;
    let intent = shop.checkout().await;
    shop.deliver(&event(
        "evt_1",
        "checkout.session.expired",
        T,
        session(&intent, "sub_1", "unpaid"),
    ))
    .await;
    assert_eq!(shop.agent().await, "none");
    shop.pay(&intent, "sub_1", T + 9).await;
    assert_eq!(shop.s.work().await, ["deploy"]);
    assert_eq!(
        shop.value("select jsonb_agg(status) from checkout_intents").await,
        json!(["paid"])
    );

    // Without a place for it, a person must look.
    let shop = Shop::new().await;
    let intent = shop.checkout().await;
    shop.deliver(&event(
        "evt_1",
        "checkout.session.expired",
        T,
        session(&intent, "sub_1", "unpaid"),
    ))
    .await;
    shop.exec("update hosts set capacity = 0").await;
    let paid = completed("evt_2", &intent, "sub_1", T);
    let current = json!({ "sub_1": fetched(subscription(&intent, "sub_1", "active"), T + 1) });
    let answer = shop.apply(&paid, Some(current.clone())).await;
    assert_eq!(answer["outcome"], json!("waiting"), "{answer}");
    assert!(text(&answer["note"]).contains("is full"), "{answer}");
    shop.exec("update hosts set capacity = 1").await;
    assert_eq!(
        shop.apply(&paid, Some(current)).await["outcome"],
        json!("applied")
    );
}

#[tokio::test]
async fn another_price_than_the_checkouts_deploys_nothing() {
    let shop = Shop::new().await;
    let intent = shop.checkout().await;
    for (id, amount, currency) in [("evt_1", 1, "eur"), ("evt_2", PRICE, "usd")] {
        let mut paid = completed(id, &intent, "sub_1", T);
        paid["data"]["object"]["amount_total"] = json!(amount);
        paid["data"]["object"]["currency"] = json!(currency);
        for _ in 0..2 {
            let answer = shop.apply(&paid, None).await;
            assert_eq!(answer["outcome"], json!("waiting"), "{answer}");
        }
    }
    let mut cheap = subscription(&intent, "sub_1", "active");
    cheap["items"]["data"][0]["price"]["unit_amount"] = json!(1);
    let answer = shop
        .apply(&crate::shop::changed("evt_3", "created", T, cheap), None)
        .await;
    assert_eq!(answer["outcome"], json!("waiting"), "{answer}");
    assert_eq!(shop.agent().await, "unpaid stopped pending_deploy");
    assert_eq!(
        shop.told().await,
        [
            "billing.reserved",
            "billing.mismatch",
            "billing.mismatch",
            "billing.mismatch"
        ],
        "each is told once"
    );
    // An amount of a session that Stripe calls paid for nothing is no price.
    let mut free = completed("evt_4", &intent, "sub_1", T);
    free["data"]["object"]["amount_total"] = json!(0);
    free["data"]["object"]["payment_status"] = json!("no_payment_required");
    let current = json!({ "sub_1": fetched(subscription(&intent, "sub_1", "trialing"), T + 1) });
    assert_eq!(
        shop.apply(&free, Some(current)).await["outcome"],
        json!("applied")
    );
    assert_eq!(shop.s.open(KEY).await, ["deploy"]);
}

#[tokio::test]
async fn what_has_lapsed_is_paid_for_where_it_is() {
    let shop = Shop::new().await;
    let intent = shop.running().await;
    shop.deliver(&crate::shop::deleted("evt_2", &intent, "sub_1", T + 1))
        .await;
    assert_eq!(shop.s.work().await, ["stop"]);
    let other = shop.s.f.host(&[]).await;
    shop.exec(&format!(
        "update hosts set owner_id = '{}', price = '{{\"month\": 50}}' where id = '{}'",
        shop.host_owner, other.host
    ))
    .await;
    let mut elsewhere = shop.wish();
    elsewhere["host_id"] = json!(other.host);
    assert_eq!(
        refusal(&shop.try_begin(shop.s.f.owner, &elsewhere).await).1,
        "elsewhere"
    );
    // A checkout that nobody pays leaves it as it was.
    let again = shop.checkout().await;
    shop.deliver(&event(
        "evt_3",
        "checkout.session.expired",
        T + 9,
        session(&again, "sub_2", "unpaid"),
    ))
    .await;
    assert_eq!(shop.agent().await, "unpaid stopped stopped");
    // While one is open, nobody takes it away.
    let third = shop.checkout().await;
    shop.exec("update subscriptions set remove_at = now()").await;
    shop.sweep().await;
    assert_eq!(shop.s.open(KEY).await, Vec::<String>::new());
    shop.pay(&third, "sub_3", T + 20).await;
    assert_eq!(shop.s.work().await, ["start"]);
}

#[tokio::test]
async fn checkouts_at_the_same_time_share_one_place() {
    let shop = Shop::new().await;
    shop.exec("update hosts set capacity = 1").await;
    let (a, b) = (shop.wish(), {
        let mut other = shop.wish();
        other["agent_key"] = json!("agent:b:main");
        other
    });
    let me = shop.s.f.owner;
    let (first, second, third) = tokio::join!(
        shop.try_begin(me, &a),
        shop.try_begin(me, &b),
        shop.try_begin(me, &a)
    );
    let had = [first.is_ok(), second.is_ok(), third.is_ok()];
    assert!(
        had == [true, false, true] || had == [false, true, false],
        "{had:?}"
    );
    assert_eq!(
        shop.value("select to_jsonb(count(*)) from agents").await,
        json!(1)
    );
}
