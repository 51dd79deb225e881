//! `creel docs edit`: a person's change, on the page only if it is based on what is there.

mod draft;
mod editor;
mod merge;

use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Duration, Instant};

use self::draft::{Base, Draft, check_text};
use self::editor::Editor;
use self::merge::{Merged, is_torn, merge};
use super::change::{tell, whereabouts};
use super::target::{PlaceArgs, Target, TargetArgs};
use crate::command::project::text;
use crate::data_api::DataApi;
use crate::error::{CliError, ErrorKind};
use crate::output::{Output, printable};

/// How often a save is tried again because somebody was quicker, each time merged with that.
const SAVE_TRIES: usize = 5;

/// An editor that is back sooner has only told a window to open the file.
const HARDLY_OPENED: Duration = Duration::from_secs(1);

/// What `creel docs edit` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct EditArgs {
    #[command(flatten)]
    target: TargetArgs,
    /// Take the text of this file instead of opening an editor; - is standard input.
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// The version that the file's text is based on: what others changed since then is merged, or the command fails
    /// [default: the current one].
    #[arg(long, value_name = "VERSION", requires = "file", value_parser = clap::value_parser!(i64).range(0..))]
    base_version: Option<i64>,
    /// Begin with the page's text; one that an edit before left behind is put aside.
    #[arg(long, conflicts_with = "file")]
    afresh: bool,
    /// Save a text that is empty, too.
    #[arg(long)]
    allow_empty: bool,
    /// Editor and its arguments, which are split at blanks outside of quotes; it is not run by a shell, so that
    /// variables, ~ and pipes mean nothing [default: EDITOR, else vi].
    #[arg(long, env = "VISUAL", value_name = "COMMAND")]
    editor: Option<String>,
    #[arg(long, env = "EDITOR", hide = true, value_name = "COMMAND")]
    usual_editor: Option<String>,
    #[command(flatten)]
    place: PlaceArgs,
}

/// What became of an edit.
enum Outcome {
    /// It is on the page.
    Saved { answer: Value, merged: bool },
    /// The page has that text already.
    Unchanged { version: i64 },
}

/// What became of an attempt to save.
enum Attempt {
    Done(Outcome),
    /// Both changed the same lines.
    Torn {
        theirs: Base,
        text: String,
        marks: usize,
    },
}

/// Changes a document.
pub(super) async fn run(args: EditArgs, out: Output) -> anyhow::Result<()> {
    // A command that cannot be run is said before anything is written.
    let editor = match args.file {
        Some(_) => None,
        None => Some(Editor::choose(&[
            args.editor.as_deref(),
            args.usual_editor.as_deref(),
        ])?),
    };
    let (api, target) = args.target.open(&args.place).await?;
    let (outcome, kept) = match (&args.file, editor) {
        (Some(file), _) => (by_file(&api, &target, file, &args, out).await?, None),
        (None, Some(editor)) => by_editor(&api, &target, &editor, &args, out).await?,
        (None, None) => unreachable!("one of the two is there"),
    };
    match outcome {
        Outcome::Saved { answer, merged } => {
            tell(
                &answer,
                &target,
                json!({ "changed": true, "merged": merged, "kept": kept }),
                out,
            );
            out.line(format!("{} is saved. {}", target.name(), whereabouts(&answer)));
        }
        Outcome::Unchanged { version } => {
            let more = json!({ "version": version, "changed": false, "merged": false, "kept": kept });
            tell(&Value::Null, &target, more, out);
            out.line(format!("{} is what it was: nothing is written.", target.name()));
        }
    }
    Ok(())
}

