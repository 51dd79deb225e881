//! Asks the database now and then what this host should have.

use std::sync::Arc;
use std::time::Duration;

use creel_core::host_api::{API, ListAgentsReply, ListAgentsRequest};
use tokio::sync::watch;
use uuid::Uuid;

use crate::gateway_service::GatewayView;
use crate::jitter::jittered;
use crate::openclaw::OpenClaw;
use crate::supervisor::{Listed, Records, Supervisor};
use crate::transport::{CALL_LIMIT, Link};

/// Commands come by themselves: this is for what was missed.
const ASK_EVERY: Duration = Duration::from_secs(300);

/// A database that did not answer is asked again after this.
const ASK_AGAIN: Duration = Duration::from_secs(10);

/// A gateway that somebody else keeps running is looked at this often, as long as agents are in it.
const LOOK_EVERY: Duration = Duration::from_secs(15);

/// What asks.
pub(crate) struct Reconciler {
    /// One per process start.
    pub(crate) session_id: Uuid,
    /// The main connection.
    pub(crate) link: Link,
    /// Who knows what the host has.
    pub(crate) supervisor: Arc<Supervisor>,
    /// The host's gateway, and whether it is up.
    pub(crate) served: Served,
}

/// Whether the host's one gateway is up.
pub(crate) struct Served {
    /// Who says so, where this worker keeps it running.
    pub(crate) view: Option<watch::Receiver<GatewayView>>,
    /// Who is asked otherwise.
    pub(crate) openclaw: Option<Arc<dyn OpenClaw>>,
}

impl Served {
    async fn is_up(&self) -> bool {
        match (&self.view, &self.openclaw) {
            (Some(view), _) => view.borrow().ready,
            (None, Some(openclaw)) => openclaw.is_served().await,
            (None, None) => false,
        }
    }

    /// Waits until that is otherwise than it was.
    async fn changed(&mut self, was_up: bool) {
        loop {
            let lasts = match &mut self.view {
                Some(view) => view.changed().await.is_ok(),
                None => {
                    tokio::time::sleep(LOOK_EVERY).await;
                    true
                }
            };
            if !lasts {
                std::future::pending::<()>().await;
            }
            if self.is_up().await != was_up {
                return;
            }
        }
    }
}

impl Reconciler {
    /// Asks at once, after each reconnect, when the gateway comes or goes, and every now and then, until the worker ends
    /// it.
    pub(crate) async fn run(mut self) {
        loop {
            let session = self.link.session().await;
            // Before the list is asked for: what comes to be here afterwards may not be in it.
            let records = self.supervisor.records().await;
            let request = ListAgentsRequest {
                api: API,
                session: self.session_id,
            };
            let was_up = self.served.is_up().await;
            let (pause, shares) = match session
                .call::<ListAgentsReply>("list_agents", &request, CALL_LIMIT)
                .await
            {
                Ok(reply) => (jittered(ASK_EVERY), self.reconcile(&records, &reply, was_up)),
                Err(error) => {
                    let text = error.chain();
                    tracing::warn!(error = text, "failed to ask for this host's agents: {text}");
                    (jittered(ASK_AGAIN), false)
                }
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = session.ended() => {}
                () = self.served.changed(was_up), if shares || self.served.view.is_some() => {}
            }
        }
    }

    /// Answers whether there are agents in the host's one gateway.
    fn reconcile(&self, records: &Records, reply: &ListAgentsReply, served: bool) -> bool {
        let listed: Vec<_> = reply.agents.iter().filter_map(Listed::read).collect();
        if listed.len() < reply.agents.len() {
            // Nothing is taken away because of what this version cannot read.
            tracing::error!("this worker cannot read the list of its agents: upgrade creel on this host");
        } else {
            self.supervisor.reconcile(records, &listed);
        }
        self.supervisor.settled();
        self.supervisor.report_shared(records, &listed, served)
    }
}
