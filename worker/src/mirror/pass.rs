//! One pass: looks at agents, asks for their rows, and brings the two together in a few rounds.
//!
//! Nothing is remembered that the disk and the rows do not have: a pass that is broken off anywhere is followed by one
//! that begins from a look and a listing.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use creel_core::host_api::{DocChange, DocOp, DocResult, DocStatus, DocText};
use creel_core::status::{DocSyncState, DocType};
use jiff::civil::Date;
use uuid::Uuid;

use super::agent::{Act, Acted, Looked, Memory, Mirrored, Step, Sync, blocked, is_told, look, trouble_note};
use super::day::Days;
use super::plan::Plan;
use super::rows::{RowNow, Rows, fetch_all, list_all, put_all};
use crate::workspace::{DiskFaults, DocFile, LateWords, TextHash, Workspace};

/// Settling an old day, moving on and settling the new one takes six; more is somebody who writes all the time.
const ROUNDS_MAX: usize = 8;

/// So many agents are looked at together: their texts are in memory at the same time.
const AGENTS_AT_ONCE: usize = 64;

/// What was refused is tried again after this, when nothing changes before.
const REFUSED_PAUSE: Duration = Duration::from_secs(600);

/// What a disk did not take is tried again after this.
const UNWRITTEN_PAUSE: Duration = Duration::from_secs(60);

/// What changed under a pass is looked at again after this, and after twice as long each time that it does so again.
const CHANGED_PAUSE: Duration = Duration::from_millis(200);
/// A minute's scan would find it too.
const CHANGED_PAUSE_MAX: Duration = Duration::from_secs(60);

/// A disk that does not answer for this long is left alone.
const DISK_LIMIT: Duration = Duration::from_secs(30);

/// An editor that empties a file before it writes is through after this.
pub const HOLD_AFTER: Duration = Duration::from_secs(1);

/// What a mirror works with.
#[derive(Clone)]
pub struct MirrorSettings {
    /// The rows.
    pub rows: Arc<dyn Rows>,
    /// What day it is.
    pub days: Arc<dyn Days>,
    /// What the disk may do.
    pub faults: Arc<dyn DiskFaults>,
    /// A file that shrank to nothing or to a template is believed after this long.
    pub hold_after: Duration,
    /// What was displaced on the disk is looked at for this long: somebody may still write to it.
    pub displaced_stays: Duration,
    /// Texts of templates, beside those that the rows know.
    pub templates: Vec<TextHash>,
}

/// Mirrors documents between agents' folders and rows.
pub struct Mirror {
    settings: MirrorSettings,
    memories: HashMap<Uuid, Memory>,
    /// Agents whose disk does not answer.
    stuck: HashMap<Uuid, tokio::task::JoinHandle<()>>,
}

/// An agent that is to be looked at.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Which one.
    pub agent: Mirrored,
    /// Whether its rows may have changed; else they are asked for only when its disk has.
    pub rows_changed: bool,
    /// Whether somebody is at work on its folder, who may have moved it away for a moment.
    pub is_busy: bool,
}

/// When an agent is to be looked at again.
pub type Again = (Uuid, Duration);

/// An agent in a pass.
struct Course {
    agent: Arc<Mirrored>,
    memory: Memory,
    workspace: Arc<Workspace>,
    late: Vec<LateWords>,
    rows: BTreeMap<DocType, RowNow>,
    given_up: BTreeSet<(DocType, DocFile)>,
    again_in: Option<Duration>,
    is_done: bool,
}

/// What a round came to on an agent's disk.
struct Round {
    steps: Vec<Step>,
    needs: Vec<(DocType, TextHash)>,
}

impl Mirror {
    /// One that knows nothing yet.
    pub fn new(settings: MirrorSettings) -> Self {
        Self {
            settings,
            memories: HashMap::new(),
            stuck: HashMap::new(),
        }
    }

    /// Forgets agents that are not on this host any more.
    pub fn keep_only(&mut self, is_here: impl Fn(Uuid) -> bool) {
        self.memories.retain(|id, _| is_here(*id));
    }

    /// Mirrors these agents. An error is one of the database; what was not done is to be done again.
    pub async fn pass(&mut self, wanted: Vec<Wanted>) -> anyhow::Result<Vec<Again>> {
        let mut again = Vec::new();
        let mut wanted = wanted.into_iter();
        loop {
            let some: Vec<Wanted> = wanted.by_ref().take(AGENTS_AT_ONCE).collect();
            if some.is_empty() {
                return Ok(again);
            }
            again.extend(self.pass_some(some).await?);
        }
    }

