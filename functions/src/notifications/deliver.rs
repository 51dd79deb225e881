//! One attempt to deliver one notification.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use creel_core::status::DeliveryOutcome;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Client, Url};
use rustls::ClientConfig;

use super::address::is_public;
use super::outbox::Claimed;
use super::signature::sign;

/// For everything together, the name and the connection included: a receiver says that it has it, and works later.
const LIMIT: Duration = Duration::from_secs(10);

/// Whoever is there at all answers within this time, also from another continent.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// Who asks, for the receiver's log.
const USER_AGENT: &str = concat!("creel-webhooks/", env!("CARGO_PKG_VERSION"));

/// Where a webhook may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// In the internet, by https.
    Internet,
    /// On this machine too, also by http: for `creel up` and for tests.
    LoopbackToo,
}

/// Sends notifications to addresses that somebody else chose.
pub struct Deliverer {
    tls: ClientConfig,
    reach: Reach,
}

/// What an attempt came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) outcome: DeliveryOutcome,
    /// What went wrong, for the project's members: in our own words, as an answer may say anything.
    pub(super) error: Option<String>,
    pub(super) retry_after_secs: Option<u32>,
}

impl Verdict {
    fn of(outcome: DeliveryOutcome, error: impl Into<String>) -> Self {
        Self {
            outcome,
            error: Some(error.into()),
            retry_after_secs: None,
        }
    }
}

impl Deliverer {
    /// One that trusts the authorities of browsers, or those of a file.
    pub fn new(certificates: Option<&Path>, reach: Reach) -> anyhow::Result<Self> {
        let tls = crate::tls::client_config(certificates)?;
        Ok(Self { tls, reach })
    }

    pub(super) async fn deliver(&self, notification: &Claimed) -> Verdict {
        match tokio::time::timeout(LIMIT, self.attempt(notification)).await {
            Ok(Ok(verdict) | Err(verdict)) => verdict,
            Err(_elapsed) => silent(),
        }
    }

    async fn attempt(&self, notification: &Claimed) -> Result<Verdict, Verdict> {
        let refused = |why: &str| Verdict::of(DeliveryOutcome::Refused, why);
        let url = Url::parse(&notification.url).map_err(|_| refused("its address is no URL"))?;
        let host = url.host_str().unwrap_or_default();
        let addresses = self.resolve(&url, host).await?;
        let client = self.client(addresses).map_err(|error| {
            tracing::error!(error = %format_args!("{error:#}"), "failed to make a client for a webhook");
            Verdict::of(DeliveryOutcome::Retry, "the deliverer could not make a request")
        })?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let id = notification.id.to_string();
        let signature = sign(&id, now.as_secs(), &notification.body, &notification.secrets)
            .ok_or_else(|| refused("its secret cannot be used; rotate it"))?;
        let request = client
            .post(url)
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", now.as_secs())
            .header("webhook-signature", signature)
            .body(notification.body.clone());
        let answer = request.send().await.map_err(|error| unanswered(&error))?;
        let retry_after = answer.headers().get(RETRY_AFTER);
        let retry_after = retry_after.and_then(|value| value.to_str().ok()?.trim().parse().ok());
        // The body is not even read: the connection ends here.
        Ok(judge(answer.status().as_u16(), retry_after))
    }

    /// The addresses of the host, if all of them are such that we may speak to them.
    async fn resolve(&self, url: &Url, host: &str) -> Result<Vec<SocketAddr>, Verdict> {
        let has_login = !url.username().is_empty() || url.password().is_some();
        let is_known = url.scheme() == "https" || url.scheme() == "http" && self.reach == Reach::LoopbackToo;
        if !is_known || has_login {
            return Err(Verdict::of(
                DeliveryOutcome::Refused,
                "its address must begin with https:// and have no user",
            ));
        }
        let port = url.port_or_known_default().unwrap_or(443);
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let addresses: Vec<SocketAddr> = match bare.parse::<IpAddr>() {
            Ok(address) => vec![SocketAddr::new(address, port)],
            Err(_) => {
                let found = tokio::net::lookup_host((bare, port)).await.map_err(|_| {
                    Verdict::of(DeliveryOutcome::Retry, "the name of its host cannot be resolved")
                })?;
                found.collect()
            }
        };
        let may_reach = |address: &SocketAddr| match address.ip() {
            ip if ip.to_canonical().is_loopback() => self.reach == Reach::LoopbackToo,
            ip => is_public(ip) && url.scheme() == "https",
        };
        match addresses.iter().all(may_reach) {
            true if !addresses.is_empty() => Ok(addresses),
            true => Err(Verdict::of(
                DeliveryOutcome::Retry,
                "the name of its host has no address",
            )),
            false => Err(Verdict::of(
                DeliveryOutcome::Refused,
                "its host is not in the internet, or not spoken to by https",
            )),
        }
    }

