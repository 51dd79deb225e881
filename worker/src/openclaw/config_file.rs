//! Reads `openclaw.json`. Asking OpenClaw for the same costs seconds and a third of a gigabyte.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{Mode, OFlags};
use serde_json::Value;

use super::{Entry, OpenClawError};

/// The gateway's port if the configuration names none.
pub(crate) const DEFAULT_GATEWAY_PORT: u16 = 18_789;

/// A thousand agents fit into half a megabyte; what is larger than this is no configuration.
pub(super) const CONFIG_MAX_BYTES: u64 = 8 << 20;

/// No configuration is nested deeper. The parser for what people write has no limit of its own, and a file that
/// is nothing but brackets would end the worker.
const DEPTH_MAX: usize = 500;

/// A file of this size takes milliseconds; a network disk whose server is away takes for ever.
const READ_LIMIT: Duration = Duration::from_secs(30);

/// What the file says, or that OpenClaw itself must be asked.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer<T> {
    /// The file says this.
    Known(T),
    /// The file cannot be read, is damaged, or uses what only OpenClaw resolves.
    AskOpenClaw,
}

/// The agent with this id. Fails where OpenClaw itself would hang or choke.
pub(super) async fn find(path: &Path, id: &str) -> Result<Answer<Option<Entry>>, OpenClawError> {
    Ok(match read(path).await? {
        Answer::Known(Some(config)) => find_in(&config, id),
        Answer::Known(None) => Answer::Known(None),
        Answer::AskOpenClaw => Answer::AskOpenClaw,
    })
}

/// The port of this configuration's gateway; none if it has no gateway. Without that check, the gateway of
/// another configuration on the usual port would be taken for this one's.
pub(super) async fn gateway_port(path: &Path) -> Option<u16> {
    let Ok(Answer::Known(Some(config))) = read(path).await else {
        return None;
    };
    Some(port_of(config.get("gateway")?))
}

/// The port of a configuration's `gateway`.
pub(super) fn port_of(gateway: &Value) -> u16 {
    let port = gateway.get("port").and_then(Value::as_u64);
    port.and_then(|port| u16::try_from(port).ok())
        .unwrap_or(DEFAULT_GATEWAY_PORT)
}

/// The whole configuration; nothing if there is none yet.
pub(super) async fn read(path: &Path) -> Result<Answer<Option<Value>>, OpenClawError> {
    let ours = path.to_owned();
    let reading = tokio::task::spawn_blocking(move || read_blocking(&ours));
    match tokio::time::timeout(READ_LIMIT, reading).await {
        Ok(Ok(read)) => read,
        // A file that breaks the parser is a damaged one.
        Ok(Err(_panicked)) => Ok(Answer::AskOpenClaw),
        Err(_) => Err(OpenClawError::ConfigSilent {
            path: path.to_owned(),
            limit: READ_LIMIT,
        }),
    }
}

fn read_blocking(path: &Path) -> Result<Answer<Option<Value>>, OpenClawError> {
    let unusable = |found| OpenClawError::ConfigUnusable {
        path: path.to_owned(),
        found,
    };
    let text = match open(path) {
        Ok(Some(file)) => {
            let mut text = String::new();
            match file.take(CONFIG_MAX_BYTES + 1).read_to_string(&mut text) {
                Ok(size_bytes) if size_bytes as u64 > CONFIG_MAX_BYTES => {
                    return Err(unusable("larger than 8 MB"));
                }
                Ok(_) => text,
                Err(_) => return Ok(Answer::AskOpenClaw),
            }
        }
        Ok(None) => return Err(unusable("no regular file")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Answer::Known(None)),
        Err(_) => return Ok(Answer::AskOpenClaw),
    };
    // OpenClaw writes plain JSON, which is read much faster; people write JSON5.
    Ok(parse(&text).map_or(Answer::AskOpenClaw, |config| Answer::Known(Some(config))))
}

/// The configuration in a text; none if the text is damaged.
pub(crate) fn parse(text: &str) -> Option<Value> {
    let plain = serde_json::from_str(text).ok();
    plain.or_else(|| {
        let may_be_parsed = depth(text) <= DEPTH_MAX;
        may_be_parsed.then(|| json5::from_str(text).ok()).flatten()
    })
}

