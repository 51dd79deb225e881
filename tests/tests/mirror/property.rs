//! Edits on both sides, killed workers, lost connections, failing disks, jumping clocks and midnight, in random order: at
//! the end both sides are equal, and every line that anybody ever wrote is in the current text, or in a version that an
//! event or a day names, unless somebody removed it.
//!
//! A case that fails prints its seed; `CREEL_MIRROR_SEED` repeats it alone.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use creel_core::host_api::{
    FetchDocsReply, FetchDocsRequest, ListDocsReply, ListDocsRequest, PutDocsReply, PutDocsRequest,
};
use creel_core::status::DocType;
use creel_worker::mirror::{Days, Rows};
use creel_worker::workspace::{DiskFaults, DiskStep, DocFile};
use jiff::ToSpan;
use jiff::tz::TimeZone;
use serde_json::json;

use crate::chance::Chance;
use crate::scene::{HostRows, Killed, Line, Scene, Stand, kill, read, until_killed};

const ZONES: [&str; 5] = [
    "UTC",
    "Pacific/Kiritimati",
    "America/New_York",
    "Asia/Kathmandu",
    "Pacific/Pago_Pago",
];

/// As of OpenClaw: whoever writes this has written nothing.
const TEMPLATE: &str = "# Template\n\nFill this in.\n";

/// A few lines, so that edits meet.
const LINES_MAX: usize = 12;

/// Passes that are needed when nobody disturbs them, and then some.
const QUIET_PASSES: usize = 12;

/// Cases that go on beside each other, each with an agent of its own.
const BESIDE: usize = 4;

/// Who wrote what, by words that are written once.
#[derive(Default)]
struct Words {
    next: usize,
    written: BTreeMap<String, String>,
    removed: BTreeSet<String>,
}

/// One case.
struct Case {
    stand: Stand,
    chance: Chance,
    words: Arc<Mutex<Words>>,
    trouble: Arc<Trouble>,
    log: Arc<Mutex<Vec<String>>>,
}

/// What disturbs a pass, while it is let.
struct Trouble {
    is_on: Mutex<bool>,
    chance: Chance,
    workspace: std::path::PathBuf,
    words: Arc<Mutex<Words>>,
    log: Arc<Mutex<Vec<String>>>,
    clock: Arc<crate::scene::Clock>,
    /// Whether somebody may write into what was displaced; else that is removed at once.
    has_late: bool,
    /// A file that somebody has open, and will write to.
    open: Mutex<Option<(fs::File, String)>>,
}

impl Trouble {
    fn is_on(&self) -> bool {
        *self.is_on.lock().expect("no holder of this lock panics")
    }

    fn note(&self, what: String) {
        self.log.lock().expect("no holder of this lock panics").push(what);
    }

    /// Somebody who had a file open writes to it.
    fn write_late(&self) {
        let Some((mut file, name)) = self.open.lock().expect("no holder of this lock panics").take() else {
            return;
        };
        let word = self
            .words
            .lock()
            .expect("no holder of this lock panics")
            .new_word(&name);
        self.note(format!("late: {word} into {name}"));
        file.write_all(format!("{word}\n").as_bytes()).expect("write");
    }

    fn open_late(&self) {
        if !self.has_late {
            return;
        }
        let name = self.any_file();
        let Ok(file) = fs::OpenOptions::new()
            .append(true)
            .open(self.workspace.join(&name))
        else {
            return;
        };
        self.note(format!("open: {name}"));
        *self.open.lock().expect("no holder of this lock panics") = Some((file, name));
    }

    fn any_file(&self) -> String {
        file_of(self.chance.of(DocType::ALL), self.clock.today())
    }

    fn edit_disk(&self, name: &str) {
        let path = self.workspace.join(name);
        let old = read(&path);
        let mut words = self.words.lock().expect("no holder of this lock panics");
        let new = edit(&self.chance, &mut words, name, &old, "disk");
        drop(words);
        self.note(format!("disk: {name} {old:?} -> {new:?}"));
        let lose_open = || {
            // Who has the old file open writes to a file that somebody else has thrown away.
            let mut open = self.open.lock().expect("no holder of this lock panics");
            open.take_if(|(_, of)| of == name);
        };
        fs::create_dir_all(path.parent().expect("it has a folder")).expect("make a folder");
        match (new, self.chance.below(3)) {
            (None, 0) => fs::write(&path, "").expect("write"),
            (None, _) => {
                lose_open();
                if path.exists() {
                    fs::remove_file(&path).expect("remove");
                }
            }
            (Some(new), 0) => {
                lose_open();
                let aside = path.with_extension("new");
                fs::write(&aside, new).expect("write");
                fs::rename(aside, &path).expect("rename");
            }
            (Some(new), _) => fs::write(&path, new).expect("write"),
        }
    }
}

