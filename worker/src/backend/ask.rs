//! What comes of a question to an agent, in words for its row.

use super::BackendError;
use crate::job::Failure;
use crate::openclaw::{NotAnswered, OpenClawError};

impl From<NotAnswered> for BackendError {
    fn from(error: NotAnswered) -> Self {
        let (code, message, hint, retry) = match error {
            NotAnswered::Gateway(problem) => return OpenClawError::Gateway(problem).into(),
            NotAnswered::Refused { message, may_pass } => (
                "turn_refused",
                format!("the agent's gateway did not let it answer: {message}"),
                "see the log of the agent's gateway",
                may_pass,
            ),
            // Whose model that is, and whose key, the host does not know: this alone does not blame it.
            NotAnswered::Failed(message) => (
                "model_failed",
                format!("the agent could not answer: {message}"),
                "see that its model can be reached, with a key that is good; its log says more",
                false,
            ),
            NotAnswered::Late => (
                "turn_late",
                "the agent did not answer in time".to_owned(),
                "see its log, and whether the host has enough memory and processors for what runs there",
                false,
            ),
        };
        Self::Failed(Failure {
            code,
            message,
            hint: hint.to_owned(),
            retry,
            steps: Vec::new(),
        })
    }
}
