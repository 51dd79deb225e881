//! Who gets which changes of rows.

use std::collections::{HashMap, HashSet};

use anyhow::Result;
use serde_json::json;

use super::access::{Questions, Seen, is_refusal, is_wrong_filter};
use super::change::{Change, Source, plan_data};
use super::channel::{Channel, SharedChannel, Subscription};
use super::claims::Claims;
use super::filter::Filter;
use super::hub::Hub;
use super::join::Wanted;
use super::pgoutput::{Cell, Relation};

/// What a channel is told that can be told no changes: its client joins again, and reads what it missed.
const NOT_ASKED: &str = "The database failed to say which changes you may see. Join again";
const NOT_FILTERED: &str =
    "A filter could not be applied to a change, or not soon enough. Join again, best with another one";

/// How often it is asked for a channel that gets another token each time that the answer is there.
const ROUNDS: usize = 3;

/// Tells the channels that are subscribed what they may see of these changes.
pub(super) async fn deliver(hub: &Hub, questions: &mut Questions, changes: &[Change]) -> Result<()> {
    let mut waiting = hub.channels();
    waiting.retain(|channel| channel.state().is_subscribed && !channel.subscriptions.is_empty());
    let passed = pass_filters(hub, questions, &waiting, changes).await?;
    for _round in 0..ROUNDS {
        let mut by_claims: HashMap<Claims, Vec<SharedChannel>> = HashMap::new();
        for channel in waiting.drain(..) {
            by_claims.entry(channel.state().claims).or_default().push(channel);
        }
        for (claims, channels) in by_claims {
            let left = tell(hub, questions, &claims, channels, changes, &passed).await?;
            waiting.extend(left);
        }
    }
    if !waiting.is_empty() {
        hub.end(NOT_ASKED, is_among(&waiting));
    }
    Ok(())
}

/// Tells channels what these claims may see. Gives back those that have other claims by now: they are told nothing by the
/// old ones.
async fn tell(
    hub: &Hub,
    questions: &mut Questions,
    claims: &Claims,
    channels: Vec<SharedChannel>,
    changes: &[Change],
    passed: &Passed,
) -> Result<Vec<SharedChannel>> {
    let is_wanted = |at: usize| {
        let mut channels = channels.iter();
        channels.any(|channel| !ids_for(channel, changes, at, passed).is_empty())
    };
    let wanted: Vec<usize> = (0..changes.len()).filter(|&at| is_wanted(at)).collect();
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let seen = match look(questions, claims, changes, &wanted).await {
        Ok(seen) => seen,
        // A role that there is no more costs nobody else his changes.
        Err(error) if is_refusal(&error) => {
            tracing::warn!(error = %format_args!("{error:#}"), "failed to ask what a subscriber may see; his channels end");
            hub.end(NOT_ASKED, is_among(&channels));
            return Ok(Vec::new());
        }
        Err(error) => return Err(error),
    };
    let (told, left): (Vec<_>, Vec<_>) = channels
        .into_iter()
        .filter(|channel| !channel.gone.is_cancelled())
        .partition(|channel| channel.state().claims == *claims);
    for channel in told {
        for &at in &wanted {
            let subscriptions = ids_for(&channel, changes, at, passed);
            send(&channel, &changes[at], at, &subscriptions, &seen);
        }
    }
    Ok(left)
}

fn is_among(channels: &[SharedChannel]) -> impl Fn(&Channel) -> bool {
    move |known| channels.iter().any(|channel| channel.id == known.id)
}

/// Which changes of a table pass which filter, by their places.
type Passed = HashMap<u32, HashMap<Filter, HashSet<usize>>>;

/// Applies each filter once to all changes of its table.
async fn pass_filters(
    hub: &Hub,
    questions: &mut Questions,
    channels: &[SharedChannel],
    changes: &[Change],
) -> Result<Passed> {
    let sources: HashMap<u32, &Source> = changes
        .iter()
        .map(|change| (change.source.relation.oid, &*change.source))
        .collect();
    let mut passed = Passed::new();
    for channel in channels {
        for Subscription { wanted, .. } in &channel.subscriptions {
            for (&oid, source) in &sources {
                if !is_of(wanted, &source.relation) {
                    continue;
                }
                let passed = passed.entry(oid).or_default();
                for filter in &wanted.filters {
                    // Of a channel that has ended by one filter the others are not tried as well.
                    if passed.contains_key(filter) || channel.gone.is_cancelled() {
                        continue;
                    }
                    let held = pass_or_end(hub, questions, filter, source, changes).await?;
                    passed.insert(filter.clone(), held);
                }
            }
        }
    }
    Ok(passed)
}

/// Applies a filter, or ends the channels that have it: it fails for whoever has it, and for nobody else.
async fn pass_or_end(
    hub: &Hub,
    questions: &mut Questions,
    filter: &Filter,
    source: &Source,
    changes: &[Change],
) -> Result<HashSet<usize>> {
    match pass_filter(questions, filter, source, changes).await {
        Err(error) if is_wrong_filter(&error) => {
            tracing::warn!(error = %format_args!("{error:#}"), "failed to apply a filter; the channels that have it end");
            hub.end(NOT_FILTERED, |channel| {
                let mut subscriptions = channel.subscriptions.iter();
                subscriptions.any(|subscription| subscription.wanted.filters.contains(filter))
            });
            Ok(HashSet::new())
        }
        passed => passed,
    }
}

