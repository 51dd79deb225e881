//! `creel host`.

mod code;
mod codes;
mod earnings;
mod enroll;
mod enroll_by_code;
mod list;
mod revoke;
mod status;

use creel_core::status::HostStatus;
use uuid::Uuid;

pub(crate) use self::enroll::{Enrolled, Enrolment, enroll, host_name, random_password, this_platform};
use super::worker::rotate_key::{self, RotateKeyArgs};
use crate::connection::ConnectionArgs;
use crate::data_api::DataApi;
use crate::output::Output;

/// What can be done with hosts.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum HostCommand {
    /// Make a code by which a machine becomes a host of yours: good once, for 15 minutes.
    Code(code::CodeArgs),
    /// List the codes that nobody has used yet, never the codes themselves, or end one.
    Codes(codes::CodesArgs),
    /// Make a host: of this machine by a code, with a key of its own; or, with the database's login, a trusted one
    /// that comes straight to the database.
    Enroll(Box<enroll::EnrollArgs>),
    /// List the hosts that you own or that serve a project of yours.
    List {
        #[command(flatten)]
        connection: ConnectionArgs,
    },
    /// Show what your hosts earned, month by month.
    Earnings(earnings::EarningsArgs),
    /// Replace the key of this host, as creel worker rotate-key does.
    Rotate(Box<RotateKeyArgs>),
    /// End every login and key of a host at once.
    Revoke(revoke::RevokeArgs),
    /// Let a host finish what it has, and take nothing new.
    Drain(HostArgs),
    /// Let a drained host take work again.
    Resume(HostArgs),
    /// Take a host out of service for good: nothing waits for it any more, and its logins and keys end.
    Retire(HostArgs),
}

/// A host that one owns.
#[derive(Debug, clap::Args)]
pub(crate) struct HostArgs {
    /// Its id, or its name where that is unique.
    host: String,
    #[command(flatten)]
    connection: ConnectionArgs,
}

/// Runs the command.
pub(super) async fn run(command: HostCommand, out: Output) -> anyhow::Result<()> {
    match command {
        HostCommand::Code(args) => code::run(args, out).await,
        HostCommand::Codes(args) => codes::run(args, out).await,
        HostCommand::Enroll(args) => enroll::run(*args, out).await,
        HostCommand::List { connection } => list::run(&DataApi::open(&connection).await?, out).await,
        HostCommand::Earnings(args) => earnings::run(args, out).await,
        HostCommand::Rotate(args) => rotate_key::run(*args, out).await,
        HostCommand::Revoke(args) => revoke::run(args, out).await,
        HostCommand::Drain(args) => status::run(&args, HostStatus::Draining, out).await,
        HostCommand::Resume(args) => status::run(&args, HostStatus::Online, out).await,
        HostCommand::Retire(args) => status::run(&args, HostStatus::Retired, out).await,
    }
}

/// Finds a host of one's own by what was typed; answers its id and name.
async fn find(api: &DataApi, typed: &str) -> anyhow::Result<(Uuid, String)> {
    use crate::command::project::text;
    use crate::error::{CliError, ErrorKind};
    use crate::output::printable;

    let column = if typed.parse::<Uuid>().is_ok() {
        "id"
    } else {
        "name"
    };
    let hosts = api
        .rows(api.from("hosts").select("id,name").eq(column, typed))
        .await?;
    match hosts.as_slice() {
        [host] => {
            let id = text(host, "id").parse().unwrap_or_default();
            Ok((id, text(host, "name")))
        }
        [] => Err(CliError::new(
            ErrorKind::NotFound,
            format!("you see no host {}", printable(typed)),
        )
        .hint("creel host list shows them")
        .into()),
        several => Err(CliError::new(
            ErrorKind::Usage,
            format!("{} hosts are called {}", several.len(), printable(typed)),
        )
        .hint("name it by its id: creel host list shows them")
        .into()),
    }
}
