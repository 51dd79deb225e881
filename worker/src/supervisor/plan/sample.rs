//! What an agent uses, and whether that is more than it may.

use std::collections::VecDeque;
use std::time::Duration;

use serde::Serialize;

use crate::backend::AgentLimits;

/// What an agent uses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Sample {
    /// Of one processor; none before there are two samples.
    pub cpu_percent: Option<f64>,
    /// Memory of all its processes.
    pub ram_mb: f64,
    /// Size of its folder; none before it was measured.
    pub disk_mb: Option<f64>,
}

/// What an agent has too much of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource {
    /// Time on the processors.
    Cpu,
    /// Memory.
    Ram,
    /// Room on the disk.
    Disk,
}

impl Resource {
    /// The key in the agent's limits.
    pub const fn limit_key(self) -> &'static str {
        match self {
            Self::Cpu => "cpu_percent",
            Self::Ram => "ram_mb",
            Self::Disk => "disk_mb",
        }
    }

    pub(super) fn said(self, amount: f64) -> String {
        match self {
            Self::Cpu => format!("{amount:.0} % of a processor"),
            Self::Ram => format!("{amount:.0} MB of memory"),
            Self::Disk => format!("{amount:.0} MB of disk"),
        }
    }
}

/// One that uses more than it may, and the samples that say so.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Over {
    pub(super) resource: Resource,
    pub(super) limit: f64,
    pub(super) samples: VecDeque<(Duration, Sample)>,
}

pub(super) fn amount(sample: &Sample, resource: Resource) -> Option<f64> {
    match resource {
        Resource::Cpu => sample.cpu_percent,
        Resource::Ram => Some(sample.ram_mb),
        Resource::Disk => sample.disk_mb,
    }
}

/// The first thing that it uses too much of, with the limit and what it uses.
pub(super) fn exceeded(sample: &Sample, limits: &AgentLimits) -> Option<(Resource, f64, f64)> {
    let limits = [
        (Resource::Cpu, limits.cpu_percent),
        (Resource::Ram, limits.ram_mb),
        (Resource::Disk, limits.disk_mb),
    ];
    limits.into_iter().find_map(|(resource, limit)| {
        let (limit, used) = (limit?, amount(sample, resource)?);
        (used > limit).then_some((resource, limit, used))
    })
}
