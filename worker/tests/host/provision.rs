//! A row becomes an agent, whatever happens on the way.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use creel_core::host_api::{Doc, Provisioned, ReadDocsReply, RecordDocsReply};
use creel_core::status::DocType;
use creel_worker::job::provision::Step;
use creel_worker::job::{JobError, JobRows, MemoryRows};
use creel_worker::openclaw::NewAgent;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Notify;
use uuid::Uuid;

use crate::support::{Host, PATIENCE, eventually, id, lease, make_pipe, read, row};

fn no_rows() -> MemoryRows {
    MemoryRows::new(Vec::new())
}

fn names(steps: &Value) -> Vec<&str> {
    let steps = steps.as_array().expect("a list of steps");
    assert!(steps.iter().all(|step| step["ms"].is_u64()), "{steps:?}");
    steps.iter().filter_map(|step| step["name"].as_str()).collect()
}

fn all_steps() -> Vec<&'static str> {
    Step::ALL.iter().map(|step| step.as_str()).collect()
}

/// As if each step was done once.
async fn assert_provisioned(host: &Host, result: &Value) {
    let provisioned: Provisioned = serde_json::from_value(result.clone()).expect("what finish needs");
    assert_eq!(provisioned.openclaw_id, "scout");
    let workspace = host.workspaces().join("scout");
    assert_eq!(provisioned.workspace, workspace.to_string_lossy());
    let agents = host.openclaw().list().await.expect("a list");
    let agents: Vec<_> = agents.iter().filter(|entry| entry.id != "main").collect();
    assert_eq!(agents.len(), 1, "{agents:?}");
    assert_eq!(agents[0].identity_name.as_deref(), Some("Scout"));
    assert_eq!(agents[0].identity_emoji.as_deref(), Some("🦞"));
    for file in ["SOUL.md", "AGENTS.md", "USER.md", "IDENTITY.md", "MEMORY.md"] {
        assert!(!read(workspace.join(file)).is_empty(), "{file}");
    }
    assert!(read(workspace.join("SOUL.md")).contains("You are Scout."));
    assert!(read(workspace.join("IDENTITY.md")).contains("- **Name:** Scout\n"));
    assert!(workspace.join("memory").is_dir());
    let left = std::fs::read_dir(workspace.join(".creel"))
        .expect("it is there")
        .count();
    assert_eq!(left, 1, "only the marker is left in Creel's folder");
    assert_eq!(host.processes(), Vec::<u32>::new());
}

#[tokio::test]
async fn a_row_becomes_an_agent_and_each_step_is_shown() {
    let (host, rows) = (Host::new(), no_rows());
    let result = host.provision(&row(json!({})), &rows).await.expect("it works");
    assert_provisioned(&host, &result).await;
    assert_eq!(result["ok"], true);
    assert_eq!(result["served"], false);
    assert_eq!(names(&result["steps"]), all_steps());
    let shown: Vec<Value> = rows.shown().iter().map(|shown| shown["step"].clone()).collect();
    assert_eq!(shown, all_steps()[1..]);
    let recorded: Vec<DocType> = rows.docs().iter().map(|doc| doc.doc_type).collect();
    let expected = [
        DocType::Soul,
        DocType::Agents,
        DocType::User,
        DocType::Identity,
        DocType::MemoryLong,
    ];
    assert_eq!(recorded, expected);
}

#[tokio::test]
async fn a_second_request_for_the_same_agent_changes_nothing() {
    let host = Host::new();
    host.provision(&row(json!({})), &no_rows())
        .await
        .expect("it works");
    std::fs::write(host.workspaces().join("scout/MEMORY.md"), "I remember").expect("write");
    let result = host
        .provision(&row(json!({})), &no_rows())
        .await
        .expect("it works again");
    assert_provisioned(&host, &result).await;
    assert_eq!(read(host.workspaces().join("scout/MEMORY.md")), "I remember");
    assert_eq!((host.calls("add"), host.calls("set-identity")), (1, 1));
}

#[tokio::test]
async fn the_words_of_a_person_win_on_the_disk_and_in_the_rows() {
    let host = Host::new();
    let doc = |doc_type, content: &str| Doc {
        doc_type,
        content: content.to_owned(),
    };
    let identity = "# Me\n\n- **Name:** Nora\n";
    let docs = vec![doc(DocType::Soul, "my soul"), doc(DocType::Identity, identity)];
    let rows = MemoryRows::new(docs.clone());
    host.provision(&row(json!({})), &rows).await.expect("it works");
    assert_eq!(read(host.workspaces().join("scout/SOUL.md")), "my soul");
    assert_eq!(read(host.workspaces().join("scout/IDENTITY.md")), identity);
    assert_eq!(
        rows.docs()[..2]
            .iter()
            .map(|doc| doc.content.as_str())
            .collect::<Vec<_>>(),
        ["my soul", identity]
    );
}

