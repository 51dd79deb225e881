//! Documents as supabase-js reaches them: by role, and by nobody else.

use creel_tests::db::{TestDb, User};
use creel_tests::postgrest::{As, Rest};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::victim::hash;

const KEY: &str = "agent:scout:main";

/// A project with an owner, an editor and a viewer, and a document of an agent.
struct Scene {
    _test: TestDb,
    rest: Rest,
    project: String,
    owner: User,
    editor: User,
    viewer: User,
    stranger: User,
}

impl Scene {
    async fn new() -> Self {
        let test = TestDb::new().await.expect("make a database");
        let rest = test.rest().await.expect("start the Data API");
        let mut people = Vec::new();
        for name in ["owner", "editor", "viewer", "stranger"] {
            let person = test.user(&format!("{name}@example.com")).await;
            people.push(person.expect("make a person"));
        }
        let mut people = people.into_iter();
        let mut next = || people.next().expect("four people");
        let (owner, editor, viewer, stranger) = (next(), next(), next(), next());
        let project = test.project(&owner).await.expect("make a project");
        test.project(&stranger).await.expect("make a project");
        for (person, role) in [(&editor, "editor"), (&viewer, "viewer")] {
            test.member(&project, person, role).await.expect("add a member");
        }
        let agent = json!({ "project_id": project, "agent_key": KEY });
        let made = rest.post(As::User(&owner), "agents", &agent).await.expect("call");
        made.expect_ok("an agent");
        let scene = Self {
            _test: test,
            rest,
            project,
            owner,
            editor,
            viewer,
            stranger,
        };
        let written = scene
            .call(As::User(&scene.owner), "write_doc", json!({ "content": "one" }))
            .await;
        assert_eq!(written.0, 200, "{}", written.1);
        scene
    }

    async fn call(&self, who: As<'_>, function: &str, more: Value) -> (u16, Value) {
        let mut args = json!({ "project_id": self.project, "agent_key": KEY, "doc_type": "soul" });
        let members = args.as_object_mut().expect("an object");
        members.extend(more.as_object().expect("an object").clone());
        let answer = self.rest.rpc(who, function, &args).await.expect("call");
        (answer.status, answer.body)
    }
}

/// Every function for people, with what makes sense to it, and the least role that may.
fn calls() -> Vec<(&'static str, Value, &'static str)> {
    vec![
        ("read_doc", json!({}), "viewer"),
        ("read_doc", json!({ "version": 1 }), "viewer"),
        ("list_docs_of", json!({}), "viewer"),
        ("list_doc_versions", json!({}), "viewer"),
        ("write_doc", json!({ "content": "two" }), "editor"),
        ("restore_doc", json!({ "version": 1 }), "editor"),
        ("resolve_doc", json!({ "take": "page" }), "editor"),
        ("pin_doc_version", json!({ "version": 1 }), "editor"),
        ("erase_doc", json!({}), "owner"),
    ]
}

#[tokio::test]
async fn each_role_does_what_it_may_and_nobody_else_anything() {
    let scene = Scene::new().await;
    for (function, more, needed) in calls() {
        let (status, body) = scene
            .call(As::User(&scene.stranger), function, more.clone())
            .await;
        assert_eq!(
            (status, body["code"].as_str()),
            (404, Some("PT404")),
            "{function}: {body}"
        );
        for nobody in [As::Publishable, As::NoKey] {
            let (status, body) = scene.call(nobody, function, more.clone()).await;
            assert_eq!(status, 401, "{function}: {body}");
        }
        let may_editor = needed != "owner";
        let may_viewer = needed == "viewer";
        for (who, may) in [
            (&scene.viewer, may_viewer),
            (&scene.editor, may_editor),
            (&scene.owner, true),
        ] {
            let (status, body) = scene.call(As::User(who), function, more.clone()).await;
            let expected = if may { 200 } else { 403 };
            assert_eq!(status, expected, "{function} by {}: {body}", who.email);
        }
    }
}

