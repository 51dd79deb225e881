//! `creel billing reconcile`: holds the ledger beside what Stripe says.

mod compare;
mod stripe;

use std::ops::Range;
use std::time::SystemTime;

use anyhow::Context;
use creel_functions::stripe::api::StripeApi;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use tokio_postgres::Client;

use self::compare::{Difference, Ledger, compare};
use super::StripeArgs;
use crate::database::DatabaseArgs;
use crate::error::{CliError, ErrorKind};
use crate::output::Output;

/// Stripe repeats an event for three days: what is on one side may be on the other only then.
const MARGIN_SECS: i64 = 4 * 86_400;

/// Events of the last hour may be under way still.
const SETTLED_AFTER_SECS: i64 = 3600;

/// A month and a day, so that one that is run each month leaves out nothing.
const USUAL_DAYS: i64 = 32;

const LEDGER: &str = "select creel.ledger_for_reconciliation($1, $2)";

/// What `creel billing reconcile` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct ReconcileArgs {
    /// First day or moment of what is compared: 2026-10-01 (of UTC) or 2026-10-01T00:00:00Z [default: 32 days before
    /// --to].
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    from: Option<Timestamp>,

    /// The first day or moment that is not compared any more [default: an hour ago].
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    to: Option<Timestamp>,

    #[command(flatten)]
    stripe: StripeArgs,

    #[command(flatten)]
    database: DatabaseArgs,
}

fn parse_time(text: &str) -> Result<Timestamp, String> {
    if let Ok(time) = text.parse() {
        return Ok(time);
    }
    let day: Date = text
        .parse()
        .map_err(|_| "write a day like 2026-10-01, or a time like 2026-10-01T00:00:00Z".to_owned())?;
    let day = day
        .to_zoned(TimeZone::UTC)
        .map_err(|_| "there is no such day".to_owned())?;
    Ok(day.timestamp())
}

/// Lists what differs; there being something is a failure.
pub(super) async fn run(args: ReconcileArgs, out: Output) -> anyhow::Result<()> {
    let range = range(args.from, args.to)?;
    let api = args.stripe.api()?;
    let client = args.database.connect().await?;
    let (ours, mut found) = read_both(&api, &client, &range).await?;
    if found.iter().any(is_of_subscription) {
        let (_, again) = read_both(&api, &client, &range).await?;
        found = confirmed(found, &again);
    }
    show(&ours, &found, &range, out)?;
    if found.is_empty() {
        return Ok(());
    }
    Err(CliError::new(
        ErrorKind::Failed,
        format!("the ledger and Stripe differ in {}", found.len()),
    )
    .code("differences")
    .hint("docs/operations.md says what each kind means, and what to do")
    .detail("differences", json!(found))
    .into())
}

async fn read_both(
    api: &StripeApi,
    client: &Client,
    range: &Range<i64>,
) -> anyhow::Result<(Ledger, Vec<Difference>)> {
    let margin = range.start - MARGIN_SECS..range.end + MARGIN_SECS;
    let mut theirs = stripe::read(api, &margin).await.map_err(unread)?;
    let (since, until) = (time(margin.start)?, time(margin.end)?);
    let row = client.query_one(LEDGER, &[&since, &until]).await;
    let told: Value = row.context("read the ledger")?.get(0);
    let ours: Ledger = serde_json::from_value(told).context("understand the ledger")?;
    stripe::complete(api, &ours, &mut theirs).await.map_err(unread)?;
    let found = compare(&ours, &theirs, range);
    Ok((ours, found))
}

/// Subscriptions are compared as they are now, on two sides that cannot be read in the same instant.
fn is_of_subscription(difference: &Difference) -> bool {
    difference.object.starts_with("sub_")
}

/// Of what differs between subscriptions that which differed the next time, too: what changed between the two readings of a
/// comparison is no difference.
fn confirmed(found: Vec<Difference>, again: &[Difference]) -> Vec<Difference> {
    let is_there = |one: &Difference| {
        again
            .iter()
            .any(|other| (other.kind, &other.object) == (one.kind, &one.object))
    };
    let found = found.into_iter();
    found
        .filter(|one| !is_of_subscription(one) || is_there(one))
        .collect()
}

