//! Asks the database what somebody may see, as that somebody: under the role and the claims of their token.

use std::collections::HashSet;
use std::time::Duration;

use anyhow::{Context, Result};
use futures_util::future::join5;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Config, Row, Transaction};

use super::claims::Claims;
use super::filter::{Filter, Operator};
use crate::postgres::connect;

const DESCRIBE_TABLE: &str = include_str!("../../../sql/queries/realtime_describe_table.sql");
const FIND_TABLES: &str = include_str!("../../../sql/queries/realtime_find_tables.sql");
const LIST_SELECTABLE: &str = include_str!("../../../sql/queries/realtime_list_selectable.sql");
const SPEAK_FOR: &str = include_str!("../../../sql/queries/realtime_speak_for.sql");
const TRY_MESSAGE: &str = include_str!("../../../sql/queries/realtime_try_message.sql");
const READ_MESSAGE: &str = include_str!("../../../sql/queries/realtime_read_message.sql");

/// A policy that takes longer would hold up everybody's changes.
const STATEMENT_LIMIT: Duration = Duration::from_secs(3);

/// What the catalog says of a table.
#[derive(Debug, Clone)]
pub(super) struct Table {
    /// Its columns in order.
    pub(super) columns: Vec<TableColumn>,
    /// Whether row security is on.
    pub(super) is_guarded: bool,
}

/// A column of it.
#[derive(Debug, Clone)]
pub(super) struct TableColumn {
    pub(super) name: String,
    /// The type's bare name, as messages tell it: `timestamptz`, `_text`.
    pub(super) type_name: String,
    /// The type as a statement writes it.
    pub(super) type_sql: String,
    pub(super) is_primary: bool,
}

/// A published table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Published {
    pub(super) schema: String,
    pub(super) name: String,
    pub(super) oid: u32,
}

/// What somebody sees of the changed rows of a table.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    /// The columns that the role may read.
    pub(super) selectable: HashSet<String>,
    /// Which of the rows asked about are visible, by their places in the question; none if the policies failed.
    pub(super) rows: Option<HashSet<usize>>,
}

/// What somebody may do in a private topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Right {
    /// Hear what is sent there.
    Read,
    /// Send to it.
    Write,
}

/// A connection for questions, made when one is asked and again when it was lost.
#[derive(Debug)]
pub(super) struct Questions {
    config: Config,
    client: Option<Client>,
}

impl Questions {
    /// `config` is the role `authenticator`: it can become those that tokens are made for, and no other.
    pub(super) fn new(config: Config) -> Self {
        Self { config, client: None }
    }

    /// The connection.
    pub(super) async fn client(&mut self) -> Result<&mut Client> {
        let connected = match self.client.take().filter(|client| !client.is_closed()) {
            Some(client) => client,
            None => {
                let made = connect(&self.config).await?;
                made.batch_execute(&format!(
                    "set statement_timeout = {}",
                    STATEMENT_LIMIT.as_millis()
                ))
                .await
                .context("limit the questions of Realtime")?;
                made
            }
        };
        Ok(self.client.insert(connected))
    }

    /// Lets the connection go while nobody asks.
    pub(super) fn close(&mut self) {
        self.client = None;
    }

    /// What `claims` see of the rows of a table with these keys; each key has the values of the primary key's columns.
    pub(super) async fn look(
        &mut self,
        claims: &Claims,
        oid: u32,
        published: (&str, &str),
        table: &Table,
        keys: &[Vec<String>],
    ) -> Result<Seen> {
        let client = self.client().await?;
        let primary: Vec<&TableColumn> = table.columns.iter().filter(|column| column.is_primary).collect();
        let statement = plan_look(published, &primary);
        let values: Vec<Vec<&str>> = (0..primary.len())
            .map(|at| {
                keys.iter()
                    .map(|key| key.get(at).map_or("", String::as_str))
                    .collect()
            })
            .collect();
        let arguments: Vec<_> = values
            .iter()
            .map(|column| (column as &(dyn ToSql + Sync), Type::TEXT_ARRAY))
            .collect();
        let looking = async {
            if arguments.is_empty() || keys.is_empty() {
                return Ok(Vec::new());
            }
            client.query_typed(&statement, &arguments).await
        };
        // All at once: they arrive in this order, and it is one way there and back. Should the first fail, the others ask
        // as nobody.
        let (begun, spoke, selectable, seen, ended) = join5(
            client.batch_execute("begin"),
            client.execute_typed(
                SPEAK_FOR,
                &[
                    (&&*claims.role, Type::TEXT),
                    (&&*claims.text, Type::TEXT),
                    (&"", Type::TEXT),
                ],
            ),
            client.query_typed(LIST_SELECTABLE, &[(&oid, Type::OID)]),
            looking,
            client.batch_execute("rollback"),
        )
        .await;
        begun.context("begin to look")?;
        ended.context("end looking")?;
        spoke.context("speak for a role")?;
        let selectable = selectable.context("ask which columns can be read")?;
        let rows = match seen.context("ask which rows are visible") {
            Ok(rows) => Some(places(&rows)),
            // A policy that fails for somebody costs nobody else his changes.
            Err(error) if is_refusal(&error) => {
                tracing::debug!(error = %format_args!("{error:#}"), "a policy failed for a subscriber of Realtime");
                None
            }
            Err(error) => return Err(error),
        };
        Ok(Seen {
            selectable: selectable.iter().map(|row| row.get(0)).collect(),
            rows,
        })
    }

