//! The part of the worker that mirrors: what it hears of is looked at soon, and all of it now and then.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use backon::BackoffBuilder;
use creel_core::host_api::{
    API, FetchDocsReply, FetchDocsRequest, ListAgentsReply, ListAgentsRequest, ListDocsReply,
    ListDocsRequest, PutDocsReply, PutDocsRequest,
};
use futures_util::FutureExt;
use serde::Deserialize;
use tokio::sync::oneshot;
use tokio::time::Instant;
use uuid::Uuid;

use super::agent::Mirrored;
use super::day::HostDays;
use super::debounce::Schedule;
use super::pass::{HOLD_AFTER, Mirror, MirrorSettings, Wanted};
use super::requests::{MirrorRequests, Request};
use super::rows::Rows;
use super::templates::read_templates;
use super::watch::Watch;
use crate::jitter::jittered;
use crate::supervisor::Supervisor;
use crate::transport::{CALL_LIMIT, CallError, Link, Session, retry_delays};
use crate::wake::Wake;
use crate::workspace::{DISPLACED_STAYS, NoFaults, Owner};

/// What nobody heard of is found within this time, and midnight is noticed.
const SCAN_EVERY: Duration = Duration::from_secs(60);

/// Where the system hears of no more folders.
const SCAN_EVERY_BLIND: Duration = Duration::from_secs(5);

/// Agents come by commands, after each of which it is asked for them: this is for what was missed.
const ASK_EVERY: Duration = Duration::from_secs(300);

/// Several commands that end together are asked about once.
const ASK_AFTER: Duration = Duration::from_millis(300);

/// With many agents the answer is long: no more than a fiftieth of the time is spent on it.
const ASK_SHARE: u32 = 50;

/// The task.
pub(crate) struct MirrorTask {
    session_id: Uuid,
    link: Link,
    wake: Arc<Wake>,
    supervisor: Arc<Supervisor>,
    requests: MirrorRequests,
    mirror: Mirror,
    settings: MirrorSettings,
    /// Whose templates are nobody's words.
    openclaw: PathBuf,
    watch: Watch,
    agents: BTreeMap<Uuid, Mirrored>,
    schedule: Schedule,
    /// Agents whose rows may have changed.
    rows_changed: BTreeSet<Uuid>,
    /// Who waits for an agent.
    waiting: Vec<Request>,
}

/// Calls by the main connection.
struct LinkRows(Link);

#[async_trait]
impl Rows for LinkRows {
    async fn list(&self, request: &ListDocsRequest) -> anyhow::Result<ListDocsReply> {
        let session = self.0.session().await;
        Ok(session.call("list_docs", request, CALL_LIMIT).await?)
    }

    async fn fetch(&self, request: &FetchDocsRequest) -> anyhow::Result<FetchDocsReply> {
        let session = self.0.session().await;
        Ok(session.call("fetch_docs", request, CALL_LIMIT).await?)
    }

    async fn put(&self, request: &PutDocsRequest) -> anyhow::Result<PutDocsReply> {
        if request.changes.is_empty() {
            return Ok(PutDocsReply { results: Vec::new() });
        }
        let session = self.0.session().await;
        Ok(session.call("put_docs", request, CALL_LIMIT).await?)
    }
}

/// An agent as `list_agents` tells it.
#[derive(Deserialize)]
struct Listed {
    id: Uuid,
    project_id: String,
    agent_key: String,
    provisioned: bool,
    workspace_path: Option<PathBuf>,
}

