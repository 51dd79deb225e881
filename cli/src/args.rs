//! What can be typed.

use clap::{Parser, Subcommand};
use clap_complete::Shell;

use crate::command::{agent, billing, docs, doctor, host, key, login, project, request, up, worker};

/// Shown at the end of `creel --help`; `docs/operations.md` holds the same list.
const EXIT_CODES: &str = "\
Exit codes:
  0    it worked
  1    it failed; standard error says why
  2    the command line is wrong
  3    not signed in, or not allowed; also when the database refuses the login
  4    there is no such project, agent, document, request or host
  5    the database, the Data API or OpenClaw cannot be reached
  6    the agent's request ended in an error
  7    creel doctor or creel worker status found something that is broken
  8    the time to wait ran out
  130  interrupted

creel worker, which a supervisor watches, uses those of sysexits.h: 69 no Creel in the
database, 70 a bug, 75 another worker runs here, 76 upgrade needed, 77 the login is refused
or no host, 78 the configuration is wrong.";

/// Runs a fleet of OpenClaw agents from a Supabase project: rows in, running agents out.
#[derive(Debug, Parser)]
#[command(name = "creel", version, after_help = EXIT_CODES, max_term_width = 100)]
pub(crate) struct Cli {
    /// Print one JSON object instead of text, errors included; docs/operations.md lists them.
    #[arg(long, global = true)]
    pub(crate) json: bool,

    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run everything on this machine: database, Data API, worker and OpenClaw.
    Up(up::UpArgs),
    /// Run the daemon that makes agents of rows on this host, or have this system run it.
    Worker(Box<worker::WorkerCommand>),
    /// Sign in to a project's Data API and keep the session.
    Login(login::LoginArgs),
    /// Forget the session.
    Logout(login::LogoutArgs),
    /// Projects and their members.
    #[command(subcommand)]
    Project(project::ProjectCommand),
    /// Machines that run agents.
    #[command(subcommand)]
    Host(host::HostCommand),
    /// What Stripe told, and whether the ledger is right: for whoever runs the platform.
    #[command(subcommand)]
    Billing(billing::BillingCommand),
    /// Keys by which functions are let into the database: for whoever runs the platform.
    #[command(subcommand)]
    Key(key::KeyCommand),
    /// Agents.
    #[command(subcommand)]
    Agent(agent::AgentCommand),
    /// What agents know and are: their documents, with all versions.
    #[command(subcommand)]
    Docs(docs::DocsCommand),
    /// Provision requests: the queue.
    #[command(subcommand)]
    Request(request::RequestCommand),
    /// Check what Creel needs on this machine, and say what to do about what is missing.
    Doctor(doctor::DoctorArgs),
    /// Print the completions of a shell.
    Completions {
        /// Which shell.
        shell: Shell,
    },
}
