//! `creel docs restore`, `resolve`, `pin` and `erase`: what is one call of a function each.

use std::io::{self, BufRead, IsTerminal};

use serde_json::{Value, json};

use super::target::{PlaceArgs, Target, TargetArgs};
use crate::error::{CliError, ErrorKind};
use crate::output::Output;

/// What `creel docs restore` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct RestoreArgs {
    #[command(flatten)]
    target: TargetArgs,
    /// Which version; creel docs history lists them.
    #[arg(value_parser = clap::value_parser!(i64).range(1..))]
    version: i64,
    #[command(flatten)]
    place: PlaceArgs,
}

/// What `creel docs resolve` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct ResolveArgs {
    #[command(flatten)]
    target: TargetArgs,
    /// Whose text it is to be: the disk's, or the page's. creel docs diff shows both.
    #[arg(long, value_parser = ["disk", "page"])]
    take: String,
    #[command(flatten)]
    place: PlaceArgs,
}

/// What `creel docs pin` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct PinArgs {
    #[command(flatten)]
    target: TargetArgs,
    /// Which version; creel docs history lists them.
    #[arg(value_parser = clap::value_parser!(i64).range(1..))]
    version: i64,
    /// Let the retention have it again.
    #[arg(long)]
    unpin: bool,
    #[command(flatten)]
    place: PlaceArgs,
}

/// What `creel docs erase` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct EraseArgs {
    #[command(flatten)]
    target: TargetArgs,
    /// Only this version [default: the document with all its versions].
    #[arg(long, value_parser = clap::value_parser!(i64).range(1..))]
    version: Option<i64>,
    /// Do not ask.
    #[arg(long, short)]
    yes: bool,
    #[command(flatten)]
    place: PlaceArgs,
}

/// Writes an earlier text again.
pub(super) async fn restore(args: RestoreArgs, out: Output) -> anyhow::Result<()> {
    let (api, target) = args.target.open(&args.place).await?;
    let more = json!({ "version": args.version });
    let answer = target.call(&api, "restore_doc", more).await?;
    refuse_conflict(&answer, &target)?;
    tell(&answer, &target, json!({ "restored": args.version }), out);
    out.line(format!(
        "{} has the text of version {} again.",
        target.name(),
        args.version
    ));
    out.line(whereabouts(&answer));
    Ok(())
}

/// Decides whose text it is to be.
pub(super) async fn resolve(args: ResolveArgs, out: Output) -> anyhow::Result<()> {
    let (api, target) = args.target.open(&args.place).await?;
    let answer = target
        .call(&api, "resolve_doc", json!({ "take": args.take }))
        .await?;
    refuse_conflict(&answer, &target)?;
    tell(&answer, &target, json!({ "take": args.take }), out);
    if answer["resolved"] == json!(false) {
        out.line(format!(
            "There is nothing to decide about {} any more.",
            target.name()
        ));
    } else {
        out.line(format!("{} is now what the {} had.", target.name(), args.take));
    }
    out.line(whereabouts(&answer));
    Ok(())
}

/// Keeps a version, or keeps it no longer.
pub(super) async fn pin(args: PinArgs, out: Output) -> anyhow::Result<()> {
    let (api, target) = args.target.open(&args.place).await?;
    let more = json!({ "version": args.version, "pinned": !args.unpin });
    let answer = target.call(&api, "pin_doc_version", more.clone()).await?;
    tell(&answer, &target, more, out);
    let what = if args.unpin {
        "is kept as long as others are"
    } else {
        "is kept for good"
    };
    out.line(format!("Version {} of {} {what}.", args.version, target.name()));
    Ok(())
}

/// Deletes texts for good.
pub(super) async fn erase(args: EraseArgs, out: Output) -> anyhow::Result<()> {
    let (api, target) = args.target.open(&args.place).await?;
    let what = match args.version {
        Some(version) => format!("version {version} of {}", target.name()),
        None => format!("{} with all its versions, on the disk too", target.name()),
    };
    if !args.yes {
        confirm(&what, out)?;
    }
    let more = args
        .version
        .map_or_else(|| json!({}), |version| json!({ "version": version }));
    let answer = target.call(&api, "erase_doc", more.clone()).await?;
    tell(&answer, &target, more, out);
    out.line(format!("Erased {what}."));
    out.line("Copies elsewhere, such as backups and what a model was told, are not Creel's to erase.");
    Ok(())
}

/// Asks whether it is meant, as there is no way back.
fn confirm(what: &str, out: Output) -> Result<(), CliError> {
    if out.is_json() || !io::stdin().is_terminal() {
        return Err(CliError::new(
            ErrorKind::Usage,
            format!("nobody is there to be asked whether to erase {what}"),
        )
        .hint("say --yes"));
    }
    out.note(format!("This erases {what}, for good. Type yes to do so:"));
    let mut typed = String::new();
    let read = io::stdin().lock().read_line(&mut typed);
    if read.is_ok() && typed.trim().eq_ignore_ascii_case("yes") {
        Ok(())
    } else {
        Err(CliError::new(ErrorKind::Interrupted, "nothing was erased"))
    }
}

/// What a function answered, for programs.
pub(super) fn tell(answer: &Value, target: &Target, more: Value, out: Output) {
    let mut value = json!({ "ok": true, "agent_key": target.agent_key, "doc_type": target.doc_type });
    if let Value::Object(value) = &mut value {
        for part in [answer, &more] {
            let members = part.as_object().into_iter().flatten();
            value.extend(
                members
                    .filter(|(name, _)| *name != "ok")
                    .map(|(name, part)| (name.clone(), part.clone())),
            );
        }
    }
    out.value(&value);
}

/// Somebody was quicker.
fn refuse_conflict(answer: &Value, target: &Target) -> Result<(), CliError> {
    if answer["ok"] != json!(false) {
        return Ok(());
    }
    let message = format!("{} was changed by somebody else at the same time", target.name());
    Err(CliError::new(ErrorKind::Failed, message)
        .code("conflict")
        .hint(format!(
            "look at it, and try again: creel docs show {}",
            target.words()
        )))
}

/// Where a text is by now: on the page, and on the disk when its host has it.
pub(super) fn whereabouts(answer: &Value) -> String {
    let number = answer["version"].as_i64().unwrap_or_default();
    let online = answer["host_online"].as_bool();
    let disk = match (answer["sync_state"].as_str(), online) {
        (Some("synced"), _) => "the disk has it",
        (Some("blocked"), _) => "its file cannot be written; creel docs list says why",
        (_, Some(false)) => "the disk gets it when its host is there",
        _ => "the disk gets it now",
    };
    format!("It is version {number}; {disk}.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_text_is_is_said_in_words() {
        let said = |state: &str, online: bool| {
            whereabouts(&json!({ "version": 3, "sync_state": state, "host_online": online }))
        };
        assert_eq!(said("synced", true), "It is version 3; the disk has it.");
        assert_eq!(said("waiting", true), "It is version 3; the disk gets it now.");
        assert!(said("waiting", false).contains("when its host is there"));
        assert!(said("blocked", true).contains("creel docs list"));
    }

    #[test]
    fn a_program_has_to_say_that_it_means_to_erase() {
        let refusal = confirm("version 1", Output::new(true)).expect_err("nobody is asked");
        assert_eq!(refusal.kind, ErrorKind::Usage);
        assert_eq!(refusal.hint.as_deref(), Some("say --yes"));
    }
}
