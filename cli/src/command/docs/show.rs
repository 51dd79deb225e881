//! `creel docs show`.

use serde_json::json;

use super::target::{PlaceArgs, TargetArgs};
use crate::command::project::text;
use crate::output::Output;

/// What `creel docs show` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct ShowArgs {
    #[command(flatten)]
    target: TargetArgs,
    /// An earlier version; creel docs history lists them [default: the current text].
    #[arg(long, value_parser = clap::value_parser!(i64).range(1..))]
    version: Option<i64>,
    #[command(flatten)]
    place: PlaceArgs,
}

/// Prints a text: byte by byte, or on a terminal without what would change that.
pub(super) async fn run(args: ShowArgs, out: Output) -> anyhow::Result<()> {
    let (api, target) = args.target.open(&args.place).await?;
    let doc = target.read(&api, args.version).await?;
    out.value(&json!({ "ok": true, "doc": doc }));
    out.text(&text(&doc, "content"));
    Ok(())
}
