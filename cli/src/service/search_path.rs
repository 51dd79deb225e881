//! PATH of a service: neither systemd nor launchd reads a shell's profile, so that node and openclaw are looked for
//! when it is installed, by whoever installs it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use creel_local::process;

/// `node -p` takes 0.1 s; the rest is for a machine that is busy.
const NODE_LIMIT: Duration = Duration::from_secs(10);

/// Folders that stay what they are; others may be made for one shell by a manager of versions.
const LASTING: &[&str] = &[
    "/opt/homebrew/bin",
    "/usr/local/bin",
    "/usr/bin",
    "/bin",
    "/opt/local/bin",
];

/// What every service has; Homebrew's folder comes first, as in a person's shell.
const SYSTEM: &[&str] = &[
    "/opt/homebrew/bin",
    "/usr/local/bin",
    "/usr/bin",
    "/bin",
    "/usr/sbin",
    "/sbin",
];

/// PATH for a service, and what was not found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SearchPath {
    /// Folders with a colon between.
    pub(crate) text: String,
    /// `node`, `openclaw`.
    pub(crate) missing: Vec<&'static str>,
}

/// Finds both programs as the installing person's shell does.
pub(crate) async fn find_search_path(openclaw: &Path) -> SearchPath {
    let own = std::env::var_os("PATH").unwrap_or_default();
    let own: Vec<PathBuf> = std::env::split_paths(&own).collect();
    let openclaw = if openclaw.is_absolute() {
        Some(openclaw.to_owned()).filter(|path| process::is_executable(path))
    } else {
        process::find_program(&openclaw.to_string_lossy())
    };
    // npm puts the node that it needs beside it.
    let beside = openclaw
        .as_deref()
        .and_then(Path::parent)
        .map(|folder| folder.join("node"))
        .filter(|node| process::is_executable(node));
    let node = beside.or_else(|| process::find_program("node"));
    let real_node = match &node {
        Some(node) if !is_lasting(node) => where_node_is(node).await,
        _ => None,
    };
    plan_search_path(&own, openclaw.as_deref(), node.as_deref(), real_node.as_deref())
}

fn is_lasting(program: &Path) -> bool {
    let folder = program.parent().unwrap_or(Path::new("/"));
    LASTING.iter().any(|lasting| Path::new(lasting) == folder)
}

/// What `node` is behind the links and scripts of a manager of versions.
async fn where_node_is(node: &Path) -> Option<PathBuf> {
    let said = process::run(
        process::command(node).args(["-p", "process.execPath"]),
        NODE_LIMIT,
    )
    .await;
    let path = PathBuf::from(said.ok()?.trim());
    Some(path).filter(|path| path.is_absolute() && path.exists())
}

fn plan_search_path(
    own: &[PathBuf],
    openclaw: Option<&Path>,
    node: Option<&Path>,
    real_node: Option<&Path>,
) -> SearchPath {
    let folder = |program: Option<&Path>| program.and_then(Path::parent).map(Path::to_owned);
    let (openclaw_in, node_in) = (folder(openclaw), folder(node));
    let real_in = folder(real_node);
    // What a manager of versions shows in a folder made for this shell is beside the real node, too.
    let moved = |found: Option<PathBuf>| match (&found, &real_in) {
        (Some(folder), Some(real)) if Some(folder) == node_in.as_ref() => {
            let name = openclaw.and_then(Path::file_name).unwrap_or_default();
            if process::is_executable(&real.join(name)) {
                Some(real.clone())
            } else {
                found
            }
        }
        _ => found,
    };
    let position = |folder: &Option<PathBuf>| {
        let found = |folder: &PathBuf| own.iter().position(|own| own == folder);
        folder.as_ref().and_then(found).unwrap_or(0)
    };
    let node_first = position(&node_in) < position(&openclaw_in);
    let openclaw_folder = moved(openclaw_in);
    let node_folder = real_in.clone().or(node_in);
    let wanted = if node_first || real_in.is_some() {
        [node_folder, openclaw_folder]
    } else {
        [openclaw_folder, node_folder]
    };
    let mut folders: Vec<PathBuf> = Vec::new();
    for folder in wanted
        .into_iter()
        .flatten()
        .chain(SYSTEM.iter().map(PathBuf::from))
    {
        if !folders.contains(&folder) && folder.is_absolute() {
            folders.push(folder);
        }
    }
    let missing = [("node", node), ("openclaw", openclaw)];
    SearchPath {
        text: folders
            .iter()
            .map(|folder| folder.to_string_lossy())
            .collect::<Vec<_>>()
            .join(":"),
        missing: missing
            .into_iter()
            .filter(|(_, found)| found.is_none())
            .map(|(name, _)| name)
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REST: &str = "/opt/homebrew/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin";

    fn plan(own: &[&str], openclaw: &str, node: &str, real: Option<&str>) -> String {
        let own: Vec<_> = own.iter().map(PathBuf::from).collect();
        let node = Some(Path::new(node)).filter(|path| path.is_absolute());
        plan_search_path(&own, Some(Path::new(openclaw)), node, real.map(Path::new)).text
    }

    #[test]
    fn both_are_found_in_the_order_of_the_person_s_shell() {
        let own = ["/n/bin", "/o/bin", "/usr/bin"];
        assert_eq!(
            plan(&own, "/o/bin/openclaw", "/n/bin/node", None),
            format!("/n/bin:/o/bin:{REST}")
        );
        assert_eq!(
            plan(&["/o/bin", "/n/bin"], "/o/bin/openclaw", "/n/bin/node", None),
            format!("/o/bin:/n/bin:{REST}")
        );
        let homebrew = plan(
            &["/opt/homebrew/bin"],
            "/opt/homebrew/bin/openclaw",
            "/opt/homebrew/bin/node",
            None,
        );
        assert_eq!(homebrew, REST);
    }

    #[test]
    fn a_shell_s_own_folder_is_replaced_by_the_real_one() {
        let folder = tempfile::tempdir().expect("a folder");
        let real = folder.path().join("installation/bin");
        std::fs::create_dir_all(&real).expect("a folder");
        for name in ["node", "openclaw"] {
            use std::os::unix::fs::PermissionsExt;
            std::fs::write(real.join(name), "#!/bin/sh\n").expect("write");
            std::fs::set_permissions(real.join(name), std::fs::Permissions::from_mode(0o755)).expect("chmod");
        }
        let shell = "/run/user/1000/fnm_multishells/7_1/bin";
        let path = plan(
            &[shell],
            &format!("{shell}/openclaw"),
            &format!("{shell}/node"),
            real.join("node").to_str(),
        );
        assert_eq!(path, format!("{}:{REST}", real.display()));
    }

    #[test]
    fn what_is_missing_is_said() {
        let plan = plan_search_path(&[], None, None, None);
        assert_eq!(
            (plan.text.as_str(), plan.missing),
            (REST, vec!["node", "openclaw"])
        );
    }
}
