//! AWS's stores of secrets, by signed requests.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use anyhow::{Context, bail};
use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use backon::{ExponentialBuilder, Retryable};
use clap::Parser;
use creel_core::secret::Secret;
use futures_util::future::try_join_all;
use serde_json::{Value, json};

use super::reference::{Reference, Service};
use crate::settings::parse_url;

/// A store in the same region answers within some 20 ms. All attempts together, with their pauses, fit into the ten seconds
/// that a function has for its start, and leave time for saying why there was none.
const ATTEMPT_TIMEOUT: Duration = Duration::from_millis(1_500);

/// After a store that was busy, or a packet that was lost.
const REPEAT_AFTER: Duration = Duration::from_millis(100);

/// The first attempt, and these.
const REPEAT_COUNT: usize = 3;

/// `GetParameters` takes this many names.
const PARAMETERS_A_CALL: usize = 10;

/// What both stores speak.
const CONTENT_TYPE: &str = "application/x-amz-json-1.1";

/// The stores of one region, as whoever has these credentials.
pub struct Store {
    credentials: Credentials,
    region: String,
    endpoints: [(Service, Option<String>); 2],
    http: reqwest::Client,
}

/// Who a function is on AWS, and where it is: AWS Lambda says so, by the names that AWS's own programs read.
#[derive(Debug, clap::Parser)]
struct AwsSettings {
    #[arg(long, env = "AWS_ACCESS_KEY_ID", hide_env_values = true)]
    access_key_id: Option<Secret>,
    #[arg(long, env = "AWS_SECRET_ACCESS_KEY", hide_env_values = true)]
    secret_access_key: Option<Secret>,
    #[arg(long, env = "AWS_SESSION_TOKEN", hide_env_values = true)]
    session_token: Option<Secret>,
    #[arg(long, env = "AWS_REGION")]
    region: Option<String>,
    #[arg(long, env = "AWS_ENDPOINT_URL_SSM", value_parser = parse_url)]
    ssm_url: Option<String>,
    #[arg(long, env = "AWS_ENDPOINT_URL_SECRETS_MANAGER", value_parser = parse_url)]
    secrets_manager_url: Option<String>,
    #[arg(long, env = "SSL_CERT_FILE")]
    ssl_cert_file: Option<PathBuf>,
}

/// Why a store did not answer a request.
#[derive(Debug, thiserror::Error)]
enum Refused {
    /// It may do so later.
    #[error("{0}")]
    ForNow(String),
    /// It will not.
    #[error("{0}")]
    ForGood(String),
}

impl Store {
    /// As the environment says.
    pub fn of_environment() -> anyhow::Result<Self> {
        // What the command line has is the function's own settings.
        Self::new(AwsSettings::try_parse_from(["function"]).context("read AWS's variables")?)
    }

    fn new(settings: AwsSettings) -> anyhow::Result<Self> {
        let needed = |value: Option<Secret>, name: &str| {
            let value = value.filter(|value| !value.expose().is_empty());
            value.with_context(|| {
                format!("{name} is not set, and a secret is kept at AWS; elsewhere than there set the secret itself")
            })
        };
        let credentials = Credentials::new(
            needed(settings.access_key_id, "AWS_ACCESS_KEY_ID")?.expose(),
            needed(settings.secret_access_key, "AWS_SECRET_ACCESS_KEY")?.expose(),
            settings.session_token.map(|token| token.expose().to_owned()),
            None,
            "environment",
        );
        let endpoints = [
            (Service::Parameters, settings.ssm_url),
            (Service::Secrets, settings.secrets_manager_url),
        ];
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(crate::tls::client_config(settings.ssl_cert_file.as_deref())?)
            .redirect(reqwest::redirect::Policy::none())
            .timeout(ATTEMPT_TIMEOUT);
        let is_loopback = |url: &Option<String>| url.as_deref().is_some_and(|url| url.starts_with("http://"));
        let http = if endpoints.iter().any(|(_, url)| is_loopback(url)) {
            http.no_proxy()
        } else {
            http
        };
        Ok(Self {
            credentials,
            region: needed(settings.region.map(Secret::new), "AWS_REGION")?
                .expose()
                .to_owned(),
            endpoints,
            http: http.build().context("make the HTTP client")?,
        })
    }

    /// The secrets, in the same order.
    pub(super) async fn read(&self, references: &[&Reference]) -> anyhow::Result<Vec<Secret>> {
        let mut found: Vec<Option<Secret>> = vec![None; references.len()];
        // One request for all parameters of a region, and one for each secret; all of them at once.
        let mut calls: Vec<Vec<usize>> = Vec::new();
        for (at, reference) in references.iter().enumerate() {
            let same = calls.iter_mut().find(|call| {
                let first = references[call[0]];
                let is_alike = first.service == reference.service && first.region == reference.region;
                is_alike && first.service == Service::Parameters && call.len() < PARAMETERS_A_CALL
            });
            match same {
                Some(call) => call.push(at),
                None => calls.push(vec![at]),
            }
        }
        let answers = calls.into_iter().map(async |call| {
            let wanted: Vec<&Reference> = call.iter().map(|&at| references[at]).collect();
            let values = self.fetch(&wanted).await?;
            Ok::<_, anyhow::Error>(call.into_iter().zip(values))
        });
        for (at, value) in try_join_all(answers).await?.into_iter().flatten() {
            found[at] = Some(value);
        }
        Ok(found.into_iter().flatten().collect())
    }

