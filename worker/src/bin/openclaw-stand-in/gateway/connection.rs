//! One connection: frames in, frames out, and all that can go wrong between.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use rustix::process::{Signal, getpid, kill_process};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_util::sync::CancellationToken;

use super::fault::RpcFault;
use super::handshake::{self, Rejected};
use super::limit::Limit;
use super::refusal::Refusal;
use super::rpc::{self, Caller};
use super::server::Gateway;

/// Who does not say `connect` within this is sent away; the real one waits about as long.
const HANDSHAKE_WAIT: Duration = Duration::from_secs(15);

/// Clients hear from the gateway at least this often.
const TICK_EVERY: Duration = Duration::from_secs(30);

/// The code with which a gateway that stops closes.
const CLOSE_RESTART: u16 = 1012;
const CLOSE_NORMAL: u16 = 1000;

/// What is to be done with the socket.
enum Out {
    Frame(Message),
    /// Closed, as the protocol wants it.
    Close(u16, String),
    /// Closed without a word.
    Cut,
    /// Kept open and never looked at again.
    Freeze,
}

#[derive(Debug, Deserialize)]
struct Request {
    id: String,
    method: String,
    #[serde(default)]
    params: Value,
}

type Socket = WebSocketStream<TcpStream>;

/// Serves until one of both ends it.
pub(super) async fn serve(gateway: Arc<Gateway>, mut socket: Socket, stop: CancellationToken) {
    let challenge = json!({ "nonce": uuid::Uuid::new_v4(), "ts": 0, "capabilities": [] });
    if socket.send(event("connect.challenge", challenge)).await.is_err() {
        return;
    }
    let (out, mut outs) = mpsc::unbounded_channel();
    let mut caller: Option<Arc<Caller>> = None;
    let mut ticks = tokio::time::interval(TICK_EVERY);
    ticks.reset();
    let shaken = tokio::time::sleep(HANDSHAKE_WAIT);
    tokio::pin!(shaken);
    loop {
        tokio::select! {
            () = stop.cancelled() => {
                // Who hears it does, and who does not is told by the close.
                while let Ok(Out::Frame(answer)) = outs.try_recv() {
                    let _unheard = socket.send(answer).await;
                }
                let _unheard = socket.send(event("shutdown", json!({ "reason": "gateway stopping" }))).await;
                close(socket, CLOSE_RESTART, "service restart".to_owned()).await;
                return;
            }
            () = &mut shaken, if caller.is_none() => return close(socket, CLOSE_NORMAL, String::new()).await,
            _ = ticks.tick(), if caller.is_some() => {
                if socket.send(event("tick", json!({ "ts": 0 }))).await.is_err() {
                    return;
                }
            }
            next = outs.recv() => match next {
                Some(Out::Frame(frame)) => {
                    if socket.send(frame).await.is_err() {
                        return;
                    }
                }
                Some(Out::Close(code, reason)) => return close(socket, code, reason).await,
                Some(Out::Cut) | None => return,
                Some(Out::Freeze) => return stop.cancelled().await,
            },
            frame = socket.next() => {
                let text = match frame {
                    Some(Ok(Message::Text(text))) => text,
                    // A close is answered by reading on.
                    Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Close(_))) => continue,
                    Some(Ok(Message::Binary(_))) if caller.is_some() => continue,
                    Some(Ok(Message::Binary(_))) => return close(socket, CLOSE_NORMAL, String::new()).await,
                    _ => return,
                };
                let request = match read(&text) {
                    Read::Request(request) => request,
                    Read::Nothing if caller.is_some() => continue,
                    Read::Nothing => return close(socket, CLOSE_NORMAL, String::new()).await,
                    Read::Wrong(answer) => {
                        if socket.send(answer).await.is_err() {
                            return;
                        }
                        continue;
                    }
                };
                match &caller {
                    Some(caller) => {
                        tokio::spawn(call(Arc::clone(&gateway), Arc::clone(caller), request, out.clone()));
                    }
                    None => caller = connect(&gateway, &request, &out).await,
                }
            }
        }
    }
}

enum Read {
    Request(Request),
    /// No JSON.
    Nothing,
    /// JSON, but no request.
    Wrong(Message),
}

