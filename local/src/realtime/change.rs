//! A changed row, and what a message says of it.

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::{Map, Value, json};
use tokio_postgres::types::{Kind, Type};

use super::access::Table;
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
    pub(super) fn cell<'row>(&self, row: &'row Row, column: &str) -> Option<&'row Cell> {
        let at = self
            .source
            .relation
            .columns
            .iter()
            .position(|known| known.name == column)?;
        row.get(at)
    }

    /// The values of the primary key; none if the log does not have them all.
    pub(super) fn key(&self) -> Option<Vec<String>> {
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

/// What a message says of a change; none if it is not to be seen. `is_seen` is none if the policies failed, `select` is what the subscription wants of the columns,
/// `selectable` what the subscriber may read of them.
pub(super) fn plan_data(
    change: &Change,
    is_seen: Option<bool>,
    select: Option<&Vec<String>>,
    selectable: &HashSet<String>,
) -> Option<Value> {
    let (relation, table) = (&change.source.relation, &change.source.table);
    let primary: HashSet<&str> = table
        .columns
        .iter()
        .filter(|column| column.is_primary)
        .map(|column| column.name.as_str())
        .collect();
    let sends = |name: &str| {
        selectable.contains(name)
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
        } else if !primary.iter().all(|name| selectable.contains(*name)) {
            Some("Error 401: Unauthorized")
        } else if is_seen.is_none() {
            Some("Error 500: Internal Server Error, RLS policy evaluation failed")
        } else {
            None
        };
        if let Some(error) = refused {
            data["errors"] = json!([error]);
            return Some(data);
        }
        if is_seen == Some(false) {
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
