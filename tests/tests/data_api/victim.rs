//! Two hosts with a login and a key each, and everything of one of them that the other must not reach.

use creel_core::secret::Secret;
use creel_tests::db::{TestDb, User};
use creel_tests::postgrest::{As, Rest};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio_postgres::Client;
use uuid::Uuid;

/// Is in every text of the victim's, and in nothing that the attacker says.
pub const MARK: &str = "SECRETMARK";

/// A host with both ways in.
pub struct Intruder {
    pub id: Uuid,
    pub key: String,
    pub login: Client,
    pub project: String,
    pub owner: User,
}

pub struct Scene {
    _test: TestDb,
    pub rest: Rest,
    pub admin: Client,
    pub attacker: Intruder,
    pub victim: Intruder,
    pub agent_id: Uuid,
    pub agent_key: String,
    /// What the victim holds, and what waits behind it.
    pub item_ids: Vec<Uuid>,
    pub token: Uuid,
    pub session: Uuid,
}

impl Scene {
    /// Hosts of different projects, or of one.
    pub async fn new(is_common: bool) -> Self {
        let test = TestDb::new().await.expect("make a database");
        let rest = test.rest().await.expect("start the Data API");
        let admin = test.superuser().await.expect("connect");
        admin
            .batch_execute("update creel.settings set lease_secs = 3600, queue_ttl_secs = 3600, offline_after_secs = 3600")
            .await
            .expect("let leases last, and the victim be no outage");
        admin
            .batch_execute("update creel.metric_clock set kept_until = now() + interval '1 day'")
            .await
            .expect("let no minute pass, as anybody's tick keeps everybody's history");
        let victim = host(&test, None, &format!("{MARK} host")).await;
        let common = is_common.then(|| victim.project.clone());
        let attacker = host(&test, common, "attacker").await;
        let mut scene = Self {
            _test: test,
            rest,
            admin,
            attacker,
            victim,
            agent_id: Uuid::nil(),
            agent_key: "agent:bee:main".to_owned(),
            item_ids: Vec::new(),
            token: Uuid::nil(),
            session: Uuid::new_v4(),
        };
        scene.fill().await;
        scene
            .admin
            .execute(
                "insert into agent_metric_slots (step_secs, slot, agent_id, at, samples) values (60, 0, $1, now(), 1)",
                &[&scene.agent_id],
            )
            .await
            .expect("have a history");
        scene
    }

    /// Rows of the victim in every table that may have some.
    async fn fill(&mut self) {
        let project = self.victim.project.clone();
        let owner = self.victim.owner.clone();
        let post = async |table: &str, row: Value| {
            let answer = self.rest.post(As::User(&owner), table, &row).await.expect("call");
            answer.expect_ok(table)[0].clone()
        };
        let of_agent = |more: Value| {
            let mut row = json!({ "project_id": project, "agent_key": self.agent_key });
            let members = row.as_object_mut().expect("an object");
            members.extend(more.as_object().expect("an object").clone());
            row
        };
        let agent = of_agent(json!({
            "name": MARK, "role": MARK, "emoji": MARK, "host_id": self.victim.id,
            "config": { "model": MARK, "channels": { "telegram": { "name": MARK } } }, "limits": { "ram_mb": 512 },
        }));
        let agent = post("agents", agent).await;
        self.agent_id = agent["id"]
            .as_str()
            .and_then(|id| id.parse().ok())
            .expect("an id");
        post(
            "brain_docs",
            of_agent(json!({ "doc_type": "soul", "content": MARK })),
        )
        .await;
        post(
            "agent_status",
            of_agent(json!({ "note": MARK, "current_task": MARK })),
        )
        .await;
        post(
            "agent_provision_requests",
            of_agent(json!({ "display_name": MARK })),
        )
        .await;
        let tick = json!({
            "api": 1, "session": self.session, "tokens": [],
            "host": {
                "worker_version": MARK, "platform": "linux",
                "runtime": { "note": MARK, "agents": [{ "id": "bee", "name": MARK }] },
                "events": [{ "kind": "gateway.failed", "payload": { "note": MARK } }],
            },
        });
        call(&self.victim.login, "tick", &tick).await.expect("tick");
        let claim = json!({ "api": 1, "session": self.session, "limit": 10, "woken_by": "poll" });
        let first = call(&self.victim.login, "claim", &claim).await.expect("claim");
        let result = json!({ "ok": true, "workspace": format!("/{MARK}"), "served": true });
        let finish = json!({
            "api": 1,
            "items": [{ "token": first["items"][0]["token"], "outcome": "done", "result": result }],
        });
        call(&self.victim.login, "finish", &finish).await.expect("finish");
        for kind in ["restart", "update_config"] {
            let command = of_agent(
                json!({ "type": kind, "payload": if kind == "restart" { json!({}) } else {
                json!({ "config": { "thinking": MARK } })
            } }),
            );
            let made = post("agent_commands", command).await;
            let id = made["id"].as_str().and_then(|id| id.parse().ok());
            self.item_ids.push(id.expect("an id"));
        }
        let held = call(&self.victim.login, "claim", &claim).await.expect("claim");
        self.token = held["items"][0]["token"]
            .as_str()
            .and_then(|token| token.parse().ok())
            .expect("the victim holds one");
        let metrics = json!([{ "agent_id": self.agent_id, "cpu_percent": 1, "ram_mb": 2 }]);
        let tick = json!({ "api": 1, "session": self.session, "tokens": [self.token], "metrics": metrics });
        call(&self.victim.login, "tick", &tick).await.expect("tick");
        let code = json!({ "host_id": self.victim.id });
        let code = self
            .rest
            .rpc(As::User(&owner), "create_enrolment_code", &code)
            .await;
        code.expect("call").expect_ok("a code that nobody has used");
        let hook = json!({ "project_id": project, "url": format!("https://hooks.example.com/{MARK}") });
        let hook = self.rest.rpc(As::User(&owner), "create_webhook", &hook).await;
        let hook = hook.expect("call").expect_ok("a webhook");
        let test = json!({ "webhook_id": hook["id"] });
        let test = self.rest.rpc(As::User(&owner), "test_webhook", &test).await;
        test.expect("call").expect_ok("something that waits to be told");
    }