fn unread(error: anyhow::Error) -> CliError {
    CliError::new(
        ErrorKind::Unreachable,
        format!("Stripe could not be read: {error:#}"),
    )
    .hint(
        "STRIPE_API_KEY needs the right to read transfers, charges, application fees, invoices and subscriptions",
    )
}

fn time(secs: i64) -> anyhow::Result<SystemTime> {
    let time = Timestamp::from_second(secs).context("read a time")?;
    Ok(time.into())
}

fn range(from: Option<Timestamp>, to: Option<Timestamp>) -> Result<Range<i64>, CliError> {
    let settled = Timestamp::now().as_second() - SETTLED_AFTER_SECS;
    let end = to.map_or(settled, Timestamp::as_second);
    let usual = end - USUAL_DAYS * 86_400;
    let start = from.map_or(usual, Timestamp::as_second);
    if start >= end {
        return Err(CliError::new(ErrorKind::Usage, "--from is not before --to"));
    }
    Ok(start..end)
}

fn show(ledger: &Ledger, found: &[Difference], range: &Range<i64>, out: Output) -> anyhow::Result<()> {
    let earnings = ledger
        .earnings
        .iter()
        .filter(|earning| range.contains(&earning.paid_at));
    let earning_count = earnings.count();
    let (from, to) = (
        Timestamp::from_second(range.start)?,
        Timestamp::from_second(range.end)?,
    );
    if found.is_empty() {
        out.value(&json!({
            "ok": true, "from": from.to_string(), "to": to.to_string(), "earning_count": earning_count,
            "subscription_count": ledger.subscriptions.len(), "differences": found,
        }));
    }
    let shown = |text: &Option<String>| text.clone().unwrap_or_else(|| "–".to_owned());
    let cells = found.iter().map(|one| {
        let kind = serde_json::to_value(one.kind)
            .ok()
            .and_then(|kind| kind.as_str().map(ToOwned::to_owned));
        vec![
            kind.unwrap_or_default(),
            one.object.clone(),
            shown(&one.ledger),
            shown(&one.stripe),
            one.note.clone().unwrap_or_default(),
        ]
    });
    let same = format!("{earning_count} earnings from {from} to {to}: ledger and Stripe say the same.");
    let headers = ["DIFFERENCE", "OF", "LEDGER", "STRIPE", ""];
    out.table(&headers, cells.collect(), &same);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::compare::Kind;
    use super::*;

    #[test]
    fn what_changes_while_it_is_read_is_no_difference() {
        let of = |kind: Kind, object: &str, stripe: &str| Difference {
            kind,
            object: object.to_owned(),
            ledger: Some("active".to_owned()),
            stripe: Some(stripe.to_owned()),
            note: None,
        };
        let found = vec![
            of(Kind::SubscriptionStatus, "sub_1", "canceled"),
            of(Kind::SubscriptionStatus, "sub_2", "past_due"),
            of(Kind::Amount, "tr_1", "900 usd"),
        ];
        let again = [of(Kind::SubscriptionStatus, "sub_2", "unpaid")];
        let left = confirmed(found, &again);
        let left: Vec<&str> = left.iter().map(|one| one.object.as_str()).collect();
        assert_eq!(left, ["sub_2", "tr_1"]);
    }

    #[test]
    fn a_day_begins_at_midnight_of_utc() {
        let day = parse_time("2026-10-01").expect("a day");
        assert_eq!(day.as_second(), 1_790_812_800);
        assert_eq!(parse_time("2026-10-01T02:00:00+02:00").expect("a time"), day);
        assert!(parse_time("yesterday").is_err());
        let next = Timestamp::from_second(day.as_second() + 86_400).expect("a time");
        assert_eq!(
            range(Some(day), Some(next)).expect("a range"),
            1_790_812_800..1_790_899_200
        );
        assert!(range(Some(next), Some(day)).is_err());
    }
}
