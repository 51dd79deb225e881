//! A host that is somebody else's: it has a key in place of a login, and the key can be lost, end, and be replaced.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, SystemTime};

use creel_tests::wait::eventually;
use creel_tests::worker::WorkerSetup;
use creel_worker::HostKey;
use serde_json::json;

use crate::fixture::{SCOUT, SOON, Stage};
use crate::station::{By, Station, attempts};

/// How long a key is good in these tests.
const DAY: Duration = Duration::from_secs(24 * 3_600);

async fn rented() -> (Stage, Station) {
    let stage = Stage::with_short_leases().await;
    let station = stage.station_by(By::Key).await;
    (stage, station)
}

/// Lets the key end in a day, as if it was made most of a day ago.
async fn let_the_key_end_soon(stage: &Stage, station: &Station) {
    stage
        .run("update creel.host_keys set lifetime_days = 1, expires_at = now() + interval '4 hours'")
        .await;
    let file = fs::File::open(station.key_file()).expect("open the key");
    file.set_modified(SystemTime::now() - DAY.mul_f64(0.9))
        .expect("let it be old");
}

/// Ends every key that was replaced, as ten minutes do.
async fn end_old_keys(stage: &Stage) {
    stage
        .run("update creel.host_keys set expires_at = now() where replaced_at is not null")
        .await;
}

async fn keys_that_are_good(stage: &Stage) -> i64 {
    stage
        .count(
            "select count(*) from creel.host_keys
             where revoked_at is null and (expires_at is null or expires_at > now())",
        )
        .await
}

#[tokio::test]
async fn a_key_is_replaced_before_it_ends_and_nobody_notices() {
    let (stage, station) = rented().await;
    let first = station.key();
    let_the_key_end_soon(&stage, &station).await;
    let worker = station.started().await;
    worker.logged("replaced this host's key", SOON).await;
    assert_ne!(station.key(), first);
    let mode = fs::metadata(station.key_file())
        .expect("look")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(
        keys_that_are_good(&stage).await,
        2,
        "the old one goes on for a while"
    );
    end_old_keys(&stage).await;
    let id = stage.request(SCOUT).await;
    stage.done(id).await;
    assert_eq!(attempts(&worker), [1]);
    assert!(!worker.log().contains(&first), "no key is in the log");
    assert!(!worker.log().contains(&station.key()), "no key is in the log");
}

#[tokio::test]
async fn a_key_that_lasts_is_left_alone() {
    let (stage, station) = rented().await;
    stage
        .run("update creel.host_keys set lifetime_days = 1, expires_at = now() + interval '1 day'")
        .await;
    let first = station.key();
    let _worker = station.started().await;
    let id = stage.request(SCOUT).await;
    stage.done(id).await;
    assert_eq!(station.key(), first);
    assert_eq!(keys_that_are_good(&stage).await, 1);
}

#[tokio::test]
async fn a_new_key_that_was_made_and_not_yet_put_in_its_place_is_found() {
    let (stage, station) = rented().await;
    // As a worker leaves it that was killed between telling the database and replacing the file.
    let next = HostKey::generate();
    next.write(&station.key_file().with_extension("key.next"))
        .expect("write the next key");
    let sha256 = json!({ "api": 1, "key_sha256": next.sha256() });
    let rest = station.rest();
    rest.rpc(
        creel_tests::postgrest::As::HostKey(&station.key()),
        "rotate_host_key",
        &sha256,
    )
    .await
    .expect("call")
    .expect_ok("rotate");
    end_old_keys(&stage).await;
    let _worker = station.started().await;
    let id = stage.request(SCOUT).await;
    stage.done(id).await;
    assert_eq!(station.key(), next.expose(), "it is in its place now");
    assert!(!station.key_file().with_extension("key.next").exists());
}

#[tokio::test]
async fn a_key_that_is_replaced_by_hand_is_taken_up_by_the_worker_that_runs() {
    let (stage, station) = rented().await;
    let worker = station.started().await;
    let first = station.key();
    let mut setup = station.setup();
    setup.args = vec!["rotate-key".to_owned()];
    let mut by_hand = station.home.start(&setup).expect("start");
    assert_eq!(by_hand.wait(SOON).await.expect("wait").code(), Some(0));
    assert_ne!(station.key(), first);
    assert!(
        !by_hand.log().contains(&station.key()),
        "it does not show the key"
    );
    end_old_keys(&stage).await;
    let id = stage.request(SCOUT).await;
    stage.done(id).await;
    assert_eq!(attempts(&worker), [1]);
}

/// Starts a worker that cannot work; it ends with this code, and says this.
async fn ends_with(station: &Station, setup: WorkerSetup, code: i32, parts: &[&str]) {
    let mut worker = station.start_with(&setup);
    let status = worker.wait(SOON).await.expect("wait");
    let said = worker.log();
    worker.allow("");
    assert_eq!(status.code(), Some(code), "{said}");
    for part in parts {
        assert!(said.contains(part), "{part:?} is not in: {said}");
    }
    assert!(!said.contains(&station.key()), "no key is shown");
}

