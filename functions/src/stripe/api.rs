//! Stripe's API: one client for the life of the process, one pinned version, and no call that is made twice in effect.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use backon::{ExponentialBuilder, Retryable};
use creel_core::secret::Secret;
use reqwest::header::DATE;
use reqwest::{Client, RequestBuilder};
use serde_json::Value;

use super::form;
use super::refused::StripeError;
use crate::deadline::Deadline;

/// The version of the API whose objects are read here. Endpoints of webhooks are to be made with it, too.
pub const VERSION: &str = "2026-10-28.endive";

/// Where the API is, for those who use no stand-in.
pub const LIVE_URL: &str = "https://api.stripe.com";

/// A call that takes longer is not worth waiting for by somebody who waits for a page or a webhook's answer.
const ATTEMPT_LIMIT: Duration = Duration::from_secs(10);

/// For all attempts of a call together, where the caller has more time than that.
const CALL_LIMIT: Duration = Duration::from_secs(20);

/// Whoever is there at all answers within this time, also from another continent.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// Shorter than what a gateway keeps an idle connection for: a frozen function does not see that it was closed.
const IDLE_LIMIT: Duration = Duration::from_secs(20);

/// The first pause: locks and rate limits of Stripe's are over within a second mostly.
const PAUSE_MIN: Duration = Duration::from_millis(250);

/// The longest pause, so that there is time for another attempt.
const PAUSE_MAX: Duration = Duration::from_secs(3);

/// Attempts after the first.
const REPEAT_MAX: usize = 4;

/// What is left must be worth an attempt.
const ATTEMPT_MIN: Duration = Duration::from_millis(500);

/// Keys for one thing. A Stripe that has failed under so many is down.
const KEYS_MAX: usize = 6;

/// Objects of a page: the most that Stripe gives.
const PAGE_SIZE: usize = 100;

/// A million objects: more than a month has here, and an end in any case.
const PAGES_MAX: usize = 10_000;

/// Stripe's API with one key.
#[derive(Clone)]
pub struct StripeApi(Arc<Inner>);

struct Inner {
    url: String,
    key: Secret,
    certificates: Option<PathBuf>,
    client: OnceLock<Client>,
}

/// What Stripe answered, and when by its own clock.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    /// The object.
    pub object: Value,
    /// Stripe's time of the answer, in seconds since 1970.
    pub at_secs: i64,
}

impl StripeApi {
    /// The API at an address such as [`LIVE_URL`]. Nothing is opened before the first call.
    pub fn new(url: &str, key: Secret, certificates: Option<PathBuf>) -> Self {
        Self(Arc::new(Inner {
            url: url.trim_end_matches('/').to_owned(),
            key,
            certificates,
            client: OnceLock::new(),
        }))
    }

    /// Reads an object, or a page of a list.
    pub async fn get(
        &self,
        path: &str,
        query: &Value,
        deadline: Option<Deadline>,
    ) -> Result<Told, StripeError> {
        let query = form::fields(query);
        let request = self.client()?.get(self.address(path)?).query(&query);
        self.send(request, deadline).await
    }

    /// Asks for a change. With the same key it is made once, however often it is asked for.
    pub async fn post(
        &self,
        path: &str,
        parameters: &Value,
        idempotency_key: &str,
        deadline: Option<Deadline>,
    ) -> Result<Told, StripeError> {
        let request = self.client()?.post(self.address(path)?);
        let request = request.form(&form::fields(parameters));
        self.send(request.header("Idempotency-Key", idempotency_key), deadline)
            .await
    }

    /// Asks for something that harms nobody if it is made twice, as nobody has seen it. A fault or a refusal that the key
    /// is answered for a day is not the end: the next key is the same for everybody who asks.
    pub async fn post_anew(
        &self,
        path: &str,
        parameters: &Value,
        idempotency_key: &str,
        deadline: Option<Deadline>,
    ) -> Result<Told, StripeError> {
        let mut made = self.post(path, parameters, idempotency_key, deadline).await;
        for turn in 2..=KEYS_MAX {
            match &made {
                Err(error) if error.is_kept() => {}
                _ => break,
            }
            let key = format!("{idempotency_key}-{turn}");
            made = self.post(path, parameters, &key, deadline).await;
        }
        made
    }

    /// Reads all objects of a list, page by page, oldest last as Stripe has them.
    pub async fn list(&self, path: &str, query: &Value) -> Result<Vec<Value>, StripeError> {
        self.list_until(path, query, None).await
    }

    /// The same, by somebody who has no longer than that.
    pub(super) async fn list_until(
        &self,
        path: &str,
        query: &Value,
        deadline: Option<Deadline>,
    ) -> Result<Vec<Value>, StripeError> {
        let mut query = query.clone();
        query["limit"] = PAGE_SIZE.into();
        let mut all = Vec::new();
        for _ in 0..PAGES_MAX {
            let mut page = self.get(path, &query, deadline).await?.object;
            let Value::Array(objects) = page["data"].take() else {
                return Err(StripeError::Unreadable);
            };
            let last = objects.last().map(|object| object["id"].clone());
            all.extend(objects);
            match (page["has_more"].as_bool(), last) {
                (Some(true), Some(last)) => query["starting_after"] = last,
                (Some(false), _) => return Ok(all),
                _ => break,
            }
        }
        Err(StripeError::Unreadable)
    }