fn file_of(doc_type: DocType, day: jiff::civil::Date) -> String {
    DocFile::of(doc_type, day).shown()
}

impl Words {
    fn new_word(&mut self, place: &str) -> String {
        self.next += 1;
        let word = format!("w{}.", self.next);
        self.written.insert(word.clone(), place.to_owned());
        word
    }

    fn remove(&mut self, text: &str) {
        let gone = self.written.keys().filter(|word| text.contains(*word));
        self.removed.extend(gone.cloned());
    }
}

/// Another text, and none where the file is to be gone.
fn edit(chance: &Chance, words: &mut Words, place: &str, old: &str, who: &str) -> Option<String> {
    let end = if old.contains("\r\n") { "\r\n" } else { "\n" };
    let mut lines: Vec<String> = old.lines().map(ToOwned::to_owned).collect();
    match chance.below(16) {
        0 if who == "disk" => {
            words.remove(old);
            return None;
        }
        1 if who == "disk" => {
            words.remove(old);
            return Some(TEMPLATE.to_owned());
        }
        2 | 3 if !lines.is_empty() => {
            let line = lines.remove(chance.below(lines.len()));
            words.remove(&line);
        }
        4 | 5 if !lines.is_empty() => {
            let at = chance.below(lines.len());
            words.remove(&lines[at]);
            lines[at] = words.new_word(place);
        }
        6..=9 => {
            let at = chance.below(lines.len() + 1);
            lines.insert(at, words.new_word(place));
        }
        10 => lines.insert(0, words.new_word(place)),
        11 => {
            let word = words.new_word(place);
            let lines = [lines, vec![word]].concat();
            return Some(lines.join("\r\n") + "\r\n");
        }
        _ => lines.push(words.new_word(place)),
    }
    while lines.len() > LINES_MAX {
        let line = lines.remove(chance.below(lines.len()));
        words.remove(&line);
    }
    let last = if chance.one_in(5) { "" } else { end };
    Some(lines.join(end) + if lines.is_empty() { "" } else { last })
}

impl DiskFaults for Trouble {
    fn at(&self, step: DiskStep) -> io::Result<()> {
        if !self.is_on() {
            return Ok(());
        }
        match self.chance.below(24) {
            0 | 1 => {
                self.note(format!("killed at {step:?}"));
                kill();
            }
            2 => {
                self.note(format!("disk full at {step:?}"));
                return Err(io::ErrorKind::StorageFull.into());
            }
            3 => {
                self.note(format!("denied at {step:?}"));
                return Err(io::ErrorKind::PermissionDenied.into());
            }
            4 | 5 => self.edit_disk(&self.any_file()),
            6 => self.open_late(),
            7 | 8 => self.write_late(),
            _ => {}
        }
        Ok(())
    }
}

/// The host's functions over a line that is cut.
struct CutRows {
    rows: HostRows,
    trouble: Arc<Trouble>,
}

impl CutRows {
    fn before(&self, what: &str) -> anyhow::Result<()> {
        if !self.trouble.is_on() {
            return Ok(());
        }
        match self.trouble.chance.below(16) {
            0 => {
                self.trouble.note(format!("killed before {what}"));
                kill();
            }
            1 => {
                self.trouble.note(format!("cut before {what}"));
                anyhow::bail!("the line was cut")
            }
            2 | 3 => self.trouble.edit_disk(&self.trouble.any_file()),
            4 => self.trouble.write_late(),
            _ => {}
        }
        Ok(())
    }

    fn after(&self, what: &str) -> anyhow::Result<()> {
        if !self.trouble.is_on() {
            return Ok(());
        }
        match self.trouble.chance.below(16) {
            0 => {
                self.trouble.note(format!("killed after {what}"));
                kill();
            }
            1 => {
                self.trouble.note(format!("reply of {what} lost"));
                anyhow::bail!("the reply was lost")
            }
            2 => self.trouble.edit_disk(&self.trouble.any_file()),
            _ => {}
        }
        Ok(())
    }

    fn is_told_twice(&self) -> bool {
        self.trouble.is_on() && self.trouble.chance.one_in(8)
    }
}

#[async_trait]
impl Rows for CutRows {
    async fn list(&self, request: &ListDocsRequest) -> anyhow::Result<ListDocsReply> {
        self.before("list")?;
        let reply = self.rows.list(request).await?;
        self.after("list").map(|()| reply)
    }

    async fn fetch(&self, request: &FetchDocsRequest) -> anyhow::Result<FetchDocsReply> {
        self.before("fetch")?;
        let reply = self.rows.fetch(request).await?;
        self.after("fetch").map(|()| reply)
    }