#[tokio::test]
async fn names_reach_openclaw_to_the_letter() {
    let host = Host::new();
    for (number, name) in ["-x", "--json", "O'Neil \"quoted\" $HOME", "כשף 🦞"]
        .iter()
        .enumerate()
    {
        let agent = format!("agent-{number}");
        let change = json!({"display_name": name, "openclaw_id": agent, "agent_id": Uuid::new_v4()});
        host.provision(&row(change), &no_rows()).await.expect("it works");
        let entry = host
            .openclaw()
            .find(&id(&agent))
            .await
            .expect("an answer")
            .expect("it is there");
        assert_eq!(entry.identity_name.as_deref(), Some(*name));
    }
}

/// Rows whose worker is stopped when it shows this step for the first time.
struct StopsAt<'a> {
    rows: &'a MemoryRows,
    step: Step,
    stopped: Notify,
}

#[async_trait]
impl JobRows for StopsAt<'_> {
    async fn progress(&self, result: Value) -> anyhow::Result<bool> {
        if result["step"] == self.step.as_str() {
            self.stopped.notify_one();
            std::future::pending::<()>().await;
        }
        self.rows.progress(result).await
    }

    async fn read_docs(&self) -> anyhow::Result<ReadDocsReply> {
        self.rows.read_docs().await
    }

    async fn record_docs(&self, docs: Vec<Doc>) -> anyhow::Result<RecordDocsReply> {
        self.rows.record_docs(docs).await
    }
}

#[tokio::test]
async fn a_worker_that_stops_after_any_step_leaves_what_the_next_one_completes() {
    for &step in &Step::ALL[1..] {
        let (host, rows) = (Host::new(), no_rows());
        let stops = StopsAt {
            rows: &rows,
            step,
            stopped: Notify::new(),
        };
        let (wanted, held) = (row(json!({})), lease());
        tokio::select! {
            result = host.provision_with(&wanted, &stops, &held) => panic!("it did not stop: {result:?}"),
            () = stops.stopped.notified() => {}
        }
        let result = host
            .provision(&wanted, &rows)
            .await
            .expect("the next one completes it");
        assert_provisioned(&host, &result).await;
        assert_eq!(host.calls("add"), 1, "{step:?}");
    }
}

fn position(step: Step) -> usize {
    Step::ALL
        .iter()
        .position(|&other| other == step)
        .expect("it is one of them")
}

#[tokio::test]
async fn openclaw_that_dies_after_its_work_is_completed_by_the_next_attempt() {
    for (command, mode) in [
        ("add", "half_done_then_kill_self"),
        ("add", "half_done_then_hang"),
        ("set-identity", "half_done_then_kill_self"),
    ] {
        let mut host = Host::new();
        host.limits.add = Duration::from_millis(500);
        host.fault(&json!({command: {"mode": mode, "times": 1}}));
        let failure = host.failure(&row(json!({}))).await;
        assert!(failure.retry, "{failure:?}");
        let result = host
            .provision(&row(json!({})), &no_rows())
            .await
            .expect("the next attempt works");
        assert_provisioned(&host, &result).await;
        assert_eq!(host.calls(command), 1, "{command} {mode}");
    }
}

