//! The folder of an export: nothing in it is written through a symbolic link, and no file is ever half there.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use creel_core::host_api::DOC_MAX_BYTES;
use creel_worker::workspace::handle::{create_file, make_folder, open_file, open_folder, replace_file};

use super::super::names::sha256_of;
use crate::error::{CliError, ErrorKind};

/// Larger than any file that an export writes: the lists of versions are longer than a text.
const FILE_MAX_BYTES: u64 = 64 * DOC_MAX_BYTES as u64;

/// What is where a file is to be.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Nothing.
    Nothing,
    /// The very text.
    Same,
    /// A file with another text.
    Other,
}

/// The folder, by its handle.
pub(super) struct Folder {
    dir: Dir,
    path: PathBuf,
}

impl Folder {
    /// Opens the folder, or makes it and what is above it.
    pub(super) fn open(path: &Path) -> Result<Self, CliError> {
        let failed = |error: io::Error| refusal(path, &error);
        let dir = match (path.parent(), path.file_name().and_then(|name| name.to_str())) {
            (Some(above), Some(name)) => {
                let above = if above.as_os_str().is_empty() {
                    Path::new(".")
                } else {
                    above
                };
                std::fs::create_dir_all(above).map_err(failed)?;
                let above = Dir::open_ambient_dir(above, ambient_authority()).map_err(failed)?;
                make_folder(&above, name).map_err(failed)?;
                open_folder(&above, name).map_err(failed)?
            }
            // Such as "." or "/"; a name that is no UTF-8 has to be there.
            _ => Dir::open_ambient_dir(path, ambient_authority()).map_err(failed)?,
        };
        Ok(Self {
            dir,
            path: path.to_owned(),
        })
    }

    /// What is there, without changing it.
    pub(super) fn look(&self, path: &[String], sha256: &str) -> Result<Found, CliError> {
        let failed = |error: io::Error| refusal(&self.path_of(path), &error);
        let (name, folders) = parts(path).map_err(failed)?;
        let mut dir = self.dir.try_clone().map_err(failed)?;
        for folder in folders {
            dir = match open_folder(&dir, folder) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
                opened => opened.map_err(failed)?,
            };
        }
        let file = match open_file(&dir, name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
            opened => opened.map_err(failed)?,
        };
        let mut content = String::new();
        let read = file.take(FILE_MAX_BYTES).read_to_string(&mut content);
        match read {
            Ok(_) if sha256_of(&content) == sha256 => Ok(Found::Same),
            Ok(_) => Ok(Found::Other),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => Ok(Found::Other),
            Err(error) => Err(failed(error)),
        }
    }

    /// Writes a file whole, or not at all.
    pub(super) fn write(&self, path: &[String], content: &str, force: bool) -> Result<(), CliError> {
        let failed = |error: io::Error| refusal(&self.path_of(path), &error);
        let (name, folders) = parts(path).map_err(failed)?;
        let mut dir = self.dir.try_clone().map_err(failed)?;
        for folder in folders {
            make_folder(&dir, folder).map_err(failed)?;
            dir = open_folder(&dir, folder).map_err(failed)?;
        }
        if force {
            return replace_file(&dir, &dir, name, content.as_bytes()).map_err(failed);
        }
        match create_file(&dir, &dir, name, content.as_bytes()) {
            Ok(true) => Ok(()),
            Ok(false) => Err(failed(io::ErrorKind::AlreadyExists.into())),
            Err(error) => Err(failed(error)),
        }
    }

    fn path_of(&self, path: &[String]) -> PathBuf {
        path.iter()
            .fold(self.path.clone(), |whole, part| whole.join(part))
    }
}

/// The name and the folders of a path. None of them leads anywhere else, whatever the database says.
fn parts(path: &[String]) -> io::Result<(&String, &[String])> {
    let is_name =
        |part: &String| !part.is_empty() && part != "." && part != ".." && !part.contains(['/', '\0']);
    match path.split_last() {
        Some(parts) if path.iter().all(is_name) => Ok(parts),
        _ => Err(io::Error::other("that is no name of a file")),
    }
}

