//! What every driver of OpenClaw must do. A driver that passes can stand in for another.

use std::path::Path;

use creel_worker::openclaw::{MIN_VERSION, NewAgent, OpenClaw, OpenClawError};

use crate::support::{Host, id};

/// Names that people give their agents, and that are easily spoilt on the way.
const NAMES: &[&str] = &[
    "Scout",
    "-x",
    "--emoji=boo",
    "Ada \"the 'quoted'\" L. \\ $HOME `id`",
    "סייר 🦞 كشاف",
    "👩‍👩‍👧‍👦",
];

/// All promises; a slow driver can be given fewer names.
pub(crate) async fn keeps_all_promises(openclaw: &dyn OpenClaw, workspaces: &Path, names: &[&str]) {
    says_its_version(openclaw).await;
    an_agent_is_not_there_before_it_is_added(openclaw).await;
    an_added_agent_is_found_with_its_workspace(openclaw, workspaces).await;
    a_second_agent_of_the_same_id_is_refused(openclaw, workspaces).await;
    an_identity_is_kept_to_the_letter(openclaw, names).await;
    an_identity_needs_an_agent(openclaw).await;
    files_that_are_there_are_kept(openclaw, workspaces).await;
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
    std::fs::write(workspace.join("SOUL.md"), "mine").expect("write");
    openclaw
        .add(&NewAgent::unnamed(id("beta"), &workspace))
        .await
        .expect("it is added");
    assert_eq!(crate::support::read(workspace.join("SOUL.md")), "mine");
    assert!(
        workspace.join("AGENTS.md").is_file(),
        "OpenClaw writes what is missing"
    );
}

#[tokio::test]
async fn the_cli_driver_keeps_all_promises_with_the_stand_in() {
    let host = Host::new();
    keeps_all_promises(host.openclaw().as_ref(), &host.workspaces(), NAMES).await;
}
