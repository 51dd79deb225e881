//! Waiting until the disk has a text, by reading the document's row.

use std::time::{Duration, Instant};

use creel_core::status::DocSyncState;
use serde_json::{Value, json};

use super::address::Address;
use crate::caller::Caller;
use crate::data_api::DataApi;
use crate::deadline::Deadline;

/// The first pause: a host that hears of it needs some tenths of a second.
const FIRST_PAUSE: Duration = Duration::from_millis(80);

/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// What the row says once the disk has what was written, or when there is no time left, or when it will not come to that
/// by itself. A call that fails meanwhile is nothing that happened to the document.
pub(super) async fn until_synced(
    api: &DataApi,
    caller: &Caller,
    address: &Address,
    written: Value,
    at_most: Duration,
) -> Value {
    let end = Instant::now() + Deadline::bound(caller.deadline, at_most);
    let caller = &Caller {
        deadline: Some(Deadline::at_latest(caller.deadline, end)),
        ..caller.clone()
    };
    let mut newest = written;
    let mut pause = FIRST_PAUSE;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() || newest["sync_state"] != json!(DocSyncState::Waiting) {
            return newest;
        }
        tokio::time::sleep(pause.min(left)).await;
        pause = (pause * 3 / 2).min(LONGEST_PAUSE);
        let rows = api
            .read(caller, "brain_docs", |table| {
                table
                    .select("version,disk_version,sync_state,sync_note")
                    .eq("project_id", &address.project)
                    .eq("agent_key", &address.agent_key)
                    .eq("doc_type", address.doc_type.as_str())
            })
            .await;
        match rows.map(|mut rows| rows.pop()) {
            Ok(Some(row)) => take_in(&mut newest, &row),
            Ok(None) => return newest,
            Err(failure) => {
                tracing::warn!(code = %failure.code, "failed to look at a document that somebody waits for");
            }
        }
    }
}

/// What a row says of the text that was written, which may be an earlier one by now.
fn take_in(written: &mut Value, row: &Value) {
    let number = |value: &Value| value.as_i64().unwrap_or_default();
    if number(&row["disk_version"]) >= number(&written["version"]) {
        written["sync_state"] = json!(DocSyncState::Synced);
        written["sync_note"] = Value::Null;
    } else {
        written["sync_state"] = row["sync_state"].clone();
        written["sync_note"] = row["sync_note"].clone();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_the_disk_had_is_synced_though_another_one_came() {
        let written = json!({ "version": 3, "sync_state": "waiting" });
        for (row, state) in [
            (
                json!({ "version": 3, "disk_version": 2, "sync_state": "waiting" }),
                "waiting",
            ),
            (
                json!({ "version": 3, "disk_version": 3, "sync_state": "synced" }),
                "synced",
            ),
            (
                json!({ "version": 4, "disk_version": 3, "sync_state": "waiting" }),
                "synced",
            ),
            (
                json!({ "version": 4, "disk_version": 2, "sync_state": "waiting" }),
                "waiting",
            ),
            (
                json!({ "version": 3, "disk_version": 2, "sync_state": "blocked" }),
                "blocked",
            ),
        ] {
            let mut seen = written.clone();
            take_in(&mut seen, &row);
            assert_eq!(seen["sync_state"], json!(state), "{row}");
        }
    }
}
