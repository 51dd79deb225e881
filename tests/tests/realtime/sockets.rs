//! What a socket may do that supabase-js never does.

use std::time::Duration;

use creel_tests::db::TestDb;
use creel_tests::postgrest::Rest;
use creel_tests::wait::eventually;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// An answer of this machine takes milliseconds.
const LIMIT: Duration = Duration::from_secs(20);

pub(crate) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

fn address(rest: &Rest, key: &str) -> String {
    let url = rest.url().replacen("http", "ws", 1);
    format!("{url}/realtime/v1/websocket?apikey={key}&vsn=1.0.0")
}

pub(crate) async fn open(rest: &Rest) -> Socket {
    let (socket, _) = connect_async(address(rest, rest.publishable_key()))
        .await
        .expect("open a socket");
    socket
}

pub(crate) async fn send(socket: &mut Socket, topic: &str, event: &str, payload: Value) {
    let message = json!({ "topic": topic, "event": event, "payload": payload, "ref": "1", "join_ref": "1" });
    socket
        .send(Message::text(message.to_string()))
        .await
        .expect("send a message");
}

/// The next message; none at the end.
pub(crate) async fn next(socket: &mut Socket) -> Option<Value> {
    let frame = tokio::time::timeout(LIMIT, socket.next())
        .await
        .expect("an answer in time")?;
    match frame {
        Ok(Message::Text(text)) => Some(serde_json::from_str(&text).expect("JSON")),
        Ok(Message::Close(_)) | Err(_) => None,
        Ok(other) => panic!("{other:?}"),
    }
}

async fn status(request: impl IntoClientRequest + Unpin) -> Option<u16> {
    match connect_async(request).await {
        Ok(_) => None,
        Err(Error::Http(answer)) => Some(answer.status().as_u16()),
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_needs_a_key_of_the_project_and_a_page_of_this_machine() {
    let test = TestDb::new().await.expect("make a database");
    let rest = test.rest().await.expect("start the stack");
    let owner = test.user("owner@example.com").await.expect("make a person");
    assert_eq!(status(address(&rest, "sb_publishable_guess")).await, Some(401));
    assert_eq!(status(address(&rest, "")).await, Some(401));
    assert_eq!(status(address(&rest, "ey.no.token")).await, Some(401));
    assert_eq!(
        status(address(&rest, &owner.jwt)).await,
        None,
        "a person's token is a key"
    );
    let other = address(&rest, rest.publishable_key()).replace("1.0.0", "9.0.0");
    assert_eq!(status(other).await, Some(403));
    let with_origin = |origin: &str| {
        let mut request = address(&rest, rest.publishable_key())
            .into_client_request()
            .expect("a request");
        request
            .headers_mut()
            .insert("origin", origin.parse().expect("a value"));
        request
    };
    assert_eq!(status(with_origin("https://evil.example")).await, Some(403));
    assert_eq!(status(with_origin("http://localhost:5173")).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn heartbeats_are_answered_and_strange_messages_end_nothing_but_their_own_socket() {
    let test = TestDb::new().await.expect("make a database");
    let rest = test.rest().await.expect("start the stack");
    let mut socket = open(&rest).await;
    send(&mut socket, "phoenix", "heartbeat", json!({})).await;
    let answer = next(&mut socket).await.expect("an answer");
    assert_eq!(
        answer,
        json!({ "topic": "phoenix", "event": "phx_reply", "ref": "1", "join_ref": "1",
                "payload": { "status": "ok", "response": {} } })
    );
    send(&mut socket, "realtime:never-joined", "access_token", json!({})).await;
    let answer = next(&mut socket).await.expect("an answer");
    assert_eq!(answer["payload"]["response"]["reason"], "unmatched topic");
    send(&mut socket, "realtime:", "phx_join", json!({})).await;
    let answer = next(&mut socket).await.expect("an answer");
    assert_eq!(answer["payload"]["status"], "error");
    let mut strange = open(&rest).await;
    strange.send(Message::text("no message")).await.expect("send");
    assert_eq!(next(&mut strange).await, None, "the socket is closed");
    send(&mut socket, "phoenix", "heartbeat", json!({})).await;
    assert!(next(&mut socket).await.is_some(), "the other lives");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_has_a_hundred_channels_and_leaves_them_all_at_its_end() {
    let test = TestDb::new().await.expect("make a database");
    let rest = test.rest().await.expect("start the stack");
    let mut socket = open(&rest).await;
    for number in 0..101 {
        send(&mut socket, &format!("realtime:{number}"), "phx_join", json!({})).await;
        let answer = next(&mut socket).await.expect("an answer");
        let expected = if number < 100 { "ok" } else { "error" };
        assert_eq!(answer["payload"]["status"], expected, "{number}: {answer}");
    }
    assert_eq!(rest.realtime().joined_count(), 100);
    drop(socket);
    eventually("all are left", LIMIT, async || {
        rest.realtime().joined_count() == 0
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn joining_again_closes_the_channel_that_was() {
    let test = TestDb::new().await.expect("make a database");
    let rest = test.rest().await.expect("start the stack");
    let mut socket = open(&rest).await;
    for _ in 0..2 {
        send(
            &mut socket,
            "realtime:a",
            "phx_join",
            json!({ "config": { "presence": { "enabled": true } } }),
        )
        .await;
    }
    let mut events = Vec::new();
    for _ in 0..5 {
        events.push(next(&mut socket).await.expect("an answer")["event"].clone());
    }
    assert_eq!(
        events,
        [
            "phx_reply",
            "presence_state",
            "phx_close",
            "phx_reply",
            "presence_state"
        ]
    );
    assert_eq!(rest.realtime().joined_count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_is_too_slow_is_shut_out_and_holds_up_nobody() {
    let test = TestDb::new().await.expect("make a database");
    let rest = test.rest().await.expect("start the stack");
    let (mut slow, mut sender) = (open(&rest).await, open(&rest).await);
    for socket in [&mut slow, &mut sender] {
        send(socket, "realtime:flood", "phx_join", json!({})).await;
        next(socket).await.expect("an answer");
    }
    let payload = json!({ "type": "broadcast", "event": "x", "payload": "x".repeat(1024 * 1024) });
    // More than may wait, and than the buffers of two sockets hold.
    for _ in 0..40 {
        send(&mut sender, "realtime:flood", "broadcast", payload.clone()).await;
    }
    eventually("the slow one is gone", LIMIT, async || {
        rest.realtime().joined_count() == 1
    })
    .await;
    send(&mut sender, "phoenix", "heartbeat", json!({})).await;
    assert!(next(&mut sender).await.is_some(), "the sender lives");
    let huge = json!({ "type": "broadcast", "event": "x", "payload": "x".repeat(4 * 1024 * 1024) });
    let _cut = sender
        .send(Message::text(
            json!({ "topic": "realtime:flood", "event": "broadcast", "payload": huge }).to_string(),
        ))
        .await;
    eventually("who sends too much at once is gone", LIMIT, async || {
        rest.realtime().joined_count() == 0
    })
    .await;
}
