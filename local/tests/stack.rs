//! The whole stack, on the real Postgres and the real PostgREST.

use std::path::PathBuf;

use anyhow::Result;
use creel_local::{Stack, StackConfig};

/// Programs are installed once for all tests.
fn tools_dir() -> PathBuf {
    std::env::var_os("CREEL_TOOLS_DIR").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.creel/tools")),
        PathBuf::from,
    )
}

fn config(dir: &std::path::Path) -> StackConfig {
    let mut config = StackConfig::new(dir);
    config.tools_dir = Some(tools_dir());
    config.durable = false;
    config
}

#[tokio::test]
async fn a_stack_comes_up_and_answers() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let stack = Stack::up(&config(dir.path())).await?;
    let http = creel_local::gateway::http::client()?;
    let answer = http
        .get(format!("{}/rest/v1/", stack.supabase_url()))
        .header("apikey", stack.secret_key().expose())
        .send()
        .await?;
    assert!(answer.status().is_success(), "{}", answer.text().await?);
    stack.down().await
}
