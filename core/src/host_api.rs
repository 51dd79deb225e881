//! What a host and the database say to each other: one jsonb argument and one jsonb answer a function,
//! the same by tokio-postgres and by PostgREST (`/rpc/<function>`).

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::status::{
    AgentStatus, AuthorKind, Backend, CommandStatus, CommandType, DesiredState, DocSyncState, DocType,
    HostEventKind, Outcome, RequestStatus, WokenBy,
};

/// The version of these functions. The database answers an unknown one with SQLSTATE [`UPGRADE_NEEDED`].
pub const API: u32 = 1;

/// SQLSTATE of "this worker is too old for the database, or too new"; PostgREST makes HTTP 426 of it.
pub const UPGRADE_NEEDED: &str = "PT426";

/// The channel that is notified when there may be work. The payload is a host's id, or empty for all; or a host's id
/// and [`CANCEL_HINT`].
pub const CHANNEL: &str = "creel_work";

/// After a host's id and a space in a notification: something that the host holds is to be cancelled.
pub const CANCEL_HINT: &str = "cancel";

/// After a host's id and a space in a notification: somebody else changed documents of its agents.
pub const DOCS_HINT: &str = "docs";

/// Argument of `claim`.
#[derive(Debug, Clone, Serialize)]
pub struct ClaimRequest {
    /// [`API`].
    pub api: u32,
    /// One per process start.
    pub session: Uuid,
    /// How many items at most: the free permits.
    pub limit: usize,
    /// What made the worker look.
    pub woken_by: WokenBy,
}

/// Answer of `claim`.
#[derive(Debug, Clone, Deserialize)]
pub struct ClaimReply {
    /// What is now held by this session.
    pub items: Vec<Item>,
    /// How long the leases last from the moment the database answered, in milliseconds.
    pub lease_ms: u64,
}

/// One claimed item.
#[derive(Debug, Clone, Deserialize)]
pub struct Item {
    /// Id of the public row.
    pub id: Uuid,
    /// Name of its queue, as in `creel.queues`.
    pub queue: String,
    /// The fence: every later write about this item carries it.
    pub token: Uuid,
    /// 1 for the first attempt.
    pub attempt: u32,
    /// After this many attempts it is dead.
    pub max_attempts: u32,
    /// The public row.
    pub row: Value,
    /// The row of its agent in `agents`.
    pub agent: Value,
}

/// Argument of `tick`.
#[derive(Debug, Clone, Serialize)]
pub struct TickRequest {
    /// [`API`].
    pub api: u32,
    /// One per process start.
    pub session: Uuid,
    /// Tokens of what this session believes to hold.
    pub tokens: Vec<Uuid>,
    /// Usage of agents: `{agent_id, cpu_percent, ram_mb, disk_mb, uptime_secs}` each.
    pub metrics: Vec<Value>,
    /// How agents are; told only when it has changed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub agents: Vec<AgentReport>,
    /// [`ListDocsReply::since`] of the last listing; none from a worker that mirrors no documents.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub docs_since: Option<String>,
    /// Of a host that hears of work by Realtime, or would like to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<ChannelReport>,
    /// What the host says of itself.
    pub host: HostReport,
}

/// The Realtime channel by which a host hears that there is work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChannelReport {
    /// What the host knows as its topic.
    pub topic: Option<String>,
    /// Whether it has joined it.
    pub live: bool,
    /// How much work it found that had not been announced, since the last tick.
    pub lost: u64,
}

/// How an agent is, as its host sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentReport {
    /// The agent's row.
    pub agent_id: Uuid,
    /// Running, stopped or starting; error with a note.
    pub state: AgentState,
    /// What is wrong with it, and what to do; none when all is well.
    pub note: Option<String>,
    /// How often it was started again since a person last said something.
    pub restarts: u32,
    /// Its own gateway's process; none where it has none.
    pub pid: Option<u32>,
}

