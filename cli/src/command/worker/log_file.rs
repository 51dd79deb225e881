//! The worker's own log file, for a system that never shortens one: launchd.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;

/// Weeks of a worker at rest, a day of a busy one.
const MAX_BYTES: u64 = 8 << 20;

/// What the worker says beside its log is a line at each start that fails.
const BESIDE_MAX_BYTES: u64 = 1 << 20;

/// A file that begins anew when it is full; the one before is kept as `….1`.
#[derive(Debug, Clone)]
pub(super) struct LogFile(Arc<Mutex<Open>>);

#[derive(Debug)]
struct Open {
    path: PathBuf,
    file: File,
    length: u64,
    max: u64,
}

impl LogFile {
    /// Opens it, with its folder.
    pub(super) fn open(path: &Path) -> anyhow::Result<Self> {
        let shown = path.display();
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).with_context(|| format!("make the folder of the log {shown}"))?;
        }
        shorten(&path.with_extension("stderr.log"));
        let open = Open::new(path, MAX_BYTES).with_context(|| format!("open the log {shown}"))?;
        Ok(Self(Arc::new(Mutex::new(open))))
    }
}

impl Open {
    fn new(path: &Path, max: u64) -> io::Result<Self> {
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(path)?;
        Ok(Self {
            length: file.metadata()?.len(),
            path: path.to_owned(),
            file,
            max,
        })
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.length > 0 && self.length + bytes.len() as u64 > self.max {
            let mut older = self.path.clone().into_os_string();
            older.push(".1");
            std::fs::rename(&self.path, older)?;
            *self = Self::new(&self.path, self.max)?;
        }
        let written = self.file.write(bytes)?;
        self.length += written as u64;
        Ok(written)
    }
}

impl Write for LogFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Empties a file that somebody has open to add to it.
fn shorten(path: &Path) {
    if std::fs::metadata(path).is_ok_and(|found| found.len() > BESIDE_MAX_BYTES) {
        // Where that is not possible, the file is somebody else's.
        let _left_as_it_is = OpenOptions::new()
            .write(true)
            .open(path)
            .and_then(|file| file.set_len(0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_log_is_kept_once_and_begins_anew() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("worker.log");
        let mut open = Open::new(&path, 10).expect("open");
        for line in ["first\n", "second\n", "third\n"] {
            open.write(line.as_bytes()).expect("write");
        }
        let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).expect("read");
        assert_eq!(
            (read("worker.log"), read("worker.log.1")),
            ("third\n".into(), "second\n".into())
        );
        drop(open);
        let mut again = Open::new(&path, 10).expect("open again");
        again.write(b"4th\n").expect("write");
        assert_eq!(read("worker.log"), "third\n4th\n");
    }

    #[test]
    fn what_comes_beside_the_log_is_bounded_too() {
        let folder = tempfile::tempdir().expect("a folder");
        let beside = folder.path().join("logs/worker.stderr.log");
        std::fs::create_dir(folder.path().join("logs")).expect("a folder");
        let much = usize::try_from(BESIDE_MAX_BYTES + 1).expect("it fits");
        std::fs::write(&beside, vec![b'x'; much]).expect("write");
        LogFile::open(&folder.path().join("logs/worker.log")).expect("open");
        assert_eq!(std::fs::metadata(&beside).expect("metadata").len(), 0);
    }
}
