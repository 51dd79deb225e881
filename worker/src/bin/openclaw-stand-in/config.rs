//! The files of the stand-in.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::fault;

/// OPENCLAW_STATE_DIR and OPENCLAW_CONFIG_PATH.
#[derive(Clone)]
pub(crate) struct State {
    pub(crate) dir: PathBuf,
    pub(crate) config_path: PathBuf,
}

impl State {
    pub(crate) fn open() -> io::Result<Self> {
        let home = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".openclaw"));
        let dir = std::env::var_os("OPENCLAW_STATE_DIR")
            .map(PathBuf::from)
            .or_else(home);
        let dir = dir.ok_or_else(|| io::Error::other("neither OPENCLAW_STATE_DIR nor HOME is set"))?;
        std::fs::create_dir_all(&dir)?;
        let config_path = std::env::var_os("OPENCLAW_CONFIG_PATH").map(PathBuf::from);
        Ok(Self {
            config_path: config_path.unwrap_or_else(|| dir.join("openclaw.json")),
            dir,
        })
    }

    /// Takes the fault that this call is to have.
    pub(crate) fn take_fault<T: DeserializeOwned>(&self, call: &str) -> io::Result<Option<T>> {
        let _locked = self.lock()?;
        fault::take(&self.dir.join("stand-in.json"), call)
    }

    /// The same, and writes a line about the call: who sees the line knows that the fault is counted.
    pub(crate) fn log_and_take_fault<T: DeserializeOwned>(
        &self,
        call: &str,
        args: impl Serialize,
    ) -> io::Result<Option<T>> {
        let _locked = self.lock()?;
        let fault = fault::take(&self.dir.join("stand-in.json"), call)?;
        let line = json!({ "command": call, "args": args, "pid": std::process::id() });
        let mut log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.dir.join("stand-in.log"))?;
        log.write_all(format!("{line}\n").as_bytes())?;
        Ok(fault)
    }

    /// The configuration; as the real one makes it, if there is none.
    pub(crate) fn read(&self) -> io::Result<Value> {
        match std::fs::read_to_string(&self.config_path) {
            Ok(text) => serde_json::from_str(&text).map_err(|_| {
                io::Error::other(format!(
                    "OpenClaw config is invalid: {}",
                    self.config_path.display()
                ))
            }),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(self.empty()),
            Err(error) => Err(error),
        }
    }

    /// Changes the agents in the configuration, one process at a time.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut Map<String, Value>) -> T) -> io::Result<T> {
        self.change_all(|config| {
            let entries = &mut config["agents"]["entries"];
            if !entries.is_object() {
                *entries = json!({});
            }
            let changed = change(entries.as_object_mut().expect("it was made an object above"));
            Ok::<_, io::Error>(changed)
        })
    }

    /// Changes the configuration, one process at a time; not at all when the change fails.
    pub(crate) fn change_all<T, E: From<io::Error>>(
        &self,
        change: impl FnOnce(&mut Value) -> Result<T, E>,
    ) -> Result<T, E> {
        let _locked = self.lock()?;
        let before = self.read()?;
        let mut config = before.clone();
        let changed = change(&mut config)?;
        if config != before || !self.config_path.exists() {
            replace(&self.config_path, &config)?;
        }
        Ok(changed)
    }

    /// Remembers an agent that was deleted; the real one does so in its database.
    pub(crate) fn bury(&self, id: &str) -> io::Result<()> {
        let mut buried = self.buried();
        buried.push(id.to_owned());
        replace(&self.dir.join("stand-in-deleted.json"), &json!(buried))
    }

    /// Moves a folder to the trash, if there is one.
    pub(crate) fn trash(&self, path: &Path) -> io::Result<()> {
        let trash = self.dir.join("stand-in-trash");
        std::fs::create_dir_all(&trash)?;
        match std::fs::rename(path, trash.join(uuid::Uuid::new_v4().to_string())) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            moved => moved,
        }
    }

    /// Forgets that an agent was deleted.
    pub(crate) fn dig_up(&self, id: &str) -> io::Result<()> {
        let mut buried = self.buried();
        if !buried.iter().any(|other| other == id) {
            return Ok(());
        }
        buried.retain(|other| other != id);
        replace(&self.dir.join("stand-in-deleted.json"), &json!(buried))
    }

    /// The agents that were deleted.
    pub(crate) fn buried(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.dir.join("stand-in-deleted.json"));
        text.ok()
            .and_then(|text| serde_json::from_str(&text).ok())
            .unwrap_or_default()
    }

    fn empty(&self) -> Value {
        json!({
            "agents": {
                "ownership": "explicit",
                "defaults": { "systemAgent": { "agentId": "main" }, "heartbeat": { "agentId": "main" } },
                "entries": { "main": { "workspace": self.dir.join("workspace") } },
            },
            "meta": { "lastTouchedVersion": "2026.9.6" },
        })
    }

    /// Held until the file is closed, also by a killed process.
    fn lock(&self) -> io::Result<File> {
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.dir.join("stand-in.lock"))?;
        file.lock()?;
        Ok(file)
    }
}

/// Writes a whole file of JSON in place of what is there.
pub(crate) fn replace(path: &Path, value: &Value) -> io::Result<()> {
    let temporary = path.with_extension(format!("{}.tmp", std::process::id()));
    std::fs::write(&temporary, format!("{value:#}\n"))?;
    std::fs::rename(temporary, path)
}
