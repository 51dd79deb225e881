//! Which agent has which port, in a file that survives restarts: whatever else uses a port is asked for by binding
//! it, and whatever the file has lost is known from the agents themselves.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::backend::BackendError;
use crate::backend::files;

/// Name of the file in the worker's folder.
const FILE: &str = "ports.json";

/// The first agent's port.
pub const FIRST_PORT: u16 = 19_001;

/// OpenClaw reserves the ports from 2 to 110 after a gateway's own.
pub const PORT_SPACING: u16 = 120;

/// More gateways than any host has memory for.
const PORTS_MAX: usize = 380;

/// The ports of one worker's agents. One instance serves all of them.
#[derive(Debug)]
pub(super) struct Ports {
    path: PathBuf,
    first: u16,
    /// Reading, choosing and writing are one.
    turn: Mutex<()>,
}

#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Table {
    ports: BTreeMap<Uuid, u16>,
}

impl Ports {
    pub(super) fn new(data_dir: &Path, first: u16) -> Self {
        Self {
            path: data_dir.join(FILE),
            first,
            turn: Mutex::default(),
        }
    }

    /// The agent's port: the one that it has, or else a free one. `known` answers which ones agents are known to have;
    /// it is asked when nobody else can get one meanwhile.
    pub(super) fn allot(
        &self,
        id: Uuid,
        known: impl FnOnce() -> BTreeMap<Uuid, u16>,
    ) -> Result<u16, BackendError> {
        self.change(known, |table, first| {
            if let Some(port) = table.ports.get(&id) {
                return Ok(*port);
            }
            choose(table, first, &BTreeSet::new()).inspect(|port| {
                table.ports.insert(id, *port);
            })
        })
    }

    /// Another port for an agent whose own is taken by a stranger. `write` writes it down with the agent before anybody
    /// else can ask for one.
    pub(super) fn replace(
        &self,
        id: Uuid,
        known: impl FnOnce() -> BTreeMap<Uuid, u16>,
        write: impl FnOnce(u16) -> Result<(), BackendError>,
    ) -> Result<u16, BackendError> {
        self.change(known, |table, first| {
            let not = table.ports.get(&id).copied().into_iter().collect();
            let port = choose(table, first, &not)?;
            write(port)?;
            table.ports.insert(id, port);
            Ok(port)
        })
    }

    /// Nobody has the agent's port any more.
    pub(super) fn free(
        &self,
        id: Uuid,
        known: impl FnOnce() -> BTreeMap<Uuid, u16>,
    ) -> Result<(), BackendError> {
        self.change(known, |table, _| {
            table.ports.remove(&id);
            Ok(())
        })
    }

    fn change<T>(
        &self,
        known: impl FnOnce() -> BTreeMap<Uuid, u16>,
        change: impl FnOnce(&mut Table, u16) -> Result<T, BackendError>,
    ) -> Result<T, BackendError> {
        let _turn = self.turn.lock().expect("no holder of this lock panics");
        let at = |error| BackendError::disk(&self.path, error);
        let before = self.read().map_err(at)?;
        let mut table = before.clone().unwrap_or_default();
        for (id, port) in known() {
            // What an agent is known to have counts more than what a file has that may be old.
            table.ports.retain(|other, taken| *other == id || *taken != port);
            table.ports.insert(id, port);
        }
        let result = change(&mut table, self.first)?;
        if before.as_ref() != Some(&table) {
            let text = serde_json::to_vec_pretty(&table).expect("a table is JSON");
            files::write(&self.path, &text).map_err(at)?;
        }
        Ok(result)
    }

    /// The table; none if there is none, or half of one.
    fn read(&self) -> io::Result<Option<Table>> {
        let Some(text) = files::read(&self.path)? else {
            return Ok(None);
        };
        let table = serde_json::from_slice(&text);
        if let Err(error) = &table {
            let path = self.path.display();
            tracing::warn!(%error, "{path} is damaged and is made anew from what the agents have: {error}");
        }
        Ok(table.ok())
    }
}

/// The first port that nobody has.
fn choose(table: &Table, first: u16, not: &BTreeSet<u16>) -> Result<u16, BackendError> {
    let taken: BTreeSet<u16> = table.ports.values().copied().collect();
    let ports = (0..PORTS_MAX).map_while(|count| {
        let after = u16::try_from(count).ok()?.checked_mul(PORT_SPACING)?;
        first.checked_add(after)
    });
    ports
        .into_iter()
        .filter(|port| !taken.contains(port) && !not.contains(port))
        .find(|port| is_free(*port))
        .ok_or(BackendError::NoPort { tried: PORTS_MAX })
}