/// Takes the text of a file.
async fn by_file(
    api: &DataApi,
    target: &Target,
    file: &Path,
    args: &EditArgs,
    out: Output,
) -> anyhow::Result<Outcome> {
    let shown = file.display();
    let usage = |why: String| {
        CliError::new(ErrorKind::Usage, format!("--file {shown}: {why}"))
            .hint("give a file of UTF-8 text, 1 MB at most")
    };
    let mut bytes = Vec::new();
    let read = if file.as_os_str() == "-" {
        std::io::stdin().lock().read_to_end(&mut bytes).map(|_| ())
    } else {
        std::fs::read(file).map(|read| bytes = read)
    };
    read.map_err(|error| usage(format!("it cannot be read: {error}")))?;
    let text = check_text(bytes).map_err(usage)?;
    refuse_empty(&text, args, "nothing is written")?;
    let current = base_of(&target.read(api, None).await?);
    let base = match args.base_version {
        None => current,
        Some(version) if version == current.version => current,
        Some(0) => Base {
            version: 0,
            content: String::new(),
            marks: None,
        },
        Some(version) => base_of(&target.read(api, Some(version)).await?),
    };
    if text == base.content && args.base_version.is_none() {
        return Ok(Outcome::Unchanged {
            version: base.version,
        });
    }
    match save(api, target, &text, base, None, out).await? {
        Attempt::Done(outcome) => Ok(outcome),
        Attempt::Torn { theirs, .. } => {
            let message = format!("{} was changed in the same lines by others", target.name());
            Err(CliError::new(ErrorKind::Failed, message)
                .code("conflict")
                .hint(format!(
                    "put the two together, and try again with --base-version {}: creel docs show {}",
                    theirs.version,
                    target.words()
                ))
                .detail(
                    "current",
                    json!({ "version": theirs.version, "content": theirs.content }),
                )
                .into())
        }
    }
}

/// Lets a person write; answers also with the file that a conflict made of the person's own text.
async fn by_editor(
    api: &DataApi,
    target: &Target,
    editor: &Editor,
    args: &EditArgs,
    out: Output,
) -> anyhow::Result<(Outcome, Option<PathBuf>)> {
    let draft = Draft::open(&api.session.url, target)?;
    let mut base = begin(api, target, &draft, args.afresh, out).await?;
    let mut kept = None;
    // From here on Ctrl-C is the editor's; what a person presses there is not meant for us.
    let _ours_no_more = signal(SignalKind::interrupt())?;
    loop {
        let since = Instant::now();
        let status = editor.open(&draft.path(), !out.is_json()).await;
        let mine = match status {
            Ok(status) if status.success() => draft.read()?,
            failed => {
                let error = failed.err().unwrap_or_else(|| {
                    CliError::new(
                        ErrorKind::Failed,
                        "the editor ended with an error: nothing is saved",
                    )
                    .code("editor")
                });
                if draft.left_over()?.is_none() {
                    draft.remove();
                    return Err(error.into());
                }
                return Err(with_kept(error, &draft, target).into());
            }
        };
        if mine == base.content {
            if since.elapsed() < HARDLY_OPENED {
                out.note(format!(
                    "The editor was back at once. If it has the file open yet, save it there and run this again; and \
                     give the editor its option to wait (code --wait). The file is {}",
                    draft.path().display()
                ));
            } else {
                draft.remove();
            }
            return Ok((
                Outcome::Unchanged {
                    version: base.version,
                },
                kept,
            ));
        }
        if base.marks.is_some_and(|marks| is_torn(&mine, marks)) {
            let message = format!(
                "marks of a conflict are in {} yet: nothing is saved",
                target.name()
            );
            let error = CliError::new(ErrorKind::Failed, message).code("conflict");
            return Err(with_kept(error, &draft, target).into());
        }
        refuse_empty(
            &mine,
            args,
            &format!("the draft stays: {}", draft.path().display()),
        )?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let attempt = tokio::select! {
            attempt = save(api, target, &mine, base, Some(&draft), out) => attempt,
            _ = interrupt.recv() => Err(CliError::new(ErrorKind::Interrupted, "interrupted while it was being saved").into()),
        };
        match attempt.map_err(|error| with_kept(CliError::from_anyhow(error), &draft, target))? {
            Attempt::Done(outcome) => {
                draft.remove();
                return Ok((outcome, kept));
            }
            Attempt::Torn { theirs, text, marks } => {
                let path = draft.set_aside()?;
                out.note(format!(
                    "{} was changed by others, too (version {}), in the same lines. Your text is kept: {}\nThe editor \
                     opens again with both: yours is \"ours\", the page's \"theirs\".",
                    target.name(),
                    theirs.version,
                    path.display()
                ));
                kept = Some(path);
                base = Base {
                    marks: Some(marks),
                    ..theirs
                };
                draft.begin(&base, &text)?;
            }
        }
    }
}

