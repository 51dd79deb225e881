//! Where agents come to live, and why they do not.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::fixture::{Fixture, Session, token};

const OTHER: &str = "p2";

struct Stage {
    f: Fixture,
}

impl Stage {
    /// Two projects of one person.
    async fn new() -> Self {
        let f = Fixture::new().await;
        f.project(OTHER, f.owner).await;
        Self { f }
    }

    /// A host of both projects that has ticked.
    async fn host(&self, changes: &str) -> Session {
        let host = self.f.host(&["p1", OTHER]).await;
        host.tick(&[]).await;
        let sql = format!("update hosts set {changes} where id = '{}'", host.host);
        self.run(&sql).await;
        host
    }

    async fn run(&self, sql: &str) {
        self.f.admin.batch_execute(sql).await.expect(sql);
    }

    /// An agent of a backend with a config, and a request for it; answers the request's id.
    async fn agent(&self, project: &str, key: &str, backend: &str, config: &Value) -> Uuid {
        self.f
            .admin
            .execute(
                "insert into agents (project_id, agent_key, backend, config) values ($1, $2, $3, $4)",
                &[&project, &key, &backend, config],
            )
            .await
            .expect("make an agent");
        self.f.request_in(project, key).await
    }

    async fn why(&self, id: Uuid) -> Value {
        let sql = format!("select why_pending('{id}')");
        self.f.ask_as_person(self.f.owner, &sql).await.expect("ask why")
    }

    async fn why_code(&self, id: Uuid) -> String {
        let why = self.why(id).await;
        why["code"].as_str().unwrap_or_default().to_owned()
    }
}

/// Keys of the agents that this claim brought.
async fn claimed(host: &Session) -> Vec<String> {
    let items = host.claim(100).await;
    let key = |item: &Value| item["agent"]["agent_key"].as_str().unwrap_or_default().to_owned();
    items.iter().map(key).collect()
}

#[tokio::test]
async fn an_agent_lives_only_where_all_its_tags_are() {
    let stage = Stage::new().await;
    let bare = stage.host("tags = '{gpu}'").await;
    let both = stage
        .agent(
            "p1",
            "agent:tagged:main",
            "shared",
            &json!({ "tags": ["gpu", "eu"] }),
        )
        .await;
    assert!(claimed(&bare).await.is_empty());
    assert_eq!(
        bare.tick(&[]).await["work"],
        json!(false),
        "and it is not called in vain"
    );
    let why = stage.why(both).await;
    assert_eq!(why["code"], json!("tags"));
    assert!(
        why["message"]
            .as_str()
            .is_some_and(|text| text.contains("gpu, eu")),
        "{why}"
    );
    assert_eq!(why["hosts"][0]["code"], json!("tags"));
    let tagged = stage.host("tags = '{eu,gpu,big}'").await;
    assert_eq!(stage.why_code(both).await, "ready");
    assert_eq!(claimed(&tagged).await, ["agent:tagged:main"]);
}

#[tokio::test]
async fn tags_that_are_no_list_are_understood_or_explained() {
    let stage = Stage::new().await;
    let host = stage.host("tags = '{gpu}'").await;
    let none = json!({});
    for (key, config, expected) in [
        ("agent:one:main", json!({ "tags": "gpu" }), "ready"),
        ("agent:null:main", json!({ "tags": null }), "ready"),
        ("agent:none:main", none, "ready"),
        ("agent:empty:main", json!({ "tags": [] }), "ready"),
        ("agent:object:main", json!({ "tags": { "gpu": true } }), "tags"),
        ("agent:number:main", json!({ "tags": 7 }), "tags"),
        ("agent:nested:main", json!({ "tags": [["gpu"]] }), "tags"),
        ("agent:numbers:main", json!({ "tags": [1, null] }), "tags"),
    ] {
        let id = stage.agent("p1", key, "shared", &config).await;
        assert_eq!(stage.why_code(id).await, expected, "{key}");
    }
    assert_eq!(claimed(&host).await.len(), 4);
}