    async fn pass_some(&mut self, wanted: Vec<Wanted>) -> anyhow::Result<Vec<Again>> {
        let today = self.settings.days.today();
        let mut again = Vec::new();
        let (mut courses, mut troubled) = (Vec::new(), Vec::new());
        for (wanted, memory, looked) in self.look_all(wanted, today, &mut again).await {
            let agent = wanted.agent;
            again.extend(looked.again_in.map(|after| (agent.agent_id, after)));
            if looked.is_agreed && !wanted.rows_changed {
                self.memories.insert(agent.agent_id, memory);
                continue;
            }
            match looked.workspace {
                Ok(workspace) => courses.push(Course {
                    agent: Arc::new(agent),
                    memory,
                    workspace: Arc::new(workspace),
                    late: looked.late,
                    rows: BTreeMap::new(),
                    given_up: BTreeSet::new(),
                    again_in: None,
                    is_done: false,
                }),
                Err(error) => {
                    let note = trouble_note(&error);
                    let is_steady = memory.trouble.as_ref().is_some_and(|(before, _)| *before == note);
                    let mut memory = memory;
                    if !wanted.is_busy && (is_steady || self.settings.hold_after.is_zero()) {
                        troubled.push((agent, memory, note));
                    } else {
                        again.push((agent.agent_id, self.settings.hold_after));
                        memory.trouble = Some((note, false));
                        self.memories.insert(agent.agent_id, memory);
                    }
                }
            }
        }
        self.tell_trouble(troubled).await?;
        self.list(&mut courses).await?;
        for _ in 0..ROUNDS_MAX {
            courses = self.round(courses, today, &mut again).await?;
            if courses.is_empty() {
                return Ok(again);
            }
        }
        for mut course in courses {
            let pause = CHANGED_PAUSE * 2_u32.pow(course.memory.restless.min(10));
            course.memory.restless += 1;
            again.push((course.agent.agent_id, pause.min(CHANGED_PAUSE_MAX)));
            self.memories.insert(course.agent.agent_id, course.memory);
        }
        Ok(again)
    }

    /// Looks at the disks, some at a time.
    async fn look_all(
        &mut self,
        wanted: Vec<Wanted>,
        today: Date,
        again: &mut Vec<Again>,
    ) -> Vec<(Wanted, Memory, Looked)> {
        self.stuck.retain(|_, thread| !thread.is_finished());
        let mut looked = Vec::new();
        for wanted in wanted {
            let id = wanted.agent.agent_id;
            if self.stuck.contains_key(&id) {
                again.push((id, DISK_LIMIT));
                continue;
            }
            let mut memory = self.memories.remove(&id).unwrap_or_default();
            if wanted.rows_changed {
                memory.doubt();
            }
            let (faults, stays) = (self.settings.faults.clone(), self.settings.displaced_stays);
            let work = move || {
                let found = look(&wanted.agent, &mut memory, today, stays, &*faults);
                (wanted, memory, found)
            };
            match self.on_disk(id, work).await {
                Some(found) => looked.push(found),
                None => again.push((id, DISK_LIMIT)),
            }
        }
        looked
    }

