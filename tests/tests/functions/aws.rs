//! As much of AWS as keeps secrets: parameters of Systems Manager, and Secrets Manager.

use std::io::Write;
use std::net::Ipv4Addr;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use creel_tests::cluster::repo;
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// Who the function is there.
pub const ACCESS_KEY: &str = "AKIDEXAMPLE";
/// By what it proves it.
pub const SECRET_KEY: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
/// What comes with a role's keys.
pub const SESSION_TOKEN: &str = "a session of a role";
/// Where it runs.
pub const REGION: &str = "eu-central-1";

/// What AWS refuses with.
type Refusal = (StatusCode, &'static str);

#[derive(Default)]
struct Kept {
    secrets: Mutex<Vec<(String, String)>>,
    refusals: Mutex<Vec<Refusal>>,
    asked: Mutex<Vec<Value>>,
}

/// Ends when it is dropped.
pub struct Aws {
    pub url: String,
    kept: Arc<Kept>,
    serving: JoinHandle<()>,
}

impl Aws {
    pub async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("listen");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let kept = Arc::<Kept>::default();
        let router = Router::new().fallback(answer).with_state(kept.clone());
        let serving = tokio::spawn(async move {
            axum::serve(listener, router).await.expect("serve");
        });
        Self { url, kept, serving }
    }

    /// Keeps a secret under a name, or an ARN.
    pub fn keep(&self, name: &str, secret: &str) {
        let kept = (name.to_owned(), secret.to_owned());
        self.kept.secrets.lock().expect("not poisoned").push(kept);
    }

    /// The next requests are refused.
    pub fn refuse(&self, refusals: &[Refusal]) {
        self.kept.refusals.lock().expect("not poisoned").extend(refusals);
    }

    /// What was asked: method, URL, headers and body.
    pub fn asked(&self) -> Vec<Value> {
        self.kept.asked.lock().expect("not poisoned").clone()
    }

    /// The environment of a function that runs there.
    pub fn environment(&self) -> Vec<(&str, &str)> {
        vec![
            ("AWS_ACCESS_KEY_ID", ACCESS_KEY),
            ("AWS_SECRET_ACCESS_KEY", SECRET_KEY),
            ("AWS_SESSION_TOKEN", SESSION_TOKEN),
            ("AWS_REGION", REGION),
            ("AWS_ENDPOINT_URL_SSM", &self.url),
            ("AWS_ENDPOINT_URL_SECRETS_MANAGER", &self.url),
        ]
    }

    /// What was asked, as AWS's own library would have signed it: pairs of its signature and the one that came.
    pub fn signatures(&self) -> Vec<(String, String)> {
        let python = repo().join(".creel/cfn-lint/bin/python3");
        assert!(
            python.exists(),
            "botocore is installed: run `python3 -m venv .creel/cfn-lint`, and \
             `.creel/cfn-lint/bin/pip install cfn-lint==1.58.0 botocore==1.44.5`"
        );
        let told = json!({
            "access_key": ACCESS_KEY, "secret_key": SECRET_KEY, "token": SESSION_TOKEN, "asked": self.asked(),
        });
        let mut signer = Command::new(python)
            .arg(repo().join("tests/tests/functions/sign.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("start python3");
        let mut input = signer.stdin.take().expect("a pipe");
        input.write_all(told.to_string().as_bytes()).expect("write");
        drop(input);
        let output = signer.wait_with_output().expect("wait for python3");
        serde_json::from_slice(&output.stdout).expect("pairs")
    }
}

impl Drop for Aws {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn answer(State(kept): State<Arc<Kept>>, headers: HeaderMap, body: Bytes) -> Response {
    let body: Value = serde_json::from_slice(&body).expect("JSON");
    let named = headers.iter().map(|(name, value)| {
        let value = value.to_str().expect("a text");
        (name.to_string(), Value::from(value))
    });
    let named: Map<String, Value> = named.collect();
    let url = format!("http://{}/", named["host"].as_str().expect("a text"));
    let target = named["x-amz-target"].clone();
    let asked = json!({ "method": "POST", "url": url, "headers": named, "body": body.to_string() });
    kept.asked.lock().expect("not poisoned").push(asked);
    let mut refusals = kept.refusals.lock().expect("not poisoned");
    if !refusals.is_empty() {
        let (status, kind) = refusals.remove(0);
        let kind = format!("com.amazonaws.ssm#{kind}");
        return (status, Json(json!({ "__type": kind, "message": "said by AWS" }))).into_response();
    }
    let secrets = kept.secrets.lock().expect("not poisoned");
    let found = |wanted: &str| secrets.iter().find(|(name, _)| name == wanted);
    match target.as_str() {
        Some("AmazonSSM.GetParameters") => {
            let names = body["Names"].as_array().expect("names").iter();
            let (mut parameters, mut invalid) = (Vec::new(), Vec::new());
            for name in names.filter_map(Value::as_str) {
                let Some((_, secret)) = found(name) else {
                    invalid.push(name);
                    continue;
                };
                let own = name.split_once(":parameter").map_or(name, |(_, own)| own);
                let arn = format!("arn:aws:ssm:{REGION}:123456789012:parameter{own}");
                let value = if body["WithDecryption"] == true {
                    secret
                } else {
                    "encrypted"
                };
                parameters.push(json!({ "Name": own, "ARN": arn, "Type": "SecureString", "Value": value }));
            }
            // In another order than asked.
            parameters.reverse();
            Json(json!({ "Parameters": parameters, "InvalidParameters": invalid })).into_response()
        }
        Some("secretsmanager.GetSecretValue") => match found(body["SecretId"].as_str().expect("an id")) {
            Some((arn, secret)) => Json(json!({ "ARN": arn, "SecretString": secret })).into_response(),
            None => {
                let error = json!({ "__type": "ResourceNotFoundException", "Message": "can't find it" });
                (StatusCode::BAD_REQUEST, Json(error)).into_response()
            }
        },
        other => panic!("nobody asks AWS for {other:?}"),
    }
}
