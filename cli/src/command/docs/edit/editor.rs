//! The person's own editor. It is started as a program with its arguments, never through a shell.

use std::path::Path;
use std::process::{ExitStatus, Stdio};

use crate::error::{CliError, ErrorKind};

/// What every Unix has.
const USUAL: &str = "vi";

/// A program with its arguments.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Editor {
    program: String,
    args: Vec<String>,
}

impl Editor {
    /// The first of these that says anything. Words are split at blanks; quotes and backslashes keep them together, and
    /// nothing else has a meaning: no variables, no `~`, no pipes.
    pub(super) fn choose(wishes: &[Option<&str>]) -> Result<Self, CliError> {
        let wished = wishes
            .iter()
            .flatten()
            .map(|wish| wish.trim())
            .find(|wish| !wish.is_empty());
        let command = wished.unwrap_or(USUAL);
        let mut words = shlex::split(command).unwrap_or_default().into_iter();
        let program = words.next().ok_or_else(|| {
            CliError::new(ErrorKind::Usage, format!("the editor {command:?} is no command"))
                .code("editor")
                .hint("set VISUAL or EDITOR to a program and its arguments, such as: code --wait. Is a quote open?")
        })?;
        Ok(Self {
            program,
            args: words.collect(),
        })
    }

    /// Opens a file, and waits until the editor has ended.
    #[expect(
        clippy::disallowed_methods,
        reason = "it shares our terminal, and has to be in our process group for that"
    )]
    pub(super) async fn open(&self, file: &Path, own_stdout: bool) -> Result<ExitStatus, CliError> {
        let mut command = tokio::process::Command::new(&self.program);
        command.args(&self.args).arg(file);
        if !own_stdout {
            // Standard output is for one JSON object.
            command.stdout(Stdio::from(std::io::stderr()));
        }
        command.status().await.map_err(|error| {
            CliError::new(
                ErrorKind::Failed,
                format!("the editor {} cannot be started: {error}", self.program),
            )
            .code("editor")
            .hint("set VISUAL or EDITOR to one that is there, or give the text by --file")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(wishes: &[Option<&str>]) -> (String, Vec<String>) {
        let editor = Editor::choose(wishes).expect("an editor");
        (editor.program, editor.args)
    }

    #[test]
    fn visual_goes_before_editor_and_vi_is_there_anyway() {
        let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
        assert_eq!(chosen(&[Some("nano"), Some("ed")]).0, "nano");
        assert_eq!(chosen(&[Some("  "), Some("ed")]).0, "ed");
        assert_eq!(chosen(&[None, None]).0, "vi");
        assert_eq!(
            chosen(&[Some("'/Applications/Sublime Text.app/subl' -w  \"a b\"")]),
            (
                "/Applications/Sublime Text.app/subl".to_owned(),
                words(&["-w", "a b"])
            )
        );
    }

    #[test]
    fn no_shell_has_a_say() {
        assert_eq!(
            chosen(&[Some("ed $HOME;reboot `x` | y")]),
            (
                "ed".to_owned(),
                ["$HOME;reboot", "`x`", "|", "y"].map(str::to_owned).to_vec()
            )
        );
        assert_eq!(
            Editor::choose(&[Some("ed 'open")]).expect_err("open").kind,
            ErrorKind::Usage
        );
    }
}
