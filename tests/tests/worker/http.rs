//! The worker's pages: on loopback, and true.

use creel_tests::cut::Cutter;
use creel_tests::wait::eventually;
use serde_json::json;

use crate::fixture::{SCOUT, SOON, Stage};

#[tokio::test]
async fn readyz_follows_the_database_and_healthz_does_not() {
    let stage = Stage::new().await;
    let station = stage.station().await;
    let cutter = Cutter::start(stage.db.cluster().port)
        .await
        .expect("start a proxy");
    let mut setup = station.setup_through(&stage.db, &cutter);
    for said in [
        "lost the connection",
        "failed to connect",
        "failed to tick",
        "failed to mirror",
    ] {
        setup = setup.allow(said);
    }
    let _worker = station.start_with(&setup);
    let ready = station.readyz(200).await;
    assert_eq!(ready["ready"], json!(true));
    assert_eq!(ready["host_id"], json!(station.host.id));
    assert_eq!(ready["reasons"], json!([]));

    cutter.refuse();
    let unready = station.readyz(503).await;
    assert_eq!(unready["ready"], json!(false));
    // The tick's own connection may be missed before it.
    eventually("the reason is told", SOON, async || {
        let page = station.page("/readyz").await;
        page.is_some_and(|(status, text)| {
            status == 503 && text.contains("connection to the database is down")
        })
    })
    .await;
    let (status, _) = station.page("/healthz").await.expect("it answers");
    assert_eq!(status, 200, "it lives, and needs no restart");

    cutter.pass();
    station.readyz(200).await;
}

#[tokio::test]
async fn metrics_count_what_happened() {
    let stage = Stage::new().await;
    stage.set_attempts(1).await;
    let station = stage.station().await;
    let _worker = station.start_with(&station.setup().allow("failed agent_provision_requests"));
    let good = stage.request(SCOUT).await;
    stage.done(good).await;
    station.set_fault("add", "exit_1");
    let bad = stage.request("agent:bad:main").await;
    stage.failed(bad, SOON).await;

    let (status, text) = station.page("/metrics").await.expect("it answers");
    assert_eq!(status, 200);
    let queue = "queue=\"agent_provision_requests\"";
    let value = |name: &str, label: &str| {
        let line = text.lines().find(|line| {
            line.starts_with(name)
                && line.contains(label)
                && line.as_bytes().get(name.len()).is_some_and(|b| b"{ ".contains(b))
        });
        line.and_then(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .unwrap_or_else(|| panic!("{name} {label} is not in:\n{text}"))
    };
    assert_eq!(value("creel_items_claimed_total", queue), 2.0);
    assert_eq!(value("creel_items_finished_total", "outcome=\"done\""), 1.0);
    assert_eq!(value("creel_items_finished_total", "outcome=\"retry\""), 1.0);
    assert_eq!(value("creel_job_seconds_count", queue), 2.0);
    assert!(value("creel_tick_seconds_count", "") >= 1.0);
    assert_eq!(value("creel_items_running", ""), 0.0);
}

#[tokio::test]
async fn the_pages_are_on_loopback_only() {
    let stage = Stage::new().await;
    let station = stage.station().await;
    let mut refused = station.start_with(&station.setup().env("CREEL_HTTP_LISTEN", "0.0.0.0:0"));
    assert_eq!(refused.wait(SOON).await.expect("wait").code(), Some(78));
    let said = refused.log();
    refused.allow("");
    assert!(
        said.contains("http_listen") && said.contains("127.0.0.1"),
        "{said}"
    );

    let _worker = station.started().await;
    let address = std::fs::read_to_string(station.home.data().join("http.addr")).expect("read the address");
    let address: std::net::SocketAddr = address.trim().parse().expect("an address");
    assert!(address.ip().is_loopback());
}
