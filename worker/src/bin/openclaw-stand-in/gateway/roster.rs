//! What the gateway itself knows: the configuration as it was last loaded.

use std::path::PathBuf;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde_json::{Map, Value};

use super::say;
use crate::config::State;

/// How often the file is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// How long a changed file is left to settle. The real one needs about a second from there to a known agent;
/// this is long enough that whoever does not wait for it is found out.
const SETTLE: Duration = Duration::from_millis(60);

/// The loaded configuration.
pub(super) struct Roster {
    path: PathBuf,
    loaded: Mutex<Loaded>,
}

#[derive(Default)]
struct Loaded {
    text: String,
    config: Value,
    /// What is to be loaded next, and since when it is there.
    seen: Option<(String, Instant)>,
    /// Nothing is loaded before this.
    not_before: Option<Instant>,
}

impl Roster {
    pub(super) fn new(state: &State) -> Self {
        let roster = Self {
            path: state.config_path.clone(),
            loaded: Mutex::default(),
        };
        roster.load_once();
        roster
    }

    /// Loads what changes, for ever.
    pub(super) async fn watch(&self) {
        let mut look = tokio::time::interval(LOOK_EVERY);
        loop {
            look.tick().await;
            self.load(SETTLE);
        }
    }

    /// Loads what is on the disk, unless it is broken or is to be learnt late.
    pub(super) fn load_once(&self) {
        self.load(Duration::ZERO);
    }

    fn load(&self, settle: Duration) {
        let mut loaded = self.loaded.lock().expect("no holder of this lock panics");
        if loaded.not_before.is_some_and(|at| Instant::now() < at) {
            return;
        }
        let Ok(text) = std::fs::read_to_string(&self.path) else {
            return;
        };
        if text == loaded.text {
            loaded.seen = None;
            return;
        }
        let since = match &loaded.seen {
            Some((seen, since)) if *seen == text => *since,
            _ => {
                let now = Instant::now();
                loaded.seen = Some((text.clone(), now));
                now
            }
        };
        if since.elapsed() < settle {
            return;
        }
        match serde_json::from_str(&text) {
            Ok(config) => loaded.config = config,
            Err(error) => say(&format!("config reload skipped (invalid config): {error}")),
        }
        loaded.text = text;
    }

    /// Loads nothing for so long.
    pub(super) fn lag(&self, time: Duration) {
        let mut loaded = self.loaded.lock().expect("no holder of this lock panics");
        let until = Instant::now() + time;
        loaded.not_before = Some(loaded.not_before.map_or(until, |at| at.max(until)));
    }

    /// Loads at the next occasion.
    pub(super) fn catch_up(&self) {
        self.loaded
            .lock()
            .expect("no holder of this lock panics")
            .not_before = None;
    }

    /// The agents that it knows.
    pub(super) fn agents(&self) -> Map<String, Value> {
        let loaded = self.loaded.lock().expect("no holder of this lock panics");
        loaded.config["agents"]["entries"]
            .as_object()
            .cloned()
            .unwrap_or_default()
    }
}
