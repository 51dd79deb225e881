//! `creel up`: everything on this machine, until Ctrl-C.

mod deployed;
mod once;
mod paid;
mod parts;
mod project;
mod report;
mod stripe;

use std::path::PathBuf;

use anyhow::Context;
use creel_worker::Shutdown;

use self::parts::Parts;
use self::project::LocalProject;
use self::stripe::StripeArgs;
use crate::error::{CliError, ErrorKind};
use crate::output::Output;

/// What `creel up` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct UpArgs {
    /// Provision one agent through the queue, show what was done, and stop. With --backend profile an agent is deployed,
    /// asked, stopped, started, changed, restarted and undeployed.
    #[arg(long)]
    once: bool,

    /// With --once: an agent is rented. Its checkout is paid at a stand-in of Stripe, it is deployed with a gateway of its
    /// own, and goes when its subscription has ended.
    #[arg(long, requires = "once")]
    paid: bool,

    /// Folder for all that is kept: database, keys, programs from npm, OpenClaw's state.
    #[arg(long, default_value = ".creel", env = "CREEL_STATE_DIR", value_name = "DIR")]
    state_dir: PathBuf,

    /// The one port that is served [default: that of the last run, else any free one].
    #[arg(long)]
    port: Option<u16>,

    /// Where the agent of --once runs: in the host's one gateway, or with a gateway of its own and a stand-in for a
    /// model. Other agents say so in their rows.
    #[arg(long, value_enum, default_value_t = OnceBackend::Shared)]
    backend: OnceBackend,

    /// Do not run OpenClaw's gateway: agents are made, and nobody serves them (with --once it is never run).
    #[arg(long)]
    no_gateway: bool,

    #[command(flatten)]
    stripe: StripeArgs,

    /// What to log to standard error, in the syntax of RUST_LOG.
    #[arg(long, env = "CREEL_LOG", default_value = "warn", value_name = "FILTER")]
    log: String,
}

/// Where the agent of `--once` runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum OnceBackend {
    /// In the host's one gateway.
    Shared,
    /// With a gateway of its own.
    Profile,
}

/// Starts everything, does what was asked for, and stops what it started.
pub(super) async fn run(mut args: UpArgs, out: Output) -> anyhow::Result<()> {
    if args.backend == OnceBackend::Profile && !args.once {
        let error = CliError::new(ErrorKind::Usage, "--backend profile goes with --once only");
        return Err(error
            .hint("other agents have their backend in their row: agents.backend")
            .into());
    }
    args.state_dir = std::path::absolute(&args.state_dir).context("find the state directory")?;
    creel_core::telemetry::init(&args.log);
    let shutdown = Shutdown::on_signals()?;
    let parts = {
        let progress = out.progress(None);
        tokio::select! {
            started = parts::start(&args, &shutdown, &progress) => started?,
            () = shutdown.draining() => return Err(interrupted().into()),
        }
    };
    let (mut parts, project) = parts;
    let done = serve(&args, &mut parts, &project, &shutdown, out).await;
    let stopped = parts.stop().await;
    done.and(stopped)
}

async fn serve(
    args: &UpArgs,
    parts: &mut Parts,
    project: &LocalProject,
    shutdown: &Shutdown,
    out: Output,
) -> anyhow::Result<()> {
    report::write_env_file(parts, project)?;
    if args.once {
        let openclaw = parts.openclaw.clone();
        let state_dir = parts.openclaw_state_dir.clone();
        let (data_dir, model) = (parts.worker_data_dir.clone(), parts.model.clone());
        let (shop, database_url) = (parts.shop.clone(), parts.stack.database_url());
        let living = async {
            match (shop, model) {
                (Some(shop), Some(model)) => {
                    paid::rent(project, &shop, &database_url, &data_dir, &model, out).await
                }
                (_, Some(model)) => deployed::live(project, &data_dir, &model, out).await,
                _ => once::provision(project, &openclaw, &state_dir, out).await,
            }
        };
        return tokio::select! {
            // First: a worker that was told to stop does end.
            biased;
            () = shutdown.draining() => Err(interrupted().into()),
            done = living => done,
            ended = parts.ended() => Err(ended),
        };
    }
    report::show(parts, project, out);
    tokio::select! {
        biased;
        () = shutdown.draining() => {
            out.note("Stopping…");
            Ok(())
        }
        ended = parts.ended() => Err(ended),
    }
}

fn interrupted() -> CliError {
    CliError::new(ErrorKind::Interrupted, "interrupted").hint("run creel up again; what was there is kept")
}
