//! What happens to files on a host where nobody looks: agents deleted by hand, folders moved, backups restored, templates
//! written over words, midnight.

use std::fs;
use std::time::Duration;

use creel_core::status::DocType;
use creel_worker::mirror::Wanted;
use jiff::civil::date;
use serde_json::json;

use crate::scene::Scene;

#[tokio::test]
async fn a_restored_backup_is_a_version_that_says_so() {
    let scene = Scene::new().await;
    let stand = scene.agent().await;
    for text in ["first\n", "first\nsecond\n", "first\nsecond\nthird\n"] {
        stand.write("MEMORY.md", text);
        stand.pass().await;
    }
    stand.write("MEMORY.md", "first\n");
    stand.pass().await;
    let row = stand.row(DocType::MemoryLong).await.expect("a row");
    assert_eq!((row.content.as_str(), row.version), ("first\n", 4));
    let versions = stand.versions().await;
    assert_eq!(versions[3].reason.as_deref(), Some("went_back"));
    assert_eq!(versions[2].content, "first\nsecond\nthird\n");
}

#[tokio::test]
async fn a_restored_backup_does_not_take_what_a_person_wrote_since() {
    let scene = Scene::new().await;
    let stand = scene.agent().await;
    for text in ["first\n", "first\nsecond\n"] {
        stand.write("MEMORY.md", text);
        stand.pass().await;
    }
    stand
        .upsert(DocType::MemoryLong, "first\nsecond\nof a person\n")
        .await;
    stand.write("MEMORY.md", "first\n");
    stand.pass().await;
    stand.pass().await;
    assert_eq!(
        stand.read("MEMORY.md"),
        stand.row(DocType::MemoryLong).await.expect("a row").content
    );
    let conflicts = stand.events("doc.conflict").await;
    assert_eq!(conflicts.len(), 1, "{conflicts:?}");
    let named = conflicts[0]["detail"]["conflict_version"]
        .as_i64()
        .expect("a version");
    let versions = stand.versions().await;
    let lost = versions
        .iter()
        .find(|version| i64::from(version.version) == named)
        .expect("it is there");
    assert!(lost.content.contains("of a person"), "{versions:?}");
}

#[tokio::test]
async fn a_file_that_is_deleted_is_held_until_a_person_decides() {
    let scene = Scene::new().await;
    for (take, wanted) in [("page", "words\n"), ("disk", "")] {
        let stand = scene.agent().await;
        stand.write("SOUL.md", "words\n");
        stand.pass().await;
        fs::remove_file(stand.path("SOUL.md")).expect("remove");
        for _ in 0..3 {
            stand.pass().await;
        }
        let row = stand.row(DocType::Soul).await.expect("a row");
        assert_eq!(
            (row.state.as_str(), row.content.as_str()),
            ("held", "words\n"),
            "{row:?}"
        );
        assert!(!stand.path("SOUL.md").exists());
        assert_eq!(stand.events("doc.held").await.len(), 1);
        assert_eq!(stand.versions().await.len(), 2, "the same is held once");
        stand
            .call("resolve_doc", DocType::Soul, json!({ "take": take }))
            .await;
        stand.pass().await;
        assert_eq!(stand.read("SOUL.md"), wanted);
        let row = stand.row(DocType::Soul).await.expect("a row");
        assert_eq!(
            (row.state.as_str(), row.content.as_str()),
            ("synced", wanted),
            "{row:?}"
        );
    }
}

#[tokio::test]
async fn words_over_what_is_held_end_it() {
    let scene = Scene::new().await;
    let stand = scene.agent().await;
    stand.write("SOUL.md", "words\n");
    stand.pass().await;
    fs::write(stand.path("SOUL.md"), "").expect("write");
    stand.pass().await;
    stand.upsert(DocType::Soul, "words of a person\n").await;
    stand.pass().await;
    assert_eq!(stand.read("SOUL.md"), "words of a person\n");

    fs::write(stand.path("SOUL.md"), "").expect("write");
    stand.pass().await;
    stand.write("SOUL.md", "words of the agent\n");
    stand.pass().await;
    let row = stand.row(DocType::Soul).await.expect("a row");
    assert_eq!(
        (row.state.as_str(), row.content.as_str()),
        ("synced", "words of the agent\n"),
        "{row:?}"
    );
}

#[tokio::test]
async fn a_folder_that_is_away_blocks_its_documents_and_holds_none() {
    let scene = Scene::new().await;
    let stand = scene.agent().await;
    stand.write("SOUL.md", "words\n");
    stand.write("MEMORY.md", "memories\n");
    stand.pass().await;
    let away = stand.agent.workspace.with_extension("away");
    fs::rename(&stand.agent.workspace, &away).expect("move");
    stand.upsert(DocType::Soul, "words of a person\n").await;
    stand.pass().await;
    for row in stand.rows().await.values() {
        assert_eq!(
            (row.state.as_str(), row.held_version),
            ("blocked", None),
            "{row:?}"
        );
        assert!(
            row.note
                .as_ref()
                .is_some_and(|note| note.contains("there is no folder")),
            "{row:?}"
        );
    }
    assert!(!stand.agent.workspace.exists(), "nothing is made in its place");
    fs::rename(&away, &stand.agent.workspace).expect("move");
    stand.pass().await;
    assert_eq!(stand.read("SOUL.md"), "words of a person\n");
    // Without its mark it is somebody else's.
    fs::remove_file(stand.path(".creel/agent.json")).expect("remove");
    stand.pass().await;
    let row = stand.row(DocType::MemoryLong).await.expect("a row");
    assert!(
        row.note
            .is_some_and(|note| note.contains("files that Creel did not put there"))
    );
}

