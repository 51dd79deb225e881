//! A daemon that looks once a minute: it enrols, hears commands, says what became of them.

use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::stage::{Answer, SCOUT, Stage, send};

/// The key that a daemon made itself.
fn new_key() -> String {
    format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple())
}

struct Daemon<'a> {
    stage: &'a Stage,
    host: String,
    key: String,
}

impl<'a> Daemon<'a> {
    /// Enrols by a code of the project's owner.
    async fn enroll(stage: &'a Stage) -> Self {
        let wish = json!({ "name": "pi", "project_ids": [stage.project] });
        let code = code(stage, &wish).await;
        let key = new_key();
        let request = stage
            .request(Method::POST, "/hosts/enroll")
            .header("x-creel-host-key", &key);
        let answer = send(request.json(&json!({ "code": code, "platform": "linux" }))).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let host = answer.body["host_id"].as_str().expect("an id").to_owned();
        Self { stage, host, key }
    }

    async fn beat(&self, body: &Value) -> Answer {
        let request = self.stage.request(Method::POST, "/hosts/heartbeat");
        send(request.header("x-creel-host-key", &self.key).json(body)).await
    }

    /// A heartbeat that must be taken.
    async fn beat_well(&self, body: &Value) -> Value {
        let answer = self.beat(body).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body
    }

    async fn config_of(&self, agent_id: &str) -> Answer {
        let path = format!("/agents/{agent_id}/deploy-config");
        let request = self.stage.request(Method::GET, &path);
        send(request.header("x-creel-host-key", &self.key)).await
    }

    /// Takes the one command that there must be; answers its id and its agent's.
    async fn take_one(&self) -> (String, String) {
        let answer = self.beat_well(&json!({})).await;
        let commands = answer["commands"].as_array().expect("commands");
        assert_eq!(commands.len(), 1, "{answer}");
        let text = |name: &str| commands[0][name].as_str().expect(name).to_owned();
        (text("id"), text("agent_id"))
    }
}

async fn code(stage: &Stage, wish: &Value) -> String {
    use creel_tests::postgrest::As;
    let made = stage
        .rest
        .rpc(As::User(&stage.owner), "create_enrolment_code", wish)
        .await;
    let made = made.expect("call").expect_ok("a code");
    made["code"].as_str().expect("a code").to_owned()
}

async fn one(stage: &Stage, sql: &str) -> Value {
    let sql = format!("select to_jsonb(x) from ({sql}) x");
    stage.admin.query_one(&sql, &[]).await.expect(&sql).get(0)
}

#[tokio::test]
async fn a_daemon_makes_an_agent_from_its_command_to_its_acknowledgement() {
    let stage = Stage::new().await;
    let daemon = Daemon::enroll(&stage).await;
    assert_eq!(stage.provision(SCOUT).await.status, 202);
    let host = json!({ "platform": "linux", "worker_version": "pi 1", "cpu_percent": 3.5, "ram_mb": 512 });
    let answer = daemon.beat_well(&json!({ "host": host })).await;
    assert_eq!(answer["host_id"], json!(daemon.host));
    let command = &answer["commands"][0];
    assert_eq!(
        (&command["type"], &command["agent_key"]),
        (&json!("deploy"), &json!(SCOUT))
    );
    let (id, agent_id) = (
        command["id"].clone(),
        command["agent_id"].as_str().expect("an id"),
    );
    assert_eq!(
        one(&stage, "select status from agent_provision_requests").await["status"],
        "running"
    );

    let config = daemon.config_of(agent_id).await;
    assert_eq!(config.status, 200, "{config:?}");
    assert_eq!(
        (&config.body["name"], &config.body["openclaw_id"]),
        (&json!("Scout"), &json!("scout"))
    );

    // It says what it is at, so that it is not told again, and so for as long as it takes.
    let working = json!({ "working": [id] });
    for _ in 0..3 {
        assert_eq!(daemon.beat_well(&working).await["commands"], json!([]));
    }
    let ack = json!({ "acks": [{ "command_id": id, "ok": true, "result": { "workspace": "/w/scout" } }] });
    let answer = daemon.beat_well(&ack).await;
    assert_eq!(
        answer["acks"],
        json!([{ "command_id": id, "applied": true, "status": "done" }])
    );
    let answer = daemon.beat_well(&ack).await;
    assert_eq!(
        answer["acks"][0]["applied"],
        json!(false),
        "the answer was lost, and it is said again"
    );
    let agent = one(&stage, "select status, provisioned, workspace_path from agents").await;
    assert_eq!(
        agent,
        json!({ "status": "running", "provisioned": true, "workspace_path": "/w/scout" })
    );

    let metrics = json!([{ "agent_id": agent_id, "cpu_percent": 12.5, "ram_mb": 300, "disk_mb": 4, "uptime_secs": 60 }]);
    let agents = json!([{ "agent_id": agent_id, "state": "error", "note": "no model" }]);
    daemon
        .beat_well(&json!({ "metrics": metrics, "agents": agents }))
        .await;
    let seen = one(
        &stage,
        "select a.status, s.state, s.note, m.cpu_percent, m.ram_mb from agents a
         join agent_status s using (project_id, agent_key) join agent_metrics m on m.agent_id = a.id",
    )
    .await;
    assert_eq!(
        seen,
        json!({ "status": "error", "state": "error", "note": "no model", "cpu_percent": 12.5, "ram_mb": 300 })
    );
}