/// What stands in the way, with what to do about it.
fn refusal(path: &Path, error: &io::Error) -> CliError {
    let is_link = std::fs::symlink_metadata(path).is_ok_and(|found| found.is_symlink());
    let shown = path.display();
    let (why, hint) = match error.kind() {
        _ if is_link => (
            "it is a symbolic link, and none is followed".to_owned(),
            "give the folder itself, or take the link away",
        ),
        io::ErrorKind::InvalidInput | io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory => (
            "something else is there than a file of an export".to_owned(),
            "take it away, or give another folder",
        ),
        io::ErrorKind::AlreadyExists => (
            "somebody wrote it meanwhile".to_owned(),
            "look at it; --force replaces it",
        ),
        io::ErrorKind::StorageFull => (
            "the disk is full".to_owned(),
            "make room; what is written already is whole",
        ),
        _ => (error.to_string(), "may you write there, and is there room?"),
    };
    CliError::new(ErrorKind::Failed, format!("{shown}: {why}"))
        .code("folder")
        .hint(hint)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn path(words: &str) -> Vec<String> {
        words.split('/').map(str::to_owned).collect()
    }

    #[test]
    fn nothing_is_written_through_a_symbolic_link() {
        let disk = tempfile::tempdir().expect("a folder");
        let (outside, copy) = (disk.path().join("outside"), disk.path().join("copy"));
        std::fs::create_dir(&outside).expect("made");
        std::fs::write(outside.join("SOUL.md"), "theirs").expect("written");
        symlink(&outside, disk.path().join("link")).expect("linked");
        assert!(
            Folder::open(&disk.path().join("link")).is_err(),
            "the folder itself"
        );

        let folder = Folder::open(&copy).expect("made");
        symlink(&outside, copy.join("scout")).expect("linked");
        std::fs::create_dir(copy.join("ada")).expect("made");
        symlink(outside.join("SOUL.md"), copy.join("ada/SOUL.md")).expect("linked");
        std::fs::create_dir_all(copy.join("bob/SOUL.md")).expect("made");
        let refused = [path("scout/SOUL.md"), path("ada/SOUL.md"), path("bob/SOUL.md")];
        for path in &refused {
            let refusal = folder.look(path, "x").expect_err("it is no file");
            assert!(refusal.hint.is_some(), "{refusal}");
        }
        for force in [false, true] {
            assert!(folder.write(&path("scout/SOUL.md"), "ours", force).is_err());
            assert!(folder.write(&path("bob/SOUL.md"), "ours", force).is_err());
        }
        for way_out in [
            vec!["..".to_owned()],
            vec!["a/b".to_owned()],
            vec!["x".to_owned(), "../y".to_owned()],
            vec![],
        ] {
            assert!(folder.look(&way_out, "x").is_err(), "{way_out:?}");
            assert!(folder.write(&way_out, "ours", true).is_err(), "{way_out:?}");
        }
        // A link in the place of a file is replaced and not followed, if at all.
        assert!(folder.write(&path("ada/SOUL.md"), "ours", false).is_err());
        folder
            .write(&path("ada/SOUL.md"), "ours", true)
            .expect("replaced");
        let theirs = std::fs::read_to_string(outside.join("SOUL.md")).expect("read");
        assert_eq!(theirs, "theirs");
        assert_eq!(std::fs::read_dir(&outside).expect("a listing").count(), 1);
    }

    #[test]
    fn a_file_is_written_once_for_its_owner_alone_and_replaced_only_by_force() {
        let disk = tempfile::tempdir().expect("a folder");
        let folder = Folder::open(&disk.path().join("a/b")).expect("made");
        let soul = path("scout/memory/2026-11-21.md");
        assert_eq!(folder.look(&soul, "x").expect("looked"), Found::Nothing);
        folder.write(&soul, "one", false).expect("written");
        assert_eq!(
            folder.look(&soul, &sha256_of("one")).expect("looked"),
            Found::Same
        );
        assert_eq!(folder.look(&soul, "x").expect("looked"), Found::Other);
        assert!(folder.write(&soul, "two", false).is_err());
        folder.write(&soul, "two", true).expect("replaced");
        let file = disk.path().join("a/b/scout/memory/2026-11-21.md");
        assert_eq!(std::fs::read_to_string(&file).expect("read"), "two");
        let mode = std::fs::metadata(&file).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let there = std::fs::read_dir(file.parent().expect("a folder"))
            .expect("a listing")
            .count();
        assert_eq!(there, 1, "no temporary file is left");
    }
}
