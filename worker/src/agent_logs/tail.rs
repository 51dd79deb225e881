//! What is new at the end of a file that somebody else writes.

use std::fmt;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::str::FromStr;

use crate::plain_file;

/// What is told at once; of more, the end counts. The database takes 16 KB, and what replaces a secret may be longer.
const TAIL_MAX_BYTES: u64 = 12 << 10;

/// A longer line is cut: nobody reads it, and others want to be read.
const LINE_MAX_CHARS: usize = 2_000;

/// How far a file was read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Position(u64);

/// What came after a position.
#[derive(Debug)]
pub(super) struct Tail {
    /// Whole lines, each with its end.
    pub(super) text: String,
    /// What was left away before them.
    pub(super) skipped_bytes: u64,
    /// Where the next begin.
    pub(super) read_to: Position,
}

/// Reads whole lines that came after a position; none if there are none.
pub(super) fn read_tail(path: &Path, told: Position) -> io::Result<Option<Tail>> {
    let Some(mut file) = plain_file::open(path)? else {
        return Ok(None);
    };
    let length = file.metadata()?.len();
    // A file that is shorter than before was emptied.
    let from = if told.0 > length { 0 } else { told.0 };
    let begin = from.max(length.saturating_sub(TAIL_MAX_BYTES));
    file.seek(SeekFrom::Start(begin))?;
    let mut bytes = Vec::new();
    file.take(TAIL_MAX_BYTES).read_to_end(&mut bytes)?;
    let first = match begin > from {
        // The first line's beginning is gone.
        true => bytes
            .iter()
            .position(|&byte| byte == b'\n')
            .map_or(0, |end| end + 1),
        false => 0,
    };
    let full = bytes.len() as u64 == TAIL_MAX_BYTES;
    let end = match bytes.iter().rposition(|&byte| byte == b'\n') {
        Some(end) if end >= first => end + 1,
        // A line without an end that is longer than all that is told.
        _ if full => bytes.len(),
        _ => return Ok(None),
    };
    let text = String::from_utf8_lossy(&bytes[first..end]);
    Ok(Some(Tail {
        text: text.lines().map(plain_line).collect(),
        skipped_bytes: begin - from + first as u64,
        read_to: Position(begin + end as u64),
    }))
}

/// The lines, none of them longer than anybody reads.
pub(super) fn cut_lines(text: &str) -> String {
    let mut cut = String::with_capacity(text.len());
    for line in text.lines() {
        match line.char_indices().nth(LINE_MAX_CHARS) {
            Some((end, _)) => {
                cut.push_str(&line[..end]);
                cut.push('…');
            }
            None => cut.push_str(line),
        }
        cut.push('\n');
    }
    cut
}

/// A line as a terminal would show it: without colours, and with nothing that a database cannot store.
fn plain_line(line: &str) -> String {
    let mut plain = String::with_capacity(line.len() + 1);
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' => skip_escape(&mut chars),
            '\t' => plain.push('\t'),
            c if c.is_control() => {}
            c => plain.push(c),
        }
    }
    plain.push('\n');
    plain
}

/// What follows an escape character: `[` with parameters and a letter, or one character.
fn skip_escape(chars: &mut std::str::Chars<'_>) {
    if chars.next() == Some('[') {
        let _letter = chars.find(char::is_ascii_alphabetic);
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl FromStr for Position {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.trim().parse().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tail_of(text: &[u8], told: u64) -> Option<(String, u64, u64)> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("log");
        std::fs::write(&path, text).expect("write");
        let tail = read_tail(&path, Position(told)).expect("read")?;
        Some((cut_lines(&tail.text), tail.skipped_bytes, tail.read_to.0))
    }

    #[test]
    fn whole_lines_are_told_once() {
        assert_eq!(tail_of(b"one\ntwo\nthr", 0), Some(("one\ntwo\n".into(), 0, 8)));
        assert_eq!(tail_of(b"one\ntwo\nthr", 4), Some(("two\n".into(), 0, 8)));
        assert_eq!(tail_of(b"one\ntwo\nthr", 8), None);
        assert_eq!(tail_of(b"", 0), None);
    }

    #[test]
    fn a_file_that_was_emptied_begins_anew() {
        assert_eq!(tail_of(b"new\n", 4_000), Some(("new\n".into(), 0, 4)));
    }

    #[test]
    fn of_much_the_end_is_told_and_how_much_is_missing() {
        let line = "0123456789abcde\n";
        let many = line.repeat(2_000);
        let (text, skipped, read_to) = tail_of(many.as_bytes(), 16).expect("there is something");
        assert_eq!(read_to, many.len() as u64);
        assert_eq!(16 + skipped + text.len() as u64, read_to);
        assert!(text.starts_with("0123") && text.len() as u64 <= TAIL_MAX_BYTES);
        // One line without end.
        let endless = vec![b'x'; 50_000];
        let (text, _, read_to) = tail_of(&endless, 0).expect("there is something");
        assert!(text.ends_with("…\n") && text.chars().count() == LINE_MAX_CHARS + 2);
        assert_eq!(read_to, 50_000);
    }

    #[test]
    fn what_a_terminal_or_a_database_would_stumble_over_is_left_away() {
        let told = tail_of(b"\x1b[31mred\x1b[0m\0 \xff\r\n", 0).expect("there is something");
        assert_eq!(told.0, "red \u{fffd}\n");
    }

    #[test]
    fn what_is_no_file_is_not_read() {
        let folder = tempfile::tempdir().expect("a folder");
        std::os::unix::fs::symlink("/dev/zero", folder.path().join("log")).expect("link");
        assert!(
            read_tail(&folder.path().join("log"), Position(0))
                .expect("look")
                .is_none()
        );
    }
}