#[tokio::test]
async fn a_command_is_told_until_it_is_acknowledged_and_done_once() {
    let stage = Stage::new().await;
    let daemon = Daemon::enroll(&stage).await;
    stage.provision(SCOUT).await;
    let (id, agent_id) = daemon.take_one().await;
    assert_eq!(daemon.take_one().await.0, id, "the answer was lost");
    let ack = json!({ "acks": [{ "command_id": id, "ok": true, "result": { "workspace": "/w/scout" } }] });
    daemon.beat_well(&ack).await;

    for (kind, state) in [("stop", "stopped"), ("start", "running"), ("restart", "running")] {
        stage
            .run(&format!(
                "insert into agent_commands (agent_id, type) values ('{agent_id}', '{kind}')"
            ))
            .await;
        let answer = daemon.beat_well(&json!({})).await;
        assert_eq!(answer["commands"][0]["type"], json!(kind), "{answer}");
        let acks = json!([{ "command_id": answer["commands"][0]["id"], "ok": true }]);
        let answer = daemon.beat_well(&json!({ "acks": acks })).await;
        assert_eq!(answer["acks"][0]["status"], json!("acked"));
        assert_eq!(
            one(&stage, "select status from agents").await["status"],
            json!(state),
            "{kind}"
        );
    }
    stage
        .run(&format!(
            "insert into agent_commands (agent_id, type) values ('{agent_id}', 'stop')"
        ))
        .await;
    let (id, _) = daemon.take_one().await;
    let acks = json!([{ "command_id": id, "ok": false, "error": "it does not end" }]);
    daemon.beat_well(&json!({ "acks": acks })).await;
    let sql = "select status, error from agent_commands order by created_at desc limit 1";
    assert_eq!(
        one(&stage, sql).await,
        json!({ "status": "failed", "error": "it does not end" })
    );
}

#[tokio::test]
async fn a_daemon_that_forgets_a_command_is_told_again_after_its_lease() {
    let stage = Stage::new().await;
    let daemon = Daemon::enroll(&stage).await;
    stage.provision(SCOUT).await;
    let (id, _) = daemon.take_one().await;
    let left = one(
        &stage,
        "select extract(epoch from expires_at - now())::int as secs from creel.lanes",
    )
    .await;
    assert!(
        (140..=150).contains(&left["secs"].as_i64().expect("a number")),
        "{left}"
    );
    stage
        .run(
            "update creel.lanes set expires_at = now() where token is not null;
             select sweep('{\"api\": 1}'); update creel.lanes set not_before = now()",
        )
        .await;
    let answer = daemon.beat_well(&json!({})).await;
    assert_eq!(answer["commands"][0]["id"], json!(id));
    assert_eq!(answer["commands"][0]["attempt"], json!(2));
}

