//! `creel docs diff`: unified, between any two texts of a document.

use std::fmt::Write as _;
use std::io::{self, IsTerminal};

use serde_json::{Value, json};

use super::history;
use super::target::{PlaceArgs, Target, TargetArgs};
use crate::command::project::text;
use crate::data_api::DataApi;
use crate::error::{CliError, ErrorKind};
use crate::output::{Output, printable_text};

/// How many versions before the current one are looked through for one that was the page's.
const PREVIOUS_LOOK: u16 = 50;

/// What `creel docs diff` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct DiffArgs {
    #[command(flatten)]
    target: TargetArgs,
    /// From where: the number of a version, or page, disk, held, conflict or previous [default: conflict or held where
    /// there is such a text, else previous].
    #[arg(value_name = "FROM", value_parser = parse_point)]
    from: Option<Point>,
    /// To where, in the same words [default: page; held for what is held back].
    #[arg(value_name = "TO", value_parser = parse_point)]
    to: Option<Point>,
    /// When to use colours: auto is on a terminal that is not told otherwise by NO_COLOR.
    #[arg(long, default_value = "auto", value_parser = ["auto", "always", "never"], value_name = "WHEN")]
    color: String,
    #[arg(long, env = "NO_COLOR", hide = true, value_name = "ANY")]
    no_color: Option<String>,
    #[command(flatten)]
    place: PlaceArgs,
}

/// One text of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Point {
    /// A version by its number.
    Version(i64),
    /// The current text.
    Page,
    /// What the host's disk had when it was looked at last.
    Disk,
    /// The disk's text that is held back.
    Held,
    /// The text that lost against the disk.
    Conflict,
    /// What the page had before its current text.
    Previous,
}

/// A text with what it is called.
struct Side {
    name: String,
    version: Value,
    content: String,
}

fn parse_point(typed: &str) -> Result<Point, String> {
    Ok(match typed.to_ascii_lowercase().as_str() {
        "page" | "current" => Point::Page,
        "disk" => Point::Disk,
        "held" => Point::Held,
        "conflict" => Point::Conflict,
        "previous" => Point::Previous,
        number => match number.trim_start_matches('v').parse() {
            Ok(number) if number > 0 => Point::Version(number),
            _ => {
                return Err(
                    "give the number of a version, or page, disk, held, conflict or previous".to_owned(),
                );
            }
        },
    })
}

/// Shows the difference.
pub(super) async fn run(args: DiffArgs, out: Output) -> anyhow::Result<()> {
    let (api, target) = args.target.open(&args.place).await?;
    let page = target.read(&api, None).await?;
    let (from, to) = plan_points(args.from, args.to, &page);
    let from = side(&api, &target, &page, from).await?;
    let to = side(&api, &target, &page, to).await?;
    let diff = unified(&from, &to);
    out.value(&json!({
        "ok": true, "agent_key": target.agent_key, "doc_type": target.doc_type, "diff": diff,
        "from": { "name": from.name, "version": from.version }, "to": { "name": to.name, "version": to.version },
    }));
    if out.is_json() {
        return Ok(());
    }
    if diff.is_empty() {
        out.note(format!("{} and {} are the same.", from.name, to.name));
    }
    if uses_color(&args.color, args.no_color.as_deref(), io::stdout().is_terminal()) {
        out.raw(colored(&diff).as_bytes());
    } else {
        out.text(&diff);
    }
    Ok(())
}

/// What is compared when it is not said, or not wholly.
fn plan_points(from: Option<Point>, to: Option<Point>, page: &Value) -> (Point, Point) {
    match (from, to) {
        (Some(from), Some(to)) => (from, to),
        (Some(Point::Page), None) if page["held_version"].is_i64() => (Point::Page, Point::Held),
        (Some(from), None) => (from, Point::Page),
        (None, _) if page["held_version"].is_i64() => (Point::Page, Point::Held),
        (None, _) if page["conflict_version"].is_i64() => (Point::Conflict, Point::Page),
        (None, _) => (Point::Previous, Point::Page),
    }
}

async fn side(api: &DataApi, target: &Target, page: &Value, point: Point) -> Result<Side, CliError> {
    let none = |what: &str| {
        CliError::new(ErrorKind::NotFound, format!("{} has no {what}", target.name())).hint(format!(
            "creel docs history {} lists what there is",
            target.words()
        ))
    };
    let (name, version) = match point {
        Point::Page => return named("page", page, target),
        Point::Disk => return disk(api, target, page).await,
        Point::Version(number) => (format!("version {number}"), Some(number)),
        Point::Held => (
            "disk, held back".to_owned(),
            Some(
                page["held_version"]
                    .as_i64()
                    .ok_or_else(|| none("text that is held back"))?,
            ),
        ),
        Point::Conflict => (
            "lost against the disk".to_owned(),
            Some(
                page["conflict_version"]
                    .as_i64()
                    .ok_or_else(|| none("text that lost against the disk"))?,
            ),
        ),
        Point::Previous => {
            let answer = history::answer(api, target, page["version"].as_i64(), PREVIOUS_LOOK).await?;
            let previous = history::versions_of(&answer)
                .iter()
                .find(|row| row["side"] != true);
            match previous.and_then(|row| row["version"].as_i64()) {
                Some(number) => (format!("version {number}"), Some(number)),
                // The first version is new as a whole.
                None => {
                    return Ok(Side {
                        name: "nothing".to_owned(),
                        version: Value::Null,
                        content: String::new(),
                    });
                }
            }
        }
    };
    named(&name, &target.read(api, version).await?, target)
}

