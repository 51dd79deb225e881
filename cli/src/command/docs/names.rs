//! Names of files and folders for what people named: keys, projects, addresses. None leads anywhere else, and two
//! names that differ stay different, also where a disk does not tell A from a.

use std::fmt::Write as _;

use creel_core::id::AgentId;
use sha2::{Digest, Sha256};

/// The longest that all file systems take is 255 bytes; what ends such a name needs some of them.
const NAME_MAX_BYTES: usize = 180;

/// The folder of an agent: its short id where the key has no more to say. Any other key has a % in it, so that no two
/// agents share one.
pub(super) fn folder_of(agent_key: &str) -> String {
    let short = agent_key
        .strip_prefix("agent:")
        .and_then(|rest| rest.strip_suffix(":main"));
    match short.map(AgentId::parse) {
        Some(Ok(id)) => id.as_str().to_owned(),
        _ => match file_name_of(agent_key) {
            // Behind a % of a byte there is a digit or a capital letter.
            name if !name.contains('%') => format!("%-{name}"),
            name => name,
        },
    }
}

/// A text as one name: a-z, 0-9, - and _ stay, every other byte is %XX; what gets too long ends with its hash.
pub(super) fn file_name_of(text: &str) -> String {
    let mut name = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => name.push(char::from(byte)),
            _ => {
                let _infallible = write!(name, "%{byte:02X}");
            }
        }
    }
    if name.len() > NAME_MAX_BYTES {
        name.truncate(NAME_MAX_BYTES);
        let _infallible = write!(name, "%{}", sha256_of(text));
    }
    if name.is_empty() { "%".to_owned() } else { name }
}

/// The hash of a text, in hex, as versions carry it.
pub(super) fn sha256_of(text: &str) -> String {
    hex::encode(Sha256::digest(text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_that_anybody_named_gets_a_folder_of_its_own() {
        assert_eq!(folder_of("agent:scout:main"), "scout");
        let keys = [
            "agent:scout:main",
            "agent:scout:dev",
            "scout",
            "%-scout",
            "-scout",
            "agent:Scout:main",
            "agent:main:main",
            "..",
            ".",
            "",
            "/etc/passwd",
            "a/../../b",
            "a\nb",
            "A",
            "agent:../x:main",
            "%",
            "%%",
            "é",
        ];
        let mut names: Vec<_> = keys.iter().map(|key| folder_of(key)).collect();
        for name in &names {
            assert!(
                !name.contains(['/', '.', '\n', '\\', ':']) && !name.is_empty(),
                "{name}"
            );
            assert!(!name.bytes().any(|byte| byte >= 0x80), "{name}");
        }
        names.iter_mut().for_each(|name| name.make_ascii_lowercase());
        names.sort_unstable();
        names.dedup();
        // An agent's short id as a key of its own is a key like any other.
        assert_eq!(names.len(), keys.len());
    }

    #[test]
    fn a_long_key_stays_its_own() {
        let (one, other) = (format!("{}1", "x".repeat(1023)), format!("{}2", "x".repeat(1023)));
        assert!(file_name_of(&one).len() < 250);
        assert_ne!(file_name_of(&one), file_name_of(&other));
    }
}
