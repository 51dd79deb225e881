//! A host for one test.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use creel_core::clock::Moment;
use creel_core::host_api::Item;
use creel_core::id::AgentId;
use creel_worker::job::provision::ProvisionJob;
use creel_worker::job::{Failure, Job, JobContext, JobError, JobRows, MemoryRows};
use creel_worker::lease::Lease;
use creel_worker::openclaw::{
    AutoDriver, Broker, CliDriver, CliLimits, CliSettings, GatewayDriver, GatewayLimits, GatewaySettings,
    OpenClaw,
};
use creel_worker::process::{Mark, Runner};
use serde_json::{Value, json};
use sysinfo::{ProcessRefreshKind, ProcessesToUpdate, System, UpdateKind};
use tempfile::TempDir;
use uuid::Uuid;

/// The longest that anything may take that takes milliseconds on an idle machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A lease that no test outlives.
const LEASE: Duration = Duration::from_secs(600);

/// How often a condition is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// A stand-in answers in milliseconds, and starts in a tenth of a second.
const SHORT: GatewayLimits = GatewayLimits {
    connect: Duration::from_secs(2),
    call: Duration::from_secs(1),
    lag: Duration::from_secs(5),
    downtime: Duration::from_secs(5),
    ping_every: Duration::from_millis(200),
    silence: Duration::from_secs(1),
};

/// A machine with a worker and a stand-in for OpenClaw.
pub(crate) struct Host {
    folder: TempDir,
    pub(crate) mark: Mark,
    pub(crate) runner: Runner,
    pub(crate) program: PathBuf,
    pub(crate) limits: CliLimits,
    pub(crate) gateway_limits: GatewayLimits,
}

impl Host {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("make a folder");
        let mark = Mark::new(folder.path(), Uuid::new_v4());
        Self {
            runner: Runner::new(mark.clone()),
            program: PathBuf::from(env!("CARGO_BIN_EXE_openclaw-stand-in")),
            // Tests whose stand-in hangs shorten the one that it is about.
            limits: CliLimits {
                version: PATIENCE,
                list: PATIENCE,
                add: PATIENCE,
                set_identity: PATIENCE,
            },
            gateway_limits: SHORT,
            mark,
            folder,
        }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().canonicalize().expect("the folder is there")
    }

    pub(crate) fn state_dir(&self) -> PathBuf {
        self.path().join("state")
    }

    pub(crate) fn config_path(&self) -> PathBuf {
        self.state_dir().join("openclaw.json")
    }

    /// OpenClaw's configuration.
    pub(crate) fn config(&self) -> Value {
        serde_json::from_str(&read(self.config_path())).expect("the configuration is whole")
    }

    /// Puts another configuration in its place, whole or not at all.
    pub(crate) fn replace_config(&self, text: &str) {
        let new = self.config_path().with_extension("new");
        std::fs::write(&new, text).expect("write the configuration");
        std::fs::rename(new, self.config_path()).expect("put it in place");
    }

    pub(crate) fn workspaces(&self) -> PathBuf {
        self.path().join("workspaces")
    }

    pub(crate) fn openclaw(&self) -> Arc<dyn OpenClaw> {
        Arc::new(self.cli())
    }

    fn cli(&self) -> CliDriver {
        let settings = CliSettings {
            limits: self.limits,
            ..CliSettings::new(&self.program, self.state_dir())
        };
        CliDriver::new(settings, self.runner.clone(), Broker::default())
    }

    fn gateway(&self) -> GatewayDriver {
        let settings = GatewaySettings {
            limits: self.gateway_limits,
            ..GatewaySettings::new(self.state_dir())
        };
        GatewayDriver::new(settings, self.runner.clone(), Broker::default())
    }

    pub(crate) fn gateway_driver(&self) -> Arc<dyn OpenClaw> {
        Arc::new(self.gateway())
    }

    /// The one that takes the gateway where there is one.
    pub(crate) fn auto_driver(&self) -> Arc<dyn OpenClaw> {
        Arc::new(AutoDriver::new(self.gateway(), self.cli()))
    }

    pub(crate) fn job(&self) -> ProvisionJob {
        ProvisionJob::new(self.openclaw(), self.workspaces())
    }

    /// Makes the stand-in fail: `{"<command>": {"mode": …, "times": …}}`.
    pub(crate) fn fault(&self, faults: &Value) {
        std::fs::create_dir_all(self.state_dir()).expect("make the state directory");
        std::fs::write(self.state_dir().join("stand-in.json"), faults.to_string()).expect("write the faults");
    }

    /// How often a command of the stand-in was called.
    pub(crate) fn calls(&self, command: &str) -> usize {
        let log = std::fs::read_to_string(self.state_dir().join("stand-in.log")).unwrap_or_default();
        let calls = log
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).expect("a line of JSON"));
        calls.filter(|call| call["command"] == command).count()
    }

    /// The processes that carry this worker's mark.
    pub(crate) fn processes(&self) -> Vec<u32> {
        marked(&self.mark.to_string())
    }

    /// Runs the job on a row, without an end of the lease.
    pub(crate) async fn provision(&self, row: &Value, rows: &MemoryRows) -> Result<Value, JobError> {
        self.provision_with(row, rows, &lease()).await
    }

    pub(crate) async fn provision_with(
        &self,
        row: &Value,
        rows: &dyn JobRows,
        lease: &Lease,
    ) -> Result<Value, JobError> {
        let item = item(row);
        self.job()
            .run(JobContext {
                item: &item,
                lease,
                rows,
            })
            .await
    }

    /// Runs the job, which is to fail in a way that a person can read.
    pub(crate) async fn failure(&self, row: &Value) -> Failure {
        let failure = match self.provision(row, &MemoryRows::new(Vec::new())).await {
            Err(JobError::Failed(failure)) => failure,
            other => panic!("no failure but {other:?}"),
        };
        assert!(
            !failure.message.is_empty() && !failure.hint.is_empty(),
            "{failure:?}"
        );
        assert_eq!(
            self.processes(),
            Vec::<u32>::new(),
            "processes are left after {failure:?}"
        );
        failure
    }
}

