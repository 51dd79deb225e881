//! What every host function promises a worker, by a login of the database and by the Data API alike. Broken lines are in
//! `cuts.rs`.

use std::fs;
use std::time::Duration;

use creel_tests::wait::eventually;
use serde_json::json;

use crate::fixture::{SCOUT, SOON, Stage};
use crate::station::{By, LEFT_OVERS, attempts};
use crate::ways::by_login_and_key;

by_login_and_key!(
    an_agent_is_made_from_its_row_and_its_documents,
    what_waits_for_a_pause_is_taken_when_that_is_over,
    what_finishes_makes_room_and_the_next_is_taken,
    what_a_worker_cannot_finish_is_given_back_at_no_attempt,
    a_restarted_worker_takes_back_what_its_dead_self_held,
    a_job_that_is_cancelled_stops_within_seconds,
    text_that_the_database_cannot_hold_costs_no_result,
    a_result_that_the_database_refuses_ends_as_a_failure,
    a_host_that_is_shut_out_takes_nothing_and_stays_up,
    a_host_that_is_let_in_again_goes_on,
    a_worker_that_the_database_no_longer_understands_says_so_and_ends,
    a_host_tells_of_itself_with_its_ticks,
);

/// What a worker says whom nobody lets in.
const SHUT_OUT: &[&str] = &[
    "failed to tick",
    "failed to claim",
    "lost the connection",
    "failed to connect",
    "failed to look after",
    "failed to mirror",
];

/// The whole way: docs are read and recorded, steps are shown, the result is written.
async fn an_agent_is_made_from_its_row_and_its_documents(by: By) {
    let stage = Stage::new().await;
    let station = stage.station_by(by).await;
    stage
        .admin
        .execute(
            "insert into brain_docs (project_id, agent_key, doc_type, content, updated_by)
             values ($1, $2, 'soul', '# I am Scout\n', 'test')",
            &[&stage.project, &SCOUT],
        )
        .await
        .expect("write a document");
    let id = stage.request(SCOUT).await;
    let _worker = station.started().await;
    let row = stage.done(id).await;
    let steps: Vec<_> = row["result"]["steps"]
        .as_array()
        .expect("it has steps")
        .iter()
        .map(|step| step["name"].clone())
        .collect();
    assert_eq!(
        steps,
        ["validate", "workspace", "add", "identity", "record", "verify"]
    );
    assert_eq!(station.file("scout", "SOUL.md"), "# I am Scout\n");
    let agent = stage.agent(id).await;
    assert_eq!(
        (&agent["provisioned"], &agent["host_id"], &agent["openclaw_id"]),
        (&json!(true), &json!(station.host.id), &json!("scout"))
    );
    let recorded = "select count(*) from brain_docs where agent_key = 'agent:scout:main'";
    assert!(
        stage.count(recorded).await > 1,
        "the other documents are recorded"
    );
    assert_eq!(stage.provisioned_count(id).await, 1);
    station.readyz(200).await;
}

async fn what_waits_for_a_pause_is_taken_when_that_is_over(by: By) {
    let stage = Stage::with_short_leases().await;
    let station = stage.station_by(by).await;
    station.set_faults(&json!({ "add": { "mode": "exit_1", "times": 1 } }));
    let worker = station
        .started_with(&station.setup().allow("failed agent_provision_requests"))
        .await;
    let id = stage.request(SCOUT).await;
    stage.done(id).await;
    assert_eq!(attempts(&worker), [1, 2]);
}

async fn what_finishes_makes_room_and_the_next_is_taken(by: By) {
    let stage = Stage::with_short_leases().await;
    let station = stage.station_by(by).await;
    let setup = station.setup().env("CREEL_PERMITS", "1");
    let _worker = station.started_with(&setup).await;
    let mut ids = Vec::new();
    for n in 0..5 {
        ids.push(stage.request(&format!("agent:a{n}:main")).await);
    }
    for id in ids {
        stage.done(id).await;
        assert_eq!(stage.provisioned_count(id).await, 1);
    }
}

async fn what_a_worker_cannot_finish_is_given_back_at_no_attempt(by: By) {
    let stage = Stage::with_short_leases().await;
    let station = stage.station_by(by).await;
    station.set_fault("add", "hang");
    let id = stage.request(SCOUT).await;
    let setup = station
        .setup()
        .env("CREEL_DRAIN_GRACE_SECS", "1")
        .allow("stopped work on");
    let mut worker = station.start_with(&setup);
    station.called("add").await;
    worker.term();
    assert_eq!(worker.wait(SOON).await.expect("wait").code(), Some(0));
    assert_eq!(stage.row(id).await["status"], json!("queued"));
    assert_eq!(stage.count("select attempts::bigint from creel.lanes").await, 0);
    station.clear_faults();
    let next = station.start();
    stage.done(id).await;
    assert_eq!(attempts(&next), [1]);
}

async fn a_restarted_worker_takes_back_what_its_dead_self_held(by: By) {
    let stage = Stage::new().await;
    // Longer than the test: only who gives back can have it.
    stage.set("lease_secs = 600").await;
    let station = stage.station_by(by).await;
    station.set_fault("add", "hang");
    let id = stage.request(SCOUT).await;
    let mut first = station.start();
    station.called("add").await;
    first.kill9().expect("kill");
    station.clear_faults();
    let mut second = station.start();
    second.allow(LEFT_OVERS);
    stage.done(id).await;
    assert_eq!(attempts(&second), [2]);
    assert_eq!(stage.provisioned_count(id).await, 1);
}

