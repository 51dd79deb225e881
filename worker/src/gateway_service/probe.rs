//! Asks what is on a port of this machine.

use std::time::Duration;

use serde::Deserialize;
use tokio::net::TcpStream;

use super::plan::Answer;

/// A gateway on this machine answers in milliseconds; one that is busy is asked again.
const LIMIT: Duration = Duration::from_secs(2);

#[derive(Deserialize)]
struct Ready {
    ready: bool,
}

/// What answers on the port. The body counts, not the status: with its page switched on, a gateway answers 200
/// to whatever is asked.
pub(super) async fn probe(client: &reqwest::Client, port: u16) -> Answer {
    let connected = tokio::time::timeout(LIMIT, TcpStream::connect(("127.0.0.1", port))).await;
    if !matches!(connected, Ok(Ok(_))) {
        return Answer::Silent;
    }
    let asked = async {
        let url = format!("http://127.0.0.1:{port}/readyz");
        client.get(url).send().await?.json::<Ready>().await
    };
    match tokio::time::timeout(LIMIT, asked).await {
        Ok(Ok(Ready { ready: true })) => Answer::Ready,
        Ok(Ok(Ready { ready: false })) => Answer::NotReady,
        // It says something else than a gateway, or speaks no HTTP.
        Ok(Err(_)) => Answer::Stranger,
        // A gateway that starts holds its loop up for seconds.
        Err(_) => Answer::NotReady,
    }
}
