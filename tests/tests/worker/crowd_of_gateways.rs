//! Many agents with gateways of their own on one host.

use std::collections::HashSet;
use std::time::Duration;

use serde_json::json;

use crate::fixture::Stage;
use crate::own_gateway::Agent;

const COUNT: usize = 20;

/// Twenty starts of a program on two busy processors.
const ALL: Duration = Duration::from_secs(120);

#[tokio::test]
async fn twenty_deploys_at_once_have_twenty_ports() {
    let stage = Stage::new().await;
    let station = stage.station().await;
    let _worker = station.started_with(&station.agents_setup()).await;
    let mut agents = Vec::new();
    for n in 0..COUNT {
        agents.push(Agent::new(&stage, &station, &format!("a{n}")).await);
    }
    stage
        .run("insert into agent_commands (agent_id, type) select id, 'deploy' from agents")
        .await;
    creel_tests::wait::eventually("all run", ALL, async || {
        stage
            .count("select count(*) from agents where status = 'running'")
            .await
            == COUNT as i64
    })
    .await;
    let mut ports = HashSet::new();
    for agent in &agents {
        let port = agent.row().await["port"].as_u64().expect("a port");
        assert!(agent.answers(port).await);
        ports.insert(port);
    }
    assert_eq!(ports.len(), COUNT);
    stage
        .run("insert into agent_commands (agent_id, type) select id, 'undeploy' from agents")
        .await;
    creel_tests::wait::eventually("all are gone", ALL, async || {
        stage
            .count("select count(*) from agents where status = 'removed'")
            .await
            == COUNT as i64
    })
    .await;
    for port in ports {
        assert!(!agents[0].answers(port).await);
    }
    station.is_quiet().await;
}

#[tokio::test]
async fn a_host_that_is_full_says_so_before_it_swaps() {
    let stage = Stage::new().await;
    let station = stage.station().await;
    // Two of these fit on no machine.
    let free_mb = free_mb();
    let setup = station
        .agents_setup()
        .env("CREEL_AGENT_MEMORY_MB", (free_mb * 3 / 5).to_string())
        .allow("failed agent_commands");
    let _worker = station.started_with(&setup).await;
    let one = Agent::new(&stage, &station, "one").await;
    let two = Agent::new(&stage, &station, "two").await;
    one.does("deploy", json!({})).await;
    let deploy = two.send("deploy", json!({})).await;
    let error = two.failed(deploy).await;
    assert_eq!(error["code"], json!("host_memory_full"), "{error}");
    one.is("running").await;
}

fn free_mb() -> u64 {
    let mut system = sysinfo::System::new().expect("this machine can be measured");
    system.refresh_memory();
    system.available_memory() / (1024 * 1024)
}
