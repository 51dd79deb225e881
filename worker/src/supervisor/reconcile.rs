//! What the host has, and what the database says that it should have: brought together, in case something was missed.

use std::collections::HashMap;
use std::sync::Arc;

use creel_core::host_api::{AgentReport, AgentState, ListedAgent};
use creel_core::status::{Backend as Kind, DesiredState};
use rand::seq::SliceRandom;
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use super::plan::Why;
use super::{STOP_GRACE, Supervisor};
use crate::backend::{AgentRef, AgentSpec, Backend, BackendError, Record, plan_spec};
use crate::job::Failure;

/// A change of the host's own file is taken over by so many agents each time that the worker reconciles: gateways may
/// restart for it, and are to be there meanwhile.
const REFRESHED_MAX: usize = 4;

/// An agent that the host should have.
#[derive(Debug, Clone)]
pub struct Listed {
    /// What the database says.
    pub agent: ListedAgent,
    /// What it is to be; none if its row cannot be read.
    pub spec: Option<AgentSpec>,
}

impl Listed {
    /// Reads an agent of the answer of `list_agents`; none if it is nothing that this version knows.
    pub fn read(row: &Value) -> Option<Self> {
        Some(Self {
            agent: ListedAgent::deserialize(row).ok()?,
            spec: plan_spec(row).ok(),
        })
    }
}

/// What each backend remembers, and how often commands had been at work on each agent by then.
pub struct Records {
    backends: Vec<(Arc<dyn Backend>, Vec<Record>)>,
    touched: HashMap<Uuid, u64>,
}

impl Records {
    /// Whether any backend remembers this agent.
    pub(super) fn has(&self, agent_id: Uuid) -> bool {
        let mut records = self.backends.iter().flat_map(|(_, records)| records);
        records.any(|record| record.spec.agent.agent_id == agent_id)
    }

    pub(super) fn into_backends(self) -> Vec<(Arc<dyn Backend>, Vec<Record>)> {
        self.backends
    }
}

/// What to do about one agent.
#[derive(Debug, Clone, PartialEq)]
pub enum Reconcile {
    /// It is this host's no more: stopped, and taken away but for an archive.
    Archive(AgentRef),
    /// It is to run, and the host does not know.
    Start(AgentSpec),
    /// It is not to run, and the host does not know.
    Stop(AgentRef),
    /// It is to be otherwise than the host knows.
    Configure(AgentSpec),
    /// The host's own file that its configuration was made with is another one by now.
    Refresh(AgentSpec),
    /// The host should have it, and has lost its files.
    Missing(Uuid),
}

impl Reconcile {
    fn agent_id(&self) -> Uuid {
        match self {
            Self::Archive(agent) | Self::Stop(agent) => agent.agent_id,
            Self::Start(spec) | Self::Configure(spec) | Self::Refresh(spec) => spec.agent.agent_id,
            Self::Missing(agent_id) => *agent_id,
        }
    }
}

fn lost(agent_id: Uuid) -> AgentReport {
    AgentReport {
        agent_id,
        state: AgentState::Error,
        note: Some("its files are not on its host any more: deploy it again".to_owned()),
        restarts: 0,
        pid: None,
    }
}

/// What to do about the agents of one backend. `records` were read before the list was asked for, so that what is not
/// in the list is not just coming. What a command is about to change is left to it.
pub fn plan_reconcile(
    kind: Kind,
    records: &[Record],
    listed: &[Listed],
    is_held: impl Fn(Uuid) -> bool,
) -> Vec<Reconcile> {
    let mut acts = Vec::new();
    let of = |agent_id: Uuid| listed.iter().find(|listed| listed.agent.id == agent_id);
    for record in records {
        let agent = &record.spec.agent;
        let Some(listed) = of(agent.agent_id) else {
            acts.push(Reconcile::Archive(agent.clone()));
            continue;
        };
        if listed.agent.open_command {
            continue;
        }
        // It was not moved to its new backend yet, which takes its files from here.
        if listed.agent.backend != kind {
            let is_to_stop = listed.agent.desired_state == DesiredState::Stopped;
            if is_to_stop && record.desired_state == DesiredState::Running {
                acts.push(Reconcile::Stop(agent.clone()));
            }
            continue;
        }
        if let Some(spec) = listed.spec.as_ref().filter(|spec| differs(&record.spec, spec)) {
            acts.push(Reconcile::Configure(of_record(agent, spec)));
        } else if record.is_outdated && record.desired_state == DesiredState::Running {
            // One that is stopped takes it with its start.
            acts.push(Reconcile::Refresh(record.spec.clone()));
        }
        match (listed.agent.desired_state, record.desired_state) {
            (DesiredState::Running, DesiredState::Stopped) if !is_held(agent.agent_id) => {
                let spec = listed.spec.as_ref().unwrap_or(&record.spec);
                acts.push(Reconcile::Start(of_record(agent, spec)));
            }
            (DesiredState::Stopped, DesiredState::Running) => acts.push(Reconcile::Stop(agent.clone())),
            _ => {}
        }
    }
    let has_record = |agent_id: Uuid| {
        let mut ids = records.iter().map(|record| record.spec.agent.agent_id);
        ids.any(|id| id == agent_id)
    };
    let missing = listed.iter().filter(|listed| {
        let agent = &listed.agent;
        agent.backend == kind
            && agent.provisioned
            && !agent.open_command
            && agent.desired_state != DesiredState::Removed
            && !has_record(agent.id)
    });
    acts.extend(missing.map(|listed| Reconcile::Missing(listed.agent.id)));
    acts
}

