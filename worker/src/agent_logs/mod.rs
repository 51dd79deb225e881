//! Tells the database the last lines of each agent's log, for the members of its project: capped, and without secrets.

mod redact;
mod tail;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use creel_core::host_api::{API, AgentLog, RecordLogsReply, RecordLogsRequest};
use uuid::Uuid;

use self::redact::Redaction;
use self::tail::{Position, Tail, read_tail};
use crate::jitter::jittered;
use crate::openclaw::parse_config;
use crate::transport::{CALL_LIMIT, Link};

/// Who follows a log waits no longer than this for a line; and what was printed meanwhile is one row.
const TELL_EVERY: Duration = Duration::from_secs(5);

/// A host that told too much lately waits with the next; what is printed meanwhile is left away.
const FULL_PAUSE: Duration = Duration::from_secs(300);

/// The database takes no more in one call; the others come with the next pass.
const AGENTS_MAX: usize = 50;

/// Where the agents of a data directory are.
const AGENTS: &str = "agents";
/// An agent's log, in its folder.
const LOG: &str = "gateway.log";
/// How much of it was told, in its folder: a restarted worker goes on from there.
const POSITION: &str = "log.position";

/// The task that tells.
pub(crate) struct AgentLogs {
    /// The worker's own folder.
    pub(crate) data_dir: PathBuf,
    /// The main connection.
    pub(crate) link: Link,
}

/// New lines of one agent.
struct News {
    log: AgentLog,
    folder: PathBuf,
    read_to: Position,
}

impl AgentLogs {
    /// Tells without end. Nothing that goes wrong here is worth more than a line in the worker's own log.
    pub(crate) async fn run(self) {
        let mut positions = BTreeMap::new();
        // Which agents had to wait, so that a few that print much do not keep the others from being heard.
        let mut last = Uuid::nil();
        loop {
            tokio::time::sleep(jittered(TELL_EVERY)).await;
            let data_dir = self.data_dir.clone();
            let looked = tokio::task::spawn_blocking(move || {
                let news = look_once(&data_dir, &mut positions, last);
                (news, positions)
            });
            let Ok((news, kept)) = looked.await else {
                return;
            };
            positions = kept;
            if news.is_empty() {
                continue;
            }
            let request = RecordLogsRequest {
                api: API,
                logs: news.iter().map(|news| news.log.clone()).collect(),
            };
            let session = self.link.session().await;
            match session
                .call::<RecordLogsReply>("record_logs", &request, CALL_LIMIT)
                .await
            {
                Ok(reply) if reply.full => {
                    tracing::warn!(
                        "the agents' logs are too much, the database takes no more of them for now"
                    );
                    tokio::time::sleep(FULL_PAUSE).await;
                }
                Ok(_) => {
                    last = news.last().map_or(last, |news| news.log.agent_id);
                    for News { log, folder, read_to } in news {
                        positions.insert(log.agent_id, read_to);
                        // Without it a restarted worker says the last lines again.
                        let _said_again = std::fs::write(folder.join(POSITION), read_to.to_string());
                    }
                }
                Err(error) => {
                    let text = error.chain();
                    tracing::info!(error = text, "failed to tell the agents' logs: {text}");
                }
            }
        }
    }
}

/// What is new in the logs of all agents, beginning after the one that was told last.
fn look_once(data_dir: &Path, positions: &mut BTreeMap<Uuid, Position>, last: Uuid) -> Vec<News> {
    let Ok(entries) = std::fs::read_dir(data_dir.join(AGENTS)) else {
        return Vec::new();
    };
    let mut ids: Vec<Uuid> = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_string_lossy().parse().ok())
        .collect();
    positions.retain(|id, _| ids.contains(id));
    ids.sort_by_key(|id| (*id <= last, *id));
    let news = ids.into_iter().filter_map(|agent_id| {
        let folder = data_dir.join(AGENTS).join(agent_id.to_string());
        let told = *positions.entry(agent_id).or_insert_with(|| {
            let kept = std::fs::read_to_string(folder.join(POSITION));
            kept.ok().and_then(|text| text.parse().ok()).unwrap_or_default()
        });
        // A log that is not there, or cannot be read, has nothing new.
        let tail = read_tail(&folder.join(LOG), told).ok().flatten()?;
        let Tail {
            text,
            skipped_bytes,
            read_to,
        } = tail;
        Some(News {
            log: AgentLog {
                agent_id,
                lines: redaction(&folder).apply(&text),
                skipped_bytes,
            },
            folder,
            read_to,
        })
    });
    news.take(AGENTS_MAX).collect()
}

/// What of an agent's own is secret, beside what looks like it anywhere.
fn redaction(folder: &Path) -> Redaction {
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).ok();
    let mut redaction = Redaction::default();
    if let Some(token) = read("token") {
        redaction.add(token.trim());
    }
    if let Some(config) = read("state/openclaw.json").and_then(|text| parse_config(&text)) {
        redaction.add_config(&config);
    }
    for line in read("state/.env").unwrap_or_default().lines() {
        if let Some((_, value)) = line.split_once('=') {
            redaction.add(value.trim().trim_matches(['"', '\'']));
        }
    }
    redaction
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(folder: &Path, name: &str, text: &str) {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().expect("it has a folder")).expect("a folder");
        std::fs::write(path, text).expect("write");
    }

    #[test]
    fn only_new_lines_are_told_and_no_secret_of_the_agent() {
        let data_dir = tempfile::tempdir().expect("a folder");
        let id = Uuid::from_u128(7);
        let folder = data_dir.path().join(AGENTS).join(id.to_string());
        write(
            &folder,
            LOG,
            "began with model-key-1234 and 0123456789abcdef\nhalf",
        );
        write(&folder, "token", "0123456789abcdef\n");
        write(
            &folder,
            "state/openclaw.json",
            r#"{ models: { providers: { x: { apiKey: "model-key-1234" } } } }"#,
        );
        let mut positions = BTreeMap::new();
        let news = look_once(data_dir.path(), &mut positions, Uuid::nil());
        assert_eq!(news.len(), 1);
        assert_eq!(news[0].log.lines, "began with [removed] and [removed]\n");
        positions.insert(id, news[0].read_to);
        assert!(look_once(data_dir.path(), &mut positions, id).is_empty());

        // The next worker goes on from what was written down.
        write(&folder, POSITION, &news[0].read_to.to_string());
        write(
            &folder,
            LOG,
            "began with model-key-1234 and 0123456789abcdef\nhalf a line\n",
        );
        let news = look_once(data_dir.path(), &mut BTreeMap::new(), Uuid::nil());
        assert_eq!(news[0].log.lines, "half a line\n");
    }

    #[test]
    fn everybody_has_a_turn() {
        let data_dir = tempfile::tempdir().expect("a folder");
        for n in 1..=3 {
            let folder = data_dir.path().join(AGENTS).join(Uuid::from_u128(n).to_string());
            write(&folder, LOG, "a line\n");
        }
        write(
            &data_dir.path().join(AGENTS),
            "not-an-agent/gateway.log",
            "a line\n",
        );
        let order = |last: u128| -> Vec<u128> {
            let news = look_once(data_dir.path(), &mut BTreeMap::new(), Uuid::from_u128(last));
            news.iter().map(|news| news.log.agent_id.as_u128()).collect()
        };
        assert_eq!(order(0), [1, 2, 3]);
        assert_eq!(order(2), [3, 1, 2]);
    }
}
