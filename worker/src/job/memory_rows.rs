//! Rows in memory: stands in for the database where there is none.

use std::sync::{Mutex, MutexGuard};

use async_trait::async_trait;
use creel_core::host_api::{Doc, ReadDocsReply, RecordDocsReply};
use serde_json::Value;

use super::JobRows;

/// The rows of one item, in memory. As in the database, a document that has a row keeps it.
#[derive(Debug)]
pub struct MemoryRows {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    held: bool,
    docs: Vec<Doc>,
    shown: Vec<Value>,
}

impl MemoryRows {
    /// The rows of an item that is held, whose agent has these documents.
    pub fn new(docs: Vec<Doc>) -> Self {
        Self {
            state: Mutex::new(State {
                held: true,
                docs,
                shown: Vec::new(),
            }),
        }
    }

    /// From now on somebody else holds the item.
    pub fn lose(&self) {
        self.state().held = false;
    }

    /// The documents that have rows.
    pub fn docs(&self) -> Vec<Doc> {
        self.state().docs.clone()
    }

    /// Everything that was shown on the row.
    pub fn shown(&self) -> Vec<Value> {
        self.state().shown.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder of this lock panics")
    }
}

#[async_trait]
impl JobRows for MemoryRows {
    async fn progress(&self, result: Value) -> anyhow::Result<bool> {
        let mut state = self.state();
        if state.held {
            state.shown.push(result);
        }
        Ok(state.held)
    }

    async fn read_docs(&self) -> anyhow::Result<ReadDocsReply> {
        let state = self.state();
        let docs = if state.held {
            state.docs.clone()
        } else {
            Vec::new()
        };
        Ok(ReadDocsReply {
            held: state.held,
            docs,
        })
    }

    async fn record_docs(&self, docs: Vec<Doc>) -> anyhow::Result<RecordDocsReply> {
        let mut state = self.state();
        let mut created = Vec::new();
        if state.held {
            for doc in docs {
                if state.docs.iter().all(|row| row.doc_type != doc.doc_type) {
                    created.push(doc.doc_type);
                    state.docs.push(doc);
                }
            }
        }
        Ok(RecordDocsReply {
            held: state.held,
            created,
        })
    }
}
