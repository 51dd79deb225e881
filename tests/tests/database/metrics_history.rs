//! What agents used before: kept by somebody's tick, in rings that never grow.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::fixture::{Fixture, Session};

/// A host with an agent on it.
async fn stage() -> (Fixture, Session, String) {
    let f = Fixture::new().await;
    let host = f.host(&["p1"]).await;
    f.request("agent:scout:main").await;
    let held = host.claim_one().await;
    host.finish(held, "done").await;
    let agent = f
        .one("select a.id::text from agents a where a.host_id = $1", host.host)
        .await;
    (f, host, agent)
}

/// A tick that tells what an agent uses.
async fn tell(host: &Session, agent: &str, cpu_percent: u32, uptime_secs: u64) {
    let metric =
        json!({ "agent_id": agent, "cpu_percent": cpu_percent, "ram_mb": 700, "uptime_secs": uptime_secs });
    let args = json!({ "api": 1, "session": host.session, "tokens": [], "metrics": [metric], "host": {} });
    host.call("tick", &args).await.expect("tick");
}

/// Lets the minutes from so many ago until so many ago go by, with a sample in each.
async fn minutes_went_by(f: &Fixture, from: i64, until: i64) {
    f.admin
        .batch_execute(&format!(
            "do $$
             declare
               moment timestamptz;
             begin
               for moment in
                 select now() - n * interval '1 minute' from generate_series({from}, {until}, -1) n order by n desc
               loop
                 update agent_metrics set sampled_at = moment;
                 perform creel.keep_metrics_history(moment);
               end loop;
             end $$"
        ))
        .await
        .expect("let time pass");
}

/// Lets the clocks of the rings stand so many minutes ago.
async fn begin(f: &Fixture, minutes_ago: i64) {
    f.admin
        .batch_execute(&format!(
            "delete from agent_metric_slots;
             update creel.metric_clock
             set kept_until = date_bin(step_secs * interval '1 second', now() - interval '{minutes_ago} minutes', 'epoch')"
        ))
        .await
        .expect("set the clocks");
}

async fn history(f: &Fixture, person: Uuid, step_secs: i32) -> Vec<Value> {
    let sql = format!(
        "select coalesce(jsonb_agg(to_jsonb(h) order by h.at), '[]') from agent_metrics_history h
         where h.step_secs = {step_secs}"
    );
    let rows = f.ask_as_person(person, &sql).await.expect("read the history");
    rows.as_array().expect("rows").clone()
}

#[tokio::test]
async fn minutes_become_means_of_five_and_hours() {
    let (f, host, agent) = stage().await;
    // Whole hours, so that it is the same whenever the test runs.
    f.admin
        .batch_execute(
            "update creel.metric_clock set kept_until = case step_secs
               when 60 then date_trunc('minute', now()) - interval '1 minute'
               else date_trunc('hour', now()) - interval '2 hours' end",
        )
        .await
        .expect("begin two hours ago");
    // One sample a minute of the hour before the last, with a minute left out.
    f.admin
        .execute(
            "insert into agent_metric_slots
             select 60, extract(epoch from t)::bigint / 60 % 60, $1::text::uuid, t, 1, n % 5 * 10, n % 5 * 10, 500, 500, n, n * 60
             from generate_series(0, 59) n, lateral (
               select date_trunc('hour', now()) - interval '1 hour' + n * interval '1 minute' as t) m
             where n <> 7",
            &[&agent],
        )
        .await
        .expect("write samples");
    tell(&host, &agent, 33, 7).await;
    let minutes = history(&f, f.owner, 60).await;
    assert_eq!(minutes.last().expect("a minute")["cpu_percent"], json!(33));
    let fives = history(&f, f.owner, 300).await;
    assert!(fives.len() >= 12, "{fives:?}");
    assert_eq!(
        fives[0]["cpu_percent"],
        json!(20),
        "the mean of 0, 10, 20, 30, 40"
    );
    assert_eq!(
        (&fives[0]["cpu_percent_max"], &fives[0]["samples"]),
        (&json!(40), &json!(5))
    );
    assert_eq!(
        (&fives[0]["disk_mb"], &fives[0]["uptime_secs"]),
        (&json!(4), &json!(240)),
        "the last"
    );
    assert_eq!(
        (&fives[1]["cpu_percent"], &fives[1]["samples"]),
        (&json!(20), &json!(4)),
        "7 is missing: (0+10+30+40)/4"
    );
    let hours = history(&f, f.owner, 3_600).await;
    assert_eq!(hours.len(), 1, "{hours:?}");
    assert_eq!(
        (&hours[0]["samples"], &hours[0]["cpu_percent_max"]),
        (&json!(59), &json!(40))
    );
    assert_eq!(hours[0]["ram_mb"], json!(500));

    // The same again changes nothing; another minute may have begun.
    tell(&host, &agent, 99, 8).await;
    let again = history(&f, f.owner, 60).await;
    assert!(
        again.contains(minutes.last().expect("a minute")),
        "one sample a minute: {again:?}"
    );

    let stranger = Uuid::new_v4();
    f.person(stranger, "stranger@example.com").await;
    for step_secs in [60, 300, 3_600] {
        assert_eq!(history(&f, stranger, step_secs).await, Vec::<Value>::new());
    }
}

