//! What a host says of its disk, and what becomes of the row.

use creel_core::host_api::{DocOp, ListDocsReply, NoteState, PutDocsReply};
use creel_core::status::{AuthorKind, DocType};
use serde_json::{Value, json};

use crate::docs_stage::{DocStage, KEY, ack, hold, sha, text};

const SOUL: DocType = DocType::Soul;

#[tokio::test]
async fn a_text_of_the_page_waits_until_the_disk_has_it() {
    let d = DocStage::new().await;
    d.write(SOUL, "one").await;
    assert_eq!(d.row(SOUL).await["sync_state"], json!("waiting"));
    let listed = d.listed(SOUL).await;
    assert_eq!(
        (&listed["version"], &listed["sha256"], &listed["disk_sha256"]),
        (&json!(1), &json!(sha("one")), &Value::Null)
    );
    assert_eq!(d.fetched(SOUL, &sha("one")).await, json!("one"));
    assert_eq!(d.put(&[(SOUL, ack("one"))]).await, ["done 1"]);
    let row = d.row(SOUL).await;
    assert_eq!(
        (&row["sync_state"], &row["disk_sha256"], &row["disk_version"]),
        (&json!("synced"), &json!(sha("one")), &json!(1))
    );
    assert_eq!(
        d.put(&[(SOUL, ack("one")), (SOUL, ack("never"))]).await,
        ["done 1", "stale 1"]
    );
}

#[tokio::test]
async fn a_disk_that_is_on_its_way_to_the_row_is_no_conflict() {
    let d = DocStage::new().await;
    for content in ["one", "two", "three"] {
        d.write(SOUL, content).await;
    }
    let listed = d.listed(SOUL).await;
    assert_eq!(listed["unseen"], json!([sha("two"), sha("one")]));
    // The worker was killed after it wrote "two", and says so when it is back.
    assert_eq!(d.put(&[(SOUL, ack("two"))]).await, ["done 3"]);
    let listed = d.listed(SOUL).await;
    assert_eq!(
        (&listed["disk_sha256"], &listed["unseen"], &listed["sync_state"]),
        (&json!(sha("two")), &json!([]), &json!("waiting"))
    );
    assert_eq!(
        d.put(&[(SOUL, ack("one"))]).await,
        ["stale 3"],
        "it does not go back"
    );
    assert_eq!(d.put(&[(SOUL, ack("three"))]).await, ["done 3"]);
    assert_eq!(d.row(SOUL).await["sync_state"], json!("synced"));
}

#[tokio::test]
async fn a_text_of_the_disk_is_taken_once_and_on_its_base_only() {
    let d = DocStage::new().await;
    assert_eq!(d.put(&[(SOUL, text(0, "one"))]).await, ["done 1"]);
    assert_eq!(d.put(&[(SOUL, text(0, "one"))]).await, ["done 1"], "repeated");
    assert_eq!(d.put(&[(SOUL, text(0, "two"))]).await, ["stale 1"]);
    assert_eq!(d.put(&[(SOUL, text(1, "two"))]).await, ["done 2"]);
    assert_eq!(d.put(&[(SOUL, text(1, "two"))]).await, ["done 2"], "repeated");
    d.write(SOUL, "mine").await;
    assert_eq!(d.put(&[(SOUL, text(2, "three"))]).await, ["stale 3"]);
    assert_eq!(
        d.versions(SOUL).await,
        ["1 agent one", "2 agent two", "3 person mine"]
    );
    assert_eq!(
        d.listed(SOUL).await["disk_sha256"],
        json!(sha("two")),
        "the ancestor is kept"
    );
    assert_eq!(d.fetched(SOUL, &sha("two")).await, json!("two"));
}

