//! What was there before a migration is what it was meant to be after it.

use creel_local::{database, migrations};
use creel_tests::cluster::connect;
use creel_tests::db::TestDb;

/// From here on hosts are told what to do by commands.
const COMMANDS_BY_ROW: &str = "20261121003200";

/// From here on a key says which function it opens.
const FUNCTION_KEYS: &str = "20261121006960";

/// A host with agents, as they were before there were commands.
const OLD: &str = "
insert into projects (id, name) values ('p1', 'P');
insert into hosts (name) values ('mini');
insert into project_hosts (project_id, host_id) select 'p1', id from hosts;
insert into agents (project_id, agent_key, host_id, openclaw_id, provisioned, workspace_path, status, desired_state)
  select 'p1', v.key, h.id, v.key, true, '/w', v.status, v.wish
  from hosts h, (values
    ('gone', 'removed', 'removed'), ('wished', 'running', 'removed'), ('kept', 'running', 'running')) v (key, status, wish);
insert into agents (project_id, agent_key, desired_state) values ('p1', 'nowhere', 'removed')";

/// A database that was used before a migration, and has all of them now.
struct Upgraded {
    test: TestDb,
    name: String,
    db: tokio_postgres::Client,
}

impl Upgraded {
    async fn new(before: &str, use_it: &str) -> Self {
        let test = TestDb::new().await.expect("make a database");
        let name = format!("{}_old", test.name());
        let admin = test.superuser().await.expect("connect");
        admin
            .batch_execute(&format!("create database {name} owner postgres"))
            .await
            .expect("make a bare database");
        let passwords = &test.cluster().passwords;
        let bare = connect(
            &test
                .cluster()
                .config("supabase_admin", &passwords.supabase_admin, &name),
        )
        .await
        .expect("connect");
        database::bootstrap_database(&bare)
            .await
            .expect("make the schemas of Supabase");
        drop(bare);
        let mut db = connect(&test.cluster().config("postgres", &passwords.postgres, &name))
            .await
            .expect("connect");
        let all = migrations::built_in().expect("read the migrations");
        let older: Vec<_> = all
            .iter()
            .filter(|migration| migration.version.as_str() < before)
            .cloned()
            .collect();
        migrations::apply(&mut db, &older)
            .await
            .expect("apply the older ones");
        db.batch_execute(use_it).await.expect("use them");
        migrations::apply(&mut db, &all).await.expect("apply the others");
        Self { test, name, db }
    }

    async fn texts(&self, sql: &str) -> Vec<String> {
        let rows = self.db.query(sql, &[]).await.expect("read");
        rows.iter().map(|row| row.get(0)).collect()
    }

    async fn end(self) {
        drop(self.db);
        let admin = self.test.superuser().await.expect("connect");
        admin
            .batch_execute(&format!("drop database {} with (force)", self.name))
            .await
            .expect("drop it");
    }
}

#[tokio::test]
async fn agents_that_were_wished_away_before_commands_are_undeployed() {
    let old = Upgraded::new(COMMANDS_BY_ROW, OLD).await;
    let sql = "select a.agent_key || ' ' || a.status || coalesce(' ' || c.type || ' ' || c.status, '')
             from agents a left join agent_commands c on c.agent_id = a.id order by 1";
    assert_eq!(
        old.texts(sql).await,
        [
            "gone removed",
            "kept running",
            "nowhere removed undeploy acked",
            "wished running undeploy pending"
        ]
    );
    old.end().await;
}

#[tokio::test]
async fn keys_from_before_there_was_another_kind_open_what_they_opened() {
    let made = "select creel.add_stripe_key(repeat('0', 64), 'good', 30), creel.add_stripe_key(repeat('1', 64), 'ended');
                select creel.revoke_stripe_key(id) from creel.stripe_keys where label = 'ended'";
    let old = Upgraded::new(FUNCTION_KEYS, made).await;
    let sql = "select label || ' ' || opens || ' ' || left(encode(key_sha256, 'hex'), 2)
                 || case when revoked_at is not null then ' revoked' else '' end
                 || case when expires_at is not null then ' expires' else '' end
               from creel.function_keys order by 1";
    assert_eq!(
        old.texts(sql).await,
        ["ended stripe 11 revoked", "good stripe 00 expires"]
    );
    let nameless = "insert into creel.function_keys (key_sha256) values (sha256(''))";
    assert!(
        old.db.batch_execute(nameless).await.is_err(),
        "each says what it opens"
    );
    old.end().await;
}
