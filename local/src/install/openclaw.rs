//! OpenClaw, and the Node that it needs.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use super::npm::Package;
use super::{NPM_CPU, NPM_OS, Tools};
use crate::process;

/// The version that Creel was measured with, and the oldest that it works with.
pub const OPENCLAW_VERSION: &str = "2026.9.6";

const OPENCLAW_FOLDER: &str = "openclaw-2026.9.6";

/// OpenClaw takes Node 24.16 or newer of 24, and 26.1 or newer; 26 is the next long-term version.
const NODE_FOLDER: &str = "node-26.10.0";

/// `openclaw --version` takes 0.1 s; a loaded machine gets a hundred times that.
const VERSION_LIMIT: Duration = Duration::from_secs(10);

impl Tools {
    /// Node 26; installed when it is missing.
    pub async fn node(&self) -> Result<PathBuf> {
        let name = if (NPM_OS, NPM_CPU) == ("darwin", "arm64") {
            "node-bin"
        } else {
            "node"
        };
        let package = Package {
            folder: NODE_FOLDER,
            title: "Node 26",
            package_json: include_str!("../../npm/node/package.json"),
            package_lock: Some(include_str!("../../npm/node/package-lock.json")),
            program: format!("node_modules/{name}-{NPM_OS}-{NPM_CPU}/bin/node"),
            scripts: false,
            then: None,
        };
        self.npm(&package, None).await
    }

    /// An `openclaw` that works: the one on the `PATH` if it is new enough, else one of our own, which is
    /// installed with a Node of its own when it is missing (about 650 MB).
    pub async fn openclaw(&self) -> Result<PathBuf> {
        if let Some(found) = process::find_program("openclaw") {
            match version_of(&found).await {
                Some(version) if at_least(&version, OPENCLAW_VERSION) => return Ok(found),
                Some(version) => tracing::info!(
                    "{} is {version}, older than {OPENCLAW_VERSION}; using one of our own",
                    found.display()
                ),
                None => tracing::info!(
                    "{} does not run with this Node; using one of our own",
                    found.display()
                ),
            }
        }
        self.own_openclaw().await
    }

    /// Our own `openclaw`, whatever is on the `PATH`; installed when it is missing.
    pub async fn own_openclaw(&self) -> Result<PathBuf> {
        let node = self.node().await?;
        let node_folder = node.parent().context("find the folder of node")?;
        let package = Package {
            folder: OPENCLAW_FOLDER,
            title: "OpenClaw 2026.9.6",
            package_json: include_str!("../../npm/openclaw/package.json"),
            package_lock: Some(include_str!("../../npm/openclaw/package-lock.json")),
            program: "node_modules/openclaw/openclaw.mjs".to_owned(),
            scripts: true,
            then: None,
        };
        // OpenClaw refuses to be installed by a Node that it cannot run with.
        let script = self.npm(&package, Some(process::path_with(node_folder))).await?;
        self.write_wrapper(node_folder, &node, &script)
    }

    /// `bin/openclaw`: runs OpenClaw with its Node, for people and programs that have another one.
    fn write_wrapper(&self, node_folder: &Path, node: &Path, script: &Path) -> Result<PathBuf> {
        let quote = |path: &Path| format!("'{}'", path.display().to_string().replace('\'', r"'\''"));
        let text = format!(
            "#!/bin/sh\nPATH={}:\"$PATH\"\nexport PATH\nexec {} {} \"$@\"\n",
            quote(node_folder),
            quote(node),
            quote(script)
        );
        let folder = self.folder().join("bin");
        let wrapper = folder.join("openclaw");
        if fs::read_to_string(&wrapper).is_ok_and(|there| there == text) {
            return Ok(wrapper);
        }
        fs::create_dir_all(&folder).context("make the folder of the openclaw wrapper")?;
        // Written aside and renamed: somebody may be running the old one.
        let draft = folder.join(format!(".openclaw.{}", std::process::id()));
        fs::write(&draft, text).context("write the openclaw wrapper")?;
        fs::set_permissions(&draft, fs::Permissions::from_mode(0o755))
            .context("make the openclaw wrapper executable")?;
        fs::rename(&draft, &wrapper).context("put the openclaw wrapper in place")?;
        Ok(wrapper)
    }
}

/// What `openclaw --version` says, none when it does not run.
async fn version_of(program: &Path) -> Option<String> {
    let said = process::run(process::command(program).arg("--version"), VERSION_LIMIT)
        .await
        .ok()?;
    said.split_whitespace()
        .find(|word| word.starts_with(|c: char| c.is_ascii_digit()))
        .map(ToOwned::to_owned)
}

/// Compares versions by their numbers; what follows the numbers does not count.
fn at_least(version: &str, least: &str) -> bool {
    let numbers = |text: &str| -> Vec<u64> {
        text.split(['.', '-', '+'])
            .map_while(|part| part.parse().ok())
            .collect()
    };
    numbers(version) >= numbers(least)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        assert!(at_least("2026.9.6", OPENCLAW_VERSION));
        assert!(at_least("2026.10.1", OPENCLAW_VERSION));
        assert!(at_least("2026.9.6-1", OPENCLAW_VERSION));
        assert!(!at_least("2026.9.5", OPENCLAW_VERSION));
        assert!(!at_least("2025.12.30", OPENCLAW_VERSION));
    }
}
