//! Squawk and the Supabase CLI on the migrations.

use std::path::PathBuf;
use std::time::Duration;

use creel_core::secret::Secret;
use creel_local::{database, process};
use creel_tests::cluster::{connect, repo};
use creel_tests::db::TestDb;
use serde_json::Value;

/// The Supabase CLI needs a second to start and a few to apply everything.
const CLI_LIMIT: Duration = Duration::from_secs(120);

pub fn npm_program(name: &str) -> PathBuf {
    let program = repo().join("tests/js/node_modules/.bin").join(name);
    assert!(
        process::is_executable(&program),
        "tests/js is installed: run `npm install --prefix tests/js`"
    );
    program
}

/// Runs the Supabase CLI in the repository; answers what it printed on standard output.
pub async fn supabase(args: &[&str], database_url: &str) -> String {
    let home = tempfile::tempdir().expect("make a home for the CLI");
    let mut command = process::command(npm_program("supabase"));
    command
        .args(args)
        .arg(format!("--remote={database_url}"))
        .current_dir(repo())
        .env("HOME", home.path())
        .env("DO_NOT_TRACK", "1");
    process::run(&mut command, CLI_LIMIT)
        .await
        .unwrap_or_else(|e| panic!("supabase {args:?}: {e:#}"))
}

/// The findings in what the CLI printed: a JSON array after some words, or none at all.
pub fn findings(printed: &str) -> Vec<Value> {
    match printed.find('[') {
        Some(begin) => serde_json::from_str(printed[begin..].trim()).expect("findings are JSON"),
        None => Vec::new(),
    }
}

#[tokio::test]
async fn squawk_finds_nothing_in_the_migrations() {
    let mut files: Vec<PathBuf> = std::fs::read_dir(repo().join("supabase/migrations"))
        .expect("list the migrations")
        .map(|entry| entry.expect("read an entry").path())
        .collect();
    files.sort();
    assert!(files.len() > 20);
    let mut command = process::command(npm_program("squawk"));
    command
        .arg("-c")
        .arg(repo().join(".squawk.toml"))
        .arg("--reporter")
        .arg("gcc")
        .args(&files);
    if let Err(found) = process::run(&mut command, CLI_LIMIT).await {
        panic!("squawk: {found:#}");
    }
}

#[tokio::test]
async fn the_supabase_cli_pushes_everything_once_and_its_advisors_find_nothing() {
    let test = TestDb::new().await.expect("make a database");
    let name = format!("{}_cli", test.name());
    let admin = test.superuser().await.expect("connect");
    admin
        .batch_execute(&format!("create database {name} owner postgres"))
        .await
        .expect("make a bare database");
    let passwords = &test.cluster().passwords;
    let bare = connect(
        &test
            .cluster()
            .config("supabase_admin", &passwords.supabase_admin, &name),
    )
    .await
    .expect("connect");
    database::bootstrap_database(&bare)
        .await
        .expect("make the schemas of Supabase");
    // The advisors see more where tables are open to the Data API by default.
    database::grant_automatically(&bare)
        .await
        .expect("set the automatic grants");
    drop(bare);
    let url = url(test.cluster().port, &passwords.postgres, &name);

    let pushed = supabase(&["db", "push", "--include-seed", "--yes"], &url).await;
    assert!(pushed.contains("Finished supabase db push"), "{pushed}");
    let again = supabase(&["db", "push", "--include-seed", "--yes"], &url).await;
    assert!(again.contains("up to date"), "{again}");
    let listed = supabase(&["migration", "list"], &url).await;
    assert!(
        !listed.contains("WARN") && !listed.contains("does not recognize"),
        "config.toml: {listed}"
    );

    let advice = supabase(&["db", "advisors", "--type", "all", "--level", "info"], &url).await;
    // Every index of a new database is unused.
    let found: Vec<Value> = findings(&advice)
        .into_iter()
        .filter(|finding| finding["name"] != "unused_index")
        .collect();
    assert!(found.is_empty(), "{found:#?}");
    admin
        .batch_execute(&format!("drop database {name} with (force)"))
        .await
        .expect("drop it");
}

#[tokio::test]
async fn what_we_applied_ourselves_is_up_to_date_for_the_supabase_cli() {
    let test = TestDb::new().await.expect("make a database");
    let again = supabase(&["db", "push", "--yes"], &test.postgres_url()).await;
    assert!(again.contains("up to date"), "{again}");
}

pub fn url(port: u16, password: &Secret, database: &str) -> String {
    format!(
        "postgresql://postgres:{}@127.0.0.1:{port}/{database}?sslmode=disable",
        password.expose()
    )
}