    /// Which of the values of a column pass a filter, by their places.
    pub(super) async fn filter(
        &mut self,
        filter: &Filter,
        type_sql: &str,
        values: &[Option<String>],
    ) -> Result<HashSet<usize>> {
        let client = self.client().await?;
        let statement = filter.statement(type_sql);
        let rows = match filter.operator {
            Operator::In => {
                client
                    .query_typed(
                        &statement,
                        &[(&filter.values, Type::TEXT_ARRAY), (&values, Type::TEXT_ARRAY)],
                    )
                    .await
            }
            _ => {
                client
                    .query_typed(
                        &statement,
                        &[(&filter.values[0], Type::TEXT), (&values, Type::TEXT_ARRAY)],
                    )
                    .await
            }
        };
        Ok(places(&rows.context("compare by a filter")?))
    }

    /// Whether the policies of `realtime.messages` give somebody a right to a private topic.
    pub(super) async fn may(&mut self, right: Right, claims: &Claims, topic: &str) -> Result<bool> {
        match right {
            Right::Read => self.may_read(claims, topic).await,
            Right::Write => self.may_write(claims, topic).await,
        }
    }

    async fn may_read(&mut self, claims: &Claims, topic: &str) -> Result<bool> {
        let client = self.client().await?;
        let transaction = client.transaction().await.context("begin to ask")?;
        speak_for(&transaction, &Claims::of_role("service_role"), topic).await?;
        transaction
            .execute_typed(TRY_MESSAGE, &[(&topic, Type::TEXT)])
            .await
            .context("write a message to ask about")?;
        speak_for(&transaction, claims, topic).await?;
        let answer = transaction
            .query_typed_one(READ_MESSAGE, &[(&topic, Type::TEXT)])
            .await;
        let may = match answer {
            Ok(row) => row.get(0),
            Err(error) => refused(error)?,
        };
        transaction.rollback().await.context("end asking")?;
        Ok(may)
    }

    async fn may_write(&mut self, claims: &Claims, topic: &str) -> Result<bool> {
        let client = self.client().await?;
        let transaction = client.transaction().await.context("begin to ask")?;
        speak_for(&transaction, claims, topic).await?;
        let answer = transaction
            .execute_typed(TRY_MESSAGE, &[(&topic, Type::TEXT)])
            .await;
        let may = match answer {
            Ok(_) => true,
            Err(error) => refused(error)?,
        };
        transaction.rollback().await.context("end asking")?;
        Ok(may)
    }

    /// The published tables that a subscription means.
    pub(super) async fn find_tables(&mut self, schema: &str, table: &str) -> Result<Vec<Published>> {
        let rows = self
            .client()
            .await?
            .query_typed(FIND_TABLES, &[(&schema, Type::TEXT), (&table, Type::TEXT)])
            .await
            .context("find the published tables")?;
        Ok(rows
            .iter()
            .map(|row| Published {
                schema: row.get(0),
                name: row.get(1),
                oid: row.get(2),
            })
            .collect())
    }

    /// The columns that somebody may read.
    pub(super) async fn selectable(&mut self, claims: &Claims, oid: u32) -> Result<HashSet<String>> {
        let client = self.client().await?;
        let transaction = client.transaction().await.context("begin to ask")?;
        speak_for(&transaction, claims, "").await?;
        let rows = transaction
            .query_typed(LIST_SELECTABLE, &[(&oid, Type::OID)])
            .await
            .context("ask which columns can be read")?;
        transaction.rollback().await.context("end asking")?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }
}

