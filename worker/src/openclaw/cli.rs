//! The driver that runs OpenClaw's command line. It works anywhere, at seconds a call.

use std::ffi::OsString;
use std::io::{ErrorKind, Write};
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use creel_core::id::AgentId;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::aside::{self, Aside};
use super::change::Settings;
use super::config_file::{self, Answer};
use super::output::{error_message, first_json, quoted, shown};
use super::{Broker, Entry, MIN_VERSION, NewAgent, OpenClaw, OpenClawError, Version, gateway};
use crate::process::{Finished, ProcessError, Run, Runner};

/// Exit code of a shell or of `env` that did not find what it was to start.
const EXIT_NOT_FOUND: i32 = 127;

/// How long a good version is believed: long enough that asking costs nothing, short enough that the page
/// shows an update soon.
const VERSION_BELIEVED: Duration = Duration::from_secs(300);

/// A list takes a third of a gigabyte for 3 s, and many jobs may ask at the same moment.
const READS_AT_ONCE: usize = 2;

/// How long each command may take.
#[derive(Debug, Clone, Copy)]
pub struct CliLimits {
    /// `--version`: 60 ms when all is well.
    pub version: Duration,
    /// `agents list`: 3 s when all is well.
    pub list: Duration,
    /// `agents add`: 5 to 25 s when all is well and the machine is loaded; it has been seen to never end.
    pub add: Duration,
    /// `agents set-identity`: 8 to 13 s when all is well.
    pub set_identity: Duration,
}

impl CliLimits {
    /// The same limit for each command.
    pub fn all(limit: Duration) -> Self {
        Self {
            version: limit,
            list: limit,
            add: limit,
            set_identity: limit,
        }
    }
}

impl Default for CliLimits {
    fn default() -> Self {
        Self {
            version: Duration::from_secs(20),
            list: Duration::from_secs(60),
            add: Duration::from_secs(90),
            set_identity: Duration::from_secs(90),
        }
    }
}

/// Which OpenClaw, and where its files are.
#[derive(Debug, Clone)]
pub struct CliSettings {
    /// The executable: a path, or a name on PATH.
    pub program: PathBuf,
    /// OPENCLAW_STATE_DIR.
    pub state_dir: PathBuf,
    /// OPENCLAW_CONFIG_PATH.
    pub config_path: PathBuf,
    /// How long each command may take.
    pub limits: CliLimits,
}

impl CliSettings {
    /// The usual limits, and the configuration where OpenClaw has it in a state directory.
    pub fn new(program: impl Into<PathBuf>, state_dir: impl Into<PathBuf>) -> Self {
        let state_dir = state_dir.into();
        let config_path = state_dir.join("openclaw.json");
        Self {
            program: program.into(),
            state_dir,
            config_path,
            limits: CliLimits::default(),
        }
    }
}

/// OpenClaw by its command line.
#[derive(Debug)]
pub struct CliDriver {
    settings: CliSettings,
    runner: Runner,
    broker: Broker,
    version: Mutex<Option<(Instant, Version)>>,
    asking: tokio::sync::Mutex<()>,
    reads: Semaphore,
}

impl CliDriver {
    /// A driver. All drivers of one configuration share a broker.
    pub fn new(settings: CliSettings, runner: Runner, broker: Broker) -> Self {
        // OpenClaw does not run in the worker's own directory, and would read relative paths differently.
        let absolute = |path: PathBuf| std::path::absolute(&path).unwrap_or(path);
        let is_bare_name = settings.program.components().count() == 1 && settings.program.is_relative();
        let settings = CliSettings {
            program: if is_bare_name {
                settings.program
            } else {
                absolute(settings.program)
            },
            state_dir: absolute(settings.state_dir),
            config_path: absolute(settings.config_path),
            ..settings
        };
        Self {
            settings,
            runner,
            broker,
            version: Mutex::new(None),
            asking: tokio::sync::Mutex::default(),
            reads: Semaphore::new(READS_AT_ONCE),
        }
    }

