//! The ledger of what hosts' owners earn: exact, append-only, and the same in whatever order its corrections come.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::till::{ACCOUNT, KEY, NOVEMBER, OCTOBER, Till, charge, dispute, invoice, refunded};

#[tokio::test]
async fn minor_units_are_rounded_half_up_and_never_beyond_what_there_is() {
    let t = Till::new().await;
    let big = i64::MAX / 4;
    for (amount, part, whole, expected) in [
        (1000, 1, 3, 333),
        (1000, 2, 3, 667),
        (5, 1, 2, 3),
        (1, 1, 2, 1),
        (1, 49, 100, 0),
        (1000, 0, 3, 0),
        (1000, -5, 3, 0),
        (1000, 4, 3, 1000),
        (1000, 1, 0, 1000),
        (1000, 0, 0, 0),
        (0, 1, 2, 0),
        (big, 1, 2, big / 2 + big % 2),
        (big, big - 1, big, big - 1),
    ] {
        let got = t
            .number(&format!("select creel.prorate({amount}, {part}, {whole})"))
            .await;
        assert_eq!(got, expected, "{part} of {whole} of {amount}");
    }
    // Whole yen, too: 15 % of 1,030 are 154.5.
    for (gross, bp, fee) in [
        (1030, 1500, 155),
        (999, 1500, 150),
        (1, 1500, 0),
        (0, 1500, 0),
        (777, 0, 0),
    ] {
        assert_eq!(
            t.number(&format!("select creel.fee_of({gross}, {bp})")).await,
            fee,
            "{gross}"
        );
    }
    // A month of 2,592,000 s with 1 % free.
    for (away, beyond) in [
        (0, 0),
        (25_920, 0),
        (25_921, 1),
        (2_592_000, 2_566_080),
        (9_999_999, 2_566_080),
    ] {
        assert_eq!(
            t.number(&format!("select creel.outage_beyond({away}, 2592000, 100)"))
                .await,
            beyond,
            "{away} s"
        );
    }
}

#[tokio::test]
async fn corrections_take_no_more_than_was_earned() {
    let t = Till::new().await;
    let targets = async |refunded: i64, disputed: i64, outage: i64| -> Vec<i64> {
        let rows = t
            .rows(&format!(
                "select target from creel.correction_targets(850, 1000, {refunded}, {disputed}, {outage}, 0)"
            ))
            .await;
        let rows = rows.as_array().expect("rows").iter();
        rows.map(|row| row["target"].as_i64().expect("a number"))
            .collect()
    };
    assert_eq!(targets(0, 0, 0).await, [0, 0, 0]);
    assert_eq!(targets(500, 0, 0).await, [425, 0, 0]);
    assert_eq!(targets(333, 0, 100).await, [283, 0, 100]);
    assert_eq!(targets(1000, 1000, 850).await, [850, 0, 0]);
    assert_eq!(targets(600, 1000, 850).await, [510, 340, 0]);
    assert_eq!(targets(0, 0, 10_000).await, [0, 0, 850]);
}

#[tokio::test]
async fn nobody_changes_the_ledger() {
    let t = Till::new().await;
    t.earned(1, 1000).await;
    for sql in [
        "update host_earnings set amount_minor = 0",
        "delete from host_earnings",
        "truncate host_earnings cascade",
    ] {
        for who in [
            t.s.f.test.postgres().await.expect("connect"),
            t.s.f.test.superuser().await.expect("connect"),
        ] {
            let refused = who.batch_execute(sql).await.expect_err(sql);
            assert!(
                format!("{refused:?}").contains("append-only"),
                "{sql}: {refused:?}"
            );
        }
    }
    // Nor do those who are told of it, and whoever it names may go.
    let owner = t.s.f.owner;
    t.s.f
        .as_person(
            owner,
            "insert into host_earnings (owner_id, subscription_id) values (gen_random_uuid(), 'x')",
        )
        .await
        .expect_err("no right");
    t.exec("update subscriptions set status = 'canceled'; delete from projects; delete from hosts; delete from auth.users")
        .await;
    assert_eq!(
        t.number("select count(*) from host_earnings where host_id is not null")
            .await,
        1
    );
}

