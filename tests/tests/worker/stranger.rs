//! Somebody else on the gateway's port.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use creel_tests::cluster::built_program;
use creel_tests::wait::eventually;
use serde_json::json;

use crate::beside::{TOKEN, write_config};
use crate::fixture::{SCOUT, SOON, Stage};

/// `nobody`, on Linux and on a Mac as good as any other that is not us.
const NOBODY: u32 = 65_534;

/// A process of another user that listens on a port; killed when this is dropped.
struct Stranger {
    child: Child,
    heard: PathBuf,
    _folder: tempfile::TempDir,
}

impl Stranger {
    async fn on(port: u16, user: u32) -> Self {
        let folder = tempfile::tempdir().expect("make a folder");
        // The other user may not be allowed to where it was built.
        let open = |path: &std::path::Path| {
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("let others in");
        };
        open(folder.path());
        let program = folder.path().join("stranger");
        fs::copy(built_program("openclaw-stand-in").expect("it is built"), &program).expect("copy it");
        open(&program);
        let heard = folder.path().join("heard");
        let child = Command::new(&program)
            .args(["stranger", &port.to_string()])
            .env_clear()
            .uid(user)
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(fs::File::create(&heard).expect("make a file"))
            .stderr(Stdio::inherit())
            .spawn()
            .expect("start the stranger");
        let stranger = Self {
            child,
            heard,
            _folder: folder,
        };
        eventually("the stranger listens", SOON, async || {
            stranger.heard().contains("listening")
        })
        .await;
        stranger
    }

    fn heard(&self) -> String {
        fs::read_to_string(&self.heard).expect("read what it heard")
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        // It may be gone already.
        let _gone = self.child.kill();
        let _status = self.child.wait();
    }
}

#[tokio::test]
async fn a_process_of_another_user_on_the_gateways_port_gets_no_token() {
    if !rustix::process::geteuid().is_root() {
        return skipped();
    }
    let stage = Stage::new().await;
    let station = stage.station().await;
    let port = write_config(&station);
    let stranger = Stranger::on(port, NOBODY).await;
    let _worker = station.start_with(&station.setup().allow("gateway"));
    let id = stage.request(SCOUT).await;
    let row = stage.done(id).await;
    let heard = stranger.heard();
    assert!(!heard.contains(TOKEN), "{heard}");
    assert!(
        !heard.to_ascii_lowercase().contains("\"connect\""),
        "nobody introduces itself: {heard}"
    );
    assert_eq!(station.agents()["scout"]["identity"]["name"], json!("Scout"));
    assert_eq!(station.calls_of("add"), 1, "the command line made it");
    assert_eq!(row["result"]["served"], json!(false), "a stranger serves nobody");
}

/// Otherwise the test above would show nothing.
#[tokio::test]
async fn the_same_process_of_our_own_user_would_get_it() {
    let stage = Stage::new().await;
    let station = stage.station().await;
    let port = write_config(&station);
    let stranger = Stranger::on(port, rustix::process::geteuid().as_raw()).await;
    let _worker = station.start_with(&station.setup().allow("gateway"));
    stage.request(SCOUT).await;
    eventually("it is told the token", SOON, async || {
        stranger.heard().contains(TOKEN)
    })
    .await;
}

#[expect(clippy::print_stderr, reason = "whoever runs the tests is to see it")]
fn skipped() {
    eprintln!("skipped: only root may start a process of another user");
}
