//! The words in Rust and the words in SQL are the same.

use creel_core::host_api::{
    DOC_MAX_BYTES, DOCS_CALL_MAX, DOCS_CALL_MAX_BYTES, OPENCLAW_ALL_CHARS, OPENCLAW_FILE_CHARS,
    OPENCLAW_USER_CHARS,
};
use creel_core::id::EXAMPLES;
use creel_core::status::*;
use creel_tests::db::TestDb;

/// The texts that a named CHECK lists, in its order.
async fn texts_of(db: &tokio_postgres::Client, table: &str, check: &str) -> Vec<String> {
    let row = db
        .query_one(
            "select pg_get_constraintdef(c.oid) from pg_constraint c
             where c.conrelid = $1::text::regclass and c.conname = $2",
            &[&table, &check],
        )
        .await
        .unwrap_or_else(|e| panic!("{table} has no CHECK {check}: {e:?}"));
    let definition: String = row.get(0);
    definition
        .split('\'')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

#[tokio::test]
async fn each_status_enum_equals_its_check() {
    let test = TestDb::new().await.expect("make a database");
    let db = test.postgres().await.expect("connect");
    macro_rules! same {
        ($enum:ident, $table:literal, $check:literal) => {
            let rust: Vec<&str> = $enum::ALL.iter().map(|s| s.as_str()).collect();
            assert_eq!(
                texts_of(&db, $table, $check).await,
                rust,
                "{} and {}",
                stringify!($enum),
                $check
            );
        };
    }
    same!(MemberRole, "public.project_members", "project_members_role");
    same!(HostStatus, "public.hosts", "hosts_status");
    same!(Tenancy, "public.hosts", "hosts_tenancy");
    same!(Backend, "public.hosts", "hosts_backends");
    same!(AgentStatus, "public.agents", "agents_status");
    same!(DesiredState, "public.agents", "agents_desired_state");
    same!(AgentBilling, "public.agents", "agents_billing");
    same!(HostTerms, "public.project_hosts", "project_hosts_terms");
    same!(Plan, "public.checkout_intents", "checkout_intents_plan");
    same!(FunctionKeyKind, "creel.function_keys", "function_keys_opens");
    same!(
        CheckoutStatus,
        "public.checkout_intents",
        "checkout_intents_status"
    );
    same!(Plan, "public.subscriptions", "subscriptions_plan");
    same!(SubscriptionStatus, "public.subscriptions", "subscriptions_status");
    same!(
        SubscriptionService,
        "public.subscriptions",
        "subscriptions_service"
    );
    same!(StripeEndpoint, "public.stripe_events", "stripe_events_endpoint");
    same!(StripeEventStatus, "public.stripe_events", "stripe_events_status");
    same!(Backend, "public.agents", "agents_backend");
    same!(AgentActivity, "public.agent_status", "agent_status_state");
    same!(
        RequestStatus,
        "public.agent_provision_requests",
        "agent_provision_requests_status"
    );
    same!(CommandType, "public.agent_commands", "agent_commands_type");
    same!(CommandStatus, "public.agent_commands", "agent_commands_status");
    same!(WokenBy, "public.agent_commands", "agent_commands_woken_by");
    same!(DocType, "public.brain_docs", "brain_docs_doc_type");
    same!(
        DocType,
        "public.brain_doc_versions",
        "brain_doc_versions_doc_type"
    );
    same!(
        AuthorKind,
        "public.brain_doc_versions",
        "brain_doc_versions_author_kind"
    );
    same!(
        WokenBy,
        "public.agent_provision_requests",
        "agent_provision_requests_woken_by"
    );
    same!(DocSyncState, "public.brain_docs", "brain_docs_sync_state");
    same!(
        DocReason,
        "public.brain_doc_versions",
        "brain_doc_versions_reason"
    );
    same!(DeadReason, "creel.dead_letters", "dead_letters_reason");
    same!(NotificationKind, "public.notifications", "notifications_kind");
    same!(NotificationStatus, "public.notifications", "notifications_status");
    same!(EarningKind, "public.host_earnings", "host_earnings_kind");
    same!(CanaryStatus, "public.agent_canaries", "agent_canaries_status");
    same!(CanaryFault, "public.agent_canaries", "agent_canaries_fault");
    same!(WokenBy, "public.agent_canaries", "agent_canaries_woken_by");
    same!(OutageEnd, "public.agent_outages", "agent_outages_ended_by");
    same!(StripeRequestKind, "creel.stripe_requests", "stripe_requests_kind");
    same!(
        StripeRequestStatus,
        "creel.stripe_requests",
        "stripe_requests_status"
    );
    let events: Vec<&str> = NotificationKind::events().map(NotificationKind::as_str).collect();
    assert_eq!(texts_of(&db, "public.webhooks", "webhooks_events").await, events);
}

#[tokio::test]
async fn the_kinds_of_host_events_are_the_same() {
    let test = TestDb::new().await.expect("make a database");
    let row = test
        .postgres()
        .await
        .expect("connect")
        .query_one(
            "select prosrc from pg_proc where oid = 'creel.is_host_event(text)'::regprocedure",
            &[],
        )
        .await
        .expect("read the function");
    let source: String = row.get(0);
    let sql: Vec<&str> = source.split('\'').skip(1).step_by(2).collect();
    let rust: Vec<&str> = HostEventKind::ALL.iter().map(|kind| kind.as_str()).collect();
    assert_eq!(sql, rust);
}

#[tokio::test]
async fn the_kinds_of_billing_events_are_the_same() {
    let test = TestDb::new().await.expect("make a database");
    let rows = test
        .postgres()
        .await
        .expect("connect")
        .query(
            "select distinct m[1] from pg_proc p,
               regexp_matches(p.prosrc, '''(billing[.][a-z_]+)''', 'g') m
             where p.pronamespace in ('public'::regnamespace, 'creel'::regnamespace) order by 1",
            &[],
        )
        .await
        .expect("read the functions");
    let sql: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    let mut rust: Vec<&str> = BillingEventKind::ALL.iter().map(|kind| kind.as_str()).collect();
    rust.sort_unstable();
    assert_eq!(sql, rust);
}

#[tokio::test]
async fn every_check_on_texts_is_named_after_its_table() {
    let test = TestDb::new().await.expect("make a database");
    let unnamed = test
        .postgres()
        .await
        .expect("connect")
        .query(
            "select conrelid::regclass::text || ': ' || conname from pg_constraint
             where contype = 'c' and connamespace in ('public'::regnamespace, 'creel'::regnamespace)
               and conname ~ '_check[0-9]*$'",
            &[],
        )
        .await
        .expect("read constraints");
    let unnamed: Vec<String> = unnamed.iter().map(|row| row.get(0)).collect();
    assert!(
        unnamed.is_empty(),
        "CHECKs without a name of their own: {unnamed:?}"
    );
}

#[tokio::test]
async fn an_agent_id_is_the_same_in_rust_and_in_sql() {
    let test = TestDb::new().await.expect("make a database");
    let db = test.postgres().await.expect("connect");
    for (text, good) in EXAMPLES {
        let row = db
            .query_one("select creel.is_agent_id($1)", &[text])
            .await
            .expect("ask the rule");
        assert_eq!(row.get::<_, bool>(0), *good, "{text:?}");
    }
}

#[tokio::test]
async fn every_function_has_an_empty_search_path() {
    let test = TestDb::new().await.expect("make a database");
    let open = test
        .postgres()
        .await
        .expect("connect")
        .query(
            "select p.oid::regprocedure::text from pg_proc p
             where p.pronamespace in ('public'::regnamespace, 'creel'::regnamespace)
               and not coalesce(p.proconfig @> array['search_path=\"\"'], false)",
            &[],
        )
        .await
        .expect("read functions");
    let open: Vec<String> = open.iter().map(|row| row.get(0)).collect();
    assert!(
        open.is_empty(),
        "functions without set search_path = '': {open:?}"
    );
}

#[tokio::test]
async fn the_host_api_of_rust_is_the_one_that_the_database_takes() {
    let test = TestDb::new().await.expect("make a database");
    let db = test.postgres().await.expect("connect");
    let version = i32::try_from(creel_core::host_api::API).expect("a small number");
    db.execute(
        "select creel.require_api(jsonb_build_object('api', $1::int))",
        &[&version],
    )
    .await
    .expect("the version of the Rust is taken");
    let refused = db
        .execute(
            "select creel.require_api(jsonb_build_object('api', $1::int))",
            &[&(version + 1)],
        )
        .await
        .expect_err("another version is refused");
    assert_eq!(
        refused.code().map(|c| c.code()),
        Some(creel_core::host_api::UPGRADE_NEEDED)
    );
}

#[tokio::test]
async fn the_limits_of_documents_are_the_same_in_rust_and_in_sql() {
    let test = TestDb::new().await.expect("make a database");
    let db = test.postgres().await.expect("connect");
    let row = db
        .query_one("select creel.doc_limits()", &[])
        .await
        .expect("ask for them");
    assert_eq!(
        row.get::<_, serde_json::Value>(0),
        serde_json::json!({
            "doc_max_bytes": DOC_MAX_BYTES,
            "docs_call_max_bytes": DOCS_CALL_MAX_BYTES,
            "docs_call_max": DOCS_CALL_MAX,
            "openclaw_file_chars": OPENCLAW_FILE_CHARS,
            "openclaw_user_chars": OPENCLAW_USER_CHARS,
            "openclaw_all_chars": OPENCLAW_ALL_CHARS,
        })
    );
}
