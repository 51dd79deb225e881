//! What the drivers do when the gateway is late, lost, or lies.

use std::time::{Duration, Instant};

use creel_worker::openclaw::{Entry, GatewayProblem, NewAgent, OpenClaw, OpenClawError as E, Settings};
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::conformance::beside;
use crate::gateway::{Gateway, TOKEN, write_config};
use crate::support::{Host, PATIENCE, eventually, id};

/// Whatever the gateway does, an operation ends within this: some times the limits of these tests.
const ENDS_WITHIN: Duration = PATIENCE;

/// The ways in which a driver may make an agent.
const WRITES: [&str; 2] = ["agents.create", "config.patch"];

#[tokio::test]
async fn what_a_gateway_quotes_of_its_secrets_stays_on_the_host() {
    let (host, _gateway) = ready().await;
    let driver = host.gateway_driver();
    add(&*driver, &host, "scout").await.expect("it is made");
    std::fs::write(host.state_dir().join(".env"), "MODEL_KEY=dotenv-value-1").expect("write");
    let said = format!("invalid config: token {TOKEN}, dotenv-value-1, sk-live-abcdefgh12345678");
    for code in ["INVALID_REQUEST", "FORBIDDEN"] {
        let fault = json!({ "mode": "refuse", "code": code, "message": said });
        let methods = ["config.patch", "agents.create", "agents.delete", "agents.list"];
        let faults: serde_json::Map<_, _> = methods
            .map(|method| (method.to_owned(), fault.clone()))
            .into_iter()
            .collect();
        host.fault(&Value::Object(faults));
        let settings = Settings {
            model: Some("none/none-1".to_owned()),
            ..Settings::default()
        };
        for refused in [
            driver.configure(&id("scout"), &settings).await.map(drop),
            driver.remove(&id("scout")).await.map(drop),
            driver.list().await.map(drop),
            add(&*driver, &host, "owl").await,
        ] {
            let error = refused.expect_err("it is refused").to_string();
            assert!(error.contains("[removed]"), "{error}");
            for secret in [TOKEN, "dotenv-value-1", "sk-live"] {
                assert!(!error.contains(secret), "{error}");
            }
        }
    }
}

/// A host with a gateway that is ready, and somebody else's agent in it.
async fn ready() -> (Host, Gateway) {
    let host = Host::new();
    let gateway = beside(&host).await;
    (host, gateway)
}

/// Lets both ways fail, once or each time.
fn fault_writes(host: &Host, mut fault: Value, times: Option<u64>) {
    if let Some(times) = times {
        fault["times"] = times.into();
    }
    let faults: serde_json::Map<_, _> = WRITES
        .map(|method| (method.to_owned(), fault.clone()))
        .into_iter()
        .collect();
    host.fault(&Value::Object(faults));
}

fn agent(host: &Host, name: &str) -> NewAgent {
    NewAgent {
        name: format!("{name} \"the\" סייר"),
        emoji: Some("🦞".to_owned()),
        ..NewAgent::unnamed(id(name), host.workspaces().join(name))
    }
}

/// Adds and names an agent, as the job does; in time.
async fn add(openclaw: &dyn OpenClaw, host: &Host, name: &str) -> Result<(), E> {
    let agent = agent(host, name);
    std::fs::create_dir_all(&agent.workspace).expect("make the folder");
    let begin = Instant::now();
    let added = async {
        openclaw.add(&agent).await?;
        openclaw
            .set_identity(&agent.id, &agent.name, agent.emoji.as_deref())
            .await
    };
    let added = tokio::time::timeout(ENDS_WITHIN, added).await;
    added.unwrap_or_else(|_| panic!("no end within {:?}", begin.elapsed()))
}

