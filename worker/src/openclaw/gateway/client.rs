//! One connection to the gateway: requests with ids, each with a time limit.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{Message, protocol::WebSocketConfig};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::access::{Access, is_same};
use super::problem::{CallError, GatewayProblem, Refusal};
use super::{GatewaySettings, listener};
use crate::openclaw::Version;
use crate::openclaw::output::{quoted, shown};
use crate::process::Runner;

/// What the gateway itself takes; its answer to a patch has the whole configuration.
const MESSAGE_MAX_BYTES: usize = 26 << 20;

/// The protocol that is spoken.
const PROTOCOL: u32 = 4;

/// The id of the first request.
const CONNECT_ID: &str = "1";

/// A socket on this machine takes what it is given at once, unless nobody reads at the other end.
const SEND_LIMIT: Duration = Duration::from_secs(5);

type Socket = WebSocketStream<TcpStream>;
type Reply = Result<Value, CallError>;

/// A frame from the gateway.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Frame {
    Res {
        id: String,
        ok: bool,
        #[serde(default)]
        payload: Value,
        error: Option<Refusal>,
    },
    Event {
        event: String,
    },
    #[serde(other)]
    Other,
}

struct Call {
    method: &'static str,
    params: Value,
    reply: oneshot::Sender<Reply>,
}

/// A connection that the gateway has let in. It ends with this handle.
#[derive(Debug)]
pub(super) struct Client {
    calls: mpsc::UnboundedSender<Call>,
    /// What it knows that is secret.
    config_path: PathBuf,
    ended: CancellationToken,
    /// What the gateway says that it is.
    pub(super) version: Option<Version>,
    /// Where it listens.
    pub(super) port: u16,
}

impl Client {
    /// Connects and introduces the worker. The token is sent only to a process of the expected user.
    pub(super) async fn connect(
        access: &Access,
        settings: &GatewaySettings,
        runner: &Runner,
    ) -> Result<Self, GatewayProblem> {
        let limit = settings.limits.connect;
        let silent = GatewayProblem::Silent {
            method: "connect",
            limit,
        };
        timeout(limit, Self::introduce(access, settings, runner))
            .await
            .unwrap_or(Err(silent))
    }

    async fn introduce(
        access: &Access,
        settings: &GatewaySettings,
        runner: &Runner,
    ) -> Result<Self, GatewayProblem> {
        let port = access.port;
        let not_ready = || GatewayProblem::NotReady { port };
        let theirs = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let stream = TcpStream::connect(theirs).await.map_err(|_| not_ready())?;
        stream.set_nodelay(true).map_err(|_| not_ready())?;
        let ours = stream.local_addr().map_err(|_| not_ready())?;
        let config = WebSocketConfig::default()
            .max_message_size(Some(MESSAGE_MAX_BYTES))
            .max_frame_size(Some(MESSAGE_MAX_BYTES));
        let url = format!("ws://127.0.0.1:{port}/");
        let (mut socket, _) = tokio_tungstenite::client_async_with_config(url, stream, Some(config))
            .await
            .map_err(|_| not_ready())?;
        loop {
            match next_frame(&mut socket).await.ok_or_else(not_ready)? {
                Frame::Event { event } if event == "connect.challenge" => break,
                _ => {}
            }
        }
        // It has spoken on this connection, so that somebody has accepted it.
        if listener::user_at_the_other_end(runner, ours, theirs).await != Some(settings.user_id) {
            return Err(GatewayProblem::Untrusted { port });
        }
        let connect = request(CONNECT_ID, "connect", &introduction(access));
        socket.send(connect).await.map_err(|_| not_ready())?;
        let hello = loop {
            match next_frame(&mut socket).await.ok_or_else(not_ready)? {
                Frame::Res {
                    id,
                    ok: true,
                    payload,
                    ..
                } if id == CONNECT_ID => break payload,
                Frame::Res { id, error, .. } if id == CONNECT_ID => {
                    let refusal = error.unwrap_or_else(unnamed);
                    return Err(refused(port, quote(&settings.config_path, refusal).await));
                }
                _ => {}
            }
        };
        let path = hello.pointer("/snapshot/configPath").and_then(Value::as_str);
        if let Some(path) = path
            .map(PathBuf::from)
            .filter(|path| !is_same(path, &settings.config_path))
        {
            return Err(GatewayProblem::OtherConfiguration { port, path });
        }
        let version = hello.pointer("/server/version").and_then(Value::as_str);
        let (calls, waiting) = mpsc::unbounded_channel();
        let ended = CancellationToken::new();
        let conversation = Conversation {
            socket,
            waiting,
            pending: HashMap::new(),
            next_id: 2,
            ping_every: settings.limits.ping_every,
            silence: settings.limits.silence,
            ended: ended.clone(),
            _ends: ended.clone().drop_guard(),
        };
        tokio::spawn(conversation.run());
        Ok(Self {
            calls,
            config_path: settings.config_path.clone(),
            ended,
            version: version.and_then(Version::find),
            port,
        })
    }

