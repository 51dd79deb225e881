//! Which project a command speaks to: flag, else environment, else `.creel/env` here, else the last login.

use std::path::Path;

use creel_core::project_key::is_secret_key;
use creel_core::secret::Secret;

use crate::env_file::{self, Variables};
use crate::error::{CliError, ErrorKind};
use crate::http;
use crate::session::SessionStore;

/// What `creel up` writes, seen from the folder that it ran in.
const ENV_FILE: &str = ".creel/env";

/// Flags of every command that speaks to a project's Data API.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct ConnectionArgs {
    /// URL of the Supabase project [default: that of .creel/env here, else of the last login].
    #[arg(long, env = "SUPABASE_URL", value_name = "URL")]
    pub(crate) url: Option<String>,

    /// The project's publishable key [default: as for --url].
    #[arg(long, env = "SUPABASE_PUBLISHABLE_KEY", value_name = "KEY")]
    pub(crate) key: Option<String>,
}

/// A project's address, and with what to sign in where that is known.
#[derive(Debug, Clone)]
pub(crate) struct Connection {
    /// URL without a slash at its end.
    pub(crate) url: String,
    /// The publishable key.
    pub(crate) key: String,
    /// E-mail address and password of a local project.
    pub(crate) local_login: Option<(String, Secret)>,
}

impl ConnectionArgs {
    /// Decides which project is meant.
    pub(crate) fn resolve(&self, store: &SessionStore) -> anyhow::Result<Connection> {
        let local = env_file::read(Path::new(ENV_FILE))?.unwrap_or_default();
        self.resolve_from(&local, store).map_err(Into::into)
    }

    fn resolve_from(&self, local: &Variables, store: &SessionStore) -> Result<Connection, CliError> {
        let local_url = local.get("SUPABASE_URL");
        let last = store.last();
        let url = self
            .url
            .as_ref()
            .or(local_url)
            .map(|url| url.trim_end_matches('/').to_owned())
            .or_else(|| last.map(|session| session.url.clone()))
            .ok_or_else(|| {
                CliError::new(ErrorKind::Auth, "no project is known")
                    .hint("start one here with creel up, or sign in to one: creel login --url https://…")
            })?;
        if url.starts_with("http://") && !http::is_loopback(&url) {
            return Err(CliError::new(
                ErrorKind::Usage,
                format!("{url} would carry passwords unencrypted"),
            )
            .hint("use https://; http:// is for this machine only"));
        }
        if !url.starts_with("http://") && !url.starts_with("https://") {
            return Err(CliError::new(ErrorKind::Usage, format!("{url:?} is no URL"))
                .hint("give the project's URL, as https://YOUR-PROJECT.supabase.co"));
        }
        let is_local = is_of(local, &url);
        let key = self
            .key
            .clone()
            .or_else(|| {
                is_local
                    .then(|| local.get("SUPABASE_PUBLISHABLE_KEY").cloned())
                    .flatten()
            })
            .or_else(|| store.get(&url).map(|session| session.key.clone()))
            .ok_or_else(|| {
                CliError::new(
                    ErrorKind::Auth,
                    format!("the publishable key of {url} is not known"),
                )
                .hint("give --key, or set SUPABASE_PUBLISHABLE_KEY; the project's settings show it")
            })?;
        if is_secret_key(&key) {
            let message = "this is the project's secret key, which no part of Creel needs";
            return Err(CliError::new(ErrorKind::Usage, message)
                .hint("give the publishable key, sb_publishable_…; the project's settings show it"));
        }
        let local_login = is_local
            .then(|| {
                Some((
                    local.get("CREEL_EMAIL")?.clone(),
                    Secret::new(local.get("CREEL_PASSWORD")?),
                ))
            })
            .flatten();
        Ok(Connection {
            url,
            key,
            local_login,
        })
    }
}

/// Whether these variables are about the Supabase project at `url`.
fn is_of(local: &Variables, url: &str) -> bool {
    local
        .get("SUPABASE_URL")
        .is_some_and(|local_url| local_url.trim_end_matches('/') == url.trim_end_matches('/'))
}