    /// Works on an agent's disk beside everything else; none where it does not answer.
    async fn on_disk<T: Send + 'static>(
        &mut self,
        agent_id: Uuid,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let (tell, told) = tokio::sync::oneshot::channel();
        let mut thread = tokio::task::spawn_blocking(move || drop(tell.send(work())));
        tokio::select! {
            ended = &mut thread => match ended {
                Ok(()) => told.await.ok(),
                Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
                Err(_) => None,
            },
            () = tokio::time::sleep(DISK_LIMIT) => {
                tracing::warn!(agent.id = %agent_id, "the disk of agent {agent_id} does not answer: its documents wait");
                self.stuck.insert(agent_id, thread);
                None
            }
        }
    }

    /// Says of each document of these agents why it cannot be mirrored.
    async fn tell_trouble(&mut self, troubled: Vec<(Mirrored, Memory, String)>) -> anyhow::Result<()> {
        if troubled.is_empty() {
            return Ok(());
        }
        let ids: Vec<Uuid> = troubled.iter().map(|(agent, ..)| agent.agent_id).collect();
        let notes: HashMap<Uuid, &str> = troubled
            .iter()
            .map(|(agent, _, note)| (agent.agent_id, note.as_str()))
            .collect();
        let mut changes = Vec::new();
        for reply in list_all(&*self.settings.rows, &ids).await? {
            for doc in reply.docs {
                let now = RowNow::read(&doc)?;
                if let Some(note) = notes.get(&doc.agent_id).filter(|note| !is_told(&now, note)) {
                    changes.push(DocChange {
                        agent_id: doc.agent_id,
                        doc_type: doc.doc_type,
                        op: blocked((*note).to_owned()),
                    });
                }
            }
        }
        put_all(&*self.settings.rows, &changes).await?;
        for (agent, mut memory, note) in troubled {
            memory.trouble = Some((note, true));
            self.memories.insert(agent.agent_id, memory);
        }
        Ok(())
    }

    /// Asks for the rows of these agents.
    async fn list(&self, courses: &mut [Course]) -> anyhow::Result<()> {
        let ids: Vec<Uuid> = courses.iter().map(|course| course.agent.agent_id).collect();
        let mut rows: HashMap<Uuid, BTreeMap<DocType, RowNow>> = HashMap::new();
        for reply in list_all(&*self.settings.rows, &ids).await? {
            for agent_id in reply.agents {
                let absent = DocType::ALL.iter().map(|doc_type| {
                    let mut now = RowNow::absent();
                    now.row.templates.extend(&self.settings.templates);
                    (*doc_type, now)
                });
                rows.insert(agent_id, absent.collect());
            }
            for doc in reply.docs {
                let mut now = RowNow::read(&doc)?;
                now.row.templates.extend(&self.settings.templates);
                rows.entry(doc.agent_id).or_default().insert(doc.doc_type, now);
            }
        }
        for course in courses {
            // One that does not live here has none.
            course.rows = rows.remove(&course.agent.agent_id).unwrap_or_default();
        }
        Ok(())
    }

    /// One round. Answers with those that have not come to an end.
    async fn round(
        &mut self,
        courses: Vec<Course>,
        today: Date,
        again: &mut Vec<Again>,
    ) -> anyhow::Result<Vec<Course>> {
        let mut planned = Vec::new();
        for mut course in courses {
            let (id, settings) = (course.agent.agent_id, self.settings.clone());
            let work = move || {
                let round = course.plan(&settings, today);
                (course, round)
            };
            match self.on_disk(id, work).await {
                Some((course, round)) if course.is_done => {
                    drop(round);
                    again.extend(course.again_in.map(|after| (id, after)));
                    self.memories.insert(id, course.memory);
                }
                Some(going) => planned.push(going),
                None => again.push((id, DISK_LIMIT)),
            }
        }
        let texts = self.fetch(&planned).await?;
        let (mut acted, mut changes) = (Vec::new(), Vec::new());
        for (mut course, round) in planned {
            let (id, settings) = (course.agent.agent_id, self.settings.clone());
            let texts = texts.clone();
            let work = move || {
                let told = course.act(&settings, today, &round.steps, &texts);
                (course, round, told)
            };
            match self.on_disk(id, work).await {
                Some((course, round, told)) => {
                    let first = changes.len();
                    changes.extend(told.iter().map(|(_, change)| change.clone()));
                    acted.push((course, round, told, first));
                }
                None => again.push((id, DISK_LIMIT)),
            }
        }
        let results = put_all(&*self.settings.rows, &changes).await?;
        drop(changes);
        let (mut going, mut to_list) = (Vec::new(), Vec::new());
        for (mut course, round, told, first) in acted {
            course.take(&round.steps, &told, &results[first..first + told.len()]);
            let is_simple = told.iter().all(|(_, change)| is_simple(&change.op));
            match is_simple && course.is_known(&results[first..first + told.len()]) {
                true => going.push(course),
                false => to_list.push(course),
            }
        }
        if !to_list.is_empty() {
            self.list(&mut to_list).await?;
        }
        going.extend(to_list);
        Ok(going)
    }

    /// The texts of rows that the steps need.
    async fn fetch(&self, planned: &[(Course, Round)]) -> anyhow::Result<Arc<HashMap<TextHash, String>>> {
        let mut wanted = Vec::new();
        for (course, round) in planned {
            wanted.extend(round.needs.iter().map(|(doc_type, hash)| DocText {
                agent_id: course.agent.agent_id,
                doc_type: *doc_type,
                sha256: hash.to_string(),
            }));
        }
        let mut texts = HashMap::new();
        for (asked, content) in fetch_all(&*self.settings.rows, &wanted).await? {
            // What was told is checked: it is about to be written.
            let hash = TextHash::of(&content);
            anyhow::ensure!(
                hash.to_string() == asked.sha256,
                "the database answers another text than it was asked for"
            );
            texts.insert(hash, content);
        }
        Ok(Arc::new(texts))
    }
}

/// Whether the row is known after it without asking.
fn is_simple(op: &DocOp) -> bool {
    matches!(op, DocOp::Ack { .. } | DocOp::Text { .. })
}

