//! Agents with a gateway of their own, and all that can go wrong with one.

use std::collections::{BTreeSet, HashMap};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use creel_core::status::DesiredState;
use creel_worker::backend::{
    AgentConfig, AgentSpec, Backend, BackendError, Memory, Observed, PORT_SPACING, ProfileBackend,
    ProfileSettings,
};
use creel_worker::process::{Mark, Runner};
use futures_util::future::join_all;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::backend::{GRACE, Subject, keeps_all_promises, soul, spec};
use crate::gateway::{free_port, page};
use crate::support::{Host, PATIENCE, eventually, marked, read};

/// A machine with this much memory left, of which a stand-in takes nothing.
struct Left(u64);

impl Memory for Left {
    fn free_mb(&self) -> Option<u64> {
        Some(self.0)
    }

    fn used_mb(&self, _leaders: &[u32]) -> HashMap<u32, u64> {
        HashMap::new()
    }
}

/// A host whose agents have gateways of their own; what runs at its end is killed.
pub(crate) struct Profiles {
    host: Host,
    first_port: u16,
    pub(crate) start_limit: Duration,
    pub(crate) memory: Option<Arc<dyn Memory>>,
    pub(crate) base: Value,
}

impl Profiles {
    pub(crate) fn new() -> Self {
        Self {
            host: Host::new(),
            // Each test has its own, as they run beside each other, with room for its agents.
            first_port: free_port().min(60_000),
            start_limit: PATIENCE,
            memory: Some(Arc::new(Left(1 << 20))),
            base: json!({}),
        }
    }

    /// The real OpenClaw, and this machine's memory.
    pub(crate) fn real(program: PathBuf, base: Value) -> Self {
        let mut profiles = Self::new();
        profiles.host.program = program;
        profiles.start_limit = Duration::from_secs(180);
        profiles.memory = None;
        profiles.base = base;
        profiles
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.host.path()
    }

    /// The program that stands in for OpenClaw.
    pub(crate) fn program(&self) -> &Path {
        &self.host.program
    }

    /// The backend of a worker; another call is another worker's life.
    pub(crate) fn backend(&self) -> ProfileBackend {
        let base = self.host.path().join("base.json5");
        std::fs::write(&base, self.base.to_string()).expect("write the owner's file");
        let mark = Mark::new(&self.host.path(), Uuid::new_v4());
        let mut settings = ProfileSettings::new(
            &self.host.program,
            self.host.path(),
            mark.clone(),
            Runner::new(mark),
        );
        settings.first_port = self.first_port;
        settings.start_limit = self.start_limit;
        settings.base = Some(base);
        if let Some(memory) = &self.memory {
            settings.memory = memory.clone();
        }
        ProfileBackend::new(settings)
    }

    fn folder(&self, spec: &AgentSpec) -> PathBuf {
        self.host
            .path()
            .join("agents")
            .join(spec.agent.agent_id.to_string())
    }

    fn config_path(&self, spec: &AgentSpec) -> PathBuf {
        self.folder(spec).join("state/openclaw.json")
    }

    pub(crate) fn config(&self, spec: &AgentSpec) -> Value {
        serde_json::from_str(&read(self.config_path(spec))).expect("the configuration is whole")
    }

    fn fault(&self, spec: &AgentSpec, faults: &Value) {
        let state = self.folder(spec).join("state");
        std::fs::create_dir_all(&state).expect("make the state directory");
        std::fs::write(state.join("stand-in.json"), faults.to_string()).expect("write the faults");
    }

    fn calls(&self, spec: &AgentSpec, command: &str) -> usize {
        let log = std::fs::read_to_string(self.folder(spec).join("state/stand-in.log")).unwrap_or_default();
        let calls = log
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).expect("a line of JSON"));
        calls.filter(|call| call["command"] == command).count()
    }

    /// The processes of all agents of this host.
    pub(crate) fn processes(&self) -> Vec<u32> {
        let mark = Mark::new(&self.host.path(), Uuid::nil()).to_string();
        let (host, _) = mark.split_once('.').expect("a mark has two parts");
        marked(&format!("{host}.service."))
    }
}

