//! What the other tests rely on.

use anyhow::Result;
use creel_tests::cluster::TestCluster;
use creel_tests::db::TestDb;
use creel_tests::postgrest::As;
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
