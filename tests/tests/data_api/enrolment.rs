//! How a host gets a key, gets another one, and loses it.

use std::time::Duration;

use creel_tests::db::{TestDb, User};
use creel_tests::postgrest::{Answer, As, Rest};
use creel_tests::wait::eventually;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// A call that has to wait for a row is in the database within milliseconds.
const WAITING_LIMIT: Duration = Duration::from_secs(10);

struct Stage {
    test: TestDb,
    rest: Rest,
    owner: User,
    project: String,
}

impl Stage {
    async fn new() -> Self {
        let test = TestDb::new().await.expect("make a database");
        let rest = test.rest().await.expect("start the Data API");
        let owner = test.user("owner@example.com").await.expect("make a person");
        let project = test.project(&owner).await.expect("make a project");
        Self {
            test,
            rest,
            owner,
            project,
        }
    }

    async fn rpc(&self, who: As<'_>, function: &str, args: &Value) -> Answer {
        self.rest.rpc(who, function, args).await.expect("call")
    }

    async fn code_for(&self, wish: &Value) -> String {
        let made = self
            .rpc(As::User(&self.owner), "create_enrolment_code", wish)
            .await;
        let made = made.expect_ok("make a code");
        made["code"].as_str().expect("a code").to_owned()
    }

    async fn enroll(&self, code: &str, key: &str) -> Answer {
        let args = json!({ "code": code, "key_sha256": hash(key), "platform": "linux" });
        self.rpc(As::Publishable, "enroll_host_by_code", &args).await
    }

    /// A host that serves the project; answers its id and its key.
    async fn host(&self) -> (Uuid, String) {
        let code = self
            .code_for(&json!({ "name": "mini", "project_ids": [self.project] }))
            .await;
        let key = new_key();
        let made = self.enroll(&code, &key).await.expect_ok("enrol");
        let id = made["host_id"].as_str().and_then(|id| id.parse().ok());
        (id.expect("a host id"), key)
    }

    async fn tick(&self, key: &str) -> Answer {
        let args = json!({ "api": 1, "session": Uuid::new_v4(), "tokens": [] });
        self.rpc(As::HostKey(key), "tick", &args).await
    }

    async fn rotate(&self, key: &str, new: &str) -> Answer {
        let args = json!({ "api": 1, "key_sha256": hash(new) });
        self.rpc(As::HostKey(key), "rotate_host_key", &args).await
    }

    async fn run(&self, sql: &str) {
        let db = self.test.postgres().await.expect("connect");
        db.batch_execute(sql).await.expect(sql);
    }
}

fn new_key() -> String {
    format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple())
}

fn hash(key: &str) -> String {
    hex::encode(Sha256::digest(key.as_bytes()))
}

#[tokio::test]
async fn a_code_of_the_owner_makes_a_host_that_serves_and_is_seen() {
    let stage = Stage::new().await;
    let wish = json!({
        "name": "mini", "project_ids": [stage.project], "tags": ["gpu"], "capacity": 3, "key_days": 30,
        "price": { "month": 900 }, "platform": null,
    });
    let code = stage.code_for(&wish).await;
    let key = new_key();
    // As people type it.
    let typed = format!(" {} ", code.to_lowercase().replace('-', " "));
    let made = stage.enroll(&typed, &key).await.expect_ok("enrol");
    let host = &made["host_id"];
    assert_eq!(&stage.tick(&key).await.expect_ok("tick")["host_id"], host);

    let columns = "hosts?select=id,owner_id,name,platform,capacity,tags,tenancy,status,price";
    let seen = stage
        .rest
        .get(As::User(&stage.owner), columns)
        .await
        .expect("call");
    assert_eq!(
        seen.expect_ok("read"),
        json!([{
            "id": host, "owner_id": stage.owner.id, "name": "mini", "platform": "linux", "capacity": 3,
            "tags": ["gpu"], "tenancy": "single", "status": "online", "price": { "month": 900 },
        }])
    );
    let access = stage
        .rpc(
            As::User(&stage.owner),
            "list_host_access",
            &json!({ "host_id": host }),
        )
        .await
        .expect_ok("list");
    assert_eq!(access["keys"][0]["good"], json!(true));
    assert!(
        access["keys"][0]["expires_at"].is_string(),
        "it ends after 30 days"
    );
    assert!(!access.to_string().contains(&hash(&key)));
}

