//! SIGKILL in each phase of each command: the next worker brings the agent to where it should be, starts nothing twice,
//! and leaves the neighbours' processes alone.

use serde_json::{Value, json};

use creel_tests::wait::eventually;

use crate::fixture::{SOON, Stage};
use crate::own_gateway::{Agent, pid, runs};
use crate::station::LEFT_OVERS;

const COMMANDS: &str = "agent_commands";

/// What an agent went through before the command.
fn before(command: &str) -> &'static [&'static str] {
    match command {
        "deploy" => &[],
        "start" => &["deploy", "stop"],
        _ => &["deploy"],
    }
}

/// Where the database would be told of a phase, and is not.
fn phase_condition(phase: &str) -> String {
    match phase {
        "claim" => "new.status = 'sent' and old.status = 'pending'".to_owned(),
        "finish" => "new.status = 'acked'".to_owned(),
        step => format!(
            "new.status = 'sent' and new.result ->> 'step' = '{step}' and old.result ->> 'step' is distinct from '{step}'"
        ),
    }
}

fn payload(command: &str) -> Value {
    match command {
        "update_config" => json!({ "name": "Nora", "docs": { "soul": "# Nora\n" } }),
        _ => json!({}),
    }
}

/// Kills a worker in a phase of a command: before that phase has begun, or (finish) after all of them.
async fn killed_at(command: &str, phase: &str) {
    let stage = Stage::new().await;
    let station = stage.station().await;
    let setup = station.agents_setup().allow(LEFT_OVERS);
    let mut first = station.started_with(&setup).await;
    let neighbour = Agent::new(&stage, &station, "neighbour").await;
    let theirs = neighbour.does("deploy", json!({})).await;
    let agent = Agent::new(&stage, &station, "scout").await;
    for command in before(command) {
        agent.does(command, json!({})).await;
    }
    let gate = stage.gate(COMMANDS, "update", &phase_condition(phase)).await;
    let id = agent.send(command, payload(command)).await;
    gate.arrived().await;
    first.kill9().expect("kill the worker");
    gate.turn_away().await;
    gate.open().await;

    let _second = station.started_with(&setup).await;
    agent.acked(id).await;
    assert_is_as_commanded(&agent, command).await;
    assert!(runs(pid(&theirs)), "the neighbour goes on");
    assert_eq!(neighbour.starts(), 1);
    assert_eq!(
        neighbour.does("start", json!({})).await["pid"],
        theirs["pid"],
        "the same process"
    );
}

/// Kills a worker while the agent's gateway is starting.
async fn killed_while_it_starts(command: &str) {
    let stage = Stage::new().await;
    let station = stage.station().await;
    let setup = station.agents_setup().allow(LEFT_OVERS);
    let mut first = station.started_with(&setup).await;
    let agent = Agent::new(&stage, &station, "scout").await;
    for command in before(command) {
        agent.does(command, json!({})).await;
    }
    let starts = agent.starts();
    agent.set_fault("gateway", &json!({ "mode": "slow_start", "ms": 4_000 }));
    let id = agent.send(command, payload(command)).await;
    eventually("it is being started", SOON, async || agent.starts() > starts).await;
    first.kill9().expect("kill the worker");

    let _second = station.started_with(&setup).await;
    agent.acked(id).await;
    assert_is_as_commanded(&agent, command).await;
}

async fn assert_is_as_commanded(agent: &Agent<'_>, command: &str) {
    let row = agent.row().await;
    let port = row["port"].as_u64().unwrap_or_default();
    match command {
        "undeploy" => {
            assert!(!agent.folder().exists());
            assert_eq!(row["status"], json!("removed"));
        }
        "stop" => {
            assert!(!agent.answers(port).await);
            assert_eq!((&row["status"], agent.starts()), (&json!("stopped"), 1));
        }
        _ => {
            assert!(agent.answers(port).await, "{row}");
            assert_eq!(row["status"], json!("running"));
            let starts = match command {
                "start" | "restart" => 2,
                _ => 1,
            };
            assert_eq!(agent.starts(), starts, "nothing is started twice");
        }
    }
    if command == "update_config" {
        assert_eq!(agent.file("SOUL.md"), "# Nora\n");
    }
    let done = agent.events().await;
    let done = done.iter().filter(|kind| *kind == "agent.command_done").count();
    assert_eq!(done, before(command).len() + 1, "it is told once");
}

macro_rules! killed {
    ($($command:ident { $($phase:ident),* })*) => {
        $(mod $command {
            $(#[tokio::test]
            async fn $phase() {
                super::killed_at(stringify!($command), stringify!($phase)).await;
            })*
        })*
    };
}

mod killed_at {
    use super::killed_at;

    killed! {
        deploy { claim, deploy, record, start, verify, finish }
        start { claim, start, verify, finish }
        stop { claim, stop, verify, finish }
        restart { claim, note, stop, start, verify, finish }
        update_config { claim, configure, verify, finish }
        undeploy { claim, stop, undeploy, verify, finish }
    }
}

#[tokio::test]
async fn killed_while_it_starts_an_agent_for_the_first_time() {
    // Its folder, in which it finds its faults, is made by the deployment: the second one is slow.
    killed_while_it_starts("start").await;
}

#[tokio::test]
async fn killed_while_it_restarts_an_agent() {
    killed_while_it_starts("restart").await;
}
