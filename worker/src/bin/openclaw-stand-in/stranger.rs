//! `stranger PORT`: not OpenClaw at all, but somebody who sits on its gateway's port, says what a gateway says,
//! and prints all that it is told.

use std::io::{self, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};

use serde_json::json;
use tokio_tungstenite::tungstenite::{self, Message};

/// Serves until it is killed.
pub(crate) fn run(port: u16) -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    tell("listening\n");
    for stream in listener.incoming() {
        let stream = stream?;
        std::thread::spawn(move || {
            // What it heard is told already.
            let _ended = hear(stream);
        });
    }
    Ok(())
}

fn hear(mut stream: TcpStream) -> io::Result<()> {
    let mut head = [0; 8 << 10];
    let len = stream.peek(&mut head)?;
    let head = String::from_utf8_lossy(&head[..len]).into_owned();
    tell(&format!("{head}\n"));
    if !head.to_ascii_lowercase().contains("upgrade: websocket") {
        let body = json!({ "ready": true, "failing": [] }).to_string();
        let len = body.len();
        return write!(
            stream,
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len}\r\nconnection: close\r\n\r\n{body}"
        );
    }
    let Ok(mut socket) = tungstenite::accept(stream) else {
        return Ok(());
    };
    let challenge =
        json!({ "type": "event", "event": "connect.challenge", "payload": { "nonce": "n", "ts": 0 } });
    if socket.send(Message::text(challenge.to_string())).is_err() {
        return Ok(());
    }
    while let Ok(message) = socket.read() {
        tell(&format!("{message}\n"));
    }
    Ok(())
}

fn tell(text: &str) {
    let mut out = io::stdout().lock();
    // Who reads it may be gone.
    let _unread = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