#[tokio::test]
async fn a_code_is_good_once_and_for_a_quarter_of_an_hour() {
    let stage = Stage::new().await;
    let wish = json!({ "name": "mini", "project_ids": [stage.project] });
    let code = stage.code_for(&wish).await;
    let key = new_key();
    let first = stage.enroll(&code, &key).await.expect_ok("enrol");
    let again = stage.enroll(&code, &key).await.expect_ok("the answer was lost");
    assert_eq!(first, again);
    let used = stage.enroll(&code, &new_key()).await;
    assert_eq!((used.status, used.code()), (404, "PT404"));

    let code = stage.code_for(&wish).await;
    let known = stage.enroll(&code, &key).await;
    assert_eq!(
        (known.status, known.code()),
        (409, "PT409"),
        "one key is one host's"
    );
    stage
        .run("update creel.enrolment_codes set expires_at = created_at + interval '15 minutes' - interval '15 minutes'")
        .await;
    let ended = stage.enroll(&code, &new_key()).await;
    assert_eq!((ended.status, ended.code()), (404, "PT404"));
    let guessed = stage.enroll("00000-00000-00000-00000", &new_key()).await;
    assert_eq!(guessed.status, 404);
    assert_eq!(guessed.body, ended.body, "nobody learns which codes there were");
}

#[tokio::test]
async fn unused_codes_are_listed_without_themselves_and_can_be_ended() {
    let s = Stage::new().await;
    let owner = As::User(&s.owner);
    let listed = async || -> Vec<Value> {
        let reply = s.rpc(owner, "list_enrolment_codes", &json!({})).await;
        reply.expect_ok("list")["codes"]
            .as_array()
            .expect("codes")
            .clone()
    };
    assert!(listed().await.is_empty());
    let (host, _) = s.host().await;
    assert!(listed().await.is_empty(), "a used code is none of them");
    let unused = s
        .code_for(&json!({ "name": "attic", "project_ids": [s.project] }))
        .await;
    s.code_for(&json!({ "host_id": host })).await;
    let codes = listed().await;
    assert_eq!(codes.len(), 2, "{codes:?}");
    assert_eq!(codes[0]["name"], json!("attic"));
    assert_eq!(codes[0]["project_ids"], json!([s.project]));
    assert_eq!(codes[0]["host_id"], Value::Null);
    assert_eq!(codes[1]["name"], json!("mini"), "the host that is to get a key");
    assert_eq!(codes[1]["host_id"], json!(host));
    assert_eq!(codes[1]["project_ids"], json!([s.project]));
    for code in &codes {
        assert!(code["created_at"].is_string() && code["expires_at"].is_string());
        assert!(!code.to_string().contains(&unused), "nobody is told a code again");
        assert!(!code.to_string().contains("sha256"));
    }

    // A stranger sees none of them and ends none.
    let stranger = s.test.user("stranger@example.com").await.expect("make a person");
    let theirs = s
        .rpc(As::User(&stranger), "list_enrolment_codes", &json!({}))
        .await;
    assert_eq!(theirs.expect_ok("list")["codes"], json!([]));
    let id = json!({ "id": codes[0]["id"] });
    let refused = s.rpc(As::User(&stranger), "revoke_enrolment_code", &id).await;
    assert_eq!(refused.status, 404, "{}", refused.body);
    for who in [As::Publishable, As::HostKey("x")] {
        let refused = s.rpc(who, "list_enrolment_codes", &json!({})).await;
        assert!([401, 403].contains(&refused.status), "{}", refused.body);
    }

    let revoked = s.rpc(owner, "revoke_enrolment_code", &id).await;
    assert_eq!(revoked.expect_ok("revoke")["revoked"], json!(true));
    assert_eq!(listed().await.len(), 1);
    let refused = s.enroll(&unused, &new_key()).await;
    assert_eq!(refused.status, 404, "{}", refused.body);
    // What is none any more: ended, of nobody, no id at all.
    for id in [
        id,
        json!({ "id": Uuid::new_v4() }),
        json!({ "id": "x" }),
        json!({ "id": 5 }),
        json!({}),
    ] {
        let refused = s.rpc(owner, "revoke_enrolment_code", &id).await;
        assert_eq!(refused.status, 404, "{}", refused.body);
    }
    s.run("update creel.enrolment_codes set expires_at = now()").await;
    assert!(listed().await.is_empty(), "one that has ended is none of them");
}

