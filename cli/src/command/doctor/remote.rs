//! The database and the Data API, seen from this machine.

use serde_json::json;
use tokio_postgres::Client;

use super::Check;
use crate::connection::ConnectionArgs;
use crate::data_api::DataApi;
use crate::error::{CliError, ErrorKind};
use crate::session::SessionStore;

/// Tokens are refused when clocks differ by more than this.
const SKEW_ALLOWED_SECS: i64 = 30;
const INSPECT: &str = include_str!("../../../../sql/queries/inspect_database.sql");

/// There is none to look at.
pub(super) fn no_database() -> Check {
    let what_to_do = "a host needs it: creel host enroll prints it";
    Check::absent("database", "DATABASE_URL is not set", what_to_do)
}

/// Whether the database answers, has Creel in it, and knows this host.
pub(super) async fn check_database(connected: anyhow::Result<Client>) -> Vec<Check> {
    let name = "database";
    let client = match connected {
        Ok(client) => client,
        Err(error) => {
            let error = CliError::from_anyhow(error);
            let what_to_do = error.hint.unwrap_or_else(|| {
                "check DATABASE_URL, and that this machine reaches the database".to_owned()
            });
            return vec![Check::broken(name, error.message, what_to_do)];
        }
    };
    let row = match client.query_one(INSPECT, &[]).await {
        Ok(row) => row,
        Err(error) => {
            let why = CliError::from_anyhow(error.into()).message;
            return vec![Check::broken(name, why, "check the login's rights")];
        }
    };
    let (user, server, epoch_ms): (String, String, i64) = (row.get(0), row.get(1), row.get(2));
    let (has_creel, is_host_role): (bool, bool) = (row.get(3), row.get(4));
    let mut checks = vec![Check::good(name, format!("Postgres {server}, as {user}"))];
    checks.push(if !has_creel {
        Check::broken("Creel in it", "missing", "apply the migrations: supabase db push")
    } else if is_host_role {
        check_host_calls(&client).await
    } else {
        let what_to_do = "for a worker, use the login that creel host enroll prints";
        Check::absent("host login", format!("{user} is no host"), what_to_do)
    });
    let skew_secs = (jiff::Timestamp::now().as_millisecond() - epoch_ms) / 1000;
    checks.push(if skew_secs.abs() > SKEW_ALLOWED_SECS {
        let found = format!("{skew_secs} s away from the database's");
        Check::broken(
            "clock",
            found,
            "set the clock by NTP: tokens are refused otherwise",
        )
    } else {
        Check::good("clock", format!("{skew_secs} s away from the database's"))
    });
    checks
}

/// Asks a host function for nothing, to see whether versions match and the login is not revoked.
async fn check_host_calls(client: &Client) -> Check {
    let name = "host login";
    let request = json!({
        "api": creel_core::host_api::API, "session": uuid::Uuid::new_v4(), "limit": 0, "woken_by": "poll",
    });
    match client.query_one("select public.claim($1)", &[&request]).await {
        Ok(_) => Check::good(name, format!("a host, API {}", creel_core::host_api::API)),
        Err(error) => {
            let said = error
                .as_db_error()
                .map_or_else(|| error.to_string(), |error| error.message().to_owned());
            Check::broken(
                name,
                said,
                "upgrade Creel here or in the database, or enrol the host again",
            )
        }
    }
}

/// Whether somebody is signed in to a project that answers.
pub(super) async fn check_data_api(args: &ConnectionArgs) -> Check {
    let name = "Data API";
    let known = SessionStore::open().and_then(|store| args.resolve(&store));
    if known.is_err() {
        return Check::absent(
            name,
            "no project is known",
            "for the other commands: creel login, or creel up",
        );
    }
    let asked = async {
        let api = DataApi::open(args).await?;
        let projects = api.rows(api.from("projects").select("id")).await?;
        anyhow::Ok((api.session, projects.len()))
    };
    match asked.await {
        Ok((session, count)) => Check::good(
            name,
            format!("{} as {}, {count} project(s)", session.url, session.email),
        ),
        Err(error) => {
            let error = CliError::from_anyhow(error);
            match error.kind {
                ErrorKind::Auth => Check::broken(name, error.message, "sign in: creel login"),
                _ => Check::broken(name, error.message, "check the URL, and that the project runs"),
            }
        }
    }
}
