//! What a worker knows of one agent's process.

use std::ops::Deref;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{OwnedMutexGuard, watch};

use crate::gateway_service::command::GATEWAY_WORD;
use crate::gateway_service::log;
use crate::openclaw::{GatewayControl, shown};
use crate::process::{Ended, RunningService, ServiceMark};
use crate::redaction::Redaction;

/// What is told of a log's end: the reason is in the last lines.
const LAST_WORDS_MAX: usize = 5;

/// An agent: one operation at a time, and one process at most.
pub(super) struct Slot {
    /// Whoever changes something about the agent holds it.
    turn: Arc<tokio::sync::Mutex<()>>,
    /// How many want to stop it: who starts it gives way.
    stops: watch::Sender<usize>,
    life: Mutex<Life>,
    /// The way to its gateway.
    pub(super) control: GatewayControl,
    mark: ServiceMark,
}

#[derive(Default)]
struct Life {
    /// Whether it was looked for what an earlier worker, or an operation that was broken off, has started.
    is_known: bool,
    service: Option<RunningService>,
    since: Option<Timestamp>,
    /// How it ended, where nobody ended it.
    failed: Option<String>,
    ended: Option<Ended>,
}

/// A process that runs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Process {
    pub(super) pid: u32,
    pub(super) since: Option<Timestamp>,
}

impl Slot {
    pub(super) fn new(mark: ServiceMark, control: GatewayControl) -> Arc<Self> {
        Arc::new(Self {
            turn: Arc::default(),
            stops: watch::Sender::new(0),
            life: Mutex::default(),
            control,
            mark,
        })
    }

    /// Waits for one's turn to change something about the agent.
    pub(super) async fn turn(self: &Arc<Self>) -> Turn {
        let held = Arc::clone(&self.turn).lock_owned().await;
        Turn {
            slot: Arc::clone(self),
            _held: Arc::new(held),
        }
    }

    /// Whether nobody changes anything about the agent.
    pub(super) fn is_idle(&self) -> bool {
        self.turn.try_lock().is_ok()
    }

    fn life(&self) -> MutexGuard<'_, Life> {
        self.life.lock().expect("no holder of this lock panics")
    }

    /// Its process, if it runs.
    pub(super) async fn process(&self) -> Option<Process> {
        if !self.life().is_known {
            let found = RunningService::find(&self.mark, GATEWAY_WORD).await;
            let mut life = self.life();
            if !life.is_known {
                life.is_known = true;
                if life.service.is_none()
                    && let Some(found) = found
                {
                    life.since = found
                        .started_secs()
                        .and_then(|secs| Timestamp::from_second(i64::try_from(secs).ok()?).ok());
                    life.failed = None;
                    life.service = Some(found);
                }
            }
        }
        let mut life = self.life();
        let ended = life.service.as_mut()?.ended();
        match ended {
            None => life.service.as_ref().map(|service| Process {
                pid: service.pid(),
                since: life.since,
            }),
            Some(ended) => {
                life.service = None;
                life.since = None;
                life.failed = Some(said(ended));
                life.ended = Some(ended);
                None
            }
        }
    }

    /// Something was begun that may be broken off in the middle: what runs is to be looked for.
    pub(super) fn begin(&self) {
        self.life().is_known = false;
    }

    pub(super) fn started(&self, service: RunningService) {
        let mut life = self.life();
        *life = Life {
            is_known: true,
            service: Some(service),
            since: Some(Timestamp::now()),
            ..Life::default()
        };
    }

    /// Takes the process, to end it.
    pub(super) fn take(&self) -> Option<RunningService> {
        let mut life = self.life();
        life.is_known = false;
        life.since = None;
        life.failed = None;
        life.service.take()
    }

    /// Nothing of it runs, and that is known.
    pub(super) fn is_stopped(&self) {
        *self.life() = Life {
            is_known: true,
            ..Life::default()
        };
    }

    /// How it ended, where nobody ended it.
    pub(super) fn failed(&self) -> Option<String> {
        self.life().failed.clone()
    }

    pub(super) fn ended_with(&self) -> Option<Ended> {
        self.life().ended
    }

    pub(super) fn fail(&self, reason: String) {
        self.life().failed = Some(reason);
    }

    /// Lets whoever starts it give way, until this is dropped.
    pub(super) fn stop_wish(&self) -> StopWish<'_> {
        self.stops.send_modify(|count| *count += 1);
        StopWish(self)
    }

    /// Waits until somebody wants to stop it.
    pub(super) async fn stop_wished(&self) {
        let mut stops = self.stops.subscribe();
        // The slot lives as long as this.
        let _alive = stops.wait_for(|count| *count > 0).await;
    }

    pub(super) fn mark(&self) -> &ServiceMark {
        &self.mark
    }
}

/// The turn of one operation on an agent. What it lets go on beside itself, on the disk or with a process, has a clone:
/// when the operation is broken off the next one begins only after that has ended.
#[derive(Clone)]
pub(super) struct Turn {
    slot: Arc<Slot>,
    _held: Arc<OwnedMutexGuard<()>>,
}

impl Deref for Turn {
    type Target = Slot;

    fn deref(&self) -> &Slot {
        &self.slot
    }
}

pub(super) struct StopWish<'a>(&'a Slot);

impl Drop for StopWish<'_> {
    fn drop(&mut self) {
        self.0.stops.send_modify(|count| *count = count.saturating_sub(1));
    }
}

/// How it ended, for people.
pub(super) fn said(ended: Ended) -> String {
    use std::os::unix::process::ExitStatusExt;
    match ended {
        Ended::Told(status) => match (status.code(), status.signal()) {
            (Some(code), _) => format!("it ended with exit code {code}"),
            (None, Some(signal)) => format!("it was ended by signal {signal}"),
            (None, None) => "it is gone".to_owned(),
        },
        Ended::Unknown => "it is gone".to_owned(),
    }
}

/// What a gateway said last, without secrets.
pub(super) fn last_words(path: &Path, from: u64, redaction: &Redaction) -> String {
    let printed = log::printed(path, from).unwrap_or_default();
    // Before it is cut: half a secret is not known for one.
    let printed = redaction.apply(&printed);
    let lines: Vec<&str> = printed.lines().filter(|line| !line.trim().is_empty()).collect();
    shown(&lines[lines.len().saturating_sub(LAST_WORDS_MAX)..].join("\n"))
}

/// How long a stop waits for what it asked the gateway before.
pub(super) const ABORT_WAIT: Duration = Duration::from_secs(5);