/// The project that `.creel/env` here names, when the commands go to its Supabase project.
pub(crate) fn local_project(url: &str) -> anyhow::Result<Option<String>> {
    let local = env_file::read(Path::new(ENV_FILE))?.unwrap_or_default();
    Ok(local_value(&local, Some(url), "CREEL_PROJECT"))
}

/// The database that `.creel/env` here names, unless another Supabase project is meant.
pub(crate) fn local_database_url(url: Option<&str>) -> anyhow::Result<Option<Secret>> {
    let local = env_file::read(Path::new(ENV_FILE))?.unwrap_or_default();
    Ok(local_value(&local, url, "DATABASE_URL").map(Secret::new))
}

/// Without a URL the file's own is meant.
fn local_value(local: &Variables, url: Option<&str>, name: &str) -> Option<String> {
    url.is_none_or(|url| is_of(local, url))
        .then(|| local.get(name).cloned())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local() -> Variables {
        [
            ("SUPABASE_URL", "http://127.0.0.1:9"),
            ("SUPABASE_PUBLISHABLE_KEY", "sb_publishable_local"),
            ("CREEL_EMAIL", "me@example.com"),
            ("CREEL_PASSWORD", "p"),
            ("CREEL_PROJECT", "local"),
            ("DATABASE_URL", "postgresql://h/d"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
    }

    #[test]
    fn a_folder_with_a_local_project_needs_no_flags() {
        let known = ConnectionArgs::default()
            .resolve_from(&local(), &SessionStore::default())
            .expect("known");
        assert_eq!(known.url, "http://127.0.0.1:9");
        assert_eq!(known.key, "sb_publishable_local");
        assert!(known.local_login.is_some());
    }

    #[test]
    fn the_local_key_and_password_go_to_no_other_project() {
        let elsewhere = ConnectionArgs {
            url: Some("https://x.supabase.co/".to_owned()),
            key: None,
        };
        let refusal = elsewhere
            .resolve_from(&local(), &SessionStore::default())
            .expect_err("no key");
        assert_eq!(refusal.kind, ErrorKind::Auth);
        let with_key = ConnectionArgs {
            key: Some("sb_publishable_x".to_owned()),
            ..elsewhere
        };
        let known = with_key
            .resolve_from(&local(), &SessionStore::default())
            .expect("known");
        assert_eq!(known.url, "https://x.supabase.co");
        assert!(known.local_login.is_none());
    }

    #[test]
    fn the_projects_secret_key_is_refused_without_being_shown() {
        let with_secret_key = ConnectionArgs {
            url: Some("https://x.supabase.co".to_owned()),
            key: Some("sb_secret_hunter2".to_owned()),
        };
        let refusal = with_secret_key
            .resolve_from(&local(), &SessionStore::default())
            .expect_err("refused");
        assert_eq!(refusal.kind, ErrorKind::Usage);
        assert!(!format!("{refusal:?}").contains("hunter2"), "{refusal:?}");
    }

    #[test]
    fn the_local_project_and_database_are_for_the_local_url_only() {
        for name in ["CREEL_PROJECT", "DATABASE_URL"] {
            assert_eq!(
                local_value(&local(), Some("https://x.supabase.co"), name),
                None,
                "{name}"
            );
            assert!(
                local_value(&local(), Some("http://127.0.0.1:9/"), name).is_some(),
                "{name}"
            );
            assert!(local_value(&local(), None, name).is_some(), "{name}");
        }
    }

    #[test]
    fn a_password_is_not_sent_readable_to_another_machine() {
        let elsewhere = |url: &str| ConnectionArgs {
            url: Some(url.to_owned()),
            key: Some("k".to_owned()),
        };
        let nothing = Variables::new();
        let refusal = elsewhere("http://db.example.com").resolve_from(&nothing, &SessionStore::default());
        assert_eq!(refusal.expect_err("refused").kind, ErrorKind::Usage);
        let here = elsewhere("http://localhost:54321").resolve_from(&nothing, &SessionStore::default());
        assert!(here.is_ok());
    }

    #[test]
    fn without_anything_known_the_hint_says_how_to_begin() {
        let nothing = Variables::new();
        let refusal = ConnectionArgs::default()
            .resolve_from(&nothing, &SessionStore::default())
            .expect_err("nothing is known");
        assert!(refusal.hint.expect("a hint").contains("creel up"));
    }
}
