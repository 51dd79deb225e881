//! What is to be done for a command: pure, so that each state in which a killed worker can leave an agent can be tried
//! in a test.

use creel_core::status::{CommandType, DesiredState};

use super::restart::RestartNote;

/// The steps that a command may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Reads and checks the rows, and looks how the agent is; changes nothing.
    Validate,
    /// Stops it in the backend that it comes from.
    StopPrevious,
    /// Begins with a copy of the files that it has there.
    TakeOver,
    /// Makes everything of the agent but a running gateway.
    Deploy,
    /// Takes it away from the backend that it comes from, but for an archive of its folder.
    UndeployPrevious,
    /// Makes `brain_docs` rows of the files.
    Record,
    /// Gives it another configuration and other documents.
    Configure,
    /// Remembers that a restart has begun, so that it is not done twice.
    Note,
    /// Stops it.
    Stop,
    /// Lets it run, until it says that it is ready.
    Start,
    /// Takes everything of it away, but for an archive of its folder.
    Undeploy,
    /// Looks how it is now.
    Verify,
}

impl Step {
    /// The name in the row's result.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Validate => "validate",
            Self::StopPrevious => "stop_previous",
            Self::TakeOver => "take_over",
            Self::Deploy => "deploy",
            Self::UndeployPrevious => "undeploy_previous",
            Self::Record => "record",
            Self::Configure => "configure",
            Self::Note => "note",
            Self::Stop => "stop",
            Self::Start => "start",
            Self::Undeploy => "undeploy",
            Self::Verify => "verify",
        }
    }
}

/// How an agent was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// Nothing of it is on this host.
    Absent,
    /// It is there and does not run.
    Down,
    /// It runs, be it ready or not.
    Up {
        /// Its own gateway's process; none where it shares one.
        pid: Option<u32>,
    },
}

/// What a plan is made from.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// What was commanded.
    pub command: CommandType,
    /// What the agent's row says now: a later command may have changed it.
    pub desired: DesiredState,
    /// How the agent is.
    pub found: Found,
    /// Whether another backend of this host has it still: its row names a new one, and it was not moved to the end.
    pub is_elsewhere: bool,
    /// What an earlier attempt of this restart came to.
    pub restart: Option<&'a RestartNote>,
}

/// What is left to be done for a command, in order. What was done before is done again only where that changes
/// nothing.
pub fn plan_command(facts: &Facts<'_>) -> Vec<Step> {
    use CommandType as C;
    let is_to_run = facts.desired == DesiredState::Running;
    let is_up = matches!(facts.found, Found::Up { .. });
    let is_absent = facts.found == Found::Absent;
    let mut steps = Vec::new();
    if facts.is_elsewhere {
        steps.push(Step::StopPrevious);
    }
    match facts.command {
        // A stop is behind it in the lane: what it would start is stopped anyway.
        C::Start | C::Restart if !is_to_run => {}
        C::Deploy | C::Start | C::Restart | C::UpdateConfig if facts.is_elsewhere => {
            steps.extend([Step::TakeOver, Step::Deploy]);
            steps.extend((!is_absent).then_some(Step::Configure));
            // It runs nowhere while it is in both.
            steps.extend([Step::UndeployPrevious, Step::Record]);
            steps.extend(is_to_run.then_some(Step::Start));
        }
        C::Deploy => {
            steps.push(Step::Deploy);
            // What is there keeps its configuration and its documents otherwise.
            steps.extend((!is_absent).then_some(Step::Configure));
            steps.push(Step::Record);
            steps.extend(is_to_run.then_some(Step::Start));
        }
        // The host has lost its files, as by a new disk.
        C::Start | C::Restart if is_absent => steps.extend([Step::Deploy, Step::Record, Step::Start]),
        C::Start => steps.push(Step::Start),
        C::Restart => steps.extend(plan_restart(facts.found, facts.restart)),
        C::Stop if is_absent => {}
        C::Stop => steps.push(Step::Stop),
        C::UpdateConfig if is_absent => {}
        C::UpdateConfig => {
            steps.push(Step::Configure);
            steps.extend((is_to_run && !is_up).then_some(Step::Start));
        }
        C::Undeploy => {
            steps.extend(facts.is_elsewhere.then_some(Step::UndeployPrevious));
            steps.extend((!is_absent).then_some(Step::Stop));
            steps.push(Step::Undeploy);
        }
    }
    steps.push(Step::Verify);
    steps
}

fn plan_restart(found: Found, note: Option<&RestartNote>) -> Vec<Step> {
    let Found::Up { pid } = found else {
        return match note {
            Some(_) => vec![Step::Start],
            None => vec![Step::Note, Step::Start],
        };
    };
    match note {
        None => vec![Step::Note, Step::Stop, Step::Start],
        // What runs was started after that.
        Some(note) if note.is_stopped || note.pid != pid => vec![Step::Start],
        Some(_) => vec![Step::Stop, Step::Start],
    }
}

#[cfg(test)]
mod tests {
    use super::Step as S;
    use super::*;

    const UP: Found = Found::Up { pid: Some(7) };