    /// A client for these very addresses: a name that is resolved anew could be another one's by then. No proxy is asked,
    /// as that would resolve the name again.
    fn client(&self, addresses: Vec<SocketAddr>) -> reqwest::Result<Client> {
        Client::builder()
            .tls_backend_preconfigured(self.tls.clone())
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .dns_resolver(Arc::new(Checked(addresses)))
            .connect_timeout(CONNECT_LIMIT)
            .timeout(LIMIT)
            .pool_max_idle_per_host(0)
            .user_agent(USER_AGENT)
            .build()
    }
}

/// Knows these addresses and no others, whatever the name.
struct Checked(Vec<SocketAddr>);

impl Resolve for Checked {
    fn resolve(&self, _name: Name) -> Resolving {
        let addresses: Addrs = Box::new(self.0.clone().into_iter());
        Box::pin(std::future::ready(Ok(addresses)))
    }
}

fn silent() -> Verdict {
    let secs = LIMIT.as_secs();
    Verdict::of(
        DeliveryOutcome::Retry,
        format!("it did not answer within {secs} s"),
    )
}

fn unanswered(error: &reqwest::Error) -> Verdict {
    match () {
        () if error.is_timeout() => silent(),
        () if error.is_connect() => Verdict::of(
            DeliveryOutcome::Retry,
            "it could not be reached, or its certificate is not trusted",
        ),
        () => Verdict::of(DeliveryOutcome::Retry, "it broke the connection off"),
    }
}

/// What a status means.
fn judge(status: u16, retry_after_secs: Option<u32>) -> Verdict {
    let outcome = match status {
        200..300 => {
            return Verdict {
                outcome: DeliveryOutcome::Delivered,
                error: None,
                retry_after_secs: None,
            };
        }
        410 => DeliveryOutcome::Gone,
        408 | 425 | 429 | 500.. => DeliveryOutcome::Retry,
        _ => DeliveryOutcome::Refused,
    };
    let said = match status {
        300..400 => format!("it answered {status}; redirects are not followed"),
        _ => format!("it answered {status}"),
    };
    Verdict {
        outcome,
        error: Some(said),
        retry_after_secs,
    }
}

#[cfg(test)]
mod tests {
    use creel_core::secret::Secret;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn each_answer_has_its_consequence() {
        use DeliveryOutcome as O;
        for (status, outcome) in [
            (200, O::Delivered),
            (204, O::Delivered),
            (299, O::Delivered),
            (301, O::Refused),
            (400, O::Refused),
            (404, O::Refused),
            (408, O::Retry),
            (410, O::Gone),
            (429, O::Retry),
            (500, O::Retry),
            (599, O::Retry),
        ] {
            assert_eq!(judge(status, None).outcome, outcome, "{status}");
        }
        assert_eq!(judge(503, Some(7)).retry_after_secs, Some(7));
    }

    #[tokio::test]
    async fn nobody_reaches_through_us_what_only_we_can_reach() {
        let refused = async |reach, url: &str| {
            let notification = Claimed {
                id: Uuid::nil(),
                token: Uuid::nil(),
                url: url.to_owned(),
                body: "{}".to_owned(),
                secrets: vec![Secret::new("whsec_AAAA")],
            };
            let deliverer = Deliverer::new(None, reach).expect("a deliverer");
            deliverer.deliver(&notification).await.outcome == DeliveryOutcome::Refused
        };
        for url in [
            "http://1.1.1.1/",
            "https://127.0.0.1:1/",
            "https://localhost:1/",
            "https://2130706433/",
            "https://0x7f.1/",
            "https://[::1]/",
            "https://[::ffff:10.0.0.1]/",
            "https://169.254.169.254/latest/meta-data",
            "https://10.0.0.1/",
            "https://a:b@example.com/",
            "ftp://example.com/",
            "file:///etc/passwd",
            "nonsense",
        ] {
            assert!(refused(Reach::Internet, url).await, "{url}");
        }
        for url in [
            "https://10.0.0.1/",
            "http://10.0.0.1/",
            "http://1.1.1.1/",
            "http://169.254.169.254/",
        ] {
            assert!(refused(Reach::LoopbackToo, url).await, "{url}");
        }
        assert!(!refused(Reach::LoopbackToo, "http://127.0.0.1:1/").await);
    }
}
