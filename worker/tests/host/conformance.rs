//! What every driver of OpenClaw must do. A driver that passes can stand in for another.

use std::path::Path;
use std::sync::Arc;

use creel_worker::openclaw::{MIN_VERSION, NewAgent, OpenClaw, OpenClawError};
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::gateway::{Gateway, free_port, write_config};
use crate::support::{Host, eventually, id, read};

/// Names that people give their agents, and that are easily spoilt on the way.
const NAMES: &[&str] = &[
    "Scout",
    "-x",
    "--emoji=boo",
    "Ada \"the 'quoted'\" L. \\ $HOME `id`",
    "סייר 🦞 كشاف",
    "👩‍👩‍👧‍👦",
];

/// How many agents are asked for at once.
const BURST: usize = 20;

/// A driver, and how much of it there is time for.
pub(crate) struct Subject<'a> {
    pub(crate) host: &'a Host,
    pub(crate) openclaw: Arc<dyn OpenClaw>,
    /// The names that are tried.
    pub(crate) names: &'a [&'a str],
    /// How many agents are asked for at once.
    pub(crate) burst: usize,
}

impl<'a> Subject<'a> {
    /// All that there is.
    pub(crate) fn new(host: &'a Host, openclaw: Arc<dyn OpenClaw>) -> Self {
        Self {
            host,
            openclaw,
            names: NAMES,
            burst: BURST,
        }
    }
}

/// All promises. There is a configuration already, with somebody else's agent in it.
pub(crate) async fn keeps_all_promises(subject: &Subject<'_>) {
    let (host, openclaw) = (subject.host, subject.openclaw.as_ref());
    let workspaces = &host.workspaces();
    let before = host.config();
    assert!(
        before["agents"]["entries"]["other"].is_object(),
        "there is another agent"
    );
    says_its_version(openclaw).await;
    an_agent_is_not_there_before_it_is_added(openclaw).await;
    an_added_agent_is_found_with_its_workspace(openclaw, workspaces).await;
    a_second_agent_of_the_same_id_is_refused(openclaw, workspaces).await;
    an_identity_is_kept_to_the_letter(openclaw, subject.names).await;
    an_identity_needs_an_agent(openclaw).await;
    files_that_are_there_are_kept(openclaw, workspaces).await;
    agents_that_come_at_once_are_all_there_once(subject).await;
    assert_keeps(&host.config(), &before, "config");
    eventually("no process is left", || host.processes().is_empty()).await;
}

/// Somebody else's agent, with settings of which Creel knows nothing.
pub(crate) fn with_another_agent(host: &Host, port: u16) {
    write_config(host, port, &json!({}));
    let mut config = host.config();
    config["agents"]["entries"]["other"] = json!({
        "name": "Other \"O\" 🐝", "workspace": host.workspaces().join("other's"), "bootstrapMaxChars": 12_345,
        "identity": { "name": "Other", "emoji": "🐝" }, "model": { "primary": "none/none-1" },
    });
    host.replace_config(&format!("{config:#}\n"));
}

/// Whatever is in the one is in the other, too.
fn assert_keeps(after: &Value, before: &Value, path: &str) {
    let Some(fields) = before.as_object() else {
        assert_eq!(after, before, "{path}");
        return;
    };
    for (name, value) in fields.iter().filter(|(name, _)| *name != "meta") {
        assert_keeps(&after[name], value, &format!("{path}.{name}"));
    }
}

async fn says_its_version(openclaw: &dyn OpenClaw) {
    assert!(openclaw.version().await.expect("a version") >= MIN_VERSION);
}

async fn an_agent_is_not_there_before_it_is_added(openclaw: &dyn OpenClaw) {
    assert_eq!(openclaw.find(&id("alpha")).await.expect("an answer"), None);
}

async fn an_added_agent_is_found_with_its_workspace(openclaw: &dyn OpenClaw, workspaces: &Path) {
    let workspace = workspaces.join("alpha");
    openclaw
        .add(&NewAgent::unnamed(id("alpha"), &workspace))
        .await
        .expect("it is added");
    let entry = openclaw
        .find(&id("alpha"))
        .await
        .expect("an answer")
        .expect("it is there");
    assert_eq!(
        (entry.id.as_str(), entry.workspace.as_deref()),
        ("alpha", Some(workspace.as_path()))
    );
    let listed = openclaw.list().await.expect("a list");
    assert_eq!(listed.iter().filter(|listed| listed.id == "alpha").count(), 1);
}

async fn a_second_agent_of_the_same_id_is_refused(openclaw: &dyn OpenClaw, workspaces: &Path) {
    let again = openclaw
        .add(&NewAgent::unnamed(id("alpha"), workspaces.join("other")))
        .await;
    assert!(
        matches!(&again, Err(OpenClawError::AlreadyExists { id }) if id == "alpha"),
        "{again:?}"
    );
    let entry = openclaw
        .find(&id("alpha"))
        .await
        .expect("an answer")
        .expect("it is there");
    assert_eq!(entry.workspace, Some(workspaces.join("alpha")));
}