#[tokio::test]
async fn an_owner_sees_his_own_and_nobody_elses() {
    let t = Till::new().await;
    t.earned(1, 1000).await;
    t.earned(2, 2000).await;
    let ask = "select coalesce(jsonb_agg(to_jsonb(s)), '[]') from host_statements s";
    let seen = t.s.f.ask_as_person(t.s.f.owner, ask).await.expect("read");
    assert_eq!(seen.as_array().expect("rows").len(), 1, "{seen}");
    assert_eq!(
        (
            &seen[0]["earned_minor"],
            &seen[0]["corrected_minor"],
            &seen[0]["net_minor"]
        ),
        (&json!(2550), &json!(0), &json!(2550))
    );
    // Not even somebody of the deployer's project.
    let deployer = Uuid::new_v4();
    t.s.f.person(deployer, "deployer@example.com").await;
    t.s.f
        .test
        .postgres()
        .await
        .expect("connect")
        .execute(
            "insert into project_members (project_id, user_id, role) values ('p1', $1, 'owner')",
            &[&deployer],
        )
        .await
        .expect("make a member");
    assert_eq!(t.s.f.ask_as_person(deployer, ask).await.expect("read"), json!([]));
}

#[tokio::test]
async fn an_invoice_is_understood_in_each_version_of_the_api() {
    let t = Till::new().await;
    // Until 2025: the charge is named, and is to be fetched.
    let old = invoice(1, 1000);
    let wanted = t.earn(&old, &json!({})).await;
    assert_eq!(
        wanted["fetch"],
        json!([{ "object": "charge", "id": "ch_1", "expand": [] }])
    );
    assert!(t.earn(&old, &json!({ "ch_1": charge(1, 1000) })).await["led_to"]["earning"].is_i64());

    // From then on: payments of the invoice, which are told only when they are asked for.
    let mut new = invoice(2, 999);
    new.as_object_mut().expect("an object").remove("charge");
    let wanted = t.earn(&new, &json!({})).await;
    assert_eq!(
        wanted["fetch"],
        json!([{ "object": "invoice", "id": "in_2", "expand": ["payments"] }])
    );
    new["payments"] = json!({ "data": [
        { "status": "canceled", "payment": { "type": "payment_intent", "payment_intent": "pi_0" } },
        { "status": "paid", "amount_paid": 999, "payment": { "type": "payment_intent", "payment_intent": "pi_2" } },
    ] });
    let wanted = t.earn(&new, &json!({ "in_2": new })).await;
    assert_eq!(
        wanted["fetch"],
        json!([{ "object": "payment_intent", "id": "pi_2", "expand": ["latest_charge"] }])
    );
    // Not expanded after all, by an older function.
    let intent = json!({ "id": "pi_2", "latest_charge": "ch_2" });
    let wanted = t.earn(&new, &json!({ "pi_2": intent })).await;
    assert_eq!(wanted["fetch"][0]["id"], json!("ch_2"));
    let intent = json!({ "id": "pi_2", "latest_charge": charge(2, 999) });
    let verdict = t.earn(&new, &json!({ "pi_2": intent })).await;
    assert_eq!(verdict["knows"], json!(["ch_2", "tr_2"]));

    let rows = t.rows("select * from host_earnings order by id").await;
    assert_eq!(rows.as_array().expect("rows").len(), 2);
    let second = &rows[1];
    assert_eq!(
        (
            &second["gross_minor"],
            &second["fee_minor"],
            &second["amount_minor"]
        ),
        (&json!(999), &json!(149), &json!(850))
    );
    assert_eq!(second["payment_intent_id"], json!("pi_2"));
    assert_eq!(second["destination"], json!(ACCOUNT));
    assert_eq!(second["owner_id"], json!(t.s.f.owner));
    assert_eq!(second["host_id"], json!(t.host()));
    let times: Value = t
        .json(
            "select jsonb_build_array(extract(epoch from period_start)::bigint,
               extract(epoch from period_end)::bigint, extract(epoch from paid_at)::bigint) from host_earnings order by id desc limit 1",
        )
        .await;
    assert_eq!(times, json!([OCTOBER, NOVEMBER, OCTOBER + 30]));

    // The same again is nothing new.
    assert_eq!(t.earn(&new, &json!({})).await, Value::Null);
    assert_eq!(
        t.earn(&old, &json!({ "ch_1": charge(1, 1000) })).await,
        Value::Null
    );
    assert_eq!(t.number("select count(*) from host_earnings").await, 2);
}

