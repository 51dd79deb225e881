//! `creel up --once --backend profile`: the whole life of an agent that has a gateway of its own, by the rows that a page
//! writes.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context;
use creel_local::model::{REPLY, StandInModel};
use creel_worker::process::{Mark, ProcessTable};
use creel_worker::supervisor::service_name;
use serde_json::{Value, json};
use uuid::Uuid;

use super::project::LocalProject;
use crate::command::request::failure_of;
use crate::env_file;
use crate::error::{CliError, ErrorKind};
use crate::output::{Output, Progress};

/// A start takes 8 to 26 s, and minutes on a machine that does much else; attempts are repeated beneath this.
const COMMAND_LIMIT: Duration = Duration::from_secs(600);
/// The first turn of a gateway takes up to 10 s, and more on a busy machine.
const TURN_LIMIT: Duration = Duration::from_secs(180);
/// How often a waiting command asks: a person sees no difference to at once, the database feels nothing.
const POLL: Duration = Duration::from_millis(100);

/// What the agent is told in its second life.
const SECOND_SOUL: &str = "# Nora\n\nYou are Nora, and you count the waves.\n";
const SECOND_NAME: &str = "Nora";

/// The file of the worker with what all its agents have in common.
pub(super) fn write_base(state_dir: &Path, model: &StandInModel) -> anyhow::Result<PathBuf> {
    let path = state_dir.join("profile-base.json");
    env_file::write_private(&path, &model.profile_base().to_string())?;
    Ok(path)
}

/// One agent, and what was done with it.
struct Life<'a> {
    project: &'a LocalProject,
    data_dir: &'a Path,
    model: &'a StandInModel,
    progress: &'a Progress,
    agent_key: String,
    agent_id: Uuid,
    port: u16,
    steps: Vec<Value>,
}

/// Lets an agent live, and shows how long each part of it took.
pub(super) async fn live(
    project: &LocalProject,
    data_dir: &Path,
    model: &StandInModel,
    out: Output,
) -> anyhow::Result<()> {
    let steps = {
        let progress = out.progress(None);
        let mut life = Life::begin(project, data_dir, model, &progress).await?;
        life.run().await?;
        life.steps
    };
    out.value(&json!({ "supabase_url": project.api.session.url, "steps": steps }));
    let cells = steps.iter().map(|step| {
        let text = |key: &str| step[key].as_str().unwrap_or_default().to_owned();
        vec![text("name"), step["ms"].to_string(), text("told")]
    });
    out.table(&["STEP", "MS", ""], cells.collect(), "");
    Ok(())
}

impl<'a> Life<'a> {
    /// Writes the rows that a page writes for a new agent.
    async fn begin(
        project: &'a LocalProject,
        data_dir: &'a Path,
        model: &'a StandInModel,
        progress: &'a Progress,
    ) -> anyhow::Result<Self> {
        let agent_key = format!("agent:scout-{:x}:main", jiff::Timestamp::now().as_millisecond());
        let agent = json!({
            "project_id": project.id, "agent_key": agent_key, "name": "Scout", "role": "looks around",
            "emoji": "🦞", "backend": "profile",
        });
        let api = &project.api;
        let rows = api.rows(api.from("agents").insert(agent.to_string())).await?;
        let soul = json!({
            "project_id": project.id, "agent_key": agent_key, "doc_type": "soul", "updated_by": "creel",
            "content": "# Scout\n\nYou look around and say what you see, in few words.\n",
        });
        api.run(api.from("brain_docs").insert(soul.to_string())).await?;
        let id = rows.first().and_then(|row| row["id"].as_str());
        let id = id.context("read the new agent's id")?;
        Ok(Self {
            project,
            data_dir,
            model,
            progress,
            agent_key,
            agent_id: id.parse().context("read the new agent's id")?,
            port: 0,
            steps: Vec::new(),
        })
    }

    async fn run(&mut self) -> anyhow::Result<()> {
        let deployed = self.command("deploy", json!({})).await?;
        let port = deployed["port"].as_u64().and_then(|port| port.try_into().ok());
        self.port = port.context("read the agent's port")?;
        self.turn("You look around").await?;
        self.command("stop", json!({})).await?;
        self.is_silent("the agent was stopped")?;
        self.command("start", json!({})).await?;
        let change = json!({ "name": SECOND_NAME, "docs": { "soul": SECOND_SOUL } });
        self.command("update_config", change).await?;
        self.turn("you count the waves").await?;
        self.command("restart", json!({})).await?;
        self.command("undeploy", json!({})).await?;
        self.is_gone().await
    }

    fn done(&mut self, name: &str, began: Instant, told: &str) {
        let ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.progress.done(&format!("{name} ({ms} ms)"));
        self.steps.push(json!({ "name": name, "ms": ms, "told": told }));
    }

