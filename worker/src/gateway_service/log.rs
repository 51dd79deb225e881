//! What the gateway prints: kept, and bounded.

use std::fs;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use crate::plain_file;

/// Days of a busy gateway.
const LOG_MAX_BYTES: u64 = 8 << 20;

/// The file in the worker's data directory.
pub(crate) fn path(data_dir: &Path) -> PathBuf {
    data_dir.join("gateway.log")
}

/// Moves what is there into `gateway.log.1` once it is too much. The gateway has the file open to add to it, so
/// that it is emptied and not replaced.
pub(crate) fn rotate_once(path: &Path) -> io::Result<()> {
    if length(path) <= LOG_MAX_BYTES {
        return Ok(());
    }
    let kept = path.with_extension("log.1");
    let copied = fs::copy(path, &kept);
    if copied.is_err() {
        // On a full disk the log goes nevertheless: half a copy helps nobody, and it would only grow.
        let _absent = fs::remove_file(&kept);
    }
    fs::OpenOptions::new().write(true).open(path)?.set_len(0)?;
    copied.map(drop)
}

/// What OpenClaw says of a state directory that another of its processes has just now. It ends with the same exit
/// code as for a configuration that is wrong.
const BUSY: &str = "another OpenClaw process owns";

/// What is read of the log to find that: a start that fails prints some lines.
const READ_MAX_BYTES: u64 = 64 << 10;

/// How long the log is.
pub(crate) fn length(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |found| found.len())
}

/// What was printed from there on, as far as a start prints.
pub(crate) fn printed(path: &Path, from: u64) -> io::Result<String> {
    let Some(mut file) = plain_file::open(path)? else {
        return Ok(String::new());
    };
    file.seek(SeekFrom::Start(from))?;
    let mut printed = Vec::new();
    file.take(READ_MAX_BYTES).read_to_end(&mut printed)?;
    Ok(String::from_utf8_lossy(&printed).into_owned())
}

/// Whether what was printed from there on says that another OpenClaw has the state.
pub(crate) fn says_busy(path: &Path, from: u64) -> io::Result<bool> {
    Ok(printed(path, from)?.contains(BUSY))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_last_start_said_tells_of_another_openclaw() {
        let folder = tempfile::tempdir().expect("make a folder");
        let log = path(folder.path());
        let busy = "Doctor: another OpenClaw process owns gateway-lifecycle.\n";
        fs::write(&log, busy).expect("write");
        assert!(says_busy(&log, 0).expect("read"));
        let from = length(&log);
        fs::write(&log, format!("{busy}Invalid config\n")).expect("write");
        assert!(!says_busy(&log, from).expect("read"));
    }

    #[test]
    fn a_log_that_is_written_to_is_kept_once_and_bounded() {
        use std::io::Write;
        let folder = tempfile::tempdir().expect("make a folder");
        let log = path(folder.path());
        rotate_once(&log).expect("nothing is there");
        let mut writer = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&log)
            .expect("open it");
        writeln!(writer, "first").expect("write");
        rotate_once(&log).expect("little is there");
        assert_eq!(fs::read_to_string(&log).expect("read"), "first\n");
        let much = usize::try_from(LOG_MAX_BYTES).expect("it fits");
        writer.write_all(&vec![b'x'; much]).expect("write much");
        rotate_once(&log).expect("rotate");
        writeln!(writer, "next").expect("write on");
        assert_eq!(fs::read_to_string(&log).expect("read"), "next\n");
        let kept = fs::metadata(folder.path().join("gateway.log.1")).expect("it is kept");
        assert_eq!(kept.len(), LOG_MAX_BYTES + 6);
    }

    #[test]
    fn a_log_that_cannot_be_kept_is_emptied_all_the_same() {
        let folder = tempfile::tempdir().expect("make a folder");
        let log = path(folder.path());
        let file = fs::File::create(&log).expect("make it");
        file.set_len(LOG_MAX_BYTES + 1).expect("let it be long");
        fs::create_dir(folder.path().join("gateway.log.1")).expect("be in the way");
        rotate_once(&log).expect_err("there is no copy");
        assert_eq!(length(&log), 0);
    }
}
