//! The Data API of a project, for a host that comes by a key.

use std::path::PathBuf;
use std::time::Duration;

use creel_core::project_key::is_secret_key;
use creel_core::secret::Secret;
use reqwest::Url;
use reqwest::header::HeaderValue;

use super::ConfigError;
use super::tls::tls_config;

/// Where Supabase has it.
const PATH: &str = "/rest/v1";
/// Where Supabase has Realtime.
const REALTIME_PATH: &str = "/realtime/v1/websocket";
/// In place of Realtime's URL: none is to be listened to.
const OFF: &str = "off";
/// Name look-up, TCP and TLS, also by way of a proxy; a server that needs longer is down.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// Longer than between two ticks, so that a host keeps one connection; shorter than what proxies keep idle ones for.
const IDLE_LIMIT: Duration = Duration::from_secs(55);
/// The tick, the claim, and some jobs at the same time.
const MAX_IDLE_CONNECTIONS: usize = 4;
/// A silent line is asked whether it lives: routers forget it after minutes.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(15);

/// Where the Data API is, and who asks.
#[derive(Debug, Clone)]
pub struct DataApiConfig {
    /// Address of PostgREST, such as `https://abcdefgh.supabase.co/rest/v1`.
    pub url: String,
    /// The key that every page of the project carries.
    pub publishable_key: Secret,
    /// The file that holds the host's own key.
    pub host_key_file: PathBuf,
    /// What the server's certificate is to be signed by; none for what the system trusts.
    pub ca_file: Option<PathBuf>,
    /// The proxy to go by; none for what `HTTPS_PROXY` and its like say.
    pub proxy: Option<Secret>,
    /// Where the host hears that there is work; none where it only looks.
    pub realtime: Option<RealtimeConfig>,
}

/// Where Realtime is.
#[derive(Debug, Clone)]
pub struct RealtimeConfig {
    /// Address of its WebSocket, with `http` or `https`.
    pub url: String,
    /// The key that every page of the project carries.
    pub publishable_key: Secret,
}

impl DataApiConfig {
    /// Checks what can be checked without asking anybody.
    pub fn new(
        url: &str,
        publishable_key: Option<Secret>,
        host_key_file: PathBuf,
        ca_file: Option<PathBuf>,
        proxy: Option<Secret>,
    ) -> Result<Self, ConfigError> {
        let publishable_key = publishable_key.ok_or_else(|| {
            refuse(
                "publishable_key",
                "it is missing; whoever gave you the enrolment code has it (in Supabase under Project Settings, \
                 API Keys; it begins with sb_publishable_)",
            )
        })?;
        let url = parse_url(url)?;
        let realtime = url.strip_suffix(PATH).map(|project| RealtimeConfig {
            url: format!("{project}{REALTIME_PATH}"),
            publishable_key: publishable_key.clone(),
        });
        let config = Self {
            url,
            publishable_key,
            realtime,
            host_key_file,
            ca_file,
            proxy,
        };
        config.check_publishable_key()?;
        config.http_client()?;
        Ok(config)
    }

    /// The same with another address of Realtime, or with none.
    pub fn with_realtime(mut self, url: &str) -> Result<Self, ConfigError> {
        self.realtime = match url.trim() {
            OFF => None,
            url => Some(RealtimeConfig {
                url: parse_realtime_url(url)?,
                publishable_key: self.publishable_key.clone(),
            }),
        };
        Ok(self)
    }

