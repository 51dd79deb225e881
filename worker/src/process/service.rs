//! A program that outlives the worker that started it: it writes to a file and not to a pipe, and the next
//! worker finds it by its mark.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

use super::mark::{self, MARK_VARIABLE, Mark, ServiceMark};
use super::runner::inherited;
use super::unit::{self, Unit};

/// How often it is looked whether one that was told to end is gone.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// How long the kernel may take to clear away what was killed.
const KILL_WAIT: Duration = Duration::from_secs(5);

/// What to run. It never passes through a shell.
#[derive(Debug, Clone)]
pub(crate) struct Service {
    /// The program, which is looked for on PATH if it is a bare name.
    pub(crate) program: PathBuf,
    /// Its arguments.
    pub(crate) args: Vec<OsString>,
    /// Its environment, beside the short list that every child has.
    pub(crate) env: Vec<(OsString, OsString)>,
    /// What it prints is added to this file.
    pub(crate) log: PathBuf,
    /// What it is found by.
    pub(crate) mark: ServiceMark,
}

/// A service that runs, or ran.
#[derive(Debug)]
pub(crate) struct RunningService {
    mark: ServiceMark,
    pid: u32,
    /// None for one that an earlier worker started: nobody hands over its exit code.
    origin: Option<Origin>,
}

/// Who started it.
#[derive(Debug)]
enum Origin {
    /// This worker did.
    Worker(Child),
    /// systemd did, in a unit.
    Systemd(Unit),
}

/// How a service ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// By itself, with this exit code or signal.
    Told(ExitStatus),
    /// Nobody knows how.
    Unknown,
}

impl Service {
    /// Starts it. On a disk that does not answer this takes as long as the system does.
    pub(crate) async fn start(&self) -> io::Result<RunningService> {
        let service = self.clone();
        let opened = tokio::task::spawn_blocking(move || service.open_log());
        let log = opened.await.unwrap_or_else(|error| Err(error.into()))?;
        let (pid, origin) = match unit::start_in_unit(self).await? {
            Some(unit) => (Some(unit.pid()), Origin::Systemd(unit)),
            None => {
                let service = self.clone();
                let started = tokio::task::spawn_blocking(move || service.spawn(log));
                let child = started.await.unwrap_or_else(|error| Err(error.into()))?;
                (child.id(), Origin::Worker(child))
            }
        };
        Ok(RunningService {
            mark: self.mark.clone(),
            pid: pid.ok_or_else(|| io::Error::other("no process id"))?,
            origin: Some(origin),
        })
    }

    fn open_log(&self) -> io::Result<File> {
        OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(&self.log)
    }

    fn spawn(&self, log: File) -> io::Result<Child> {
        #[expect(clippy::disallowed_methods, reason = "this is the home of that call")]
        Command::new(&self.program)
            .args(&self.args)
            .env_clear()
            .envs(inherited())
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .env(MARK_VARIABLE, self.mark.as_str())
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0)
            .spawn()
    }
}

impl RunningService {
    /// Finds what an earlier worker started; its command line has this word.
    pub(crate) async fn find(mark: &ServiceMark, word: &'static str) -> Option<Self> {
        let wanted = mark.clone();
        let found = tokio::task::spawn_blocking(move || mark::find_leader(&wanted, word));
        Some(Self {
            mark: mark.clone(),
            pid: found.await.ok().flatten()?,
            origin: None,
        })
    }

    /// When it was started, in seconds since 1970; none if it is gone.
    pub(crate) fn started_secs(&self) -> Option<u64> {
        mark::started_secs(self.pid)
    }

    /// Its process id, which is its group's, too.
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// How it ended; none while it runs.
    pub(crate) fn ended(&mut self) -> Option<Ended> {
        match &mut self.origin {
            Some(Origin::Systemd(unit)) => unit.ended(),
            Some(Origin::Worker(child)) => match child.try_wait() {
                Ok(None) => None,
                Ok(Some(status)) => Some(Ended::Told(status)),
                Err(_) => Some(Ended::Unknown),
            },
            None => (!mark::is_marked(self.pid, &self.mark)).then_some(Ended::Unknown),
        }
    }

    /// Asks it to end; after the grace it is killed, with all that it started.
    pub(crate) async fn end(mut self, grace: Duration) {
        if self.ended().is_none() {
            self.signal(Signal::TERM);
            self.is_gone_within(grace).await;
        }
        self.kill().await;
    }

    /// Kills it and all that it started.
    pub(crate) async fn kill(mut self) {
        if self.ended().is_none() {
            if let Some(group) = pid(self.pid) {
                // It may be gone already.
                let _gone = kill_process_group(group, Signal::KILL);
            }
            match &self.origin {
                Some(Origin::Systemd(unit)) => unit.kill().await,
                Some(Origin::Worker(_)) => {}
                None => unit::kill_unit_of(self.pid).await,
            }
        }
        self.is_gone_within(KILL_WAIT).await;
        mark::reap_service(&self.mark).await;
    }

    fn signal(&self, signal: Signal) {
        if let Some(leader) = pid(self.pid) {
            // It may be gone already.
            let _gone = kill_process(leader, signal);
        }
    }

    async fn is_gone_within(&mut self, limit: Duration) -> bool {
        let end = Instant::now() + limit;
        while self.ended().is_none() {
            if Instant::now() >= end {
                return false;
            }
            sleep(LOOK_EVERY).await;
        }
        true
    }
}

fn pid(id: u32) -> Option<Pid> {
    Pid::from_raw(i32::try_from(id).ok()?)
}

impl Mark {
    /// The mark of what every worker of this data directory keeps running under this name.
    pub(crate) fn of_service(&self, name: &str) -> ServiceMark {
        ServiceMark::new(self, name)
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[tokio::test]
    async fn what_a_service_left_behind_is_not_taken_for_it() {
        let folder = tempfile::tempdir().expect("make a folder");
        let service = Service {
            program: PathBuf::from("sleep"),
            args: vec!["600".into()],
            env: Vec::new(),
            log: folder.path().join("log"),
            mark: Mark::new(folder.path(), Uuid::new_v4()).of_service("test"),
        };
        let running = service.start().await.expect("it starts");
        let found = RunningService::find(&service.mark, "sleep").await;
        assert_eq!(found.map(|found| found.pid()), Some(running.pid()));
        assert!(RunningService::find(&service.mark, "gateway").await.is_none());
        running.kill().await;
        assert!(RunningService::find(&service.mark, "sleep").await.is_none());
    }
}
