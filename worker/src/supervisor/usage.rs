//! Which processes belong to which agent, and what they use together.
//!
//! An agent's tree is what carries its mark, whatever was started by a member, whatever is in a member's process
//! group, and whoever was a member before: a child that took another parent, another group and an empty environment
//! stays what it was.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use crate::process::{ProcessId, SeenProcess};

/// What the service of an agent is called, before its id.
const SERVICE_PREFIX: &str = "agent-";

/// The name of an agent's service, by which its processes are marked.
pub fn service_name(agent_id: Uuid) -> String {
    format!("{SERVICE_PREFIX}{agent_id}")
}

/// What the processes of an agent were and used, from one sample to the next.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Trees {
    members: HashMap<ProcessId, Member>,
    /// When the last sample was taken, in seconds since 1970; none before the first.
    sampled_secs: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Member {
    agent_id: Uuid,
    cpu_ms: u64,
    ended_children_cpu_ms: u64,
}

impl Member {
    fn new(agent_id: Uuid, process: &SeenProcess) -> Self {
        Self {
            agent_id,
            cpu_ms: process.cpu_ms,
            ended_children_cpu_ms: process.ended_children_cpu_ms,
        }
    }
}

/// What an agent used between two samples.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Usage {
    /// Time on all processors together.
    pub cpu_ms: u64,
    /// Memory of all its processes.
    pub ram_bytes: u64,
    /// Its processes, in the order of their ids.
    pub processes: Vec<ProcessId>,
}

impl Trees {
    /// Counts a sample, taken at that second since 1970.
    pub fn count(&mut self, seen: &[SeenProcess], now_secs: u64) -> HashMap<Uuid, Usage> {
        let owners = self.owners(seen);
        let mut usage: HashMap<Uuid, Usage> = HashMap::new();
        let mut members = HashMap::new();
        let mut ended_ms: HashMap<Uuid, u64> = HashMap::new();
        for process in seen {
            let Some(&agent_id) = owners.get(&process.id.pid) else {
                continue;
            };
            let used = usage.entry(agent_id).or_default();
            let (own_ms, children_ms) = self.cpu_since(process);
            used.cpu_ms += own_ms;
            *ended_ms.entry(agent_id).or_default() += children_ms;
            used.ram_bytes += process.ram_bytes;
            used.processes.push(process.id);
            members.insert(process.id, Member::new(agent_id, process));
        }
        // What has ended since the last sample is told by whoever started it, with what was counted of it before.
        for (id, member) in &self.members {
            if !members.contains_key(id)
                && let Some(ended_ms) = ended_ms.get_mut(&member.agent_id)
            {
                let counted_ms = member.cpu_ms + member.ended_children_cpu_ms;
                *ended_ms = ended_ms.saturating_sub(counted_ms);
            }
        }
        for (agent_id, ended_ms) in ended_ms {
            usage.entry(agent_id).or_default().cpu_ms += ended_ms;
        }
        for used in usage.values_mut() {
            used.processes.sort_unstable();
        }
        self.members = members;
        self.sampled_secs = Some(now_secs);
        usage
    }

    /// The processes of an agent in a reading that is no sample. Who is found belongs to it from now on.
    pub fn find(&mut self, seen: &[SeenProcess], agent_id: Uuid) -> Vec<ProcessId> {
        let owners = self.owners(seen);
        let is_its = |process: &&SeenProcess| owners.get(&process.id.pid) == Some(&agent_id);
        let mut found = Vec::new();
        for process in seen.iter().filter(is_its) {
            found.push(process.id);
            let new = Member::new(agent_id, process);
            self.members.entry(process.id).or_insert(new);
        }
        found.sort_unstable();
        found
    }

    /// What a process used since the last sample, and what those of its children did that have ended since. Of one that
    /// was there before and not known, nobody can say.
    fn cpu_since(&self, process: &SeenProcess) -> (u64, u64) {
        let (own_ms, children_ms) = (process.cpu_ms, process.ended_children_cpu_ms);
        match (self.members.get(&process.id), self.sampled_secs) {
            (Some(before), _) => (
                own_ms.saturating_sub(before.cpu_ms),
                children_ms.saturating_sub(before.ended_children_cpu_ms),
            ),
            (None, Some(sampled)) if process.id.started_secs >= sampled => (own_ms, children_ms),
            (None, _) => (0, 0),
        }
    }

    /// Whose each process is.
    fn owners(&self, seen: &[SeenProcess]) -> HashMap<u32, Uuid> {
        let mut owners: HashMap<u32, Uuid> = HashMap::new();
        let mut strangers = HashSet::new();
        for process in seen {
            let marked = process.service.as_deref().and_then(agent_of);
            let known = self.members.get(&process.id).map(|member| member.agent_id);
            match marked.or(known) {
                Some(agent_id) => {
                    owners.insert(process.id.pid, agent_id);
                }
                // The host's own gateway, or another worker's child, whoever started it.
                None if process.is_of_another || process.service.is_some() => {
                    strangers.insert(process.id.pid);
                }
                None => {}
            }
        }
        loop {
            let found: Vec<(u32, Uuid)> = seen
                .iter()
                .filter(|process| !owners.contains_key(&process.id.pid))
                .filter(|process| !strangers.contains(&process.id.pid))
                .filter_map(|process| {
                    let by = [process.parent, process.group];
                    let owner = by.into_iter().flatten().find_map(|pid| owners.get(&pid))?;
                    Some((process.id.pid, *owner))
                })
                .collect();
            if found.is_empty() {
                return owners;
            }
            owners.extend(found);
        }
    }
}

