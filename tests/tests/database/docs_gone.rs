//! What is erased for good, and what goes with time.

use creel_core::status::DocType;
use serde_json::{Value, json};

use crate::docs_stage::{DocStage, KEY, ack, hold, sha, text};

const SOUL: DocType = DocType::Soul;

/// Everything in every table, as text.
async fn everything(d: &DocStage) -> String {
    let tables = "select c.oid::regclass::text from pg_class c
        where c.relnamespace in ('public'::regnamespace, 'creel'::regnamespace) and c.relkind = 'r'";
    let mut all = String::new();
    for table in d.s.f.admin.query(tables, &[]).await.expect("list tables") {
        let sql = format!(
            "select coalesce(string_agg(t::text, ' '), '') from {} t",
            table.get::<_, String>(0)
        );
        let row = d.s.f.admin.query_one(&sql, &[]).await.expect("read a table");
        all.push_str(&row.get::<_, String>(0));
    }
    all
}

#[tokio::test]
async fn an_erased_version_is_nowhere_any_more() {
    let d = DocStage::new().await;
    for content in ["hello", "the PASSWORD", "hello again", "the PASSWORD", "clean"] {
        d.write(SOUL, content).await;
    }
    d.write(DocType::User, "clean").await;
    let refused = d
        .ask_as(d.s.f.owner, "erase_doc", SOUL, &json!({ "version": 5 }))
        .await;
    assert_eq!(
        refused
            .expect_err("it is the current one")
            .code()
            .map(|c| c.code()),
        Some("PT409")
    );
    let (before, _) = d.usage().await;
    let erased = d.ask("erase_doc", SOUL, &json!({ "version": 2 })).await;
    assert_eq!(erased, json!({ "ok": true, "erased": 2, "version": 5 }));
    assert!(!everything(&d).await.contains("PASSWORD"));
    assert_eq!(
        d.versions(SOUL).await,
        ["1 person hello", "3 person hello again", "5 person clean"]
    );
    let (counted, there) = d.usage().await;
    assert!(counted == there && counted < before, "{before} {counted} {there}");
    assert_eq!(d.fetched(SOUL, &sha("the PASSWORD")).await, Value::Null);
    let events = d.events().await;
    assert_eq!(
        (events.len(), events[0].0.as_str(), &events[0].1["version"]),
        (1, "doc.erased", &json!(2))
    );
    let gone = d
        .ask_as(d.s.f.owner, "restore_doc", SOUL, &json!({ "version": 2 }))
        .await;
    assert_eq!(
        gone.expect_err("it is gone").code().map(|c| c.code()),
        Some("PT404")
    );
    assert_eq!(d.write(SOUL, "next").await, 6);
}

#[tokio::test]
async fn a_text_that_another_document_has_stays_there() {
    let d = DocStage::new().await;
    for kind in [SOUL, DocType::User] {
        d.write(kind, "common").await;
        d.write(kind, "own").await;
    }
    d.ask("erase_doc", SOUL, &json!({ "version": 1 })).await;
    assert_eq!(
        d.fetched(SOUL, &sha("common")).await,
        Value::Null,
        "though it is in the project"
    );
    assert_eq!(d.fetched(DocType::User, &sha("common")).await, json!("common"));
    let (counted, there) = d.usage().await;
    assert_eq!(counted, there);
}

