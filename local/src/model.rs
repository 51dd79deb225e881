//! A model for trying things: it speaks as OpenAI's do, on loopback, says one sentence and costs nothing.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result};
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;

/// What it always says.
pub const REPLY: &str = "I am here, and this is all that a stand-in for a model can say.";

/// The provider's name in OpenClaw's configuration.
const PROVIDER: &str = "stand-in";

/// The model's name there.
const MODEL: &str = "one-sentence";

/// What a page of tokens would be counted as.
const USAGE_TOKENS: u64 = 10;

/// A model that is served until this is dropped.
pub struct StandInModel {
    address: SocketAddr,
    asked: Asked,
    _serving: AbortOnDropHandle<()>,
}

/// What it was asked last.
type Asked = Arc<Mutex<Value>>;

impl StandInModel {
    /// Serves it on a free port of loopback.
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .context("find a port for the model")?;
        let address = listener.local_addr().context("find the port of the model")?;
        let asked = Asked::default();
        let router = Router::new()
            .route("/v1/models", get(models))
            .route("/v1/chat/completions", post(complete))
            .with_state(asked.clone());
        let serving = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::error!(%error, "the stand-in for a model ended: {error}");
            }
        });
        Ok(Self {
            address,
            asked,
            _serving: AbortOnDropHandle::new(serving),
        })
    }

    /// What a host gives all its agents so that they use it, in OpenClaw's words: the worker's `profile_base`. It lets
    /// them answer over HTTP, too.
    pub fn profile_base(&self) -> Value {
        let model = json!({
            "id": MODEL, "name": "A stand-in", "contextWindow": 128_000, "maxTokens": 4_096, "input": ["text"],
            "reasoning": false, "cost": { "input": 0, "output": 0, "cacheRead": 0, "cacheWrite": 0 },
        });
        json!({
            "models": { "mode": "replace", "providers": { PROVIDER: {
                "baseUrl": format!("http://{}/v1", self.address), "apiKey": "none", "api": "openai-completions",
                "models": [model],
            } } },
            "agents": { "defaults": { "model": { "primary": format!("{PROVIDER}/{MODEL}") } } },
            "gateway": { "http": { "endpoints": { "chatCompletions": { "enabled": true } } } },
        })
    }

    /// Whether the last prompt had this text.
    pub fn was_told(&self, text: &str) -> bool {
        let asked = self.asked.lock().expect("no holder of this lock panics");
        let messages = asked["messages"].as_array();
        messages
            .into_iter()
            .flatten()
            .any(|message| match &message["content"] {
                Value::String(content) => content.contains(text),
                parts => parts.as_array().into_iter().flatten().any(|part| {
                    part["text"]
                        .as_str()
                        .is_some_and(|content| content.contains(text))
                }),
            })
    }
}

async fn models() -> Json<Value> {
    Json(json!({ "object": "list", "data": [{ "id": MODEL, "object": "model" }] }))
}

async fn complete(State(asked): State<Asked>, Json(request): Json<Value>) -> Response {
    let streams = request["stream"] == json!(true);
    *asked.lock().expect("no holder of this lock panics") = request;
    let usage = json!({
        "prompt_tokens": USAGE_TOKENS, "completion_tokens": USAGE_TOKENS, "total_tokens": 2 * USAGE_TOKENS,
    });
    if !streams {
        let message = json!({ "role": "assistant", "content": REPLY });
        return Json(json!({
            "id": "stand-in", "object": "chat.completion", "created": 1, "model": MODEL, "usage": usage,
            "choices": [{ "index": 0, "message": message, "finish_reason": "stop" }],
        }))
        .into_response();
    }
    let chunk = |delta: Value, finish: Option<&str>| {
        json!({
            "id": "stand-in", "object": "chat.completion.chunk", "created": 1, "model": MODEL,
            "choices": [{ "index": 0, "delta": delta, "finish_reason": finish }],
        })
    };
    let end = json!({
        "id": "stand-in", "object": "chat.completion.chunk", "created": 1, "model": MODEL, "choices": [],
        "usage": usage,
    });
    let said = [
        chunk(json!({ "role": "assistant", "content": REPLY }), None),
        chunk(json!({}), Some("stop")),
        end,
    ];
    let mut events: String = said.iter().map(|event| format!("data: {event}\n\n")).collect();
    events.push_str("data: [DONE]\n\n");
    ([(CONTENT_TYPE, "text/event-stream")], events).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::http::client;

    async fn ask(model: &StandInModel, stream: bool) -> String {
        let base = model.profile_base();
        let url = base["models"]["providers"][PROVIDER]["baseUrl"]
            .as_str()
            .map(ToOwned::to_owned);
        let request = json!({
            "model": MODEL, "stream": stream, "messages": [
                { "role": "system", "content": "Be a lobster." },
                { "role": "user", "content": [{ "type": "text", "text": "Who are you?" }] },
            ],
        });
        let asking = client()
            .expect("a client")
            .post(format!("{}/chat/completions", url.expect("a URL")))
            .json(&request);
        let answer = asking.send().await.expect("it answers");
        answer.text().await.expect("it answers whole")
    }

    #[tokio::test]
    async fn it_says_its_sentence_and_knows_what_it_was_told() {
        let model = StandInModel::start().await.expect("it starts");
        assert!(!model.was_told("lobster"));
        for stream in [false, true] {
            let said = ask(&model, stream).await;
            assert!(said.contains(REPLY), "{said}");
            assert_eq!(said.ends_with("data: [DONE]\n\n"), stream);
        }
        assert!(model.was_told("lobster") && model.was_told("Who are you?") && !model.was_told("crab"));
    }
}
