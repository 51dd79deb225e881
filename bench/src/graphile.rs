//! graphile-worker with a task that does nothing, as a process of its own.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result};
use creel_core::secret::Secret;
use creel_local::process;
use tokio::process::Command;
use tokio_postgres::Client;

use crate::program::Program;
use crate::queue;
use crate::stage::{Stage, connect};

/// Node needs a fifth of a second; a loaded machine gets a hundred times that.
const START_LIMIT: Duration = Duration::from_secs(30);

/// Whether no job waits or is at work.
pub const IS_EMPTY: &str = "select not exists (select from graphile_worker._private_jobs)";

/// Its database.
pub const DATABASE: &str = "graphile";

/// A database with graphile-worker's schema.
#[derive(Debug)]
pub struct Graphile {
    /// A session in it.
    pub admin: Client,
    url: Secret,
}

/// How it is run.
#[derive(Debug, Clone, Copy)]
pub struct GraphileSetup {
    /// Jobs at a time; its own default is one.
    pub concurrency: usize,
    /// With its local queue, and completions in batches.
    pub batched: bool,
    /// Whether it prints when each task starts.
    pub prints_starts: bool,
}

impl GraphileSetup {
    /// As it is when nothing is said.
    pub const DEFAULT: Self = Self {
        concurrency: 1,
        batched: false,
        prints_starts: false,
    };
    /// The documented default, ten at a time.
    pub const TEN: Self = Self {
        concurrency: 10,
        ..Self::DEFAULT
    };
    /// As its page on performance has it for short jobs in great number.
    pub const BATCHED: Self = Self {
        concurrency: 24,
        batched: true,
        prints_starts: false,
    };
}

impl Graphile {
    /// Makes the database; graphile-worker makes its schema.
    pub async fn set_up(stage: &Stage) -> Result<Self> {
        let url = stage.own_database(DATABASE).await?;
        let mut migrate = process::command(&stage.node);
        migrate
            .arg(stage.js.join("graphile.mjs"))
            .arg("migrate")
            .env("DATABASE_URL", url.expose())
            .current_dir(&stage.js);
        process::run(&mut migrate, START_LIMIT)
            .await
            .context("make graphile-worker's schema (scripts/bench installs it)")?;
        let admin = connect(&stage.superuser(DATABASE)).await?;
        Ok(Self { admin, url })
    }

    /// The command that runs it.
    pub fn command(&self, stage: &Stage, setup: GraphileSetup) -> Command {
        let mut command = process::command(&stage.node);
        command
            .arg(stage.js.join("graphile.mjs"))
            .arg("run")
            .arg(setup.concurrency.to_string())
            .arg(if setup.batched { "batched" } else { "single" })
            .arg(if setup.prints_starts { "starts" } else { "quiet" })
            .env("DATABASE_URL", self.url.expose())
            .current_dir(&stage.js)
            .stderr(Stdio::null());
        command
    }

    /// Starts it, and waits until it has done a job.
    pub async fn start_warm(&self, stage: &Stage, setup: GraphileSetup) -> Result<Program> {
        let mut program = Program::start(&mut self.command(stage, setup))?;
        self.fill(1).await?;
        if setup.prints_starts {
            program.line(START_LIMIT).await?;
        }
        queue::until_empty(&self.admin, IS_EMPTY).await?;
        Ok(program)
    }

    /// Writes that many jobs in one transaction.
    pub async fn fill(&self, job_count: i32) -> Result<()> {
        self.admin
            .execute(
                "select graphile_worker.add_jobs(array_agg(json_populate_record(
                   null::graphile_worker.job_spec, '{\"identifier\": \"noop\", \"payload\": {}}')))
                 from generate_series(1, $1)",
                &[&job_count],
            )
            .await
            .context("write jobs of graphile-worker")?;
        Ok(())
    }

    /// Removes dead rows and writes everything down.
    pub async fn settle(&self) -> Result<()> {
        for statement in ["vacuum (analyze)", "checkpoint"] {
            self.admin
                .batch_execute(statement)
                .await
                .with_context(|| statement.to_owned())?;
        }
        Ok(())
    }
}
