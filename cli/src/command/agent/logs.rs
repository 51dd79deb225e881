//! `creel agent logs`.

use std::time::Duration;

use serde_json::{Value, json};

use super::parse_agent;
use crate::command::project::{ProjectArgs, text};
use crate::connection::ConnectionArgs;
use crate::data_api::DataApi;
use crate::error::{CliError, ErrorKind};
use crate::output::{Output, printable};

/// Hosts tell of new lines every five seconds: asking more often shows nothing sooner.
const FOLLOW_POLL: Duration = Duration::from_secs(2);

/// What is asked for at once; an agent's whole log is some dozen of these.
const PAGE_ROWS: usize = 100;

/// What `creel agent logs` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct LogsArgs {
    /// Its key (agent:scout:main) or its short id (scout).
    agent: String,
    /// Go on with what comes, until Ctrl-C.
    #[arg(long, short)]
    follow: bool,
    /// How many of the last lines.
    #[arg(long, short = 'n', default_value_t = 200)]
    lines: usize,
    #[command(flatten)]
    project: ProjectArgs,
    #[command(flatten)]
    connection: ConnectionArgs,
}

/// Shows the last lines, and those that come.
pub(super) async fn run(args: LogsArgs, out: Output) -> anyhow::Result<()> {
    if args.follow && out.is_json() {
        return Err(CliError::new(
            ErrorKind::Usage,
            "--json prints one object, and --follow has no end",
        )
        .hint("leave one of the two away")
        .into());
    }
    let api = DataApi::open(&args.connection).await?;
    let project = args.project.resolve(&api).await?;
    let (agent_key, _) = parse_agent(&args.agent)?;
    let request = api
        .from("agents")
        .select("id,backend")
        .eq("project_id", &project)
        .eq("agent_key", &agent_key);
    let agent = api.rows(request).await?.pop().ok_or_else(|| {
        CliError::new(ErrorKind::NotFound, format!("{project} has no agent {agent_key}"))
            .hint("creel agent list shows them")
    })?;
    let id = text(&agent, "id");
    let (shown, last) = newest(&api, &id, args.lines).await?;
    out.value(&json!({ "ok": true, "agent_key": agent_key, "lines": shown }));
    for line in &shown {
        out.line(printable(line));
    }
    if shown.is_empty() {
        out.note(match agent["backend"].as_str() {
            Some("shared") => "It has no log of its own: it lives in its host's one gateway.",
            _ => "Its host has told of no lines yet.",
        });
    }
    if args.follow {
        follow(&api, &id, last, out).await?;
    }
    Ok(())
}

/// Shows what comes, without end.
async fn follow(api: &DataApi, id: &str, mut last: i64, out: Output) -> Result<(), CliError> {
    loop {
        tokio::time::sleep(FOLLOW_POLL).await;
        let rows = match after(api, id, last).await {
            Ok(rows) => rows,
            Err(error) if error.kind == ErrorKind::Unreachable => continue,
            Err(error) => return Err(error),
        };
        for row in rows {
            last = row["seq"].as_i64().unwrap_or(last).max(last);
            for line in lines_of(&row) {
                out.line(printable(&line));
            }
        }
    }
}

/// The last lines, and the number of the row that they end with.
async fn newest(api: &DataApi, id: &str, most: usize) -> Result<(Vec<String>, i64), CliError> {
    let request = api
        .from("agent_logs")
        .select("seq,lines,skipped_bytes")
        .eq("agent_id", id)
        .order("seq.desc")
        .limit(PAGE_ROWS);
    let rows = api.rows(request).await?;
    let last = rows.first().and_then(|row| row["seq"].as_i64()).unwrap_or(0);
    let mut lines: Vec<String> = rows.iter().rev().flat_map(lines_of).collect();
    lines.drain(..lines.len().saturating_sub(most));
    Ok((lines, last))
}

async fn after(api: &DataApi, id: &str, last: i64) -> Result<Vec<Value>, CliError> {
    let request = api
        .from("agent_logs")
        .select("seq,lines,skipped_bytes")
        .eq("agent_id", id)
        .gt("seq", last.to_string())
        .order("seq.asc")
        .limit(PAGE_ROWS);
    api.rows(request).await
}

/// The lines of one row; what is missing before them is said.
fn lines_of(row: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(skipped_bytes) = row["skipped_bytes"].as_u64().filter(|&bytes| bytes > 0) {
        lines.push(format!("… {skipped_bytes} bytes are left away …"));
    }
    // A terminal is given no control characters, and a tab is one.
    lines.extend(text(row, "lines").lines().map(|line| line.replace('\t', "    ")));
    lines
}
