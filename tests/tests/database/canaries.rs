//! Does a paid agent answer? What is asked, who may know the answer, and what an outage costs.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::fixture::token;
use crate::till::{KEY, NOVEMBER, OCTOBER, Till};

/// Lets the sweep ask now; answers the canary's row, if there is one that is open.
async fn ask(t: &Till) -> Option<Value> {
    t.exec("update creel.canary_plans set due_at = now(), running_at = now(); select creel.ask_canaries()")
        .await;
    let open = t
        .rows("select * from agent_canaries where status in ('queued', 'running')")
        .await;
    open.as_array().expect("rows").first().cloned()
}

/// What the host is given, claimed.
async fn claim(t: &Till) -> (Uuid, Value) {
    let items = t.s.host.claim(10).await;
    assert_eq!(items.len(), 1, "{items:?}");
    assert_eq!(items[0]["queue"], json!("agent_canaries"));
    (token(&items[0]), items[0].clone())
}

/// The right answer, as an agent would find it.
fn answer_to(challenge: &str) -> String {
    let (_, words) = challenge.rsplit_once(": ").expect("words");
    let words: Vec<&str> = words.split(' ').rev().collect();
    words.join(" ")
}

async fn answer(t: &Till, said: impl Fn(&str) -> Value) {
    ask(t).await.expect("a canary");
    let (held, item) = claim(t).await;
    let challenge = item["row"]["challenge"].as_str().expect("a challenge");
    t.s.finish(held, "done", said(challenge)).await;
}

async fn pass(t: &Till) {
    answer(
        t,
        |challenge| json!({ "ok": true, "answer": answer_to(challenge), "ms": 12 }),
    )
    .await;
}

async fn fail(t: &Till, code: &str) {
    ask(t).await.expect("a canary");
    let (held, _) = claim(t).await;
    let result = json!({ "ok": false, "error": { "code": code, "message": "m", "hint": "h" } });
    t.s.finish(held, "failed", result).await;
}

/// The host says nothing until the deadline has passed.
async fn stay_silent(t: &Till) {
    ask(t).await.expect("a canary");
    t.exec("update creel.items set deadline_at = now() - interval '1 second'")
        .await;
    t.s.f.sweep().await;
}

async fn last(t: &Till) -> (String, Value) {
    let rows = t
        .rows("select status, fault from agent_canaries order by answered_at desc nulls last limit 1")
        .await;
    (
        rows[0]["status"].as_str().expect("a status").to_owned(),
        rows[0]["fault"].clone(),
    )
}

async fn outages(t: &Till) -> Value {
    t.rows("select ended_by from agent_outages order by id").await
}

#[tokio::test]
async fn only_an_agent_that_is_paid_and_wished_running_is_asked() {
    let t = Till::new().await;
    for unasked in [
        "billing = 'free'",
        "billing = 'unpaid'",
        "desired_state = 'stopped'",
    ] {
        t.exec(&format!("update agents set {unasked}")).await;
        assert!(ask(&t).await.is_none(), "{unasked}");
        t.exec("update agents set billing = 'paid', desired_state = 'running'")
            .await;
    }
    let canary = ask(&t).await.expect("it is asked");
    assert_eq!(ask(&t).await.expect("one at a time")["id"], canary["id"]);
    assert_eq!(t.number("select count(*) from agent_canaries").await, 1);
    // Nobody is asked at a time that can be foreseen.
    t.exec("update agents set billing = 'unpaid'; update agents set billing = 'paid'")
        .await;
    let due = t
        .number("select count(*) from creel.canary_plans where due_at between now() and now() + interval '3600 s'")
        .await;
    assert_eq!(due, 1);
}

