//! `creel docs history`.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::target::{PlaceArgs, Target, TargetArgs, people, writer};
use crate::command::project::text;
use crate::command::request::age;
use crate::data_api::DataApi;
use crate::error::CliError;
use crate::output::Output;

/// What `creel docs history` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct HistoryArgs {
    #[command(flatten)]
    target: TargetArgs,
    /// How many at most.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..))]
    limit: u16,
    /// Only versions before this one.
    #[arg(long, value_name = "VERSION")]
    before: Option<i64>,
    #[command(flatten)]
    place: PlaceArgs,
}

/// Lists versions, the newest first.
pub(super) async fn run(args: HistoryArgs, out: Output) -> anyhow::Result<()> {
    let (api, target) = args.target.open(&args.place).await?;
    let answer = answer(&api, &target, args.before, args.limit).await?;
    let versions = versions_of(&answer);
    let people = if out.is_json() {
        HashMap::new()
    } else {
        people(&api, &target.project).await
    };
    let cells = versions
        .iter()
        .map(|row| {
            vec![
                row["version"].to_string(),
                age(&row["created_at"]),
                author(row, &people),
                text(row, "reason"),
                row["base_version"]
                    .as_i64()
                    .map(|base| base.to_string())
                    .unwrap_or_default(),
                text(row, "doc_date"),
                remark(row, &answer),
            ]
        })
        .collect();
    let headers = ["VERSION", "AGE", "BY", "REASON", "BASED ON", "DAY", ""];
    out.value(&json!({
        "ok": true, "agent_key": target.agent_key, "doc_type": target.doc_type, "version": answer["version"],
        "held_version": answer["held_version"], "conflict_version": answer["conflict_version"], "versions": versions,
    }));
    out.table(&headers, cells, "There are no such versions.");
    Ok(())
}

/// Versions of a document without their texts, the newest first, and which of them it is about.
pub(super) async fn answer(
    api: &DataApi,
    target: &Target,
    before: Option<i64>,
    limit: u16,
) -> Result<Value, CliError> {
    let mut more = json!({ "limit": limit });
    if let Some(before) = before {
        more["before"] = json!(before);
    }
    target.call(api, "list_doc_versions", more).await
}

/// The versions of such an answer.
pub(super) fn versions_of(answer: &Value) -> &[Value] {
    answer["versions"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default()
}

/// Who wrote it; the kind where the name says nothing.
fn author(row: &Value, people: &HashMap<String, String>) -> String {
    let (kind, name) = (text(row, "author_kind"), writer(row, people));
    if name.is_empty() || name == kind {
        kind
    } else {
        format!("{name} ({kind})")
    }
}

/// What is special about a version.
fn remark(row: &Value, answer: &Value) -> String {
    let is_the = |name: &str| row["version"].is_i64() && row["version"] == answer[name];
    let words = [
        (is_the("version"), "current"),
        (is_the("held_version"), "held back on the disk"),
        (is_the("conflict_version"), "lost against the disk"),
        (row["pinned"] == true, "pinned"),
        (row["side"] == true, "never was the page's"),
    ];
    let found: Vec<_> = words
        .iter()
        .filter(|(is_so, _)| *is_so)
        .map(|(_, word)| *word)
        .collect();
    found.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authors_are_told_by_name_and_kind() {
        let people = HashMap::from([("user:1".to_owned(), "ann@example.com".to_owned())]);
        let author =
            |kind: &str, by: Value| author(&json!({ "author_kind": kind, "updated_by": by }), &people);
        assert_eq!(author("person", json!("ann")), "ann (person)");
        assert_eq!(author("person", json!("user:1")), "ann@example.com (person)");
        assert_eq!(author("agent", json!("agent")), "agent");
        assert_eq!(author("template", Value::Null), "template");
        let answer = json!({ "version": 4, "held_version": 5, "conflict_version": null });
        let row = json!({ "version": 5, "pinned": true, "side": true });
        assert_eq!(
            remark(&row, &answer),
            "held back on the disk, pinned, never was the page's"
        );
        assert_eq!(remark(&json!({ "version": 4 }), &answer), "current");
    }
}
