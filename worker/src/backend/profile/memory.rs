//! Whether there is memory for one more gateway. What is promised to gateways that have not taken it yet counts as
//! taken, so that twenty that start at once are judged like twenty that start one after the other.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use sysinfo::{MemoryRefreshKind, Process, ProcessRefreshKind, ProcessesToUpdate, System};
use uuid::Uuid;

use crate::backend::BackendError;

/// What a gateway takes: 0.7 to 0.8 GB when it is ready, and up to 1.13 GB after some turns.
pub const AGENT_MEMORY_MB: u64 = 1_300;

const MB: u64 = 1 << 20;

/// No gateway starts programs that start programs so deep.
const DEPTH_MAX: usize = 64;

/// What there is, and what is used.
pub trait Memory: Send + Sync {
    /// What can still be given to programs without swapping, in MB; none if nobody knows.
    fn free_mb(&self) -> Option<u64>;
    /// What each of these processes uses, with all that it started, in MB.
    fn used_mb(&self, leaders: &[u32]) -> HashMap<u32, u64>;
}

/// That of this machine, or of the container in which the worker runs.
#[derive(Debug, Default)]
pub struct MachineMemory;

impl Memory for MachineMemory {
    fn free_mb(&self) -> Option<u64> {
        let mut system = System::new().ok()?;
        system.refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
        let of_container = system.cgroup_limits().map(|limits| limits.free_memory);
        let free = of_container.map_or(system.available_memory(), |free| {
            free.min(system.available_memory())
        });
        Some(free / MB)
    }

    fn used_mb(&self, leaders: &[u32]) -> HashMap<u32, u64> {
        let mut used = HashMap::new();
        let Ok(mut system) = System::new() else {
            return used;
        };
        let memory = ProcessRefreshKind::nothing().with_memory().without_tasks();
        system.refresh_processes_specifics(ProcessesToUpdate::All, true, memory);
        let processes = system.processes();
        for process in processes.values() {
            let parent = |process: &&Process| processes.get(&process.parent()?);
            let ancestry = std::iter::successors(Some(process), parent).take(DEPTH_MAX);
            let leader = ancestry
                .map(|process| process.pid().as_u32())
                .find(|pid| leaders.contains(pid));
            if let Some(leader) = leader {
                *used.entry(leader).or_default() += process.memory() / MB;
            }
        }
        used
    }
}

/// Who decides. One instance serves all agents of a worker.
pub(super) struct Admission {
    memory: Arc<dyn Memory>,
    needed_mb: u64,
    /// Who was let in, with the process that uses it, once there is one.
    admitted: Mutex<HashMap<Uuid, Option<u32>>>,
}

impl Admission {
    pub(super) fn new(memory: Arc<dyn Memory>, needed_mb: u64) -> Self {
        Self {
            memory,
            needed_mb,
            admitted: Mutex::default(),
        }
    }

    /// Lets an agent in, or says why not. It blocks for as long as it takes to list the processes.
    pub(super) fn admit(&self, id: Uuid) -> Result<(), BackendError> {
        let leaders: Vec<u32> = self.lock().values().copied().flatten().collect();
        // Without the lock: everybody who looks at an agent has it for a moment, and this takes many.
        let used = if leaders.is_empty() {
            HashMap::new()
        } else {
            self.memory.used_mb(&leaders)
        };
        let free_mb = self.memory.free_mb();
        let mut admitted = self.lock();
        let promised = |leader: &Option<u32>| {
            let used = leader
                .and_then(|leader| used.get(&leader))
                .copied()
                .unwrap_or_default();
            self.needed_mb.saturating_sub(used)
        };
        let others = admitted.iter().filter(|(other, _)| **other != id);
        let reserved_mb: u64 = others.map(|(_, leader)| promised(leader)).sum();
        let Some(free_mb) = free_mb else {
            tracing::warn!("nobody knows how much memory this machine has left; letting agents start");
            admitted.insert(id, None);
            return Ok(());
        };
        if free_mb.saturating_sub(reserved_mb) < self.needed_mb {
            return Err(BackendError::MemoryFull {
                needed_mb: self.needed_mb,
                free_mb,
                reserved_mb,
            });
        }
        admitted.insert(id, None);
        Ok(())
    }

    /// This process uses what was promised to the agent.
    pub(super) fn used_by(&self, id: Uuid, leader: u32) {
        self.lock().insert(id, Some(leader));
    }

    /// The agent needs it no longer.
    pub(super) fn leave(&self, id: Uuid) {
        self.lock().remove(&id);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Uuid, Option<u32>>> {
        self.admitted.lock().expect("no holder of this lock panics")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A machine with this much left, whose gateways use this much.
    struct Fixed {
        free_mb: u64,
        used_mb: u64,
    }

    impl Memory for Fixed {
        fn free_mb(&self) -> Option<u64> {
            Some(self.free_mb)
        }

        fn used_mb(&self, leaders: &[u32]) -> HashMap<u32, u64> {
            leaders.iter().map(|leader| (*leader, self.used_mb)).collect()
        }
    }

    fn id(n: u32) -> Uuid {
        Uuid::from_u128(u128::from(n))
    }

    fn let_in(admission: &Admission, count: u32) -> usize {
        (0..count).filter(|n| admission.admit(id(*n)).is_ok()).count()
    }

    #[test]
    fn what_is_promised_is_not_promised_twice() {
        let memory = Arc::new(Fixed {
            free_mb: 6_000,
            used_mb: 0,
        });
        let admission = Admission::new(memory, 1_300);
        assert_eq!(let_in(&admission, 20), 4);
        let refused = admission.admit(id(7));
        let Err(BackendError::MemoryFull {
            free_mb,
            reserved_mb,
            needed_mb,
        }) = refused
        else {
            panic!("{refused:?}")
        };
        assert_eq!((free_mb, reserved_mb, needed_mb), (6_000, 5_200, 1_300));
        admission.leave(id(0));
        admission.admit(id(7)).expect("there is room again");
    }

    #[test]
    fn what_is_used_already_is_not_counted_twice() {
        let memory = Arc::new(Fixed {
            free_mb: 2_000,
            used_mb: 1_250,
        });
        let admission = Admission::new(memory, 1_300);
        for n in 0..10 {
            admission.used_by(id(n), n + 1);
        }
        admission.admit(id(11)).expect("the ten have what they need");
        assert!(admission.admit(id(12)).is_err());
        admission.admit(id(11)).expect("it was let in before");
    }

    #[test]
    fn this_machine_has_memory_and_this_process_uses_some() {
        let free = MachineMemory.free_mb().expect("it is known");
        assert!(free > 0);
        let own = std::process::id();
        assert!(MachineMemory.used_mb(&[own]).contains_key(&own));
    }
}
