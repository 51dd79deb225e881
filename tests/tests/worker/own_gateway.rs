//! Agents that have a gateway of their own, and the commands that they are sent.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use creel_tests::wait::{eventually, eventually_some};
use creel_tests::worker::WorkerSetup;
use rustix::process::{Pid, test_kill_process};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::fixture::{SOON, Stage};
use crate::station::Station;

/// How often a row is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Ports of one worker's agents are this far from each other.
const PORT_SPACING: u16 = 120;

/// Tests run side by side: the ports of no two of them are the same, how many agents each may have.
fn first_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let own = u16::try_from(std::process::id() % u32::from(PORT_SPACING)).expect("it is small");
    20_000 + own + NEXT.fetch_add(1, Ordering::Relaxed) * 20 * PORT_SPACING
}

impl Station {
    /// A worker that may start agents on a machine whose memory others use.
    pub fn agents_setup(&self) -> WorkerSetup {
        self.setup()
            .env("CREEL_AGENT_MEMORY_MB", "1")
            .env("CREEL_FIRST_AGENT_PORT", first_port().to_string())
    }
}

/// An agent with a gateway of its own.
pub struct Agent<'a> {
    pub stage: &'a Stage,
    pub station: &'a Station,
    pub id: Uuid,
    pub key: String,
}

impl<'a> Agent<'a> {
    /// A row that says what is wished for; nothing is done about it yet.
    pub async fn new(stage: &'a Stage, station: &'a Station, short: &str) -> Self {
        let key = format!("agent:{short}:main");
        let row = stage
            .admin
            .query_one(
                "insert into agents (project_id, agent_key, name, emoji, backend)
                 values ($1, $2, 'Scout', '🦞', 'profile') returning id",
                &[&stage.project, &key],
            )
            .await;
        Self {
            stage,
            station,
            id: row.expect("write an agent").get(0),
            key,
        }
    }

    /// Sends a command; answers its id.
    pub async fn send(&self, kind: &str, payload: Value) -> Uuid {
        let row = self
            .stage
            .admin
            .query_one(
                "insert into agent_commands (agent_id, type, payload) values ($1, $2, $3) returning id",
                &[&self.id, &kind, &payload],
            )
            .await;
        row.expect("send a command").get(0)
    }

    /// Sends a command and waits until it is done; answers its result.
    pub async fn does(&self, kind: &str, payload: Value) -> Value {
        let id = self.send(kind, payload).await;
        self.acked(id).await
    }

    /// Waits until a command is done; answers its result.
    pub async fn acked(&self, id: Uuid) -> Value {
        let row = self.until(id, "acked").await;
        assert_eq!(row["result"]["ok"], json!(true), "{row:#}");
        row["result"].clone()
    }

    /// Waits until a command has failed; answers its error.
    pub async fn failed(&self, id: Uuid) -> Value {
        self.until(id, "failed").await["result"]["error"].clone()
    }

    async fn until(&self, id: Uuid, status: &str) -> Value {
        let begin = Instant::now();
        loop {
            let row = self.command(id).await;
            if row["status"] == json!(status) {
                return row;
            }
            assert!(
                begin.elapsed() < SOON,
                "the command is not {status} within {} s: {row:#}",
                SOON.as_secs()
            );
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// The row of a command.
    pub async fn command(&self, id: Uuid) -> Value {
        let row = self
            .stage
            .admin
            .query_one("select to_jsonb(c) from agent_commands c where id = $1", &[&id])
            .await;
        row.expect("read a command").get(0)
    }

    /// The agent's row; null when there is none.
    pub async fn row(&self) -> Value {
        let row = self
            .stage
            .admin
            .query_opt("select to_jsonb(a) from agents a where id = $1", &[&self.id])
            .await;
        row.expect("read the agent").map_or(Value::Null, |row| row.get(0))
    }

    /// Waits until the agent's row says that.
    pub async fn is(&self, status: &str) {
        eventually(&format!("{} is {status}", self.key), SOON, async || {
            self.row().await["status"] == json!(status)
        })
        .await;
    }

    /// What was told of the agent, in order.
    pub async fn events(&self) -> Vec<String> {
        let rows = self
            .stage
            .admin
            .query(
                "select kind from events where agent_key = $1 order by id",
                &[&self.key],
            )
            .await;
        rows.expect("read the events")
            .iter()
            .map(|row| row.get(0))
            .collect()
    }

    /// The payload of the newest event of a kind, once there is one.
    pub async fn told(&self, kind: &str) -> Value {
        eventually_some(&format!("{kind} is told"), SOON, async || {
            let row = self
                .stage
                .admin
                .query_opt(
                    "select detail from events where agent_key = $1 and kind = $2 order by id desc limit 1",
                    &[&self.key, &kind],
                )
                .await;
            row.expect("read the events").map(|row| row.get(0))
        })
        .await
    }

    /// Its folder on the host.
    pub fn folder(&self) -> PathBuf {
        self.station.home.data().join("agents").join(self.id.to_string())
    }

    /// A file of its workspace.
    pub fn file(&self, name: &str) -> String {
        let path = self.folder().join("workspace").join(name);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("read {}: {error}", path.display()))
    }

    /// How its stand-in is to fail.
    pub fn set_fault(&self, command: &str, fault: &Value) {
        let path = self.folder().join("state/stand-in.json");
        let new = path.with_extension("new");
        fs::write(&new, json!({ command: fault }).to_string()).expect("write the faults");
        fs::rename(new, path).expect("write the faults");
    }

    /// How often its gateway was started.
    pub fn starts(&self) -> usize {
        let log = fs::read_to_string(self.folder().join("state/stand-in.log")).unwrap_or_default();
        log.lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            .filter(|call| call["command"] == json!("gateway"))
            .count()
    }

    /// What answers on its port: whether its gateway says that it is ready.
    pub async fn answers(&self, port: u64) -> bool {
        let client = creel_local::gateway::http::client().expect("make a client");
        let url = format!("http://127.0.0.1:{port}/readyz");
        match client.get(url).send().await {
            Ok(answer) => answer
                .json::<Value>()
                .await
                .is_ok_and(|body| body["ready"] == json!(true)),
            Err(_) => false,
        }
    }
}

/// The process of a result.
pub fn pid(result: &Value) -> Pid {
    let pid = result["pid"].as_i64().and_then(|pid| i32::try_from(pid).ok());
    pid.and_then(Pid::from_raw)
        .unwrap_or_else(|| panic!("a process: {result}"))
}

/// Whether a process is there.
pub fn runs(pid: Pid) -> bool {
    test_kill_process(pid).is_ok()
}

/// The names of a result's steps.
pub fn steps(result: &Value) -> Vec<&str> {
    let steps = result["steps"].as_array().expect("steps");
    steps.iter().filter_map(|step| step["step"].as_str()).collect()
}
