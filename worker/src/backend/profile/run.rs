//! From a configuration to a gateway that is ready, and back to the last good one when it does not get there.

use std::sync::Arc;
use std::time::Duration;

use creel_core::status::DesiredState;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::config::base_hash;
use super::slot::{Slot, Turn, last_words};
use super::{Inner, ports};
use crate::backend::{AgentSpec, BackendError, Record, Running};
use crate::gateway_service::command::gateway_command;
use crate::gateway_service::{Answer, EXIT_CONFIG, log};
use crate::openclaw::GatewayProblem;
use crate::process::{Ended, reap_service};
use crate::redaction::Redaction;

/// Between two looks at a gateway that starts.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How long another OpenClaw may have the agent's state: a person's command takes seconds.
const BUSY_WAIT: Duration = Duration::from_secs(60);

/// Between two starts while it has.
const BUSY_PAUSE: Duration = Duration::from_secs(2);

/// After a restart by itself was announced, the gateway says for a second that it is ready, and for half a minute
/// where it restarted a moment ago.
const RESTART_NOTICE: Duration = Duration::from_secs(40);

/// It waits for running turns before it restarts itself, up to 315 s.
const RESTART_LIMIT: Duration = Duration::from_secs(400);

/// How a start came to nothing.
enum NotUp {
    /// Another program has its port.
    PortTaken,
    /// Another OpenClaw has its state.
    Busy,
    /// As a person is told.
    Failed(BackendError),
}

impl Inner {
    pub(super) async fn start(
        self: &Arc<Self>,
        slot: &Arc<Slot>,
        spec: &AgentSpec,
    ) -> Result<Running, BackendError> {
        let id = spec.agent.agent_id;
        let turn = slot.turn().await;
        let slot = &turn;
        let record = self.wish(slot, &spec.agent, DesiredState::Running).await?;
        if let Some(process) = slot.process().await {
            self.admission.used_by(id, process.pid);
            return match self.ready(slot, record.port, self.settings.start_limit).await {
                Ok(running) => Ok(running),
                Err(NotUp::Failed(error)) => Err(error),
                Err(NotUp::PortTaken | NotUp::Busy) => Err(ended("it lost its port", true)),
            };
        }
        let (wanted, port) = (spec.clone(), record.port);
        let config = self.in_turn(slot, move |inner| {
            inner.admission.admit(wanted.agent.agent_id)?;
            // Before the file is used: one that is changed meanwhile is used again.
            let base = base_hash(inner.settings.base.as_deref());
            Ok((inner.put_config(&wanted, port)?, base))
        });
        let started = match config.await {
            Ok((config, base)) => self.come_up(slot, &Record { base, ..record }, &config).await,
            Err(error) => Err(error),
        };
        let (running, record) = match started {
            Ok(started) => started,
            Err(error) => {
                if slot.process().await.is_none() {
                    self.admission.leave(id);
                    slot.fail(error.to_string());
                }
                return Err(error);
            }
        };
        let record = Record {
            spec: spec.clone(),
            ..record
        };
        self.remember(slot, record).await?;
        Ok(running)
    }

    /// Starts it with a configuration that is written already; if that comes to nothing, with the last good one. It is
    /// an error then all the same.
    pub(super) async fn come_up(
        self: &Arc<Self>,
        slot: &Turn,
        record: &Record,
        config: &Value,
    ) -> Result<(Running, Record), BackendError> {
        let id = record.spec.agent.agent_id;
        let error = match self.try_config(slot, record.clone(), config.clone()).await {
            Ok((running, record, config)) => {
                self.keep_last_good(slot, id, &config).await?;
                return Ok((running, record));
            }
            Err(error) => error,
        };
        self.fall_back(slot, record, config).await;
        Err(error)
    }

