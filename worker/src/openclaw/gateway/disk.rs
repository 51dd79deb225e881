//! What of a new agent is on the disk: OpenClaw's trace of an earlier one, and the files of its workspace.

use super::batch::Open;
use super::driver::Shared;
use super::roster::{Change, Roster, was_here};
use super::seed;

/// What the disk says of a new agent.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Fact {
    /// OpenClaw may remember an agent of this id that was deleted.
    pub(super) was_here: bool,
    /// There is no `AGENTS.md`, and OpenClaw would write one.
    pub(super) needs_text: bool,
}

/// Looks at the disk for all that are open.
pub(super) async fn look_at_the_disk(shared: &Shared, open: &[Open], roster: &Roster) -> Vec<Fact> {
    let state_dir = shared.settings.state_dir.clone();
    let skips_bootstrap = roster.skips_bootstrap;
    let changes: Vec<_> = open
        .iter()
        .map(|open| (open.is_open() && !open.was_created).then(|| (open.change.clone(), open.was_prepared)))
        .collect();
    let count = changes.len();
    let look = move || {
        let fact = |change: Option<(Change, bool)>| match change {
            Some((Change::Add(agent), was_prepared)) => Fact {
                // What an earlier attempt made itself is no trace of a deleted agent.
                was_here: !was_prepared && was_here(&state_dir, &agent.id),
                needs_text: !skips_bootstrap && seed::is_missing(&agent.workspace),
            },
            _ => Fact::default(),
        };
        changes.into_iter().map(fact).collect()
    };
    tokio::task::spawn_blocking(look)
        .await
        .unwrap_or_else(|_| vec![Fact::default(); count])
}

/// Does what `agents.create` would do: the files that OpenClaw writes, and the folder that tells a later
/// attempt that the id was used.
pub(super) async fn prepare_the_disk(shared: &Shared, planned: &[usize], open: &mut [Open], facts: &[Fact]) {
    let new: Vec<_> = planned
        .iter()
        .filter_map(|&at| match &open[at].change {
            Change::Add(agent) if !open[at].was_created => Some((agent.clone(), facts[at])),
            _ => None,
        })
        .collect();
    for &at in planned {
        open[at].was_prepared = true;
    }
    let (state_dir, text) = (shared.settings.state_dir.clone(), shared.text());
    let write = move || {
        for (agent, fact) in new {
            if let Some(text) = text.as_deref().filter(|_| fact.needs_text)
                && let Err(error) = seed::write(&agent.workspace, text)
            {
                // The gateway writes it at the first turn.
                tracing::warn!(%error, "failed to write AGENTS.md of {}: {error}", agent.id);
            }
            let sessions = state_dir.join("agents").join(agent.id.as_str()).join("sessions");
            if let Err(error) = std::fs::create_dir_all(&sessions) {
                tracing::debug!(%error, "failed to make {}: {error}", sessions.display());
            }
        }
    };
    let _panicked = tokio::task::spawn_blocking(write).await;
}