fn named(name: &str, doc: &Value, target: &Target) -> Result<Side, CliError> {
    let Some(content) = doc["content"].as_str() else {
        return Err(CliError::new(
            ErrorKind::NotFound,
            format!("the text of {} ({name}) was erased", target.name()),
        )
        .hint(format!(
            "creel docs history {} lists what there is",
            target.words()
        )));
    };
    let version = doc["version"].clone();
    let number = format!("version {version}");
    Ok(Side {
        name: if name == number {
            number
        } else {
            format!("{name} ({number})")
        },
        version,
        content: content.to_owned(),
    })
}

/// The text that the host's disk had when the row took it in last.
async fn disk(api: &DataApi, target: &Target, page: &Value) -> Result<Side, CliError> {
    if let Some(held) = page["held_version"].as_i64() {
        return named("disk", &target.read(api, Some(held)).await?, target);
    }
    let request = api
        .from("brain_docs")
        .select("disk_sha256")
        .eq("project_id", &target.project)
        .eq("agent_key", &target.agent_key)
        .eq("doc_type", target.doc_type.as_str());
    let row = api.rows(request).await?.pop().unwrap_or(Value::Null);
    let content = match row["disk_sha256"].as_str() {
        None | Some(EMPTY_SHA256) => String::new(),
        Some(hash) if Some(hash) == page["sha256"].as_str() => text(page, "content"),
        Some(hash) => {
            let request = api
                .from("brain_doc_contents")
                .select("content")
                .eq("project_id", &target.project)
                .eq("sha256", hash);
            let row = api.rows(request).await?.pop().ok_or_else(|| {
                CliError::new(ErrorKind::NotFound, "the text that the disk had last was erased")
            })?;
            text(&row, "content")
        }
    };
    Ok(Side {
        name: "disk".to_owned(),
        version: Value::Null,
        content,
    })
}

/// Of a file that is empty or absent.
const EMPTY_SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// The difference as `diff -u` tells it; nothing where there is none.
fn unified(from: &Side, to: &Side) -> String {
    if from.content == to.content {
        return String::new();
    }
    let patch = diffy::DiffOptions::new()
        .set_original_filename(from.name.clone())
        .set_modified_filename(to.name.clone())
        .create_patch(&from.content, &to.content);
    patch.to_string()
}

fn uses_color(wished: &str, no_color: Option<&str>, is_terminal: bool) -> bool {
    match wished {
        "always" => true,
        "never" => false,
        _ => is_terminal && no_color.is_none_or(str::is_empty),
    }
}

/// The same with colours: nothing in the text itself reaches the terminal but as text.
fn colored(diff: &str) -> String {
    let mut text = String::with_capacity(diff.len() * 2);
    for (number, line) in diff.lines().enumerate() {
        let color = match line.as_bytes().first() {
            // The two lines that name the sides.
            _ if number < 2 => "1",
            Some(b'@') => "36",
            Some(b'-') => "31",
            Some(b'+') => "32",
            _ => "0",
        };
        let _infallible = writeln!(text, "\x1b[{color}m{}\x1b[0m", printable_text(line));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side(name: &str, content: &str) -> Side {
        Side {
            name: name.to_owned(),
            version: Value::Null,
            content: content.to_owned(),
        }
    }

    #[test]
    fn what_has_to_be_decided_is_compared_first() {
        let plain = json!({ "version": 3 });
        assert_eq!(plan_points(None, None, &plain), (Point::Previous, Point::Page));
        let from = Some(Point::Version(1));
        assert_eq!(plan_points(from, None, &plain), (Point::Version(1), Point::Page));
        let held = json!({ "version": 3, "held_version": 4, "conflict_version": 2 });
        assert_eq!(plan_points(None, None, &held), (Point::Page, Point::Held));
        let conflict = json!({ "version": 3, "conflict_version": 2, "held_version": null });
        assert_eq!(plan_points(None, None, &conflict), (Point::Conflict, Point::Page));
    }

    #[test]
    fn points_are_words_or_numbers() {
        assert_eq!(parse_point("7"), Ok(Point::Version(7)));
        assert_eq!(parse_point("v7"), Ok(Point::Version(7)));
        assert_eq!(parse_point("Disk"), Ok(Point::Disk));
        for typed in ["0", "-1", "seven", ""] {
            assert!(parse_point(typed).is_err(), "{typed}");
        }
    }

    #[test]
    fn a_difference_is_unified_and_equal_texts_have_none() {
        let diff = unified(&side("version 1", "a\nb\n"), &side("page (version 2)", "a\nc"));
        assert_eq!(
            diff,
            "--- version 1\n+++ page (version 2)\n@@ -1,2 +1,2 @@\n a\n-b\n+c\n\\ No newline at end of file\n"
        );
        assert_eq!(unified(&side("a", "x\n"), &side("b", "x\n")), "");
    }

    #[test]
    fn colours_are_for_terminals_and_a_text_cannot_change_one() {
        assert!(uses_color("auto", None, true) && uses_color("auto", Some(""), true));
        assert!(!uses_color("auto", None, false) && !uses_color("auto", Some("1"), true));
        assert!(uses_color("always", Some("1"), false) && !uses_color("never", None, true));
        let shown = colored("--- a\n+++ b\n@@ -1 +1 @@\n-x\n+\x1b]0;title\x07y\n");
        assert!(shown.contains("\x1b[31m-x\x1b[0m\n"), "{shown:?}");
        assert!(!shown.contains("\x1b]0"), "{shown:?}");
    }
}