    /// Sends a command and waits until the host has done it; answers its result.
    async fn command(&mut self, kind: &str, payload: Value) -> anyhow::Result<Value> {
        let began = Instant::now();
        self.progress.doing(kind);
        let api = &self.project.api;
        let command = json!({
            "project_id": self.project.id, "agent_key": self.agent_key, "type": kind, "payload": payload,
        });
        let rows = api
            .rows(api.from("agent_commands").insert(command.to_string()))
            .await?;
        let id = rows
            .first()
            .and_then(|row| row["id"].as_str())
            .map(ToOwned::to_owned);
        let id = id.context("read the command's id")?;
        let row = loop {
            let asked = api.from("agent_commands").select("*").eq("id", &id);
            let row = api.rows(asked).await?.pop().unwrap_or_default();
            match row["status"].as_str() {
                Some("acked") => break row,
                Some("failed") => return Err(failed(kind, &row).into()),
                _ if began.elapsed() > COMMAND_LIMIT => {
                    let waits = row["waiting_for"].as_str().unwrap_or("its host");
                    let message = format!(
                        "{kind} is not done after {} s; it waits for {waits}",
                        COMMAND_LIMIT.as_secs()
                    );
                    return Err(CliError::new(ErrorKind::Timeout, message).into());
                }
                _ => tokio::time::sleep(POLL).await,
            }
        };
        let result = row["result"].clone();
        let told = ["state", "port", "pid", "restarted"]
            .iter()
            .filter_map(|key| match &result[key] {
                Value::Null => None,
                Value::String(text) => Some(format!("{key} {text}")),
                other => Some(format!("{key} {other}")),
            });
        self.done(kind, began, &told.collect::<Vec<_>>().join(", "));
        Ok(result)
    }

    /// Lets the agent answer; its model must have been told this.
    async fn turn(&mut self, told: &str) -> anyhow::Result<()> {
        let began = Instant::now();
        self.progress.doing("one turn");
        let said = one_turn(&self.folder(), &self.agent_key, self.port, self.model, told).await?;
        self.done("turn", began, &said);
        Ok(())
    }

    fn folder(&self) -> PathBuf {
        self.data_dir.join("agents").join(self.agent_id.to_string())
    }

    fn is_silent(&self, after: &str) -> anyhow::Result<()> {
        is_silent(self.port, after)
    }

    /// Nothing is left of the agent but its archive.
    async fn is_gone(&mut self) -> anyhow::Result<()> {
        let began = Instant::now();
        let told = is_gone(self.data_dir, self.agent_id, self.port).await?;
        self.done("gone", began, &told);
        Ok(())
    }
}

/// Lets an agent with this folder and port answer, and makes sure that its model was told this. Answers what it said.
pub(super) async fn one_turn(
    folder: &Path,
    agent_key: &str,
    port: u16,
    model: &StandInModel,
    told: &str,
) -> anyhow::Result<String> {
    let state = folder.join("state/openclaw.json");
    let text = std::fs::read_to_string(&state).with_context(|| format!("read {}", state.display()))?;
    let config: Value = serde_json::from_str(&text).context("read the agent's configuration")?;
    let token = config["gateway"]["auth"]["token"].as_str();
    let (_, short) = agent_key.split_once(':').context("read the agent's key")?;
    let short = short.trim_end_matches(":main");
    let request = json!({
        "model": format!("openclaw/{short}"), "messages": [{ "role": "user", "content": "Are you there?" }],
    });
    let asking = creel_local::gateway::http::client()?
        .post(format!("http://127.0.0.1:{port}/v1/chat/completions"))
        .bearer_auth(token.context("find the gateway's token")?)
        .timeout(TURN_LIMIT)
        .json(&request);
    let answer = asking.send().await.context("ask the agent")?;
    let status = answer.status();
    let answer: Value = answer.json().await.context("read the agent's answer")?;
    let said = answer["choices"][0]["message"]["content"]
        .as_str()
        .unwrap_or_default();
    if !said.contains(REPLY) {
        anyhow::bail!("the agent did not answer as its model does (status {status}): {answer}");
    }
    if !model.was_told(told) {
        anyhow::bail!("the agent's model was not told what is in its SOUL.md: {told:?}");
    }
    Ok(said.to_owned())
}

/// Fails while something listens at an agent's port.
pub(super) fn is_silent(port: u16, after: &str) -> anyhow::Result<()> {
    if !creel_local::ports::is_free(port) {
        anyhow::bail!("{after}, and its port {port} is still in use");
    }
    Ok(())
}

/// Fails while anything is left of an agent but its archive.
pub(super) async fn is_gone(data_dir: &Path, agent_id: Uuid, port: u16) -> anyhow::Result<String> {
    is_silent(port, "the agent was undeployed")?;
    let (mark, service) = (Mark::new(data_dir, Uuid::nil()), service_name(agent_id));
    let left = tokio::task::spawn_blocking(move || {
        let seen = ProcessTable::new(mark).map(|mut table| table.read());
        let left = seen.into_iter().flatten();
        left.filter(|process| process.service.as_ref() == Some(&service))
            .count()
    });
    let left = left.await.context("look for processes of the agent")?;
    let folder = data_dir.join("agents").join(agent_id.to_string());
    if left > 0 || folder.exists() {
        anyhow::bail!("the agent was undeployed, and {left} processes and its folder are left");
    }
    Ok(format!("port {port} is free, no process is left"))
}

fn failed(kind: &str, row: &Value) -> CliError {
    let (code, message, hint) = failure_of(row).unwrap_or_default();
    let error = CliError::new(ErrorKind::Request, format!("{kind} failed: {message}"));
    let error = if code.is_empty() { error } else { error.code(code) };
    if hint.is_empty() { error } else { error.hint(hint) }
}