impl MirrorTask {
    /// One that mirrors nothing yet.
    pub(crate) fn new(
        session_id: Uuid,
        link: Link,
        wake: Arc<Wake>,
        supervisor: Arc<Supervisor>,
        requests: MirrorRequests,
        openclaw: PathBuf,
    ) -> Self {
        let settings = MirrorSettings {
            rows: Arc::new(LinkRows(link.clone())),
            days: Arc::new(HostDays),
            faults: Arc::new(NoFaults),
            hold_after: HOLD_AFTER,
            displaced_stays: DISPLACED_STAYS,
            templates: Vec::new(),
        };
        Self {
            session_id,
            link,
            wake,
            supervisor,
            requests,
            mirror: Mirror::new(settings.clone()),
            settings,
            openclaw,
            watch: Watch::new(),
            agents: BTreeMap::new(),
            schedule: Schedule::default(),
            rows_changed: BTreeSet::new(),
            waiting: Vec::new(),
        }
    }

    /// Mirrors until the worker ends it.
    pub(crate) async fn run(mut self) {
        let mut delays = retry_delays().build();
        loop {
            let session = self.link.session().await;
            let served = AssertUnwindSafe(self.serve(&session)).catch_unwind().await;
            match served {
                Ok(Ok(())) => {
                    delays = retry_delays().build();
                    continue;
                }
                Ok(Err(error)) => {
                    let text = format!("{error:#}");
                    // To give way to another transaction is no fault.
                    if error.downcast_ref().is_some_and(CallError::is_busy) {
                        tracing::info!(error = text, "mirrors documents later: {text}");
                    } else {
                        tracing::warn!(error = text, "failed to mirror documents, trying again: {text}");
                    }
                }
                Err(_) => {
                    tracing::error!(
                        "the mirror of documents broke off by a fault in the worker, beginning anew"
                    );
                }
            }
            tokio::time::sleep(delays.next().expect("the delays have no end")).await;
        }
    }

    /// Mirrors for as long as the session lasts. Nothing that matters is in the mirror's memory.
    async fn serve(&mut self, session: &Session) -> anyhow::Result<()> {
        let program = self.openclaw.clone();
        let templates = tokio::task::spawn_blocking(move || read_templates(&program)).await;
        self.settings.templates = templates.unwrap_or_default();
        self.mirror = Mirror::new(self.settings.clone());
        let watched = self.watch.watched();
        self.mirror
            .before_look(move |agent| watched.add(agent.agent_id, &agent.workspace));
        // Before anything is looked at: what changes from here on is told.
        let request = ListDocsRequest {
            api: API,
            since: None,
            agents: Some(Vec::new()),
        };
        let reply: ListDocsReply = session.call("list_docs", &request, CALL_LIMIT).await?;
        self.requests.since().set(reply.since);
        self.ask(session).await?;
        self.rows_changed.extend(self.agents.keys());
        let all: Vec<Uuid> = self.agents.keys().copied().collect();
        self.pass(all).await?;

        let now = Instant::now();
        let (mut scan_at, mut ask_at, mut ask_from) = (now + SCAN_EVERY, now + ASK_EVERY, now);
        loop {
            let next = self.schedule.next().unwrap_or(scan_at).min(scan_at).min(ask_at);
            let mut rows_hint = false;
            tokio::select! {
                biased;
                () = session.ended() => return Ok(()),
                (agent_id, done) = self.requests.next() => {
                    self.rows_changed.insert(agent_id);
                    self.schedule.at(agent_id, Instant::now());
                    self.waiting.push((agent_id, done));
                }
                () = self.wake.docs_changed() => rows_hint = true,
                () = self.wake.jobs_ended() => {
                    ask_at = ask_at.min((Instant::now() + ASK_AFTER).max(ask_from));
                }
                heard = self.watch.heard() => match heard {
                    Some(agent_id) => self.schedule.event(agent_id, Instant::now()),
                    None => scan_at = scan_at.min(Instant::now() + ASK_AFTER),
                },
                () = tokio::time::sleep_until(next) => {}
            }
            if rows_hint && self.hear_of_rows(session).await? {
                ask_at = ask_at.min(ask_from);
            }
            let now = Instant::now();
            if ask_at <= now {
                for agent_id in self.ask(session).await? {
                    self.rows_changed.insert(agent_id);
                    self.schedule.at(agent_id, now);
                }
                ask_from = now + now.elapsed() * ASK_SHARE;
                ask_at = now + jittered(ASK_EVERY);
            }
            if scan_at <= now {
                for agent_id in self.agents.keys() {
                    self.schedule.at(*agent_id, now);
                }
                let every = if self.watch.is_partial() {
                    SCAN_EVERY_BLIND
                } else {
                    SCAN_EVERY
                };
                scan_at = now + jittered(every);
            }
            let due = self.schedule.take_due(Instant::now());
            if !due.is_empty() {
                self.pass(due).await?;
            }
        }
    }