#[tokio::test]
async fn who_wrote_is_said_and_an_earlier_text_is_told_as_such() {
    let d = DocStage::new().await;
    let by = |base_version, content: &str, author| DocOp::Text {
        base_version,
        content: content.to_owned(),
        author: Some(author),
        doc_date: None,
    };
    let changes = [
        (SOUL, by(0, "template", AuthorKind::Template)),
        (SOUL, text(1, "words")),
        (SOUL, text(2, "more words")),
        (SOUL, text(3, "words")),
        (SOUL, by(4, "newer template", AuthorKind::Update)),
    ];
    assert_eq!(
        d.put(&changes).await,
        ["done 1", "done 2", "done 3", "done 4", "done 5"]
    );
    assert_eq!(
        d.versions(SOUL).await,
        [
            "1 template template",
            "2 agent words",
            "3 agent more words",
            "4 agent went_back words",
            "5 update newer template",
        ]
    );
    assert_eq!(d.listed(SOUL).await["templates"], json!([sha("template")]));
    let mut forged = json!([{ "agent_id": d.agent, "doc_type": "soul", "op": "text", "base_version": 5,
        "content": "x", "author": "person" }]);
    assert_eq!(d.put_raw(&forged).await, ["refused 5"]);
    forged[0]["author"] = json!("agent");
    assert_eq!(d.put_raw(&forged).await, ["done 6"]);
}

#[tokio::test]
async fn a_merge_keeps_both_sides_and_waits_for_the_disk() {
    let d = DocStage::new().await;
    d.put(&[(SOUL, text(0, "a"))]).await;
    d.write(SOUL, "a page").await;
    let merge = DocOp::Merge {
        base_version: 2,
        content: "a page disk".to_owned(),
        disk_content: "a disk".to_owned(),
    };
    assert_eq!(d.put(&[(SOUL, merge.clone())]).await, ["done 4"]);
    assert_eq!(d.put(&[(SOUL, merge)]).await, ["done 4"], "repeated");
    assert_eq!(
        d.versions(SOUL).await,
        [
            "1 agent a",
            "2 person a page",
            "3 agent merge_side side a disk",
            "4 agent merged a page disk"
        ]
    );
    let listed = d.listed(SOUL).await;
    assert_eq!(
        (&listed["disk_sha256"], &listed["sync_state"], &listed["unseen"]),
        (&json!(sha("a disk")), &json!("waiting"), &json!([]))
    );
    assert_eq!(d.fetched(SOUL, &sha("a disk")).await, json!("a disk"));
    // The row had it already: only the disk's side is new.
    d.put(&[(SOUL, ack("a page disk"))]).await;
    d.write(SOUL, "a page disk x").await;
    let merge = DocOp::Merge {
        base_version: 5,
        content: "a page disk x".to_owned(),
        disk_content: "a page disk ".to_owned(),
    };
    assert_eq!(d.put(&[(SOUL, merge)]).await, ["done 5"]);
    assert_eq!(
        d.versions(SOUL).await.last().expect("a version"),
        "6 agent merge_side side a page disk "
    );
    assert_eq!(d.row(SOUL).await["sync_state"], json!("waiting"));
    assert_eq!(d.put(&[(SOUL, ack("a page disk x"))]).await, ["done 5"]);
    assert_eq!(
        d.write(SOUL, "next").await,
        7,
        "numbers of side versions are not used again"
    );
}

#[tokio::test]
async fn a_conflict_keeps_both_texts_and_one_event_names_them() {
    let d = DocStage::new().await;
    d.put(&[(SOUL, text(0, "base"))]).await;
    d.write(SOUL, "page").await;
    let conflict = DocOp::Conflict {
        base_version: 2,
        content: "disk".to_owned(),
    };
    assert_eq!(
        d.put(&[(SOUL, conflict.clone()), (SOUL, conflict)]).await,
        ["done 3", "done 3"]
    );
    let row = d.row(SOUL).await;
    assert_eq!(
        (&row["content"], &row["conflict_version"], &row["sync_state"]),
        (&json!("disk"), &json!(2), &json!("synced"))
    );
    let events = d.events().await;
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!(events[0].0, "doc.conflict");
    assert_eq!(
        (&events[0].1["version"], &events[0].1["conflict_version"]),
        (&json!(3), &json!(2))
    );
    assert!(!events[0].1.to_string().contains("page"), "no text in an event");
    // A page that does not know of it leaves the mark, one that does takes it away.
    d.put(&[(SOUL, text(3, "disk more"))]).await;
    d.write(SOUL, "unaware").await;
    assert_eq!(d.row(SOUL).await["conflict_version"], json!(2));
    d.ask(
        "write_doc",
        SOUL,
        &json!({ "content": "both", "base_version": 5 }),
    )
    .await;
    assert_eq!(d.row(SOUL).await["conflict_version"], Value::Null);
}

