//! What the other tests rely on.

use anyhow::Result;
use creel_tests::cluster::TestCluster;
use creel_tests::cut::Cutter;
use creel_tests::db::TestDb;
use creel_tests::postgrest::As;
use creel_tests::wait::eventually;
use creel_tests::worker::{WorkerHome, WorkerSetup};
use serde_json::json;

#[tokio::test]
async fn each_test_has_a_migrated_database_that_is_gone_afterwards() -> Result<()> {
    let db = TestDb::new().await?;
    let other = TestDb::with_automatic_grants().await?;
    assert_ne!(db.name(), other.name());
    let owner = db.user("owner@example.com").await?;
    let project = db.project(&owner).await?;
    let found = db
        .postgres()
        .await?
        .query_one("select count(*) from public.projects", &[])
        .await?;
    assert_eq!(found.get::<_, i64>(0), 1, "{project}");

    let cluster = std::sync::Arc::clone(db.cluster());
    let (name, open) = (db.name().to_owned(), db.postgres().await?);
    drop(db);
    assert!(
        open.simple_query("select 1").await.is_err(),
        "the open session was ended"
    );
    let admin = cluster.superuser("postgres").await?;
    let left = admin
        .query("select from pg_database where datname = $1", &[&name])
        .await?;
    assert!(left.is_empty());
    Ok(())
}

#[tokio::test]
async fn people_and_keys_get_their_own_rights_through_the_gateway() -> Result<()> {
    let db = TestDb::new().await?;
    let (owner, stranger) = (db.user("a@example.com").await?, db.user("b@example.com").await?);
    let project = db.project(&owner).await?;
    let rest = db.rest().await?;
    let seen = |body: serde_json::Value| body.as_array().map_or(0, Vec::len);

    let owners = rest
        .get(As::User(&owner), "projects?select=id")
        .await?
        .expect_ok("the owner reads");
    assert_eq!(owners, json!([{ "id": project }]));
    let strangers = rest
        .get(As::User(&stranger), "projects?select=id")
        .await?
        .expect_ok("a stranger reads");
    assert_eq!(seen(strangers), 0);
    let all = rest
        .get(As::Secret, "projects?select=id")
        .await?
        .expect_ok("the secret key reads");
    assert_eq!(seen(all), 1);
    assert_eq!(rest.get(As::Publishable, "projects?select=id").await?.status, 401);
    assert_eq!(rest.get(As::NoKey, "projects?select=id").await?.status, 401);
    assert_eq!(
        rest.get(As::Jwt("ey.bad.token"), "projects?select=id")
            .await?
            .status,
        401
    );
    Ok(())
}

#[tokio::test]
async fn a_host_ticks_by_its_login_and_by_its_key() -> Result<()> {
    let db = TestDb::new().await?;
    let owner = db.user("a@example.com").await?;
    let project = db.project(&owner).await?;
    let tick = json!({
        "api": 1, "session": uuid::Uuid::new_v4(), "tokens": [], "metrics": [], "host": {}
    });

    let host = db.host(&[&project]).await?;
    let client = db.connect_as(&host.role, &host.password).await?;
    let reply: serde_json::Value = client.query_one("select public.tick($1)", &[&tick]).await?.get(0);
    assert_eq!(reply["host_id"], json!(host.id));

    let (id, key) = db.host_with_key(&[&project]).await?;
    let rest = db.rest().await?;
    let reply = rest
        .rpc(As::HostKey(&key), "tick", &tick)
        .await?
        .expect_ok("a host's key ticks");
    assert_eq!(reply["host_id"], json!(id));
    assert!(!rest.rpc(As::HostKey("guess"), "tick", &tick).await?.is_ok());
    Ok(())
}

#[tokio::test]
async fn a_cluster_is_shared_by_the_tests_of_a_process() -> Result<()> {
    let db = TestDb::new().await?;
    let again = TestCluster::get()?;
    assert_eq!(db.cluster().port, again.port);
    Ok(())
}

/// Each of these happens on loopback, at once.
const SOON: std::time::Duration = std::time::Duration::from_secs(10);

async fn through(db: &TestDb, cutter: &Cutter) -> Result<tokio_postgres::Client> {
    let mut config = db.postgres_config();
    config = {
        let mut by_proxy = tokio_postgres::Config::new();
        by_proxy
            .host("127.0.0.1")
            .port(cutter.port())
            .dbname(db.name())
            .user("postgres");
        by_proxy.password(config.get_password().unwrap_or_default());
        by_proxy
    };
    creel_tests::cluster::connect(&config).await
}

