//! Asks what is on a port of this machine.

use std::time::Duration;

use serde::Deserialize;

use super::plan::Answer;

/// A gateway on this machine answers in milliseconds; one that is busy is asked again.
const LIMIT: Duration = Duration::from_secs(2);

#[derive(Deserialize)]
struct Ready {
    ready: bool,
}

/// What answers on the port. The body counts, not the status: with its page switched on, a gateway answers 200
/// to whatever is asked.
pub(crate) async fn probe(client: &reqwest::Client, port: u16) -> Answer {
    let asked = async {
        let url = format!("http://127.0.0.1:{port}/readyz");
        client.get(url).send().await?.json::<Ready>().await
    };
    match tokio::time::timeout(LIMIT, asked).await {
        Ok(Ok(Ready { ready: true })) => Answer::Ready,
        Ok(Ok(Ready { ready: false })) => Answer::NotReady,
        Ok(Err(error)) if error.is_connect() => Answer::Silent,
        // It says something else than a gateway, or speaks no HTTP.
        Ok(Err(_)) => Answer::Stranger,
        // A gateway that starts holds its loop up for seconds.
        Err(_) => Answer::NotReady,
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;
    use crate::openclaw::local_client;

    /// What is seen of a port that says this.
    async fn seen(said: &'static str) -> Answer {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("its address").port();
        let client = local_client().expect("a client");
        let serving = async {
            loop {
                let (mut stream, _) = listener.accept().await.expect("accept");
                let mut request = [0; 1_024];
                let _length = stream.read(&mut request).await.expect("read");
                stream.write_all(said.as_bytes()).await.expect("answer");
            }
        };
        tokio::select! {
            answer = probe(&client, port) => answer,
            () = serving => unreachable!("it serves for ever"),
        }
    }

    #[tokio::test]
    async fn only_a_gateway_is_taken_for_one() {
        let ready = "HTTP/1.1 200 OK\r\ncontent-length: 14\r\n\r\n{\"ready\":true}";
        let not_ready = "HTTP/1.1 503 No\r\ncontent-length: 15\r\n\r\n{\"ready\":false}";
        let page = "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n<html>";
        assert_eq!(seen(ready).await, Answer::Ready);
        assert_eq!(seen(not_ready).await, Answer::NotReady);
        assert_eq!(seen(page).await, Answer::Stranger);
        assert_eq!(seen("SSH-2.0-OpenSSH\r\n").await, Answer::Stranger);
        let client = local_client().expect("a client");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("its address").port();
        drop(listener);
        assert_eq!(probe(&client, port).await, Answer::Silent);
    }
}
