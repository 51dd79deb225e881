//! A function's key opens what that function is for, and nothing else; tried on everything that there is.

use creel_local::gateway::token::role_token;
use creel_tests::db::TestDb;
use creel_tests::postgrest::{Answer, As, Rest};
use reqwest::Method;
use serde_json::{Map, Value, json};

/// A function that has a key.
struct Function {
    opens: &'static str,
    role: &'static str,
    header: &'static str,
    /// Two that are good at the same time.
    keys: [&'static str; 2],
    /// What they open.
    reached: &'static [&'static str],
}

const STRIPE: Function = Function {
    opens: "stripe",
    role: "creel_stripe",
    header: "x-creel-stripe-key",
    keys: ["a-key-of-256-bits", "another-key-of-256-bits"],
    reached: &["apply_stripe_event"],
};

const NOTIFIER: Function = Function {
    opens: "notifications",
    role: "creel_notifier",
    header: "x-creel-notifier-key",
    keys: ["a-notifiers-key-of-256-bits", "another-notifiers-key-of-256-bits"],
    reached: &["claim_notifications", "finish_notifications"],
};

const FUNCTIONS: [Function; 2] = [STRIPE, NOTIFIER];

struct Door {
    test: TestDb,
    rest: Rest,
}

impl Door {
    async fn new() -> Self {
        let test = TestDb::new().await.expect("make a database");
        let rest = test.rest().await.expect("start the Data API");
        let door = Self { test, rest };
        for Function { opens, keys, .. } in FUNCTIONS {
            for key in keys {
                door.run(&format!(
                    "select creel.add_function_key('{opens}', encode(sha256('{key}'), 'hex'), '{key}', 30)"
                ))
                .await;
            }
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

    /// A function of the Data API is called with what its caller sends along.
    async fn call(&self, who: As<'_>, headers: &[(&str, &str)], name: &str) -> Answer {
        let path = format!("rpc/{name}");
        self.with(who, headers, Method::POST, &path, &argument()).await
    }

    /// What the function does, with this key: all that it may.
    async fn ask(&self, function: &Function, key: &str) -> Vec<Answer> {
        let mut answers = Vec::new();
        for name in function.reached {
            answers.push(self.call(As::Publishable, &[(function.header, key)], name).await);
        }
        answers
    }
}

/// What each of them takes, and does nothing for.
fn argument() -> Value {
    json!({ "api": 1, "endpoint": "clock", "items": [] })
}

#[tokio::test]
async fn a_good_key_opens_what_it_is_for_and_a_bad_one_is_told_so() {
    let door = Door::new().await;
    for function in &FUNCTIONS {
        let [key, other] = function.keys;
        for key in function.keys {
            for answer in door.ask(function, key).await {
                answer.expect_ok(key);
            }
        }
        door.run(&format!(
            "update creel.function_keys set expires_at = now() where label = '{key}'"
        ))
        .await;
        for expired in door.ask(function, key).await {
            assert_eq!((expired.status, expired.code()), (401, "PT401"));
        }
        for answer in door.ask(function, other).await {
            answer.expect_ok("the other one is good");
        }
        door.run(&format!(
            "select creel.revoke_function_key(id) from creel.function_keys where opens = '{}'",
            function.opens
        ))
        .await;
        for key in [key, other, "forged", "", "' or true --"] {
            for refused in door.ask(function, key).await {
                assert_eq!((refused.status, refused.code()), (401, "PT401"), "{key:?}");
                let said = refused.body.to_string();
                let how = format!("creel key create {}", function.opens);
                assert!(said.contains(&how), "it says what to do: {said}");
            }
        }
    }
}

#[tokio::test]
async fn a_key_is_good_in_its_own_header_only() {
    let door = Door::new().await;
    for (function, other) in [(&STRIPE, &NOTIFIER), (&NOTIFIER, &STRIPE)] {
        let [key, _] = function.keys;
        for name in function.reached.iter().chain(other.reached) {
            let refused = door.call(As::Publishable, &[(other.header, key)], name).await;
            assert_eq!((refused.status, refused.code()), (401, "PT401"), "{name}");
        }
        for name in other.reached {
            let refused = door.call(As::Publishable, &[(function.header, key)], name).await;
            assert_eq!(refused.code(), "42501", "{name}: {}", refused.body);
        }
    }
}

#[tokio::test]
async fn nobody_else_gets_in_by_whatever_he_sends_along() {
    let door = Door::new().await;
    let owner = door.test.user("owner@example.com").await.expect("make a person");
    let (_, host_key) = door.test.host_with_key(&[]).await.expect("enrol a host");
    let jwt_secret = &door.test.cluster().keys.jwt_secret;
    let service = role_token(jwt_secret, "service_role").expect("sign");
    for function in &FUNCTIONS {
        // One that names the role, as somebody can sign who has a secret key of the project.
        let role = role_token(jwt_secret, function.role).expect("sign");
        let [key, _] = function.keys;
        let with_key = [(function.header, key)];
        for name in function.reached {
            for who in [
                As::Publishable,
                As::Secret,
                As::User(&owner),
                As::HostKey(&host_key),
                As::Jwt(&service),
                As::Jwt(&role),
            ] {
                let refused = door.call(who, &[], name).await;
                assert!(
                    [401, 403].contains(&refused.status),
                    "{name} {who:?}: {}",
                    refused.status
                );
            }
            // A person or a secret key with it is still who he was.
            for who in [As::Secret, As::User(&owner), As::Jwt(&service)] {
                let refused = door.call(who, &with_key, name).await;
                assert_eq!((refused.status, refused.code()), (403, "42501"), "{name} {who:?}");
            }
        }
        for name in function.reached.iter().chain(&["claim"]) {
            let refused = door.call(As::HostKey(&host_key), &with_key, name).await;
            assert_eq!((refused.status, refused.code()), (401, "PT401"), "both at once");
        }
    }
    let both = FUNCTIONS.map(|function| (function.header, function.keys[0]));
    for name in FUNCTIONS.iter().flat_map(|function| function.reached) {
        let refused = door.call(As::Publishable, &both, name).await;
        assert_eq!((refused.status, refused.code()), (401, "PT401"), "{name}");
        let refused = door.call(As::HostKey(&host_key), &both, name).await;
        assert_eq!(
            (refused.status, refused.code()),
            (401, "PT401"),
            "{name}, all three"
        );
    }
}

#[tokio::test]
async fn a_token_that_names_a_functions_role_opens_nothing_where_nobody_asks_first() {
    let door = Door::new().await;
    let jwt_secret = &door.test.cluster().keys.jwt_secret;
    // As in a project whose own pre-request function lets everybody pass.
    door.run(
        "create or replace function creel.pre_request() returns void language sql set search_path = '' as '';
         grant usage on schema creel to creel_stripe, creel_notifier;
         grant execute on function creel.pre_request() to creel_stripe, creel_notifier",
    )
    .await;
    for function in &FUNCTIONS {
        let role = role_token(jwt_secret, function.role).expect("sign");
        for name in function.reached {
            for headers in [&[][..], &[(function.header, "forged")]] {
                let refused = door.call(As::Jwt(&role), headers, name).await;
                assert_eq!((refused.status, refused.code()), (403, "42501"), "{name}");
            }
        }
    }
}

#[tokio::test]
async fn a_key_opens_nothing_else_that_there_is() {
    let door = Door::new().await;
    let relations = door
        .texts(
            "select relname::text from pg_class c where relnamespace = 'public'::regnamespace
               and relkind in ('r', 'v', 'm', 'p', 'f')
               and not exists (select from pg_depend d where d.objid = c.oid and d.deptype = 'e') order by 1",
        )
        .await;
    assert!(relations.len() > 25, "{relations:?}");
    // Each function, with the arguments that it has.
    let callable = door
        .texts(
            "select jsonb_build_object('name', proname, 'names', coalesce(to_jsonb(proargnames), '[]'))::text
             from pg_proc f where pronamespace = 'public'::regnamespace and prorettype <> 'trigger'::regtype
               and not exists (select from pg_depend d where d.objid = f.oid and d.deptype = 'e') order by 1",
        )
        .await;
    assert!(callable.len() > 40, "{callable:?}");
    for function in &FUNCTIONS {
        let headers = [(function.header, function.keys[0]), ("prefer", "return=minimal")];
        for relation in &relations {
            refuses_relation(&door, &headers, relation).await;
        }
        for callable in &callable {
            let callable: Value = serde_json::from_str(callable).expect("JSON");
            let name = callable["name"].as_str().expect("a name");
            if !function.reached.contains(&name) {
                refuses_function(&door, &headers, name, &callable["names"]).await;
            }
        }
    }
}

async fn refuses_relation(door: &Door, headers: &[(&str, &str)], relation: &str) {
    for method in [Method::GET, Method::POST, Method::PATCH, Method::DELETE] {
        let path = if method == Method::POST {
            relation.to_owned()
        } else {
            format!("{relation}?limit=1")
        };
        let refused = door
            .with(As::Publishable, headers, method.clone(), &path, &json!({}))
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

async fn refuses_function(door: &Door, headers: &[(&str, &str)], name: &str, arguments: &Value) {
    let mut body = Map::new();
    for argument in arguments.as_array().expect("names") {
        body.insert(argument.as_str().unwrap_or_default().to_owned(), Value::Null);
    }
    body.remove("");
    let refused = door
        .with(
            As::Publishable,
            headers,
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