#[tokio::test]
async fn two_machines_with_one_code_become_one_host() {
    let stage = Stage::new().await;
    let code = stage.code_for(&json!({ "name": "mini" })).await;
    let keys = [new_key(), new_key(), new_key(), new_key()];
    let answers = futures_util::future::join_all(keys.iter().map(|key| stage.enroll(&code, key))).await;
    let made = answers.iter().filter(|answer| answer.is_ok()).count();
    assert_eq!(made, 1);
    let hosts = stage
        .rest
        .get(As::User(&stage.owner), "hosts")
        .await
        .expect("call");
    assert_eq!(hosts.expect_ok("read").as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn only_who_owns_the_projects_makes_a_code_for_them() {
    let stage = Stage::new().await;
    let wish = json!({ "name": "mini", "project_ids": [stage.project] });
    let editor = stage
        .test
        .user("editor@example.com")
        .await
        .expect("make a person");
    let member = stage.test.member(&stage.project, &editor, "editor").await;
    member.expect("add a member");
    for who in [As::User(&editor), As::Publishable] {
        let refused = stage.rpc(who, "create_enrolment_code", &wish).await;
        assert_eq!(refused.code(), "42501", "{who:?}");
    }
    let (host, key) = stage.host().await;
    for function in ["create_enrolment_code", "revoke_host_access", "list_host_access"] {
        let refused = stage
            .rpc(As::User(&editor), function, &json!({ "host_id": host }))
            .await;
        assert_eq!(refused.code(), "42501", "{function}");
        let refused = stage
            .rpc(As::HostKey(&key), function, &json!({ "host_id": host }))
            .await;
        assert_eq!(refused.code(), "42501", "{function}");
    }

    // A code outlives the right to make it by nothing.
    let code = stage.code_for(&wish).await;
    let second = stage
        .test
        .user("second@example.com")
        .await
        .expect("make a person");
    let member = stage.test.member(&stage.project, &second, "owner").await;
    member.expect("add an owner");
    stage
        .run(&format!(
            "delete from project_members where user_id = '{}'",
            stage.owner.id
        ))
        .await;
    let made = stage.enroll(&code, &new_key()).await.expect_ok("enrol");
    let db = stage.test.postgres().await.expect("connect");
    let host: Uuid = made["host_id"]
        .as_str()
        .and_then(|id| id.parse().ok())
        .expect("an id");
    let served = db
        .query("select from project_hosts where host_id = $1", &[&host])
        .await;
    assert!(served.expect("read").is_empty());
}

#[tokio::test]
async fn a_wish_that_cannot_be_is_refused_with_what_is_wrong() {
    let stage = Stage::new().await;
    for (wish, word) in [
        (json!([]), "object"),
        (json!("x"), "object"),
        (json!({ "name": "" }), "name"),
        (json!({ "name": { "a": 1 } }), "name"),
        (json!({ "name": "x".repeat(201) }), "name"),
        (json!({ "name": "x", "platform": "windows" }), "platform"),
        (json!({ "name": "x", "capacity": -1 }), "capacity"),
        (json!({ "name": "x", "capacity": 1.5 }), "capacity"),
        (json!({ "name": "x", "capacity": 1e300 }), "capacity"),
        (json!({ "name": "x", "capacity": "3" }), "capacity"),
        (json!({ "name": "x", "key_days": 0 }), "key_days"),
        (json!({ "name": "x", "tags": "gpu" }), "tags"),
        (json!({ "name": "x", "tags": [1] }), "tags"),
        (json!({ "name": "x", "tags": vec!["t"; 51] }), "tags"),
        (json!({ "name": "x", "project_ids": {} }), "project_ids"),
        (json!({ "name": "x", "price": 3 }), "price"),
        (json!({ "name": "x", "key_days": 1.5 }), "key_days"),
        (json!({ "host_id": Uuid::nil(), "key_days": "30" }), "key_days"),
        (json!({ "host_id": Uuid::nil(), "key_days": 0 }), "key_days"),
        (json!({ "name": "x", "odd": "y".repeat(100_000) }), "bytes"),
        (
            json!({ "name": "x", "login": { "verifier": "pw" } }),
            "nothing else",
        ),
        (json!({ "name": "x", "backends": ["docker"] }), "nothing else"),
        (json!({ "name": "x", "owner_id": Uuid::nil() }), "nothing else"),
        (
            json!({ "name": "x", "key": { "sha256": hash("k") } }),
            "nothing else",
        ),
        (
            json!({ "host_id": Uuid::nil(), "login": { "verifier": "pw" } }),
            "nothing else",
        ),
    ] {
        let refused = stage
            .rpc(As::User(&stage.owner), "create_enrolment_code", &wish)
            .await;
        let message = refused.body["message"].as_str().unwrap_or_default();
        assert_eq!(refused.status, 400, "{wish}: {}", refused.body);
        assert!(message.contains(word), "{wish}: {message}");
    }
    for args in [
        json!({}),
        json!([]),
        json!({ "code": "x", "key_sha256": "zz" }),
        json!({ "code": 1, "key_sha256": ["a"] }),
        json!({ "code": "x", "key_sha256": hash("k"), "platform": "beos" }),
        json!({ "code": "x".repeat(1_000_000), "key_sha256": hash("k") }),
    ] {
        let refused = stage.rpc(As::Publishable, "enroll_host_by_code", &args).await;
        assert_eq!(refused.status, 400, "{}", refused.body);
    }
}

#[tokio::test]
async fn open_codes_and_hosts_of_one_person_are_bounded() {
    let stage = Stage::new().await;
    let wish = json!({ "name": "mini" });
    stage
        .run("update creel.settings set max_open_codes_per_user = 3")
        .await;
    for _ in 0..3 {
        stage.code_for(&wish).await;
    }
    let refused = stage
        .rpc(As::User(&stage.owner), "create_enrolment_code", &wish)
        .await;
    assert_eq!((refused.status, refused.code()), (429, "PT429"));
    stage
        .run("delete from creel.enrolment_codes; update creel.settings set max_hosts_per_user = 1")
        .await;
    stage.host().await;
    let refused = stage
        .rpc(As::User(&stage.owner), "create_enrolment_code", &wish)
        .await;
    assert_eq!((refused.status, refused.code()), (429, "PT429"));
}

#[tokio::test]
async fn a_rotated_key_is_good_at_once_and_the_old_one_for_a_while() {
    let stage = Stage::new().await;
    let (host, old) = stage.host().await;
    let new = new_key();
    let answer = stage.rotate(&old, &new).await.expect_ok("rotate");
    assert_eq!(answer["host_id"], json!(host));
    stage.rotate(&old, &new).await.expect_ok("the answer was lost");
    for key in [&old, &new] {
        assert_eq!(stage.tick(key).await.expect_ok("tick")["host_id"], json!(host));
    }
    // Whoever has the old key cannot push out the one that took its place.
    let refused = stage.rotate(&old, &new_key()).await;
    assert_eq!((refused.status, refused.code()), (409, "PT409"));

    let db = stage.test.postgres().await.expect("connect");
    let left = db
        .query_one(
            "select count(*) from creel.host_keys where expires_at between now() + interval '9 minutes' and now() + interval '10 minutes'",
            &[],
        )
        .await
        .expect("read");
    assert_eq!(left.get::<_, i64>(0), 1);
    stage
        .run("update creel.host_keys set expires_at = now() where replaced_at is not null")
        .await;
    let ended = stage.tick(&old).await;
    assert_eq!((ended.status, ended.code()), (401, "PT401"));
    stage.tick(&new).await.expect_ok("tick");
    let known = stage.rotate(&new, &old).await;
    assert_eq!(
        (known.status, known.code()),
        (409, "PT409"),
        "an old key does not come back"
    );
}

#[tokio::test]
async fn a_host_that_rotates_as_fast_as_it_can_is_told_to_wait() {
    let stage = Stage::new().await;
    let (_, mut key) = stage.host().await;
    let mut refused = 0;
    for _ in 0..30 {
        let new = new_key();
        let answer = stage.rotate(&key, &new).await;
        if answer.is_ok() {
            key = new;
        } else {
            assert_eq!((answer.status, answer.code()), (429, "PT429"));
            refused += 1;
        }
    }
    assert!(refused >= 20, "{refused}");
    stage
        .tick(&key)
        .await
        .expect_ok("and the key that it has stays good");
}

#[tokio::test]
async fn a_key_may_end_by_itself_and_its_successor_too() {
    let stage = Stage::new().await;
    let code = stage.code_for(&json!({ "name": "mini", "key_days": 1 })).await;
    let (first, second) = (new_key(), new_key());
    stage.enroll(&code, &first).await.expect_ok("enrol");
    let answer = stage.rotate(&first, &second).await.expect_ok("rotate");
    assert!(answer["expires_at"].is_string());
    stage.run("update creel.host_keys set expires_at = now()").await;
    for key in [first, second] {
        assert_eq!(stage.tick(&key).await.status, 401);
    }
}

#[tokio::test]
async fn the_owner_ends_every_access_at_once_and_may_let_the_host_in_again() {
    let stage = Stage::new().await;
    let (host, key) = stage.host().await;
    let second = new_key();
    stage.rotate(&key, &second).await.expect_ok("rotate");
    let of_host = json!({ "host_id": host });
    let pending = stage.code_for(&of_host).await;
    stage
        .rpc(As::User(&stage.owner), "revoke_host_access", &of_host)
        .await
        .expect_ok("revoke");
    for key in [&key, &second] {
        assert_eq!(stage.tick(key).await.status, 401);
    }
    assert_eq!(stage.enroll(&pending, &new_key()).await.status, 404);

    let third = new_key();
    let code = stage.code_for(&of_host).await;
    let back = stage.enroll(&code, &third).await.expect_ok("enrol again");
    assert_eq!(back["host_id"], json!(host), "it is the same host");
    assert_eq!(stage.tick(&third).await.expect_ok("tick")["host_id"], json!(host));
    let fourth = new_key();
    let code = stage.code_for(&of_host).await;
    stage.enroll(&code, &fourth).await.expect_ok("enrol once more");
    assert_eq!(
        stage.tick(&third).await.status,
        401,
        "the key that was lost has ended"
    );
    stage.tick(&fourth).await.expect_ok("tick");

    let kinds = stage
        .rest
        .get(As::User(&stage.owner), "events?select=kind&order=id")
        .await
        .expect("call")
        .expect_ok("read");
    let kinds: Vec<&str> = kinds
        .as_array()
        .expect("rows")
        .iter()
        .filter_map(|row| row["kind"].as_str())
        .collect();
    assert_eq!(
        kinds,
        [
            "host.enrolled",
            "host.key_rotated",
            "host.revoked",
            "host.enrolled",
            "host.enrolled"
        ]
    );
}

#[tokio::test]
async fn a_host_with_a_login_makes_itself_no_key() {
    let stage = Stage::new().await;
    let host = stage.test.host(&[&stage.project]).await.expect("enrol a host");
    let client = stage
        .test
        .connect_as(&host.role, &host.password)
        .await
        .expect("connect");
    let args = json!({ "api": 1, "key_sha256": hash("k") });
    let refused = client.query_one("select rotate_host_key($1)", &[&args]).await;
    let refused = refused.expect_err("it has no key");
    assert_eq!(
        refused.code().map(tokio_postgres::error::SqlState::code),
        Some("PT409")
    );
}

#[tokio::test]
async fn a_code_makes_no_login_whatever_its_wish_says() {
    let stage = Stage::new().await;
    let logins = "select count(*) from creel.host_logins";
    let db = stage.test.postgres().await.expect("connect");
    let wish = json!({ "name": "mini", "capacity": 3.0, "key_days": 30.0 });
    let code = stage.code_for(&wish).await;
    // As if something had got by the check when the code was made.
    stage
        .run(
            r#"update creel.enrolment_codes set wish = wish
               || '{"login": {"verifier": "pw"}, "backends": ["docker"], "key": {"label": "x"}}'"#,
        )
        .await;
    stage.enroll(&code, &new_key()).await.expect_ok("enrol");
    let made: i64 = db.query_one(logins, &[]).await.expect("count").get(0);
    assert_eq!(made, 0);
    let seen = stage
        .rest
        .get(
            As::User(&stage.owner),
            "hosts?select=owner_id,capacity,tenancy,backends",
        )
        .await
        .expect("call");
    assert_eq!(
        seen.expect_ok("read"),
        json!([{ "owner_id": stage.owner.id, "capacity": 3, "tenancy": "single", "backends": ["shared"] }])
    );
}

#[tokio::test]
async fn a_code_that_was_made_in_time_makes_no_host_too_many() {
    let stage = Stage::new().await;
    stage
        .run("update creel.settings set max_hosts_per_user = 2")
        .await;
    let mut codes = Vec::new();
    for _ in 0..4 {
        codes.push(stage.code_for(&json!({ "name": "mini" })).await);
    }
    let keys = [new_key(), new_key(), new_key(), new_key()];
    let answers =
        futures_util::future::join_all(codes.iter().zip(&keys).map(|(code, key)| stage.enroll(code, key)))
            .await;
    let made = answers.iter().filter(|answer| answer.is_ok()).count();
    assert_eq!(made, 2);
    for refused in answers.iter().filter(|answer| !answer.is_ok()) {
        assert_eq!((refused.status, refused.code()), (429, "PT429"));
    }
}

#[tokio::test]
async fn a_host_that_was_retired_gets_no_other_key() {
    let stage = Stage::new().await;
    let (host, _) = stage.host().await;
    let code = stage.code_for(&json!({ "host_id": host, "key_days": 5 })).await;
    stage.run("update hosts set status = 'retired'").await;
    let refused = stage.enroll(&code, &new_key()).await;
    assert_eq!((refused.status, refused.code()), (409, "PT409"));
}

/// What is called while the owner ends every access, and waits for that.
async fn while_revoking(
    stage: &Stage,
    host: Uuid,
    function: &str,
    call: impl Future<Output = Answer>,
) -> Answer {
    let revoking = stage.test.postgres().await.expect("connect");
    let watching = stage.test.superuser().await.expect("connect");
    revoking.batch_execute("begin").await.expect("begin");
    revoking
        .execute("select creel.revoke_host($1)", &[&host])
        .await
        .expect("revoke");
    let end = async {
        eventually("the call waits", WAITING_LIMIT, async || {
            let sql = "select from pg_stat_activity
              where datname = current_database() and wait_event_type = 'Lock' and query like '%' || $1 || '%'";
            !watching.query(sql, &[&function]).await.expect("look").is_empty()
        })
        .await;
        revoking.batch_execute("commit").await.expect("commit");
    };
    tokio::join!(call, end).0
}

#[tokio::test]
async fn what_waited_for_the_end_of_every_access_has_none() {
    let stage = Stage::new().await;
    let (host, key) = stage.host().await;
    let code = stage.code_for(&json!({ "host_id": host })).await;
    let enrolled = new_key();
    let refused = while_revoking(
        &stage,
        host,
        "enroll_host_by_code",
        stage.enroll(&code, &enrolled),
    )
    .await;
    assert_eq!((refused.status, refused.code()), (404, "PT404"));
    for key in [&key, &enrolled] {
        assert_eq!(stage.tick(key).await.status, 401);
    }

    let code = stage.code_for(&json!({ "host_id": host })).await;
    let key = new_key();
    stage.enroll(&code, &key).await.expect_ok("enrol again");
    let rotated = new_key();
    // A host gives way by its lock_timeout, if the owner takes long.
    let refused = while_revoking(&stage, host, "rotate_host_key", stage.rotate(&key, &rotated)).await;
    assert!(!refused.is_ok(), "{}", refused.body);
    for key in [&key, &rotated] {
        assert_eq!(stage.tick(key).await.status, 401);
    }
}
