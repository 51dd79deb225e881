//! A host that is against us: it reaches for everything of another host's, by its key and by its login.
//!
//! What there is to reach for is read from the catalog, so that no new table or function is forgotten.

use creel_tests::postgrest::As;
use reqwest::Method;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::victim::{Function, MARK, Scene, call, hash, new_key};

/// What the attacker knows: ids of the victim's. It cannot know tokens; it is told one all the same.
fn argument(scene: &Scene, members: &[String], session: Uuid) -> Value {
    let (agent, host, item) = (scene.agent_id, scene.victim.id, scene.item_ids[0]);
    let mut argument: Map<String, Value> = members
        .iter()
        .map(|member| (member.clone(), json!(agent)))
        .collect();
    let known = json!({
        "api": 1, "session": session, "token": scene.token, "tokens": [scene.token], "others": true,
        "limit": 10, "woken_by": "poll", "id": item, "host_id": host, "agent_id": agent, "command_id": item,
        "project_id": scene.victim.project, "project_ids": [scene.victim.project], "agent_key": scene.agent_key,
        "openclaw_id": "bee", "name": "x", "platform": "linux", "capacity": 1, "result": { "stolen": true },
        "status": "done", "type": "undeploy", "payload": {}, "code": "00000-00000-00000-00000",
        "key_sha256": hash("stolen"), "key_days": 1, "tags": [], "price": {}, "role": "owner",
        "email": scene.attacker.owner.email, "user_id": scene.attacker.owner.id, "working": scene.item_ids
    });
    let said = json!({
        "docs": [
            { "agent_id": agent, "doc_type": "soul", "sha256": hash(MARK), "content": "stolen" },
            { "agent_id": agent, "doc_type": "user", "sha256": hash(MARK), "content": "stolen" },
        ],
        "items": [{ "token": scene.token, "outcome": "done", "result": { "state": "stopped" } }],
        "acks": [{ "command_id": item, "ok": true, "result": { "workspace": "/stolen" } }],
        "agents": [{ "agent_id": agent, "state": "error", "note": "stolen" }, agent],
        "metrics": [{ "agent_id": agent, "cpu_percent": 99, "ram_mb": 9, "disk_mb": 9, "uptime_secs": 9 }],
        "host": {
            "worker_version": "stolen", "events": [{ "kind": "agent.crashed", "agent_id": agent, "payload": {} }],
            "runtime": { "agents": [{ "id": "bee" }] },
        },
    });
    let of_soul = |more: Value| {
        let mut one =
            json!({ "agent_id": agent, "doc_type": "soul", "base_version": 1, "content": "stolen" });
        let members = one.as_object_mut().expect("an object");
        members.extend(more.as_object().expect("an object").clone());
        one
    };
    let mirrored = json!({
        "doc_type": "soul", "take": "disk", "version": 1, "content": "stolen",
        "changes": [
            of_soul(json!({ "op": "text" })), of_soul(json!({ "op": "ack", "sha256": hash(MARK) })),
            of_soul(json!({ "op": "merge", "disk_content": "stolen" })), of_soul(json!({ "op": "conflict" })),
            of_soul(json!({ "op": "hold" })), of_soul(json!({ "op": "note", "state": "blocked", "note": "stolen" })),
            of_soul(json!({ "op": "text", "base_version": 0, "doc_type": "user" })),
            of_soul(json!({ "op": "day", "base_version": 0, "doc_type": "memory_today", "doc_date": "2026-11-21" })),
        ],
    });
    for members in [known, said, mirrored] {
        argument.extend(members.as_object().expect("an object").clone());
    }
    Value::Object(argument)
}

/// The arguments of one call, as SQL.
fn literals(scene: &Scene, function: &Function, argument: &Value, id: Uuid) -> Vec<String> {
    let literal = |(n, kind): (usize, &String)| {
        let name = function.argument_names.get(n).map_or("", String::as_str);
        let text = match (kind.as_str(), name) {
            ("jsonb" | "json", _) => argument.to_string(),
            ("uuid", _) => id.to_string(),
            ("uuid[]", _) => format!("{{{id}}}"),
            ("text" | "name", "agent_key") => scene.agent_key.clone(),
            ("text" | "name", _) => scene.victim.project.clone(),
            ("text[]", _) => format!("{{{}}}", scene.victim.project),
            ("boolean", _) => "true".to_owned(),
            ("integer" | "bigint" | "numeric", _) => "10".to_owned(),
            _ => return format!("null::{kind}"),
        };
        format!("'{}'::{kind}", text.replace('\'', "''"))
    };
    function.argument_types.iter().enumerate().map(literal).collect()
}

/// The ids that the attacker tries, one after the other.
fn ids(scene: &Scene) -> Vec<Uuid> {
    let mut ids = vec![scene.agent_id, scene.victim.id, scene.token, scene.session];
    ids.extend(&scene.item_ids);
    ids
}

