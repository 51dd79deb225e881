//! The processes of this machine, as usage is counted from them.

use rustix::process::{Pid, Signal, kill_process};
use sysinfo::{Process, ProcessRefreshKind, ProcessStatus, ProcessesToUpdate, System, UpdateKind};

use super::mark::{self, Mark};

/// One process. Its id comes again some day, its id together with its start does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProcessId {
    /// The system's number.
    pub pid: u32,
    /// When it began, in seconds since 1970.
    pub started_secs: u64,
}

/// A process as it was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenProcess {
    /// Which one.
    pub id: ProcessId,
    /// Who started it, or whoever took it over since.
    pub parent: Option<u32>,
    /// Its process group.
    pub group: Option<u32>,
    /// The service of this worker that it says to belong to.
    pub service: Option<String>,
    /// Whether it carries the mark of something else than a service of this worker.
    pub is_of_another: bool,
    /// What it has used of all processors together since it began.
    pub cpu_ms: u64,
    /// What those of its children have used that have ended, with theirs. Only of one that carries a mark.
    pub ended_children_cpu_ms: u64,
    /// Its memory that is not swapped out. What two processes share counts for both.
    pub ram_bytes: u64,
}

/// Reads the processes of this machine. What it knows of them is kept from reading to reading.
pub struct ProcessTable {
    system: System,
    mark: Mark,
}

impl ProcessTable {
    /// A table in which the services of this worker are known; none on a system that cannot be measured.
    pub fn new(mark: Mark) -> Option<Self> {
        let system = System::new()
            .inspect_err(
                |error| tracing::error!(%error, "failed to list the processes of this machine: {error}"),
            )
            .ok()?;
        Some(Self { system, mark })
    }

    /// Reads all of them; what has ended and was not waited for is none.
    pub fn read(&mut self) -> Vec<SeenProcess> {
        let kind = ProcessRefreshKind::nothing()
            .with_cpu()
            .with_memory()
            // A process that was seen between its fork and its exec has another environment afterwards.
            .with_environ(UpdateKind::Always)
            .without_tasks();
        self.system
            .refresh_processes_specifics(ProcessesToUpdate::All, true, kind);
        let own = std::process::id();
        let all = self.system.processes().values();
        all.filter(|process| process.status() != ProcessStatus::Zombie)
            .map(|process| seen(process, &self.mark))
            .filter(|process| process.id.pid != own)
            .collect()
    }
}

fn seen(process: &Process, own: &Mark) -> SeenProcess {
    let pid = process.pid().as_u32();
    let value = mark::mark_of(process);
    let service = value.and_then(|value| own.service_name(value));
    SeenProcess {
        id: ProcessId {
            pid,
            started_secs: process.start_time(),
        },
        parent: process.parent().map(sysinfo::Pid::as_u32),
        group: group_of(pid),
        is_of_another: value.is_some() && service.is_none(),
        service,
        cpu_ms: process.accumulated_cpu_time(),
        ended_children_cpu_ms: value.map_or(0, |_| ended_children_cpu_ms(pid)),
        ram_bytes: process.memory(),
    }
}

/// None on a system that does not tell.
#[cfg(target_os = "linux")]
fn ended_children_cpu_ms(pid: u32) -> u64 {
    let stat = std::fs::read(format!("/proc/{pid}/stat")).unwrap_or_default();
    parse_ended_children(&stat).map_or(0, |ticks| ticks * 1_000 / rustix::param::clock_ticks_per_second())
}

#[cfg(not(target_os = "linux"))]
fn ended_children_cpu_ms(_pid: u32) -> u64 {
    0
}

/// Clock ticks, of the 16th and 17th field. The second is the program's name, which may have spaces and brackets.
#[cfg(target_os = "linux")]
fn parse_ended_children(stat: &[u8]) -> Option<u64> {
    let name_end = stat.iter().rposition(|&byte| byte == b')')?;
    let rest = std::str::from_utf8(stat.get(name_end + 1..)?).ok()?;
    let mut fields = rest.split_ascii_whitespace().skip(13);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

/// None of a process whose group is none of this machine's, as the kernel's own and those from outside a container have
/// it; rustix takes that for impossible.
fn group_of(pid: u32) -> Option<u32> {
    let pid = nix::unistd::Pid::from_raw(i32::try_from(pid).ok()?);
    let group = nix::unistd::getpgid(Some(pid)).ok()?.as_raw();
    u32::try_from(group).ok().filter(|group| *group > 0)
}

fn as_pid(pid: u32) -> Option<Pid> {
    Pid::from_raw(i32::try_from(pid).ok()?)
}

/// Kills those that still are who they were. Says how many that is.
pub fn kill_processes(ids: &[ProcessId]) -> usize {
    let Ok(mut system) = System::new() else {
        return 0;
    };
    let pids: Vec<_> = ids.iter().map(|id| sysinfo::Pid::from_u32(id.pid)).collect();
    let kind = ProcessRefreshKind::nothing().without_tasks();
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&pids), true, kind);
    let is_still = |id: &&ProcessId| {
        let process = system.process(sysinfo::Pid::from_u32(id.pid));
        process.is_some_and(|process| {
            process.start_time() == id.started_secs && process.status() != ProcessStatus::Zombie
        })
    };
    ids.iter()
        .filter(is_still)
        .filter_map(|id| as_pid(id.pid))
        .filter(|&pid| kill_process(pid, Signal::KILL).is_ok())
        .count()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_ended_children_is_read_behind_any_name() {
        let stat = b"7 (a) b (c) S 1 7 7 0 -1 4194304 1 2 3 4 50 60 700 80 20 0 1 0 999 1 2";
        assert_eq!(parse_ended_children(stat), Some(780));
        assert_eq!(parse_ended_children(b""), None);
        assert_eq!(parse_ended_children(b"7 (a) S 1"), None);
    }
}