#[tokio::test]
async fn a_daemon_is_offline_after_two_missed_minutes_and_not_before() {
    let stage = Stage::new().await;
    let daemon = Daemon::enroll(&stage).await;
    daemon.beat_well(&json!({})).await;
    for (secs, shown) in [(0, "online"), (120, "online"), (160, "offline")] {
        stage
            .run(&format!(
                "update host_heartbeats set last_seen_at = now() - interval '{secs} s'"
            ))
            .await;
        assert_eq!(
            one(&stage, "select shown_status from host_status").await["shown_status"],
            json!(shown)
        );
    }
    daemon.beat_well(&json!({})).await;
    assert_eq!(
        one(&stage, "select shown_status from host_status").await["shown_status"],
        json!("online")
    );
}

#[tokio::test]
async fn a_deploy_config_has_the_files_and_no_secret_and_is_for_the_agents_host() {
    let stage = Stage::new().await;
    let (daemon, other) = (Daemon::enroll(&stage).await, Daemon::enroll(&stage).await);
    stage.provision(SCOUT).await;
    let (_, agent_id) = daemon.take_one().await;
    let config = json!({
        "model": "openai/gpt", "thinking": "high", "skills": ["search", { "name": "s", "apiKey": "abc" }],
        "channels": {
            "telegram": { "enabled": true, "botToken": "x", "allow": ["me"], "webhook": "123456789:AAbbCCddEEffGGhhIIjjKKllMMnnOOppQQr" },
            "slack": { "appToken": { "value": "x" }, "signingSecret": "x", "note": "key is sk-abcdef" },
        },
        "providers": { "openai": { "apiKey": "x" } },
    });
    stage
        .admin
        .execute(
            "update agents set config = $1, limits = '{\"ram_mb\": 512}'",
            &[&config],
        )
        .await
        .expect("set a config");
    stage
        .run(&format!(
            "insert into brain_docs (project_id, agent_key, doc_type, content) values
             ('{p}', '{SCOUT}', 'soul', 'be kind'), ('{p}', '{SCOUT}', 'memory_long', 'it rained')",
            p = stage.project
        ))
        .await;
    let answer = daemon.config_of(&agent_id).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let body = &answer.body;
    assert_eq!(
        (&body["model"], &body["thinking"]),
        (&json!("openai/gpt"), &json!("high"))
    );
    assert_eq!(body["skills"], json!(["search", { "name": "s" }]));
    assert_eq!(
        body["channels"],
        json!({ "telegram": { "enabled": true, "allow": ["me"], "webhook": null }, "slack": { "note": null } })
    );
    assert_eq!(body["limits"], json!({ "ram_mb": 512 }));
    assert!(body.get("providers").is_none());
    let files: Vec<(&str, &str)> = body["files"]
        .as_array()
        .expect("files")
        .iter()
        .map(|file| {
            (
                file["path"].as_str().expect("a path"),
                file["content"].as_str().expect("a text"),
            )
        })
        .collect();
    assert_eq!(files, [("MEMORY.md", "it rained"), ("SOUL.md", "be kind")]);

    assert_eq!(other.config_of(&agent_id).await.refused(), (404, "unknown_agent"));
    assert_eq!(
        daemon.config_of(&Uuid::new_v4().to_string()).await.refused(),
        (404, "unknown_agent")
    );
    assert_eq!(daemon.config_of("scout").await.refused(), (400, "bad_request"));
    stage.run("delete from project_hosts").await;
    assert_eq!(
        daemon.config_of(&agent_id).await.refused(),
        (404, "unknown_agent")
    );
}

