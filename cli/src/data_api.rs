//! The project's Data API, as the signed-in person: PostgREST with the person's own JWT.

use std::time::Duration;

use postgrest::{Builder, Postgrest};
use serde_json::Value;

use crate::connection::ConnectionArgs;
use crate::error::{CliError, ErrorKind};
use crate::session::{self, Session, SessionStore};

/// The longest statement that the API lets a person run takes 8 s; the rest is for a slow line.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// The Data API of one project.
pub(crate) struct DataApi {
    client: Postgrest,
    url: String,
    /// Who asks.
    pub(crate) session: Session,
}

impl DataApi {
    /// Opens the API for whoever is signed in.
    pub(crate) async fn open(args: &ConnectionArgs) -> anyhow::Result<Self> {
        let mut store = SessionStore::open()?;
        let connection = args.resolve(&store)?;
        let session = session::current(&mut store, &connection).await?;
        Ok(Self::with_session(session))
    }

    /// The API for a session.
    pub(crate) fn with_session(session: Session) -> Self {
        let client = Postgrest::new(format!("{}/rest/v1", session.url)).insert_header("apikey", &session.key);
        Self {
            client,
            url: session.url.clone(),
            session,
        }
    }

    /// A table or view, to be filtered and handed to [`DataApi::run`].
    pub(crate) fn from(&self, table: &str) -> Builder {
        self.client.from(table)
    }

    /// Runs a request and answers with its rows.
    pub(crate) async fn run(&self, request: Builder) -> Result<Value, CliError> {
        let token = self.session.access_token();
        let request = request.auth(token.expose());
        let send = async {
            let answer = request.execute().await?;
            let status = answer.status().as_u16();
            Ok::<_, postgrest_error::Error>((status, answer.text().await?))
        };
        let (status, text) = match tokio::time::timeout(CALL_TIMEOUT, send).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => return Err(self.unreachable(&innermost(&error))),
            Err(_) => return Err(self.unreachable("the time ran out")),
        };
        let value = serde_json::from_str(&text).unwrap_or(Value::Null);
        if (200..300).contains(&status) {
            Ok(value)
        } else {
            Err(refusal(status, &value))
        }
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
        self.run(self.client.rpc(function, args.to_string())).await
    }

    fn unreachable(&self, why: &str) -> CliError {
        CliError::new(
            ErrorKind::Unreachable,
            format!("the Data API at {} does not answer: {why}", self.url),
        )
        .hint("check the URL; is creel up running, or the Supabase project paused?")
    }
}

/// The client's own errors are those of an older reqwest, which only it depends on.
mod postgrest_error {
    pub(super) type Error = Box<dyn std::error::Error + Send + Sync>;
}

fn innermost(error: &postgrest_error::Error) -> String {
    let mut cause: &dyn std::error::Error = error.as_ref();
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
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
