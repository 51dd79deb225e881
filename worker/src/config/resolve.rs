//! From what was given to what is used.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{
    ConfigError, DEFAULT_CLI_PERMITS, DEFAULT_DRAIN_GRACE, DEFAULT_HTTP_LISTEN, DEFAULT_LOG,
    DEFAULT_OPENCLAW, DEFAULT_PERMITS, KeepGateway, MAX_FINISH_BATCH, MAX_PERMITS, OpenClawDriver,
    WorkerArgs, WorkerConfig, absolute, default_data_dir, default_openclaw_state_dir,
};

use crate::backend::{AGENT_MEMORY_MB, ARCHIVE_RETENTION, FIRST_PORT};

/// A drain beyond an hour is a worker that somebody forgot.
const MAX_DRAIN_GRACE_SECS: u64 = 3_600;

/// A run of OpenClaw that takes longer than an hour does not end.
const MAX_OPENCLAW_TIMEOUT_SECS: u64 = 3_600;

/// Longer is for ever, and no number of seconds.
const MAX_ARCHIVE_DAYS: u64 = 36_500;

const DAY_SECS: u64 = 24 * 3_600;

impl WorkerArgs {
    /// Adds file and defaults, and checks everything.
    pub fn resolve(self) -> Result<WorkerConfig, ConfigError> {
        let mut warnings = Vec::new();
        let file = match &self.config {
            Some(path) => Some(absolute("config", path)?),
            None => WorkerConfig::default_file().filter(|path| path.exists()),
        };
        let below = match file {
            Some(path) => read_file(&path, &mut warnings)?,
            None => Self::default(),
        };
        self.over(below, warnings)
    }

    pub(super) fn resolve_without_file(self) -> Result<WorkerConfig, ConfigError> {
        self.over(Self::default(), Vec::new())
    }

    /// `self` goes before `below`.
    fn over(self, below: Self, mut warnings: Vec<String>) -> Result<WorkerConfig, ConfigError> {
        let transport = self.transport(&below, &mut warnings)?;
        let openclaw_state_dir = path_or(
            "openclaw_state_dir",
            self.openclaw_state_dir.or(below.openclaw_state_dir),
            default_openclaw_state_dir,
        )?;
        let workspace_root = path_or(
            "workspace_root",
            self.workspace_root.or(below.workspace_root),
            || Ok(openclaw_state_dir.join("workspaces")),
        )?;
        let openclaw_driver = self.openclaw_driver.or(below.openclaw_driver).unwrap_or_default();
        let default_permits = match openclaw_driver {
            OpenClawDriver::Cli => DEFAULT_CLI_PERMITS,
            OpenClawDriver::Auto | OpenClawDriver::Gateway => DEFAULT_PERMITS,
        };
        let config = WorkerConfig {
            transport,
            permits: self.permits.or(below.permits).unwrap_or(default_permits),
            openclaw_driver,
            finish_batch: MAX_FINISH_BATCH,
            openclaw: program(self.openclaw.or(below.openclaw))?,
            openclaw_timeout: self
                .openclaw_timeout_secs
                .or(below.openclaw_timeout_secs)
                .map(Duration::from_secs),
            openclaw_state_dir,
            workspace_root,
            data_dir: path_or("data_dir", self.data_dir.or(below.data_dir), default_data_dir)?,
            keep_gateway: match self.keep_gateway.or(below.keep_gateway) {
                Some(true) => KeepGateway::BeyondEnd,
                Some(false) | None => KeepGateway::Never,
            },
            profile_base: optional_path("profile_base", self.profile_base.or(below.profile_base))?,
            agent_memory_mb: self
                .agent_memory_mb
                .or(below.agent_memory_mb)
                .unwrap_or(AGENT_MEMORY_MB),
            archive_retention: self
                .archive_days
                .or(below.archive_days)
                .map_or(ARCHIVE_RETENTION, |days| {
                    Duration::from_secs(days.min(MAX_ARCHIVE_DAYS) * DAY_SECS)
                }),
            first_agent_port: self
                .first_agent_port
                .or(below.first_agent_port)
                .unwrap_or(FIRST_PORT),
            agents_end_with_worker: false,
            http_listen: self
                .http_listen
                .or(below.http_listen)
                .unwrap_or(DEFAULT_HTTP_LISTEN),
            drain_grace: self
                .drain_grace_secs
                .or(below.drain_grace_secs)
                .map_or(DEFAULT_DRAIN_GRACE, Duration::from_secs),
            log: self.log.or(below.log).unwrap_or_else(|| DEFAULT_LOG.to_owned()),
            warnings,
        };
        config.check()?;
        Ok(config)
    }
}

