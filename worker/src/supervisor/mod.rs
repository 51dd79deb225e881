//! Minds the agents that have processes of their own: counts what they use, stops who uses too much, starts again
//! what ended by itself.
//!
//! It needs nobody but the host: what is to run is in the backends' records, so that a database that is away changes
//! nothing. Each pass looks at every agent that nobody else is at work on, decides (`plan.rs`) and acts.

mod folder;
mod holds;
mod meter;
mod news;
pub mod plan;
mod reconcile;
mod reports;
mod shared;
mod turns;
mod usage;

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use creel_core::host_api::AgentReport;
use futures_util::future::join_all;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

pub use self::reconcile::{Listed, Reconcile, Records, plan_reconcile};
pub use self::reports::{AgentMetrics, AgentReports};
pub use self::turns::Turn;
pub use self::usage::{Trees, Usage, service_name};

use self::holds::Holds;
use self::meter::{Measured, Meter};
use self::plan::{Act, Hold, Life, Limits, Phase, Sample, Seen, Why, plan_shown, plan_supervision};
use self::turns::Turns;
use crate::backend::{AgentRef, Backend, BackendError, Observed, Record};
use crate::host_events::HostEvents;
use crate::process::{Mark, kill_processes};

/// A runaway is seen within two samples, and a machine with many processes is read in milliseconds.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// With no agent to mind, this is for what somebody else wrote into the worker's folder.
const LOOK_AT_NOBODY_EVERY: Duration = Duration::from_secs(60);

/// How long the database is waited for before what does not run is started without having asked it.
const SETTLE_WAIT: Duration = Duration::from_secs(30);

/// A large workspace takes seconds to be measured, and grows slowly.
const DISK_EVERY: Duration = Duration::from_secs(60);

/// One that has nothing to do ends within three seconds; one that runs away is not asked for long.
const STOP_GRACE: Duration = Duration::from_secs(10);

/// A pass takes less, unless an agent is being started: that is broken off, and the next worker goes on with it.
const END_WAIT: Duration = Duration::from_secs(1);

/// How long the kernel may take to clear away what was killed.
const KILL_WAIT: Duration = Duration::from_secs(5);

/// How often it is looked whether what was killed is gone; there is no event for it.
const KILL_LOOK: Duration = Duration::from_millis(50);

/// What a supervisor works with.
pub struct SupervisorSettings {
    /// Where agents run.
    pub backends: Vec<Arc<dyn Backend>>,
    /// The worker's own folder.
    pub data_dir: PathBuf,
    /// By which the processes of agents are found.
    pub mark: Mark,
    /// Where it is told what happened.
    pub events: Arc<HostEvents>,
}

/// Minds the agents of a host.
pub struct Supervisor {
    settings: SupervisorSettings,
    turns: Turns,
    holds: Holds,
    reports: Arc<AgentReports>,
    minded: Mutex<HashMap<Uuid, Minded>>,
    /// Versions of agents that OpenClaw did not take.
    refused: Mutex<HashMap<Uuid, i64>>,
    meter: Arc<Mutex<Meter>>,
    acts: TaskTracker,
    is_settled: AtomicBool,
    touched: Notify,
}

/// What is remembered of an agent.
#[derive(Debug)]
struct Minded {
    life: Life,
    /// Why it could not be started.
    start_error: Option<String>,
    /// Size of its folder in MB, and when it was measured.
    disk: Option<f64>,
    disk_asked: Option<Duration>,
    is_measuring_disk: bool,
    /// Counts who else was at work on it.
    touched: u64,
    /// Ends a start that the supervisor is at, when somebody else has something to do.
    give_way: CancellationToken,
    /// How many commands wait for their turn.
    waiting: usize,
}

impl Minded {
    fn new(hold: Option<Hold>) -> Self {
        Self {
            life: Life::new(hold),
            start_error: None,
            disk: None,
            disk_asked: None,
            is_measuring_disk: false,
            touched: 0,
            give_way: CancellationToken::new(),
            waiting: 0,
        }
    }
}