fn assert_nothing_of_the_victim(said: &str, by: &str) {
    assert!(!said.contains(MARK), "{by} told: {said}");
}

async fn assert_unchanged(scene: &Scene, before: &[String], by: &str) {
    let now = scene.rows_of_victim().await;
    let lost: Vec<_> = before.iter().filter(|row| !now.contains(row)).collect();
    let new: Vec<_> = now.iter().filter(|row| !before.contains(row)).collect();
    assert!(
        lost.is_empty() && new.is_empty(),
        "{by}\nbefore: {lost:#?}\nnow: {new:#?}"
    );
}

async fn reach_by_login(is_common: bool) {
    let scene = Scene::new(is_common).await;
    let login = &scene.attacker.login;
    // A client can make such settings itself; nobody believes them.
    let headers = json!({ "x-creel-host-key": scene.victim.key }).to_string();
    let claims = json!({ "sub": scene.victim.owner.id, "role": "authenticated" }).to_string();
    for (name, value) in [
        ("request.headers", &headers),
        ("request.jwt.claims", &claims),
        ("request.jwt.claim.sub", &scene.victim.owner.id.to_string()),
        ("role", &"none".to_owned()),
    ] {
        let set = login
            .execute("select set_config($1, $2, false)", &[&name, value])
            .await;
        set.expect("set it");
    }
    let before = scene.rows_of_victim().await;
    assert!(before.len() > 12, "the victim has rows: {before:#?}");
    for table in scene.tables().await {
        for sql in [
            format!("select * from {table}"),
            format!("select count(*) from {table}"),
            format!("table {table} for update"),
            format!("insert into {table} default values"),
            format!("delete from {table}"),
            format!("truncate {table}"),
            format!("copy {table} to stdout"),
        ] {
            let refused = login.batch_execute(&sql).await;
            assert!(refused.is_err(), "{sql}");
        }
    }
    let members = scene.argument_members().await;
    let mut called = 0;
    for function in scene.functions().await {
        let full_name = format!("{}.{}", function.schema, function.name);
        for session in [scene.session, Uuid::new_v4()] {
            let argument = argument(&scene, &members, session);
            for id in ids(&scene) {
                let arguments = literals(&scene, &function, &argument, id).join(", ");
                let sql = format!("select ({full_name}({arguments}))::text");
                match login.query(&sql, &[]).await {
                    Ok(rows) => {
                        called += 1;
                        for row in rows {
                            let said: Option<String> = row.get(0);
                            assert_nothing_of_the_victim(&said.unwrap_or_default(), &full_name);
                        }
                    }
                    Err(error) => assert_nothing_of_the_victim(&format!("{error:?}"), &full_name),
                }
                if !function
                    .argument_types
                    .iter()
                    .any(|kind| kind.starts_with("uuid"))
                {
                    break;
                }
            }
        }
        if function.is_of_hosts {
            assert_unchanged(&scene, &before, &full_name).await;
        }
    }
    assert!(called > 10, "some functions are for hosts: {called}");
    assert_unchanged(&scene, &before, "any function").await;
}

#[tokio::test]
async fn a_login_reaches_nothing_of_a_host_of_another_project() {
    reach_by_login(false).await;
}

#[tokio::test]
async fn a_login_reaches_nothing_of_another_host_of_the_same_project() {
    reach_by_login(true).await;
}