/// The agent is there, named, once, and the other agent is as it was.
async fn is_there(openclaw: &dyn OpenClaw, host: &Host, name: &str) {
    let wanted = agent(host, name);
    let is_right = |entry: &Entry| {
        entry.workspace.as_ref() == Some(&wanted.workspace)
            && entry.identity_name.as_ref() == Some(&wanted.name)
            && entry.identity_emoji.as_deref() == Some("🦞")
    };
    let found = openclaw.find(&wanted.id).await.expect("an answer");
    assert!(found.as_ref().is_some_and(is_right), "{found:?}");
    // What the configuration has, the gateway may learn a little later.
    let begin = Instant::now();
    loop {
        let listed = openclaw.list().await.expect("a list");
        let found: Vec<_> = listed.iter().filter(|entry| entry.id == name).collect();
        assert!(found.len() <= 1, "{listed:?}");
        if found.first().is_some_and(|entry| is_right(entry)) {
            break;
        }
        assert!(begin.elapsed() < PATIENCE, "{listed:?}");
        tokio::task::yield_now().await;
    }
    other_is_untouched(host);
}

fn other_is_untouched(host: &Host) {
    let config = host.config();
    let other = &config["agents"]["entries"]["other"];
    assert_eq!(other["name"], "Other \"O\" 🐝");
    assert_eq!(other["identity"], json!({ "name": "Other", "emoji": "🐝" }));
    assert_eq!(other["bootstrapMaxChars"], 12_345);
}

#[tokio::test]
async fn a_gateway_that_is_late_noisy_or_briefly_away_is_survived() {
    for fault in [
        json!({ "mode": "lag", "ms": 1_500 }),
        json!({ "mode": "delay_ms", "ms": 300 }),
        json!({ "mode": "answer_late", "ms": 300 }),
        json!({ "mode": "noise" }),
        json!({ "mode": "drop_before" }),
        json!({ "mode": "drop_after" }),
        json!({ "mode": "restart_before", "ms": 500 }),
        json!({ "mode": "restart_after", "ms": 500 }),
        json!({ "mode": "refuse", "code": "UNAVAILABLE", "message": "rate limit exceeded", "retry_after_ms": 200 }),
    ] {
        let (host, _gateway) = ready().await;
        let openclaw = host.gateway_driver();
        fault_writes(&host, fault.clone(), Some(1));
        let added = add(openclaw.as_ref(), &host, "scout").await;
        assert!(added.is_ok(), "{fault}: {added:?}");
        is_there(openclaw.as_ref(), &host, "scout").await;
    }
}

#[tokio::test]
async fn a_gateway_that_lags_at_every_write_is_waited_for() {
    let (host, _gateway) = ready().await;
    let openclaw = host.gateway_driver();
    fault_writes(&host, json!({ "mode": "lag", "ms": 700 }), None);
    for name in ["one", "two", "three"] {
        add(openclaw.as_ref(), &host, name).await.expect("it is added");
        is_there(openclaw.as_ref(), &host, name).await;
    }
}

#[tokio::test]
async fn a_gateway_that_learns_late_of_the_first_agent_is_waited_for() {
    let host = Host::new();
    let gateway = Gateway::begin(&host, &json!({ "agents": {} }));
    gateway.becomes_ready().await;
    host.fault(&json!({ "agents.create": { "mode": "lag", "ms": 1_500 } }));
    let (openclaw, wanted) = (host.gateway_driver(), agent(&host, "first"));
    openclaw.add(&wanted).await.expect("it is added");
    assert!(host.calls("agents.create") > 0, "no patch can do it");
    openclaw
        .set_identity(&wanted.id, &wanted.name, wanted.emoji.as_deref())
        .await
        .expect("it is named");
    let listed = openclaw.list().await.expect("a list");
    let found = listed
        .iter()
        .find(|entry| entry.id == "first")
        .expect("the gateway knows it");
    assert_eq!(found.identity_name.as_ref(), Some(&wanted.name));
}

