//! Documents from before there was a mirror.

use creel_local::{database, migrations};
use creel_tests::cluster::connect;
use creel_tests::db::TestDb;
use serde_json::{Value, json};

use crate::docs_stage::sha;

/// From here on documents are mirrored.
const MIRROR: &str = "20261121005000";

/// One that was made from the disk, one that a person wrote, and one that both wrote.
const OLD: &str = "
insert into projects (id, name) values ('p1', 'P');
insert into brain_docs (project_id, agent_key, doc_type, content) values
  ('p1', 'scout', 'soul', 'from the disk'), ('p1', 'scout', 'user', 'from a person'), ('p1', 'scout', 'agents', 'template');
update brain_doc_versions set author_kind = 'template' where doc_type in ('soul', 'agents');
update brain_docs set content = 'changed' where doc_type = 'agents'";

#[tokio::test]
async fn documents_from_before_there_was_a_mirror_have_the_ancestor_that_is_known() {
    let test = TestDb::new().await.expect("make a database");
    let name = format!("{}_old", test.name());
    let admin = test.superuser().await.expect("connect");
    admin
        .batch_execute(&format!("create database {name} owner postgres"))
        .await
        .expect("make a bare database");
    let passwords = &test.cluster().passwords;
    let config = test
        .cluster()
        .config("supabase_admin", &passwords.supabase_admin, &name);
    let bare = connect(&config).await.expect("connect");
    database::bootstrap_database(&bare)
        .await
        .expect("make the schemas of Supabase");
    drop(bare);
    let mut old = connect(&test.cluster().config("postgres", &passwords.postgres, &name))
        .await
        .expect("connect");
    let all = migrations::built_in().expect("read the migrations");
    let older: Vec<_> = all
        .iter()
        .filter(|migration| migration.version.as_str() < MIRROR)
        .cloned()
        .collect();
    migrations::apply(&mut old, &older)
        .await
        .expect("apply the older ones");
    old.batch_execute(OLD).await.expect("use them");
    let times = "select jsonb_agg(updated_at order by doc_type) from brain_docs";
    let before: Value = old.query_one(times, &[]).await.expect("read").get(0);
    migrations::apply(&mut old, &all).await.expect("apply the others");

    let after: Value = old.query_one(times, &[]).await.expect("read").get(0);
    assert_eq!(before, after, "nobody has written");
    let rows = old
        .query(
            "select jsonb_build_array(doc_type, version, last_version, disk_version, disk_sha256, sync_state)
             from brain_docs order by doc_type",
            &[],
        )
        .await
        .expect("read");
    let rows: Vec<Value> = rows.iter().map(|row| row.get(0)).collect();
    assert_eq!(
        rows,
        [
            json!(["agents", 2, 2, 1, sha("template"), "waiting"]),
            json!(["soul", 1, 1, 1, sha("from the disk"), "synced"]),
            json!(["user", 1, 1, 0, null, "waiting"]),
        ]
    );
}
