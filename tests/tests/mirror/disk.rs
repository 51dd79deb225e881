//! A disk that is full, that may not be written to, or a worker that is killed while it writes: the old text or the new
//! one, and never half of one.

use std::fs;
use std::io;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use creel_core::status::DocType;
use creel_worker::workspace::{DiskFaults, DiskStep, DocFile, NoFaults, Swapped, TextHash, Unfit, Workspace};

use crate::scene::{HostRows, Scene, kill, say, until_killed};

const STEPS: [DiskStep; 6] = [
    DiskStep::Begin,
    DiskStep::HalfWritten,
    DiskStep::Written,
    DiskStep::Checked,
    DiskStep::Displaced,
    DiskStep::Synced,
];

/// Fails once, at one step.
struct Once {
    at: DiskStep,
    kills: bool,
    kind: io::ErrorKind,
    done: AtomicBool,
}

impl Once {
    fn new(at: DiskStep, kills: bool, kind: io::ErrorKind) -> Arc<Self> {
        let done = AtomicBool::new(false);
        Arc::new(Self {
            at,
            kills,
            kind,
            done,
        })
    }
}

impl DiskFaults for Once {
    fn at(&self, step: DiskStep) -> io::Result<()> {
        if step != self.at || self.done.swap(true, Ordering::Relaxed) {
            return Ok(());
        }
        if self.kills {
            kill();
        }
        Err(self.kind.into())
    }
}

#[tokio::test]
async fn a_killed_worker_leaves_the_old_text_or_the_new_one() {
    let scene = Scene::new().await;
    let (old, new) = ("the old text\n".repeat(1_000), "the new text\n".repeat(2_000));
    for at in STEPS {
        let stand = scene.agent().await;
        stand.write("MEMORY.md", &old);
        stand.pass().await;
        stand.upsert(DocType::MemoryLong, &new).await;
        let rows = Arc::new(HostRows(stand.line.host.clone()));
        let mut mirror = stand.mirror_with(rows, Once::new(at, true, io::ErrorKind::Other));
        assert!(
            until_killed(mirror.pass(stand.wanted())).await.is_none(),
            "killed at {at:?}"
        );
        let now = stand.read("MEMORY.md");
        assert!(now == old || now == new, "{at:?}: {} bytes", now.len());
        stand.pass().await;
        assert_eq!(stand.read("MEMORY.md"), new, "{at:?}");
        assert_eq!(
            stand.row(DocType::MemoryLong).await.expect("a row").state,
            "synced"
        );
    }
}

#[tokio::test]
async fn a_disk_that_does_not_take_a_text_is_told_and_keeps_the_old_one() {
    let scene = Scene::new().await;
    for at in &STEPS[..4] {
        for (kind, said) in [
            (io::ErrorKind::StorageFull, "full"),
            (io::ErrorKind::QuotaExceeded, "quota"),
            (io::ErrorKind::PermissionDenied, "owner and mode"),
            (io::ErrorKind::ReadOnlyFilesystem, "read-only"),
            (io::ErrorKind::Other, "worker's log"),
        ] {
            let stand = scene.agent().await;
            stand.write("SOUL.md", "old\n");
            stand.pass().await;
            stand.upsert(DocType::Soul, "new\n").await;
            let rows = Arc::new(HostRows(stand.line.host.clone()));
            let mut mirror = stand.mirror_with(rows, Arc::new(Always(*at, kind)));
            let again = mirror.pass(stand.wanted()).await.expect("a pass");
            assert!(!again.is_empty(), "it is tried again");
            assert_eq!(stand.read("SOUL.md"), "old\n", "{at:?}");
            let row = stand.row(DocType::Soul).await.expect("a row");
            assert_eq!((row.state.as_str(), row.content.as_str()), ("blocked", "new\n"));
            assert!(
                row.note.as_ref().is_some_and(|note| note.contains(said)),
                "{kind}: {row:?}"
            );
            let left = fs::read_dir(stand.path(".creel")).expect("a listing").count();
            assert_eq!(left, 1, "only the mark is left");

            stand.pass().await;
            assert_eq!(stand.read("SOUL.md"), "new\n");
            assert_eq!(stand.row(DocType::Soul).await.expect("a row").state, "synced");
        }
    }
}

/// Fails each time at one step.
struct Always(DiskStep, io::ErrorKind);

impl DiskFaults for Always {
    fn at(&self, step: DiskStep) -> io::Result<()> {
        match step == self.0 {
            true => Err(self.1.into()),
            false => Ok(()),
        }
    }
}

/// A disk of its own, as small as it can be.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    /// None where this user may not mount.
    fn mount(size_kb: u32) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let size = format!("size={size_kb}k");
        let mounted = run(
            "mount",
            &[
                "-t",
                "tmpfs",
                "-o",
                &size,
                "tmpfs",
                &folder.path().to_string_lossy(),
            ],
        );
        mounted.then(|| Self(folder))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        run("umount", &["-l", &self.0.path().to_string_lossy()]);
    }
}

fn run(program: &str, arguments: &[&str]) -> bool {
    let run = std::process::Command::new(program)
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    run.is_ok_and(|status| status.success())
}

