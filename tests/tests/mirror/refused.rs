//! What no row takes: it is said, nothing is lost, and it is not tried without end.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use creel_core::host_api::{
    FetchDocsReply, FetchDocsRequest, ListDocsReply, ListDocsRequest, PutDocsReply, PutDocsRequest,
};
use creel_core::status::DocType;
use creel_worker::mirror::{Rows, Wanted};
use creel_worker::workspace::NoFaults;

use crate::scene::{HostRows, Scene};

#[tokio::test]
async fn a_merge_that_no_row_can_hold_is_a_conflict() {
    let scene = Scene::new().await;
    let stand = scene.agent().await;
    stand.write("MEMORY.md", "one\ntwo\nthree\n");
    stand.pass().await;
    let of_disk = format!("{}\none\ntwo\nthree\n", "d".repeat(580_000));
    let of_page = format!("one\ntwo\nthree\n{}\n", "p".repeat(580_000));
    stand.upsert(DocType::MemoryLong, &of_page).await;
    stand.write("MEMORY.md", &of_disk);
    stand.pass().await;
    let row = stand.row(DocType::MemoryLong).await.expect("a row");
    assert_eq!(row.state, "synced", "{:?}", row.note);
    assert!(row.content == of_disk, "the row has the disk's text");
    let conflicts = stand.events("doc.conflict").await;
    assert_eq!(conflicts.len(), 1);
    let named = conflicts[0]["detail"]["conflict_version"].as_i64();
    let versions = stand.versions().await;
    let other = versions
        .iter()
        .find(|version| Some(i64::from(version.version)) == named);
    assert!(
        other.expect("it is there").content == of_page,
        "the page's text is kept"
    );
}

/// Counts what is told.
struct Counting(HostRows, AtomicUsize);

#[async_trait]
impl Rows for Counting {
    async fn list(&self, request: &ListDocsRequest) -> anyhow::Result<ListDocsReply> {
        self.0.list(request).await
    }

    async fn fetch(&self, request: &FetchDocsRequest) -> anyhow::Result<FetchDocsReply> {
        self.0.fetch(request).await
    }

    async fn put(&self, request: &PutDocsRequest) -> anyhow::Result<PutDocsReply> {
        self.1.fetch_add(request.changes.len(), Ordering::Relaxed);
        self.0.put(request).await
    }
}

#[tokio::test]
async fn what_was_refused_is_not_told_again_until_something_changes() {
    let scene = Scene::new().await;
    let stand = scene.agent().await;
    stand.write("SOUL.md", "words\n");
    stand.pass().await;
    stand
        .line
        .admin
        .execute("update creel.settings set max_doc_bytes_per_project = 100", &[])
        .await
        .expect("lower the limit");
    let rows = Arc::new(Counting(HostRows(stand.line.host.clone()), AtomicUsize::new(0)));
    let mut mirror = stand.mirror_with(rows.clone(), Arc::new(NoFaults));
    let quiet = || Wanted {
        rows_changed: false,
        ..stand.wanted().remove(0)
    };
    stand.write("SOUL.md", "more words\n");
    for _ in 0..4 {
        mirror.pass(vec![quiet()]).await.expect("a pass");
        assert_eq!(rows.1.load(Ordering::Relaxed), 1, "told once");
    }
    let row = stand.row(DocType::Soul).await.expect("a row");
    assert_eq!((row.state.as_str(), row.content.as_str()), ("blocked", "words\n"));
    stand.write("SOUL.md", "other words\n");
    mirror.pass(vec![quiet()]).await.expect("a pass");
    assert_eq!(rows.1.load(Ordering::Relaxed), 2, "another text is told");
    scene
        .db
        .postgres()
        .await
        .expect("connect")
        .batch_execute("update creel.settings set max_doc_bytes_per_project = 1000000")
        .await
        .expect("raise the limit");
    mirror.pass(stand.wanted()).await.expect("a pass");
    let row = stand.row(DocType::Soul).await.expect("a row");
    assert_eq!(
        (row.state.as_str(), row.content.as_str()),
        ("synced", "other words\n")
    );
}
