//! What to do about an agent next: pure, so that each life of it can be tried in a test.

use std::collections::VecDeque;
use std::time::Duration;

use creel_core::host_api::AgentState;
use creel_core::status::DesiredState;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::backend::{AgentLimits, Observed};

/// How long everything may take, and how often it may fail.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// More than this above what is allowed is no peak any more: a turn with a tool seldom takes as long.
    pub grace: Duration,
    /// Samples that are further apart say nothing of the time between.
    pub sample_gap: Duration,
    /// A gateway waits for running turns, up to 315 s, before it restarts itself.
    pub not_ready: Duration,
    /// The pause after the first failure; it doubles with each.
    pub first_pause: Duration,
    /// The longest pause.
    pub last_pause: Duration,
    /// Failures are counted for this long.
    pub window: Duration,
    /// So many of them in the window are too many.
    pub failures: usize,
    /// Ready for so long, what was before is forgotten.
    pub stable: Duration,
}

impl Limits {
    /// What a worker does.
    pub const USUAL: Self = Self {
        grace: Duration::from_secs(60),
        sample_gap: Duration::from_secs(30),
        not_ready: Duration::from_secs(400),
        first_pause: Duration::from_secs(1),
        last_pause: Duration::from_secs(60),
        window: Duration::from_secs(600),
        failures: 5,
        stable: Duration::from_secs(300),
    };

    fn pause(&self, failures: usize) -> Duration {
        let doublings = u32::try_from(failures.saturating_sub(1))
            .unwrap_or(u32::MAX)
            .min(16);
        (self.first_pause * 2_u32.pow(doublings)).min(self.last_pause)
    }
}

/// Where an agent stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Nobody has looked yet.
    Unknown,
    /// It does not run, and is not to.
    Stopped,
    /// It runs and is not ready yet, or not any more.
    Starting,
    /// It is ready.
    Running,
    /// It ended, and is started again after a pause.
    BackingOff,
    /// It is to run, and is not started again before a person says so.
    Held,
}

/// Why an agent that is to run is not started again before a person says so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// What happened.
    pub why: Why,
    /// The same for people, with what to do.
    pub note: String,
}

/// What happened to an agent that is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// It failed too often.
    GivenUp,
    /// It used more than it may.
    LimitExceeded,
    /// A command could not start it.
    NotStarted,
    /// It was to be stopped, and that did not come to its end.
    NotStopped,
}

/// What is remembered of an agent from pass to pass. Times are counted from when the worker began.
#[derive(Debug, Clone, PartialEq)]
pub struct Life {
    /// Where it stands.
    pub phase: Phase,
    /// Since when.
    since: Duration,
    /// Until when it is waited.
    until: Duration,
    /// When it failed.
    failures: VecDeque<Duration>,
    /// How often it was started again since a person last said something.
    pub restarts: u32,
    /// Since when it has used more than it may.
    over: Option<Over>,
    /// Why it is not started again.
    pub hold: Option<Hold>,
    /// What is wrong with it, for people.
    reason: String,
}

impl Life {
    /// One that nobody has looked at yet, and which may be held since before the worker began.
    pub fn new(hold: Option<Hold>) -> Self {
        Self {
            phase: Phase::Unknown,
            since: Duration::ZERO,
            until: Duration::ZERO,
            failures: VecDeque::new(),
            restarts: 0,
            over: None,
            hold,
            reason: String::new(),
        }
    }
}

impl Life {
    /// One that a command has just started.
    pub fn running() -> Self {
        Self {
            phase: Phase::Running,
            ..Self::new(None)
        }
    }
}

/// What an agent uses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Sample {
    /// Of one processor; none before there are two samples.
    pub cpu_percent: Option<f64>,
    /// Memory of all its processes.
    pub ram_mb: f64,
    /// Size of its folder; none before it was measured.
    pub disk_mb: Option<f64>,
}

/// What an agent has too much of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource {
    /// Time on the processors.
    Cpu,
    /// Memory.
    Ram,
    /// Room on the disk.
    Disk,
}

impl Resource {
    /// The key in the agent's limits.
    pub const fn limit_key(self) -> &'static str {
        match self {
            Self::Cpu => "cpu_percent",
            Self::Ram => "ram_mb",
            Self::Disk => "disk_mb",
        }
    }

    fn said(self, amount: f64) -> String {
        match self {
            Self::Cpu => format!("{amount:.0} % of a processor"),
            Self::Ram => format!("{amount:.0} MB of memory"),
            Self::Disk => format!("{amount:.0} MB of disk"),
        }
    }
}