#[tokio::test]
async fn a_cut_ends_open_connections_and_lets_new_ones_pass() -> Result<()> {
    let db = TestDb::new().await?;
    let cutter = Cutter::start(db.cluster().port).await?;
    let client = through(&db, &cutter).await?;
    client.simple_query("select 1").await?;
    cutter.cut();
    eventually("the client sees the cut", SOON, async || client.is_closed()).await;
    through(&db, &cutter).await?.simple_query("select 1").await?;
    cutter.refuse();
    assert!(through(&db, &cutter).await.is_err());
    Ok(())
}

#[tokio::test]
async fn a_blackhole_answers_nothing_until_it_passes_again() -> Result<()> {
    let db = TestDb::new().await?;
    let cutter = Cutter::start(db.cluster().port).await?;
    let client = through(&db, &cutter).await?;
    cutter.blackhole();
    let mut asked = std::pin::pin!(client.simple_query("select 1"));
    let waited = tokio::time::timeout(std::time::Duration::from_millis(200), asked.as_mut()).await;
    assert!(waited.is_err(), "an answer came through a blackhole");
    cutter.pass();
    tokio::time::timeout(SOON, asked).await??;
    Ok(())
}

#[tokio::test]
async fn a_lost_reply_means_that_the_request_was_carried_out() -> Result<()> {
    let db = TestDb::new().await?;
    let direct = db.postgres().await?;
    direct
        .batch_execute("create table public.lost (word text)")
        .await?;
    let cutter = Cutter::start(db.cluster().port).await?;
    let written = async |word: &str| -> Result<bool> {
        let rows = direct
            .query("select from public.lost where word = $1", &[&word])
            .await?;
        Ok(!rows.is_empty())
    };

    let client = through(&db, &cutter).await?;
    let insert = client.prepare("insert into public.lost values ($1)").await?;
    cutter.lose_reply_to("reply-is-lost");
    client.execute(&insert, &[&"other"]).await?;
    assert!(client.execute(&insert, &[&"reply-is-lost"]).await.is_err());
    cutter.sprung(1, SOON).await;
    assert!(written("reply-is-lost").await?);

    let client = through(&db, &cutter).await?;
    let insert = client.prepare("insert into public.lost values ($1)").await?;
    cutter.cut_before("never-arrives");
    assert!(client.execute(&insert, &[&"never-arrives"]).await.is_err());
    cutter.sprung(2, SOON).await;
    assert!(!written("never-arrives").await?);
    Ok(())
}

#[tokio::test]
async fn a_worker_runs_is_frozen_and_drains() -> Result<()> {
    let db = TestDb::new().await?;
    let owner = db.user("a@example.com").await?;
    let project = db.project(&owner).await?;
    let host = db.host(&[&project]).await?;
    let home = WorkerHome::new()?;
    let setup = WorkerSetup::new(&host.url, home.path().join("no-openclaw")).allow("openclaw");
    let mut worker = home.start(&setup)?;
    let postgres = db.postgres().await?;
    let online = async || {
        let row = postgres
            .query_one(
                "select status = 'online' from public.hosts where id = $1",
                &[&host.id],
            )
            .await;
        row.is_ok_and(|row| row.get(0))
    };
    eventually("the host is online", SOON, online).await;
    worker.stop();
    worker.cont();
    assert!(worker.is_running());
    worker.term();
    let status = worker.wait(SOON).await?;
    assert!(status.success(), "{status} {}", worker.log());
    assert_eq!(home.children(), Vec::<u32>::new());
    Ok(())
}

#[tokio::test]
#[should_panic(expected = "the worker logged what the test does not expect")]
async fn an_unexpected_error_in_a_workers_log_fails_the_test() {
    let home = WorkerHome::new().expect("a home");
    // Nothing listens on this port.
    let setup = WorkerSetup::new(
        "postgresql://nobody:x@127.0.0.1:1/none?sslmode=disable",
        "openclaw",
    );
    let worker = home.start(&setup).expect("a worker");
    eventually("the worker complains", SOON, async || {
        !worker.unexpected_lines().is_empty()
    })
    .await;
    drop(worker);
}
