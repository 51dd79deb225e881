//! The project's Data API, as the signed-in person: PostgREST with the person's own JWT.

use std::time::Duration;

use anyhow::Context;
use creel_core::secret::Secret;
use postgrest::{Builder, Postgrest};
use reqwest::{Method, RequestBuilder};
use serde_json::Value;
use tokio::sync::Mutex;

use crate::connection::{Connection, ConnectionArgs};
use crate::error::{CliError, ErrorKind};
use crate::http::{self, innermost};
use crate::session::{self, Session, SessionStore};

/// The longest statement that the API lets a person run takes 8 s; the rest is for a slow line.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// What PostgREST answers to a token that has ended.
const UNAUTHORIZED: u16 = 401;

/// The Data API of one project.
pub(crate) struct DataApi {
    requests: Postgrest,
    http: reqwest::Client,
    url: String,
    /// Who asks.
    pub(crate) session: Session,
    /// The person's JWT, renewed while a command waits.
    token: Mutex<Secret>,
    /// With what it is renewed; none where the session is not kept.
    connection: Option<Connection>,
}

impl DataApi {
    /// Opens the API for whoever is signed in.
    pub(crate) async fn open(args: &ConnectionArgs) -> anyhow::Result<Self> {
        let store = SessionStore::open()?;
        let connection = args.resolve(&store)?;
        let session = session::current(&store, &connection).await?;
        Self::with_session(session, Some(connection))
    }

    /// The API for a session, which is kept in the file of sessions if it is `connection`'s.
    pub(crate) fn with_session(session: Session, connection: Option<Connection>) -> anyhow::Result<Self> {
        Ok(Self {
            requests: Postgrest::new(format!("{}/rest/v1", session.url)),
            http: http::client(&session.url, CALL_TIMEOUT).context("make the HTTP client")?,
            url: session.url.clone(),
            token: Mutex::new(session.access_token()),
            session,
            connection,
        })
    }

    /// A table or view, to be filtered and handed to [`DataApi::run`].
    pub(crate) fn from(&self, table: &str) -> Builder {
        self.requests.from(table)
    }

    /// Runs a request and answers with its rows. A token that has ended meanwhile is renewed once.
    pub(crate) async fn run(&self, request: Builder) -> Result<Value, CliError> {
        let request = self.addressed(request)?;
        let (used, answer) = self.send(&request).await?;
        let (status, value) = if answer.0 == UNAUTHORIZED && self.renew(&used).await? {
            self.send(&request).await?.1
        } else {
            answer
        };
        if (200..300).contains(&status) {
            Ok(value)
        } else {
            Err(refusal(status, &value))
        }
    }

    /// The request on our own client: that of the library asks proxies and follows redirects.
    fn addressed(&self, request: Builder) -> Result<RequestBuilder, CliError> {
        let impossible = |error: &dyn std::fmt::Display| {
            CliError::new(ErrorKind::Failed, format!("the request cannot be made: {error}"))
        };
        let theirs = request.build().build().map_err(|error| impossible(&error))?;
        let method = Method::from_bytes(theirs.method().as_str().as_bytes());
        let method = method.map_err(|error| impossible(&error))?;
        let body = theirs.body().and_then(|body| body.as_bytes()).unwrap_or_default();
        let mut ours = self
            .http
            .request(method, theirs.url().as_str())
            .body(body.to_vec());
        for (name, value) in theirs.headers() {
            ours = ours.header(name.as_str(), value.as_bytes());
        }
        Ok(ours.header("apikey", &self.session.key))
    }

    /// Sends a request; answers with the token that it carried, with status and JSON.
    async fn send(&self, request: &RequestBuilder) -> Result<(Secret, (u16, Value)), CliError> {
        let token = self.token.lock().await.clone();
        let unreachable = |error: reqwest::Error| self.unreachable(&innermost(&error));
        let request = request.try_clone().expect("the body is bytes");
        let answer = request
            .bearer_auth(token.expose())
            .send()
            .await
            .map_err(unreachable)?;
        let status = answer.status().as_u16();
        let text = answer.text().await.map_err(unreachable)?;
        Ok((
            token,
            (status, serde_json::from_str(&text).unwrap_or(Value::Null)),
        ))
    }

