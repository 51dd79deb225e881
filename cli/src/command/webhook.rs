//! `creel project webhook`.

use std::time::{Duration, Instant};

use creel_core::status::{NotificationKind, NotificationStatus};
use serde_json::{Value, json};
use uuid::Uuid;

use super::project::{self, text};
use super::request::age;
use crate::data_api::DataApi;
use crate::error::{CliError, ErrorKind};
use crate::output::{Output, printable};

/// Whoever delivers looks every minute at least; then it takes up to ten seconds.
const TEST_LIMIT: Duration = Duration::from_secs(75);

/// How often the row of a test is read.
const TEST_POLL: Duration = Duration::from_secs(1);

/// How many deliveries are shown.
const SHOWN: usize = 50;

/// What can be done with webhooks.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum WebhookCommand {
    /// Have an address told what goes wrong. Prints the secret that deliveries are signed with; it is shown this once.
    Add {
        /// Its URL: https://….
        url: String,
        /// What it is told: agent.down, limit.exceeded, host.offline, host.online; may be given more than once [default:
        /// all].
        #[arg(long = "event", value_name = "EVENT", value_parser = parse_event)]
        events: Vec<NotificationKind>,
    },
    /// List them.
    List,
    /// Send something harmless, and wait for what becomes of it.
    Test {
        /// Id of the webhook.
        id: Uuid,
    },
    /// Make another secret. The one before is good for another day.
    Rotate {
        /// Id of the webhook.
        id: Uuid,
        /// End the one before at once: somebody has it who should not.
        #[arg(long)]
        at_once: bool,
    },
    /// Have a disabled one told again.
    Enable {
        /// Id of the webhook.
        id: Uuid,
    },
    /// Tell it nothing until it is enabled.
    Disable {
        /// Id of the webhook.
        id: Uuid,
    },
    /// Remove it, with what it was not told yet.
    Remove {
        /// Id of the webhook.
        id: Uuid,
    },
    /// List what was told lately, and what became of it.
    Deliveries {
        /// Only those that failed.
        #[arg(long)]
        failed: bool,
    },
    /// Try a failed delivery again.
    Redrive {
        /// Id of the delivery.
        id: Uuid,
    },
}

fn parse_event(text: &str) -> Result<NotificationKind, String> {
    NotificationKind::events()
        .find(|event| event.as_str() == text)
        .ok_or_else(|| "an event is agent.down, limit.exceeded, host.offline or host.online".to_owned())
}

/// Runs the command.
pub(super) async fn run(
    api: &DataApi,
    project: &str,
    command: WebhookCommand,
    out: Output,
) -> anyhow::Result<()> {
    match command {
        WebhookCommand::Add { url, events } => add(api, project, &url, &events, out).await?,
        WebhookCommand::List => list(api, project, out).await?,
        WebhookCommand::Test { id } => test(api, id, out).await?,
        WebhookCommand::Rotate { id, at_once } => {
            let wish = json!({ "webhook_id": id, "at_once": at_once });
            let made = api.call("rotate_webhook_secret", &wish).await?;
            show_secret(&made, out);
            if !at_once {
                out.line("For a day, deliveries are signed with the one before, too.");
            }
        }
        WebhookCommand::Enable { id } => enable(api, id, true, out).await?,
        WebhookCommand::Disable { id } => enable(api, id, false, out).await?,
        WebhookCommand::Remove { id } => {
            api.call("delete_webhook", &json!({ "webhook_id": id })).await?;
            out.value(&json!({ "ok": true, "id": id }));
            out.line(format!("Webhook {id} is removed."));
        }
        WebhookCommand::Deliveries { failed } => deliveries(api, project, failed, out).await?,
        WebhookCommand::Redrive { id } => {
            api.call("redrive_notification", &json!({ "notification_id": id }))
                .await?;
            out.value(&json!({ "ok": true, "id": id }));
            out.line(format!("Delivery {id} is tried again."));
        }
    }
    Ok(())
}

async fn add(
    api: &DataApi,
    project: &str,
    url: &str,
    events: &[NotificationKind],
    out: Output,
) -> Result<(), CliError> {
    let events = (!events.is_empty()).then_some(events);
    let wish = json!({ "project_id": project, "url": url, "events": events });
    let made = api.call("create_webhook", &wish).await?;
    show_secret(&made, out);
    out.line(format!(
        "Try it: creel project webhook test {}",
        printable(&text(&made, "id"))
    ));
    Ok(())
}