#[tokio::test]
async fn what_brought_the_host_nothing_is_no_earning() {
    let t = Till::new().await;
    let mut free = invoice(1, 0);
    free["charge"] = Value::Null;
    assert_eq!(
        t.earn(&free, &json!({})).await["note"],
        json!("nothing was charged")
    );
    let mut by_bank = invoice(2, 1000);
    by_bank["charge"] = Value::Null;
    by_bank["payments"] = json!({ "data": [{ "status": "paid", "payment": { "type": "payment_record" } }] });
    assert_eq!(t.earn(&by_bank, &json!({})).await["outcome"], json!("applied"));
    let mut own = charge(3, 1000);
    own["transfer_data"] = Value::Null;
    own["transfer"] = Value::Null;
    let verdict = t.earn(&invoice(3, 1000), &json!({ "ch_3": own })).await;
    assert_eq!(verdict["outcome"], json!("applied"));
    assert_eq!(
        t.number("select count(*) from events where kind = 'billing.mismatch'")
            .await,
        1
    );
    assert_eq!(t.number("select count(*) from host_earnings").await, 0);

    // What is only not there yet is waited for.
    let mut early = charge(4, 1000);
    early["transfer"] = Value::Null;
    let verdict = t.earn(&invoice(4, 1000), &json!({ "ch_4": early })).await;
    assert_eq!(verdict["outcome"], json!("waiting"));
    let mut none = invoice(5, 1000);
    none["charge"] = Value::Null;
    let verdict = t.earn(&none, &json!({ "in_5": none })).await;
    assert_eq!(verdict["outcome"], json!("waiting"));
}

#[tokio::test]
async fn refunds_and_disputes_come_in_any_order_and_twice() {
    let t = Till::new().await;
    let steps: [fn(usize) -> Value; 5] = [
        |n| refunded(n, 1000, 101),
        |n| refunded(n, 1000, 333),
        |n| dispute(&format!("dp_a{n}"), n, 200, "needs_response"),
        |n| dispute(&format!("dp_a{n}"), n, 200, "won"),
        |n| dispute(&format!("dp_b{n}"), n, 50, "lost"),
    ];
    let mut number = 0;
    for order in orders(steps.len()) {
        number += 1;
        let earning = t.earned(number, 1000).await;
        for (place, step) in order.iter().enumerate() {
            let object = steps[*step](number);
            let verdict = t
                .correct(&format!("evt_{number}_{step}"), &object, &json!({}))
                .await;
            assert_eq!(verdict["outcome"], json!("applied"), "{order:?}: {verdict}");
            if place % 2 == 0 {
                t.correct(&format!("evt_{number}_{step}"), &object, &json!({}))
                    .await;
            }
        }
        // 850 less 283 (of 333) and 43 (of 50).
        assert_eq!(t.net(earning).await, 850 - 283 - 43, "{order:?}");
    }
    assert_eq!(number, 120);
}

/// All orders of so many.
fn orders(count: usize) -> Vec<Vec<usize>> {
    if count == 0 {
        return vec![Vec::new()];
    }
    let shorter = orders(count - 1);
    let all = shorter.iter().flat_map(|order| {
        (0..count).map(|at| {
            let mut order = order.clone();
            order.insert(at, count - 1);
            order
        })
    });
    all.collect()
}

