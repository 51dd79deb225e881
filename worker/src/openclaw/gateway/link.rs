//! The connection that is kept to the gateway: made when it is needed, and made anew when it is lost.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::access::Access;
use super::client::Client;
use super::{GatewayProblem, GatewaySettings, ready};
use crate::process::Runner;

/// How long a gateway that is not there is taken for absent: asking again costs milliseconds, but not nothing.
const ABSENCE_BELIEVED: Duration = Duration::from_secs(1);

/// The same for one that would not have us: each try is a failed login in its log.
const REFUSAL_BELIEVED: Duration = Duration::from_secs(30);

/// The pauses between two looks for a gateway that restarts.
const LOOK_EVERY: Duration = Duration::from_millis(200);

#[derive(Debug, Default)]
struct State {
    client: Option<Arc<Client>>,
    problem: Option<(Instant, GatewayProblem)>,
    /// What a person has to mend was told; while it lasts, once is enough.
    told: Option<GatewayProblem>,
}

/// The way to the gateway of one configuration.
#[derive(Debug)]
pub(super) struct Link {
    settings: GatewaySettings,
    runner: Runner,
    connecting: tokio::sync::Mutex<()>,
    state: Mutex<State>,
}

impl Link {
    pub(super) fn new(settings: GatewaySettings, runner: Runner) -> Self {
        Self {
            settings,
            runner,
            connecting: tokio::sync::Mutex::default(),
            state: Mutex::default(),
        }
    }

    pub(super) fn config_path(&self) -> &Path {
        &self.settings.config_path
    }

    /// The connection that is there already.
    pub(super) fn current(&self) -> Option<Arc<Client>> {
        let state = self.state.lock().expect("no holder of this lock panics");
        state.client.clone().filter(|client| client.is_alive())
    }

    /// The connection, made if there is none.
    pub(super) async fn client(&self) -> Result<Arc<Client>, GatewayProblem> {
        if let Some(client) = self.current() {
            return Ok(client);
        }
        let _alone = self.connecting.lock().await;
        if let Some(client) = self.current() {
            return Ok(client);
        }
        if let Some(problem) = self.believed_problem() {
            return Err(problem);
        }
        let connected = self.connect().await;
        let mut state = self.state.lock().expect("no holder of this lock panics");
        match connected {
            Ok(client) => {
                let client = Arc::new(client);
                *state = State {
                    client: Some(Arc::clone(&client)),
                    ..State::default()
                };
                Ok(client)
            }
            Err(problem) => {
                state.client = None;
                state.problem = Some((Instant::now(), problem.clone()));
                if !problem.may_pass() && state.told.as_ref() != Some(&problem) {
                    tracing::warn!(error = %problem, "failed to use the gateway: {problem}");
                    state.told = Some(problem.clone());
                }
                Err(problem)
            }
        }
    }

    /// The connection, waited for as long as a restart may take.
    pub(super) async fn client_after_restart(&self) -> Result<Arc<Client>, GatewayProblem> {
        let began = Instant::now();
        loop {
            match self.client().await {
                Err(problem) if problem.may_pass() && began.elapsed() < self.settings.limits.downtime => {
                    tokio::time::sleep(LOOK_EVERY).await;
                }
                client => return client,
            }
        }
    }

    fn believed_problem(&self) -> Option<GatewayProblem> {
        let state = self.state.lock().expect("no holder of this lock panics");
        let (at, problem) = state.problem.as_ref()?;
        let believed = if problem.may_pass() {
            ABSENCE_BELIEVED
        } else {
            REFUSAL_BELIEVED
        };
        (at.elapsed() < believed).then(|| problem.clone())
    }

    async fn connect(&self) -> Result<Client, GatewayProblem> {
        let access = Access::read(&self.settings.config_path).await?;
        if !ready::is_ready(access.port).await {
            return Err(GatewayProblem::NotReady { port: access.port });
        }
        let client = Client::connect(&access, &self.settings, &self.runner).await;
        if let Ok(client) = &client {
            tracing::info!(
                port = client.port,
                "connected to the gateway on port {}",
                client.port
            );
        }
        client
    }
}
