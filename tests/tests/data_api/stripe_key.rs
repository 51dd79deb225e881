//! The Stripe function's key opens one function of the Data API, and nothing else; tried on everything that there is.

use creel_tests::db::TestDb;
use creel_tests::postgrest::{Answer, As, Rest};
use reqwest::Method;
use serde_json::{Map, Value, json};

const KEY: &str = "a-key-of-256-bits";
const OTHER: &str = "another-key-of-256-bits";

struct Door {
    test: TestDb,
    rest: Rest,
}

impl Door {
    async fn new() -> Self {
        let test = TestDb::new().await.expect("make a database");
        let rest = test.rest().await.expect("start the Data API");
        let door = Self { test, rest };
        for key in [KEY, OTHER] {
            door.run(&format!(
                "select creel.add_stripe_key(encode(sha256('{key}'), 'hex'), '{key}', 30)"
            ))
            .await;
        }
        door
    }

    async fn run(&self, sql: &str) {
        let db = self.test.postgres().await.expect("connect");
        db.batch_execute(sql)
            .await
            .unwrap_or_else(|e| panic!("{sql}: {e:?}"));
    }

    async fn texts(&self, sql: &str) -> Vec<String> {
        let db = self.test.postgres().await.expect("connect");
        let rows = db.query(sql, &[]).await.expect("read the catalog");
        rows.iter().map(|row| row.get(0)).collect()
    }

    async fn with(
        &self,
        who: As<'_>,
        headers: &[(&str, &str)],
        method: Method,
        path: &str,
        body: &Value,
    ) -> Answer {
        let body = (method != Method::GET).then_some(body);
        self.rest
            .send(who, method, path, headers, body)
            .await
            .expect("call")
    }

    /// What the function asks, with this key.
    async fn tell(&self, key: &str) -> Answer {
        let headers = [("x-creel-stripe-key", key)];
        self.with(
            As::Publishable,
            &headers,
            Method::POST,
            "rpc/apply_stripe_event",
            &clock(),
        )
        .await
    }
}

fn clock() -> Value {
    json!({ "api": 1, "endpoint": "clock" })
}

#[tokio::test]
async fn a_good_key_tells_what_stripe_says_and_a_bad_one_is_told_so() {
    let door = Door::new().await;
    for key in [KEY, OTHER] {
        assert_eq!(
            door.tell(key).await.expect_ok("tell")["outcome"],
            json!("applied")
        );
    }
    door.run("update creel.stripe_keys set expires_at = now() where label = 'a-key-of-256-bits'")
        .await;
    let expired = door.tell(KEY).await;
    assert_eq!((expired.status, expired.code()), (401, "PT401"));
    door.tell(OTHER).await.expect_ok("the other one is good");
    door.run("select creel.revoke_stripe_key(id) from creel.stripe_keys")
        .await;
    for key in [KEY, OTHER, "forged", "", "' or true --"] {
        let refused = door.tell(key).await;
        assert_eq!((refused.status, refused.code()), (401, "PT401"), "{key:?}");
    }
}

#[tokio::test]
async fn nobody_else_gets_in_by_whatever_he_sends_along() {
    let door = Door::new().await;
    let owner = door.test.user("owner@example.com").await.expect("make a person");
    let (_, host_key) = door.test.host_with_key(&[]).await.expect("enrol a host");
    let path = "rpc/apply_stripe_event";
    for who in [
        As::Publishable,
        As::Secret,
        As::User(&owner),
        As::HostKey(&host_key),
    ] {
        let refused = door.with(who, &[], Method::POST, path, &clock()).await;
        assert!(
            [401, 403].contains(&refused.status),
            "{who:?}: {}",
            refused.status
        );
    }
    // A person or a secret key with it is still who he was.
    for who in [As::Secret, As::User(&owner)] {
        let headers = [("x-creel-stripe-key", KEY)];
        let refused = door.with(who, &headers, Method::POST, path, &clock()).await;
        assert_eq!((refused.status, refused.code()), (403, "42501"), "{who:?}");
    }
    let both = [("x-creel-stripe-key", KEY)];
    let refused = door
        .with(As::HostKey(&host_key), &both, Method::POST, path, &clock())
        .await;
    assert_eq!((refused.status, refused.code()), (401, "PT401"), "both at once");
    let refused = door
        .with(As::HostKey(&host_key), &both, Method::POST, "rpc/claim", &clock())
        .await;
    assert_eq!((refused.status, refused.code()), (401, "PT401"));
}

#[tokio::test]
async fn the_key_opens_nothing_else_that_there_is() {
    let door = Door::new().await;
    let headers = [("x-creel-stripe-key", KEY), ("prefer", "return=minimal")];
    let relations = door
        .texts(
            "select relname::text from pg_class c where relnamespace = 'public'::regnamespace
               and relkind in ('r', 'v', 'm', 'p', 'f')
               and not exists (select from pg_depend d where d.objid = c.oid and d.deptype = 'e') order by 1",
        )
        .await;
    assert!(relations.len() > 25, "{relations:?}");
    for relation in &relations {
        for method in [Method::GET, Method::POST, Method::PATCH, Method::DELETE] {
            let path = if method == Method::POST {
                relation.clone()
            } else {
                format!("{relation}?limit=1")
            };
            let refused = door
                .with(As::Publishable, &headers, method.clone(), &path, &json!({}))
                .await;
            // A view that nobody writes has no such method at all.
            assert!(
                !refused.is_ok(),
                "{method} {relation}: {} {}",
                refused.status,
                refused.body
            );
            if method == Method::GET {
                assert_eq!(refused.code(), "42501", "{relation}: {}", refused.body);
            }
        }
    }
    // Each function, with the arguments that it has.
    let functions = door
        .texts(
            "select jsonb_build_object('name', proname, 'names', coalesce(to_jsonb(proargnames), '[]'))::text
             from pg_proc f where pronamespace = 'public'::regnamespace and prorettype <> 'trigger'::regtype
               and not exists (select from pg_depend d where d.objid = f.oid and d.deptype = 'e') order by 1",
        )
        .await;
    assert!(functions.len() > 40, "{functions:?}");
    for function in &functions {
        let function: Value = serde_json::from_str(function).expect("JSON");
        let name = function["name"].as_str().expect("a name");
        if name == "apply_stripe_event" {
            continue;
        }
        let mut body = Map::new();
        for argument in function["names"].as_array().expect("names") {
            body.insert(argument.as_str().unwrap_or_default().to_owned(), Value::Null);
        }
        body.remove("");
        let refused = door
            .with(
                As::Publishable,
                &headers,
                Method::POST,
                &format!("rpc/{name}"),
                &Value::Object(body),
            )
            .await;
        assert!(!refused.is_ok(), "{name}: {} {}", refused.status, refused.body);
        assert!(
            ["42501", "PGRST202"].contains(&refused.code()),
            "{name}: {} {}",
            refused.status,
            refused.body
        );
    }
}
