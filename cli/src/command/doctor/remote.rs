//! The database and the Data API, seen from this machine.

use std::time::Duration;

use creel_worker::config::DataApiConfig;
use serde_json::json;
use tokio_postgres::Client;

use super::Check;
use crate::connection::ConnectionArgs;
use crate::data_api::DataApi;
use crate::error::{CliError, ErrorKind};
use crate::session::SessionStore;

/// Tokens are refused when clocks differ by more than this.
const SKEW_ALLOWED_SECS: i64 = 30;
/// Enough for an answer from another continent; who takes longer tells no exact time.
const CLOCK_LIMIT: Duration = Duration::from_secs(5);
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
    checks.push(judge_clock(skew_secs, "the database's"));
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

/// Whether a host with a key is let in, and for how long yet.
pub(super) async fn check_host_key(config: &DataApiConfig) -> Vec<Check> {
    let name = "host key";
    let file = config.host_key_file.display();
    let mut checks = Vec::new();
    checks.push(match creel_worker::probe_host_access(config).await {
        Ok(access) => {
            let until = access
                .expires_at
                .map_or_else(|| "until it is revoked".to_owned(), |at| format!("until {at}; the worker replaces it"));
            Check::good(name, format!("{file} opens {}, {until}", config.url))
        }
        Err(error) => {
            let what_to_do = "let the owner of the host make a code (creel host code), and enrol it again with that; \
                              if nothing is reached, check data_api_url and the network";
            Check::broken(name, format!("{error:#}"), what_to_do)
        }
    });
    checks.push(check_realtime(config).await);
    checks.extend(check_clock_by_http(config).await);
    checks
}

/// Whether a host with a key hears at once that there is work. It finds its work without.
async fn check_realtime(config: &DataApiConfig) -> Check {
    let name = "Realtime";
    match creel_worker::probe_realtime(config).await {
        Ok(true) => Check::good(name, "the host hears of work at once"),
        Ok(false) => Check::absent(
            name,
            "the host is not to listen",
            "to hear of work at once and not by ticks, give realtime_url in the configuration",
        ),
        Err(error) => Check::absent(
            name,
            format!("no channel can be joined: {error:#}"),
            "work is found by ticks alone, within 10 s: see that Realtime runs, that the project's Realtime settings \
             allow public channels, and that a proxy lets WebSockets through",
        ),
    }
}

/// This machine's clock against that of the project's gateway; nothing where it does not tell the time.
async fn check_clock_by_http(config: &DataApiConfig) -> Option<Check> {
    let answer = config.http_client().ok()?.head(&config.url).send();
    let answer = tokio::time::timeout(CLOCK_LIMIT, answer).await.ok()?.ok()?;
    let date = answer.headers().get("date")?.to_str().ok()?;
    let theirs = jiff::fmt::rfc2822::parse(date).ok()?.timestamp();
    Some(judge_clock(
        jiff::Timestamp::now().as_second() - theirs.as_second(),
        "the project's",
    ))
}

fn judge_clock(skew_secs: i64, whose: &str) -> Check {
    let found = format!("{skew_secs} s away from {whose}");
    if skew_secs.abs() > SKEW_ALLOWED_SECS {
        Check::broken(
            "clock",
            found,
            "set the clock by NTP: tokens are refused otherwise",
        )
    } else {
        Check::good("clock", found)
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