#[tokio::test]
async fn a_refund_of_nobodys_charge_is_none_of_ours_and_an_early_one_waits() {
    let t = Till::new().await;
    let verdict = t.correct("evt_1", &refunded(1, 1000, 100), &json!({})).await;
    assert_eq!(
        verdict["outcome"],
        json!("waiting"),
        "the account is known: {verdict}"
    );
    let mut other = refunded(2, 1000, 100);
    other["transfer_data"] = Value::Null;
    let verdict = t.correct("evt_2", &other, &json!({})).await;
    assert_eq!(verdict["outcome"], json!("ignored"));
    // A dispute and a refund say less than their charge does.
    let verdict = t
        .correct("evt_3", &dispute("dp_1", 2, 100, "needs_response"), &json!({}))
        .await;
    assert_eq!(verdict["fetch"][0]["id"], json!("ch_2"));
    let verdict = t
        .correct(
            "evt_3",
            &dispute("dp_1", 2, 100, "needs_response"),
            &json!({ "ch_2": other }),
        )
        .await;
    assert_eq!(verdict["outcome"], json!("ignored"));
    t.earned(1, 1000).await;
    let refund = json!({ "object": "refund", "id": "re_1", "charge": "ch_1", "amount": 40 });
    assert_eq!(
        t.correct("evt_4", &refund, &json!({})).await["fetch"][0]["id"],
        json!("ch_1")
    );
    let current = json!({ "ch_1": refunded(1, 1000, 100) });
    assert_eq!(
        t.correct("evt_4", &refund, &current).await["led_to"]["corrections"],
        json!(1)
    );
    // An inquiry takes nothing.
    let inquiry = dispute("dp_2", 1, 1000, "warning_needs_response");
    assert_eq!(
        t.correct("evt_5", &inquiry, &json!({})).await["led_to"]["corrections"],
        json!(0)
    );
    let transfer = json!({ "object": "transfer", "id": "tr_1", "amount_reversed": 5 });
    assert_eq!(
        t.correct("evt_6", &transfer, &json!({})).await["outcome"],
        json!("ignored")
    );
}

#[tokio::test]
async fn whose_account_it_was_has_earned_even_if_he_is_gone() {
    let t = Till::new().await;
    t.earned(1, 1000).await;
    let owner = t.s.f.owner;
    // The host is somebody else's now, who has another account.
    let heir = Uuid::new_v4();
    t.s.f.person(heir, "heir@example.com").await;
    t.exec(&format!(
        "delete from stripe_accounts; update hosts set owner_id = '{heir}';
         insert into stripe_accounts (owner_id, account_id, transfers_active, as_of) values ('{heir}', 'acct_heir', true, now())"
    ))
    .await;
    t.earned(2, 1000).await;
    let owners = t.rows("select distinct owner_id from host_earnings").await;
    assert_eq!(owners, json!([{ "owner_id": owner }]));
    let mut strange = charge(3, 1000);
    strange["transfer_data"] = json!({ "destination": "acct_strange" });
    let verdict = t.earn(&invoice(3, 1000), &json!({ "ch_3": strange })).await;
    assert_eq!(verdict["outcome"], json!("applied"), "it does not wait for ever");
    let told = t.number(
        "select count(*) from events where kind = 'billing.mismatch' and detail ->> 'what' = 'no_owner'",
    );
    assert_eq!(told.await, 1);
}

#[tokio::test]
async fn a_disputes_status_does_not_go_back() {
    let t = Till::new().await;
    let statuses = ["warning_needs_response", "needs_response", "under_review", "lost"];
    for (number, order) in orders(statuses.len()).into_iter().enumerate() {
        let number = number + 1;
        let earning = t.earned(number, 1000).await;
        let mut furthest = 0;
        for step in order {
            let object = dispute(&format!("dp_{number}"), number, 1000, statuses[step]);
            t.correct("evt_1", &object, &json!({})).await;
            furthest = furthest.max(step);
            // An inquiry takes nothing; what came after it stays, whatever is told late.
            let taken = if furthest == 0 { 0 } else { 850 };
            assert_eq!(t.net(earning).await, 850 - taken, "{step} after {furthest}");
        }
    }
    let won = t
        .rows("select id from host_earnings where kind = 'dispute_won'")
        .await;
    assert_eq!(won, json!([]), "nothing is paid back by what came late");
}