#[tokio::test]
async fn the_agents_answer_is_compared_here_and_the_host_is_not_told_it() {
    let t = Till::new().await;
    ask(&t).await.expect("a canary");
    let wanted: String = t
        .json("select to_jsonb(answer) from creel.canary_answers")
        .await
        .as_str()
        .expect("a text")
        .to_owned();
    let (held, item) = claim(&t).await;
    assert!(!item.to_string().contains(&wanted), "{item}");
    let challenge = item["row"]["challenge"].as_str().expect("a challenge");
    assert_eq!(answer_to(challenge), wanted);
    t.s.host
        .client
        .query("select * from creel.canary_answers", &[])
        .await
        .expect_err("no right");
    // An agent may be polite.
    let said = format!("Sure! **{}**.", wanted.to_uppercase().replace(' ', ", "));
    let reply =
        t.s.finish(held, "done", json!({ "ok": true, "answer": said, "ms": 5 }))
            .await;
    assert_eq!(reply["applied"], json!(true));
    assert_eq!(last(&t).await, ("done".to_owned(), Value::Null));
    assert_eq!(t.number("select count(*) from creel.canary_answers").await, 0);

    for wrong in [
        json!({ "ok": true, "answer": challenge }),
        json!({ "ok": true, "answer": "" }),
        json!({ "ok": true, "answer": { "words": wanted } }),
        json!({ "ok": true }),
        json!("yes"),
    ] {
        answer(&t, |_| wrong.clone()).await;
        assert_eq!(last(&t).await, ("failed".to_owned(), json!("wrong")), "{wrong}");
    }
}

#[tokio::test]
async fn silence_begins_an_outage_and_the_next_answer_ends_it() {
    let t = Till::new().await;
    stay_silent(&t).await;
    assert_eq!(last(&t).await, ("failed".to_owned(), json!("unanswered")));
    assert_eq!(outages(&t).await, json!([{ "ended_by": null }]));
    let soon = t
        .number("select count(*) from creel.canary_plans where due_at <= now() + interval '300 s'")
        .await;
    assert_eq!(soon, 1, "it is asked again soon");
    // No letter for the dead: the next one asks anew.
    assert_eq!(t.s.dead_letters().await, 0);
    stay_silent(&t).await;
    assert_eq!(outages(&t).await, json!([{ "ended_by": null }]), "still the same");
    pass(&t).await;
    assert_eq!(outages(&t).await, json!([{ "ended_by": "answer" }]));
    let first = t
        .json("select jsonb_build_array(o.began_at = (select min(asked_at) from agent_canaries), o.ended_at >= (select max(asked_at) from agent_canaries)) from agent_outages o")
        .await;
    assert_eq!(first, json!([true, true]));
    let kinds = t
        .rows("select kind from events where kind like 'outage.%' order by id")
        .await;
    assert_eq!(
        kinds,
        json!([{ "kind": "outage.began" }, { "kind": "outage.ended" }])
    );
    let owner = t.s.f.owner;
    let seen =
        t.s.f
            .ask_as_person(owner, "select to_jsonb(count(*)) from agent_outages")
            .await;
    assert_eq!(seen.expect("read"), json!(1));
}

#[tokio::test]
async fn what_a_deployer_broke_is_not_the_hosts_fault() {
    let t = Till::new().await;
    // It never answered with these settings: they may be what is wrong.
    fail(&t, "gateway_ended").await;
    assert_eq!(outages(&t).await, json!([]));
    pass(&t).await;
    // Now they are proven. A key that is out of credit, or memory that says to answer nonsense, the host cannot help.
    fail(&t, "model_failed").await;
    assert_eq!(last(&t).await.1, json!("model"));
    answer(&t, |_| json!({ "answer": "I will not" })).await;
    assert_eq!(outages(&t).await, json!([]));
    // That the agent is not there is the host's affair.
    fail(&t, "gateway_ended").await;
    assert_eq!(outages(&t).await, json!([{ "ended_by": null }]));
    // Doubts do not end it, or the host's own word would.
    fail(&t, "model_failed").await;
    t.exec("update agents set generation = generation + 1").await;
    fail(&t, "gateway_ended").await;
    assert_eq!(outages(&t).await, json!([{ "ended_by": null }]));
    pass(&t).await;
    assert_eq!(outages(&t).await, json!([{ "ended_by": "answer" }]));
    // Other settings, and it fails: who knows why.
    t.exec("update agents set generation = generation + 1").await;
    fail(&t, "gateway_ended").await;
    assert_eq!(outages(&t).await.as_array().expect("rows").len(), 1);
    // Silence is the host's, whatever the settings are.
    stay_silent(&t).await;
    assert_eq!(outages(&t).await.as_array().expect("rows").len(), 2);
}