#[tokio::test]
async fn a_conflict_is_resolved_by_either_text() {
    for (take, content) in [("disk", "disk"), ("page", "page")] {
        let d = DocStage::new().await;
        d.put(&[(SOUL, text(0, "base"))]).await;
        d.write(SOUL, "page").await;
        let conflict = DocOp::Conflict {
            base_version: 2,
            content: "disk".to_owned(),
        };
        d.put(&[(SOUL, conflict)]).await;
        let resolved = d.ask("resolve_doc", SOUL, &json!({ "take": take })).await;
        assert_eq!(resolved["resolved"], json!(true), "{take}");
        let row = d.row(SOUL).await;
        assert_eq!(
            (&row["content"], &row["conflict_version"]),
            (&json!(content), &Value::Null)
        );
        assert_eq!(row["disk_sha256"], json!(sha("disk")));
        let again = d.ask("resolve_doc", SOUL, &json!({ "take": take })).await;
        assert_eq!(again["resolved"], json!(false), "{take}");
    }
}

#[tokio::test]
async fn what_shrinks_to_nothing_is_held_until_somebody_says_which() {
    let d = DocStage::new().await;
    d.put(&[(SOUL, text(0, "words"))]).await;
    assert_eq!(
        d.put(&[(SOUL, hold(1, "")), (SOUL, hold(1, ""))]).await,
        ["done 1", "done 1"]
    );
    let row = d.row(SOUL).await;
    assert_eq!(
        (&row["content"], &row["sync_state"], &row["held_version"]),
        (&json!("words"), &json!("held"), &json!(2))
    );
    assert_eq!(d.listed(SOUL).await["held_sha256"], json!(sha("")));
    assert_eq!(d.events().await.len(), 1);
    assert_eq!(d.events().await[0].0, "doc.held");
    // Another change of the disk is planned anew.
    assert_eq!(d.put(&[(SOUL, text(1, "other words"))]).await, ["done 3"]);
    let row = d.row(SOUL).await;
    assert_eq!(
        (&row["held_version"], &row["sync_state"]),
        (&Value::Null, &json!("synced"))
    );
    // So is one that goes back to what was.
    d.put(&[(SOUL, hold(3, "template"))]).await;
    assert_eq!(d.put(&[(SOUL, ack("other words"))]).await, ["done 3"]);
    assert_eq!(d.row(SOUL).await["sync_state"], json!("synced"));
}

#[tokio::test]
async fn a_held_document_takes_the_page_the_disk_or_what_a_person_writes() {
    for (what, content, state) in [
        ("page", "words", "waiting"),
        ("disk", "gone", "synced"),
        ("", "new words", "waiting"),
    ] {
        let d = DocStage::new().await;
        d.put(&[(SOUL, text(0, "words"))]).await;
        d.put(&[(SOUL, hold(1, "gone"))]).await;
        let since = d.list(&json!({})).await["since"].clone();
        if what.is_empty() {
            d.write(SOUL, content).await;
        } else {
            d.ask("resolve_doc", SOUL, &json!({ "take": what })).await;
            assert_eq!(d.events().await.last().expect("an event").0, "doc.resolved");
        }
        let row = d.row(SOUL).await;
        assert_eq!(
            (&row["content"], &row["sync_state"], &row["held_version"]),
            (&json!(content), &json!(state), &Value::Null),
            "{what}"
        );
        assert_eq!(
            row["disk_sha256"],
            json!(sha("gone")),
            "{what}: the disk's text may be replaced"
        );
        let listed = d.list(&json!({ "since": since })).await;
        assert_eq!(
            listed["docs"].as_array().expect("docs").len(),
            1,
            "{what}: the host is told"
        );
        assert_eq!(listed["docs"][0]["unseen"], json!([]), "{what}");
    }
}

