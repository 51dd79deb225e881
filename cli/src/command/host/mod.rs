//! `creel host`.

mod enroll;
mod list;
mod revoke;

use uuid::Uuid;

pub(crate) use self::enroll::{Enrolled, Enrolment, enroll, host_name, random_password, this_platform};
use crate::connection::ConnectionArgs;
use crate::data_api::DataApi;
use crate::database::DatabaseArgs;
use crate::output::Output;

/// What can be done with hosts.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum HostCommand {
    /// Make a trusted host: a row, and a login role of the database for its worker.
    Enroll(enroll::EnrollArgs),
    /// List the hosts that you own or that serve a project of yours.
    List {
        #[command(flatten)]
        connection: ConnectionArgs,
    },
    /// End a host's login at once.
    Revoke {
        /// Id of the host.
        id: Uuid,
        #[command(flatten)]
        database: DatabaseArgs,
    },
}

/// Runs the command.
pub(super) async fn run(command: HostCommand, out: Output) -> anyhow::Result<()> {
    match command {
        HostCommand::Enroll(args) => enroll::run(args, out).await,
        HostCommand::List { connection } => list::run(&DataApi::open(&connection).await?, out).await,
        HostCommand::Revoke { id, database } => revoke::run(&database.connect().await?, id, out).await,
    }
}
