//! Tells the database the last lines of each agent's log, for the members of its project: capped, and without secrets.

mod tail;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use creel_core::host_api::{API, AgentLog, RecordLogsReply, RecordLogsRequest};
use uuid::Uuid;

use self::tail::{Position, Tail, cut_lines, read_tail};
use crate::jitter::jittered;
use crate::plain_file;
use crate::redaction::Redaction;
use crate::transport::{CALL_LIMIT, Link};

/// Who follows a log waits no longer than this for a line; and what was printed meanwhile is one row.
const TELL_EVERY: Duration = Duration::from_secs(5);

/// With no agent there is nothing to be read; the first line of the first one comes as late.
const NOBODY_PAUSE: Duration = Duration::from_secs(60);

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
/// It is one number.
const POSITION_MAX_BYTES: u64 = 64;

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
        let mut is_nobody = false;
        loop {
            let pause = if is_nobody { NOBODY_PAUSE } else { TELL_EVERY };
            tokio::time::sleep(jittered(pause)).await;
            let data_dir = self.data_dir.clone();
            let looked = tokio::task::spawn_blocking(move || {
                let news = look_once(&data_dir, &mut positions, last);
                (news, positions)
            });
            let Ok((news, kept)) = looked.await else {
                return;
            };
            is_nobody = news.is_none();
            let news = news.unwrap_or_default();
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
                    let told = news.iter().map(|news| (news.log.agent_id, news.read_to));
                    positions.extend(told);
                    let keeping = tokio::task::spawn_blocking(move || {
                        for News { folder, read_to, .. } in news {
                            // Without it a restarted worker says the last lines again.
                            let _said_again = keep_position(&folder, read_to);
                        }
                    });
                    let _kept = keeping.await;
                }
                Err(error) => {
                    let text = error.chain();
                    tracing::info!(error = text, "failed to tell the agents' logs: {text}");
                }
            }
        }
    }
}

/// Replaces the file as a whole: whatever was put in its place is not written to.
fn keep_position(folder: &Path, read_to: Position) -> std::io::Result<()> {
    let new = tempfile::NamedTempFile::new_in(folder)?;
    std::fs::write(new.path(), read_to.to_string())?;
    new.persist(folder.join(POSITION))?;
    Ok(())
}

/// What is new in the logs of all agents, beginning after the one that was told last; none if there are no agents.
fn look_once(data_dir: &Path, positions: &mut BTreeMap<Uuid, Position>, last: Uuid) -> Option<Vec<News>> {
    let entries = std::fs::read_dir(data_dir.join(AGENTS)).ok()?;
    let mut ids: Vec<Uuid> = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_string_lossy().parse().ok())
        .collect();
    positions.retain(|id, _| ids.contains(id));
    if ids.is_empty() {
        return None;
    }
    ids.sort_by_key(|id| (*id <= last, *id));
    let news = ids.into_iter().filter_map(|agent_id| {
        let folder = data_dir.join(AGENTS).join(agent_id.to_string());
        let told = *positions.entry(agent_id).or_insert_with(|| {
            let kept = plain_file::read_text(&folder.join(POSITION), POSITION_MAX_BYTES);
            kept.and_then(|text| text.parse().ok()).unwrap_or_default()
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
                // A secret that was cut before would not be known.
                lines: cut_lines(&Redaction::of_agent(&folder).apply(&text)),
                skipped_bytes,
            },
            folder,
            read_to,
        })
    });
    Some(news.take(AGENTS_MAX).collect())
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
        let news = look_once(data_dir.path(), &mut positions, Uuid::nil()).expect("an agent");
        assert_eq!(news.len(), 1);
        assert_eq!(news[0].log.lines, "began with [removed] and [removed]\n");
        positions.insert(id, news[0].read_to);
        assert!(look_once(data_dir.path(), &mut positions, id).is_some_and(|news| news.is_empty()));

        // The next worker goes on from what was written down.
        keep_position(&folder, news[0].read_to).expect("it is kept");
        write(
            &folder,
            LOG,
            "began with model-key-1234 and 0123456789abcdef\nhalf a line\n",
        );
        let news = look_once(data_dir.path(), &mut BTreeMap::new(), Uuid::nil()).expect("an agent");
        assert_eq!(news[0].log.lines, "half a line\n");
    }

    #[test]
    fn everybody_has_a_turn() {
        let data_dir = tempfile::tempdir().expect("a folder");
        assert!(look_once(data_dir.path(), &mut BTreeMap::new(), Uuid::nil()).is_none());
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
            let news = news.expect("agents");
            news.iter().map(|news| news.log.agent_id.as_u128()).collect()
        };
        assert_eq!(order(0), [1, 2, 3]);
        assert_eq!(order(2), [3, 1, 2]);
    }
}
