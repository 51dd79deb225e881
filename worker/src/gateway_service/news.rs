//! What the keeper tells: in the log, on its page and as an event.

use std::path::Path;

use creel_core::status::HostEventKind;
use serde_json::{Value, json};

use super::config::ConfigWatch;
use super::plan::{EXIT_CONFIG, Failed, News};

/// News in the form of an event.
pub(super) struct Told {
    pub(super) kind: HostEventKind,
    pub(super) payload: Value,
    /// What is wrong from now on, and what to do.
    pub(super) reason: Option<String>,
}

/// Logs the news, and makes an event of it. The host's log stays on the host: who knows what OpenClaw prints.
pub(super) fn told(news: News, config: &ConfigWatch, log: &Path) -> Told {
    let shown = log.display();
    match news {
        News::Started => {
            tracing::info!("the gateway is ready");
            Told {
                kind: HostEventKind::GatewayStarted,
                payload: json!({ "port": config.port() }),
                reason: None,
            }
        }
        News::Failed(how, pause) => {
            let why = said(how, config.port());
            let pause = pause.as_secs();
            tracing::warn!("the gateway failed: {why}; it is started again in {pause} s; its log is {shown}");
            Told {
                kind: HostEventKind::GatewayFailed,
                payload: json!({ "reason": why, "log": shown.to_string() }),
                reason: Some(format!("{why}; its log on the host is {shown}")),
            }
        }
        News::GivenUp(how, count) => {
            let why = said(how, config.port());
            tracing::error!(
                "the gateway failed too often and is given up: {why}; its log is {shown}. It is started again when \
                 {} changes, or by a restart of the worker",
                config.path().display()
            );
            Told {
                kind: HostEventKind::GatewayGivenUp,
                payload: json!({ "reason": why, "log": shown.to_string(), "failures": count }),
                reason: Some(format!(
                    "{why}; given up after {count} failures. See {shown} on the host, then change openclaw.json or \
                     restart the worker"
                )),
            }
        }
    }
}

/// What is wrong with it, for people.
fn said(how: Failed, port: Option<u16>) -> String {
    match how {
        Failed::Exit(EXIT_CONFIG) => {
            "OpenClaw does not start with this configuration (exit code 78): run openclaw config validate"
                .to_owned()
        }
        Failed::Exit(code) => format!("it ended with exit code {code}"),
        Failed::Signal(signal) => format!("it was ended by signal {signal}"),
        Failed::Vanished => "it is gone".to_owned(),
        Failed::NotStarted => "its program cannot be started: is OpenClaw installed?".to_owned(),
        Failed::NotReady => "it did not get ready in time and was killed".to_owned(),
        Failed::Busy => "another OpenClaw process had its state; it waits for that to end".to_owned(),
        Failed::PortTaken => format!(
            "port {} is another program's: end that, or give gateway.port in openclaw.json another one",
            port.unwrap_or_default()
        ),
    }
}
