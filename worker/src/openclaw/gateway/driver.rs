//! The driver.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use creel_core::id::AgentId;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::batch::{self, Waiting};
use super::budget::Budget;
use super::client::Client;
use super::link::Link;
use super::problem::CallError;
use super::roster::{Change, Roster, listed};
use super::{GatewayProblem, GatewaySettings, ready};
use crate::openclaw::change::Settings;
use crate::openclaw::config_file::{self, Answer};
use crate::openclaw::output::shown;
use crate::openclaw::{Broker, Entry, MIN_VERSION, NewAgent, OpenClaw, OpenClawError, Version};
use crate::process::Runner;

/// A gateway that was there so lately is restarting, and is waited for.
const LATELY: Duration = Duration::from_secs(60);

/// What all clones of a driver and its batches share.
pub(super) struct Shared {
    pub(super) settings: GatewaySettings,
    pub(super) broker: Broker,
    pub(super) link: Link,
    pub(super) budget: Budget,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    waiting: Vec<Waiting>,
    /// What the last patch left; the next one is based on it without asking.
    roster: Option<Roster>,
    /// What OpenClaw writes into a new workspace's `AGENTS.md`.
    text: Option<Arc<str>>,
    up_at: Option<Instant>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder of this lock panics")
    }

    pub(super) fn take_waiting(&self, max: usize) -> Vec<Waiting> {
        let mut state = self.state();
        let count = state.waiting.len().min(max);
        state.waiting.drain(..count).collect()
    }

    pub(super) fn known_roster(&self) -> Option<Roster> {
        self.state().roster.clone()
    }

    pub(super) fn remember_roster(&self, roster: Roster) {
        self.state().roster = Some(roster);
    }

    pub(super) fn forget_roster(&self) {
        self.state().roster = None;
    }

    pub(super) fn text(&self) -> Option<Arc<str>> {
        self.state().text.clone()
    }

    pub(super) fn learn_text(&self, text: Option<String>) {
        if let Some(text) = text {
            self.state().text = Some(text.into());
        }
    }

    pub(super) fn seen_up(&self) {
        self.state().up_at = Some(Instant::now());
    }

    pub(super) fn was_up_lately(&self) -> bool {
        self.state().up_at.is_some_and(|at| at.elapsed() < LATELY)
    }
}

/// OpenClaw by its gateway. Clones share one connection.
#[derive(Clone)]
pub struct GatewayDriver(Arc<Shared>);

impl GatewayDriver {
    /// A driver. All drivers of one configuration share a broker.
    pub fn new(settings: GatewaySettings, runner: Runner, broker: Broker) -> Self {
        Self(Arc::new(Shared {
            link: Link::new(settings.clone(), runner),
            settings,
            broker,
            budget: Budget::default(),
            state: Mutex::default(),
        }))
    }

    /// Whether there is a gateway to work with, and why not. It costs nothing while the connection lasts.
    pub async fn available(&self) -> Result<(), GatewayProblem> {
        self.client().await.map(drop)
    }

    /// Whether it is connected now.
    pub(crate) fn is_connected(&self) -> bool {
        self.0.link.current().is_some()
    }

    pub(super) fn shared(&self) -> &Shared {
        &self.0
    }

    pub(super) async fn client(&self) -> Result<Arc<Client>, GatewayProblem> {
        let client = self.0.link.client().await?;
        self.0.seen_up();
        Ok(client)
    }

    /// Puts a change into the next batch. What the gateway was told of is done even if nobody waits for it any
    /// more; what it was not told of is not begun then.
    async fn change(&self, change: Change) -> Result<(), OpenClawError> {
        let (done, answer) = oneshot::channel();
        let is_first = {
            let mut state = self.0.state();
            state.waiting.push(Waiting { change, done });
            state.waiting.len() == 1
        };
        if is_first {
            tokio::spawn(batch::work_off(Arc::clone(&self.0)));
        }
        answer
            .await
            .unwrap_or(Err(OpenClawError::Gateway(GatewayProblem::Lost)))
    }
}

#[async_trait]
impl OpenClaw for GatewayDriver {
    async fn version(&self) -> Result<Version, OpenClawError> {
        let client = self.client().await?;
        let unknown = || OpenClawError::GatewayRefused {
            method: "connect",
            code: "UNREADABLE".to_owned(),
            message: "it does not say its version".to_owned(),
        };
        match client.version.ok_or_else(unknown)? {
            found if found < MIN_VERSION => Err(OpenClawError::TooOld { found }),
            version => Ok(version),
        }
    }

    async fn find(&self, id: &AgentId) -> Result<Option<Entry>, OpenClawError> {
        match config_file::find(&self.0.settings.config_path, id.as_str()).await? {
            Answer::Known(entry) => return Ok(entry),
            Answer::AskOpenClaw => {}
        }
        if self.0.broker.mend().await
            && let Answer::Known(entry) = config_file::find(&self.0.settings.config_path, id.as_str()).await?
        {
            return Ok(entry);
        }
        Ok(self
            .list()
            .await?
            .into_iter()
            .find(|entry| entry.id == id.as_str()))
    }

    async fn list(&self) -> Result<Vec<Entry>, OpenClawError> {
        let method = "agents.list";
        let client = self.client().await?;
        let reply = client.call(method, json!({}), self.0.settings.limits.call).await;
        let reply = reply.map_err(|error| match error {
            CallError::Broken(problem) => OpenClawError::Gateway(problem),
            CallError::Refused(refusal) => OpenClawError::GatewayRefused {
                method,
                code: shown(&refusal.code),
                message: shown(&refusal.message),
            },
        })?;
        let agents = reply.get("agents").and_then(Value::as_array);
        Ok(agents.into_iter().flatten().filter_map(listed).collect())
    }

    async fn add(&self, agent: &NewAgent) -> Result<(), OpenClawError> {
        self.change(Change::Add(agent.clone())).await
    }

    async fn set_identity(&self, id: &AgentId, name: &str, emoji: Option<&str>) -> Result<(), OpenClawError> {
        self.change(Change::Identity {
            id: id.clone(),
            name: name.to_owned(),
            emoji: emoji.map(ToOwned::to_owned),
        })
        .await
    }

    async fn remove(&self, id: &AgentId) -> Result<bool, OpenClawError> {
        self.remove_agent(id).await
    }

    async fn configure(&self, id: &AgentId, settings: &Settings) -> Result<bool, OpenClawError> {
        self.configure_agent(id, settings).await
    }

    async fn is_served(&self) -> bool {
        match self.available().await {
            Ok(()) => return true,
            // Whatever it says of itself, it has none of these agents.
            Err(GatewayProblem::Untrusted { .. } | GatewayProblem::OtherConfiguration { .. }) => {
                return false;
            }
            // It may serve them, and not have us.
            Err(_) => {}
        }
        match config_file::gateway_port(&self.0.settings.config_path).await {
            Some(port) => ready::is_ready(port).await,
            None => false,
        }
    }

    fn driver(&self) -> &'static str {
        "gateway"
    }
}