/// Starts a worker that somebody answers who may be a proxy's bad hour: it says so, and tries again.
async fn goes_on_trying(station: &Station, setup: WorkerSetup) {
    let mut worker = station.start_with(&setup);
    worker.allow("");
    worker
        .logged("check data_api_url and publishable_key", SOON)
        .await;
    assert!(worker.is_running(), "{}", worker.log());
}

#[tokio::test]
async fn who_is_not_let_in_says_why_and_what_to_do() {
    let (stage, station) = rented().await;
    let setup = || station.setup();
    fs::set_permissions(station.key_file(), Permissions::from_mode(0o644)).expect("chmod");
    ends_with(&station, setup(), 78, &["host_key_file", "chmod 600"]).await;
    fs::set_permissions(station.key_file(), Permissions::from_mode(0o600)).expect("chmod");

    let both = WorkerSetup {
        database_url: "postgresql://a:b@127.0.0.1/c".to_owned(),
        ..setup()
    };
    ends_with(
        &station,
        both,
        78,
        &["DATABASE_URL", "CREEL_DATA_API_URL", "unset one"],
    )
    .await;
    let nowhere = setup().env("CREEL_HOST_KEY_FILE", "/nowhere/host.key");
    ends_with(&station, nowhere, 78, &["/nowhere/host.key"]).await;
    let secret = setup().env("CREEL_PUBLISHABLE_KEY", station.rest().secret_key());
    ends_with(
        &station,
        secret,
        78,
        &["publishable_key", "no host is to have it"],
    )
    .await;
    let stranger = setup().env("CREEL_PUBLISHABLE_KEY", "sb_publishable_of_another_project");
    goes_on_trying(&station, stranger).await;
    let elsewhere = setup().env("CREEL_DATA_API_URL", format!("{}/nothing", station.rest().url()));
    goes_on_trying(&station, elsewhere).await;
    let readable = setup().env("CREEL_DATA_API_URL", "http://abc.supabase.co");
    ends_with(&station, readable, 78, &["https://"]).await;

    let good = station.key();
    station.write_key(HostKey::generate().expose());
    ends_with(
        &station,
        setup(),
        77,
        &["refuses this host's key", "creel host code"],
    )
    .await;
    station.write_key(&good);
    stage.run("update creel.host_keys set revoked_at = now()").await;
    ends_with(
        &station,
        setup(),
        77,
        &["refuses this host's key", "creel host code"],
    )
    .await;
}

#[tokio::test]
async fn the_agents_of_a_host_that_is_shut_out_are_left_alone() {
    let (stage, station) = rented().await;
    let mut worker = station.started().await;
    for said in ["failed to", "lost the connection", "stopped work on"] {
        worker.allow(said);
    }
    let id = stage.request(SCOUT).await;
    stage.done(id).await;
    let agents = station.agents();
    stage.run("update creel.host_keys set revoked_at = now()").await;
    worker.logged("refuses this host's key", SOON).await;
    station.readyz(503).await;
    eventually("its readiness says why", SOON, async || {
        station
            .page("/readyz")
            .await
            .is_some_and(|(_, text)| text.contains("does not let this host in"))
    })
    .await;
    assert_eq!(station.agents(), agents);
    assert!(worker.is_running());
}

/// How often each function was called by this host's worker within a minute in which nothing happens.
async fn idle_calls(by: By) -> i64 {
    let stage = Stage::new().await;
    let superuser = stage.db.superuser().await.expect("connect");
    superuser
        .batch_execute(&format!(
            "alter database {} set track_functions = 'all'",
            stage.db.name()
        ))
        .await
        .expect("count the calls");
    let station = stage.station_by(by).await;
    let _worker = station.started().await;
    station.readyz(200).await;
    let called = "select coalesce(sum(calls), 0)::bigint from pg_stat_user_functions
                  where schemaname = 'public' and funcname <> 'rotate_host_key'";
    let before = stage.count(called).await;
    let began = std::time::Instant::now();
    eventually("a minute has passed", Duration::from_secs(90), async || {
        began.elapsed() > Duration::from_secs(60)
    })
    .await;
    stage.count(called).await - before
}

#[tokio::test]
async fn slow_an_idle_host_with_a_key_asks_no_more_often_than_one_with_a_login() {
    let (by_login, by_key) = tokio::join!(idle_calls(By::Login), idle_calls(By::Key));
    // Six ticks, two claims; what is cached of the first seconds may come a tick later.
    assert!(
        (6..=12).contains(&by_key),
        "{by_key} by a key, {by_login} by a login"
    );
    assert!(
        (by_key - by_login).abs() <= 3,
        "{by_key} by a key, {by_login} by a login"
    );
}