    /// Waits until a gateway that restarts itself for another configuration is ready with it.
    pub(super) async fn come_back(
        self: &Arc<Self>,
        slot: &Turn,
        record: &Record,
        config: &Value,
    ) -> Result<(), BackendError> {
        let began = Instant::now();
        while self.ask(record.port).await == Answer::Ready && began.elapsed() < RESTART_NOTICE {
            sleep(LOOK_EVERY).await;
        }
        let back = match slot.process().await {
            Some(_) => self.ready(slot, record.port, RESTART_LIMIT).await,
            None => Err(NotUp::Failed(ended("it ended instead of restarting", false))),
        };
        match back {
            Ok(_) => {
                self.keep_last_good(slot, record.spec.agent.agent_id, config)
                    .await
            }
            Err(not_up) => {
                self.fall_back(slot, record, config).await;
                Err(match not_up {
                    NotUp::Failed(error) => error,
                    NotUp::PortTaken | NotUp::Busy => ended("it did not come back", true),
                })
            }
        }
    }

    /// Puts the last good configuration back, and starts the gateway with it, if it is another one.
    async fn fall_back(self: &Arc<Self>, slot: &Turn, record: &Record, config: &Value) {
        let id = record.spec.agent.agent_id;
        let (bad, tried) = (config.clone(), record.clone());
        let put_back = self.in_turn(slot, move |inner| {
            let folder = inner.folder(id);
            let good = folder
                .read_config(&folder.last_good())?
                .filter(|good| *good != bad);
            let Some(mut good) = good else { return Ok(None) };
            // It may have got another port since.
            let record = folder.read_record()?.unwrap_or(tried);
            good["gateway"]["port"] = record.port.into();
            folder.write_config(&folder.config(), &good)?;
            Ok(Some((record, good)))
        });
        let Ok(Some((record, good))) = put_back.await else {
            return;
        };
        tracing::warn!(agent.id = %id, "agent {id} does not start with its new configuration; starting it with the last good one");
        if let Err(error) = self.try_config(slot, record, good).await {
            tracing::warn!(agent.id = %id, %error, "failed to start agent {id} with its last good configuration: {error}");
        }
    }

    /// Starts it, and again where somebody else was in the way. Answers with the record and the configuration that
    /// it has then, as its port may be another.
    async fn try_config(
        self: &Arc<Self>,
        slot: &Turn,
        mut record: Record,
        mut config: Value,
    ) -> Result<(Running, Record, Value), BackendError> {
        let began = Instant::now();
        let mut was_moved = false;
        loop {
            let is_free = ports::is_free(record.port);
            let tried = match is_free {
                true => self.try_once(slot, &record).await,
                false => Err(NotUp::PortTaken),
            };
            match tried {
                Ok(running) => return Ok((running, record, config)),
                Err(NotUp::Failed(error)) => return Err(error),
                Err(NotUp::Busy) if began.elapsed() < BUSY_WAIT => sleep(BUSY_PAUSE).await,
                Err(NotUp::Busy) => {
                    return Err(ended("another OpenClaw process has the agent's state", true));
                }
                Err(NotUp::PortTaken) if was_moved => {
                    return Err(ended("another program has its port", true));
                }
                Err(NotUp::PortTaken) => {
                    was_moved = true;
                    (record, config) = self.move_port(slot, record, config).await?;
                }
            }
        }
    }

    /// Another program has the agent's port: it gets another one.
    async fn move_port(
        self: &Arc<Self>,
        slot: &Turn,
        mut record: Record,
        mut config: Value,
    ) -> Result<(Record, Value), BackendError> {
        self.in_turn(slot, move |inner| {
            let id = record.spec.agent.agent_id;
            let taken = record.port;
            let folder = inner.folder(id);
            let write = |port: u16| {
                config["gateway"]["port"] = port.into();
                record.port = port;
                folder.write_config(&folder.config(), &config)?;
                folder.write_record(&record)
            };
            let port = inner.ports.replace(id, || inner.known_ports(Some(id)), write)?;
            tracing::warn!(agent.id = %id, "another program has port {taken} of agent {id}, which gets {port}");
            Ok((record, config))
        })
        .await
    }

