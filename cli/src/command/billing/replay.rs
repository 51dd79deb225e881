//! `creel billing replay`: an event comes in once more, by the way of those that Stripe delivers.

use std::time::{Duration, Instant};

use anyhow::Context;
use creel_functions::deadline::Deadline;
use creel_functions::stripe::api::StripeApi;
use creel_functions::stripe::fetch;
use serde_json::{Map, Value, json};
use tokio_postgres::Client;

use super::StripeArgs;
use crate::database::DatabaseArgs;
use crate::error::{CliError, ErrorKind};
use crate::output::{Output, printable};

/// What is fetched says what is needed; more rounds than that are for nothing that is known.
const FETCH_ROUNDS_MAX: usize = 4;

/// For what Stripe is asked in one round.
const FETCH_LIMIT: Duration = Duration::from_secs(30);

/// Stripe keeps its events for thirty days.
const EVENTS_KEPT_SECS: i64 = 30 * 86_400;

/// What `creel billing replay` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct ReplayArgs {
    /// Id of the event (evt_…), or of a paid invoice (in_…) whose event never arrived.
    event: String,

    #[command(flatten)]
    stripe: StripeArgs,

    #[command(flatten)]
    database: DatabaseArgs,
}

/// Applies an event as it was kept, or as Stripe has it.
pub(super) async fn run(args: ReplayArgs, out: Output) -> anyhow::Result<()> {
    let client = args.database.connect().await?;
    let (event, endpoint) = match kept(&client, &args.event).await? {
        Some(kept) => kept,
        None => (
            sought(&args.stripe.api()?, &args.event).await?,
            "platform".to_owned(),
        ),
    };
    let verdict = apply(&client, &args.stripe, &event, &endpoint).await?;
    let word = verdict["outcome"].as_str().unwrap_or_default();
    let note = verdict["note"].as_str().unwrap_or_default();
    let told = json!({ "id": event["id"], "type": event["type"], "outcome": word, "note": verdict["note"] });
    let id = event["id"].as_str().unwrap_or_default();
    let kind = event["type"].as_str().unwrap_or_default();
    if word == "waiting" {
        return Err(
            CliError::new(ErrorKind::Failed, format!("{id} cannot be applied yet: {note}"))
                .code("waiting")
                .hint("bring in what it waits for, or wait: it is looked at again then")
                .detail("event", told)
                .into(),
        );
    }
    out.value(&json!({ "ok": true, "event": told }));
    let because = match note {
        "" => String::new(),
        note => format!(": {}", printable(note)),
    };
    out.line(format!(
        "{} ({}) is {word}{because}.",
        printable(id),
        printable(kind)
    ));
    Ok(())
}

/// As it came in, unless it is so old that only its row is left.
async fn kept(client: &Client, id: &str) -> anyhow::Result<Option<(Value, String)>> {
    let sql = include_str!("../../../../sql/queries/find_stripe_event.sql");
    let row = client
        .query_opt(sql, &[&id])
        .await
        .context("look for the event")?;
    Ok(row.and_then(|row| Some((row.get::<_, Option<Value>>(0)?, row.get(1)))))
}

/// As Stripe has it.
async fn sought(stripe: &StripeApi, id: &str) -> anyhow::Result<Value> {
    let missing = || {
        CliError::new(
            ErrorKind::NotFound,
            format!("neither Creel nor Stripe has an event for {}", printable(id)),
        )
        .hint("Stripe keeps events for 30 days; creel billing events lists those that came")
    };
    if id.starts_with("evt_") {
        return match stripe.get(&format!("/v1/events/{id}"), &Value::Null, None).await {
            Ok(told) => Ok(told.object),
            Err(error) if error.is_missing() => Err(missing().into()),
            Err(error) => Err(error).context("read the event from Stripe"),
        };
    }
    let since = jiff::Timestamp::now().as_second() - EVENTS_KEPT_SECS;
    let query = json!({ "type": "invoice.paid", "created": { "gte": since } });
    let events = stripe
        .list("/v1/events", &query)
        .await
        .context("read the events from Stripe")?;
    let found = events
        .into_iter()
        .find(|event| event["data"]["object"]["id"] == *id && event["type"] == "invoice.paid");
    Ok(found.ok_or_else(missing)?)
}

/// Brings it in, with what the database wants to see of Stripe.
async fn apply(client: &Client, stripe: &StripeArgs, event: &Value, endpoint: &str) -> anyhow::Result<Value> {
    let mut current = Map::new();
    for _ in 0..FETCH_ROUNDS_MAX {
        let said = json!({ "api": 1, "endpoint": endpoint, "event": event, "current": current });
        let row = client
            .query_one("select public.apply_stripe_event($1)", &[&said])
            .await
            .context("apply the event")?;
        let verdict: Value = row.get(0);
        if verdict["outcome"] != "fetch" {
            return Ok(verdict);
        }
        let wanted = verdict["fetch"].as_array().map(Vec::as_slice).unwrap_or_default();
        let limit = Deadline(Instant::now() + FETCH_LIMIT);
        let found = fetch::all(&stripe.api()?, wanted, limit).await;
        current.extend(found.map_err(|failure| {
            CliError::new(ErrorKind::Unreachable, failure.message.to_string()).hint(failure.hint.to_string())
        })?);
    }
    anyhow::bail!("the database keeps asking for more of Stripe's objects")
}
