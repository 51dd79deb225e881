//! One pass: looks at agents, asks for their rows, and brings the two together in a few rounds.
//!
//! Nothing is remembered that the disk and the rows do not have: a pass that is broken off anywhere is followed by one
//! that begins from a look and a listing.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use creel_core::host_api::{DocChange, DocOp, DocResult, DocStatus, DocText};
use creel_core::status::{DocSyncState, DocType};
use jiff::civil::Date;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::agent::{
    Act, Acted, Looked, Memory, Mirrored, Refused, Step, Sync, blocked, is_told, look, trouble_note,
};
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
    stuck: HashMap<Uuid, JoinHandle<()>>,
    before_look: BeforeLook,
    after_work: AfterWork,
}

/// What is done before an agent's folder is looked at, where its disk may take its time.
type BeforeLook = Arc<dyn Fn(&Mirrored) + Send + std::marker::Sync>;

/// What is done when work on an agent's disk has been answered.
type AfterWork = Arc<dyn Fn(Uuid) + Send + std::marker::Sync>;

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
            before_look: Arc::new(|_| {}),
            after_work: Arc::new(|_| {}),
        }
    }

    /// Does this before an agent's folder is looked at: what changes afterwards is to be heard of.
    pub(super) fn before_look(&mut self, act: impl Fn(&Mirrored) + Send + std::marker::Sync + 'static) {
        self.before_look = Arc::new(act);
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

    /// Looks at the disks.
    async fn look_all(
        &mut self,
        wanted: Vec<Wanted>,
        today: Date,
        again: &mut Vec<Again>,
    ) -> Vec<(Wanted, Memory, Looked)> {
        self.stuck.retain(|_, thread| !thread.is_finished());
        let mut works = Vec::new();
        for wanted in wanted {
            let id = wanted.agent.agent_id;
            if self.stuck.contains_key(&id) {
                again.push((id, DISK_LIMIT));
                continue;
            }
            let mut memory = self.memories.remove(&id).unwrap_or_default();
            if wanted.rows_changed {
                memory.doubt();
                memory.refused.clear();
            }
            let (faults, stays) = (self.settings.faults.clone(), self.settings.displaced_stays);
            let before_look = self.before_look.clone();
            works.push((id, move || {
                before_look(&wanted.agent);
                let found = look(&wanted.agent, &mut memory, today, stays, &*faults);
                (wanted, memory, found)
            }));
        }
        self.on_disks(works, again).await
    }

    /// Works on agents' disks, on all of them together: those that do not answer are waited for once. Answers with what
    /// came of the others, in their order.
    async fn on_disks<T: Send + 'static>(
        &mut self,
        works: Vec<(Uuid, impl FnOnce() -> T + Send + 'static)>,
        again: &mut Vec<Again>,
    ) -> Vec<T> {
        let mut started = Vec::new();
        for (agent_id, work) in works {
            let (tell, told) = oneshot::channel();
            let after_work = self.after_work.clone();
            let thread = tokio::task::spawn_blocking(move || {
                let _nobody_waits = tell.send(work());
                after_work(agent_id);
            });
            started.push((agent_id, thread, told));
        }
        let until = tokio::time::Instant::now() + DISK_LIMIT;
        let (mut answers, mut panic) = (Vec::new(), None);
        for (agent_id, thread, mut told) in started {
            match tokio::time::timeout_at(until, &mut told).await {
                Ok(Ok(answer)) => answers.push(answer),
                // It ended without an answer.
                Ok(Err(_)) => {
                    let ended = thread.await.err();
                    panic = ended.and_then(|error| error.try_into_panic().ok()).or(panic);
                }
                Err(_) => {
                    tracing::warn!(agent.id = %agent_id, "the disk of agent {agent_id} does not answer: its documents wait");
                    self.stuck.insert(agent_id, thread);
                    again.push((agent_id, DISK_LIMIT));
                }
            }
        }
        // Only now: nobody is at work beside who begins anew.
        if let Some(panic) = panic {
            std::panic::resume_unwind(panic);
        }
        answers
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
        let mut works = Vec::new();
        for mut course in courses {
            let settings = self.settings.clone();
            works.push((course.agent.agent_id, move || {
                let round = course.plan(&settings, today);
                (course, round)
            }));
        }
        let mut planned = Vec::new();
        for (course, round) in self.on_disks(works, again).await {
            if course.is_done {
                let id = course.agent.agent_id;
                again.extend(course.again_in.map(|after| (id, after)));
                self.memories.insert(id, course.memory);
            } else {
                planned.push((course, round));
            }
        }
        let texts = self.fetch(&planned).await?;
        let mut works = Vec::new();
        for (mut course, round) in planned {
            let (settings, texts) = (self.settings.clone(), texts.clone());
            works.push((course.agent.agent_id, move || {
                let told = course.act(&settings, today, &round.steps, &texts);
                (course, round, told)
            }));
        }
        let (mut acted, mut changes) = (Vec::new(), Vec::new());
        for (course, round, told) in self.on_disks(works, again).await {
            let first = changes.len();
            changes.extend(told.iter().map(|(_, change)| change.clone()));
            acted.push((course, round, told, first));
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
        if is_done && !(self.given_up.is_empty() && self.memory.refused.is_empty()) {
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
                    if let (Act::Plan(_, disk, _), Some(now)) = (&step.act, self.rows.get(&change.doc_type)) {
                        let refused = Refused {
                            disk: *disk,
                            version: now.row.version,
                            until: Instant::now() + REFUSED_PAUSE,
                        };
                        self.memory.refused.insert((change.doc_type, file), refused);
                    }
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

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::mpsc;

    use async_trait::async_trait;
    use creel_core::host_api::{
        FetchDocsReply, FetchDocsRequest, ListDocsReply, ListDocsRequest, PutDocsReply, PutDocsRequest,
    };

    use super::super::day::HostDays;
    use super::*;
    use crate::workspace::{NoFaults, Owner};

    /// Remembers of whom it was asked, and knows no documents.
    #[derive(Default)]
    struct Asked(Mutex<Vec<Uuid>>);

    #[async_trait]
    impl Rows for Asked {
        async fn list(&self, request: &ListDocsRequest) -> anyhow::Result<ListDocsReply> {
            let asked = request.agents.clone().unwrap_or_default();
            self.0.lock().expect("unlocked").extend(asked);
            Ok(ListDocsReply {
                since: "1".to_owned(),
                docs: Vec::new(),
                agents: Vec::new(),
            })
        }

        async fn fetch(&self, _request: &FetchDocsRequest) -> anyhow::Result<FetchDocsReply> {
            anyhow::bail!("there are no texts")
        }

        async fn put(&self, _request: &PutDocsRequest) -> anyhow::Result<PutDocsReply> {
            anyhow::bail!("nothing is to be told")
        }
    }

    #[tokio::test(start_paused = true)]
    async fn disks_that_do_not_answer_are_waited_for_once_and_cost_the_others_nothing() {
        let rows = Arc::new(Asked::default());
        let mut mirror = Mirror::new(MirrorSettings {
            rows: rows.clone(),
            days: Arc::new(HostDays),
            faults: Arc::new(NoFaults),
            hold_after: Duration::ZERO,
            displaced_stays: Duration::ZERO,
            templates: Vec::new(),
        });
        let wanted = |n: u128| Wanted {
            agent: Mirrored {
                agent_id: Uuid::from_u128(n),
                owner: Owner {
                    agent_id: Uuid::from_u128(n),
                    project_id: "p".to_owned(),
                    agent_key: format!("agent:a{n}:main"),
                },
                workspace: format!("/nowhere/a{n}").into(),
            },
            rows_changed: true,
            is_busy: false,
        };
        let healthy = Uuid::from_u128(9);
        let (hold, held) = mpsc::channel::<()>();
        let held = Mutex::new(held);
        let (begun, mut beginning) = tokio::sync::mpsc::unbounded_channel();
        mirror.before_look(move |agent| {
            begun.send(()).expect("somebody listens");
            if agent.agent_id != healthy {
                // Until the sender is gone.
                let _ended = held.lock().expect("unlocked").recv();
            }
        });
        let began_at = tokio::time::Instant::now();
        let all = [1, 2, 3, 9].map(wanted).to_vec();
        let (end, mut ended) = tokio::sync::mpsc::unbounded_channel();
        mirror.after_work = Arc::new(move |agent_id| {
            let _the_test_is_over = end.send(agent_id);
        });
        let pass = tokio::spawn(async move { (mirror.pass(all).await, mirror) });
        // All have begun before anybody is waited for.
        for _ in 0..4 {
            beginning.recv().await.expect("it begins");
        }
        assert_eq!(ended.recv().await, Some(healthy));
        // A clock that is paused stands still while threads are at work.
        tokio::time::advance(DISK_LIMIT).await;
        let (again, mirror) = pass.await.expect("it ends");
        assert!(began_at.elapsed() < 2 * DISK_LIMIT);
        assert_eq!(*rows.0.lock().expect("unlocked"), [healthy]);
        let again = again.expect("a pass");
        for n in [1, 2, 3] {
            assert!(again.contains(&(Uuid::from_u128(n), DISK_LIMIT)));
        }
        assert_eq!(mirror.stuck.len(), 3);
        drop(hold);
    }
}
