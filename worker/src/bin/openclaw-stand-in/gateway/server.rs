//! Listens, from start to end and through restarts.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::boot::Settings;
use super::fault::{SocketFault, StartFault};
use super::http::{self, Head};
use super::roster::Roster;
use super::{complain, connection, say};
use crate::config::State;
use crate::fault::{kill_self, sleeping};

/// A port that is taken is tried again so often, as its owner may be about to end. The real one takes 18 s.
const BIND_TRIES: u32 = 5;
const BIND_EVERY: Duration = Duration::from_millis(100);

/// How long connections have to say goodbye.
const GOODBYE_WAIT: Duration = Duration::from_secs(1);

/// What all connections share.
pub(super) struct Gateway {
    pub(super) state: State,
    pub(super) token: String,
    pub(super) roster: Roster,
    is_up: AtomicBool,
    since: Instant,
    restarts: mpsc::UnboundedSender<u64>,
    /// The session of an agent that is at work.
    active: watch::Sender<Option<String>>,
    /// What agents said, by the run.
    answers: Mutex<HashMap<String, String>>,
    /// 0: none.
    recovery_ms: AtomicU64,
}

impl Gateway {
    pub(super) fn is_up(&self) -> bool {
        self.is_up.load(Ordering::Relaxed)
    }

    pub(super) fn uptime_ms(&self) -> u64 {
        u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// All sessions, as `sessions.list` has them.
    pub(super) fn sessions(&self) -> Vec<Value> {
        let active = self.active.borrow().clone();
        let session = |id: &String| {
            let key = format!("agent:{id}:main");
            let is_active = active.as_ref() == Some(&key);
            json!({ "key": key, "hasActiveRun": is_active })
        };
        self.roster.agents().keys().map(session).collect()
    }

    /// Gives up what is done in a session; answers whether something was.
    pub(super) fn abort(&self, key: &str) -> bool {
        self.active
            .send_if_modified(|active| active.take_if(|active| active == key).is_some())
    }

    /// An agent said this.
    pub(super) fn keep_answer(&self, run: &str, text: &str) {
        let mut answers = self.answers.lock().expect("no holder of this lock panics");
        answers.insert(run.to_owned(), text.to_owned());
    }

    /// What it said.
    pub(super) fn take_answer(&self, run: &str) -> Option<String> {
        let mut answers = self.answers.lock().expect("no holder of this lock panics");
        answers.remove(run)
    }

    /// Waits until nothing is being done.
    async fn drain(&self) {
        if self.active.borrow().is_none() {
            return;
        }
        say("draining active work before stop with timeout 315000ms: queueSize=1 embeddedRuns=1");
        let mut active = self.active.subscribe();
        // The sender is ours.
        let _idle = active.wait_for(Option::is_none).await;
    }

    /// Finds a restart necessary, which comes when the answer is given.
    pub(super) fn restart_after_answer(&self, away_ms: u64) {
        self.recovery_ms.store(away_ms, Ordering::Release);
    }

    /// An answer was given.
    pub(super) fn answered(&self) {
        match self.recovery_ms.swap(0, Ordering::AcqRel) {
            0 => {}
            away_ms => self.restart(away_ms),
        }
    }

    /// Ends all connections, and listens again after a while.
    pub(super) fn restart(&self, away_ms: u64) {
        // Whoever asks is served by what restarts.
        let _ending = self.restarts.send(away_ms);
    }
}

enum End {
    Signal,
    Restart(u64),
}

/// Answers the exit code.
pub(super) async fn serve(state: State, settings: Settings, fault: Option<StartFault>) -> io::Result<u8> {
    let mut signals = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let (restarts, mut restarted) = mpsc::unbounded_channel();
    let gateway = Arc::new(Gateway {
        roster: Roster::new(&state),
        state,
        token: settings.token,
        is_up: AtomicBool::new(false),
        since: Instant::now(),
        restarts,
        active: watch::Sender::new(None),
        answers: Mutex::default(),
        recovery_ms: AtomicU64::new(0),
    });
    say("loading configuration…");
    match fault {
        Some(StartFault::Hang) => return std::future::pending().await,
        Some(StartFault::StrayChild) => stray_child()?,
        Some(StartFault::Busy) => {
            let agents = gateway.roster.agents();
            let key = agents.keys().next().map(|id| format!("agent:{id}:main"));
            gateway.active.send_replace(key);
        }
        _ => {}
    }
    let watched = Arc::clone(&gateway);
    tokio::spawn(async move { watched.roster.watch().await });
    loop {
        let Some(listener) = listen(settings.port).await? else {
            complain(&format!(
                "Gateway failed to start: another gateway instance is already listening on \
                 ws://127.0.0.1:{0} | listen EADDRINUSE: address already in use 127.0.0.1:{0} | EADDRINUSE",
                settings.port
            ));
            return Ok(1);
        };
        say("http server listening");
        let (stop, connections) = (CancellationToken::new(), TaskTracker::new());
        let becomes_ready = tokio::spawn(become_ready(Arc::clone(&gateway), fault));
        let draining = CancellationToken::new();
        let end = loop {
            tokio::select! {
                accepted = listener.accept() => if let Ok((stream, _)) = accepted {
                    connections.spawn(connected(Arc::clone(&gateway), stream, stop.clone()));
                },
                () = drained(&gateway, &draining), if draining.is_cancelled() => break End::Signal,
                _ = signals.0.recv() => {
                    gateway.is_up.store(false, Ordering::Relaxed);
                    draining.cancel();
                }
                _ = signals.1.recv() => {
                    gateway.is_up.store(false, Ordering::Relaxed);
                    draining.cancel();
                }
                Some(away_ms) = restarted.recv() => break End::Restart(away_ms),
            }
        };
        drop(listener);
        becomes_ready.abort();
        gateway.is_up.store(false, Ordering::Relaxed);
        stop.cancel();
        connections.close();
        let _in_time = tokio::time::timeout(GOODBYE_WAIT, connections.wait()).await;
        let End::Restart(away_ms) = end else {
            say("received SIGTERM; shutting down");
            return Ok(0);
        };
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(away_ms)) => {}
            _ = signals.0.recv() => return Ok(0),
            _ = signals.1.recv() => return Ok(0),
        }
        gateway.roster.load_once();
    }
}