    async fn put(&self, request: &PutDocsRequest) -> anyhow::Result<PutDocsReply> {
        self.before("put")?;
        self.trouble.note(format!("put: {:?}", request.changes));
        let mut reply = self.rows.put(request).await?;
        if self.is_told_twice() {
            self.trouble.note("put again".to_owned());
            reply = self.rows.put(request).await?;
        }
        self.trouble.note(format!("told: {:?}", reply.results));
        self.after("put").map(|()| reply)
    }
}

impl Case {
    async fn new(scene: &Scene, line: &Line, seed: u64) -> Self {
        let stand = scene.agent_on(line).await;
        let (chance, words) = (Chance::new(seed), Arc::<Mutex<Words>>::default());
        let log = Arc::<Mutex<Vec<String>>>::default();
        let trouble = Arc::new(Trouble {
            is_on: Mutex::new(false),
            chance: chance.clone(),
            workspace: stand.agent.workspace.clone(),
            words: words.clone(),
            log: log.clone(),
            clock: stand.clock.clone(),
            has_late: !chance.one_in(4),
            open: Mutex::default(),
        });
        Self {
            stand,
            chance,
            words,
            trouble,
            log,
        }
    }

    fn set_trouble(&self, is_on: bool) {
        *self.trouble.is_on.lock().expect("no holder of this lock panics") = is_on;
    }

    fn mirror(&self) -> creel_worker::mirror::Mirror {
        let rows = CutRows {
            rows: HostRows(self.stand.line.host.clone()),
            trouble: self.trouble.clone(),
        };
        let stays = if self.trouble.has_late { 3_600 } else { 0 };
        let stays = Duration::from_secs(stays);
        self.stand
            .mirror_that_keeps(stays, Arc::new(rows), self.trouble.clone())
    }

    /// A person writes, on the text that is shown.
    async fn edit_row(&self) {
        let doc_type = self.chance.of(DocType::ALL);
        let old = self.stand.row(doc_type).await;
        let day = old
            .as_ref()
            .and_then(|row| row.day)
            .unwrap_or_else(|| self.stand.clock.today());
        let place = file_of(doc_type, day);
        let (text, version) = old.map_or((String::new(), 0), |row| (row.content, row.version));
        let new = {
            let mut words = self.words.lock().expect("no holder of this lock panics");
            edit(&self.chance, &mut words, &place, &text, "row").unwrap_or_default()
        };
        self.trouble
            .note(format!("row: {doc_type} {version} {text:?} -> {new:?}"));
        if self.chance.one_in(2) {
            let more = json!({ "content": new, "base_version": version });
            let written = self.stand.call("write_doc", doc_type, more).await;
            assert_eq!(written["ok"], json!(true), "{written}");
        } else {
            self.stand.upsert(doc_type, &new).await;
        }
    }

    async fn decide_held(&self) -> bool {
        for (doc_type, row) in self.stand.rows().await {
            if row.held_version.is_none() {
                continue;
            }
            let take = self.chance.of(&["disk", "page"]);
            self.trouble.note(format!("resolve: {doc_type} {take}"));
            if take == "disk" {
                self.words
                    .lock()
                    .expect("no holder of this lock panics")
                    .remove(&row.content);
            }
            self.stand
                .call("resolve_doc", doc_type, json!({ "take": take }))
                .await;
            return true;
        }
        false
    }

    fn jump(&self) {
        let hours = i64::try_from(self.chance.below(60)).expect("it is small") - 20;
        let mut clock = self.stand.clock.0.lock().expect("no holder of this lock panics");
        clock.0 = clock.0.saturating_add(hours.hours()).expect("hours");
        if self.chance.one_in(4) {
            clock.1 = TimeZone::get(self.chance.of(&ZONES)).expect("a zone");
        }
        drop(clock);
        self.trouble
            .note(format!("the day is {}", self.stand.clock.today()));
    }

    async fn run(&self) {
        let mut mirror = self.mirror();
        for _ in 0..8 + self.chance.below(12) {
            match self.chance.below(16) {
                0..=3 => self.trouble.edit_disk(&self.trouble.any_file()),
                4..=6 => self.edit_row().await,
                7 => self.jump(),
                8 => {
                    self.decide_held().await;
                }
                9 => self.trouble.open_late(),
                _ => {
                    let is_troubled = !self.chance.one_in(3);
                    self.set_trouble(is_troubled);
                    let passed = until_killed(async {
                        let passed = mirror.pass(self.stand.wanted()).await;
                        (mirror, passed.map(drop))
                    });
                    mirror = match passed.await {
                        Some((alive, passed)) => {
                            if let Err(error) = &passed {
                                assert!(is_troubled, "{error:#}");
                            }
                            alive
                        }
                        None => self.mirror(),
                    };
                    self.set_trouble(false);
                }
            }
        }
        self.trouble.write_late();
        for _ in 0..QUIET_PASSES {
            mirror.pass(self.stand.wanted()).await.expect("a pass");
            if !self.decide_held().await && self.is_equal().await.is_ok() {
                break;
            }
        }
        self.check().await;
    }

