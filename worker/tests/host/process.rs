//! Programs end, one way or the other, with all that they started.

use std::time::{Duration, Instant};

use creel_worker::process::{Mark, ProcessError, Run, Runner, reap_marked};
use uuid::Uuid;

use crate::support::{Host, PATIENCE, eventually, marked};

/// Time enough to start a program, and little enough to wait for.
const LIMIT: Duration = Duration::from_millis(500);

/// More than the grace between SIGTERM and SIGKILL, and what comes after.
const STOPPED_WITHIN: Duration = Duration::from_secs(8);

fn shell(script: &str, limit: Duration) -> Run {
    Run::new("sh", limit).args(["-c", script])
}

#[tokio::test]
async fn a_program_is_run_without_a_shell_and_its_end_is_told() {
    let host = Host::new();
    let run = Run::new("printf", PATIENCE).args(["%s|", "$HOME", "a b", "-x", "'"]);
    let finished = host.runner.run(run, ()).await.expect("it runs");
    assert!(finished.status.success());
    assert_eq!(String::from_utf8_lossy(&finished.stdout), "$HOME|a b|-x|'|");
    let finished = host
        .runner
        .run(shell("echo no >&2; exit 3", PATIENCE), ())
        .await
        .expect("it runs");
    assert_eq!(
        (finished.status.code(), finished.stderr.as_slice()),
        (Some(3), b"no\n".as_slice())
    );
}

#[tokio::test]
async fn a_program_sees_only_what_it_is_given() {
    let host = Host::new();
    let run = Run::new("env", PATIENCE).env("GIVEN", "1");
    let finished = host.runner.run(run, ()).await.expect("it runs");
    let seen = String::from_utf8(finished.stdout).expect("text");
    assert!(
        seen.contains("GIVEN=1\n") && seen.contains("CREEL_MARK="),
        "{seen}"
    );
    // Cargo sets this one for tests, and it is none of a program's business.
    assert!(!seen.contains("CARGO_"), "{seen}");
}

#[tokio::test]
async fn a_missing_program_is_told_apart() {
    let host = Host::new();
    match host.runner.run(Run::new("/nowhere/at-all", PATIENCE), ()).await {
        Err(ProcessError::Spawn { source, .. }) => assert_eq!(source.kind(), std::io::ErrorKind::NotFound),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_program_gone_wild_fills_no_memory_and_blocks_on_no_pipe() {
    let host = Host::new();
    let run = shell("head -c 20000000 /dev/zero; echo end >&2", PATIENCE);
    let finished = host.runner.run(run, ()).await.expect("it runs");
    assert_eq!(finished.stdout.len(), 4 << 20);
    assert_eq!(finished.stderr, b"end\n");
}

#[tokio::test]
async fn a_time_limit_stops_the_program_and_its_children() {
    for script in [
        "sleep 21600",
        "sleep 21600 & sleep 21600",
        "trap '' TERM; sleep 21600 & while :; do sleep 21600; done",
        // In a group of its own, as `set -m` makes it for each job.
        "set -m; sleep 21600 & exec sleep 21600",
    ] {
        let host = Host::new();
        let began = Instant::now();
        let result = host.runner.run(shell(script, LIMIT), ()).await;
        assert!(
            matches!(result, Err(ProcessError::TimedOut { .. })),
            "{script}: {result:?}"
        );
        assert!(
            began.elapsed() < STOPPED_WITHIN,
            "{script}: {:?}",
            began.elapsed()
        );
        assert_eq!(host.processes(), Vec::<u32>::new(), "{script}");
    }
}

#[tokio::test]
async fn a_child_that_outlives_its_parent_is_not_left_behind() {
    let host = Host::new();
    let began = Instant::now();
    let finished = host
        .runner
        .run(shell("sleep 21600 & echo done", PATIENCE), ())
        .await
        .expect("it runs");
    assert_eq!(finished.stdout, b"done\n");
    assert!(began.elapsed() < STOPPED_WITHIN, "{:?}", began.elapsed());
    assert_eq!(host.processes(), Vec::<u32>::new());
}

#[tokio::test]
async fn a_dropped_run_stops_the_program_and_only_then_gives_up_what_is_held() {
    let host = Host::new();
    let (held, gone) = tokio::sync::oneshot::channel::<()>();
    let runner = host.runner.clone();
    let run = tokio::spawn(async move {
        let script = "trap '' TERM; sleep 21600 & while :; do sleep 21600; done";
        runner.run(shell(script, PATIENCE * 100), held).await
    });
    eventually("the program runs", || host.processes().len() >= 2).await;
    run.abort();
    let _dropped = tokio::time::timeout(PATIENCE, gone)
        .await
        .expect("what is held is given up");
    assert_eq!(host.processes(), Vec::<u32>::new());
}

#[tokio::test]
async fn a_stopped_runner_leaves_nothing_and_starts_nothing() {
    let host = Host::new();
    let runner = host.runner.clone();
    let run = tokio::spawn(async move {
        runner
            .run(Run::new("sleep", PATIENCE * 100).args(["21600"]), ())
            .await
    });
    eventually("the program runs", || !host.processes().is_empty()).await;
    host.runner.stop().await;
    assert_eq!(host.processes(), Vec::<u32>::new());
    assert!(matches!(
        run.await.expect("no panic"),
        Err(ProcessError::Cancelled { .. })
    ));
    let refused = host.runner.run(Run::new("true", PATIENCE), ()).await;
    assert!(matches!(refused, Err(ProcessError::Cancelled { .. })));
}

#[tokio::test]
async fn what_a_killed_worker_left_is_found_by_its_mark_and_killed() {
    let folder = tempfile::tempdir().expect("make a folder");
    let (dead, living) = (
        Mark::new(folder.path(), Uuid::new_v4()),
        Mark::new(folder.path(), Uuid::new_v4()),
    );
    // No runner looks after these two, as after the death of the worker.
    let start = |mark: &Mark| {
        let mut command = std::process::Command::new("sleep");
        command
            .arg("21600")
            .env("CREEL_MARK", format!("{mark}.{}", Uuid::new_v4()))
            .spawn()
            .expect("start")
    };
    let (mut left, mut ours) = (start(&dead), start(&living));
    assert_eq!(reap_marked(&living).await, 1);
    assert!(!left.wait().expect("it ended").success());
    assert_eq!(marked(&living.to_string()), vec![ours.id()]);
    ours.kill().and_then(|()| ours.wait()).expect("stop it");
}

#[tokio::test]
async fn many_programs_run_side_by_side() {
    let host = Host::new();
    let runs = (0..20).map(|n| {
        let runner: Runner = host.runner.clone();
        async move {
            runner
                .run(Run::new("echo", PATIENCE).args([n.to_string()]), ())
                .await
        }
    });
    for (n, finished) in futures_util::future::join_all(runs).await.into_iter().enumerate() {
        assert_eq!(finished.expect("it runs").stdout, format!("{n}\n").into_bytes());
    }
}