/// How deep the brackets of a text go at most: those in its words count, too.
fn depth(text: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    for byte in text.bytes() {
        match byte {
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

/// Opens a regular file, be it through a symbolic link; a pipe does not block.
pub(super) fn open(path: &Path) -> io::Result<Option<File>> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    Ok(file.metadata()?.is_file().then_some(file))
}

pub(super) fn find_in(config: &Value, id: &str) -> Answer<Option<Entry>> {
    let agents = config.get("agents");
    let included = |value: Option<&Value>| value.is_some_and(|value| value.get("$include").is_some());
    let entries = agents.and_then(|agents| agents.get("entries"));
    let has_older_list = agents.is_some_and(|agents| agents.get("list").is_some());
    if included(Some(config)) || included(agents) || included(entries) || has_older_list {
        return Answer::AskOpenClaw;
    }
    let Some(entry) = entries.and_then(|entries| entries.get(id)) else {
        return Answer::Known(None);
    };
    let known = entry_of(id, entry);
    let needs_resolving = |path: &PathBuf| {
        let path = path.to_string_lossy();
        path.starts_with('~') || path.contains("${")
    };
    if included(Some(entry)) || known.workspace.as_ref().is_some_and(needs_resolving) {
        return Answer::AskOpenClaw;
    }
    Answer::Known(Some(known))
}

/// An entry as it is written.
pub(super) fn entry_of(id: &str, entry: &Value) -> Entry {
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(ToOwned::to_owned);
    let identity = entry.get("identity");
    Entry {
        id: id.to_owned(),
        name: text(entry.get("name")),
        workspace: text(entry.get("workspace")).map(PathBuf::from),
        identity_name: text(identity.and_then(|identity| identity.get("name"))),
        identity_emoji: text(identity.and_then(|identity| identity.get("emoji"))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_entry_is_read_as_openclaw_writes_it() {
        let config = json!({"agents": {"entries": {"alpha": {
            "name": "alpha", "workspace": "/ws/alpha", "identity": {"name": "Ada \"L.\"", "emoji": "🦉"},
        }}}});
        let Answer::Known(Some(entry)) = find_in(&config, "alpha") else {
            panic!("the entry is there")
        };
        assert_eq!(entry.workspace.as_deref(), Some(Path::new("/ws/alpha")));
        assert_eq!(entry.identity_name.as_deref(), Some("Ada \"L.\""));
        assert_eq!(find_in(&config, "beta"), Answer::Known(None));
    }

    #[test]
    fn what_only_openclaw_resolves_is_left_to_it() {
        for config in [
            json!({"$include": "./more.json5"}),
            json!({"agents": {"$include": "./agents.json5"}}),
            json!({"agents": {"list": []}}),
            json!({"agents": {"entries": {"alpha": {"workspace": "~/ws"}}}}),
        ] {
            assert_eq!(find_in(&config, "alpha"), Answer::AskOpenClaw, "{config}");
        }
    }

    #[tokio::test]
    async fn a_file_by_a_persons_hand_is_read_and_a_damaged_one_is_not_believed() {
        let folder = tempfile::tempdir().expect("make a folder");
        let path = folder.path().join("openclaw.json");
        assert_eq!(find(&path, "a").await.expect("find"), Answer::Known(None));
        std::fs::write(
            &path,
            "// mine\n{agents: {entries: {a: {name: 'A',},},}, gateway: {}}",
        )
        .expect("write");
        assert!(matches!(find(&path, "a").await, Ok(Answer::Known(Some(_)))));
        assert_eq!(gateway_port(&path).await, Some(DEFAULT_GATEWAY_PORT));
        std::fs::write(&path, "{agents: ").expect("write");
        assert_eq!(find(&path, "a").await.expect("find"), Answer::AskOpenClaw);
        assert_eq!(gateway_port(&path).await, None);
    }

    #[test]
    fn a_text_of_any_depth_is_damaged_and_harms_nobody() {
        for open in ["[", "{a:", "{\"a\":["] {
            assert_eq!(parse(&open.repeat(1 << 20)), None);
            assert_eq!(
                parse(&open.repeat(DEPTH_MAX / open.matches(['[', '{']).count())),
                None
            );
        }
        let by_hand = |depth: usize| format!("// mine\n{{a: {}{}}}", "[".repeat(depth), "]".repeat(depth));
        assert!(parse(&by_hand(DEPTH_MAX - 1)).is_some());
        assert_eq!(parse(&by_hand(DEPTH_MAX)), None);
    }

    #[tokio::test]
    async fn what_is_no_configuration_by_its_size_or_kind_is_told() {
        let folder = tempfile::tempdir().expect("make a folder");
        let huge = folder.path().join("openclaw.json");
        let file = File::create(&huge).expect("make a file");
        file.set_len(CONFIG_MAX_BYTES + 1).expect("make it huge");
        for (path, expected) in [
            (huge.as_path(), "larger than 8 MB"),
            (Path::new("/dev/null"), "no regular file"),
        ] {
            match find(path, "a").await {
                Err(OpenClawError::ConfigUnusable { found, .. }) => assert_eq!(found, expected),
                found => panic!("{}: {found:?}", path.display()),
            }
            assert_eq!(gateway_port(path).await, None);
        }
    }
}
