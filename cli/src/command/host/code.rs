//! `creel host code`.

use serde_json::{Value, json};

use super::find;
use crate::connection::ConnectionArgs;
use crate::data_api::DataApi;
use crate::output::{Output, printable};

/// What `creel host code` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct CodeArgs {
    /// Project of yours that the host may serve; may be given more than once, or left away.
    #[arg(long = "project", value_name = "ID")]
    projects: Vec<String>,

    /// What people call the host [default: what the machine is called].
    #[arg(long)]
    name: Option<String>,

    /// How many agents it may have.
    #[arg(long, default_value_t = 10)]
    capacity: u32,

    /// What it has that agents may ask for, such as gpu; may be given more than once.
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,

    /// After how many days its key ends, unless it is replaced before [default: never].
    #[arg(long, value_name = "DAYS")]
    key_days: Option<u32>,

    /// A host of yours, by id or name, that is to get another key, as it lost its own or that was revoked.
    #[arg(long, value_name = "HOST", conflicts_with_all = ["projects", "name", "capacity", "tags"])]
    host: Option<String>,

    #[command(flatten)]
    connection: ConnectionArgs,
}

/// Makes a code, and says how it is used.
pub(super) async fn run(args: CodeArgs, out: Output) -> anyhow::Result<()> {
    let api = DataApi::open(&args.connection).await?;
    let wish = match &args.host {
        Some(typed) => json!({ "host_id": find(&api, typed).await?.0, "key_days": args.key_days }),
        None => json!({
            "name": args.name,
            "project_ids": args.projects,
            "capacity": args.capacity,
            "tags": args.tags,
            "key_days": args.key_days,
        }),
    };
    let made = api.call("create_enrolment_code", &wish).await?;
    show(&made, &api, out);
    Ok(())
}

fn show(made: &Value, api: &DataApi, out: Output) {
    let (url, key) = (&api.session.url, &api.session.key);
    out.value(&json!({
        "ok": true, "code": made["code"], "expires_at": made["expires_at"], "url": url, "publishable_key": key,
    }));
    let code = made["code"].as_str().unwrap_or_default();
    out.line("On the machine, within 15 minutes, as the user that is to run the worker:");
    out.line(format!(
        "creel host enroll --code {} --url {} --key {}",
        printable(code),
        printable(url),
        printable(key)
    ));
    out.line("The code is good once. Neither URL nor key are secret.");
}
