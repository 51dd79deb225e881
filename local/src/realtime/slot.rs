//! Reads the log by a temporary slot, for as long as anybody has joined a channel, and never otherwise.
//!
//! A temporary slot ends with its session: what a crash leaves behind would keep the log, and fill the disk.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Config};

use super::access::{Questions, describe};
use super::change::{Change, Source};
use super::changes::deliver;
use super::frame::{Body, Broadcast};
use super::hub::{Hub, Log, until};
use super::join::Events;
use super::pgoutput::{self, Cell, Event, Relation, Row};
use crate::postgres::connect;

const FIND_PUBLICATIONS: &str = include_str!("../../../sql/queries/realtime_find_publications.sql");
const CREATE_SLOT: &str = include_str!("../../../sql/queries/realtime_create_slot.sql");
const READ_SLOT: &str = include_str!("../../../sql/queries/realtime_read_slot.sql");
const FORGET_MESSAGES: &str = include_str!("../../../sql/queries/realtime_forget_messages.sql");

/// As many messages of the log are read at once, or the transaction to its end that is begun.
const MAX_READ: i32 = 2_000;

/// How often the log is looked at; Realtime's own pause is 100 ms.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Each read begins where the oldest open transaction was some seconds ago, and so costs more the more is written:
/// after one that took long there is as long a rest, up to this.
const LONGEST_REST: Duration = Duration::from_millis(300);

/// After the last channel was left: a page that is loaded again finds the slot still there.
const LINGER: Duration = Duration::from_secs(5);

/// After an error, growing to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// A statement on the slot takes milliseconds; its making waits for the transactions that are open.
const STATEMENT_LIMIT: Duration = Duration::from_secs(60);

/// Rows of `realtime.messages` are kept for three days on Supabase. Looked at this often while the log is read.
const FORGET_EVERY: Duration = Duration::from_secs(3_600);

/// What channels are told when the log is lost.
const LOST: &str = "The connection to the database was lost; what changed meanwhile is not known. Join again";

/// Reads while it is wanted, until it is stopped. `config` is the role `postgres`, `questions` `authenticator`.
pub(super) async fn run(hub: Arc<Hub>, config: Config, questions: Config) {
    let stop = hub.stop.clone();
    tokio::select! {
        () = stop.cancelled() => {}
        () = read_while_wanted(&hub, config, questions) => {}
    }
    hub.log.send_replace(Log::Away);
}