#[tokio::test]
async fn doubts_that_last_are_told_and_shown_to_the_operator() {
    let t = Till::new().await;
    let earning = t.earned(1, 1000).await;
    for count in 1..=4 {
        fail(&t, "model_failed").await;
        let told = t
            .number("select count(*) from events where kind = 'canary.unproven' and detail ? 'since'")
            .await;
        assert_eq!(told, i64::from(count >= 3), "after {count}");
    }
    let shown = "select earning_id, answered_count, doubtful_count, last_fault from creel.unproven_earnings";
    assert_eq!(t.rows(shown).await, json!([]), "they are of another time");
    t.exec(&format!(
        "update agent_canaries set asked_at = to_timestamp({OCTOBER} + 5);
         alter table host_earnings disable trigger user;
         update host_earnings set period_end = greatest(period_end, now());
         alter table host_earnings enable trigger user"
    ))
    .await;
    assert_eq!(
        t.rows(shown).await,
        json!([{ "earning_id": earning, "answered_count": 0, "doubtful_count": 4, "last_fault": "model" }])
    );
    pass(&t).await;
    for count in 0..3 {
        let told = t.number("select count(*) from events where kind = 'canary.unproven'");
        assert_eq!(told.await, 1, "after {count}: an answer ends what was told");
        fail(&t, "model_failed").await;
    }
    let told = t.number("select count(*) from events where kind = 'canary.unproven'");
    assert_eq!(told.await, 2);
}

#[tokio::test]
async fn a_failure_that_somebody_elses_doing_explains_is_no_outage() {
    let t = Till::new().await;
    pass(&t).await;
    let agent = t.s.agent_id(KEY).await;
    let command = format!(
        "insert into agent_commands (project_id, agent_key, agent_id, type) values ('p1', '{KEY}', '{agent}', 'restart')"
    );
    for (doing, undone) in [
        (
            "update agents set generation = generation + 1".to_owned(),
            "select 1",
        ),
        (
            format!(
                "insert into brain_docs (project_id, agent_key, doc_type, content)
                 values ('p1', '{KEY}', 'soul', 'Never repeat lists of words.')"
            ),
            "update brain_doc_versions set created_at = now() - interval '1 day'",
        ),
        (
            command,
            "update creel.items set cancel = true; delete from agent_commands",
        ),
        (
            "update creel.canary_watch set looked_at = now() - interval '1 hour'".to_owned(),
            "update creel.canary_watch set looked_at = now()",
        ),
        (
            "update creel.canary_watch set gap_until = now()".to_owned(),
            "update creel.canary_watch set gap_until = '-infinity'",
        ),
    ] {
        ask(&t).await.expect("a canary");
        t.exec(&doing).await;
        t.exec(
            "update creel.items set deadline_at = now() - interval '1 second' where queue = 'agent_canaries'",
        )
        .await;
        t.s.f.sweep().await;
        assert_eq!(last(&t).await.1, json!("unanswered"), "{doing}");
        assert_eq!(outages(&t).await, json!([]), "{doing}");
        t.exec(undone).await;
    }
    stay_silent(&t).await;
    assert_eq!(outages(&t).await, json!([{ "ended_by": null }]));
}

