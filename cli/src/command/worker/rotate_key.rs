//! `creel worker rotate-key`.

use creel_worker::WorkerArgs;
use serde_json::json;

use super::daemon::ended;
use crate::output::Output;

/// What `creel worker rotate-key` takes: the settings of the worker that uses the key.
#[derive(Debug, clap::Args)]
pub(crate) struct RotateKeyArgs {
    #[command(flatten)]
    settings: WorkerArgs,
}

/// Replaces the key, and says where the new one is, but not what it is.
pub(crate) async fn run(args: RotateKeyArgs, out: Output) -> anyhow::Result<()> {
    let config = args
        .settings
        .resolve()
        .map_err(|error| ended(&creel_worker::Fatal::from(error).into()))?;
    let rotated = creel_worker::rotate_host_key(&config)
        .await
        .map_err(|error| ended(&error))?;
    let (file, until) = (rotated.file.display().to_string(), rotated.expires_at);
    let good = until.map_or_else(|| "until it is revoked".to_owned(), |at| format!("until {at}"));
    out.value(&json!({ "ok": true, "file": file, "expires_at": until }));
    out.line(format!(
        "{file} holds a new key, good {good}; a worker that runs goes on with it by itself"
    ));
    Ok(())
}
