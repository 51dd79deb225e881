//! Gives `openclaw.json` the section that a gateway needs, where it has none.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use serde_json::{Value, json};
use uuid::Uuid;

use crate::openclaw::{DEFAULT_GATEWAY_PORT, parse_config};

/// OpenClaw reserves the ports from 2 to 110 after a gateway's own.
const PORT_SPACING: u16 = 120;

/// More gateways than a machine has memory for.
const PORT_COUNT: u16 = 50;

/// What is larger is no configuration.
const CONFIG_MAX_BYTES: u64 = 8 << 20;

/// What the configuration has for a gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Section {
    /// A gateway's section.
    Present,
    /// There was none, and now there is.
    Written,
    /// There is none, and none can be written: what a person has to do.
    Missing(String),
}

/// Makes sure that there is a section for a gateway. What else is in the file stays to the letter; a file that
/// a person wrote, with comments or includes, is not changed.
pub(super) fn ensure(path: &Path) -> io::Result<Section> {
    let text = match read(path)? {
        None => {
            write(
                path,
                &format!("{}\n", pretty(&json!({ "gateway": new_gateway()? }))),
            )?;
            return Ok(Section::Written);
        }
        Some(text) => text,
    };
    match plan(&text) {
        Found::Present => Ok(Section::Present),
        Found::Damaged => Ok(Section::Missing(format!(
            "{} is damaged: repair it, or put a copy of it back (openclaw doctor helps)",
            path.display()
        ))),
        Found::ByHand => {
            let port = free_port()?;
            Ok(Section::Missing(format!(
                "{} has no gateway and was written by hand; add to it: gateway: {{ mode: \"local\", bind: \
                 \"loopback\", port: {port}, auth: {{ mode: \"token\", token: \"<48 random hex digits>\" }} }}",
                path.display()
            )))
        }
        Found::Insert { at, is_empty } => {
            let gateway = pretty(&new_gateway()?).replace('\n', "\n  ");
            let comma = if is_empty { "\n" } else { "," };
            let text = format!("{}\n  \"gateway\": {gateway}{comma}{}", &text[..at], &text[at..]);
            write(path, &text)?;
            Ok(Section::Written)
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Found {
    Present,
    /// Behind this byte a section can be put.
    Insert {
        at: usize,
        is_empty: bool,
    },
    ByHand,
    Damaged,
}

fn plan(text: &str) -> Found {
    match serde_json::from_str::<Value>(text) {
        Ok(Value::Object(config)) if config.contains_key("gateway") => Found::Present,
        // What it includes may have one.
        Ok(Value::Object(config)) if config.contains_key("$include") => Found::ByHand,
        Ok(Value::Object(config)) => Found::Insert {
            at: text.find('{').expect("an object begins so") + 1,
            is_empty: config.is_empty(),
        },
        Ok(_) => Found::Damaged,
        Err(_) => match parse_config(text) {
            Some(config) if config.get("gateway").is_some() => Found::Present,
            Some(config) if config.is_object() => Found::ByHand,
            _ => Found::Damaged,
        },
    }
}

fn read(path: &Path) -> io::Result<Option<String>> {
    let file = match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let mut text = String::new();
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    if file.take(CONFIG_MAX_BYTES + 1).read_to_string(&mut text)? as u64 > CONFIG_MAX_BYTES {
        return Err(io::Error::new(ErrorKind::FileTooLarge, "it is larger than 8 MB"));
    }
    Ok(Some(text))
}

/// Writes the whole file or nothing; readable for its owner only, as there is a token in it.
fn write(path: &Path, text: &str) -> io::Result<()> {
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let folder = path
        .parent()
        .ok_or_else(|| io::Error::other("it has no folder"))?;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)?;
    let new = folder.join(format!("openclaw.json.creel-{}", Uuid::new_v4().simple()));
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&new)
        .and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()
        })
        .and_then(|()| std::fs::rename(&new, &path));
    if written.is_err() {
        // The first error is the one to tell.
        let _left = std::fs::remove_file(&new);
    }
    written
}

