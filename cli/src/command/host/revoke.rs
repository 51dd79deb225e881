//! `creel host revoke`.

use anyhow::Context;
use serde_json::json;
use tokio_postgres::Client;
use uuid::Uuid;

use crate::error::{CliError, ErrorKind};
use crate::output::Output;

/// Ends every login and key of a host.
pub(super) async fn run(client: &Client, id: Uuid, out: Output) -> anyhow::Result<()> {
    let known = client
        .query_opt("select name from public.hosts where id = $1", &[&id])
        .await
        .context("find the host")?;
    let Some(row) = known else {
        return Err(
            CliError::new(ErrorKind::NotFound, format!("there is no host {id}"))
                .hint("creel host list shows them")
                .into(),
        );
    };
    client
        .execute("select creel.revoke_host($1)", &[&id])
        .await
        .context("revoke the host")?;
    let name: String = row.get(0);
    out.value(&json!({ "ok": true, "host_id": id, "name": name }));
    out.line(format!("The login of {name} ({id}) has ended."));
    Ok(())
}
