//! What people write, restore and may not.

use creel_core::status::DocType;
use serde_json::{Value, json};
use tokio_postgres::Error;
use uuid::Uuid;

use crate::docs_stage::{DocStage, KEY, ack, hold, sha, text};

const SOUL: DocType = DocType::Soul;

fn code(error: &Error) -> &str {
    error.code().map_or("", |code| code.code())
}

#[tokio::test]
async fn a_text_on_an_old_base_comes_back_with_all_three() {
    let d = DocStage::new().await;
    let first = d
        .ask("write_doc", SOUL, &json!({ "content": "one", "base_version": 0 }))
        .await;
    assert_eq!(
        (&first["ok"], &first["version"], &first["sha256"]),
        (&json!(true), &json!(1), &json!(sha("one")))
    );
    assert_eq!(
        (&first["sync_state"], &first["host_online"]),
        (&json!("waiting"), &json!(true))
    );
    d.put(&[(SOUL, ack("one")), (SOUL, text(1, "two"))]).await;
    let current = json!({ "version": 2, "sha256": sha("two"), "content": "two" });
    for base in [
        json!({ "base_version": 1 }),
        json!({ "base_sha256": sha("one") }),
        json!({ "base_sha256": sha("one").to_uppercase() }),
    ] {
        let mut args = base.clone();
        args["content"] = json!("mine");
        let refused = d.ask("write_doc", SOUL, &args).await;
        assert_eq!(
            (&refused["ok"], &refused["error"], &refused["current"]),
            (&json!(false), &json!("conflict"), &current),
            "{base}"
        );
        assert_eq!(
            refused["base"],
            json!({ "version": 1, "sha256": sha("one"), "content": "one" }),
            "{base}"
        );
    }
    let refused = d
        .ask(
            "write_doc",
            SOUL,
            &json!({ "content": "mine", "base_version": 0 }),
        )
        .await;
    assert_eq!(refused["base"]["content"], json!(""));
    let same = d
        .ask("write_doc", SOUL, &json!({ "content": "two", "base_version": 1 }))
        .await;
    assert_eq!(
        (&same["ok"], &same["version"]),
        (&json!(true), &json!(2)),
        "what is there already is no conflict"
    );
    let done = d
        .ask(
            "write_doc",
            SOUL,
            &json!({ "content": "mine", "base_sha256": sha("two") }),
        )
        .await;
    assert_eq!((&done["ok"], &done["version"]), (&json!(true), &json!(3)));
}

#[tokio::test]
async fn a_row_is_written_on_its_base_too_and_a_plain_upsert_always() {
    let d = DocStage::new().await;
    let upsert = async |base: &str, content: &str| {
        let sql = format!(
            "insert into brain_docs (project_id, agent_key, doc_type, content, base_version)
             values ('p1', '{KEY}', 'soul', '{content}', {base})
             on conflict (project_id, agent_key, doc_type)
             do update set content = excluded.content, base_version = excluded.base_version"
        );
        d.s.f.as_person(d.s.f.owner, &sql).await
    };
    let missing = upsert("4", "x").await.expect_err("there is none yet");
    assert_eq!(code(&missing), "PT409");
    upsert("0", "one").await.expect("a new one");
    let twice = upsert("0", "other").await.expect_err("there is one by now");
    assert_eq!(code(&twice), "PT409");
    let db = twice.as_db_error().expect("an error of the database");
    assert!(db.hint().is_some() && db.detail().is_some_and(|d| d.contains("\"version\": 1")));
    upsert("0", "one").await.expect("the same text");
    upsert("1", "two").await.expect("on its base");
    upsert("null", "three").await.expect("as existing pages do it");
    let update = "update brain_docs set content = 'four', base_version = 2";
    assert_eq!(
        code(&d.s.f.as_person(d.s.f.owner, update).await.expect_err("stale")),
        "PT409"
    );
    let row = d.row(SOUL).await;
    assert_eq!((&row["version"], &row["base_version"]), (&json!(3), &Value::Null));
    assert_eq!(
        d.versions(SOUL).await,
        ["1 person one", "2 person two", "3 person three"]
    );
}

