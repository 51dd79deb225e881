//! The one door into the database, `apply_stripe_event`: asked, given what it wants to see, and obeyed.

use std::time::{Duration, Instant};

use axum::http::StatusCode;
use creel_core::secret::Secret;
use creel_core::status::FunctionKeyKind;
use serde_json::{Map, Value, json};

use super::api::StripeApi;
use super::event::Event;
use super::{fetch, request};
use crate::data_api::{DataApi, Repeat};
use crate::deadline::Deadline;
use crate::failure::Failure;
use crate::function_key::ByKey;
use crate::refusal::unavailable;

/// The number of this way of speaking.
const API: u32 = 1;

/// What is fetched once says what is needed; a second time is for what was missing in it, and a third for nothing
/// that is known.
const FETCH_ROUNDS_MAX: usize = 3;

/// Stripe waits for the answer to a delivery, and begins again when none comes.
const DELIVERY_LIMIT: Duration = Duration::from_secs(20);

/// For what the database asks Stripe to do, after a delivery is in: the clock does the rest.
const REQUEST_LIMIT: Duration = Duration::from_secs(8);

/// Shorter than the minute after which the clock comes again.
const CLOCK_LIMIT: Duration = Duration::from_secs(50);

/// Kept for telling the database what Stripe did, of the time in which it is done: two attempts of the Data API.
const TELL_LIMIT: Duration = Duration::from_secs(4);

/// Rounds that one run of the clock does: what is due then, the next one does.
const CLOCK_ROUNDS_MAX: usize = 10;

/// Where an event came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoint {
    /// Stripe told it of the platform.
    Platform,
    /// Stripe told it of a connected account.
    Connect,
    /// Stripe answered a request of ours.
    Answer,
    /// Time has passed.
    Clock,
}

impl Endpoint {
    fn as_str(self) -> &'static str {
        match self {
            Self::Platform => "platform",
            Self::Connect => "connect",
            Self::Answer => "answer",
            Self::Clock => "clock",
        }
    }
}

/// What became of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Whether it is done with; else it is kept, and waits for another one.
    pub is_settled: bool,
    /// `applied`, `repeated`, `ignored` or `waiting`.
    pub word: String,
    /// What there is to say of it.
    pub note: Option<String>,
}

/// The Data API by the function's key, and Stripe by its own.
#[derive(Clone)]
pub struct Door {
    api: DataApi,
    key: Secret,
    stripe: StripeApi,
}

impl Door {
    /// A door that opens to `key`, a key of the role `creel_stripe`.
    pub fn new(api: DataApi, key: Secret, stripe: StripeApi) -> Self {
        Self { api, key, stripe }
    }

    /// Stripe's API.
    pub(crate) fn stripe(&self) -> &StripeApi {
        &self.stripe
    }

