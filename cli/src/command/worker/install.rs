//! `creel worker install`.

use std::path::{Path, PathBuf};

use creel_local::process;
use creel_worker::WorkerConfig;
use creel_worker::config::TransportConfig;
use serde_json::json;

use super::{Place, PlaceArgs, read_config};
use crate::error::{CliError, ErrorKind};
use crate::output::Output;
use crate::service::launchd::{self, Launchd};
use crate::service::systemd::{self, Systemd};
use crate::service::{Account, Domain, ManagerKind, ServicePlan, find_search_path, write_unit};

/// What `creel worker install` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct InstallArgs {
    #[command(flatten)]
    place: PlaceArgs,

    /// The worker's configuration file [default: ~/.config/creel/worker.toml].
    #[arg(long, value_name = "FILE", env = "CREEL_CONFIG")]
    config: Option<PathBuf>,

    /// Print what would be written, and do nothing.
    #[arg(long)]
    print: bool,
}

/// Writes the service and loads it; again is an upgrade.
pub(super) async fn run(args: InstallArgs, out: Output) -> anyhow::Result<()> {
    let place = args.place.resolve()?;
    if place.domain == Domain::User && place.account.uid == 0 && !args.print {
        return Err(CliError::new(
            ErrorKind::Usage,
            "agents can do whatever the worker's user can, and that is root",
        )
        .code("root")
        .hint("make a user for it and give its name: creel worker install --run-as creel")
        .into());
    }
    let (config_path, config) = read_config(args.config, &place.account)?;
    let search_path = find_search_path(&config.openclaw).await;
    let plan = ServicePlan {
        domain: place.domain,
        program: own_program()?,
        config: config_path,
        search_path: search_path.text,
        drain_grace: config.drain_grace,
        writable: plan_writable(
            [
                place.account.home.clone(),
                config.data_dir.clone(),
                config.openclaw_state_dir.clone(),
                config.workspace_root.clone(),
            ]
            .into_iter()
            .chain(key_folder(&config)),
        ),
        account: place.account.clone(),
    };
    let (file, text) = match place.manager {
        ManagerKind::Systemd => (
            systemd::unit_path(place.domain, &place.account),
            systemd::render(&plan).into_bytes(),
        ),
        ManagerKind::Launchd => (
            launchd::plist_path(place.domain, &place.account),
            launchd::render(&plan)?,
        ),
    };
    if args.print {
        out.raw(&text);
        return Ok(());
    }
    for program in &search_path.missing {
        out.note(format!(
            "{program} is not found in PATH: install it (openclaw by creel doctor --fix), then run creel worker install \
             once more"
        ));
    }
    for warning in &config.warnings {
        out.note(warning);
    }
    check_readable(&plan)?;
    let notes = load(&place, &plan, &file, &text).await?;
    for note in &notes {
        out.note(note);
    }
    out.value(&json!({
        "ok": true, "file": file, "config": plan.config, "run_as": plan.account.name, "notes": notes,
    }));
    out.line(format!(
        "The worker runs as {} and will after every start: {}",
        plan.account.name,
        file.display()
    ));
    Ok(())
}

async fn load(place: &Place, plan: &ServicePlan, file: &Path, text: &[u8]) -> anyhow::Result<Vec<String>> {
    match place.manager {
        ManagerKind::Systemd => {
            let systemd = Systemd::find(place.domain)?;
            write_unit(file, text)?;
            systemd.load(plan).await
        }
        ManagerKind::Launchd => {
            let launchd = Launchd::find(place.domain, &place.account)?;
            make_folder(&launchd::log_folder(&place.account), &place.account)?;
            write_unit(file, text)?;
            launchd.load(file, plan).await?;
            Ok(Vec::new())
        }
    }
}

/// A folder that belongs to the worker's user.
fn make_folder(folder: &Path, account: &Account) -> anyhow::Result<()> {
    use anyhow::Context;
    if folder.is_dir() {
        return Ok(());
    }
    std::fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
    std::os::unix::fs::chown(folder, Some(account.uid), None)
        .with_context(|| format!("give {} to {}", folder.display(), account.name))
}

/// The worker's user has to be able to read the configuration, and nobody else should.
fn check_readable(plan: &ServicePlan) -> Result<(), CliError> {
    use std::os::unix::fs::MetadataExt;
    let Ok(found) = std::fs::metadata(&plan.config) else {
        return Ok(());
    };
    let others_may = found.mode() & 0o044 != 0;
    if found.uid() == plan.account.uid || plan.account.uid == 0 || others_may {
        return Ok(());
    }
    let (config, name) = (plan.config.display(), &plan.account.name);
    Err(
        CliError::new(ErrorKind::Failed, format!("{name} cannot read {config}"))
            .code("configuration")
            .hint(format!("chown {name} {config}")),
    )
}

/// This program by a path that an upgrade keeps: the link in PATH rather than what it points to.
fn own_program() -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe()?;
    let in_path = process::find_program("creel")
        .filter(|found| found.is_absolute() && found.canonicalize().ok() == own.canonicalize().ok());
    Ok(in_path.unwrap_or(own))
}

/// Where the worker of a rented host puts its next key.
fn key_folder(config: &WorkerConfig) -> Option<PathBuf> {
    match &config.transport {
        TransportConfig::Direct(_) => None,
        TransportConfig::Rest(api) => api.host_key_file.parent().map(Path::to_owned),
    }
}

/// Folders without those that lie in others of them.
fn plan_writable(folders: impl IntoIterator<Item = PathBuf>) -> Vec<PathBuf> {
    let mut kept: Vec<PathBuf> = Vec::new();
    for folder in folders {
        if !kept.iter().any(|above| folder.starts_with(above)) {
            kept.push(folder);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_in_the_home_directory_are_not_named_again() {
        let folders = [
            "/home/a",
            "/home/a/.local/state/creel",
            "/srv/openclaw",
            "/srv/openclaw/workspaces",
        ];
        assert_eq!(
            plan_writable(folders.map(PathBuf::from)),
            [PathBuf::from("/home/a"), PathBuf::from("/srv/openclaw")]
        );
    }
}