    /// What one request brings.
    async fn fetch(&self, wanted: &[&Reference]) -> anyhow::Result<Vec<Secret>> {
        let Some(first) = wanted.first() else {
            return Ok(Vec::new());
        };
        let region = first.region.as_deref().unwrap_or(&self.region);
        let (target, body) = match first.service {
            Service::Parameters => {
                let mut names: Vec<&str> = wanted.iter().map(|one| one.id.as_str()).collect();
                names.sort_unstable();
                names.dedup();
                (
                    "AmazonSSM.GetParameters",
                    json!({ "Names": names, "WithDecryption": true }),
                )
            }
            Service::Secrets => ("secretsmanager.GetSecretValue", json!({ "SecretId": first.id })),
        };
        let body = body.to_string();
        let answer = (|| self.ask(first.service, region, target, &body))
            .retry(
                ExponentialBuilder::default()
                    .with_min_delay(REPEAT_AFTER)
                    .with_max_times(REPEAT_COUNT)
                    .with_jitter(),
            )
            .when(|refused| matches!(refused, Refused::ForNow(_)))
            .await
            .with_context(|| {
                let ids: Vec<&str> = wanted.iter().map(|one| one.id.as_str()).collect();
                format!("read {} from AWS", ids.join(", "))
            })?;
        wanted.iter().map(|one| value_of(one, &answer)).collect()
    }

    async fn ask(&self, service: Service, region: &str, target: &str, body: &str) -> Result<Value, Refused> {
        let for_good = |error: &dyn std::fmt::Display| Refused::ForGood(format!("sign the request: {error}"));
        let url = self.address(service, region);
        let headers = [("content-type", CONTENT_TYPE), ("x-amz-target", target)];
        let identity = self.credentials.clone().into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(region)
            .name(service.name())
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build()
            .map_err(|error| for_good(&error))?
            .into();
        let signable = SignableRequest::new(
            "POST",
            &url,
            headers.into_iter(),
            SignableBody::Bytes(body.as_bytes()),
        )
        .map_err(|error| for_good(&error))?;
        let signed = sign(signable, &params).map_err(|error| for_good(&error))?;
        let mut request = self.http.post(&url).body(body.to_owned());
        for (name, value) in headers.into_iter().chain(signed.output().headers()) {
            request = request.header(name, value);
        }
        let unanswered = |error: reqwest::Error| {
            let error = anyhow::Error::new(error.without_url());
            Refused::ForNow(format!("{} does not answer: {error:#}", service.name()))
        };
        let answer = request.send().await.map_err(unanswered)?;
        let status = answer.status();
        let answer: Value = answer.bytes().await.map_err(unanswered).map(|bytes| {
            // What is no JSON is a refusal without a word, or nothing that has the secret.
            serde_json::from_slice(&bytes).unwrap_or_default()
        })?;
        if status.is_success() {
            return Ok(answer);
        }
        Err(refused(status, &answer))
    }

    fn address(&self, service: Service, region: &str) -> String {
        let told = self.endpoints.iter().find(|(of, _)| *of == service);
        if let Some((_, Some(url))) = told {
            return format!("{url}/");
        }
        let domain = if region.starts_with("cn-") {
            "amazonaws.com.cn"
        } else {
            "amazonaws.com"
        };
        format!("https://{}.{region}.{domain}/", service.name())
    }
}

/// AWS says by a name what is wrong, in the field `__type`, at times with a prefix.
fn refused(status: reqwest::StatusCode, answer: &Value) -> Refused {
    let kind = answer["__type"].as_str().unwrap_or("no reason");
    let kind = kind.rsplit('#').next().unwrap_or(kind);
    let message = answer["message"].as_str().or_else(|| answer["Message"].as_str());
    let text = format!("{status}, {kind}: {}", message.unwrap_or("AWS says no more"));
    let is_busy = kind.contains("Throttl") || kind.contains("LimitExceeded");
    if status.is_server_error() || status.as_u16() == 429 || is_busy {
        return Refused::ForNow(text);
    }
    let hint = match kind {
        "AccessDeniedException" => "the role of the function must be allowed to read it",
        "ResourceNotFoundException" => "there is none of this name in this region and account",
        "UnrecognizedClientException" | "ExpiredTokenException" | "InvalidSignatureException" => {
            "the credentials in the environment are not good"
        }
        _ => "see what AWS says of it",
    };
    Refused::ForGood(format!("{text}; {hint}"))
}

fn value_of(wanted: &Reference, answer: &Value) -> anyhow::Result<Secret> {
    let value = match wanted.service {
        Service::Secrets => answer["SecretString"].as_str(),
        Service::Parameters => {
            let found = answer["Parameters"].as_array().into_iter().flatten();
            let mut found = found.filter(|one| {
                let is = |field: &str| one[field].as_str() == Some(wanted.id.as_str());
                is("Name") || is("ARN")
            });
            found.next().and_then(|one| one["Value"].as_str())
        }
    };
    match value {
        Some(value) => Ok(Secret::new(value)),
        None => bail!(
            "{} has no text at AWS; make it, in the region and account of the function",
            wanted.id
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_that_does_not_answer_is_given_up_before_the_start_is() {
        let attempts = u32::try_from(REPEAT_COUNT).expect("a small number") + 1;
        // Each pause is twice the last at most, and as much again by chance.
        let pauses = REPEAT_AFTER * 2 * (2_u32.pow(attempts - 1) - 1);
        assert!(ATTEMPT_TIMEOUT * attempts + pauses <= Duration::from_secs(8));
    }
}
