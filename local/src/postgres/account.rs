//! Who runs Postgres: it refuses to be run by root.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::{Context, Result, bail};
use tokio::process::Command;

/// Accounts that are there for such a purpose, in the order of our wish.
const NAMES: &[&str] = &["postgres", "_postgres", "nobody"];

/// An unprivileged account of this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) uid: u32,
    pub(super) gid: u32,
}

impl Account {
    /// The account to run Postgres as; none when we are not root and run it as ourselves.
    pub(super) fn choose() -> Result<Option<Self>> {
        if !rustix::process::geteuid().is_root() {
            return Ok(None);
        }
        let passwd = fs::read_to_string("/etc/passwd").context("read the accounts of this machine")?;
        match NAMES.iter().find_map(|name| Self::parse(&passwd, name)) {
            Some(account) => Ok(Some(account)),
            None => bail!(
                "Postgres cannot be run by root, and there is no account postgres or nobody to run it as; \
                 run creel as another user"
            ),
        }
    }

    fn parse(passwd: &str, name: &str) -> Option<Self> {
        let fields: Vec<_> = passwd
            .lines()
            .map(|line| line.split(':').collect::<Vec<_>>())
            .find(|f| f.first() == Some(&name))?;
        // macOS writes nobody's number as -2.
        let number = |text: &str| {
            text.parse::<u32>()
                .ok()
                .or_else(|| Some(text.parse::<i32>().ok()?.cast_unsigned()))
        };
        let account = Self {
            uid: number(fields.get(2)?)?,
            gid: number(fields.get(3)?)?,
        };
        (account.uid != 0).then_some(account)
    }

    /// Makes a command run as this account, with no other group.
    pub(super) fn apply(self, command: &mut Command) {
        command.uid(self.uid).gid(self.gid);
    }

    /// Whether this account may pass through `folder` and all that is above it, by the mode bits.
    pub(super) fn can_enter(self, folder: &Path) -> bool {
        folder.ancestors().all(|ancestor| {
            fs::metadata(ancestor).is_ok_and(|meta| {
                let bit = match meta {
                    ref meta if meta.uid() == self.uid => 0o100,
                    ref meta if meta.gid() == self.gid => 0o010,
                    _ => 0o001,
                };
                meta.mode() & bit != 0
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str =
        "root:x:0:0:root:/root:/bin/sh\nnobody:*:-2:-2::/:/bin/false\npostgres:x:26:27::/:/bin/sh\n";

    #[test]
    fn accounts_are_read_with_negative_numbers_too() {
        assert_eq!(
            Account::parse(PASSWD, "postgres"),
            Some(Account { uid: 26, gid: 27 })
        );
        let nobody = Account {
            uid: u32::MAX - 1,
            gid: u32::MAX - 1,
        };
        assert_eq!(Account::parse(PASSWD, "nobody"), Some(nobody));
    }

    #[test]
    fn root_and_unknown_names_are_no_account_to_run_postgres_as() {
        assert_eq!(Account::parse(PASSWD, "root"), None);
        assert_eq!(Account::parse(PASSWD, "post"), None);
    }
}