#[tokio::test]
async fn two_who_write_on_one_base_do_not_both_win() {
    let d = DocStage::new().await;
    d.write(SOUL, "base").await;
    let write = |content: &'static str| {
        let d = &d;
        async move {
            let args = json!({ "content": content, "base_version": 1 });
            d.ask("write_doc", SOUL, &args).await
        }
    };
    let (a, b, c) = tokio::join!(write("a"), write("b"), write("c"));
    let won = [&a, &b, &c].iter().filter(|w| w["ok"] == json!(true)).count();
    assert_eq!(won, 1, "{a} {b} {c}");
    // The same where there is no row yet.
    let write = |content: &'static str| {
        let d = &d;
        async move {
            let args = json!({ "content": content, "base_version": 0 });
            d.ask("write_doc", DocType::User, &args).await
        }
    };
    let (a, b, c) = tokio::join!(write("a"), write("b"), write("c"));
    let won = [&a, &b, &c].iter().filter(|w| w["ok"] == json!(true)).count();
    assert_eq!(won, 1, "{a} {b} {c}");
}

#[tokio::test]
async fn what_the_host_knows_keeps_its_value_when_a_member_writes() {
    let d = DocStage::new().await;
    d.put(&[(SOUL, text(0, "words")), (SOUL, hold(1, ""))]).await;
    let mine =
        "disk_sha256 = 'x', disk_version = 9, disk_at = now(), sync_state = 'blocked', sync_note = 'x',
        held_version = null, conflict_version = 7, version = 40, last_version = 50, doc_date = '2020-01-01',
        warning = 'x', changed = '77', sha256 = 'x', project_id = 'p2', agent_key = 'x', doc_type = 'user'";
    let before = d.row(SOUL).await;
    d.s.f
        .as_person(d.s.f.owner, &format!("update brain_docs set {mine}"))
        .await
        .expect("it is no error");
    for moved in [
        "agent_key = 'x'",
        "project_id = 'p2'",
        "doc_type = 'user'",
        "id = gen_random_uuid()",
    ] {
        let sql = format!("update brain_docs set {moved}");
        d.s.f.as_person(d.s.f.owner, &sql).await.expect("it is no error");
    }
    let mut after = d.row(SOUL).await;
    after["updated_at"] = before["updated_at"].clone();
    assert_eq!(after, before);
    d.s.f
        .as_person(
            d.s.f.owner,
            &format!(
                "insert into brain_docs (project_id, agent_key, doc_type, content, disk_sha256, disk_version, sync_state,
                   held_version, conflict_version, version, last_version, doc_date, sync_note, changed)
                 values ('p1', '{KEY}', 'user', 'u', 'x', 5, 'blocked', 1, 1, 40, 50, '2020-01-01', 'x', '77')"
            ),
        )
        .await
        .expect("write");
    let row = d.row(DocType::User).await;
    for (column, value) in [
        ("version", json!(1)),
        ("last_version", json!(1)),
        ("disk_version", json!(0)),
        ("sync_state", json!("waiting")),
    ] {
        assert_eq!(row[column], value, "{column}");
    }
    for column in [
        "disk_sha256",
        "sync_note",
        "held_version",
        "conflict_version",
        "doc_date",
    ] {
        assert_eq!(row[column], Value::Null, "{column}");
    }
}

