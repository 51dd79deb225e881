//! An agent that OpenClaw has already becomes a row as it is: nothing of it is changed but the mark.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use creel_worker::job::MemoryRows;
use creel_worker::openclaw::NewAgent;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Host, id, read, row, skipped};

fn no_rows() -> MemoryRows {
    MemoryRows::new(Vec::new())
}

/// Somebody made an agent by hand, with a folder of his own.
fn make_by_hand(host: &Host, entry: Value) -> PathBuf {
    let folder = host.path().join("mine/ada");
    std::fs::create_dir_all(folder.join("memory")).expect("make a folder");
    for (name, text) in [
        ("SOUL.md", "# Ada\n\nCounts.\n"),
        ("IDENTITY.md", "- Name: Countess\n"),
        ("memory/2026-11-01.md", "I counted."),
        ("notes.txt", "not a document"),
    ] {
        std::fs::write(folder.join(name), text).expect("write a file");
    }
    let mut entry = entry;
    if entry.get("workspace").is_none() {
        entry["workspace"] = json!(folder);
    }
    write_config(host, &json!({ "ada": entry }));
    folder
}

fn write_config(host: &Host, entries: &Value) {
    std::fs::create_dir_all(host.state_dir()).expect("make the state directory");
    let config = json!({ "agents": { "entries": entries }, "mine": "stays" });
    std::fs::write(host.state_dir().join("openclaw.json"), config.to_string()).expect("write it");
}

/// Everything in a folder but Creel's own.
fn content(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(folder).expect("list the folder") {
        let path = entry.expect("an entry").path();
        if path.file_name().is_some_and(|name| name == ".creel") {
            continue;
        }
        if path.is_dir() {
            files.extend(content(&path));
        } else {
            files.insert(path.clone(), std::fs::read(&path).expect("read a file"));
        }
    }
    files
}

fn adoption() -> Value {
    row(json!({
        "agent_id_short": "ada", "openclaw_id": "ada", "display_name": "Ada", "emoji": "🦉", "adopt": true,
    }))
}

fn with(row: &Value, change: &Value) -> Value {
    let mut row = row.clone();
    let change = change.as_object().expect("an object").clone();
    row.as_object_mut().expect("an object").extend(change);
    row
}

#[tokio::test]
async fn an_agent_made_by_hand_becomes_a_row_and_stays_as_it_is() {
    let (host, rows) = (Host::new(), no_rows());
    let folder = make_by_hand(
        &host,
        json!({ "name": "ada", "identity": { "name": "Countess", "emoji": "🧮" } }),
    );
    let (files, config) = (content(&folder), read(host.state_dir().join("openclaw.json")));
    for attempt in 0..2 {
        let result = host.provision(&adoption(), &rows).await.expect("it works");
        assert_eq!(result["workspace"], json!(folder), "attempt {attempt}");
        assert_eq!(result["openclaw_id"], json!("ada"));
        assert_eq!(content(&folder), files, "nothing is changed, and nothing added");
        assert_eq!(read(host.state_dir().join("openclaw.json")), config);
    }
    assert!(read(folder.join(".creel/agent.json")).contains(&Uuid::from_u128(1).to_string()));
    let docs: Vec<(&str, String)> = rows
        .docs()
        .into_iter()
        .map(|doc| (doc.doc_type.as_str(), doc.content))
        .collect();
    let expected = [
        ("soul", "# Ada\n\nCounts.\n".to_owned()),
        ("identity", "- Name: Countess\n".to_owned()),
    ];
    assert_eq!(docs, expected);
    assert_eq!((host.calls("add"), host.calls("set-identity")), (0, 0));
    assert!(!host.workspaces().join("ada").exists());
}

#[tokio::test]
async fn a_plain_request_takes_over_nothing() {
    let host = Host::new();
    let folder = make_by_hand(&host, json!({ "name": "ada" }));
    let files = content(&folder);
    let plain = with(&adoption(), &json!({ "adopt": false }));
    assert_eq!(host.failure(&plain).await.code, "agent_exists");
    // Nor where the folder is just where Creel would have made it.
    let inside = host.workspaces().join("ada");
    std::fs::remove_dir_all(&inside).expect("take away what the attempt made");
    std::fs::create_dir_all(&inside).expect("make a folder");
    std::fs::write(inside.join("SOUL.md"), "mine").expect("write");
    write_config(&host, &json!({ "ada": { "workspace": inside } }));
    assert_eq!(host.failure(&plain).await.code, "workspace_not_ours");
    assert_eq!(content(&folder), files);
    assert!(!folder.join(".creel").exists() && !inside.join(".creel").exists());
}

