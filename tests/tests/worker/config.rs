//! Flag, environment, file: in this order, and nothing unknown.

use std::fs;

use serde_json::json;

use crate::fixture::{SCOUT, SOON, Stage};
use crate::station::Station;

/// Starts a worker and drains it; answers the grace that it had, in its own words.
async fn grace(station: &Station, env: Option<&str>, args: &[&str]) -> String {
    let mut setup = station.setup();
    if let Some(secs) = env {
        setup = setup.env("CREEL_DRAIN_GRACE_SECS", secs);
    }
    setup.args = args.iter().map(ToString::to_string).collect();
    let mut worker = station.started_with(&setup).await;
    worker.term();
    let line = worker.logged("to finish", SOON).await;
    worker.wait(SOON).await.expect("wait");
    line
}

#[tokio::test]
async fn a_flag_goes_before_the_environment_and_that_before_the_file() {
    let stage = Stage::new().await;
    let station = stage.station().await;
    let file = station.home.path().join("worker.toml");
    fs::write(&file, "drain_grace_secs = 11\n").expect("write the file");
    let file = file.to_str().expect("a path of text");
    for (env, args, expected) in [
        (None, vec!["--config", file], "have 11 s"),
        (Some("12"), vec!["--config", file], "have 12 s"),
        (
            Some("12"),
            vec!["--config", file, "--drain-grace-secs", "13"],
            "have 13 s",
        ),
        (None, vec![], "have 30 s"),
    ] {
        let said = grace(&station, env, &args).await;
        assert!(said.contains(expected), "{expected:?} is not in: {said}");
    }
}

#[tokio::test]
async fn what_is_wrong_with_the_configuration_is_said_by_name() {
    let stage = Stage::new().await;
    let station = stage.station().await;
    let file = station.home.path().join("worker.toml");
    for (text, parts) in [
        (
            "permits = 2\npermit = 7\n",
            vec!["`permit`", "line 2", "worker.toml"],
        ),
        ("drain_grace_secs = 4000\n", vec!["drain_grace_secs", "3600"]),
        (
            "openclaw_timeout_secs = 0\n",
            vec!["openclaw_timeout_secs", "leave it out"],
        ),
        ("permits = \"many\"\n", vec!["line 1", "worker.toml"]),
    ] {
        fs::write(&file, text).expect("write the file");
        let mut setup = station.setup();
        setup.args = vec!["--config".to_owned(), file.display().to_string()];
        let mut worker = station.start_with(&setup);
        assert_eq!(
            worker.wait(SOON).await.expect("wait").code(),
            Some(78),
            "{text:?}"
        );
        let said = worker.log();
        worker.allow("");
        for part in parts {
            assert!(said.contains(part), "{part:?} is not in: {said}");
        }
    }
}

#[tokio::test]
async fn who_cannot_work_says_why_and_ends() {
    let stage = Stage::new().await;
    let station = stage.station().await;
    let db = &stage.db;
    let wrong = creel_core::secret::Secret::new("wrong");
    let nowhere = station.host.url.replace(db.name(), "creel_nowhere");
    for (url, code, part) in [
        (
            db.url_as(&station.host.role, &wrong),
            77,
            "the database refused the login",
        ),
        (db.postgres_url(), 77, "is not a host"),
        (nowhere, 69, "has no Creel in it"),
        ("mysql://a@b/c".to_owned(), 78, "database_url"),
    ] {
        let mut setup = station.setup();
        setup.database_url = url;
        let mut worker = station.start_with(&setup);
        let status = worker.wait(SOON).await.expect("wait");
        let said = worker.log();
        worker.allow("");
        assert_eq!(status.code(), Some(code), "{said}");
        assert!(said.contains(part), "{part:?} is not in: {said}");
        assert!(
            !said.contains(station.host.password.expose()),
            "no password is shown"
        );
    }
}

#[tokio::test]
async fn a_host_that_is_revoked_claims_nothing_more_and_stays_unready() {
    let stage = Stage::with_short_leases().await;
    let (revoked, other) = (stage.station().await, stage.station().await);
    let mut setup = revoked.setup();
    for said in [
        "failed to tick",
        "failed to claim",
        "lost the connection",
        "failed to connect",
        "failed to mirror",
    ] {
        setup = setup.allow(said);
    }
    let mut worker = revoked.started_with(&setup).await;
    revoked.readyz(200).await;
    stage
        .run(&format!("select creel.revoke_host('{}')", revoked.host.id))
        .await;
    let id = stage.request(SCOUT).await;
    revoked.readyz(503).await;
    let _other = other.start();
    stage.done(id).await;
    assert_eq!(stage.agent(id).await["host_id"], json!(other.host.id));
    assert_eq!(revoked.calls_of("add"), 0);
    assert!(worker.is_running(), "its owner may bring it back");
}
