//! A model for trying things: it speaks as OpenAI's do, on loopback, and costs nothing. It says one sentence, or does what a
//! canary asks for, or fails, as whoever starts it chooses.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result};
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;

/// What it says to everything, unless it was made otherwise.
pub const REPLY: &str = "I am here, and this is all that a stand-in for a model can say.";

/// By this it knows what a canary asks for.
const IN_REVERSE: &str = "in reverse order";

/// What it says when it is to fail.
const ERROR: &str = "this stand-in for a model was told to fail";

/// The provider's name in OpenClaw's configuration.
const PROVIDER: &str = "stand-in";

/// The model's name there.
const MODEL: &str = "one-sentence";

/// What a page of tokens would be counted as.
const USAGE_TOKENS: u64 = 10;

/// How it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// With [`REPLY`].
    OneSentence,
    /// As a good model answers a canary: of the last line of a user that wants words in reverse order, those after the
    /// last colon, the last one first. It says nothing to anything else.
    WordsReversed,
    /// With this status and an error, as a provider does whose bill or key is not good, or who is down.
    Failing(u16),
}

/// A model that is served until this is dropped.
pub struct StandInModel {
    address: SocketAddr,
    talk: Talk,
    _serving: AbortOnDropHandle<()>,
}

/// What goes on between it and whoever asks.
#[derive(Clone)]
struct Talk {
    manner: Arc<Mutex<Manner>>,
    /// What it was asked last.
    asked: Arc<Mutex<Value>>,
}

impl StandInModel {
    /// Serves one that says its sentence, on a free port of loopback.
    pub async fn start() -> Result<Self> {
        Self::start_as(Manner::OneSentence).await
    }

    /// Serves one that answers in this manner, on a free port of loopback.
    pub async fn start_as(manner: Manner) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .context("find a port for the model")?;
        let address = listener.local_addr().context("find the port of the model")?;
        let talk = Talk {
            manner: Arc::new(Mutex::new(manner)),
            asked: Arc::default(),
        };
        let router = Router::new()
            .route("/v1/models", get(models))
            .route("/v1/chat/completions", post(complete))
            .with_state(talk.clone());
        let serving = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::error!(%error, "the stand-in for a model ended: {error}");
            }
        });
        Ok(Self {
            address,
            talk,
            _serving: AbortOnDropHandle::new(serving),
        })
    }

    /// From now on it answers in this manner.
    pub fn behave(&self, manner: Manner) {
        *self.talk.manner.lock().expect("no holder of this lock panics") = manner;
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
        let asked = self.talk.asked.lock().expect("no holder of this lock panics");
        let messages = asked["messages"].as_array();
        messages
            .into_iter()
            .flatten()
            .any(|message| texts(message).any(|content| content.contains(text)))
    }
}

/// What a message says: one text, or several.
fn texts(message: &Value) -> impl Iterator<Item = &str> {
    let content = &message["content"];
    let parts = content.as_array().into_iter().flatten();
    content
        .as_str()
        .into_iter()
        .chain(parts.filter_map(|part| part["text"].as_str()))
}

/// What is to be answered to a request.
fn reply(manner: Manner, request: &Value) -> Result<String, u16> {
    match manner {
        Manner::OneSentence => Ok(REPLY.to_owned()),
        Manner::WordsReversed => {
            let messages = request["messages"].as_array().into_iter().flatten();
            let said = messages.filter(|message| message["role"] == json!("user"));
            // OpenClaw says something of its own above it, below it and after it.
            let lines = said.flat_map(texts).flat_map(str::lines);
            let line = lines.filter(|line| line.contains(IN_REVERSE)).last();
            let words = line.and_then(|line| line.rsplit_once(": "));
            let words = words.map_or("", |(_, words)| words).split_whitespace();
            Ok(words.rev().collect::<Vec<_>>().join(" "))
        }
        Manner::Failing(status) => Err(status),
    }
}

async fn models() -> Json<Value> {
    Json(json!({ "object": "list", "data": [{ "id": MODEL, "object": "model" }] }))
}

async fn complete(State(talk): State<Talk>, Json(request): Json<Value>) -> Response {
    let streams = request["stream"] == json!(true);
    let manner = *talk.manner.lock().expect("no holder of this lock panics");
    let reply = reply(manner, &request);
    *talk.asked.lock().expect("no holder of this lock panics") = request;
    let reply = match reply {
        Ok(reply) => reply,
        Err(status) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            let error = json!({ "message": ERROR, "type": "stand_in", "param": null, "code": null });
            return (status, Json(json!({ "error": error }))).into_response();
        }
    };
    let usage = json!({
        "prompt_tokens": USAGE_TOKENS, "completion_tokens": USAGE_TOKENS, "total_tokens": 2 * USAGE_TOKENS,
    });
    if !streams {
        let message = json!({ "role": "assistant", "content": reply });
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
        chunk(json!({ "role": "assistant", "content": reply }), None),
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
        ask_for(model, stream, "Who are you?").await
    }

    async fn ask_for(model: &StandInModel, stream: bool, text: &str) -> String {
        let base = model.profile_base();
        let url = base["models"]["providers"][PROVIDER]["baseUrl"]
            .as_str()
            .map(ToOwned::to_owned);
        let request = json!({
            "model": MODEL, "stream": stream, "messages": [
                { "role": "system", "content": "Be a lobster." },
                { "role": "user", "content": [{ "type": "text", "text": text }] },
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

    #[tokio::test]
    async fn it_reverses_the_words_of_a_canary_or_fails_as_it_is_made() {
        let model = StandInModel::start_as(Manner::WordsReversed)
            .await
            .expect("it starts");
        let asked = "[Sat 21 Nov] Reply with these words in reverse order: amber birch coral\n\nBe brief.";
        for stream in [false, true] {
            let said = ask_for(&model, stream, asked).await;
            assert!(said.contains("\"coral birch amber\""), "{said}");
        }
        model.behave(Manner::Failing(402));
        let said = ask_for(&model, true, asked).await;
        assert!(said.contains(ERROR) && !said.contains("coral"), "{said}");
        model.behave(Manner::OneSentence);
        assert!(ask(&model, false).await.contains(REPLY));
    }
}
