//! `creel doctor --fix`: OpenClaw, installed by npm for everybody who finds it in `PATH`, where somebody says yes.

use std::io::{self, BufRead, IsTerminal};
use std::path::Path;
use std::time::Duration;

use creel_local::install::openclaw::OPENCLAW_VERSION;
use creel_local::process;

use super::machine::{check_node, check_openclaw};
use super::{Check, Verdict};
use crate::error::{CliError, ErrorKind};
use crate::output::Output;

/// OpenClaw takes half a minute on a good line; a slow line gets twenty times that.
const INSTALL_LIMIT: Duration = Duration::from_secs(600);

/// What is run, and why not.
#[derive(Debug, PartialEq, Eq)]
enum Fix {
    /// There is nothing to install.
    Needless,
    /// npm is to be run with these arguments.
    Npm([String; 6]),
    /// It would not help: what is in the way, what to do.
    Refused(String, String),
}

/// Whether npm can help: it installs into the folder of programs that `PATH` has, with the node of `PATH`.
fn plan_fix(openclaw: &Check, node: &Check, has_npm: bool, named: Option<&Path>) -> Fix {
    if openclaw.verdict != Verdict::Broken {
        return Fix::Needless;
    }
    if let Some(named) = named.filter(|path| path.components().count() > 1) {
        return Fix::Refused(
            format!(
                "the configuration names {}, and npm installs elsewhere",
                named.display()
            ),
            "correct the setting openclaw, or take it away and run creel doctor --fix again".to_owned(),
        );
    }
    if node.verdict != Verdict::Good {
        return Fix::Refused(
            format!("node: {}", node.found),
            format!("{}; then run creel doctor --fix again", node.what_to_do),
        );
    }
    if !has_npm {
        return Fix::Refused(
            "npm is not in PATH".to_owned(),
            "install Node.js with npm, then run creel doctor --fix again".to_owned(),
        );
    }
    Fix::Npm([
        "install".to_owned(),
        "--global".to_owned(),
        "--no-audit".to_owned(),
        "--no-fund".to_owned(),
        "--loglevel=error".to_owned(),
        format!("openclaw@{OPENCLAW_VERSION}"),
    ])
}

/// Installs the OpenClaw that Creel is tested with, where there is none that a worker could use.
pub(super) async fn fix_openclaw(named: Option<&Path>, yes: bool, out: Output) -> anyhow::Result<()> {
    let npm = process::find_program("npm");
    let (openclaw, node) = (check_openclaw(named).await, check_node().await);
    let args = match plan_fix(&openclaw, &node, npm.is_some(), named) {
        Fix::Needless => {
            out.note(format!("OpenClaw is there: {}", openclaw.found));
            return Ok(());
        }
        Fix::Refused(message, hint) => {
            let message = format!("OpenClaw {OPENCLAW_VERSION} cannot be installed: {message}");
            return Err(CliError::new(ErrorKind::Failed, message)
                .code("cannot_install")
                .hint(hint)
                .into());
        }
        Fix::Npm(args) => args,
    };
    out.note(format!("openclaw: {}", openclaw.found));
    out.note(format!("This installs it, about 800 MB: npm {}", args.join(" ")));
    if !yes && !confirmed(out)? {
        return Err(CliError::new(ErrorKind::Interrupted, "nothing was installed")
            .hint("run it yourself, or creel doctor --fix --yes")
            .into());
    }
    let npm = npm.unwrap_or_default();
    let progress = out.progress(None);
    progress.doing("npm installs OpenClaw");
    let mut command = process::command(npm);
    command.args(&args).env("npm_config_update_notifier", "false");
    let said = process::run(&mut command, INSTALL_LIMIT).await;
    drop(progress);
    if let Err(error) = said {
        let said = format!("{error:#}");
        let hint = why_npm_failed(&said);
        return Err(CliError::new(ErrorKind::Failed, said)
            .code("npm_failed")
            .hint(hint)
            .into());
    }
    out.note(format!("OpenClaw {OPENCLAW_VERSION} is installed."));
    Ok(())
}

/// Asks at the terminal; without one nobody has said yes.
fn confirmed(out: Output) -> anyhow::Result<bool> {
    if out.is_json() || !io::stdin().is_terminal() {
        return Err(CliError::new(ErrorKind::Usage, "nobody is there to say yes")
            .hint("add --yes")
            .into());
    }
    out.note("Go on? [y/N]");
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    Ok(matches!(line.trim(), "y" | "Y" | "yes"))
}

/// What to do about what npm said.
fn why_npm_failed(said: &str) -> &'static str {
    let has = |words: &[&str]| words.iter().any(|word| said.contains(word));
    if has(&["EACCES", "EPERM", "EROFS"]) {
        "npm may not write into its folder of programs: give it one of yours, npm config set prefix ~/.local, have \
         ~/.local/bin in PATH, and run creel doctor --fix again"
    } else if has(&["ENOSPC"]) {
        "the disk is full: OpenClaw takes about 800 MB"
    } else if has(&["EBADENGINE", "Unsupported engine"]) {
        "install Node 24.16 or later in 24, or 26.1 or later, and run creel doctor --fix again"
    } else if has(&["E404", "ETARGET"]) {
        "npm's registry does not have this version: look at npm config get registry"
    } else if has(&[
        "ENOTFOUND",
        "EAI_AGAIN",
        "ECONNREFUSED",
        "ECONNRESET",
        "ETIMEDOUT",
        "CERT",
    ]) {
        "npm does not reach its registry: check the network, and npm config get registry and proxy"
    } else {
        "run it yourself to see more: npm install -g openclaw; npm's log is in ~/.npm/_logs"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn npm_is_run_only_where_it_helps() {
        let good = || Check::good("node", "v26.1.0");
        let old = || Check::absent("node", "v20.1.0 does not run OpenClaw", "install Node 26");
        let missing = || Check::broken("openclaw", "openclaw: not found", "install it");
        let there = Check::good("openclaw", "OpenClaw 2026.9.6");
        assert_eq!(plan_fix(&there, &good(), true, None), Fix::Needless);
        let Fix::Npm(args) = plan_fix(&missing(), &good(), true, Some(Path::new("openclaw"))) else {
            panic!("it can be installed");
        };
        assert!(args.contains(&format!("openclaw@{OPENCLAW_VERSION}")), "{args:?}");
        for (node, has_npm, named, said) in [
            (old(), true, None, "v20.1.0"),
            (good(), false, None, "npm"),
            (good(), true, Some(Path::new("/opt/openclaw")), "/opt/openclaw"),
        ] {
            let Fix::Refused(message, hint) = plan_fix(&missing(), &node, has_npm, named) else {
                panic!("refused: {said}");
            };
            assert!(message.contains(said) && !hint.is_empty(), "{message}");
        }
    }

    #[test]
    fn what_npm_says_is_explained() {
        for (said, hint) in [
            ("npm error code EACCES\nnpm error syscall mkdir", "prefix"),
            ("npm error code EBADENGINE", "Node 24.16"),
            ("npm error code ENOTFOUND", "network"),
            ("npm error code ETARGET", "registry does not have"),
            ("npm error code ENOSPC", "disk is full"),
            ("something else", "_logs"),
        ] {
            assert!(why_npm_failed(said).contains(hint), "{said}");
        }
    }
}
