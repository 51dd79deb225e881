//! What is known of the gateway, and what the drivers build on: the same for the stand-in and the real one.

use std::time::Duration;

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::gateway::{Gateway, page};
use crate::rpc::{Rpc, Said, connect_params};
use crate::support::{Host, PATIENCE};

/// How long what was written may take to be known to the gateway itself.
const LAG_LIMIT: Duration = Duration::from_secs(15);

/// The real one says goodbye to its plugins first.
const STOP_LIMIT: Duration = Duration::from_secs(20);

/// All of them, on a gateway that is ready.
pub(crate) async fn all_are_true(host: &Host, gateway: &mut Gateway) {
    it_says_that_it_is_ready(gateway.port).await;
    it_lets_in_by_its_table(gateway.port).await;
    it_says_whose_it_is(host, gateway.port).await;
    garbage_is_not_answered(gateway.port).await;
    an_agent_is_made_once_and_known_a_little_later(host, gateway.port).await;
    ids_are_made_fit(host, gateway.port).await;
    wrong_calls_are_named(gateway.port).await;
    a_patch_needs_to_know_what_it_patches(host, gateway.port).await;
    a_deleted_agent_comes_back_by_create_only(host, gateway).await;
    what_is_written_beside_it_is_loaded(host, gateway.port).await;
    a_broken_configuration_is_left_alone(host, gateway.port).await;
    it_says_goodbye(gateway).await;
}

async fn it_says_that_it_is_ready(port: u16) {
    let live = page(port, "/healthz").await.expect("an answer");
    assert_eq!(live, (200, json!({ "ok": true, "status": "live" })));
    let (status, started) = page(port, "/startupz").await.expect("an answer");
    assert_eq!((status, &started["status"]), (200, &json!("started")));
    let (status, ready) = page(port, "/readyz").await.expect("an answer");
    assert_eq!(
        (status, &ready["ready"], &ready["failing"]),
        (200, &json!(true), &json!([]))
    );
}

async fn it_lets_in_by_its_table(port: u16) {
    let client =
        |id: &str, mode: &str| json!({ "id": id, "version": "1", "platform": "linux", "mode": mode });
    let refused = [
        (
            "auth",
            Value::Null,
            "NOT_PAIRED",
            "device identity required",
            1008,
        ),
        (
            "auth",
            json!({ "token": "another" }),
            "INVALID_REQUEST",
            "unauthorized: gateway token mismatch",
            1008,
        ),
        (
            "client",
            client("my-client", "backend"),
            "INVALID_REQUEST",
            "invalid connect params: at /client/id",
            1008,
        ),
        (
            "maxProtocol",
            json!(3),
            "INVALID_REQUEST",
            "protocol mismatch",
            1002,
        ),
        (
            "bogus",
            json!(1),
            "INVALID_REQUEST",
            "at root: unexpected property 'bogus'",
            1008,
        ),
    ];
    for (name, value, code, words, close) in refused {
        let mut params = connect_params();
        match value {
            Value::Null => drop(params.as_object_mut().expect("an object").remove(name)),
            value => params[name] = value,
        }
        if name == "maxProtocol" {
            params["minProtocol"] = json!(3);
        }
        let mut rpc = Rpc::open(port).await;
        let (found, message) = rpc.call("connect", params).await.error();
        assert_eq!(found, code, "{name}");
        assert!(message.contains(words), "{message}");
        assert!(
            matches!(rpc.end().await, Said::Closed(found, _) if found == close),
            "{name}"
        );
    }
    for (name, value) in [("client", client("gateway-client", "cli")), ("scopes", json!([]))] {
        let mut params = connect_params();
        params[name] = value;
        let mut rpc = Rpc::open(port).await;
        assert_eq!(
            rpc.call("connect", params).await.ok()["auth"]["scopes"],
            json!([]),
            "{name}"
        );
        let (code, message) = rpc.call("agents.list", json!({})).await.error();
        assert_eq!(
            (code.as_str(), message.as_str()),
            ("FORBIDDEN", "missing scope: operator.read")
        );
    }
    let mut params = connect_params();
    params["scopes"] = json!(["operator.read"]);
    let mut rpc = Rpc::open(port).await;
    rpc.call("connect", params).await.ok();
    rpc.call("agents.list", json!({})).await.ok();
    let (code, message) = rpc
        .call("agents.create", json!({ "name": "nobody" }))
        .await
        .error();
    assert_eq!(
        (code.as_str(), message.as_str()),
        ("FORBIDDEN", "missing scope: operator.admin")
    );
    let mut rpc = Rpc::open(port).await;
    let (_, message) = rpc.call("agents.list", json!({})).await.error();
    assert_eq!(message, "invalid handshake: first request must be connect");
}