#[tokio::test]
async fn a_folder_that_is_another_agents_is_not_adopted() {
    let host = Host::new();
    let folder = make_by_hand(&host, json!({ "name": "ada" }));
    host.provision(&adoption(), &no_rows()).await.expect("it works");
    let mark = read(folder.join(".creel/agent.json"));
    let other = with(&adoption(), &json!({ "agent_id": Uuid::from_u128(2) }));
    assert_eq!(host.failure(&other).await.code, "workspace_taken");
    assert_eq!(read(folder.join(".creel/agent.json")), mark);
}

#[tokio::test]
async fn a_folder_that_two_agents_share_is_not_adopted() {
    let host = Host::new();
    let folder = make_by_hand(&host, json!({ "name": "ada" }));
    let way = host.path().join("way");
    std::os::unix::fs::symlink(host.path().join("mine"), &way).expect("make a link");
    write_config(
        &host,
        &json!({ "ada": { "workspace": folder }, "bob": { "workspace": way.join("ada") } }),
    );
    let failure = host.failure(&adoption()).await;
    assert_eq!(failure.code, "workspace_shared");
    assert!(failure.message.contains("bob"), "{}", failure.message);
    assert!(!folder.join(".creel").exists());
}

#[tokio::test]
async fn what_is_no_folder_of_its_own_is_not_adopted() {
    let host = Host::new();
    let folder = make_by_hand(&host, json!({ "name": "ada" }));
    let link = host.path().join("link");
    std::os::unix::fs::symlink(&folder, &link).expect("make a link");
    for (workspace, code) in [
        (json!(link), "workspace_not_a_folder"),
        (json!(folder.join("SOUL.md")), "workspace_not_a_folder"),
        (json!(host.path().join("nowhere")), "workspace_missing"),
        (json!("relative/folder"), "workspace_missing"),
        (json!("/"), "workspace_missing"),
    ] {
        write_config(&host, &json!({ "ada": { "workspace": workspace } }));
        assert_eq!(host.failure(&adoption()).await.code, code, "{workspace}");
    }
    write_config(&host, &json!({}));
    assert_eq!(host.failure(&adoption()).await.code, "nothing_to_adopt");
    assert!(!folder.join(".creel").exists());
    assert_eq!(host.calls("add"), 0);
}

#[tokio::test]
async fn an_adopted_agent_is_found_again_where_it_is() {
    let host = Host::new();
    let folder = make_by_hand(
        &host,
        json!({ "name": "ada", "identity": { "name": "Ada", "emoji": "🦉" } }),
    );
    host.provision(&adoption(), &no_rows()).await.expect("it works");
    let files = content(&folder);
    let again = with(
        &adoption(),
        &json!({ "adopt": false, "workspace_path": folder.to_string_lossy() }),
    );
    let result = host.provision(&again, &no_rows()).await.expect("it works again");
    assert_eq!(result["workspace"], json!(folder));
    assert_eq!(content(&folder), files);
    assert_eq!(host.calls("add"), 0);
    std::fs::remove_dir_all(folder.join(".creel")).expect("take the mark away");
    assert_eq!(host.failure(&again).await.code, "workspace_not_ours");
}

/// CREEL_TEST_OPENCLAW names the program.
#[tokio::test]
async fn real_openclaw_keeps_what_is_adopted_as_it_is() {
    let Some(program) = std::env::var_os("CREEL_TEST_OPENCLAW") else {
        return skipped("CREEL_TEST_OPENCLAW is not set");
    };
    let mut host = Host::new();
    (host.program, host.limits) = (program.into(), creel_worker::openclaw::CliLimits::default());
    let folder = host.path().join("mine/ada");
    std::fs::create_dir_all(&folder).expect("make a folder");
    std::fs::create_dir_all(host.state_dir()).expect("make the state directory");
    std::fs::write(folder.join("SOUL.md"), "# Ada\n").expect("write a file");
    let ada = NewAgent::unnamed(id("ada"), &folder);
    host.openclaw().add(&ada).await.expect("make it by hand");
    let (files, config) = (content(&folder), read(host.state_dir().join("openclaw.json")));
    let rows = no_rows();
    let result = host.provision(&adoption(), &rows).await.expect("it works");
    assert_eq!(result["workspace"], json!(folder));
    assert_eq!(content(&folder), files);
    assert_eq!(read(host.state_dir().join("openclaw.json")), config);
    let soul = rows
        .docs()
        .into_iter()
        .find(|doc| doc.doc_type.as_str() == "soul");
    assert_eq!(soul.map(|doc| doc.content).as_deref(), Some("# Ada\n"));
}
