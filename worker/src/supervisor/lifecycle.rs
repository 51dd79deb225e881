//! Starts and ends agents, with all that they started.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use uuid::Uuid;

use super::{STOP_GRACE, Supervisor};
use crate::backend::{AgentRef, Backend, BackendError, Record};
use crate::process::kill_processes;

/// How long the kernel may take to clear away what was killed.
const KILL_WAIT: Duration = Duration::from_secs(5);

/// How often it is looked whether what was killed is gone; there is no event for it.
const KILL_LOOK: Duration = Duration::from_millis(50);

impl Supervisor {
    /// Ends what runs of an agent that is to be started again.
    pub(super) async fn kill(&self, backend: &dyn Backend, agent: &AgentRef) -> Result<(), BackendError> {
        // Who its children are is best seen while their parents are there.
        self.processes_of(agent.agent_id).await;
        let killed = backend.kill(agent).await;
        self.clear(agent.agent_id).await;
        killed
    }

    pub(super) async fn start(&self, backend: &dyn Backend, record: &Record) {
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
    pub(super) async fn stop_all(self: &Arc<Self>) {
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
}
