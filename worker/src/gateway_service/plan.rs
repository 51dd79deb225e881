//! What to do about the gateway next: pure, so that each life of it can be tried in a test.

use std::collections::VecDeque;
use std::time::Duration;

/// Where the host's gateway stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GatewayState {
    /// There is none, and none can be started before the configuration changes.
    Absent,
    /// One answers that this worker did not start: a person's, launchd's. It is left alone.
    SomebodyElses,
    /// Ours runs and is not ready yet, or not any more.
    Starting,
    /// Ours says that it is ready.
    Ready,
    /// Ours ended, and is started again after a pause.
    BackingOff,
    /// Ours ended too often; it is started again when the configuration changes.
    GivenUp,
}

impl GatewayState {
    /// All states.
    pub const ALL: &'static [Self] = &[
        Self::Absent,
        Self::SomebodyElses,
        Self::Starting,
        Self::Ready,
        Self::BackingOff,
        Self::GivenUp,
    ];

    /// The word for pages and programs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::SomebodyElses => "somebody_elses",
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::BackingOff => "backing_off",
            Self::GivenUp => "given_up",
        }
    }
}

/// How long everything may take, and how often it may fail.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// From the start to ready: 8 to 26 s when all is well, and more than a minute on a machine that is overloaded.
    /// Whoever kills it there only adds to the load.
    pub(super) start: Duration,
    /// From ready to ready again: it waits for running turns, up to 315 s, before it restarts itself.
    pub(super) restart: Duration,
    /// Whoever kept another gateway running may be restarting it.
    pub(super) take_over: Duration,
    /// The pause after the first failure; it doubles with each.
    pub(super) first_pause: Duration,
    /// The longest pause.
    pub(super) last_pause: Duration,
    /// The shortest pause where the configuration is in trouble: starting again does not mend it.
    pub(super) config_pause: Duration,
    /// Failures are counted for this long.
    pub(super) window: Duration,
    /// So many of them in the window are too many.
    pub(super) failures: usize,
    /// Ready for so long, what was before is forgotten.
    pub(super) stable: Duration,
}

impl Limits {
    pub(super) const USUAL: Self = Self {
        start: Duration::from_secs(300),
        restart: Duration::from_secs(400),
        take_over: Duration::from_secs(30),
        first_pause: Duration::from_secs(1),
        last_pause: Duration::from_secs(60),
        config_pause: Duration::from_secs(10),
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

/// What is remembered from pass to pass. Times are counted from when the worker began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Life {
    /// Where it stands.
    pub(super) state: GatewayState,
    /// Since when.
    since: Duration,
    /// What the state waits for: to be ready, or to be started.
    until: Duration,
    /// When ours failed; a failure by its configuration counts twice.
    failures: VecDeque<Duration>,
    /// The configuration with which it was given up.
    given_up_with: u64,
    /// How often in a row somebody else was in the way.
    waits: usize,
}

impl Life {
    pub(super) fn new() -> Self {
        Self {
            state: GatewayState::Absent,
            since: Duration::ZERO,
            until: Duration::ZERO,
            failures: VecDeque::new(),
            given_up_with: 0,
            waits: 0,
        }
    }
}

/// What answers on the gateway's port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// A gateway that is ready.
    Ready,
    /// A gateway that is not.
    NotReady,
    /// Something else.
    Stranger,
    /// Nothing.
    Silent,
}

/// How ours is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ours {
    /// There is none.
    None,
    /// It runs.
    Running,
    /// It ended since the last pass, or could not be started.
    Failed(Failed),
}

/// How ours failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failed {
    /// With this exit code.
    Exit(i32),
    /// By this signal.
    Signal(i32),
    /// Nobody knows how: an earlier worker started it.
    Vanished,
    /// It did not start.
    NotStarted,
    /// It was not ready in time, and was killed.
    NotReady,
    /// Another program has its port.
    PortTaken,
    /// Another OpenClaw, such as a person's command, has its state for a while.
    Busy,
}

/// OpenClaw's exit code for a configuration that it does not start with.
pub(crate) const EXIT_CONFIG: i32 = 78;

impl Failed {
    fn is_by_configuration(self) -> bool {
        self == Self::Exit(EXIT_CONFIG)
    }

    /// Whether it goes away when somebody else ends, which is waited for as long as it takes.
    fn is_by_somebody_else(self) -> bool {
        matches!(self, Self::Busy | Self::PortTaken)
    }

    /// How often it counts: what only a person can mend is given up sooner.
    fn weight(self) -> usize {
        if self.is_by_configuration() { 2 } else { 1 }
    }
}

