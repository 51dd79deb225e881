//! One agent: what its disk has, and what is to be done about each of its documents. All of this blocks.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use creel_core::host_api::{DOC_MAX_BYTES, DocChange, DocOp, NoteState};
use creel_core::status::{AuthorKind, DocSyncState, DocType};
use jiff::civil::Date;
use uuid::Uuid;

use super::day::{DayPlan, plan_day};
use super::merge::merge;
use super::plan::{Plan, plan_doc};
use super::rows::RowNow;
use crate::workspace::{
    DiskFaults, DocFile, LateWords, OnDisk, Owner, Seen, Swapped, TextHash, Workspace, WorkspaceError,
};

/// A row takes no more; what it has is compared with what is to be said.
const NOTE_MAX_CHARS: usize = 1_000;

/// A folder that comes back is not heard of.
const TROUBLE_PAUSE: Duration = Duration::from_secs(5);

/// An agent whose documents are mirrored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mirrored {
    /// The agent's row.
    pub agent_id: Uuid,
    /// By which its folder is known.
    pub owner: Owner,
    /// Its folder.
    pub workspace: PathBuf,
}

/// What is remembered of an agent's disk. All of it can be lost at any time.
#[derive(Debug, Default)]
pub(super) struct Memory {
    seen: HashMap<DocFile, Seen>,
    /// What was there when nothing was to be done, and on which day that was.
    agreed: Option<(Date, BTreeMap<DocFile, OnDisk>)>,
    /// How often in a row a pass did not come to an end.
    pub(super) restless: u32,
    /// Why the folder could not be used, and whether that was told: it may be away for a moment only.
    pub(super) trouble: Option<(String, bool)>,
    /// Since when a file has less than its row.
    shrunk: HashMap<DocFile, (TextHash, Instant)>,
    /// What the database did not take.
    pub(super) refused: HashMap<(DocType, DocFile), Refused>,
}

/// A text that the database did not take: the same again is not told before its time.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) disk: OnDisk,
    /// The row that it was based on.
    pub(super) version: i32,
    pub(super) until: Instant,
}

impl Memory {
    /// Somebody said that a row is another one.
    pub(super) fn doubt(&mut self) {
        self.agreed = None;
    }

    /// For how long it is known that a file has just this, which is less than its row.
    fn shrunk_for(&mut self, file: DocFile, hash: TextHash) -> Duration {
        let shrunk = self.shrunk.entry(file).or_insert((hash, Instant::now()));
        if shrunk.0 != hash {
            *shrunk = (hash, Instant::now());
        }
        shrunk.1.elapsed()
    }

    /// Whether the database did not take just this a while ago.
    fn is_refused(&mut self, doc: (DocType, DocFile), disk: OnDisk, version: i32) -> bool {
        let is_same = self.refused.get(&doc).is_some_and(|refused| {
            refused.disk == disk && refused.version == version && refused.until > Instant::now()
        });
        if !is_same {
            self.refused.remove(&doc);
        }
        is_same
    }
}

/// What was found on an agent's disk.
pub(super) struct Looked {
    pub(super) workspace: Result<Workspace, WorkspaceError>,
    pub(super) late: Vec<LateWords>,
    /// Whether this is what was agreed on already.
    pub(super) is_agreed: bool,
    pub(super) again_in: Option<Duration>,
}

/// Looks at an agent's folder.
pub(super) fn look(
    agent: &Mirrored,
    memory: &mut Memory,
    today: Date,
    displaced_stays: Duration,
    faults: &dyn DiskFaults,
) -> Looked {
    let mut again_in = None;
    let opened = Workspace::reopen(&agent.workspace, &agent.owner).and_then(|workspace| {
        let (late, again) = workspace.settle_displaced(displaced_stays, faults)?;
        if again {
            again_in = Some(displaced_stays);
        }
        Ok((workspace, late))
    });
    let (workspace, late) = match opened {
        Ok((workspace, late)) => (Ok(workspace), late),
        Err(error) => {
            again_in = Some(TROUBLE_PAUSE);
            (Err(error), Vec::new())
        }
    };
    let is_agreed = match &workspace {
        Ok(workspace) => late.is_empty() && is_agreed(workspace, memory, today),
        Err(error) => memory.trouble == Some((trouble_note(error), true)),
    };
    Looked {
        workspace,
        late,
        is_agreed,
        again_in,
    }
}

