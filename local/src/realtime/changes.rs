//! Changes of rows, and who gets which of them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use anyhow::Result;
use serde_json::{Map, Value, json};
use tokio_postgres::types::{Kind, Type};

use super::access::{Questions, Seen, Table, is_refusal};
use super::channel::{SharedChannel, Subscription};
use super::claims::Claims;
use super::filter::Filter;
use super::hub::Hub;
use super::join::Events;
use super::pgoutput::{Cell, Relation, Row};
use super::record;

/// What a row may have at most, as Realtime's limit; of a longer one only short values are sent.
const MAX_ROW_BYTES: usize = 1024 * 1024;

/// A value this short is sent in any case.
const SHORT_BYTES: usize = 64;

/// A table as the log and the catalog describe it.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) relation: Relation,
    pub(super) table: Table,
}

/// A changed row.
#[derive(Debug, Clone)]
pub(super) struct Change {
    pub(super) source: Arc<Source>,
    pub(super) events: Events,
    /// The row as it is now; none when it was deleted.
    pub(super) new: Option<Row>,
    /// The row as it was, as far as the log tells it.
    pub(super) old: Option<Row>,
    /// When it was committed, as messages tell it.
    pub(super) committed: Arc<str>,
}

impl Change {
    fn cell<'row>(&self, row: &'row Row, column: &str) -> Option<&'row Cell> {
        let at = self
            .source
            .relation
            .columns
            .iter()
            .position(|known| known.name == column)?;
        row.get(at)
    }

    /// The values of the primary key; none if the log does not have them all.
    fn key(&self) -> Option<Vec<String>> {
        let row = self.new.as_ref().or(self.old.as_ref())?;
        let primary = self
            .source
            .table
            .columns
            .iter()
            .filter(|column| column.is_primary);
        primary
            .map(|column| match self.cell(row, &column.name) {
                Some(Cell::Text(text)) => Some(text.to_string()),
                _ => None,
            })
            .collect()
    }

    fn size(&self) -> usize {
        let cells = self.new.iter().chain(&self.old).flatten();
        cells
            .map(|cell| match cell {
                Cell::Text(text) => text.len(),
                Cell::Null | Cell::Unchanged => 0,
            })
            .sum()
    }

    /// The columns of a row that are sent, as JSON.
    fn record(&self, row: &Row, sends: impl Fn(&str) -> bool) -> Map<String, Value> {
        let is_long = self.size() > MAX_ROW_BYTES;
        let columns = self.source.relation.columns.iter().zip(row);
        columns
            .filter(|(column, cell)| {
                let fits = !is_long || !matches!(cell, Cell::Text(text) if text.len() > SHORT_BYTES);
                fits && sends(&column.name)
            })
            .filter_map(|(column, cell)| {
                Some((
                    column.name.clone(),
                    record::value(&type_of(column.type_oid), cell)?,
                ))
            })
            .collect()
    }
}

/// Types of extensions and our own are sent as text.
fn type_of(oid: u32) -> Type {
    Type::from_oid(oid).unwrap_or_else(|| Type::new(String::new(), oid, Kind::Simple, String::new()))
}

/// Tells the channels that are subscribed what they may see of these changes.
pub(super) async fn deliver(hub: &Hub, questions: &mut Questions, changes: &[Change]) -> Result<()> {
    let channels: Vec<(SharedChannel, Claims)> = hub
        .channels()
        .into_iter()
        .filter_map(|channel| {
            let state = channel.state();
            (state.is_subscribed && !channel.subscriptions.is_empty()).then_some((channel, state.claims))
        })
        .collect();
    let passed = pass_filters(questions, &channels, changes).await?;
    let mut by_claims: HashMap<Claims, Vec<SharedChannel>> = HashMap::new();
    for (channel, claims) in channels {
        by_claims.entry(claims).or_default().push(channel);
    }
    for (claims, channels) in by_claims {
        let wanted: Vec<usize> = (0..changes.len())
            .filter(|&at| {
                channels
                    .iter()
                    .any(|channel| !ids_for(channel, changes, at, &passed).is_empty())
            })
            .collect();
        if wanted.is_empty() {
            continue;
        }
        let seen = match look(questions, &claims, changes, &wanted).await {
            Ok(seen) => seen,
            // A policy that fails for somebody costs nobody else his changes.
            Err(error) if is_refusal(&error) => {
                tracing::warn!(error = %format_args!("{error:#}"), "failed to ask what a subscriber may see; nothing is sent");
                continue;
            }
            Err(error) => return Err(error),
        };
        for at in wanted {
            for channel in &channels {
                // A channel that was left, or has another token by now, is told nothing under the old one.
                if channel.state().claims == claims && hub.has(channel.id) {
                    send(
                        channel,
                        &changes[at],
                        at,
                        &ids_for(channel, changes, at, &passed),
                        &seen,
                    );
                }
            }
        }
    }
    Ok(())
}

