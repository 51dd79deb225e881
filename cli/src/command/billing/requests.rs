//! `creel billing requests`.

use anyhow::Context;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::command::project::text;
use crate::command::request::age;
use crate::database::DatabaseArgs;
use crate::error::{CliError, ErrorKind};
use crate::output::Output;

/// What `creel billing requests` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct RequestsArgs {
    /// Have the one with this id, which failed, tried again.
    #[arg(long, value_name = "ID")]
    retry: Option<Uuid>,

    #[command(flatten)]
    database: DatabaseArgs,
}

/// Lists what is to be done, or has one tried again.
pub(super) async fn run(args: RequestsArgs, out: Output) -> anyhow::Result<()> {
    let client = args.database.connect().await?;
    if let Some(id) = args.retry {
        let row = client
            .query_one("select creel.retry_stripe_request($1)", &[&id])
            .await
            .context("have it tried again")?;
        if !row.get::<_, bool>(0) {
            return Err(CliError::new(ErrorKind::NotFound, format!("no request {id} failed"))
                .hint("creel billing requests shows them; where another one is under way, that takes its place")
                .into());
        }
        out.value(&json!({ "ok": true, "id": id }));
        out.line(format!("{id} is tried again within a minute."));
        return Ok(());
    }
    let sql = include_str!("../../../../sql/queries/list_stripe_requests.sql");
    let rows = client.query(sql, &[]).await.context("list the requests")?;
    let requests: Vec<Value> = rows.iter().map(|row| row.get(0)).collect();
    let cells = requests
        .iter()
        .map(|request| {
            vec![
                text(request, "kind"),
                text(request, "transfer"),
                format!("{} {}", request["amount_minor"], text(request, "currency")),
                text(request, "status"),
                age(&request["created_at"]),
                request["attempts"].to_string(),
                text(request, "error"),
                text(request, "id"),
            ]
        })
        .collect();
    let headers = [
        "WHAT", "TRANSFER", "UP TO", "STATUS", "SINCE", "TRIED", "ERROR", "ID",
    ];
    let empty = "Stripe has done everything that it was asked.";
    out.rows("requests", &json!(requests), &headers, cells, empty);
    Ok(())
}
