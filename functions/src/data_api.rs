//! The project's Data API, as whoever calls: one client for the life of the process.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::Context;
use creel_core::secret::Secret;
use postgrest::{Builder, Postgrest};
use reqwest::{Method, RequestBuilder};
use serde_json::Value;

use crate::caller::Asker;
use crate::deadline::Deadline;
use crate::failure::Failure;
use crate::refusal::{Refusal, Refused, timed_out, unavailable};
use crate::settings::Settings;

/// The longest statement that the API lets a person run takes 8 s; the rest is for the way.
const CALL_TIMEOUT: Duration = Duration::from_secs(12);

/// A project in the same region answers within milliseconds; one on another continent within half a second.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Shorter than what a gateway keeps an idle connection for: a frozen function does not see that it was closed.
const IDLE_TIMEOUT: Duration = Duration::from_secs(20);

/// Pauses before a call is repeated: for a lock that is held briefly, and for a connection that was closed.
const REPEAT_AFTER: [Duration; 2] = [Duration::from_millis(40), Duration::from_millis(250)];

/// Whether a call may be made again when nobody knows whether the first one arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// Twice is as good as once.
    Always,
    /// Only when it is certain that nothing has happened.
    IfUndone,
}

/// The Data API of one project.
#[derive(Clone)]
pub struct DataApi(Arc<Inner>);

struct Inner {
    url: String,
    key: Secret,
    certificates: Option<PathBuf>,
    client: OnceLock<Client>,
}

struct Client {
    requests: Postgrest,
    http: reqwest::Client,
}

/// Why an attempt brought no rows.
enum Missed {
    /// It was refused.
    Refused(Refusal),
    /// It did not get there.
    Unreached,
    /// It may have got there.
    Lost,
    /// There is no more time.
    TimedOut,
}

impl DataApi {
    /// The API at an address such as `https://abcdefgh.supabase.co/rest/v1`. Nothing is opened before the first call.
    pub fn new(url: &str, publishable_key: Secret, certificates: Option<PathBuf>) -> Self {
        Self(Arc::new(Inner {
            url: url.trim_end_matches('/').to_owned(),
            key: publishable_key,
            certificates,
            client: OnceLock::new(),
        }))
    }

    /// The API that the settings name.
    pub fn of(settings: &Settings) -> Self {
        let url = format!("{}/rest/v1", settings.supabase_url);
        let key = settings.supabase_publishable_key.clone();
        Self::new(&url, key, settings.ssl_cert_file.clone())
    }

    /// Calls a function with one jsonb argument.
    pub(crate) async fn call(
        &self,
        caller: &impl Asker,
        function: &str,
        argument: &Value,
        repeat: Repeat,
    ) -> Result<Value, Failure> {
        let request = self.client()?.requests.rpc(function, argument.to_string());
        self.run(caller, request, repeat).await
    }

    /// Reads rows of a table.
    pub(crate) async fn read(
        &self,
        caller: &impl Asker,
        table: &str,
        filter: impl FnOnce(Builder) -> Builder,
    ) -> Result<Vec<Value>, Failure> {
        let request = filter(self.client()?.requests.from(table));
        match self.run(caller, request, Repeat::Always).await? {
            Value::Array(rows) => Ok(rows),
            _ => Err(unavailable()),
        }
    }

    /// Made by the first call: a function that is only started has nothing to wait for.
    fn client(&self) -> Result<&Client, Failure> {
        if let Some(client) = self.0.client.get() {
            return Ok(client);
        }
        let made = self.0.connect().map_err(|error| {
            tracing::error!(error = %format_args!("{error:#}"), "failed to make the HTTP client");
            Failure::new(
                axum::http::StatusCode::INTERNAL_SERVER_ERROR,
                "misconfigured",
                "the function cannot speak to the project",
                "the function's log says what is wrong with its settings",
            )
        })?;
        Ok(self.0.client.get_or_init(|| made))
    }

    async fn run(&self, caller: &impl Asker, request: Builder, repeat: Repeat) -> Result<Value, Failure> {
        let request = self.addressed(caller, request)?;
        let mut pauses = REPEAT_AFTER.iter();
        loop {
            let limit = Deadline::bound(caller.deadline(), CALL_TIMEOUT);
            let missed = match attempt_once(caller, &request, limit).await {
                Ok(value) => return Ok(value),
                Err(missed) => missed,
            };
            let (failure, again) = match missed {
                Missed::Refused(refusal) => (refusal.failure, refusal.nothing_happened),
                Missed::Unreached => (unavailable(), true),
                Missed::Lost => (unavailable(), repeat == Repeat::Always),
                Missed::TimedOut => (timed_out(), false),
            };
            match pauses.next() {
                Some(&pause) if again && pause < Deadline::bound(caller.deadline(), CALL_TIMEOUT) => {
                    tokio::time::sleep(pause).await;
                }
                _ => return Err(failure),
            }
        }
    }

    /// The request on our own client: that of the library asks proxies and follows redirects.
    fn addressed(&self, caller: &impl Asker, request: Builder) -> Result<RequestBuilder, Failure> {
        let impossible = || {
            Failure::bad_request(
                "the request cannot be made",
                "see that the URL has no odd characters",
            )
        };
        let theirs = request.build().build().map_err(|_| impossible())?;
        let method = Method::from_bytes(theirs.method().as_str().as_bytes()).map_err(|_| impossible())?;
        let body = theirs.body().and_then(|body| body.as_bytes()).unwrap_or_default();
        let mut ours = self
            .client()?
            .http
            .request(method, theirs.url().as_str())
            .body(body.to_vec());
        for (name, value) in theirs.headers() {
            ours = ours.header(name.as_str(), value.as_bytes());
        }
        Ok(caller.sign(ours.header("apikey", self.0.key.expose())))
    }
}

impl Inner {
    fn connect(&self) -> anyhow::Result<Client> {
        let builder = reqwest::Client::builder()
            .tls_backend_preconfigured(crate::tls::client_config(self.certificates.as_deref())?)
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none());
        // A database on this machine is not behind the proxy of the environment.
        let builder = if self.url.starts_with("http://") {
            builder.no_proxy()
        } else {
            builder
        };
        Ok(Client {
            requests: Postgrest::new(&self.url),
            http: builder.build().context("build it")?,
        })
    }
}

async fn attempt_once(
    caller: &impl Asker,
    request: &RequestBuilder,
    limit: Duration,
) -> Result<Value, Missed> {
    let request = request.try_clone().expect("the body is bytes").timeout(limit);
    let answer = request.send().await.map_err(unanswered)?;
    let status = answer.status().as_u16();
    let body = answer.bytes().await.map_err(unanswered)?;
    let value = serde_json::from_slice(&body);
    if (200..300).contains(&status) {
        // A success that is no JSON comes from something else than PostgREST.
        return value.map_err(|_| {
            Missed::Refused(Refusal {
                failure: unavailable(),
                nothing_happened: false,
            })
        });
    }
    let value = value.unwrap_or(Value::Null);
    if status >= 500 {
        tracing::warn!(status, code = value["code"].as_str(), "the Data API failed");
    }
    let refused = Refused::of(status, &value);
    Err(Missed::Refused(Refusal::of(refused, caller.explain(refused))))
}

fn unanswered(error: reqwest::Error) -> Missed {
    let missed = match () {
        () if error.is_connect() => Missed::Unreached,
        () if error.is_timeout() => Missed::TimedOut,
        () => Missed::Lost,
    };
    let error = anyhow::Error::new(error.without_url());
    tracing::warn!(error = %format_args!("{error:#}"), "failed to ask the Data API");
    missed
}
