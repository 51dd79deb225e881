//! `creel host codes`.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::command::project::text;
use crate::command::request::age;
use crate::connection::ConnectionArgs;
use crate::data_api::DataApi;
use crate::output::Output;

/// What `creel host codes` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct CodesArgs {
    /// End this code in place of listing them; its id is what the list shows.
    #[arg(long, value_name = "ID")]
    revoke: Option<Uuid>,

    #[command(flatten)]
    connection: ConnectionArgs,
}

/// Lists the codes that are good and that nobody has used, or ends one.
pub(super) async fn run(args: CodesArgs, out: Output) -> anyhow::Result<()> {
    let api = DataApi::open(&args.connection).await?;
    match args.revoke {
        Some(id) => revoke(&api, id, out).await,
        None => list(&api, out).await,
    }
}

async fn revoke(api: &DataApi, id: Uuid, out: Output) -> anyhow::Result<()> {
    api.call("revoke_enrolment_code", &json!({ "id": id })).await?;
    out.value(&json!({ "ok": true, "id": id, "revoked": true }));
    out.line(format!("The code {id} opens nothing any more."));
    Ok(())
}

async fn list(api: &DataApi, out: Output) -> anyhow::Result<()> {
    let reply = api.call("list_enrolment_codes", &json!({})).await?;
    let codes = reply["codes"].as_array().map_or(&[][..], Vec::as_slice);
    let cells = codes
        .iter()
        .map(|code| {
            let projects = code["project_ids"].as_array().into_iter().flatten();
            let projects: Vec<_> = projects.filter_map(Value::as_str).collect();
            vec![
                text(code, "name"),
                if code["host_id"].is_null() {
                    "a new host".to_owned()
                } else {
                    "another key".to_owned()
                },
                age(&code["created_at"]),
                text(code, "expires_at"),
                projects.join(", "),
                text(code, "id"),
            ]
        })
        .collect();
    let headers = ["HOST", "FOR", "MADE", "ENDS", "PROJECTS", "ID"];
    out.rows(
        "codes",
        &reply["codes"],
        &headers,
        cells,
        "No code waits to be used. Make one: creel host code",
    );
    Ok(())
}
