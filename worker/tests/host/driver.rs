//! How the command-line driver tells one failure from the other.

use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use creel_worker::openclaw::{NewAgent, OpenClawError as E};
use serde_json::json;

use crate::support::{Host, id};

async fn add(host: &Host) -> Result<(), E> {
    host.openclaw()
        .add(&NewAgent::unnamed(id("a"), host.workspaces().join("a")))
        .await
}

#[tokio::test]
async fn each_failure_has_its_own_name() {
    let host = Host::new();
    host.fault(&json!({"add": {"mode": "exit_1"}}));
    assert!(
        matches!(add(&host).await, Err(E::Failed { exit: 1, message, .. }) if message.contains("told to fail"))
    );
    host.fault(&json!({"add": {"mode": "garbage"}}));
    assert!(matches!(add(&host).await, Err(E::Unreadable { shown, .. }) if shown.contains("{well}")));
    host.fault(&json!({"add": {"mode": "kill_self"}}));
    assert!(matches!(add(&host).await, Err(E::Killed { signal: 9, .. })));
    host.fault(&json!({"version": {"mode": "too_old"}}));
    assert!(matches!(host.openclaw().version().await, Err(E::TooOld { found }) if found.year == 2025));
    host.fault(&json!({"version": {"mode": "garbage"}}));
    assert!(matches!(
        host.openclaw().version().await,
        Err(E::Unreadable { .. })
    ));
}

#[tokio::test]
async fn text_before_the_json_does_no_harm() {
    let host = Host::new();
    host.fault(&json!({"add": {"mode": "noise"}, "list": {"mode": "noise"}}));
    add(&host).await.expect("it is added");
    assert_eq!(host.openclaw().list().await.expect("a list").len(), 2);
}

#[tokio::test]
async fn a_program_that_is_not_there_is_missing_and_one_that_may_not_run_is_not() {
    let mut host = Host::new();
    host.program = host.path().join("nowhere/openclaw");
    assert!(matches!(host.openclaw().version().await, Err(E::Missing { .. })));
    host.program = host.path().join("openclaw");
    std::fs::write(&host.program, "#!/bin/sh\n").expect("write");
    assert!(matches!(
        host.openclaw().version().await,
        Err(E::CannotStart { .. })
    ));
    // What `#!/usr/bin/env node` comes to where there is no node.
    std::fs::write(&host.program, "#!/usr/bin/env no-such-node\n").expect("write");
    std::fs::set_permissions(&host.program, PermissionsExt::from_mode(0o755)).expect("make it executable");
    assert!(matches!(
        host.openclaw().version().await,
        Err(E::CannotStart { .. })
    ));
}

#[tokio::test]
async fn a_hanging_command_is_stopped_within_its_limit_with_all_its_processes() {
    for mode in ["hang", "hang_ignoring_term", "hang_with_child", "hang_with_stray"] {
        let mut host = Host::new();
        host.limits.add = Duration::from_millis(300);
        host.fault(&json!({"add": {"mode": mode}}));
        let began = Instant::now();
        let result = add(&host).await;
        assert!(
            matches!(
                result,
                Err(E::TimedOut {
                    command: "agents add",
                    ..
                })
            ),
            "{mode}: {result:?}"
        );
        assert!(
            began.elapsed() < Duration::from_secs(8),
            "{mode}: {:?}",
            began.elapsed()
        );
        assert_eq!(host.processes(), Vec::<u32>::new(), "{mode}");
    }
}

#[tokio::test]
async fn writes_wait_for_each_other_and_reads_do_not() {
    let host = Host::new();
    host.fault(&json!({"add": {"mode": "delay_ms", "ms": 300}}));
    let openclaw = host.openclaw();
    let began = Instant::now();
    let add = |name: &'static str| {
        let (openclaw, path) = (openclaw.clone(), host.workspaces().join(name));
        async move {
            openclaw
                .add(&NewAgent::unnamed(id(name), &path))
                .await
                .map(|()| began.elapsed())
        }
    };
    let list = async { openclaw.list().await.map(|_| began.elapsed()) };
    let (a, b, listed) = tokio::join!(add("a"), add("b"), list);
    let (a, b) = (a.expect("added"), b.expect("added"));
    assert!(
        a.max(b) >= Duration::from_millis(600),
        "one after the other: {a:?}, {b:?}"
    );
    assert!(listed.expect("a list") < a.max(b));
}

#[tokio::test]
async fn a_dropped_write_ends_before_the_next_one_begins() {
    let host = Host::new();
    host.fault(&json!({"add": {"mode": "hang_ignoring_term", "times": 1}}));
    let openclaw = host.openclaw();
    let hanging = tokio::spawn({
        let (openclaw, path) = (openclaw.clone(), host.workspaces().join("a"));
        async move { openclaw.add(&NewAgent::unnamed(id("a"), &path)).await }
    });
    crate::support::eventually("it hangs", || host.calls("add") == 1).await;
    hanging.abort();
    openclaw
        .add(&NewAgent::unnamed(id("b"), host.workspaces().join("b")))
        .await
        .expect("it is added");
    assert_eq!(host.processes(), Vec::<u32>::new());
}

#[tokio::test]
async fn a_good_version_is_believed_for_a_while() {
    let host = Host::new();
    let openclaw = host.openclaw();
    for _ in 0..3 {
        openclaw.version().await.expect("a version");
    }
    assert_eq!(host.calls("version"), 1);
}

#[tokio::test]
async fn finding_asks_the_file_and_only_without_it_openclaw() {
    let host = Host::new();
    add(&host).await.expect("it is added");
    let openclaw = host.openclaw();
    assert!(openclaw.find(&id("a")).await.expect("an answer").is_some());
    assert_eq!(host.calls("list"), 0);
    let config = host.state_dir().join("openclaw.json");
    let text = crate::support::read(&config).replacen('{', "{\"$include\": [],", 1);
    std::fs::write(config, text).expect("write");
    assert!(openclaw.find(&id("a")).await.expect("an answer").is_some());
    assert_eq!(host.calls("list"), 1);
}
