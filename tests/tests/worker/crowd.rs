//! Many workers on one queue: each request is provisioned once.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use creel_tests::wait::eventually;
use serde_json::json;

use crate::fixture::Stage;
use crate::station::{LEFT_OVERS, Station};

/// How many requests there are.
const REQUESTS: usize = 1_000;

/// How many there are where workers are killed, and how often.
const SOME: usize = 200;
const KILLS: usize = 8;

/// Each agent costs two starts of the stand-in, of which a host runs one at a time: a minute or two on two
/// cores, and more beside other tests.
const ALL_DONE_WITHIN: Duration = Duration::from_secs(400);

async fn write_requests(stage: &Stage, count: usize) {
    let written = stage
        .admin
        .execute(
            "insert into agent_provision_requests (project_id, agent_key, display_name)
             select $1, 'agent:a' || n || ':main', 'Agent ' || n from generate_series(1, $2::bigint) n",
            &[&stage.project, &i64::try_from(count).expect("it is small")],
        )
        .await
        .expect("write requests");
    assert_eq!(written, count as u64);
}

/// Waits until so many are done.
async fn done(stage: &Stage, count: usize) {
    eventually("requests are done", ALL_DONE_WITHIN, async || {
        let done = "select count(*) from agent_provision_requests where status = 'done'";
        stage.count(done).await >= count as i64
    })
    .await;
}

/// Nothing is left, died, or was told to the database twice.
async fn all_told_once(stage: &Stage) {
    for (what, sql) in [
        ("items are left", "select count(*) from creel.items"),
        (
            "agents are told twice",
            "select count(*) - count(distinct item_id) from events where kind = 'agent.provisioned'",
        ),
        ("died", "select count(*) from creel.dead_letters"),
    ] {
        assert_eq!(stage.count(sql).await, 0, "{what}");
    }
}

async fn each_is_provisioned_once_by(worker_count: usize) {
    let stage = Stage::new().await;
    let mut stations = Vec::new();
    for _ in 0..worker_count {
        stations.push(stage.station().await);
    }
    let workers: Vec<_> = stations
        .iter()
        .map(|station| station.start_with(&station.setup().env("CREEL_PERMITS", "16")))
        .collect();
    write_requests(&stage, REQUESTS).await;
    done(&stage, REQUESTS).await;

    let mut added: HashMap<String, usize> = HashMap::new();
    for station in &stations {
        for call in station.calls() {
            if call["command"] == json!("add") {
                let id = call["args"][2].as_str().expect("an id").to_owned();
                *added.entry(id).or_default() += 1;
            }
        }
        assert!(!station.agents().is_empty(), "every host has its share");
    }
    assert_eq!(added.len(), REQUESTS);
    assert!(
        added.values().all(|count| *count == 1),
        "each is added once, on one host"
    );

    let agents = stage
        .admin
        .query(
            "select host_id::text, openclaw_id from agents where provisioned",
            &[],
        )
        .await
        .expect("read agents");
    let places: HashSet<(String, String)> = agents.iter().map(|row| (row.get(0), row.get(1))).collect();
    assert_eq!(places.len(), REQUESTS);
    for station in &stations {
        let placed = places
            .iter()
            .filter(|(host, _)| *host == station.host.id.to_string())
            .count();
        assert_eq!(station.agents().len(), placed, "OpenClaw and the rows agree");
    }
    all_told_once(&stage).await;
    let expired = "select count(*) from events where kind = 'lease.expired'";
    assert_eq!(stage.count(expired).await, 0, "leases expired");
    drop(workers);
}

#[tokio::test]
async fn two_workers_provision_a_thousand_once() {
    each_is_provisioned_once_by(2).await;
}

#[tokio::test]
async fn five_workers_provision_a_thousand_once() {
    each_is_provisioned_once_by(5).await;
}

#[tokio::test]
async fn workers_that_are_killed_in_the_crowd_lose_nothing_and_repeat_nothing() {
    let stage = Stage::new().await;
    // Kills are no fault of the requests.
    stage.set_attempts(20).await;
    let stations = [stage.station().await, stage.station().await];
    let start = |station: &Station| {
        let mut worker = station.start_with(&station.setup().env("CREEL_PERMITS", "8"));
        worker.allow(LEFT_OVERS);
        worker
    };
    let mut workers = stations.each_ref().map(start);
    write_requests(&stage, SOME).await;
    for round in 0..KILLS {
        done(&stage, (round + 1) * SOME / (KILLS + 1)).await;
        let which = round % stations.len();
        workers[which].kill9().expect("kill");
        workers[which] = start(&stations[which]);
    }
    done(&stage, SOME).await;
    all_told_once(&stage).await;
    for station in &stations {
        let placed = stage
            .count(&format!(
                "select count(*) from agents where provisioned and host_id = '{}'",
                station.host.id
            ))
            .await;
        assert_eq!(
            station.agents().len() as i64,
            placed,
            "OpenClaw and the rows agree"
        );
        for (id, entry) in station.agents() {
            assert_eq!(entry["identity"]["name"], json!(id.replace('a', "Agent ")));
            assert_eq!(
                station.marker(&id)["agent_key"],
                json!(format!("agent:{id}:main"))
            );
        }
        station.is_quiet().await;
    }
}