    /// What speaks to it: with time limits, without following anybody elsewhere.
    pub fn http_client(&self) -> Result<reqwest::Client, ConfigError> {
        let tls = tls_config("data_api_ca_file", self.ca_file.as_deref())?;
        let builder = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .user_agent(concat!("creel-worker/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_LIMIT)
            .pool_idle_timeout(IDLE_LIMIT)
            .pool_max_idle_per_host(MAX_IDLE_CONNECTIONS)
            .tcp_keepalive(KEEPALIVE_IDLE)
            .redirect(reqwest::redirect::Policy::none());
        let builder = match &self.proxy {
            Some(proxy) => {
                let proxy = reqwest::Proxy::all(proxy.expose().trim()).map_err(|_| {
                    refuse(
                        "data_api_proxy",
                        "it is no proxy's URL; it looks like http://USER:PASSWORD@proxy.example.com:3128",
                    )
                })?;
                builder.no_proxy().proxy(proxy)
            }
            // What is on this machine is not behind the proxy of the environment.
            None if self.url.starts_with("http://") => builder.no_proxy(),
            None => builder,
        };
        builder
            .build()
            .map_err(|error| refuse("data_api_url", format!("no client can be made for it: {error}")))
    }

    /// The publishable key as a header.
    pub fn publishable_key_header(&self) -> Result<HeaderValue, ConfigError> {
        let mut value = HeaderValue::from_str(self.publishable_key.expose().trim()).map_err(|_| {
            refuse(
                "publishable_key",
                "it has characters that no key has; copy it again",
            )
        })?;
        value.set_sensitive(true);
        Ok(value)
    }

    /// What a host must not have is not sent from it either.
    fn check_publishable_key(&self) -> Result<(), ConfigError> {
        let key = self.publishable_key.expose().trim();
        if key.is_empty() {
            return Err(refuse("publishable_key", "it is empty"));
        }
        if is_secret_key(key) {
            return Err(refuse(
                "publishable_key",
                "this is a secret key of the project, which opens everything: no host is to have it. Make a new one \
                 in Supabase, as this one was here, and give the publishable key",
            ));
        }
        self.publishable_key_header().map(|_| ())
    }
}

/// The URL of a project, or of PostgREST itself.
fn parse_url(text: &str) -> Result<String, ConfigError> {
    let url = parse_safe_url("data_api_url", text)?;
    let base = url.as_str().trim_end_matches('/');
    Ok(match url.path() {
        "" | "/" => format!("{base}{PATH}"),
        _ => base.to_owned(),
    })
}

/// The URL of Realtime's WebSocket, or of a project.
fn parse_realtime_url(text: &str) -> Result<String, ConfigError> {
    // Both spellings are usual; the client wants HTTP's.
    let http = match text.split_once("://") {
        Some(("wss", rest)) => format!("https://{rest}"),
        Some(("ws", rest)) => format!("http://{rest}"),
        _ => text.to_owned(),
    };
    let url = parse_safe_url("realtime_url", &http)?;
    let base = url.as_str().trim_end_matches('/');
    Ok(match url.path() {
        "" | "/" => format!("{base}{REALTIME_PATH}"),
        _ => base.to_owned(),
    })
}

/// A key goes over the network encrypted, or not at all.
fn parse_safe_url(key: &'static str, text: &str) -> Result<Url, ConfigError> {
    let wrong = |why: &str| refuse(key, why);
    let url = Url::parse(text.trim())
        .map_err(|_| wrong("it is no URL; it looks like https://abcdefgh.supabase.co"))?;
    let is_near = matches!(
        url.host_str().unwrap_or_default(),
        "localhost" | "127.0.0.1" | "[::1]"
    );
    match url.scheme() {
        "https" => {}
        "http" if is_near => {}
        "postgres" | "postgresql" => {
            return Err(wrong(
                "it is a database's; give it as database_url, or the project's https:// URL here",
            ));
        }
        _ => {
            return Err(wrong(
                "it must begin with https://, as the host's key is sent there; http:// is for this machine only",
            ));
        }
    }
    if !url.username().is_empty()
        || url.password().is_some()
        || url.query().is_some()
        || url.fragment().is_some()
    {
        return Err(wrong(
            "it has a user, a query or a fragment; give the address alone",
        ));
    }
    Ok(url)
}

fn refuse(key: &'static str, message: impl Into<String>) -> ConfigError {
    ConfigError::Value {
        key,
        message: message.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(url: &str, key: &str) -> Result<DataApiConfig, ConfigError> {
        DataApiConfig::new(url, Some(Secret::new(key)), "/host.key".into(), None, None)
    }

    #[test]
    fn the_url_of_the_project_is_enough() {
        for (given, used) in [
            ("https://abc.supabase.co", "https://abc.supabase.co/rest/v1"),
            (" https://abc.supabase.co/ ", "https://abc.supabase.co/rest/v1"),
            (
                "https://abc.supabase.co/rest/v1/",
                "https://abc.supabase.co/rest/v1",
            ),
            ("http://127.0.0.1:54321", "http://127.0.0.1:54321/rest/v1"),
            ("https://api.example.com/data", "https://api.example.com/data"),
        ] {
            assert_eq!(config(given, "sb_publishable_x").expect(given).url, used);
        }
    }

    #[test]
    fn realtime_is_where_the_project_is_unless_somebody_says_otherwise() {
        let url = |given: &str| Some(config(given, "sb_publishable_x").expect(given).realtime?.url);
        assert_eq!(
            url("https://abc.supabase.co").as_deref(),
            Some("https://abc.supabase.co/realtime/v1/websocket")
        );
        assert_eq!(url("https://api.example.com/data"), None);
        let with = |given: &str| {
            let api = config("https://abc.supabase.co", "sb_publishable_x").expect("a configuration");
            api.with_realtime(given).map(|api| Some(api.realtime?.url))
        };
        assert_eq!(with("off").expect("none"), None);
        for given in [
            "wss://rt.example.com/",
            "https://rt.example.com/realtime/v1/websocket",
        ] {
            assert_eq!(
                with(given).expect(given).as_deref(),
                Some("https://rt.example.com/realtime/v1/websocket")
            );
        }
        let said = with("ws://rt.example.com").expect_err("refused").to_string();
        assert!(
            said.contains("realtime_url") && said.contains("https://"),
            "{said}"
        );
    }

    #[test]
    fn a_key_goes_encrypted_or_not_at_all() {
        for (url, hint) in [
            ("http://abc.supabase.co", "https://"),
            ("abc.supabase.co", "it looks like"),
            ("postgresql://a:b@c/d", "database_url"),
            ("https://user:hunter2@abc.supabase.co", "the address alone"),
        ] {
            let said = config(url, "sb_publishable_x").expect_err(url).to_string();
            assert!(said.contains(hint) && !said.contains("hunter2"), "{said}");
        }
    }

    #[test]
    fn the_projects_secret_key_is_refused_without_being_shown() {
        use base64::Engine;
        use base64::engine::general_purpose::URL_SAFE_NO_PAD;
        let jwt = |role: &str| {
            format!(
                "e30.{}.c2ln",
                URL_SAFE_NO_PAD.encode(format!(r#"{{"role":"{role}"}}"#))
            )
        };
        for key in ["sb_secret_hunter2", &jwt("service_role")] {
            let said = config("https://a.b", key).expect_err("refused").to_string();
            assert!(
                said.contains("no host is to have it") && !said.contains(key),
                "{said}"
            );
        }
        assert!(config("https://a.b", &jwt("anon")).is_ok());
        for key in ["", "two\nlines"] {
            assert!(config("https://a.b", key).is_err());
        }
    }

    #[test]
    fn a_proxy_is_a_url() {
        let with = |proxy: &str| {
            let key = Some(Secret::new("sb_publishable_x"));
            let proxy = Some(Secret::new(proxy));
            DataApiConfig::new("https://a.b", key, "/host.key".into(), None, proxy)
        };
        assert!(with("http://user:hunter2@proxy.example.com:3128").is_ok());
        let said = with("http://user:hunter2@:::").expect_err("refused").to_string();
        assert!(
            said.contains("data_api_proxy") && !said.contains("hunter2"),
            "{said}"
        );
    }
}