#[tokio::test]
async fn a_document_is_written_by_a_row_on_its_base() {
    let scene = Scene::new().await;
    let row = |content: &str, base: Value| {
        json!({ "project_id": scene.project, "agent_key": KEY, "doc_type": "soul", "content": content,
            "base_version": base, "updated_by": "page", "sync_state": "synced", "disk_sha256": hash(content) })
    };
    let upsert = async |who: &User, row: &Value| {
        let prefer = [("prefer", "resolution=merge-duplicates,return=representation")];
        let path = "brain_docs?on_conflict=project_id,agent_key,doc_type";
        let answer = scene
            .rest
            .send(As::User(who), reqwest::Method::POST, path, &prefer, Some(row))
            .await;
        answer.expect("call")
    };
    let stale = upsert(&scene.owner, &row("two", json!(7))).await;
    assert_eq!((stale.status, stale.code()), (409, "PT409"), "{}", stale.body);
    assert!(
        stale.body["hint"]
            .as_str()
            .is_some_and(|hint| hint.contains("base_version"))
    );
    let written = upsert(&scene.owner, &row("two", json!(1)))
        .await
        .expect_ok("on its base");
    assert_eq!(
        (
            &written[0]["version"],
            &written[0]["base_version"],
            &written[0]["sync_state"]
        ),
        (&json!(2), &Value::Null, &json!("waiting"))
    );
    upsert(&scene.owner, &row("three", Value::Null))
        .await
        .expect_ok("as existing pages do it");
    let refused = upsert(&scene.viewer, &row("four", Value::Null)).await;
    assert_eq!(refused.status, 403, "{}", refused.body);
    let refused = upsert(&scene.stranger, &row("four", Value::Null)).await;
    assert_eq!(refused.status, 403, "{}", refused.body);
    let now = scene.call(As::User(&scene.viewer), "read_doc", json!({})).await.1;
    assert_eq!((&now["content"], &now["version"]), (&json!("three"), &json!(3)));
}

#[tokio::test]
async fn a_conflict_comes_back_with_both_texts() {
    let scene = Scene::new().await;
    let write = |content: &str| json!({ "content": content, "base_version": 1 });
    let first = scene
        .call(As::User(&scene.editor), "write_doc", write("theirs"))
        .await;
    assert_eq!((first.0, &first.1["ok"]), (200, &json!(true)), "{}", first.1);
    let (status, second) = scene
        .call(As::User(&scene.owner), "write_doc", write("mine"))
        .await;
    assert_eq!((status, &second["ok"]), (200, &json!(false)));
    assert_eq!(
        (&second["current"]["content"], &second["base"]["content"]),
        (&json!("theirs"), &json!("one"))
    );
}

#[tokio::test]
async fn a_host_by_key_mirrors_what_lives_there() {
    let test = TestDb::new().await.expect("make a database");
    let rest = test.rest().await.expect("start the Data API");
    let owner = test.user("owner@example.com").await.expect("make a person");
    let project = test.project(&owner).await.expect("make a project");
    let (host, key) = test.host_with_key(&[&project]).await.expect("enrol a host");
    let agent: Uuid = test
        .postgres()
        .await
        .expect("connect")
        .query_one(
            "insert into agents (project_id, agent_key, host_id, openclaw_id, status) values ($1, $2, $3, 'scout', 'running')
             returning id",
            &[&project, &KEY, &host],
        )
        .await
        .expect("make an agent")
        .get(0);
    let ask = async |function: &str, more: Value| {
        let mut args = json!({ "api": 1 });
        let members = args.as_object_mut().expect("an object");
        members.extend(more.as_object().expect("an object").clone());
        let answer = rest.rpc(As::HostKey(&key), function, &args).await;
        answer.expect("call").expect_ok(function)
    };
    let put = ask(
        "put_docs",
        json!({ "changes": [
        { "agent_id": agent, "doc_type": "soul", "op": "text", "base_version": 0, "content": "disk" } ] }),
    )
    .await;
    assert_eq!(put["results"][0]["status"], json!("done"));
    let listed = ask("list_docs", json!({})).await;
    assert_eq!(listed["docs"][0]["sha256"], json!(hash("disk")));
    let docs = json!({ "docs": [{ "agent_id": agent, "doc_type": "soul", "sha256": hash("disk") }] });
    assert_eq!(ask("fetch_docs", docs).await["docs"][0]["content"], json!("disk"));
}