#[tokio::test]
async fn midnight_moves_on_and_keeps_what_is_written_late() {
    let scene = Scene::new().await;
    let stand = scene.agent().await;
    stand.write("memory/2026-11-21.md", "on the day\n");
    stand.pass().await;
    stand
        .upsert(DocType::MemoryToday, "on the day\nof a person, shortly before\n")
        .await;
    stand.clock.0.lock().expect("unlocked").0 = "2026-11-22T00:00:01Z".parse().expect("a time");
    stand.pass().await;
    assert_eq!(
        stand.read("memory/2026-11-21.md"),
        "on the day\nof a person, shortly before\n"
    );
    let row = stand.row(DocType::MemoryToday).await.expect("a row");
    assert_eq!(
        (row.day, row.content.as_str(), row.state.as_str()),
        (Some(date(2026, 11, 22)), "", "synced")
    );
    assert_eq!(stand.events("doc.held").await.len(), 0);

    let late = "on the day\nof a person, shortly before\nof the agent, shortly after\n";
    stand.write("memory/2026-11-21.md", late);
    stand.write("memory/2026-11-22.md", "a new day\n");
    stand.pass().await;
    let row = stand.row(DocType::MemoryToday).await.expect("a row");
    assert_eq!(row.content, "a new day\n");
    let versions = stand.versions().await;
    let kept = versions
        .iter()
        .find(|version| version.content == late)
        .expect("it is kept");
    assert_eq!(
        (kept.reason.as_deref(), kept.day.as_deref()),
        (Some("earlier_day"), Some("2026-11-21"))
    );
    assert!(kept.side);

    // The clock was wrong.
    stand.clock.0.lock().expect("unlocked").0 = "2026-11-21T23:00:00Z".parse().expect("a time");
    stand.pass().await;
    let row = stand.row(DocType::MemoryToday).await.expect("a row");
    assert_eq!((row.day, row.content.as_str()), (Some(date(2026, 11, 21)), late));
    assert_eq!(stand.read("memory/2026-11-22.md"), "a new day\n");
}

/// A look that trusts a file's times would not see it.
#[tokio::test]
async fn a_change_that_keeps_size_and_time_is_seen() {
    let scene = Scene::new().await;
    let stand = scene.agent().await;
    stand.write("SOUL.md", "one\n");
    let path = stand.path("SOUL.md");
    let changed_long_ago = || {
        use std::os::unix::fs::MetadataExt;
        let changed = fs::metadata(&path).expect("there").ctime();
        jiff::Timestamp::now().as_second() - changed > 3
    };
    let mut mirror = stand.mirror();
    mirror.pass(stand.wanted()).await.expect("a pass");
    creel_tests::wait::eventually("the disk's clock moves on", Duration::from_secs(30), async || {
        changed_long_ago()
    })
    .await;
    // From now on it is known by its looks.
    mirror.pass(stand.wanted()).await.expect("a pass");
    let time = fs::metadata(&path).expect("there").modified().expect("a time");
    fs::write(&path, "two\n").expect("write");
    let file = fs::File::options().write(true).open(&path).expect("open");
    file.set_modified(time).expect("set the time");
    let wanted = stand.wanted().into_iter().map(|wanted| Wanted {
        rows_changed: false,
        ..wanted
    });
    mirror.pass(wanted.collect()).await.expect("a pass");
    assert_eq!(stand.row(DocType::Soul).await.expect("a row").content, "two\n");
}

#[tokio::test]
async fn a_workspace_that_is_made_again_gets_its_day_back() {
    let scene = Scene::new().await;
    let mut stand = scene.agent().await;
    stand.write("memory/2026-11-21.md", "of today\n");
    stand.pass().await;
    let again = stand.agent.workspace.with_extension("again");
    fs::create_dir_all(again.join(".creel")).expect("a folder");
    fs::copy(stand.path(".creel/agent.json"), again.join(".creel/agent.json")).expect("copy the mark");
    stand.agent.workspace = again;
    stand.pass().await;
    assert_eq!(stand.read("memory/2026-11-21.md"), "of today\n");
    let row = stand.row(DocType::MemoryToday).await.expect("a row");
    assert_eq!(
        (row.state.as_str(), row.content.as_str()),
        ("synced", "of today\n"),
        "{row:?}"
    );
    // What is deleted later is held.
    stand.write("memory/notes.md", "notes\n");
    fs::remove_file(stand.path("memory/2026-11-21.md")).expect("remove");
    stand.pass().await;
    assert_eq!(
        stand.row(DocType::MemoryToday).await.expect("a row").state,
        "held"
    );
}