async fn an_identity_is_kept_to_the_letter(openclaw: &dyn OpenClaw, names: &[&str]) {
    for name in names {
        openclaw
            .set_identity(&id("alpha"), name, Some("🦉"))
            .await
            .expect("it is set");
        let entry = openclaw
            .find(&id("alpha"))
            .await
            .expect("an answer")
            .expect("it is there");
        let shown = (entry.identity_name.as_deref(), entry.identity_emoji.as_deref());
        assert_eq!(shown, (Some(*name), Some("🦉")));
    }
    openclaw
        .set_identity(&id("alpha"), "No emoji", None)
        .await
        .expect("it is set");
    let entry = openclaw
        .find(&id("alpha"))
        .await
        .expect("an answer")
        .expect("it is there");
    assert_eq!(
        entry.identity_emoji.as_deref(),
        Some("🦉"),
        "no emoji leaves the one there is"
    );
    let listed = openclaw.list().await.expect("a list");
    let listed = listed
        .into_iter()
        .find(|listed| listed.id == "alpha")
        .expect("it is listed");
    assert_eq!(listed, entry, "the file and the list say the same");
}

async fn an_identity_needs_an_agent(openclaw: &dyn OpenClaw) {
    let nobody = openclaw.set_identity(&id("nobody"), "Nobody", None).await;
    assert!(
        matches!(&nobody, Err(OpenClawError::NotFound { id }) if id == "nobody"),
        "{nobody:?}"
    );
}

async fn files_that_are_there_are_kept(openclaw: &dyn OpenClaw, workspaces: &Path) {
    let workspace = workspaces.join("beta");
    std::fs::create_dir_all(workspace.join(".creel")).expect("make the folder");
    let ours = ["SOUL.md", "USER.md", "MEMORY.md", "notes.md", ".creel/agent.json"];
    for name in ours {
        std::fs::write(workspace.join(name), format!("{name} is mine")).expect("write");
    }
    openclaw
        .add(&NewAgent::unnamed(id("beta"), &workspace))
        .await
        .expect("it is added");
    assert!(
        workspace.join("AGENTS.md").is_file(),
        "OpenClaw writes what is missing"
    );
    openclaw
        .set_identity(&id("beta"), "Beta", Some("🐝"))
        .await
        .expect("it is set");
    for name in ours {
        assert_eq!(read(workspace.join(name)), format!("{name} is mine"));
    }
}

async fn agents_that_come_at_once_are_all_there_once(subject: &Subject<'_>) {
    let agents: Vec<NewAgent> = (0..subject.burst)
        .map(|n| NewAgent {
            name: format!("Nr. {n} \"סייר\""),
            emoji: Some("🦞".to_owned()),
            ..NewAgent::unnamed(
                id(&format!("burst-{n}")),
                subject.host.workspaces().join(format!("burst-{n}")),
            )
        })
        .collect();
    for added in join_all(agents.iter().map(|agent| subject.openclaw.add(agent))).await {
        added.expect("it is added");
    }
    let named = agents.iter().map(|agent| {
        subject
            .openclaw
            .set_identity(&agent.id, &agent.name, agent.emoji.as_deref())
    });
    for named in join_all(named).await {
        named.expect("it is set");
    }
    let listed = subject.openclaw.list().await.expect("a list");
    for agent in &agents {
        let of_it: Vec<_> = listed
            .iter()
            .filter(|entry| entry.id == agent.id.as_str())
            .collect();
        assert_eq!(of_it.len(), 1, "{}", agent.id);
        let shown = (
            of_it[0].identity_name.as_deref(),
            of_it[0].identity_emoji.as_deref(),
        );
        assert_eq!(shown, (Some(agent.name.as_str()), Some("🦞")), "{}", agent.id);
        assert_eq!(of_it[0].workspace.as_ref(), Some(&agent.workspace));
    }
}

#[tokio::test]
async fn the_cli_driver_keeps_all_promises_with_the_stand_in() {
    let host = Host::new();
    with_another_agent(&host, free_port());
    keeps_all_promises(&Subject::new(&host, host.openclaw())).await;
}

#[tokio::test]
async fn the_gateway_driver_keeps_all_promises_with_the_stand_in() {
    let host = Host::new();
    let _gateway = beside(&host).await;
    keeps_all_promises(&Subject::new(&host, host.gateway_driver())).await;
    assert_eq!(host.calls("add") + host.calls("list") + host.calls("version"), 0);
}

#[tokio::test]
async fn the_auto_driver_keeps_all_promises_with_and_without_a_gateway() {
    let host = Host::new();
    let gateway = beside(&host).await;
    keeps_all_promises(&Subject::new(&host, host.auto_driver())).await;
    assert_eq!(host.calls("add"), 0, "the gateway makes them");
    drop(gateway);
    let host = Host::new();
    with_another_agent(&host, free_port());
    keeps_all_promises(&Subject::new(&host, host.auto_driver())).await;
}

#[tokio::test]
async fn a_gateway_makes_the_first_agent_of_a_configuration() {
    let host = Host::new();
    let gateway = Gateway::begin(&host, &json!({ "agents": {} }));
    gateway.becomes_ready().await;
    let openclaw = host.gateway_driver();
    an_added_agent_is_found_with_its_workspace(openclaw.as_ref(), &host.workspaces()).await;
    an_identity_is_kept_to_the_letter(openclaw.as_ref(), NAMES).await;
}

/// A gateway that serves this host and somebody else's agent.
pub(crate) async fn beside(host: &Host) -> Gateway {
    let port = free_port();
    with_another_agent(host, port);
    let gateway = Gateway::start(host, port);
    gateway.becomes_ready().await;
    gateway
}

#[tokio::test]
async fn the_cli_driver_makes_the_first_agent_where_there_is_no_configuration() {
    let host = Host::new();
    an_added_agent_is_found_with_its_workspace(host.openclaw().as_ref(), &host.workspaces()).await;
}
