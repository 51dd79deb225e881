//! Which files an export has.

use serde_json::{Map, Value, json};

use super::super::names::{file_name_of, folder_of, sha256_of};
use crate::command::project::text;

/// What of a document is told beside its text. Nothing of it changes while the text does not, so that the same export
/// again has nothing to write.
const TOLD: [&str; 7] = [
    "agent_key",
    "doc_type",
    "version",
    "sha256",
    "doc_date",
    "updated_by",
    "updated_at",
];

/// What of a version is told; only its pin can change.
const VERSION_TOLD: [&str; 11] = [
    "version",
    "base_version",
    "sha256",
    "author_kind",
    "author_id",
    "updated_by",
    "reason",
    "side",
    "pinned",
    "doc_date",
    "created_at",
];

/// A file to write.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// Folders and name.
    pub(super) path: Vec<String>,
    /// What it is to have.
    pub(super) text: Text,
}

impl Entry {
    /// Its path, for people.
    pub(super) fn name(&self) -> String {
        self.path.join("/")
    }
}

/// A file's text.
#[derive(Debug, Clone)]
pub(super) enum Text {
    /// The database has it.
    Kept { sha256: String, size_bytes: usize },
    /// We have it.
    Known { sha256: String, content: String },
}

impl Text {
    /// A text of our own.
    pub(super) fn known(content: String) -> Self {
        Self::Known {
            sha256: sha256_of(&content),
            content,
        }
    }

    fn kept(row: &Value) -> Self {
        Self::Kept {
            sha256: text(row, "sha256"),
            size_bytes: usize::try_from(row["size_bytes"].as_u64().unwrap_or_default()).unwrap_or(usize::MAX),
        }
    }

    /// Its hash.
    pub(super) fn sha256(&self) -> &str {
        match self {
            Self::Kept { sha256, .. } | Self::Known { sha256, .. } => sha256,
        }
    }
}

/// The current texts, and for each agent a file that says what they are.
pub(super) fn plan_current(docs: &[Value]) -> Vec<Entry> {
    let mut entries = Vec::new();
    let mut lists: Map<String, Value> = Map::new();
    for doc in docs {
        let folder = folder_of(&text(doc, "agent_key"));
        let path = path_of(doc);
        let mut told = only(doc, &TOLD);
        told["file"] = json!(path.join("/"));
        if let Value::Array(list) = lists.entry(folder.clone()).or_insert_with(|| json!([])) {
            list.push(told);
        }
        entries.push(Entry {
            path: [vec![folder], path].concat(),
            text: Text::kept(doc),
        });
    }
    for (folder, list) in lists {
        entries.push(Entry {
            path: vec![folder, "docs.json".to_owned()],
            text: Text::known(format!("{:#}\n", json!({ "docs": list }))),
        });
    }
    entries
}

/// The versions of one document, and a file that says what they are.
pub(super) fn plan_history(doc: &Value, versions: &[Value]) -> Vec<Entry> {
    let folder = vec![
        folder_of(&text(doc, "agent_key")),
        "history".to_owned(),
        file_name_of(&text(doc, "doc_type")),
    ];
    let mut told = Vec::new();
    let mut entries = Vec::new();
    for row in versions {
        let name = format!("{:06}.md", row["version"].as_i64().unwrap_or_default());
        let mut row_told = only(row, &VERSION_TOLD);
        row_told["file"] = json!(name);
        told.push(row_told);
        entries.push(Entry {
            path: [folder.clone(), vec![name]].concat(),
            text: Text::kept(row),
        });
    }
    entries.push(Entry {
        path: [folder, vec!["versions.json".to_owned()]].concat(),
        text: Text::known(format!("{:#}\n", json!({ "versions": told }))),
    });
    entries
}

/// Where a document is in a workspace, and so in an export.
fn path_of(doc: &Value) -> Vec<String> {
    let file = super::super::target::file_of_row(doc);
    match file.split_once('/') {
        // A day that the database does not know yet.
        Some((folder, "<day>.md")) => vec![folder.to_owned(), "today.md".to_owned()],
        Some((folder, name)) => vec![folder.to_owned(), name.to_owned()],
        None => vec![file],
    }
}

fn only(row: &Value, names: &[&str]) -> Value {
    names
        .iter()
        .map(|&name| (name.to_owned(), row[name].clone()))
        .collect::<Map<_, _>>()
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_export_looks_like_a_workspace_and_says_what_is_what() {
        let doc = |kind: &str, day: Value| {
            json!({
                "agent_key": "agent:scout:main", "doc_type": kind, "version": 2, "sha256": "a", "size_bytes": 3,
                "doc_date": day, "sync_state": "waiting", "host_online": true,
            })
        };
        let docs = [
            doc("soul", Value::Null),
            doc("memory_today", json!("2026-11-21")),
            doc("memory_today", Value::Null),
        ];
        let entries = plan_current(&docs);
        let names: Vec<_> = entries.iter().map(Entry::name).collect();
        assert_eq!(
            names,
            [
                "scout/SOUL.md",
                "scout/memory/2026-11-21.md",
                "scout/memory/today.md",
                "scout/docs.json"
            ]
        );
        let Text::Known { content, .. } = &entries[3].text else {
            panic!("it is ours")
        };
        assert!(
            content.contains("\"file\": \"SOUL.md\"") && !content.contains("sync_state"),
            "{content}"
        );
    }

    #[test]
    fn versions_are_files_that_sort_as_they_were_written() {
        let doc = json!({ "agent_key": "agent:scout:main", "doc_type": "soul" });
        let rows = [
            json!({ "version": 12, "sha256": "b", "reason": "merged" }),
            json!({ "version": 3, "sha256": "a" }),
        ];
        let names: Vec<_> = plan_history(&doc, &rows).iter().map(Entry::name).collect();
        assert_eq!(
            names,
            [
                "scout/history/soul/000012.md",
                "scout/history/soul/000003.md",
                "scout/history/soul/versions.json"
            ]
        );
    }
}
