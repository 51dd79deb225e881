//! What an agent starts and what takes more than it may: it is seen, and after a minute of the injected clock stopped
//! with everything that belongs to it, while its neighbour goes on.

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use creel_core::host_api::{AgentState, HostEvent};
use creel_core::status::HostEventKind;
use creel_worker::backend::{AgentSpec, Backend, ProfileBackend};
use creel_worker::host_events::HostEvents;
use creel_worker::process::{MARK_VARIABLE, Mark};
use creel_worker::supervisor::plan::Why;
use creel_worker::supervisor::{Supervisor, SupervisorSettings, service_name};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use uuid::Uuid;

use crate::backend::{GRACE, soul, spec};
use crate::profile::Profiles;
use crate::support::PATIENCE;

/// Between two samples of a supervisor at work.
const STEP: Duration = Duration::from_secs(5);

/// A processor's time that a sample can be made of. The clock that decides is another one.
const REAL_STEP: Duration = Duration::from_millis(400);

/// Whoever wants a whole processor gets this much of it, however many others want one, too.
const CPU_LIMIT_PERCENT: f64 = 5.0;

/// How often a condition is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A host with two agents, of which one is to run away.
struct Two {
    profiles: Profiles,
    backend: Arc<ProfileBackend>,
    supervisor: Arc<Supervisor>,
    events: Arc<HostEvents>,
    wild: AgentSpec,
    tame: AgentSpec,
    /// The processes of their gateways.
    gateways: [u32; 2],
    now: Duration,
}

impl Two {
    async fn new(limit: impl FnOnce(&mut AgentSpec)) -> Self {
        let profiles = Profiles::new();
        let backend = Arc::new(profiles.backend());
        let (mut wild, mut tame) = (spec(1, "wild"), spec(2, "tame"));
        limit(&mut wild);
        tame.limits = wild.limits;
        let mut gateways = [0; 2];
        for (spec, pid) in [&wild, &tame].into_iter().zip(&mut gateways) {
            backend.deploy(spec, &soul("soul")).await.expect("deploy");
            let running = backend.start(spec).await.expect("start");
            *pid = running.pid.expect("a process");
        }
        let events = Arc::<HostEvents>::default();
        let backends: Vec<Arc<dyn Backend>> = vec![backend.clone()];
        let supervisor = Supervisor::new(SupervisorSettings {
            backends,
            data_dir: profiles.path(),
            mark: Mark::new(&profiles.path(), Uuid::new_v4()),
            events: events.clone(),
        });
        Self {
            profiles,
            backend,
            supervisor,
            events,
            wild,
            tame,
            gateways,
            now: Duration::ZERO,
        }
    }

