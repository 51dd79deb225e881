//! The same on the real OpenClaw. CREEL_TEST_OPENCLAW names its executable; without it, these tests say so
//! and pass. Each of its runs takes seconds and half a gigabyte: the runner keeps them one at a time.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use creel_worker::backend::Backend as _;
use creel_worker::job::MemoryRows;
use creel_worker::openclaw::{CliLimits, GatewayLimits};
use serde_json::json;

use crate::conformance::{Subject, beside, keeps_all_promises, with_another_agent};
use crate::gateway::{Gateway, free_port};
use crate::profile::{self, Profiles};
use crate::support::{Host, eventually, read, row, skipped};
use crate::{backend, facts, shared};

/// Right in the middle of its work: it takes several seconds, and writes at the end.
const CUT_AFTER: Duration = Duration::from_secs(2);

/// As many as the command line makes within a minute or two.
const FEW: usize = 3;

fn host() -> Option<Host> {
    let Some(program) = std::env::var_os("CREEL_TEST_OPENCLAW") else {
        skipped("CREEL_TEST_OPENCLAW does not name an OpenClaw");
        return None;
    };
    let mut host = Host::new();
    host.program = PathBuf::from(program);
    host.limits = CliLimits::default();
    host.gateway_limits = GatewayLimits::default();
    Some(host)
}

#[tokio::test]
async fn the_cli_driver_keeps_all_promises() {
    let Some(host) = host() else { return };
    let names = ["--emoji=boo", "Ada \"the 'quoted'\" L. \\ $HOME סייר 👩‍👩‍👧‍👦"];
    with_another_agent(&host, free_port());
    let subject = Subject {
        names: &names,
        burst: FEW,
        ..Subject::new(&host, host.openclaw())
    };
    keeps_all_promises(&subject).await;
}

#[tokio::test]
async fn the_gateway_driver_keeps_all_promises() {
    let Some(host) = host() else { return };
    let _gateway = beside(&host).await;
    keeps_all_promises(&Subject::new(&host, host.gateway_driver())).await;
}

#[tokio::test]
async fn the_auto_driver_takes_the_gateway_and_keeps_all_promises() {
    let Some(mut host) = host() else { return };
    let _gateway = beside(&host).await;
    // Nothing may need the command line.
    host.program = host.path().join("no-such-program");
    keeps_all_promises(&Subject::new(&host, host.auto_driver())).await;
}

#[tokio::test]
async fn a_row_becomes_an_agent() {
    let Some(host) = host() else { return };
    let result = host
        .provision(&row(json!({})), &MemoryRows::new(Vec::new()))
        .await
        .expect("it works");
    assert_eq!(result["served"], false, "there is no gateway");
    let listed = host.openclaw().list().await.expect("a list");
    let agent = listed
        .iter()
        .find(|entry| entry.id == "scout")
        .expect("it is there");
    assert_eq!(agent.identity_name.as_deref(), Some("Scout"));
    assert_eq!(agent.identity_emoji.as_deref(), Some("🦞"));
    let identity = read(host.workspaces().join("scout/IDENTITY.md"));
    assert!(identity.contains("- **Name:** Scout\n"), "{identity}");
}

#[tokio::test]
async fn it_is_stopped_with_all_its_processes_and_the_next_attempt_succeeds() {
    let Some(mut host) = host() else { return };
    host.limits.add = CUT_AFTER;
    let failure = host.failure(&row(json!({}))).await;
    assert_eq!((failure.code, failure.retry), ("openclaw_timed_out", true));
    host.limits = CliLimits::default();
    host.provision(&row(json!({})), &MemoryRows::new(Vec::new()))
        .await
        .expect("it works");
    eventually("nothing is left", || host.processes().is_empty()).await;
}

#[tokio::test]
async fn a_gateway_is_what_the_stand_in_is() {
    let Some(host) = host() else { return };
    facts::a_gateway_starts_only_with_a_configuration_that_is_one(&host).await;
    let mut gateway = Gateway::ready(&host).await;
    facts::all_are_true(&host, &mut gateway).await;
}

#[tokio::test]
async fn the_first_agent_of_a_configuration_is_made_by_create_only() {
    let Some(host) = host() else { return };
    facts::the_first_agent_is_made_by_create_only(&host).await;
}

