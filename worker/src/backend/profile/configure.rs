//! Another configuration, and other documents, for an agent that is there.

use std::sync::Arc;

use creel_core::host_api::Doc;
use serde_json::Value;
use uuid::Uuid;

use super::config::{base_hash, has_all};
use super::folder::not_deployed;
use super::slot::Turn;
use super::{Inner, UNDEPLOY_GRACE};
use crate::backend::{AgentSpec, Applied, BackendError, Record, Running, files};
use crate::openclaw::{CliDriver, CliSettings, NotApplied, OpenClawError, shown};
use crate::redaction::Redaction;

impl Inner {
    /// Lets OpenClaw's command line check a configuration that no gateway can.
    async fn validate(self: &Arc<Self>, turn: &Turn, id: Uuid, config: &Value) -> Result<(), BackendError> {
        let (folder, wanted) = (self.folder(id), config.clone());
        let path = folder.candidate();
        let state_dir = folder.state_dir();
        self.in_turn(turn, move |_| folder.write_config(&folder.candidate(), &wanted))
            .await?;
        let settings = CliSettings {
            config_path: path.clone(),
            ..CliSettings::new(&self.settings.program, state_dir)
        };
        let cli = CliDriver::new(
            settings,
            self.settings.runner.clone(),
            crate::openclaw::Broker::default(),
        );
        let validated = cli.validate_config().await;
        self.in_turn(turn, move |_| {
            files::remove(&path).map_err(|error| BackendError::disk(path, error))
        })
        .await?;
        match validated {
            Err(OpenClawError::ConfigRefused { message, .. }) => {
                Err(self.config_refused(id, config, message).await)
            }
            validated => validated.map_err(BackendError::OpenClaw),
        }
    }

    /// OpenClaw quotes what it does not accept.
    async fn config_refused(self: &Arc<Self>, id: Uuid, config: &Value, said: String) -> BackendError {
        let config = config.clone();
        let redacted = self.on_disk(move |inner| {
            let mut redaction = Redaction::of_agent(&inner.folder(id).path);
            redaction.add_config(&config);
            Ok(shown(&redaction.apply(&said)))
        });
        match redacted.await {
            Ok(message) => BackendError::ConfigRefused { message },
            Err(error) => error,
        }
    }

    pub(super) async fn configure(
        self: &Arc<Self>,
        spec: &AgentSpec,
        docs: &[Doc],
    ) -> Result<Applied, BackendError> {
        let id = spec.agent.agent_id;
        let slot = self.slot(id).turn().await;
        let (wanted, docs) = (spec.clone(), docs.to_vec());
        let planned = self.in_turn(&slot, move |inner| {
            let folder = inner.folder(id);
            let known = folder.read_record()?.ok_or_else(|| not_deployed(&wanted.agent))?;
            // Before the file is used: one that is changed meanwhile is used again.
            let base = base_hash(inner.settings.base.as_deref());
            let is_rebased = known.base != base;
            let record = Record { base, ..known };
            let config = inner.plan(&wanted, record.port)?;
            let file = folder.read_config(&folder.config())?;
            let is_other = is_rebased && !inner.is_in_force(&folder, &config)?
                || config != inner.plan(&record.spec, record.port)?
                || !file.is_some_and(|file| has_all(&file, &config));
            Ok((record, config, is_other))
        });
        let (mut record, config, is_other) = planned.await?;
        let mut process = slot.process().await;
        let mut restarted = false;
        if is_other {
            match process {
                Some(_) => (restarted, record) = self.reconfigure(&slot, record, &config).await?,
                None => {
                    self.validate(&slot, id, &config).await?;
                    let config = config.clone();
                    self.in_turn(&slot, move |inner| {
                        let folder = inner.folder(id);
                        folder.write_config(&folder.config(), &config)
                    })
                    .await?;
                }
            }
            process = slot.process().await;
        }
        // The words come last: they are in force with the agent's next turn, whatever its gateway does.
        let agent = spec.agent.clone();
        let written = self.in_turn(&slot, move |inner| {
            let workspace = inner.workspace(&agent)?;
            let mut written = false;
            for doc in &docs {
                written |= workspace.replace_document(doc)?;
            }
            Ok(written)
        });
        let written = written.await?;
        let port = record.port;
        let record = Record {
            spec: spec.clone(),
            ..record
        };
        self.remember(&slot, record).await?;
        Ok(Applied {
            changed: is_other || written,
            restarted,
            running: process.map(|process| Running {
                pid: Some(process.pid),
                port: Some(port),
                since: process.since,
            }),
        })
    }

    /// Gives a gateway that runs another configuration: it checks it itself. Answers whether it was started anew, and
    /// with the record that it has then, as its port may be another.
    async fn reconfigure(
        self: &Arc<Self>,
        slot: &Turn,
        record: Record,
        config: &Value,
    ) -> Result<(bool, Record), BackendError> {
        let id = record.spec.agent.agent_id;
        let restarts = match slot.control.apply_config(config).await {
            Ok(restarts) => restarts,
            Err(NotApplied::Refused(message)) => {
                return Err(self.config_refused(id, config, message).await);
            }
            Err(NotApplied::Unknown(problem)) => {
                tracing::info!(agent.id = %id, error = %problem,
                    "agent {id} cannot be asked to take another configuration, and is started anew: {problem}");
                self.validate(slot, id, config).await?;
                self.end(slot, id, UNDEPLOY_GRACE).await;
                let written = config.clone();
                self.in_turn(slot, move |inner| {
                    let folder = inner.folder(id);
                    folder.write_config(&folder.config(), &written)
                })
                .await?;
                let (_, record) = self.come_up(slot, &record, config).await?;
                return Ok((true, record));
            }
        };
        if restarts {
            self.come_back(slot, &record, config).await?;
        } else {
            self.keep_last_good(slot, id, config).await?;
        }
        Ok((restarts, record))
    }

    pub(super) async fn keep_last_good(
        self: &Arc<Self>,
        turn: &Turn,
        id: Uuid,
        config: &Value,
    ) -> Result<(), BackendError> {
        let config = config.clone();
        self.in_turn(turn, move |inner| {
            let folder = inner.folder(id);
            folder.write_config(&folder.last_good(), &config)
        })
        .await
    }
}