/// One that uses more than it may, and the samples that say so.
#[derive(Debug, Clone, PartialEq)]
struct Over {
    resource: Resource,
    limit: f64,
    samples: VecDeque<(Duration, Sample)>,
}

/// The most samples that an event has: those of the grace, and some.
const SAMPLES_MAX: usize = 20;

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
struct Next<'a> {
    life: Life,
    seen: &'a Seen,
    limits: &'a Limits,
}

impl Next<'_> {
    fn enter(mut self, phase: Phase) -> Self {
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

    fn and(self, act: Act, news: Option<News>) -> Plan {
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

    /// Looks at what it uses. Answers only when it has used too much for too long.
    fn count_sample(&mut self) -> Option<Plan> {
        let (now, sample) = (self.seen.now, self.seen.sample?);
        let Some((resource, limit, _)) = exceeded(&sample, &self.seen.limits) else {
            self.life.over = None;
            return None;
        };
        let gap = self.limits.sample_gap;
        let follows = |over: &Over| {
            let last = over.samples.back().map(|(at, _)| *at);
            last.is_some_and(|last| now.saturating_sub(last) <= gap)
        };
        let over = self.life.over.take().filter(follows);
        // Whichever it has too much of: there was no sample without.
        let mut over = over.unwrap_or_else(|| Over {
            resource,
            limit,
            samples: VecDeque::new(),
        });
        (over.resource, over.limit) = (resource, limit);
        over.samples.push_back((now, sample));
        if over.samples.len() > SAMPLES_MAX {
            // The first says since when.
            over.samples.remove(1);
        }
        let since = over.samples.front().map_or(now, |(at, _)| *at);
        self.life.over = Some(over);
        (now.saturating_sub(since) >= self.limits.grace).then(|| self.stop_runaway())
    }

    fn stop_runaway(&mut self) -> Plan {
        let over = self.life.over.take().expect("it was counted just now");
        let amounts = over
            .samples
            .iter()
            .filter_map(|(_, sample)| amount(sample, over.resource));
        let most = amounts.fold(0.0, f64::max);
        let since = over.samples.front().map_or(self.seen.now, |(at, _)| *at);
        let samples = over.samples.iter().map(|(at, sample)| {
            let round = |value: f64| (value * 10.0).round() / 10.0;
            json!({
                "secs": at.saturating_sub(since).as_secs(),
                "cpu_percent": sample.cpu_percent.map(round),
                "ram_mb": round(sample.ram_mb),
                "disk_mb": sample.disk_mb.map(round),
            })
        });
        let news = News::LimitExceeded {
            resource: over.resource,
            limit: over.limit,
            samples: samples.collect(),
        };
        self.life.hold = Some(Hold {
            why: Why::LimitExceeded,
            note: format!(
                "stopped: for {} s it used up to {}, and may use {}; raise its limit or find out what it does, then \
                 start it again",
                self.seen.now.saturating_sub(since).as_secs(),
                over.resource.said(most),
                over.resource.said(over.limit)
            ),
        });
        let next = Next {
            life: self.life.clone(),
            seen: self.seen,
            limits: self.limits,
        };
        next.enter(Phase::Held).and(Act::Stop, Some(news))
    }
}

fn amount(sample: &Sample, resource: Resource) -> Option<f64> {
    match resource {
        Resource::Cpu => sample.cpu_percent,
        Resource::Ram => Some(sample.ram_mb),
        Resource::Disk => sample.disk_mb,
    }
}

/// The first thing that it uses too much of, with the limit and what it uses.
fn exceeded(sample: &Sample, limits: &AgentLimits) -> Option<(Resource, f64, f64)> {
    let limits = [
        (Resource::Cpu, limits.cpu_percent),
        (Resource::Ram, limits.ram_mb),
        (Resource::Disk, limits.disk_mb),
    ];
    limits.into_iter().find_map(|(resource, limit)| {
        let (limit, used) = (limit?, amount(sample, resource)?);
        (used > limit).then_some((resource, limit, used))
    })
}

/// What a page shows of an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// Running, stopped or starting; error with a note.
    pub state: AgentState,
    /// What is wrong with it, and what to do; none when all is well.
    pub note: Option<String>,
    /// How often it was started again since a person last said something.
    pub restarts: u32,
}

