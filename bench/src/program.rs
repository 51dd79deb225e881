//! A program under measure: what it prints, and what it costs.

use std::collections::HashMap;
use std::fs::File;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use creel_local::process;
use rustix::process::Signal;
use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

/// What is told to end holds nothing that would need more.
const STOP_LIMIT: Duration = Duration::from_secs(20);

/// A child process whose standard output is read line by line. It is killed when it is dropped.
#[derive(Debug)]
pub struct Program {
    name: String,
    child: Child,
    lines: Option<Lines<BufReader<ChildStdout>>>,
}

impl Program {
    /// Starts it. What it says on standard error goes where the caller of this sent it.
    pub fn start(command: &mut Command) -> Result<Self> {
        let name = command.as_std().get_program().to_string_lossy().into_owned();
        let mut child = command
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("start {name}"))?;
        let stdout = child.stdout.take().context("read what a program prints")?;
        Ok(Self {
            name,
            child,
            lines: Some(BufReader::new(stdout).lines()),
        })
    }

    /// Starts it with its standard output in a file.
    pub fn start_logged(command: &mut Command, log: File) -> Result<Self> {
        let name = command.as_std().get_program().to_string_lossy().into_owned();
        let child = command
            .stdout(log)
            .spawn()
            .with_context(|| format!("start {name}"))?;
        Ok(Self {
            name,
            child,
            lines: None,
        })
    }

    /// The next line.
    pub async fn line(&mut self, limit: Duration) -> Result<String> {
        let lines = self.lines.as_mut().context("read from a file instead")?;
        match tokio::time::timeout(limit, lines.next_line()).await {
            Ok(line) => line
                .with_context(|| format!("read from {}", self.name))?
                .with_context(|| format!("{} ended too soon", self.name)),
            Err(_) => bail!("{} said nothing for {} s", self.name, limit.as_secs()),
        }
    }

    /// The process id.
    pub fn pid(&self) -> Result<u32> {
        self.child
            .id()
            .with_context(|| format!("{} has ended", self.name))
    }

    /// SIGTERM, then a wait for the end.
    pub async fn stop(mut self) -> Result<()> {
        process::stop(&mut self.child, Signal::TERM, STOP_LIMIT).await?;
        Ok(())
    }
}

/// What a process has used.
#[derive(Debug, Clone)]
pub struct Usage {
    /// Memory that it occupies now.
    pub memory_mib: f64,
    /// Nanoseconds that each of its threads ran.
    threads: HashMap<u32, u64>,
    /// Milliseconds that all of it ran, coarsely.
    cpu_ms: u64,
}

impl Usage {
    /// Looks at a process.
    pub fn of(pid: u32) -> Result<Self> {
        let mut system = System::new().context("look at the processes")?;
        let wanted = Pid::from_u32(pid);
        let kind = ProcessRefreshKind::nothing()
            .with_cpu()
            .with_memory()
            .without_tasks();
        system.refresh_processes_specifics(ProcessesToUpdate::Some(&[wanted]), true, kind);
        let process = system
            .process(wanted)
            .context("look at a program under measure")?;
        Ok(Self {
            memory_mib: as_float(process.memory()) / (1024.0 * 1024.0),
            threads: thread_nanos(pid).unwrap_or_default(),
            cpu_ms: process.accumulated_cpu_time(),
        })
    }

    /// Processor time since an earlier look. The usual clock ticks a hundred times a second, which is too coarse
    /// for what does nothing; where the system counts each thread's nanoseconds, they are taken.
    pub fn cpu_ms_since(&self, earlier: &Self) -> f64 {
        if self.threads.is_empty() {
            return as_float(self.cpu_ms.saturating_sub(earlier.cpu_ms));
        }
        let nanos = self.threads.iter().map(|(thread, after)| {
            let before = earlier.threads.get(thread).copied().unwrap_or_default();
            after.saturating_sub(before)
        });
        as_float(nanos.sum()) / 1e6
    }
}

/// What Linux says of each thread that lives.
fn thread_nanos(pid: u32) -> Option<HashMap<u32, u64>> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).ok()?;
    let nanos = tasks.filter_map(|task| {
        let task = task.ok()?;
        let ran = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
        Some((
            task.file_name().to_str()?.parse().ok()?,
            ran.split(' ').next()?.parse().ok()?,
        ))
    });
    Some(nanos.collect())
}

#[expect(clippy::cast_precision_loss, reason = "nobody measures for centuries")]
fn as_float(number: u64) -> f64 {
    number as f64
}
