//! PostgREST and a gateway on a test's database.

use anyhow::{Context, Result};
use creel_functions::data_api::DataApi;
use creel_local::billing::{Billing, StripeConfig, make_key};
use creel_local::gateway::auth::Users;
use creel_local::gateway::{Gateway, GatewayConfig, http};
use creel_local::postgrest::{Postgrest, PostgrestConfig};
use creel_local::realtime::{Realtime, RealtimeConfig};
use reqwest::Method;
use reqwest::header::HeaderMap;
use serde_json::Value;
use tempfile::TempDir;

use crate::db::{TestDb, User};

/// Connections of one test's PostgREST: all tests share the cluster's.
const POOL: u32 = 4;

/// A project's one URL, over a test's database. It ends when it is dropped.
#[derive(Debug)]
pub struct Rest {
    gateway: Gateway,
    _postgrest: Postgrest,
    http: reqwest::Client,
    publishable_key: String,
    secret_key: String,
    users: Users,
    _folder: TempDir,
}

/// Who asks.
#[derive(Debug, Clone, Copy)]
pub enum As<'a> {
    /// A page that nobody has signed in to: the role `anon`.
    Publishable,
    /// The project's secret key: the role `service_role`.
    Secret,
    /// A person who has signed in.
    User(&'a User),
    /// Any token, good or bad.
    Jwt(&'a str),
    /// A rented host: the publishable key and the host's own key.
    HostKey(&'a str),
    /// Nobody: no key at all.
    NoKey,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// The body; null when there is none, a string when it is no JSON.
    pub body: Value,
    /// The headers.
    pub headers: HeaderMap,
}

impl Answer {
    /// Whether the status is 2xx.
    pub fn is_ok(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The body of a success; panics with the whole answer otherwise.
    pub fn expect_ok(self, what: &str) -> Value {
        assert!(self.is_ok(), "{what}: {} {}", self.status, self.body);
        self.body
    }

    /// `code` of an error, such as the SQLSTATE.
    pub fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }
}

impl Rest {
    pub(crate) async fn start(db: &TestDb, stripe: Option<&StripeConfig>) -> Result<Self> {
        let cluster = db.cluster();
        let folder = tempfile::tempdir().context("make a folder for logs")?;
        let http = http::client()?;
        let config = PostgrestConfig {
            program: cluster.postgrest.clone(),
            database_port: cluster.port,
            database: db.name().to_owned(),
            password: cluster.passwords.authenticator.clone(),
            jwt_secret: cluster.keys.jwt_secret.clone(),
            pool: POOL,
            log: folder.path().join("postgrest.log"),
            mark: folder.path().to_path_buf(),
        };
        let postgrest = Postgrest::start(&config, &http).await?;
        let auth = db.config_as("supabase_auth_admin", &cluster.passwords.supabase_auth_admin);
        let users = Users::new(auth, cluster.keys.jwt_secret.clone());
        let billing = match stripe {
            Some(stripe) => {
                let key = make_key(&mut db.postgres().await?).await?;
                let api = DataApi::new(&postgrest.url(), cluster.keys.publishable.clone(), None);
                Some(Billing::new(stripe, api, key)?)
            }
            None => None,
        };
        let gateway_config = GatewayConfig {
            rest_url: postgrest.url(),
            keys: cluster.keys.clone(),
            users: users.clone(),
            http: http.clone(),
            billing,
            realtime: RealtimeConfig {
                log: db.postgres_config(),
                questions: db.authenticator_config(),
            },
        };
        let gateway = Gateway::start(None, gateway_config).await?;
        Ok(Self {
            gateway,
            _postgrest: postgrest,
            http,
            publishable_key: cluster.keys.publishable.expose().to_owned(),
            secret_key: cluster.keys.secret.expose().to_owned(),
            users,
            _folder: folder,
        })
    }

    /// What supabase-js calls the project's URL.
    pub fn url(&self) -> String {
        self.gateway.url()
    }

    /// The port of the URL, for a proxy in front of it.
    pub fn port(&self) -> u16 {
        self.gateway.port()
    }

    /// The key that pages carry.
    pub fn publishable_key(&self) -> &str {
        &self.publishable_key
    }

    /// The key that may do everything.
    pub fn secret_key(&self) -> &str {
        &self.secret_key
    }

    /// What answers at `/realtime/v1`.
    pub fn realtime(&self) -> &Realtime {
        self.gateway.realtime()
    }

    /// People who sign in by password.
    pub fn users(&self) -> &Users {
        &self.users
    }

    /// `GET /rest/v1/<path>`; the path has no slash in front, and may have a query.
    pub async fn get(&self, who: As<'_>, path: &str) -> Result<Answer> {
        self.send(who, Method::GET, path, &[], None).await
    }

    /// `POST`, with what was written in the answer.
    pub async fn post(&self, who: As<'_>, path: &str, body: &Value) -> Result<Answer> {
        self.send(
            who,
            Method::POST,
            path,
            &[("prefer", "return=representation")],
            Some(body),
        )
        .await
    }

    /// `POST` without asking for what was written: needs no right to read.
    pub async fn insert(&self, who: As<'_>, path: &str, body: &Value) -> Result<Answer> {
        self.send(
            who,
            Method::POST,
            path,
            &[("prefer", "return=minimal")],
            Some(body),
        )
        .await
    }

    /// An upsert as supabase-js sends it; the path names the columns: `agents?on_conflict=a,b`.
    pub async fn upsert(&self, who: As<'_>, path: &str, body: &Value) -> Result<Answer> {
        let prefer = [("prefer", "return=minimal,resolution=merge-duplicates")];
        self.send(who, Method::POST, path, &prefer, Some(body)).await
    }

    /// `PATCH`, with what was written in the answer.
    pub async fn patch(&self, who: As<'_>, path: &str, body: &Value) -> Result<Answer> {
        self.send(
            who,
            Method::PATCH,
            path,
            &[("prefer", "return=representation")],
            Some(body),
        )
        .await
    }

    /// `DELETE`, with what was deleted in the answer.
    pub async fn delete(&self, who: As<'_>, path: &str) -> Result<Answer> {
        self.send(
            who,
            Method::DELETE,
            path,
            &[("prefer", "return=representation")],
            None,
        )
        .await
    }

    /// Calls a function: `args` has its arguments as members, or is the whole of the one unnamed jsonb.
    pub async fn rpc(&self, who: As<'_>, function: &str, args: &Value) -> Result<Answer> {
        self.send(who, Method::POST, &format!("rpc/{function}"), &[], Some(args))
            .await
    }

    /// Any request under `/rest/v1/`.
    pub async fn send(
        &self,
        who: As<'_>,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Answer> {
        let mut request = self
            .http
            .request(method, format!("{}/rest/v1/{path}", self.url()));
        request = match who {
            As::Publishable => request.header("apikey", &self.publishable_key),
            As::Secret => request.header("apikey", &self.secret_key),
            As::User(user) => request
                .header("apikey", &self.publishable_key)
                .bearer_auth(&user.jwt),
            As::Jwt(jwt) => request.header("apikey", &self.publishable_key).bearer_auth(jwt),
            As::HostKey(key) => request
                .header("apikey", &self.publishable_key)
                .header("x-creel-host-key", key),
            As::NoKey => request,
        };
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await.context("ask the gateway")?;
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let text = answer.text().await.context("read the gateway's answer")?;
        let body = match text.as_str() {
            "" => Value::Null,
            text => serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned())),
        };
        Ok(Answer {
            status,
            body,
            headers,
        })
    }
}
