//! `creel host drain`, `resume` and `retire`.

use creel_core::status::HostStatus;
use serde_json::json;

use super::{HostArgs, find};
use crate::command::project::text;
use crate::data_api::DataApi;
use crate::error::{CliError, ErrorKind};
use crate::output::{Output, printable};

/// Writes the status of a host that one owns.
pub(super) async fn run(args: &HostArgs, status: HostStatus, out: Output) -> anyhow::Result<()> {
    let api = DataApi::open(&args.connection).await?;
    let (id, name) = find(&api, &args.host).await?;
    let before = api
        .rows(api.from("hosts").select("status").eq("id", id.to_string()))
        .await?;
    let before = before
        .first()
        .map(|host| text(host, "status"))
        .unwrap_or_default();
    if status == HostStatus::Online && before != HostStatus::Draining.as_str() {
        return Err(CliError::new(
            ErrorKind::Failed,
            format!("host {} is {before}, not draining", printable(&name)),
        )
        .hint("only a host that is draining can be resumed; a retired one is enrolled anew")
        .into());
    }
    let body = json!({ "status": status.as_str() }).to_string();
    let written = api
        .rows(api.from("hosts").update(body).eq("id", id.to_string()))
        .await?;
    if written.is_empty() {
        return Err(
            CliError::new(ErrorKind::Auth, format!("host {} is not yours", printable(&name)))
                .hint("its owner can do that: creel host list shows who it serves")
                .into(),
        );
    }
    if status == HostStatus::Retired {
        api.call("revoke_host_access", &json!({ "host_id": id })).await?;
    }
    let agents = api
        .rows(
            api.from("agents")
                .select("id")
                .eq("host_id", id.to_string())
                .neq("status", "removed"),
        )
        .await?;
    out.value(&json!({
        "ok": true, "host_id": id, "name": name, "status": status.as_str(), "agent_count": agents.len(),
    }));
    let name = printable(&name);
    out.line(match status {
        HostStatus::Draining => {
            format!("{name} takes nothing new. Its agents go on running; creel host resume ends it.")
        }
        HostStatus::Retired => format!("{name} is out of service, and its logins and keys have ended."),
        _ => format!("{name} takes work again."),
    });
    if status == HostStatus::Retired && !agents.is_empty() {
        out.line(format!(
            "{} of your agents lived there: remove them, and make them anew on another host.",
            agents.len()
        ));
    }
    Ok(())
}
