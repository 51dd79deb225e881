//! What every backend must do. A backend that passes can stand in for another.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use creel_core::host_api::Doc;
use creel_core::id::AgentId;
use creel_core::status::DocType;
use creel_worker::backend::{AgentConfig, AgentLimits, AgentRef, AgentSpec, Backend, BackendError, Observed};
use futures_util::future::join_all;
use uuid::Uuid;

use crate::support::read;

/// A stop of something that has nothing to do takes a second or two.
pub(crate) const GRACE: Duration = Duration::from_secs(10);

/// A backend, and how much of it there is time for.
pub(crate) struct Subject {
    pub(crate) backend: Arc<dyn Backend>,
    /// How many agents live at once.
    pub(crate) crowd: u128,
    /// A model that OpenClaw has.
    pub(crate) model: &'static str,
}

/// An agent that nobody has made yet.
pub(crate) fn spec(n: u128, id: &str) -> AgentSpec {
    AgentSpec {
        agent: AgentRef {
            agent_id: Uuid::from_u128(n),
            project_id: "p".to_owned(),
            agent_key: format!("agent:{id}:main"),
            openclaw_id: AgentId::parse(id).expect("an id"),
            workspace_path: None,
        },
        name: format!("The {id} \"🦉\""),
        emoji: "🦉".to_owned(),
        role: "finds things".to_owned(),
        generation: 1,
        config: AgentConfig::default(),
        limits: AgentLimits::default(),
    }
}

pub(crate) fn soul(text: &str) -> Vec<Doc> {
    vec![Doc {
        doc_type: DocType::Soul,
        content: text.to_owned(),
    }]
}

/// All promises.
pub(crate) async fn keeps_all_promises(subject: &Subject) {
    let backend = subject.backend.as_ref();
    an_agent_that_was_never_deployed_is_absent(backend).await;
    let workspace = a_deployed_agent_has_its_files_and_starts(backend).await;
    a_stopped_agent_keeps_its_files_and_starts_again(backend, &workspace).await;
    an_agent_that_runs_takes_another_configuration(subject, &workspace).await;
    what_openclaw_does_not_accept_leaves_the_last_good_one(backend, &workspace).await;
    a_stopped_agent_takes_another_configuration(backend, &workspace).await;
    an_undeployed_agent_leaves_an_archive_and_nothing_else(backend, &workspace).await;
    an_agent_can_be_deployed_again(backend, &workspace).await;
    agents_that_come_at_once_all_run(subject).await;
}

async fn an_agent_that_was_never_deployed_is_absent(backend: &dyn Backend) {
    let spec = spec(1, "alpha");
    assert_eq!(backend.observe(&spec.agent).await, Observed::Absent);
    backend
        .stop(&spec.agent, GRACE)
        .await
        .expect("there is nothing to stop");
    assert_eq!(
        backend.undeploy(&spec.agent).await.expect("there is nothing"),
        None
    );
    for refused in [
        backend.start(&spec).await.map(drop),
        backend.configure(&spec, &[]).await.map(drop),
    ] {
        assert!(
            matches!(refused, Err(BackendError::NotDeployed { .. })),
            "{refused:?}"
        );
    }
    assert_eq!(backend.observe(&spec.agent).await, Observed::Absent);
}

async fn a_deployed_agent_has_its_files_and_starts(backend: &dyn Backend) -> std::path::PathBuf {
    let spec = spec(1, "alpha");
    let deployed = backend
        .deploy(&spec, &soul("first soul"))
        .await
        .expect("it is deployed");
    assert_eq!(deployed.openclaw_id, "alpha");
    assert_eq!(read(deployed.workspace.join("SOUL.md")), "first soul");
    assert!(read(deployed.workspace.join("IDENTITY.md")).contains("The alpha"));
    let again = backend
        .deploy(&spec, &soul("another soul"))
        .await
        .expect("it is there");
    assert_eq!(again, deployed);
    assert_eq!(read(deployed.workspace.join("SOUL.md")), "first soul");
    assert_ne!(backend.observe(&spec.agent).await, Observed::Absent);
    let running = backend.start(&spec).await.expect("it starts");
    assert_eq!(backend.start(&spec).await.expect("it runs"), running);
    assert_eq!(backend.observe(&spec.agent).await, Observed::Running(running));
    deployed.workspace
}