#[tokio::test]
async fn an_erased_document_is_emptied_on_the_disk() {
    let d = DocStage::new().await;
    d.put(&[(SOUL, text(0, "PASSWORD 1"))]).await;
    d.write(SOUL, "PASSWORD 2").await;
    d.put(&[(SOUL, ack("PASSWORD 2"))]).await;
    let since = d.list(&json!({})).await["since"].clone();
    let erased = d.ask("erase_doc", SOUL, &json!({})).await;
    assert_eq!(erased, json!({ "ok": true, "erased": 2, "version": 3 }));
    assert!(!everything(&d).await.contains("PASSWORD"));
    let listed = d.list(&json!({ "since": since })).await["docs"][0].clone();
    assert_eq!(
        (&listed["sha256"], &listed["disk_sha256"], &listed["disk_erased"]),
        (&json!(sha("")), &json!(sha("PASSWORD 2")), &json!(true))
    );
    assert_eq!((&listed["unseen"], &listed["version"]), (&json!([]), &json!(3)));
    assert_eq!(d.put(&[(SOUL, ack(""))]).await, ["done 3"]);
    assert_eq!(d.row(SOUL).await["sync_state"], json!("synced"));
    let (counted, there) = d.usage().await;
    assert_eq!(counted, there);
    let again = d.ask("erase_doc", DocType::User, &json!({})).await;
    assert_eq!(again["erased"], json!(0), "there is none");
}

#[tokio::test]
async fn a_text_that_was_erased_on_its_way_to_the_disk_does_not_come_back() {
    let d = DocStage::new().await;
    d.put(&[(SOUL, text(0, "one"))]).await;
    d.write(SOUL, "PASSWORD").await;
    d.ask("erase_doc", SOUL, &json!({})).await;
    let listed = d.list(&json!({})).await["docs"][0].clone();
    assert_eq!(listed["unseen"], json!([sha("PASSWORD")]));
    // The host wrote it meanwhile, and says so.
    assert_eq!(d.put(&[(SOUL, ack("PASSWORD"))]).await, ["done 3"]);
    let listed = d.list(&json!({})).await["docs"][0].clone();
    assert_eq!(
        (&listed["sha256"], &listed["disk_sha256"]),
        (&json!(sha("")), &json!(sha("PASSWORD"))),
        "the disk is to be emptied"
    );
    assert!(!everything(&d).await.contains("PASSWORD"));
    assert_eq!(d.put(&[(SOUL, ack(""))]).await, ["done 3"]);
    let listed = d.list(&json!({})).await["docs"][0].clone();
    assert_eq!(
        (&listed["unseen"], &listed["sync_state"]),
        (&json!([]), &json!("synced"))
    );
    // From now on these would be words like any other.
    assert_eq!(d.put(&[(SOUL, ack("PASSWORD"))]).await, ["stale 3"]);
}

#[tokio::test]
async fn what_the_file_has_is_not_erased_while_it_is_held() {
    let d = DocStage::new().await;
    d.put(&[(SOUL, text(0, "words")), (SOUL, hold(1, "template"))])
        .await;
    let refused = d
        .ask_as(d.s.f.owner, "erase_doc", SOUL, &json!({ "version": 2 }))
        .await;
    assert_eq!(
        refused.expect_err("it is held").code().map(|c| c.code()),
        Some("PT409")
    );
    d.ask("erase_doc", SOUL, &json!({})).await;
    let row = d.row(SOUL).await;
    assert_eq!(
        (&row["held_version"], &row["sync_state"], &row["disk_sha256"]),
        (&Value::Null, &json!("waiting"), &json!(sha("template")))
    );
}

