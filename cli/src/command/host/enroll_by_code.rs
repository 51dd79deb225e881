//! `creel host enroll --code`: this machine becomes somebody's host.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use creel_worker::{HostKey, WorkerConfig};
use serde_json::{Value, json};

use super::enroll::host_name;
use crate::connection::{Connection, ConnectionArgs};
use crate::data_api;
use crate::env_file;
use crate::error::{CliError, ErrorKind};
use crate::output::Output;
use crate::session::SessionStore;

/// Pauses before it is tried again: the code is good for minutes, and a second call with the same key is as good as one.
const RETRY_AFTER: [Duration; 3] = [
    Duration::from_millis(500),
    Duration::from_secs(2),
    Duration::from_secs(5),
];

/// What the file of a key is called that the database may not know yet; a worker looks there too.
const NEXT: &str = ".next";

/// A machine that is no host yet.
#[derive(Debug)]
pub(super) struct Newcomer {
    /// The owner's code.
    pub(super) code: String,
    /// What people call it.
    pub(super) name: Option<String>,
    /// `linux` or `macos`.
    pub(super) platform: String,
    /// The worker's configuration.
    pub(super) config_file: Option<PathBuf>,
    /// Where the key goes.
    pub(super) key_file: Option<PathBuf>,
}

/// Where things go.
struct Places {
    config: PathBuf,
    key: PathBuf,
    /// Whether the configuration is there already, and stays.
    is_kept: bool,
}

/// Makes a key and has it known; then writes what the worker needs.
pub(super) async fn run(newcomer: Newcomer, connection: &ConnectionArgs, out: Output) -> anyhow::Result<()> {
    let connection = connection.resolve(&SessionStore::open()?)?;
    // Nothing that can be known before may fail when the host is there.
    let places = plan_places(&newcomer, &connection)?;
    for file in [&places.config, &places.key] {
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
        }
    }
    let next = with_suffix(&places.key, NEXT);
    let (key, made) = make_known(&newcomer, &connection, &next).await?;
    keep(&key, &places, &connection, &next)?;
    show(&made, &places, out);
    Ok(())
}

/// Writes what the worker needs. Until all of it is there the key stays where the same command finds it again: the code
/// is used, and with another key it would make nothing.
fn keep(key: &HostKey, places: &Places, connection: &Connection, next: &Path) -> anyhow::Result<()> {
    key.write(&places.key)
        .with_context(|| format!("write the host's key to {}", places.key.display()))?;
    if !places.is_kept {
        let text = worker_toml(connection, &places.key);
        env_file::write_private(&places.config, &text)?;
    }
    std::fs::remove_file(next).with_context(|| format!("remove {}", next.display()))
}