/// The right of a command to work on an agent. The supervisor leaves the agent alone meanwhile.
pub struct CommandTurn {
    supervisor: Arc<Supervisor>,
    agent_id: Uuid,
    _turn: Turn,
}

impl CommandTurn {
    /// A person said something about the agent: what was before is forgotten, and it is held no longer.
    pub fn begin_anew(&self) {
        self.supervisor.holds.set(self.agent_id, None);
        self.supervisor.refused().remove(&self.agent_id);
        self.supervisor
            .minded()
            .entry(self.agent_id)
            .and_modify(|minded| {
                minded.life = Life::new(None);
                minded.start_error = None;
            });
    }

    /// The agent runs: if it does not when it is looked at, it ended by itself.
    pub fn runs(&self) {
        if let Some(minded) = self.supervisor.minded().get_mut(&self.agent_id) {
            minded.life = Life::running();
        }
    }

    /// The agent is not started again before a person says so.
    pub fn hold(&self, why: Why, note: &str) {
        self.supervisor.hold(self.agent_id, why, note);
    }
}

/// A command that waits for its turn.
struct Waits<'a> {
    supervisor: &'a Supervisor,
    agent_id: Uuid,
}

impl<'a> Waits<'a> {
    fn begin(supervisor: &'a Supervisor, agent_id: Uuid) -> Self {
        let mut all = supervisor.minded();
        let minded = all
            .entry(agent_id)
            .or_insert_with(|| Minded::new(supervisor.holds.of(agent_id)));
        minded.waiting += 1;
        minded.give_way.cancel();
        drop(all);
        Self { supervisor, agent_id }
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        if let Some(minded) = self.supervisor.minded().get_mut(&self.agent_id) {
            minded.waiting = minded.waiting.saturating_sub(1);
        }
    }
}

impl Drop for CommandTurn {
    fn drop(&mut self) {
        self.supervisor.touch(self.agent_id);
    }
}

impl Supervisor {
    /// One that looks at nothing yet.
    pub fn new(settings: SupervisorSettings) -> Arc<Self> {
        Arc::new(Self {
            holds: Holds::read(&settings.data_dir),
            meter: Arc::new(Mutex::new(Meter::new(settings.mark.clone()))),
            settings,
            turns: Turns::default(),
            reports: Arc::default(),
            minded: Mutex::default(),
            refused: Mutex::default(),
            acts: TaskTracker::new(),
            is_settled: AtomicBool::new(false),
            touched: Notify::new(),
        })
    }

    /// How the agents are, for the tick to tell.
    pub fn reports(&self) -> Arc<AgentReports> {
        self.reports.clone()
    }

    /// What happens to the agents, and to the host.
    pub fn events(&self) -> &HostEvents {
        &self.settings.events
    }

    /// Where agents run.
    pub fn backends(&self) -> &[Arc<dyn Backend>] {
        &self.settings.backends
    }

    /// The database was asked what is to run.
    pub fn settled(&self) {
        self.is_settled.store(true, Ordering::Release);
    }

    /// Why an agent is not started again by itself.
    pub fn held(&self, agent_id: Uuid) -> Option<Hold> {
        self.holds.of(agent_id)
    }

    /// Keeps an agent from being started, also where that cannot be written down.
    fn hold(&self, agent_id: Uuid, why: Why, note: &str) {
        let hold = Hold {
            why,
            note: note.to_owned(),
        };
        self.holds.set(agent_id, Some(&hold));
        let mut minded = self.minded();
        let minded = minded.entry(agent_id).or_insert_with(|| Minded::new(None));
        minded.life = Life::new(Some(hold));
    }

    /// It is stopped after all.
    fn was_stopped(&self, agent_id: Uuid) {
        let is_not_stopped = |hold: &Hold| hold.why == Why::NotStopped;
        if self.holds.of(agent_id).as_ref().is_some_and(is_not_stopped) {
            self.holds.set(agent_id, None);
            if let Some(minded) = self.minded().get_mut(&agent_id) {
                minded.life = Life::new(None);
            }
        }
    }