#[tokio::test]
async fn what_cannot_be_mirrored_says_why_on_the_row() {
    let d = DocStage::new().await;
    let note = |state, note: Option<&str>| DocOp::Note {
        state,
        note: note.map(ToOwned::to_owned),
    };
    let blocked = || note(NoteState::Blocked, Some("SOUL.md is a symbolic link"));
    assert_eq!(
        d.put(&[(SOUL, blocked()), (SOUL, blocked())]).await,
        ["done 1", "done 1"]
    );
    let row = d.row(SOUL).await;
    assert_eq!(
        (&row["sync_state"], &row["sync_note"], &row["content"]),
        (
            &json!("blocked"),
            &json!("SOUL.md is a symbolic link"),
            &json!("")
        )
    );
    assert_eq!(
        d.listed(SOUL).await["sync_note"],
        json!("SOUL.md is a symbolic link")
    );
    d.write(SOUL, "words").await;
    assert_eq!(
        d.row(SOUL).await["sync_state"],
        json!("blocked"),
        "the file is what it was"
    );
    assert_eq!(
        d.put(&[
            (SOUL, note(NoteState::Ok, None)),
            (SOUL, note(NoteState::Ok, None))
        ])
        .await,
        ["done 2", "done 2"]
    );
    let row = d.row(SOUL).await;
    assert_eq!(
        (&row["sync_state"], &row["sync_note"]),
        (&json!("waiting"), &Value::Null)
    );
    d.put(&[(SOUL, ack("words")), (SOUL, hold(2, ""))]).await;
    d.put(&[(SOUL, blocked()), (SOUL, note(NoteState::Ok, None))])
        .await;
    assert_eq!(d.row(SOUL).await["sync_state"], json!("held"));
    let kinds: Vec<String> = d.events().await.into_iter().map(|e| e.0).collect();
    assert_eq!(kinds, ["doc.blocked", "doc.held", "doc.blocked"], "once a state");
}

#[tokio::test]
async fn a_host_hears_of_what_others_change_and_not_of_itself() {
    let d = DocStage::new().await;
    let mut heard = d.s.listen().await;
    let since = d.list(&json!({})).await["since"].clone();
    let tick = async |since: &Value| {
        let args = json!({ "api": 1, "session": d.s.host.session, "tokens": [], "docs_since": since });
        d.s.host.call("tick", &args).await.expect("tick")["docs"].clone()
    };
    d.put(&[(SOUL, text(0, "disk"))]).await;
    assert_eq!(tick(&since).await, json!(false));
    d.s.f
        .as_person(
            d.s.f.owner,
            "insert into brain_docs (project_id, agent_key, doc_type, content)
             values ('p1', 'agent:scout:main', 'soul', 'page'), ('p1', 'agent:scout:main', 'user', 'page'),
               ('p1', 'agent:nobody:main', 'user', 'page')
             on conflict (project_id, agent_key, doc_type) do update set content = excluded.content",
        )
        .await
        .expect("write");
    assert_eq!(
        heard.recv().await.expect("a hint"),
        format!("{} docs", d.s.host.host)
    );
    assert!(heard.try_recv().is_err(), "once, however many");
    assert_eq!(tick(&since).await, json!(true));
    let mut listed = d.list(&json!({ "since": since })).await;
    assert_eq!(listed["docs"].as_array().expect("docs").len(), 2);
    // What runs elsewhere in the cluster may have it told twice, until it ends.
    while tick(&listed["since"]).await == json!(true) {
        listed = d.list(&json!({ "since": listed["since"] })).await;
    }
    assert_eq!(
        tick(&Value::Null).await,
        json!(false),
        "who mirrors nothing is told nothing"
    );
    // A transaction that began before the listing and ends after it is told by the next one.
    let late = d.s.f.test.postgres().await.expect("connect");
    late.batch_execute("begin; update brain_docs set content = 'late' where doc_type = 'user'")
        .await
        .expect("begin");
    let listed = d.list(&json!({})).await;
    late.batch_execute("commit").await.expect("commit");
    assert_eq!(tick(&listed["since"]).await, json!(true));
    let listed = d.list(&json!({ "since": listed["since"] })).await;
    assert_eq!(listed["docs"][0]["sha256"], json!(sha("late")));
    assert_eq!(listed["agents"], json!([d.agent]));
}

