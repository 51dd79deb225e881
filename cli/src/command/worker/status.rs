//! `creel worker status`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use creel_worker::running_worker;
use serde_json::{Value, json};

use super::{Place, PlaceArgs, read_config};
use crate::command::doctor::check_openclaw;
use crate::error::{CliError, ErrorKind};
use crate::output::Output;
use crate::service::launchd::{self, Launchd};
use crate::service::systemd::{self, Systemd};
use crate::service::{ManagerKind, ServiceState};

/// The worker's own page answers at once or not at all.
const PAGE_LIMIT: Duration = Duration::from_secs(3);

/// What `creel worker status` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    place: PlaceArgs,

    /// The worker's configuration file [default: ~/.config/creel/worker.toml].
    #[arg(long, value_name = "FILE", env = "CREEL_CONFIG")]
    config: Option<PathBuf>,
}

/// Shows it; fails unless the worker runs and is ready.
pub(super) async fn run(args: StatusArgs, out: Output) -> anyhow::Result<()> {
    let place = args.place.resolve()?;
    let (file, state) = match ask(&place).await {
        (file, Ok(state)) => (file, state),
        // A worker that somebody runs by hand is still worth showing.
        (file, Err(error)) => {
            out.note(format!("{error:#}"));
            (file, ServiceState::default())
        }
    };
    let installed = file.exists();
    let config = read_config(args.config, &place.account);
    let (worker, ready) = match &config {
        Ok((_, config)) => (
            running_worker(&config.data_dir).ok().flatten(),
            ask_worker(&config.data_dir, config.http_listen).await,
        ),
        Err(error) => (None, Err(error.message.clone())),
    };
    let openclaw = match &config {
        Ok((_, config)) => check_openclaw(Some(&config.openclaw)).await,
        Err(_) => check_openclaw(None).await,
    };
    let shown = match (&ready, worker) {
        (Ok(page), _) => {
            if page["ready"] == true {
                "yes".to_owned()
            } else {
                page.to_string()
            }
        }
        (Err(why), _) => format!("no: {why}"),
    };
    let hears = match ready.as_ref().map(|page| &page["hears_at_once"]) {
        Ok(Value::Bool(true)) => "of work at once",
        Ok(Value::Bool(false)) => "of work by its ticks, as Realtime is away or off",
        _ => "",
    };
    let is_ready = ready.as_ref().is_ok_and(|page| page["ready"] == true);
    let facts = json!({
        "installed": installed, "file": file, "service": state, "worker_pid": worker,
        "ready": is_ready, "page": ready.unwrap_or(Value::Null), "openclaw": openclaw.to_json(),
    });
    if !out.is_json() {
        let rows = [
            (
                "service",
                if installed {
                    file.display().to_string()
                } else {
                    "not installed".to_owned()
                },
            ),
            ("state", state.state.clone()),
            (
                "worker",
                worker.map_or_else(|| "none runs".to_owned(), |pid| format!("process {pid}")),
            ),
            (
                "last exit code",
                state.last_exit.map(|code| code.to_string()).unwrap_or_default(),
            ),
            ("ready", shown),
            ("hears", hears.to_owned()),
            ("openclaw", openclaw.found.clone()),
        ];
        let rows = rows.into_iter().filter(|(_, value)| !value.is_empty());
        out.table(
            &["", ""],
            rows.map(|(name, value)| vec![name.to_owned(), value]).collect(),
            "",
        );
    }
    if is_ready {
        let mut facts = facts;
        facts["ok"] = true.into();
        out.value(&facts);
        return Ok(());
    }
    if !openclaw.is_good() {
        out.note(format!("openclaw: {}", openclaw.what_to_do));
    }
    let hint = match (installed, worker) {
        (false, None) => "have it run: creel worker install",
        (true, None) => "see why it does not run: creel doctor --config, and the service's log",
        (_, Some(_)) => "see what it lacks: creel doctor",
    };
    Err(CliError::new(ErrorKind::Unhealthy, "the worker is not at work")
        .code("worker_down")
        .hint(hint)
        .detail("worker", facts)
        .into())
}

async fn ask(place: &Place) -> (PathBuf, anyhow::Result<ServiceState>) {
    match place.manager {
        ManagerKind::Systemd => {
            let file = systemd::unit_path(place.domain, &place.account);
            let state = match Systemd::find(place.domain) {
                Ok(systemd) => systemd.state().await,
                Err(error) => Err(error.into()),
            };
            (file, state)
        }
        ManagerKind::Launchd => {
            let file = launchd::plist_path(place.domain, &place.account);
            let state = match Launchd::find(place.domain, &place.account) {
                Ok(launchd) => launchd.state().await,
                Err(error) => Err(error.into()),
            };
            (file, state)
        }
    }
}

/// What the worker says of itself.
async fn ask_worker(data_dir: &Path, listens: std::net::SocketAddr) -> Result<Value, String> {
    // A worker that took a free port wrote it down.
    let written = std::fs::read_to_string(data_dir.join("http.addr")).ok();
    let address = written
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or(listens);
    let url = format!("http://{address}/readyz");
    let client = crate::http::client(&url, PAGE_LIMIT).map_err(|error| error.to_string())?;
    let answer = client
        .get(&url)
        .send()
        .await
        .map_err(|error| crate::http::innermost(&error))?;
    let ready = answer.status().is_success();
    let mut page: Value = answer
        .json()
        .await
        .map_err(|error| crate::http::innermost(&error))?;
    page["ready"] = ready.into();
    Ok(page)
}
