//! The people in `auth.users`, and their sessions.

use std::sync::Arc;

use anyhow::{Context, Result};
use creel_core::secret::Secret;
use serde_json::Value;
use tokio::sync::Mutex;
use tokio_postgres::{Client, Config};
use uuid::Uuid;

use crate::gateway::token::user_token;
use crate::postgres::connect;

const SAVE_USER: &str = include_str!("../../../../sql/queries/auth_save_user.sql");
const CHECK_PASSWORD: &str = include_str!("../../../../sql/queries/auth_check_password.sql");
const OPEN_SESSION: &str = include_str!("../../../../sql/queries/auth_open_session.sql");
const REFRESH_SESSION: &str = include_str!("../../../../sql/queries/auth_refresh_session.sql");
const SHOW_USER: &str = include_str!("../../../../sql/queries/auth_show_user.sql");
const CLOSE_SESSIONS: &str = include_str!("../../../../sql/queries/auth_close_sessions.sql");

/// Speaks with `auth` as Supabase's own sign-in does, over one connection that is made when it is needed.
#[derive(Debug, Clone)]
pub struct Users {
    config: Config,
    jwt_secret: Secret,
    client: Arc<Mutex<Option<Arc<Client>>>>,
}

/// A person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Id in `auth.users`.
    pub id: Uuid,
    /// Lower-case.
    pub email: String,
}

/// What a sign-in gives.
#[derive(Debug)]
pub struct SignedIn {
    /// Lasts an hour.
    pub access_token: Secret,
    /// Good for one further token.
    pub refresh_token: Secret,
    /// The person, as supabase-js reads it.
    pub user: Value,
}

impl Users {
    /// `config` is the role `supabase_auth_admin`.
    pub fn new(config: Config, jwt_secret: Secret) -> Self {
        Self {
            config,
            jwt_secret,
            client: Arc::default(),
        }
    }

    /// Makes a person, or sets the password of the one who has the email already.
    pub async fn save(&self, email: &str, password: &Secret) -> Result<User> {
        let email = normal_email(email);
        let client = self.client().await?;
        let row = client
            .query_one(SAVE_USER, &[&Uuid::new_v4(), &email, &password.expose()])
            .await
            .context("save the user")?;
        Ok(User {
            id: row.get(0),
            email,
        })
    }

    /// A token for a person, without a sign-in: for the command line of whoever owns this machine.
    pub fn token(&self, user: &User) -> Result<Secret> {
        user_token(&self.jwt_secret, user.id, &user.email, Uuid::new_v4()).map(Secret::new)
    }

    /// What tokens are signed with.
    pub(super) fn jwt_secret(&self) -> &Secret {
        &self.jwt_secret
    }

    /// None when email and password do not belong together.
    pub(super) async fn sign_in(&self, email: &str, password: &str) -> Result<Option<SignedIn>> {
        let client = self.client().await?;
        let found = client
            .query_opt(CHECK_PASSWORD, &[&normal_email(email), &password])
            .await
            .context("check the password")?;
        let Some(found) = found else { return Ok(None) };
        let (user_id, session_id, refresh_token) = (found.get(0), Uuid::new_v4(), new_refresh_token());
        client
            .execute(OPEN_SESSION, &[&session_id, &user_id, &refresh_token])
            .await
            .context("open a session")?;
        self.signed_in(&client, user_id, session_id, refresh_token).await
    }

    /// None when the refresh token is unknown, used up, or its session is closed.
    pub(super) async fn refresh(&self, refresh_token: &str) -> Result<Option<SignedIn>> {
        let client = self.client().await?;
        let next = new_refresh_token();
        let found = client
            .query_opt(REFRESH_SESSION, &[&refresh_token, &next])
            .await
            .context("refresh the session")?;
        match found {
            Some(row) => self.signed_in(&client, row.get(0), row.get(1), next).await,
            None => Ok(None),
        }
    }

    /// The person of an open session, as supabase-js reads it.
    pub(super) async fn show(&self, id: Uuid, session_id: Option<Uuid>) -> Result<Option<Value>> {
        let client = self.client().await?;
        let row = client
            .query_opt(SHOW_USER, &[&id, &session_id])
            .await
            .context("read the user")?;
        Ok(row.map(|row| row.get(0)))
    }

    /// Closes the session, the others, or all of a person.
    pub(super) async fn sign_out(&self, id: Uuid, session_id: Option<Uuid>, scope: &str) -> Result<()> {
        let client = self.client().await?;
        client
            .execute(CLOSE_SESSIONS, &[&id, &session_id, &scope])
            .await
            .context("close the session")?;
        Ok(())
    }

    async fn signed_in(
        &self,
        client: &Client,
        user_id: Uuid,
        session_id: Uuid,
        refresh_token: String,
    ) -> Result<Option<SignedIn>> {
        let row = client
            .query_opt(SHOW_USER, &[&user_id, &Some(session_id)])
            .await
            .context("read the user")?;
        let Some(row) = row else { return Ok(None) };
        let user: Value = row.get(0);
        let email = user["email"].as_str().unwrap_or_default();
        let access_token = user_token(&self.jwt_secret, user_id, email, session_id)?;
        Ok(Some(SignedIn {
            access_token: Secret::new(access_token),
            refresh_token: Secret::new(refresh_token),
            user,
        }))
    }

    async fn client(&self) -> Result<Arc<Client>> {
        let mut kept = self.client.lock().await;
        if let Some(client) = kept.as_ref().filter(|client| !client.is_closed()) {
            return Ok(Arc::clone(client));
        }
        let client = Arc::new(connect(&self.config).await?);
        *kept = Some(Arc::clone(&client));
        Ok(client)
    }
}

/// Emails are compared without regard to case, as Supabase does.
fn normal_email(email: &str) -> String {
    email.trim().to_lowercase()
}

fn new_refresh_token() -> String {
    hex::encode(rand::random::<[u8; 16]>())
}