#[tokio::test]
async fn a_disk_that_is_really_full_keeps_the_old_text() {
    let Some(disk) = SmallDisk::mount(256) else {
        say("this user may not mount a disk: what a full one says is shown by its errors alone");
        return;
    };
    let scene = Scene::new().await;
    let mut stand = scene.agent().await;
    let there = disk.0.path().join("workspace");
    fs::create_dir(&there).expect("a folder");
    fs::create_dir(there.join(".creel")).expect("a folder");
    fs::copy(stand.path(".creel/agent.json"), there.join(".creel/agent.json")).expect("copy the mark");
    stand.agent.workspace = there;
    stand.write("SOUL.md", "old\n");
    stand.pass().await;
    let large = "words ".repeat(100_000);
    stand.upsert(DocType::Soul, &large).await;
    stand.pass().await;
    assert_eq!(stand.read("SOUL.md"), "old\n");
    let row = stand.row(DocType::Soul).await.expect("a row");
    assert_eq!(row.state, "blocked");
    assert!(row.note.is_some_and(|note| note.contains("full")));
    stand.upsert(DocType::Soul, "smaller\n").await;
    stand.pass().await;
    assert_eq!(stand.read("SOUL.md"), "smaller\n");
}

#[tokio::test]
async fn mode_and_owner_of_a_file_stay() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
    let scene = Scene::new().await;
    let stand = scene.agent().await;
    stand.write("SOUL.md", "old\n");
    fs::set_permissions(stand.path("SOUL.md"), fs::Permissions::from_mode(0o640)).expect("set the mode");
    // Only root may give a file away.
    let is_given = chown(stand.path("SOUL.md"), Some(12_345), Some(12_346)).is_ok();
    stand.pass().await;
    stand.upsert(DocType::Soul, "new\n").await;
    stand.pass().await;
    assert_eq!(stand.read("SOUL.md"), "new\n");
    let found = fs::metadata(stand.path("SOUL.md")).expect("there");
    assert_eq!(found.permissions().mode() & 0o777, 0o640);
    if is_given {
        assert_eq!((found.uid(), found.gid()), (12_345, 12_346));
    }
}

#[tokio::test]
async fn a_file_that_changed_since_it_was_read_is_not_written_over() {
    let scene = Scene::new().await;
    let stand = scene.agent().await;
    stand.write("SOUL.md", "changed\n");
    let workspace = Workspace::reopen(&stand.agent.workspace, &stand.agent.owner).expect("open");
    let soul = DocFile::Named("SOUL.md");
    let swap = |before: &str| workspace.swap(soul, TextHash::of(before), "new\n", &NoFaults);
    assert_eq!(swap("as it was\n"), Swapped::Changed);
    assert_eq!(swap(""), Swapped::Changed);
    assert_eq!(stand.read("SOUL.md"), "changed\n");
    assert_eq!(swap("changed\n"), Swapped::Done);
    fs::remove_file(stand.path("SOUL.md")).expect("remove");
    assert_eq!(swap("new\n"), Swapped::Changed);
    assert_eq!(swap(""), Swapped::Done);
    fs::write(stand.path("SOUL.md"), "").expect("write");
    assert_eq!(swap(""), Swapped::Done);
    fs::remove_file(stand.path("SOUL.md")).expect("remove");
    fs::create_dir(stand.path("SOUL.md")).expect("a folder");
    assert_eq!(swap(""), Swapped::Unfit(Unfit::Folder));
}

/// Appends to a file that it opened before the file was displaced.
struct LateWriter {
    soul: std::path::PathBuf,
    open: std::sync::Mutex<Option<fs::File>>,
}

impl DiskFaults for LateWriter {
    fn at(&self, step: DiskStep) -> io::Result<()> {
        use std::io::Write;
        let mut open = self.open.lock().expect("no holder of this lock panics");
        match step {
            DiskStep::Checked => *open = Some(fs::OpenOptions::new().append(true).open(&self.soul)?),
            DiskStep::Synced => {
                if let Some(mut file) = open.take() {
                    file.write_all(b"late words\n")?;
                }
            }
            _ => {}
        }
        Ok(())
    }
}

#[tokio::test]
async fn who_writes_into_a_file_that_was_just_displaced_is_heard() {
    let scene = Scene::new().await;
    let stand = scene.agent().await;
    stand.write("SOUL.md", "old\n");
    stand.pass().await;
    stand.upsert(DocType::Soul, "old\nof the page\n").await;
    let faults = LateWriter {
        soul: stand.path("SOUL.md"),
        open: std::sync::Mutex::default(),
    };
    let rows = Arc::new(HostRows(stand.line.host.clone()));
    let mut mirror = stand.mirror_with(rows, Arc::new(faults));
    mirror.pass(stand.wanted()).await.expect("a pass");
    assert_eq!(stand.read("SOUL.md"), "old\nof the page\n");
    stand.pass().await;
    let row = stand.row(DocType::Soul).await.expect("a row");
    assert_eq!(
        (row.content.as_str(), row.state.as_str()),
        ("old\nlate words\n", "synced")
    );
    assert_eq!(stand.read("SOUL.md"), "old\nlate words\n");
    let conflicts = stand.events("doc.conflict").await;
    assert_eq!(conflicts.len(), 1);
    let named = conflicts[0]["detail"]["conflict_version"].as_i64();
    let versions = stand.versions().await;
    let other = versions
        .iter()
        .find(|version| Some(i64::from(version.version)) == named);
    assert_eq!(other.expect("it is there").content, "old\nof the page\n");
}
