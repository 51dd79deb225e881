//! Works off the wishes that wait, with as few requests as possible.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::sync::oneshot;

use super::access::is_same;
use super::client::Client;
use super::create::{create, heal, wait_until_known};
use super::disk::{look_at_the_disk, prepare_the_disk};
use super::driver::Shared;
use super::problem::{CallError, GatewayProblem};
use super::roster::{Change, Roster, Verdict};
use super::trouble::{Trouble, unreadable};
use crate::openclaw::broker::Turn;
use crate::openclaw::config_file::{self, Answer};
use crate::openclaw::output::{issue, quoted, shown};
use crate::openclaw::{Entry, OpenClawError};

/// A patch of 50 agents takes the gateway 3 s; with more, the first would wait too long for the last.
const BATCH_MAX: usize = 100;

/// How often a batch is planned anew: because somebody else changed the configuration, or the gateway had a
/// bad moment.
const ATTEMPTS_MAX: u32 = 12;

/// The same for a wish that is tried by itself, as it may be the one to blame for what went wrong before.
const ATTEMPTS_ALONE_MAX: u32 = 4;

/// After a refusal that may pass and does not say when.
pub(super) const PAUSE: Duration = Duration::from_millis(250);

/// The longest pause that the gateway is granted; it says a minute when there were too many patches.
const PAUSE_MAX: Duration = Duration::from_secs(65);

/// A wish that waits.
pub(super) struct Waiting {
    pub(super) change: Change,
    pub(super) done: oneshot::Sender<Result<(), OpenClawError>>,
}

/// A wish that is being worked on.
pub(super) struct Open {
    pub(super) change: Change,
    done: Option<oneshot::Sender<Result<(), OpenClawError>>>,
    /// Its folders were made for a patch.
    pub(super) was_prepared: bool,
    /// The gateway was told of it, and may have done it.
    was_sent: bool,
    /// It was made by `agents.create`, and the gateway may not know it yet.
    pub(super) was_created: bool,
}

impl Open {
    fn new(Waiting { change, done }: Waiting) -> Self {
        Self {
            change,
            done: Some(done),
            was_prepared: false,
            was_sent: false,
            was_created: false,
        }
    }

    /// Whether somebody waits for it. Whoever does not any more may have lost the right to it, so that nothing
    /// more is begun for him.
    pub(super) fn is_open(&self) -> bool {
        self.done.as_ref().is_some_and(|done| !done.is_closed())
    }

    fn close(&mut self, result: Result<(), OpenClawError>) {
        if let Some(done) = self.done.take() {
            // Nobody may wait any more.
            let _gone = done.send(result);
        }
    }
}

/// Works off all wishes that wait when the turn comes, and those that come meanwhile.
pub(super) async fn work_off(shared: Arc<Shared>) {
    let _left = Left(&shared);
    loop {
        let turn = shared.broker.turn().await;
        let waiting = shared.take_waiting(BATCH_MAX);
        if waiting.is_empty() {
            return;
        }
        let mut open: Vec<Open> = waiting.into_iter().map(Open::new).filter(Open::is_open).collect();
        if open.is_empty() {
            continue;
        }
        tracing::debug!(
            count = open.len(),
            "changing {} agents by the gateway",
            open.len()
        );
        work_on(&shared, turn, &mut open).await;
    }
}

/// Whoever comes while others wait leaves it to their task: when that breaks off, all of them are told.
struct Left<'a>(&'a Shared);

impl Drop for Left<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.take_waiting(usize::MAX);
        }
    }
}