impl WorkerConfig {
    /// Checks what types cannot say; a program that changed fields by hand is checked again at start.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let refuse = |key, message: String| Err(ConfigError::Value { key, message });
        if !(1..=MAX_PERMITS).contains(&self.permits) {
            return refuse(
                "permits",
                format!("{} is not within 1–{MAX_PERMITS}", self.permits),
            );
        }
        if !(1..=MAX_FINISH_BATCH).contains(&self.finish_batch) {
            return refuse(
                "finish_batch",
                format!("{} is not within 1–{MAX_FINISH_BATCH}", self.finish_batch),
            );
        }
        if self.drain_grace > Duration::from_secs(MAX_DRAIN_GRACE_SECS) {
            let secs = self.drain_grace.as_secs();
            return refuse(
                "drain_grace_secs",
                format!("{secs} is more than an hour; give at most {MAX_DRAIN_GRACE_SECS}"),
            );
        }
        let timeout_secs = self.openclaw_timeout.map(|timeout| timeout.as_secs());
        if timeout_secs.is_some_and(|secs| !(1..=MAX_OPENCLAW_TIMEOUT_SECS).contains(&secs)) {
            let secs = timeout_secs.unwrap_or_default();
            return refuse(
                "openclaw_timeout_secs",
                format!(
                    "{secs} is not within 1–{MAX_OPENCLAW_TIMEOUT_SECS}; leave it out for the usual limits"
                ),
            );
        }
        if !self.http_listen.ip().is_loopback() {
            return refuse(
                "http_listen",
                format!(
                    "{} is not a loopback address, and these pages have no login; use 127.0.0.1, \
                     and a proxy or a tunnel to reach them from elsewhere",
                    self.http_listen
                ),
            );
        }
        if let Err(error) = self.log.parse::<tracing_subscriber::EnvFilter>() {
            return refuse("log", format!("{:?} is no filter: {error}", self.log));
        }
        Ok(())
    }
}

fn read_file(path: &Path, warnings: &mut Vec<String>) -> Result<WorkerArgs, ConfigError> {
    let text = read("config", path)?;
    let args: WorkerArgs = toml::from_str(&text).map_err(|error| ConfigError::File {
        path: path.to_owned(),
        message: explain(&error, &text),
    })?;
    if args.database_url.is_some() || args.data_api_proxy.is_some() {
        warn_if_shared(path, warnings);
    }
    Ok(args)
}

/// What the parser says, with the line's number but not its text: it may hold the password.
fn explain(error: &toml::de::Error, text: &str) -> String {
    let message = error.message();
    match error.span() {
        Some(span) => {
            let before = text.get(..span.start).unwrap_or_default();
            format!("line {}: {message}", before.matches('\n').count() + 1)
        }
        None => message.to_owned(),
    }
}

pub(super) fn read(key: &'static str, path: &Path) -> Result<String, ConfigError> {
    std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
        key,
        path: path.to_owned(),
        source,
    })
}

pub(super) fn warn_if_shared(path: &Path, warnings: &mut Vec<String>) {
    if let Ok(metadata) = std::fs::metadata(path)
        && metadata.permissions().mode() & 0o077 != 0
    {
        warnings.push(format!(
            "{} holds a secret and can be read by other users; run: chmod 600 {0}",
            path.display()
        ));
    }
}

pub(super) fn optional_path(
    key: &'static str,
    path: Option<PathBuf>,
) -> Result<Option<PathBuf>, ConfigError> {
    path.map(|path| absolute(key, &path)).transpose()
}

