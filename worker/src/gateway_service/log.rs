//! What the gateway prints: kept, and bounded.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Days of a busy gateway.
const LOG_MAX_BYTES: u64 = 8 << 20;

/// The file in the worker's data directory.
pub(super) fn path(data_dir: &Path) -> PathBuf {
    data_dir.join("gateway.log")
}

/// Moves what is there into `gateway.log.1` once it is too much. The gateway has the file open to add to it, so
/// that it is emptied and not replaced.
pub(super) fn rotate_once(path: &Path) -> io::Result<()> {
    if fs::metadata(path).map_or(0, |found| found.len()) <= LOG_MAX_BYTES {
        return Ok(());
    }
    fs::copy(path, path.with_extension("log.1"))?;
    fs::OpenOptions::new().write(true).open(path)?.set_len(0)
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
