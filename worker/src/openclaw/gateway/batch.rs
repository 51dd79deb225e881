//! Works off the wishes that wait, with as few requests as possible.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::sync::oneshot;

use super::client::Client;
use super::driver::Shared;
use super::problem::{CallError, GatewayProblem, Refusal};
use super::roster::{Change, Roster, Verdict, was_here};
use super::seed;
use crate::openclaw::broker::Turn;
use crate::openclaw::config_file::{self, Answer};
use crate::openclaw::output::shown;
use crate::openclaw::{Entry, OpenClawError};

/// A patch of 50 agents takes the gateway 3 s; with more, the first would wait too long for the last.
const BATCH_MAX: usize = 100;

/// How often a batch is planned anew: because somebody else changed the configuration, or the gateway had a
/// bad moment.
const ATTEMPTS_MAX: u32 = 12;

/// After a refusal that may pass and does not say when.
const PAUSE: Duration = Duration::from_millis(250);

/// The longest pause that the gateway is granted; it says a minute when there were too many patches.
const PAUSE_MAX: Duration = Duration::from_secs(65);

/// Between two looks for an agent that the gateway does not know yet.
const LAG_EVERY: Duration = Duration::from_millis(50);

/// A wish that waits.
pub(super) struct Waiting {
    pub(super) change: Change,
    pub(super) done: oneshot::Sender<Result<(), OpenClawError>>,
}

/// A wish that is being worked on.
struct Open {
    change: Change,
    done: Option<oneshot::Sender<Result<(), OpenClawError>>>,
    /// The gateway was told of it, and may have done it.
    was_sent: bool,
    /// It was made by `agents.create`, and the gateway may not know it yet.
    was_created: bool,
}

impl Open {
    fn is_open(&self) -> bool {
        self.done.is_some()
    }

    fn close(&mut self, result: Result<(), OpenClawError>) {
        if let Some(done) = self.done.take() {
            // Nobody may wait any more.
            let _gone = done.send(result);
        }
    }
}

