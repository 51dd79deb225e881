//! The only place that writes to standard output: text and tables for people, JSON for programs.
//!
//! A closed pipe (`creel agent list | head -1`) is no error, so that failed writes are ignored.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use comfy_table::{ContentArrangement, Table, presets};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use crate::error::{CliError, ErrorKind};

/// How often the spinner turns: quick enough to look alive, slow enough to cost nothing.
const SPINNER_TICK: Duration = Duration::from_millis(120);

/// A table is fitted to a terminal of at least this width; a narrower one had better wrap lines itself.
const NARROWEST_COLUMNS: u16 = 40;

/// Where results go, and in which form.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    json: bool,
}

impl Output {
    /// JSON or text.
    pub(crate) const fn new(json: bool) -> Self {
        Self { json }
    }

    /// Whether a program reads.
    pub(crate) const fn is_json(self) -> bool {
        self.json
    }

    /// Prints a JSON value, when a program reads.
    pub(crate) fn value(self, value: &Value) {
        if self.json {
            let _closed_pipe = writeln!(io::stdout().lock(), "{value}");
        }
    }

    /// Prints a line, when a person reads.
    pub(crate) fn line(self, text: impl AsRef<str>) {
        if !self.json {
            let _closed_pipe = writeln!(io::stdout().lock(), "{}", text.as_ref());
        }
    }

    /// Prints text as it is, whoever reads: completions.
    pub(crate) fn raw(self, text: &[u8]) {
        let _closed_pipe = io::stdout().lock().write_all(text);
    }

    /// Prints a text that somebody wrote, when a person reads: on a terminal without what would change that, and
    /// elsewhere byte by byte.
    pub(crate) fn text(self, text: &str) {
        if self.json {
            return;
        }
        if !io::stdout().is_terminal() {
            return self.raw(text.as_bytes());
        }
        let shown = printable_text(text);
        self.raw(shown.as_bytes());
        if !shown.is_empty() && !shown.ends_with('\n') {
            self.raw(b"\n");
        }
    }

    /// Prints rows: a table for people, with `empty` in place of a table without rows; for programs an
    /// object with the rows' own JSON under `name`.
    pub(crate) fn rows(
        self,
        name: &str,
        value: &Value,
        headers: &[&str],
        rows: Vec<Vec<String>>,
        empty: &str,
    ) {
        if self.json {
            return self.value(&json!({ "ok": true, name: value }));
        }
        self.table(headers, rows, empty);
    }

    /// Prints a table, when a person reads.
    pub(crate) fn table(self, headers: &[&str], rows: Vec<Vec<String>>, empty: &str) {
        if self.json {
            return;
        }
        if rows.is_empty() {
            return self.line(empty);
        }
        let mut table = Table::new();
        table.load_style(presets::UTF8_BORDERS_ONLY);
        // Some terminals say that they are 0 columns wide.
        if table.width().is_some_and(|columns| columns >= NARROWEST_COLUMNS) {
            table.set_content_arrangement(ContentArrangement::Dynamic);
        }
        if headers.iter().any(|header| !header.is_empty()) {
            table.set_header(headers.iter().map(|header| printable(header)));
        }
        for row in rows {
            table.add_row(row.iter().map(|cell| printable(cell)));
        }
        self.line(table.to_string());
    }

    /// Tells on standard error what is going on.
    pub(crate) fn note(self, text: impl AsRef<str>) {
        let _closed_pipe = writeln!(io::stderr().lock(), "{}", text.as_ref());
    }

    /// Begins to show the steps of something long.
    pub(crate) fn progress(self, step_count: Option<u64>) -> Progress {
        Progress::new(self, step_count)
    }

    /// Prints an error: for people on standard error, for programs on both.
    pub(crate) fn report_error(self, error: &CliError) {
        let mut stderr = io::stderr().lock();
        let _closed_pipe = writeln!(stderr, "error: {}", error.message);
        if let Some(hint) = &error.hint {
            let _closed_pipe = writeln!(stderr, "hint: {hint}");
        }
        let mut value = json!({
            "ok": false,
            "error": { "code": error.code, "message": error.message, "hint": error.hint },
        });
        if let Some((name, detail)) = error.detail.as_deref() {
            value[*name] = detail.clone();
        }
        self.value(&value);
    }
}

/// Prints what clap says about a command line that is wrong, or the help that was asked for.
pub(crate) fn report_usage(refusal: &clap::Error) -> ExitCode {
    if !refusal.use_stderr() {
        let _closed_pipe = refusal.print();
        return ExitCode::SUCCESS;
    }
    let json = std::env::args_os().any(|arg| arg == "--json");
    if json {
        let text = refusal.to_string();
        let message = text
            .lines()
            .next()
            .unwrap_or_default()
            .trim_start_matches("error: ")
            .to_owned();
        Output::new(true).report_error(
            &CliError::new(ErrorKind::Usage, message).hint("see creel --help for what is possible"),
        );
    } else {
        let _closed_pipe = refusal.print();
    }
    ExitCode::from(ErrorKind::Usage.exit_code())
}

/// Text from a row without what would change the terminal: a display name may hold anything.
pub(crate) fn printable(text: &str) -> String {
    let hides = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars()
        .map(|c| if hides(c) { '\u{fffd}' } else { c })
        .collect()
}

/// The same of a text with lines, which keeps those and its tabs.
pub(crate) fn printable_text(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let (line, end) = match line.strip_suffix('\n') {
            Some(line) => (line.strip_suffix('\r').unwrap_or(line), "\n"),
            None => (line, ""),
        };
        let parts: Vec<_> = line.split('\t').map(printable).collect();
        shown.push_str(&parts.join("\t"));
        shown.push_str(end);
    }
    shown
}

/// Steps of something long, on standard error: a bar or a spinner on a terminal, lines otherwise.
pub(crate) struct Progress {
    out: Output,
    bar: Option<ProgressBar>,
}

impl Progress {
    fn new(out: Output, step_count: Option<u64>) -> Self {
        let bar = (!out.json && io::stderr().is_terminal()).then(|| {
            let (bar, template) = match step_count {
                Some(count) => (ProgressBar::new(count), "{spinner} [{bar:24}] {pos}/{len} {msg}"),
                None => (ProgressBar::new_spinner(), "{spinner} {msg}"),
            };
            let style = ProgressStyle::with_template(template).expect("the template is a constant");
            bar.set_style(style.progress_chars("=> "));
            bar.enable_steady_tick(SPINNER_TICK);
            bar
        });
        Self { out, bar }
    }

    /// What is being done now.
    pub(crate) fn doing(&self, text: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(printable(text));
        }
    }

    /// A step is done.
    pub(crate) fn done(&self, text: &str) {
        match &self.bar {
            Some(bar) => {
                bar.println(format!("  ✓ {}", printable(text)));
                bar.inc(1);
            }
            None => self.out.note(format!("  {}", printable(text))),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_move_the_cursor_or_turn_the_text() {
        assert_eq!(
            printable("a\u{1b}[2J\nb\u{202e}c 🦞"),
            "a\u{fffd}[2J\u{fffd}b\u{fffd}c 🦞"
        );
    }

    #[test]
    fn a_text_with_lines_keeps_them_and_still_changes_no_terminal() {
        assert_eq!(
            printable_text("a\tb\r\n\x1b]0;x\x07\n\nend"),
            "a\tb\n\u{fffd}]0;x\u{fffd}\n\nend"
        );
    }
}