/// Where an agent stands, in the words of a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AgentState {
    /// Its gateway is ready.
    Running,
    /// It does not run.
    Stopped,
    /// It runs and is not ready yet, or not any more.
    Starting,
    /// It is to run and does not.
    Error,
}

/// Argument of `list_agents`.
#[derive(Debug, Clone, Serialize)]
pub struct ListAgentsRequest {
    /// [`API`].
    pub api: u32,
    /// One per process start.
    pub session: Uuid,
}

/// Answer of `list_agents`.
#[derive(Debug, Clone, Deserialize)]
pub struct ListAgentsReply {
    /// What this host should have: rows of agents with what [`ListedAgent`] has besides.
    pub agents: Vec<Value>,
}

/// An agent that this host should have.
#[derive(Debug, Clone, Deserialize)]
pub struct ListedAgent {
    /// The row's id.
    pub id: Uuid,
    /// Where it runs.
    pub backend: Backend,
    /// What a person wants.
    pub desired_state: DesiredState,
    /// Which version of the row this is.
    pub generation: i64,
    /// What the database believes.
    pub status: AgentStatus,
    /// Whether a host has made it.
    pub provisioned: bool,
    /// Whether a command or a request of it waits or is at work.
    pub open_command: bool,
}

/// What a host says of itself with each tick. What is `None` leaves the row as it is.
#[derive(Debug, Clone, Default, Serialize)]
pub struct HostReport {
    /// `linux` or `macos`.
    pub platform: Option<String>,
    /// Version of Creel.
    pub worker_version: Option<String>,
    /// What `openclaw --version` says.
    pub openclaw_version: Option<String>,
    /// CPU use of the whole machine, 0–100.
    pub cpu_percent: Option<f32>,
    /// Memory in use on the whole machine, MB.
    pub ram_mb: Option<u64>,
    /// Where agents can run on this host; told once by each worker.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backends: Option<Vec<Backend>>,
    /// What of OpenClaw is on the host, as `hosts.runtime` shows it; told only when it has changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runtime: Option<Value>,
    /// What happened on the host since the last tick, at most [`HOST_EVENTS_MAX`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<HostEvent>,
}

/// How many events the database takes with one tick; a host that has more to tell says it with the next.
pub const HOST_EVENTS_MAX: usize = 20;

/// The longest payload of an event, as JSON; the database leaves a longer one away.
pub const HOST_EVENT_MAX_BYTES: usize = 4_096;

/// Something that happened on a host. It becomes a row of `events`; once, however often it is told.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HostEvent {
    /// By which the database knows that it was told already.
    pub id: Uuid,
    /// What happened.
    pub kind: HostEventKind,
    /// The agent that it happened to; none if it happened to the host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<Uuid>,
    /// What a person needs to know of it, an object; no secret.
    pub payload: Value,
}

/// Answer of `tick`.
#[derive(Debug, Clone, Deserialize)]
pub struct TickReply {
    /// The caller, as the database knows it.
    pub host_id: Uuid,
    /// How long the renewed leases last, in milliseconds.
    pub lease_ms: u64,
    /// Time between two ticks that the database wishes for, in milliseconds.
    pub tick_ms: u64,
    /// Tokens of the request that are no longer held: stop their jobs.
    pub lost: Vec<Uuid>,
    /// Tokens of jobs that are still held and are to be cancelled.
    pub cancel: Vec<Uuid>,
    /// Whether there is something to claim.
    pub work: bool,
    /// Whether somebody else has changed documents of this host's agents since [`TickRequest::docs_since`].
    #[serde(default)]
    pub docs: bool,
    /// What of the report could not be taken, for the log.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// The topic of the host's Realtime channel, where it is not the one that was reported.
    #[serde(default)]
    pub topic: Option<String>,
    /// When the next waiting or leased item becomes claimable, in milliseconds; none if nothing will by
    /// time alone.
    pub wake_in_ms: Option<u64>,
}