    /// Whether both sides are equal; else where they are not.
    async fn is_equal(&self) -> Result<(), String> {
        let mut rows = self.stand.rows().await;
        for &doc_type in DocType::ALL {
            let row = rows.remove(&doc_type);
            let today = self.stand.clock.today();
            let on_disk = self.stand.read(&file_of(doc_type, today));
            let on_page = row.as_ref().map_or("", |row| &row.content);
            if on_disk != on_page {
                return Err(format!(
                    "{doc_type}: {on_disk:?} on the disk, {on_page:?} on the page: {row:?}"
                ));
            }
            if let Some(row) = row {
                if row.state != "synced" {
                    return Err(format!("{doc_type} is {}: {row:?}", row.state));
                }
                if doc_type == DocType::MemoryToday && row.day != Some(today) {
                    return Err(format!("it is of {:?}, and the day is {today}", row.day));
                }
            }
        }
        Ok(())
    }

    async fn check(&self) {
        if let Err(difference) = self.is_equal().await {
            panic!("the two sides are not equal: {difference}");
        }
        let versions = self.stand.versions().await;
        let conflicts = self.stand.events("doc.conflict").await;
        let is_named = |version: &crate::scene::Version| {
            let names = |key: &str| {
                conflicts.iter().any(|event| {
                    let detail = &event["detail"];
                    detail["doc_type"] == json!(version.doc_type) && detail[key] == json!(version.version)
                })
            };
            // Each day has a text of its own, and its last one is kept.
            let is_last = |other: &crate::scene::Version| {
                other.doc_type != version.doc_type
                    || other.day != version.day
                    || other.version <= version.version
            };
            version.doc_type == DocType::MemoryToday && versions.iter().all(is_last)
                || names("version")
                || names("conflict_version")
        };
        let mut texts = Vec::new();
        texts.extend(self.stand.rows().await.into_values().map(|row| row.content));
        texts.extend(
            versions
                .iter()
                .filter(|version| is_named(version))
                .map(|version| version.content.clone()),
        );
        // A file of another day is the agent's own, until its day comes.
        if let Ok(days) = fs::read_dir(self.stand.path("memory")) {
            texts.extend(days.map(|day| read(&day.expect("an entry").path())));
        }
        let kept = texts.join("\n");
        let words = self.words.lock().expect("no holder of this lock panics");
        for (word, place) in &words.written {
            assert!(
                kept.contains(word) || words.removed.contains(word),
                "{word}, written into {place}, is lost"
            );
        }
    }
}

async fn run_case(scene: &Scene, line: &Line, seed: u64) {
    let case = Case::new(scene, line, seed).await;
    let ran = std::panic::AssertUnwindSafe(case.run());
    if let Err(thrown) = futures_util::FutureExt::catch_unwind(ran).await {
        let log = case
            .log
            .lock()
            .expect("no holder of this lock panics")
            .join("\n  ");
        let what = match thrown.downcast_ref::<String>() {
            Some(text) => text.clone(),
            None if thrown.is::<Killed>() => "killed outside of a pass".to_owned(),
            None => "no text".to_owned(),
        };
        panic!("CREEL_MIRROR_SEED={seed}: {what}\n  {log}");
    }
}

async fn run_cases(first: u64, count: u64) {
    let seed = std::env::var("CREEL_MIRROR_SEED").ok();
    let scene = Scene::new().await;
    if let Some(seed) = seed {
        run_case(&scene, &scene.line().await, seed.parse().expect("a seed")).await;
        return;
    }
    let next = std::sync::atomic::AtomicU64::new(first);
    let lanes = (0..BESIDE).map(|_| async {
        let line = scene.line().await;
        loop {
            let seed = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            if seed >= first + count {
                return;
            }
            run_case(&scene, &line, seed).await;
        }
    });
    futures_util::future::join_all(lanes).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_word_is_lost_whatever_happens() {
    run_cases(0, 200).await;
}

/// Seeds of cases that once lost a word: what nobody could write to a day's file before midnight, and what somebody wrote
/// into a file of an earlier day after it was displaced.
const LOST_ONCE: [u64; 2] = [1_087, 7_294];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_lost_once_is_not_lost_again() {
    for seed in LOST_ONCE {
        run_cases(seed, 1).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_no_word_is_lost_in_ten_thousand_cases() {
    run_cases(1_000, 10_000).await;
}