fn show_secret(made: &Value, out: Output) {
    out.value(&json!({ "ok": true, "id": made["id"], "secret": made["secret"] }));
    out.line(format!("Webhook {}", printable(&text(made, "id"))));
    out.line(format!(
        "Secret, shown this once: {}",
        printable(&text(made, "secret"))
    ));
}

async fn list(api: &DataApi, project: &str, out: Output) -> Result<(), CliError> {
    let columns = "id,url,events,enabled,disabled_reason,created_at";
    let request = api.from("webhooks").select(columns).eq("project_id", project);
    let rows = api.rows(request.order("created_at,id")).await?;
    if rows.is_empty() {
        project::require(api, project).await?;
    }
    let cells = rows
        .iter()
        .map(|row| {
            let events = row["events"].as_array().into_iter().flatten();
            let events: Vec<_> = events.filter_map(Value::as_str).collect();
            let state = match (row["enabled"] == json!(true), text(row, "disabled_reason")) {
                (true, _) => "enabled".to_owned(),
                (false, why) if why.is_empty() => "disabled".to_owned(),
                (false, why) => format!("disabled: {why}"),
            };
            vec![text(row, "id"), text(row, "url"), events.join(", "), state]
        })
        .collect();
    let empty = "The project has no webhook. Make one: creel project webhook add <url>";
    let headers = ["WEBHOOK", "URL", "EVENTS", "STATE"];
    out.rows("webhooks", &json!(rows), &headers, cells, empty);
    Ok(())
}

async fn test(api: &DataApi, id: Uuid, out: Output) -> Result<(), CliError> {
    let made = api.call("test_webhook", &json!({ "webhook_id": id })).await?;
    let delivery = text(&made, "notification_id");
    let end = Instant::now() + TEST_LIMIT;
    loop {
        let request = api
            .from("notifications")
            .select("status,attempts,last_error")
            .eq("id", &delivery);
        let rows = api.rows(request).await?;
        let row = rows.first().cloned().unwrap_or_default();
        let error = text(&row, "last_error");
        if row["status"] == json!(NotificationStatus::Delivered) {
            out.value(&json!({ "ok": true, "notification_id": delivery }));
            out.line("It arrived.");
            return Ok(());
        }
        if !error.is_empty() {
            return Err(CliError::new(
                ErrorKind::Request,
                format!("it did not arrive: {}", printable(&error)),
            )
            .hint("it is tried again a few times; creel project webhook deliveries shows it"));
        }
        if Instant::now() >= end {
            let hint = "is the function notifications run every minute? docs/operations.md says how";
            return Err(CliError::new(ErrorKind::Timeout, "nobody has delivered it yet").hint(hint));
        }
        tokio::time::sleep(TEST_POLL).await;
    }
}

async fn enable(api: &DataApi, id: Uuid, enabled: bool, out: Output) -> Result<(), CliError> {
    let change = json!({ "enabled": enabled }).to_string();
    let changed = api
        .rows(api.from("webhooks").eq("id", id.to_string()).update(change))
        .await?;
    if changed.is_empty() {
        return Err(CliError::new(
            ErrorKind::NotFound,
            format!("there is no webhook {id}, or you may not change it"),
        )
        .hint("creel project webhook list shows them"));
    }
    out.value(&json!({ "ok": true, "id": id, "enabled": enabled }));
    out.line(format!(
        "Webhook {id} is {}.",
        if enabled { "enabled" } else { "disabled" }
    ));
    Ok(())
}

async fn deliveries(api: &DataApi, project: &str, failed: bool, out: Output) -> Result<(), CliError> {
    let columns = "id,webhook_id,kind,status,attempts,last_error,held_back,payload,created_at,delivered_at";
    let mut request = api
        .from("notifications")
        .select(columns)
        .eq("project_id", project)
        .order("created_at.desc,id")
        .limit(SHOWN);
    if failed {
        request = request.eq("status", NotificationStatus::Failed.as_str());
    }
    let rows = api.rows(request).await?;
    if rows.is_empty() {
        project::require(api, project).await?;
    }
    let cells = rows
        .iter()
        .map(|row| {
            vec![
                text(row, "id"),
                text(row, "kind"),
                text(row, "status"),
                age(&row["created_at"]),
                text(&row["payload"], "summary"),
                text(row, "last_error"),
            ]
        })
        .collect();
    let headers = ["DELIVERY", "EVENT", "STATUS", "AGE", "SUMMARY", "ERROR"];
    out.rows(
        "deliveries",
        &json!(rows),
        &headers,
        cells,
        "Nothing was told lately.",
    );
    Ok(())
}
