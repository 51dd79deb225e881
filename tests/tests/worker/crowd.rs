//! Many workers on one queue: each request is provisioned once.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use creel_tests::wait::eventually;
use serde_json::json;

use crate::fixture::Stage;

/// How many requests there are.
const REQUESTS: usize = 1_000;

/// Each agent costs two starts of the stand-in, of which a host runs one at a time: a minute or two on two
/// cores, and more beside other tests.
const ALL_DONE_WITHIN: Duration = Duration::from_secs(400);

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
    let written = stage
        .admin
        .execute(
            "insert into agent_provision_requests (project_id, agent_key, display_name)
             select $1, 'agent:a' || n || ':main', 'Agent ' || n from generate_series(1, $2::bigint) n",
            &[&stage.project, &i64::try_from(REQUESTS).expect("it is small")],
        )
        .await
        .expect("write requests");
    assert_eq!(written, REQUESTS as u64);
    eventually("all are done", ALL_DONE_WITHIN, async || {
        stage
            .count("select count(*) from agent_provision_requests where status = 'done'")
            .await
            == REQUESTS as i64
    })
    .await;

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
    for (what, sql) in [
        ("items are left", "select count(*) from creel.items"),
        (
            "agents are told twice",
            "select count(*) - count(distinct item_id) from events where kind = 'agent.provisioned'",
        ),
        ("died", "select count(*) from creel.dead_letters"),
        (
            "leases expired",
            "select count(*) from events where kind = 'lease.expired'",
        ),
    ] {
        assert_eq!(stage.count(sql).await, 0, "{what}");
    }
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