    /// Runs a command to its end, and makes an error of everything but success.
    async fn call(
        &self,
        command: &'static str,
        limit: Duration,
        args: Vec<OsString>,
        held: impl Send + 'static,
    ) -> Result<Finished, OpenClawError> {
        let mut run = Run::new(&self.settings.program, limit)
            .args(args)
            .env("OPENCLAW_STATE_DIR", &self.settings.state_dir)
            .env("OPENCLAW_CONFIG_PATH", &self.settings.config_path)
            .env("OPENCLAW_NO_AUTO_UPDATE", "1")
            // It would go on in a process group of its own otherwise, and survive what kills its parent.
            .env("OPENCLAW_NO_RESPAWN", "1");
        if let Some(path) = self.search_path() {
            run = run.env("PATH", path);
        }
        let finished = self
            .runner
            .run(run, held)
            .await
            .map_err(|error| self.process_error(command, error))?;
        if finished.status.success() {
            Ok(finished)
        } else {
            Err(self.failure(command, &finished).await)
        }
    }

    /// Lets OpenClaw check its configuration: 0.8 s on an idle machine, 2 to 5 s on a busy one.
    pub(crate) async fn validate_config(&self) -> Result<(), OpenClawError> {
        let command = "config validate";
        let _place = self.reads.acquire().await.expect("it is never closed");
        let args = ["config", "validate", "--json"].map(OsString::from).to_vec();
        match self.call(command, self.settings.limits.list, args, ()).await {
            Err(OpenClawError::Failed { message, .. }) => Err(OpenClawError::ConfigRefused {
                path: self.settings.config_path.clone(),
                message,
            }),
            validated => validated.map(drop),
        }
    }

    fn believed_version(&self) -> Option<Version> {
        let believed = *self.version.lock().expect("no holder of this lock panics");
        let (_, version) = believed.filter(|(at, _)| at.elapsed() < VERSION_BELIEVED)?;
        Some(version)
    }

    /// PATH with the program's own folder first: npm puts the node that it needs beside it.
    fn search_path(&self) -> Option<OsString> {
        let beside = self
            .settings
            .program
            .parent()
            .filter(|folder| folder.is_absolute())?;
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::join_paths(std::iter::once(beside.to_owned()).chain(std::env::split_paths(&path))).ok()
    }

    fn process_error(&self, command: &'static str, error: ProcessError) -> OpenClawError {
        match error {
            ProcessError::Spawn { program, source } if source.kind() == ErrorKind::NotFound => {
                OpenClawError::Missing { program }
            }
            ProcessError::Spawn { program, source } | ProcessError::Wait { program, source } => {
                OpenClawError::CannotStart { program, source }
            }
            ProcessError::TimedOut { limit, .. } => OpenClawError::TimedOut { command, limit },
            ProcessError::Cancelled { .. } => OpenClawError::Cancelled { command },
        }
    }

    async fn failure(&self, command: &'static str, finished: &Finished) -> OpenClawError {
        if let Some(signal) = finished.signal() {
            return OpenClawError::Killed { command, signal };
        }
        let exit = finished.status.code().unwrap_or(1);
        let said = error_message(&text(&finished.stdout), &text(&finished.stderr));
        let message = shown(&quoted(&self.settings.config_path, said).await);
        if exit == EXIT_NOT_FOUND {
            let source = std::io::Error::new(ErrorKind::NotFound, message);
            return OpenClawError::CannotStart {
                program: self.settings.program.clone(),
                source,
            };
        }
        OpenClawError::Failed {
            command,
            exit,
            message,
        }
    }

    /// OpenClaw normalises ids: what it did was done to the agent that it names.
    async fn answers_for(
        &self,
        id: &AgentId,
        command: &'static str,
        finished: &Finished,
    ) -> Result<(), OpenClawError> {
        let reply: Option<Changed> = first_json(&text(&finished.stdout));
        match reply {
            Some(reply) if reply.agent_id == id.as_str() => Ok(()),
            _ => Err(self.unreadable(command, finished).await),
        }
    }

