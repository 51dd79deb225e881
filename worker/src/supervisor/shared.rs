//! Agents of the host's one gateway: they are up and down with it.

use creel_core::host_api::{AgentReport, AgentState};
use creel_core::status::{Backend, DesiredState};
use uuid::Uuid;

use super::{Listed, Records, Supervisor};

/// Why an agent that is to run does not.
const GATEWAY_DOWN: &str = "the host's gateway does not run: see the host's events, or creel doctor there";

/// How the agents of the shared gateway are; of those that a command is at work on, that will tell. Who has a gateway
/// of its own still is not in it.
pub(super) fn plan_shared_reports(
    listed: &[Listed],
    served: bool,
    has_own: impl Fn(Uuid) -> bool,
) -> Vec<AgentReport> {
    let shared = listed.iter().map(|listed| &listed.agent).filter(|agent| {
        agent.backend == Backend::Shared
            && agent.provisioned
            && !agent.open_command
            && agent.desired_state != DesiredState::Removed
            && !has_own(agent.id)
    });
    shared
        .map(|agent| {
            let is_to_run = agent.desired_state == DesiredState::Running;
            let (state, note) = match (is_to_run, served) {
                (true, true) => (AgentState::Running, None),
                (true, false) => (AgentState::Stopped, Some(GATEWAY_DOWN.to_owned())),
                (false, _) => (AgentState::Stopped, None),
            };
            AgentReport {
                agent_id: agent.id,
                state,
                note,
                restarts: 0,
                pid: None,
            }
        })
        .collect()
}

impl Supervisor {
    /// Tells how the agents of the shared gateway are. Answers whether there are any.
    pub fn report_shared(&self, records: &Records, listed: &[Listed], served: bool) -> bool {
        let reports = plan_shared_reports(listed, served, |agent_id| records.has(agent_id));
        let any = !reports.is_empty();
        for report in reports {
            self.reports.report(report);
        }
        any
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn listed(change: Value) -> Listed {
        let mut row = json!({
            "id": Uuid::from_u128(1), "project_id": "p", "agent_key": "agent:scout:main", "openclaw_id": "scout",
            "backend": "shared", "desired_state": "running", "generation": 1, "status": "running",
            "provisioned": true, "open_command": false,
        });
        let change = change.as_object().cloned().unwrap_or_default();
        row.as_object_mut().expect("an object").extend(change);
        Listed::read(&row).expect("an agent")
    }

    fn states(change: Value, served: bool) -> Vec<AgentState> {
        let reports = plan_shared_reports(&[listed(change)], served, |_| false);
        reports.iter().map(|report| report.state).collect()
    }

    #[test]
    fn agents_are_up_and_down_with_their_gateway() {
        assert_eq!(states(json!({}), true), [AgentState::Running]);
        assert_eq!(states(json!({}), false), [AgentState::Stopped]);
        let stopped = json!({ "desired_state": "stopped" });
        assert_eq!(states(stopped, true), [AgentState::Stopped]);
        for change in [
            json!({ "open_command": true }),
            json!({ "provisioned": false }),
            json!({ "backend": "profile" }),
            json!({ "desired_state": "removed" }),
        ] {
            assert_eq!(states(change, true), []);
        }
        assert_eq!(plan_shared_reports(&[listed(json!({}))], true, |_| true), []);
    }
}