/// What the catalog says of a table; none if there is no such table any more.
pub(super) async fn describe(client: &Client, oid: u32) -> Result<Option<Table>> {
    let rows = client
        .query_typed(DESCRIBE_TABLE, &[(&oid, Type::OID)])
        .await
        .context("describe a table")?;
    let is_guarded = rows.first().is_some_and(|row| row.get("is_guarded"));
    let columns: Vec<TableColumn> = rows
        .iter()
        .map(|row| TableColumn {
            name: row.get("name"),
            type_name: row.get("type_name"),
            type_sql: row.get("type_sql"),
            is_primary: row.get("is_primary"),
        })
        .collect();
    Ok((!columns.is_empty()).then_some(Table { columns, is_guarded }))
}

/// The places that a statement counted from one.
fn places(rows: &[Row]) -> HashSet<usize> {
    rows.iter()
        .filter_map(|row| usize::try_from(row.get::<_, i64>(0) - 1).ok())
        .collect()
}

async fn speak_for(transaction: &Transaction<'_>, claims: &Claims, topic: &str) -> Result<()> {
    transaction
        .execute_typed(
            SPEAK_FOR,
            &[
                (&&*claims.role, Type::TEXT),
                (&&*claims.text, Type::TEXT),
                (&topic, Type::TEXT),
            ],
        )
        .await
        .context("speak for a role")?;
    Ok(())
}

/// Classes of errors that say nothing of what was asked: lost connections and refused log-ins, a database that is
/// away, transactions rolled back, too little memory or too few connections, locks, interventions, faults of the system.
const FAULTS: [&str; 9] = ["08", "28", "3D", "40", "53", "55", "57", "58", "XX"];

/// Whether the database thought about it and said no: a policy or a cast that fails. After anything else it is not known
/// what the answer would have been.
pub(super) fn is_refusal(error: &anyhow::Error) -> bool {
    sql_state(error).is_some_and(|code| !is_fault(code.code()))
}

/// Whether a filter is to blame for its failure: it cannot be applied, or not within the time there is.
pub(super) fn is_wrong_filter(error: &anyhow::Error) -> bool {
    is_refusal(error) || sql_state(error) == Some(&SqlState::QUERY_CANCELED)
}

fn sql_state(error: &anyhow::Error) -> Option<&SqlState> {
    error.downcast_ref::<tokio_postgres::Error>()?.code()
}

fn is_fault(code: &str) -> bool {
    FAULTS.iter().any(|class| code.starts_with(class))
}

/// A refusal is an answer; all else is an error.
fn refused(error: tokio_postgres::Error) -> Result<bool> {
    match error.code() {
        Some(&SqlState::INSUFFICIENT_PRIVILEGE) => Ok(false),
        _ => Err(error).context("ask the policies of realtime.messages"),
    }
}

/// One statement for all rows of a table: the keys come as an array for each column.
fn plan_look((schema, name): (&str, &str), primary: &[&TableColumn]) -> String {
    let arrays: Vec<String> = (1..=primary.len()).map(|at| format!("${at}::text[]")).collect();
    let names: Vec<String> = (1..=primary.len()).map(|at| format!("key{at}")).collect();
    let same: Vec<String> = primary
        .iter()
        .zip(&names)
        .map(|(column, key)| format!("t.{} = asked.{key}::{}", quoted(&column.name), column.type_sql))
        .collect();
    let asked = format!(
        "unnest({}) with ordinality as asked ({}, ordinal)",
        arrays.join(", "),
        names.join(", ")
    );
    let table = format!("{}.{}", quoted(schema), quoted(name));
    format!(
        "select ordinal from {asked} where exists (select from {table} t where {})",
        same.join(" and ")
    )
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_in_need_has_not_said_no() {
        for state in [
            SqlState::TOO_MANY_CONNECTIONS,
            SqlState::OUT_OF_MEMORY,
            SqlState::T_R_DEADLOCK_DETECTED,
            SqlState::ADMIN_SHUTDOWN,
            SqlState::QUERY_CANCELED,
            SqlState::INTERNAL_ERROR,
        ] {
            assert!(is_fault(state.code()), "{state:?}");
        }
        for state in [
            SqlState::RAISE_EXCEPTION,
            SqlState::INSUFFICIENT_PRIVILEGE,
            SqlState::INVALID_TEXT_REPRESENTATION,
        ] {
            assert!(!is_fault(state.code()), "{state:?}");
        }
    }
}