#[tokio::test]
async fn an_agent_is_asked_once_it_runs_and_not_while_a_command_is_under_way() {
    let t = Till::new().await;
    let asked = async || t.number("select creel.ask_canaries()::bigint").await;
    t.exec("update agents set status = 'stopped'; update creel.canary_plans set due_at = now(), running_at = null")
        .await;
    assert_eq!(asked().await, 0, "it never ran");
    t.exec("update agents set status = 'running'").await;
    asked().await;
    assert_eq!(
        t.number("select count(*) from creel.canary_plans where running_at is not null")
            .await,
        1
    );
    let agent = t.s.agent_id(KEY).await;
    t.exec(&format!(
        "insert into agent_commands (project_id, agent_key, agent_id, type) values ('p1', '{KEY}', '{agent}', 'restart')"
    ))
    .await;
    t.exec("delete from agent_canaries; update creel.canary_plans set due_at = now()")
        .await;
    assert_eq!(asked().await, 0, "somebody restarts it");
    t.exec("delete from agent_commands").await;
    assert_eq!(asked().await, 1);
    // One that is not there an hour after it was paid for is asked all the same.
    t.exec(
        "delete from agent_canaries;
         update creel.canary_plans set due_at = now(), running_at = null, since = now() - interval '61 minutes'",
    )
    .await;
    assert_eq!(asked().await, 1);
}

#[tokio::test]
async fn a_host_that_is_deleted_keeps_nothing_of_what_it_does_not_give() {
    let t = Till::new().await;
    let earning = t.earned(1, 1000).await;
    t.exec("delete from hosts").await;
    assert_eq!(outages(&t).await, json!([{ "ended_by": null }]));
    let told = t.number(
        "select count(*) from events where kind = 'billing.mismatch' and detail ->> 'what' = 'host_deleted'",
    );
    assert_eq!(told.await, 1);
    t.exec(&format!(
        "update agent_outages set began_at = to_timestamp({OCTOBER}); select creel.correct_outages()"
    ))
    .await;
    assert_eq!(t.net(earning).await, 8, "one part in a hundred is free");
    // Not paid for any more, nothing is owed.
    t.exec("update agents set billing = 'unpaid'").await;
    assert_eq!(outages(&t).await, json!([{ "ended_by": "wish" }]));
}

#[tokio::test]
async fn a_year_is_settled_month_by_month() {
    let t = Till::new().await;
    let mut year = crate::till::invoice(1, 12_000);
    let from = t
        .number("select extract(epoch from now() - interval '65 days')::bigint")
        .await;
    year["lines"]["data"][0]["period"] = json!({ "start": from, "end": from + 365 * 86_400 });
    let verdict = t
        .earn(&year, &json!({ "ch_1": crate::till::charge(1, 12_000) }))
        .await;
    let earning = verdict["led_to"]["earning"].as_i64().expect("an earning");
    let agent = t.s.agent_id(KEY).await;
    t.exec(&format!(
        "insert into agent_outages (project_id, agent_key, agent_id, host_id, began_at)
         values ('p1', '{KEY}', '{agent}', '{}', to_timestamp({from}))",
        t.host()
    ))
    .await;
    let mut nets = Vec::new();
    for _ in 0..4 {
        t.exec("select creel.correct_outages()").await;
        nets.push(t.net(earning).await);
    }
    // 99 of a hundred of each of two months; the third is not over yet.
    assert_eq!(nets, [10_200 - 842, 10_200 - 1683, 10_200 - 1683, 10_200 - 1683]);
    t.exec("update creel.earning_facts set due_at = now() - interval '1 day'")
        .await;
    assert_eq!(t.number("select creel.correct_outages()::bigint").await, 1);
    let parts = t.number("select outage_parts::bigint from creel.earning_facts");
    assert_eq!(parts.await, 3);
}

#[tokio::test]
async fn what_is_not_owed_any_more_ends_its_outage() {
    let t = Till::new().await;
    for wish in [
        "desired_state = 'stopped'",
        "billing = 'unpaid'",
        "deleting_since = now()",
    ] {
        stay_silent(&t).await;
        t.exec("update agents set name = 'Other'").await;
        assert_eq!(
            t.number("select count(*) from agent_outages where ended_at is null")
                .await,
            1,
            "{wish}"
        );
        ask(&t).await.expect("one that is open");
        t.exec(&format!("update agents set {wish}")).await;
        assert_eq!(
            t.number("select count(*) from agent_outages where ended_by = 'wish' and ended_at is not null")
                .await,
            t.number("select count(*) from agent_outages").await,
            "{wish}"
        );
        t.exec("update agents set desired_state = 'running', billing = 'paid', deleting_since = null")
            .await;
        // What was asked before counts for nothing.
        t.exec(
            "update creel.items set deadline_at = now() - interval '1 second'; select creel.ask_canaries()",
        )
        .await;
        t.s.f.sweep().await;
        assert_eq!(
            t.number("select count(*) from agent_outages where ended_at is null")
                .await,
            0,
            "{wish}"
        );
    }
    stay_silent(&t).await;
    t.exec("update agents set openclaw_id = null, provisioned = false; delete from agents")
        .await;
    assert_eq!(
        t.number("select count(*) from agent_outages where ended_at is null")
            .await,
        0
    );
}

