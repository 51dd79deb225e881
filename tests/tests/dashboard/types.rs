//! The types that the page is written against are those of the schema.

use std::time::Duration;

use anyhow::{Result, ensure};
use creel_local::process;
use creel_tests::cluster::{repo, tools};
use creel_tests::db::TestDb;

/// The Supabase CLI reads the catalog twice over, on a busy machine.
const LIMIT: Duration = Duration::from_secs(120);

#[tokio::test]
async fn the_types_that_are_checked_in_are_those_of_the_schema() -> Result<()> {
    let cli = repo().join("tests/js/node_modules/.bin/supabase");
    ensure!(
        cli.is_file(),
        "the Supabase CLI is missing; run: npm install --prefix tests/js"
    );
    let dashboard = repo().join("dashboard");
    ensure!(
        dashboard.join("node_modules").is_dir(),
        "what formats the types is missing; run: npm ci --prefix dashboard"
    );
    let test = TestDb::new().await?;
    let node = tools().node().await?;
    let mut check = process::command(&node);
    check
        .arg(dashboard.join("scripts/types.mjs"))
        .arg("--check")
        .env("DATABASE_URL", test.postgres_url())
        .env("SUPABASE_CLI", cli);
    if let Some(folder) = node.parent() {
        check.env("PATH", process::path_with(folder));
    }
    process::run(&mut check, LIMIT).await?;
    Ok(())
}
