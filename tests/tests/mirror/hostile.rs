//! Files that somebody put there to be led astray by: nothing outside is read or written, nothing hangs, and each is told.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::sync::Arc;
use std::time::Duration;

use creel_core::status::DocType;
use creel_worker::workspace::{DiskFaults, DiskStep};
use rustix::fs::{FileType, Mode, mknodat};

use crate::scene::{HostRows, Scene, Stand};

/// A hang is longer than this on any machine.
const HANGS: Duration = Duration::from_secs(60);

async fn pass(stand: &Stand) {
    tokio::time::timeout(HANGS, stand.pass())
        .await
        .expect("nothing hangs");
}

/// Puts something in the place of `SOUL.md`, and answers what the row says of it.
async fn note_of(scene: &Scene, put: impl FnOnce(&Stand)) -> (Stand, String) {
    let stand = scene.agent().await;
    stand.upsert(DocType::Soul, "words of the page\n").await;
    put(&stand);
    pass(&stand).await;
    let row = stand.row(DocType::Soul).await.expect("a row");
    assert_eq!(row.state, "blocked", "{row:?}");
    assert_eq!(row.content, "words of the page\n");
    let note = row.note.expect("a note");
    assert!(note.contains("SOUL.md"), "{note}");

    // It is put right, and the words of the page get there.
    let soul = stand.path("SOUL.md");
    let removed = if soul.is_dir() && !soul.is_symlink() {
        fs::remove_dir(&soul)
    } else {
        fs::remove_file(&soul)
    };
    removed.expect("remove it");
    pass(&stand).await;
    assert_eq!(stand.read("SOUL.md"), "words of the page\n");
    assert_eq!(stand.row(DocType::Soul).await.expect("a row").state, "synced");
    (stand, note)
}

fn make_node(stand: &Stand, kind: FileType, device: u64) {
    let folder = fs::File::open(&stand.agent.workspace).expect("open");
    mknodat(&folder, "SOUL.md", kind, Mode::RUSR | Mode::WUSR, device).expect("make a node");
}

#[tokio::test]
async fn what_is_no_plain_file_is_told_and_left_alone() {
    let scene = Scene::new().await;
    let outside = tempfile::tempdir().expect("a folder");
    let secret = outside.path().join("secret");
    fs::write(&secret, "a secret outside\n").expect("write");

    for target in ["/etc/passwd", "/dev/zero", "/nowhere", "../..", "SOUL.md"] {
        let (stand, note) = note_of(&scene, |stand| {
            symlink(target, stand.path("SOUL.md")).expect("link")
        })
        .await;
        assert!(note.contains("symbolic link"), "{target}: {note}");
        let versions = stand.versions().await;
        assert!(
            versions.iter().all(|version| !version.content.contains("root:")),
            "{versions:?}"
        );
    }
    let (_, note) = note_of(&scene, |stand| {
        fs::create_dir(stand.path("SOUL.md")).expect("a folder")
    })
    .await;
    assert!(note.contains("is a folder"), "{note}");
    let (_, note) = note_of(&scene, |stand| make_node(stand, FileType::Fifo, 0)).await;
    assert!(note.contains("a pipe, a socket or a device"), "{note}");
    let (_, note) = note_of(&scene, |stand| {
        let socket = std::os::unix::net::UnixListener::bind(stand.path("SOUL.md"));
        drop(socket.expect("a socket"));
    })
    .await;
    assert!(note.contains("a pipe, a socket or a device"), "{note}");
    let (stand, note) = note_of(&scene, |stand| {
        fs::hard_link(&secret, stand.path("SOUL.md"))
            .or_else(|_| {
                let beside = stand.path("beside");
                fs::write(&beside, "a secret outside\n")?;
                fs::hard_link(beside, stand.path("SOUL.md"))
            })
            .expect("a hard link");
    })
    .await;
    assert!(note.contains("hard link"), "{note}");
    let versions = stand.versions().await;
    assert!(
        versions.iter().all(|version| !version.content.contains("secret")),
        "{versions:?}"
    );
    assert_eq!(fs::read_to_string(&secret).expect("read"), "a secret outside\n");
}

#[tokio::test]
async fn what_is_no_text_of_a_row_is_told_and_left_alone() {
    let scene = Scene::new().await;
    for (content, said) in [
        (vec![b'x'; (1 << 20) + 1], "larger than 1 MB"),
        (b"caf\xe9\n".to_vec(), "not UTF-8"),
        (b"a\0b\n".to_vec(), "NUL"),
    ] {
        let (_, note) = note_of(&scene, |stand| {
            fs::write(stand.path("SOUL.md"), &content).expect("write");
        })
        .await;
        assert!(note.contains(said), "{note}");
    }
    let stand = scene.agent().await;
    let most = "y".repeat(1 << 20);
    stand.write("SOUL.md", &most);
    pass(&stand).await;
    assert_eq!(stand.row(DocType::Soul).await.expect("a row").content, most);
    // A hole of a terabyte is not read.
    let file = fs::File::create(stand.path("SOUL.md")).expect("make");
    file.set_len(1 << 40).expect("a hole");
    pass(&stand).await;
    let row = stand.row(DocType::Soul).await.expect("a row");
    assert!(row.note.is_some_and(|note| note.contains("larger than 1 MB")));
    assert_eq!(row.content, most);
}

#[tokio::test]
async fn a_device_is_neither_read_nor_written() {
    let scene = Scene::new().await;
    let stand = scene.agent().await;
    stand.upsert(DocType::Soul, "words\n").await;
    let folder = fs::File::open(&stand.agent.workspace).expect("open");
    // /dev/zero; only root may make one, and not in every container.
    let device = rustix::fs::makedev(1, 5);
    if mknodat(&folder, "SOUL.md", FileType::CharacterDevice, Mode::RUSR, device).is_err() {
        return;
    }
    pass(&stand).await;
    let row = stand.row(DocType::Soul).await.expect("a row");
    assert!(row.note.is_some_and(|note| note.contains("a device")));
}