/// Argument of `progress`.
#[derive(Debug, Clone, Serialize)]
pub struct ProgressRequest {
    /// [`API`].
    pub api: u32,
    /// The fence.
    pub token: Uuid,
    /// Becomes the row's `result`, as a page shows it.
    pub result: Value,
}

/// Answer of `progress`.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct ProgressReply {
    /// Whether the item was still held; if not, nothing was written.
    pub held: bool,
}

/// Argument of `finish`.
#[derive(Debug, Clone, Serialize)]
pub struct FinishRequest {
    /// [`API`].
    pub api: u32,
    /// What is finished, at most 1,000.
    pub items: Vec<Finish>,
}

/// One finished item.
#[derive(Debug, Clone, Serialize)]
pub struct Finish {
    /// The fence.
    pub token: Uuid,
    /// What it came to.
    pub outcome: Outcome,
    /// Becomes the row's `result`. With [`Outcome::Done`] of a provisioning it carries
    /// [`Provisioned`] too, of a command [`CommandDone`]; otherwise `error: {code, message, hint}`. One that
    /// ended because it was cancelled ends [`Outcome::Failed`] with [`SUPERSEDED`] as its code.
    pub result: Value,
}

/// Part of the result of a done provisioning, from which the agent's row is written.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Provisioned {
    /// The id in OpenClaw, read back from it.
    pub openclaw_id: String,
    /// The agent's workspace, absolute.
    pub workspace: String,
    /// Whether a gateway serves the agent: it becomes `running`, else `stopped`.
    pub served: bool,
}

/// Answer of `finish`.
#[derive(Debug, Clone, Deserialize)]
pub struct FinishReply {
    /// In the order of the request.
    pub items: Vec<Finished>,
    /// Whether there is something to claim now.
    pub work: bool,
}

/// What became of one finished item.
#[derive(Debug, Clone, Deserialize)]
pub struct Finished {
    /// The fence.
    pub token: Uuid,
    /// False when the lease was lost before: nothing was changed.
    pub applied: bool,
    /// Status of the row afterwards, in its queue's own words; none when the token is not known.
    pub status: Option<String>,
}

/// Argument of `release`.
#[derive(Debug, Clone, Serialize)]
pub struct ReleaseRequest {
    /// [`API`].
    pub api: u32,
    /// One per process start.
    pub session: Uuid,
    /// Gives these back; their attempt is not charged.
    pub tokens: Vec<Uuid>,
    /// Gives back what all other sessions of this host hold; their attempts stay charged. Only for a
    /// worker that holds the host's lock file, so that those sessions are known to be dead.
    pub others: bool,
}

/// Answer of `release`.
#[derive(Debug, Clone, Deserialize)]
pub struct ReleaseReply {
    /// How many were given back.
    pub released: u64,
}

/// Argument of `read_docs`.
#[derive(Debug, Clone, Serialize)]
pub struct ReadDocsRequest {
    /// [`API`].
    pub api: u32,
    /// The fence: the documents of this item's agent.
    pub token: Uuid,
}

/// Answer of `read_docs`; `None` in place of it when the item is no longer held.
#[derive(Debug, Clone, Deserialize)]
pub struct ReadDocsReply {
    /// Whether the item was still held.
    pub held: bool,
    /// The agent's documents.
    pub docs: Vec<Doc>,
}

/// A document of an agent.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Doc {
    /// Which one.
    pub doc_type: DocType,
    /// Its text.
    pub content: String,
}

/// Argument of `record_logs`.
#[derive(Debug, Clone, Serialize)]
pub struct RecordLogsRequest {
    /// [`API`].
    pub api: u32,
    /// Of at most 100 agents.
    pub logs: Vec<AgentLog>,
}

/// New lines of an agent's log.
#[derive(Debug, Clone, Serialize)]
pub struct AgentLog {
    /// The agent's row.
    pub agent_id: Uuid,
    /// Whole lines, without secrets; at most 16 KB.
    pub lines: String,
    /// How much was left away before them.
    pub skipped_bytes: u64,
}