    /// Brings an event in, and does what is asked for because of it.
    pub async fn apply(
        &self,
        endpoint: Endpoint,
        event: &Event,
        limit: Option<Deadline>,
    ) -> Result<Outcome, Failure> {
        let limit = Deadline::at_latest(limit, Instant::now() + DELIVERY_LIMIT);
        let mut current = Map::new();
        for round in 0..=FETCH_ROUNDS_MAX {
            let mut said = json!({ "api": API, "endpoint": endpoint.as_str(), "event": event.value() });
            // With it, it is the same delivery once more.
            if round > 0 {
                said["current"] = Value::Object(current.clone());
            }
            let answer = self.call(&said, limit).await?;
            let word = answer["outcome"].as_str().unwrap_or_default();
            if word == "fetch" {
                current.extend(fetch::all(&self.stripe, list(&answer, "fetch"), limit).await?);
                continue;
            }
            let outcome = Outcome {
                is_settled: match word {
                    "applied" | "repeated" | "ignored" => true,
                    "waiting" => false,
                    _ => return Err(as_refusal_of_ours(unavailable())),
                },
                word: word.to_owned(),
                note: answer["note"].as_str().map(ToOwned::to_owned),
            };
            let limit = Deadline::at_latest(Some(limit), Instant::now() + REQUEST_LIMIT);
            // What is not done now, the clock does: the event is in.
            if let Err(failure) = self.perform(&answer, limit).await {
                tracing::warn!(
                    code = %failure.code,
                    "failed to tell the database what Stripe did; it is asked for again"
                );
            }
            return Ok(outcome);
        }
        Err(Failure::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "no_end",
            "the database keeps asking for more of Stripe's objects",
            "see that the function and the migrations are of the same version",
        ))
    }

    /// Does what is due because of the time, and looks again at what waits. Returns how many requests were made of Stripe.
    pub async fn tick(&self, limit: Option<Deadline>) -> Result<usize, Failure> {
        let limit = Deadline::at_latest(limit, Instant::now() + CLOCK_LIMIT);
        let mut current = Map::new();
        let mut done = Vec::new();
        let mut count = 0;
        for round in 0..CLOCK_ROUNDS_MAX {
            let mut said = json!({ "api": API, "endpoint": Endpoint::Clock.as_str(), "done": done });
            if round > 0 {
                said["current"] = Value::Object(current.clone());
            }
            let answer = self.call(&said, limit).await?;
            if let Some(waiting_count) = answer["waiting_count"].as_u64() {
                // An alarm is made of this line: infra/ has the name of the field.
                tracing::info!(
                    waiting_count,
                    "{waiting_count} events or requests wait for somebody"
                );
            }
            let is_new = |wish: &&Value| !current.contains_key(wish["id"].as_str().unwrap_or_default());
            let wanted: Vec<Value> = list(&answer, "fetch").iter().filter(is_new).cloned().collect();
            let found = fetch::those_there(&self.stripe, &wanted, before_telling(limit)).await;
            done = request::all(&self.stripe, list(&answer, "requests"), before_telling(limit)).await;
            if done.is_empty() && found.is_empty() {
                break;
            }
            count += done.len();
            current.extend(found);
        }
        if !done.is_empty() {
            self.tell(done, limit).await?;
        }
        Ok(count)
    }

    /// Does what the answer asks for, and says what became of it.
    async fn perform(&self, answer: &Value, limit: Deadline) -> Result<(), Failure> {
        let done = request::all(&self.stripe, list(answer, "requests"), before_telling(limit)).await;
        if done.is_empty() {
            return Ok(());
        }
        self.tell(done, limit).await
    }

    async fn tell(&self, done: Vec<Value>, limit: Deadline) -> Result<(), Failure> {
        let said = json!({ "api": API, "endpoint": Endpoint::Clock.as_str(), "done": done });
        // What it asks for next is leased, and the clock's to do.
        self.call(&said, limit).await.map(|_| ())
    }

    async fn call(&self, said: &Value, limit: Deadline) -> Result<Value, Failure> {
        let asker = ByKey {
            opens: FunctionKeyKind::Stripe,
            key: &self.key,
            deadline: Some(limit),
        };
        // The same event again changes nothing.
        let answer = self
            .api
            .call(&asker, "apply_stripe_event", said, Repeat::Always)
            .await;
        answer.map_err(as_refusal_of_ours)
    }
}

/// Until when Stripe is asked, where the database is to be told until `limit`.
fn before_telling(Deadline(end): Deadline) -> Deadline {
    Deadline(end.checked_sub(TELL_LIMIT).unwrap_or(end))
}

fn list<'a>(answer: &'a Value, name: &str) -> &'a [Value] {
    answer[name].as_array().map(Vec::as_slice).unwrap_or_default()
}

/// Whoever delivered cannot do anything about it, but deliver again.
fn as_refusal_of_ours(failure: Failure) -> Failure {
    let status = match failure.status {
        StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT | StatusCode::SERVICE_UNAVAILABLE => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    Failure { status, ..failure }
}
