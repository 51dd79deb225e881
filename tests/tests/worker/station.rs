//! A host: its login, its folders, and the stand-in OpenClaw on it.

use std::fs;
use std::path::PathBuf;

use creel_core::secret::Secret;
use creel_tests::cluster::built_program;
use creel_tests::cut::Cutter;
use creel_tests::db::{Host, TestDb};
use creel_tests::postgrest::Rest;
use creel_tests::wait::{eventually, eventually_some};
use creel_tests::worker::{WorkerHome, WorkerProcess, WorkerSetup};
use serde_json::{Map, Value, json};

use crate::fixture::SOON;

/// What a worker says that finds processes of its dead self.
pub const LEFT_OVERS: &str = "processes that an earlier worker left";

/// How a host speaks to the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// By a login role of its own.
    Login,
    /// By the Data API, with a key of its own.
    Key,
}

/// A host that no worker runs on yet.
pub struct Station {
    pub host: Host,
    pub home: WorkerHome,
    /// The Data API, for a host with a key.
    rest: Option<Rest>,
}

impl Station {
    pub fn new(host: Host) -> Self {
        let home = WorkerHome::new().expect("make a home");
        fs::create_dir_all(home.openclaw_state()).expect("make a folder");
        Self {
            host,
            home,
            rest: None,
        }
    }

    /// A host that has a key and no login.
    pub async fn with_key(db: &TestDb, projects: &[&str]) -> Self {
        let (id, key) = db.host_with_key(projects).await.expect("enrol a host");
        let nothing = Secret::new("");
        let station = Self::new(Host {
            id,
            role: String::new(),
            password: nothing,
            url: String::new(),
        });
        station.write_key(&key);
        let rest = Some(db.rest().await.expect("start the Data API"));
        Self { rest, ..station }
    }

    /// How its worker is started when nothing is special.
    pub fn setup(&self) -> WorkerSetup {
        let setup = WorkerSetup::new(
            &self.host.url,
            built_program("openclaw-stand-in").expect("it is built"),
        );
        match &self.rest {
            None => setup,
            Some(rest) => setup
                .env("CREEL_DATA_API_URL", rest.url())
                .env("CREEL_PUBLISHABLE_KEY", rest.publishable_key())
                .env("CREEL_HOST_KEY_FILE", self.key_file().to_string_lossy()),
        }
    }

    /// The same, with the database behind a proxy.
    pub fn setup_through(&self, db: &TestDb, cutter: &Cutter) -> WorkerSetup {
        let mut setup = self.setup();
        if self.rest.is_some() {
            return setup.env(
                "CREEL_DATA_API_URL",
                format!("http://127.0.0.1:{}", cutter.port()),
            );
        }
        setup.database_url = db.url_through(cutter.port(), &self.host.role, &self.host.password);
        setup
    }

    /// The port that its worker speaks to, for a proxy in front of it.
    pub fn port(&self, db: &TestDb) -> u16 {
        self.rest.as_ref().map_or(db.cluster().port, Rest::port)
    }

    /// The Data API that a host with a key speaks to.
    pub fn rest(&self) -> &Rest {
        self.rest.as_ref().expect("it has a key")
    }

    /// Where its key is.
    pub fn key_file(&self) -> PathBuf {
        self.home.path().join("host.key")
    }

    /// Its key, as it is in the file now.
    pub fn key(&self) -> String {
        let text = fs::read_to_string(self.key_file()).expect("read the key");
        text.trim().to_owned()
    }

    /// Gives it a key.
    pub fn write_key(&self, key: &str) {
        let key = creel_worker::HostKey::parse(key).expect("a key");
        key.write(&self.key_file()).expect("write the key");
    }

    pub fn start(&self) -> WorkerProcess {
        self.start_with(&self.setup())
    }

    pub fn start_with(&self, setup: &WorkerSetup) -> WorkerProcess {
        self.home.start(setup).expect("start a worker")
    }

    /// A worker that is at work.
    pub async fn started(&self) -> WorkerProcess {
        self.started_with(&self.setup()).await
    }