/// Writes the draft, unless an edit before left one.
async fn begin(
    api: &DataApi,
    target: &Target,
    draft: &Draft,
    afresh: bool,
    out: Output,
) -> anyhow::Result<Base> {
    if let Some(base) = draft.left_over()? {
        if !afresh {
            out.note(format!(
                "This goes on with a text that was not saved (based on version {}). An editor that ends with an error (:cq \
                 in vi) saves nothing; --afresh begins with the page's text.",
                base.version
            ));
            return Ok(base);
        }
        out.note(format!(
            "What was not saved is kept: {}",
            draft.set_aside()?.display()
        ));
    }
    let doc = target.read(api, None).await?;
    remind(&doc, target, out);
    let base = base_of(&doc);
    draft.begin(&base, &base.content)?;
    Ok(base)
}

/// Says what a save would decide.
fn remind(doc: &Value, target: &Target, out: Output) {
    if let Some(held) = doc["held_version"].as_i64() {
        out.note(format!(
            "The disk's text is held back as version {held}: with what you save, the page's goes to the disk. To take \
             the disk's: creel docs resolve {} --take disk",
            target.words()
        ));
    }
    if let Some(lost) = doc["conflict_version"].as_i64() {
        out.note(format!(
            "Version {lost} lost against the disk. To see what it has: creel docs diff {} conflict page",
            target.words()
        ));
    }
    let warning = text(doc, "warning");
    if !warning.is_empty() {
        out.note(printable(&warning));
    }
}

/// A document that was never written has version 0 and no text.
fn base_of(doc: &Value) -> Base {
    Base {
        version: doc["version"].as_i64().unwrap_or_default(),
        content: text(doc, "content"),
        marks: None,
    }
}

/// Saves a text; what others wrote since its base is merged in, where that can be done without a person.
async fn save(
    api: &DataApi,
    target: &Target,
    mine: &str,
    mut base: Base,
    draft: Option<&Draft>,
    out: Output,
) -> anyhow::Result<Attempt> {
    let mut mine = mine.to_owned();
    let mut merged = false;
    for _ in 0..SAVE_TRIES {
        let more = json!({ "content": mine, "base_version": base.version });
        let answer = target.call(api, "write_doc", more).await?;
        if answer["ok"] != json!(false) {
            return Ok(Attempt::Done(Outcome::Saved { answer, merged }));
        }
        let theirs = base_of(&answer["current"]);
        match merge(&base.content, &mine, &theirs.content) {
            Merged::Clean(text) if text == theirs.content => {
                return Ok(Attempt::Done(Outcome::Unchanged {
                    version: theirs.version,
                }));
            }
            Merged::Clean(text) => {
                out.note(format!(
                    "{} was changed by others, too (version {}), in other lines: both changes are merged.",
                    target.name(),
                    theirs.version
                ));
                if let Some(draft) = draft {
                    draft.begin(&theirs, &text)?;
                }
                merged = true;
                mine = text;
                base = theirs;
            }
            Merged::Torn { text, marks } => return Ok(Attempt::Torn { theirs, text, marks }),
        }
    }
    let message = format!("{} is changed by others all the time", target.name());
    Err(CliError::new(ErrorKind::Failed, message)
        .code("conflict")
        .hint("try again in a moment")
        .into())
}

/// An emptied file is an accident far more often than a wish.
fn refuse_empty(text: &str, args: &EditArgs, consequence: &str) -> Result<(), CliError> {
    if args.allow_empty || !text.trim().is_empty() {
        return Ok(());
    }
    Err(
        CliError::new(ErrorKind::Failed, format!("the text is empty; {consequence}"))
            .code("empty")
            .hint("to empty the document, say --allow-empty; it stays in the history"),
    )
}

/// Says where the text is that could not be saved.
fn with_kept(error: CliError, draft: &Draft, target: &Target) -> CliError {
    let kept = format!(
        "your text is kept in {}; creel docs edit {} goes on with it",
        draft.path().display(),
        target.words()
    );
    let hint = match &error.hint {
        Some(hint) => format!("{hint}; {kept}"),
        None => kept,
    };
    error.hint(hint)
}
