//! A function's key opens what it is for; nobody else may call that; and what is known of money is seen by those it is
//! about.

use creel_tests::db::TestDb;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::shop::{Shop, T, completed};

/// Everything that a role could do something with, but for what extensions and their schema give to
/// everybody.
const REACH: &str = "
  with ext as materialized (select d.objid from pg_depend d where d.deptype = 'e')
  select 'table ' || c.oid::regclass || ' ' || p.privilege
  from pg_class c join pg_namespace n on n.oid = c.relnamespace,
    unnest(array['select', 'insert', 'update', 'delete', 'truncate', 'references', 'trigger']) as p (privilege)
  where c.oid not in (select e.objid from ext e) and c.relkind in ('r', 'v', 'm', 'p', 'f') and n.nspname !~ '^(pg_|information_schema)'
    and has_schema_privilege($1, n.oid, 'usage') and has_table_privilege($1, c.oid, p.privilege)
  union all
  select 'column ' || c.oid::regclass || '.' || a.attname || ' ' || p.privilege
  from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace,
    unnest(array['select', 'insert', 'update', 'references']) as p (privilege)
  where c.oid not in (select e.objid from ext e) and a.attnum > 0 and not a.attisdropped and c.relkind in ('r', 'v', 'm', 'p', 'f')
    and n.nspname !~ '^(pg_|information_schema)'
    and has_schema_privilege($1, n.oid, 'usage')
    and has_column_privilege($1, c.oid, a.attnum, p.privilege)
  union all
  select 'sequence ' || c.oid::regclass || ' ' || p.privilege
  from pg_class c join pg_namespace n on n.oid = c.relnamespace,
    unnest(array['select', 'usage', 'update']) as p (privilege)
  where c.relkind = 'S' and n.nspname !~ '^pg_' and has_sequence_privilege($1, c.oid, p.privilege)
  union all
  select 'function ' || f.oid::regprocedure
  from pg_proc f join pg_namespace n on n.oid = f.pronamespace
  where f.oid not in (select e.objid from ext e) and n.nspname !~ '^(pg_|information_schema|extensions)'
    and has_schema_privilege($1, n.oid, 'usage') and has_function_privilege($1, f.oid, 'execute')
  union all
  select 'schema ' || n.nspname || ' create' from pg_namespace n
  where n.nspname !~ '^pg_temp' and has_schema_privilege($1, n.oid, 'create')
  union all
  select 'schema ' || n.nspname from pg_namespace n
  where n.nspname ~ '^(creel|auth|storage|vault|realtime)$'
    and has_schema_privilege($1, n.oid, 'usage')
  union all
  select 'role ' || r.rolname from pg_roles r
  where r.rolname <> $1 and pg_has_role($1, r.oid, 'member')
  order by 1";

async fn reach(test: &TestDb, role: &str) -> Vec<String> {
    let rows = test
        .postgres()
        .await
        .expect("connect")
        .query(REACH, &[&role])
        .await
        .expect("look at the catalog");
    rows.iter().map(|row| row.get(0)).collect()
}

/// The roles of functions, and all that each of them reaches.
const FUNCTIONS: [(&str, &[&str]); 2] = [
    ("creel_stripe", &["function apply_stripe_event(jsonb)"]),
    (
        "creel_notifier",
        &[
            "function claim_notifications(jsonb)",
            "function finish_notifications(jsonb)",
        ],
    ),
];

#[tokio::test]
async fn a_function_reaches_what_it_is_for_in_the_whole_catalog() {
    let test = TestDb::new().await.expect("make a database");
    // Also where everything new is open to the Data API by itself.
    let open = TestDb::with_automatic_grants().await.expect("make a database");
    let db = test.postgres().await.expect("connect");
    for (role, reached) in FUNCTIONS {
        assert_eq!(reach(&test, role).await, reached, "{role}");
        assert_eq!(reach(&open, role).await, reached, "{role}, with automatic grants");
        let row = db
            .query_one(
                "select rolcanlogin or rolsuper or rolcreaterole or rolcreatedb or rolbypassrls or rolreplication
                 from pg_roles where rolname = $1",
                &[&role],
            )
            .await
            .expect("look at the role");
        assert!(!row.get::<_, bool>(0), "{role} itself is nothing");
    }
}

#[tokio::test]
async fn nobody_else_may_claim_what_webhooks_are_told() {
    let test = TestDb::new().await.expect("make a database");
    for role in [
        "anon",
        "authenticated",
        "service_role",
        "creel_host",
        "creel_stripe",
    ] {
        let client = test.postgres().await.expect("connect");
        client
            .batch_execute(&format!("set role {role}"))
            .await
            .expect("switch");
        for function in ["claim_notifications", "finish_notifications"] {
            for schema in ["public", "creel"] {
                let sql = format!("select {schema}.{function}('{{\"api\":1,\"items\":[]}}')");
                let refused = client.query_one(&sql, &[]).await.expect_err(role);
                assert_eq!(refused.code().map(|c| c.code()), Some("42501"), "{role} {sql}");
            }
        }
    }
}

