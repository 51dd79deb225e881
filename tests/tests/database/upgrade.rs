//! What was there before a migration is what it was meant to be after it.

use creel_local::{database, migrations};
use creel_tests::cluster::connect;
use creel_tests::db::TestDb;

/// From here on hosts are told what to do by commands.
const COMMANDS_BY_ROW: &str = "20261121003200";

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

#[tokio::test]
async fn agents_that_were_wished_away_before_commands_are_undeployed() {
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
    let mut old = connect(&test.cluster().config("postgres", &passwords.postgres, &name))
        .await
        .expect("connect");
    let all = migrations::built_in().expect("read the migrations");
    let older: Vec<_> = all
        .iter()
        .filter(|migration| migration.version.as_str() < COMMANDS_BY_ROW)
        .cloned()
        .collect();
    migrations::apply(&mut old, &older)
        .await
        .expect("apply the older ones");
    old.batch_execute(OLD).await.expect("use them");
    migrations::apply(&mut old, &all).await.expect("apply the others");

    let rows = old
        .query(
            "select a.agent_key || ' ' || a.status || coalesce(' ' || c.type || ' ' || c.status, '')
             from agents a left join agent_commands c on c.agent_id = a.id order by 1",
            &[],
        )
        .await
        .expect("read");
    let found: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    assert_eq!(
        found,
        [
            "gone removed",
            "kept running",
            "nowhere removed undeploy acked",
            "wished running undeploy pending"
        ]
    );
    drop(old);
    admin
        .batch_execute(&format!("drop database {name} with (force)"))
        .await
        .expect("drop it");
}