/// Answer of `record_logs`.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct RecordLogsReply {
    /// How many of them are of agents that live on this host, and were taken.
    pub taken: u64,
    /// Whether the host told so much lately that nothing was taken.
    pub full: bool,
}

/// Argument of `record_docs`: makes a row of each document that has none yet.
#[derive(Debug, Clone, Serialize)]
pub struct RecordDocsRequest {
    /// [`API`].
    pub api: u32,
    /// The fence: the documents of this item's agent.
    pub token: Uuid,
    /// What is on the disk.
    pub docs: Vec<Doc>,
}

/// Answer of `record_docs`.
#[derive(Debug, Clone, Deserialize)]
pub struct RecordDocsReply {
    /// Whether the item was still held; if not, nothing was written.
    pub held: bool,
    /// Documents that had no row before.
    pub created: Vec<DocType>,
}

/// The longest text of a document.
pub const DOC_MAX_BYTES: usize = 1_048_576;

/// What one `fetch_docs` answers and one `put_docs` takes in texts, about; a single document always fits.
pub const DOCS_CALL_MAX_BYTES: usize = 4_194_304;

/// How many changes one `put_docs` takes, and how many texts one `fetch_docs` is asked for.
pub const DOCS_CALL_MAX: usize = 500;

/// So many characters of a file OpenClaw reads; of what is longer it leaves out the middle.
pub const OPENCLAW_FILE_CHARS: usize = 20_000;

/// So many characters OpenClaw reads of `USER.md`.
pub const OPENCLAW_USER_CHARS: usize = 4_000;

/// So many characters OpenClaw reads of all documents of an agent together.
pub const OPENCLAW_ALL_CHARS: usize = 60_000;

/// Argument of `list_docs`.
#[derive(Debug, Clone, Default, Serialize)]
pub struct ListDocsRequest {
    /// [`API`].
    pub api: u32,
    /// [`ListDocsReply::since`] of an earlier listing: only what somebody else changed since; none for all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// Only of these agents; none for all of this host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agents: Option<Vec<Uuid>>,
}

/// Answer of `list_docs`.
#[derive(Debug, Clone, Deserialize)]
pub struct ListDocsReply {
    /// For the next listing and for ticks. What is changed while this was answered is told by the next one, and
    /// some of it twice.
    pub since: String,
    /// The rows.
    pub docs: Vec<ListedDoc>,
    /// The agents that live on this host, of those that were asked for: a document of one that is not in `docs` has no
    /// row. With `since` only those of which there is something in `docs`.
    pub agents: Vec<Uuid>,
}

/// A row of `brain_docs`, without its text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedDoc {
    /// The agent's row.
    pub agent_id: Uuid,
    /// Which one.
    pub doc_type: DocType,
    /// The day of `memory_today`; none of others, and of a row from before there was a mirror.
    pub doc_date: Option<Date>,
    /// The number of the row's text.
    pub version: i32,
    /// Of the row's text, in hex.
    pub sha256: String,
    /// Of the disk's text that the row has taken in last: the ancestor of a merge. None: the disk had nothing yet.
    pub disk_sha256: Option<String>,
    /// Whether the text of `disk_sha256` was erased, so that there is no ancestor to merge by.
    #[serde(default)]
    pub disk_erased: bool,
    /// Texts that the row had since then, newest first, without the present one: a disk that has one of them was on its
    /// way to the row's text, and is no change. [`DocOp::Ack`] says so.
    #[serde(default)]
    pub unseen: Vec<String>,
    /// Whether the disk has it.
    pub sync_state: DocSyncState,
    /// Why it is blocked.
    pub sync_note: Option<String>,
    /// What the disk had when it was held.
    pub held_sha256: Option<String>,
    /// Texts of this document that came from a template.
    #[serde(default)]
    pub templates: Vec<String>,
    /// Of `memory_today`: the last known text of the last days before or after.
    #[serde(default)]
    pub days: Vec<ListedDay>,
}