pub(crate) fn lease() -> Lease {
    Lease::new(Uuid::new_v4(), Moment::now(), LEASE)
}

pub(crate) fn id(text: &str) -> AgentId {
    AgentId::parse(text).expect("an agent id")
}

/// What a dashboard asks for; `change` replaces some of it.
pub(crate) fn row(change: Value) -> Value {
    let mut row = json!({
        "agent_id_short": "scout", "display_name": "Scout", "emoji": "🦞", "role_short": "finds things",
        "openclaw_id": "scout", "agent_id": Uuid::from_u128(1),
    });
    let change = change.as_object().cloned().unwrap_or_default();
    row.as_object_mut().expect("an object").extend(change);
    row
}

/// What the database makes of it.
pub(crate) fn item(row: &Value) -> Item {
    let key = format!("agent:{}:main", row["agent_id_short"].as_str().unwrap_or("scout"));
    serde_json::from_value(json!({
        "id": Uuid::from_u128(7), "queue": "agent_provision_requests", "token": Uuid::from_u128(8),
        "attempt": 1, "max_attempts": 3,
        "row": {
            "id": Uuid::from_u128(7), "project_id": "p", "agent_key": key,
            "agent_id_short": row["agent_id_short"], "display_name": row["display_name"],
            "emoji": row["emoji"], "role_short": row["role_short"], "status": "running",
            "adopt": row["adopt"] == true,
        },
        "agent": {
            "id": row["agent_id"], "project_id": "p", "agent_key": key, "name": null, "role": null,
            "emoji": null, "openclaw_id": row["openclaw_id"], "workspace_path": row["workspace_path"],
        },
    }))
    .expect("an item")
}

/// The processes whose mark begins so.
pub(crate) fn marked(beginning: &str) -> Vec<u32> {
    let mut system = System::new().expect("this system is known");
    let environ = ProcessRefreshKind::nothing()
        .with_environ(UpdateKind::Always)
        .without_tasks();
    system.refresh_processes_specifics(ProcessesToUpdate::All, true, environ);
    let beginning = format!("CREEL_MARK={beginning}");
    let is_marked = |entry: &std::ffi::OsString| entry.to_string_lossy().starts_with(&beginning);
    let marked = system
        .processes()
        .values()
        .filter(|process| process.environ().iter().any(is_marked));
    marked.map(|process| process.pid().as_u32()).collect()
}

/// Waits for a condition.
pub(crate) async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let waited = tokio::time::timeout(PATIENCE, async {
        let mut look = tokio::time::interval(LOOK_EVERY);
        // A look that takes longer would leave no time to what is waited for.
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while !condition() {
            look.tick().await;
        }
    });
    waited
        .await
        .unwrap_or_else(|_| panic!("{what}: not within {PATIENCE:?}"));
}

/// Says why a test passes without having tried anything.
#[expect(clippy::print_stderr, reason = "whoever runs the tests is to see it")]
pub(crate) fn skipped(reason: &str) {
    eprintln!("skipped: {reason}");
}

/// Makes a pipe that nobody writes to: who reads it blocks.
pub(crate) fn make_pipe(path: &Path) {
    let made = std::process::Command::new("mkfifo")
        .arg(path)
        .status()
        .expect("run mkfifo");
    assert!(made.success(), "make a pipe at {}", path.display());
}

pub(crate) fn read(path: impl AsRef<Path>) -> String {
    let path = path.as_ref();
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("read {}: {error}", path.display()))
}