async fn it_says_whose_it_is(host: &Host, port: u16) {
    let hello = Rpc::open(port).await.call("connect", connect_params()).await.ok();
    let snapshot = &hello["snapshot"];
    assert_eq!(snapshot["configPath"], json!(host.config_path()));
    assert_eq!(snapshot["stateDir"], json!(host.state_dir()));
}

async fn garbage_is_not_answered(port: u16) {
    let mut rpc = Rpc::open(port).await;
    rpc.send(Message::text("hello")).await;
    assert!(matches!(rpc.end().await, Said::Closed(1000, _)));
    let mut rpc = Rpc::connected(port).await;
    rpc.send(Message::text("hello")).await;
    rpc.send(Message::text(r#"{"foo":1}"#)).await;
    let (code, message) = rpc.answer("invalid").await.error();
    assert_eq!(code, "INVALID_REQUEST");
    assert!(message.starts_with("invalid request frame: "), "{message}");
    rpc.call("agents.list", json!({})).await.ok();
}

async fn an_agent_is_made_once_and_known_a_little_later(host: &Host, port: u16) {
    let mut rpc = Rpc::connected(port).await;
    let workspace = host.workspaces().join("fact");
    std::fs::create_dir_all(&workspace).expect("make the folder");
    std::fs::write(workspace.join("SOUL.md"), "mine").expect("write");
    let wish = json!({ "name": "fact", "workspace": workspace, "emoji": "🦞" });
    let made = rpc.call("agents.create", wish.clone()).await.ok();
    assert_eq!(
        made,
        json!({ "ok": true, "agentId": "fact", "name": "fact", "workspace": workspace })
    );
    let early = rpc
        .call("agents.update", json!({ "agentId": "fact", "name": "Early" }))
        .await;
    if let Said::Error(_) = early {
        let expected = (
            "INVALID_REQUEST".to_owned(),
            "agent \"fact\" not found".to_owned(),
        );
        assert_eq!(
            early.error(),
            expected,
            "this is how it says that it does not know yet"
        );
    }
    let (code, message) = rpc.call("agents.create", wish).await.error();
    assert_eq!(
        (code.as_str(), message.as_str()),
        ("INVALID_REQUEST", "agent \"fact\" already exists")
    );
    listed(&mut rpc, "fact").await;
    let entry = &host.config()["agents"]["entries"]["fact"];
    assert_eq!(entry["identity"]["emoji"], "🦞");

    let updated = rpc
        .call(
            "agents.update",
            json!({ "agentId": "Fact", "name": " Ada \"L\"\n🦉 " }),
        )
        .await
        .ok();
    assert_eq!(updated, json!({ "ok": true, "agentId": "fact" }));
    let entry = &host.config()["agents"]["entries"]["fact"];
    assert_eq!(entry["name"], "Ada \"L\" 🦉");
    assert_eq!(
        entry["identity"],
        json!({ "name": "Ada \"L\" 🦉", "emoji": "🦞" })
    );
    let identity = crate::support::read(workspace.join("IDENTITY.md"));
    assert!(identity.contains("- Name: Ada \"L\" 🦉\n"), "{identity}");
    assert_eq!(crate::support::read(workspace.join("SOUL.md")), "mine");
}

async fn ids_are_made_fit(host: &Host, port: u16) {
    let mut rpc = Rpc::connected(port).await;
    let workspace = host.workspaces().join("fit");
    for (name, id) in [
        ("My \"Agent\" é🦞", "my-agent"),
        ("../../x", "x"),
        ("UPPER_Case.x", "upper_case-x"),
    ] {
        let made = rpc
            .call("agents.create", json!({ "name": name, "workspace": workspace }))
            .await
            .ok();
        assert_eq!((&made["agentId"], &made["name"]), (&json!(id), &json!(name)));
    }
    for name in ["агент", ""] {
        assert_eq!(
            rpc.call("agents.create", json!({ "name": name })).await.error().0,
            "INVALID_REQUEST"
        );
    }
}

async fn wrong_calls_are_named(port: u16) {
    let mut rpc = Rpc::connected(port).await;
    for (method, params, words) in [
        ("no.such", json!({}), "unknown method: no.such"),
        (
            "agents.create",
            json!({}),
            "invalid agents.create params: must have required property 'name'",
        ),
        (
            "agents.create",
            json!({ "name": "z", "foo": 1 }),
            "invalid agents.create params: at root: unexpected property 'foo'",
        ),
        (
            "agents.update",
            json!({ "agentId": "nobody", "name": "N" }),
            "agent \"nobody\" not found",
        ),
        (
            "agents.update",
            json!({ "agentId": "fact", "theme": "N" }),
            "invalid agents.update params: at root: unexpected property 'theme'",
        ),
        (
            "agents.files.set",
            json!({ "agentId": "fact", "name": "TOOLS.md", "content": "" }),
            "unsupported file \"TOOLS.md\"",
        ),
        (
            "connect",
            connect_params(),
            "connect is only valid as the first request",
        ),
    ] {
        let (code, message) = rpc.call(method, params).await.error();
        assert_eq!((code.as_str(), message.as_str()), ("INVALID_REQUEST", words));
    }
}

async fn a_patch_needs_to_know_what_it_patches(host: &Host, port: u16) {
    let mut rpc = Rpc::connected(port).await;
    let entry = |id: &str, entry: Value| json!({ "agents": { "entries": { id: entry } } }).to_string();
    let wanted =
        json!({ "workspace": host.workspaces().join("p"), "identity": { "name": "P", "emoji": "🐝" } });
    let raw = entry("patched", wanted.clone());
    let (_, message) = rpc.call("config.patch", json!({ "raw": raw })).await.error();
    assert!(
        message.starts_with("config base hash required for agents.entries.patched"),
        "{message}"
    );
    let (code, message) = rpc
        .call("config.patch", json!({ "raw": raw, "baseHash": "00" }))
        .await
        .error();
    let stale = "config changed since last load; re-run config.get and retry";
    assert_eq!((code.as_str(), message.as_str()), ("INVALID_REQUEST", stale));

    let got = rpc.call("config.get", json!({})).await.ok();
    let token = got.pointer("/config/gateway/auth/token").and_then(Value::as_str);
    assert_ne!(token, Some(crate::gateway::TOKEN), "no secret is shown");
    let done = rpc
        .call("config.patch", json!({ "raw": raw, "baseHash": got["hash"] }))
        .await
        .ok();
    assert_eq!(done["changedPaths"], json!(["agents.entries.patched"]));
    let listed = rpc.call("agents.list", json!({})).await.ok();
    let mut agents = listed["agents"].as_array().expect("a list").iter();
    let patched = agents
        .find(|agent| agent["id"] == "patched")
        .expect("it is known when the patch is answered");
    assert_eq!(patched["identity"], wanted["identity"]);
    assert!(!host.workspaces().join("p").exists(), "a patch makes no folder");

    let hash = &done["hash"];
    for (raw, code, words) in [
        (
            entry("patched", Value::Null),
            "UNAVAILABLE",
            "would drop agent roster entries without an explicit deletion: patched",
        ),
        (
            "{\"bogus\":1}".to_owned(),
            "INVALID_REQUEST",
            "invalid config: <root>: Unrecognized key: \"bogus\"",
        ),
        (
            entry("P Q", json!({})),
            "INVALID_REQUEST",
            "invalid config: agents.entries[\"P Q\"]: Invalid key in record",
        ),
        (
            entry("q", json!({ "name": 5 })),
            "INVALID_REQUEST",
            "invalid config: agents.entries.q.name: Invalid input",
        ),
        (
            "[1]".to_owned(),
            "INVALID_REQUEST",
            "config.patch raw must be an object",
        ),
        ("{broken".to_owned(), "INVALID_REQUEST", "SyntaxError"),
    ] {
        let (found, message) = rpc
            .call("config.patch", json!({ "raw": raw, "baseHash": hash }))
            .await
            .error();
        assert_eq!(found, code, "{message}");
        assert!(message.contains(words), "{message}");
    }
    let same = rpc
        .call("config.patch", json!({ "raw": entry("patched", wanted) }))
        .await
        .ok();
    assert_eq!(same["noop"], true);

    let limited = async {
        loop {
            if let Said::Error(error) = rpc.call("config.patch", json!({ "raw": "[1]" })).await
                && error["code"] == "UNAVAILABLE"
            {
                return error;
            }
        }
    };
    let error = tokio::time::timeout(PATIENCE, limited)
        .await
        .expect("there is a limit");
    assert!(
        error["message"]
            .as_str()
            .is_some_and(|text| text.starts_with("rate limit exceeded for config.patch"))
    );
    assert_eq!(error["retryable"], true);
    assert!((1..=60_000).contains(&error["retryAfterMs"].as_u64().expect("a time")));
    let mut rpc = Rpc::connected(port).await;
    let (_, message) = rpc.call("config.patch", json!({ "raw": "[1]" })).await.error();
    assert_eq!(
        message, "config.patch raw must be an object",
        "each connection has its own limit"
    );
}

async fn a_deleted_agent_comes_back_by_create_only(host: &Host, gateway: &Gateway) {
    let mut rpc = Rpc::connected(gateway.port).await;
    let workspace = host.workspaces().join("risen");
    let wish = json!({ "name": "risen", "workspace": workspace });
    for _ in 0..2 {
        rpc.call("agents.create", wish.clone()).await.ok();
        listed(&mut rpc, "risen").await;
        let gone = rpc
            .call(
                "agents.delete",
                json!({ "agentId": "risen", "deleteFiles": false }),
            )
            .await
            .ok();
        assert_eq!(gone["agentId"], "risen");
    }
    let patched = async {
        loop {
            let got = rpc.call("config.get", json!({})).await.ok();
            let raw = json!({ "agents": { "entries": { "risen": { "workspace": workspace } } } }).to_string();
            let patch = json!({ "raw": raw, "baseHash": got["hash"] });
            let (_, message) = rpc.call("config.patch", patch).await.error();
            if !message.contains("config changed since last load") {
                return message;
            }
        }
    };
    let message = tokio::time::timeout(LAG_LIMIT, patched)
        .await
        .expect("an answer in time");
    assert!(
        message.contains("persisted") && message.contains("a recovery restart is required"),
        "{message}"
    );
    assert_eq!(rpc.end().await, Said::Closed(1012, "service restart".to_owned()));
    gateway.becomes_ready().await;
    listed(&mut Rpc::connected(gateway.port).await, "risen").await;
}

async fn what_is_written_beside_it_is_loaded(host: &Host, port: u16) {
    let mut config = host.config();
    config["agents"]["entries"]["beside"] = json!({ "workspace": host.workspaces().join("beside") });
    host.replace_config(&format!("{config:#}\n"));
    listed(&mut Rpc::connected(port).await, "beside").await;
}

async fn a_broken_configuration_is_left_alone(host: &Host, port: u16) {
    let whole = crate::support::read(host.config_path());
    let half = &whole[..whole.len() / 2];
    host.replace_config(half);
    let mut rpc = Rpc::connected(port).await;
    let broken = async {
        while rpc.call("config.get", json!({})).await.ok()["valid"] == true {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LAG_LIMIT, broken).await.expect("it is told");
    let refused = rpc
        .call(
            "agents.create",
            json!({ "name": "late", "workspace": host.workspaces().join("l") }),
        )
        .await;
    let (code, message) = refused.error();
    assert_eq!(code, "UNAVAILABLE");
    assert!(message.contains("CONFIG_WRITE_REJECTED"), "{message}");
    assert_eq!(crate::support::read(host.config_path()), half);
    let (status, _) = page(port, "/readyz").await.expect("an answer");
    assert_eq!(status, 200, "it goes on with what it knows");
    listed(&mut rpc, "fact").await;
    host.replace_config(&whole);
}

async fn it_says_goodbye(gateway: &mut Gateway) {
    let mut rpc = Rpc::connected(gateway.port).await;
    gateway.term();
    assert_eq!(rpc.end().await, Said::Closed(1012, "service restart".to_owned()));
    let shutdown = rpc
        .events
        .iter()
        .find(|event| event["event"] == "shutdown")
        .expect("it is told");
    assert_eq!(shutdown["payload"]["reason"], "gateway stopping");
    assert_eq!(gateway.ended(STOP_LIMIT).await.code(), Some(0));
}

/// Waits until the gateway knows of an agent.
async fn listed(rpc: &mut Rpc, id: &str) {
    let known = async {
        loop {
            let listed = rpc.call("agents.list", json!({})).await.ok();
            if listed["agents"]
                .as_array()
                .is_some_and(|agents| agents.iter().any(|agent| agent["id"] == id))
            {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    let known = tokio::time::timeout(LAG_LIMIT, known).await;
    known.unwrap_or_else(|_| panic!("the gateway does not learn of {id}"));
}

#[tokio::test]
async fn the_stand_in_is_a_gateway_as_the_real_one_is() {
    let host = Host::new();
    let mut gateway = Gateway::ready(&host).await;
    all_are_true(&host, &mut gateway).await;
}

#[tokio::test]
async fn the_stand_in_starts_only_with_a_configuration_that_is_one() {
    a_gateway_starts_only_with_a_configuration_that_is_one(&Host::new()).await;
}

/// The exit codes and words by which a keeper of gateways tells what a restart does not mend.
pub(crate) async fn a_gateway_starts_only_with_a_configuration_that_is_one(host: &Host) {
    std::fs::create_dir_all(host.state_dir()).expect("make the state directory");
    for (text, words) in [
        ("", "Missing config."),
        (
            r#"{"gateway":{"port":1}}"#,
            "existing config is missing gateway.mode",
        ),
        (
            r#"{"gateway":{"mode":"local","bi"#,
            "existing config is missing gateway.mode",
        ),
        (
            r#"{"gateway":{"mode":"local","bind":"loopback","auth":{"mode":"token","token":"t"},"bogus":1}}"#,
            "Unrecognized key: \"bogus\"",
        ),
    ] {
        let _none = std::fs::remove_file(host.config_path());
        if !text.is_empty() {
            std::fs::write(host.config_path(), text).expect("write the configuration");
        }
        let mut gateway = Gateway::start(host, 0);
        assert_eq!(gateway.ended(STOP_LIMIT).await.code(), Some(78), "{text}");
        assert!(gateway.log().contains(words), "{words}: {}", gateway.log());
    }
}

#[tokio::test]
async fn a_second_stand_in_and_one_whose_port_is_taken_do_not_start() {
    let host = Host::new();
    let first = Gateway::ready(&host).await;
    let mut second = Gateway::start(&host, first.port);
    assert_eq!(second.ended(STOP_LIMIT).await.code(), Some(78));
    assert!(
        second
            .log()
            .contains("another OpenClaw process owns gateway-lifecycle")
    );
    let other = Host::new();
    crate::gateway::write_config(&other, first.port, &json!({}));
    let mut third = Gateway::start(&other, first.port);
    assert_eq!(third.ended(STOP_LIMIT).await.code(), Some(1));
    assert!(third.log().contains("already listening"), "{}", third.log());
}

#[tokio::test]
async fn the_first_agent_of_a_configuration_is_made_by_create_only() {
    the_first_agent_is_made_by_create_only(&Host::new()).await;
}

/// Until then, the agent that is always there is nowhere written down.
pub(crate) async fn the_first_agent_is_made_by_create_only(host: &Host) {
    let gateway = Gateway::begin(host, &json!({ "agents": {} }));
    gateway.becomes_ready().await;
    let mut rpc = Rpc::connected(gateway.port).await;
    let got = rpc.call("config.get", json!({})).await.ok();
    let raw = json!({ "agents": { "entries": { "first": { "workspace": host.workspaces() } } } }).to_string();
    let refused = rpc
        .call("config.patch", json!({ "raw": raw, "baseHash": got["hash"] }))
        .await;
    let (code, message) = refused.error();
    assert_eq!(code, "INVALID_REQUEST");
    assert!(
        message.starts_with("invalid config: agents.ownership: multi-agent rosters require"),
        "{message}"
    );
    let workspace = host.workspaces().join("first");
    rpc.call(
        "agents.create",
        json!({ "name": "first", "workspace": workspace }),
    )
    .await
    .ok();
    let agents = &host.config()["agents"];
    assert_eq!(agents["ownership"], "explicit");
    assert_eq!(
        agents["entries"]["main"]["workspace"],
        json!(host.state_dir().join("workspace"))
    );
}