    async fn unreadable(&self, command: &'static str, finished: &Finished) -> OpenClawError {
        let said = text(&finished.stdout).into_owned();
        OpenClawError::Unreadable {
            command,
            shown: shown(&quoted(&self.settings.config_path, said).await),
        }
    }
}

#[async_trait]
impl OpenClaw for CliDriver {
    async fn version(&self) -> Result<Version, OpenClawError> {
        if let Some(version) = self.believed_version() {
            return Ok(version);
        }
        // Many jobs begin at the same moment; one of them asks for all.
        let _alone = self.asking.lock().await;
        if let Some(version) = self.believed_version() {
            return Ok(version);
        }
        let command = "--version";
        let finished = self
            .call(command, self.settings.limits.version, vec![command.into()], ())
            .await?;
        let Some(found) = Version::find(&text(&finished.stdout)) else {
            return Err(self.unreadable(command, &finished).await);
        };
        if found < MIN_VERSION {
            return Err(OpenClawError::TooOld { found });
        }
        *self.version.lock().expect("no holder of this lock panics") = Some((Instant::now(), found));
        Ok(found)
    }

    async fn find(&self, id: &AgentId) -> Result<Option<Entry>, OpenClawError> {
        let path = &self.settings.config_path;
        if let Answer::Known(entry) = config_file::find(path, id.as_str()).await? {
            return Ok(entry);
        }
        if self.broker.mend().await
            && let Answer::Known(entry) = config_file::find(path, id.as_str()).await?
        {
            return Ok(entry);
        }
        let listed = self.list().await?;
        Ok(listed.into_iter().find(|entry| entry.id == id.as_str()))
    }

    async fn list(&self) -> Result<Vec<Entry>, OpenClawError> {
        let command = "agents list";
        let _place = self.reads.acquire().await.expect("it is never closed");
        let args = ["agents", "list", "--json"].map(OsString::from).to_vec();
        let finished = self.call(command, self.settings.limits.list, args, ()).await?;
        let Some(listed) = first_json::<Vec<Listed>>(&text(&finished.stdout)) else {
            return Err(self.unreadable(command, &finished).await);
        };
        Ok(listed.into_iter().map(Entry::from).collect())
    }

    async fn add(&self, agent: &NewAgent) -> Result<(), OpenClawError> {
        let command = "agents add";
        let args = vec![
            "agents".into(),
            "add".into(),
            agent.id.as_str().into(),
            option("--workspace", &agent.workspace),
            "--non-interactive".into(),
            "--json".into(),
        ];
        let turn = self.broker.turn().await;
        aside::heal(&self.settings.state_dir, &agent.id).await;
        let finished = match self.call(command, self.settings.limits.add, args, turn).await {
            Err(OpenClawError::Failed { message, .. }) if message.ends_with("already exists.") => {
                return Err(OpenClawError::AlreadyExists {
                    id: agent.id.to_string(),
                });
            }
            finished => finished?,
        };
        self.answers_for(&agent.id, command, &finished).await?;
        self.broker.keep_last_good().await;
        Ok(())
    }

    async fn set_identity(&self, id: &AgentId, name: &str, emoji: Option<&str>) -> Result<(), OpenClawError> {
        let command = "agents set-identity";
        let mut args = vec![
            "agents".into(),
            "set-identity".into(),
            option("--agent", id.as_str()),
            option("--name", name),
            "--json".into(),
        ];
        args.extend(emoji.map(|emoji| option("--emoji", emoji)));
        let turn = self.broker.turn().await;
        let finished = match self
            .call(command, self.settings.limits.set_identity, args, turn)
            .await
        {
            Err(OpenClawError::Failed { message, .. }) if message.contains("not found. Create it") => {
                return Err(OpenClawError::NotFound { id: id.to_string() });
            }
            finished => finished?,
        };
        self.answers_for(id, command, &finished).await?;
        self.broker.keep_last_good().await;
        Ok(())
    }