impl Drop for Profiles {
    fn drop(&mut self) {
        for pid in self.processes() {
            let pid = rustix::process::Pid::from_raw(pid.cast_signed()).expect("a process id");
            // It may be gone already.
            let _gone = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
    }
}

async fn deployed(backend: &ProfileBackend, spec: &AgentSpec) -> u16 {
    let deployed = backend.deploy(spec, &soul("soul")).await.expect("it is deployed");
    deployed.port.expect("it has a port")
}

async fn started(backend: &ProfileBackend, spec: &AgentSpec) -> (u16, u32) {
    deployed(backend, spec).await;
    let running = backend.start(spec).await.expect("it starts");
    (running.port.expect("a port"), running.pid.expect("a process"))
}

#[tokio::test]
async fn the_profile_backend_keeps_all_promises() {
    let profiles = Profiles::new();
    let subject = Subject {
        backend: Arc::new(profiles.backend()),
        crowd: 8,
        model: "fake/fake-1",
    };
    keeps_all_promises(&subject).await;
    eventually("no process is left", || profiles.processes().is_empty()).await;
    let left = std::fs::read_dir(profiles.host.path().join("agents")).expect("a listing");
    assert_eq!(left.count(), 0, "no folder is left");
    let ports: Value = serde_json::from_str(&read(profiles.host.path().join("ports.json"))).expect("JSON");
    assert_eq!(ports["ports"], json!({}), "all ports are free");
}

#[tokio::test]
async fn deploys_at_once_have_a_port_each_and_nobody_else_s() {
    let profiles = Profiles::new();
    let taken = TcpListener::bind(("127.0.0.1", profiles.first_port + PORT_SPACING));
    let backend = profiles.backend();
    let specs: Vec<AgentSpec> = (0..20).map(|n| spec(n, &format!("agent-{n}"))).collect();
    let ports = join_all(specs.iter().map(|spec| deployed(&backend, spec))).await;
    let different: BTreeSet<u16> = ports.iter().copied().collect();
    assert_eq!(different.len(), 20, "{ports:?}");
    if taken.is_ok() {
        assert!(!different.contains(&(profiles.first_port + PORT_SPACING)));
    }
    // Another life of the worker, and half a file.
    let path = profiles.host.path().join("ports.json");
    let text = read(&path);
    std::fs::write(&path, &text[..text.len() / 3]).expect("damage it");
    let backend = profiles.backend();
    let again = join_all(specs.iter().map(|spec| deployed(&backend, spec))).await;
    assert_eq!(again, ports);
    backend.undeploy(&specs[3].agent).await.expect("it goes");
    assert_eq!(
        deployed(&backend, &spec(99, "new")).await,
        ports[3],
        "a port that was freed is given again"
    );
}

#[tokio::test]
async fn starts_at_once_are_refused_before_the_machine_swaps() {
    let mut profiles = Profiles::new();
    profiles.memory = Some(Arc::new(Left(5 * 1_300 + 700)));
    let backend = &profiles.backend();
    let specs: Vec<AgentSpec> = (0..20).map(|n| spec(n, &format!("agent-{n}"))).collect();
    let starts = specs.iter().map(|spec| async move {
        deployed(backend, spec).await;
        backend.start(spec).await
    });
    let (ran, refused): (Vec<_>, Vec<_>) = join_all(starts).await.into_iter().partition(Result::is_ok);
    assert_eq!((ran.len(), refused.len()), (5, 15));
    for refused in refused {
        let error = refused.expect_err("it is refused");
        assert!(
            matches!(error, BackendError::MemoryFull { needed_mb: 1_300, .. }),
            "{error:?}"
        );
        let failure = creel_worker::job::Failure::from(&error);
        assert_eq!(failure.code, "host_memory_full");
    }
    let mut running = Vec::new();
    for spec in &specs {
        match backend.observe(&spec.agent).await {
            Observed::Running(_) => running.push(spec),
            Observed::Failed { reason } => assert!(reason.contains("memory"), "{reason}"),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(running.len(), 5);
    // Where one is stopped another may run.
    backend.stop(&running[0].agent, GRACE).await.expect("it stops");
    let waiting = specs
        .iter()
        .find(|spec| !running.contains(spec))
        .expect("one waits");
    backend.start(waiting).await.expect("it starts");
}

#[tokio::test]
async fn the_next_worker_finds_what_runs() {
    let profiles = Profiles::new();
    let spec = spec(1, "alpha");
    let (port, pid) = started(&profiles.backend(), &spec).await;
    let next = profiles.backend();
    match next.observe(&spec.agent).await {
        Observed::Running(running) => {
            assert_eq!((running.port, running.pid), (Some(port), Some(pid)));
            assert!(running.since.is_some());
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(next.start(&spec).await.expect("it runs").pid, Some(pid));
    let records = next.records().await;
    assert_eq!(records.len(), 1);
    assert_eq!((&records[0].spec, records[0].port), (&spec, port));
    assert_eq!(records[0].desired_state, DesiredState::Running);
    next.stop(&spec.agent, GRACE).await.expect("it stops");
    assert_eq!(profiles.processes(), Vec::<u32>::new());
    assert_eq!(next.records().await[0].desired_state, DesiredState::Stopped);
}

#[tokio::test]
async fn a_start_that_is_broken_off_is_completed_by_the_next_worker() {
    let profiles = Profiles::new();
    let spec = spec(1, "alpha");
    let backend = profiles.backend();
    deployed(&backend, &spec).await;
    profiles.fault(&spec, &json!({ "gateway": { "mode": "slow_start", "ms": 700 } }));
    tokio::select! {
        started = backend.start(&spec) => panic!("{started:?}"),
        () = eventually("it was started", || !profiles.processes().is_empty()) => {}
    }
    drop(backend);
    let running = profiles.backend().start(&spec).await.expect("it starts");
    assert_eq!(profiles.processes(), vec![running.pid.expect("a process")]);
    assert_eq!(profiles.calls(&spec, "gateway"), 1, "it was started once");
}

#[tokio::test]
async fn a_start_that_nobody_waits_for_any_more_leaves_nothing_behind_a_stop() {
    let profiles = Profiles::new();
    let spec = spec(1, "alpha");
    let backend = profiles.backend();
    deployed(&backend, &spec).await;
    // Broken off at one step or another, as by a lease that is lost.
    for ms in [0, 1, 3, 10, 30, 100] {
        let broken_off = tokio::time::timeout(Duration::from_millis(ms), backend.start(&spec)).await;
        if let Ok(started) = broken_off {
            started.expect("it starts");
        }
        backend.stop(&spec.agent, GRACE).await.expect("it stops");
        assert_eq!(profiles.processes(), Vec::<u32>::new(), "after {ms} ms");
        assert_eq!(backend.records().await[0].desired_state, DesiredState::Stopped);
    }
    backend.start(&spec).await.expect("it starts");
}

#[tokio::test]
async fn what_is_killed_is_to_run_still() {
    let profiles = Profiles::new();
    let spec = spec(1, "alpha");
    let backend = profiles.backend();
    let (_, pid) = started(&backend, &spec).await;
    backend.kill(&spec.agent).await.expect("it is killed");
    assert_eq!(profiles.processes(), Vec::<u32>::new());
    assert_eq!(backend.records().await[0].desired_state, DesiredState::Running);
    let running = backend.start(&spec).await.expect("it starts again");
    assert_ne!(running.pid, Some(pid));
}

#[tokio::test]
async fn a_stop_does_not_wait_for_a_start() {
    let profiles = Profiles::new();
    let spec = spec(1, "alpha");
    let backend = profiles.backend();
    deployed(&backend, &spec).await;
    profiles.fault(&spec, &json!({ "gateway": { "mode": "hang" } }));
    let stop = async {
        eventually("it was started", || !profiles.processes().is_empty()).await;
        backend
            .stop(&spec.agent, Duration::from_secs(1))
            .await
            .expect("it stops");
    };
    let (started, ()) = tokio::join!(backend.start(&spec), stop);
    assert!(matches!(started, Err(BackendError::Superseded)), "{started:?}");
    assert_eq!(profiles.processes(), Vec::<u32>::new());
    assert_eq!(backend.observe(&spec.agent).await, Observed::Stopped);
}

#[tokio::test]
async fn what_is_at_work_is_aborted_and_stops_within_its_grace() {
    let profiles = Profiles::new();
    let spec = spec(1, "alpha");
    let backend = profiles.backend();
    deployed(&backend, &spec).await;
    profiles.fault(&spec, &json!({ "gateway": { "mode": "busy" } }));
    backend.start(&spec).await.expect("it starts");
    let began = Instant::now();
    backend
        .stop(&spec.agent, Duration::from_secs(300))
        .await
        .expect("it stops");
    assert!(
        began.elapsed() < Duration::from_secs(60),
        "it drained for {:?}",
        began.elapsed()
    );
    assert_eq!(profiles.processes(), Vec::<u32>::new());
    assert_eq!(profiles.calls(&spec, "sessions.abort"), 1);
    assert!(
        read(backend.log_path(spec.agent.agent_id)).contains("shutting down"),
        "it ended by itself"
    );
}

#[tokio::test]
async fn what_cannot_be_aborted_is_killed_after_its_grace_with_all_that_it_started() {
    let profiles = Profiles::new();
    let spec = spec(1, "alpha");
    let backend = profiles.backend();
    deployed(&backend, &spec).await;
    profiles.fault(
        &spec,
        &json!({ "gateway": { "mode": "busy" }, "sessions.list": { "mode": "hang" } }),
    );
    backend.start(&spec).await.expect("it starts");
    backend
        .stop(&spec.agent, Duration::from_secs(1))
        .await
        .expect("it stops");
    assert_eq!(profiles.processes(), Vec::<u32>::new());
    profiles.fault(&spec, &json!({ "gateway": { "mode": "stray_child" } }));
    backend.start(&spec).await.expect("it starts");
    eventually("it has a child in a group of its own", || {
        profiles.processes().len() == 2
    })
    .await;
    backend.stop(&spec.agent, GRACE).await.expect("it stops");
    assert_eq!(profiles.processes(), Vec::<u32>::new());
}

#[tokio::test]
async fn a_crash_is_seen_and_the_agent_can_be_started_again() {
    let profiles = Profiles::new();
    let spec = spec(1, "alpha");
    let backend = profiles.backend();
    let (port, pid) = started(&backend, &spec).await;
    kill(pid);
    let mut seen = None;
    while seen.is_none() {
        match backend.observe(&spec.agent).await {
            Observed::Failed { reason } => seen = Some(reason),
            Observed::Running(_) | Observed::Starting { .. } => tokio::task::yield_now().await,
            other => panic!("{other:?}"),
        }
    }
    assert!(seen.expect("it is seen").contains("signal 9"));
    let running = backend.start(&spec).await.expect("it starts");
    assert_eq!(running.port, Some(port));
    assert_ne!(running.pid, Some(pid));
}

#[tokio::test]
async fn a_gateway_that_does_not_come_up_gets_its_last_good_configuration_back() {
    rolls_back(Profiles::new()).await;
}

pub(crate) async fn rolls_back(mut profiles: Profiles) {
    let good = profiles.base.clone();
    let spec = spec(1, "alpha");
    let (_, pid) = started(&profiles.backend(), &spec).await;
    // The owner of the host makes a mistake, which only OpenClaw finds.
    profiles.base["gateway"] = json!({ "bogus": 1 });
    let backend = profiles.backend();
    let refused = backend.configure(&spec, &[]).await;
    let Err(BackendError::ConfigRefused { message }) = &refused else {
        panic!("{refused:?}")
    };
    assert!(message.contains("bogus"), "{message}");
    assert_eq!(
        backend.start(&spec).await.expect("it runs").pid,
        Some(pid),
        "it runs as before"
    );
    backend.stop(&spec.agent, GRACE).await.expect("it stops");
    let refused = backend.start(&spec).await;
    let Err(BackendError::ConfigRefused { message }) = &refused else {
        panic!("{refused:?}")
    };
    assert!(message.contains("bogus"), "{message}");
    assert!(
        matches!(backend.observe(&spec.agent).await, Observed::Running(_)),
        "with the last good one"
    );
    assert_eq!(profiles.config(&spec)["gateway"]["bogus"], Value::Null);
    profiles.base = good;
    let backend = profiles.backend();
    backend.stop(&spec.agent, GRACE).await.expect("it stops");
    backend.start(&spec).await.expect("the mistake is mended");
}

#[tokio::test]
async fn a_change_that_needs_a_restart_is_in_force_when_it_is_answered() {
    restarts_itself(Profiles::new()).await;
}

pub(crate) async fn restarts_itself(mut profiles: Profiles) {
    let spec = spec(1, "alpha");
    let (port, pid) = started(&profiles.backend(), &spec).await;
    profiles.base["gateway"] = json!({ "tailscale": { "mode": "off" } });
    let backend = profiles.backend();
    let applied = backend.configure(&spec, &[]).await.expect("it is applied");
    assert!(applied.changed && applied.restarted, "{applied:?}");
    let running = applied.running.expect("it runs");
    assert_eq!(
        (running.port, running.pid),
        (Some(port), Some(pid)),
        "it restarts within its process"
    );
    assert!(matches!(backend.observe(&spec.agent).await, Observed::Running(_)));
    assert_eq!(profiles.config(&spec)["gateway"]["tailscale"]["mode"], "off");
    // It is the last good one now.
    backend.stop(&spec.agent, GRACE).await.expect("it stops");
    backend.start(&spec).await.expect("it starts");
}

#[tokio::test]
async fn a_changed_file_of_the_owner_is_noticed_until_it_is_taken_over() {
    let mut profiles = Profiles::new();
    let spec = spec(1, "alpha");
    let outdated = async |backend: &ProfileBackend| {
        let records = backend.records().await;
        records[0].is_outdated
    };
    let backend = profiles.backend();
    let (_, pid) = started(&backend, &spec).await;
    assert!(!outdated(&backend).await);
    let provider = json!({ "providers": { "other": { "baseUrl": "http://127.0.0.1:1" } } });
    for models in [provider.clone(), Value::Null] {
        match &models {
            Value::Null => profiles.base = json!({}),
            models => profiles.base["models"] = models.clone(),
        }
        // Another worker's life notices it, too.
        let backend = profiles.backend();
        assert!(outdated(&backend).await);
        let known = backend.records().await.remove(0).spec;
        let applied = backend.configure(&known, &[]).await.expect("it is applied");
        assert!(applied.changed, "{applied:?}");
        assert_eq!(applied.running.expect("it runs").pid, Some(pid));
        assert_eq!(profiles.config(&spec)["models"], models);
        assert!(!outdated(&backend).await);
        assert!(
            !backend
                .configure(&known, &[])
                .await
                .expect("it is applied")
                .changed
        );
    }
    profiles.base["models"] = provider;
    let backend = profiles.backend();
    backend.stop(&spec.agent, GRACE).await.expect("it stops");
    backend.start(&spec).await.expect("it starts");
    assert!(!outdated(&backend).await, "a start takes it");
}

#[tokio::test]
async fn a_gateway_that_does_not_talk_is_started_anew_with_its_new_configuration() {
    let profiles = Profiles::new();
    let spec = spec(1, "alpha");
    let backend = profiles.backend();
    let (_, pid) = started(&backend, &spec).await;
    let other = AgentSpec {
        name: "Other".to_owned(),
        ..spec.clone()
    };
    profiles.fault(
        &spec,
        &json!({ "config.apply": { "mode": "drop_before", "times": 1 } }),
    );
    let applied = backend.configure(&other, &[]).await.expect("it is applied");
    assert!(applied.changed && applied.restarted, "{applied:?}");
    let running = applied.running.expect("it runs");
    assert_ne!(running.pid, Some(pid));
    let entry = &profiles.config(&spec)["agents"]["entries"]["alpha"];
    assert_eq!(entry["identity"]["name"], "Other");
    assert_eq!(profiles.processes().len(), 1);
}

#[tokio::test]
async fn a_first_start_with_a_configuration_that_is_not_accepted_is_told() {
    let profiles = Profiles::new();
    let backend = profiles.backend();
    let spec = AgentSpec {
        config: AgentConfig {
            thinking: Some("very-hard".to_owned()),
            ..AgentConfig::default()
        },
        ..spec(1, "alpha")
    };
    deployed(&backend, &spec).await;
    let refused = backend.start(&spec).await;
    assert!(
        matches!(refused, Err(BackendError::ConfigRefused { .. })),
        "{refused:?}"
    );
    assert_eq!(
        profiles.calls(&spec, "gateway"),
        1,
        "nothing is tried twice that cannot succeed"
    );
    assert!(matches!(
        backend.observe(&spec.agent).await,
        Observed::Failed { .. }
    ));
    assert_eq!(profiles.processes(), Vec::<u32>::new());
}

#[tokio::test]
async fn what_is_damaged_is_made_anew_and_the_last_good_state_kept() {
    let profiles = Profiles::new();
    let spec = spec(1, "alpha");
    let backend = profiles.backend();
    let (port, _) = started(&backend, &spec).await;
    backend.stop(&spec.agent, GRACE).await.expect("it stops");
    let whole = read(profiles.config_path(&spec));
    for damaged in [&whole[..whole.len() / 2], "", "{\"gateway\": {}}", "[]"] {
        std::fs::write(profiles.config_path(&spec), damaged).expect("damage it");
        let running = backend.start(&spec).await.expect("it starts");
        assert_eq!(running.port, Some(port), "{damaged:?}");
        backend.stop(&spec.agent, GRACE).await.expect("it stops");
    }
    let token = profiles.config(&spec)["gateway"]["auth"]["token"].clone();
    std::fs::write(profiles.folder(&spec).join("agent.json"), "{\"agent_id\": ").expect("damage it");
    let lost = backend.start(&spec).await;
    assert!(matches!(lost, Err(BackendError::NotDeployed { .. })), "{lost:?}");
    assert_eq!(deployed(&backend, &spec).await, port);
    backend.start(&spec).await.expect("it starts");
    assert_eq!(profiles.config(&spec)["gateway"]["auth"]["token"], token);
}

#[tokio::test]
async fn an_agent_whose_port_is_taken_gets_another_one() {
    let profiles = Profiles::new();
    let spec = spec(1, "alpha");
    let backend = profiles.backend();
    let port = deployed(&backend, &spec).await;
    let stranger = TcpListener::bind(("127.0.0.1", port)).expect("it was free");
    let running = backend.start(&spec).await.expect("it starts");
    assert_ne!(running.port, Some(port));
    let now = running.port.expect("a port");
    assert_eq!(page(now, "/readyz").await.expect("it answers").0, 200);
    assert_eq!(backend.records().await[0].port, now);
    assert_eq!(profiles.config(&spec)["gateway"]["port"], now);
    drop(stranger);
    backend.stop(&spec.agent, GRACE).await.expect("it stops");
    assert_eq!(
        backend.start(&spec).await.expect("it starts").port,
        Some(now),
        "it stays there"
    );
}

#[tokio::test]
async fn a_gateway_that_never_gets_ready_is_stopped_and_told() {
    let mut profiles = Profiles::new();
    profiles.start_limit = Duration::from_millis(500);
    let spec = spec(1, "alpha");
    let backend = profiles.backend();
    deployed(&backend, &spec).await;
    profiles.fault(&spec, &json!({ "gateway": { "mode": "hang" } }));
    let refused = backend.start(&spec).await;
    assert!(
        matches!(refused, Err(BackendError::NotReady { .. })),
        "{refused:?}"
    );
    assert_eq!(profiles.processes(), Vec::<u32>::new());
    profiles.fault(&spec, &json!({ "gateway": { "mode": "exit", "code": 3 } }));
    let refused = backend.start(&spec).await;
    match &refused {
        Err(BackendError::Ended { how, may_pass: true }) => {
            assert!(
                how.contains("exit code 3") && how.contains("told to fail"),
                "{how}"
            );
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_a_crashed_gateway_left_behind_goes_with_the_agent() {
    let profiles = Profiles::new();
    let spec = spec(1, "alpha");
    let backend = profiles.backend();
    deployed(&backend, &spec).await;
    profiles.fault(
        &spec,
        &json!({ "gateway": { "mode": "stray_child", "times": 2 } }),
    );
    for _ in 0..2 {
        let running = backend.start(&spec).await.expect("it starts");
        eventually("it has a child in a group of its own", || {
            profiles.processes().len() == 2
        })
        .await;
        kill(running.pid.expect("a process"));
        eventually("only the child is left", || profiles.processes().len() == 1).await;
    }
    backend.start(&spec).await.expect("it starts");
    assert_eq!(
        profiles.processes().len(),
        1,
        "the child of the one before is gone"
    );
    profiles.fault(&spec, &json!({ "gateway": { "mode": "stray_child" } }));
    backend.stop(&spec.agent, GRACE).await.expect("it stops");
    let running = backend.start(&spec).await.expect("it starts");
    eventually("it has a child in a group of its own", || {
        profiles.processes().len() == 2
    })
    .await;
    kill(running.pid.expect("a process"));
    backend
        .stop(&spec.agent, GRACE)
        .await
        .expect("there is nothing to end");
    assert_eq!(profiles.processes(), Vec::<u32>::new());
}

#[tokio::test]
async fn a_workspace_that_leads_elsewhere_is_neither_packed_nor_written_to() {
    let profiles = Profiles::new();
    let spec = spec(1, "alpha");
    let backend = profiles.backend();
    let deployed = backend
        .deploy(&spec, &soul("soul"))
        .await
        .expect("it is deployed");
    // An agent that takes away its mark is still known by its folder.
    std::fs::remove_dir_all(deployed.workspace.join(".creel")).expect("remove");
    backend
        .configure(&spec, &soul("other"))
        .await
        .expect("it is written");
    let elsewhere = profiles.host.path().join("elsewhere");
    std::fs::create_dir(&elsewhere).expect("make a folder");
    std::fs::write(elsewhere.join("SOUL.md"), "not its own").expect("write");
    std::fs::remove_dir_all(&deployed.workspace).expect("remove");
    std::os::unix::fs::symlink(&elsewhere, &deployed.workspace).expect("make a link");
    for refused in [
        backend.configure(&spec, &soul("mine")).await.map(drop),
        backend.deploy(&spec, &soul("mine")).await.map(drop),
    ] {
        assert!(matches!(refused, Err(BackendError::Workspace(_))), "{refused:?}");
    }
    assert_eq!(backend.undeploy(&spec.agent).await.expect("it goes"), None);
    assert_eq!(read(elsewhere.join("SOUL.md")), "not its own");
}

#[tokio::test]
async fn what_a_host_lacks_is_told_by_name() {
    let mut profiles = Profiles::new();
    let spec = spec(1, "alpha");
    let backend = profiles.backend();
    deployed(&backend, &spec).await;
    std::fs::remove_file(profiles.host.path().join("base.json5")).expect("the owner removes his file");
    let refused = backend.start(&spec).await.expect_err("it is missing");
    assert_eq!(
        creel_worker::job::Failure::from(&refused).code,
        "profile_base_unusable"
    );
    profiles.host.program = profiles.host.path().join("nowhere");
    let refused = profiles.backend().start(&spec).await.expect_err("it is missing");
    assert_eq!(
        creel_worker::job::Failure::from(&refused).code,
        "openclaw_missing"
    );
}

#[tokio::test]
async fn secrets_are_for_the_worker_s_user_alone() {
    use std::os::unix::fs::PermissionsExt;
    let mut profiles = Profiles::new();
    profiles.base = json!({ "models": { "providers": { "fake": { "apiKey": "sk-secret" } } } });
    let spec = spec(1, "alpha");
    let backend = profiles.backend();
    started(&backend, &spec).await;
    let mode = |path: &Path| path.metadata().expect("it is there").permissions().mode() & 0o777;
    let folder = profiles.folder(&spec);
    assert_eq!(mode(&folder), 0o700);
    for name in ["token", "agent.json", "openclaw.last-good.json", "gateway.log"] {
        assert_eq!(mode(&folder.join(name)), 0o600, "{name}");
    }
    assert_eq!(mode(&profiles.host.path().join("ports.json")), 0o600);
    let token = profiles.config(&spec)["gateway"]["auth"]["token"].clone();
    let record = read(folder.join("agent.json"));
    assert!(!record.contains("sk-secret") && !record.contains(token.as_str().expect("a token")));
}

fn kill(pid: u32) {
    let pid = rustix::process::Pid::from_raw(pid.cast_signed()).expect("a process id");
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("it runs");
}

/// A turn is running that would take minutes to drain.
pub(crate) async fn stops_while_it_works(profiles: Profiles, model: tokio::net::TcpListener) {
    use tokio::io::AsyncWriteExt;
    let spec = spec(1, "alpha");
    let backend = profiles.backend();
    let (port, _) = started(&backend, &spec).await;
    let config = profiles.config(&spec);
    let token = config["gateway"]["auth"]["token"].as_str().expect("a token");
    let body =
        json!({ "model": "openclaw/alpha", "messages": [{ "role": "user", "content": "hi" }] }).to_string();
    let request = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {token}\r\ncontent-type: \
         application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut turn = tokio::net::TcpStream::connect(("127.0.0.1", port))
        .await
        .expect("it listens");
    turn.write_all(request.as_bytes()).await.expect("it takes it");
    let asked = tokio::time::timeout(Duration::from_secs(60), model.accept()).await;
    let _held = asked.expect("the model is asked in time").expect("accept");
    let began = Instant::now();
    backend
        .stop(&spec.agent, Duration::from_secs(120))
        .await
        .expect("it stops");
    assert!(
        began.elapsed() < Duration::from_secs(60),
        "it drained for {:?}",
        began.elapsed()
    );
    assert_eq!(profiles.processes(), Vec::<u32>::new());
    let log = read(backend.log_path(spec.agent.agent_id));
    assert!(log.contains("[shutdown] completed"), "it ended by itself:\n{log}");
}

/// What starts at once runs, or is told that there is no memory for it; the machine swaps nothing.
pub(crate) async fn run_or_are_refused(profiles: Profiles, count: u128) {
    let backend = &profiles.backend();
    let specs: Vec<AgentSpec> = (0..count).map(|n| spec(n, &format!("agent-{n}"))).collect();
    let starts = specs.iter().map(|spec| async move {
        deployed(backend, spec).await;
        backend.start(spec).await
    });
    let mut ports = BTreeSet::new();
    let mut refused = 0;
    for started in join_all(starts).await {
        match started {
            Ok(running) => assert!(ports.insert(running.port), "each has its own"),
            Err(BackendError::MemoryFull { .. }) => refused += 1,
            Err(error) => panic!("{error:?}"),
        }
    }
    assert_eq!(ports.len() + refused, specs.len());
    assert!(ports.len() > 1, "some run");
    let free_mb = creel_worker::backend::MachineMemory
        .free_mb()
        .expect("it is known");
    assert!(
        free_mb > 500,
        "{free_mb} MB are left with {} running, {refused} refused",
        ports.len()
    );
    join_all(specs.iter().map(|spec| backend.undeploy(&spec.agent))).await;
    assert_eq!(profiles.processes(), Vec::<u32>::new());
}