#[tokio::test]
async fn a_restored_database_has_its_mirrors_rest() {
    let d = DocStage::new().await;
    d.write(SOUL, "words").await;
    d.put(&[(SOUL, ack("words"))]).await;
    // A dump keeps the numbers of transactions of the cluster that it was made of.
    let of_old = "9000000000000";
    for sql in [
        "alter table brain_docs disable trigger user",
        &format!("update brain_docs set changed = '{of_old}'"),
        "alter table brain_docs enable trigger user",
    ] {
        d.s.f.admin.batch_execute(sql).await.expect("restore");
    }
    let tick = async |since: &Value| {
        let args = json!({ "api": 1, "session": d.s.host.session, "tokens": [], "docs_since": since });
        d.s.host.call("tick", &args).await.expect("tick")["docs"].clone()
    };
    let since = d.list(&json!({})).await["since"].clone();
    assert_eq!(tick(&since).await, json!(false));
    let listed = d.list(&json!({ "since": since })).await;
    assert_eq!(
        (&listed["docs"], &listed["agents"]),
        (&json!([]), &json!([])),
        "{listed}"
    );
    // A worker that asked the old cluster begins anew, and hears of what is changed from here on.
    assert_eq!(tick(&json!(of_old)).await, json!(true));
    let listed = d.list(&json!({ "since": of_old })).await;
    assert_eq!(listed["docs"].as_array().expect("docs").len(), 1);
    d.write(SOUL, "other words").await;
    assert_eq!(tick(&listed["since"]).await, json!(true));
    let listed = d.list(&json!({ "since": listed["since"] })).await;
    assert_eq!(listed["docs"][0]["sha256"], json!(sha("other words")));
}

#[tokio::test]
async fn documents_before_there_was_a_host_are_told_by_agent() {
    let d = DocStage::new().await;
    d.s.f
        .admin
        .execute("update agents set host_id = null", &[])
        .await
        .expect("unplace it");
    d.write(SOUL, "early").await;
    d.s.f
        .admin
        .execute("update agents set host_id = $1", &[&d.s.host.host])
        .await
        .expect("place it");
    let reply = d.list(&json!({ "agents": [d.agent] })).await;
    let reply: ListDocsReply = serde_json::from_value(reply).expect("the types of the core");
    assert_eq!((reply.docs.len(), reply.agents), (1, vec![d.agent]));
    let nobody = d.list(&json!({ "agents": [] })).await;
    assert_eq!((&nobody["docs"], &nobody["agents"]), (&json!([]), &json!([])));
}

#[tokio::test]
async fn one_bad_change_costs_only_itself() {
    let d = DocStage::new().await;
    let doc = |more: Value| {
        let mut change = json!({ "agent_id": d.agent, "doc_type": "soul" });
        let members = change.as_object_mut().expect("an object");
        members.extend(more.as_object().expect("an object").clone());
        change
    };
    let bad = [
        json!(7),
        Value::Null,
        json!({}),
        doc(json!({ "op": "burn" })),
        doc(json!({ "op": "text", "base_version": 1 })),
        doc(json!({ "op": "text", "base_version": -1, "content": "x" })),
        doc(json!({ "op": "text", "base_version": "x", "content": "x" })),
        doc(json!({ "op": "text", "base_version": 0, "content": "x".repeat(1_048_577) })),
        doc(json!({ "op": "text", "base_version": 0, "content": 7 })),
        doc(json!({ "op": "day", "base_version": 0, "content": "", "doc_date": "2026-11-21" })),
        doc(json!({ "op": "ack" })),
        doc(json!({ "op": "note", "state": "fine" })),
        doc(json!({ "op": "merge", "base_version": 0, "content": "x" })),
        json!({ "agent_id": d.agent, "doc_type": "memory_today", "op": "day", "base_version": 0, "content": "", "doc_date": "today" }),
        json!({ "agent_id": d.agent, "doc_type": "diary", "op": "ack", "sha256": "x" }),
        json!({ "agent_id": "nobody", "doc_type": "soul", "op": "ack", "sha256": "x" }),
    ];
    let mut changes = bad.to_vec();
    changes.push(doc(json!({ "op": "text", "base_version": 0, "content": "good" })));
    let reply = d.try_put(&json!(changes)).await.expect("put");
    for result in &reply["results"].as_array().expect("results")[..bad.len()] {
        assert_eq!(result["status"], json!("refused"), "{result}");
        assert!(result["message"].is_string(), "{result}");
    }
    assert_eq!(reply["results"][bad.len()]["status"], json!("done"));
    // A day that is none is found by the database only.
    let changes = json!([
        { "agent_id": d.agent, "doc_type": "memory_today", "op": "day", "base_version": 0, "content": "", "doc_date": "2026-99-99" },
        doc(json!({ "op": "text", "base_version": 1, "content": "better" })),
    ]);
    let reply = d.try_put(&changes).await.expect("put");
    let reply: PutDocsReply = serde_json::from_value(reply).expect("the types of the core");
    assert_eq!(reply.results[0].version, None);
    assert_eq!(reply.results[1].version, Some(2));
    for nonsense in [json!(null), json!({}), json!(vec![json!({}); 501])] {
        assert!(d.try_put(&nonsense).await.is_err(), "{nonsense}");
    }
}

