//! What the publication tells a page, and what it does not.

use crate::fixture::Fixture;

/// The names of the tables whose changes the slot has seen since it was last asked, one for each changed row.
async fn changes(f: &Fixture) -> Vec<String> {
    let rows = f
        .admin
        .query(
            "select data from pg_logical_slot_get_binary_changes('heard', null, null,
               'proto_version', '1', 'publication_names', 'supabase_realtime')",
            &[],
        )
        .await
        .expect("read the slot");
    // pgoutput: 'R' names a relation by oid, 'I' and 'U' carry that oid.
    let mut names = std::collections::HashMap::new();
    let mut heard = Vec::new();
    for row in rows {
        let data: Vec<u8> = row.get(0);
        let oid = || u32::from_be_bytes(data[1..5].try_into().expect("four bytes"));
        match data[0] {
            b'R' => {
                let text = data[5..]
                    .split(|b| *b == 0)
                    .nth(1)
                    .expect("a relation has a name");
                names.insert(oid(), String::from_utf8(text.to_vec()).expect("a name is text"));
            }
            b'I' | b'U' | b'D' => heard.push(names[&oid()].clone()),
            _ => {}
        }
    }
    heard
}

#[tokio::test]
async fn a_page_hears_of_the_badge_and_not_of_leases_or_metrics() {
    let f = Fixture::new().await;
    f.admin
        .batch_execute("set synchronous_commit = on")
        .await
        .expect("set");
    let host = f.host(&["p1"]).await;
    host.client
        .batch_execute("set synchronous_commit = on")
        .await
        .expect("set");
    f.admin
        .execute(
            "select pg_create_logical_replication_slot('heard', 'pgoutput', true)",
            &[],
        )
        .await
        .expect("make a temporary slot");

    f.request("agent:scout:main").await;
    let heard = changes(&f).await;
    assert!(
        heard.contains(&"agent_provision_requests".to_owned()),
        "{heard:?}"
    );
    let item = host.claim(1).await.pop().expect("one item");
    let held = crate::fixture::token(&item);
    assert!(
        changes(&f).await.contains(&"agent_provision_requests".to_owned()),
        "running is told"
    );

    let args = serde_json::json!({ "api": 1, "session": host.session, "tokens": [held], "host": { "cpu_percent": 3 },
      "metrics": [{ "agent_id": item["agent"]["id"], "cpu_percent": 1, "ram_mb": 2, "disk_mb": 3, "uptime_secs": 4 }] });
    host.call("tick", &args).await.expect("tick");
    let renewed = f
        .admin
        .query_one("select count(*) from agent_metrics", &[])
        .await
        .expect("count");
    assert_eq!(renewed.get::<_, i64>(0), 1, "the tick did write");
    assert_eq!(
        changes(&f).await,
        Vec::<String>::new(),
        "a renewed lease and a metric are no messages"
    );

    host.finish(held, "done").await;
    let heard = changes(&f).await;
    for table in ["agents", "agent_provision_requests", "agent_status"] {
        assert!(heard.contains(&table.to_owned()), "{table} in {heard:?}");
    }

    f.admin
        .batch_execute(
            "insert into agent_commands (project_id, agent_key, type) values ('p1', 'agent:scout:main', 'restart')",
        )
        .await
        .expect("send a command");
    assert_eq!(changes(&f).await, ["agent_commands"], "sent");
    let held = host.claim_one().await;
    assert_eq!(changes(&f).await, ["agent_commands"], "taken");
    host.tick(&[held]).await;
    assert_eq!(changes(&f).await, Vec::<String>::new());
    host.finish(held, "done").await;
    let heard = changes(&f).await;
    assert!(heard.contains(&"agent_commands".to_owned()), "{heard:?}");
}

#[tokio::test]
async fn a_page_hears_that_a_document_changed_and_not_what_it_says() {
    let f = Fixture::new().await;
    f.admin
        .batch_execute("set synchronous_commit = on")
        .await
        .expect("set");
    f.admin
        .execute(
            "select pg_create_logical_replication_slot('heard_docs', 'pgoutput', true)",
            &[],
        )
        .await
        .expect("make a temporary slot");
    for content in ["SECRETMARK one", "SECRETMARK two"] {
        f.admin
            .execute(
                "insert into brain_docs (project_id, agent_key, doc_type, content) values ('p1', 'agent:a:main', 'soul', $1)
                 on conflict (project_id, agent_key, doc_type) do update set content = excluded.content",
                &[&content],
            )
            .await
            .expect("write");
    }
    let rows = f
        .admin
        .query(
            "select data from pg_logical_slot_get_binary_changes('heard_docs', null, null,
               'proto_version', '1', 'publication_names', 'supabase_realtime')",
            &[],
        )
        .await
        .expect("read the slot");
    let told = rows
        .iter()
        .filter(|row| matches!(row.get::<_, &[u8]>(0)[0], b'I' | b'U'));
    assert_eq!(told.count(), 2, "both are told, and told once");
    // Whole rows are sent, whatever columns a publication names: a text is in no table that is published.
    let published = f
        .admin
        .query(
            "select tablename::text from pg_publication_tables where pubname = 'supabase_realtime'
               and tablename like 'brain%'",
            &[],
        )
        .await
        .expect("ask what is published");
    let published: Vec<String> = published.iter().map(|row| row.get(0)).collect();
    assert_eq!(published, ["brain_doc_states"]);
    let states = f
        .admin
        .query_one("select string_agg(s::text, '') from brain_doc_states s", &[])
        .await
        .expect("read them");
    assert!(!states.get::<_, String>(0).contains("SECRETMARK"));
}

#[tokio::test]
async fn what_is_published_can_be_heard_by_members_and_is_known_by_its_key() {
    let f = Fixture::new().await;
    let rows = f
        .admin
        .query(
            "select p.tablename::text, c.relrowsecurity,
               (select array_agg(a.atttypid = 'uuid'::regtype) from pg_index i
                join pg_attribute a on a.attrelid = c.oid and a.attnum = any (i.indkey)
                where i.indrelid = c.oid and case c.relreplident
                  when 'd' then i.indisprimary when 'i' then i.indisreplident end) = '{t}',
               has_table_privilege('authenticated', c.oid, 'select'),
               not has_any_column_privilege('anon', c.oid, 'select'),
               exists (select from pg_index i where i.indrelid = c.oid and i.indisprimary),
               exists (select from pg_policy o where o.polrelid = c.oid and o.polcmd = 'r')
             from pg_publication_tables p
             join pg_class c on c.oid = format('%I.%I', p.schemaname, p.tablename)::regclass
             where p.pubname = 'supabase_realtime' order by 1",
            &[],
        )
        .await
        .expect("list what is published");
    let mut tables = Vec::new();
    for row in rows {
        let table: String = row.get(0);
        for (column, promise) in [
            (1, "has row security"),
            (2, "tells of what was deleted by a uuid alone"),
            (3, "can be read by who has signed in"),
            (4, "is nothing for who has not"),
            (5, "has a primary key"),
            (6, "says who may read which rows"),
        ] {
            assert!(row.get::<_, bool>(column), "{table} {promise}");
        }
        tables.push(table);
    }
    assert_eq!(
        tables,
        [
            "agent_commands",
            "agent_provision_requests",
            "agent_status",
            "agents",
            "brain_doc_states"
        ]
    );
}
