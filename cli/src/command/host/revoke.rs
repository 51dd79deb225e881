//! `creel host revoke`.

use anyhow::Context;
use serde_json::json;
use tokio_postgres::Client;
use uuid::Uuid;

use super::find;
use crate::connection::ConnectionArgs;
use crate::data_api::DataApi;
use crate::database::DatabaseArgs;
use crate::error::{CliError, ErrorKind};
use crate::output::{Output, printable};

/// What `creel host revoke` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct RevokeArgs {
    /// Its id; as its owner, also its name where that is unique.
    host: String,

    /// As the signed-in owner of the host, also where a database is known.
    #[arg(long)]
    as_owner: bool,

    #[command(flatten)]
    database: DatabaseArgs,

    #[command(flatten)]
    connection: ConnectionArgs,
}

/// Ends every login and key of a host: by a connection of the database's owner where one is known, else as the
/// host's owner.
pub(super) async fn run(args: RevokeArgs, out: Output) -> anyhow::Result<()> {
    let by_database = !args.as_owner && args.database.url()?.is_some();
    let (id, name) = match args.host.parse::<Uuid>() {
        Ok(id) if by_database => (id, revoke(&args.database.connect().await?, id).await?),
        _ => revoke_as_owner(&args).await?,
    };
    out.value(&json!({ "ok": true, "host_id": id, "name": name }));
    out.line(format!(
        "Every login and key of {} ({id}) has ended.",
        printable(&name)
    ));
    Ok(())
}

async fn revoke_as_owner(args: &RevokeArgs) -> anyhow::Result<(Uuid, String)> {
    let api = DataApi::open(&args.connection).await?;
    let (id, name) = find(&api, &args.host).await?;
    api.call("revoke_host_access", &json!({ "host_id": id })).await?;
    Ok((id, name))
}

async fn revoke(client: &Client, id: Uuid) -> anyhow::Result<String> {
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
    Ok(row.get(0))
}