fn read(text: &str) -> Read {
    let Ok(frame) = serde_json::from_str::<Value>(text) else {
        return Read::Nothing;
    };
    let is_request = frame["type"] == "req";
    match serde_json::from_value(frame) {
        Ok(request) if is_request => Read::Request(request),
        read => {
            let what = read.err().map_or_else(
                || "must have required property 'type'".to_owned(),
                |e| e.to_string(),
            );
            let refusal = Refusal::invalid(format!("invalid request frame: {what}"));
            Read::Wrong(answer("invalid", Err(&refusal)))
        }
    }
}

/// The caller, if it is let in.
async fn connect(
    gateway: &Arc<Gateway>,
    request: &Request,
    out: &mpsc::UnboundedSender<Out>,
) -> Option<Arc<Caller>> {
    let refuse = |rejected: Rejected| {
        send(out, Out::Frame(answer(&request.id, Err(&rejected.refusal))));
        send(out, Out::Close(rejected.code, rejected.reason));
    };
    if request.method != "connect" {
        refuse(Rejected::policy(Refusal::invalid(
            "invalid handshake: first request must be connect",
        )));
        return None;
    }
    let mut shown = request.params.clone();
    if let Some(shown) = shown.as_object_mut() {
        // Its token is nobody's business.
        shown.remove("auth");
    }
    match gateway.state.log_and_take_fault("connect", &shown) {
        Ok(None) => {}
        Ok(Some(RpcFault::Starting)) => {
            refuse(Rejected::starting());
            return None;
        }
        Ok(Some(RpcFault::Garbage)) => {
            send(out, Out::Frame(Message::text("all is {well} [today]")));
            return None;
        }
        Ok(Some(RpcFault::Refuse { code, message, .. })) => {
            refuse(Rejected::policy(Refusal::new(&code, message)));
            return None;
        }
        Ok(Some(fault)) => {
            if !before(gateway, &fault, out).await {
                return None;
            }
        }
        Err(error) => {
            refuse(Rejected::policy(error.into()));
            return None;
        }
    }
    match handshake::scopes(&request.params, &gateway.token, gateway.is_up()) {
        Ok(scopes) => {
            send(
                out,
                Out::Frame(answer(
                    &request.id,
                    Ok(&handshake::hello(&gateway.state, &scopes)),
                )),
            );
            send(out, Out::Frame(event("health", json!({ "ok": true }))));
            Some(Arc::new(Caller {
                scopes,
                limit: Limit::default(),
            }))
        }
        Err(rejected) => {
            refuse(rejected);
            None
        }
    }
}

/// One call, from its fault to its answer.
async fn call(
    gateway: Arc<Gateway>,
    caller: Arc<Caller>,
    mut request: Request,
    out: mpsc::UnboundedSender<Out>,
) {
    let taken = gateway.state.log_and_take_fault(&request.method, &request.params);
    let fault: Option<RpcFault> = match taken {
        Ok(fault) => fault,
        Err(error) => return send(&out, Out::Frame(answer(&request.id, Err(&error.into())))),
    };
    if let Some(fault) = &fault
        && !before(&gateway, fault, &out).await
    {
        return;
    }
    match &fault {
        Some(RpcFault::Refuse {
            code,
            message,
            retry_after_ms,
        }) => {
            let mut refusal = Refusal::new(code, message);
            refusal.retry_after_ms = *retry_after_ms;
            return send(&out, Out::Frame(answer(&request.id, Err(&refusal))));
        }
        Some(RpcFault::Rename { id }) => rename(&mut request.params, id),
        Some(RpcFault::Lag { ms }) => gateway.roster.lag(Duration::from_millis(*ms)),
        // It is answered when all is loaded.
        _ if request.method == "config.patch" => gateway.roster.catch_up(),
        _ => {}
    }
    let work = tokio::task::spawn_blocking({
        let gateway = Arc::clone(&gateway);
        move || {
            let done = rpc::answer(&gateway, &caller, &request.method, &request.params);
            (request.id, done)
        }
    });
    let Ok((id, mut done)) = work.await else {
        return send(&out, Out::Cut);
    };
    if let (Some(RpcFault::LieAboutId { id }), Ok(payload)) = (&fault, &mut done) {
        if payload.get("changedPaths").is_some() {
            payload["changedPaths"] = json!([format!("agents.entries.{id}")]);
        } else {
            payload["agentId"] = id.as_str().into();
        }
    }
    if let (Some(RpcFault::FailTurn { message }), Ok(payload)) = (&fault, &mut done) {
        *payload = json!({ "runId": payload["runId"], "status": "error", "error": message });
    }
    if let Some(fault) = &fault
        && !after(&gateway, fault, &out).await
    {
        return;
    }
    send(&out, Out::Frame(answer(&id, done.as_ref())));
    gateway.answered();
}