    /// Asks for something. When there is no answer in time, the connection is given up: what comes later
    /// could not be told from an answer to something else.
    pub(super) async fn call(&self, method: &'static str, params: Value, limit: Duration) -> Reply {
        let (reply, answer) = oneshot::channel();
        let lost = || Err(CallError::Broken(GatewayProblem::Lost));
        if self
            .calls
            .send(Call {
                method,
                params,
                reply,
            })
            .is_err()
        {
            return lost();
        }
        match timeout(limit, answer).await {
            Ok(Ok(Err(CallError::Refused(refusal)))) => {
                Err(CallError::Refused(quote(&self.config_path, refusal).await))
            }
            Ok(Ok(reply)) => reply,
            Ok(Err(_)) => lost(),
            Err(_) => {
                self.ended.cancel();
                Err(CallError::Broken(GatewayProblem::Silent { method, limit }))
            }
        }
    }

    /// Whether it can still be used.
    pub(super) fn is_alive(&self) -> bool {
        !self.ended.is_cancelled()
    }
}

/// What goes on on a connection.
struct Conversation {
    socket: Socket,
    waiting: mpsc::UnboundedReceiver<Call>,
    pending: HashMap<String, oneshot::Sender<Reply>>,
    next_id: u64,
    ping_every: Duration,
    silence: Duration,
    ended: CancellationToken,
    _ends: DropGuard,
}

impl Conversation {
    /// Runs until one side has had enough. Whoever waits for an answer then learns that there is none.
    async fn run(mut self) {
        let mut heard = Instant::now();
        let mut ping = tokio::time::interval(self.ping_every);
        loop {
            tokio::select! {
                call = self.waiting.recv() => match call {
                    Some(call) => if self.ask(call).await.is_none() { return },
                    None => {
                        let _closed = timeout(SEND_LIMIT, self.socket.close(None)).await;
                        return;
                    }
                },
                frame = next_message(&mut self.socket) => match frame {
                    Some(text) => {
                        heard = Instant::now();
                        self.hear(text.as_deref());
                    }
                    None => return,
                },
                _ = ping.tick() => {
                    self.pending.retain(|_, reply| !reply.is_closed());
                    if heard.elapsed() > self.silence || self.send(Message::Ping(Vec::new().into())).await.is_none() {
                        return;
                    }
                }
                () = self.ended.cancelled(), if self.pending.is_empty() => return,
            }
        }
    }

    async fn ask(&mut self, call: Call) -> Option<()> {
        let id = self.next_id.to_string();
        self.next_id += 1;
        let frame = request(&id, call.method, &call.params);
        self.pending.insert(id, call.reply);
        self.send(frame).await
    }

    async fn send(&mut self, message: Message) -> Option<()> {
        timeout(SEND_LIMIT, self.socket.send(message)).await.ok()?.ok()
    }

    fn hear(&mut self, text: Option<&str>) {
        match text.and_then(|text| serde_json::from_str(text).ok()) {
            Some(Frame::Res {
                id,
                ok,
                payload,
                error,
            }) => {
                if let Some(reply) = self.pending.remove(&id) {
                    let refusal = || CallError::Refused(error.unwrap_or_else(unnamed));
                    // Nobody may wait any more.
                    let _gone = reply.send(if ok { Ok(payload) } else { Err(refusal()) });
                }
            }
            // It answers what it was asked, and is to be asked nothing more.
            Some(Frame::Event { event }) if event == "shutdown" => self.ended.cancel(),
            _ => {}
        }
    }
}

fn unnamed() -> Refusal {
    Refusal {
        code: "UNKNOWN".to_owned(),
        message: "it gave no reason".to_owned(),
        retryable: false,
        retry_after_ms: None,
    }
}

fn request(id: &str, method: &str, params: &Value) -> Message {
    let frame = json!({ "type": "req", "id": id, "method": method, "params": params });
    Message::text(frame.to_string())
}

/// The only client that gets the rights that it asks for by the token alone.
fn introduction(access: &Access) -> Value {
    json!({
        "minProtocol": PROTOCOL,
        "maxProtocol": PROTOCOL,
        "client": {
            "id": "gateway-client",
            "version": env!("CARGO_PKG_VERSION"),
            "platform": std::env::consts::OS,
            "mode": "backend",
        },
        "role": "operator",
        "scopes": ["operator.admin", "operator.read", "operator.write"],
        "caps": [],
        "commands": [],
        "permissions": {},
        "auth": { "token": access.token.expose() },
        "userAgent": concat!("creel/", env!("CARGO_PKG_VERSION")),
    })
}

/// What it says goes into rows, events and logs, and it quotes what it does not like.
async fn quote(config_path: &Path, refusal: Refusal) -> Refusal {
    Refusal {
        message: quoted(config_path, refusal.message).await,
        ..refusal
    }
}

fn refused(port: u16, refusal: Refusal) -> GatewayProblem {
    match refusal {
        // It is starting.
        refusal if refusal.retryable || refusal.code == "UNAVAILABLE" => GatewayProblem::NotReady { port },
        refusal => GatewayProblem::LoginRefused {
            port,
            message: shown(&refusal.message),
        },
    }
}

/// The next frame; none when the connection has ended.
async fn next_frame(socket: &mut Socket) -> Option<Frame> {
    loop {
        if let Some(text) = next_message(socket).await? {
            return Some(serde_json::from_str(&text).unwrap_or(Frame::Other));
        }
    }
}

/// The next message, if it is text; none when the connection has ended.
async fn next_message(socket: &mut Socket) -> Option<Option<String>> {
    match socket.next().await?.ok()? {
        Message::Text(text) => Some(Some(text.as_str().to_owned())),
        Message::Close(_) => None,
        _ => Some(None),
    }
}
