//! One call of the Data API.

use std::time::Duration;

use postgrest::Postgrest;
use reqwest::header::HeaderValue;
use reqwest::{Method, Response};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::super::error::{CallError, Cause, certificate_fault};
use super::gate::Gate;
use super::keyring::Keyring;
use super::refusal::{Refusal, classify};
use crate::config::{ConfigError, DataApiConfig};
use crate::host_key::HostKey;

/// The header by which the database's pre-request function knows the host.
const HOST_KEY_HEADER: &str = "x-creel-host-key";
/// A thousand results of 8 kB; what is larger is a fault on this side, and the network would be asked in vain.
const MAX_REQUEST_BYTES: usize = 8 << 20;
/// A thousand items with all that a row may hold; a server that sends more would fill the memory.
const MAX_ANSWER_BYTES: usize = 32 << 20;
/// What a refusal says is short.
const MAX_REFUSAL_BYTES: usize = 64 << 10;
/// Where the right certificate is to be had.
const CERTIFICATE_HINT: &str = "name the certificate that signs it as data_api_ca_file, for a Supabase of your own or a \
                                proxy that opens connections";

/// The Data API of one project, as one host.
pub(super) struct Api {
    requests: Postgrest,
    http: reqwest::Client,
    publishable_key: HeaderValue,
    pub(super) keyring: Keyring,
    gate: Gate,
}

/// Why a call failed, and whether the way is open still.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) error: CallError,
    pub(super) is_cut: bool,
}

/// What is not sent, or not read to its end.
#[derive(Debug, thiserror::Error)]
enum TooLarge {
    #[error("the argument has {bytes} bytes, more than {MAX_REQUEST_BYTES}: it is not sent")]
    Request { bytes: usize },
    #[error("the answer has more than {limit} bytes")]
    Answer { limit: usize },
}

impl Api {
    pub(super) fn new(config: &DataApiConfig) -> Result<Self, ConfigError> {
        Ok(Self {
            requests: Postgrest::new(&config.url),
            http: config.http_client()?,
            publishable_key: config.publishable_key_header()?,
            keyring: Keyring::open(&config.host_key_file)?,
            gate: Gate::default(),
        })
    }

    /// Calls a function, as whoever this host is now.
    pub(super) async fn call<R: DeserializeOwned>(
        &self,
        function: &str,
        argument: &Value,
        limit: Duration,
    ) -> Result<R, Failed> {
        match tokio::time::timeout(limit, self.call_unlimited(function, argument)).await {
            Ok(answer) => answer,
            Err(_) => Err(Failed {
                error: CallError::Silent(limit),
                is_cut: true,
            }),
        }
    }

    async fn call_unlimited<R: DeserializeOwned>(
        &self,
        function: &str,
        argument: &Value,
    ) -> Result<R, Failed> {
        let body = argument.to_string();
        if body.len() > MAX_REQUEST_BYTES {
            let bytes = body.len();
            return Err(open(CallError::Refused(TooLarge::Request { bytes }.into())));
        }
        let mut refused: Vec<HostKey> = Vec::new();
        let mut key = self.keyring.current();
        // Not told by a comparison: a call that began before a rotation may end after it.
        let mut is_other = false;
        if let Err((error, tried)) = self.gate.pass() {
            // A key that was not tried yet opens a closed gate.
            key = match self.keyring.other_than(&tried) {
                Some(newer) if error.is_shut_out() => newer,
                _ => return Err(open(error)),
            };
            (refused, is_other) = (tried, true);
        }
        loop {
            match self.attempt(function, &body, &key).await {
                Ok(answer) => {
                    if is_other {
                        self.go_on_with(&key);
                    }
                    return serde_json::from_slice(&answer)
                        .map_err(|error| open(CallError::Nonsense(Cause::from(error))));
                }
                // The request was refused before anything happened: it may be made again.
                Err(Failed {
                    error: CallError::KeyRefused(said),
                    ..
                }) => {
                    refused.push(key);
                    match self.keyring.other_than(&refused) {
                        Some(other) => (key, is_other) = (other, true),
                        None => {
                            self.gate.shut_out(&said, refused);
                            return Err(open(CallError::KeyRefused(said)));
                        }
                    }
                }
                Err(failed) => {
                    // Whoever is told that the call is wrong was let in.
                    if is_other && matches!(failed.error, CallError::Refused(_)) {
                        self.go_on_with(&key);
                    }
                    return Err(failed);
                }
            }
        }
    }

    fn go_on_with(&self, key: &HostKey) {
        match self.keyring.adopt(key) {
            Ok(()) => tracing::info!("goes on with another key of this host"),
            Err(error) => {
                let file = self.keyring.file().display();
                tracing::error!(%error, "failed to keep the key that is used now in {file}: {error}");
            }
        }
    }

    async fn attempt(&self, function: &str, body: &str, key: &HostKey) -> Result<Vec<u8>, Failed> {
        let answer = self
            .request(function, body, key)?
            .send()
            .await
            .map_err(unanswered)?;
        let status = answer.status().as_u16();
        if answer.status().is_success() {
            return read(answer, MAX_ANSWER_BYTES).await;
        }
        let retry_after = answer.headers().get("retry-after").cloned();
        let retry_after = retry_after.as_ref().and_then(|value| value.to_str().ok());
        let said = read(answer, MAX_REFUSAL_BYTES).await.unwrap_or_default();
        let Refusal { error, is_cut, pause } = classify(status, retry_after, &said);
        if let Some(pause) = pause {
            self.gate.pause(pause);
        }
        Err(Failed { error, is_cut })
    }

    /// The library's request on our own client: that of the library has no time limits, follows redirects with the key,
    /// and trusts what it was built with.
    fn request(&self, function: &str, body: &str, key: &HostKey) -> Result<reqwest::RequestBuilder, Failed> {
        let impossible = |error: Cause| open(CallError::Refused(error));
        let theirs = self
            .requests
            .rpc(function, body)
            .build()
            .build()
            .map_err(|error| impossible(error.into()))?;
        let method = Method::from_bytes(theirs.method().as_str().as_bytes())
            .map_err(|error| impossible(error.into()))?;
        let mut key = HeaderValue::from_str(key.expose()).map_err(|error| impossible(error.into()))?;
        key.set_sensitive(true);
        let mut ours = self.http.request(method, theirs.url().as_str());
        for (name, value) in theirs.headers() {
            ours = ours.header(name.as_str(), value.as_bytes());
        }
        let sent = theirs.body().and_then(|body| body.as_bytes()).unwrap_or_default();
        Ok(ours
            .header("apikey", self.publishable_key.clone())
            .header(HOST_KEY_HEADER, key)
            .body(sent.to_vec()))
    }
}

/// The way is open, whatever became of the call.
fn open(error: CallError) -> Failed {
    Failed { error, is_cut: false }
}

/// Reads a body up to a limit.
async fn read(mut answer: Response, limit: usize) -> Result<Vec<u8>, Failed> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(unanswered)? {
        if body.len() + chunk.len() > limit {
            return Err(Failed {
                error: CallError::Nonsense(TooLarge::Answer { limit }.into()),
                is_cut: true,
            });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn unanswered(error: reqwest::Error) -> Failed {
    // The URL says nothing that the configuration does not.
    let error = error.without_url();
    let error = match certificate_fault(&error) {
        Some(why) => CallError::Certificate {
            why,
            hint: CERTIFICATE_HINT,
        },
        None => CallError::Unavailable(Cause::from(error)),
    };
    Failed { error, is_cut: true }
}
