//! A TCP proxy that breaks connections on purpose, in front of Postgres or of a gateway.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// As much as is handed on at once. A pattern is looked for across its edges too.
const CHUNK_BYTES: usize = 16 * 1024;

/// What the proxy does with connections, old and new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Pass,
    Refuse,
    Blackhole,
}

/// What is done to the connection whose request has a certain text.
#[derive(Debug, Clone)]
struct Trap {
    text: Vec<u8>,
    kind: TrapKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TrapKind {
    /// The request does not arrive.
    CutBefore,
    /// The request arrives, and its reply does not come back.
    LoseReply,
    /// The request waits on its way until it is let go.
    Hold,
}

/// What the proxy is told, as its connections see it.
#[derive(Debug, Clone, Copy)]
struct Orders {
    mode: Mode,
    /// Connections that were made under an older number are cut.
    cut: u64,
    /// How often what is held was let go.
    let_go: u64,
}

/// The proxy. It ends when it is dropped, and all its connections with it.
#[derive(Debug)]
pub struct Cutter {
    port: u16,
    orders: watch::Sender<Orders>,
    trap: Arc<Mutex<Option<Trap>>>,
    sprung: watch::Sender<u64>,
    accepting: JoinHandle<()>,
}

impl Cutter {
    /// A proxy on a free port of loopback, before another port of it.
    pub async fn start(target_port: u16) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .context("listen as a proxy")?;
        let port = listener.local_addr().context("read the proxy's port")?.port();
        let (orders, told) = watch::channel(Orders {
            mode: Mode::Pass,
            cut: 0,
            let_go: 0,
        });
        let trap = Arc::new(Mutex::new(None));
        let sprung = watch::Sender::new(0);
        let line = Line {
            target: SocketAddr::from((Ipv4Addr::LOCALHOST, target_port)),
            orders: told,
            trap: Arc::clone(&trap),
            sprung: sprung.clone(),
        };
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(line.clone().serve(client));
            }
        });
        Ok(Self {
            port,
            orders,
            trap,
            sprung,
            accepting,
        })
    }

    /// The proxy's port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Hands everything on, which it does from the start.
    pub fn pass(&self) {
        self.orders.send_modify(|orders| orders.mode = Mode::Pass);
    }

    /// Cuts all connections now. New ones are handed on.
    pub fn cut(&self) {
        self.orders.send_modify(|orders| orders.cut += 1);
    }

    /// Cuts all connections and every new one.
    pub fn refuse(&self) {
        self.orders.send_modify(|orders| {
            orders.mode = Mode::Refuse;
            orders.cut += 1;
        });
    }

    /// Takes everything and hands nothing on, until it is told to pass.
    pub fn blackhole(&self) {
        self.orders.send_modify(|orders| orders.mode = Mode::Blackhole);
    }

    /// Cuts the next connection that sends `text`, before it arrives. With Postgres, choose a text of an
    /// argument: the name of a function is sent with the first use of a statement only.
    pub fn cut_before(&self, text: &str) {
        self.set_trap(text, TrapKind::CutBefore);
    }

    /// Hands the next request with `text` on, takes its reply, and cuts the connection.
    pub fn lose_reply_to(&self, text: &str) {
        self.set_trap(text, TrapKind::LoseReply);
    }

    /// Holds the next request with `text` on its way, until [`Cutter::let_go`]; other connections go on.
    pub fn hold(&self, text: &str) {
        self.set_trap(text, TrapKind::Hold);
    }

    /// Hands on what is held.
    pub fn let_go(&self) {
        self.orders.send_modify(|orders| orders.let_go += 1);
    }

    /// How often a trap has been sprung.
    pub fn sprung_count(&self) -> u64 {
        *self.sprung.borrow()
    }

    /// Waits until a trap was sprung `count` times in all; panics at the limit.
    pub async fn sprung(&self, count: u64, limit: Duration) {
        let mut sprung = self.sprung.subscribe();
        let waited = tokio::time::timeout(limit, sprung.wait_for(|&seen| seen >= count)).await;
        assert!(
            waited.is_ok(),
            "the trap was not sprung within {} ms",
            limit.as_millis()
        );
    }

    fn set_trap(&self, text: &str, kind: TrapKind) {
        let trap = Trap {
            text: text.as_bytes().to_vec(),
            kind,
        };
        *self.trap.lock().unwrap_or_else(PoisonError::into_inner) = Some(trap);
    }
}

impl Drop for Cutter {
    fn drop(&mut self) {
        self.accepting.abort();
        self.cut();
    }
}

/// What a connection needs.
#[derive(Clone)]
struct Line {
    target: SocketAddr,
    orders: watch::Receiver<Orders>,
    trap: Arc<Mutex<Option<Trap>>>,
    sprung: watch::Sender<u64>,
}

impl Line {
    /// One connection, to its end. Dropping both streams is the cut.
    async fn serve(mut self, mut client: TcpStream) {
        let born = self.orders.borrow_and_update().cut;
        if self.orders.borrow().mode == Mode::Refuse {
            return;
        }
        let Ok(mut server) = TcpStream::connect(self.target).await else {
            return;
        };
        let _nodelay = (client.set_nodelay(true), server.set_nodelay(true));
        let (mut asked, mut answered) = (vec![0; CHUNK_BYTES], vec![0; CHUNK_BYTES]);
        let mut seen = Vec::new();
        let mut losing = false;
        loop {
            let now = *self.orders.borrow_and_update();
            if now.cut != born {
                return;
            }
            let open = now.mode != Mode::Blackhole;
            tokio::select! {
                changed = self.orders.changed() => if changed.is_err() { return },
                read = client.read(&mut asked), if open => {
                    let Some(chunk) = filled(read, &asked) else { return };
                    match self.spring(&mut seen, chunk) {
                        Some(TrapKind::CutBefore) => return,
                        Some(TrapKind::LoseReply) => losing = true,
                        Some(TrapKind::Hold) => {
                            let held = self.orders.wait_for(|orders| orders.let_go > now.let_go || orders.cut != born);
                            if held.await.is_err() || self.orders.borrow().cut != born { return }
                        }
                        None => {}
                    }
                    if server.write_all(chunk).await.is_err() { return }
                }
                read = server.read(&mut answered), if open => {
                    let Some(chunk) = filled(read, &answered) else { return };
                    if losing {
                        self.sprung.send_modify(|count| *count += 1);
                        return;
                    }
                    if client.write_all(chunk).await.is_err() { return }
                }
            }
        }
    }

    /// Looks for the trap's text in what the client sent; a trap is sprung once.
    fn spring(&self, seen: &mut Vec<u8>, chunk: &[u8]) -> Option<TrapKind> {
        let mut trap = self.trap.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(Trap { text, kind }) = trap.as_ref() else {
            seen.clear();
            return None;
        };
        seen.extend_from_slice(chunk);
        if seen.windows(text.len()).any(|window| window == text) {
            let kind = *kind;
            *trap = None;
            if kind != TrapKind::LoseReply {
                self.sprung.send_modify(|count| *count += 1);
            }
            return Some(kind);
        }
        let kept = seen.len().saturating_sub(text.len());
        seen.drain(..kept);
        None
    }
}

/// What was read; none at the end and at an error.
fn filled(read: std::io::Result<usize>, buffer: &[u8]) -> Option<&[u8]> {
    match read {
        Ok(bytes) if bytes > 0 => Some(&buffer[..bytes]),
        _ => None,
    }
}