    /// Starts something as the wild agent would: with the environment that it has.
    fn starts(&self, kind: &str) {
        let mark = Mark::new(&self.profiles.path(), Uuid::nil()).to_string();
        let (host, _) = mark.split_once('.').expect("a mark has two parts");
        let service = service_name(self.wild.agent.agent_id);
        let mut child = Command::new(self.profiles.program())
            .args(["runaway", kind])
            .env(MARK_VARIABLE, format!("{host}.service.{service}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("start it");
        // Whoever started it waits for it, as a gateway does.
        std::thread::spawn(move || child.wait());
    }

    /// One pass, five seconds after the last.
    async fn pass(&mut self) {
        tokio::time::sleep(REAL_STEP).await;
        self.now += STEP;
        self.supervisor.patrol_once(self.now).await;
        self.supervisor.idle().await;
    }

    fn note(&self, spec: &AgentSpec) -> Option<String> {
        self.supervisor.reports().of(spec.agent.agent_id)?.note
    }

    /// Waits until the wild agent has so many processes.
    async fn until(&self, what: &str, is_so: impl Fn(usize) -> bool) {
        let reached = async {
            while !is_so(self.processes(&self.wild).await) {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        let reached = tokio::time::timeout(PATIENCE, reached).await;
        assert!(reached.is_ok(), "{what}: not within {} s", PATIENCE.as_secs());
    }

    async fn processes(&self, spec: &AgentSpec) -> usize {
        self.supervisor.processes_of(spec.agent.agent_id).await.len()
    }

    /// The runaway is seen within two samples that it was in, and stopped after a minute.
    async fn shows_and_stops_it(mut self, kind: &str, what: &str) {
        self.pass().await;
        self.starts(kind);
        self.until("it runs", |count| count > 1).await;
        self.pass().await;
        if self.note(&self.wild).is_none() {
            self.pass().await;
        }
        let note = self.note(&self.wild).expect("it is seen within two samples");
        assert!(note.contains("uses more than"), "{note}");
        let seen = self.now;
        while self.supervisor.held(self.wild.agent.agent_id).is_none() {
            assert!(
                self.processes(&self.wild).await > 1,
                "it is not stopped before its time"
            );
            assert!(self.now - seen <= Duration::from_secs(60), "it is never stopped");
            self.pass().await;
        }
        assert_eq!(self.now - seen, Duration::from_secs(60));

        assert_eq!(self.processes(&self.wild).await, 0, "its children are gone, too");
        let hold = self
            .supervisor
            .held(self.wild.agent.agent_id)
            .expect("it is held");
        assert_eq!(hold.why, Why::LimitExceeded);
        let told = self.events.next();
        let [
            HostEvent {
                kind,
                agent_id,
                payload,
                ..
            },
        ] = told.as_slice()
        else {
            panic!("one event: {told:?}");
        };
        assert_eq!(
            (*kind, *agent_id),
            (HostEventKind::AgentLimitExceeded, Some(self.wild.agent.agent_id))
        );
        assert_eq!(payload["limit"], what);
        let allowed = payload["allowed"].as_f64().expect("a limit");
        let samples = payload["samples"].as_array().expect("samples");
        assert_eq!(samples.len(), 13);
        assert!(
            samples.iter().all(|sample| sample[what].as_f64() > Some(allowed)),
            "each justifies it: {samples:?}"
        );

        for _ in 0..3 {
            self.pass().await;
        }
        let report = self
            .supervisor
            .reports()
            .of(self.wild.agent.agent_id)
            .expect("a report");
        assert_eq!(report.state, AgentState::Stopped);
        assert!(report.note.is_some_and(|note| note.contains("start it again")));
        let tame = self
            .supervisor
            .reports()
            .of(self.tame.agent.agent_id)
            .expect("a report");
        assert_eq!(
            (tame.state, tame.pid),
            (AgentState::Running, Some(self.gateways[1]))
        );
        assert_eq!(self.supervisor.held(self.tame.agent.agent_id), None);
        let neighbour = Pid::from_raw(self.gateways[1].cast_signed()).expect("a process");
        assert!(test_kill_process(neighbour).is_ok(), "the neighbour is untouched");
    }
}

fn cpu(spec: &mut AgentSpec) {
    spec.limits.cpu_percent = Some(CPU_LIMIT_PERCENT);
}

#[tokio::test]
async fn one_that_eats_a_processor_is_stopped() {
    Two::new(cpu).await.shows_and_stops_it("cpu", "cpu_percent").await;
}

#[tokio::test]
async fn one_that_forks_twice_and_leaves_its_group_is_stopped() {
    Two::new(cpu)
        .await
        .shows_and_stops_it("double-fork", "cpu_percent")
        .await;
}

#[tokio::test]
async fn one_that_eats_memory_is_stopped() {
    let limit = |spec: &mut AgentSpec| spec.limits.ram_mb = Some(200.0);
    Two::new(limit).await.shows_and_stops_it("memory", "ram_mb").await;
}

#[tokio::test]
async fn a_gateway_that_dies_is_started_again_after_its_pause_and_its_neighbour_is_not() {
    let mut two = Two::new(|_| {}).await;
    two.pass().await;
    let pid = Pid::from_raw(two.gateways[0].cast_signed()).expect("a process");
    kill_process(pid, Signal::KILL).expect("kill it");
    let wild = two.wild.agent.agent_id;
    two.until("it is gone", |count| count == 0).await;
    two.pass().await;
    let report = two.supervisor.reports().of(wild).expect("a report");
    assert_eq!(report.state, AgentState::Error);
    two.pass().await;
    two.pass().await;
    let report = two.supervisor.reports().of(wild).expect("a report");
    assert_eq!((report.state, report.restarts), (AgentState::Running, 1));
    let kinds: Vec<_> = two.events.next().iter().map(|event| event.kind).collect();
    assert_eq!(
        kinds,
        [HostEventKind::AgentCrashed, HostEventKind::AgentRestarted]
    );
    let tame = two
        .supervisor
        .reports()
        .of(two.tame.agent.agent_id)
        .expect("a report");
    assert_eq!(tame.pid, Some(two.gateways[1]));
    for spec in [&two.wild, &two.tame] {
        two.backend.stop(&spec.agent, GRACE).await.expect("stop");
    }
}
