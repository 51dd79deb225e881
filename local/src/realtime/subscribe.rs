//! Looks at the subscriptions of a channel when the log is read, and tells the client that they are good, or why not.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use axum::extract::ws::Message;
use serde_json::{Value, json};

use super::access::{Questions, describe, is_wrong_filter};
use super::channel::SharedChannel;
use super::filter::{Filter, Operator};
use super::frame;
use super::hub::{Hub, Log, until};
use super::join::{Join, Wanted};

/// A database that did not answer is asked again after this time, as Realtime does at the earliest.
const ASK_AGAIN: Duration = Duration::from_secs(5);

/// Whether the subscriptions are good, or what is wrong with them.
type Verdict = Result<(), String>;

/// Answers a join and sets its subscriptions up: the answer comes first, unless the client wants to wait.
pub(super) fn begin(
    hub: &Arc<Hub>,
    channel: SharedChannel,
    join: &Join,
    reference: Option<String>,
    answer: Message,
) {
    let presence = join.wants_presence;
    let wait = join.wait_ms.filter(|_| !join.changes.is_empty());
    let (subscribes, wants_ready) = (!join.changes.is_empty(), join.wants_ready);
    if wait.is_none() {
        channel.outbox.put(answer.clone());
        if presence {
            channel.push("presence_state", "{}");
        }
        if !subscribes && !wants_ready {
            return;
        }
    }
    let hub = Arc::clone(hub);
    tokio::spawn(async move {
        let work = async {
            let set_up = set_up(&hub, &channel, subscribes);
            let Some(limit_ms) = wait else {
                let verdict = set_up.await;
                if wants_ready {
                    channel.push_system("system", "ok", "Replication connection established");
                }
                return tell(&channel, subscribes, verdict);
            };
            let reason = match tokio::time::timeout(Duration::from_millis(limit_ms), set_up).await {
                Ok(Ok(())) => {
                    channel.outbox.put(answer);
                    if presence {
                        channel.push("presence_state", "{}");
                    }
                    return tell(&channel, subscribes, Ok(()));
                }
                Ok(Err(reason)) => format!("RealtimeDisabledForConfiguration: {reason}"),
                Err(_) => format!(
                    "PostgresChangesSubscribeTimeout: Timed out after {limit_ms}ms waiting for the postgres_changes subscription"
                ),
            };
            hub.leave(channel.id);
            refuse(&channel, reference.as_deref(), &reason);
        };
        tokio::select! {
            () = channel.gone.cancelled() => {}
            () = work => {}
        }
    });
}

/// Looks at the subscriptions again, for another token.
pub(super) fn again(hub: &Arc<Hub>, channel: &SharedChannel) {
    let (hub, channel) = (Arc::clone(hub), Arc::clone(channel));
    tokio::spawn(async move {
        tokio::select! {
            () = channel.gone.cancelled() => {}
            verdict = set_up(&hub, &channel, true) => tell(&channel, true, verdict),
        }
    });
}

fn refuse(channel: &SharedChannel, reference: Option<&str>, reason: &str) {
    let payload: Value = json!({ "status": "error", "response": { "reason": reason } });
    let answer = frame::write(
        channel.vsn,
        channel.join_ref.as_deref(),
        reference,
        &channel.topic,
        "phx_reply",
        &payload.to_string(),
    );
    channel.outbox.put(answer);
}

fn tell(channel: &SharedChannel, subscribes: bool, verdict: Verdict) {
    match verdict {
        Ok(()) if subscribes => channel.push_system("postgres_changes", "ok", "Subscribed to PostgreSQL"),
        Ok(()) => {}
        Err(reason) => channel.push_system("postgres_changes", "error", &reason),
    }
}

/// Waits until the log is read, and finds out whether the subscriptions are good.
async fn set_up(hub: &Hub, channel: &SharedChannel, subscribes: bool) -> Verdict {
    let mut log = hub.log.subscribe();
    loop {
        until(&mut log, |&log| log == Log::Read).await;
        if !subscribes {
            return Ok(());
        }
        if let Some(wrong) = &channel.wrong {
            return Err(wrong.clone());
        }
        let checked = check(&mut *hub.questions.lock().await, channel).await;
        match checked {
            Ok(verdict) => {
                channel.set(|state| state.is_subscribed = verdict.is_ok());
                return verdict;
            }
            Err(error) => {
                tracing::debug!(error = %format_args!("{error:#}"), "failed to look at a subscription; it is tried again");
                tokio::time::sleep(ASK_AGAIN).await;
            }
        }
    }
}

async fn check(questions: &mut Questions, channel: &SharedChannel) -> Result<Verdict> {
    let claims = channel.state().claims;
    for subscription in &channel.subscriptions {
        let wanted = &subscription.wanted;
        let tables = questions.find_tables(&wanted.schema, &wanted.table).await?;
        if tables.is_empty() {
            return Ok(Err(not_published(wanted)));
        }
        if wanted.filters.is_empty() && wanted.select.is_none() {
            continue;
        }
        for table in tables {
            let selectable = questions.selectable(&claims, table.oid).await?;
            let Some(described) = describe(questions.client().await?, table.oid).await? else {
                continue;
            };
            for filter in &wanted.filters {
                let column = described
                    .columns
                    .iter()
                    .find(|column| column.name == filter.column);
                let Some(column) = column.filter(|column| selectable.contains(&column.name)) else {
                    return Ok(Err(unable(
                        wanted,
                        &format!("invalid column for filter {}", filter.column),
                    )));
                };
                if !is_comparable(questions, filter, &column.type_sql).await? {
                    let wrong = format!(
                        "the column {} of type {} cannot be compared so",
                        column.name, column.type_name
                    );
                    return Ok(Err(unable(wanted, &wrong)));
                }
            }
            let missing = wanted
                .select
                .iter()
                .flatten()
                .find(|name| !selectable.contains(*name));
            if let Some(name) = missing {
                return Ok(Err(unable(wanted, &format!("invalid column for select {name}"))));
            }
        }
    }
    Ok(Ok(()))
}

/// Tries a filter on its own value, as it will be applied to rows.
async fn is_comparable(questions: &mut Questions, filter: &Filter, type_sql: &str) -> Result<bool> {
    let value = filter.values.first().filter(|_| filter.operator != Operator::Is);
    let tried = questions.filter(filter, type_sql, &[value.cloned()]).await;
    match tried {
        Ok(_) => Ok(true),
        Err(error) if is_wrong_filter(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

fn not_published(wanted: &Wanted) -> String {
    unable(
        wanted,
        "Please check Realtime is enabled for the given connect parameters",
    )
}

fn unable(wanted: &Wanted, what: &str) -> String {
    format!(
        "Unable to subscribe to changes with given parameters. {what}: [event: {}, schema: {}, table: {}]",
        wanted.events.word(),
        wanted.schema,
        wanted.table
    )
}
