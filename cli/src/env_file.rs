//! `.creel/env`: written by `creel up`, sourced by a shell, read by the other commands.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::Context;

/// Only its owner may read a file with secrets.
const PRIVATE_MODE: u32 = 0o600;

/// Names and values, as `. .creel/env` in a shell would set them.
pub(crate) type Variables = BTreeMap<String, String>;

/// Reads such a file; none when it does not exist.
pub(crate) fn read(path: &Path) -> anyhow::Result<Option<Variables>> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(parse(&text))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("read {}", path.display())),
    }
}

fn parse(text: &str) -> Variables {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.trim().to_owned(), unquote(value.trim())))
        .collect()
}

/// Undoes single and double quotes, and `'\''`. Nothing is expanded.
fn unquote(value: &str) -> String {
    let mut plain = String::with_capacity(value.len());
    let mut quote = None;
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (None, '\'' | '"') => quote = Some(c),
            (Some(open), c) if c == open => quote = None,
            (None | Some('"'), '\\') => plain.extend(chars.next()),
            (_, c) => plain.push(c),
        }
    }
    plain
}

/// The text of such a file.
pub(crate) fn render(comment: &str, variables: &[(&str, &str)]) -> String {
    let mut text = format!("# {comment}\n");
    for (name, value) in variables {
        let _infallible = writeln!(text, "{name}='{}'", value.replace('\'', r"'\''"));
    }
    text
}

/// Writes a file that only its owner can read, all at once.
pub(crate) fn write_private(path: &Path, text: &str) -> anyhow::Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
    let mut file =
        tempfile::NamedTempFile::new_in(folder).with_context(|| format!("write {}", path.display()))?;
    file.as_file()
        .set_permissions(std::fs::Permissions::from_mode(PRIVATE_MODE))?;
    file.write_all(text.as_bytes())
        .with_context(|| format!("write {}", path.display()))?;
    file.as_file().sync_all()?;
    file.persist(path)
        .with_context(|| format!("write {}", path.display()))?;
    Ok(())
}

/// A new file that only its owner can read. It is removed again unless it is written.
pub(crate) struct NewPrivateFile {
    file: File,
    path: PathBuf,
    is_written: bool,
}

impl NewPrivateFile {
    /// Makes an empty one; an existing file is an error.
    pub(crate) fn create(path: &Path) -> anyhow::Result<Self> {
        let file = File::options()
            .write(true)
            .create_new(true)
            .mode(PRIVATE_MODE)
            .open(path)
            .with_context(|| format!("write {} (it must not exist yet)", path.display()))?;
        Ok(Self {
            file,
            path: path.to_owned(),
            is_written: false,
        })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes it, and keeps it.
    pub(crate) fn write(mut self, text: &str) -> anyhow::Result<()> {
        self.file
            .write_all(text.as_bytes())
            .and_then(|()| self.file.sync_all())
            .with_context(|| format!("write {}", self.path.display()))?;
        self.is_written = true;
        Ok(())
    }
}

impl Drop for NewPrivateFile {
    fn drop(&mut self) {
        if !self.is_written {
            let _nothing_more_to_do = std::fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_rendered_is_read_back() {
        let odd = r#"it's a "word" with $HOME and \ in it"#;
        let text = render("a comment", &[("A", odd), ("B", "plain")]);
        let variables = parse(&text);
        assert_eq!(variables["A"], odd);
        assert_eq!(variables["B"], "plain");
    }

    #[test]
    fn a_hand_written_file_may_go_without_quotes() {
        let variables = parse("# c\n\nURL = http://127.0.0.1:1\nKEY=\"a b\"\n");
        assert_eq!(variables["URL"], "http://127.0.0.1:1");
        assert_eq!(variables["KEY"], "a b");
    }

    #[test]
    fn a_private_file_is_private_and_a_new_one_replaces_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("deep/env");
        write_private(&path, "a").expect("written");
        write_private(&path, "b").expect("replaced");
        let mode = std::fs::metadata(&path).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, PRIVATE_MODE);
        assert!(NewPrivateFile::create(&path).is_err());
        assert_eq!(std::fs::read_to_string(&path).expect("text"), "b");
    }

    #[test]
    fn a_new_file_that_is_not_written_is_not_left_behind() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("worker.toml");
        drop(NewPrivateFile::create(&path).expect("made"));
        assert!(!path.exists());
        let file = NewPrivateFile::create(&path).expect("made");
        file.write("a").expect("written");
        let mode = std::fs::metadata(&path).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, PRIVATE_MODE);
    }
}
