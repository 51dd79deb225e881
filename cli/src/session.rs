//! Who is signed in where: one session a project, in a file that only its owner reads.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use creel_core::secret::Secret;
use etcetera::BaseStrategy;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::connection::Connection;
use crate::env_file;
use crate::error::{CliError, ErrorKind};

/// A session is renewed this long before it ends, so that it does not end on the way.
const RENEW_BEFORE_SECS: i64 = 60;
/// Signing in is one request; a project that takes longer is not reachable.
const AUTH_TIMEOUT: Duration = Duration::from_secs(20);

/// One person, signed in to one project.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Session {
    /// The project's URL.
    pub(crate) url: String,
    /// Its publishable key.
    pub(crate) key: String,
    /// Who is signed in.
    pub(crate) email: String,
    /// The person's id.
    pub(crate) user_id: String,
    /// The JWT.
    access_token: String,
    /// With what the next JWT is fetched.
    refresh_token: String,
    /// When the JWT ends, in seconds since 1970.
    expires_at: i64,
}

impl Session {
    /// The JWT.
    pub(crate) fn access_token(&self) -> Secret {
        Secret::new(&self.access_token)
    }

    fn is_fresh(&self) -> bool {
        self.expires_at - RENEW_BEFORE_SECS > jiff::Timestamp::now().as_second()
    }
}

/// All sessions of this OS user.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct SessionStore {
    /// In the order of their logins; the last one is the default.
    sessions: Vec<Session>,
    #[serde(skip)]
    path: PathBuf,
}

impl SessionStore {
    /// Reads `$XDG_STATE_HOME/creel/sessions.json`; empty when it does not exist.
    pub(crate) fn open() -> anyhow::Result<Self> {
        let folders = etcetera::base_strategy::Xdg::new().context("find the home directory")?;
        let state_dir = folders.state_dir().context("find the state directory")?;
        Self::open_at(&state_dir.join("creel/sessions.json"))
    }

    fn open_at(path: &Path) -> anyhow::Result<Self> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => "{\"sessions\":[]}".to_owned(),
            Err(error) => return Err(error).with_context(|| format!("read {}", path.display())),
        };
        let store: Self = serde_json::from_str(&text).map_err(|_| {
            CliError::new(ErrorKind::Auth, format!("{} is damaged", path.display()))
                .hint("remove the file and sign in again: creel login")
        })?;
        Ok(Self {
            path: path.to_owned(),
            ..store
        })
    }

    /// The session of the last login.
    pub(crate) fn last(&self) -> Option<&Session> {
        self.sessions.last()
    }

    /// The session of a project.
    pub(crate) fn get(&self, url: &str) -> Option<&Session> {
        self.sessions.iter().find(|session| session.url == url)
    }

    /// Keeps a session, in place of an older one of the same project.
    pub(crate) fn put(&mut self, session: Session) -> anyhow::Result<()> {
        self.sessions.retain(|other| other.url != session.url);
        self.sessions.push(session);
        self.save()
    }

    /// Forgets the session of a project; false when there was none.
    pub(crate) fn remove(&mut self, url: &str) -> anyhow::Result<bool> {
        let count = self.sessions.len();
        self.sessions.retain(|session| session.url != url);
        self.save()?;
        Ok(self.sessions.len() < count)
    }

    fn save(&self) -> anyhow::Result<()> {
        env_file::write_private(&self.path, &serde_json::to_string_pretty(self)?).context("keep the session")
    }
}

/// The session for a project: the kept one, renewed where needed; of a local project a new one.
pub(crate) async fn current(store: &mut SessionStore, connection: &Connection) -> anyhow::Result<Session> {
    // A local project that was made anew on the same port has another key, and knows nobody of before.
    let kept = store
        .get(&connection.url)
        .filter(|session| session.key == connection.key)
        .cloned();
    let renewed = match kept {
        Some(session) if session.is_fresh() => return Ok(session),
        Some(session) => refresh(&session).await,
        None => Err(
            CliError::new(ErrorKind::Auth, format!("not signed in to {}", connection.url))
                .hint("sign in: creel login"),
        ),
    };
    let session = match (renewed, &connection.local_login) {
        (Ok(session), _) => session,
        (Err(_), Some((email, password))) => sign_in(connection, email, password).await?,
        (Err(refusal), None) => return Err(refusal.into()),
    };
    store.put(session.clone())?;
    Ok(session)
}

