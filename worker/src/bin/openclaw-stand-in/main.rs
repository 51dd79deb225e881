//! Stands in for `openclaw` in tests: does in milliseconds what the real one was seen to do, and fails on
//! request.
//!
//! Its files are in OPENCLAW_STATE_DIR: `openclaw.json` as the real one writes it, `stand-in.log` with one
//! line of JSON a call, and `stand-in.json`, which tells it how to fail (see `fault`). `gateway run` serves
//! the same configuration on loopback.

mod agents;
mod args;
mod config;
mod fault;
mod gateway;
mod runaway;
mod stranger;

use std::io::Write;
use std::process::ExitCode;

use serde_json::{Value, json};

use args::Call;
use config::State;
use fault::Fault;

const VERSION: &str = "OpenClaw 2026.9.6 (5747d15)";
const OLD_VERSION: &str = "OpenClaw 2025.12.31 (01d0000)";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [command, port] = args.as_slice()
        && command == "stranger"
    {
        let ended = port
            .parse()
            .map_err(std::io::Error::other)
            .and_then(stranger::run);
        return ended.map_or_else(|error| refused(&error.to_string()), |()| ExitCode::SUCCESS);
    }
    if let [command, kind] = args.as_slice()
        && command == "runaway"
    {
        return runaway::run(kind).map_or_else(|error| refused(&error.to_string()), |()| ExitCode::SUCCESS);
    }
    match State::open().and_then(|state| answer(&state, &args)) {
        Ok(Answer::Text(text)) => printed(&text, ExitCode::SUCCESS),
        Ok(Answer::Json(value)) => printed(&format!("{value:#}"), ExitCode::SUCCESS),
        Ok(Answer::Refused(message)) => refused(&message),
        Ok(Answer::Invalid(told)) => printed(&format!("{told:#}"), ExitCode::FAILURE),
        Ok(Answer::Ended(exit)) => ExitCode::from(exit),
        Err(error) => refused(&error.to_string()),
    }
}

/// What is printed in the end.
enum Answer {
    Text(String),
    Json(Value),
    Refused(String),
    /// A configuration that it does not take, and why.
    Invalid(Value),
    /// It has told all by itself, and ends with this exit code.
    Ended(u8),
}

fn answer(state: &State, args: &[String]) -> std::io::Result<Answer> {
    let mut call = match Call::parse(args) {
        Ok(call) => call,
        Err(message) => return Ok(Answer::Refused(message)),
    };
    if let Call::Gateway { port } = call {
        return gateway::run(state, args, port).map(Answer::Ended);
    }
    let fault = state.log_and_take_fault::<Fault>(call.name(), args)?;
    match &fault {
        Some(Fault::TooOld) => return Ok(Answer::Text(OLD_VERSION.to_owned())),
        Some(Fault::Garbage) => return Ok(Answer::Text("all is {well} [today]".to_owned())),
        Some(Fault::Exit1) => return Ok(Answer::Refused("The stand-in was told to fail.".to_owned())),
        Some(Fault::Noise) => {
            print("Workspace OK: {not json}\n[state-migrations] { unfinished: [\n")?;
        }
        Some(Fault::Rename { id }) => {
            if let Call::Add { name, .. } | Call::SetIdentity { agent: name, .. } = &mut call {
                name.clone_from(id);
            }
        }
        Some(fault) => fault.before_work()?,
        None => {}
    }
    let mut done = match call {
        Call::Version => Ok(Answer::Text(VERSION.to_owned())),
        Call::Add { name, workspace } => agents::add(state, &name, &workspace),
        Call::List => agents::list(state),
        Call::SetIdentity { agent, name, emoji } => {
            agents::set_identity(state, &agent, name.as_deref(), emoji.as_deref())
        }
        Call::Delete { agent } => agents::delete(state, &agent),
        Call::ValidateConfig => Ok(gateway::validate(state)),
        Call::PatchConfig { file } => gateway::patch_file(state, &file),
        Call::Gateway { .. } => unreachable!("it is answered above"),
    };
    if let (Some(Fault::LieAboutId { id }), Ok(Answer::Json(answer))) = (&fault, &mut done) {
        answer["agentId"] = id.as_str().into();
    }
    if let Some(fault) = fault {
        fault.after_work();
    }
    done
}

fn print(text: &str) -> std::io::Result<()> {
    std::io::stdout().write_all(text.as_bytes())
}

fn printed(text: &str, exit: ExitCode) -> ExitCode {
    print(&format!("{text}\n")).map_or(ExitCode::FAILURE, |()| exit)
}

fn refused(message: &str) -> ExitCode {
    // The exit code tells it, too.
    let _unread = writeln!(std::io::stderr(), "{message}");
    let error = json!({ "ok": false, "error": { "type": "cli_error", "message": message } });
    printed(&format!("{error:#}"), ExitCode::FAILURE)
}