#[tokio::test]
async fn a_gateway_that_does_not_answer_is_given_up_and_what_it_did_is_found() {
    for fault in [
        json!({ "mode": "hang" }),
        json!({ "mode": "half_done_then_hang" }),
        json!({ "mode": "half_open" }),
        json!({ "mode": "garbage" }),
        json!({ "mode": "delay_ms", "ms": 600_000 }),
    ] {
        let (host, _gateway) = ready().await;
        let openclaw = host.gateway_driver();
        fault_writes(&host, fault.clone(), None);
        // It may be told as an error, or found to be done.
        let first = add(openclaw.as_ref(), &host, "scout").await;
        if let Err(error) = &first {
            assert!(!matches!(error, E::AlreadyExists { .. }), "{fault}: {error:?}");
        }
        host.fault(&json!({}));
        completed(openclaw.as_ref(), &host, "scout").await;
        is_there(openclaw.as_ref(), &host, "scout").await;
    }
}

/// The next attempt of the same job.
async fn completed(openclaw: &dyn OpenClaw, host: &Host, name: &str) {
    let wanted = agent(host, name);
    match openclaw.find(&wanted.id).await.expect("an answer") {
        Some(_) => openclaw
            .set_identity(&wanted.id, &wanted.name, wanted.emoji.as_deref())
            .await
            .expect("it is set"),
        None => add(openclaw, host, name).await.expect("it is added"),
    }
}

#[tokio::test]
async fn an_answer_that_comes_after_it_was_given_up_is_not_taken_for_another() {
    let (host, _gateway) = ready().await;
    let openclaw = host.gateway_driver();
    fault_writes(&host, json!({ "mode": "answer_late", "ms": 1_800 }), Some(1));
    let late = add(openclaw.as_ref(), &host, "late");
    let next = async {
        for n in 0..10 {
            add(openclaw.as_ref(), &host, &format!("next-{n}"))
                .await
                .expect("it is added");
        }
    };
    let (_late, ()) = tokio::join!(late, next);
    completed(openclaw.as_ref(), &host, "late").await;
    for name in ["late", "next-0", "next-9"] {
        is_there(openclaw.as_ref(), &host, name).await;
    }
}

#[tokio::test]
async fn an_answer_about_another_agent_changes_nothing_else_and_is_never_a_wrong_success() {
    let (host, _gateway) = ready().await;
    for (name, openclaw) in [
        ("by-command", host.openclaw()),
        ("by-gateway", host.gateway_driver()),
    ] {
        let lie = json!({ "mode": "lie_about_id", "id": "other" });
        host.fault(&json!({ "add": lie, "agents.create": lie, "config.patch": lie }));
        match openclaw.add(&agent(&host, name)).await {
            // Whoever looks at what is there need not believe what is said.
            Ok(()) => assert!(openclaw.find(&id(name)).await.expect("an answer").is_some()),
            Err(error) => assert!(matches!(error, E::Unreadable { .. }), "{name}: {error:?}"),
        }
        other_is_untouched(&host);
        host.fault(&json!({}));
        completed(openclaw.as_ref(), &host, name).await;
        is_there(openclaw.as_ref(), &host, name).await;
    }
}

#[tokio::test]
async fn an_agent_that_is_made_under_another_id_is_an_error() {
    let (host, _gateway) = ready().await;
    for (name, openclaw) in [
        ("by-command", host.openclaw()),
        ("by-gateway", host.gateway_driver()),
    ] {
        let other = json!({ "mode": "rename", "id": format!("{name}-x") });
        host.fault(&json!({ "add": other, "agents.create": other, "config.patch": other }));
        let added = add(openclaw.as_ref(), &host, name).await;
        assert!(added.is_err(), "{name}: {added:?}");
        assert_eq!(openclaw.find(&id(name)).await.expect("an answer"), None);
        let calls = host.calls("add") + host.calls("agents.create") + host.calls("config.patch");
        assert!(calls <= 4, "it is not tried again and again: {calls}");
        other_is_untouched(&host);
    }
}

