//! Whether somebody serves the agents of this machine.

use std::path::Path;
use std::time::Duration;

use creel_worker::GatewayState;
use creel_worker::openclaw::Overview;
use serde_json::Value;

use super::Check;
use crate::command::project::text;
use crate::http;

/// Both are on this machine and answer in milliseconds.
const LIMIT: Duration = Duration::from_secs(2);

const NAME: &str = "gateway";

/// Who could keep it.
const START_IT: &str = "start it (openclaw gateway run, or openclaw gateway install), or let the worker keep it: \
                        keep_gateway = true, or --keep-gateway";

/// Looks at the gateway of this state directory: asks the worker if it keeps one, else the gateway itself.
pub(super) async fn check_gateway(state_dir: Option<&Path>, data_dir: Option<&Path>) -> Check {
    if let Some(data_dir) = data_dir
        && let Ok(address) = std::fs::read_to_string(data_dir.join("http.addr"))
        && let Some(page) = ask(&format!("http://{}/readyz", address.trim())).await
        && page["gateway"].is_object()
    {
        return judge_kept(&page["gateway"]);
    }
    let config_path = state_dir.map(|folder| folder.join("openclaw.json"));
    let overview = match &config_path {
        Some(path) => Overview::read(path).await.ok().flatten(),
        None => None,
    };
    let Some(port) = overview.and_then(|overview| overview.gateway_port) else {
        return Check::absent(
            NAME,
            "OpenClaw's configuration has none: agents are made, and nobody serves them",
            START_IT,
        );
    };
    match ask(&format!("http://127.0.0.1:{port}/readyz")).await {
        Some(page) if page["ready"] == true => Check::good(NAME, format!("ready on port {port}")),
        Some(page) if page["ready"] == false => Check::absent(
            NAME,
            format!("not ready yet on port {port}"),
            "wait half a minute; then see its log",
        ),
        Some(_) => Check::broken(
            NAME,
            format!("port {port} is another program's"),
            "end that program, or give gateway.port in openclaw.json another one",
        ),
        None => Check::absent(NAME, format!("nothing answers on port {port}"), START_IT),
    }
}

/// What the worker says of the gateway that it keeps.
fn judge_kept(gateway: &Value) -> Check {
    let (state, reason) = (text(gateway, "state"), text(gateway, "reason"));
    let found = match gateway["port"].as_u64() {
        Some(port) => format!("{state} on port {port}, kept by the worker"),
        None => format!("{state}, kept by the worker"),
    };
    let is_bad = [GatewayState::Absent, GatewayState::GivenUp]
        .iter()
        .any(|bad| bad.as_str() == state);
    let what_to_do = if reason.is_empty() {
        "wait half a minute; then see gateway.log in the worker's data directory".to_owned()
    } else {
        reason
    };
    match gateway["ready"] == true {
        true => Check::good(NAME, found),
        false if is_bad => Check::broken(NAME, found, what_to_do),
        false => Check::absent(NAME, found, what_to_do),
    }
}

/// The page's JSON, or null where it has none; nothing if nobody answers.
async fn ask(url: &str) -> Option<Value> {
    let answer = http::client(url, LIMIT).ok()?.get(url).send().await.ok()?;
    Some(answer.json().await.unwrap_or(Value::Null))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::command::doctor::Verdict;

    #[test]
    fn a_gateway_that_was_given_up_is_broken_with_its_reason() {
        let check = judge_kept(&json!({
            "state": "given_up", "ready": false, "port": 18_789, "reason": "exit code 78",
        }));
        assert_eq!(check.verdict, Verdict::Broken);
        assert_eq!(check.what_to_do, "exit code 78");
        let verdict = |state: &str, ready: bool| {
            judge_kept(&json!({ "state": state, "ready": ready, "port": 1, "reason": null })).verdict
        };
        assert_eq!(verdict("ready", true), Verdict::Good);
        assert_eq!(verdict("somebody_elses", true), Verdict::Good);
        assert_eq!(verdict("starting", false), Verdict::Absent);
        assert_eq!(verdict("absent", false), Verdict::Broken);
    }

    #[tokio::test]
    async fn what_answers_on_the_port_of_the_configuration_is_told() {
        let _already_installed = rustls::crypto::ring::default_provider().install_default();
        let folder = tempfile::tempdir().expect("a folder");
        let verdict = async || {
            check_gateway(Some(folder.path()), Some(folder.path()))
                .await
                .verdict
        };
        assert_eq!(verdict().await, Verdict::Absent, "no configuration");
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("its address").port();
        let config = json!({ "gateway": { "port": port } }).to_string();
        std::fs::write(folder.path().join("openclaw.json"), config).expect("write");
        drop(listener);
        assert_eq!(verdict().await, Verdict::Absent, "nothing answers");
    }
}
