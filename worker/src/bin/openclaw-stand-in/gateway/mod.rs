//! `gateway run`: the same agents over HTTP and WebSocket on loopback, as the real one was seen to do it.
//!
//! It is late as the real one: what `agents.create` wrote is known to `agents.list` and `agents.update` only
//! after the configuration was loaded anew, and `config.patch` answers when it was.

mod boot;
mod connection;
mod fault;
mod files;
mod handshake;
mod http;
mod limit;
mod patch;
mod refusal;
mod roster;
mod rpc;
mod server;

use std::io::{self, Write};

use crate::config::State;
use fault::StartFault;
pub(crate) use patch::{patch_file, validate};

/// Exit code for a configuration that no gateway starts with.
const EXIT_CONFIG: u8 = 78;

/// Serves until a signal ends it; answers the exit code.
pub(crate) fn run(state: &State, args: &[String], port: Option<u16>) -> io::Result<u8> {
    let fault = state.log_and_take_fault::<StartFault>("gateway", args)?;
    if let Some(StartFault::Exit { code }) = fault {
        complain("The stand-in was told to fail.");
        return Ok(code);
    }
    let settings = match boot::plan_start(state, port)? {
        Ok(settings) => settings,
        Err(words) => {
            complain(&words);
            return Ok(EXIT_CONFIG);
        }
    };
    let Some(_lifecycle) = boot::take_lifecycle(state)? else {
        complain(
            "Doctor could not enter maintenance. StateDatabaseCoordinatorContentionError: another OpenClaw \
             process owns gateway-lifecycle.",
        );
        return Ok(EXIT_CONFIG);
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let exit = runtime.block_on(server::serve(state.clone(), settings, fault));
    // What hangs on request is not waited for.
    runtime.shutdown_background();
    exit
}

/// A line of the log.
fn say(text: &str) {
    // Whoever reads it may be gone; the gateway goes on.
    let _unread = writeln!(io::stdout(), "[gateway] {text}");
}

fn complain(text: &str) {
    // The exit code tells it, too.
    let _unread = writeln!(io::stderr(), "{text}");
}
