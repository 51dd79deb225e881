//! `creel docs`: what an agent knows and is, with every version of it.

mod change;
mod diff;
mod edit;
mod export;
mod history;
mod list;
mod names;
mod show;
mod target;

use crate::output::Output;

/// What can be done with documents.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum DocsCommand {
    /// List the documents of a project or of one agent, and whether the disk has them.
    List(list::ListArgs),
    /// Print a document, or an earlier version of it.
    Show(show::ShowArgs),
    /// Change a document in your editor; what others wrote meanwhile is merged.
    Edit(Box<edit::EditArgs>),
    /// Show what is different between two versions, or between the page and the disk.
    Diff(diff::DiffArgs),
    /// List the versions of a document: who wrote them, when and why.
    History(history::HistoryArgs),
    /// Write the text of an earlier version again, as a new version.
    Restore(change::RestoreArgs),
    /// Decide between the page's text and the disk's, where a document is held back or in conflict.
    Resolve(change::ResolveArgs),
    /// Keep a version for good, whatever the retention says.
    Pin(change::PinArgs),
    /// Delete a version, or a document with all its versions, for good; for owners of the project.
    Erase(change::EraseArgs),
    /// Write all documents of an agent or of the project into a folder.
    Export(export::ExportArgs),
}

/// Runs the command.
pub(super) async fn run(command: DocsCommand, out: Output) -> anyhow::Result<()> {
    match command {
        DocsCommand::List(args) => list::run(args, out).await,
        DocsCommand::Show(args) => show::run(args, out).await,
        DocsCommand::Edit(args) => Box::pin(edit::run(*args, out)).await,
        DocsCommand::Diff(args) => diff::run(args, out).await,
        DocsCommand::History(args) => history::run(args, out).await,
        DocsCommand::Restore(args) => change::restore(args, out).await,
        DocsCommand::Resolve(args) => change::resolve(args, out).await,
        DocsCommand::Pin(args) => change::pin(args, out).await,
        DocsCommand::Erase(args) => change::erase(args, out).await,
        DocsCommand::Export(args) => export::run(args, out).await,
    }
}