/// What an agent is to be, with what the host knows of where it was.
fn of_record(agent: &AgentRef, spec: &AgentSpec) -> AgentSpec {
    AgentSpec {
        agent: agent.clone(),
        ..spec.clone()
    }
}

/// Whether it is another agent but for the number of its version.
fn differs(known: &AgentSpec, wished: &AgentSpec) -> bool {
    let known = AgentSpec {
        generation: wished.generation,
        agent: AgentRef {
            workspace_path: wished.agent.workspace_path.clone(),
            ..known.agent.clone()
        },
        ..known.clone()
    };
    known != *wished
}

impl Supervisor {
    /// The records of the backends that have some: to be read before the database is asked.
    pub async fn records(&self) -> Records {
        let touched = self.touched();
        let mut backends = Vec::new();
        for backend in &self.settings.backends {
            backends.push((backend.clone(), backend.records().await));
        }
        Records { backends, touched }
    }

    /// Begins to do what is to be done so that the host has what it should have.
    pub fn reconcile(self: &Arc<Self>, records: &Records, listed: &[Listed]) {
        for (backend, known) in &records.backends {
            // One that remembers nothing is reconciled by whoever does.
            if backend.kind() == Kind::Shared {
                continue;
            }
            let is_held = |agent_id| self.held(agent_id).is_some();
            let mut by_agent: HashMap<Uuid, Vec<Reconcile>> = HashMap::new();
            let mut outdated = Vec::new();
            for act in plan_reconcile(backend.kind(), known, listed, is_held) {
                match act {
                    Reconcile::Missing(agent_id) => self.reports.report(lost(agent_id)),
                    // It comes to the same until somebody changes it.
                    Reconcile::Configure(spec) if self.was_refused(&spec) => {}
                    Reconcile::Refresh(spec) => outdated.push(spec),
                    act => by_agent.entry(act.agent_id()).or_default().push(act),
                }
            }
            for (agent_id, acts) in by_agent {
                let touched = records.touched.get(&agent_id).copied().unwrap_or(0);
                let (supervisor, backend) = (self.clone(), backend.clone());
                let acting = async move {
                    supervisor
                        .reconcile_agent(&*backend, agent_id, acts, touched)
                        .await;
                };
                drop(self.acts.spawn(acting));
            }
            // Others come the next time: which ones are first is left to chance, as one may not be to be had.
            outdated.shuffle(&mut rand::rng());
            outdated.truncate(REFRESHED_MAX);
            self.refresh(backend, outdated, records);
        }
    }

    /// One after the other: each may restart a gateway.
    fn refresh(self: &Arc<Self>, backend: &Arc<dyn Backend>, specs: Vec<AgentSpec>, records: &Records) {
        let touched = records.touched.clone();
        let (supervisor, backend) = (self.clone(), backend.clone());
        let acting = async move {
            for spec in specs {
                let agent_id = spec.agent.agent_id;
                let touched = touched.get(&agent_id).copied().unwrap_or(0);
                let acts = vec![Reconcile::Refresh(spec)];
                supervisor
                    .reconcile_agent(&*backend, agent_id, acts, touched)
                    .await;
            }
        };
        drop(self.acts.spawn(acting));
    }

