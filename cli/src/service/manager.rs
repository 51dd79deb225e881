//! The programs that load services.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use creel_local::process;
use creel_worker::process::{Mark, Run, Runner};
use uuid::Uuid;

use crate::error::{CliError, ErrorKind};

/// What such a program needs of the environment to find its manager, beside what every child has.
const NEEDED: &[&str] = &["XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS"];

/// One program of the system: `systemctl`, `loginctl`, `launchctl`.
#[derive(Debug, Clone)]
pub(crate) struct ManagerProgram {
    path: PathBuf,
    runner: Runner,
}

/// What it said.
#[derive(Debug, Clone)]
pub(crate) struct Said {
    /// Whether it was content.
    pub(crate) ok: bool,
    /// What it printed.
    pub(crate) stdout: String,
    /// What it complained about, on one line.
    pub(crate) complaint: String,
}

impl ManagerProgram {
    /// Finds it in PATH.
    pub(crate) fn find(name: &str) -> Result<Self, CliError> {
        let path = process::find_program(name).ok_or_else(|| {
            CliError::new(ErrorKind::Failed, format!("{name} is not found in PATH"))
                .code("no_service_manager")
                .hint("without systemd or launchd let your own supervisor run: creel worker")
        })?;
        let mark = Mark::new(&std::env::temp_dir(), Uuid::new_v4());
        Ok(Self {
            path,
            runner: Runner::new(mark),
        })
    }

    /// Runs it to its end.
    pub(crate) async fn run(&self, args: &[&str], limit: Duration) -> anyhow::Result<Said> {
        let mut run = Run::new(&self.path, limit).args(args.iter().copied());
        for name in NEEDED {
            if let Some(value) = std::env::var_os(name) {
                run = run.env(*name, value);
            }
        }
        let finished = self.runner.run(run, ()).await;
        let finished = finished.with_context(|| format!("run {} {}", self.path.display(), args.join(" ")))?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        let (stdout, stderr) = (text(&finished.stdout), text(&finished.stderr));
        let told = if stderr.is_empty() { &stdout } else { &stderr };
        let complaint = match told.lines().map(str::trim).collect::<Vec<_>>().join("; ") {
            nothing if nothing.is_empty() => finished.status.to_string(),
            said => said,
        };
        Ok(Said {
            ok: finished.status.success(),
            stdout,
            complaint,
        })
    }

    /// Runs what has to work.
    pub(crate) async fn must(&self, args: &[&str], limit: Duration) -> anyhow::Result<String> {
        let said = self.run(args, limit).await?;
        if said.ok {
            return Ok(said.stdout);
        }
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        let message = format!("{name} {} failed: {}", args.join(" "), said.complaint);
        Err(CliError::new(ErrorKind::Failed, message)
            .code("service_manager")
            .into())
    }
}