#[tokio::test]
async fn a_refund_that_fails_is_given_back() {
    let t = Till::new().await;
    let earning = t.earned(1, 1000).await;
    t.correct("evt_1", &refunded(1, 1000, 400), &json!({})).await;
    assert_eq!(t.net(earning).await, 510);
    let mut now = refunded(1, 1000, 0);
    now["fetched_at"] = json!(OCTOBER + 700);
    let failed =
        json!({ "object": "refund", "id": "re_1", "charge": "ch_1", "amount": 400, "status": "failed" });
    assert_eq!(
        t.correct("evt_2", &failed, &json!({})).await["fetch"][0]["id"],
        json!("ch_1")
    );
    t.correct("evt_2", &failed, &json!({ "ch_1": now })).await;
    assert_eq!(t.net(earning).await, 850);
    // What was told before that comes late.
    t.correct("evt_3", &refunded(1, 1000, 400), &json!({})).await;
    assert_eq!(t.net(earning).await, 850);
    // Two within a second are not to be told apart: Stripe is asked.
    let at = OCTOBER + 700;
    let verdict = t
        .correct_at(at, "evt_4", &refunded(1, 1000, 100), &json!({}))
        .await;
    assert_eq!(verdict["fetch"][0]["id"], json!("ch_1"), "{verdict}");
    let mut now = refunded(1, 1000, 200);
    now["fetched_at"] = json!(at);
    t.correct_at(at, "evt_4", &refunded(1, 1000, 100), &json!({ "ch_1": now }))
        .await;
    assert_eq!(t.net(earning).await, 680);
}

#[tokio::test]
async fn what_an_operator_took_is_not_taken_again() {
    let t = Till::new().await;
    let earning = t.earned(1, 1000).await;
    t.exec(&format!("select creel.adjust_earning({earning}, -400, 'x')"))
        .await;
    t.correct("evt_1", &refunded(1, 1000, 1000), &json!({})).await;
    assert_eq!(t.net(earning).await, 0);
    assert_eq!(
        t.number(&format!("select creel.still_to_return({earning})"))
            .await,
        850
    );
    t.correct("evt_2", &dispute("dp_1", 1, 1000, "lost"), &json!({}))
        .await;
    assert_eq!(t.net(earning).await, 0);
    // Taken back, it makes room for what it had kept away.
    t.exec(&format!("select creel.adjust_earning({earning}, 400, 'x')"))
        .await;
    assert_eq!(t.net(earning).await, 0);
}

#[tokio::test]
async fn an_operator_corrects_by_another_row() {
    let t = Till::new().await;
    let earning = t.earned(1, 1000).await;
    t.exec(&format!(
        "select creel.adjust_earning({earning}, -50, 'goodwill')"
    ))
    .await;
    assert_eq!(t.net(earning).await, 800);
    let too_much = format!("select creel.adjust_earning({earning}, -801, 'x')");
    let refused =
        t.s.f
            .admin
            .batch_execute(&too_much)
            .await
            .expect_err("no less than nothing");
    assert_eq!(refused.code().expect("a code").code(), "PT409");
    let given = format!("select creel.adjust_earning({earning}, 51, 'x')");
    t.s.f
        .admin
        .batch_execute(&given)
        .await
        .expect_err("no more than it was");
    t.exec(&format!(
        "select creel.adjust_earning({earning}, 50, 'taken back')"
    ))
    .await;
    assert_eq!(t.net(earning).await, 850);
    let agent: Uuid = t.s.agent_id(KEY).await;
    let rows = t.rows("select distinct agent_id from host_earnings").await;
    assert_eq!(rows, json!([{ "agent_id": agent }]));
}