#[tokio::test]
async fn a_gateway_that_is_killed_or_stopped_between_two_agents_is_found_again() {
    let (host, mut gateway) = ready().await;
    let openclaw = host.gateway_driver();
    add(openclaw.as_ref(), &host, "first").await.expect("it is added");
    gateway.kill9();
    gateway.start_again();
    add(openclaw.as_ref(), &host, "second")
        .await
        .expect("it is added");
    gateway.term();
    gateway.ended(ENDS_WITHIN).await;
    gateway.start_again();
    add(openclaw.as_ref(), &host, "third").await.expect("it is added");
    for name in ["first", "second", "third"] {
        is_there(openclaw.as_ref(), &host, name).await;
    }
}

#[tokio::test]
async fn a_gateway_that_restarts_in_the_middle_of_a_burst_makes_each_agent_once() {
    let (host, _gateway) = ready().await;
    let openclaw = host.gateway_driver();
    host.fault(&json!({
        "agents.create": { "mode": "restart_after", "ms": 300, "skip": 7, "times": 1 },
        "config.patch": { "mode": "restart_after", "ms": 300, "times": 1 },
    }));
    let names: Vec<String> = (0..20).map(|n| format!("burst-{n}")).collect();
    for added in join_all(names.iter().map(|name| add(openclaw.as_ref(), &host, name))).await {
        added.expect("it is added");
    }
    for name in &names {
        is_there(openclaw.as_ref(), &host, name).await;
    }
}

#[tokio::test]
async fn what_nobody_waits_for_any_more_is_not_begun() {
    let (host, _gateway) = ready().await;
    let openclaw = host.gateway_driver();
    host.fault(&json!({ "config.patch": {
        "mode": "refuse", "code": "UNAVAILABLE", "message": "busy", "retry_after_ms": 700, "times": 1,
    } }));
    let kept = async {
        add(openclaw.as_ref(), &host, "kept").await.expect("it is added");
    };
    let given_up = async {
        tokio::select! {
            added = add(openclaw.as_ref(), &host, "given-up") => panic!("it is too early: {added:?}"),
            () = eventually("both were in a patch", || host.calls("config.patch") == 1) => {}
        }
    };
    tokio::join!(kept, given_up);
    is_there(openclaw.as_ref(), &host, "kept").await;
    assert_eq!(host.config()["agents"]["entries"]["given-up"], Value::Null);
}

#[tokio::test]
async fn one_that_cannot_be_made_does_not_fail_the_others() {
    let (host, _gateway) = ready().await;
    let openclaw = host.gateway_driver();
    // As often as a batch is tried, and then one of it by itself.
    host.fault(&json!({ "config.get": {
        "mode": "refuse", "code": "UNAVAILABLE", "message": "Error: not this one", "times": 16,
    } }));
    let names = ["one", "two", "three", "four"];
    let added = join_all(names.map(|name| add(openclaw.as_ref(), &host, name))).await;
    assert!(matches!(added[0], Err(E::GatewayRefused { .. })), "{added:?}");
    assert!(added[1..].iter().all(Result::is_ok), "{added:?}");
    for name in &names[1..] {
        is_there(openclaw.as_ref(), &host, name).await;
    }
}

#[tokio::test]
async fn a_gateway_of_another_configuration_serves_nobody_and_is_not_asked() {
    let (theirs, gateway) = ready().await;
    let host = Host::new();
    write_config(&host, gateway.port, &json!({}));
    let refused = add(host.gateway_driver().as_ref(), &host, "scout").await;
    assert!(
        matches!(
            refused,
            Err(E::Gateway(GatewayProblem::OtherConfiguration { .. }))
        ),
        "{refused:?}"
    );
    let auto = host.auto_driver();
    assert!(!auto.is_served().await);
    add(auto.as_ref(), &host, "scout").await.expect("it is added");
    assert_eq!(host.calls("add"), 1);
    assert!(auto.find(&id("scout")).await.expect("an answer").is_some());
    assert_eq!(theirs.config()["agents"]["entries"]["scout"], Value::Null);
}

