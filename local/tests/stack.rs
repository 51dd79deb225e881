//! The whole stack, on the real Postgres and the real PostgREST.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use creel_core::secret::Secret;
use creel_functions::stripe::api::StripeApi;
use creel_local::billing::StripeConfig;
use creel_local::gateway::http;
use creel_local::process::MARK;
use creel_local::stripe_stand_in::{Endpoints, StandIn};
use creel_local::{Stack, StackConfig};
use rustix::process::{Pid, Signal, kill_process};
use sysinfo::{ProcessRefreshKind, ProcessesToUpdate, System, UpdateKind};
use tempfile::TempDir;
use tokio_postgres::{Client, NoTls};

/// Passing through is allowed, as in the usual folders of people.
const OPEN: u32 = 0o755;

/// As root's own folder: nobody else passes.
const CLOSED: u32 = 0o700;

/// Two sweeps, or a shutdown, on a busy machine.
const LIMIT: Duration = Duration::from_secs(30);

fn config(dir: &Path) -> StackConfig {
    let mut config = StackConfig::new(dir);
    let tools = std::env::var_os("CREEL_TOOLS_DIR");
    config.tools_dir = Some(tools.map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.creel/tools")),
        PathBuf::from,
    ));
    config.durable = false;
    config
}

fn folder(mode: u32) -> Result<TempDir> {
    let permissions = fs::Permissions::from_mode(mode);
    Ok(tempfile::Builder::new()
        .prefix("creel-stack-")
        .permissions(permissions)
        .tempdir()?)
}

