//! Agents of the host's one gateway, by every way to OpenClaw.

use std::sync::Arc;

use creel_worker::backend::{Archives, Backend, BackendError, Observed, SharedBackend};
use creel_worker::openclaw::OpenClaw;
use creel_worker::workspace::Workspace;
use serde_json::json;

use crate::backend::{GRACE, Subject, keeps_all_promises, soul, spec, unpacked};
use crate::conformance::with_another_agent;
use crate::gateway::{Gateway, free_port};
use crate::support::{Host, eventually, read};

pub(crate) fn backend(host: &Host, openclaw: Arc<dyn OpenClaw>) -> SharedBackend {
    let archives = Archives::new(&host.path());
    SharedBackend::new(openclaw, host.state_dir(), host.workspaces(), archives)
}

async fn promises(host: &Host, openclaw: Arc<dyn OpenClaw>) {
    let before = host.config()["agents"]["entries"]["other"].clone();
    let subject = Subject {
        backend: Arc::new(backend(host, openclaw)),
        crowd: 5,
        model: "none/none-1",
    };
    keeps_all_promises(&subject).await;
    assert_eq!(
        host.config()["agents"]["entries"]["other"],
        before,
        "another agent is untouched"
    );
    eventually("no process is left", || host.processes().is_empty()).await;
}

#[tokio::test]
async fn the_shared_backend_keeps_all_promises_by_the_gateway() {
    let host = Host::new();
    let port = free_port();
    with_another_agent(&host, port);
    let gateway = Gateway::start(&host, port);
    gateway.becomes_ready().await;
    promises(&host, host.gateway_driver()).await;
}

#[tokio::test]
async fn the_shared_backend_keeps_all_promises_by_either() {
    let host = Host::new();
    let port = free_port();
    with_another_agent(&host, port);
    let gateway = Gateway::start(&host, port);
    gateway.becomes_ready().await;
    promises(&host, host.auto_driver()).await;
}

#[tokio::test]
async fn the_shared_backend_keeps_all_promises_by_the_command_line() {
    let host = Host::new();
    let port = free_port();
    with_another_agent(&host, port);
    let gateway = Gateway::start(&host, port);
    gateway.becomes_ready().await;
    promises(&host, host.openclaw()).await;
}

#[tokio::test]
async fn without_a_gateway_an_agent_is_stopped_and_loses_nothing() {
    let host = Host::new();
    loses_nothing(&host, host.auto_driver()).await;
}

pub(crate) async fn loses_nothing(host: &Host, openclaw: Arc<dyn OpenClaw>) {
    with_another_agent(host, free_port());
    let backend = backend(host, openclaw);
    let spec = spec(1, "alpha");
    let deployed = backend
        .deploy(&spec, &soul("soul"))
        .await
        .expect("it is deployed");
    assert_eq!(backend.observe(&spec.agent).await, Observed::Stopped);
    let sessions = host.state_dir().join("agents/alpha/sessions");
    std::fs::create_dir_all(&sessions).expect("make a folder");
    std::fs::write(sessions.join("one.jsonl"), "said").expect("write");
    backend.stop(&spec.agent, GRACE).await.expect("it is taken out");
    assert!(host.config()["agents"]["entries"]["alpha"].is_null());
    assert_eq!(read(deployed.workspace.join("SOUL.md")), "soul");
    assert_eq!(read(sessions.join("one.jsonl")), "said");
    // A worker that was killed while OpenClaw deleted the agent left the folder aside.
    let mut aside = deployed.workspace.clone().into_os_string();
    aside.push(".kept-by-creel");
    std::fs::rename(&deployed.workspace, &aside).expect("move it");
    let again = backend.deploy(&spec, &[]).await.expect("it is deployed");
    assert_eq!(read(again.workspace.join("SOUL.md")), "soul");
}