async fn read_while_wanted(hub: &Hub, config: Config, questions: Config) {
    let mut joined = hub.joined();
    let mut questions = Questions::new(questions);
    let mut pause = FIRST_PAUSE;
    loop {
        until(&mut joined, |&count| count > 0).await;
        match read(hub, &config, &mut questions, &mut pause).await {
            Ok(()) => {
                lose(hub);
                questions.close();
                hub.questions.lock().await.close();
            }
            Err(error) => {
                tracing::warn!(error = %format_args!("{error:#}"), "failed to read the log for Realtime; it is tried again");
                lose(hub);
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
}

/// Says that the log is read no more. Who was told that it is has to join again, also one who came at the last moment.
fn lose(hub: &Hub) {
    if hub.log.send_replace(Log::Away) == Log::Read {
        hub.end(LOST, |_| true);
    }
}

/// Reads until nobody wants it.
async fn read(hub: &Hub, config: &Config, questions: &mut Questions, pause: &mut Duration) -> Result<()> {
    let client = connect(config).await?;
    // Values are told as the session prints them.
    let form = format!(
        "set statement_timeout = {}; set timezone = 'UTC'; set datestyle = 'ISO'; set extra_float_digits = 1",
        STATEMENT_LIMIT.as_millis()
    );
    client.batch_execute(&form).await.context("set the session up")?;
    let publications: String = client
        .query_typed_one(FIND_PUBLICATIONS, &[])
        .await
        .context("find the publications")?
        .get(0);
    let slot = format!("realtime_{}", hex::encode(rand::random::<[u8; 8]>()));
    client
        .query_typed(CREATE_SLOT, &[(&slot, Type::TEXT)])
        .await
        .context("make a temporary slot")?;
    hub.log.send_replace(Log::Read);
    *pause = FIRST_PAUSE;
    let mut reader = Reader {
        client,
        slot,
        publications,
        seen: String::new(),
        sources: HashMap::new(),
    };
    let mut joined = hub.joined();
    let mut forget_at = tokio::time::Instant::now();
    loop {
        if *joined.borrow_and_update() == 0 {
            let again = tokio::time::timeout(LINGER, until(&mut joined, |&count| count > 0)).await;
            if again.is_err() {
                return Ok(());
            }
        }
        if tokio::time::Instant::now() >= forget_at {
            forget_at += FORGET_EVERY;
            reader
                .client
                .execute_typed(FORGET_MESSAGES, &[])
                .await
                .context("forget old messages")?;
        }
        let began = tokio::time::Instant::now();
        reader.read_once(hub, questions).await?;
        tokio::time::sleep(began.elapsed().clamp(LOOK_EVERY, LONGEST_REST)).await;
    }
}

/// The slot, and what was told of the tables.
struct Reader {
    client: Client,
    slot: String,
    publications: String,
    /// How far the log went when it was last read.
    seen: String,
    sources: HashMap<u32, Option<Arc<Source>>>,
}

impl Reader {
    /// Reads what is new in the log, and tells it.
    async fn read_once(&mut self, hub: &Hub, questions: &mut Questions) -> Result<()> {
        // Where the log ends costs next to nothing to ask, and reading it a little.
        let end: String = self
            .client
            .query_typed_one("select pg_current_wal_flush_lsn()::text", &[])
            .await
            .context("ask where the log ends")?
            .get(0);
        if end == self.seen {
            return Ok(());
        }
        let rows = self
            .client
            .query_typed(
                READ_SLOT,
                &[
                    (&self.slot, Type::TEXT),
                    (&self.publications, Type::TEXT),
                    (&MAX_READ, Type::INT4),
                ],
            )
            .await
            .context("read the slot")?;
        let is_all = i32::try_from(rows.len()).is_ok_and(|count| count < MAX_READ);
        if is_all {
            self.seen = end;
        }
        let mut changes = Vec::new();
        let mut committed: Arc<str> = "".into();
        for row in &rows {
            let (oid, events, new, old) = match pgoutput::read(row.get(0))? {
                Event::Begin(at_us) => {
                    committed = timestamp(at_us).into();
                    continue;
                }
                Event::Relation(relation) => {
                    self.learn(relation).await?;
                    continue;
                }
                Event::Insert { oid, new } => (oid, Events::Insert, Some(new), None),
                Event::Update { oid, old, new } => (oid, Events::Update, Some(new), old),
                Event::Delete { oid, old } => (oid, Events::Delete, None, Some(old)),
                Event::Other => continue,
            };
            let Some(Some(source)) = self.sources.get(&oid) else {
                continue;
            };
            if source.relation.schema == "realtime" {
                if let Some(new) = new {
                    send_message(hub, &source.relation, &new);
                }
                continue;
            }
            changes.push(Change {
                source: Arc::clone(source),
                events,
                new,
                old,
                committed: Arc::clone(&committed),
            });
        }
        if changes.is_empty() {
            return Ok(());
        }
        deliver(hub, questions, &changes).await
    }

    /// A table is told before its first change, and again when it was altered.
    async fn learn(&mut self, relation: Relation) -> Result<()> {
        let (oid, table) = (relation.oid, describe(&self.client, relation.oid).await?);
        // A table that was dropped meanwhile has nobody who may read it.
        let source = table.map(|table| Arc::new(Source { relation, table }));
        self.sources.insert(oid, source);
        Ok(())
    }
}

/// A row of `realtime.messages` is a broadcast from the database.
fn send_message(hub: &Hub, relation: &Relation, row: &Row) {
    let text = |name: &str| {
        let at = relation.columns.iter().position(|column| column.name == name)?;
        match row.get(at)? {
            Cell::Text(text) => Some(&**text),
            Cell::Null | Cell::Unchanged => None,
        }
    };
    if text("extension") != Some("broadcast") {
        return;
    }
    let (Some(topic), Some(event)) = (text("topic"), text("event")) else {
        return;
    };
    let payload = text("payload").and_then(|text| serde_json::from_str(text).ok());
    let broadcast = Broadcast {
        event: event.to_owned(),
        body: Body::Json(payload.unwrap_or(Value::Null)),
        meta: text("id").map(|id| json!({ "id": id })),
    };
    hub.broadcast(topic, text("private") == Some("t"), &broadcast, None);
}

/// As Realtime prints a commit's time: in UTC, with milliseconds.
fn timestamp(at_us: i64) -> String {
    let at = jiff::Timestamp::from_microsecond(at_us).unwrap_or_default();
    at.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}
