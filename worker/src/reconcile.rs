//! Asks the database now and then what this host should have.

use std::sync::Arc;
use std::time::Duration;

use creel_core::host_api::{API, ListAgentsReply, ListAgentsRequest};
use uuid::Uuid;

use crate::jitter::jittered;
use crate::supervisor::{Listed, Supervisor};
use crate::transport::{CALL_LIMIT, Link};

/// Commands come by themselves: this is for what was missed.
const ASK_EVERY: Duration = Duration::from_secs(300);

/// A database that did not answer is asked again after this.
const ASK_AGAIN: Duration = Duration::from_secs(10);

/// What asks.
pub(crate) struct Reconciler {
    /// One per process start.
    pub(crate) session_id: Uuid,
    /// The main connection.
    pub(crate) link: Link,
    /// Who knows what the host has.
    pub(crate) supervisor: Arc<Supervisor>,
}

impl Reconciler {
    /// Asks at once, after each reconnect and every now and then, until the worker ends it.
    pub(crate) async fn run(self) {
        loop {
            let session = self.link.session().await;
            // Before the list is asked for: what comes to be here afterwards may not be in it.
            let records = self.supervisor.records().await;
            let request = ListAgentsRequest {
                api: API,
                session: self.session_id,
            };
            let pause = match session
                .call::<ListAgentsReply>("list_agents", &request, CALL_LIMIT)
                .await
            {
                Ok(reply) => {
                    self.reconcile(&records, &reply);
                    jittered(ASK_EVERY)
                }
                Err(error) => {
                    let text = error.chain();
                    tracing::warn!(error = text, "failed to ask for this host's agents: {text}");
                    jittered(ASK_AGAIN)
                }
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = session.ended() => {}
            }
        }
    }

    fn reconcile(&self, records: &crate::supervisor::Records, reply: &ListAgentsReply) {
        let listed: Vec<_> = reply.agents.iter().filter_map(Listed::read).collect();
        if listed.len() < reply.agents.len() {
            // Nothing is taken away because of what this version cannot read.
            tracing::error!("this worker cannot read the list of its agents: upgrade creel on this host");
        } else {
            self.supervisor.reconcile(records, &listed);
        }
        self.supervisor.settled();
    }
}