    fn refused(&self) -> MutexGuard<'_, HashMap<Uuid, i64>> {
        self.refused.lock().expect("no holder of this lock panics")
    }

    /// Waits until nobody else is at work on the agent. The supervisor itself gives way.
    pub async fn turn(self: &Arc<Self>, agent_id: Uuid) -> CommandTurn {
        let waits = Waits::begin(self, agent_id);
        let turn = self.turns.take(agent_id).await;
        drop(waits);
        self.command_turn(agent_id, turn)
    }

    /// Whether somebody is at work on the agent.
    pub fn is_busy(&self, agent_id: Uuid) -> bool {
        self.turns.try_take(agent_id).is_none()
    }

    fn command_turn(self: &Arc<Self>, agent_id: Uuid, turn: Turn) -> CommandTurn {
        self.touch(agent_id);
        CommandTurn {
            supervisor: self.clone(),
            agent_id,
            _turn: turn,
        }
    }

    /// What tells whoever has the turn that a command waits for it.
    fn may_give_way(&self, agent_id: Uuid) -> CancellationToken {
        let give_way = CancellationToken::new();
        if let Some(minded) = self.minded().get_mut(&agent_id) {
            minded.give_way = give_way.clone();
            if minded.waiting > 0 {
                give_way.cancel();
            }
        }
        give_way
    }

    /// Whatever is planned of what was seen before is not done, and how it is now is told.
    fn touch(&self, agent_id: Uuid) {
        self.reports.forget(agent_id);
        let mut minded = self.minded();
        let minded = minded
            .entry(agent_id)
            .or_insert_with(|| Minded::new(self.holds.of(agent_id)));
        minded.touched += 1;
        self.touched.notify_one();
    }

    /// Minds the agents until it is told to stop; they go on then.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let began = Instant::now();
        loop {
            let anybody = self.patrol_once(began.elapsed()).await;
            let pause = async {
                if !anybody {
                    let touched = self.touched.notified();
                    let _touched_or_late = tokio::time::timeout(LOOK_AT_NOBODY_EVERY, touched).await;
                }
                tokio::time::sleep(LOOK_EVERY).await;
            };
            tokio::select! {
                () = stop.cancelled() => break,
                () = pause => {}
            }
        }
        self.idle().await;
    }

    /// Waits until what was decided is done.
    pub async fn idle(&self) {
        self.acts.close();
        self.acts.wait().await;
        self.acts.reopen();
    }

    /// Looks at every agent once, at this time since the worker began. Answers whether there is any.
    pub async fn patrol_once(self: &Arc<Self>, now: Duration) -> bool {
        // Before the records are read: what is changed after that is left to the next pass.
        let touched = self.touched();
        let mut records = Vec::new();
        for backend in &self.settings.backends {
            for record in backend.records().await {
                records.push((backend.clone(), record));
            }
        }
        let measured = self.measure(records.is_empty()).await;
        self.forget_others(&records);
        let passes = records.iter().map(|(backend, record)| {
            let before = touched.get(&record.spec.agent.agent_id).copied().unwrap_or(0);
            self.pass(now, backend, record, &measured, before)
        });
        let metrics = join_all(passes).await.into_iter().flatten().collect();
        self.reports.measured(metrics);
        self.clear_unknown(&records, &measured).await;
        !records.is_empty()
    }

    fn touched(&self) -> HashMap<Uuid, u64> {
        let minded = self.minded();
        minded.iter().map(|(id, minded)| (*id, minded.touched)).collect()
    }

    async fn measure(&self, nobody: bool) -> Measured {
        let meter = self.meter.clone();
        let measuring = tokio::task::spawn_blocking(move || {
            let mut meter = meter.lock().expect("no holder of this lock panics");
            if nobody {
                meter.rest();
                Measured::default()
            } else {
                meter.sample()
            }
        });
        measuring.await.unwrap_or_default()
    }

    /// What is no agent of this host any more is remembered no longer, unless somebody is at work on it.
    fn forget_others(&self, records: &[(Arc<dyn Backend>, Record)]) {
        let here: HashSet<Uuid> = records
            .iter()
            .map(|(_, record)| record.spec.agent.agent_id)
            .collect();
        let mut minded = self.minded();
        minded.retain(|agent_id, _| {
            let stays = here.contains(agent_id) || self.turns.try_take(*agent_id).is_none();
            if !stays {
                self.reports.forget(*agent_id);
            }
            stays
        });
    }

    /// One agent. Answers what it uses.
    async fn pass(
        self: &Arc<Self>,
        now: Duration,
        backend: &Arc<dyn Backend>,
        record: &Record,
        measured: &Measured,
        touched: u64,
    ) -> Option<AgentMetrics> {
        let agent = &record.spec.agent;
        let agent_id = agent.agent_id;
        let usage = measured.usage.get(&agent_id);
        let sample = usage.map(|usage| self.sample_of(agent_id, usage, measured));
        if let Some(turn) = self.turns.try_take(agent_id) {
            let observed = backend.observe(agent).await;
            self.decide(now, backend, record, observed, sample, touched, turn);
        }
        let (usage, sample) = (usage?, sample?);
        self.measure_disk(now, agent_id);
        let pid = self.reports.of(agent_id).and_then(|report| report.pid);
        let leader = usage.processes.iter().find(|id| Some(id.pid) == pid);
        let began = leader.map_or(measured.now_secs, |id| id.started_secs);
        Some(AgentMetrics {
            agent_id,
            cpu_percent: sample.cpu_percent?,
            ram_mb: sample.ram_mb,
            disk_mb: sample.disk_mb,
            uptime_secs: measured.now_secs.saturating_sub(began),
        })
    }

    fn sample_of(&self, agent_id: Uuid, usage: &Usage, measured: &Measured) -> Sample {
        let disk_mb = self.minded().get(&agent_id).and_then(|minded| minded.disk);
        Sample {
            cpu_percent: measured
                .elapsed_ms
                .map(|elapsed_ms| usage.cpu_ms as f64 / elapsed_ms * 100.0),
            ram_mb: megabytes(usage.ram_bytes),
            disk_mb,
        }
    }

    #[expect(clippy::too_many_arguments, reason = "all that one pass knows of one agent")]
    fn decide(
        self: &Arc<Self>,
        now: Duration,
        backend: &Arc<dyn Backend>,
        record: &Record,
        observed: Observed,
        sample: Option<Sample>,
        touched: u64,
        turn: Turn,
    ) {
        let agent_id = record.spec.agent.agent_id;
        let mut all = self.minded();
        let minded = all
            .entry(agent_id)
            .or_insert_with(|| Minded::new(self.holds.of(agent_id)));
        if minded.touched != touched {
            return;
        }
        let is_up = matches!(observed, Observed::Running(_) | Observed::Starting { .. });
        let observed = match minded.start_error.take() {
            Some(reason) if !is_up => Observed::Failed { reason },
            _ => observed,
        };
        let seen = Seen {
            now,
            desired: record.desired_state,
            limits: record.spec.limits,
            observed,
            sample,
            may_start: self.is_settled.load(Ordering::Acquire) || now >= SETTLE_WAIT,
        };
        let plan = plan_supervision(&minded.life, &seen, &Limits::USUAL);
        minded.life = plan.life;
        self.holds.set(agent_id, minded.life.hold.as_ref());
        if let Some(shown) = plan_shown(&minded.life) {
            self.reports.report(AgentReport {
                agent_id,
                state: shown.state,
                note: shown.note,
                restarts: shown.restarts,
                pid: pid_of(&seen.observed),
            });
        }
        drop(all);
        let give_way = self.may_give_way(agent_id);
        if let Some(news) = &plan.news {
            news::tell(&self.settings.events, &record.spec, news);
        }
        let (supervisor, backend, record) = (self.clone(), backend.clone(), record.clone());
        match plan.act {
            Act::Wait => {}
            Act::Start => drop(self.acts.spawn(async move {
                tokio::select! {
                    biased;
                    () = give_way.cancelled() => {}
                    () = supervisor.start(&*backend, &record) => {}
                }
                drop(turn);
            })),
            Act::Stop => drop(self.acts.spawn(async move {
                let agent = &record.spec.agent;
                if let Err(error) = supervisor.stop(&*backend, agent, STOP_GRACE).await {
                    tracing::warn!(agent.id = %agent.agent_id, %error, "failed to stop {}: {error}", agent.agent_key);
                }
                drop(turn);
            })),
            Act::Kill => drop(self.acts.spawn(async move {
                let agent = &record.spec.agent;
                if let Err(error) = supervisor.kill(&*backend, agent).await {
                    tracing::warn!(agent.id = %agent.agent_id, %error, "failed to kill {}: {error}", agent.agent_key);
                }
                drop(turn);
            })),
        }
    }

    /// Ends what runs of an agent that is to be started again.
    async fn kill(&self, backend: &dyn Backend, agent: &AgentRef) -> Result<(), BackendError> {
        // Who its children are is best seen while their parents are there.
        self.processes_of(agent.agent_id).await;
        let killed = backend.kill(agent).await;
        self.clear(agent.agent_id).await;
        killed
    }

    async fn start(&self, backend: &dyn Backend, record: &Record) {
        let agent = &record.spec.agent;
        tracing::info!(agent.id = %agent.agent_id, "starting {}, which is to run", agent.agent_key);
        if let Err(error) = backend.start(&record.spec).await {
            tracing::warn!(agent.id = %agent.agent_id, %error, "failed to start {}: {error}", agent.agent_key);
            if let Some(minded) = self.minded().get_mut(&agent.agent_id) {
                minded.start_error = Some(error.to_string());
            }
        }
    }

    /// Stops an agent, and whatever belongs to it wherever that has gone.
    pub async fn stop(
        &self,
        backend: &dyn Backend,
        agent: &AgentRef,
        grace: Duration,
    ) -> Result<(), BackendError> {
        // Who its children are is best seen while their parents are there.
        self.processes_of(agent.agent_id).await;
        let stopped = backend.stop(agent, grace).await;
        self.clear(agent.agent_id).await;
        if stopped.is_ok() {
            self.was_stopped(agent.agent_id);
        }
        stopped
    }

    /// Stops all agents, for an end that is everybody's.
    async fn stop_all(self: &Arc<Self>) {
        let mut stops = Vec::new();
        for (backend, records) in self.records().await.into_backends() {
            for record in records {
                let (supervisor, backend) = (self.clone(), backend.clone());
                stops.push(async move {
                    let agent = &record.spec.agent;
                    if let Err(error) = supervisor.stop(&*backend, agent, STOP_GRACE).await {
                        tracing::warn!(agent.id = %agent.agent_id, %error, "failed to stop {}: {error}", agent.agent_key);
                    }
                });
            }
        }
        join_all(stops).await;
    }

    /// Kills what is left of an agent that does not run any more.
    pub async fn clear(&self, agent_id: Uuid) {
        let until = Instant::now() + KILL_WAIT;
        loop {
            let left = self.processes_of(agent_id).await;
            if left.is_empty() {
                return;
            }
            if Instant::now() >= until {
                tracing::warn!(agent.id = %agent_id, processes = ?left, "some processes of an agent do not go");
                return;
            }
            let killing = tokio::task::spawn_blocking(move || kill_processes(&left));
            let _count = killing.await;
            tokio::time::sleep(KILL_LOOK).await;
        }
    }

    /// The processes of an agent, as they are now.
    pub async fn processes_of(&self, agent_id: Uuid) -> Vec<crate::process::ProcessId> {
        let meter = self.meter.clone();
        let looking = tokio::task::spawn_blocking(move || {
            let mut meter = meter.lock().expect("no holder of this lock panics");
            meter.processes_of(agent_id)
        });
        looking.await.unwrap_or_default()
    }

    /// What runs for an agent that is not on this host any more was left by a worker that was killed.
    async fn clear_unknown(&self, records: &[(Arc<dyn Backend>, Record)], measured: &Measured) {
        let is_recorded = |agent_id: &Uuid| {
            let mut ids = records.iter().map(|(_, record)| record.spec.agent.agent_id);
            ids.any(|id| id == *agent_id)
        };
        for agent_id in measured.usage.keys().filter(|agent_id| !is_recorded(agent_id)) {
            if let Some(_turn) = self.turns.try_take(*agent_id)
                && !self.is_on_disk(*agent_id)
            {
                tracing::warn!(agent.id = %agent_id, "killing what is left of an agent that is not here any more");
                self.clear(*agent_id).await;
            }
        }
    }

    fn folder(&self, agent_id: Uuid) -> PathBuf {
        self.settings.data_dir.join("agents").join(agent_id.to_string())
    }

    fn is_on_disk(&self, agent_id: Uuid) -> bool {
        self.folder(agent_id).exists()
    }

    fn measure_disk(self: &Arc<Self>, now: Duration, agent_id: Uuid) {
        let mut all = self.minded();
        let Some(minded) = all.get_mut(&agent_id) else {
            return;
        };
        let is_due = minded
            .disk_asked
            .is_none_or(|asked| now.saturating_sub(asked) >= DISK_EVERY);
        // One that takes longer than the pause between two is not joined by others.
        if !is_due || minded.is_measuring_disk {
            return;
        }
        minded.disk_asked = Some(now);
        minded.is_measuring_disk = true;
        drop(all);
        let (supervisor, folder) = (self.clone(), self.folder(agent_id));
        // On a disk that does not answer this waits alone.
        drop(tokio::task::spawn_blocking(move || {
            let size = megabytes(folder::size_bytes(&folder));
            if let Some(minded) = supervisor.minded().get_mut(&agent_id) {
                minded.disk = Some(size);
                minded.is_measuring_disk = false;
            }
        }));
    }

    /// Where an agent stands; none of one that was not looked at.
    pub fn phase(&self, agent_id: Uuid) -> Option<Phase> {
        Some(self.minded().get(&agent_id)?.life.phase)
    }

    fn minded(&self) -> MutexGuard<'_, HashMap<Uuid, Minded>> {
        self.minded.lock().expect("no holder of this lock panics")
    }
}

/// A supervisor at work.
pub(crate) struct Supervision {
    supervisor: Arc<Supervisor>,
    stop: CancellationToken,
    patrol: JoinHandle<()>,
}

impl Supervision {
    /// Begins to mind the agents.
    pub(crate) fn start(supervisor: Arc<Supervisor>) -> Self {
        let stop = CancellationToken::new();
        let patrol = tokio::spawn(supervisor.clone().run(stop.clone()));
        Self {
            supervisor,
            stop,
            patrol,
        }
    }

    /// Minds them no longer. They go on, for the next worker to find, unless they are to end with this one.
    pub(crate) async fn end(self, agents_end: bool) {
        self.stop.cancel();
        let patrol = self.patrol.abort_handle();
        if tokio::time::timeout(END_WAIT, self.patrol).await.is_err() {
            patrol.abort();
        }
        if agents_end {
            self.supervisor.stop_all().await;
        }
    }
}

fn pid_of(observed: &Observed) -> Option<u32> {
    match observed {
        Observed::Running(running) => running.pid,
        Observed::Starting { pid } => *pid,
        _ => None,
    }
}

fn megabytes(bytes: u64) -> f64 {
    const MEGABYTE: f64 = 1_048_576.0;
    bytes as f64 / MEGABYTE
}