#[tokio::test]
async fn rings_never_grow_and_what_is_old_is_not_shown() {
    let (f, host, agent) = stage().await;
    tell(&host, &agent, 5, 60).await;
    begin(&f, 150).await;
    minutes_went_by(&f, 149, 0).await;
    let count =
        |step_secs: i32| format!("select count(*) from agent_metric_slots where step_secs = {step_secs}");
    let kept = f.admin.query_one(&count(60), &[]).await.expect("count");
    assert_eq!(kept.get::<_, i64>(0), 60);
    let shown = history(&f, f.owner, 60).await.len();
    assert!((59..=60).contains(&shown), "{shown}");
    let fives = history(&f, f.owner, 300).await;
    assert!((29..=30).contains(&fives.len()), "{fives:?}");
    assert!(
        fives.iter().skip(1).all(|five| five["samples"] == json!(5)),
        "{fives:?}"
    );
    let hours = history(&f, f.owner, 3_600).await;
    assert_eq!(
        hours.last().expect("a whole hour")["samples"],
        json!(60),
        "{hours:?}"
    );

    // Nobody tells anything any more: there is a gap, and no figure is repeated.
    begin(&f, 150).await;
    minutes_went_by(&f, 149, 65).await;
    f.admin
        .batch_execute("update agent_metrics set sampled_at = now() - interval '65 minutes'")
        .await
        .expect("be silent since then");
    host.tick(&[]).await;
    let slots = f.admin.query_one(&count(60), &[]).await.expect("count");
    assert_eq!(slots.get::<_, i64>(0), 60, "left in their slots");
    assert_eq!(history(&f, f.owner, 60).await.len(), 0, "and not shown");
    // What was missed is made up for.
    let fives = history(&f, f.owner, 300).await;
    assert_eq!(
        fives.iter().map(|five| five["samples"].as_i64()).max(),
        Some(Some(5))
    );
    f.admin
        .batch_execute("update agents set openclaw_id = null, provisioned = false; delete from agents")
        .await
        .expect("delete the agent");
    let left = f
        .admin
        .query_one("select count(*) from agent_metric_slots", &[])
        .await
        .expect("count");
    assert_eq!(left.get::<_, i64>(0), 0, "its history goes with it");
}

#[tokio::test]
async fn a_history_that_cannot_be_kept_costs_no_tick() {
    let (f, host, agent) = stage().await;
    begin(&f, 1).await;
    f.admin
        .batch_execute("alter table agent_metric_slots add constraint broken check (samples < 0) not valid")
        .await
        .expect("break it");
    tell(&host, &agent, 5, 60).await;
    let told = f
        .one(
            "select m.cpu_percent::text from agent_metrics m, hosts h where h.id = $1",
            host.host,
        )
        .await;
    assert_eq!(told, "5");
}

#[tokio::test]
async fn many_agents_are_kept_by_several_ticks_and_none_is_left_out() {
    let (f, _host, _agent) = stage().await;
    f.admin
        .batch_execute(
            "insert into agents (project_id, agent_key)
             select 'p1', 'agent:a' || n || ':main' from generate_series(1, 24) n;
             insert into agent_metrics (agent_id, cpu_percent, ram_mb, uptime_secs) select a.id, 5, 6, 7 from agents a
             on conflict do nothing",
        )
        .await
        .expect("make agents");
    begin(&f, 6).await;
    f.admin
        .batch_execute(
            "do $$
             begin
               for minute in reverse 6 .. 0 loop
                 update agent_metrics set sampled_at = now() - minute * interval '1 minute';
                 for part in 1 .. 4 loop
                   perform creel.keep_metrics_history(now() - minute * interval '1 minute', 10);
                 end loop;
               end loop;
             end $$",
        )
        .await
        .expect("let time pass");
    let row = f
        .admin
        .query_one(
            "select count(distinct agent_id) filter (where step_secs = 60),
               count(distinct agent_id) filter (where step_secs = 300),
               count(*) filter (where step_secs = 60) % 25, max(samples) filter (where step_secs = 300)
             from agent_metric_slots",
            &[],
        )
        .await
        .expect("count");
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (25, 25));
    assert_eq!(row.get::<_, i64>(2), 0, "each minute has all of them");
    assert!(row.get::<_, i32>(3) <= 5);
}