#[tokio::test]
async fn nobody_else_may_tell_what_stripe_says() {
    let shop = Shop::new().await;
    let intent = shop.checkout().await;
    let event = completed("evt_1", &intent, "sub_1", T);
    let args = json!({ "api": 1, "endpoint": "platform", "event": event })
        .to_string()
        .replace('\'', "''");
    let sql = format!("select public.apply_stripe_event('{args}')");
    let refused = shop
        .s
        .f
        .ask_as_person(shop.s.f.owner, &sql)
        .await
        .expect_err("refused");
    assert_eq!(refused.code().map(|c| c.code()), Some("42501"));
    for role in ["anon", "service_role", "creel_host"] {
        let client = shop.s.f.test.postgres().await.expect("connect");
        client
            .batch_execute(&format!("set role {role}"))
            .await
            .expect("switch");
        let refused = client.query_one(&sql, &[]).await.expect_err(role);
        assert_eq!(refused.code().map(|c| c.code()), Some("42501"), "{role}");
    }
    let refused = shop.s.host.client.query_one(&sql, &[]).await.expect_err("a host");
    assert_eq!(refused.code().map(|c| c.code()), Some("42501"));
    assert_eq!(
        shop.value("select to_jsonb(count(*)) from stripe_events").await,
        json!(0)
    );
}

#[tokio::test]
async fn people_see_what_is_about_them_and_write_none_of_it() {
    let shop = Shop::new().await;
    shop.running().await;
    let stranger = Uuid::new_v4();
    shop.s.f.person(stranger, "stranger@example.com").await;
    let viewer = Uuid::new_v4();
    shop.s.f.person(viewer, "viewer@example.com").await;
    shop.exec(&format!(
        "insert into project_members (project_id, user_id, role) values ('p1', '{viewer}', 'viewer')"
    ))
    .await;
    let member = shop.s.f.owner;
    for (table, who) in [
        (
            "subscriptions",
            [(member, 1), (viewer, 1), (stranger, 0), (shop.host_owner, 0)],
        ),
        (
            "paid_to_running",
            [(member, 1), (viewer, 1), (stranger, 0), (shop.host_owner, 0)],
        ),
        (
            "checkout_intents",
            [(member, 1), (viewer, 1), (stranger, 0), (shop.host_owner, 0)],
        ),
        (
            "stripe_customers",
            [(member, 1), (viewer, 0), (stranger, 0), (shop.host_owner, 0)],
        ),
        (
            "stripe_accounts",
            [(member, 0), (viewer, 0), (stranger, 0), (shop.host_owner, 1)],
        ),
    ] {
        for (person, count) in who {
            let sql = format!("select to_jsonb(count(*)) from {table}");
            let seen = shop.s.f.ask_as_person(person, &sql).await.expect("read");
            assert_eq!(seen, json!(count), "{table} {person}");
        }
        for sql in [
            format!("delete from {table}"),
            format!("update {table} set project_id = project_id"),
        ] {
            assert!(shop.s.f.as_person(member, &sql).await.is_err(), "{sql}");
        }
    }
    for sql in [
        "select to_jsonb(count(*)) from stripe_events",
        "select to_jsonb(creel.add_function_key('stripe', repeat('0', 64), 'x'))",
        "select to_jsonb(count(*)) from creel.function_keys",
    ] {
        assert!(shop.s.f.ask_as_person(member, sql).await.is_err(), "{sql}");
    }
    // A host's owner lets his host serve his own project; the terms are not his to choose.
    let sql = "insert into project_hosts (project_id, host_id, terms) select 'p1', id, 'own' from hosts";
    assert!(shop.s.f.as_person(shop.host_owner, sql).await.is_err());
    assert!(
        shop.s
            .f
            .as_person(shop.host_owner, "update project_hosts set terms = 'own'")
            .await
            .is_err()
    );
}

#[tokio::test]
async fn old_payloads_are_emptied_and_the_rows_stay() {
    let shop = Shop::new().await;
    shop.running().await;
    shop.exec("update stripe_events set received_at = now() - interval '401 days'")
        .await;
    shop.sweep().await;
    assert_eq!(
        shop.value("select jsonb_agg(jsonb_build_array(id, status, payload)) from stripe_events")
            .await,
        json!([["evt_paid_sub_1", "applied", Value::Null]])
    );
}