#[tokio::test]
async fn any_version_can_be_read_and_restored() {
    let d = DocStage::new().await;
    for content in ["one", "two", "three"] {
        d.write(SOUL, content).await;
    }
    let old = d.ask("read_doc", SOUL, &json!({ "version": 1 })).await;
    assert_eq!(
        (&old["content"], &old["version"], &old["current_version"]),
        (&json!("one"), &json!(1), &json!(3))
    );
    let refused = d
        .ask("restore_doc", SOUL, &json!({ "version": 1, "base_version": 2 }))
        .await;
    assert_eq!(refused["error"], json!("conflict"));
    let restored = d
        .ask("restore_doc", SOUL, &json!({ "version": 1, "base_version": 3 }))
        .await;
    assert_eq!((&restored["ok"], &restored["version"]), (&json!(true), &json!(4)));
    let again = d.ask("restore_doc", SOUL, &json!({ "version": 1 })).await;
    assert_eq!(again["version"], json!(4), "it is there already");
    assert_eq!(
        d.versions(SOUL).await.last().expect("a version"),
        "4 person restored one"
    );
    let now = d.ask("read_doc", SOUL, &json!({})).await;
    assert_eq!(
        (&now["content"], &now["sync_state"], &now["host_online"]),
        (&json!("one"), &json!("waiting"), &json!(true))
    );
    let page = d.ask("list_doc_versions", SOUL, &json!({ "limit": 2 })).await;
    let numbers = |page: &Value| -> Vec<i64> {
        let versions = page["versions"].as_array().expect("versions");
        assert!(versions.iter().all(|v| v.get("content").is_none()));
        versions
            .iter()
            .map(|v| v["version"].as_i64().expect("a number"))
            .collect()
    };
    assert_eq!(numbers(&page), [4, 3]);
    let page = d
        .ask("list_doc_versions", SOUL, &json!({ "before": 3, "limit": 50 }))
        .await;
    assert_eq!(numbers(&page), [2, 1]);
    assert_eq!(page["versions"][0]["size_bytes"], json!(3));
    assert_eq!(page["versions"][0]["author_id"], json!(d.s.f.owner), "who it was");
}

#[tokio::test]
async fn what_is_not_there_is_told_with_what_is() {
    let d = DocStage::new().await;
    let never = d.ask("read_doc", SOUL, &json!({})).await;
    assert_eq!(
        (&never["version"], &never["content"], &never["sha256"]),
        (&json!(0), &json!(""), &json!(sha("")))
    );
    for (more, detail, hint) in [
        (json!({ "doc_type": "diary" }), "unknown_type", "memory_today"),
        (json!({ "agent_key": "agent:x:main" }), "unknown_agent", KEY),
        (json!({ "project_id": "p9" }), "unknown_project", "member"),
        (json!({ "version": 7 }), "unknown_version", "history"),
    ] {
        for function in ["read_doc", "write_doc", "restore_doc"] {
            if function == "write_doc" && more.get("version").is_some() {
                continue;
            }
            let mut args = more.clone();
            args["content"] = json!("x");
            if args.get("version").is_none() && function == "restore_doc" {
                args["version"] = json!(1);
            }
            let error = d
                .ask_as(d.s.f.owner, function, SOUL, &args)
                .await
                .expect_err(function);
            let db = error.as_db_error().expect("an error of the database");
            assert_eq!(
                (code(&error), db.detail()),
                ("PT404", Some(detail)),
                "{function} {more}"
            );
            assert!(
                db.hint().is_some_and(|h| h.contains(hint)),
                "{function} {more}: {db:?}"
            );
        }
    }
    for (function, more) in [
        ("write_doc", json!({})),
        ("write_doc", json!({ "content": 7 })),
        ("write_doc", json!({ "content": "x", "base_version": "one" })),
        ("write_doc", json!({ "content": "x", "base_version": -1 })),
        ("read_doc", json!({ "doc_type": null })),
        ("read_doc", json!({ "project_id": 7 })),
        ("restore_doc", json!({})),
        ("resolve_doc", json!({ "take": "both" })),
    ] {
        let error = d
            .ask_as(d.s.f.owner, function, SOUL, &more)
            .await
            .expect_err(function);
        assert_eq!(code(&error), "22023", "{function} {more}");
    }
    let long = json!({ "content": "x".repeat(1_048_577) });
    let error = d
        .ask_as(d.s.f.owner, "write_doc", SOUL, &long)
        .await
        .expect_err("too long");
    assert_eq!(code(&error), "PT413");
}

