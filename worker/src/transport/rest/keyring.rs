//! The key that is used now, and where another one may be: in its file, which somebody else may have written anew, and
//! beside it, where a rotation leaves the next one before the database knows it.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use crate::host_key::{HostKey, HostKeyError};

/// What the next key's file ends with.
const NEXT: &str = ".next";

/// The host's keys.
#[derive(Debug)]
pub(super) struct Keyring {
    file: PathBuf,
    current: Mutex<HostKey>,
}

impl Keyring {
    /// Reads the file.
    pub(super) fn open(file: &Path) -> Result<Self, HostKeyError> {
        Ok(Self {
            file: file.to_owned(),
            current: Mutex::new(HostKey::read(file)?),
        })
    }

    /// The key that is used now.
    pub(super) fn current(&self) -> HostKey {
        self.current
            .lock()
            .expect("no holder of this lock panics")
            .clone()
    }

    /// The key's file.
    pub(super) fn file(&self) -> &Path {
        &self.file
    }

    /// Where the next key is until the database is known to have it.
    pub(super) fn next_file(&self) -> PathBuf {
        let mut path = self.file.clone().into_os_string();
        path.push(NEXT);
        path.into()
    }

    /// The next key, if a rotation has begun and is not known to have ended.
    pub(super) fn next(&self) -> Option<HostKey> {
        HostKey::read(&self.next_file()).ok()
    }

    /// Another key than those that were refused.
    pub(super) fn other_than(&self, refused: &[HostKey]) -> Option<HostKey> {
        let in_file = || HostKey::read(&self.file).ok();
        let candidates = [Some(self.current()), in_file(), self.next()];
        candidates
            .into_iter()
            .flatten()
            .find(|key| !refused.contains(key))
    }

    /// The database took this key: it is the one from now on. Fails when the file cannot be written; the key is used
    /// nevertheless.
    pub(super) fn adopt(&self, key: &HostKey) -> std::io::Result<()> {
        *self.current.lock().expect("no holder of this lock panics") = key.clone();
        let kept = HostKey::read(&self.file).is_ok_and(|in_file| in_file == *key);
        if !kept {
            key.write(&self.file)?;
        }
        if self.next().is_some_and(|next| next == *key) {
            std::fs::remove_file(self.next_file())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_was_refused_gives_way_to_one_that_is_newer() {
        let folder = tempfile::tempdir().expect("make a folder");
        let file = folder.path().join("host.key");
        let [old, next, enrolled] = [(); 3].map(|()| HostKey::generate());
        old.write(&file).expect("write");
        let ring = Keyring::open(&file).expect("open");
        assert_eq!(ring.other_than(std::slice::from_ref(&old)), None);

        next.write(&ring.next_file()).expect("write");
        assert_eq!(ring.other_than(std::slice::from_ref(&old)), Some(next.clone()));
        ring.adopt(&next).expect("adopt");
        assert_eq!((ring.current(), ring.next()), (next.clone(), None));
        assert_eq!(HostKey::read(&file).expect("read"), next);

        enrolled.write(&file).expect("write");
        assert_eq!(
            ring.other_than(std::slice::from_ref(&next)),
            Some(enrolled.clone())
        );
        ring.adopt(&enrolled).expect("adopt");
        assert_eq!(ring.current(), enrolled);
    }
}