async fn a_stopped_agent_keeps_its_files_and_starts_again(backend: &dyn Backend, workspace: &Path) {
    let spec = spec(1, "alpha");
    std::fs::write(workspace.join("notes.md"), "mine").expect("the agent writes something");
    for _ in 0..2 {
        backend.stop(&spec.agent, GRACE).await.expect("it stops");
        assert_eq!(backend.observe(&spec.agent).await, Observed::Stopped);
    }
    assert_eq!(read(workspace.join("notes.md")), "mine");
    backend.start(&spec).await.expect("it starts");
    assert!(matches!(backend.observe(&spec.agent).await, Observed::Running(_)));
    assert_eq!(read(workspace.join("notes.md")), "mine");
    assert_eq!(read(workspace.join("SOUL.md")), "first soul");
}

/// The agent with another name and model.
fn changed(subject: &Subject) -> AgentSpec {
    AgentSpec {
        name: "Other".to_owned(),
        generation: 2,
        config: AgentConfig {
            model: Some(subject.model.to_owned()),
            thinking: Some("low".to_owned()),
            skills: Some(vec!["one".to_owned(), "two".to_owned()]),
            ..AgentConfig::default()
        },
        ..spec(1, "alpha")
    }
}

async fn an_agent_that_runs_takes_another_configuration(subject: &Subject, workspace: &Path) {
    let backend = subject.backend.as_ref();
    let before = match backend.observe(&spec(1, "alpha").agent).await {
        Observed::Running(running) => running,
        other => panic!("{other:?}"),
    };
    let spec = changed(subject);
    let applied = backend
        .configure(&spec, &soul("second soul"))
        .await
        .expect("it is applied");
    assert!(applied.changed && !applied.restarted, "{applied:?}");
    assert_eq!(
        applied.running.as_ref().map(|running| running.pid),
        Some(before.pid)
    );
    assert_eq!(read(workspace.join("SOUL.md")), "second soul");
    let again = backend
        .configure(&spec, &soul("second soul"))
        .await
        .expect("it is applied");
    assert!(!again.changed, "{again:?}");
    // A setting that is taken away is the host's again.
    let fewer = AgentSpec {
        config: AgentConfig {
            skills: Some(vec!["two".to_owned()]),
            ..AgentConfig::default()
        },
        ..spec
    };
    let applied = backend.configure(&fewer, &[]).await.expect("it is applied");
    assert!(applied.changed, "{applied:?}");
    assert!(matches!(
        backend.observe(&fewer.agent).await,
        Observed::Running(_)
    ));
}

/// An agent that thinks in a way of which OpenClaw knows nothing.
fn unacceptable() -> AgentSpec {
    AgentSpec {
        config: AgentConfig {
            thinking: Some("very-hard".to_owned()),
            ..AgentConfig::default()
        },
        ..spec(1, "alpha")
    }
}