fn is_agreed(workspace: &Workspace, memory: &mut Memory, today: Date) -> bool {
    if memory.trouble.is_some() {
        return false;
    }
    let Some((day, agreed)) = memory.agreed.take() else {
        return false;
    };
    let same = day == today
        && agreed
            .iter()
            .all(|(file, found)| on_disk(workspace, memory, *file) == *found);
    if same {
        memory.agreed = Some((day, agreed));
    }
    same
}

fn on_disk(workspace: &Workspace, memory: &mut Memory, file: DocFile) -> OnDisk {
    let look = workspace.look(file, memory.seen.get(&file));
    match look.seen {
        Some(seen) => drop(memory.seen.insert(file, seen)),
        None => drop(memory.seen.remove(&file)),
    }
    look.found
}

/// Why a workspace cannot be used, and what to do.
pub(super) fn trouble_note(error: &WorkspaceError) -> String {
    let hint = match error {
        WorkspaceError::Missing { .. } => {
            "move it back, or deploy the agent again: its documents are written there then"
        }
        WorkspaceError::Taken { .. } => "give each agent a folder of its own",
        WorkspaceError::NotOurs { .. } => {
            "its mark in .creel/agent.json is gone: put the folder back, or adopt the agent again"
        }
        WorkspaceError::NotAFolder { .. } | WorkspaceError::NotAFile { .. } => {
            "put the agent's folder back in its place"
        }
        WorkspaceError::Full { .. } => "make room on the host",
        WorkspaceError::ReadOnly { .. } | WorkspaceError::Denied { .. } => {
            "let the worker's user write there"
        }
        WorkspaceError::Io { .. } => "look at the worker's log on the host",
    };
    let note = format!("{error}: {hint}");
    note.chars().take(NOTE_MAX_CHARS).collect()
}

/// What is to be done next about a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) doc_type: DocType,
    pub(super) act: Act,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Act {
    /// As planned, about this file.
    Plan(DocFile, OnDisk, Plan),
    /// The row moves on to this day.
    Move(Date),
    /// Another day's file has this text.
    KeepDay(Date, TextHash),
    /// Late words that have no place.
    KeepLate(LateWords),
}

/// What one agent's pass knows.
pub(super) struct Sync<'a> {
    pub(super) agent_id: Uuid,
    pub(super) workspace: &'a Workspace,
    pub(super) memory: &'a mut Memory,
    pub(super) rows: &'a BTreeMap<DocType, RowNow>,
    pub(super) late: &'a [LateWords],
    /// What is not to be tried again in this pass.
    pub(super) given_up: &'a BTreeSet<(DocType, DocFile)>,
    pub(super) today: Date,
    pub(super) faults: &'a dyn DiskFaults,
    /// A file that shrank is believed after this long.
    pub(super) hold_after: Duration,
}

