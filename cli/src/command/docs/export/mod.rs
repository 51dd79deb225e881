//! `creel docs export`: texts as files, for a copy that needs nobody to be read.

mod folder;
mod plan;

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use creel_core::host_api::DOCS_CALL_MAX_BYTES;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use serde_json::{Value, json};

use self::folder::{Folder, Found};
use self::plan::{Entry, Text, plan_current, plan_history};
use super::history;
use super::list::{agent_key, documents};
use super::names::sha256_of;
use super::target::{PlaceArgs, Target};
use crate::command::project::{self, text};
use crate::data_api::DataApi;
use crate::error::{CliError, ErrorKind};
use crate::output::{Output, Progress};

/// How many versions are asked for at once: as many as the database answers.
const HISTORY_PAGE: u16 = 500;

/// How many documents' versions are asked for beside each other: a far project's way back and forth is what takes time.
const LISTS_AT_ONCE: usize = 8;

/// How many texts are asked for at once: their hashes have to fit into one address.
const TEXTS_MAX: usize = 50;

/// How many files that are in the way are named.
const NAMED_MAX: usize = 5;

/// What `creel docs export` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct ExportArgs {
    /// Only the documents of this agent: its key (agent:scout:main) or its short id (scout) [default: of all agents of
    /// the project].
    agent: Option<String>,
    /// Folder to write into; each agent gets one of its own there. It is made if need be, and may not be a symbolic
    /// link.
    #[arg(long, short, value_name = "FOLDER")]
    out: PathBuf,
    /// Write every version, too.
    #[arg(long)]
    history: bool,
    /// Replace files that have another text.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    place: PlaceArgs,
}

/// Writes texts into a folder.
pub(super) async fn run(args: ExportArgs, out: Output) -> anyhow::Result<()> {
    let agent_key = agent_key(args.agent.as_deref())?;
    let (api, project) = args.place.open().await?;
    let docs = documents(&api, &project, agent_key.as_deref()).await?;
    if docs.is_empty() {
        project::require(&api, &project).await?;
        let of = agent_key.unwrap_or(project);
        return Err(
            CliError::new(ErrorKind::NotFound, format!("{of} has no documents"))
                .hint("creel docs list shows what there is")
                .into(),
        );
    }
    let progress = out.progress(None);
    let mut entries = plan_current(&docs);
    let document_count = docs.len();
    let mut version_count = 0;
    if args.history {
        progress.doing("listing the versions");
        let lists = docs.iter().map(|doc| all_versions(&api, &project, doc));
        let lists: Vec<Vec<Value>> = stream::iter(lists).buffered(LISTS_AT_ONCE).try_collect().await?;
        for (doc, versions) in docs.iter().zip(&lists) {
            version_count += versions.len();
            entries.extend(plan_history(doc, versions));
        }
    }
    let folder = Folder::open(&args.out)?;
    let left = plan_writes(&folder, entries, args.force)?;
    let unchanged_count = left.unchanged_count;
    let written = write(&api, &project, &folder, left.entries, args.force, &progress).await?;
    drop(progress);
    out.value(&json!({
        "ok": true, "folder": args.out, "documents": document_count, "versions": version_count,
        "written": written.count, "unchanged": unchanged_count, "missing": written.missing,
    }));
    let versions = if args.history {
        format!(" with {version_count} versions")
    } else {
        String::new()
    };
    out.line(format!(
        "{document_count} documents{versions} are in {}: {} files written, {unchanged_count} were there already.",
        args.out.display(),
        written.count
    ));
    for name in &written.missing {
        out.note(format!("{name}: its text was erased, or is kept no longer"));
    }
    Ok(())
}

/// Every version of a document, the newest first.
async fn all_versions(api: &DataApi, project: &str, doc: &Value) -> anyhow::Result<Vec<Value>> {
    let target = Target {
        project: project.to_owned(),
        agent_key: text(doc, "agent_key"),
        doc_type: text(doc, "doc_type").parse()?,
    };
    let mut all: Vec<Value> = Vec::new();
    loop {
        let before = all.last().and_then(|row| row["version"].as_i64());
        let answer = history::answer(api, &target, before, HISTORY_PAGE).await?;
        let page = history::versions_of(&answer);
        all.extend(page.iter().cloned());
        if page.len() < usize::from(HISTORY_PAGE) {
            return Ok(all);
        }
    }
}

/// What is to be written yet.
struct Left {
    entries: Vec<Entry>,
    unchanged_count: usize,
}

/// Compares with what is there. Nothing is written if something is in the way.
fn plan_writes(folder: &Folder, entries: Vec<Entry>, force: bool) -> anyhow::Result<Left> {
    let (mut left, mut in_the_way, mut unchanged_count) = (Vec::new(), Vec::new(), 0);
    for entry in entries {
        match folder.look(&entry.path, entry.text.sha256())? {
            Found::Nothing => left.push(entry),
            Found::Same => unchanged_count += 1,
            Found::Other => {
                in_the_way.push(entry.name());
                left.push(entry);
            }
        }
    }
    if in_the_way.is_empty() || force {
        return Ok(Left {
            entries: left,
            unchanged_count,
        });
    }
    let mut named = in_the_way[..in_the_way.len().min(NAMED_MAX)].join(", ");
    if in_the_way.len() > NAMED_MAX {
        named = format!("{named} and {} more", in_the_way.len() - NAMED_MAX);
    }
    Err(CliError::new(
        ErrorKind::Failed,
        format!("files with other texts are there: {named}; nothing is written"),
    )
    .code("exists")
    .hint("give another folder, or say --force to replace them")
    .detail("files", json!(in_the_way))
    .into())
}