/// What is to be seen of an agent; none before anybody looked.
pub fn plan_shown(life: &Life) -> Option<Shown> {
    let hold = life.hold.as_ref();
    let (state, note) = match life.phase {
        Phase::Unknown => return None,
        Phase::Stopped => (AgentState::Stopped, None),
        Phase::Starting => (
            AgentState::Starting,
            Some(&life.reason).filter(|text| !text.is_empty()).cloned(),
        ),
        Phase::Running => (AgentState::Running, life.over.as_ref().map(over_note)),
        Phase::BackingOff => (
            AgentState::Error,
            Some(format!("{}; it is started again", life.reason)),
        ),
        Phase::Held if hold.is_some_and(|hold| hold.why == Why::LimitExceeded) => {
            (AgentState::Stopped, hold.map(|hold| hold.note.clone()))
        }
        Phase::Held => (AgentState::Error, hold.map(|hold| hold.note.clone())),
    };
    Some(Shown {
        state,
        note,
        restarts: life.restarts,
    })
}

/// It does not say how much, so that it is told once.
fn over_note(over: &Over) -> String {
    format!(
        "it uses more than {}, and is stopped if it goes on",
        over.resource.said(over.limit)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::Running;

    const LIMITS: Limits = Limits::USUAL;

    /// An agent's life in a test: what is seen, some seconds apart.
    struct Story {
        life: Life,
        seen: Seen,
    }

    fn up() -> Observed {
        Observed::Running(Running {
            pid: Some(1),
            port: Some(19_001),
            since: None,
        })
    }

    fn down() -> Observed {
        Observed::Failed {
            reason: "it was ended by signal 9".to_owned(),
        }
    }

    impl Story {
        fn new(hold: Option<Hold>) -> Self {
            let seen = Seen {
                now: Duration::ZERO,
                desired: DesiredState::Running,
                limits: AgentLimits::default(),
                observed: up(),
                sample: None,
                may_start: true,
            };
            Self {
                life: Life::new(hold),
                seen,
            }
        }

        fn pass(&mut self, secs: u64, observed: Observed) -> (Phase, Act, Option<News>) {
            self.seen.now += Duration::from_secs(secs);
            self.seen.observed = observed;
            let plan = plan_supervision(&self.life, &self.seen, &LIMITS);
            self.life = plan.life;
            (self.life.phase, plan.act, plan.news)
        }

        fn uses(&mut self, secs: u64, cpu_percent: f64) -> (Phase, Act, Option<News>) {
            self.seen.sample = Some(Sample {
                cpu_percent: Some(cpu_percent),
                ram_mb: 100.0,
                disk_mb: None,
            });
            self.pass(secs, up())
        }
    }

    #[test]
    fn a_worker_that_restarts_finds_its_agents_and_does_nothing() {
        let mut story = Story::new(None);
        for _ in 0..3 {
            assert_eq!(story.pass(5, up()), (Phase::Running, Act::Wait, None));
        }
        let mut story = Story::new(None);
        let starting = Observed::Starting { pid: Some(1) };
        assert_eq!(story.pass(5, starting), (Phase::Starting, Act::Wait, None));
        assert_eq!(story.pass(5, up()), (Phase::Running, Act::Wait, None));
    }

    #[test]
    fn what_is_to_run_after_a_restart_of_the_host_is_started_once() {
        let mut story = Story::new(None);
        assert_eq!(story.pass(0, down()), (Phase::Starting, Act::Start, None));
        assert_eq!(
            story.pass(10, up()),
            (Phase::Running, Act::Wait, Some(News::Started))
        );
    }

    #[test]
    fn a_crash_is_followed_by_a_restart_after_a_pause_that_grows() {
        let mut story = Story::new(None);
        story.pass(5, up());
        for (restarts, pause) in [(1, 1), (2, 2), (3, 4), (4, 8)] {
            let crashed = News::Crashed {
                reason: "it was ended by signal 9".to_owned(),
                pause: Duration::from_secs(pause),
            };
            assert_eq!(
                story.pass(5, down()),
                (Phase::BackingOff, Act::Wait, Some(crashed))
            );
            assert_eq!(story.pass(0, down()), (Phase::BackingOff, Act::Wait, None));
            assert_eq!(story.pass(pause, down()), (Phase::Starting, Act::Start, None));
            let restarted = Some(News::Restarted { restarts });
            assert_eq!(story.pass(5, up()), (Phase::Running, Act::Wait, restarted));
        }
        assert_eq!(plan_shown(&story.life).map(|shown| shown.restarts), Some(4));
        let (phase, act, news) = story.pass(5, down());
        assert_eq!((phase, act), (Phase::Held, Act::Wait));
        assert!(
            matches!(news, Some(News::GivenUp { failures: 5, .. })),
            "{news:?}"
        );
        assert_eq!(story.pass(1_000, down()), (Phase::Held, Act::Wait, None));
        let shown = plan_shown(&story.life).expect("it is seen");
        assert_eq!(shown.state, AgentState::Error);
        assert!(shown.note.is_some_and(|note| note.contains("start it again")));
    }

    #[test]
    fn what_a_command_started_and_ends_before_anybody_looked_has_crashed() {
        let mut story = Story::new(None);
        story.life = Life::running();
        let (phase, _, news) = story.pass(5, down());
        assert_eq!(phase, Phase::BackingOff);
        assert!(matches!(news, Some(News::Crashed { .. })), "{news:?}");
    }

    #[test]
    fn failures_of_long_ago_are_forgotten() {
        let mut story = Story::new(None);
        for _ in 0..20 {
            story.pass(200, up());
            let (phase, ..) = story.pass(1, down());
            assert_eq!(phase, Phase::BackingOff);
            assert_eq!(story.pass(60, down()).1, Act::Start);
        }
    }

    #[test]
    fn what_is_held_stays_so_for_the_next_worker_until_somebody_says_so() {
        let hold = Hold {
            why: Why::GivenUp,
            note: "it ended".to_owned(),
        };
        let mut story = Story::new(Some(hold));
        assert_eq!(story.pass(5, down()), (Phase::Held, Act::Wait, None));
        // Stopping it made it so.
        story.seen.desired = DesiredState::Stopped;
        assert_eq!(story.pass(5, Observed::Stopped), (Phase::Held, Act::Wait, None));
        story.seen.desired = DesiredState::Running;
        story.life = Life::new(None);
        assert_eq!(story.pass(5, down()).1, Act::Start);
    }

    #[test]
    fn a_worker_that_begins_asks_the_database_before_it_starts_anything() {
        let mut story = Story::new(None);
        story.seen.may_start = false;
        assert_eq!(story.pass(5, down()), (Phase::Unknown, Act::Wait, None));
        assert_eq!(plan_shown(&story.life), None);
        story.seen.may_start = true;
        assert_eq!(story.pass(5, down()).1, Act::Start);
        // What ran while the worker did is another thing.
        let mut story = Story::new(None);
        story.seen.may_start = false;
        story.pass(5, up());
        assert_eq!(story.pass(5, down()).0, Phase::BackingOff);
        assert_eq!(story.pass(5, down()).1, Act::Start);
    }

    #[test]
    fn what_runs_and_is_not_to_is_stopped() {
        let mut story = Story::new(None);
        story.seen.desired = DesiredState::Stopped;
        assert_eq!(
            story.pass(5, up()),
            (Phase::Stopped, Act::Stop, Some(News::Stopped))
        );
        assert_eq!(
            story.pass(5, Observed::Stopped),
            (Phase::Stopped, Act::Wait, None)
        );
    }

    #[test]
    fn a_gateway_that_is_never_ready_again_is_killed() {
        let mut story = Story::new(None);
        story.pass(5, up());
        let busy = || Observed::Starting { pid: Some(1) };
        assert_eq!(story.pass(5, busy()), (Phase::Starting, Act::Wait, None));
        assert_eq!(story.pass(399, busy()).1, Act::Wait);
        let (phase, act, news) = story.pass(1, busy());
        assert_eq!((phase, act), (Phase::BackingOff, Act::Kill));
        assert!(matches!(news, Some(News::Crashed { .. })), "{news:?}");
        // Nobody said that it is not to run.
        assert_eq!(
            story.pass(1, Observed::Stopped),
            (Phase::Starting, Act::Start, None)
        );
    }

    #[test]
    fn a_gateway_that_hangs_again_and_again_is_given_up() {
        let mut story = Story::new(None);
        story.pass(5, up());
        let busy = || Observed::Starting { pid: Some(1) };
        // Longer than any two of its failures are apart.
        let limits = Limits {
            window: Duration::from_secs(10_000),
            ..LIMITS
        };
        let mut pass = |secs, observed| {
            story.seen.now += Duration::from_secs(secs);
            story.seen.observed = observed;
            let plan = plan_supervision(&story.life, &story.seen, &limits);
            story.life = plan.life;
            (story.life.phase, plan.act)
        };
        for _ in 0..4 {
            pass(5, busy());
            assert_eq!(pass(400, busy()), (Phase::BackingOff, Act::Kill));
            assert_eq!(pass(60, Observed::Stopped), (Phase::Starting, Act::Start));
            assert_eq!(pass(10, up()).0, Phase::Running);
        }
        pass(5, busy());
        assert_eq!(pass(400, busy()), (Phase::Held, Act::Kill));
        assert_eq!(pass(5, Observed::Stopped), (Phase::Held, Act::Wait));
    }

    #[test]
    fn what_could_not_be_stopped_is_not_started_again() {
        let hold = Hold {
            why: Why::NotStopped,
            note: "the disk is full".to_owned(),
        };
        let mut story = Story::new(Some(hold));
        // The record could not be written: it says that it is to run.
        assert_eq!(story.pass(5, down()), (Phase::Held, Act::Wait, None));
        assert_eq!(story.pass(5, up()), (Phase::Held, Act::Stop, None));
    }

    #[test]
    fn a_runaway_is_shown_at_once_and_stopped_after_a_minute_with_what_was_seen() {
        let mut story = Story::new(None);
        story.seen.limits.cpu_percent = Some(50.0);
        story.uses(5, 10.0);
        assert_eq!(story.uses(5, 180.0), (Phase::Running, Act::Wait, None));
        let note = plan_shown(&story.life).and_then(|shown| shown.note);
        assert!(
            note.as_ref().is_some_and(|note| note.contains("50 %")),
            "{note:?}"
        );
        for _ in 0..11 {
            assert_eq!(story.uses(5, 190.0), (Phase::Running, Act::Wait, None));
            assert_eq!(plan_shown(&story.life).and_then(|shown| shown.note), note);
        }
        let (phase, act, news) = story.uses(5, 170.0);
        assert_eq!((phase, act), (Phase::Held, Act::Stop));
        let Some(News::LimitExceeded {
            resource,
            limit,
            samples,
        }) = news
        else {
            panic!("{news:?}");
        };
        assert_eq!((resource, limit, samples.len()), (Resource::Cpu, 50.0, 13));
        assert_eq!(
            (&samples[0]["secs"], &samples[12]["secs"]),
            (&json!(0), &json!(60))
        );
        assert_eq!(samples[0]["cpu_percent"], json!(180.0));
        assert!(
            samples
                .iter()
                .all(|sample| sample["cpu_percent"].as_f64() > Some(50.0))
        );
        let shown = plan_shown(&story.life).expect("it is seen");
        assert_eq!(shown.state, AgentState::Stopped);
        assert!(
            shown
                .note
                .is_some_and(|note| note.contains("190 % of a processor"))
        );
        // It is not stopped yet, and not started again when it is.
        assert_eq!(story.pass(5, up()).1, Act::Stop);
        assert_eq!(story.pass(5, down()), (Phase::Held, Act::Wait, None));
    }

    #[test]
    fn a_peak_is_none_of_a_runaways_minute() {
        let mut story = Story::new(None);
        story.seen.limits.cpu_percent = Some(50.0);
        for _ in 0..10 {
            for _ in 0..11 {
                assert_eq!(story.uses(5, 90.0).1, Act::Wait);
            }
            assert_eq!(story.uses(5, 50.0).1, Act::Wait);
        }
        // A machine that slept says nothing of what was used meanwhile.
        story.uses(5, 90.0);
        assert_eq!(story.uses(600, 90.0).1, Act::Wait);
    }

    #[test]
    fn many_samples_are_not_kept_without_end() {
        let mut story = Story::new(None);
        story.seen.limits.ram_mb = Some(50.0);
        let mut news = None;
        for _ in 0..61 {
            news = news.or(story.uses(1, 1.0).2);
        }
        let Some(News::LimitExceeded { samples, .. }) = news else {
            panic!("{news:?}");
        };
        assert_eq!(samples.len(), SAMPLES_MAX);
        assert_eq!(
            (&samples[0]["secs"], &samples[SAMPLES_MAX - 1]["secs"]),
            (&json!(0), &json!(60))
        );
    }
}
