//! Which document a command is about.

use std::collections::HashMap;

use creel_core::status::DocType;
use serde_json::{Value, json};

use crate::command::agent::parse_agent;
use crate::command::project::{ProjectArgs, text};
use crate::connection::ConnectionArgs;
use crate::data_api::DataApi;
use crate::error::{CliError, ErrorKind};

/// The words of every command about one document.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct TargetArgs {
    /// The agent's key (agent:scout:main) or its short id (scout).
    agent: String,
    /// The document, by its type or its file: soul, agents, user, identity, memory_long, memory_today, SOUL.md,
    /// MEMORY.md and so on.
    #[arg(value_name = "DOCUMENT", value_parser = parse_doc_type)]
    doc_type: DocType,
}

/// Where the project is.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct PlaceArgs {
    #[command(flatten)]
    project: ProjectArgs,
    #[command(flatten)]
    connection: ConnectionArgs,
}

impl PlaceArgs {
    /// Opens the Data API, and decides which project is meant.
    pub(super) async fn open(&self) -> anyhow::Result<(DataApi, String)> {
        let api = DataApi::open(&self.connection).await?;
        let project = self.project.resolve(&api).await?;
        Ok((api, project))
    }
}

/// One document of one agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    /// The project's id.
    pub(super) project: String,
    /// The agent's key.
    pub(super) agent_key: String,
    /// Which of its documents.
    pub(super) doc_type: DocType,
}

impl TargetArgs {
    /// Opens the Data API, and decides which document is meant.
    pub(super) async fn open(&self, place: &PlaceArgs) -> anyhow::Result<(DataApi, Target)> {
        // What is no agent is said before anybody is asked.
        let (agent_key, _) = parse_agent(&self.agent)?;
        let (api, project) = place.open().await?;
        let target = Target {
            project,
            agent_key,
            doc_type: self.doc_type,
        };
        Ok((api, target))
    }
}

impl Target {
    /// The argument of a function about this document, with more.
    pub(super) fn args(&self, more: Value) -> Value {
        let mut args = json!({
            "project_id": self.project, "agent_key": self.agent_key, "doc_type": self.doc_type.as_str(),
        });
        if let (Value::Object(args), Value::Object(more)) = (&mut args, more) {
            args.extend(more);
        }
        args
    }

    /// Its file's name, as people know it.
    pub(super) fn file(&self) -> &'static str {
        file_of(self.doc_type)
    }

    /// The name in sentences: "SOUL.md of agent:scout:main".
    pub(super) fn name(&self) -> String {
        format!("{} of {}", self.file(), self.agent_key)
    }

    /// The words of a command line about it: "scout soul".
    pub(super) fn words(&self) -> String {
        let agent = match self.agent_key.split(':').collect::<Vec<_>>().as_slice() {
            ["agent", short, "main"] => (*short).to_owned(),
            _ => self.agent_key.clone(),
        };
        format!("{agent} {}", self.doc_type)
    }

    /// The document, or one of its versions.
    pub(super) async fn read(&self, api: &DataApi, version: Option<i64>) -> Result<Value, CliError> {
        let more = version.map_or_else(|| json!({}), |version| json!({ "version": version }));
        let answer = api.call("read_doc", &self.args(more)).await;
        answer.map_err(|error| self.explain(error))
    }

    /// Calls a function about this document.
    pub(super) async fn call(&self, api: &DataApi, function: &str, more: Value) -> Result<Value, CliError> {
        let answer = api.call(function, &self.args(more)).await;
        answer.map_err(|error| self.explain(error))
    }

    /// What is missing is said with where to look for what there is.
    fn explain(&self, error: CliError) -> CliError {
        match (error.kind, &error.hint) {
            (ErrorKind::NotFound, None) => error.hint("creel docs list shows what there is"),
            _ => error,
        }
    }
}

/// The addresses of a project's members, by what a row that they wrote says. None is no trouble: ids say it, too.
pub(super) async fn people(api: &DataApi, project: &str) -> HashMap<String, String> {
    let members = api.call("list_members", &json!({ "project_id": project })).await;
    let members = members.unwrap_or_default();
    let members = members.as_array().into_iter().flatten();
    members
        .map(|member| (format!("user:{}", text(member, "user_id")), text(member, "email")))
        .collect()
}

/// Who wrote a row.
pub(super) fn writer(row: &Value, people: &HashMap<String, String>) -> String {
    let name = text(row, "updated_by");
    people.get(&name).cloned().unwrap_or(name)
}

/// The name of a document's file.
pub(super) fn file_of(doc_type: DocType) -> &'static str {
    doc_type.file_name().unwrap_or("memory/<day>.md")
}

/// The file's name of a row, with its day.
pub(super) fn file_of_row(row: &Value) -> String {
    match text(row, "doc_type").parse::<DocType>() {
        Ok(DocType::MemoryToday) => match row["doc_date"].as_str() {
            Some(day) => format!("memory/{day}.md"),
            None => file_of(DocType::MemoryToday).to_owned(),
        },
        Ok(doc_type) => file_of(doc_type).to_owned(),
        Err(_) => text(row, "doc_type"),
    }
}

/// A document's type, from what somebody typed.
pub(super) fn parse_doc_type(typed: &str) -> Result<DocType, String> {
    let lower = typed.to_ascii_lowercase();
    let by_file = |kind: &DocType| {
        kind.file_name()
            .is_some_and(|name| name.eq_ignore_ascii_case(typed))
    };
    let by_word = match lower.as_str() {
        "memory" => Some(DocType::MemoryLong),
        "today" => Some(DocType::MemoryToday),
        other => other.parse().ok(),
    };
    by_word
        .or_else(|| DocType::ALL.iter().copied().find(by_file))
        .ok_or_else(|| {
            let all: Vec<_> = DocType::ALL.iter().map(|kind| kind.as_str()).collect();
            format!("a document is one of {}", all.join(", "))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_named_by_its_type_or_its_file() {
        for (typed, doc_type) in [
            ("soul", DocType::Soul),
            ("SOUL.md", DocType::Soul),
            ("soul.md", DocType::Soul),
            ("Memory.md", DocType::MemoryLong),
            ("memory", DocType::MemoryLong),
            ("memory_today", DocType::MemoryToday),
            ("today", DocType::MemoryToday),
        ] {
            assert_eq!(parse_doc_type(typed), Ok(doc_type), "{typed}");
        }
        for typed in ["", "soul.txt", "../SOUL.md", "HEARTBEAT.md"] {
            let refusal = parse_doc_type(typed).expect_err(typed);
            assert!(refusal.contains("memory_today"), "{refusal}");
        }
    }

    #[test]
    fn the_words_for_another_command_are_as_short_as_they_can_be() {
        let words = |agent_key: &str| {
            let target = Target {
                project: "p".to_owned(),
                agent_key: agent_key.to_owned(),
                doc_type: DocType::Soul,
            };
            target.words()
        };
        assert_eq!(words("agent:scout:main"), "scout soul");
        assert_eq!(words("agent:scout:dev"), "agent:scout:dev soul");
    }
}
