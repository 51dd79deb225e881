//! A program under measure: what it prints, and what it costs.

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
    lines: Lines<BufReader<ChildStdout>>,
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
            lines: BufReader::new(stdout).lines(),
        })
    }

    /// The next line.
    pub async fn line(&mut self, limit: Duration) -> Result<String> {
        match tokio::time::timeout(limit, self.lines.next_line()).await {
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
#[derive(Debug, Clone, Copy)]
pub struct Usage {
    /// Processor time since its start.
    pub cpu_ms: f64,
    /// Memory that it occupies now.
    pub memory_mib: f64,
}

/// Looks at a process.
pub fn usage_of(pid: u32) -> Result<Usage> {
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
    Ok(Usage {
        cpu_ms: exact_cpu_ms(pid).unwrap_or_else(|| as_float(process.accumulated_cpu_time())),
        memory_mib: as_float(process.memory()) / (1024.0 * 1024.0),
    })
}

/// Linux counts in nanoseconds what each thread ran; the usual clock ticks a hundred times a second, which is too
/// coarse for what does nothing.
fn exact_cpu_ms(pid: u32) -> Option<f64> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).ok()?;
    let nanos: u64 = tasks
        .filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("schedstat")).ok())
        .filter_map(|text| text.split(' ').next()?.parse::<u64>().ok())
        .sum();
    Some(as_float(nanos) / 1e6)
}

#[expect(clippy::cast_precision_loss, reason = "nobody measures for centuries")]
fn as_float(number: u64) -> f64 {
    number as f64
}