async fn pass_filter(
    questions: &mut Questions,
    filter: &Filter,
    source: &Source,
    changes: &[Change],
) -> Result<HashSet<usize>> {
    let Some(column) = source
        .table
        .columns
        .iter()
        .find(|column| column.name == filter.column)
    else {
        return Ok(HashSet::new());
    };
    // What the log does not tell, such as most of a deleted row, cannot pass.
    let told: Vec<(usize, Option<&str>)> = changes
        .iter()
        .enumerate()
        .filter(|(_, change)| change.source.relation.oid == source.relation.oid)
        .filter_map(|(at, change)| {
            let row = change.new.as_ref().or(change.old.as_ref())?;
            let is_key = source
                .relation
                .columns
                .iter()
                .any(|known| known.name == column.name && known.is_key);
            match change.cell(row, &column.name)? {
                Cell::Text(text) => Some((at, Some(&**text))),
                Cell::Null if change.new.is_some() || is_key => Some((at, None)),
                Cell::Null | Cell::Unchanged => None,
            }
        })
        .collect();
    if matches!(column.type_name.as_str(), "text" | "varchar")
        && let Some(held) = told
            .iter()
            .map(|(at, value)| filter.holds_for_text(*value).map(|holds| (*at, holds)))
            .collect::<Option<Vec<_>>>()
    {
        return Ok(held
            .into_iter()
            .filter(|(_, holds)| *holds)
            .map(|(at, _)| at)
            .collect());
    }
    let values: Vec<Option<String>> = told.iter().map(|(_, value)| value.map(str::to_owned)).collect();
    let places = questions.filter(filter, &column.type_sql, &values).await?;
    Ok(places
        .into_iter()
        .filter_map(|place| told.get(place).map(|(at, _)| *at))
        .collect())
}

/// Whether a table is wanted.
fn is_of(wanted: &Wanted, relation: &Relation) -> bool {
    (wanted.schema == "*" || wanted.schema == relation.schema)
        && (wanted.table == "*" || wanted.table == relation.table)
}

/// The subscriptions of a channel that a change is for, before it is asked who may see it.
fn ids_for<'channel>(
    channel: &'channel SharedChannel,
    changes: &[Change],
    at: usize,
    passed: &Passed,
) -> Vec<&'channel Subscription> {
    let change = &changes[at];
    let relation = &change.source.relation;
    let of_table = passed.get(&relation.oid);
    let passes = |filter: &Filter| {
        let held = of_table.and_then(|passed| passed.get(filter));
        held.is_some_and(|held| held.contains(&at))
    };
    channel
        .subscriptions
        .iter()
        .filter(|subscription| {
            let wanted = &subscription.wanted;
            wanted.events.has(change.events) && is_of(wanted, relation) && wanted.filters.iter().all(passes)
        })
        .collect()
}

/// Asks, once for each table, which of the changed rows somebody sees.
async fn look(
    questions: &mut Questions,
    claims: &Claims,
    changes: &[Change],
    wanted: &[usize],
) -> Result<HashMap<u32, Seen>> {
    let mut by_table: HashMap<u32, Vec<usize>> = HashMap::new();
    for &at in wanted {
        by_table
            .entry(changes[at].source.relation.oid)
            .or_default()
            .push(at);
    }
    let mut seen = HashMap::new();
    for (oid, places) in by_table {
        let source = &changes[places[0]].source;
        let with_keys: Vec<(usize, Vec<String>)> = places
            .iter()
            .filter(|&&at| changes[at].new.is_some())
            .filter_map(|&at| changes[at].key().map(|key| (at, key)))
            .collect();
        let (rows, keys): (Vec<usize>, Vec<Vec<String>>) = with_keys.into_iter().unzip();
        let published = (source.relation.schema.as_str(), source.relation.table.as_str());
        let mut looked = questions
            .look(claims, oid, published, &source.table, &keys)
            .await?;
        looked.rows = looked.rows.map(|places| {
            let of_rows = places.iter().filter_map(|&place| rows.get(place).copied());
            of_rows.collect()
        });
        seen.insert(oid, looked);
    }
    Ok(seen)
}

/// Sends a change to a channel, if it may see it.
fn send(
    channel: &SharedChannel,
    change: &Change,
    at: usize,
    subscriptions: &[&Subscription],
    seen: &HashMap<u32, Seen>,
) {
    let Some(seen) = seen.get(&change.source.relation.oid) else {
        return;
    };
    let is_seen = seen.rows.as_ref().map(|rows| rows.contains(&at));
    // Subscriptions that send the same columns are told at once.
    let mut by_columns: Vec<(Option<&Vec<String>>, Vec<u32>)> = Vec::new();
    for subscription in subscriptions {
        let columns = subscription.wanted.select.as_ref();
        match by_columns.iter_mut().find(|(known, _)| *known == columns) {
            Some((_, ids)) => ids.push(subscription.id),
            None => by_columns.push((columns, vec![subscription.id])),
        }
    }
    for (columns, ids) in by_columns {
        if let Some(data) = plan_data(change, is_seen, columns, &seen.selectable) {
            let payload = json!({ "ids": ids, "data": data });
            channel.push("postgres_changes", &payload.to_string());
        }
    }
}