    /// Fetches another token in place of `refused`; false when nobody keeps this session.
    async fn renew(&self, refused: &Secret) -> Result<bool, CliError> {
        let Some(connection) = &self.connection else {
            return Ok(false);
        };
        let mut token = self.token.lock().await;
        if token.expose() == refused.expose() {
            let renewed = session::renewed(connection, refused).await;
            *token = renewed.map_err(CliError::from_anyhow)?.access_token();
        }
        Ok(true)
    }

    /// Runs a request and answers with its rows as a list.
    pub(crate) async fn rows(&self, request: Builder) -> Result<Vec<Value>, CliError> {
        match self.run(request).await? {
            Value::Array(rows) => Ok(rows),
            Value::Null => Ok(Vec::new()),
            row => Ok(vec![row]),
        }
    }

    /// Calls a function.
    pub(crate) async fn call(&self, function: &str, args: &Value) -> Result<Value, CliError> {
        self.run(self.requests.rpc(function, args.to_string())).await
    }

    fn unreachable(&self, why: &str) -> CliError {
        CliError::new(
            ErrorKind::Unreachable,
            format!("the Data API at {} does not answer: {why}", self.url),
        )
        .hint("check the URL; is creel up running, or the Supabase project paused?")
    }
}

/// Calls a function as nobody in particular, with the publishable key alone.
pub(crate) async fn call_as_visitor(
    connection: &Connection,
    function: &str,
    args: &Value,
) -> Result<Value, CliError> {
    let unreachable = |error: reqwest::Error| {
        CliError::new(
            ErrorKind::Unreachable,
            format!(
                "the Data API at {} does not answer: {}",
                connection.url,
                innermost(&error)
            ),
        )
        .hint("check the URL; is the Supabase project paused?")
    };
    let client = http::client(&connection.url, CALL_TIMEOUT).map_err(unreachable)?;
    let answer = client
        .post(format!("{}/rest/v1/rpc/{function}", connection.url))
        .header("apikey", &connection.key)
        .json(args)
        .send()
        .await
        .map_err(unreachable)?;
    let status = answer.status().as_u16();
    let text = answer.text().await.map_err(unreachable)?;
    let value = serde_json::from_str(&text).unwrap_or(Value::Null);
    if (200..300).contains(&status) {
        Ok(value)
    } else {
        Err(refusal(status, &value))
    }
}

/// What PostgREST says about a refused request, with what to do.
fn refusal(status: u16, value: &Value) -> CliError {
    let kind = match status {
        401 | 403 => ErrorKind::Auth,
        404 => ErrorKind::NotFound,
        500.. => ErrorKind::Unreachable,
        _ => ErrorKind::Failed,
    };
    let code = value["code"].as_str().unwrap_or_default();
    let said = value["message"]
        .as_str()
        .map_or_else(|| format!("the Data API answered {status}"), str::to_owned);
    let hint = value["hint"]
        .as_str()
        .filter(|hint| !hint.is_empty())
        .map(str::to_owned);
    let error = CliError::new(kind, said).code(if code.is_empty() { kind.code() } else { code });
    match hint.or_else(|| usual_hint(code, status).map(str::to_owned)) {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

fn usual_hint(code: &str, status: u16) -> Option<&'static str> {
    match (code, status) {
        ("42501", _) => Some("your role in this project does not allow it; ask an owner of the project"),
        ("23505", _) => Some("it exists already"),
        ("23503", _) => Some("what it refers to does not exist; check the project's id"),
        ("PGRST202" | "PGRST205" | "42P01", _) => {
            Some("this project has no Creel, or an older one: apply the migrations with supabase db push")
        }
        (_, 401) => Some("sign in again: creel login"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_databases_own_hint_goes_before_ours() {
        let refused = json!({ "code": "42501", "message": "only an owner may", "hint": "Ask an owner." });
        let error = refusal(403, &refused);
        assert_eq!(
            (error.kind, error.hint.as_deref()),
            (ErrorKind::Auth, Some("Ask an owner."))
        );
        assert_eq!(error.code, "42501");
        let error = refusal(
            409,
            &json!({ "code": "23505", "message": "duplicate key", "hint": null }),
        );
        assert_eq!(error.hint.as_deref(), Some("it exists already"));
    }

    #[test]
    fn an_answer_that_is_no_json_is_told_by_its_status() {
        let error = refusal(502, &Value::Null);
        assert_eq!(error.kind, ErrorKind::Unreachable);
        assert!(error.message.contains("502"));
    }
}
