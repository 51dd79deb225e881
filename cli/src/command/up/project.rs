//! The person, the project and the host of a local stack: made once, found again later.

use std::path::Path;

use anyhow::Context;
use creel_core::secret::Secret;
use creel_local::Stack;
use serde::{Deserialize, Serialize};
use tokio_postgres::Client;
use uuid::Uuid;

use crate::command::host::{self, Enrolled, Enrolment};
use crate::connection::Connection;
use crate::data_api::DataApi;
use crate::database;
use crate::env_file;
use crate::session;

/// Who owns the local project; nobody else has to have heard of the name.
const EMAIL: &str = "owner@creel.local";
/// The local project's id.
const PROJECT: &str = "local";
/// More agents than a machine can hold: a local stack is for trying things.
const CAPACITY: u32 = 10_000;

const FIND_LOGIN: &str =
    "select from creel.host_logins where host_id = $1 and role_name = $2::text::name and revoked_at is null";

/// A project that the person on this machine owns and this machine serves.
pub(super) struct LocalProject {
    /// Its id.
    pub(super) id: String,
    /// Who owns it.
    pub(super) email: String,
    /// With what he signs in.
    pub(super) password: Secret,
    /// This machine.
    pub(super) host_id: Uuid,
    /// What the worker connects with.
    pub(super) host_database_url: Secret,
    /// The Data API, signed in as the owner.
    pub(super) api: DataApi,
}

/// What is kept between two runs, in `up.json`.
#[derive(Serialize, Deserialize)]
struct Kept {
    password: String,
    host: Option<KeptHost>,
}

#[derive(Clone, Serialize, Deserialize)]
struct KeptHost {
    id: Uuid,
    role: String,
    password: String,
}

/// Makes what is missing.
pub(super) async fn prepare(stack: &Stack, state_dir: &Path) -> anyhow::Result<LocalProject> {
    let path = state_dir.join("up.json");
    let mut kept = read(&path)?;
    let password = Secret::new(&kept.password);
    let user = stack
        .create_user(EMAIL, &password)
        .await
        .context("make the local user")?;

    let connection = Connection {
        url: stack.supabase_url(),
        key: stack.publishable_key().expose().to_owned(),
        local_login: None,
    };
    let api = DataApi::with_session(session::sign_in(&connection, EMAIL, &password).await?, None)?;
    let projects = api
        .rows(api.from("projects").select("id").eq("id", PROJECT))
        .await
        .context("find the project")?;
    if projects.is_empty() {
        crate::command::project::create(&api, PROJECT, "Local")
            .await
            .context("make the project")?;
    }

    let owner = database::connect(&stack.database_url(), None).await?;
    let host = match kept.host.clone() {
        Some(host) if is_known(&owner, &host).await? => host,
        _ => {
            let host = enroll(&owner, user.id).await?;
            kept.host = Some(host.clone());
            env_file::write_private(&path, &serde_json::to_string_pretty(&kept)?)?;
            host
        }
    };
    Ok(LocalProject {
        id: PROJECT.to_owned(),
        email: EMAIL.to_owned(),
        password,
        host_id: host.id,
        host_database_url: stack.database_url_for(&host.role, &Secret::new(host.password)),
        api,
    })
}

/// What was kept; a new password when there is nothing.
fn read(path: &Path) -> anyhow::Result<Kept> {
    match std::fs::read_to_string(path) {
        Ok(text) => serde_json::from_str(&text).with_context(|| {
            format!(
                "read {}; remove it to have a new password and host",
                path.display()
            )
        }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let kept = Kept {
                password: host::random_password().expose().to_owned(),
                host: None,
            };
            env_file::write_private(path, &serde_json::to_string_pretty(&kept)?)?;
            Ok(kept)
        }
        Err(error) => Err(error).with_context(|| format!("read {}", path.display())),
    }
}

async fn is_known(owner: &Client, host: &KeptHost) -> anyhow::Result<bool> {
    let row = owner
        .query_opt(FIND_LOGIN, &[&host.id, &host.role])
        .await
        .context("look for this host")?;
    Ok(row.is_some())
}

async fn enroll(owner: &Client, owner_id: Uuid) -> anyhow::Result<KeptHost> {
    let enrolment = Enrolment {
        projects: vec![PROJECT.to_owned()],
        name: host::host_name().unwrap_or_else(|| "this machine".to_owned()),
        capacity: CAPACITY,
        platform: host::this_platform().to_owned(),
        owner_id: Some(owner_id),
    };
    let Enrolled {
        host_id,
        role,
        password,
    } = host::enroll(owner, &enrolment).await?;
    Ok(KeptHost {
        id: host_id,
        role,
        password: password.expose().to_owned(),
    })
}