/// Which changes pass a filter of a table, by their places.
type Passed = HashMap<(u32, Filter), HashSet<usize>>;

/// Applies each filter once to all changes of its table.
async fn pass_filters(
    questions: &mut Questions,
    channels: &[(SharedChannel, Claims)],
    changes: &[Change],
) -> Result<Passed> {
    let mut passed = Passed::new();
    let subscriptions = channels.iter().flat_map(|(channel, _)| &channel.subscriptions);
    for subscription in subscriptions {
        for filter in &subscription.wanted.filters {
            for change in changes.iter().filter(|change| concerns(subscription, change)) {
                let place = (change.source.relation.oid, filter.clone());
                if passed.contains_key(&place) {
                    continue;
                }
                let held = pass_filter(questions, filter, &change.source, changes).await?;
                passed.insert(place, held);
            }
        }
    }
    Ok(passed)
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
    match questions.filter(filter, &column.type_sql, &values).await {
        Ok(places) => Ok(places
            .into_iter()
            .filter_map(|place| told.get(place).map(|(at, _)| *at))
            .collect()),
        Err(error) if is_refusal(&error) => {
            tracing::warn!(error = %format_args!("{error:#}"), "failed to apply a filter; nothing passes it");
            Ok(HashSet::new())
        }
        Err(error) => Err(error),
    }
}

/// Whether a subscription is for the table and the kind of a change.
fn concerns(subscription: &Subscription, change: &Change) -> bool {
    let wanted = &subscription.wanted;
    let relation = &change.source.relation;
    wanted.events.has(change.events)
        && (wanted.schema == "*" || wanted.schema == relation.schema)
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
    let passes = |filter: &Filter| {
        passed
            .get(&(change.source.relation.oid, filter.clone()))
            .is_some_and(|held| held.contains(&at))
    };
    channel
        .subscriptions
        .iter()
        .filter(|subscription| {
            concerns(subscription, change) && subscription.wanted.filters.iter().all(passes)
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
        looked.rows = looked
            .rows
            .iter()
            .filter_map(|&place| rows.get(place).copied())
            .collect();
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
        if let Some(data) = plan_data(change, at, columns, seen) {
            let payload = json!({ "ids": ids, "data": data });
            channel.push("postgres_changes", &payload.to_string());
        }
    }
}

/// What a message says of a change; none if it is not to be seen.
fn plan_data(change: &Change, at: usize, select: Option<&Vec<String>>, seen: &Seen) -> Option<Value> {
    let (relation, table) = (&change.source.relation, &change.source.table);
    let primary: HashSet<&str> = table
        .columns
        .iter()
        .filter(|column| column.is_primary)
        .map(|column| column.name.as_str())
        .collect();
    let sends = |name: &str| {
        seen.selectable.contains(name)
            && select.is_none_or(|names| primary.contains(name) || names.iter().any(|wanted| wanted == name))
    };
    let mut data = json!({
        "schema": relation.schema,
        "table": relation.table,
        "type": change.events.word(),
        "commit_timestamp": &*change.committed,
        "errors": null,
    });
    if change.events != Events::Delete {
        let refused = if primary.is_empty() {
            Some("Error 400: Bad Request, no primary key")
        } else if !primary.iter().all(|name| seen.selectable.contains(*name)) {
            Some("Error 401: Unauthorized")
        } else {
            None
        };
        if let Some(error) = refused {
            data["errors"] = json!([error]);
            return Some(data);
        }
        if !seen.rows.contains(&at) {
            return None;
        }
    }
    let columns = table.columns.iter().filter(|column| sends(&column.name));
    data["columns"] = columns
        .map(|column| json!({ "name": column.name, "type": column.type_name }))
        .collect();
    if let Some(new) = &change.new {
        data["record"] = change.record(new, sends).into();
    }
    if change.events != Events::Insert {
        // Of a guarded row nobody knows any more who could see it: only its key is told.
        let is_known = |name: &str| sends(name) && (!table.is_guarded || primary.contains(name));
        let row = match (&change.old, &change.new) {
            (Some(old), _) => change.record(old, |name| is_known(name) && is_told(change, name)),
            (None, Some(new)) => change.record(new, |name| is_known(name) && primary.contains(name)),
            (None, None) => Map::new(),
        };
        data["old_record"] = row.into();
    }
    if change.size() > MAX_ROW_BYTES {
        data["errors"] = json!(["Error 413: Payload Too Large"]);
    }
    Some(data)
}

/// Whether the old row has this column at all: of all but full ones the log has the key only.
fn is_told(change: &Change, name: &str) -> bool {
    let columns = &change.source.relation.columns;
    columns.iter().any(|column| column.name == name && column.is_key)
}