#[tokio::test]
async fn an_enrolment_that_cannot_be_is_told_why() {
    let stage = Stage::new().await;
    let good = code(&stage, &json!({ "name": "pi" })).await;
    let enroll = |key: Option<String>, body: Value| {
        let mut request = stage.request(Method::POST, "/hosts/enroll");
        if let Some(key) = key {
            request = request.header("x-creel-host-key", key);
        }
        send(request.json(&body))
    };
    for (key, body, expected) in [
        (Some(new_key()), json!({}), (400, "bad_request")),
        (Some(new_key()), json!([]), (400, "bad_request")),
        (Some(new_key()), json!({ "code": 7 }), (400, "bad_request")),
        (None, json!({ "code": good }), (400, "bad_request")),
        (
            Some("short".to_owned()),
            json!({ "code": good }),
            (422, "invalid"),
        ),
        (
            None,
            json!({ "code": good, "key_sha256": "zz" }),
            (422, "invalid"),
        ),
        (
            Some(new_key()),
            json!({ "code": good, "platform": "beos" }),
            (422, "invalid"),
        ),
        (
            Some(new_key()),
            json!({ "code": "00000-00000-00000-00000" }),
            (404, "unknown_code"),
        ),
        (
            Some(new_key()),
            json!({ "code": "' or true --" }),
            (404, "unknown_code"),
        ),
    ] {
        assert_eq!(enroll(key, body.clone()).await.refused(), expected, "{body}");
    }
    let key = new_key();
    assert_eq!(
        enroll(Some(key.clone()), json!({ "code": good })).await.status,
        200
    );
    assert_eq!(
        enroll(Some(key), json!({ "code": good })).await.status,
        200,
        "asked again"
    );
    let used = enroll(Some(new_key()), json!({ "code": good })).await;
    assert_eq!(used.refused(), (404, "unknown_code"));
}

#[tokio::test]
async fn a_daemon_without_a_good_key_is_nobody() {
    let stage = Stage::new().await;
    let daemon = Daemon::enroll(&stage).await;
    let ask = |key: Option<&str>| {
        let mut request = stage.request(Method::POST, "/hosts/heartbeat");
        if let Some(key) = key {
            request = request.header("x-creel-host-key", key);
        }
        send(request.json(&json!({})))
    };
    let (forged, long) = (new_key(), "k".repeat(2_000));
    for key in [
        None,
        Some(""),
        Some("x"),
        Some(forged.as_str()),
        Some(long.as_str()),
    ] {
        assert_eq!(ask(key).await.refused(), (401, "unknown_host"), "{key:?}");
    }
    let person = stage
        .request(Method::POST, "/hosts/heartbeat")
        .bearer_auth(&stage.owner.jwt);
    assert_eq!(
        send(person.json(&json!({}))).await.refused(),
        (401, "unknown_host")
    );
    stage
        .run(&format!("select creel.revoke_host('{}')", daemon.host))
        .await;
    assert_eq!(daemon.beat(&json!({})).await.refused(), (401, "unknown_host"));
    assert_eq!(
        daemon.config_of(&Uuid::new_v4().to_string()).await.refused(),
        (401, "unknown_host")
    );
}

