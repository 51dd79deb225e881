//! The memory of the day moves on with the day.

use creel_core::host_api::DocOp;
use creel_core::status::DocType;
use serde_json::{Value, json};

use crate::docs_stage::{DocStage, ack, hold, sha, text};

const TODAY: DocType = DocType::MemoryToday;

fn day(base_version: i32, doc_date: &str, content: &str) -> DocOp {
    DocOp::Day {
        base_version,
        doc_date: doc_date.parse().expect("a day"),
        content: content.to_owned(),
    }
}

fn keep_day(doc_date: &str, content: &str) -> DocOp {
    DocOp::KeepDay {
        doc_date: doc_date.parse().expect("a day"),
        content: content.to_owned(),
    }
}

#[tokio::test]
async fn with_a_new_day_the_row_has_the_new_days_file() {
    let d = DocStage::new().await;
    assert_eq!(d.put(&[(TODAY, day(0, "2026-11-20", "first"))]).await, ["done 1"]);
    d.put(&[(TODAY, text(1, "first and more"))]).await;
    assert_eq!(
        d.put(&[
            (TODAY, day(2, "2026-11-21", "")),
            (TODAY, day(2, "2026-11-21", ""))
        ])
        .await,
        ["done 3", "done 3"],
        "and it can be repeated"
    );
    let row = d.row(TODAY).await;
    assert_eq!(
        (&row["content"], &row["doc_date"], &row["sync_state"]),
        (&json!(""), &json!("2026-11-21"), &json!("synced"))
    );
    assert_eq!(
        d.versions(TODAY).await,
        [
            "1 agent 2026-11-20 first",
            "2 agent 2026-11-20 first and more",
            "3 agent day 2026-11-21 "
        ]
    );
    assert_eq!(
        d.listed(TODAY).await["days"],
        json!([{ "doc_date": "2026-11-20", "sha256": sha("first and more") }])
    );
    // A clock that was set back.
    assert_eq!(
        d.put(&[(TODAY, day(3, "2026-11-20", "first and more"))]).await,
        ["done 4"]
    );
}

#[tokio::test]
async fn an_earlier_day_that_changes_is_a_version_of_its_own() {
    let d = DocStage::new().await;
    d.put(&[(TODAY, day(0, "2026-11-20", "old"))]).await;
    d.put(&[(TODAY, day(1, "2026-11-21", "new"))]).await;
    let changes = [
        (TODAY, keep_day("2026-11-20", "old")),
        (TODAY, keep_day("2026-11-20", "old, corrected")),
        (TODAY, keep_day("2026-11-20", "old, corrected")),
        (TODAY, keep_day("2026-11-21", "is today")),
    ];
    assert_eq!(d.put(&changes).await, ["done 2", "done 2", "done 2", "stale 2"]);
    assert_eq!(
        d.versions(TODAY).await,
        [
            "1 agent 2026-11-20 old",
            "2 agent day 2026-11-21 new",
            "3 agent earlier_day side 2026-11-20 old, corrected"
        ]
    );
    let listed = d.listed(TODAY).await;
    assert_eq!(
        listed["days"],
        json!([{ "doc_date": "2026-11-20", "sha256": sha("old, corrected") }])
    );
    assert_eq!(
        d.fetched(TODAY, &sha("old, corrected")).await,
        json!("old, corrected")
    );
    assert_eq!(d.put(&[(TODAY, text(2, "new and more"))]).await, ["done 4"]);
}

#[tokio::test]
async fn a_page_that_writes_at_midnight_is_not_overwritten() {
    let d = DocStage::new().await;
    d.put(&[(TODAY, day(0, "2026-11-20", "old"))]).await;
    d.write(TODAY, "from the page").await;
    assert_eq!(d.put(&[(TODAY, day(1, "2026-11-21", ""))]).await, ["stale 2"]);
    assert_eq!(
        d.put(&[(TODAY, ack("from the page")), (TODAY, day(2, "2026-11-21", ""))])
            .await,
        ["done 2", "done 3"]
    );
    let refused = d
        .ask(
            "write_doc",
            TODAY,
            &json!({ "content": "late", "base_version": 2 }),
        )
        .await;
    assert_eq!(refused["error"], json!("conflict"), "the page had the old day");
    assert_eq!(refused["base"]["content"], json!("from the page"));
}

#[tokio::test]
async fn what_is_held_or_in_conflict_does_not_stop_the_day() {
    let d = DocStage::new().await;
    d.put(&[(TODAY, day(0, "2026-11-20", "old"))]).await;
    d.put(&[(TODAY, hold(1, ""))]).await;
    assert_eq!(d.put(&[(TODAY, day(1, "2026-11-21", ""))]).await, ["done 3"]);
    let row = d.row(TODAY).await;
    assert_eq!(
        (&row["sync_state"], &row["held_version"]),
        (&json!("synced"), &Value::Null)
    );
}

#[tokio::test]
async fn a_row_without_a_day_is_compared_with_todays_file() {
    let d = DocStage::new().await;
    d.write(TODAY, "before there was a host").await;
    assert_eq!(
        d.put(&[(TODAY, day(1, "2026-11-21", "on the disk"))]).await,
        ["done 1"]
    );
    let row = d.row(TODAY).await;
    assert_eq!(
        (
            &row["content"],
            &row["doc_date"],
            &row["disk_sha256"],
            &row["sync_state"]
        ),
        (
            &json!("before there was a host"),
            &json!("2026-11-21"),
            &Value::Null,
            &json!("waiting")
        )
    );
}