/// The last known text of another day than `doc_date`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedDay {
    /// The day.
    pub doc_date: Date,
    /// Of its last version.
    pub sha256: String,
}

/// Argument of `fetch_docs`: texts by their hash, at most [`DOCS_CALL_MAX`].
#[derive(Debug, Clone, Serialize)]
pub struct FetchDocsRequest {
    /// [`API`].
    pub api: u32,
    /// Which.
    pub docs: Vec<DocText>,
}

/// A text that a document has or had.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct DocText {
    /// The agent's row.
    pub agent_id: Uuid,
    /// Which document.
    pub doc_type: DocType,
    /// In hex.
    pub sha256: String,
}

/// Answer of `fetch_docs`.
#[derive(Debug, Clone, Deserialize)]
pub struct FetchDocsReply {
    /// In the order of the request.
    pub docs: Vec<FetchedDoc>,
    /// How many at the end of the request did not fit; ask for them again.
    pub left: usize,
}

/// One fetched text.
#[derive(Debug, Clone, Deserialize)]
pub struct FetchedDoc {
    /// Which it is.
    #[serde(flatten)]
    pub text: DocText,
    /// None when the document never had it, when it was erased, or when the agent does not live here.
    pub content: Option<String>,
}

/// Argument of `put_docs`: at most [`DOCS_CALL_MAX`] changes, each taken or refused by itself.
#[derive(Debug, Clone, Serialize)]
pub struct PutDocsRequest {
    /// [`API`].
    pub api: u32,
    /// What is to be done; changes of one document in their order.
    pub changes: Vec<DocChange>,
}

/// What a host has to say of a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DocChange {
    /// The agent's row.
    pub agent_id: Uuid,
    /// Which document.
    pub doc_type: DocType,
    /// What it is.
    #[serde(flatten)]
    pub op: DocOp,
}

/// What a host does to a document. `base_version` is the row's version that it was planned on, 0 where there is no
/// row; any other one is answered [`DocStatus::Stale`]. All of them can be repeated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum DocOp {
    /// The disk has this text, and it is the row's, or one that the row had since [`ListedDoc::disk_sha256`].
    /// It also ends that the document is held or blocked.
    Ack {
        /// Of the disk's text.
        sha256: String,
    },
    /// The disk has a new text, and the row is to have it.
    Text {
        /// See [`DocOp`].
        base_version: i32,
        /// The disk's text.
        content: String,
        /// The agent, where it is none; a template or an update of OpenClaw where the host knows it to be one.
        #[serde(skip_serializing_if = "Option::is_none")]
        author: Option<AuthorKind>,
        /// The day of the file, of `memory_today` that has no row yet.
        #[serde(skip_serializing_if = "Option::is_none")]
        doc_date: Option<Date>,
    },
    /// Both had changed, and could be merged: the row gets `content`, and the disk gets it by the next round.
    Merge {
        /// See [`DocOp`].
        base_version: i32,
        /// Both together.
        content: String,
        /// The disk's text, which is kept as a version.
        disk_content: String,
    },
    /// Both had changed, and could not be merged: the row gets the disk's text, and its own is the version to look at.
    Conflict {
        /// See [`DocOp`].
        base_version: i32,
        /// The disk's text.
        content: String,
    },
    /// The disk has nothing or a template, and the row has more: a person is to say which one it is.
    Hold {
        /// See [`DocOp`].
        base_version: i32,
        /// The disk's text.
        content: String,
    },
    /// The file cannot be mirrored, or can be again.
    Note {
        /// Which of the two.
        state: NoteState,
        /// What is wrong and what to do about it; nothing when it is well.
        note: Option<String>,
    },
    /// A new day: the row moves on to its file. Only of `memory_today`.
    Day {
        /// See [`DocOp`].
        base_version: i32,
        /// The day.
        doc_date: Date,
        /// What its file has already, or nothing.
        content: String,
    },
    /// The file of another day has this text. Only of `memory_today`.
    KeepDay {
        /// The day.
        doc_date: Date,
        /// What its file has.
        content: String,
    },
}

