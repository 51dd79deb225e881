//! The driver that takes the gateway where there is one, and else the command line.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use creel_core::id::AgentId;
use tokio::sync::Mutex;

use super::{
    CliDriver, Entry, GatewayDriver, GatewayProblem, NewAgent, OpenClaw, OpenClawError, Settings, Version,
};

/// Many wait for a gateway when it goes away, and all of them for the same reason.
const TOLD_FOR: Duration = Duration::from_secs(60);

/// Chooses anew for each operation; while the gateway's connection lasts, that costs nothing.
pub struct AutoDriver {
    gateway: GatewayDriver,
    cli: Arc<CliDriver>,
    /// Who has to take the command line looks again for the gateway when the turn comes.
    line: Mutex<()>,
    /// Why the gateway was not taken, as it was told last.
    told: std::sync::Mutex<Option<(Instant, GatewayProblem)>>,
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
            told: std::sync::Mutex::default(),
        }
    }

    async fn change(&self, wish: &Wish<'_>) -> Result<(), OpenClawError> {
        if let Some(result) = self.by_gateway(wish).await {
            return result;
        }
        let in_line = self.line.lock().await;
        if self.gateway.available().await.is_err() {
            return wish.of(self.cli.as_ref()).await;
        }
        // All who stand in line may go to the gateway together.
        drop(in_line);
        if let Some(result) = self.by_gateway(wish).await {
            return result;
        }
        let _in_line = self.line.lock().await;
        wish.of(self.cli.as_ref()).await
    }

    /// What came of the wish at the gateway; none where the command line has to do it.
    async fn by_gateway(&self, wish: &Wish<'_>) -> Option<Result<(), OpenClawError>> {
        self.gateway.available().await.ok()?;
        match wish.of(&self.gateway).await {
            Err(OpenClawError::Gateway(problem)) => self.tell(problem),
            result => return Some(result),
        }
        match self.is_done(wish).await {
            Ok(true) => Some(Ok(())),
            Ok(false) => None,
            Err(error) => Some(Err(error)),
        }
    }

    /// Tells why the command line is taken: once for all that wait for the same gateway.
    fn tell(&self, problem: GatewayProblem) {
        let mut told = self.told.lock().expect("no holder of this lock panics");
        if told
            .as_ref()
            .is_some_and(|(at, told)| *told == problem && at.elapsed() < TOLD_FOR)
        {
            return;
        }
        tracing::warn!(error = %problem, "failed to use the gateway, taking the command line: {problem}");
        *told = Some((Instant::now(), problem));
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

    async fn remove(&self, id: &AgentId) -> Result<bool, OpenClawError> {
        if self.gateway.available().await.is_ok() {
            match self.gateway.remove(id).await {
                Err(OpenClawError::Gateway(problem)) => self.tell(problem),
                removed => return removed,
            }
        }
        let _in_line = self.line.lock().await;
        self.cli.remove(id).await
    }

    async fn configure(&self, id: &AgentId, settings: &Settings) -> Result<bool, OpenClawError> {
        if self.gateway.available().await.is_ok() {
            match self.gateway.configure(id, settings).await {
                Err(OpenClawError::Gateway(problem)) => self.tell(problem),
                configured => return configured,
            }
        }
        let _in_line = self.line.lock().await;
        self.cli.configure(id, settings).await
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
