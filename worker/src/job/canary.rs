//! Lets an agent answer what the database asks it: whether it is there.
//!
//! What is right only the database knows. Here the agent is asked, for as long as there is time, and its words are handed
//! on as they are.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::sleep;
use uuid::Uuid;

use super::command::agent_of;
use super::course::while_held;
use super::{Failure, Job, JobContext, JobError};
use crate::backend::{AgentRef, Backend, BackendError};
use crate::openclaw::{OpenClawError, Question};
use crate::supervisor::Supervisor;

/// Name of the queue.
pub const QUEUE: &str = "agent_canaries";

/// Less than the five minutes that the database waits, whatever the clocks of the two say.
const ASK_LIMIT: Duration = Duration::from_secs(240);

/// A turn takes a second, and the first of a gateway ten; on a busy host some minutes.
const TURN_LIMIT: Duration = Duration::from_secs(180);

/// The answer has to arrive before the deadline.
const TRAVEL: Duration = Duration::from_secs(10);

/// An agent that is starting, or whose settings are being changed, is there some seconds later.
const LOOK_EVERY: Duration = Duration::from_secs(3);

/// The database looks at no more, and an agent that talks must not fill it.
const ANSWER_MAX_CHARS: usize = 2000;

/// The job for [`QUEUE`].
pub struct CanaryJob {
    supervisor: Arc<Supervisor>,
}

#[derive(Deserialize)]
struct Row {
    id: Uuid,
    challenge: String,
    deadline_at: Option<Timestamp>,
}

impl CanaryJob {
    /// A job that asks the agents of this supervisor.
    pub fn new(supervisor: Arc<Supervisor>) -> Self {
        Self { supervisor }
    }

    /// Asks until there is an answer, or it is clear that there will be none, or the time is over.
    async fn ask(&self, backend: &dyn Backend, agent: &AgentRef, row: &Row) -> Result<String, BackendError> {
        let end = Instant::now() + plan_limit(row.deadline_at, Timestamp::now());
        let mut run = 1;
        loop {
            let question = Question {
                name: format!("creel-canary-{}-{run}", row.id.simple()),
                text: row.challenge.clone(),
                limit: end.saturating_duration_since(Instant::now()).min(TURN_LIMIT),
            };
            let error = match backend.ask(agent, &question).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            if !Failure::from(&error).retry || Instant::now() + LOOK_EVERY >= end {
                return Err(error);
            }
            // Where the connection broke, the agent may be at it: under the same name it is the same run.
            if !matches!(error, BackendError::OpenClaw(OpenClawError::Gateway(_))) {
                run += 1;
            }
            sleep(LOOK_EVERY).await;
        }
    }
}

/// The host's last word. Given back to be tried again, it would end at its deadline as if nothing had come from the host.
fn told(error: &BackendError) -> JobError {
    JobError::Failed(Failure {
        retry: false,
        ..Failure::from(error)
    })
}

/// How long there is for all of it.
fn plan_limit(deadline_at: Option<Timestamp>, now: Timestamp) -> Duration {
    let left = deadline_at.and_then(|at| Duration::try_from(at.duration_since(now)).ok());
    // A clock that is wrong by minutes must not keep the agent from being asked at all.
    left.map_or(ASK_LIMIT, |left| {
        left.saturating_sub(TRAVEL).clamp(LOOK_EVERY, ASK_LIMIT)
    })
}

#[async_trait]
impl Job for CanaryJob {
    fn queue(&self) -> &'static str {
        QUEUE
    }

    async fn run(&self, context: JobContext<'_>) -> Result<Value, JobError> {
        let row = Row::deserialize(&context.item.row).map_err(|_| super::command::malformed("canary"))?;
        let (kind, agent) = agent_of(&context.item.agent)?;
        let mut backends = self.supervisor.backends().iter();
        let backend = backends.find(|backend| backend.kind() == kind);
        let backend = backend.ok_or_else(|| super::command::no_backend(kind))?;
        let began = Instant::now();
        while_held(context.lease, async {
            let said = self
                .ask(&**backend, &agent, &row)
                .await
                .map_err(|error| told(&error))?;
            let answer: String = said
                .chars()
                .filter(|c| *c != '\0')
                .take(ANSWER_MAX_CHARS)
                .collect();
            let ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
            Ok(json!({ "ok": true, "answer": answer, "ms": ms }))
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_time_to_ask_whatever_the_clock_says() {
        let now = Timestamp::UNIX_EPOCH;
        let at = |secs: i64| Some(Timestamp::from_second(secs).expect("a time"));
        assert_eq!(plan_limit(None, now), ASK_LIMIT);
        assert_eq!(plan_limit(at(300), now), ASK_LIMIT);
        assert_eq!(plan_limit(at(60), now), Duration::from_secs(50));
        assert_eq!(plan_limit(at(5), now), LOOK_EVERY);
        assert_eq!(
            plan_limit(at(-3600), now),
            ASK_LIMIT,
            "what is over is not given out"
        );
        assert_eq!(plan_limit(at(86_400), now), ASK_LIMIT);
    }
}
