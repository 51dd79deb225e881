//! `creel host earnings`.

use serde_json::{Value, json};

use super::find;
use crate::command::project::text;
use crate::command::request::age;
use crate::connection::ConnectionArgs;
use crate::data_api::DataApi;
use crate::output::Output;

/// What `creel host earnings` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct EarningsArgs {
    /// Of this host alone: its id, or its name where that is unique [default: all hosts that ever were yours].
    host: Option<String>,

    /// List every row of the ledger in place of the months' sums.
    #[arg(long)]
    rows: bool,

    /// Only this month, of UTC: 2026-10.
    #[arg(long, value_name = "MONTH", value_parser = parse_month)]
    month: Option<Month>,

    #[command(flatten)]
    connection: ConnectionArgs,
}

/// A month, and the first day of the next one.
#[derive(Debug, Clone)]
pub(crate) struct Month {
    name: String,
    next: String,
}

fn parse_month(text: &str) -> Result<Month, String> {
    let wrong = || "write a month like 2026-10".to_owned();
    let first: jiff::civil::Date = format!("{text}-01").parse().map_err(|_| wrong())?;
    let next = first
        .checked_add(jiff::Span::new().months(1))
        .map_err(|_| wrong())?;
    Ok(Month {
        name: text.to_owned(),
        next: next.to_string(),
    })
}

/// Shows what the signed-in person's hosts earned.
pub(super) async fn run(args: EarningsArgs, out: Output) -> anyhow::Result<()> {
    let api = DataApi::open(&args.connection).await?;
    let host = match &args.host {
        Some(typed) => Some(find(&api, typed).await?.0),
        None => None,
    };
    if args.rows {
        return rows(&api, host, args.month.as_ref(), out).await;
    }
    let mut query = api
        .from("host_statements")
        .select("*")
        .order("month.desc,currency,host_id");
    if let Some(host) = host {
        query = query.eq("host_id", host.to_string());
    }
    if let Some(month) = &args.month {
        query = query.eq("month", &month.name);
    }
    let months = api.rows(query).await?;
    let names = names(&api).await?;
    let cells = months
        .iter()
        .map(|month| {
            vec![
                text(month, "month"),
                name_of(&names, month),
                minor(month, "earned_minor"),
                minor(month, "corrected_minor"),
                minor(month, "net_minor"),
                text(month, "currency"),
            ]
        })
        .collect();
    let headers = ["MONTH", "HOST", "EARNED", "CORRECTED", "NET", "IN UNITS OF"];
    out.rows(
        "months",
        &json!(with_units(&months)),
        &headers,
        cells,
        "Your hosts have earned nothing yet.",
    );
    Ok(())
}

async fn rows(
    api: &DataApi,
    host: Option<uuid::Uuid>,
    month: Option<&Month>,
    out: Output,
) -> anyhow::Result<()> {
    let mut query = api.from("host_earnings").select("*").order("id.desc");
    if let Some(host) = host {
        query = query.eq("host_id", host.to_string());
    }
    if let Some(month) = month {
        query = query
            .gte("created_at", format!("{}-01T00:00:00Z", month.name))
            .lt("created_at", format!("{}T00:00:00Z", month.next));
    }
    let rows = api.rows(query).await?;
    let names = names(api).await?;
    let cells = rows
        .iter()
        .map(|row| {
            vec![
                age(&row["created_at"]),
                name_of(&names, row),
                text(row, "kind"),
                minor(row, "amount_minor"),
                text(row, "currency"),
                text(row, "period_start").chars().take(10).collect(),
                text(row, "period_end").chars().take(10).collect(),
                row["id"].to_string(),
                row["corrects"]
                    .as_i64()
                    .map(|id| format!("corrects {id}"))
                    .unwrap_or_default(),
            ]
        })
        .collect();
    let headers = ["WHEN", "HOST", "WHAT", "AMOUNT", "", "FROM", "TO", "ROW", ""];
    out.rows(
        "rows",
        &json!(rows),
        &headers,
        cells,
        "Your hosts have earned nothing yet.",
    );
    Ok(())
}

/// Hosts that are there still.
async fn names(api: &DataApi) -> anyhow::Result<Vec<Value>> {
    Ok(api.rows(api.from("hosts").select("id,name")).await?)
}

fn name_of(names: &[Value], row: &Value) -> String {
    let host = names.iter().find(|host| host["id"] == row["host_id"]);
    host.map_or_else(|| text(row, "host_id"), |host| text(host, "name"))
}

/// In minor units, as the ledger has it: not every currency has a hundred of them.
fn minor(row: &Value, key: &str) -> String {
    row[key].to_string()
}

/// What a program has to know of the numbers.
fn with_units(months: &[Value]) -> Vec<Value> {
    let mut months = months.to_vec();
    for month in &mut months {
        month["unit"] = json!("minor");
    }
    months
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_ends_where_the_next_begins() {
        assert_eq!(parse_month("2026-12").expect("a month").next, "2027-01-01");
        for wrong in ["2026", "2026-13", "October", "2026-10-05"] {
            assert!(parse_month(wrong).is_err(), "{wrong}");
        }
    }
}
