//! What to do next about an agent, from what it was and what is seen.

use std::time::Duration;

use creel_core::status::DesiredState;
use serde_json::Value;

use super::life::{Hold, Life, Limits, Phase, Why};
use super::sample::{Resource, Sample};
use crate::backend::{AgentLimits, Observed};

/// What one pass saw of an agent.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Now.
    pub now: Duration,
    /// What is to be.
    pub desired: DesiredState,
    /// What it may use.
    pub limits: AgentLimits,
    /// How it is.
    pub observed: Observed,
    /// What it uses, if it was measured in this pass.
    pub sample: Option<Sample>,
    /// Whether what did not run when the worker began may be started: the database may know better.
    pub may_start: bool,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Nothing.
    Wait,
    /// Start it.
    Start,
    /// Stop it, with all that it started.
    Stop,
    /// End it at once with all that it started; it is one that is to run, and is started again.
    Kill,
}

/// What to tell.
#[derive(Debug, Clone, PartialEq)]
pub enum News {
    /// It was started without a command, as after a restart of the host, and is ready.
    Started,
    /// It ended by itself, and is started again after this pause.
    Crashed {
        /// How, for people.
        reason: String,
        /// How long that takes.
        pause: Duration,
    },
    /// It was started again, and is ready.
    Restarted {
        /// How often by now.
        restarts: u32,
    },
    /// It failed too often.
    GivenUp {
        /// How, for people.
        reason: String,
        /// How often.
        failures: usize,
    },
    /// It ran, though it was not to, and is stopped.
    Stopped,
    /// It used more than it may, and is stopped.
    LimitExceeded {
        /// Of what.
        resource: Resource,
        /// What it may use.
        limit: f64,
        /// What it used: `{secs, cpu_percent, ram_mb, disk_mb}` each.
        samples: Vec<Value>,
    },
}

/// What comes of a pass.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// To be remembered.
    pub life: Life,
    /// To be done.
    pub act: Act,
    /// To be told.
    pub news: Option<News>,
}

/// What to do next about an agent that nobody else is at work on.
pub fn plan_supervision(life: &Life, seen: &Seen, limits: &Limits) -> Plan {
    let mut next = Next {
        life: life.clone(),
        seen,
        limits,
    };
    let is_up = matches!(seen.observed, Observed::Running(_) | Observed::Starting { .. });
    if let Some(hold) = &life.hold {
        // Whatever is to be: only who says something anew takes the hold away.
        let must_end = matches!(hold.why, Why::LimitExceeded | Why::NotStopped);
        let act = if is_up && must_end { Act::Stop } else { Act::Wait };
        return next.enter(Phase::Held).and(act, None);
    }
    if seen.desired != DesiredState::Running {
        next.life.over = None;
        return match (is_up, life.phase) {
            (true, _) => next.enter(Phase::Stopped).and(Act::Stop, Some(News::Stopped)),
            (false, Phase::Stopped) => next.wait(),
            (false, _) => next.enter(Phase::Stopped).wait(),
        };
    }
    if is_up && let Some(exceeded) = next.count_sample() {
        return exceeded;
    }
    match (&seen.observed, life.phase) {
        (Observed::Running(_), Phase::Running) => {
            if seen.now.saturating_sub(life.since) >= limits.stable {
                next.life.failures.clear();
            }
            next.wait()
        }
        (Observed::Running(_), phase) => {
            // Ready again after it was busy with itself is no news, and neither is what somebody else started.
            let is_ours = phase == Phase::Starting && life.until == Duration::ZERO;
            let news = match life.restarts {
                _ if !is_ours => None,
                0 => Some(News::Started),
                restarts => Some(News::Restarted { restarts }),
            };
            next.life.until = Duration::ZERO;
            next.enter(Phase::Running).and(Act::Wait, news)
        }
        (Observed::Starting { .. }, Phase::Starting) => {
            if life.until != Duration::ZERO && seen.now >= life.until {
                let mut plan = next.failed("it was not ready any more and was killed");
                plan.act = Act::Kill;
                return plan;
            }
            next.wait()
        }
        (Observed::Starting { .. }, _) => {
            next.life.until = seen.now + limits.not_ready;
            next.enter(Phase::Starting).wait()
        }
        (Observed::Failed { reason }, Phase::Running | Phase::Starting) => next.failed(reason),
        (_, Phase::Running | Phase::Starting) => next.failed("it is gone"),
        (_, Phase::BackingOff) if seen.now < life.until => next.wait(),
        (_, Phase::BackingOff) => {
            next.life.restarts += 1;
            next.life.until = Duration::ZERO;
            next.enter(Phase::Starting).and(Act::Start, None)
        }
        (_, Phase::Unknown) if !seen.may_start => next.wait(),
        // Held before, and somebody says something about it just now.
        (_, Phase::Unknown | Phase::Stopped | Phase::Held) => {
            next.life.until = Duration::ZERO;
            next.enter(Phase::Starting).and(Act::Start, None)
        }
    }
}

/// A plan that is being made.
pub(super) struct Next<'a> {
    pub(super) life: Life,
    pub(super) seen: &'a Seen,
    pub(super) limits: &'a Limits,
}

impl Next<'_> {
    pub(super) fn enter(mut self, phase: Phase) -> Self {
        if self.life.phase != phase {
            self.life.phase = phase;
            self.life.since = self.seen.now;
        }
        if matches!(phase, Phase::Running | Phase::Stopped) {
            self.life.reason.clear();
        }
        self
    }

    fn wait(self) -> Plan {
        self.and(Act::Wait, None)
    }

    pub(super) fn and(self, act: Act, news: Option<News>) -> Plan {
        Plan {
            life: self.life,
            act,
            news,
        }
    }

    fn failed(mut self, reason: &str) -> Plan {
        let (now, limits) = (self.seen.now, self.limits);
        self.life.over = None;
        let failures = &mut self.life.failures;
        failures.retain(|at| now.saturating_sub(*at) < limits.window);
        failures.push_back(now);
        let count = failures.len();
        let reason = reason.to_owned();
        if count >= limits.failures {
            self.life.hold = Some(Hold {
                why: Why::GivenUp,
                note: format!(
                    "{reason}; given up after {count} failures: see its log, then start it again or give it another \
                     configuration"
                ),
            });
            self.life.failures.clear();
            let news = News::GivenUp {
                reason,
                failures: count,
            };
            return self.enter(Phase::Held).and(Act::Wait, Some(news));
        }
        let pause = limits.pause(count);
        self.life.until = now + pause;
        self.life.reason.clone_from(&reason);
        let next = self.enter(Phase::BackingOff);
        next.and(Act::Wait, Some(News::Crashed { reason, pause }))
    }
}
