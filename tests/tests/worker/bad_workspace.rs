//! A disk that is full or cannot be written to, and folders that are somebody else's.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use crate::fixture::{SCOUT, SOON, Stage};
use crate::station::{Station, attempts};

/// A small disk in memory, unmounted with this value.
struct Disk {
    path: PathBuf,
}

impl Disk {
    /// None, with a printed reason, where this user may not mount.
    fn mount(path: &Path, options: &str) -> Option<Self> {
        fs::create_dir_all(path).expect("make a folder");
        let disk = Self {
            path: path.to_owned(),
        };
        if disk.mounted_with(options) {
            return Some(disk);
        }
        #[expect(clippy::print_stderr, reason = "a test that shows nothing says so")]
        {
            eprintln!("skipped: to mount a disk with {options} needs Linux and root");
        }
        std::mem::forget(disk);
        None
    }

    fn mounted_with(&self, options: &str) -> bool {
        let mut command = Command::new("mount");
        command
            .args(["-t", "tmpfs", "-o", options, "creel-test"])
            .arg(&self.path);
        command.output().is_ok_and(|output| output.status.success())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: a worker that is still being killed may have a folder open.
        let _unmounted = Command::new("umount").arg("--lazy").arg(&self.path).output();
    }
}

#[tokio::test]
async fn a_read_only_disk_is_named() {
    let stage = Stage::new().await;
    let station = stage.station().await;
    let Some(_disk) = Disk::mount(&station.home.workspaces(), "ro,size=64k") else {
        return;
    };
    let worker = station.start_with(&station.setup().allow("failed agent_provision_requests"));
    let id = stage.request(SCOUT).await;
    let error = stage.failed(id, SOON).await;
    assert_eq!(error["code"], json!("disk_read_only"));
    assert_eq!(attempts(&worker), [1], "waiting does not mend it");
    assert_eq!(station.calls_of("add"), 0);
    drop(worker);
}

#[tokio::test]
async fn a_full_disk_is_named_and_leaves_nothing_half_written() {
    let stage = Stage::new().await;
    stage.set_attempts(2).await;
    let station = stage.station().await;
    // Room for the marker and one document.
    let Some(disk) = Disk::mount(&station.home.workspaces(), "size=8k") else {
        return;
    };
    let worker = station.start_with(&station.setup().allow("failed agent_provision_requests"));
    let id = stage.request(SCOUT).await;
    let error = stage.failed(id, SOON).await;
    assert_eq!(error["code"], json!("disk_full"));
    assert_eq!(attempts(&worker), [1, 2]);
    assert_eq!(station.calls_of("add"), 0);

    assert!(disk.mounted_with("remount,size=4m"), "make room");
    stage.ask_as_owner(&format!("select redrive('{id}')")).await;
    stage.done(id).await;
    for name in ["SOUL.md", "USER.md", "IDENTITY.md", "MEMORY.md", "AGENTS.md"] {
        assert!(!station.file("scout", name).is_empty(), "{name} is whole");
    }
    drop(worker);
}

/// One request for a folder that is prepared by the test; answers the code of its error.
async fn refused_with(prepare: impl FnOnce(&Station)) -> (String, Station) {
    let stage = Stage::new().await;
    stage.set_attempts(2).await;
    let station = stage.station().await;
    fs::create_dir_all(station.home.workspaces()).expect("make a folder");
    prepare(&station);
    let _worker = station.start_with(&station.setup().allow("failed agent_provision_requests"));
    let id = stage.request(SCOUT).await;
    let error = stage.failed(id, SOON).await;
    assert_eq!(
        station.calls_of("add"),
        0,
        "OpenClaw is not led to a folder that is not ours"
    );
    (error["code"].as_str().expect("a code").to_owned(), station)
}

#[tokio::test]
async fn another_agents_workspace_is_left_alone() {
    let marker = json!({ "agent_id": uuid::Uuid::new_v4(), "project_id": "other", "agent_key": SCOUT });
    let (code, station) = refused_with(|station| {
        let folder = station.workspace("scout");
        fs::create_dir_all(folder.join(".creel")).expect("make a folder");
        fs::write(folder.join(".creel/agent.json"), marker.to_string()).expect("write a marker");
        fs::write(folder.join("SOUL.md"), "theirs").expect("write a file");
    })
    .await;
    assert_eq!(code, "workspace_taken");
    assert_eq!(station.marker("scout"), marker);
    let names: Vec<_> = fs::read_dir(station.workspace("scout"))
        .expect("list")
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    assert_eq!(names.len(), 2, "{names:?}");
    assert_eq!(station.file("scout", "SOUL.md"), "theirs");
}

#[tokio::test]
async fn a_folder_with_a_persons_files_is_left_alone() {
    let (code, station) = refused_with(|station| {
        fs::create_dir_all(station.workspace("scout")).expect("make a folder");
        fs::write(station.workspace("scout").join("thesis.txt"), "mine").expect("write a file");
    })
    .await;
    assert_eq!(code, "workspace_not_ours");
    assert_eq!(station.file("scout", "thesis.txt"), "mine");
    assert!(!station.workspace("scout").join(".creel").exists());
}

#[tokio::test]
async fn a_link_in_place_of_the_folder_is_not_followed() {
    let (code, station) = refused_with(|station| {
        let elsewhere = station.home.path().join("elsewhere");
        fs::create_dir_all(&elsewhere).expect("make a folder");
        std::os::unix::fs::symlink(elsewhere, station.workspace("scout")).expect("make a link");
    })
    .await;
    assert_eq!(code, "workspace_not_a_folder");
    let elsewhere = station.home.path().join("elsewhere");
    assert_eq!(
        fs::read_dir(elsewhere).expect("list").count(),
        0,
        "nothing is written through the link"
    );
}