#[tokio::test]
async fn an_outage_beyond_the_allowance_is_taken_of_the_periods_earning() {
    let t = Till::new().await;
    let earning = t.earned(1, 1000).await;
    let agent = t.s.agent_id(KEY).await;
    let host = t.host();
    // October has 2,678,400 s, of which 26,784 are free: twelve hours, an open one across its end, one before it began.
    for (began, ended) in [
        (OCTOBER + 1000, Some(OCTOBER + 1000 + 43_200)),
        (OCTOBER - 5000, Some(OCTOBER - 10)),
        (NOVEMBER - 10_000, None),
    ] {
        let ended = ended.map_or("null, null".to_owned(), |at| {
            format!("to_timestamp({at}), 'answer'")
        });
        t.exec(&format!(
            "insert into agent_outages (project_id, agent_key, agent_id, host_id, began_at, ended_at, ended_by, canary_id)
             values ('p1', '{KEY}', '{agent}', '{host}', to_timestamp({began}), {ended}, gen_random_uuid())"
        ))
        .await;
    }
    assert_eq!(t.number("select creel.correct_outages()::bigint").await, 1);
    let beyond = 43_200 + 10_000 - 26_784;
    let facts = t
        .rows("select outage_secs, outage_minor from creel.earning_facts")
        .await;
    assert_eq!(facts[0]["outage_secs"], json!(beyond));
    let minor = (850 * beyond * 2 + 2_678_400) / (2 * 2_678_400);
    assert_eq!(minor, 8);
    assert_eq!(t.net(earning).await, 850 - minor);
    assert_eq!(t.due().await[0]["form"]["amount"], json!(minor));
    assert_eq!(
        t.number("select creel.correct_outages()::bigint").await,
        0,
        "once"
    );
}

#[tokio::test]
async fn a_period_is_settled_when_it_is_over_and_not_before() {
    let t = Till::new().await;
    t.earned(1, 1000).await;
    t.exec("update creel.settings set earning_settle_secs = 2000000000")
        .await;
    assert_eq!(t.number("select creel.correct_outages()::bigint").await, 0);
    t.exec("update creel.settings set earning_settle_secs = 3600")
        .await;
    t.exec("update creel.sweeps set swept_at = '-infinity'").await;
    t.s.f.sweep().await;
    let settled = t.number("select count(*) from creel.earning_facts where outage_secs = 0");
    assert_eq!(settled.await, 1);
    assert_eq!(
        t.number("select count(*) from host_earnings").await,
        1,
        "nothing to be corrected"
    );
}

#[tokio::test]
async fn a_daemon_that_is_no_worker_is_asked_too() {
    let t = Till::new().await;
    ask(&t).await.expect("a canary");
    let told = t.s.host.call("heartbeat", &json!({ "api": 1 })).await;
    let told = told.expect("beat");
    let command = &told["commands"][0];
    assert_eq!(command["type"], json!("canary"), "{told}");
    let challenge = command["payload"]["challenge"].as_str().expect("a challenge");
    assert!(command["payload"]["deadline_at"].is_string(), "{told}");
    let ack =
        json!({ "command_id": command["id"], "ok": true, "result": { "answer": answer_to(challenge) } });
    let told =
        t.s.host
            .call("heartbeat", &json!({ "api": 1, "acks": [ack] }))
            .await
            .expect("beat");
    assert_eq!(told["acks"][0]["applied"], json!(true), "{told}");
    assert_eq!(last(&t).await, ("done".to_owned(), Value::Null));
}