/// Signs in by password.
pub(crate) async fn sign_in(
    connection: &Connection,
    email: &str,
    password: &Secret,
) -> Result<Session, CliError> {
    let body = json!({ "email": email, "password": password.expose() });
    token(&connection.url, &connection.key, "password", &body).await
}

async fn refresh(session: &Session) -> Result<Session, CliError> {
    let body = json!({ "refresh_token": session.refresh_token });
    token(&session.url, &session.key, "refresh_token", &body)
        .await
        .map_err(|error| match error.kind {
            ErrorKind::Auth => {
                CliError::new(ErrorKind::Auth, "the session has ended").hint("sign in again: creel login")
            }
            _ => error,
        })
}

async fn token(url: &str, key: &str, grant: &str, body: &Value) -> Result<Session, CliError> {
    let unreachable = |error: reqwest::Error| {
        CliError::new(
            ErrorKind::Unreachable,
            format!("{url} does not answer: {}", innermost(&error)),
        )
        .hint("check the URL; is creel up running, or the Supabase project paused?")
    };
    let client = reqwest::Client::builder()
        .timeout(AUTH_TIMEOUT)
        .build()
        .map_err(unreachable)?;
    let address = format!("{url}/auth/v1/token?grant_type={grant}");
    let answer = client
        .post(address)
        .header("apikey", key)
        .json(body)
        .send()
        .await
        .map_err(unreachable)?;
    let status = answer.status();
    let value: Value = answer.json().await.map_err(|_| {
        CliError::new(
            ErrorKind::Unreachable,
            format!("{url} answered {status} and no JSON"),
        )
        .hint("is this the URL of a Supabase project?")
    })?;
    if !status.is_success() {
        let said = ["msg", "error_description", "message", "error"]
            .iter()
            .find_map(|name| value[*name].as_str());
        let message = said.map_or_else(|| format!("signing in failed with {status}"), str::to_owned);
        let kind = if status.is_client_error() {
            ErrorKind::Auth
        } else {
            ErrorKind::Unreachable
        };
        return Err(CliError::new(kind, message).hint("check e-mail address, password and publishable key"));
    }
    read_session(url, key, &value).ok_or_else(|| {
        CliError::new(ErrorKind::Failed, format!("{url} answered without a session"))
            .hint("is this the URL of a Supabase project?")
    })
}

fn read_session(url: &str, key: &str, value: &Value) -> Option<Session> {
    let expires_at = value["expires_at"]
        .as_i64()
        .or_else(|| Some(jiff::Timestamp::now().as_second() + value["expires_in"].as_i64()?))?;
    Some(Session {
        url: url.to_owned(),
        key: key.to_owned(),
        email: value["user"]["email"].as_str().unwrap_or_default().to_owned(),
        user_id: value["user"]["id"].as_str()?.to_owned(),
        access_token: value["access_token"].as_str()?.to_owned(),
        refresh_token: value["refresh_token"].as_str().unwrap_or_default().to_owned(),
        expires_at,
    })
}

/// The cause that says most: reqwest's own text only repeats the URL.
fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(url: &str, expires_at: i64) -> Session {
        let user = json!({ "email": "me@example.com", "id": "u" });
        let value =
            json!({ "access_token": "a", "refresh_token": "r", "expires_at": expires_at, "user": user });
        read_session(url, "k", &value).expect("a session")
    }

    #[test]
    fn the_last_login_is_the_default_and_others_are_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("sessions.json");
        let mut store = SessionStore::open_at(&path).expect("empty");
        store.put(session("https://a", 0)).expect("kept");
        store.put(session("https://b", 0)).expect("kept");
        store.put(session("https://a", 1)).expect("kept");
        let mut read = SessionStore::open_at(&path).expect("read back");
        assert_eq!(read.last().map(|last| last.url.as_str()), Some("https://a"));
        assert_eq!(read.get("https://a").map(|session| session.expires_at), Some(1));
        assert!(read.remove("https://b").expect("saved"));
        assert!(!read.remove("https://b").expect("saved"));
    }

    #[test]
    fn a_session_about_to_end_is_not_fresh() {
        let now = jiff::Timestamp::now().as_second();
        assert!(!session("u", now + RENEW_BEFORE_SECS - 1).is_fresh());
        assert!(session("u", now + 3600).is_fresh());
    }
}
