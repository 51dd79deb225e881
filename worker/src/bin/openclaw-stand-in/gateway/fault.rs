//! How the gateway fails, in the same `stand-in.json`: `gateway` is its start, `socket` each connection that
//! comes in, `readyz` each question for that page, and every RPC method its calls, `connect` among them.

use serde::Deserialize;

/// What goes wrong with a start.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(tag = "mode", rename_all = "snake_case")]
pub(super) enum StartFault {
    /// Ends at once.
    Exit {
        /// With this exit code.
        code: u8,
    },
    /// Never listens.
    Hang,
    /// Listens, and is not ready for a while; again after each restart.
    SlowStart {
        /// How long, in milliseconds.
        ms: u64,
    },
    /// Has a child in a process group of its own that never ends.
    StrayChild,
    /// Is at work for its first agent: it does not end before that is aborted.
    Busy,
    /// Is killed some time after it was ready.
    DieAfter {
        /// How long, in milliseconds.
        ms: u64,
    },
}

/// What goes wrong with a connection.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(tag = "mode", rename_all = "snake_case")]
pub(super) enum SocketFault {
    /// Is taken, and never answered.
    HalfOpen,
    /// Is closed at once.
    Drop,
}

/// What goes wrong with `/readyz`.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(tag = "mode", rename_all = "snake_case")]
pub(super) enum ReadyFault {
    /// Says yes, whatever is true.
    Ready,
    /// Says no.
    NotReady,
    /// Answers 200 with a page for people.
    Page,
}

/// What goes wrong with a call.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "mode", rename_all = "snake_case")]
pub(super) enum RpcFault {
    /// The socket is cut before the work.
    DropBefore,
    /// The socket is cut after the work.
    DropAfter,
    /// The gateway restarts before the work, and is away for a while.
    RestartBefore {
        /// How long, in milliseconds.
        ms: u64,
    },
    /// The gateway restarts after the work, and is away for a while.
    RestartAfter {
        /// How long, in milliseconds.
        ms: u64,
    },
    /// The gateway is killed.
    KillSelf,
    /// The gateway does the work and then is killed.
    HalfDoneThenKillSelf,
    /// There is no answer, and no work.
    Hang,
    /// The work is done, but there is no answer.
    HalfDoneThenHang,
    /// There is no work, no answer, and nothing else ever again on this connection.
    HalfOpen,
    /// The work and the answer come late.
    DelayMs {
        /// How late, in milliseconds.
        ms: u64,
    },
    /// The work is done at once, and the answer comes late.
    AnswerLate {
        /// How late, in milliseconds.
        ms: u64,
    },
    /// The work is done, but the gateway itself learns of it late.
    Lag {
        /// How late, in milliseconds.
        ms: u64,
    },
    /// The work is done, and the answer is about another agent.
    LieAboutId {
        /// Which one.
        id: String,
    },
    /// The work is done under another id, and the answer says so.
    Rename {
        /// The id.
        id: String,
    },
    /// The turn that is waited for ends in an error of its model.
    FailTurn {
        /// The error.
        message: String,
    },
    /// Says no.
    Refuse {
        /// The error's code.
        code: String,
        /// Its words.
        message: String,
        /// When to try again, in milliseconds.
        retry_after_ms: Option<u64>,
    },
    /// A refused `connect` as during a start, whatever `/readyz` says.
    Starting,
    /// Says something that is no answer, and never answers.
    Garbage,
    /// Says all kinds of things before the answer.
    Noise,
}
