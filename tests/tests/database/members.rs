//! What members may write, and what stays the worker's.

use uuid::Uuid;

use crate::fixture::Fixture;

#[tokio::test]
async fn an_upsert_on_a_provisioned_agent_changes_nothing_that_is_the_worker_s() {
    let f = Fixture::new().await;
    let host = f.host(&["p1"]).await;
    f.request("agent:scout:main").await;
    let held = host.claim_one().await;
    host.finish(held, "done").await;
    let mine = "select jsonb_build_object('provisioned', provisioned, 'workspace_path', workspace_path, 'host_id', host_id,
      'openclaw_id', openclaw_id, 'status', status, 'port', port, 'profile', profile, 'agent_id_short', agent_id_short,
      'id', id, 'created_at', created_at) from agents";
    let before: serde_json::Value = f.admin.query_one(mine, &[]).await.expect("read").get(0);
    let written = f
        .as_person(
            f.owner,
            "insert into agents (project_id, agent_key, name, role, emoji, color, agent_id_short, provisioned,
               workspace_path, host_id, openclaw_id, status, port, profile, id)
             values ('p1', 'agent:scout:main', 'New', 'r', '🦉', '#000', 'other', false, '/etc', null, 'x', 'removed', 1, 'y',
               gen_random_uuid())
             on conflict (project_id, agent_key) do update set name = excluded.name, role = excluded.role,
               emoji = excluded.emoji, color = excluded.color, agent_id_short = excluded.agent_id_short,
               provisioned = excluded.provisioned, workspace_path = excluded.workspace_path, host_id = excluded.host_id,
               openclaw_id = excluded.openclaw_id, status = excluded.status, port = excluded.port,
               profile = excluded.profile, id = excluded.id",
        )
        .await
        .expect("the upsert is accepted");
    assert_eq!(written, 1);
    let after: serde_json::Value = f.admin.query_one(mine, &[]).await.expect("read").get(0);
    assert_eq!(before, after);
    let name = f
        .admin
        .query_one("select name from agents", &[])
        .await
        .expect("read");
    assert_eq!(name.get::<_, String>(0), "New", "what is the member's is written");
}

#[tokio::test]
async fn the_short_id_is_derived_from_the_key() {
    let f = Fixture::new().await;
    for (key, short) in [
        ("agent:scout:main", "scout"),
        ("plain", "plain"),
        ("agent:../x:main", "../x"),
    ] {
        let sql = format!("insert into agents (project_id, agent_key) values ('p1', '{key}')");
        f.as_person(f.owner, &sql).await.expect("write");
        let row = f
            .admin
            .query_one("select agent_id_short from agents where agent_key = $1", &[&key])
            .await;
        assert_eq!(row.expect("read").get::<_, String>(0), short);
    }
}

#[tokio::test]
async fn roles_bound_what_a_member_may_do() {
    let f = Fixture::new().await;
    let mut people = Vec::new();
    for role in ["editor", "viewer"] {
        let id = Uuid::new_v4();
        f.person(id, &format!("{role}@example.com")).await;
        f.as_person(
            f.owner,
            &format!("select add_member('p1', '{role}@example.com', '{role}')"),
        )
        .await
        .expect("add");
        people.push(id);
    }
    let stranger = Uuid::new_v4();
    f.person(stranger, "stranger@example.com").await;
    let write = |key: &str| format!("insert into agents (project_id, agent_key) values ('p1', '{key}')");
    f.as_person(people[0], &write("agent:e:main"))
        .await
        .expect("an editor writes");
    f.as_person(people[1], &write("agent:v:main"))
        .await
        .expect_err("a viewer does not");
    f.as_person(stranger, &write("agent:s:main"))
        .await
        .expect_err("nor a stranger");
    assert_eq!(
        f.as_person(people[1], "select from agents").await.expect("read"),
        1,
        "a viewer reads"
    );
    assert_eq!(
        f.as_person(stranger, "select from agents").await.expect("read"),
        0,
        "a stranger sees nothing"
    );
    for person in [people[0], people[1], stranger] {
        f.as_person(person, "select add_member('p1', 'stranger@example.com', 'owner')")
            .await
            .expect_err("only an owner adds members");
        let insert = format!(
            "insert into project_members (project_id, user_id, role) values ('p1', '{person}', 'owner')"
        );
        f.as_person(person, &insert)
            .await
            .expect_err("not by hand either");
    }
    let request = "insert into agent_provision_requests (project_id, agent_key, status) values ('p1', 'agent:x:main', 'queued')";
    f.as_person(people[1], request)
        .await
        .expect_err("a viewer requests nothing");
    f.as_person(stranger, request).await.expect_err("nor a stranger");
    let made = f
        .admin
        .query("select from agents where agent_key = 'agent:x:main'", &[])
        .await
        .expect("read");
    assert!(made.is_empty(), "a refused request leaves no agent behind");
}

