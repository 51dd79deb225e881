//! Does what a row in `agent_commands` says, in an agent's backend.
//!
//! Each attempt looks how the agent is, plans what is left to be done (`plan.rs`) and does it step by step: a worker may
//! be killed at any of them.

mod plan;
mod restart;
mod work;

use std::sync::Arc;

use async_trait::async_trait;
use creel_core::host_api::Item;
use creel_core::status::{Backend, CommandType, DesiredState};
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

pub use self::plan::{Facts, Found, Step, plan_command};
pub use self::restart::RestartNote;
pub use self::work::AgentWork;
pub(super) use self::work::{agent_of, no_backend};
use super::{Failure, Job, JobContext, JobError};

/// Name of the queue.
pub const QUEUE: &str = "agent_commands";

/// The job for [`QUEUE`].
pub struct CommandJob {
    work: Arc<AgentWork>,
}

impl CommandJob {
    /// A job that works by this.
    pub fn new(work: Arc<AgentWork>) -> Self {
        Self { work }
    }
}

/// What is to be done about an agent, and what is wished for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Task {
    /// The row of the command or request.
    pub(crate) id: Uuid,
    /// What was commanded.
    pub(crate) command: CommandType,
    /// What the agent's row says.
    pub(crate) desired: DesiredState,
    /// The backend that the agent comes from, as the database knows it.
    pub(crate) previous: Option<Backend>,
}

#[derive(Deserialize)]
struct Row {
    id: Uuid,
    #[serde(rename = "type")]
    command: CommandType,
    #[serde(default)]
    payload: Value,
}

#[derive(Deserialize)]
struct Wish {
    desired_state: DesiredState,
}

impl Task {
    /// A provision request is a deployment.
    pub(crate) fn provision(item: &Item) -> Result<Self, Failure> {
        let wish = Wish::deserialize(&item.agent).map_err(|_| malformed("agent"))?;
        Ok(Self {
            id: item.id,
            command: CommandType::Deploy,
            desired: wish.desired_state,
            previous: None,
        })
    }
}

fn plan_task(item: &Item) -> Result<Task, Failure> {
    let row = Row::deserialize(&item.row).map_err(|_| malformed("command"))?;
    let wish = Wish::deserialize(&item.agent).map_err(|_| malformed("agent"))?;
    Ok(Task {
        id: row.id,
        command: row.command,
        desired: wish.desired_state,
        previous: row
            .payload
            .get("previous_backend")
            .and_then(|kind| Backend::deserialize(kind).ok()),
    })
}

pub(super) fn malformed(what: &str) -> Failure {
    Failure {
        code: "row_malformed",
        message: format!("the row of the {what} lacks what this version of Creel needs"),
        hint: "update the worker, or the database's migrations".to_owned(),
        retry: false,
        steps: Vec::new(),
    }
}

#[async_trait]
impl Job for CommandJob {
    fn queue(&self) -> &'static str {
        QUEUE
    }

    async fn run(&self, context: JobContext<'_>) -> Result<Value, JobError> {
        let task = plan_task(context.item)?;
        self.work.carry_out(&task, &context, "step").await
    }
}