    fn plan(command: CommandType, desired: DesiredState, found: Found) -> Vec<Step> {
        plan_command(&Facts {
            command,
            desired,
            found,
            is_elsewhere: false,
            restart: None,
        })
    }

    fn restart(found: Found, is_stopped: bool) -> Vec<Step> {
        let note = RestartNote {
            command_id: uuid::Uuid::nil(),
            pid: Some(7),
            is_stopped,
        };
        plan_command(&Facts {
            command: CommandType::Restart,
            desired: DesiredState::Running,
            is_elsewhere: false,
            found,
            restart: Some(&note),
        })
    }

    #[test]
    fn each_command_does_what_is_left_to_be_done() {
        use CommandType as C;
        use DesiredState::{Removed, Running, Stopped};
        let deployed = [S::Deploy, S::Record, S::Start, S::Verify];
        assert_eq!(plan(C::Deploy, Running, Found::Absent), deployed);
        let again = [S::Deploy, S::Configure, S::Record, S::Start, S::Verify];
        assert_eq!(plan(C::Deploy, Running, UP), again);
        assert_eq!(
            plan(C::Deploy, Stopped, Found::Absent),
            [S::Deploy, S::Record, S::Verify]
        );
        assert_eq!(plan(C::Start, Running, Found::Down), [S::Start, S::Verify]);
        assert_eq!(plan(C::Start, Running, Found::Absent), deployed);
        assert_eq!(plan(C::Start, Stopped, Found::Down), [S::Verify]);
        assert_eq!(plan(C::Stop, Stopped, UP), [S::Stop, S::Verify]);
        assert_eq!(plan(C::Stop, Stopped, Found::Absent), [S::Verify]);
        assert_eq!(plan(C::UpdateConfig, Running, UP), [S::Configure, S::Verify]);
        assert_eq!(
            plan(C::UpdateConfig, Running, Found::Down),
            [S::Configure, S::Start, S::Verify]
        );
        assert_eq!(
            plan(C::UpdateConfig, Stopped, Found::Down),
            [S::Configure, S::Verify]
        );
        assert_eq!(plan(C::UpdateConfig, Running, Found::Absent), [S::Verify]);
        assert_eq!(plan(C::Undeploy, Removed, UP), [S::Stop, S::Undeploy, S::Verify]);
        assert_eq!(
            plan(C::Undeploy, Removed, Found::Absent),
            [S::Undeploy, S::Verify]
        );
    }

    #[test]
    fn a_restart_that_was_broken_off_goes_on_where_it_was_and_is_not_done_twice() {
        let whole = [S::Note, S::Stop, S::Start, S::Verify];
        assert_eq!(plan(CommandType::Restart, DesiredState::Running, UP), whole);
        assert_eq!(restart(UP, false), [S::Stop, S::Start, S::Verify]);
        for (found, is_stopped) in [
            (Found::Down, false),
            (Found::Down, true),
            (Found::Up { pid: Some(8) }, false),
            (Found::Up { pid: Some(8) }, true),
            (Found::Up { pid: None }, true),
        ] {
            assert_eq!(restart(found, is_stopped), [S::Start, S::Verify], "{found:?}");
        }
    }

    #[test]
    fn what_is_not_to_run_any_more_is_not_started() {
        for command in [CommandType::Start, CommandType::Restart] {
            for desired in [DesiredState::Stopped, DesiredState::Removed] {
                for found in [Found::Absent, Found::Down, UP] {
                    assert_eq!(plan(command, desired, found), [S::Verify]);
                }
            }
        }
    }

    #[test]
    fn one_that_is_elsewhere_still_is_moved_by_whatever_wants_it_to_be() {
        let plan = |command, desired, found| {
            plan_command(&Facts {
                command,
                desired,
                found,
                is_elsewhere: true,
                restart: None,
            })
        };
        use CommandType as C;
        let (running, stopped) = (DesiredState::Running, DesiredState::Stopped);
        for command in [C::Deploy, C::Start, C::Restart, C::UpdateConfig] {
            assert_eq!(
                plan(command, running, Found::Absent),
                [
                    S::StopPrevious,
                    S::TakeOver,
                    S::Deploy,
                    S::UndeployPrevious,
                    S::Record,
                    S::Start,
                    S::Verify
                ]
            );
        }
        assert_eq!(
            plan(C::Deploy, stopped, Found::Down),
            [
                S::StopPrevious,
                S::TakeOver,
                S::Deploy,
                S::Configure,
                S::UndeployPrevious,
                S::Record,
                S::Verify
            ]
        );
        assert_eq!(
            plan(C::Stop, stopped, Found::Absent),
            [S::StopPrevious, S::Verify]
        );
        assert_eq!(plan(C::Stop, stopped, UP), [S::StopPrevious, S::Stop, S::Verify]);
        assert_eq!(
            plan(C::Undeploy, DesiredState::Removed, Found::Down),
            [
                S::StopPrevious,
                S::UndeployPrevious,
                S::Stop,
                S::Undeploy,
                S::Verify
            ]
        );
    }
}
