//! Makes a plain Postgres look like a hosted Supabase database.

use anyhow::{Context, Result};
use tokio_postgres::Client;

use crate::keys::Passwords;

const ROLES: &str = include_str!("../../sql/bootstrap/roles.sql");
const DATABASE: &str = include_str!("../../sql/bootstrap/database.sql");
const AUTOMATIC_GRANTS: &str = include_str!("../../sql/bootstrap/automatic_grants.sql");

/// Makes the cluster's roles and sets their passwords. `admin` is the superuser.
pub async fn bootstrap_roles(admin: &Client, passwords: &Passwords) -> Result<()> {
    admin
        .batch_execute(ROLES)
        .await
        .context("make the roles of Supabase")?;
    for (role, password) in passwords.each() {
        // Both are ours: the names are constants, the passwords hexadecimal.
        let statement = format!("alter role {role} password '{}'", password.expose());
        admin
            .batch_execute(&statement)
            .await
            .with_context(|| format!("set the password of {role}"))?;
    }
    Ok(())
}

/// Makes the schemas that hosted Supabase has, in the database that `admin` is connected to.
pub async fn bootstrap_database(admin: &Client) -> Result<()> {
    admin
        .batch_execute(DATABASE)
        .await
        .context("make the schemas of Supabase")
}

/// Opens everything that will be made in `public` to the Data API, as projects from before 2026 do.
pub async fn grant_automatically(admin: &Client) -> Result<()> {
    admin
        .batch_execute(AUTOMATIC_GRANTS)
        .await
        .context("set the automatic grants")
}
