//! `creel up` with the real worker and the real OpenClaw, steered on the page alone.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use creel_tests::cluster::tools;
use creel_tests::up::{Up, agents_in, ready_gateway, state_folder};
use creel_tests::wait::eventually;
use serde_json::{Value, json};
use tokio_postgres::{Client, NoTls};

use crate::program::Program;

/// Two starts of a gateway and OpenClaw's command line on a busy machine; the slowest machine had twice as much to do.
const LIFE: Duration = Duration::from_secs(540);
/// A click becomes a statement within milliseconds.
const STATEMENT: Duration = Duration::from_secs(20);

/// Holds documents back from everybody who writes them, and lets them go in the order in which they came.
const HOLD: &str = "begin; lock table brain_docs in share row exclusive mode";
const WAITING: &str =
    "select exists (select from pg_locks where relation = 'public.brain_docs'::regclass and not granted)";

#[tokio::test]
async fn an_agent_is_made_stopped_started_and_edited_on_the_page() -> Result<()> {
    let state = state_folder().await;
    let up = Up::start(state.path()).await;
    // While it starts, OpenClaw's own commands are refused.
    ready_gateway(state.path(), None).await;
    let openclaw = tools().own_openclaw().await?.to_string_lossy().into_owned();
    let openclaw_state = state.path().join("openclaw").to_string_lossy().into_owned();
    let (database, connection) = tokio_postgres::connect(&up.value("DATABASE_URL"), NoTls)
        .await
        .context("connect to the database")?;
    tokio::spawn(connection);
    let program = Program {
        name: "life",
        url: up.value("SUPABASE_URL"),
        email: &up.value("CREEL_EMAIL"),
        password: &up.value("CREEL_PASSWORD"),
        project: &up.value("CREEL_PROJECT"),
        limit: LIFE,
    };
    program
        .run(async |asked, _| match asked {
            "openclaw_agents" => Ok(agents_in(&openclaw, &openclaw_state).await),
            "hold_docs" => run(&database, HOLD).await,
            "until_waiting" => {
                eventually("somebody waits for a document", STATEMENT, async || {
                    let row = database.query_one(WAITING, &[]).await.expect("look at the locks");
                    row.get(0)
                })
                .await;
                Ok(json!(null))
            }
            "release_docs" => run(&database, "commit").await,
            other => bail!("nobody knows {other}"),
        })
        .await
}

async fn run(database: &Client, sql: &str) -> Result<Value> {
    database.batch_execute(sql).await.context("run a statement")?;
    Ok(json!(null))
}
