//! Disks that are full, read-only or forbidden.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::json;

use crate::support::{Host, row, skipped};

/// A small disk in memory; given back when this is dropped.
struct Disk(PathBuf);

impl Disk {
    /// None, with a printed reason, where tests may not mount.
    fn mount(path: &Path, options: &str) -> Option<Self> {
        std::fs::create_dir_all(path).expect("make the folder");
        let mut command = Command::new("mount");
        command
            .args(["-t", "tmpfs", "-o", options, "creel-test"])
            .arg(path)
            .stderr(Stdio::null());
        if command.status().is_ok_and(|status| status.success()) {
            return Some(Self(path.to_owned()));
        }
        skipped("only root on Linux may mount a small disk");
        None
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // The folder cannot be removed otherwise, which the next line of the test's output tells.
        let _unmounted = Command::new("umount").arg(&self.0).status();
    }
}

#[tokio::test]
async fn a_full_disk_is_told_and_nothing_half_is_left() {
    let host = Host::new();
    let Some(_disk) = Disk::mount(&host.workspaces(), "size=16k") else {
        return;
    };
    std::fs::write(host.workspaces().join("filler"), vec![0; 12 << 10]).expect("fill most of it");
    let failure = host.failure(&row(json!({}))).await;
    assert_eq!((failure.code, failure.retry), ("disk_full", true), "{failure:?}");
    assert_eq!(host.calls("add"), 0);
    let left = ["SOUL.md", "USER.md", "IDENTITY.md", "MEMORY.md"]
        .map(|name| host.workspaces().join("scout").join(name));
    for path in left.iter().filter(|path| path.exists()) {
        assert!(
            path.metadata().expect("it is there").len() > 0,
            "{} is empty",
            path.display()
        );
    }
    std::fs::remove_file(host.workspaces().join("filler")).expect("free some space");
    std::fs::create_dir_all(host.state_dir()).expect("make the state directory");
    let rows = creel_worker::job::MemoryRows::new(Vec::new());
    let result = host.provision(&row(json!({})), &rows).await;
    // Sixteen kilobytes may still be too few for all files; what matters is that it is a clear answer.
    assert!(
        matches!(result, Ok(_) | Err(creel_worker::job::JobError::Failed(_))),
        "{result:?}"
    );
}

#[tokio::test]
async fn a_read_only_disk_is_told() {
    let host = Host::new();
    let Some(_disk) = Disk::mount(&host.workspaces(), "size=16k,ro") else {
        return;
    };
    let failure = host.failure(&row(json!({}))).await;
    assert_eq!(
        (failure.code, failure.retry),
        ("disk_read_only", false),
        "{failure:?}"
    );
}

#[tokio::test]
async fn a_folder_that_the_worker_may_not_use_is_told() {
    if rustix::process::geteuid().is_root() {
        skipped("root may use every folder");
        return;
    }
    let host = Host::new();
    std::fs::create_dir_all(host.workspaces()).expect("make the folder");
    std::fs::set_permissions(host.workspaces(), PermissionsExt::from_mode(0o500)).expect("forbid");
    let failure = host.failure(&row(json!({}))).await;
    assert_eq!(
        (failure.code, failure.retry),
        ("workspace_denied", false),
        "{failure:?}"
    );
}