    /// One agent, unless a command had its turn since the records were read: that knows better.
    async fn reconcile_agent(
        self: &Arc<Self>,
        backend: &dyn Backend,
        agent_id: Uuid,
        acts: Vec<Reconcile>,
        touched: u64,
    ) {
        let turn = self.turns.take(agent_id).await;
        if self.touched().get(&agent_id).copied().unwrap_or(0) != touched {
            return;
        }
        let _turn = self.command_turn(agent_id, turn);
        let give_way = self.may_give_way(agent_id);
        for act in acts {
            let may_wait = matches!(
                act,
                Reconcile::Start(_) | Reconcile::Configure(_) | Reconcile::Refresh(_)
            );
            tokio::select! {
                () = self.apply_reconcile(backend, act) => {}
                () = give_way.cancelled(), if may_wait => return,
            }
        }
    }

    /// Whether an agent may be in another backend still. Only one whose files were there when it was deployed here may.
    async fn is_elsewhere(&self, backend: &dyn Backend, agent: &AgentRef) -> bool {
        if agent.shared_place().is_none() {
            return false;
        }
        for other in &self.settings.backends {
            if other.kind() != backend.kind() && !matches!(other.workspace(agent).await, Ok(None)) {
                return true;
            }
        }
        false
    }

    fn was_refused(&self, spec: &AgentSpec) -> bool {
        self.refused().get(&spec.agent.agent_id) == Some(&spec.generation)
    }

    async fn apply_reconcile(&self, backend: &dyn Backend, act: Reconcile) {
        let agent_id = act.agent_id();
        let must_end = matches!(act, Reconcile::Archive(_) | Reconcile::Stop(_));
        let done = match act {
            Reconcile::Archive(agent) => {
                tracing::warn!(agent.id = %agent_id, "{} is not this host's any more: it is stopped and archived", agent.agent_key);
                let stopped = self.stop(backend, &agent, STOP_GRACE).await;
                match stopped {
                    Ok(()) => backend.undeploy(&agent).await.map(|archive| {
                        if let Some(archive) = archive {
                            let path = archive.display();
                            tracing::info!(agent.id = %agent_id, "the workspace of {} is kept in {path}", agent.agent_key);
                        }
                    }),
                    Err(error) => Err(error),
                }
            }
            Reconcile::Start(spec) if self.is_elsewhere(backend, &spec.agent).await => {
                tracing::warn!(agent.id = %agent_id, "{} is not started before it was moved to the end: deploy it again", spec.agent.agent_key);
                Ok(())
            }
            Reconcile::Start(spec) => {
                tracing::info!(agent.id = %agent_id, "{} is to run, as the database says", spec.agent.agent_key);
                backend.start(&spec).await.map(drop)
            }
            Reconcile::Stop(agent) => {
                tracing::info!(agent.id = %agent_id, "{} is not to run, as the database says", agent.agent_key);
                self.stop(backend, &agent, STOP_GRACE).await
            }
            Reconcile::Configure(spec) => {
                tracing::info!(agent.id = %agent_id, "{} is configured as the database says", spec.agent.agent_key);
                // Its documents are on the disk, and the newer ones come with a command.
                let configured = backend.configure(&spec, &[]).await;
                if configured.as_ref().is_err_and(is_final) {
                    self.refused().insert(agent_id, spec.generation);
                }
                configured.map(drop)
            }
            Reconcile::Refresh(spec) => {
                tracing::info!(agent.id = %agent_id, "{} takes over the host's profile_base, which has changed", spec.agent.agent_key);
                backend.configure(&spec, &[]).await.map(drop)
            }
            // It is told without a turn.
            Reconcile::Missing(_) => Ok(()),
        };
        if let Err(error) = done {
            tracing::warn!(agent.id = %agent_id, %error, "failed to bring an agent to what it should be: {error}");
            if must_end {
                self.hold(agent_id, Why::NotStopped, &error.to_string());
            }
        }
    }
}

