//! The passes: looks at every agent, decides, and lets what was decided be done.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use creel_core::host_api::AgentReport;
use futures_util::future::join_all;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::meter::Measured;
use super::minded::Minded;
use super::plan::{Act, Limits, Sample, Seen, plan_shown, plan_supervision};
use super::{AgentMetrics, STOP_GRACE, Supervisor, Turn, Usage, folder, news};
use crate::backend::{Backend, Observed, Record};

/// A runaway is seen within two samples, and a machine with many processes is read in milliseconds.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// With no agent to mind, this is for what somebody else wrote into the worker's folder.
const LOOK_AT_NOBODY_EVERY: Duration = Duration::from_secs(60);

/// How long the database is waited for before what does not run is started without having asked it.
const SETTLE_WAIT: Duration = Duration::from_secs(30);

/// A large workspace takes seconds to be measured, and grows slowly.
const DISK_EVERY: Duration = Duration::from_secs(60);

impl Supervisor {
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

    fn folder(&self, agent_id: Uuid) -> PathBuf {
        self.settings.data_dir.join("agents").join(agent_id.to_string())
    }

    fn is_on_disk(&self, agent_id: Uuid) -> bool {
        self.folder(agent_id).exists()
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