/// Whether a gateway could listen there.
pub(super) fn is_free(port: u16) -> bool {
    TcpListener::bind(("127.0.0.1", port)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u128) -> Uuid {
        Uuid::from_u128(n)
    }

    /// A first port with some room after it.
    fn first() -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("its address").port();
        port.min(u16::MAX - 40 * PORT_SPACING)
    }

    #[test]
    fn ports_are_apart_kept_and_given_back() {
        let folder = tempfile::tempdir().expect("a folder");
        let first = first();
        let ports = Ports::new(folder.path(), first);
        let given: BTreeSet<u16> = (0..5)
            .map(|n| ports.allot(id(n), BTreeMap::new).expect("a port"))
            .collect();
        assert_eq!(given.len(), 5);
        assert!(
            given
                .iter()
                .all(|port| (port - first).is_multiple_of(PORT_SPACING))
        );
        let again = Ports::new(folder.path(), first);
        let second = ports.allot(id(1), BTreeMap::new).expect("a port");
        assert_eq!(again.allot(id(1), BTreeMap::new).expect("a port"), second);
        again.free(id(1), BTreeMap::new).expect("it is freed");
        assert_eq!(again.allot(id(9), BTreeMap::new).expect("a port"), second);
    }

    #[test]
    fn what_is_listened_on_is_nobodys_port() {
        let folder = tempfile::tempdir().expect("a folder");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let first = listener.local_addr().expect("its address").port().min(65_000);
        let taken = TcpListener::bind(("127.0.0.1", first));
        let ports = Ports::new(folder.path(), first);
        assert_ne!(ports.allot(id(1), BTreeMap::new).expect("a port"), first);
        drop(taken);
    }

    #[test]
    fn half_a_file_costs_no_agent_its_port() {
        let folder = tempfile::tempdir().expect("a folder");
        let first = first();
        let ports = Ports::new(folder.path(), first);
        let known: BTreeMap<Uuid, u16> = (0..3)
            .map(|n| (id(n), ports.allot(id(n), BTreeMap::new).expect("a port")))
            .collect();
        let path = folder.path().join(FILE);
        let text = std::fs::read_to_string(&path).expect("read");
        for damaged in [&text[..text.len() / 2], "", "[]", "{\"ports\": 7}"] {
            std::fs::write(&path, damaged).expect("damage it");
            let new = ports.allot(id(9), || known.clone()).expect("a port");
            assert!(!known.values().any(|port| *port == new), "{damaged:?}");
            assert_eq!(ports.allot(id(1), BTreeMap::new).expect("a port"), known[&id(1)]);
            ports.free(id(9), BTreeMap::new).expect("it is freed");
        }
    }

    #[test]
    fn many_at_once_get_a_port_each() {
        let folder = tempfile::tempdir().expect("a folder");
        let ports = Ports::new(folder.path(), first());
        let given = std::thread::scope(|scope| {
            let ports = &ports;
            let all: Vec<_> = (0..20)
                .map(|n| scope.spawn(move || ports.allot(id(n), BTreeMap::new).expect("a port")))
                .collect();
            all.into_iter()
                .map(|one| one.join().expect("it ends"))
                .collect::<BTreeSet<u16>>()
        });
        assert_eq!(given.len(), 20);
    }

    #[test]
    fn a_port_that_cannot_be_written_down_is_not_given() {
        let folder = tempfile::tempdir().expect("a folder");
        let ports = Ports::new(folder.path(), first());
        let before = ports.allot(id(1), BTreeMap::new).expect("a port");
        let full = |_| {
            Err(BackendError::disk(
                "record",
                io::Error::from(io::ErrorKind::StorageFull),
            ))
        };
        ports
            .replace(id(1), BTreeMap::new, full)
            .expect_err("the disk is full");
        assert_eq!(ports.allot(id(1), BTreeMap::new).expect("a port"), before);
        let mut written = None;
        let write = |port| {
            written = Some(port);
            Ok(())
        };
        let port = ports.replace(id(1), BTreeMap::new, write).expect("a port");
        assert_ne!(port, before);
        assert_eq!(written, Some(port));
        assert_eq!(ports.allot(id(1), BTreeMap::new).expect("a port"), port);
    }
}