fn plan_places(newcomer: &Newcomer, connection: &Connection) -> anyhow::Result<Places> {
    let no_home = || {
        CliError::new(
            ErrorKind::Usage,
            "there is no home directory for the worker's configuration",
        )
        .hint("name its file: --out worker.toml")
    };
    let config = match &newcomer.config_file {
        Some(file) => file.clone(),
        None => WorkerConfig::default_file().ok_or_else(no_home)?,
    };
    let config = std::path::absolute(&config).context("find the worker's configuration")?;
    let beside = config.with_file_name("host.key");
    let (is_kept, named) = match std::fs::read_to_string(&config) {
        Ok(text) => (true, key_file_of(&text, &config, connection)?.unwrap_or(beside)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => (false, beside),
        Err(error) => return Err(error).with_context(|| format!("read {}", config.display())),
    };
    let key = match &newcomer.key_file {
        Some(file) => std::path::absolute(file).context("find the key's file")?,
        None => named.clone(),
    };
    if is_kept && key != named {
        return Err(CliError::new(
            ErrorKind::Usage,
            format!("{} says that the key is in {}", config.display(), named.display()),
        )
        .hint("leave --key-file away, or write another configuration: --out")
        .into());
    }
    Ok(Places { config, key, is_kept })
}

/// The key's file by a configuration that is there, if it is one for this project.
fn key_file_of(text: &str, file: &Path, connection: &Connection) -> Result<Option<PathBuf>, CliError> {
    let table: Option<toml::Table> = text.parse().ok();
    let text_of = |name: &str| Some(table.as_ref()?.get(name)?.as_str()?.to_owned());
    let is_ours = text_of("data_api_url").is_some_and(|url| url.trim_end_matches('/') == connection.url);
    if !is_ours {
        return Err(CliError::new(
            ErrorKind::Usage,
            format!(
                "{} is there already, and not for {}",
                file.display(),
                connection.url
            ),
        )
        .hint("write another file: --out worker.toml"));
    }
    Ok(text_of("host_key_file").map(PathBuf::from))
}

/// Tries until the project knows the key. The key is on the disk before, so that one whose answer was lost is not.
async fn make_known(
    newcomer: &Newcomer,
    connection: &Connection,
    next: &Path,
) -> anyhow::Result<(HostKey, Value)> {
    let begun = HostKey::read(next).ok();
    let mut key = match &begun {
        Some(key) => key.clone(),
        None => new_key(next)?,
    };
    let mut is_begun = begun.is_some();
    let mut pauses = RETRY_AFTER.iter();
    loop {
        let args = json!({
            "code": newcomer.code,
            "key_sha256": key.sha256(),
            "platform": newcomer.platform,
            "name": newcomer.name.clone().or_else(host_name),
        });
        let refusal = match data_api::call_as_visitor(connection, "enroll_host_by_code", &args).await {
            Ok(made) => return Ok((key, made)),
            Err(refusal) => refusal,
        };
        if is_begun && refusal.code == "PT409" {
            // It was left by a rotation, and is known.
            key = new_key(next)?;
            is_begun = false;
            continue;
        }
        let is_lost = refusal.kind == ErrorKind::Unreachable;
        match pauses.next() {
            Some(pause) if is_lost => tokio::time::sleep(*pause).await,
            _ => {
                if !is_lost {
                    let _nothing_more_to_do = std::fs::remove_file(next);
                }
                return Err(explained(refusal));
            }
        }
    }
}

fn explained(refusal: CliError) -> anyhow::Error {
    if refusal.kind == ErrorKind::Unreachable {
        let hint = "check URL and network, and run the same command again while the code is good";
        return refusal.hint(hint).into();
    }
    refusal.into()
}

fn new_key(file: &Path) -> anyhow::Result<HostKey> {
    let key = HostKey::generate();
    key.write(file)
        .with_context(|| format!("write the host's key to {}", file.display()))?;
    Ok(key)
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut path = path.to_owned().into_os_string();
    path.push(suffix);
    path.into()
}

/// A worker's configuration.
fn worker_toml(connection: &Connection, key_file: &Path) -> String {
    let quoted = |text: &str| toml::Value::from(text).to_string();
    format!(
        "# Made by creel host enroll. The host's key is in a file of its own.\n\
         data_api_url = {}\npublishable_key = {}\nhost_key_file = {}\n",
        quoted(&connection.url),
        quoted(&connection.key),
        quoted(&key_file.display().to_string()),
    )
}

fn show(made: &Value, places: &Places, out: Output) {
    let (config, key) = (places.config.display(), places.key.display());
    let host = made["host_id"].as_str().unwrap_or_default();
    out.value(&json!({
        "ok": true, "host_id": host, "file": config.to_string(), "key_file": key.to_string(),
    }));
    out.line(format!(
        "This machine is host {host}. Its key is in {key}, for this user only."
    ));
    if places.is_kept {
        out.line(format!("{config} stays as it is."));
    }
    out.line(format!("Start its worker: creel worker --config {config}"));
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn connection(url: &str) -> Connection {
        Connection {
            url: url.to_owned(),
            key: "sb_publishable_x".to_owned(),
            local_login: None,
        }
    }

    fn newcomer(config: &Path) -> Newcomer {
        Newcomer {
            code: "c".to_owned(),
            name: None,
            platform: "linux".to_owned(),
            config_file: Some(config.to_owned()),
            key_file: None,
        }
    }

    #[test]
    fn the_configuration_is_one_that_a_worker_of_this_project_reads() {
        let folder = tempfile::tempdir().expect("a folder");
        let config = folder.path().join("it's \"odd\"/worker.toml");
        let ours = connection("https://abc.supabase.co");
        let places = plan_places(&newcomer(&config), &ours).expect("places");
        assert_eq!(places.key, config.with_file_name("host.key"));
        env_file::write_private(&config, &worker_toml(&ours, &places.key)).expect("written");
        let mode = std::fs::metadata(&config).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let again = plan_places(&newcomer(&config), &ours).expect("it may enrol again");
        assert!(again.is_kept && again.key == places.key);
    }

    #[test]
    fn a_configuration_of_something_else_is_not_touched() {
        let folder = tempfile::tempdir().expect("a folder");
        let config = folder.path().join("worker.toml");
        for text in [
            "",
            "not toml",
            "database_url = \"x\"",
            "data_api_url = \"https://other.supabase.co\"",
        ] {
            std::fs::write(&config, text).expect("written");
            let refused = plan_places(&newcomer(&config), &connection("https://abc.supabase.co"));
            assert!(refused.is_err(), "{text}");
        }
    }

    #[test]
    fn a_known_key_is_found_again_until_everything_is_written() {
        let folder = tempfile::tempdir().expect("a folder");
        let next = folder.path().join("host.key.next");
        let key = new_key(&next).expect("a key");
        let ours = connection("https://abc.supabase.co");
        let mut places = Places {
            // A folder is in its place.
            config: folder.path().to_owned(),
            key: folder.path().join("host.key"),
            is_kept: false,
        };
        assert!(keep(&key, &places, &ours, &next).is_err());
        assert!(HostKey::read(&next).is_ok_and(|read| read == key));
        places.config = folder.path().join("worker.toml");
        keep(&key, &places, &ours, &next).expect("written");
        assert!(places.config.exists() && !next.exists());
        assert!(HostKey::read(&places.key).is_ok_and(|read| read == key));
    }

    #[tokio::test]
    async fn a_key_that_may_be_known_already_is_kept_while_nobody_answers() {
        let folder = tempfile::tempdir().expect("a folder");
        let next = folder.path().join("host.key.next");
        let key = new_key(&next).expect("a key");
        let mode = std::fs::metadata(&next).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(HostKey::read(&next).is_ok_and(|read| read == key));
    }
}