    /// Asks whose rows were changed. Answers whether there are agents that are not known yet.
    async fn hear_of_rows(&mut self, session: &Session) -> anyhow::Result<bool> {
        let since = self.requests.since();
        let request = ListDocsRequest {
            api: API,
            since: since.get(),
            agents: None,
        };
        let reply: ListDocsReply = session.call("list_docs", &request, CALL_LIMIT).await?;
        since.set(reply.since);
        let now = Instant::now();
        for doc in &reply.docs {
            self.rows_changed.insert(doc.agent_id);
            self.schedule.at(doc.agent_id, now);
        }
        let changed: BTreeSet<Uuid> = reply.docs.iter().map(|doc| doc.agent_id).collect();
        Ok(changed.iter().any(|id| !self.agents.contains_key(id)))
    }

    /// Asks which agents there are. Answers with those that are new.
    async fn ask(&mut self, session: &Session) -> anyhow::Result<Vec<Uuid>> {
        let request = ListAgentsRequest {
            api: API,
            session: self.session_id,
        };
        let reply: ListAgentsReply = session.call("list_agents", &request, CALL_LIMIT).await?;
        let agents = reply.agents.iter().filter_map(|agent| {
            let listed = Listed::deserialize(agent).ok()?;
            let workspace = listed.workspace_path.filter(|_| listed.provisioned)?;
            Some(Mirrored {
                agent_id: listed.id,
                owner: Owner {
                    agent_id: listed.id,
                    project_id: listed.project_id,
                    agent_key: listed.agent_key,
                },
                workspace,
            })
        });
        let agents: BTreeMap<Uuid, Mirrored> = agents.map(|agent| (agent.agent_id, agent)).collect();
        let is_new = |(id, agent): (&Uuid, &Mirrored)| (self.agents.get(id) != Some(agent)).then_some(*id);
        let new = agents.iter().filter_map(is_new).collect();
        self.agents = agents;
        self.mirror.keep_only(|id| self.agents.contains_key(&id));
        self.schedule.keep_only(|id| self.agents.contains_key(&id));
        self.rows_changed.retain(|id| self.agents.contains_key(id));
        self.watch.keep_only(|id, folder| {
            let agent = self.agents.get(&id);
            agent.is_some_and(|agent| folder.starts_with(&agent.workspace))
        });
        Ok(new)
    }

    /// Looks at these agents.
    async fn pass(&mut self, due: Vec<Uuid>) -> anyhow::Result<()> {
        let mut wanted = Vec::new();
        for agent_id in &due {
            let Some(agent) = self.agents.get(agent_id) else {
                continue;
            };
            wanted.push(Wanted {
                agent: agent.clone(),
                rows_changed: self.rows_changed.remove(agent_id),
                is_busy: self.supervisor.is_busy(*agent_id),
            });
        }
        let waiting = std::mem::take(&mut self.waiting);
        let (told, others): (Vec<_>, Vec<_>) = waiting
            .into_iter()
            .partition(|(agent_id, _)| due.contains(agent_id));
        self.waiting = others;
        let again = self.mirror.pass(wanted).await?;
        let now = Instant::now();
        for (agent_id, after) in again {
            self.schedule.at(agent_id, now + after);
        }
        for (_, done) in told {
            tell(done);
        }
        Ok(())
    }
}

fn tell(done: oneshot::Sender<()>) {
    // Who waited may have given up.
    let _gone = done.send(());
}