#[tokio::test]
async fn each_trouble_with_openclaw_ends_in_its_own_failure() {
    for (command, mode, code, retry) in [
        ("version", "too_old", "openclaw_too_old", false),
        ("version", "hang", "openclaw_timed_out", true),
        ("version", "exit_1", "openclaw_failed", true),
        ("version", "garbage", "openclaw_unreadable", true),
        ("add", "hang", "openclaw_timed_out", true),
        ("add", "hang_ignoring_term", "openclaw_timed_out", true),
        ("add", "hang_with_child", "openclaw_timed_out", true),
        ("add", "hang_with_stray", "openclaw_timed_out", true),
        ("add", "exit_1", "openclaw_failed", true),
        ("add", "garbage", "openclaw_unreadable", true),
        ("add", "kill_self", "openclaw_killed", true),
        ("set-identity", "hang", "openclaw_timed_out", true),
        ("set-identity", "exit_1", "openclaw_failed", true),
        ("set-identity", "kill_self", "openclaw_killed", true),
    ] {
        let mut host = Host::new();
        if mode.starts_with("hang") {
            let limit = match command {
                "version" => &mut host.limits.version,
                "add" => &mut host.limits.add,
                _ => &mut host.limits.set_identity,
            };
            *limit = Duration::from_millis(500);
        }
        host.fault(&json!({command: {"mode": mode}}));
        let began = Instant::now();
        let failure = host.failure(&row(json!({}))).await;
        assert_eq!(
            (failure.code, failure.retry),
            (code, retry),
            "{command} {mode}: {failure:?}"
        );
        assert!(
            began.elapsed() < Duration::from_secs(8),
            "{command} {mode}: {:?}",
            began.elapsed()
        );
        let done = names(&failure.to_result()["steps"]).len();
        let expected = match command {
            "version" => 0,
            "add" => position(Step::Add),
            _ => position(Step::Identity),
        };
        assert_eq!(done, expected, "{command} {mode}");
    }
}

#[tokio::test]
async fn text_before_the_json_is_no_trouble() {
    let host = Host::new();
    let noise = json!({"mode": "noise"});
    host.fault(&json!({"version": noise, "add": noise, "set-identity": noise}));
    let result = host
        .provision(&row(json!({})), &no_rows())
        .await
        .expect("it works");
    host.fault(&json!({}));
    assert_provisioned(&host, &result).await;
}

#[tokio::test]
async fn a_missing_openclaw_is_told_with_how_to_install_it() {
    let mut host = Host::new();
    host.program = "/nowhere/openclaw".into();
    let failure = host.failure(&row(json!({}))).await;
    assert_eq!((failure.code, failure.retry), ("openclaw_missing", false));
    assert!(failure.hint.contains("npm install"), "{failure:?}");
    assert!(!host.workspaces().exists(), "nothing is begun");
}

#[tokio::test]
async fn a_damaged_configuration_is_told_in_openclaws_words() {
    let host = Host::new();
    host.fault(&json!({}));
    std::fs::write(host.state_dir().join("openclaw.json"), "{agents: ").expect("write");
    let failure = host.failure(&row(json!({}))).await;
    assert_eq!(failure.code, "openclaw_failed");
    assert!(failure.message.contains("config is invalid"), "{failure:?}");
}

#[tokio::test]
async fn the_agent_of_somebody_else_is_left_alone() {
    let host = Host::new();
    let elsewhere = host.path().join("elsewhere");
    host.openclaw()
        .add(&NewAgent::unnamed(id("scout"), &elsewhere))
        .await
        .expect("it is added");
    let failure = host.failure(&row(json!({}))).await;
    assert_eq!((failure.code, failure.retry), ("agent_exists", false));
    let entry = host
        .openclaw()
        .find(&id("scout"))
        .await
        .expect("an answer")
        .expect("it is there");
    assert_eq!(
        (entry.workspace, entry.identity_name.as_deref()),
        (Some(elsewhere), Some("scout"))
    );
}

#[tokio::test]
async fn the_workspace_of_another_agent_is_left_alone() {
    let host = Host::new();
    host.provision(&row(json!({})), &no_rows())
        .await
        .expect("it works");
    let failure = host
        .failure(&row(json!({"agent_id": Uuid::new_v4(), "display_name": "Thief"})))
        .await;
    assert_eq!((failure.code, failure.retry), ("workspace_taken", false));
    assert!(
        !failure.message.contains("agent:scout:main"),
        "nothing is told of the other agent: {failure:?}"
    );
    let entry = host
        .openclaw()
        .find(&id("scout"))
        .await
        .expect("an answer")
        .expect("it is there");
    assert_eq!(entry.identity_name.as_deref(), Some("Scout"));
}

#[tokio::test]
async fn what_stands_in_the_way_of_a_file_is_told() {
    let host = Host::new();
    host.provision(&row(json!({})), &no_rows())
        .await
        .expect("it works");
    let soul = host.workspaces().join("scout/SOUL.md");
    std::fs::remove_file(&soul).expect("remove it");
    make_pipe(&soul);
    let failure = host.failure(&row(json!({}))).await;
    assert_eq!((failure.code, failure.retry), ("workspace_special_file", false));
    std::fs::write(host.workspaces().join("other"), "").expect("write");
    let failure = host.failure(&row(json!({"openclaw_id": "other"}))).await;
    assert_eq!((failure.code, failure.retry), ("workspace_not_a_folder", false));
}

