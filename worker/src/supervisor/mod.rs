//! Minds the agents that have processes of their own: counts what they use, stops who uses too much, starts again
//! what ended by itself.
//!
//! It needs nobody but the host: what is to run is in the backends' records, so that a database that is away changes
//! nothing. Each pass looks at every agent that nobody else is at work on, decides (`plan/`) and acts.

mod command_turn;
mod folder;
mod holds;
mod lifecycle;
mod meter;
mod minded;
mod news;
mod patrol;
pub mod plan;
mod reconcile;
mod reports;
mod shared;
mod turns;
mod usage;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

pub use self::command_turn::CommandTurn;
pub use self::reconcile::{Listed, Reconcile, Records, plan_reconcile};
pub use self::reports::{AgentMetrics, AgentReports};
pub use self::turns::Turn;
pub use self::usage::{Trees, Usage, service_name};

use self::holds::Holds;
use self::meter::Meter;
use self::minded::Minded;
use self::plan::{Hold, Life, Phase, Why};
use self::turns::Turns;
use crate::backend::Backend;
use crate::host_events::HostEvents;
use crate::process::Mark;

/// One that has nothing to do ends within three seconds; one that runs away is not asked for long.
const STOP_GRACE: Duration = Duration::from_secs(10);

/// A pass takes less, unless an agent is being started: that is broken off, and the next worker goes on with it.
const END_WAIT: Duration = Duration::from_secs(1);

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

    fn touched(&self) -> HashMap<Uuid, u64> {
        let minded = self.minded();
        minded.iter().map(|(id, minded)| (*id, minded.touched)).collect()
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
