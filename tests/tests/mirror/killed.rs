//! A worker that is killed between the disk and the row, also on a disk that cannot let two files change places in one
//! step.

use std::fs;

use creel_core::status::DocType;
use creel_worker::workspace::TextHash;
use serde_json::json;

use crate::scene::Scene;

#[tokio::test]
async fn a_document_that_was_left_with_two_names_gets_one_again() {
    let scene = Scene::new().await;
    let (old, new) = ("old\n", "new\n");
    let displaced = |id: u32| {
        let (before, after) = (TextHash::of(old), TextHash::of(new));
        format!(".creel/SOUL.md~{before}~{after}~{id}.displaced")
    };
    // Of what was to be displaced, and of what has displaced nothing.
    for on_disk in [old, new] {
        let stand = scene.agent().await;
        stand.write("SOUL.md", old);
        stand.pass().await;
        stand.upsert(DocType::Soul, new).await;
        stand.write("SOUL.md", on_disk);
        fs::hard_link(stand.path("SOUL.md"), stand.path(&displaced(1))).expect("a second name");
        stand.write(&displaced(2), new);
        stand.pass().await;
        let row = stand.row(DocType::Soul).await.expect("a row");
        assert_eq!(
            (row.state.as_str(), row.content.as_str()),
            ("synced", new),
            "{row:?}"
        );
        assert_eq!(stand.read("SOUL.md"), new);
        assert!(!stand.path(&displaced(1)).exists());
    }
}

#[tokio::test]
async fn a_text_that_was_erased_after_it_came_to_the_disk_goes_from_there() {
    let scene = Scene::new().await;
    let stand = scene.agent().await;
    stand.write("SOUL.md", "old\n");
    stand.pass().await;
    stand.upsert(DocType::Soul, "a pasted secret\n").await;
    // It is written, and the worker dies before it says so.
    stand.write("SOUL.md", "a pasted secret\n");
    stand.call("erase_doc", DocType::Soul, json!({})).await;
    stand.pass().await;
    stand.pass().await;
    let row = stand.row(DocType::Soul).await.expect("a row");
    assert_eq!(
        (row.state.as_str(), row.content.as_str()),
        ("synced", ""),
        "{row:?}"
    );
    assert_eq!(stand.read("SOUL.md"), "");
}
