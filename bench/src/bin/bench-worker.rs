//! The real worker with one job, which does nothing.

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

use async_trait::async_trait;
use clap::Parser;
use creel_bench::clock;
use creel_bench::queue::QUEUE;
use creel_worker::job::{Job, JobContext, JobError};
use creel_worker::{Shutdown, WorkerArgs};
use serde_json::{Value, json};

/// The real worker with a job that does nothing.
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    worker: WorkerArgs,
    /// Results that are written in one call at most
    #[arg(long)]
    finish_batch: Option<usize>,
    /// Print when each handler starts
    #[arg(long)]
    starts: bool,
}

/// Does nothing, and may say when.
struct NoOp {
    prints_starts: bool,
}

#[async_trait]
impl Job for NoOp {
    fn queue(&self) -> &'static str {
        QUEUE
    }

    async fn run(&self, _context: JobContext<'_>) -> Result<Value, JobError> {
        if self.prints_starts {
            let mut out = std::io::stdout().lock();
            // Whoever reads it may be gone, and then it matters to nobody.
            let _gone = writeln!(out, "started {}", clock::now_ms()).and_then(|()| out.flush());
        }
        Ok(json!({ "ok": true }))
    }
}

fn main() -> ExitCode {
    let args = Args::parse();
    let ended = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(anyhow::Error::from)
        .and_then(|runtime| runtime.block_on(run(args)));
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let mut err = std::io::stderr().lock();
            let _gone = writeln!(err, "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: Args) -> anyhow::Result<()> {
    let mut config = args.worker.resolve()?;
    if let Some(most) = args.finish_batch {
        config.finish_batch = most;
    }
    creel_core::telemetry::init(&config.log);
    let job = Arc::new(NoOp {
        prints_starts: args.starts,
    });
    creel_worker::run_with(config, Shutdown::on_signals()?, vec![job]).await?;
    Ok(())
}