impl Sync<'_> {
    /// What is to be done next; with it what was found, to be remembered when nothing is.
    pub(super) fn plan(&mut self) -> (Vec<Step>, BTreeMap<DocFile, OnDisk>) {
        let (mut steps, mut found) = (Vec::new(), BTreeMap::new());
        for (&doc_type, row) in self.rows {
            let late = self.late.iter().find(|late| self.is_of(late, doc_type));
            if let Some(late) = late {
                steps.push(Step {
                    doc_type,
                    act: Act::KeepLate(late.clone()),
                });
                continue;
            }
            match doc_type.file_name() {
                Some(name) => self.plan_file(doc_type, DocFile::Named(name), row, &mut steps, &mut found),
                None => self.plan_memory(doc_type, row, &mut steps, &mut found),
            }
        }
        (steps, found)
    }

    fn is_of(&self, late: &LateWords, doc_type: DocType) -> bool {
        match late.file {
            DocFile::Named(name) => doc_type.file_name() == Some(name),
            DocFile::Day(_) => doc_type.file_name().is_none(),
        }
    }

    fn plan_file(
        &mut self,
        doc_type: DocType,
        file: DocFile,
        row: &RowNow,
        steps: &mut Vec<Step>,
        found: &mut BTreeMap<DocFile, OnDisk>,
    ) {
        let disk = self.look(file, found);
        let mut plan = plan_doc(&disk, &row.row);
        // In a folder that was made again nothing was deleted.
        if plan == Plan::Hold && matches!(file, DocFile::Day(_)) && self.workspace.is_new() {
            plan = Plan::Write;
        }
        if plan != Plan::Hold {
            self.memory.shrunk.remove(&file);
        }
        let is_refused = self.memory.is_refused((doc_type, file), disk, row.row.version);
        let act = match plan {
            Plan::Nothing => return,
            _ if is_refused => return,
            _ if self.given_up.contains(&(doc_type, file)) => return,
            Plan::Block(unfit) if is_told(row, &unfit.note(file)) => return,
            plan => Act::Plan(file, disk, plan),
        };
        steps.push(Step { doc_type, act });
    }

    fn plan_memory(
        &mut self,
        doc_type: DocType,
        row: &RowNow,
        steps: &mut Vec<Step>,
        found: &mut BTreeMap<DocFile, OnDisk>,
    ) {
        let kept = row
            .days
            .iter()
            .filter(|(day, _)| *day != self.today && Some(*day) != row.day);
        let kept: Vec<_> = kept.copied().collect();
        let mut keep = Vec::new();
        for (day, known) in kept {
            if let OnDisk::Text {
                hash,
                is_blank: false,
            } = self.look(DocFile::Day(day), found)
                && hash != known
            {
                keep.push((day, hash));
            }
        }
        let today = self.today;
        match plan_day(row.row.version > 0, row.day, today) {
            DayPlan::Begin(day) | DayPlan::Stay(day) => {
                self.plan_file(doc_type, DocFile::Day(day), row, steps, found);
            }
            DayPlan::Date => steps.push(Step {
                doc_type,
                act: Act::Move(today),
            }),
            DayPlan::Leave(day) => {
                let file = DocFile::Day(day);
                let disk = self.look(file, found);
                let is_settled = self.given_up.contains(&(doc_type, file))
                    || matches!(
                        plan_doc(&disk, &row.row),
                        // What is less than the row has nothing to say; and all of the row's texts are versions.
                        Plan::Nothing | Plan::Hold | Plan::Yield | Plan::Block(_)
                    );
                if !is_settled {
                    self.plan_file(doc_type, file, row, steps, found);
                    return;
                }
                let (first, last) = (day.min(today), day.max(today));
                for between in self.workspace.days_between(first, last).unwrap_or_default() {
                    let is_known = row.days.iter().any(|(known, _)| *known == between);
                    if let OnDisk::Text {
                        hash,
                        is_blank: false,
                    } = self.look(DocFile::Day(between), found)
                        && !is_known
                    {
                        keep.push((between, hash));
                    }
                }
                steps.push(Step {
                    doc_type,
                    act: Act::Move(today),
                });
            }
        }
        let keep = keep
            .into_iter()
            .filter(|(day, _)| !self.given_up.contains(&(doc_type, DocFile::Day(*day))))
            .map(|(day, hash)| Step {
                doc_type,
                act: Act::KeepDay(day, hash),
            });
        // Before the row moves on: who is killed in between finds them again.
        steps.splice(0..0, keep);
    }

    fn look(&mut self, file: DocFile, found: &mut BTreeMap<DocFile, OnDisk>) -> OnDisk {
        let disk = on_disk(self.workspace, self.memory, file);
        found.insert(file, disk);
        disk
    }

    /// The texts of rows that a step needs.
    pub(super) fn needs(&self, step: &Step) -> Vec<TextHash> {
        let Some(row) = self.rows.get(&step.doc_type).map(|now| &now.row) else {
            return Vec::new();
        };
        match &step.act {
            Act::Plan(_, _, Plan::Write | Plan::Yield) => vec![row.text],
            Act::Plan(_, _, Plan::Merge { has_ancestor: true }) => vec![row.text, row.common],
            _ => Vec::new(),
        }
    }

    /// Does what a step does to the disk, and answers what is to be told of it.
    pub(super) fn act(&mut self, step: &Step, texts: &HashMap<TextHash, String>) -> Acted {
        let Some(now) = self.rows.get(&step.doc_type) else {
            return Acted::Again;
        };
        let base_version = now.row.version;
        let op = match &step.act {
            Act::Move(day) => {
                let file = DocFile::Day(*day);
                let content = match on_disk(self.workspace, self.memory, file) {
                    OnDisk::Text { hash, .. } => self.workspace.read_text(file, hash),
                    OnDisk::Unfit(_) => Some(String::new()),
                };
                let Some(content) = content else {
                    return Acted::Again;
                };
                DocOp::Day {
                    base_version,
                    doc_date: *day,
                    content,
                }
            }
            Act::KeepDay(doc_date, hash) => {
                let Some(content) = self.workspace.read_text(DocFile::Day(*doc_date), *hash) else {
                    return Acted::Again;
                };
                DocOp::KeepDay {
                    doc_date: *doc_date,
                    content,
                }
            }
            Act::KeepLate(late) => match self.act_late(late, now) {
                Ok(op) => op,
                Err(acted) => return acted,
            },
            Act::Plan(file, disk, plan) => {
                return self.act_plan(step.doc_type, *file, *disk, *plan, texts);
            }
        };
        Acted::Tell(self.change(step.doc_type, op))
    }

    /// What somebody wrote into a file that was just displaced, is a change of the disk that met the row's: the row gets
    /// it, and what it had is the version to look at. Then the file goes back.
    fn act_late(&self, late: &LateWords, now: &RowNow) -> Result<DocOp, Acted> {
        let (hash, base_version) = (TextHash::of(&late.text), now.row.version);
        let content = late.text.clone();
        let day = match late.file {
            DocFile::Day(day) => Some(day),
            DocFile::Named(_) => None,
        };
        if base_version == 0 {
            return Ok(DocOp::Text {
                base_version,
                content,
                author: None,
                doc_date: day,
            });
        }
        if let Some(doc_date) = day.filter(|_| now.day != day) {
            return Ok(DocOp::KeepDay { doc_date, content });
        }
        if now.row.common != hash {
            return Ok(match now.row.text == hash {
                true => DocOp::Ack {
                    sha256: hash.to_string(),
                },
                false => DocOp::Conflict {
                    base_version,
                    content,
                },
            });
        }
        Err(match self.workspace.settle_late(late, self.faults) {
            Ok(()) => Acted::Settled,
            Err(error) => {
                tracing::warn!(%error, "failed to put back what was displaced: {error}");
                Acted::GiveUp(late.file)
            }
        })
    }

    fn act_plan(
        &mut self,
        doc_type: DocType,
        file: DocFile,
        disk: OnDisk,
        plan: Plan,
        texts: &HashMap<TextHash, String>,
    ) -> Acted {
        let Some(now) = self.rows.get(&doc_type) else {
            return Acted::Again;
        };
        let (row, base_version) = (&now.row, now.row.version);
        let Some(hash) = disk.hash() else {
            return match plan {
                Plan::Block(unfit) => self.blocked(doc_type, unfit.note(file)),
                _ => Acted::Again,
            };
        };
        let row_text = || texts.get(&row.text).cloned();
        if plan == Plan::Write {
            let Some(text) = row_text() else {
                return Acted::Again;
            };
            return match self.workspace.swap(file, hash, &text, self.faults) {
                Swapped::Done => Acted::Tell(self.change(
                    doc_type,
                    DocOp::Ack {
                        sha256: row.text.to_string(),
                    },
                )),
                Swapped::Changed => Acted::Again,
                Swapped::Unfit(unfit) if is_told(now, &unfit.note(file)) => Acted::GiveUp(file),
                Swapped::Unfit(unfit) => self.blocked(doc_type, unfit.note(file)),
            };
        }
        if plan == Plan::Hold {
            // Where it was deleted its folder says since when, and that is said of all that happens there.
            let age = self.workspace.age(file).unwrap_or(Duration::MAX);
            let age = age.max(self.memory.shrunk_for(file, hash));
            let left = self.hold_after.saturating_sub(age);
            if !left.is_zero() {
                // Somebody may be about to write it.
                return Acted::Wait(file, left);
            }
        }
        if plan == Plan::Ack {
            return Acted::Tell(self.change(
                doc_type,
                DocOp::Ack {
                    sha256: hash.to_string(),
                },
            ));
        }
        let Some(content) = self.workspace.read_text(file, hash) else {
            return Acted::Again;
        };
        let op = match plan {
            Plan::Text { is_template } => DocOp::Text {
                base_version,
                content,
                author: is_template.then_some(AuthorKind::Template),
                doc_date: match file {
                    DocFile::Day(day) if base_version == 0 => Some(day),
                    _ => None,
                },
            },
            Plan::Hold => DocOp::Hold {
                base_version,
                content,
            },
            Plan::Yield => {
                let Some(text) = row_text() else {
                    return Acted::Again;
                };
                DocOp::Merge {
                    base_version,
                    content: text,
                    disk_content: content,
                }
            }
            Plan::Merge { has_ancestor } => {
                let Some(text) = row_text().or_else(|| (!has_ancestor).then(String::new)) else {
                    return Acted::Again;
                };
                let ancestor = match row.common == TextHash::empty() {
                    true => Some(String::new()),
                    false => texts.get(&row.common).cloned(),
                };
                let ancestor = ancestor.filter(|_| has_ancestor);
                // Two that fit may come to one that does not: a person has to say what goes.
                let fits = |merged: &String| merged.len() <= DOC_MAX_BYTES;
                match ancestor
                    .and_then(|ancestor| merge(&ancestor, &content, &text))
                    .filter(fits)
                {
                    Some(merged) => DocOp::Merge {
                        base_version,
                        content: merged,
                        disk_content: content,
                    },
                    None => DocOp::Conflict {
                        base_version,
                        content,
                    },
                }
            }
            Plan::Nothing | Plan::Ack | Plan::Write | Plan::Block(_) => {
                return Acted::Again;
            }
        };
        Acted::Tell(self.change(doc_type, op))
    }

    fn change(&self, doc_type: DocType, op: DocOp) -> DocChange {
        DocChange {
            agent_id: self.agent_id,
            doc_type,
            op,
        }
    }

    fn blocked(&self, doc_type: DocType, note: String) -> Acted {
        Acted::Tell(self.change(doc_type, blocked(note)))
    }

    /// Nothing is to be done: this is what it looks like.
    pub(super) fn agree(&mut self, found: BTreeMap<DocFile, OnDisk>) {
        // Days pass.
        self.memory.seen.retain(|file, _| found.contains_key(file));
        self.memory.agreed = Some((self.today, found));
        self.memory.trouble = None;
        self.memory.restless = 0;
    }
}

/// What says that a file cannot be mirrored.
pub(super) fn blocked(note: String) -> DocOp {
    DocOp::Note {
        state: NoteState::Blocked,
        note: Some(note),
    }
}

/// Whether the row says so already.
pub(super) fn is_told(now: &RowNow, note: &str) -> bool {
    now.row.state == DocSyncState::Blocked && now.note.as_deref() == Some(note)
}

/// What came of a step.
#[derive(Debug)]
pub(super) enum Acted {
    /// This is to be told.
    Tell(DocChange),
    /// Something changed meanwhile: it is planned anew.
    Again,
    /// Late words are the row's, and the disk is as it should be.
    Settled,
    /// Nothing can be done about this file for now.
    GiveUp(DocFile),
    /// This file is looked at again after a while.
    Wait(DocFile, Duration),
}
