//! What systemd is told of a unit, and what its words mean: pure.

use std::ffi::{OsStr, OsString};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use super::super::mark::MARK_VARIABLE;
use super::super::runner::inherited;
use super::super::service::{Ended, Service};
use super::{PREFIX, SLICE, STOP_SECS, SUFFIX_CHARS};

/// The service's unit among the groups of a process.
pub(super) fn unit_in(groups: &str) -> Option<String> {
    let names = groups.lines().filter_map(|line| line.rsplit('/').next());
    let is_ours = |name: &&str| {
        name.starts_with(PREFIX)
            && name.ends_with(".service")
            && name.len() > PREFIX.len() + SUFFIX_CHARS
            && *name != "creel-worker.service"
    };
    names.filter(is_ours).map(str::to_owned).next()
}

/// `creel-agent-<id>` of `<hash>.service.agent-<id>`.
pub(super) fn unit_base(mark: &str) -> String {
    let name = mark.rsplit('.').next().unwrap_or(mark);
    format!("{PREFIX}{name}")
}

pub(super) fn environment(service: &Service) -> Vec<(OsString, OsString)> {
    let inherited = inherited().map(|(name, value)| (OsString::from(name), value));
    let mut all: Vec<(OsString, OsString)> = inherited.collect();
    let own = service.env.iter().cloned();
    let mark = (MARK_VARIABLE.into(), service.mark.as_str().into());
    for (name, value) in own.chain([mark]) {
        all.retain(|(known, _)| *known != name);
        all.push((name, value));
    }
    all
}

/// What systemd-run is told. Variables are named only: other users can read a command line.
pub(super) fn plan_args(service: &Service, name: &str, env: &[(OsString, OsString)]) -> Vec<OsString> {
    let mut args: Vec<OsString> = Vec::new();
    let mut option = |name: &str, value: &OsStr| {
        let mut text = OsString::from(name);
        text.push(value);
        args.push(text);
    };
    option("--quiet", OsStr::new(""));
    option("--unit=", OsStr::new(name));
    option("--slice=", OsStr::new(SLICE));
    option("--service-type=exec", OsStr::new(""));
    option("--working-directory=/", OsStr::new(""));
    for (name, _) in env {
        option("--setenv=", name);
    }
    for property in ["StandardOutput=append:", "StandardError=append:"] {
        option(&format!("--property={property}"), service.log.as_os_str());
    }
    // One process that runs out of memory ends alone; who keeps the service decides about the rest.
    for property in [
        "OOMPolicy=continue".to_owned(),
        "UMask=0077".to_owned(),
        format!("TimeoutStopSec={STOP_SECS}"),
    ] {
        option("--property=", OsStr::new(&property));
    }
    args.push("--".into());
    args.push(service.program.clone().into());
    args.extend(service.args.iter().map(|arg| unexpanded(arg)));
    args
}

/// systemd expands variables in arguments.
fn unexpanded(arg: &OsStr) -> OsString {
    use std::os::unix::ffi::{OsStrExt, OsStringExt};
    let mut bytes = Vec::with_capacity(arg.len());
    for &byte in arg.as_bytes() {
        bytes.push(byte);
        if byte == b'$' {
            bytes.push(byte);
        }
    }
    OsString::from_vec(bytes)
}

/// systemd's words: 1 is "exited", with a code; 2 and 3 are "killed" and "dumped", with a signal.
pub(super) fn plan_ended(code: &str, status: &str) -> Ended {
    const EXIT_CODE_SHIFT: i32 = 8;
    let status = status.parse::<i32>().unwrap_or_default();
    match code {
        // Nothing is known of a unit that is gone, as it ended well.
        "1" | "0" | "" => Ended::Told(ExitStatus::from_raw(status << EXIT_CODE_SHIFT)),
        "2" | "3" => Ended::Told(ExitStatus::from_raw(status)),
        _ => Ended::Unknown,
    }
}