#[tokio::test]
async fn old_versions_go_and_what_is_needed_stays() {
    let d = DocStage::new().await;
    let age = async |than: i32| {
        let sql = format!(
            "update brain_doc_versions set created_at = now() - interval '91 days' where version < {than};
             update creel.sweep_state set docs_swept_at = '-infinity'"
        );
        d.s.f.admin.batch_execute(&sql).await.expect("let time pass");
    };
    let sweep = async || {
        d.s.f
            .admin
            .batch_execute("update creel.sweep_state set docs_swept_at = '-infinity'")
            .await
            .expect("it is time");
        d.s.f.sweep().await["versions"].clone()
    };
    d.s.f
        .admin
        .batch_execute("update creel.settings set doc_versions_keep = 3")
        .await
        .expect("set");
    let template = json!([{ "agent_id": d.agent, "doc_type": "soul", "op": "text", "base_version": 0,
        "content": "template", "author": "template" }]);
    d.put_raw(&template).await;
    for n in 2..=9 {
        d.write(SOUL, &format!("text {n}")).await;
    }
    d.put(&[(SOUL, ack("text 5"))]).await;
    d.ask("pin_doc_version", SOUL, &json!({ "version": 3, "pinned": true }))
        .await;
    assert_eq!(sweep().await, json!(0), "none is old");
    age(9).await;
    assert_eq!(sweep().await, json!(3));
    assert_eq!(d.s.f.sweep().await["versions"], json!(0), "not again at once");
    assert_eq!(
        d.versions(SOUL).await,
        [
            "1 template template",
            "3 person text 3",
            "5 person text 5",
            "7 person text 7",
            "8 person text 8",
            "9 person text 9"
        ]
    );
    let (counted, there) = d.usage().await;
    assert_eq!(counted, there);
    d.ask("pin_doc_version", SOUL, &json!({ "version": 3, "pinned": false }))
        .await;
    assert_eq!(sweep().await, json!(1));
}

#[tokio::test]
async fn documents_that_are_deleted_leave_nothing_and_cost_nothing() {
    let d = DocStage::new().await;
    d.write(SOUL, "one").await;
    d.write(SOUL, "two").await;
    d.s.f
        .admin
        .execute("delete from brain_docs where agent_key = $1", &[&KEY])
        .await
        .expect("delete");
    assert_eq!(d.usage().await, (0, 0));
    d.write(SOUL, "one").await;
    d.s.f
        .admin
        .execute("delete from projects", &[])
        .await
        .expect("delete the project");
    assert_eq!(d.usage().await, (0, 0));
}

#[tokio::test]
async fn an_agent_that_writes_without_end_leaves_room_for_people() {
    let d = DocStage::new().await;
    d.s.f
        .admin
        .batch_execute("update creel.settings set doc_versions_keep = 3, max_doc_bytes_per_project = 10000")
        .await
        .expect("set");
    d.write(SOUL, "by a person").await;
    for n in 1..=12 {
        assert_eq!(
            d.put(&[(SOUL, text(n, &format!("{n} {}", "x".repeat(300))))])
                .await,
            [format!("done {}", n + 1)]
        );
    }
    assert_eq!(d.s.f.sweep().await["versions"], json!(0), "there is room");
    for n in 13..=14 {
        d.put(&[(SOUL, text(n, &format!("{n} {}", "x".repeat(300))))])
            .await;
    }
    d.s.f
        .admin
        .batch_execute("update creel.sweep_state set docs_swept_at = '-infinity'")
        .await
        .expect("it is time");
    assert_eq!(d.s.f.sweep().await["versions"], json!(11));
    let left = d.versions(SOUL).await;
    assert_eq!(left.len(), 4, "{left:?}");
    assert_eq!(
        left[0], "1 person by a person",
        "what people wrote stays for its days"
    );
}

#[tokio::test]
async fn a_page_is_told_of_a_state_and_only_of_a_new_one() {
    let d = DocStage::new().await;
    d.write(SOUL, "one").await;
    d.write(SOUL, "two").await;
    let state = async || {
        let row = d
            .s
            .f
            .admin
            .query_one(
                "select to_jsonb(s) - 'updated_at' || jsonb_build_object('xmin', s.xmin::text) from brain_doc_states s",
                &[],
            )
            .await;
        row.expect("one state").get::<_, Value>(0)
    };
    let before = state().await;
    assert_eq!(
        (&before["version"], &before["sync_state"]),
        (&json!(2), &json!("waiting"))
    );
    // Something that no page shows.
    d.put(&[(SOUL, ack("one"))]).await;
    assert_eq!(state().await, before);
    d.put(&[(SOUL, ack("two"))]).await;
    assert_eq!(state().await["sync_state"], json!("synced"));
}