#[tokio::test]
async fn a_project_keeps_an_owner() {
    let f = Fixture::new().await;
    let refused = f
        .as_person(f.owner, "delete from project_members")
        .await
        .expect_err("the last owner stays");
    assert_eq!(
        refused.code().map(|c| c.code().to_owned()).as_deref(),
        Some("PT409")
    );
}

#[tokio::test]
async fn whoever_creates_a_project_sees_and_owns_it() {
    let f = Fixture::new().await;
    let person = Uuid::new_v4();
    f.person(person, "new@example.com").await;
    f.as_person(
        person,
        "insert into projects (id, name) values ('mine', 'Mine') returning *",
    )
    .await
    .expect("create");
    assert_eq!(
        f.as_person(person, "select from projects").await.expect("read"),
        1
    );
    f.as_person(f.owner, "select add_member('p1', 'new@example.com', 'viewer')")
        .await
        .expect("add");
    assert_eq!(
        f.as_person(person, "select from project_members where role = 'owner'")
            .await
            .expect("read"),
        2
    );
}

#[tokio::test]
async fn deleting_a_provisioned_agent_is_a_wish_and_another_one_goes_at_once() {
    let f = Fixture::new().await;
    let host = f.host(&["p1"]).await;
    f.request("agent:a:main").await;
    let held = host.claim_one().await;
    host.finish(held, "done").await;
    f.as_person(
        f.owner,
        "insert into agents (project_id, agent_key) values ('p1', 'agent:b:main')",
    )
    .await
    .expect("write");
    f.as_person(f.owner, "delete from agents").await.expect("delete");
    let left = f
        .admin
        .query("select agent_key, desired_state from agents", &[])
        .await
        .expect("read");
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].get::<_, String>(0), "agent:a:main");
    assert_eq!(left[0].get::<_, String>(1), "removed");
}

#[tokio::test]
async fn every_text_of_a_document_stays_as_a_version() {
    let f = Fixture::new().await;
    let upsert = |text: &str| {
        format!(
            "insert into brain_docs (project_id, agent_key, doc_type, content, updated_by)
             values ('p1', 'agent:a:main', 'soul', '{text}', 'page')
             on conflict (project_id, agent_key, doc_type) do update set content = excluded.content"
        )
    };
    for text in ["one", "two", "two", "one"] {
        f.as_person(f.owner, &upsert(text)).await.expect("write");
    }
    let versions = f
        .admin
        .query(
            "select v.version, v.base_version, c.content, v.author_kind, v.author_id from brain_doc_versions v
             join brain_doc_contents c using (project_id, sha256) order by 1",
            &[],
        )
        .await
        .expect("read versions");
    let seen: Vec<(i32, Option<i32>, String)> =
        versions.iter().map(|r| (r.get(0), r.get(1), r.get(2))).collect();
    assert_eq!(
        seen,
        [
            (1, None, "one".to_owned()),
            (2, Some(1), "two".to_owned()),
            (3, Some(2), "one".to_owned())
        ]
    );
    assert!(
        versions
            .iter()
            .all(|r| r.get::<_, String>(3) == "person" && r.get::<_, Uuid>(4) == f.owner)
    );
}

#[tokio::test]
async fn quotas_bound_what_a_project_writes() {
    let f = Fixture::new().await;
    f.admin
        .execute(
            "update creel.settings set max_agents_per_project = 2, max_open_requests_per_project = 2,
               max_members_per_project = 1, max_projects_per_user = 1",
            &[],
        )
        .await
        .expect("set small quotas");
    let refused = |result: Result<u64, tokio_postgres::Error>| {
        let error = result.expect_err("over the quota");
        assert_eq!(
            error.code().map(|c| c.code().to_owned()).as_deref(),
            Some("PT429")
        );
    };
    let agents =
        "insert into agents (project_id, agent_key) select 'p1', 'a' || n from generate_series(1, 3) n";
    refused(f.as_person(f.owner, agents).await);
    let requests = "insert into agent_provision_requests (project_id, agent_key) select 'p1', 'a' || n from generate_series(1, 3) n";
    refused(f.as_person(f.owner, requests).await);
    let docs = "insert into brain_docs (project_id, agent_key, doc_type) select 'p1', 'a' || n, 'soul' from generate_series(1, 13) n";
    refused(f.as_person(f.owner, docs).await);
    refused(
        f.as_person(f.owner, "insert into projects (id) values ('p9')")
            .await,
    );
    f.person(Uuid::new_v4(), "two@example.com").await;
    refused(
        f.as_person(f.owner, "select add_member('p1', 'two@example.com', 'viewer')")
            .await,
    );
    let big = "insert into brain_docs (project_id, agent_key, doc_type, content) values ('p1', 'a', 'soul', repeat('x', 1048577))";
    f.as_person(f.owner, big).await.expect_err("a document over 1 MB");
}