    async fn remove(&self, id: &AgentId) -> Result<bool, OpenClawError> {
        let command = "agents delete";
        let turn = self.broker.turn().await;
        let Some(entry) = self.find(id).await? else {
            return Ok(false);
        };
        let args = vec![
            "agents".into(),
            "delete".into(),
            id.as_str().into(),
            "--force".into(),
            "--json".into(),
        ];
        // It takes the files with it; there is no option that leaves them.
        let aside = Aside::put(&self.settings.state_dir, id, entry.workspace).await?;
        let finished = self
            .call(command, self.settings.limits.set_identity, args, turn)
            .await;
        aside.put_back().await;
        match finished {
            Err(OpenClawError::Failed { message, .. }) if message.contains("not found. Run") => {
                return Ok(false);
            }
            finished => self.answers_for(id, command, &finished?).await?,
        }
        self.broker.keep_last_good().await;
        Ok(true)
    }

    async fn configure(&self, id: &AgentId, settings: &Settings) -> Result<bool, OpenClawError> {
        let command = "config patch";
        let turn = self.broker.turn().await;
        let path = &self.settings.config_path;
        let config = match config_file::read(path).await? {
            Answer::Known(config) => config.unwrap_or_default(),
            Answer::AskOpenClaw => {
                let found = "something that only OpenClaw can read, so that nothing can be changed in it";
                return Err(OpenClawError::ConfigUnusable {
                    path: path.clone(),
                    found,
                });
            }
        };
        let entry =
            gateway::entry_in(&config, id).ok_or_else(|| OpenClawError::NotFound { id: id.to_string() })?;
        let Some(patch) = settings.plan_patch(entry) else {
            return Ok(false);
        };
        let patch = json!({ "agents": { "entries": { id.as_str(): patch } } });
        let file = patch_file(&patch).map_err(|source| OpenClawError::CannotStart {
            program: self.settings.program.clone(),
            source,
        })?;
        let args = vec!["config".into(), "patch".into(), option("--file", file.path())];
        match self
            .call(command, self.settings.limits.set_identity, args, turn)
            .await
        {
            Err(OpenClawError::Failed { message, .. }) => {
                return Err(OpenClawError::ConfigRefused {
                    path: path.clone(),
                    message,
                });
            }
            patched => patched.map(drop)?,
        }
        self.broker.keep_last_good().await;
        Ok(true)
    }

    async fn is_served(&self) -> bool {
        match config_file::gateway_port(&self.settings.config_path).await {
            Some(port) => gateway::ready::is_ready(port).await,
            None => false,
        }
    }

    fn driver(&self) -> &'static str {
        "cli"
    }
}

/// A patch for the command line, which reads it from a file.
fn patch_file(patch: &Value) -> std::io::Result<tempfile::NamedTempFile> {
    let mut file = tempfile::NamedTempFile::new()?;
    file.write_all(patch.to_string().as_bytes())?;
    Ok(file)
}

/// An option and its value as one argument: a value that begins with a dash is still a value.
fn option(name: &str, value: impl AsRef<std::ffi::OsStr>) -> OsString {
    let mut option = OsString::from(name);
    option.push("=");
    option.push(value);
    option
}

fn text(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

/// Answer of `agents add` and `agents set-identity`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Changed {
    agent_id: String,
}

/// One agent in the answer of `agents list`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    id: String,
    name: Option<String>,
    workspace: Option<PathBuf>,
    identity_name: Option<String>,
    identity_emoji: Option<String>,
}

impl From<Listed> for Entry {
    fn from(listed: Listed) -> Self {
        Self {
            id: listed.id,
            name: listed.name,
            workspace: listed.workspace,
            identity_name: listed.identity_name,
            identity_emoji: listed.identity_emoji,
        }
    }
}
