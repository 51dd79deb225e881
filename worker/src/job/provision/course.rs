//! The steps of a provisioning.

use crate::job::JobError;
use crate::job::course::Course;

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

impl Course<'_> {
    /// Does a step of a provisioning.
    pub(super) async fn provision<T>(
        &mut self,
        step: Step,
        work: impl Future<Output = Result<T, JobError>>,
    ) -> Result<T, JobError> {
        self.step(step.as_str(), step.next().map(Step::as_str), work)
            .await
    }
}