/// What one pass saw.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen {
    /// Now.
    pub(super) now: Duration,
    /// What answers on the port.
    pub(super) answer: Answer,
    /// How ours is.
    pub(super) ours: Ours,
    /// Which configuration there is: another number for another content.
    pub(super) config: u64,
    /// Whether it has what a gateway needs.
    pub(super) is_startable: bool,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    /// Nothing.
    Wait,
    /// Start ours.
    Start,
    /// Kill ours; it counts as failed.
    Kill,
    /// See whether the configuration is damaged, and put the last good one back.
    MendConfig,
}

/// What to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum News {
    /// Ours is ready, having been started by this worker or an earlier one.
    Started,
    /// Ours failed, and is started again after this pause.
    Failed(Failed, Duration),
    /// Ours failed too often.
    GivenUp(Failed, usize),
}

/// What comes of a pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Plan {
    /// To be remembered.
    pub(super) life: Life,
    /// To be done.
    pub(super) act: Act,
    /// To be told.
    pub(super) news: Option<News>,
}

/// What to do next.
pub(super) fn plan_pass(life: &Life, seen: &Seen, limits: &Limits) -> Plan {
    use GatewayState as S;
    let mut next = Next {
        life: life.clone(),
        seen,
        limits,
    };
    match (seen.ours, seen.answer, life.state) {
        (Ours::Failed(how), ..) => next.failed(how),
        (Ours::Running, Answer::Ready, S::Ready) => {
            if seen.now.saturating_sub(life.since) >= limits.stable {
                next.life.failures.clear();
            }
            next.wait()
        }
        (Ours::Running, Answer::Ready, _) => {
            let news = (life.state == S::Starting).then_some(News::Started);
            next.life.waits = 0;
            next.enter(S::Ready, Duration::ZERO).and(Act::Wait, news)
        }
        (Ours::Running, _, S::Ready) => next.enter(S::Starting, limits.restart).wait(),
        (Ours::Running, _, S::Starting) if seen.now >= life.until => next.and(Act::Kill, None),
        (Ours::Running, _, S::Starting) => next.wait(),
        // An earlier worker started it.
        (Ours::Running, ..) => next.enter(S::Starting, limits.start).wait(),

        (Ours::None, Answer::Ready | Answer::NotReady, S::SomebodyElses) => next.wait(),
        (Ours::None, Answer::Ready | Answer::NotReady, _) => {
            next.life.failures.clear();
            next.enter(S::SomebodyElses, Duration::ZERO).wait()
        }
        (Ours::None, _, S::SomebodyElses) => next.enter(S::BackingOff, limits.take_over).wait(),
        (Ours::None, _, S::GivenUp) if seen.config == life.given_up_with => next.wait(),
        (Ours::None, _, S::BackingOff) if seen.now < life.until => next.wait(),
        (Ours::None, ..) if !seen.is_startable => match life.state {
            S::Absent => next.wait(),
            _ => next.enter(S::Absent, Duration::ZERO).wait(),
        },
        (Ours::None, Answer::Stranger, _) => next.failed(Failed::PortTaken),
        (Ours::None, Answer::Silent, state) => {
            if state == S::GivenUp {
                next.life.failures.clear();
            }
            next.enter(S::Starting, limits.start).and(Act::Start, None)
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
    /// Goes into a state, for this long at most or at least.
    fn enter(mut self, state: GatewayState, lasts: Duration) -> Self {
        self.life.state = state;
        self.life.since = self.seen.now;
        self.life.until = self.seen.now + lasts;
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

    /// Somebody else is in the way: that is told once, and looked at more and more rarely.
    fn waits_for_somebody(mut self, how: Failed) -> Plan {
        self.life.waits += 1;
        let waits = self.life.waits;
        let pause = self.limits.pause(waits).max(self.limits.config_pause);
        let next = self.enter(GatewayState::BackingOff, pause);
        next.and(Act::Wait, (waits == 1).then_some(News::Failed(how, pause)))
    }

    fn failed(mut self, how: Failed) -> Plan {
        if how.is_by_somebody_else() {
            return self.waits_for_somebody(how);
        }
        self.life.waits = 0;
        let (now, limits) = (self.seen.now, self.limits);
        let failures = &mut self.life.failures;
        failures.retain(|at| now.saturating_sub(*at) < limits.window);
        failures.extend(std::iter::repeat_n(now, how.weight()));
        let count = failures.len();
        let act = if how.is_by_configuration() {
            Act::MendConfig
        } else {
            Act::Wait
        };
        if count >= limits.failures {
            self.life.given_up_with = self.seen.config;
            let next = self.enter(GatewayState::GivenUp, Duration::ZERO);
            return next.and(act, Some(News::GivenUp(how, count)));
        }
        let pause = limits.pause(count);
        let pause = match how {
            Failed::Exit(EXIT_CONFIG) => pause.max(limits.config_pause),
            _ => pause,
        };
        let next = self.enter(GatewayState::BackingOff, pause);
        next.and(act, Some(News::Failed(how, pause)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits::USUAL;

    /// A gateway's life in a test: what is seen, second by second.
    struct Story {
        life: Life,
        seen: Seen,
    }

    impl Story {
        fn new() -> Self {
            let seen = Seen {
                now: Duration::ZERO,
                answer: Answer::Silent,
                ours: Ours::None,
                config: 1,
                is_startable: true,
            };
            Self {
                life: Life::new(),
                seen,
            }
        }

        fn pass(&mut self, secs: u64, ours: Ours, answer: Answer) -> (GatewayState, Act, Option<News>) {
            self.seen.now += Duration::from_secs(secs);
            (self.seen.ours, self.seen.answer) = (ours, answer);
            let plan = plan_pass(&self.life, &self.seen, &LIMITS);
            self.life = plan.life;
            (self.life.state, plan.act, plan.news)
        }

        /// One that runs and is ready.
        fn ready() -> Self {
            let mut story = Self::new();
            assert_eq!(
                story.pass(0, Ours::None, Answer::Silent),
                (GatewayState::Starting, Act::Start, None)
            );
            assert_eq!(
                story.pass(8, Ours::Running, Answer::Ready),
                (GatewayState::Ready, Act::Wait, Some(News::Started))
            );
            story
        }
    }

    #[test]
    fn it_is_started_once_and_told_of_when_it_is_ready() {
        let mut story = Story::ready();
        for _ in 0..3 {
            let seen = story.pass(1, Ours::Running, Answer::Ready);
            assert_eq!(seen, (GatewayState::Ready, Act::Wait, None));
        }
    }

    #[test]
    fn somebody_elses_is_left_alone_and_followed_after_a_while() {
        let mut story = Story::new();
        for answer in [Answer::Ready, Answer::NotReady, Answer::Ready] {
            let seen = story.pass(1, Ours::None, answer);
            assert_eq!(seen, (GatewayState::SomebodyElses, Act::Wait, None));
        }
        let wait = (GatewayState::BackingOff, Act::Wait, None);
        assert_eq!(story.pass(1, Ours::None, Answer::Silent), wait);
        assert_eq!(story.pass(29, Ours::None, Answer::Silent), wait);
        let back = story.pass(0, Ours::None, Answer::NotReady);
        assert_eq!(back.0, GatewayState::SomebodyElses, "launchd restarted it");
        story.pass(1, Ours::None, Answer::Silent);
        assert_eq!(story.pass(30, Ours::None, Answer::Silent).1, Act::Start);
    }

    #[test]
    fn one_of_a_former_life_is_taken_up_again() {
        let mut story = Story::new();
        let seen = story.pass(0, Ours::Running, Answer::Ready);
        assert_eq!(
            seen,
            (GatewayState::Ready, Act::Wait, None),
            "no news: it was not started"
        );
        let mut story = Story::new();
        assert_eq!(
            story.pass(0, Ours::Running, Answer::Silent).0,
            GatewayState::Starting
        );
        assert_eq!(story.pass(5, Ours::Running, Answer::Ready).0, GatewayState::Ready);
    }

    #[test]
    fn what_ends_is_started_again_after_growing_pauses() {
        let mut story = Story::ready();
        let killed = Failed::Signal(9);
        let pauses = [1, 2, 4, 8];
        for pause in pauses {
            let (state, act, news) = story.pass(1, Ours::Failed(killed), Answer::Silent);
            assert_eq!((state, act), (GatewayState::BackingOff, Act::Wait));
            assert_eq!(news, Some(News::Failed(killed, Duration::from_secs(pause))));
            let early = story.pass(pause - 1, Ours::None, Answer::Silent);
            assert_eq!(early.1, Act::Wait);
            assert_eq!(story.pass(1, Ours::None, Answer::Silent).1, Act::Start);
        }
    }

    #[test]
    fn too_many_failures_are_given_up_until_the_configuration_changes() {
        let mut story = Story::ready();
        for _ in 0..4 {
            story.pass(1, Ours::Failed(Failed::Exit(1)), Answer::Silent);
            assert_eq!(story.pass(60, Ours::None, Answer::Silent).1, Act::Start);
        }
        let (state, act, news) = story.pass(1, Ours::Failed(Failed::Exit(1)), Answer::Silent);
        assert_eq!((state, act), (GatewayState::GivenUp, Act::Wait));
        assert_eq!(news, Some(News::GivenUp(Failed::Exit(1), 5)));
        let seen = story.pass(100_000, Ours::None, Answer::Silent);
        assert_eq!(seen, (GatewayState::GivenUp, Act::Wait, None));
        story.seen.config = 2;
        assert_eq!(story.pass(1, Ours::None, Answer::Silent).1, Act::Start);
        let (state, ..) = story.pass(1, Ours::Failed(Failed::Exit(1)), Answer::Silent);
        assert_eq!(state, GatewayState::BackingOff, "it begins anew");
    }

    #[test]
    fn failures_long_ago_and_before_a_long_good_time_do_not_count() {
        let mut story = Story::ready();
        for _ in 0..20 {
            let (state, ..) = story.pass(400, Ours::Failed(Failed::Exit(1)), Answer::Silent);
            assert_eq!(state, GatewayState::BackingOff);
            story.pass(60, Ours::None, Answer::Silent);
        }
        let mut story = Story::ready();
        for _ in 0..20 {
            let (state, ..) = story.pass(1, Ours::Failed(Failed::Exit(1)), Answer::Silent);
            assert_eq!(state, GatewayState::BackingOff);
            story.pass(60, Ours::None, Answer::Silent);
            story.pass(8, Ours::Running, Answer::Ready);
            story.pass(300, Ours::Running, Answer::Ready);
        }
    }

    #[test]
    fn trouble_with_the_configuration_is_looked_into_and_given_up_sooner() {
        let mut story = Story::new();
        let config = Ours::Failed(Failed::Exit(78));
        for _ in 0..2 {
            story.pass(60, Ours::None, Answer::Silent);
            let (state, act, news) = story.pass(1, config, Answer::Silent);
            assert_eq!((state, act), (GatewayState::BackingOff, Act::MendConfig));
            let Some(News::Failed(_, pause)) = news else {
                panic!("{news:?}")
            };
            assert!(pause >= LIMITS.config_pause, "{pause:?}");
        }
        story.pass(60, Ours::None, Answer::Silent);
        let (state, act, _) = story.pass(1, config, Answer::Silent);
        assert_eq!((state, act), (GatewayState::GivenUp, Act::MendConfig));
    }

    #[test]
    fn what_does_not_get_ready_is_killed_and_counts_as_failed() {
        let mut story = Story::new();
        story.pass(0, Ours::None, Answer::Silent);
        assert_eq!(story.pass(299, Ours::Running, Answer::NotReady).1, Act::Wait);
        assert_eq!(story.pass(1, Ours::Running, Answer::NotReady).1, Act::Kill);
        let (state, ..) = story.pass(1, Ours::Failed(Failed::NotReady), Answer::Silent);
        assert_eq!(state, GatewayState::BackingOff);
        // One that was ready drains, or restarts itself, and has more time.
        let mut story = Story::ready();
        assert_eq!(
            story.pass(1, Ours::Running, Answer::NotReady).0,
            GatewayState::Starting
        );
        assert_eq!(story.pass(399, Ours::Running, Answer::Silent).1, Act::Wait);
        assert_eq!(story.pass(1, Ours::Running, Answer::Silent).1, Act::Kill);
    }

    #[test]
    fn nothing_is_started_where_the_configuration_has_no_gateway_or_the_port_is_taken() {
        let mut story = Story::new();
        story.seen.is_startable = false;
        for _ in 0..3 {
            let seen = story.pass(100, Ours::None, Answer::Silent);
            assert_eq!(seen, (GatewayState::Absent, Act::Wait, None));
        }
        story.seen.is_startable = true;
        let (state, act, news) = story.pass(1, Ours::None, Answer::Stranger);
        assert_eq!((state, act), (GatewayState::BackingOff, Act::Wait));
        assert!(matches!(news, Some(News::Failed(Failed::PortTaken, _))));
        assert_eq!(story.pass(60, Ours::None, Answer::Silent).1, Act::Start);
    }

    #[test]
    fn somebody_else_in_the_way_is_waited_for_and_told_once() {
        for (ours, answer) in [
            (Ours::Failed(Failed::Busy), Answer::Silent),
            (Ours::None, Answer::Stranger),
        ] {
            let mut story = Story::new();
            let (state, act, news) = story.pass(0, ours, answer);
            assert_eq!((state, act), (GatewayState::BackingOff, Act::Wait));
            assert!(matches!(news, Some(News::Failed(_, pause)) if pause >= LIMITS.config_pause));
            for _ in 0..50 {
                let seen = story.pass(LIMITS.last_pause.as_secs(), ours, answer);
                assert_eq!(seen, (GatewayState::BackingOff, Act::Wait, None));
            }
            let (_, act, _) = story.pass(LIMITS.last_pause.as_secs(), Ours::None, Answer::Silent);
            assert_eq!(act, Act::Start);
            story.pass(8, Ours::Running, Answer::Ready);
            let (_, _, news) = story.pass(1, Ours::Failed(Failed::Busy), Answer::Silent);
            assert!(news.is_some(), "it is news again");
        }
    }
}