async fn work_on(shared: &Shared, mut turn: Turn, open: &mut [Open]) {
    let mut attempt_count = 0;
    let mut one_at_a_time = false;
    // The last one that was tried by itself came to nothing.
    let mut was_blamed = false;
    let count = |open: &[Open]| open.iter().filter(|open| open.is_open()).count();
    loop {
        let open_count = count(open);
        let result = attempt(shared, open, one_at_a_time).await;
        if count(open) < open_count {
            (attempt_count, was_blamed) = (0, false);
        }
        let trouble = match result {
            Ok(()) if count(open) == 0 => {
                turn.keep_last_good().await;
                return;
            }
            Ok(()) => continue,
            Err(trouble) => trouble,
        };
        shared.forget_roster();
        attempt_count += 1;
        let attempts_max = if one_at_a_time {
            ATTEMPTS_ALONE_MAX
        } else {
            ATTEMPTS_MAX
        };
        let is_exhausted = attempt_count >= attempts_max;
        let has_several = count(open) > 1;
        let mut is_hopeless = false;
        match &trouble {
            // One of several may be to blame.
            _ if trouble.may_be_by_one(is_exhausted) && has_several && !one_at_a_time => {
                (attempt_count, one_at_a_time) = (0, true);
            }
            // When the next one fares no better, neither of them was.
            _ if trouble.may_be_by_one(is_exhausted) && one_at_a_time && !(is_exhausted && was_blamed) => {
                (attempt_count, was_blamed) = (0, is_exhausted);
                close_first(open, trouble.to_error(shared));
            }
            _ if is_exhausted => is_hopeless = true,
            Trouble::Again(lasts) => pause(open, *lasts).await,
            Trouble::Later(_, refusal) => {
                let asked = refusal.retry_after_ms.map_or(PAUSE, Duration::from_millis);
                pause(open, asked.clamp(PAUSE, PAUSE_MAX)).await;
            }
            // Half-way in something it is waited for; else whoever asked may know another way.
            Trouble::Away(problem) if problem.may_pass() && shared.was_up_lately() => {
                // Whoever starts it again wants to be alone with the configuration.
                drop(turn);
                is_hopeless = shared.link.client_after_restart().await.is_err();
                turn = shared.broker.turn().await;
            }
            Trouble::Away(_) | Trouble::ConfigRefused(_) | Trouble::Refused(..) => is_hopeless = true,
        }
        if let Trouble::ConfigRefused(message) = &trouble {
            shared.broker.tell_refused(message);
        }
        if is_hopeless {
            for open in open.iter_mut() {
                open.close(Err(trouble.to_error(shared)));
            }
        }
        if count(open) == 0 {
            return;
        }
    }
}

/// Waits, but no longer than anybody waits for what comes after it.
async fn pause(open: &mut [Open], lasts: Duration) {
    let all_gone = async {
        for done in open.iter_mut().filter_map(|open| open.done.as_mut()) {
            done.closed().await;
        }
    };
    tokio::select! {
        () = tokio::time::sleep(lasts) => {}
        () = all_gone => {}
    }
}

fn close_first(open: &mut [Open], error: OpenClawError) {
    if let Some(first) = open.iter_mut().find(|open| open.is_open()) {
        first.close(Err(error));
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
                let result = wait_until_known(shared, &client, change).await?;
                open[at].close(result);
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
            // It said that it did, and did not.
            Verdict::Create if open[at].was_created => {
                open[at].was_created = false;
                return Err(Trouble::Again(PAUSE));
            }
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
    if planned.iter().any(|&at| !open[at].is_open()) {
        // What is not to be done any more is not in the next plan.
        return Ok(());
    }
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
        let issues = got.get("issues").and_then(Value::as_array);
        let issues: Vec<_> = issues.into_iter().flatten().map(issue).collect();
        let said = quoted(&shared.settings.config_path, issues.join("; ")).await;
        return Err(Trouble::ConfigRefused(shown(&said)));
    }
    Roster::of(&got).ok_or_else(|| unreadable("config.get"))
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
    if reply.get("noop").and_then(Value::as_bool) == Some(true) {
        // Somebody else has done the same since it was read.
        return Err(Trouble::Again(Duration::ZERO));
    }
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
