//! `creel completions`.

use clap::CommandFactory;
use clap_complete::Shell;

use crate::args::Cli;
use crate::output::Output;

/// Prints the completions of a shell.
pub(super) fn print(shell: Shell, out: Output) {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "creel", &mut text);
    out.raw(&text);
}
