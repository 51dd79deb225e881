//! The steps of a provisioning: in order, timed, told to the row, and none after the lease is lost.

use std::time::Instant;

use serde_json::{Value, json};
use tracing::warn;

use crate::job::{JobError, JobRows};
use crate::lease::{Lease, LeaseLost};

/// The steps, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Checks the row and OpenClaw's version; changes nothing.
    Validate,
    /// Makes and marks the folder, and writes the first files.
    Workspace,
    /// Registers the agent in OpenClaw.
    Add,
    /// Gives it its name and emoji.
    Identity,
    /// Makes `brain_docs` rows of the files.
    Record,
    /// Reads everything back.
    Verify,
}

impl Step {
    /// All steps.
    pub const ALL: &'static [Self] = &[
        Self::Validate,
        Self::Workspace,
        Self::Add,
        Self::Identity,
        Self::Record,
        Self::Verify,
    ];

    /// The name in the row's result.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Validate => "validate",
            Self::Workspace => "workspace",
            Self::Add => "add",
            Self::Identity => "identity",
            Self::Record => "record",
            Self::Verify => "verify",
        }
    }

    fn next(self) -> Option<Self> {
        Self::ALL.iter().copied().skip_while(|&step| step != self).nth(1)
    }
}

/// One run through the steps.
pub(super) struct Course<'a> {
    lease: &'a Lease,
    rows: &'a dyn JobRows,
    done: Vec<Value>,
}

impl<'a> Course<'a> {
    pub(super) fn new(lease: &'a Lease, rows: &'a dyn JobRows) -> Self {
        Self {
            lease,
            rows,
            done: Vec::new(),
        }
    }

    /// What was done so far: name and duration of each step.
    pub(super) fn done(&self) -> Vec<Value> {
        self.done.clone()
    }

    /// Does a step, unless the lease is lost. When it is lost meanwhile, the step is dropped, and with it
    /// the processes that it runs.
    pub(super) async fn step<T>(
        &mut self,
        step: Step,
        work: impl Future<Output = Result<T, JobError>>,
    ) -> Result<T, JobError> {
        let (lease, began) = (self.lease, Instant::now());
        while_held(lease, async {
            let value = work.await?;
            self.done
                .push(json!({ "name": step.as_str(), "ms": began.elapsed().as_millis() as u64 }));
            if let Some(next) = step.next() {
                self.tell(next).await?;
            }
            Ok(value)
        })
        .await
    }

    /// Shows on the row what comes next. The row can do without it, so that only a lost lease is an error.
    async fn tell(&self, next: Step) -> Result<(), JobError> {
        match self
            .rows
            .progress(json!({ "step": next.as_str(), "steps": self.done }))
            .await
        {
            Ok(true) => Ok(()),
            Ok(false) => {
                self.lease.lose();
                Err(JobError::LeaseLost)
            }
            Err(error) => {
                let error = format!("{error:#}");
                warn!(error, step = next.as_str(), "failed to show progress: {error}");
                Ok(())
            }
        }
    }
}

async fn while_held<T>(
    lease: &Lease,
    work: impl Future<Output = Result<T, JobError>>,
) -> Result<T, JobError> {
    lease.check()?;
    tokio::select! {
        biased;
        () = lease.lost() => Err(LeaseLost.into()),
        result = work => result,
    }
}
