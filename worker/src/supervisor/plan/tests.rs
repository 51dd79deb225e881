use std::time::Duration;

use creel_core::host_api::AgentState;
use creel_core::status::DesiredState;
use serde_json::json;

use super::runaway::SAMPLES_MAX;
use super::*;
use crate::backend::{AgentLimits, Observed, Running};

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
