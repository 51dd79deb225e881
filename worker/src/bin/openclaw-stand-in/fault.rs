//! How the stand-in fails: `{"<command>": {"mode": "<mode>", "skip": 2, "times": 1}}` in `stand-in.json`.
//! With `skip` it first works so often; without `times` it fails each time. Commands are version, add, list,
//! set-identity, delete; the gateway has further ones (see `gateway::fault`).

use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::{Signal, getpid, kill_process};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::config::replace;

/// One way to fail.
#[derive(Debug, Deserialize)]
#[serde(tag = "mode", rename_all = "snake_case")]
pub(crate) enum Fault {
    /// Never ends.
    Hang,
    /// Never ends, and takes no SIGTERM for an answer.
    HangIgnoringTerm,
    /// Never ends, and has a child that never ends in the same process group.
    HangWithChild,
    /// Never ends, and has a child that never ends in a process group of its own.
    HangWithStray,
    /// Does its work and then never ends.
    HalfDoneThenHang,
    /// Does its work and then is killed.
    HalfDoneThenKillSelf,
    /// Says no.
    #[serde(rename = "exit_1")]
    Exit1,
    /// Prints text with braces before its JSON.
    Noise,
    /// Prints text in place of its JSON.
    Garbage,
    /// Is killed.
    KillSelf,
    /// Says that it is an old version.
    TooOld,
    /// Does its work, and answers about another agent.
    LieAboutId {
        /// Which one.
        id: String,
    },
    /// Does its work under another id, and says so.
    Rename {
        /// The id.
        id: String,
    },
    /// Takes its time.
    DelayMs {
        /// How long, in milliseconds.
        ms: u64,
    },
}

impl Fault {
    pub(crate) fn before_work(&self) -> io::Result<()> {
        match self {
            Self::Hang => hang(),
            Self::HangIgnoringTerm => hang_ignoring_term()?,
            Self::HangWithChild => hang_with(&mut sleeping())?,
            Self::HangWithStray => hang_with(sleeping().process_group(0))?,
            Self::KillSelf => kill_self(),
            Self::DelayMs { ms } => std::thread::park_timeout(Duration::from_millis(*ms)),
            _ => {}
        }
        Ok(())
    }

    pub(crate) fn after_work(&self) {
        match self {
            Self::HalfDoneThenHang => hang(),
            Self::HalfDoneThenKillSelf => kill_self(),
            _ => {}
        }
    }
}

/// Takes the fault of a command, and counts it down.
pub(crate) fn take<T: DeserializeOwned>(path: &Path, call: &str) -> io::Result<Option<T>> {
    let Ok(text) = std::fs::read_to_string(path) else {
        return Ok(None);
    };
    let mut faults: Value = serde_json::from_str(&text)?;
    let Some(fault) = faults.get_mut(call) else {
        return Ok(None);
    };
    if let Some(skip) = fault.get("skip").and_then(Value::as_u64).filter(|&skip| skip > 0) {
        fault["skip"] = (skip - 1).into();
        replace(path, &faults)?;
        return Ok(None);
    }
    let taken = T::deserialize(&*fault)?;
    if let Some(times) = fault.get("times").and_then(Value::as_u64) {
        if times == 0 {
            return Ok(None);
        }
        fault["times"] = (times - 1).into();
        replace(path, &faults)?;
    }
    Ok(Some(taken))
}

fn hang() {
    loop {
        std::thread::park();
    }
}

fn hang_ignoring_term() -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut terms = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        loop {
            terms.recv().await;
        }
    })
}

fn hang_with(child: &mut Command) -> io::Result<()> {
    child.spawn()?;
    hang();
    Ok(())
}

/// A child that holds none of our streams, for the six hours that people of tests like.
#[expect(clippy::disallowed_methods, reason = "it leaves children behind on purpose")]
pub(crate) fn sleeping() -> Command {
    let mut command = Command::new("sleep");
    command
        .arg("21600")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

pub(crate) fn kill_self() {
    // It cannot fail for ourselves, and if it does, the hang shows it.
    let _killed = kill_process(getpid(), Signal::KILL);
    hang();
}