#[tokio::test]
async fn somebody_elses_agent_of_the_same_id_is_left_alone() {
    let host = Host::new();
    let port = free_port();
    with_another_agent(&host, port);
    let gateway = Gateway::start(&host, port);
    gateway.becomes_ready().await;
    let backend = backend(&host, host.auto_driver());
    let before = host.config()["agents"].clone();
    let other = spec(1, "other");
    for refused in [
        backend.deploy(&other, &[]).await.map(drop),
        backend.start(&other).await.map(drop),
        backend.configure(&other, &soul("mine")).await.map(drop),
    ] {
        assert!(refused.is_err(), "{refused:?}");
    }
    // Its folder is not there, so that nobody can say whose it is.
    backend
        .stop(&other.agent, GRACE)
        .await
        .expect_err("it is not ours");
    std::fs::create_dir_all(host.workspaces().join("other's")).expect("make a folder");
    for refused in [
        backend.stop(&other.agent, GRACE).await,
        backend.undeploy(&other.agent).await.map(drop),
    ] {
        assert!(matches!(refused, Err(BackendError::Workspace(_))), "{refused:?}");
    }
    assert!(matches!(
        backend.observe(&other.agent).await,
        Observed::Failed { .. }
    ));
    assert_eq!(host.config()["agents"], before);
    assert_eq!(json!(host.calls("agents.delete")), json!(0));
}

#[tokio::test]
async fn what_an_agent_said_goes_into_its_archive_and_not_to_the_next_of_its_id() {
    let host = Host::new();
    with_another_agent(&host, free_port());
    let backend = backend(&host, host.auto_driver());
    let spec = spec(1, "alpha");
    backend.deploy(&spec, &[]).await.expect("it is deployed");
    let state = host.state_dir().join("agents/alpha");
    std::fs::create_dir_all(state.join("sessions")).expect("make a folder");
    std::fs::write(state.join("sessions/one.jsonl"), "said").expect("write");
    let archive = backend.undeploy(&spec.agent).await.expect("it goes");
    let found = unpacked(&archive.expect("an archive"));
    assert_eq!(
        found.get("alpha.sessions/one.jsonl").map(String::as_str),
        Some("said")
    );
    assert!(!state.exists());
    assert!(host.state_dir().join("openclaw.json").exists());
}

#[tokio::test]
async fn one_that_was_adopted_and_stopped_is_archived_and_given_back_as_it_is() {
    let host = Host::new();
    with_another_agent(&host, free_port());
    let backend = backend(&host, host.auto_driver());
    let folder = host.path().join("their-own/ada");
    std::fs::create_dir_all(&folder).expect("make a folder");
    std::fs::write(folder.join("SOUL.md"), "theirs").expect("write");
    let mut spec = spec(1, "ada");
    Workspace::adopt(&folder, &spec.agent.owner()).expect("it is adopted");
    spec.agent.workspace_path = Some(folder.display().to_string());
    backend.deploy(&spec, &[]).await.expect("it is deployed");
    let sessions = host.state_dir().join("agents/ada/sessions");
    std::fs::create_dir_all(&sessions).expect("make a folder");
    std::fs::write(sessions.join("one.jsonl"), "said").expect("write");
    backend.stop(&spec.agent, GRACE).await.expect("it stops");
    assert_eq!(backend.observe(&spec.agent).await, Observed::Stopped);
    backend
        .configure(&spec, &soul("new"))
        .await
        .expect("it is found where it is");

    let archive = backend.undeploy(&spec.agent).await.expect("it goes");
    let archive = archive.expect("an archive");
    let found = unpacked(&archive);
    assert_eq!(found.get("ada/SOUL.md").map(String::as_str), Some("new"));
    assert_eq!(read(folder.join("SOUL.md")), "new");
    assert_eq!(read(sessions.join("one.jsonl")), "said");
    assert_eq!(backend.observe(&spec.agent).await, Observed::Absent);
    assert_eq!(
        backend.undeploy(&spec.agent).await.expect("it is gone"),
        Some(archive),
        "it is not packed twice"
    );
    let another = crate::backend::spec(2, "ada");
    Workspace::adopt(&folder, &another.agent.owner()).expect("it may be adopted again");
}