/// Ends when it was asked to, and nothing is being done any more.
async fn drained(gateway: &Gateway, asked: &CancellationToken) {
    asked.cancelled().await;
    gateway.drain().await;
}

async fn listen(port: u16) -> io::Result<Option<TcpListener>> {
    for _ in 0..BIND_TRIES {
        match TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await {
            Ok(listener) => return Ok(Some(listener)),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => tokio::time::sleep(BIND_EVERY).await,
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

async fn become_ready(gateway: Arc<Gateway>, fault: Option<StartFault>) {
    if let Some(StartFault::SlowStart { ms }) = fault {
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }
    gateway.is_up.store(true, Ordering::Relaxed);
    say("ready");
    if let Some(StartFault::DieAfter { ms }) = fault {
        tokio::time::sleep(Duration::from_millis(ms)).await;
        kill_self();
    }
}

async fn connected(gateway: Arc<Gateway>, mut stream: TcpStream, stop: CancellationToken) {
    match gateway.state.take_fault("socket") {
        Ok(Some(SocketFault::HalfOpen)) => return stop.cancelled().await,
        Ok(Some(SocketFault::Drop)) => return,
        _ => {}
    }
    let head = tokio::select! {
        head = Head::peek(&stream) => head,
        () = stop.cancelled() => return,
    };
    let Ok(Some(head)) = head else { return };
    if !head.is_upgrade {
        // Who asked may be gone.
        let _unheard = http::answer(&gateway, &mut stream, &head).await;
        return;
    }
    if let Ok(socket) = tokio_tungstenite::accept_async(stream).await {
        connection::serve(gateway, socket, stop).await;
    }
}

fn stray_child() -> io::Result<()> {
    use std::os::unix::process::CommandExt;
    sleeping().process_group(0).stdin(Stdio::null()).spawn()?;
    Ok(())
}
