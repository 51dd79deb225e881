//! `scripts/bench` says what it measures.

use std::process::Command;

use creel_tests::cluster::{built_program, repo};

#[test]
fn bench_says_what_it_takes() {
    let program = built_program("creel-bench").expect("it is built");
    for program in [program, repo().join("scripts/bench")] {
        let said = Command::new(program).arg("--help").output().expect("it starts");
        assert!(said.status.success());
        let said = String::from_utf8_lossy(&said.stdout);
        for part in [
            "--quick", "--json", "--only", "drain", "wake", "idle", "start", "ready", "function", "hosts",
            "realtime",
        ] {
            assert!(said.contains(part), "{part} is not in: {said}");
        }
    }
}

#[test]
fn bench_refuses_a_row_that_is_none() {
    let program = built_program("creel-bench").expect("it is built");
    let said = Command::new(program)
        .args(["--only", "everything"])
        .output()
        .expect("it starts");
    assert_eq!(said.status.code(), Some(2));
}