#[tokio::test]
async fn what_is_malformed_is_told_and_nothing_of_it_is_taken_in() {
    let stage = Stage::new().await;
    let daemon = Daemon::enroll(&stage).await;
    stage.provision(SCOUT).await;
    let (id, agent) = daemon.take_one().await;
    let good = json!({ "agent_id": agent, "cpu_percent": 1, "ram_mb": 2, "disk_mb": 3, "uptime_secs": 4 });
    daemon
        .beat_well(&json!({ "metrics": [good], "host": { "worker_version": "1", "ram_mb": 5 } }))
        .await;
    let state = "select (select json_agg(m) from agent_metrics m) as metrics, (select json_agg(r) from \
                 agent_provision_requests r) as requests, (select json_agg(h) from hosts h) as hosts, (select \
                 json_agg(b) from host_heartbeats b) as beats, (select count(*) from events) as events";
    let before = one(&stage, state).await;
    let mut odd = vec![
        json!({ "api": 2 }),
        json!({ "api": "1" }),
        json!({ "metrics": {} }),
        json!({ "metrics": "many" }),
        json!({ "metrics": [7] }),
        json!({ "metrics": [{ "agent_id": "scout" }] }),
        json!({ "metrics": [good, { "agent_id": agent, "cpu_percent": "x" }] }),
        json!({ "metrics": [{ "agent_id": agent, "cpu_percent": 1e300 }] }),
        json!({ "metrics": [{ "agent_id": agent, "ram_mb": -1 }] }),
        json!({ "metrics": [{ "agent_id": agent, "ram_mb": [1] }] }),
        json!({ "metrics": [{ "agent_id": agent, "uptime_secs": 1.5 }] }),
        json!({ "metrics": vec![good.clone(); 1_001] }),
        json!({ "agents": {} }),
        json!({ "agents": vec![json!({ "agent_id": agent, "state": "running" }); 1_001] }),
        json!({ "acks": { "command_id": id } }),
        json!({ "acks": [{ "command_id": "x", "ok": true }] }),
        json!({ "acks": [{ "command_id": id, "ok": "yes" }] }),
        json!({ "acks": [{ "command_id": id }] }),
        json!({ "acks": [{ "command_id": id, "ok": true, "result": [] }] }),
        json!({ "acks": [{ "command_id": id, "ok": false, "error": 7 }] }),
        json!({ "acks": [{ "command_id": id, "ok": true }] }),
        json!({ "working": "all" }),
        json!({ "working": [7] }),
        json!({ "host": [] }),
        json!({ "host": { "platform": "beos" } }),
        json!({ "host": { "platform": 7 } }),
        json!({ "host": { "cpu_percent": "x" } }),
        json!({ "host": { "ram_mb": 1.5 } }),
        json!({ "host": { "worker_version": "v".repeat(101) } }),
        json!({ "host": { "worker_version": { "a": 1 } } }),
    ];
    odd.push(json!({ "acks": [{ "command_id": id, "ok": true, "result": { "workspace": 7 } }] }));
    for body in odd {
        let answer = daemon.beat(&body).await;
        let (status, code) = answer.refused();
        let shown = body.to_string();
        let shown = &shown[..shown.len().min(120)];
        assert!(
            matches!((status, code), (422, "invalid") | (426, "upgrade_needed")),
            "{shown}: {answer:?}"
        );
    }
    let post = |body: Vec<u8>| {
        let request = stage.request(Method::POST, "/hosts/heartbeat");
        send(request.header("x-creel-host-key", &daemon.key).body(body))
    };
    for body in [
        b"".to_vec(),
        b"{".to_vec(),
        b"[]".to_vec(),
        b"\xff\xfe".to_vec(),
        vec![b'['; 50_000],
    ] {
        assert_eq!(post(body).await.refused(), (400, "bad_request"));
    }
    assert_eq!(one(&stage, state).await, before);
    // A heartbeat after it is as good as ever.
    let ack = json!({ "acks": [{ "command_id": id, "ok": true, "result": { "workspace": "/w" } }] });
    assert_eq!(daemon.beat_well(&ack).await["acks"][0]["applied"], json!(true));
}

#[tokio::test]
async fn ten_megabytes_are_refused_unread_and_by_the_database_too() {
    let stage = Stage::new().await;
    let daemon = Daemon::enroll(&stage).await;
    let large = json!({ "host": { "runtime": { "x": "y".repeat(10_000_000) } } });
    stage.proxy.calls();
    let request = stage.request(Method::POST, "/hosts/heartbeat");
    let request = request
        .header("x-creel-host-key", &daemon.key)
        .body(large.to_string());
    // It may stop reading, and close the line, before all is sent.
    if let Ok(answer) = request.send().await {
        assert_eq!(answer.status().as_u16(), 413);
    }
    assert_eq!(stage.proxy.calls(), [""; 0]);
    for function in ["heartbeat", "tick", "claim", "progress", "finish", "record_docs"] {
        let mut body = large.clone();
        body["api"] = json!(1);
        body["session"] = json!(Uuid::new_v4());
        body["token"] = json!(Uuid::new_v4());
        let who = creel_tests::postgrest::As::HostKey(&daemon.key);
        let answer = stage.rest.rpc(who, function, &body).await.expect("call");
        assert_eq!(answer.status, 413, "{function}: {}", answer.body);
    }
    daemon.beat_well(&json!({})).await;
}

