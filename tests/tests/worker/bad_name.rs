//! Names that people choose: what can be is, exactly; what cannot is refused, and says why.

use creel_core::id;
use serde_json::json;

use crate::fixture::{SOON, Stage};

#[tokio::test]
async fn unusual_names_arrive_as_they_were_written() {
    let stage = Stage::new().await;
    let station = stage.station().await;
    let _worker = station.start();
    let names = [
        r#"Ada "the" O'Neil \ `id` $(touch pwned) %s"#,
        "🦞👩‍👩‍👧‍👦 crew",
        "עדה לאבלייס",
        "-rf",
        "--agent=main",
        "{{role}} {name}",
        "名前",
    ];
    let mut requests = Vec::new();
    for (n, name) in names.iter().enumerate() {
        let key = format!("agent:n{n}:main");
        requests.push(
            stage
                .write(&json!({ "agent_key": key, "display_name": name, "role_short": "a \"role\"\nof two lines" }))
                .await,
        );
    }
    for (n, (id, name)) in requests.into_iter().zip(names).enumerate() {
        stage.done(id).await;
        let agents = station.agents();
        assert_eq!(agents[&format!("n{n}")]["identity"]["name"], json!(name));
        assert!(
            station.file(&format!("n{n}"), "IDENTITY.md").contains(name),
            "{name}"
        );
    }
    assert!(!station.home.path().join("pwned").exists());
}

#[tokio::test]
async fn impossible_names_are_refused_with_a_reason() {
    let stage = Stage::new().await;
    let station = stage.station().await;
    let worker = station.start_with(&station.setup().allow("failed agent_provision_requests"));
    let long = "ä".repeat(5_000);
    let cases = [
        (json!({ "display_name": "two\nlines" }), "display_name_invalid"),
        (
            json!({ "display_name": "turned\u{202e}around" }),
            "display_name_invalid",
        ),
        (json!({ "display_name": "bell\u{7}" }), "display_name_invalid"),
        (json!({ "display_name": long }), "display_name_invalid"),
        (
            json!({ "display_name": "Ada", "emoji": "🦞".repeat(100) }),
            "emoji_invalid",
        ),
        (
            json!({ "display_name": "Ada", "role_short": "r".repeat(10_000) }),
            "role_invalid",
        ),
    ];
    let mut requests = Vec::new();
    for (n, (columns, code)) in cases.iter().enumerate() {
        let mut columns = columns.clone();
        columns["agent_key"] = json!(format!("agent:n{n}:main"));
        requests.push((stage.write(&columns).await, code));
    }
    for (id, code) in requests {
        let error = stage.failed(id, SOON).await;
        assert_eq!(error["code"], json!(code));
        assert!(
            error.to_string().len() < 2_000,
            "ten thousand letters are not repeated on the page"
        );
    }
    assert!(station.agents().is_empty());
    assert!(
        worker.log().len() < 50_000,
        "nor in the log: {} bytes",
        worker.log().len()
    );
}

#[tokio::test]
async fn impossible_ids_are_refused_before_anything_is_run() {
    let stage = Stage::new().await;
    let station = stage.station().await;
    let _worker = station.start_with(&station.setup().allow("failed agent_provision_requests"));
    let mut requests = Vec::new();
    let bad = id::EXAMPLES
        .iter()
        .filter(|(text, good)| !good && !text.is_empty());
    for (n, (text, _)) in bad.enumerate() {
        let row =
            json!({ "agent_key": format!("agent:k{n}:main"), "agent_id_short": text, "display_name": "Ada" });
        requests.push((stage.write(&row).await, (*text).to_owned()));
    }
    // As they come in the key.
    for key in [
        "agent:..:main",
        "agent:a/b:main",
        "agent:main:main",
        "../../etc",
        "Scout",
        "agent:-x:main",
    ] {
        let row = json!({ "agent_key": key, "display_name": "Ada" });
        requests.push((stage.write(&row).await, key.to_owned()));
    }
    assert!(requests.len() > 12);
    for (id, text) in requests {
        let error = stage.failed(id, SOON).await;
        assert_eq!(error["code"], json!("agent_id_invalid"), "{text:?}: {error}");
        assert!(
            error["hint"].as_str().is_some_and(|hint| hint.contains("a-z")),
            "{error}"
        );
    }
    assert_eq!(station.calls_of("add") + station.calls_of("set-identity"), 0);
    let made = std::fs::read_dir(station.home.workspaces()).map_or(0, Iterator::count);
    assert_eq!(made, 0, "no folder is made");

    // The same agents with good names: one bad request does not spoil an agent for good.
    let row = json!({ "agent_key": "agent:k0:main", "agent_id_short": "good", "display_name": "Ada" });
    let again = stage.write(&row).await;
    stage.done(again).await;
    assert!(station.agents().contains_key("good"));
}