#[tokio::test]
async fn an_agent_lives_only_where_its_backend_is() {
    let stage = Stage::new().await;
    let host = stage.host("backends = '{shared,profile}'").await;
    let boxed = stage.agent("p1", "agent:boxed:main", "docker", &json!({})).await;
    let own = stage.agent("p1", "agent:own:main", "profile", &json!({})).await;
    assert_eq!(
        (stage.why_code(boxed).await, stage.why_code(own).await),
        ("backend".into(), "ready".into())
    );
    assert_eq!(claimed(&host).await, ["agent:own:main"]);
    stage
        .run("update hosts set backends = '{shared,profile,docker}'")
        .await;
    assert_eq!(claimed(&host).await, ["agent:boxed:main"]);
}

#[tokio::test]
async fn agents_of_two_projects_share_no_user_on_a_single_host() {
    let stage = Stage::new().await;
    let host = stage
        .host("tenancy = 'single', backends = '{shared,profile,docker}'")
        .await;
    let none = json!({});
    stage.agent("p1", "agent:a:main", "shared", &none).await;
    let theirs = stage.agent(OTHER, "agent:b:main", "profile", &none).await;
    let boxed = stage.agent(OTHER, "agent:c:main", "docker", &none).await;
    stage.agent("p1", "agent:d:main", "docker", &none).await;
    // Whatever came first decides, also within one claim.
    assert_eq!(claimed(&host).await, ["agent:a:main", "agent:d:main"]);
    for id in [theirs, boxed] {
        let why = stage.why(id).await;
        assert_eq!(why["code"], json!("isolation"), "{why}");
        assert_eq!(why["hosts"][0]["code"], json!("isolation"), "{why}");
    }
    assert_eq!(host.tick(&[]).await["work"], json!(false));
    stage.run("update hosts set tenancy = 'trusted'").await;
    assert_eq!(claimed(&host).await, ["agent:b:main", "agent:c:main"]);
}

#[tokio::test]
async fn agents_with_containers_of_their_own_may_be_neighbours() {
    let stage = Stage::new().await;
    let host = stage
        .host("tenancy = 'single', backends = '{shared,docker,multipass}'")
        .await;
    let none = json!({});
    stage.agent("p1", "agent:a:main", "docker", &none).await;
    stage.agent(OTHER, "agent:b:main", "multipass", &none).await;
    let shared = stage.agent("p1", "agent:c:main", "shared", &none).await;
    assert_eq!(claimed(&host).await, ["agent:a:main", "agent:b:main"]);
    assert_eq!(
        stage.why_code(shared).await,
        "isolation",
        "it could read what is beside it"
    );
}

#[tokio::test]
async fn two_claims_at_once_bring_no_two_projects_together() {
    let stage = Stage::new().await;
    let host = stage.host("tenancy = 'single'").await;
    let none = json!({});
    for n in 0..6 {
        let project = if n % 2 == 0 { "p1" } else { OTHER };
        stage
            .agent(project, &format!("agent:a{n}:main"), "shared", &none)
            .await;
    }
    let row = stage
        .f
        .admin
        .query_one(
            "select role_name::text from creel.host_logins where host_id = $1",
            &[&host.host],
        )
        .await
        .expect("find the login");
    let role: String = row.get(0);
    stage.run(&format!("alter role {role} password 'again'")).await;
    let mut sessions = vec![host];
    for _ in 0..3 {
        let password = creel_core::secret::Secret::new("again");
        let client = stage.f.test.connect_as(&role, &password).await.expect("connect");
        sessions.push(Session {
            client,
            host: sessions[0].host,
            session: Uuid::new_v4(),
        });
    }
    futures_util::future::join_all(sessions.iter().map(claimed)).await;
    let row = stage
        .f
        .admin
        .query_one(
            "select count(distinct project_id), count(*) from agents where host_id is not null",
            &[],
        )
        .await
        .expect("count");
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (1, 3));
}