pub(super) fn path_or(
    key: &'static str,
    path: Option<PathBuf>,
    default: impl FnOnce() -> Result<PathBuf, ConfigError>,
) -> Result<PathBuf, ConfigError> {
    match path {
        Some(path) => absolute(key, &path),
        None => default(),
    }
}

/// A name stays a name, so that it is looked up in PATH; what has a folder in it becomes absolute.
fn program(given: Option<PathBuf>) -> Result<PathBuf, ConfigError> {
    match given {
        None => Ok(PathBuf::from(DEFAULT_OPENCLAW)),
        Some(path) if path.components().count() > 1 => absolute("openclaw", &path),
        Some(name) if name.as_os_str().is_empty() => Err(ConfigError::Value {
            key: "openclaw",
            message: "it is empty; give a path, or a name in PATH".to_owned(),
        }),
        Some(name) => Ok(name),
    }
}

#[cfg(test)]
mod tests {
    use creel_core::secret::Secret;

    use super::*;

    const URL: &str = "postgresql://host_a:hunter2@127.0.0.1:5432/postgres";

    fn with_file(text: &str) -> (tempfile::TempDir, WorkerArgs) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("worker.toml");
        std::fs::write(&path, text).expect("write the file");
        (
            folder,
            WorkerArgs {
                config: Some(path),
                ..WorkerArgs::default()
            },
        )
    }

    #[test]
    fn a_flag_goes_before_the_file_and_the_file_before_the_default() {
        let (_folder, args) = with_file(&format!("database_url = {URL:?}\npermits = 7\n"));
        let config = args.clone().resolve().expect("resolve");
        assert_eq!((config.permits, config.log.as_str()), (7, DEFAULT_LOG));
        let config = WorkerArgs {
            permits: Some(2),
            ..args
        }
        .resolve()
        .expect("resolve");
        assert_eq!(config.permits, 2);
    }

    #[test]
    fn an_unknown_key_is_refused_with_its_name_file_and_line() {
        let (_folder, args) = with_file(&format!("database_url = {URL:?}\npermit = 7\n"));
        let said = args.resolve().expect_err("refused").to_string();
        for part in ["`permit`", "worker.toml", "line 2"] {
            assert!(said.contains(part), "{part} is not in: {said}");
        }
    }

    #[test]
    fn no_error_and_no_debug_output_shows_the_password() {
        let (_folder, args) = with_file(&format!("database_url = [{URL:?}]\n"));
        let said = args.resolve().expect_err("refused").to_string();
        assert!(!said.contains("hunter2"), "{said}");
        let config = WorkerConfig::new(Secret::new(URL)).expect("resolve");
        assert!(!format!("{config:?}").contains("hunter2"));
    }

    #[test]
    fn a_secret_that_others_can_read_is_warned_of() {
        let (folder, args) = with_file("permits = 1\n");
        let secret = folder.path().join("url");
        std::fs::write(&secret, format!("{URL}\n")).expect("write the file");
        std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o644)).expect("chmod");
        let config = WorkerArgs {
            database_url_file: Some(secret),
            ..args
        }
        .resolve();
        let warnings = config.expect("resolve").warnings;
        assert!(
            warnings.iter().any(|text| text.contains("chmod 600")),
            "{warnings:?}"
        );
    }

    #[test]
    fn only_loopback_is_listened_on() {
        let given = WorkerArgs {
            database_url: Some(Secret::new(URL)),
            http_listen: Some("0.0.0.0:9464".parse().expect("an address")),
            ..WorkerArgs::default()
        };
        let said = given.resolve_without_file().expect_err("refused").to_string();
        assert!(
            said.contains("http_listen") && said.contains("127.0.0.1"),
            "{said}"
        );
    }

    #[test]
    fn a_program_name_is_left_to_path_and_a_relative_path_is_not() {
        assert_eq!(
            program(Some("claw".into())).expect("a name"),
            PathBuf::from("claw")
        );
        assert!(program(Some("./claw".into())).expect("a path").is_absolute());
    }
}
