//! The pages of a gateway, and which connection wants one.

use std::io;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::fault::ReadyFault;
use super::server::Gateway;

/// The head of a request: nobody who speaks to a test's gateway sends more.
const HEAD_MAX_BYTES: usize = 8 << 10;

/// A head that comes in parts is looked at again after this.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// What a connection begins with.
pub(super) struct Head {
    path: String,
    pub(super) is_upgrade: bool,
    len: usize,
}

impl Head {
    /// Looks at it without taking it; none when the connection ends before.
    pub(super) async fn peek(stream: &TcpStream) -> io::Result<Option<Self>> {
        let mut buffer = vec![0; HEAD_MAX_BYTES];
        loop {
            let len = stream.peek(&mut buffer).await?;
            if len == 0 {
                return Ok(None);
            }
            let text = String::from_utf8_lossy(&buffer[..len]);
            if let Some(end) = text.find("\r\n\r\n") {
                let path = text.split(' ').nth(1).unwrap_or_default().to_owned();
                let is_upgrade = text[..end]
                    .to_ascii_lowercase()
                    .contains("\r\nupgrade: websocket");
                return Ok(Some(Self {
                    path,
                    is_upgrade,
                    len: end + 4,
                }));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

/// Answers one request and closes.
pub(super) async fn answer(gateway: &Gateway, stream: &mut TcpStream, head: &Head) -> io::Result<()> {
    let mut taken = vec![0; head.len];
    stream.read_exact(&mut taken).await?;
    let (status, kind, body) = match page(gateway, &head.path)? {
        Some((status, body)) => (status, "application/json; charset=utf-8", body.to_string()),
        None if head.path == "/readyz" => (200, "text/html", "<!doctype html><p>OpenClaw".to_owned()),
        None => (404, "text/plain", "Not Found".to_owned()),
    };
    let reason = match status {
        200 => "OK",
        503 => "Service Unavailable",
        _ => "Not Found",
    };
    let answer = format!(
        "HTTP/1.1 {status} {reason}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await
}

/// Status and JSON of a page; none if it has no JSON.
fn page(gateway: &Gateway, path: &str) -> io::Result<Option<(u16, Value)>> {
    let uptime_ms = gateway.uptime_ms();
    let is_up = gateway.is_up();
    let status = if is_up { 200 } else { 503 };
    Ok(match path {
        "/healthz" => Some((200, json!({ "ok": true, "status": "live" }))),
        "/startupz" if is_up => Some((
            status,
            json!({ "ok": true, "status": "started", "version": "2026.9.6", "uptimeMs": uptime_ms }),
        )),
        "/startupz" => Some((
            status,
            json!({
                "ok": false, "status": "starting", "version": "2026.9.6", "uptimeMs": uptime_ms,
                "pendingReason": "startup-sidecars",
            }),
        )),
        "/readyz" => {
            let ready = match gateway.state.take_fault("readyz")? {
                None => is_up,
                Some(ReadyFault::Ready) => true,
                Some(ReadyFault::NotReady) => false,
                Some(ReadyFault::Page) => return Ok(None),
            };
            let failing: &[&str] = if ready { &[] } else { &["startup-sidecars"] };
            Some((
                if ready { 200 } else { 503 },
                json!({ "ready": ready, "failing": failing, "uptimeMs": uptime_ms }),
            ))
        }
        _ => None,
    })
}
