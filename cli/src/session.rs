//! Who is signed in where: one session a project, in a file that only its owner reads.

use std::fs::File;
use std::os::unix::fs::OpenOptionsExt;
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
use crate::http::{self, innermost};

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

/// The store while no other process changes it; released with the file, also by a killed process.
struct LockedStore {
    store: SessionStore,
    _lock: File,
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

    /// Keeps the session of a login, which makes its project the default.
    pub(crate) async fn put(&self, session: Session) -> anyhow::Result<()> {
        let mut locked = self.lock().await?;
        let sessions = &mut locked.store.sessions;
        sessions.retain(|other| other.url != session.url);
        sessions.push(session);
        locked.store.save()
    }

    /// Forgets the session of a project; false when there was none.
    pub(crate) async fn remove(&self, url: &str) -> anyhow::Result<bool> {
        let mut locked = self.lock().await?;
        let sessions = &mut locked.store.sessions;
        let count = sessions.len();
        sessions.retain(|session| session.url != url);
        let was_there = sessions.len() < count;
        locked.store.save()?;
        Ok(was_there)
    }

    /// Waits until no other process changes the sessions, and reads them again.
    async fn lock(&self) -> anyhow::Result<LockedStore> {
        let path = self.path.with_extension("lock");
        let waiting = tokio::task::spawn_blocking(move || {
            let folder = path.parent().unwrap_or(Path::new("."));
            std::fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
            let open = File::options().create(true).append(true).mode(0o600).open(&path);
            let file = open.with_context(|| format!("open {}", path.display()))?;
            file.lock().with_context(|| format!("lock {}", path.display()))?;
            anyhow::Ok(file)
        });
        let lock = waiting.await.context("wait for the lock of the sessions")??;
        Ok(LockedStore {
            store: Self::open_at(&self.path)?,
            _lock: lock,
        })
    }

    fn save(&self) -> anyhow::Result<()> {
        env_file::write_private(&self.path, &serde_json::to_string_pretty(self)?).context("keep the session")
    }
}

impl LockedStore {
    /// Keeps a session that nobody logged in for: the default stays what it is.
    fn keep(&mut self, session: Session) -> anyhow::Result<()> {
        let sessions = &mut self.store.sessions;
        match sessions.iter_mut().find(|other| other.url == session.url) {
            Some(other) => *other = session,
            None => sessions.insert(0, session),
        }
        self.store.save()
    }
}

/// The session for a project: the kept one, renewed where needed; of a local project a new one.
pub(crate) async fn current(store: &SessionStore, connection: &Connection) -> anyhow::Result<Session> {
    match kept_session(store, connection) {
        Some(session) if session.is_fresh() => Ok(session),
        _ => renew(store, connection, Session::is_fresh).await,
    }
}

/// The session for a project whose token was refused.
pub(crate) async fn renewed(connection: &Connection, refused: &Secret) -> anyhow::Result<Session> {
    let is_another = |session: &Session| session.access_token != refused.expose();
    renew(&SessionStore::open()?, connection, is_another).await
}

/// A local project that was made anew on the same port has another key, and knows nobody of before.
fn kept_session(store: &SessionStore, connection: &Connection) -> Option<Session> {
    let session = store.get(&connection.url)?;
    (session.key == connection.key).then(|| session.clone())
}

/// Renews a session unless another process has done so meanwhile: a refresh token is good for once.
async fn renew(
    store: &SessionStore,
    connection: &Connection,
    is_good: impl Fn(&Session) -> bool,
) -> anyhow::Result<Session> {
    let mut locked = store.lock().await?;
    let renewed = match kept_session(&locked.store, connection) {
        Some(session) if is_good(&session) => return Ok(session),
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
    locked.keep(session.clone())?;
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
    let client = http::client(url, AUTH_TIMEOUT).map_err(unreachable)?;
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

#[cfg(test)]
mod tests {
    use super::*;

    fn session(url: &str, expires_at: i64) -> Session {
        let user = json!({ "email": "me@example.com", "id": "u" });
        let value =
            json!({ "access_token": "a", "refresh_token": "r", "expires_at": expires_at, "user": user });
        read_session(url, "k", &value).expect("a session")
    }

    #[tokio::test]
    async fn the_last_login_is_the_default_and_others_are_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("sessions.json");
        let store = SessionStore::open_at(&path).expect("empty");
        store.put(session("https://a", 0)).await.expect("kept");
        store.put(session("https://b", 0)).await.expect("kept");
        store.put(session("https://a", 1)).await.expect("kept");
        let mut locked = store.lock().await.expect("locked");
        locked.keep(session("https://b", 2)).expect("renewed");
        locked.keep(session("https://c", 3)).expect("of a local project");
        drop(locked);
        let read = SessionStore::open_at(&path).expect("read back");
        assert_eq!(read.last().map(|last| last.url.as_str()), Some("https://a"));
        assert_eq!(read.get("https://a").map(|session| session.expires_at), Some(1));
        assert_eq!(read.get("https://b").map(|session| session.expires_at), Some(2));
        assert!(read.remove("https://b").await.expect("saved"));
        assert!(!read.remove("https://b").await.expect("saved"));
    }

    #[tokio::test]
    async fn two_processes_that_sign_in_at_once_keep_both_sessions() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("sessions.json");
        let (one, other) = (
            SessionStore::open_at(&path).expect("empty"),
            SessionStore::open_at(&path).expect("empty"),
        );
        let (first, second) = tokio::join!(
            one.put(session("https://a", 0)),
            other.put(session("https://b", 0))
        );
        first.and(second).expect("kept");
        let read = SessionStore::open_at(&path).expect("read back");
        assert!(read.get("https://a").is_some() && read.get("https://b").is_some());
    }

    #[test]
    fn a_session_about_to_end_is_not_fresh() {
        let now = jiff::Timestamp::now().as_second();
        assert!(!session("u", now + RENEW_BEFORE_SECS - 1).is_fresh());
        assert!(session("u", now + 3600).is_fresh());
    }
}