async fn connect(url: &Secret) -> Result<Client> {
    let (client, connection) = tokio_postgres::connect(url.expose(), NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// Programs of the stack in `dir` that run now.
fn programs(dir: &Path) -> Result<Vec<String>> {
    let dir = dir.canonicalize()?;
    let mut system = System::new().ok().context("look at the processes")?;
    let wanted = ProcessRefreshKind::nothing()
        .with_environ(UpdateKind::Always)
        .without_tasks();
    system.refresh_processes_specifics(ProcessesToUpdate::All, true, wanted);
    let mark = format!("{MARK}={}", dir.display());
    let ours = |entry: &std::ffi::OsString| entry.to_string_lossy().starts_with(&mark);
    Ok(system
        .processes()
        .values()
        .filter(|process| process.environ().iter().any(ours))
        .map(|process| process.name().to_string_lossy().into_owned())
        .collect())
}

/// Process id of the postmaster whose cluster is in `dir`.
fn postmaster(dir: &Path) -> Result<Pid> {
    let text = fs::read_to_string(dir.join("postgres/data/postmaster.pid"))?;
    let line = text.lines().next().context("read the pid file")?;
    Pid::from_raw(line.trim().parse()?).context("read the pid file")
}

#[tokio::test]
async fn a_stack_that_knows_a_stripe_hears_what_it_tells() -> Result<()> {
    let dir = folder(OPEN)?;
    let stripe = StandIn::start().await?;
    let [events, accounts] = [
        "whsec_0192837465aabbccddeeff001122",
        "whsec_99887766554433221100aabb",
    ]
    .map(Secret::new);
    let mut config = config(dir.path());
    config.stripe = Some(StripeConfig {
        api_url: stripe.url(),
        api_key: stripe.api_key().clone(),
        pages_api_key: None,
        webhook_secret: events.clone(),
        connect_webhook_secret: accounts.clone(),
    });
    let http = http::client()?;
    for round in 1..=2 {
        let stack = Stack::up(&config).await?;
        let functions = format!("{}/functions/v1", stack.supabase_url());
        let api = StripeApi::new(&stripe.url(), stripe.api_key().clone(), None);
        let key = format!("customer-{round}");
        api.post("/v1/customers", &serde_json::json!({}), &key, None)
            .await?;
        let endpoints = Endpoints {
            platform: (format!("{functions}/stripe/events"), events.clone()),
            connect: (format!("{functions}/stripe/connect"), accounts.clone()),
        };
        let told = stripe.deliver(&endpoints).await?;
        assert_eq!(
            told.iter().map(|one| one.status).collect::<Vec<_>>(),
            [200],
            "{told:?}"
        );
        let ticked = http.post(format!("{functions}/stripe/clock")).send().await?;
        assert_eq!(ticked.status().as_u16(), 200);
        let refused = http.post(format!("{functions}/checkout/sessions")).send().await?;
        assert_eq!(refused.status().as_u16(), 401);
        let postgres = connect(&stack.database_url()).await?;
        let sql = "select (select count(*) from stripe_events),
                          (select count(*) from creel.function_keys where revoked_at is null)";
        let counted = postgres.query_one(sql, &[]).await?;
        let (kept, good): (i64, i64) = (counted.get(0), counted.get(1));
        assert_eq!(
            (kept, good),
            (round, 1),
            "each start has a key of its own, and ends the others"
        );
        stack.down().await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_stack_comes_up_answers_and_leaves_no_process() -> Result<()> {
    let dir = folder(OPEN)?;
    let stack = Stack::up(&config(dir.path())).await?;
    assert!(!stack.applied_migrations().is_empty());
    assert!(programs(dir.path())?.len() >= 2);
    let http = http::client()?;
    let root = format!("{}/rest/v1/", stack.supabase_url());
    let answer = http
        .get(&root)
        .header("apikey", stack.secret_key().expose())
        .send()
        .await?;
    assert!(answer.status().is_success(), "{}", answer.text().await?);

    let refused = http.get(&root).send().await?;
    assert_eq!(refused.status().as_u16(), 401);
    let body: serde_json::Value = refused.json().await?;
    assert!(body["message"].is_string() && body["hint"].is_string(), "{body}");
    let elsewhere = http
        .get(format!("{root}..%2f..%2fauth"))
        .header("apikey", "x")
        .send()
        .await?;
    assert_eq!(elsewhere.status().as_u16(), 400);

    for name in ["keys.json", "postgres.log", "postgrest.log"] {
        let mode = fs::metadata(dir.path().join(name))?.permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{name}");
    }
    stack.down().await?;
    assert_eq!(programs(dir.path())?, Vec::<String>::new());
    Ok(())
}

#[tokio::test]
async fn a_second_start_keeps_keys_ports_and_rows_and_applies_nothing() -> Result<()> {
    let dir = folder(OPEN)?;
    let first = Stack::up(&config(dir.path())).await?;
    let (url, key) = (first.supabase_url(), first.publishable_key().expose().to_owned());
    let user = first.create_user("A@example.com", &Secret::new("one")).await?;
    first.down().await?;

    let second = Stack::up(&config(dir.path())).await?;
    assert_eq!(second.supabase_url(), url);
    assert_eq!(second.publishable_key().expose(), key);
    assert_eq!(second.applied_migrations(), Vec::<String>::new());
    assert_eq!(
        second.create_user("a@example.com", &Secret::new("two")).await?,
        user
    );
    second.down().await
}

#[tokio::test]
async fn two_stacks_run_side_by_side_but_not_on_one_folder() -> Result<()> {
    let (one, other) = (folder(OPEN)?, folder(OPEN)?);
    let first = Stack::up(&config(one.path())).await?;
    let second = Stack::up(&config(other.path())).await?;
    assert_ne!(first.supabase_url(), second.supabase_url());
    assert_ne!(first.secret_key().expose(), second.secret_key().expose());
    let refused = Stack::up(&config(one.path()))
        .await
        .expect_err("the folder is in use");
    assert!(refused.to_string().contains("another creel up"), "{refused:#}");
    let rows = connect(&first.database_url())
        .await?
        .query("select 1", &[])
        .await?;
    assert_eq!(rows.len(), 1, "the refused start harmed nothing");
    first.down().await?;
    second.down().await
}

#[tokio::test]
async fn what_a_killed_run_left_behind_is_stopped_by_the_next_one() -> Result<()> {
    let dir = folder(OPEN)?;
    let first = Stack::up(&config(dir.path())).await?;
    let left = postmaster(dir.path())?;
    first.forget();
    let second = Stack::up(&config(dir.path())).await?;
    assert_ne!(postmaster(dir.path())?, left);
    let names = programs(dir.path())?;
    assert_eq!(
        names.iter().filter(|name| name.starts_with("postgrest")).count(),
        1,
        "{names:?}"
    );
    second.down().await?;
    assert_eq!(programs(dir.path())?, Vec::<String>::new());
    Ok(())
}

#[tokio::test]
async fn the_pid_file_of_a_dead_postgres_is_no_obstacle() -> Result<()> {
    let dir = folder(OPEN)?;
    Stack::up(&config(dir.path())).await?.down().await?;
    // Our own id: alive, and no Postgres.
    let file = dir.path().join("postgres/data/postmaster.pid");
    fs::write(
        &file,
        format!("{}\n/nowhere\n1\n5432\n\n127.0.0.1\n", std::process::id()),
    )?;
    Stack::up(&config(dir.path())).await?.down().await
}

#[tokio::test]
async fn the_death_of_postgres_is_noticed() -> Result<()> {
    let dir = folder(OPEN)?;
    let mut stack = Stack::up(&config(dir.path())).await?;
    kill_process(postmaster(dir.path())?, Signal::QUIT)?;
    let ended = tokio::time::timeout(Duration::from_secs(30), stack.ended()).await?;
    assert_eq!(ended, "Postgres");
    stack.down().await?;
    // It recovers: what was lost is the sessions.
    Stack::up(&config(dir.path())).await?.down().await
}

#[tokio::test]
async fn a_sweep_that_waits_for_a_lock_does_not_hold_up_the_end() -> Result<()> {
    let dir = folder(OPEN)?;
    let stack = Stack::up(&config(dir.path())).await?;
    let holder = connect(&stack.database_url()).await?;
    let watcher = connect(&stack.database_url()).await?;
    let hold = "begin; lock table creel.settings in access exclusive mode";
    holder.batch_execute(hold).await?;
    let waits = "select exists (select from pg_stat_activity where wait_event_type = 'Lock' and query like '%sweep%')";
    let waiting = async {
        while !watcher.query_one(waits, &[]).await?.get::<_, bool>(0) {
            tokio::task::yield_now().await;
        }
        anyhow::Ok(())
    };
    tokio::time::timeout(LIMIT, waiting)
        .await
        .context("no sweep comes")??;
    tokio::time::timeout(LIMIT, stack.down())
        .await
        .context("the sweep holds up the end")?
}

#[tokio::test]
async fn a_folder_that_only_root_can_enter_serves_too() -> Result<()> {
    let closed = folder(CLOSED)?;
    let dir = closed.path().join("state");
    let stack = Stack::up(&config(&dir)).await?;
    connect(&stack.database_url())
        .await?
        .query("select 1", &[])
        .await?;
    stack.down().await?;
    // Only root's Postgres runs as somebody else.
    if let Ok(moved) = fs::read_to_string(dir.join("postgres/moved-to")) {
        let home = Path::new(moved.trim_end());
        assert_eq!(fs::metadata(home)?.permissions().mode() & 0o777, CLOSED);
        let owner = fs::metadata(home)?.uid();
        let again = Stack::up(&config(&dir)).await?;
        assert!(
            again.applied_migrations().is_empty(),
            "the same cluster is found again"
        );
        again.down().await?;
        fs::remove_dir_all(home)?;
        // Nobody but us can change what runs.
        let programs = format!("{}-install", home.display());
        assert_eq!(fs::metadata(&programs)?.permissions().mode() & 0o777, OPEN);
        assert_ne!(fs::metadata(&programs)?.uid(), owner);
        fs::remove_dir_all(programs)?;
    }
    Ok(())
}
