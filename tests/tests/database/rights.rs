//! Who may do what: one reviewed list, compared with the catalog.

use creel_tests::db::TestDb;

const LIST: &str = include_str!("../../rights/list.sql");
const REVIEWED: &str = include_str!("../../rights/rights.txt");

async fn assert_rights_are_the_reviewed_ones(test: TestDb) {
    let db = test.postgres().await.expect("connect");
    db.batch_execute("set search_path = pg_catalog")
        .await
        .expect("set the search path");
    let rows = db.query(LIST, &[]).await.expect("list the rights");
    let found: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    let reviewed: Vec<&str> = REVIEWED.lines().collect();
    let surplus: Vec<_> = found
        .iter()
        .filter(|line| !reviewed.contains(&line.as_str()))
        .collect();
    let missing: Vec<_> = reviewed
        .iter()
        .filter(|line| !found.iter().any(|f| f == *line))
        .collect();
    assert!(
        surplus.is_empty() && missing.is_empty(),
        "the rights differ from tests/rights/rights.txt; review, then change the file\nin the database only: {surplus:#?}\nin the file only: {missing:#?}"
    );
}

#[tokio::test]
async fn rights_are_the_reviewed_ones_without_automatic_grants() {
    assert_rights_are_the_reviewed_ones(TestDb::new().await.expect("make a database")).await;
}

#[tokio::test]
async fn rights_are_the_reviewed_ones_with_automatic_grants() {
    assert_rights_are_the_reviewed_ones(TestDb::with_automatic_grants().await.expect("make a database"))
        .await;
}

#[tokio::test]
async fn every_public_table_has_row_security() {
    let test = TestDb::new().await.expect("make a database");
    let rows = test
        .postgres()
        .await
        .expect("connect")
        .query(
            "select oid::regclass::text from pg_class
             where relnamespace = 'public'::regnamespace and relkind = 'r' and not relrowsecurity",
            &[],
        )
        .await
        .expect("list tables");
    let open: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    assert!(open.is_empty(), "tables without row security: {open:?}");
}
