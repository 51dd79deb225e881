//! Agents that somebody made by hand become rows, with their files as first versions and as they are.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use creel_tests::wait::eventually_some;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::fixture::{SOON, Stage};
use crate::station::Station;

const FILES: &[(&str, &str, &str)] = &[
    ("SOUL.md", "soul", "# Soul\n\nKeeps count.\n"),
    ("IDENTITY.md", "identity", "- Name: by hand\n"),
    (
        "MEMORY.md",
        "memory_long",
        "It remembers.\r\nNo newline at the end",
    ),
];

/// Two agents with files, in folders of their own.
fn make_by_hand(station: &Station) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut entries = json!({ "main": { "workspace": station.home.path().join("main") } });
    for id in ["ada", "bob"] {
        let folder = station.home.path().join("by-hand").join(id);
        fs::create_dir_all(folder.join("memory")).expect("make a folder");
        for (name, _, text) in FILES {
            fs::write(folder.join(name), format!("{id}: {text}")).expect("write a file");
        }
        fs::write(folder.join("memory/2026-11-01.md"), "a day").expect("write a file");
        entries[id] = json!({
            "name": id, "workspace": folder, "identity": { "name": format!("By hand {id}"), "emoji": "🦉" },
        });
    }
    let config = json!({
        "agents": { "entries": entries },
        "models": { "providers": { "fake": { "apiKey": "sk-secret", "models": [{ "id": "fake-1" }] } } },
    });
    let path = station.home.openclaw_state().join("openclaw.json");
    fs::write(path, config.to_string()).expect("write the configuration");
    content(&station.home.path().join("by-hand"))
}

/// Everything in a folder but Creel's own.
fn content(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder).expect("list the folder") {
        let path = entry.expect("an entry").path();
        if path.file_name().is_some_and(|name| name == ".creel") {
            continue;
        }
        if path.is_dir() {
            files.extend(content(&path));
        } else {
            files.insert(path.clone(), fs::read(&path).expect("read a file"));
        }
    }
    files
}

async fn runtime(stage: &Stage, station: &Station, holds: impl Fn(&Value) -> bool) -> Value {
    eventually_some("the host tells of its agents", SOON, async || {
        let row = stage
            .admin
            .query_one(
                "select h.runtime || jsonb_build_object('agents', r.agents)
                 from hosts h left join host_rosters r on r.host_id = h.id where h.id = $1",
                &[&station.host.id],
            )
            .await
            .expect("read the host");
        row.get::<_, Option<Value>>(0).filter(&holds)
    })
    .await
}

async fn adopt(stage: &Stage, station: &Station, ids: &[&str]) -> Vec<Value> {
    let agents: Vec<Value> = ids.iter().map(|id| json!({ "openclaw_id": id })).collect();
    let args = json!({ "project_id": stage.project, "host_id": station.host.id, "agents": agents });
    let answer = stage
        .ask_as_owner(&format!("select public.adopt_agents('{args}')"))
        .await;
    answer["agents"].as_array().expect("agents").clone()
}

fn request(answer: &Value) -> Uuid {
    let id = answer["request_id"].as_str().and_then(|id| id.parse().ok());
    id.unwrap_or_else(|| panic!("a request: {answer}"))
}

#[tokio::test]
async fn agents_made_by_hand_are_told_adopted_and_left_as_they_are() {
    let stage = Stage::with_short_leases().await;
    let station = stage.station().await;
    let before = make_by_hand(&station);
    let config = fs::read(station.home.openclaw_state().join("openclaw.json")).expect("read it");
    stage
        .run(&format!(
            "update hosts set owner_id = '{}' where id = '{}'",
            stage.owner.id, station.host.id
        ))
        .await;
    let setup = station.setup().allow("another workspace already");
    let mut worker = station.started_with(&setup).await;

    let told = runtime(&stage, &station, |runtime| {
        runtime["openclaw"]["version"].is_string()
    })
    .await;
    assert!(!told.to_string().contains("sk-secret"), "{told}");
    assert_eq!(told["models"], json!(["fake/fake-1"]));
    assert_eq!(told["openclaw"]["gateway"], Value::Null);
    assert_eq!(told["agent_count"], json!(3));
    assert_eq!(told["agents"][0]["id"], json!("ada"));
    assert_eq!(told["agents"][0]["name"], json!("By hand ada"));
    assert_eq!(told["agents"][0]["creel"], json!(false));

    // A plain request gets neither the agent nor its folder.
    let refused = stage.request("agent:ada:main").await;
    let error = stage.failed(refused, SOON).await;
    assert_eq!(error["code"], json!("agent_exists"), "{error}");

    let answers = adopt(&stage, &station, &["ada", "bob", "main"]).await;
    let outcomes: Vec<&Value> = answers.iter().map(|answer| &answer["outcome"]).collect();
    assert_eq!(outcomes, ["adopted", "adopted", "refused"], "{answers:?}");
    for (answer, id) in answers.iter().zip(["ada", "bob"]) {
        let row = stage.done(request(answer)).await;
        let folder = station.home.path().join("by-hand").join(id);
        let folder = folder.canonicalize().expect("it is there");
        assert_eq!(row["result"]["workspace"], json!(folder));
        let agent = stage.agent(request(answer)).await;
        assert_eq!(agent["provisioned"], json!(true));
        assert_eq!(agent["workspace_path"], json!(folder));
        assert_eq!(agent["openclaw_id"], json!(id));
        let docs = stage
            .admin
            .query(
                "select d.doc_type, d.content, v.version, c.content
                 from brain_docs d join brain_doc_versions v on v.doc_id = d.id
                 join brain_doc_contents c on c.project_id = v.project_id and c.sha256 = v.sha256
                 where d.project_id = $1 and d.agent_key = $2",
                &[&stage.project, &format!("agent:{id}:main")],
            )
            .await
            .expect("read the documents");
        assert_eq!(docs.len(), FILES.len());
        for (name, doc_type, text) in FILES {
            let doc = docs.iter().find(|doc| doc.get::<_, &str>(0) == *doc_type);
            let doc = doc.unwrap_or_else(|| panic!("{name} has a row"));
            assert_eq!(doc.get::<_, String>(1), format!("{id}: {text}"));
            assert_eq!(doc.get::<_, i32>(2), 1);
            assert_eq!(doc.get::<_, String>(3), format!("{id}: {text}"));
        }
    }
    assert_eq!(content(&station.home.path().join("by-hand")), before);
    let after = fs::read(station.home.openclaw_state().join("openclaw.json")).expect("read it");
    assert_eq!(after, config, "OpenClaw's configuration is as it was");
    assert_eq!(station.calls_of("add"), 0);

    let again = adopt(&stage, &station, &["ada", "bob"]).await;
    assert!(
        again.iter().all(|answer| answer["outcome"] == "exists"),
        "{again:?}"
    );
    worker.kill9().expect("kill it");
    let mut worker = station.started().await;
    runtime(&stage, &station, |runtime| runtime["agents"][0]["creel"] == true).await;
    worker.kill9().expect("kill it");
}
