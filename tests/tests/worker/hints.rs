//! A rented host hears at once that there is work, by Realtime; and does without it where that is away.

use std::time::Duration;

use creel_tests::wait::eventually;
use creel_tests::worker::WorkerProcess;
use serde_json::json;

use crate::fixture::{SCOUT, SOON, Stage};
use crate::station::{By, Station};

/// Much less than the time between two ticks, where that is a minute.
const BY_PUSH: Duration = Duration::from_secs(10);
/// What a worker says once it has joined its channel.
const LISTENS: &str = "hears of work at once";

/// A rented host whose ticks are that far apart, and its worker, which listens.
async fn listening(tick_secs: u32) -> (Stage, Station, WorkerProcess) {
    let stage = Stage::new().await;
    stage.set(&format!("tick_secs = {tick_secs}")).await;
    let station = stage.station_by(By::Key).await;
    let worker = station.started().await;
    worker.logged(LISTENS, SOON).await;
    until_known(&stage, true).await;
    (stage, station, worker)
}

/// Waits until the database knows whether the host listens.
async fn until_known(stage: &Stage, listens: bool) {
    let count = format!("select count(*) from host_heartbeats where listens = {listens}");
    eventually("the database knows whether the host listens", SOON, async || {
        stage.count(&count).await == 1
    })
    .await;
}

/// Asks for agents until one of them was announced: for a second after it has joined, the worker looks by itself.
async fn until_announced(stage: &Stage, name: &str) {
    for n in 0..20 {
        let id = stage.request(&format!("agent:{name}{n}:main")).await;
        if stage.done(id).await["woken_by"] == json!("push") {
            return;
        }
    }
    panic!("nothing was announced");
}

async fn lost_hints(stage: &Stage) -> i64 {
    stage.count("select lost_hints from host_heartbeats").await
}

#[tokio::test]
async fn a_rented_host_that_listens_takes_work_at_once() {
    let (stage, _station, worker) = listening(60).await;
    until_announced(&stage, "a").await;
    for key in [SCOUT, "agent:second:main"] {
        let id = stage.request(key).await;
        let row = stage.until(id, "done", BY_PUSH).await;
        assert_eq!(row["woken_by"], json!("push"));
    }
    assert_eq!(lost_hints(&stage).await, 0);
    let topic: String = stage
        .admin
        .query_one("select topic from creel.host_channels", &[])
        .await
        .expect("read the topic")
        .get(0);
    assert!(!worker.log().contains(&topic), "nobody finds it in a log");
}

#[tokio::test]
async fn with_realtime_cut_the_next_tick_takes_it_and_the_lost_hint_is_counted() {
    let (stage, station, worker) = listening(3).await;
    until_announced(&stage, "early").await;
    station.rest().realtime().cut();
    worker.logged("hears of work by its ticks only", SOON).await;
    let id = stage.request(SCOUT).await;
    let row = stage.done(id).await;
    assert_eq!(row["woken_by"], json!("poll"));
    eventually("the lost hint is counted", SOON, async || {
        lost_hints(&stage).await == 1
    })
    .await;

    station.rest().realtime().mend();
    worker.logged("hears of work at once again", SOON).await;
    until_known(&stage, true).await;
    until_announced(&stage, "late").await;
}

#[tokio::test]
async fn a_channel_that_is_silent_is_noticed_by_what_it_did_not_say() {
    let (stage, station, worker) = listening(3).await;
    station.rest().realtime().silence();
    let mut n = 0;
    eventually("a lost hint is counted", SOON, async || {
        n += 1;
        let id = stage.request(&format!("agent:a{n}:main")).await;
        assert_eq!(stage.done(id).await["woken_by"], json!("poll"));
        lost_hints(&stage).await > 0
    })
    .await;
    worker.logged("it had not announced work", SOON).await;
    until_known(&stage, false).await;
    station.rest().realtime().mend();
    until_known(&stage, true).await;
}

#[tokio::test]
async fn a_silent_channel_is_noticed_while_a_job_is_at_work() {
    let stage = Stage::new().await;
    stage.set("tick_secs = 3").await;
    let station = stage.station_by(By::Key).await;
    let worker = station
        .started_with(&station.setup().env("CREEL_PERMITS", "64"))
        .await;
    until_known(&stage, true).await;
    until_announced(&stage, "early").await;
    station.set_fault("add", "hang");
    let long = stage.request("agent:long:main").await;
    stage.until(long, "running", SOON).await;
    station.rest().realtime().silence();
    let mut n = 0;
    eventually("a lost hint is counted", SOON, async || {
        n += 1;
        let id = stage.request(&format!("agent:a{n}:main")).await;
        stage.until(id, "running", SOON).await;
        lost_hints(&stage).await > 0
    })
    .await;
    worker.logged("it had not announced work", SOON).await;
    assert_eq!(stage.row(long).await["status"], json!("running"));
}

#[tokio::test]
async fn a_channel_that_brings_nothing_is_made_anew_and_told_of_once() {
    let (stage, _station, worker) = listening(3).await;
    let realtime = stage.db.superuser().await.expect("connect");
    realtime
        .batch_execute(
            "create or replace function realtime.send(
               payload jsonb, event text, topic text, private boolean default true)
             returns void language plpgsql as $$ begin end $$",
        )
        .await
        .expect("let Realtime lose everything");
    let mut n = 0;
    for round in 1..=2 {
        until_known(&stage, true).await;
        let before = lost_hints(&stage).await;
        eventually("a lost hint is counted", SOON, async || {
            n += 1;
            let id = stage.request(&format!("agent:a{n}:main")).await;
            assert_eq!(stage.done(id).await["woken_by"], json!("poll"));
            lost_hints(&stage).await > before
        })
        .await;
        until_known(&stage, false).await;
        assert_eq!(worker.log().matches("hears of work").count(), 2, "round {round}");
    }
}

#[tokio::test]
async fn another_key_of_the_host_is_another_channel_and_it_goes_on() {
    let (stage, _station, worker) = listening(3).await;
    let topic = "select hashtext(topic)::bigint from creel.host_channels";
    let before = stage.count(topic).await;
    stage.run("update creel.host_keys set replaced_at = now()").await;
    let topics = "select count(*) from creel.host_channels";
    eventually("there is another topic", SOON, async || {
        stage.count(topics).await == 1 && stage.count(topic).await != before
    })
    .await;
    until_announced(&stage, "late").await;
    assert!(!worker.log().contains("by its ticks only"), "{}", worker.log());
}

#[tokio::test]
async fn a_host_that_is_to_look_only_does_so() {
    let stage = Stage::with_short_leases().await;
    let station = stage.station_by(By::Key).await;
    let setup = station.setup().env("CREEL_REALTIME_URL", "off");
    let worker = station.started_with(&setup).await;
    let id = stage.request(SCOUT).await;
    stage.done(id).await;
    assert!(!worker.log().contains("Realtime"), "{}", worker.log());
    assert_eq!(stage.count("select count(*) from creel.host_channels").await, 0);
}