impl Course {
    fn sync<'a>(&'a mut self, settings: &'a MirrorSettings, today: Date) -> Sync<'a> {
        Sync {
            agent_id: self.agent.agent_id,
            workspace: &self.workspace,
            memory: &mut self.memory,
            rows: &self.rows,
            late: &self.late,
            given_up: &self.given_up,
            today,
            faults: &*settings.faults,
            hold_after: settings.hold_after,
        }
    }

    fn plan(&mut self, settings: &MirrorSettings, today: Date) -> Round {
        let mut sync = self.sync(settings, today);
        let (steps, found) = sync.plan();
        let mut needs = Vec::new();
        for step in &steps {
            needs.extend(sync.needs(step).into_iter().map(|hash| (step.doc_type, hash)));
        }
        let is_done = steps.is_empty();
        if is_done {
            sync.agree(found);
        }
        self.is_done = is_done;
        if is_done && !self.given_up.is_empty() {
            // What was given up is not agreed on.
            self.memory.doubt();
        }
        Round { steps, needs }
    }

    fn act(
        &mut self,
        settings: &MirrorSettings,
        today: Date,
        steps: &[Step],
        texts: &HashMap<TextHash, String>,
    ) -> Vec<(usize, DocChange)> {
        let mut told = Vec::new();
        for (n, step) in steps.iter().enumerate() {
            match self.sync(settings, today).act(step, texts) {
                Acted::Tell(change) => told.push((n, change)),
                Acted::Again => {}
                Acted::Settled => self.late.retain(|late| step.act != Act::KeepLate(late.clone())),
                Acted::GiveUp(file) => {
                    self.late.retain(|late| late.file != file);
                    self.given_up.insert((step.doc_type, file));
                    self.look_again(UNWRITTEN_PAUSE);
                }
                Acted::Wait(file, left) => {
                    self.given_up.insert((step.doc_type, file));
                    self.look_again(left);
                }
            }
        }
        told
    }

    fn look_again(&mut self, after: Duration) {
        self.again_in = Some(self.again_in.map_or(after, |before| before.min(after)));
    }

    /// Takes in what became of what was told. Why something was refused is on its row already.
    fn take(&mut self, steps: &[Step], told: &[(usize, DocChange)], results: &[DocResult]) {
        for ((n, change), result) in told.iter().zip(results) {
            let step = &steps[*n];
            match result.status {
                DocStatus::Done => {
                    if let (Act::KeepLate(late), DocOp::KeepDay { .. }) = (&step.act, &change.op) {
                        if let Err(error) = self.workspace.forget_late(late) {
                            tracing::warn!(%error, "failed to remove what was kept: {error}");
                            self.look_again(DISK_LIMIT);
                        }
                        self.late.retain(|other| other != late);
                    }
                    if let (Act::Plan(file, _, Plan::Write), DocOp::Note { .. }) = (&step.act, &change.op) {
                        self.given_up.insert((change.doc_type, *file));
                        self.look_again(UNWRITTEN_PAUSE);
                    }
                    self.learn(change, result);
                }
                DocStatus::Stale => {}
                DocStatus::Refused => {
                    let file = match &step.act {
                        Act::Plan(file, ..) => *file,
                        Act::Move(day) | Act::KeepDay(day, _) => DocFile::Day(*day),
                        Act::KeepLate(late) => late.file,
                    };
                    self.given_up.insert((change.doc_type, file));
                    self.look_again(REFUSED_PAUSE);
                    self.late.retain(|late| late.file != file);
                    let note = result.message.clone().unwrap_or_default();
                    tracing::info!(agent.id = %change.agent_id, "the database does not take {}: {note}", file.shown());
                }
            }
        }
    }

    /// The row after a change that says all of it.
    fn learn(&mut self, change: &DocChange, result: &DocResult) {
        let Some(now) = self.rows.get_mut(&change.doc_type) else {
            return;
        };
        let row = &mut now.row;
        match &change.op {
            DocOp::Ack { sha256 } => {
                if let Ok(hash) = sha256.parse() {
                    row.common = hash;
                }
            }
            DocOp::Text {
                content, doc_date, ..
            } => {
                row.text = TextHash::of(content);
                row.common = row.text;
                now.day = doc_date.or(now.day);
            }
            _ => return,
        }
        row.version = result.version.unwrap_or(row.version);
        row.is_known = true;
        row.state = DocSyncState::Synced;
        row.unseen.clear();
        row.held = None;
    }

    /// Whether the rows are what the results say.
    fn is_known(&self, results: &[DocResult]) -> bool {
        results.iter().all(|result| {
            let row = self.rows.get(&result.doc_type).map(|now| &now.row);
            result.status == DocStatus::Done
                && row.is_some_and(|row| {
                    result.version == Some(row.version)
                        && result.sha256.as_deref() == Some(row.text.to_string().as_str())
                        && row.text == row.common
                })
        })
    }
}
