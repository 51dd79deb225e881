//! On the oldest Postgres that the SQL runs on, which has the linter and the dump that the newest has not here.

use std::path::{Path, PathBuf};
use std::time::Duration;

use creel_local::keys::Passwords;
use creel_local::postgres::{Cluster, ClusterConfig};
use creel_local::{database, migrations, process};
use creel_tests::cluster::{connect, repo};
use serde_json::Value;

use crate::migrations::{findings, supabase, url};

/// A dump of an empty schema is a matter of a second.
const DUMP_LIMIT: Duration = Duration::from_secs(60);

/// Where Debian and Homebrew put it.
const PLACES: [&str; 3] = [
    "/usr/lib/postgresql/15",
    "/opt/homebrew/opt/postgresql@15",
    "/usr/local/opt/postgresql@15",
];

struct Oldest {
    cluster: Cluster,
    passwords: Passwords,
    install: PathBuf,
    folder: tempfile::TempDir,
}

impl Oldest {
    /// A migrated database on Postgres 15; none where it is not installed.
    async fn start() -> Option<Self> {
        let install = PLACES
            .iter()
            .map(Path::new)
            .find(|p| p.join("bin/postgres").exists())?
            .to_path_buf();
        let folder = tempfile::tempdir().expect("make a folder");
        let passwords = Passwords::generate();
        let config = ClusterConfig {
            dir: folder.path().join("postgres"),
            install: install.clone(),
            log: folder.path().join("postgres.log"),
            port: None,
            durable: false,
            max_connections: 20,
        };
        let cluster = Cluster::start(&config, &passwords.supabase_admin)
            .await
            .expect("start Postgres 15");
        let admin = cluster.superuser(&passwords, "postgres").await.expect("connect");
        database::bootstrap_roles(&admin, &passwords)
            .await
            .expect("make the roles");
        database::bootstrap_database(&admin)
            .await
            .expect("make the schemas");
        let mut client = connect(&cluster.config("postgres", &passwords.postgres, "postgres"))
            .await
            .expect("connect");
        let all = migrations::built_in().expect("read the migrations");
        migrations::apply(&mut client, &all)
            .await
            .expect("the migrations apply on Postgres 15");
        Some(Self {
            cluster,
            passwords,
            install,
            folder,
        })
    }

    async fn stop(self) {
        self.cluster.stop().await.expect("stop Postgres 15");
        drop(self.folder);
    }
}

#[tokio::test]
async fn plpgsql_check_finds_nothing_in_the_functions() {
    let Some(oldest) = Oldest::start().await else {
        return println!("skipped: Postgres 15 is not installed");
    };
    let admin = oldest
        .cluster
        .superuser(&oldest.passwords, "postgres")
        .await
        .expect("connect");
    let there = admin
        .query("select from pg_extension where extname = 'plpgsql_check'", &[])
        .await
        .expect("look for plpgsql_check");
    if there.is_empty() {
        println!("skipped: plpgsql_check is not installed");
    } else {
        let url = url(oldest.cluster.port(), &oldest.passwords.postgres, "postgres");
        let lint = ["db", "lint", "--schema", "public,creel", "--level", "warning"];
        let found: Vec<Value> = findings(&supabase(&lint, &url).await);
        assert!(found.is_empty(), "{found:#?}");
    }
    oldest.stop().await;
}

/// The dump without what differs from one run of the same pg_dump to the next.
fn tidied(dump: &str) -> String {
    let kept = dump.lines().filter(|line| {
        !(line.starts_with("-- Dumped") || line.starts_with("\\restrict") || line.starts_with("\\unrestrict"))
    });
    kept.fold(String::new(), |mut text, line| {
        text.push_str(line);
        text.push('\n');
        text
    })
}

#[tokio::test]
async fn the_checked_in_dump_is_the_schema() {
    let Some(oldest) = Oldest::start().await else {
        return println!("skipped: Postgres 15 is not installed");
    };
    let url = url(oldest.cluster.port(), &oldest.passwords.postgres, "postgres");
    let mut command = process::command(oldest.install.join("bin/pg_dump"));
    command
        .args(["--schema-only", "--no-owner", "--schema=public", "--schema=creel"])
        .arg(url);
    let dump = process::run(&mut command, DUMP_LIMIT)
        .await
        .expect("dump the schema");
    let checked_in = repo().join("sql/schema.sql");
    if std::env::var_os("CREEL_UPDATE").is_some() {
        std::fs::write(&checked_in, tidied(&dump)).expect("write the dump");
    }
    let before = std::fs::read_to_string(&checked_in).unwrap_or_default();
    let differs = tidied(&dump)
        .lines()
        .zip(before.lines().chain(std::iter::repeat("(end of file)")))
        .find(|(new, old)| new != old)
        .map(|(new, old)| format!("database: {new}\nfile: {old}"));
    assert_eq!(
        differs, None,
        "sql/schema.sql is stale: run this test with CREEL_UPDATE=1 and read the difference"
    );
    assert_eq!(
        tidied(&dump).lines().count(),
        before.lines().count(),
        "sql/schema.sql has more than the schema"
    );
    oldest.stop().await;
}