/// Another agent than the one that is asked for: of a patch, in place of its first.
fn rename(params: &mut Value, id: &str) {
    let Some(raw) = params["raw"].as_str() else {
        params["name"] = id.into();
        return;
    };
    let Ok(mut patch) = json5::from_str::<Value>(raw) else {
        return;
    };
    let entries = patch
        .pointer_mut("/agents/entries")
        .and_then(Value::as_object_mut);
    if let Some(entries) = entries
        && let Some(name) = entries.keys().next().cloned()
        && let Some(entry) = entries.remove(&name)
    {
        entries.insert(id.to_owned(), entry);
    }
    params["raw"] = patch.to_string().into();
}

/// Whether the work is to be done at all.
async fn before(gateway: &Gateway, fault: &RpcFault, out: &mpsc::UnboundedSender<Out>) -> bool {
    match fault {
        RpcFault::DropBefore => send(out, Out::Cut),
        RpcFault::RestartBefore { ms } => gateway.restart(*ms),
        RpcFault::KillSelf => kill_self(),
        RpcFault::Hang => {}
        RpcFault::HalfOpen => send(out, Out::Freeze),
        RpcFault::DelayMs { ms } => {
            tokio::time::sleep(Duration::from_millis(*ms)).await;
            return true;
        }
        _ => return true,
    }
    false
}

/// Whether the answer is to be given.
async fn after(gateway: &Gateway, fault: &RpcFault, out: &mpsc::UnboundedSender<Out>) -> bool {
    match fault {
        RpcFault::DropAfter => send(out, Out::Cut),
        RpcFault::RestartAfter { ms } => gateway.restart(*ms),
        RpcFault::HalfDoneThenKillSelf => kill_self(),
        RpcFault::HalfDoneThenHang => {}
        RpcFault::Garbage => send(out, Out::Frame(Message::text("all is {well} [today]"))),
        RpcFault::Noise => {
            for noise in [
                Message::text("all is {well} [today]"),
                Message::text("[]"),
                Message::text(r#"{"type":"res","id":"nobody's","ok":true,"payload":{"agentId":"nobody"}}"#),
                Message::text(r#"{"type":"event","event":"of.another.kind","payload":[1]}"#),
                Message::binary(vec![0xff, 0x00]),
                Message::Ping(Vec::new().into()),
            ] {
                send(out, Out::Frame(noise));
            }
            return true;
        }
        RpcFault::AnswerLate { ms } => {
            tokio::time::sleep(Duration::from_millis(*ms)).await;
            return true;
        }
        _ => return true,
    }
    false
}

fn answer(id: &str, done: Result<&Value, &Refusal>) -> Message {
    let frame = match done {
        Ok(payload) => json!({ "type": "res", "id": id, "ok": true, "payload": payload }),
        Err(refusal) => json!({ "type": "res", "id": id, "ok": false, "error": refusal.to_json() }),
    };
    Message::text(frame.to_string())
}

fn event(name: &str, payload: Value) -> Message {
    Message::text(json!({ "type": "event", "event": name, "payload": payload }).to_string())
}

fn send(out: &mpsc::UnboundedSender<Out>, what: Out) {
    // The connection may be gone.
    let _unheard = out.send(what);
}

async fn close(mut socket: Socket, code: u16, reason: String) {
    let frame = CloseFrame {
        code: code.into(),
        reason: reason.into(),
    };
    // The other side may be gone.
    let _unheard = socket.close(Some(frame)).await;
    let rest = async { while let Some(Ok(_)) = socket.next().await {} };
    let _in_time = tokio::time::timeout(Duration::from_secs(1), rest).await;
}

fn kill_self() {
    // It cannot fail for ourselves.
    let _killed = kill_process(getpid(), Signal::KILL);
}