#[tokio::test]
async fn a_full_host_is_named_and_room_helps() {
    let stage = Stage::new().await;
    let host = stage.host("capacity = 1").await;
    let none = json!({});
    stage.agent("p1", "agent:a:main", "shared", &none).await;
    let second = stage.agent("p1", "agent:b:main", "shared", &none).await;
    assert_eq!(claimed(&host).await, ["agent:a:main"]);
    let why = stage.why(second).await;
    assert_eq!(
        (&why["code"], &why["hosts"][0]["code"]),
        (&json!("capacity"), &json!("capacity"))
    );
    stage.run("update hosts set capacity = 2").await;
    assert_eq!(claimed(&host).await, ["agent:b:main"]);
}

#[tokio::test]
async fn each_host_says_for_itself_why_it_takes_nothing() {
    let stage = Stage::new().await;
    let none = json!({});
    stage.host("name = 'a-full', capacity = 0").await;
    stage.host("name = 'b-draining', status = 'draining'").await;
    stage.host("name = 'c-retired', status = 'retired'").await;
    stage.host("name = 'd-other', backends = '{docker}'").await;
    let silent = stage.host("name = 'e-silent'").await;
    let outdated = stage.host("name = 'f-outdated', outdated_since = now()").await;
    stage
        .run(&format!(
            "update host_heartbeats set last_seen_at = now() - interval '1 hour' where host_id in ('{}', '{}')",
            silent.host, outdated.host
        ))
        .await;
    let id = stage.agent("p1", "agent:a:main", "shared", &none).await;
    let why = stage.why(id).await;
    let codes: Vec<&str> = why["hosts"]
        .as_array()
        .expect("hosts")
        .iter()
        .filter_map(|host| host["code"].as_str())
        .collect();
    assert_eq!(
        codes,
        [
            "capacity", "draining", "retired", "backend", "offline", "outdated"
        ],
        "{why}"
    );
    assert_eq!(why["code"], json!("capacity"), "the nearest reason");
}

#[tokio::test]
async fn a_wish_for_a_host_obeys_the_same_rules() {
    let stage = Stage::new().await;
    let host = stage
        .host("tenancy = 'single', backends = '{shared,docker}'")
        .await;
    let none = json!({});
    stage.agent("p1", "agent:a:main", "shared", &none).await;
    claimed(&host).await;
    let insert = |project: &str, key: &str, backend: &str| {
        format!(
            "insert into agents (project_id, agent_key, host_id, backend) values ('{project}', '{key}', '{}', '{backend}')",
            host.host
        )
    };
    for (sql, code) in [
        (insert(OTHER, "agent:b:main", "shared"), "PT409"),
        (insert(OTHER, "agent:b:main", "docker"), "PT409"),
        (insert("p1", "agent:b:main", "profile"), "PT409"),
    ] {
        let refused = stage.f.as_person(stage.f.owner, &sql).await.expect_err(&sql);
        assert_eq!(
            refused.code().map(|c| c.code().to_owned()).as_deref(),
            Some(code),
            "{sql}"
        );
    }
    let sql = insert("p1", "agent:b:main", "docker");
    stage
        .f
        .as_person(stage.f.owner, &sql)
        .await
        .expect("its own project");
    // Nor does it come there by way of another backend.
    let alone = stage
        .host("tenancy = 'single', backends = '{shared,docker}'")
        .await;
    for project in ["p1", OTHER] {
        let sql = format!(
            "insert into agents (project_id, agent_key, host_id, backend)
             values ('{project}', 'agent:boxed:main', '{}', 'docker')",
            alone.host
        );
        stage
            .f
            .as_person(stage.f.owner, &sql)
            .await
            .expect("containers may be neighbours");
    }
    let sql =
        "update agents set backend = 'shared' where agent_key = 'agent:boxed:main' and project_id = 'p1'";
    let refused = stage
        .f
        .as_person(stage.f.owner, sql)
        .await
        .expect_err("it would read the other");
    assert_eq!(
        refused.code().map(|c| c.code().to_owned()).as_deref(),
        Some("PT409")
    );
    let sql = "update agents set name = 'x' where agent_key = 'agent:boxed:main'";
    stage
        .f
        .as_person(stage.f.owner, sql)
        .await
        .expect("other columns are free");
}