#[tokio::test]
async fn why_a_change_is_refused_is_said_on_its_row_once() {
    let d = DocStage::new().await;
    d.put(&[(SOUL, text(0, "words"))]).await;
    let merge = json!([{
        "agent_id": d.agent, "doc_type": "soul", "op": "merge", "base_version": 1, "disk_content": "words",
        "content": "x".repeat(1_048_577),
    }]);
    for _ in 0..2 {
        assert_eq!(d.put_raw(&merge).await, ["refused 1"]);
    }
    let row = d.row(SOUL).await;
    assert_eq!(
        (&row["sync_state"], &row["sync_note"]),
        (&json!("blocked"), &json!("content is larger than 1 MB"))
    );
    let events = d.events().await;
    let told = events.iter().filter(|(kind, _)| kind == "doc.blocked");
    assert_eq!(told.count(), 1, "{events:?}");
    assert_eq!(d.put(&[(SOUL, text(1, "more words"))]).await, ["done 2"]);
    assert_eq!(d.row(SOUL).await["sync_state"], json!("synced"));
}

#[tokio::test]
async fn a_full_quota_is_said_on_the_row_and_ends_by_itself() {
    let d = DocStage::new().await;
    d.put(&[(SOUL, text(0, "words"))]).await;
    let quota = async |bytes: i64| {
        let sql = format!("update creel.settings set max_doc_bytes_per_project = {bytes}");
        d.s.f.admin.batch_execute(&sql).await.expect("set");
    };
    quota(100).await;
    assert_eq!(d.put(&[(SOUL, text(1, "more words"))]).await, ["refused 1"]);
    let row = d.row(SOUL).await;
    assert_eq!(row["sync_state"], json!("blocked"));
    let note = row["sync_note"].as_str().expect("a note");
    assert!(note.contains("too much text"), "{note}");
    quota(1_000_000).await;
    assert_eq!(d.put(&[(SOUL, text(1, "more words"))]).await, ["done 2"]);
    let row = d.row(SOUL).await;
    assert_eq!(
        (&row["sync_state"], &row["sync_note"]),
        (&json!("synced"), &Value::Null)
    );
    let (counted, there) = d.usage().await;
    assert_eq!(counted, there);
}

#[tokio::test]
async fn a_row_that_somebody_holds_is_not_waited_for_by_the_others() {
    let d = DocStage::new().await;
    d.put(&[(SOUL, text(0, "soul")), (DocType::User, text(0, "user"))])
        .await;
    let other = d.s.f.test.postgres().await.expect("connect");
    other
        .batch_execute("begin; select from brain_docs where doc_type = 'soul' for update")
        .await
        .expect("hold the row");
    assert_eq!(
        d.put(&[(SOUL, text(1, "soul 2")), (DocType::User, text(1, "user 2"))])
            .await,
        ["stale 1", "done 2"]
    );
    other.batch_execute("rollback").await.expect("let go");
    assert_eq!(d.put(&[(SOUL, text(1, "soul 2"))]).await, ["done 2"]);
}

#[tokio::test]
async fn large_texts_come_in_parts() {
    let d = DocStage::new().await;
    let mut wanted = Vec::new();
    for n in 0..5 {
        let content = format!("{n}").repeat(1_000_000);
        d.write(SOUL, &content).await;
        wanted.push(json!({ "agent_id": d.agent, "doc_type": "soul", "sha256": sha(&content) }));
    }
    let args = json!({ "api": 1, "docs": wanted });
    let reply = d.s.host.call("fetch_docs", &args).await.expect("fetch");
    assert_eq!(
        (reply["docs"].as_array().map(Vec::len), &reply["left"]),
        (Some(4), &json!(1))
    );
    let row = d.row(SOUL).await;
    assert!(
        row["warning"].as_str().expect("a warning").contains("20000"),
        "{}",
        row["warning"]
    );
}