#[tokio::test]
async fn a_folder_of_days_that_leads_elsewhere_is_not_followed() {
    let scene = Scene::new().await;
    let stand = scene.agent().await;
    let outside = tempfile::tempdir().expect("a folder");
    fs::write(outside.path().join("2026-11-21.md"), "outside\n").expect("write");
    symlink(outside.path(), stand.path("memory")).expect("link");
    stand.upsert(DocType::MemoryToday, "words\n").await;
    pass(&stand).await;
    pass(&stand).await;
    let row = stand.row(DocType::MemoryToday).await.expect("a row");
    assert_eq!(
        (row.state.as_str(), row.content.as_str()),
        ("blocked", "words\n"),
        "{row:?}"
    );
    assert!(row.note.is_some_and(|note| note.contains("memory is no folder")));
    let outside = outside.path().join("2026-11-21.md");
    assert_eq!(fs::read_to_string(outside).expect("read"), "outside\n");
}

#[tokio::test]
async fn ten_thousand_files_and_strange_names_hold_nothing_up() {
    let scene = Scene::new().await;
    let stand = scene.agent().await;
    for n in 0..10_000 {
        stand.write(&format!("memory/note-{n}.md"), "no day\n");
    }
    for name in [
        &b"new\nline.md"[..],
        b"not-\xff-utf8.md",
        b"2026-11-20.md\n",
        b".creel",
        b"2026-99-99.md",
    ] {
        fs::write(stand.path("memory").join(OsStr::from_bytes(name)), "strange\n").expect("write");
    }
    stand.write("memory/2026-11-21.md", "today\n");
    pass(&stand).await;
    assert_eq!(
        stand.row(DocType::MemoryToday).await.expect("a row").content,
        "today\n"
    );
    // The next day they are looked through for days in between.
    stand.write("memory/2026-11-22.md", "a day that nobody was there\n");
    stand.clock.0.lock().expect("unlocked").0 = "2026-11-23T10:00:00Z".parse().expect("a time");
    pass(&stand).await;
    let row = stand.row(DocType::MemoryToday).await.expect("a row");
    assert_eq!(
        (row.content.as_str(), row.state.as_str()),
        ("", "synced"),
        "{row:?}"
    );
    let versions = stand.versions().await;
    let kept = |text: &str| versions.iter().any(|version| version.content == text);
    assert!(
        kept("today\n") && kept("a day that nobody was there\n"),
        "{versions:?}"
    );
    assert!(!kept("strange\n") && !kept("no day\n"), "{versions:?}");
}

/// Puts a link to a file outside where the document is, at one point of its being replaced.
struct Swapper {
    at: DiskStep,
    soul: std::path::PathBuf,
    outside: std::path::PathBuf,
}

impl DiskFaults for Swapper {
    fn at(&self, step: DiskStep) -> std::io::Result<()> {
        if step == self.at && !self.soul.is_symlink() {
            fs::remove_file(&self.soul)?;
            symlink(&self.outside, &self.soul)?;
        }
        Ok(())
    }
}

#[tokio::test]
async fn a_file_that_is_swapped_for_a_link_between_two_looks_leads_nowhere() {
    let scene = Scene::new().await;
    let outside = tempfile::tempdir().expect("a folder");
    let secret = outside.path().join("secret");
    fs::write(&secret, "a secret outside\n").expect("write");
    for at in [
        DiskStep::Begin,
        DiskStep::Written,
        DiskStep::Checked,
        DiskStep::Displaced,
    ] {
        let stand = scene.agent().await;
        stand.write("SOUL.md", "of the agent\n");
        pass(&stand).await;
        stand.upsert(DocType::Soul, "of the page\n").await;
        let faults = Swapper {
            at,
            soul: stand.path("SOUL.md"),
            outside: secret.clone(),
        };
        let rows = Arc::new(HostRows(stand.line.host.clone()));
        let mut mirror = stand.mirror_with(rows, Arc::new(faults));
        mirror.pass(stand.wanted()).await.expect("a pass");
        pass(&stand).await;
        assert_eq!(
            fs::read_to_string(&secret).expect("read"),
            "a secret outside\n",
            "{at:?}"
        );
        let versions = stand.versions().await;
        assert!(
            versions.iter().all(|version| !version.content.contains("secret")),
            "{at:?}: {versions:?}"
        );
        let row = stand.row(DocType::Soul).await.expect("a row");
        assert_eq!(row.content, "of the page\n", "{at:?}");
    }
}

#[tokio::test]
async fn the_mark_of_another_agent_is_respected() {
    let scene = Scene::new().await;
    let (one, other) = (scene.agent().await, scene.agent().await);
    one.write("SOUL.md", "of the one\n");
    other.upsert(DocType::Soul, "of the other\n").await;
    pass(&one).await;
    // The other's folder is the one's by now.
    fs::remove_dir_all(&other.agent.workspace).expect("remove");
    fs::rename(&one.agent.workspace, &other.agent.workspace).expect("move");
    pass(&other).await;
    let row = other.row(DocType::Soul).await.expect("a row");
    assert!(
        row.note
            .is_some_and(|note| note.contains("belongs to another agent"))
    );
    assert_eq!(row.content, "of the other\n");
    assert_eq!(other.read("SOUL.md"), "of the one\n");
    // And a link to it is no folder.
    symlink(&other.agent.workspace, &one.agent.workspace).expect("link");
    pass(&one).await;
    let row = one.row(DocType::Soul).await.expect("a row");
    assert_eq!(row.state, "blocked", "{row:?}");
}