fn agent_of(service: &str) -> Option<Uuid> {
    service.strip_prefix(SERVICE_PREFIX)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCOUT: Uuid = Uuid::from_u128(1);
    const NEIGHBOUR: Uuid = Uuid::from_u128(2);

    fn process(pid: u32, parent: u32, group: u32) -> SeenProcess {
        SeenProcess {
            id: ProcessId {
                pid,
                started_secs: 100,
            },
            parent: Some(parent),
            group: Some(group),
            service: None,
            is_of_another: false,
            cpu_ms: 1_000,
            ended_children_cpu_ms: 0,
            ram_bytes: 10,
        }
    }

    fn marked(agent_id: Uuid, pid: u32, parent: u32, group: u32) -> SeenProcess {
        SeenProcess {
            service: Some(service_name(agent_id)),
            ..process(pid, parent, group)
        }
    }

    fn pids(usage: &HashMap<Uuid, Usage>, agent_id: Uuid) -> Vec<u32> {
        let processes = usage.get(&agent_id).map(|usage| usage.processes.clone());
        processes.unwrap_or_default().iter().map(|id| id.pid).collect()
    }

    #[test]
    fn children_by_mark_parent_and_group_are_counted_and_neighbours_are_not() {
        let seen = [
            marked(SCOUT, 10, 1, 10),
            // It cleared its environment.
            process(11, 10, 10),
            process(12, 11, 12),
            // Re-parented, and it kept the group.
            process(13, 1, 10),
            // Re-parented into a group of its own, and it kept the environment.
            marked(SCOUT, 14, 1, 14),
            marked(NEIGHBOUR, 20, 1, 20),
            process(21, 20, 20),
            process(30, 1, 30),
        ];
        let usage = Trees::default().count(&seen, 100);
        assert_eq!(pids(&usage, SCOUT), [10, 11, 12, 13, 14]);
        assert_eq!(pids(&usage, NEIGHBOUR), [20, 21]);
        assert_eq!((usage[&SCOUT].ram_bytes, usage[&NEIGHBOUR].ram_bytes), (50, 20));
        assert_eq!(usage.len(), 2);
    }

    #[test]
    fn who_was_a_member_stays_one_whatever_it_leaves() {
        let mut trees = Trees::default();
        trees.count(&[marked(SCOUT, 10, 1, 10), process(11, 10, 10)], 100);
        let usage = trees.count(&[process(11, 1, 11), process(12, 11, 12)], 105);
        assert_eq!(pids(&usage, SCOUT), [11, 12]);
        let mut other = process(11, 1, 11);
        other.id.started_secs = 110;
        assert!(
            trees.count(&[other], 110).is_empty(),
            "another process with its number"
        );
    }

    #[test]
    fn what_an_agent_starts_with_another_mark_is_not_its_own() {
        let mut other = process(11, 10, 10);
        other.is_of_another = true;
        let mut gateway = process(12, 10, 10);
        gateway.service = Some("gateway-0123".to_owned());
        let usage = Trees::default().count(&[marked(SCOUT, 10, 1, 10), other, gateway], 100);
        assert_eq!(pids(&usage, SCOUT), [10]);
    }

    #[test]
    fn time_is_counted_from_sample_to_sample_and_not_from_the_beginning() {
        let mut trees = Trees::default();
        let at = |cpu_ms| SeenProcess {
            cpu_ms,
            ..marked(SCOUT, 10, 1, 10)
        };
        assert_eq!(trees.count(&[at(60_000)], 1_000)[&SCOUT].cpu_ms, 0);
        assert_eq!(trees.count(&[at(62_500)], 1_005)[&SCOUT].cpu_ms, 2_500);
        let mut young = process(11, 10, 10);
        (young.id.started_secs, young.cpu_ms) = (1_007, 700);
        let usage = trees.count(&[at(62_500), young], 1_010);
        assert_eq!(usage[&SCOUT].cpu_ms, 700, "a child that began since");
        let old = process(12, 10, 10);
        let usage = trees.count(&[at(62_500), old], 1_015);
        assert_eq!(usage[&SCOUT].cpu_ms, 0, "one that joined");
    }

    #[test]
    fn children_that_ended_between_two_samples_are_counted_once() {
        let mut trees = Trees::default();
        let parent = |ended_children_cpu_ms| SeenProcess {
            ended_children_cpu_ms,
            ..marked(SCOUT, 10, 1, 10)
        };
        let child = |cpu_ms| {
            let mut child = process(11, 10, 10);
            (child.id.started_secs, child.cpu_ms) = (1_001, cpu_ms);
            child
        };
        assert_eq!(trees.count(&[parent(9_000)], 1_000)[&SCOUT].cpu_ms, 0);
        // One that nobody has seen.
        assert_eq!(trees.count(&[parent(9_400)], 1_001)[&SCOUT].cpu_ms, 400);
        // One that was seen, and goes on for a while before it ends.
        let usage = trees.count(&[parent(9_400), child(300)], 1_005);
        assert_eq!(usage[&SCOUT].cpu_ms, 300);
        let usage = trees.count(&[parent(9_400 + 1_000)], 1_010);
        assert_eq!(usage[&SCOUT].cpu_ms, 700);
        // One that nobody waited for takes nothing away.
        trees.count(&[parent(10_400), child(300)], 1_015);
        assert_eq!(trees.count(&[parent(10_400)], 1_020)[&SCOUT].cpu_ms, 0);
    }
}