async fn what_openclaw_does_not_accept_leaves_the_last_good_one(backend: &dyn Backend, workspace: &Path) {
    let spec = unacceptable();
    let refused = backend.configure(&spec, &soul("third soul")).await;
    match &refused {
        Err(BackendError::ConfigRefused { message }) => {
            assert!(message.contains("thinkingDefault"), "{message}")
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(
        read(workspace.join("SOUL.md")),
        "second soul",
        "nothing of it is in force"
    );
    assert!(matches!(backend.observe(&spec.agent).await, Observed::Running(_)));
}

async fn a_stopped_agent_takes_another_configuration(backend: &dyn Backend, workspace: &Path) {
    let spec = spec(1, "alpha");
    backend.stop(&spec.agent, GRACE).await.expect("it stops");
    let applied = backend
        .configure(&spec, &soul("fourth soul"))
        .await
        .expect("it is applied");
    assert!(applied.changed && applied.running.is_none(), "{applied:?}");
    assert_eq!(read(workspace.join("SOUL.md")), "fourth soul");
    assert_eq!(backend.observe(&spec.agent).await, Observed::Stopped);
    backend.start(&spec).await.expect("it starts");
}

async fn an_undeployed_agent_leaves_an_archive_and_nothing_else(backend: &dyn Backend, workspace: &Path) {
    let spec = spec(1, "alpha");
    let archive = backend.undeploy(&spec.agent).await.expect("it goes");
    let archive = archive.expect("there is an archive");
    let found = unpacked(&archive);
    assert_eq!(
        found.get("alpha/SOUL.md").map(String::as_str),
        Some("fourth soul")
    );
    assert_eq!(found.get("alpha/notes.md").map(String::as_str), Some("mine"));
    assert!(!workspace.exists());
    assert_eq!(backend.observe(&spec.agent).await, Observed::Absent);
    let again = backend.undeploy(&spec.agent).await.expect("it is gone");
    assert_eq!(again, Some(archive), "an answer that was lost is given again");
}

async fn an_agent_can_be_deployed_again(backend: &dyn Backend, workspace: &Path) {
    let spec = spec(1, "alpha");
    let deployed = backend
        .deploy(&spec, &soul("new soul"))
        .await
        .expect("it is deployed");
    assert_eq!(deployed.workspace, workspace);
    assert_eq!(read(workspace.join("SOUL.md")), "new soul");
    assert!(!workspace.join("notes.md").exists());
    backend.start(&spec).await.expect("it starts");
    backend.undeploy(&spec.agent).await.expect("it goes");
}

async fn agents_that_come_at_once_all_run(subject: &Subject) {
    let backend = subject.backend.as_ref();
    let specs: Vec<AgentSpec> = (0..subject.crowd)
        .map(|n| spec(100 + n, &format!("crowd-{n}")))
        .collect();
    let runs = specs.iter().map(|spec| async move {
        let deployed = backend.deploy(spec, &[]).await.expect("it is deployed");
        let running = backend.start(spec).await.expect("it starts");
        assert_eq!(running.port, deployed.port);
        (running.port, running.pid)
    });
    let ran = join_all(runs).await;
    let own: std::collections::BTreeSet<_> = ran.iter().filter(|(port, _)| port.is_some()).collect();
    assert!(own.is_empty() || own.len() == specs.len(), "{ran:?}");
    let removed = join_all(specs.iter().map(|spec| backend.undeploy(&spec.agent))).await;
    for removed in removed {
        removed.expect("it goes").expect("there is an archive");
    }
    for spec in &specs {
        assert_eq!(backend.observe(&spec.agent).await, Observed::Absent);
    }
}

/// The files of an archive.
pub(crate) fn unpacked(path: &Path) -> std::collections::BTreeMap<String, String> {
    let folder = tempfile::tempdir().expect("make a folder");
    let done = std::process::Command::new("tar")
        .arg("-xzf")
        .arg(path)
        .arg("-C")
        .arg(folder.path())
        .status()
        .expect("run tar");
    assert!(done.success(), "{} can be unpacked", path.display());
    let mut found = std::collections::BTreeMap::new();
    for agent in std::fs::read_dir(folder.path()).expect("a listing") {
        let agent = agent.expect("an entry");
        for file in std::fs::read_dir(agent.path()).expect("a listing") {
            let file = file.expect("an entry");
            let name = format!("{}/{}", agent.file_name().display(), file.file_name().display());
            if let Ok(text) = std::fs::read_to_string(file.path()) {
                found.insert(name, text);
            }
        }
    }
    found
}