    /// What is put together into a path must not lead elsewhere.
    fn address(&self, path: &str) -> Result<String, StripeError> {
        let is_plain = |part: &str| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        };
        match path.strip_prefix("/v1/") {
            Some(rest) if rest.split('/').all(is_plain) => Ok(format!("{}{path}", self.0.url)),
            _ => Err(StripeError::Impossible),
        }
    }

    fn client(&self) -> Result<&Client, StripeError> {
        if let Some(client) = self.0.client.get() {
            return Ok(client);
        }
        let made = self.0.connect().map_err(|error| {
            tracing::error!(error = %format_args!("{error:#}"), "failed to make the client of Stripe");
            StripeError::Impossible
        })?;
        Ok(self.0.client.get_or_init(|| made))
    }

    async fn send(&self, request: RequestBuilder, deadline: Option<Deadline>) -> Result<Told, StripeError> {
        let request = request
            .bearer_auth(self.0.key.expose())
            .header("Stripe-Version", VERSION);
        let end = tokio::time::Instant::now() + Deadline::bound(deadline, CALL_LIMIT);
        let left = || end.saturating_duration_since(tokio::time::Instant::now());
        // What cannot come to its end is not begun: nobody would hear what became of it.
        if left() < ATTEMPT_MIN {
            return Err(StripeError::TimedOut);
        }
        let attempt = || async {
            let request = request.try_clone().ok_or(StripeError::Impossible)?;
            attempt_once(request.timeout(left().min(ATTEMPT_LIMIT))).await
        };
        let pauses = ExponentialBuilder::default()
            .with_min_delay(PAUSE_MIN)
            .with_max_delay(PAUSE_MAX)
            .with_max_times(REPEAT_MAX)
            .with_jitter();
        attempt
            .retry(pauses)
            .when(StripeError::is_worth_repeating)
            .adjust(|_, pause| pause.filter(|&pause| pause + ATTEMPT_MIN < left()))
            .notify(|error, _| tracing::warn!(%error, "failed to ask Stripe; it is asked again"))
            .await
    }
}

impl Inner {
    fn connect(&self) -> anyhow::Result<Client> {
        let builder = Client::builder()
            .tls_backend_preconfigured(crate::tls::client_config(self.certificates.as_deref())?)
            .connect_timeout(CONNECT_LIMIT)
            .pool_idle_timeout(IDLE_LIMIT)
            .redirect(reqwest::redirect::Policy::none());
        // A stand-in on this machine is not behind the proxy of the environment.
        let builder = if self.url.starts_with("http://") {
            builder.no_proxy()
        } else {
            builder
        };
        builder.build().context("build it")
    }
}

async fn attempt_once(request: RequestBuilder) -> Result<Told, StripeError> {
    let answer = request.send().await.map_err(StripeError::unanswered)?;
    let status = answer.status().as_u16();
    let headers = answer.headers().clone();
    let body = answer.bytes().await.map_err(StripeError::unanswered)?;
    let object = serde_json::from_slice::<Value>(&body).ok();
    let date = headers.get(DATE).and_then(|value| value.to_str().ok());
    let at_secs = date.and_then(parse_date).unwrap_or_else(now_secs);
    match (status, object) {
        (200..300, Some(object)) if object.is_object() => Ok(Told { object, at_secs }),
        (200..300, _) => Err(StripeError::Unreadable),
        (_, object) => Err(StripeError::refused(
            status,
            &headers,
            &object.unwrap_or_default(),
        )),
    }
}

fn parse_date(text: &str) -> Option<i64> {
    let time = httpdate::parse_http_date(text).ok()?;
    i64::try_from(time.duration_since(UNIX_EPOCH).ok()?.as_secs()).ok()
}

pub(super) fn now_secs() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_leads_nowhere_else() {
        let api = StripeApi::new("https://api.stripe.com/", Secret::new("sk_test_x"), None);
        let address = |path: &str| api.address(path).ok();
        assert_eq!(
            address("/v1/transfers/tr_1A/reversals").as_deref(),
            Some("https://api.stripe.com/v1/transfers/tr_1A/reversals")
        );
        for wrong in [
            "/v1/",
            "/v1",
            "/v2/core/events",
            "/v1/charges/",
            "/v1/charges/..",
            "/v1/charges/../payouts",
            "/v1/charges/ch_1?expand[]=x",
            "/v1/charges/ch_1#x",
            "/v1/charges/%2e%2e",
            "https://evil.example/v1/charges",
            "@evil.example/v1/charges",
        ] {
            assert_eq!(address(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_time_of_an_answer_is_stripes() {
        assert_eq!(parse_date("Sat, 21 Nov 2026 00:00:00 GMT"), Some(1_795_219_200));
        assert_eq!(parse_date("yesterday"), None);
    }
}
