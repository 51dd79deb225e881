//! What a job is given, and what it may come to.

pub mod canary;
pub mod command;
mod course;
mod memory_rows;
pub mod provision;

use async_trait::async_trait;
use creel_core::host_api::{Doc, Item, ReadDocsReply, RecordDocsReply};
use serde_json::{Value, json};

pub use self::memory_rows::MemoryRows;
use crate::lease::{Lease, LeaseLost};

/// The database, as far as a job on one claimed item sees it. Every call carries the item's fence.
#[async_trait]
pub trait JobRows: Send + Sync {
    /// Shows `result` on the row while the job runs. `Ok(false)`: the item is no longer held.
    async fn progress(&self, result: Value) -> anyhow::Result<bool>;
    /// The documents of the item's agent.
    async fn read_docs(&self) -> anyhow::Result<ReadDocsReply>;
    /// Makes a row of each document that has none yet.
    async fn record_docs(&self, docs: Vec<Doc>) -> anyhow::Result<RecordDocsReply>;
}

/// One claimed item, with what is needed to work on it.
pub struct JobContext<'a> {
    /// What was claimed.
    pub item: &'a Item,
    /// To be checked before each step with an outside effect, and to be raced against each wait.
    pub lease: &'a Lease,
    /// The item's rows.
    pub rows: &'a dyn JobRows,
}

/// A kind of work: one for each queue.
#[async_trait]
pub trait Job: Send + Sync {
    /// Name of the queue, as in `creel.queues`.
    fn queue(&self) -> &'static str;
    /// Does the work. What it answers becomes the row's `result`.
    async fn run(&self, context: JobContext<'_>) -> Result<Value, JobError>;
}

/// Why a job did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// The item belongs to somebody else now: stop, write nothing.
    #[error("lost the lease")]
    LeaseLost,
    /// Something a person can read on the row.
    #[error("{}", .0.message)]
    Failed(Failure),
    /// The database did not answer, or answered nonsense; another attempt may succeed.
    #[error(transparent)]
    Rows(anyhow::Error),
}

impl From<LeaseLost> for JobError {
    fn from(_: LeaseLost) -> Self {
        Self::LeaseLost
    }
}

/// A failure as the row shows it. It carries no secret and no text of the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// A word for programs, like `openclaw_missing`.
    pub code: &'static str,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub hint: String,
    /// Whether another attempt may succeed without a person's help.
    pub retry: bool,
    /// Steps that were done before, as in the result of a success.
    pub steps: Vec<Value>,
}

impl Failure {
    /// The row's `result`.
    pub fn to_result(&self) -> Value {
        json!({
            "ok": false,
            "error": { "code": self.code, "message": self.message, "hint": self.hint },
            "steps": self.steps,
        })
    }
}
