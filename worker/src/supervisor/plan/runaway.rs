//! An agent that uses more than it may for too long.

use std::collections::VecDeque;

use serde_json::json;

use super::life::{Hold, Phase, Why};
use super::sample::{Over, amount, exceeded};
use super::supervision::{Act, News, Next, Plan};

/// The most samples that an event has: those of the grace, and some.
pub(super) const SAMPLES_MAX: usize = 20;

impl Next<'_> {
    /// Looks at what it uses. Answers only when it has used too much for too long.
    pub(super) fn count_sample(&mut self) -> Option<Plan> {
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