    /// The same, started in a special way.
    pub async fn started_with(&self, setup: &WorkerSetup) -> WorkerProcess {
        let worker = self.start_with(setup);
        worker.logged("is at work", SOON).await;
        worker
    }

    /// Tells the stand-in how to fail, command by command.
    pub fn set_faults(&self, faults: &Value) {
        let path = self.home.openclaw_state().join("stand-in.json");
        // Whole or not at all: the stand-in may read it at any time.
        let new = path.with_extension("new");
        fs::write(&new, faults.to_string()).expect("write the faults");
        fs::rename(new, path).expect("write the faults");
    }

    /// Lets one command of the stand-in fail each time.
    pub fn set_fault(&self, command: &str, mode: &str) {
        self.set_faults(&json!({ command: { "mode": mode } }));
    }

    /// Lets the stand-in work.
    pub fn clear_faults(&self) {
        self.set_faults(&json!({}));
    }

    /// Calls of the stand-in so far: only those of this command.
    pub fn calls_of(&self, command: &str) -> usize {
        self.calls()
            .iter()
            .filter(|call| call["command"] == json!(command))
            .count()
    }

    /// All calls of the stand-in so far.
    pub fn calls(&self) -> Vec<Value> {
        let log = fs::read_to_string(self.home.openclaw_state().join("stand-in.log")).unwrap_or_default();
        log.lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    }

    /// Waits until the stand-in is called so.
    pub async fn called(&self, command: &str) {
        eventually(&format!("`{command}` is called"), SOON, async || {
            self.calls_of(command) > 0
        })
        .await;
    }

    /// Waits until nothing that the worker started runs.
    pub async fn is_quiet(&self) {
        eventually("no process is left", SOON, async || {
            self.home.children().is_empty()
        })
        .await;
    }

    /// The agents in OpenClaw's configuration, but for its own.
    pub fn agents(&self) -> Map<String, Value> {
        let text = fs::read_to_string(self.home.openclaw_state().join("openclaw.json"))
            .unwrap_or_else(|_| "{}".to_owned());
        let config: Value = serde_json::from_str(&text).expect("the configuration is whole");
        let mut entries = config["agents"]["entries"]
            .as_object()
            .cloned()
            .unwrap_or_default();
        entries.remove("main");
        entries
    }

    /// The same, while something may have cut the configuration.
    pub fn agents_if_whole(&self) -> Option<Value> {
        let text = fs::read_to_string(self.home.openclaw_state().join("openclaw.json")).ok()?;
        serde_json::from_str(&text).ok()
    }

    /// The folder of an agent.
    pub fn workspace(&self, id: &str) -> PathBuf {
        self.home.workspaces().join(id)
    }

    /// A file in an agent's folder.
    pub fn file(&self, id: &str, name: &str) -> String {
        let path = self.workspace(id).join(name);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("read {}: {error}", path.display()))
    }

    /// Whose folder it is, as its marker says.
    pub fn marker(&self, id: &str) -> Value {
        serde_json::from_str(&self.file(id, ".creel/agent.json")).expect("the marker is whole")
    }

    /// One of the worker's pages: status and text; none while nobody answers.
    pub async fn page(&self, path: &str) -> Option<(u16, String)> {
        let address = fs::read_to_string(self.home.data().join("http.addr")).ok()?;
        let client = creel_local::gateway::http::client().expect("make a client");
        let answer = client
            .get(format!("http://{}{path}", address.trim()))
            .send()
            .await
            .ok()?;
        Some((answer.status().as_u16(), answer.text().await.ok()?))
    }

    /// Waits until `/readyz` answers this; answers what it says.
    pub async fn readyz(&self, status: u16) -> Value {
        let text = eventually_some(&format!("/readyz answers {status}"), SOON, async || {
            self.page("/readyz")
                .await
                .filter(|(found, _)| *found == status)
                .map(|(_, text)| text)
        })
        .await;
        serde_json::from_str(&text).expect("/readyz answers JSON")
    }
}

/// The attempts that a worker's log tells of, in order.
pub fn attempts(worker: &WorkerProcess) -> Vec<u64> {
    let log = worker.log();
    log.lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter_map(|line| line["item.attempt"].as_u64())
        .collect()
}