#[tokio::test]
async fn a_host_reaches_the_documents_of_its_own_agents_only() {
    let d = DocStage::new().await;
    d.write(SOUL, "secret").await;
    d.s.f.project("p2", d.s.f.owner).await;
    for projects in [&["p2"][..], &["p1"][..]] {
        let other = d.s.f.host(projects).await;
        let ask = async |function: &str, more: Value| {
            let mut args = json!({ "api": 1 });
            let members = args.as_object_mut().expect("an object");
            members.extend(more.as_object().expect("an object").clone());
            other.call(function, &args).await.expect(function)
        };
        let listed = ask("list_docs", json!({ "agents": [d.agent] })).await;
        assert_eq!((&listed["docs"], &listed["agents"]), (&json!([]), &json!([])));
        let wanted =
            json!({ "docs": [{ "agent_id": d.agent, "doc_type": "soul", "sha256": sha("secret") }] });
        assert_eq!(ask("fetch_docs", wanted).await["docs"][0]["content"], Value::Null);
        let change = json!({ "changes": [
            { "agent_id": d.agent, "doc_type": "soul", "op": "text", "base_version": 1, "content": "forged" },
            { "agent_id": d.agent, "doc_type": "soul", "op": "ack", "sha256": sha("secret") },
            { "agent_id": d.agent, "doc_type": "user", "op": "note", "state": "blocked", "note": "x" },
        ] });
        for result in ask("put_docs", change).await["results"]
            .as_array()
            .expect("results")
        {
            assert_eq!(
                (&result["status"], &result["version"], &result["sha256"]),
                (&json!("refused"), &Value::Null, &Value::Null)
            );
        }
    }
    // Nor its own, once it may serve the project no more.
    d.s.f
        .admin
        .execute("delete from project_hosts where host_id = $1", &[&d.s.host.host])
        .await
        .expect("take the project away");
    assert_eq!(d.list(&json!({})).await["docs"], json!([]));
    assert_eq!(d.fetched(SOUL, &sha("secret")).await, Value::Null);
    assert_eq!(d.put(&[(SOUL, text(1, "late"))]).await, ["refused null"]);
    assert_eq!(d.versions(SOUL).await, ["1 person secret"]);
    assert_eq!(d.row(SOUL).await["agent_key"], json!(KEY));
}

#[tokio::test]
async fn a_text_of_another_document_is_not_fetched() {
    let d = DocStage::new().await;
    d.write(DocType::User, "of user").await;
    d.write(SOUL, "of soul").await;
    assert_eq!(d.fetched(SOUL, &sha("of user")).await, Value::Null);
    assert_eq!(
        d.fetched(SOUL, &sha("")).await,
        json!(""),
        "an absent file is the empty text"
    );
}

#[tokio::test]
async fn a_host_that_lies_fills_no_log() {
    let d = DocStage::new().await;
    d.put(&[(SOUL, text(0, "0"))]).await;
    let conflict = |n: i32| json!({ "agent_id": d.agent, "doc_type": "soul", "op": "conflict", "base_version": n, "content": n.to_string() });
    let mut answers = Vec::new();
    for from in [1, 401, 801] {
        let changes: Vec<_> = (from..from + 400).map(conflict).collect();
        match d.try_put(&json!(changes)).await {
            Ok(reply) => answers.push(reply["results"].as_array().map_or(0, Vec::len)),
            Err(error) => {
                assert_eq!(error.code().map(|code| code.code()), Some("PT429"), "{error:?}");
                answers.push(0);
            }
        }
    }
    assert_eq!(answers, [400, 400, 0], "and is told to slow down");
    let sql = "update creel.host_budgets set began_at = now() - interval '2 minutes' where kind = 'docs'";
    d.s.f.admin.batch_execute(sql).await.expect("wait a minute");
    let changes: Vec<_> = (801..1201).map(conflict).collect();
    d.try_put(&json!(changes)).await.expect("put");
    assert_eq!(d.events().await.len(), 1000);
    assert_eq!(d.row(SOUL).await["version"], json!(1201), "its texts are taken");
    let row = d.row(SOUL).await;
    assert_eq!(row["conflict_version"], json!(1200));
}
