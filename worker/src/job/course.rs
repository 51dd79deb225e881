//! The steps of a job: in order, timed, told to the row, and none after the lease is lost.

use std::time::Instant;

use serde_json::{Value, json};
use tracing::warn;

use super::{JobError, JobRows};
use crate::lease::{Lease, LeaseLost};

/// One run through the steps of a job.
pub(super) struct Course<'a> {
    lease: &'a Lease,
    rows: &'a dyn JobRows,
    /// Under which key a page finds a step's name.
    name_key: &'static str,
    done: Vec<Value>,
}

impl<'a> Course<'a> {
    pub(super) fn new(lease: &'a Lease, rows: &'a dyn JobRows, name_key: &'static str) -> Self {
        Self {
            lease,
            rows,
            name_key,
            done: Vec::new(),
        }
    }

    /// What was done so far: name and duration of each step.
    pub(super) fn done(&self) -> Vec<Value> {
        self.done.clone()
    }

    /// Does a step, unless the lease is lost, and tells which one comes next. When the lease is lost meanwhile, the
    /// step is dropped, and with it the processes that it runs.
    pub(super) async fn step<T>(
        &mut self,
        name: &'static str,
        next: Option<&'static str>,
        work: impl Future<Output = Result<T, JobError>>,
    ) -> Result<T, JobError> {
        let (lease, began) = (self.lease, Instant::now());
        while_held(lease, async {
            let value = work.await?;
            self.done
                .push(json!({ self.name_key: name, "ms": began.elapsed().as_millis() as u64 }));
            if let Some(next) = next {
                self.tell(next).await?;
            }
            Ok(value)
        })
        .await
    }

    /// Shows on the row what comes next. The row can do without it, so that only a lost lease is an error.
    pub(super) async fn tell(&self, next: &str) -> Result<(), JobError> {
        match self
            .rows
            .progress(json!({ "step": next, "steps": self.done }))
            .await
        {
            Ok(true) => Ok(()),
            Ok(false) => {
                self.lease.lose();
                Err(JobError::LeaseLost)
            }
            Err(error) => {
                let error = format!("{error:#}");
                warn!(error, step = next, "failed to show progress: {error}");
                Ok(())
            }
        }
    }
}

/// Works for as long as the lease is held.
pub(super) async fn while_held<T>(
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