async fn reach_by_key(is_common: bool) {
    let scene = Scene::new(is_common).await;
    let who = As::HostKey(&scene.attacker.key);
    let before = scene.rows_of_victim().await;
    for table in scene.tables().await {
        let (schema, name) = table.split_once('.').expect("a schema and a name");
        let profile = [
            ("accept-profile", schema),
            ("content-profile", schema),
            ("prefer", "return=representation"),
        ];
        let row = json!({ "project_id": scene.victim.project, "agent_key": scene.agent_key });
        for (method, path) in [
            (Method::GET, name.to_owned()),
            (Method::GET, format!("{name}?select=count")),
            (Method::POST, name.to_owned()),
            (Method::PATCH, format!("{name}?limit=1000")),
            (Method::DELETE, name.to_owned()),
        ] {
            let body = (method != Method::GET && method != Method::DELETE).then_some(&row);
            let answer = scene.rest.send(who, method.clone(), &path, &profile, body).await;
            let answer = answer.expect("call");
            assert!(
                !answer.is_ok(),
                "{method} {table}: {} {}",
                answer.status,
                answer.body
            );
            assert_nothing_of_the_victim(&answer.body.to_string(), &table);
        }
    }
    let members = scene.argument_members().await;
    let mut called = 0;
    for function in scene.functions().await {
        let profile = [("content-profile", function.schema.as_str())];
        for session in [scene.session, Uuid::new_v4()] {
            let argument = argument(&scene, &members, session);
            for id in ids(&scene) {
                let body = match function.argument_names.first() {
                    None => argument.clone(),
                    Some(_) => function
                        .argument_names
                        .iter()
                        .zip(&function.argument_types)
                        .map(|(name, kind)| {
                            let value = match kind.as_str() {
                                "uuid" => json!(id),
                                "jsonb" | "json" => argument.clone(),
                                _ => argument.get(name).cloned().unwrap_or(json!(id)),
                            };
                            (name.clone(), value)
                        })
                        .collect(),
                };
                let path = format!("rpc/{}", function.name);
                let answer = scene
                    .rest
                    .send(who, Method::POST, &path, &profile, Some(&body))
                    .await;
                let answer = answer.expect("call");
                assert_nothing_of_the_victim(&answer.body.to_string(), &function.name);
                if answer.is_ok() {
                    assert!(
                        function.is_of_hosts,
                        "{} is not for hosts: {}",
                        function.name, answer.body
                    );
                    called += 1;
                }
                // The schema is not exposed at all.
                if function.argument_names.is_empty() || function.schema == "creel" {
                    break;
                }
            }
        }
        if function.is_of_hosts {
            assert_unchanged(&scene, &before, &function.name).await;
        }
    }
    assert!(called > 10, "some functions are for hosts: {called}");
    assert_unchanged(&scene, &before, "any function").await;
}

#[tokio::test]
async fn a_key_reaches_nothing_of_a_host_of_another_project() {
    reach_by_key(false).await;
}

#[tokio::test]
async fn a_key_reaches_nothing_of_another_host_of_the_same_project() {
    reach_by_key(true).await;
}

#[tokio::test]
async fn a_key_that_is_no_good_opens_no_function_and_no_table() {
    let scene = Scene::new(false).await;
    let expired = scene.attacker.key.clone();
    scene
        .admin
        .execute(
            "update creel.host_keys set expires_at = now() where host_id = $1",
            &[&scene.attacker.id],
        )
        .await
        .expect("let it end");
    let revoked = scene.victim.key.clone();
    let of_victim = json!({ "host_id": scene.victim.id });
    let answer = scene
        .rest
        .rpc(As::User(&scene.victim.owner), "revoke_host_access", &of_victim)
        .await;
    answer.expect("call").expect_ok("revoke");
    let functions: Vec<Function> = scene.functions().await;
    let of_hosts = functions
        .iter()
        .filter(|function| function.is_of_hosts && function.schema == "public");
    let names: Vec<&str> = of_hosts.map(|function| function.name.as_str()).collect();
    assert!(names.len() > 8, "{names:?}");
    let upper = scene.victim.key.to_uppercase();
    for key in [
        expired.as_str(),
        &revoked,
        &new_key(),
        &upper,
        "",
        "null",
        "' or true --",
        &hash(&expired),
    ] {
        for function in &names {
            let args = json!({ "api": 1, "session": Uuid::new_v4(), "limit": 1 });
            let refused = scene
                .rest
                .rpc(As::HostKey(key), function, &args)
                .await
                .expect("call");
            assert_eq!(
                (refused.status, refused.code()),
                (401, "PT401"),
                "{function} by {key}"
            );
        }
        for table in ["hosts", "agents", "events"] {
            let refused = scene.rest.get(As::HostKey(key), table).await.expect("call");
            assert_eq!(refused.status, 401, "{table} by {key}");
        }
    }
    let args = json!({ "api": 1, "session": Uuid::new_v4(), "limit": 1 });
    let refused = call(&scene.victim.login, "claim", &args);
    assert!(
        refused.await.is_err(),
        "its login has ended too, in the session that was open"
    );
}

#[tokio::test]
async fn a_thousand_wrong_keys_open_nothing_leave_nothing_and_lock_nobody_out() {
    let scene = Scene::new(false).await;
    let before = scene.rows_of_victim().await;
    let tries = (0..20).map(|_| async {
        for _ in 0..50 {
            let key = new_key();
            let args = json!({ "api": 1, "session": Uuid::new_v4(), "tokens": [] });
            let refused = scene
                .rest
                .rpc(As::HostKey(&key), "tick", &args)
                .await
                .expect("call");
            assert_eq!((refused.status, refused.code()), (401, "PT401"));
        }
    });
    futures_util::future::join_all(tries).await;
    assert_unchanged(&scene, &before, "a wrong key").await;
    let args = json!({ "api": 1, "session": Uuid::new_v4(), "tokens": [] });
    for key in [&scene.attacker.key, &scene.victim.key] {
        let answer = scene
            .rest
            .rpc(As::HostKey(key), "tick", &args)
            .await
            .expect("call");
        answer.expect_ok("the right key works at once");
    }
}
