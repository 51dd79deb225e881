//! What the host tells of its OpenClaw: version, gateway, agents and models, whenever one of them changes.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use crate::gateway_service::GatewayView;
use crate::openclaw::{Entry, OpenClaw, Overview};
use crate::workspace;

/// Whoever made an agent by hand sees it on the page with the tick after this.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Marks change without a change of the configuration, and so does a gateway that somebody else keeps.
const LOOK_CLOSER_EVERY: Duration = Duration::from_secs(30);

/// Half of what the database takes: its own form of JSON may be somewhat larger than the text.
const REPORT_MAX_BYTES: usize = 128 << 10;

/// Room for what is no list.
const MODELS_MAX_BYTES: usize = 32 << 10;

/// Where the host's gateway stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct GatewayReport {
    /// The word for its state, where the worker keeps it.
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<&'static str>,
    /// Whether it says that it is ready.
    ready: bool,
    /// Its port.
    port: u16,
}

/// What the report is made from.
pub(crate) struct RuntimeSources {
    /// Whose configuration it is.
    pub(crate) openclaw: Arc<dyn OpenClaw>,
    /// `openclaw.json`.
    pub(crate) config_path: PathBuf,
    /// What `openclaw --version` said last.
    pub(crate) version: watch::Receiver<Option<String>>,
    /// The gateway, where the worker keeps it.
    pub(crate) gateway: Option<watch::Receiver<GatewayView>>,
}

/// Looks now and then what of OpenClaw is on this host. It ends when this is dropped.
pub(crate) struct RuntimeWatch {
    latest: watch::Receiver<Option<Value>>,
    _task: AbortOnDropHandle<()>,
}