#[tokio::test]
async fn roles_bound_what_a_member_may_do_with_documents() {
    let d = DocStage::new().await;
    d.write(SOUL, "one").await;
    d.write(SOUL, "two").await;
    let mut people = Vec::new();
    for role in ["editor", "viewer"] {
        let id = Uuid::new_v4();
        d.s.f.person(id, &format!("{role}@example.com")).await;
        let add = format!("select add_member('p1', '{role}@example.com', '{role}')");
        d.s.f.as_person(d.s.f.owner, &add).await.expect("add");
        people.push(id);
    }
    let stranger = Uuid::new_v4();
    d.s.f.person(stranger, "stranger@example.com").await;
    d.s.f.project("p2", stranger).await;
    let (editor, viewer) = (people[0], people[1]);
    let calls = [
        ("read_doc", json!({}), "viewer"),
        ("read_doc", json!({ "version": 1 }), "viewer"),
        ("list_docs_of", json!({}), "viewer"),
        ("list_doc_versions", json!({}), "viewer"),
        ("write_doc", json!({ "content": "three" }), "editor"),
        ("restore_doc", json!({ "version": 1 }), "editor"),
        ("resolve_doc", json!({ "take": "page" }), "editor"),
        (
            "pin_doc_version",
            json!({ "version": 1, "pinned": true }),
            "editor",
        ),
        ("erase_doc", json!({ "version": 2 }), "owner"),
        ("erase_doc", json!({}), "owner"),
    ];
    for (function, more, needed) in calls {
        let refused = d
            .ask_as(stranger, function, SOUL, &more)
            .await
            .expect_err(function);
        assert_eq!(code(&refused), "PT404", "{function} by a stranger");
        for (who, person) in [("viewer", viewer), ("editor", editor), ("owner", d.s.f.owner)] {
            let may = match needed {
                "viewer" => true,
                "editor" => who != "viewer",
                _ => who == "owner",
            };
            let answer = d.ask_as(person, function, SOUL, &more).await;
            match answer {
                Ok(_) => assert!(may, "{function} by {who}"),
                Err(error) => {
                    assert!(!may, "{function} by {who}: {error:?}");
                    assert_eq!(code(&error), "42501", "{function} by {who}");
                }
            }
        }
    }
}

#[tokio::test]
async fn all_documents_of_an_agent_are_listed_with_what_openclaw_leaves_away() {
    let d = DocStage::new().await;
    let long = "ü".repeat(19_000);
    for kind in [
        DocType::Soul,
        DocType::Agents,
        DocType::Identity,
        DocType::MemoryLong,
    ] {
        d.write(kind, &long).await;
    }
    d.write(DocType::User, &"x".repeat(4_001)).await;
    let listed = d.ask("list_docs_of", SOUL, &json!({})).await;
    let docs = listed["docs"].as_array().expect("docs");
    assert_eq!(docs.len(), 5);
    for doc in docs {
        let warning = doc["warning"].as_str().expect("a warning");
        assert!(warning.contains("60000"), "{warning}");
        assert_eq!(
            warning.contains("4000 characters"),
            doc["doc_type"] == json!("user"),
            "{warning}"
        );
        assert!(doc.get("content").is_none());
    }
    let row = d.row(SOUL).await;
    assert_eq!(
        row["warning"],
        Value::Null,
        "the file itself is no longer than is read"
    );
    d.write(DocType::Agents, "short").await;
    let one = d.ask("read_doc", SOUL, &json!({})).await;
    assert!(
        one["warning"].is_null() || one["warning"].as_str().is_some_and(|w| w.contains("61006")),
        "{one}"
    );
}

#[tokio::test]
async fn a_person_is_not_on_the_way_of_the_hosts_functions() {
    let d = DocStage::new().await;
    for function in ["list_docs", "fetch_docs", "put_docs"] {
        let refused = d.ask_as(d.s.f.owner, function, SOUL, &json!({ "api": 1 })).await;
        assert_eq!(code(&refused.expect_err(function)), "42501");
    }
    for function in ["read_doc", "write_doc", "list_docs_of", "erase_doc"] {
        let refused = d.s.host.call(function, &json!({ "project_id": "p1" })).await;
        assert_eq!(code(&refused.expect_err(function)), "42501");
    }
}