#[tokio::test]
async fn unknown_members_and_a_wrong_clock_change_nothing() {
    let stage = Stage::new().await;
    let daemon = Daemon::enroll(&stage).await;
    for hours in [-2, 2] {
        let sql = format!("select to_json(now() + interval '{hours} hours')::text as at");
        let at = one(&stage, &sql).await["at"].clone();
        let body = json!({
            "sent_at": at, "now": at, "last_seen_at": at, "host_id": Uuid::new_v4(), "odd": { "a": [1, 2, { "b": null }] },
            "host": { "last_seen_at": at, "status": "retired", "owner_id": Uuid::new_v4(), "capacity": 99, "odd": true },
            "metrics": [], "agents": null, "acks": null, "working": null,
        });
        let answer = daemon.beat_well(&body).await;
        assert_eq!(answer["host_id"], json!(daemon.host));
        let seen = one(
            &stage,
            "select extract(epoch from now() - last_seen_at)::int as secs, status, capacity
             from host_heartbeats b join hosts h on h.id = b.host_id",
        )
        .await;
        assert!(
            seen["secs"].as_i64().is_some_and(|secs| (0..60).contains(&secs)),
            "{seen}"
        );
        assert_eq!(
            (&seen["status"], &seen["capacity"]),
            (&json!("online"), &json!(10))
        );
    }
}

#[tokio::test]
async fn a_daemon_that_beats_as_fast_as_it_can_is_told_to_wait_and_stays_online() {
    let stage = Stage::new().await;
    let daemon = Daemon::enroll(&stage).await;
    stage
        .run("update creel.settings set max_ticks_per_minute = 10")
        .await;
    let mut refused = 0;
    for _ in 0..40 {
        let answer = daemon
            .beat(&json!({ "host": { "worker_version": Uuid::new_v4() } }))
            .await;
        if answer.status != 200 {
            assert_eq!(answer.refused(), (429, "quota"));
            refused += 1;
        }
    }
    assert_eq!(refused, 30);
    stage
        .run("update host_heartbeats set counted_from = now() - interval '61 s'")
        .await;
    daemon.beat_well(&json!({})).await;
}

#[tokio::test]
async fn a_draining_daemon_gets_nothing_new_and_may_end_what_it_has() {
    let stage = Stage::new().await;
    let daemon = Daemon::enroll(&stage).await;
    stage.provision(SCOUT).await;
    let (id, _) = daemon.take_one().await;
    stage.run("update hosts set status = 'draining'").await;
    stage.provision("agent:late:main").await;
    assert_eq!(daemon.take_one().await.0, id);
    let ack = json!({ "acks": [{ "command_id": id, "ok": true, "result": { "workspace": "/w" } }] });
    let answer = daemon.beat_well(&ack).await;
    assert_eq!(
        (&answer["acks"][0]["applied"], &answer["commands"]),
        (&json!(true), &json!([]))
    );
}

#[tokio::test]
async fn a_daemon_hears_no_secret_in_a_payload() {
    let stage = Stage::new().await;
    let daemon = Daemon::enroll(&stage).await;
    stage.provision(SCOUT).await;
    let (id, agent_id) = daemon.take_one().await;
    let ack = json!({ "acks": [{ "command_id": id, "ok": true, "result": { "workspace": "/w/scout" } }] });
    daemon.beat_well(&ack).await;
    let payload = json!({ "config": {
        "model": "m", "channels": { "telegram": { "enabled": true, "botToken": "x" } }, "note": "sk-abcdef",
    } });
    stage
        .admin
        .execute(
            "insert into agent_commands (agent_id, type, payload) values ($1::text::uuid, 'update_config', $2)",
            &[&agent_id, &payload],
        )
        .await
        .expect("send a command");
    let answer = daemon.beat_well(&json!({})).await;
    assert_eq!(
        answer["commands"][0]["payload"],
        json!({ "config": { "model": "m", "channels": { "telegram": { "enabled": true } }, "note": null } })
    );
}
