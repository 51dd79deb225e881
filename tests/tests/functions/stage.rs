//! A project, people with all roles, and the function before its Data API.

use std::net::Ipv4Addr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use creel_core::secret::Secret;
use creel_functions::data_api::DataApi;
use creel_functions::origins::Origins;
use creel_functions::{agents, hosts, server};
use creel_local::gateway::http;
use creel_tests::db::{TestDb, User};
use creel_tests::postgrest::Rest;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_postgres::Client;

use crate::proxy::Proxy;

/// Most of what is waited for happens within a second; this is for machines that do much else.
pub const SOON: Duration = Duration::from_secs(30);

/// The agent of tests that need only one.
pub const SCOUT: &str = "agent:scout:main";

/// The page's origin.
pub const ORIGIN: &str = "https://app.example.com";

/// Where the function is.
pub struct Stage {
    pub db: TestDb,
    pub admin: Client,
    pub rest: Rest,
    pub proxy: Proxy,
    pub owner: User,
    pub project: String,
    url: String,
    http: reqwest::Client,
    serving: JoinHandle<()>,
}

/// What the function answered.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub body: Value,
}

impl Answer {
    pub fn code(&self) -> &str {
        self.body["error"]["code"].as_str().unwrap_or_default()
    }

    /// Panics unless it is an error with all three parts; answers status and code.
    pub fn refused(&self) -> (u16, &str) {
        assert_eq!(self.body["ok"], json!(false), "{self:?}");
        for part in ["code", "message", "hint"] {
            let text = self.body["error"][part].as_str().unwrap_or_default();
            assert!(!text.is_empty(), "the error has a {part}: {self:?}");
        }
        (self.status, self.code())
    }
}

impl Stage {
    pub async fn new() -> Self {
        Self::with(|router| router).await
    }

    /// The same, with something around the function, or with more routes.
    pub async fn with(change: impl FnOnce(Router) -> Router) -> Self {
        let db = TestDb::new().await.expect("make a database");
        let rest = db.rest().await.expect("start the Data API");
        let proxy = Proxy::start(rest.url()).await;
        let owner = db.user("owner@example.com").await.expect("make a person");
        let project = db.project(&owner).await.expect("make a project");
        let api = DataApi::new(
            &format!("{}/rest/v1", proxy.url()),
            Secret::new(rest.publishable_key()),
            None,
        );
        let origins: Origins = ORIGIN.parse().expect("origins");
        let routes = agents::routes(api.clone()).merge(hosts::routes(api));
        let router = server::router(change(routes), agents::ROUTES, &origins);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("listen");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let serving = tokio::spawn(async move {
            axum::serve(listener, router).await.expect("serve");
        });
        Self {
            admin: db.postgres().await.expect("connect"),
            db,
            rest,
            proxy,
            owner,
            project,
            url,
            http: http::client().expect("make a client"),
            serving,
        }
    }

    /// A person with a role in the project.
    pub async fn member(&self, role: &str) -> User {
        let email = format!("{role}@example.com");
        let person = self.db.user(&email).await.expect("make a person");
        self.db
            .member(&self.project, &person, role)
            .await
            .expect("add a member");
        person
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.url))
    }

    /// Asks for an agent with these members of the body.
    pub async fn ask(&self, token: &str, path: &str, body: &Value) -> Answer {
        let mut body = body.clone();
        if body.get("projectId").is_none() {
            body["projectId"] = json!(self.project);
        }
        send(self.request(Method::POST, path).bearer_auth(token).json(&body)).await
    }

    /// Asks for an agent by its key, as the owner.
    pub async fn provision(&self, key: &str) -> Answer {
        let body = json!({ "agentKey": key, "displayName": "Scout", "emoji": "🦉", "roleShort": "looks" });
        self.ask(&self.owner.jwt, "/agents/provision", &body).await
    }

    pub async fn runtime(&self, token: &str) -> Answer {
        let request = self.request(Method::GET, "/agents/runtime").bearer_auth(token);
        send(request.header("x-clawdos-project", &self.project)).await
    }

    pub async fn remove(&self, token: &str, key: &str) -> Answer {
        let path = format!("/agents/{key}");
        let request = self.request(Method::DELETE, &path).bearer_auth(token);
        send(request.header("x-clawdos-project", &self.project)).await
    }

    pub async fn count(&self, table: &str) -> i64 {
        let sql = format!("select count(*) from {table}");
        self.admin.query_one(&sql, &[]).await.expect("count").get(0)
    }

    pub async fn run(&self, sql: &str) {
        self.admin.batch_execute(sql).await.expect(sql);
    }

    /// A token for a person, signed as Supabase signs, or by somebody else.
    pub fn token(&self, person: &User, ends_in_secs: i64, secret: &str) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time");
        let exp = i64::try_from(now.as_secs()).expect("a time") + ends_in_secs;
        let claims = json!({
            "sub": person.id, "role": "authenticated", "aud": "authenticated", "exp": exp,
        });
        let key = jsonwebtoken::EncodingKey::from_secret(secret.as_bytes());
        jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).expect("sign")
    }

    pub fn jwt_secret(&self) -> String {
        self.db.cluster().keys.jwt_secret.expose().to_owned()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

pub async fn send(request: RequestBuilder) -> Answer {
    let answer = request.send().await.expect("the function answers");
    let status = answer.status().as_u16();
    let text = answer.text().await.expect("read the answer");
    let body = serde_json::from_str(&text).unwrap_or_else(|_| panic!("the answer is JSON: {status} {text}"));
    Answer { status, body }
}