/// Whether only another version of the agent can go better. The host's own file may be corrected any time.
fn is_final(error: &BackendError) -> bool {
    !matches!(error, BackendError::BaseUnusable { .. }) && !Failure::from(error).retry
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn row(n: u128, change: Value) -> Value {
        let mut row = json!({
            "id": Uuid::from_u128(n), "project_id": "p", "agent_key": "agent:scout:main", "openclaw_id": "scout",
            "backend": "profile", "desired_state": "running", "generation": 1, "status": "running",
            "provisioned": true, "config": {}, "limits": {}, "name": "Scout", "role": null, "emoji": "🦞",
            "open_command": false,
        });
        let change = change.as_object().cloned().unwrap_or_default();
        row.as_object_mut().expect("an object").extend(change);
        row
    }

    fn listed(n: u128, change: Value) -> Listed {
        Listed::read(&row(n, change)).expect("an agent")
    }

    fn record(n: u128, desired_state: DesiredState) -> Record {
        Record {
            spec: listed(n, json!({})).spec.expect("a spec"),
            desired_state,
            port: 19_001,
            base: None,
            is_outdated: false,
        }
    }

    fn plan(record: Record, listed: Option<Value>) -> Vec<Reconcile> {
        let listed: Vec<_> = listed.into_iter().map(|change| self::listed(1, change)).collect();
        plan_reconcile(Kind::Profile, &[record], &listed, |_| false)
    }

    #[test]
    fn a_host_that_is_right_is_left_alone() {
        for state in [DesiredState::Running, DesiredState::Stopped] {
            let row = json!({ "desired_state": state, "generation": 7, "workspace_path": "/ws" });
            assert_eq!(plan(record(1, state), Some(row)), []);
        }
    }

    #[test]
    fn what_is_another_hosts_is_archived_and_never_just_deleted() {
        let ours = record(1, DesiredState::Running);
        let agent = ours.spec.agent.clone();
        assert_eq!(plan(ours, None), [Reconcile::Archive(agent)]);
    }

    #[test]
    fn one_whose_backend_is_to_be_another_is_left_to_whoever_moves_it() {
        let ours = record(1, DesiredState::Running);
        let agent = ours.spec.agent.clone();
        for open_command in [true, false] {
            let moved = json!({ "backend": "shared", "open_command": open_command, "name": "Other" });
            assert_eq!(plan(ours.clone(), Some(moved)), []);
        }
        let stopped = json!({ "backend": "shared", "desired_state": "stopped" });
        assert_eq!(plan(ours, Some(stopped)), [Reconcile::Stop(agent)]);
    }

    #[test]
    fn what_was_missed_is_made_up_for_and_what_a_command_does_is_left_to_it() {
        let stopped = record(1, DesiredState::Stopped);
        let running = record(1, DesiredState::Running);
        assert!(matches!(
            plan(stopped.clone(), Some(json!({})))[..],
            [Reconcile::Start(_)]
        ));
        assert!(matches!(
            plan(running.clone(), Some(json!({ "desired_state": "stopped" })))[..],
            [Reconcile::Stop(_)]
        ));
        let limits = json!({ "limits": { "ram_mb": 100 } });
        let [Reconcile::Configure(spec)] = &plan(running.clone(), Some(limits))[..] else {
            panic!("it is configured");
        };
        assert_eq!(spec.limits.ram_mb, Some(100.0));
        for change in [
            json!({ "open_command": true, "desired_state": "stopped", "name": "Other" }),
            json!({ "desired_state": "removed" }),
        ] {
            assert_eq!(plan(running.clone(), Some(change)), []);
        }
        let outdated = Record {
            is_outdated: true,
            ..running
        };
        assert!(matches!(
            plan(outdated.clone(), Some(json!({})))[..],
            [Reconcile::Refresh(_)]
        ));
        assert_eq!(plan(outdated, Some(json!({ "open_command": true }))), []);
        let all = [listed(1, json!({}))];
        assert_eq!(plan_reconcile(Kind::Profile, &[stopped], &all, |_| true), []);
    }

    #[test]
    fn only_what_openclaw_does_not_take_is_left_until_it_is_changed() {
        let refused = BackendError::ConfigRefused {
            message: "no".to_owned(),
        };
        assert!(is_final(&refused));
        let limit = std::time::Duration::from_secs(1);
        assert!(!is_final(&BackendError::NotReady { limit }));
        let base = BackendError::BaseUnusable {
            path: "base.json5".into(),
            what: "is not there".to_owned(),
        };
        assert!(!is_final(&base));
    }

    #[test]
    fn lost_files_are_told_of() {
        let all = [
            listed(1, json!({})),
            listed(2, json!({ "provisioned": false })),
            listed(3, json!({ "open_command": true })),
            listed(4, json!({ "backend": "shared" })),
        ];
        let missing = Reconcile::Missing(Uuid::from_u128(1));
        assert_eq!(plan_reconcile(Kind::Profile, &[], &all, |_| false), [missing]);
    }
}