/// What was written, and what could not be.
struct Written {
    count: usize,
    missing: Vec<String>,
}

async fn write(
    api: &DataApi,
    project: &str,
    folder: &Folder,
    mut entries: Vec<Entry>,
    force: bool,
    progress: &Progress,
) -> anyhow::Result<Written> {
    let mut written = Written {
        count: 0,
        missing: Vec::new(),
    };
    // Equal texts come together, so that each is fetched once.
    entries.sort_by(|one, other| one.text.sha256().cmp(other.text.sha256()));
    let mut rest = entries.as_slice();
    while !rest.is_empty() {
        let (batch, after) = rest.split_at(batch_len(rest));
        rest = after;
        progress.doing(&format!("{} files written", written.count));
        let texts = texts(api, project, batch).await?;
        for entry in batch {
            let content = match (&entry.text, texts.get(entry.text.sha256())) {
                (Text::Known { content, .. }, _) => content,
                (Text::Kept { .. }, Some(content)) => content,
                (Text::Kept { .. }, None) => {
                    written.missing.push(entry.name());
                    continue;
                }
            };
            folder.write(&entry.path, content, force)?;
            written.count += 1;
        }
    }
    Ok(written)
}

/// How many entries are done at once: their texts fit into the memory of a small machine.
fn batch_len(entries: &[Entry]) -> usize {
    let (mut size_bytes, mut hashes) = (0, HashSet::new());
    for (count, entry) in entries.iter().enumerate() {
        if let Text::Kept {
            sha256,
            size_bytes: more,
        } = &entry.text
            && hashes.insert(sha256.as_str())
        {
            size_bytes += more;
            if count > 0 && (size_bytes > DOCS_CALL_MAX_BYTES || hashes.len() > TEXTS_MAX) {
                return count;
            }
        }
    }
    entries.len()
}

/// Texts by their hash. One that was erased meanwhile is not among them, and one that is not what its hash says is an
/// error: a copy that nobody can rely on is none.
async fn texts(api: &DataApi, project: &str, entries: &[Entry]) -> Result<HashMap<String, String>, CliError> {
    let hashes: HashSet<&str> = entries
        .iter()
        .filter(|entry| matches!(entry.text, Text::Kept { .. }))
        .map(|entry| entry.text.sha256())
        .collect();
    if hashes.is_empty() {
        return Ok(HashMap::new());
    }
    let request = api
        .from("brain_doc_contents")
        .select("sha256,content")
        .eq("project_id", project)
        .in_("sha256", hashes);
    let mut texts = HashMap::new();
    for row in api.rows(request).await? {
        let (sha256, content) = (text(&row, "sha256"), text(&row, "content"));
        if sha256_of(&content) != sha256 {
            return Err(CliError::new(
                ErrorKind::Failed,
                format!("a text came back damaged: it is not the one with the hash {sha256}"),
            )
            .hint("try again; if that does not help, the database's own copy is damaged"));
        }
        texts.insert(sha256, content);
    }
    Ok(texts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(sha256: &str, size_bytes: usize) -> Entry {
        Entry {
            path: vec!["scout".to_owned(), format!("{sha256}.md")],
            text: Text::Kept {
                sha256: sha256.to_owned(),
                size_bytes,
            },
        }
    }

    #[test]
    fn a_batch_is_bounded_by_size_and_count_and_never_empty() {
        let large = [entry("a", 3 << 20), entry("b", 3 << 20), entry("c", 1)];
        assert_eq!(batch_len(&large), 1);
        assert_eq!(batch_len(&large[1..]), 2);
        assert_eq!(batch_len(&[entry("a", 1 << 30)]), 1);
        let many: Vec<_> = (0..120).map(|n| entry(&format!("{n:03}"), 10)).collect();
        assert_eq!(batch_len(&many), TEXTS_MAX);
        let same: Vec<_> = (0..120).map(|_| entry("a", 3 << 20)).collect();
        assert_eq!(batch_len(&same), 120);
    }

    #[test]
    fn what_is_in_the_way_is_named_before_anything_is_written() {
        let disk = tempfile::tempdir().expect("a folder");
        let folder = Folder::open(&disk.path().join("copy")).expect("made");
        let known = |name: &str, content: &str| Entry {
            path: vec!["scout".to_owned(), name.to_owned()],
            text: Text::known(content.to_owned()),
        };
        folder
            .write(&known("a.md", "").path, "one", false)
            .expect("written");
        let entries = || vec![known("a.md", "two"), known("b.md", "three")];
        let refusal =
            CliError::from_anyhow(plan_writes(&folder, entries(), false).err().expect("in the way"));
        assert_eq!(refusal.code, "exists");
        assert!(refusal.message.contains("scout/a.md"), "{refusal}");
        assert!(!disk.path().join("copy/scout/b.md").exists());
        assert_eq!(
            plan_writes(&folder, entries(), true)
                .expect("forced")
                .entries
                .len(),
            2
        );
        let same = plan_writes(&folder, vec![known("a.md", "one")], false).expect("the same");
        assert_eq!((same.entries.len(), same.unchanged_count), (0, 1));
    }
}