/// Whether a file can be mirrored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoteState {
    /// It cannot.
    Blocked,
    /// It can, again.
    Ok,
}

/// Answer of `put_docs`.
#[derive(Debug, Clone, Deserialize)]
pub struct PutDocsReply {
    /// In the order of the request.
    pub results: Vec<DocResult>,
}

/// What became of one change.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct DocResult {
    /// The agent's row.
    pub agent_id: Uuid,
    /// Which document.
    pub doc_type: DocType,
    /// What became of it.
    pub status: DocStatus,
    /// The row's version now; none where there is no row, or none that this host may see.
    pub version: Option<i32>,
    /// Of the row's text now.
    pub sha256: Option<String>,
    /// Why it was not taken, for people.
    pub message: Option<String>,
}

/// What became of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DocStatus {
    /// It is so now, or was already.
    Done,
    /// The row is another one by now: list it again, and plan anew.
    Stale,
    /// It cannot be taken, and a repetition will not help; the message says why.
    Refused,
}

/// The row of a provision request, as far as a worker reads it.
#[derive(Debug, Clone, Deserialize)]
pub struct ProvisionRequest {
    /// The row's id.
    pub id: Uuid,
    /// The project.
    pub project_id: String,
    /// `agent:<short>:main`.
    pub agent_key: String,
    /// The wished-for OpenClaw id.
    pub agent_id_short: Option<String>,
    /// What people call the agent.
    pub display_name: Option<String>,
    /// One emoji.
    pub emoji: Option<String>,
    /// What it does, in a few words.
    pub role_short: Option<String>,
    /// Where it stands.
    pub status: RequestStatus,
    /// Whether the agent is in OpenClaw already, and its folder is taken over as it is. Only
    /// `adopt_agents` sets it.
    #[serde(default)]
    pub adopt: bool,
}

/// The row of a command, as far as a worker reads it.
#[derive(Debug, Clone, Deserialize)]
pub struct CommandRow {
    /// The row's id.
    pub id: Uuid,
    /// The agent's row.
    pub agent_id: Uuid,
    /// The project.
    pub project_id: String,
    /// `agent:<short>:main`.
    pub agent_key: String,
    /// What is to be done.
    #[serde(rename = "type")]
    pub kind: CommandType,
    /// How. What it changes is in the agent's row and documents already; `previous_backend` of a deployment is
    /// the one that the agent comes from.
    pub payload: Value,
    /// Where it stands.
    pub status: CommandStatus,
}

/// The code in `result.error` of a command that a newer one made needless.
pub const SUPERSEDED: &str = "superseded";

/// Part of the result of a done command, from which the agent's row is written. Other keys are kept for people.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CommandDone {
    /// `running`, `stopped` or `removed`: what was observed afterwards.
    pub state: AgentStatus,
    /// The agent's workspace, absolute; told by whatever deployed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workspace: Option<String>,
    /// The port of the agent's own gateway; null takes away the one in the row, left away keeps it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// What the host calls the agent's own OpenClaw.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// Version of the agent's row that is in force now.
    pub generation: i64,
}

/// The row of an agent, as far as a worker reads it.
#[derive(Debug, Clone, Deserialize)]
pub struct AgentRow {
    /// The row's id, which the marker in the workspace carries.
    pub id: Uuid,
    /// The project.
    pub project_id: String,
    /// `agent:<short>:main`.
    pub agent_key: String,
    /// What people call the agent.
    pub name: Option<String>,
    /// What it does.
    pub role: Option<String>,
    /// One emoji.
    pub emoji: Option<String>,
    /// The id on this host, chosen when it was placed; none when the wished-for one is not possible.
    pub openclaw_id: Option<String>,
    /// Its folder on this host; none before it was made there.
    #[serde(default)]
    pub workspace_path: Option<String>,
}