#[tokio::test]
async fn the_gateway_and_the_command_line_write_beside_each_other() {
    let (host, _gateway) = ready().await;
    // Each with a broker of its own, as two programs have.
    let (cli, gateway) = (host.openclaw(), host.gateway_driver());
    let (by_cli, by_gateway): (Vec<_>, Vec<_>) = (0..10)
        .map(|n| (format!("cli-{n}"), format!("gateway-{n}")))
        .unzip();
    let adds = by_cli
        .iter()
        .map(|name| add(cli.as_ref(), &host, name))
        .chain(by_gateway.iter().map(|name| add(gateway.as_ref(), &host, name)));
    for added in join_all(adds.collect::<Vec<_>>()).await {
        added.expect("it is added");
    }
    for name in by_cli.iter().chain(&by_gateway) {
        is_there(cli.as_ref(), &host, name).await;
    }
}

#[tokio::test]
async fn without_a_gateway_that_lets_us_in_the_gateway_driver_fails_and_auto_takes_the_command_line() {
    for faults in [
        json!({ "readyz": { "mode": "not_ready" } }),
        json!({ "readyz": { "mode": "page" } }),
        json!({ "connect": { "mode": "starting" } }),
        json!({ "connect": { "mode": "half_open" } }),
        json!({ "connect": { "mode": "garbage" } }),
        json!({ "connect": { "mode": "drop_before" } }),
        json!({ "connect": {
            "mode": "refuse", "code": "INVALID_REQUEST",
            "message": "unauthorized: gateway token mismatch (provide gateway auth token)",
        } }),
        json!({ "socket": { "mode": "half_open" } }),
        json!({ "socket": { "mode": "drop" } }),
    ] {
        let (host, _gateway) = ready().await;
        host.fault(&faults);
        let refused = add(host.gateway_driver().as_ref(), &host, "scout").await;
        assert!(refused.is_err(), "{faults}");
        assert_eq!(
            host.config()["agents"]["entries"]["scout"],
            Value::Null,
            "{faults}"
        );
        let auto = host.auto_driver();
        add(auto.as_ref(), &host, "scout")
            .await
            .unwrap_or_else(|error| panic!("{faults}: {error:?}"));
        assert_eq!(host.calls("add"), 1, "{faults}");
        is_there(host.openclaw().as_ref(), &host, "scout").await;
    }
}

#[tokio::test]
async fn auto_takes_the_gateway_as_soon_as_there_is_one_and_the_command_line_as_soon_as_there_is_none() {
    let (host, mut gateway) = ready().await;
    let auto = host.auto_driver();
    add(auto.as_ref(), &host, "first").await.expect("it is added");
    assert_eq!(host.calls("add"), 0);
    gateway.kill9();
    add(auto.as_ref(), &host, "second").await.expect("it is added");
    assert_eq!(host.calls("add"), 1);
    gateway.start_again();
    gateway.becomes_ready().await;
    // It may have looked a moment too early.
    let begin = Instant::now();
    let mut names = vec!["first".to_owned(), "second".to_owned()];
    loop {
        let (name, before) = (format!("next-{}", names.len()), host.calls("add"));
        add(auto.as_ref(), &host, &name).await.expect("it is added");
        names.push(name);
        if host.calls("add") == before {
            break;
        }
        assert!(begin.elapsed() < PATIENCE, "it does not take the gateway again");
    }
    for name in &names {
        is_there(auto.as_ref(), &host, name).await;
    }
    eventually("no process is left", || host.processes().is_empty()).await;
}

#[tokio::test]
async fn a_gateway_that_dies_in_the_middle_is_replaced_by_the_command_line() {
    for mode in ["kill_self", "half_done_then_kill_self"] {
        let (host, _gateway) = ready().await;
        fault_writes(&host, json!({ "mode": mode }), Some(1));
        let auto = host.auto_driver();
        let first = add(auto.as_ref(), &host, "scout").await;
        if first.is_err() {
            completed(auto.as_ref(), &host, "scout").await;
        }
        is_there(host.openclaw().as_ref(), &host, "scout").await;
    }
}
