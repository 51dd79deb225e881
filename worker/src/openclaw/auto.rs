//! The driver that takes the gateway where there is one, and else the command line.

use std::sync::Arc;

use async_trait::async_trait;
use creel_core::id::AgentId;
use tokio::sync::Mutex;

use super::{CliDriver, Entry, GatewayDriver, NewAgent, OpenClaw, OpenClawError, Version};

/// Chooses anew for each operation; while the gateway's connection lasts, that costs nothing.
pub struct AutoDriver {
    gateway: GatewayDriver,
    cli: Arc<CliDriver>,
    /// Who has to take the command line looks again for the gateway when the turn comes.
    line: Mutex<()>,
}

/// What is asked of a driver.
enum Wish<'a> {
    Add(&'a NewAgent),
    Identity(&'a AgentId, &'a str, Option<&'a str>),
}

impl Wish<'_> {
    async fn of(&self, driver: &dyn OpenClaw) -> Result<(), OpenClawError> {
        match self {
            Self::Add(agent) => driver.add(agent).await,
            Self::Identity(id, name, emoji) => driver.set_identity(id, name, *emoji).await,
        }
    }
}

impl AutoDriver {
    /// A driver of two, which share a broker.
    pub fn new(gateway: GatewayDriver, cli: CliDriver) -> Self {
        Self {
            gateway,
            cli: Arc::new(cli),
            line: Mutex::default(),
        }
    }

    async fn change(&self, wish: &Wish<'_>) -> Result<(), OpenClawError> {
        if self.gateway.available().await.is_ok() {
            match wish.of(&self.gateway).await {
                Err(OpenClawError::Gateway(problem)) => {
                    tracing::warn!(error = %problem, "failed to use the gateway, taking the command line: {problem}");
                }
                result => return result,
            }
            if self.is_done(wish).await? {
                return Ok(());
            }
        }
        let in_line = self.line.lock().await;
        if self.gateway.available().await.is_ok() {
            drop(in_line);
            return wish.of(&self.gateway).await;
        }
        wish.of(self.cli.as_ref()).await
    }

    /// Whether the gateway did it before it went away. What it left half done, the caller's next step
    /// completes.
    async fn is_done(&self, wish: &Wish<'_>) -> Result<bool, OpenClawError> {
        Ok(match wish {
            Wish::Add(agent) => {
                let entry = self.cli.find(&agent.id).await?;
                entry.is_some_and(|entry| entry.workspace.as_ref() == Some(&agent.workspace))
            }
            Wish::Identity(..) => false,
        })
    }
}

#[async_trait]
impl OpenClaw for AutoDriver {
    async fn version(&self) -> Result<Version, OpenClawError> {
        match self.gateway.version().await {
            Ok(version) => Ok(version),
            Err(error @ OpenClawError::TooOld { .. }) => Err(error),
            Err(_) => self.cli.version().await,
        }
    }

    async fn find(&self, id: &AgentId) -> Result<Option<Entry>, OpenClawError> {
        match self.gateway.is_connected() {
            true => self.gateway.find(id).await,
            false => self.cli.find(id).await,
        }
    }

    async fn list(&self) -> Result<Vec<Entry>, OpenClawError> {
        if self.gateway.available().await.is_ok()
            && let Ok(agents) = self.gateway.list().await
        {
            return Ok(agents);
        }
        self.cli.list().await
    }

    async fn add(&self, agent: &NewAgent) -> Result<(), OpenClawError> {
        self.change(&Wish::Add(agent)).await
    }

    async fn set_identity(&self, id: &AgentId, name: &str, emoji: Option<&str>) -> Result<(), OpenClawError> {
        self.change(&Wish::Identity(id, name, emoji)).await
    }

    async fn is_served(&self) -> bool {
        self.gateway.is_served().await
    }

    fn driver(&self) -> &'static str {
        match self.gateway.is_connected() {
            true => self.gateway.driver(),
            false => self.cli.driver(),
        }
    }
}
