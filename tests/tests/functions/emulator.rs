//! The function's own program under AWS Lambda's runtime API, as cargo-lambda speaks it.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use creel_local::gateway::http;
use creel_local::process;
use creel_tests::cluster::{built_program, repo};
use creel_tests::wait::eventually;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::stage::{SOON, Stage};

/// The emulator and the function. Both end when it is dropped.
pub struct Emulator {
    port: u16,
    emulator: Child,
    function: Child,
    folder: TempDir,
    http: reqwest::Client,
    name: String,
    settings: Vec<(String, String)>,
}

fn cargo_lambda() -> PathBuf {
    let program = std::env::var_os("CREEL_TEST_CARGO_LAMBDA").map_or_else(
        || repo().join(".creel/cargo-lambda/bin/cargo-lambda"),
        PathBuf::from,
    );
    assert!(
        process::is_executable(&program),
        "cargo-lambda is installed: run `python3 -m venv .creel/cargo-lambda`, and \
         `.creel/cargo-lambda/bin/pip install cargo-lambda==1.9.2`"
    );
    program
}

impl Emulator {
    /// The function `agents`.
    pub async fn start(stage: &Stage) -> Self {
        let (url, key) = (stage.proxy.url(), stage.rest.publishable_key());
        let settings = [
            ("SUPABASE_URL", url.as_str()),
            ("SUPABASE_PUBLISHABLE_KEY", key),
            ("CREEL_ALLOWED_ORIGINS", crate::stage::ORIGIN),
        ];
        Self::start_function("agents", &settings).await
    }

    /// Any function, with its settings.
    pub async fn start_function(name: &str, settings: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("make a folder");
        // It insists on a package, and never builds it.
        fs::create_dir(folder.path().join("src")).expect("make a folder");
        fs::write(folder.path().join("src/main.rs"), "fn main() {}").expect("write");
        let manifest = "[package]\nname = \"none\"\nversion = \"0.0.0\"\nedition = \"2024\"\n[workspace]\n";
        fs::write(folder.path().join("Cargo.toml"), manifest).expect("write");
        let log = |name: &str| fs::File::create(folder.path().join(name)).expect("make a log");
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .and_then(|listener| listener.local_addr())
            .expect("find a free port")
            .port();
        let emulator = Command::new(cargo_lambda())
            .args([
                "lambda",
                "watch",
                "--only-lambda-apis",
                "-q",
                "-A",
                "127.0.0.1",
                "-P",
            ])
            .arg(port.to_string())
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(log("emulator.log"))
            .stderr(log("emulator.err"))
            .spawn()
            .expect("start cargo-lambda");
        eventually("the emulator listens", SOON, async || {
            tokio::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port))
                .await
                .is_ok()
        })
        .await;
        let settings: Vec<_> = settings
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        Self {
            port,
            emulator,
            function: start_program(name, &settings, port, folder.path()),
            folder,
            http: http::client().expect("make a client"),
            name: name.to_owned(),
            settings,
        }
    }

    /// The function dies at whatever it does, and is there again as a new process.
    pub fn kill_function(&mut self) {
        self.function.kill().expect("kill the function");
        self.function.wait().expect("wait for its end");
        self.function = start_program(&self.name, &self.settings, self.port, self.folder.path());
    }

    /// Sends an event as it is; answers status and text of the runtime API.
    pub async fn invoke(&self, event: impl Into<reqwest::Body>) -> (u16, String) {
        let url = format!(
            "http://127.0.0.1:{}/2015-03-31/functions/_/invocations",
            self.port
        );
        let answer = self
            .http
            .post(url)
            .body(event)
            .send()
            .await
            .expect("the emulator answers");
        (answer.status().as_u16(), answer.text().await.expect("read it"))
    }

    /// Sends an event of payload 2.0; answers status and body of the function's answer.
    pub async fn ask(&self, event: &Value) -> (u64, Value) {
        let (status, text) = self.invoke(event.to_string()).await;
        assert_eq!(status, 200, "{text}");
        let answer: Value = serde_json::from_str(&text).expect("JSON");
        let body = answer["body"].as_str().expect("a body");
        (
            answer["statusCode"].as_u64().expect("a status"),
            serde_json::from_str(body).expect("a body of JSON"),
        )
    }

    /// A request of an HTTP client, of which the emulator makes the event.
    pub fn request(&self, method: reqwest::Method, path: &str) -> reqwest::RequestBuilder {
        self.http
            .request(method, format!("http://127.0.0.1:{}{path}", self.port))
    }

    /// Whether the function is still the process that was started.
    pub fn is_running(&mut self) -> bool {
        matches!(self.function.try_wait(), Ok(None))
    }

    /// What the function wrote.
    pub fn log(&self) -> String {
        let read = |name| fs::read_to_string(self.folder.path().join(name)).unwrap_or_default();
        read("function.log") + &read("function.err")
    }
}

fn start_program(name: &str, settings: &[(String, String)], port: u16, folder: &Path) -> Child {
    let log = |name: &str| {
        let opened = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(folder.join(name));
        opened.expect("open a log")
    };
    Command::new(built_program(name).expect("it is built"))
        .env_clear()
        .env("AWS_LAMBDA_RUNTIME_API", format!("http://127.0.0.1:{port}/.rt"))
        .env("AWS_LAMBDA_FUNCTION_NAME", "_")
        .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
        .envs(settings.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(log("function.log"))
        .stderr(log("function.err"))
        .spawn()
        .expect("start the function")
}

impl Drop for Emulator {
    fn drop(&mut self) {
        for child in [&mut self.function, &mut self.emulator] {
            let _already_gone = child.kill();
            let _status = child.wait();
        }
    }
}

/// An event as a function URL sends it.
pub fn event(method: &str, path: &str, headers: &Value, body: Option<&str>, is_base64: bool) -> Value {
    json!({
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": "",
        "headers": headers,
        "requestContext": {
            "accountId": "anonymous",
            "apiId": "abcdefghij",
            "domainName": "abcdefghij.lambda-url.eu-central-1.on.aws",
            "domainPrefix": "abcdefghij",
            "http": {
                "method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "test",
            },
            "requestId": "5c1b1b1c-0000-4000-8000-000000000000",
            "routeKey": "$default",
            "stage": "$default",
            "time": "21/Nov/2026:00:00:00 +0000",
            "timeEpoch": 1_795_219_200_000_u64,
        },
        "body": body,
        "isBase64Encoded": is_base64,
    })
}