#[tokio::test]
async fn a_file_that_is_too_large_for_a_row_does_not_fail_the_job() {
    let host = Host::new();
    host.provision(&row(json!({})), &no_rows())
        .await
        .expect("it works");
    std::fs::write(host.workspaces().join("scout/MEMORY.md"), vec![b'a'; 2 << 20]).expect("write");
    let result = host
        .provision(&row(json!({})), &no_rows())
        .await
        .expect("it works again");
    assert_eq!(result["skipped"][0]["file"], "MEMORY.md", "{result}");
}

#[tokio::test]
async fn lost_lease_stops_the_process() {
    let (host, rows, held) = (Host::new(), no_rows(), lease());
    host.fault(&json!({"add": {"mode": "hang_with_child", "times": 1}}));
    let wanted = row(json!({}));
    let lose = async {
        eventually("openclaw hangs", || host.calls("add") == 1).await;
        held.lose();
    };
    let (result, ()) = tokio::join!(host.provision_with(&wanted, &rows, &held), lose);
    assert!(matches!(result, Err(JobError::LeaseLost)), "{result:?}");
    eventually("nothing is left", || host.processes().is_empty()).await;
    assert_eq!(host.calls("set-identity"), 0);
}

#[tokio::test]
async fn an_item_that_is_no_longer_held_is_let_go_at_once() {
    let (host, rows, held) = (Host::new(), no_rows(), lease());
    rows.lose();
    let result = host.provision_with(&row(json!({})), &rows, &held).await;
    assert!(matches!(result, Err(JobError::LeaseLost)), "{result:?}");
    assert!(held.check().is_err(), "everybody who holds the lease knows it");
    assert!(!host.workspaces().exists());
}

/// Rows whose progress cannot be shown.
struct Mute<'a>(&'a MemoryRows, AtomicUsize);

#[async_trait]
impl JobRows for Mute<'_> {
    async fn progress(&self, _: Value) -> anyhow::Result<bool> {
        self.1.fetch_add(1, Ordering::Relaxed);
        anyhow::bail!("the network is away")
    }

    async fn read_docs(&self) -> anyhow::Result<ReadDocsReply> {
        self.0.read_docs().await
    }

    async fn record_docs(&self, docs: Vec<Doc>) -> anyhow::Result<RecordDocsReply> {
        self.0.record_docs(docs).await
    }
}

#[tokio::test]
async fn work_goes_on_while_progress_cannot_be_shown() {
    let (host, rows) = (Host::new(), no_rows());
    let mute = Mute(&rows, AtomicUsize::new(0));
    let result = host
        .provision_with(&row(json!({})), &mute, &lease())
        .await
        .expect("it works");
    assert_provisioned(&host, &result).await;
    assert_eq!(mute.1.into_inner(), Step::ALL.len() - 1);
}

/// A gateway that answers this to everything.
async fn gateway(answer: &'static str) -> u16 {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("listen");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _request = stream.read(&mut [0; 4096]).await;
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                answer.len()
            );
            let _answered = stream.write_all((head + answer).as_bytes()).await;
        }
    });
    port
}

#[tokio::test]
async fn an_agent_is_served_if_the_gateway_of_its_configuration_is_ready() {
    for (answer, served) in [
        ("{\"ready\":true}", true),
        ("{\"ready\":false}", false),
        ("<html>", false),
    ] {
        let host = Host::new();
        host.fault(&json!({}));
        let config = json!({"gateway": {"mode": "local", "port": gateway(answer).await}});
        std::fs::write(host.state_dir().join("openclaw.json"), config.to_string()).expect("write");
        let result = host
            .provision(&row(json!({})), &no_rows())
            .await
            .expect("it works");
        assert_eq!(result["served"], served, "{answer}");
    }
}

#[tokio::test]
async fn a_pipe_for_a_configuration_is_told_and_not_waited_for() {
    let host = Host::new();
    std::fs::create_dir_all(host.state_dir()).expect("make the state directory");
    make_pipe(&host.state_dir().join("openclaw.json"));
    let failure = tokio::time::timeout(PATIENCE, host.failure(&row(json!({}))))
        .await
        .expect("it waits for nobody to write");
    assert_eq!(
        (failure.code, failure.retry),
        ("openclaw_config_unusable", false),
        "{failure:?}"
    );
    assert!(!host.openclaw().is_served().await);
}