fn new_gateway() -> io::Result<Value> {
    // 48 hexadecimal digits, as OpenClaw's own set-up makes them.
    let token = [Uuid::new_v4(), Uuid::new_v4()]
        .map(|part| part.simple().to_string())
        .concat();
    Ok(json!({
        "mode": "local", "bind": "loopback", "port": free_port()?,
        "auth": { "mode": "token", "token": &token[..48] },
    }))
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).expect("a value is JSON")
}

/// The usual port if it is free, else the next one that leaves room for the others' own.
fn free_port() -> io::Result<u16> {
    let usual = (0..PORT_COUNT).map(|count| DEFAULT_GATEWAY_PORT + count * PORT_SPACING);
    usual
        .into_iter()
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .ok_or_else(|| io::Error::new(ErrorKind::AddrInUse, "no port for a gateway is free"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn with(text: Option<&str>) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().expect("make a folder");
        let path = folder.path().join("state/openclaw.json");
        if let Some(text) = text {
            std::fs::create_dir(folder.path().join("state")).expect("make a folder");
            std::fs::write(&path, text).expect("write");
        }
        (folder, path)
    }

    fn parsed(path: &Path) -> Value {
        serde_json::from_str(&std::fs::read_to_string(path).expect("read")).expect("JSON")
    }

    #[test]
    fn a_missing_file_is_made_for_its_owner_alone() {
        let (_folder, path) = with(None);
        assert_eq!(ensure(&path).expect("written"), Section::Written);
        let gateway = &parsed(&path)["gateway"];
        assert_eq!(
            (&gateway["mode"], &gateway["bind"]),
            (&json!("local"), &json!("loopback"))
        );
        let token = gateway["auth"]["token"].as_str().expect("a token");
        assert!(token.len() == 48 && token.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let port = gateway["port"].as_u64().expect("a port");
        assert_eq!(
            (port - u64::from(DEFAULT_GATEWAY_PORT)) % u64::from(PORT_SPACING),
            0
        );
        let mode = std::fs::metadata(&path)
            .expect("it is there")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(ensure(&path).expect("read"), Section::Present);
    }

    #[test]
    fn everything_else_in_the_file_stays_to_the_letter() {
        let rest = "\"z\": 1,   \"a\": {\"deep\": [1, 2]}, \"name\": \"{brace\"}\n";
        let (_folder, path) = with(Some(&format!("{{{rest}")));
        assert_eq!(ensure(&path).expect("written"), Section::Written);
        let text = std::fs::read_to_string(&path).expect("read");
        assert!(text.ends_with(rest), "{text}");
        assert!(parsed(&path)["gateway"]["port"].is_u64());
        assert_eq!(parsed(&path)["a"], json!({ "deep": [1, 2] }));
        let (_folder, path) = with(Some(" {} "));
        assert_eq!(ensure(&path).expect("written"), Section::Written);
        assert!(parsed(&path)["gateway"]["port"].is_u64());
    }

    #[test]
    fn what_a_person_wrote_is_not_changed_and_he_is_told_what_to_add() {
        for (text, hint) in [
            ("// mine\n{ agents: {} }", "add to it"),
            ("{\"$include\": \"./more.json\"}", "add to it"),
            ("{ \"agents\": ", "repair"),
            ("[]", "repair"),
        ] {
            let (_folder, path) = with(Some(text));
            match ensure(&path).expect("looked") {
                Section::Missing(said) => assert!(said.contains(hint), "{text}: {said}"),
                other => panic!("{text}: {other:?}"),
            }
            assert_eq!(std::fs::read_to_string(&path).expect("read"), text);
        }
        let (_folder, path) = with(Some("// mine\n{ gateway: {}, }"));
        assert_eq!(ensure(&path).expect("looked"), Section::Present);
    }
}