    /// Every row of every table that names something of the victim's.
    pub async fn rows_of_victim(&self) -> Vec<String> {
        let names = [
            self.victim.id.to_string(),
            self.agent_id.to_string(),
            self.agent_key.clone(),
            MARK.to_owned(),
        ];
        let mut rows = Vec::new();
        for table in self.relations("'r', 'p'").await {
            let sql = format!("select x::text from {table} x");
            for row in self.admin.query(&sql, &[]).await.expect(&sql) {
                let text: String = row.get(0);
                if names.iter().any(|name| text.contains(name)) {
                    rows.push(format!("{table}: {text}"));
                }
            }
        }
        rows.sort();
        rows
    }

    /// Every table and view.
    pub async fn tables(&self) -> Vec<String> {
        self.relations("'r', 'v', 'p', 'm', 'f'").await
    }

    /// What a page reads in a view is in a table, too.
    async fn relations(&self, kinds: &str) -> Vec<String> {
        let sql = format!(
            "select n.nspname || '.' || quote_ident(c.relname) from pg_class c
             join pg_namespace n on n.oid = c.relnamespace
             where n.nspname in ('public', 'creel') and c.relkind in ({kinds}) order by 1"
        );
        let rows = self.admin.query(&sql, &[]).await.expect("list tables");
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// Every function: its schema, its name, and its arguments' names and types.
    pub async fn functions(&self) -> Vec<Function> {
        let sql = "select n.nspname::text, p.proname::text, p.proargnames[1:p.pronargs],
                     array(select format_type(t, null) from unnest(p.proargtypes) t),
                     has_function_privilege('creel_host', p.oid, 'execute')
                   from pg_proc p join pg_namespace n on n.oid = p.pronamespace
                   where n.nspname in ('public', 'creel') and p.prorettype <> 'trigger'::regtype
                   order by 1, 2, p.oid";
        let rows = self.admin.query(sql, &[]).await.expect("list functions");
        let function = |row: &tokio_postgres::Row| Function {
            schema: row.get(0),
            name: row.get(1),
            argument_names: row.get::<_, Option<Vec<String>>>(2).unwrap_or_default(),
            argument_types: row.get(3),
            is_of_hosts: row.get(4),
        };
        rows.iter().map(function).collect()
    }

    /// Every member that some function reads of an argument: a new one is sent too.
    pub async fn argument_members(&self) -> Vec<String> {
        let sql = "select distinct m[1] from pg_proc p, regexp_matches(p.prosrc, '->>?\\s*''(\\w+)''', 'g') m
                   where p.pronamespace in ('public'::regnamespace, 'creel'::regnamespace) order by 1";
        let rows = self.admin.query(sql, &[]).await.expect("list members");
        rows.iter().map(|row| row.get(0)).collect()
    }
}

pub struct Function {
    pub schema: String,
    pub name: String,
    pub argument_names: Vec<String>,
    pub argument_types: Vec<String>,
    pub is_of_hosts: bool,
}

/// A host with a login and a key, of a project of its own or of one that is there.
async fn host(test: &TestDb, project: Option<String>, name: &str) -> Intruder {
    let email = format!("{}@example.com", Uuid::new_v4().simple());
    let owner = test.user(&email).await.expect("make a person");
    let project = match project {
        Some(project) => project,
        None => test.project(&owner).await.expect("make a project"),
    };
    let (key, password) = (new_key(), Uuid::new_v4().simple().to_string());
    let args = json!({
        "name": name, "project_ids": [project], "owner_id": owner.id, "capacity": 100,
        "login": { "verifier": password }, "key": { "sha256": hash(&key) },
    });
    let admin = test.postgres().await.expect("connect");
    let made: Value = admin
        .query_one("select creel.enroll_host($1)", &[&args])
        .await
        .expect("enrol")
        .get(0);
    let role = made["role"].as_str().expect("a role");
    Intruder {
        id: made["host_id"]
            .as_str()
            .and_then(|id| id.parse().ok())
            .expect("an id"),
        key,
        login: test
            .connect_as(role, &Secret::new(password))
            .await
            .expect("connect"),
        project,
        owner,
    }
}

pub fn new_key() -> String {
    format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple())
}

pub fn hash(key: &str) -> String {
    hex::encode(Sha256::digest(key.as_bytes()))
}

/// Calls a host function by a login.
pub async fn call(login: &Client, function: &str, args: &Value) -> Result<Value, tokio_postgres::Error> {
    let sql = format!("select public.{function}($1)::jsonb");
    Ok(login.query_one(&sql, &[args]).await?.get(0))
}
