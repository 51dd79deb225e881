//! A client of the gateway that believes nothing and mends nothing: for looking at what it says.

use std::net::Ipv4Addr;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use crate::gateway::TOKEN;
use crate::support::PATIENCE;

/// A connection.
pub(crate) struct Rpc {
    socket: WebSocketStream<TcpStream>,
    last_id: u64,
    /// Events that came meanwhile, but for the challenge.
    pub(crate) events: Vec<Value>,
}

/// What came of a call or of a connection.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Said {
    Ok(Value),
    Error(Value),
    /// The other side has closed: with which code, and why.
    Closed(u16, String),
    /// It is gone without a word.
    Gone,
}

impl Said {
    pub(crate) fn ok(self) -> Value {
        match self {
            Self::Ok(payload) => payload,
            other => panic!("no answer but {other:?}"),
        }
    }

    /// Code and words of an error.
    pub(crate) fn error(self) -> (String, String) {
        match self {
            Self::Error(error) => {
                let text = |name: &str| error[name].as_str().unwrap_or_default().to_owned();
                (text("code"), text("message"))
            }
            other => panic!("no error but {other:?}"),
        }
    }
}

/// The parameters of a `connect` that is let in.
pub(crate) fn connect_params() -> Value {
    json!({
        "minProtocol": 4, "maxProtocol": 4,
        "client": { "id": "gateway-client", "version": "1", "platform": "linux", "mode": "backend" },
        "role": "operator", "scopes": ["operator.admin", "operator.read"], "caps": [],
        "auth": { "token": TOKEN },
    })
}

impl Rpc {
    /// A connection that may do all.
    pub(crate) async fn connected(port: u16) -> Self {
        let mut rpc = Self::open(port).await;
        let hello = rpc.call("connect", connect_params()).await.ok();
        assert_eq!(
            (&hello["type"], &hello["protocol"]),
            (&json!("hello-ok"), &json!(4))
        );
        rpc
    }

    /// A connection that has heard the challenge.
    pub(crate) async fn open(port: u16) -> Self {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))
            .await
            .expect("connect");
        let (socket, _) = tokio_tungstenite::client_async(format!("ws://127.0.0.1:{port}"), stream)
            .await
            .expect("speak WebSocket");
        let mut rpc = Self {
            socket,
            last_id: 0,
            events: Vec::new(),
        };
        let challenge = rpc.next().await.ok();
        assert_eq!(challenge["event"], "connect.challenge");
        assert!(challenge["payload"]["nonce"].is_string());
        rpc
    }

    /// Calls, and waits for the answer.
    pub(crate) async fn call(&mut self, method: &str, params: Value) -> Said {
        self.last_id += 1;
        let id = self.last_id.to_string();
        let request = json!({ "type": "req", "id": id, "method": method, "params": params });
        if self
            .socket
            .send(Message::text(request.to_string()))
            .await
            .is_err()
        {
            return Said::Gone;
        }
        self.answer(&id).await
    }

    pub(crate) async fn send(&mut self, message: Message) {
        self.socket.send(message).await.expect("send");
    }

    /// The answer to this request.
    pub(crate) async fn answer(&mut self, id: &str) -> Said {
        loop {
            let frame = match self.next().await {
                Said::Ok(frame) => frame,
                other => return other,
            };
            if frame["type"] == "event" {
                self.events.push(frame);
            } else if frame["id"] == id {
                return match frame["ok"].as_bool() {
                    Some(true) => Said::Ok(frame["payload"].clone()),
                    _ => Said::Error(frame["error"].clone()),
                };
            }
        }
    }

    /// Waits for the end of the connection.
    pub(crate) async fn end(&mut self) -> Said {
        loop {
            match self.next().await {
                Said::Ok(frame) if frame["type"] == "event" => self.events.push(frame),
                Said::Ok(_) => {}
                other => return other,
            }
        }
    }

    async fn next(&mut self) -> Said {
        loop {
            let next = tokio::time::timeout(PATIENCE, self.socket.next())
                .await
                .expect("a frame in time");
            match next {
                Some(Ok(Message::Text(text))) => {
                    return Said::Ok(serde_json::from_str(&text).unwrap_or_default());
                }
                Some(Ok(Message::Close(frame))) => {
                    let Some(frame) = frame else { return Said::Gone };
                    return Said::Closed(frame.code.into(), frame.reason.to_string());
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Said::Gone,
            }
        }
    }
}