/// A model on which nobody calls.
fn base() -> serde_json::Value {
    json!({
        "models": { "mode": "replace", "providers": { "none": {
            "baseUrl": "http://127.0.0.1:9/v1", "apiKey": "sk-none", "api": "openai-completions", "models": [{
                "id": "none-1", "name": "None", "contextWindow": 32_000, "maxTokens": 2_048, "input": ["text"],
                "reasoning": true, "cost": { "input": 0, "output": 0, "cacheRead": 0, "cacheWrite": 0 },
            }],
        } } },
        "agents": { "defaults": { "model": { "primary": "none/none-1" } } },
    })
}

#[tokio::test]
async fn the_profile_backend_keeps_all_promises() {
    let Some(host) = host() else { return };
    let profiles = Profiles::real(host.program.clone(), base());
    let subject = backend::Subject {
        backend: Arc::new(profiles.backend()),
        crowd: 2,
        model: "none/none-1",
    };
    backend::keeps_all_promises(&subject).await;
    eventually("no process is left", || profiles.processes().is_empty()).await;
}

#[tokio::test]
async fn the_profile_backend_rolls_back_what_does_not_come_up() {
    let Some(host) = host() else { return };
    profile::rolls_back(Profiles::real(host.program.clone(), base())).await;
}

#[tokio::test]
async fn the_profile_backend_waits_for_a_restart() {
    let Some(host) = host() else { return };
    profile::restarts_itself(Profiles::real(host.program.clone(), base())).await;
}

/// Every setting of a channel that a deployer may write.
#[tokio::test]
async fn channels_of_a_deployer_are_accepted_and_unknown_ones_refused() {
    let Some(host) = host() else { return };
    let profiles = Profiles::real(host.program.clone(), base());
    let backend = profiles.backend();
    let channels = json!({
        "telegram": {
            "enabled": true, "name": "x", "dmPolicy": "allowlist", "allowFrom": ["123", 5],
            "groupPolicy": "allowlist", "groupAllowFrom": ["1"],
            "groups": { "-100": { "requireMention": true, "enabled": true, "allowFrom": ["1"] } },
            "historyLimit": 5, "dmHistoryLimit": 4, "textChunkLimit": 4000, "replyToMode": "off", "mediaMaxMb": 5,
            "defaultAccount": "a", "accounts": { "a": { "enabled": true, "dmPolicy": "pairing" } },
        },
        "discord": { "guilds": { "1": { "users": ["1"], "channels": { "2": { "requireMention": true } } } } },
    });
    let mut spec = backend::spec(1, "alpha");
    backend.deploy(&spec, &[]).await.expect("it is deployed");
    spec.config.channels = channels.as_object().cloned();
    let applied = backend.configure(&spec, &[]).await.expect("OpenClaw takes it");
    assert!(applied.changed);
    assert_eq!(profiles.config(&spec)["channels"], channels);
    spec.config.channels = json!({ "nowhere": { "enabled": true } }).as_object().cloned();
    let refused = backend
        .configure(&spec, &[])
        .await
        .expect_err("there is none")
        .to_string();
    assert!(refused.contains("unknown channel id: nowhere"), "{refused}");
    assert_eq!(profiles.config(&spec)["channels"], channels);
}

#[tokio::test]
async fn an_agent_at_work_is_stopped_within_its_grace() {
    let Some(host) = host() else { return };
    // A model that takes what it is asked and never answers.
    let model = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let mut base = base();
    let address = model.local_addr().expect("its address");
    base["models"]["providers"]["none"]["baseUrl"] = json!(format!("http://{address}/v1"));
    base["gateway"] = json!({ "http": { "endpoints": { "chatCompletions": { "enabled": true } } } });
    profile::stops_while_it_works(Profiles::real(host.program.clone(), base), model).await;
}

/// As many as are started at once, on a machine that has not the memory for all of them.
#[tokio::test]
async fn slow_starts_at_once_all_run_or_are_refused() {
    let Some(host) = host() else { return };
    let profiles = Profiles::real(host.program.clone(), base());
    profile::run_or_are_refused(profiles, 20).await;
}

#[tokio::test]
async fn the_shared_backend_keeps_all_promises_by_the_gateway() {
    let Some(host) = host() else { return };
    let _gateway = beside(&host).await;
    let subject = backend::Subject {
        backend: Arc::new(shared::backend(&host, host.gateway_driver())),
        crowd: 3,
        model: "none/none-1",
    };
    backend::keeps_all_promises(&subject).await;
}

#[tokio::test]
async fn the_shared_backend_loses_nothing_by_the_command_line() {
    let Some(host) = host() else { return };
    shared::loses_nothing(&host, host.openclaw()).await;
}
