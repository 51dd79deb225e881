//! Who a service runs as.

use std::path::{Path, PathBuf};

use crate::error::{CliError, ErrorKind};

/// Where both systems list users; macOS only those of the system itself.
const USERS: &str = "/etc/passwd";

/// A user of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Account {
    /// Name.
    pub(crate) name: String,
    /// Number.
    pub(crate) uid: u32,
    /// Folder.
    pub(crate) home: PathBuf,
}

impl Account {
    /// Whoever runs this program; HOME goes before what the system says, as it does everywhere else.
    pub(crate) fn current() -> Result<Self, CliError> {
        let uid = rustix::process::getuid().as_raw();
        let known = listed().into_iter().find(|account| account.uid == uid);
        let home = etcetera::home_dir()
            .ok()
            .or(known.as_ref().map(|known| known.home.clone()));
        let name = known
            .map(|known| known.name)
            .or_else(|| std::env::var_os("USER").and_then(|name| name.into_string().ok()));
        match (name, home) {
            (Some(name), Some(home)) => Ok(Self { name, uid, home }),
            _ => Err(
                CliError::new(ErrorKind::Failed, "your user has no name or no home directory")
                    .hint("set USER and HOME"),
            ),
        }
    }

    /// A user by name.
    pub(crate) fn named(name: &str) -> Result<Self, CliError> {
        let found = listed().into_iter().find(|account| account.name == name);
        found
            .or_else(|| of_home(name, Path::new("/Users")))
            .ok_or_else(|| {
                CliError::new(ErrorKind::Usage, format!("there is no user {name}"))
                    .hint("make one: useradd --create-home --shell /usr/sbin/nologin creel")
            })
    }
}

fn listed() -> Vec<Account> {
    parse(&std::fs::read_to_string(USERS).unwrap_or_default())
}

fn parse(text: &str) -> Vec<Account> {
    text.lines()
        .filter_map(|line| {
            let fields: Vec<_> = line.split(':').collect();
            let [name, _, uid, _, _, home, ..] = fields.as_slice() else {
                return None;
            };
            Some(Account {
                name: (*name).to_owned(),
                uid: uid.parse().ok()?,
                home: PathBuf::from(home),
            })
        })
        .collect()
}

/// People of a Mac are in no file; their folders are known, and belong to them.
fn of_home(name: &str, homes: &Path) -> Option<Account> {
    use std::os::unix::fs::MetadataExt;
    let is_name = name
        .bytes()
        .all(|c| c.is_ascii_alphanumeric() || matches!(c, b'_' | b'-' | b'.'));
    if name.is_empty() || name.starts_with('.') || !is_name {
        return None;
    }
    let home = homes.join(name);
    let uid = std::fs::metadata(&home)
        .ok()
        .filter(std::fs::Metadata::is_dir)?
        .uid();
    Some(Account {
        name: name.to_owned(),
        uid,
        home,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_read_as_the_system_lists_them() {
        let text =
            "root:x:0:0:root:/root:/bin/bash\n# comment\ncreel:x:990:990::/var/lib/creel:/usr/sbin/nologin\n";
        let users = parse(text);
        assert_eq!(users.len(), 2);
        assert_eq!((users[1].name.as_str(), users[1].uid), ("creel", 990));
        assert_eq!(users[1].home, Path::new("/var/lib/creel"));
    }

    #[test]
    fn a_person_of_a_mac_is_found_by_the_folder() {
        let homes = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(homes.path().join("ada")).expect("a home");
        assert!(of_home("ada", homes.path()).is_some());
        for name in ["bob", "..", "", "ada/../ada"] {
            assert_eq!(of_home(name, homes.path()), None, "{name}");
        }
    }
}