/// Why an attempt did not come to its end.
enum Trouble {
    /// Plan anew.
    Again(Duration),
    /// The gateway said no, and may say yes later.
    Later(&'static str, Refusal),
    /// The gateway is away, or not to be spoken to.
    Away(GatewayProblem),
    /// There is no use in trying.
    Refused(&'static str, Refusal),
    /// OpenClaw does not take its own configuration.
    ConfigRefused(String),
}

impl Trouble {
    fn of(method: &'static str, error: CallError) -> Self {
        match error {
            CallError::Broken(problem) => Self::Away(problem),
            CallError::Refused(refusal) if refusal.message.contains("config changed since last load") => {
                Self::Again(Duration::ZERO)
            }
            CallError::Refused(refusal)
                if refusal.retryable || refusal.retry_after_ms.is_some() || refusal.code == "UNAVAILABLE" =>
            {
                Self::Later(method, refusal)
            }
            CallError::Refused(refusal) => Self::Refused(method, refusal),
        }
    }

    fn to_error(&self, shared: &Shared) -> OpenClawError {
        match self {
            Self::Again(_) => OpenClawError::GatewayRefused {
                method: "config.patch",
                code: "CONFLICT".to_owned(),
                message: "the configuration does not keep what is written into it, or others change it all \
                          the time"
                    .to_owned(),
            },
            Self::Later(method, refusal) | Self::Refused(method, refusal) => OpenClawError::GatewayRefused {
                method,
                code: shown(&refusal.code),
                message: shown(&refusal.message),
            },
            Self::Away(problem) => OpenClawError::Gateway(problem.clone()),
            Self::ConfigRefused(message) => OpenClawError::ConfigRefused {
                path: shared.settings.config_path.clone(),
                message: message.clone(),
            },
        }
    }
}

/// Works off all wishes that wait when the turn comes, and those that come meanwhile.
pub(super) async fn work_off(shared: Arc<Shared>) {
    loop {
        let turn = shared.broker.turn().await;
        let waiting = shared.take_waiting(BATCH_MAX);
        if waiting.is_empty() {
            return;
        }
        let open = waiting.into_iter().filter(|waiting| !waiting.done.is_closed());
        let mut open: Vec<Open> = open
            .map(|Waiting { change, done }| Open {
                change,
                done: Some(done),
                was_sent: false,
                was_created: false,
            })
            .collect();
        tracing::debug!(
            count = open.len(),
            "changing {} agents by the gateway",
            open.len()
        );
        work_on(&shared, turn, &mut open).await;
    }
}

async fn work_on(shared: &Shared, mut turn: Turn, open: &mut [Open]) {
    let mut attempt_count = 0;
    let mut one_at_a_time = false;
    loop {
        let trouble = match attempt(shared, open, one_at_a_time).await {
            Ok(()) if open.iter().all(|open| !open.is_open()) => {
                turn.keep_last_good().await;
                return;
            }
            Ok(()) => continue,
            Err(trouble) => trouble,
        };
        shared.forget_roster();
        attempt_count += 1;
        let is_hopeless = match &trouble {
            _ if attempt_count >= ATTEMPTS_MAX => true,
            Trouble::Again(pause) => {
                tokio::time::sleep(*pause).await;
                false
            }
            Trouble::Later(_, refusal) => {
                let asked = refusal.retry_after_ms.map_or(PAUSE, Duration::from_millis);
                tokio::time::sleep(asked.clamp(PAUSE, PAUSE_MAX)).await;
                false
            }
            // Half-way in something it is waited for; else whoever asked may know another way.
            Trouble::Away(problem) if problem.may_pass() && shared.was_up_lately() => {
                // Whoever starts it again wants to be alone with the configuration.
                drop(turn);
                let is_gone = shared.link.client_after_restart().await.is_err();
                turn = shared.broker.turn().await;
                is_gone
            }
            Trouble::Away(_) | Trouble::ConfigRefused(_) => true,
            // One of several may be to blame.
            Trouble::Refused(..)
                if !one_at_a_time && open.iter().filter(|open| open.is_open()).count() > 1 =>
            {
                one_at_a_time = true;
                false
            }
            Trouble::Refused(..) => {
                let first = open.iter_mut().find(|open| open.is_open());
                first
                    .into_iter()
                    .for_each(|open| open.close(Err(trouble.to_error(shared))));
                false
            }
        };
        if let Trouble::ConfigRefused(message) = &trouble {
            shared.broker.tell_refused(message);
        }
        if is_hopeless {
            for open in open.iter_mut() {
                open.close(Err(trouble.to_error(shared)));
            }
        }
        if open.iter().all(|open| !open.is_open()) {
            return;
        }
    }
}

/// One pass: reads, makes what only `agents.create` can make, patches the rest, and reads back.
async fn attempt(shared: &Shared, open: &mut [Open], one_at_a_time: bool) -> Result<(), Trouble> {
    let client = shared.link.client().await.map_err(Trouble::Away)?;
    shared.seen_up();
    let mut roster = match shared.known_roster() {
        Some(roster) => roster,
        None => read_roster(shared, &client).await?,
    };
    let facts = look_at_the_disk(shared, open, &roster).await;
    let mut patch = Map::new();
    let mut planned = Vec::new();
    let mut was_created = false;
    for (at, fact) in facts
        .iter()
        .enumerate()
        .filter(|(at, _)| open[*at].is_open())
        .collect::<Vec<_>>()
    {
        if one_at_a_time && (!planned.is_empty() || was_created) {
            break;
        }
        let change = &open[at].change;
        // What is found out by making one agent serves all the others.
        let must_create =
            !roster.is_explicit || fact.was_here || (fact.needs_text && shared.text().is_none());
        match roster.plan(change, open[at].was_sent, must_create) {
            Verdict::Done if open[at].was_created => {
                wait_until_known(shared, &client, change).await?;
                open[at].close(Ok(()));
            }
            Verdict::Done => open[at].close(Ok(())),
            Verdict::Exists => {
                let id = change.id().to_string();
                open[at].close(Err(OpenClawError::AlreadyExists { id }));
            }
            Verdict::NotFound => {
                let id = change.id().to_string();
                open[at].close(Err(OpenClawError::NotFound { id }));
            }
            Verdict::Create if was_created && !fact.was_here => {}
            Verdict::Create => {
                open[at].was_sent = true;
                shared.forget_roster();
                create(shared, &client, change, fact).await?;
                open[at].was_created = true;
                was_created = true;
            }
            Verdict::Patch(entry) => {
                roster.assume(change.id(), &entry);
                let merged = patch.entry(change.id().as_str()).or_insert_with(|| json!({}));
                super::roster::merge(merged, &entry);
                planned.push(at);
            }
        }
    }
    if was_created || patch.is_empty() {
        // The base has changed, or there is nothing left to do.
        return Ok(());
    }
    prepare_the_disk(shared, &planned, open, &facts).await;
    shared.budget.spend().await;
    for &at in &planned {
        open[at].was_sent = true;
    }
    let roster = send(shared, &client, &roster.hash, patch, open, &planned).await?;
    for at in planned {
        // A later wish of the same batch may have changed the name again.
        open[at].close(Ok(()));
    }
    shared.remember_roster(roster);
    Ok(())
}

async fn read_roster(shared: &Shared, client: &Client) -> Result<Roster, Trouble> {
    let limit = shared.settings.limits.call;
    let got = client.call("config.get", json!({}), limit).await;
    let got = got.map_err(|error| Trouble::of("config.get", error))?;
    let path = got.get("path").and_then(Value::as_str).map(PathBuf::from);
    if let Some(path) = path.filter(|path| !is_same(path, &shared.settings.config_path)) {
        let port = client.port;
        return Err(Trouble::Away(GatewayProblem::OtherConfiguration { port, path }));
    }
    if got.get("valid").and_then(Value::as_bool) == Some(false) {
        let issue = |issue: &Value| {
            let text = |key: &str| issue.get(key).and_then(Value::as_str).unwrap_or_default();
            format!("{}: {}", text("path"), text("message"))
        };
        let issues = got.get("issues").and_then(Value::as_array);
        let issues: Vec<_> = issues.into_iter().flatten().map(issue).collect();
        return Err(Trouble::ConfigRefused(shown(&issues.join("; "))));
    }
    Roster::of(&got).ok_or_else(|| unreadable("config.get"))
}

fn unreadable(method: &'static str) -> Trouble {
    Trouble::Refused(
        method,
        Refusal {
            code: "UNREADABLE".to_owned(),
            message: "its answer cannot be read".to_owned(),
            retryable: false,
            retry_after_ms: None,
        },
    )
}

fn is_same(one: &Path, other: &Path) -> bool {
    one == other || matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

/// What the disk says of a new agent.
#[derive(Debug, Clone, Copy, Default)]
struct Fact {
    was_here: bool,
    needs_text: bool,
}

async fn look_at_the_disk(shared: &Shared, open: &[Open], roster: &Roster) -> Vec<Fact> {
    let state_dir = shared.settings.state_dir.clone();
    let skips_bootstrap = roster.skips_bootstrap;
    let changes: Vec<_> = open
        .iter()
        .map(|open| (open.is_open() && !open.was_created).then(|| open.change.clone()))
        .collect();
    let count = changes.len();
    let look = move || {
        let fact = |change: Option<Change>| match change {
            Some(Change::Add(agent)) => Fact {
                was_here: was_here(&state_dir, &agent.id),
                needs_text: !skips_bootstrap && seed::is_missing(&agent.workspace),
            },
            _ => Fact::default(),
        };
        changes.into_iter().map(fact).collect()
    };
    tokio::task::spawn_blocking(look)
        .await
        .unwrap_or_else(|_| vec![Fact::default(); count])
}

/// Does what `agents.create` would do: the files that OpenClaw writes, and the folder that tells a later
/// attempt that the id was used.
async fn prepare_the_disk(shared: &Shared, planned: &[usize], open: &[Open], facts: &[Fact]) {
    let new: Vec<_> = planned
        .iter()
        .filter_map(|&at| match &open[at].change {
            Change::Add(agent) if !open[at].was_created => Some((agent.clone(), facts[at])),
            _ => None,
        })
        .collect();
    let (state_dir, text) = (shared.settings.state_dir.clone(), shared.text());
    let write = move || {
        for (agent, fact) in new {
            if let Some(text) = text.as_deref().filter(|_| fact.needs_text)
                && let Err(error) = seed::write(&agent.workspace, text)
            {
                // The gateway writes it at the first turn.
                tracing::warn!(%error, "failed to write AGENTS.md of {}: {error}", agent.id);
            }
            let sessions = state_dir.join("agents").join(agent.id.as_str()).join("sessions");
            if let Err(error) = std::fs::create_dir_all(&sessions) {
                tracing::debug!(%error, "failed to make {}: {error}", sessions.display());
            }
        }
    };
    let _panicked = tokio::task::spawn_blocking(write).await;
}

/// Makes an agent by `agents.create`. Its name and emoji come by a patch: this call would write them into its
/// `IDENTITY.md`.
async fn create(shared: &Shared, client: &Client, change: &Change, fact: &Fact) -> Result<(), Trouble> {
    let Change::Add(agent) = change else { return Ok(()) };
    let method = "agents.create";
    let params = json!({ "name": agent.id.as_str(), "workspace": agent.workspace.to_string_lossy() });
    let reply = match client.call(method, params, shared.settings.limits.call).await {
        // Somebody was faster, or an attempt of ours was: it is planned anew.
        Err(CallError::Refused(refusal)) if refusal.message.contains("already exists") => {
            return Err(Trouble::Again(PAUSE));
        }
        reply => reply.map_err(|error| Trouble::of(method, error))?,
    };
    // OpenClaw normalises ids: what it did was done to the agent that it names.
    if reply.get("agentId").and_then(Value::as_str) != Some(agent.id.as_str()) {
        return Err(unreadable(method));
    }
    if fact.needs_text {
        let workspace = agent.workspace.clone();
        let text = tokio::task::spawn_blocking(move || seed::read(&workspace)).await;
        shared.learn_text(text.ok().flatten());
    }
    Ok(())
}

/// Waits until the gateway has an agent that `agents.create` has written into its configuration.
async fn wait_until_known(shared: &Shared, client: &Client, change: &Change) -> Result<(), Trouble> {
    let method = "agents.files.list";
    let began = tokio::time::Instant::now();
    loop {
        let params = json!({ "agentId": change.id().as_str() });
        match client.call(method, params, shared.settings.limits.call).await {
            Ok(_) => return Ok(()),
            Err(CallError::Refused(refusal)) if refusal.message.contains("not found") => {
                if began.elapsed() > shared.settings.limits.lag {
                    return Err(Trouble::Later(method, refusal));
                }
                tokio::time::sleep(LAG_EVERY).await;
            }
            Err(error) => return Err(Trouble::of(method, error)),
        }
    }
}

/// Sends the patch, and reads back what became of it: in the answer, and in the file.
async fn send(
    shared: &Shared,
    client: &Client,
    base_hash: &str,
    entries: Map<String, Value>,
    open: &mut [Open],
    planned: &[usize],
) -> Result<Roster, Trouble> {
    let method = "config.patch";
    let raw = json!({ "agents": { "entries": entries } }).to_string();
    let params = json!({ "baseHash": base_hash, "raw": raw });
    let reply = match client.call(method, params, shared.settings.limits.call).await {
        Err(CallError::Refused(refusal)) if refusal.message.contains("recovery restart is required") => {
            heal(shared, client, open, planned).await;
            return Err(Trouble::Again(PAUSE));
        }
        reply => reply.map_err(|error| Trouble::of(method, error))?,
    };
    let mut roster = Roster::of(&reply).ok_or_else(|| unreadable(method))?;
    roster.is_explicit = true;
    let file = config_file::read(&shared.settings.config_path).await;
    let in_file = |id: &str| match &file {
        Ok(Answer::Known(Some(config))) => match config_file::find_in(config, id) {
            Answer::Known(entry) => Some(entry),
            Answer::AskOpenClaw => None,
        },
        _ => None,
    };
    let wished = |at: usize| {
        // The last wish about an agent is the one that counts.
        let id = open[at].change.id();
        let last = planned.iter().rev().find(|&&other| open[other].change.id() == id);
        &open[*last.unwrap_or(&at)].change
    };
    let is_kept =
        |change: &Change, entry: Option<Entry>| entry.is_some_and(|entry| change.is_kept_by(&entry));
    let all_kept = planned.iter().all(|&at| {
        let (change, id) = (wished(at), open[at].change.id().as_str());
        is_kept(change, roster.entry(id)) && in_file(id).is_none_or(|entry| is_kept(change, entry))
    });
    match all_kept {
        true => Ok(roster),
        false => Err(Trouble::Again(PAUSE)),
    }
}

/// Makes the gateway forget that agents of these ids were deleted: `agents.create` does so before it finds
/// them there. Until then, no change of the configuration succeeds.
async fn heal(shared: &Shared, client: &Client, open: &mut [Open], planned: &[usize]) {
    for &at in planned {
        if let Change::Add(agent) = &open[at].change {
            let params = json!({ "name": agent.id.as_str(), "workspace": agent.workspace.to_string_lossy() });
            // Its answer is that the agent exists, or that the gateway is restarting.
            let _answer = client
                .call("agents.create", params, shared.settings.limits.call)
                .await;
        }
    }
}
