//! How the agents are and what they use, until a tick has told it.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use creel_core::host_api::AgentReport;
use serde_json::{Value, json};
use tokio::sync::Notify;
use uuid::Uuid;

/// What has not changed is told again after this: a page shows since when a figure is known.
const SAME_METRICS_EVERY: Duration = Duration::from_secs(60);

/// The least change of the use of a processor that is news, in percent of one.
const CPU_NEWS_PERCENT: f64 = 5.0;

/// The least change of memory or disk that is news.
const SIZE_NEWS_MB: f64 = 16.0;

/// The database takes no more agents with one tick; the next one tells the others.
const NEWS_MAX: usize = 1_000;

/// What an agent uses, as a tick tells it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AgentMetrics {
    /// The agent's row.
    pub agent_id: Uuid,
    /// Of one processor.
    pub cpu_percent: f64,
    /// Memory of all its processes.
    pub ram_mb: f64,
    /// Size of its folder; none before it was measured.
    pub disk_mb: Option<f64>,
    /// How long it has been running.
    pub uptime_secs: u64,
}

impl AgentMetrics {
    fn is_news_after(&self, told: &Self) -> bool {
        let moved = |one: f64, other: f64, least: f64| (one - other).abs() >= least;
        moved(self.cpu_percent, told.cpu_percent, CPU_NEWS_PERCENT)
            || moved(self.ram_mb, told.ram_mb, SIZE_NEWS_MB)
            || match (self.disk_mb, told.disk_mb) {
                (Some(one), Some(other)) => moved(one, other, SIZE_NEWS_MB),
                (one, other) => one.is_some() != other.is_some(),
            }
            || self.uptime_secs < told.uptime_secs
    }

    fn to_value(self) -> Value {
        let round = |value: f64| (value * 10.0).round() / 10.0;
        json!({
            "agent_id": self.agent_id,
            "cpu_percent": round(self.cpu_percent),
            "ram_mb": self.ram_mb.round(),
            "disk_mb": self.disk_mb.map(f64::round),
            "uptime_secs": self.uptime_secs,
        })
    }
}

/// What the ticks tell of agents.
#[derive(Debug, Default)]
pub struct AgentReports {
    inner: Mutex<Inner>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    now: HashMap<Uuid, AgentReport>,
    told: HashMap<Uuid, AgentReport>,
    metrics: HashMap<Uuid, AgentMetrics>,
    told_metrics: HashMap<Uuid, (Instant, AgentMetrics)>,
}

/// What one tick tells.
#[derive(Debug, Default)]
pub(crate) struct AgentNews {
    /// Those that changed.
    pub(crate) reports: Vec<AgentReport>,
    /// What is used.
    pub(crate) metrics: Vec<AgentMetrics>,
}

impl AgentNews {
    /// The same as a tick has it.
    pub(crate) fn metric_values(&self) -> Vec<Value> {
        self.metrics.iter().map(|metrics| metrics.to_value()).collect()
    }
}

impl AgentReports {
    /// An agent is so.
    pub fn report(&self, report: AgentReport) {
        let mut inner = self.inner();
        if inner.now.get(&report.agent_id) != Some(&report) {
            inner.now.insert(report.agent_id, report);
            drop(inner);
            self.changed.notify_one();
        }
    }

    /// The database has been told by another way how an agent is; what comes next is told even if it is as before.
    pub(crate) fn forget(&self, agent_id: Uuid) {
        let mut inner = self.inner();
        inner.now.remove(&agent_id);
        inner.told.remove(&agent_id);
        inner.told_metrics.remove(&agent_id);
    }

    /// What all agents use now; of the others nothing is told any more.
    pub(crate) fn measured(&self, metrics: Vec<AgentMetrics>) {
        let metrics = metrics.into_iter().map(|metrics| (metrics.agent_id, metrics));
        self.inner().metrics = metrics.collect();
    }

    /// How an agent is.
    pub fn of(&self, agent_id: Uuid) -> Option<AgentReport> {
        self.inner().now.get(&agent_id).cloned()
    }

    /// What a tick is to tell. It stays until [`AgentReports::were_told`].
    pub(crate) fn news(&self) -> AgentNews {
        let inner = self.inner();
        let is_news = |report: &&AgentReport| inner.told.get(&report.agent_id) != Some(report);
        let is_due = |metrics: &&AgentMetrics| {
            let told = inner.told_metrics.get(&metrics.agent_id);
            told.is_none_or(|(at, told)| at.elapsed() >= SAME_METRICS_EVERY || metrics.is_news_after(told))
        };
        let reports = inner.now.values().filter(is_news).take(NEWS_MAX);
        let metrics = inner.metrics.values().filter(is_due).take(NEWS_MAX);
        AgentNews {
            reports: reports.cloned().collect(),
            metrics: metrics.copied().collect(),
        }
    }

    /// A tick has told these.
    pub(crate) fn were_told(&self, news: AgentNews) {
        let mut inner = self.inner();
        for report in news.reports {
            inner.told.insert(report.agent_id, report);
        }
        let now = Instant::now();
        for metrics in news.metrics {
            inner.told_metrics.insert(metrics.agent_id, (now, metrics));
        }
    }

    /// Waits until an agent is otherwise than before.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("no holder of this lock panics")
    }
}

#[cfg(test)]
mod tests {
    use creel_core::host_api::AgentState;

    use super::*;

    fn report(state: AgentState) -> AgentReport {
        AgentReport {
            agent_id: Uuid::from_u128(1),
            state,
            note: None,
            restarts: 0,
            pid: Some(7),
        }
    }

    fn metrics(cpu_percent: f64) -> AgentMetrics {
        AgentMetrics {
            agent_id: Uuid::from_u128(1),
            cpu_percent,
            ram_mb: 700.0,
            disk_mb: None,
            uptime_secs: 5,
        }
    }

    #[test]
    fn a_state_is_told_until_a_tick_was_answered_and_then_no_more() {
        let reports = AgentReports::default();
        reports.report(report(AgentState::Running));
        assert_eq!(reports.news().reports.len(), 1);
        let news = reports.news();
        // It changes while the tick is under way.
        reports.report(report(AgentState::Error));
        reports.were_told(news);
        let news = reports.news();
        assert_eq!(news.reports, [report(AgentState::Error)]);
        reports.were_told(news);
        assert!(reports.news().reports.is_empty());
        reports.forget(Uuid::from_u128(1));
        reports.report(report(AgentState::Error));
        assert_eq!(reports.news().reports.len(), 1);
    }

    #[test]
    fn what_is_used_is_told_when_it_changes() {
        let reports = AgentReports::default();
        let told = |metrics| {
            reports.measured(vec![metrics]);
            let news = reports.news();
            let count = news.metrics.len();
            reports.were_told(news);
            count
        };
        assert_eq!((told(metrics(1.0)), told(metrics(2.0))), (1, 0));
        assert_eq!((told(metrics(90.0)), told(metrics(91.0))), (1, 0));
        reports.measured(Vec::new());
        assert!(reports.news().metrics.is_empty());
    }
}