    async fn try_once(self: &Arc<Self>, slot: &Turn, record: &Record) -> Result<Running, NotUp> {
        let id = record.spec.agent.agent_id;
        let folder = self.folder(id);
        let command = gateway_command(
            &self.settings.program,
            &folder.state_dir(),
            &folder.config(),
            folder.log(),
            slot.mark().clone(),
        );
        let _place = self.starts.acquire().await.expect("it is never closed");
        let path = folder.log();
        let length = tokio::task::spawn_blocking(move || {
            // One that cannot be rotated is written to all the same.
            let _stuck = log::rotate_once(&path);
            log::length(&path)
        });
        let from = length.await.unwrap_or_default();
        // By itself: who has the next turn finds what was started, even if nobody waits for it any more.
        let turn = slot.clone();
        let starting = tokio::spawn(async move {
            // Nothing of an earlier one goes on beside it.
            reap_service(turn.mark()).await;
            turn.begin();
            let service = command.start().await.inspect_err(|_| turn.is_stopped())?;
            let pid = service.pid();
            turn.started(service);
            std::io::Result::Ok(pid)
        });
        let started = starting
            .await
            .unwrap_or_else(|error| Err(std::io::Error::other(error)));
        let pid = started.map_err(|source| {
            let program = self.settings.program.clone();
            let error = match source.kind() {
                std::io::ErrorKind::NotFound => crate::openclaw::OpenClawError::Missing { program },
                _ => crate::openclaw::OpenClawError::CannotStart { program, source },
            };
            NotUp::Failed(error.into())
        })?;
        self.admission.used_by(id, pid);
        tracing::info!(agent.id = %id, pid, port = record.port, "started the gateway of agent {id}");
        match self.ready(slot, record.port, self.settings.start_limit).await {
            Err(NotUp::Failed(BackendError::Ended { .. })) => Err(self.why_ended(slot, record, from).await),
            ready => ready,
        }
    }

    /// Waits until it is ready, or ended, or it has taken too long.
    async fn ready(self: &Arc<Self>, slot: &Turn, port: u16, limit: Duration) -> Result<Running, NotUp> {
        let began = Instant::now();
        loop {
            let Some(process) = slot.process().await else {
                let how = slot.failed().unwrap_or_else(|| "it is gone".to_owned());
                return Err(NotUp::Failed(ended(how, true)));
            };
            if self.ask(port).await == Answer::Ready && self.is_ours(slot).await {
                return Ok(Running {
                    pid: Some(process.pid),
                    port: Some(port),
                    since: process.since,
                });
            }
            if began.elapsed() >= limit {
                if let Some(service) = slot.take() {
                    service.kill().await;
                }
                slot.is_stopped();
                return Err(NotUp::Failed(BackendError::NotReady { limit }));
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// Whether what answers on the port is this agent's gateway, and not another that was there first.
    async fn is_ours(&self, slot: &Slot) -> bool {
        match slot.control.introduce().await {
            Err(
                GatewayProblem::OtherConfiguration { .. }
                | GatewayProblem::Untrusted { .. }
                | GatewayProblem::LoginRefused { .. },
            ) => false,
            // It says that it is ready: that counts, even if it does not talk to us.
            Ok(()) | Err(_) => true,
        }
    }

    /// Why it ended before it was ready, in its own words.
    async fn why_ended(self: &Arc<Self>, slot: &Slot, record: &Record, from: u64) -> NotUp {
        let folder = self.folder(record.spec.agent.agent_id);
        let looked = tokio::task::spawn_blocking(move || {
            let path = folder.log();
            let is_busy = log::says_busy(&path, from).unwrap_or_default();
            let redaction = Redaction::of_agent(&folder.path);
            (is_busy, last_words(&path, from, &redaction))
        });
        let (is_busy, words) = looked.await.unwrap_or_default();
        let ended_with = slot.ended_with();
        let code = ended_with.and_then(|ended| match ended {
            Ended::Told(status) => status.code(),
            Ended::Unknown => None,
        });
        match code {
            Some(EXIT_CONFIG) if is_busy => NotUp::Busy,
            Some(EXIT_CONFIG) => NotUp::Failed(BackendError::ConfigRefused { message: words }),
            Some(_) if !ports::is_free(record.port) => NotUp::PortTaken,
            _ => {
                let how = slot.failed().unwrap_or_else(|| "it is gone".to_owned());
                NotUp::Failed(ended(format!("{how}: {words}"), true))
            }
        }
    }
}

fn ended(how: impl Into<String>, may_pass: bool) -> BackendError {
    BackendError::Ended {
        how: how.into(),
        may_pass,
    }
}