async fn a_job_that_is_cancelled_stops_within_seconds(by: By) {
    let stage = Stage::new().await;
    let station = stage.station_by(by).await;
    station.set_fault("add", "hang");
    let worker = station.started().await;
    let id = stage.request(SCOUT).await;
    station.called("add").await;
    // As the superseding of a command does it.
    stage
        .run(&format!(
            "update creel.items set cancel = true where item_id = '{id}';
             select pg_notify('creel_work', '{0} cancel'), creel.hint_hosts('{{{0}}}', 'cancel')",
            station.host.id
        ))
        .await;
    // Less than the time between two ticks of a host that has nothing to do.
    let limit = Duration::from_secs(8);
    worker.logged(": failed after", limit).await;
    station.is_quiet().await;
    assert_eq!(attempts(&worker), [1]);
}

async fn text_that_the_database_cannot_hold_costs_no_result(by: By) {
    let stage = Stage::with_short_leases().await;
    let station = stage.station_by(by).await;
    station.set_faults(&json!({ "add": { "mode": "exit_1", "stderr": "bad \u{0} byte" } }));
    stage.set_attempts(1).await;
    let _worker = station
        .started_with(&station.setup().allow("failed agent_provision_requests"))
        .await;
    let id = stage.request(SCOUT).await;
    let error = stage.failed(id, SOON).await;
    assert!(error["message"].is_string(), "{error}");
}

async fn a_result_that_the_database_refuses_ends_as_a_failure(by: By) {
    let stage = Stage::with_short_leases().await;
    let station = stage.station_by(by).await;
    stage
        .run(
            "alter table agent_provision_requests add constraint no_lobsters
               check (result is null or not (result ? 'workspace'))",
        )
        .await;
    let _worker = station
        .started_with(&station.setup().allow("failed to write a result"))
        .await;
    let id = stage.request(SCOUT).await;
    let row = stage.until(id, "error", SOON).await;
    assert_eq!(row["result"]["error"]["code"], json!("result_refused"), "{row:#}");
}

async fn a_host_that_is_shut_out_takes_nothing_and_stays_up(by: By) {
    let stage = Stage::with_short_leases().await;
    let (revoked, other) = (stage.station_by(by).await, stage.station().await);
    let mut setup = revoked.setup();
    for said in SHUT_OUT {
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
    assert!(worker.is_running(), "its owner may let it in again");
}

async fn a_host_that_is_let_in_again_goes_on(by: By) {
    let stage = Stage::with_short_leases().await;
    let station = stage.station_by(by).await;
    let mut setup = station.setup();
    for said in SHUT_OUT {
        setup = setup.allow(said);
    }
    let worker = station.started_with(&setup).await;
    station.readyz(200).await;
    stage
        .run(&format!("select creel.revoke_host('{}')", station.host.id))
        .await;
    station.readyz(503).await;
    let id = stage.request(SCOUT).await;
    match by {
        By::Login => {
            stage
                .run(&format!(
                    "update creel.host_logins set revoked_at = null; alter role {} login",
                    station.host.role
                ))
                .await;
        }
        By::Key => {
            // As an enrolment by a code for this host does it.
            let key = creel_worker::HostKey::generate();
            stage
                .run(&format!(
                    "insert into creel.host_keys (host_id, key_sha256) values ('{}', decode('{}', 'hex'))",
                    station.host.id,
                    key.sha256()
                ))
                .await;
            station.write_key(key.expose());
        }
    }
    stage.done(id).await;
    station.readyz(200).await;
    assert_eq!(attempts(&worker), [1]);
}

async fn a_worker_that_the_database_no_longer_understands_says_so_and_ends(by: By) {
    let stage = Stage::with_short_leases().await;
    let station = stage.station_by(by).await;
    let mut setup = station.setup();
    for said in [
        "failed to",
        "lost the connection",
        "do not speak the same version",
    ] {
        setup = setup.allow(said);
    }
    let mut worker = station.started_with(&setup).await;
    station.readyz(200).await;
    stage
        .run(
            "create or replace function creel.require_api(args jsonb) returns void
             language plpgsql set search_path = '' as $$
             begin
               raise exception 'API 1 is too old' using errcode = 'PT426', hint = 'Upgrade.';
             end $$",
        )
        .await;
    assert_eq!(worker.wait(SOON).await.expect("wait").code(), Some(76));
    assert!(
        worker.log().contains("upgrade creel on this host"),
        "{}",
        worker.log()
    );
    let outdated = "select count(*) from hosts h join events e on e.host_id = h.id
                    where h.outdated_since is not null and e.kind = 'host.upgrade_needed'";
    assert_eq!(
        stage.count(outdated).await,
        1,
        "people see why nothing comes from it"
    );
    // The same at the start.
    let mut next = station.start_with(&setup);
    assert_eq!(next.wait(SOON).await.expect("wait").code(), Some(76));
}

async fn a_host_tells_of_itself_with_its_ticks(by: By) {
    let stage = Stage::with_short_leases().await;
    let station = stage.station_by(by).await;
    let config = station.home.openclaw_state().join("openclaw.json");
    fs::write(&config, "{}").expect("write a configuration");
    let _worker = station.started().await;
    let told = format!(
        "select count(*) from hosts h join host_heartbeats b on b.host_id = h.id
         where h.id = '{}' and h.status = 'online' and h.worker_version is not null and h.runtime is not null
           and b.last_seen_at > now() - interval '30 seconds'",
        station.host.id
    );
    eventually("it is told", SOON, async || stage.count(&told).await == 1).await;
}
