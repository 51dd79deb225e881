//! `creel agent`.

mod adopt;
mod ask;
mod command;
mod config;
mod logs;
mod show;

use std::time::Duration;

use creel_core::id::AgentId;
use creel_core::status::CommandType;
use serde_json::json;

pub(crate) use self::ask::{Asked, Wish, ask_for, wait_for};
use super::project::ProjectArgs;
use crate::connection::ConnectionArgs;
use crate::data_api::DataApi;
use crate::error::{CliError, ErrorKind};
use crate::output::{Output, printable};

/// What can be done with agents.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum AgentCommand {
    /// Ask for an agent, as a page does.
    Create(CreateArgs),
    /// Make rows of agents that OpenClaw has already, with their files as they are; without ids list them.
    Adopt(adopt::AdoptArgs),
    /// List the agents of a project.
    List {
        #[command(flatten)]
        project: ProjectArgs,
        #[command(flatten)]
        connection: ConnectionArgs,
    },
    /// Put an agent on a host, or put right what is there.
    Deploy(command::DeployArgs),
    /// Start an agent; one that is on no host is deployed.
    Start(command::CommandArgs),
    /// Stop an agent, whatever it is doing.
    Stop(command::CommandArgs),
    /// Stop an agent and start it again.
    Restart(command::CommandArgs),
    /// Take an agent off its host, which keeps an archive of its files for a while.
    Remove(command::RemoveArgs),
    /// Change what an agent is: name, model, skills, limits, documents.
    Config(Box<config::ConfigArgs>),
    /// List the newest commands, and what became of them.
    Commands(command::CommandsArgs),
    /// Show the last lines that an agent's gateway printed.
    Logs(logs::LogsArgs),
    /// Show one agent: its state, what it uses, what it waits for.
    #[command(visible_alias = "show")]
    Status {
        /// Its key (agent:scout:main) or its short id (scout).
        agent: String,
        #[command(flatten)]
        project: ProjectArgs,
        #[command(flatten)]
        connection: ConnectionArgs,
    },
}

/// What `creel agent create` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct CreateArgs {
    /// Its key (agent:scout:main) or its short id (scout): a-z, 0-9, _ and -.
    agent: String,
    /// What people call it [default: the short id; of an agent that is there, what it is].
    #[arg(long)]
    name: Option<String>,
    /// One emoji [default: 🦞; of an agent that is there, what it is].
    #[arg(long)]
    emoji: Option<String>,
    /// What it does, in a few words [default: assistant; of an agent that is there, what it is].
    #[arg(long)]
    role: Option<String>,
    /// Text of its SOUL.md: who it is [default: a template].
    #[arg(long, value_name = "FILE")]
    soul: Option<std::path::PathBuf>,
    /// Wait until the agent is there, or its request has failed.
    #[arg(long)]
    wait: bool,
    /// How long to wait, in seconds.
    #[arg(long, default_value_t = 300, value_name = "SECS")]
    wait_secs: u64,
    #[command(flatten)]
    project: ProjectArgs,
    #[command(flatten)]
    connection: ConnectionArgs,
}

/// Key and short id of what was typed.
pub(crate) fn parse_agent(typed: &str) -> Result<(String, String), CliError> {
    let short = match typed.split(':').collect::<Vec<_>>().as_slice() {
        ["agent", short, ..] => (*short).to_owned(),
        _ => typed.to_owned(),
    };
    AgentId::parse(&short).map_err(|error| {
        CliError::new(ErrorKind::Usage, error.to_string())
            .code("agent_id")
            .hint("for example: creel agent create scout")
    })?;
    let key = if typed.contains(':') {
        typed.to_owned()
    } else {
        format!("agent:{short}:main")
    };
    Ok((key, short))
}

/// Runs the command.
pub(super) async fn run(command: AgentCommand, out: Output) -> anyhow::Result<()> {
    match command {
        AgentCommand::Create(args) => create(args, out).await,
        AgentCommand::Adopt(args) => adopt::run(args, out).await,
        AgentCommand::Deploy(args) => command::deploy(args, out).await,
        AgentCommand::Start(args) => command::send(args, CommandType::Start, json!({}), out).await,
        AgentCommand::Stop(args) => command::send(args, CommandType::Stop, json!({}), out).await,
        AgentCommand::Restart(args) => command::send(args, CommandType::Restart, json!({}), out).await,
        AgentCommand::Remove(args) => command::remove(args, out).await,
        AgentCommand::Config(args) => config::run(*args, out).await,
        AgentCommand::Commands(args) => command::list(args, out).await,
        AgentCommand::Logs(args) => logs::run(args, out).await,
        AgentCommand::List { project, connection } => {
            let api = DataApi::open(&connection).await?;
            let project = project.resolve(&api).await?;
            show::list(&api, &project, out).await
        }
        AgentCommand::Status {
            agent,
            project,
            connection,
        } => {
            let api = DataApi::open(&connection).await?;
            let project = project.resolve(&api).await?;
            show::status(&api, &project, &agent, out).await
        }
    }
}

async fn create(args: CreateArgs, out: Output) -> anyhow::Result<()> {
    let (agent_key, short) = parse_agent(&args.agent)?;
    let soul = args
        .soul
        .as_ref()
        .map(std::fs::read_to_string)
        .transpose()
        .map_err(|error| {
            CliError::new(
                ErrorKind::Usage,
                format!("the soul's file cannot be read: {error}"),
            )
            .hint("check --soul")
        })?;
    let api = DataApi::open(&args.connection).await?;
    let wish = Wish {
        project: args.project.resolve(&api).await?,
        agent_key,
        name: args.name,
        short,
        emoji: args.emoji,
        role: args.role,
        soul,
    };
    let asked = ask_for(&api, &wish).await?;
    let id = asked.request_id;
    if !args.wait {
        out.value(&json!({ "ok": true, "request_id": id, "agent_key": wish.agent_key }));
        out.line(format!(
            "Asked for {}. See how it goes: creel request why {id}",
            wish.agent_key
        ));
        return Ok(());
    }
    let row = {
        let progress = out.progress(None);
        wait_for(&api, id, Duration::from_secs(args.wait_secs), &progress).await?
    };
    out.value(&json!({ "ok": true, "request_id": id, "agent_key": wish.agent_key, "result": row["result"] }));
    out.line(format!(
        "{} {} is there.",
        printable(&asked.emoji),
        printable(&asked.name)
    ));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_id_and_a_key_mean_the_same_agent() {
        let scout = ("agent:scout:main".to_owned(), "scout".to_owned());
        assert_eq!(parse_agent("scout").expect("a short id"), scout);
        assert_eq!(parse_agent("agent:scout:main").expect("a key"), scout);
    }

    #[test]
    fn ids_that_no_host_could_make_are_refused_before_anything_is_written() {
        for typed in ["", "main", "../x", "A", "agent::main", "agent:-x:main", "a b"] {
            let refusal = parse_agent(typed).expect_err(typed);
            assert_eq!(refusal.kind, ErrorKind::Usage, "{typed}");
        }
    }
}
