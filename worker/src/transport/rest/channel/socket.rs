//! The WebSocket, made by the client that makes the calls: with the same certificates, proxy and limits.

use futures_util::{SinkExt, StreamExt};
use reqwest::header::{CONNECTION, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE};
use reqwest::{StatusCode, Upgraded};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use super::Trouble;
use super::frame::VERSION;
use crate::config::RealtimeConfig;

/// What is sent to a host is empty; who sends more is no Realtime.
const MESSAGE_MAX_BYTES: usize = 64 << 10;

/// An open WebSocket that speaks text.
pub(super) struct Socket(WebSocketStream<Upgraded>);

impl Socket {
    /// Opens it. Waits as long as the other side does.
    pub(super) async fn open(http: &reqwest::Client, config: &RealtimeConfig) -> Result<Self, Trouble> {
        let answer = http
            .get(&config.url)
            .query(&[
                ("apikey", config.publishable_key.expose().trim()),
                ("vsn", VERSION),
            ])
            .header(CONNECTION, "Upgrade")
            .header(UPGRADE, "websocket")
            .header(SEC_WEBSOCKET_VERSION, "13")
            .header(SEC_WEBSOCKET_KEY, generate_key())
            .send()
            .await
            .map_err(unreachable)?;
        if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Err(Trouble::Refused(format!(
                "it answered {}",
                answer.status().as_u16()
            )));
        }
        let stream = answer.upgrade().await.map_err(unreachable)?;
        let limits = WebSocketConfig::default()
            .max_message_size(Some(MESSAGE_MAX_BYTES))
            .max_frame_size(Some(MESSAGE_MAX_BYTES));
        Ok(Self(
            WebSocketStream::from_raw_socket(stream, Role::Client, Some(limits)).await,
        ))
    }

    /// Sends a message.
    pub(super) async fn send(&mut self, text: String) -> Result<(), Trouble> {
        self.0.send(Message::text(text)).await.map_err(|_| Trouble::Cut)
    }

    /// The next message; pings are answered on the way.
    pub(super) async fn next(&mut self) -> Result<String, Trouble> {
        loop {
            match self.0.next().await {
                Some(Ok(Message::Text(text))) => return Ok(text.as_str().to_owned()),
                Some(Ok(Message::Close(_)) | Err(_)) | None => return Err(Trouble::Cut),
                Some(Ok(_)) => {}
            }
        }
    }
}

/// What was wrong at the bottom of it. The URL is not told: the key is in it, if only one that every page has.
fn unreachable(error: reqwest::Error) -> Trouble {
    let error = error.without_url();
    let mut cause: &dyn std::error::Error = &error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    Trouble::Unreachable(cause.to_string())
}
