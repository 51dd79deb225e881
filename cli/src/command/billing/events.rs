//! `creel billing events`.

use anyhow::Context;
use serde_json::{Value, json};

use crate::command::project::text;
use crate::command::request::age;
use crate::database::DatabaseArgs;
use crate::output::Output;

/// What `creel billing events` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct EventsArgs {
    /// Only those that could not be applied yet.
    #[arg(long)]
    waiting: bool,

    /// How many at most.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(i64).range(1..=10_000))]
    limit: i64,

    #[command(flatten)]
    database: DatabaseArgs,
}

/// Lists the events.
pub(super) async fn run(args: EventsArgs, out: Output) -> anyhow::Result<()> {
    let client = args.database.connect().await?;
    let sql = include_str!("../../../../sql/queries/list_stripe_events.sql");
    let rows = client
        .query(sql, &[&args.waiting, &args.limit])
        .await
        .context("list the events")?;
    let events: Vec<Value> = rows.iter().map(|row| row.get(0)).collect();
    let cells = events
        .iter()
        .map(|event| {
            vec![
                text(event, "id"),
                text(event, "type"),
                text(event, "status"),
                age(&event["received_at"]),
                event["deliveries"].to_string(),
                text(event, "note"),
            ]
        })
        .collect();
    let headers = ["EVENT", "TYPE", "STATUS", "CAME", "TIMES", ""];
    let empty = match args.waiting {
        true => "Nothing waits.",
        false => "No event has come yet.",
    };
    out.rows("events", &json!(events), &headers, cells, empty);
    Ok(())
}