impl RuntimeWatch {
    /// Begins to look, beside everything else: no tick waits for it.
    pub(crate) fn start(sources: RuntimeSources) -> Self {
        let (sender, latest) = watch::channel(None);
        let task = tokio::spawn(async move {
            let mut seen: Option<(Fingerprint, Instant)> = None;
            loop {
                let now = fingerprint(&sources).await;
                let stale = seen
                    .as_ref()
                    .is_none_or(|(before, at)| *before != now || at.elapsed() >= LOOK_CLOSER_EVERY);
                if stale {
                    seen = Some((now, Instant::now()));
                    if let Some(report) = sources.look().await {
                        sender.send_if_modified(|latest| {
                            let changed = latest.as_ref() != Some(&report);
                            *latest = Some(report);
                            changed
                        });
                    }
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        });
        Self {
            latest,
            _task: AbortOnDropHandle::new(task),
        }
    }

    /// For the tick.
    pub(crate) fn news(&self) -> RuntimeNews {
        RuntimeNews {
            latest: self.latest.clone(),
            told: None,
        }
    }
}

/// What the database has not heard yet.
pub(crate) struct RuntimeNews {
    latest: watch::Receiver<Option<Value>>,
    told: Option<Value>,
}

impl RuntimeNews {
    /// What is to be told, with the time of now; nothing if it was told.
    pub(crate) fn next(&self) -> Option<Value> {
        let latest = self.latest.borrow();
        let news = latest
            .as_ref()
            .filter(|latest| Some(*latest) != self.told.as_ref());
        let mut news = news?.clone();
        news["reported_at"] = json!(Timestamp::now());
        Some(news)
    }

    /// It was told.
    pub(crate) fn was_told(&mut self, told: Option<Value>) {
        let Some(mut told) = told else { return };
        if let Some(fields) = told.as_object_mut() {
            fields.remove("reported_at");
        }
        self.told = Some(told);
    }
}

/// What changes with the configuration, the version, or the state of a kept gateway.
type Fingerprint = (
    Option<(u64, i64, i64, u64)>,
    Option<String>,
    Option<GatewayReport>,
);

async fn fingerprint(sources: &RuntimeSources) -> Fingerprint {
    let path = sources.config_path.clone();
    let stat = tokio::task::spawn_blocking(move || {
        let found = std::fs::metadata(path).ok()?;
        Some((found.ino(), found.mtime(), found.mtime_nsec(), found.size()))
    });
    let kept = sources.kept();
    let version = sources.version.borrow().clone();
    (stat.await.ok().flatten(), version, kept)
}

impl RuntimeSources {
    /// The gateway, where the worker keeps it.
    fn kept(&self) -> Option<GatewayReport> {
        let view = self.gateway.as_ref()?.borrow();
        Some(GatewayReport {
            state: Some(view.state.as_str()),
            ready: view.ready,
            port: view.port?,
        })
    }

    /// Everything but the time; nothing where the configuration cannot be read now.
    async fn look(&self) -> Option<Value> {
        let overview = Overview::read(&self.config_path).await.ok().flatten()?;
        let gateway = match (self.kept(), overview.gateway_port) {
            (Some(kept), _) => Some(kept),
            (_, Some(port)) => Some(GatewayReport {
                state: None,
                ready: self.openclaw.is_served().await,
                port,
            }),
            (_, None) => None,
        };
        let openclaw = json!({
            "version": *self.version.borrow(), "driver": self.openclaw.driver(), "gateway": gateway,
        });
        tokio::task::spawn_blocking(move || report(&openclaw, &overview, workspace::is_marked))
            .await
            .ok()
    }
}

/// The report, cut to what the database takes.
fn report(openclaw: &Value, overview: &Overview, is_marked: impl Fn(&Path) -> bool) -> Value {
    let models = cut(
        overview.models.iter().map(|model| json!(shown(model))),
        MODELS_MAX_BYTES,
    );
    let agents = overview.agents.iter().map(|agent| {
        let name = agent.identity_name.as_ref().or(agent.name.as_ref());
        json!({
            "id": shown(&agent.id), "name": name.map(|name| shown(name)),
            "emoji": agent.identity_emoji.as_deref().map(shown), "workspace": workspace(agent),
            "creel": agent.workspace.as_deref().is_some_and(&is_marked),
        })
    });
    json!({
        "openclaw": openclaw,
        "agents": cut(agents, REPORT_MAX_BYTES - 2 * MODELS_MAX_BYTES),
        "agent_count": overview.agents.len(),
        "models": models,
    })
}

fn workspace(agent: &Entry) -> Option<String> {
    let path = agent.workspace.as_ref()?;
    Some(shown(&path.to_string_lossy()))
}

/// Postgres knows no NUL, and the tick would be lost with it.
fn shown(text: &str) -> String {
    text.replace('\0', "")
}

/// As many as fit.
fn cut(values: impl Iterator<Item = Value>, most_bytes: usize) -> Vec<Value> {
    let mut size_bytes = 0;
    values
        .take_while(|value| {
            size_bytes += value.to_string().len() + 1;
            size_bytes <= most_bytes
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn overview(count: usize) -> Overview {
        let agent = |n: usize| Entry {
            id: format!("agent-{n}"),
            name: Some("by\0name".to_owned()),
            workspace: Some(PathBuf::from(format!("/ws/{n}"))),
            identity_name: None,
            identity_emoji: Some("🦉".to_owned()),
        };
        Overview {
            agents: (0..count).map(agent).collect(),
            models: vec!["fake/one".to_owned()],
            gateway_port: None,
        }
    }

    #[test]
    fn a_report_says_which_agents_are_ours() {
        let said = report(&json!({}), &overview(2), |path| path == Path::new("/ws/1"));
        assert_eq!(
            said["agents"][0],
            json!({ "id": "agent-0", "name": "byname", "emoji": "🦉", "workspace": "/ws/0", "creel": false })
        );
        assert_eq!(said["agents"][1]["creel"], json!(true));
        assert_eq!(said["models"], json!(["fake/one"]));
    }

    #[test]
    fn a_report_of_any_size_fits_and_says_what_was_left_away() {
        let mut overview = overview(20_000);
        overview.models = vec!["x".repeat(1_000); 1_000];
        let said = report(&json!({}), &overview, |_| false);
        assert!(said.to_string().len() <= REPORT_MAX_BYTES);
        assert_eq!(said["agent_count"], json!(20_000));
        let told = said["agents"].as_array().expect("a list").len();
        assert!((500..20_000).contains(&told), "{told}");
    }

    #[test]
    fn what_was_told_is_not_told_again_until_it_changes() {
        let (sender, latest) = watch::channel(None);
        let mut news = RuntimeNews { latest, told: None };
        assert_eq!(news.next(), None);
        sender.send_replace(Some(json!({ "agents": [] })));
        let told = news.next();
        assert!(told.as_ref().is_some_and(|told| told["reported_at"].is_string()));
        assert!(news.next().is_some(), "the tick failed");
        news.was_told(told);
        assert_eq!(news.next(), None);
        sender.send_replace(Some(json!({ "agents": [1] })));
        assert!(news.next().is_some());
    }
}
