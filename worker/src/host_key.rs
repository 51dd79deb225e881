//! The key by which a rented host proves who it is, and the file that holds it.

use std::fmt;
use std::fs::{File, Permissions};
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use creel_core::secret::Secret;
use sha2::{Digest, Sha256};

/// What a generated key begins with, so that scanners for leaked secrets can know it.
const PREFIX: &str = "creel_host_";
/// Nobody guesses 256 bits.
const RANDOM_BYTES: usize = 32;
/// Shorter is no key but a mistake.
const MIN_CHARS: usize = 32;
/// It goes into a header with every call.
const MAX_CHARS: usize = 256;
/// A file that is larger holds something else.
const MAX_FILE_BYTES: u64 = 4_096;
/// Whoever else could read the key could be this host.
const OTHERS_BITS: u32 = 0o077;
/// For its owner only.
const FILE_MODE: u32 = 0o600;

/// A host's key. It neither logs nor prints; the database knows only its hash.
#[derive(Clone)]
pub struct HostKey(Secret);

/// What is wrong with a key or its file.
#[derive(Debug, thiserror::Error)]
pub enum HostKeyError {
    /// It cannot be read.
    #[error(
        "cannot read {}: {source}; it is made when the host is enrolled, and must belong to the worker's user",
        path.display()
    )]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// Others could be this host.
    #[error(
        "{} can be read by other users (mode {mode:03o}); run: chmod 600 {}",
        path.display(),
        path.display()
    )]
    Shared {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// It is somebody else's, who could change it.
    #[error(
        "{} belongs to another user (id {owner}); give it to the user that the worker runs as, by chown",
        path.display()
    )]
    Foreign {
        /// The file.
        path: PathBuf,
        /// Who has it.
        owner: u32,
    },
    /// What is in it is no key.
    #[error(
        "{} holds no host key: it must be one line of {MIN_CHARS}–{MAX_CHARS} visible ASCII characters; enrol the \
         host again for a new one",
        path.display()
    )]
    NoKey {
        /// The file.
        path: PathBuf,
    },
}

impl HostKey {
    /// A new key.
    pub fn generate() -> Self {
        let random: [u8; RANDOM_BYTES] = rand::random();
        Self(Secret::new(format!("{PREFIX}{}", hex::encode(random))))
    }

    /// A key as somebody wrote it; none if it cannot be one.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let is_key =
            (MIN_CHARS..=MAX_CHARS).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        is_key.then(|| Self(Secret::new(text)))
    }

    /// What the database keeps of it: SHA-256, as hex.
    pub fn sha256(&self) -> String {
        hex::encode(Sha256::digest(self.0.expose().as_bytes()))
    }

    /// The key itself, for the request's header.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }

    /// Reads a key's file, which must be the user's own and closed to others.
    pub fn read(path: &Path) -> Result<Self, HostKeyError> {
        let unreadable = |source| HostKeyError::Read {
            path: path.to_owned(),
            source,
        };
        // A pipe would be waited for without end.
        if !std::fs::metadata(path).map_err(unreadable)?.is_file() {
            return Err(unreadable(std::io::Error::other("it is no regular file")));
        }
        let file = File::open(path).map_err(unreadable)?;
        // Asked of what was opened: the name may stand for another file by now.
        let metadata = file.metadata().map_err(unreadable)?;
        let mode = metadata.mode() & 0o7777;
        if mode & OTHERS_BITS != 0 {
            return Err(HostKeyError::Shared {
                path: path.to_owned(),
                mode,
            });
        }
        let (owner, us) = (metadata.uid(), rustix::process::geteuid().as_raw());
        if owner != us && owner != 0 {
            return Err(HostKeyError::Foreign {
                path: path.to_owned(),
                owner,
            });
        }
        let mut text = String::new();
        file.take(MAX_FILE_BYTES)
            .read_to_string(&mut text)
            .map_err(unreadable)?;
        Self::parse(&text).ok_or_else(|| HostKeyError::NoKey {
            path: path.to_owned(),
        })
    }

    /// Writes a key's file, whole or not at all; after this it is on the disk.
    pub fn write(&self, path: &Path) -> std::io::Result<()> {
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let mut file = tempfile::Builder::new()
            .prefix(".host-key-")
            .permissions(Permissions::from_mode(FILE_MODE))
            .tempfile_in(folder)?;
        writeln!(file, "{}", self.0.expose())?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        File::open(folder)?.sync_all()
    }
}

impl PartialEq for HostKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.expose() == other.0.expose()
    }
}

impl Eq for HostKey {}

impl fmt::Debug for HostKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HostKey(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_as_it_was_written_and_by_its_owner_only() {
        let folder = tempfile::tempdir().expect("make a folder");
        let path = folder.path().join("host.key");
        let (first, second) = (HostKey::generate(), HostKey::generate());
        assert_ne!(first, second);
        first.write(&path).expect("write");
        second.write(&path).expect("write over it");
        assert_eq!(HostKey::read(&path).expect("read"), second);
        let mode = std::fs::metadata(&path).expect("look").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let names = std::fs::read_dir(folder.path()).expect("look").count();
        assert_eq!(names, 1, "nothing is left beside it");
    }

    #[test]
    fn a_file_that_others_can_read_is_refused_with_what_to_do() {
        let folder = tempfile::tempdir().expect("make a folder");
        let path = folder.path().join("host.key");
        HostKey::generate().write(&path).expect("write");
        for mode in [0o640, 0o604, 0o622] {
            std::fs::set_permissions(&path, Permissions::from_mode(mode)).expect("chmod");
            let said = HostKey::read(&path).expect_err("refused").to_string();
            assert!(said.contains("chmod 600"), "{said}");
        }
    }

    #[test]
    fn what_is_no_key_is_refused_without_being_shown() {
        let folder = tempfile::tempdir().expect("make a folder");
        let path = folder.path().join("host.key");
        for text in [
            "",
            "short",
            &"two words ".repeat(8),
            &"ü".repeat(40),
            &"x".repeat(5_000),
        ] {
            std::fs::write(&path, text).expect("write");
            std::fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("chmod");
            let said = HostKey::read(&path).expect_err("refused").to_string();
            assert!(said.contains("holds no host key"), "{said}");
            assert!(text.len() < 6 || !said.contains(text), "{said}");
        }
        assert!(HostKey::read(folder.path()).is_err(), "a folder is no key");
        assert!(HostKey::read(&folder.path().join("none")).is_err());
    }

    #[test]
    fn a_key_does_not_show_in_debug_output() {
        let key = HostKey::generate();
        assert!(!format!("{key:?}").contains(key.expose()));
        assert_eq!(key.sha256().len(), 64);
    }
}
