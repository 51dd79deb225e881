//! How the gateway is started.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::process::{Mark, Service, ServiceMark};

/// Enough to tell the configurations of one host apart.
const HASH_BYTES: usize = 8;

/// What the command line of a gateway has, before and after it gives itself the title `openclaw-gateway`.
pub(crate) const GATEWAY_WORD: &str = "gateway";

/// OpenClaw's gateway, with this state directory.
pub(crate) fn gateway_command(
    program: &Path,
    state_dir: &Path,
    config_path: &Path,
    log: PathBuf,
    mark: ServiceMark,
) -> Service {
    let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let is_bare_name = program.components().count() == 1 && program.is_relative();
    let program = if is_bare_name {
        program.to_owned()
    } else {
        absolute(program)
    };
    let mut env: Vec<(OsString, OsString)> = vec![
        ("OPENCLAW_STATE_DIR".into(), absolute(state_dir).into()),
        ("OPENCLAW_CONFIG_PATH".into(), absolute(config_path).into()),
        // A host's gateway is found by its configuration, and by nobody on the network.
        ("OPENCLAW_DISABLE_BONJOUR".into(), "1".into()),
        // It would go on in another process otherwise, which nobody waits for.
        ("OPENCLAW_NO_RESPAWN".into(), "1".into()),
        // Who updates the host does.
        ("OPENCLAW_NO_AUTO_UPDATE".into(), "1".into()),
    ];
    env.extend(search_path(&program).map(|path| ("PATH".into(), path)));
    Service {
        args: vec!["gateway".into(), "run".into()],
        mark,
        program,
        env,
        log,
    }
}

/// What the gateway of this state directory is found by.
pub(super) fn gateway_mark(mark: &Mark, state_dir: &Path) -> ServiceMark {
    use std::os::unix::ffi::OsStrExt;
    let state_dir = state_dir.canonicalize().unwrap_or_else(|_| state_dir.to_owned());
    let hash = Sha256::digest(state_dir.as_os_str().as_bytes());
    mark.of_service(&format!("gateway-{}", hex::encode(&hash[..HASH_BYTES])))
}

/// PATH with the program's own folder first: npm puts the node that it needs beside it.
fn search_path(program: &Path) -> Option<OsString> {
    let beside = program.parent().filter(|folder| folder.is_absolute())?;
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::join_paths(std::iter::once(beside.to_owned()).chain(std::env::split_paths(&path))).ok()
}