#[tokio::test]
async fn only_who_answers_for_all_projects_lets_them_share_a_host() {
    let stage = Stage::new().await;
    let host = stage.host("tenancy = 'single'").await;
    stage
        .run(&format!("update hosts set owner_id = '{}'", stage.f.owner))
        .await;
    let stranger = Uuid::new_v4();
    stage.f.person(stranger, "stranger@example.com").await;
    stage.f.project("p3", stranger).await;
    stage
        .run(&format!(
            "insert into project_hosts values ('p3', '{}')",
            host.host
        ))
        .await;
    let sql = "update hosts set tenancy = 'trusted'";
    let refused = stage
        .f
        .as_person(stage.f.owner, sql)
        .await
        .expect_err("p3 is not his");
    assert_eq!(
        refused.code().map(|c| c.code().to_owned()).as_deref(),
        Some("42501")
    );
    stage
        .run("delete from project_hosts where project_id = 'p3'")
        .await;
    stage.f.as_person(stage.f.owner, sql).await.expect("all are his");
    let sql = "update hosts set tenancy = 'single'";
    stage.f.as_person(stage.f.owner, sql).await.expect("and back");
}

#[tokio::test]
async fn an_agent_that_was_not_made_leaves_a_silent_host_only_for_one_that_can_take_it() {
    let stage = Stage::new().await;
    let silent = stage.host("backends = '{shared,docker}', tags = '{gpu}'").await;
    let full = stage.host("backends = '{shared}', capacity = 0").await;
    let other = stage.host("backends = '{shared}', tenancy = 'single'").await;
    let none = json!({});
    // The other one has agents of another project.
    stage.agent(OTHER, "agent:neighbour:main", "shared", &none).await;
    stage
        .run(&format!("update agents set host_id = '{}'", other.host))
        .await;
    let tagged = json!({ "tags": ["gpu"] });
    for (key, backend, config) in [
        ("agent:plain:main", "shared", &none),
        ("agent:boxed:main", "docker", &none),
        ("agent:tagged:main", "shared", &tagged),
    ] {
        stage.agent("p1", key, backend, config).await;
    }
    let held: Vec<Uuid> = silent.claim(10).await.iter().map(token).collect();
    assert_eq!(held.len(), 3);
    assert_eq!(silent.release(&held, false).await, 3);
    stage
        .run(&format!(
            "update host_heartbeats set last_seen_at = now() - interval '1 hour' where host_id = '{}'",
            silent.host
        ))
        .await;
    stage.f.sweep().await;
    assert!(claimed(&full).await.is_empty());
    assert_eq!(claimed(&other).await, ["agent:neighbour:main"]);
    stage
        .run(&format!(
            "update hosts set tenancy = 'trusted' where id = '{}'",
            other.host
        ))
        .await;
    stage.f.sweep().await;
    assert_eq!(claimed(&other).await, ["agent:plain:main"]);
    assert!(claimed(&full).await.is_empty());
}

#[tokio::test]
async fn a_host_is_called_for_the_first_of_many_and_finds_the_others_by_itself() {
    let stage = Stage::new().await;
    let host = stage.host("tags = '{}'").await;
    stage
        .run(
            r#"insert into agents (project_id, agent_key, config)
                 select 'p1', 'agent:a' || n || ':main', '{"tags": ["none"]}' from generate_series(1, 120) n;
               insert into agent_provision_requests (project_id, agent_key) select project_id, agent_key from agents"#,
        )
        .await;
    stage.agent("p1", "agent:last:main", "shared", &json!({})).await;
    assert_eq!(host.tick(&[]).await["work"], json!(false));
    assert_eq!(claimed(&host).await, ["agent:last:main"]);
    stage
        .run("update agents set config = '{}' where agent_key in (select agent_key from creel.lanes order by head limit 1)")
        .await;
    assert_eq!(host.tick(&[]).await["work"], json!(true));
}
