//! What `creel up` starts, in order, and stops in the other order.

use std::path::PathBuf;

use std::sync::Arc;

use anyhow::Context;
use creel_local::model::StandInModel;
use creel_local::{Stack, StackConfig};
use creel_worker::{KeepGateway, Shutdown, Stopped, WorkerConfig};
use tokio::task::JoinHandle;
use tokio_util::task::AbortOnDropHandle;

use super::deployed;
use super::paid::Shop;
use super::project::{self, LocalProject};
use super::{OnceBackend, UpArgs};
use crate::output::Progress;

/// The stack and the worker.
pub(super) struct Parts {
    /// Postgres, PostgREST and the one port.
    pub(super) stack: Stack,
    /// The folder for all that is kept, absolute.
    pub(super) state_dir: PathBuf,
    /// The executable that the worker uses.
    pub(super) openclaw: PathBuf,
    /// OpenClaw's state directory.
    pub(super) openclaw_state_dir: PathBuf,
    /// The worker's own folder.
    pub(super) worker_data_dir: PathBuf,
    /// What agents with a gateway of their own think with; none where they are not asked for.
    pub(super) model: Option<Arc<StandInModel>>,
    /// Where agents are rented; none where they are not asked for.
    pub(super) shop: Option<Arc<Shop>>,
    worker: Option<JoinHandle<anyhow::Result<Stopped>>>,
    shutdown: Shutdown,
}

/// Installs what is missing and starts everything.
pub(super) async fn start(
    args: &UpArgs,
    shutdown: &Shutdown,
    progress: &Progress,
) -> anyhow::Result<(Parts, LocalProject)> {
    progress
        .doing("starting Postgres and PostgREST; the first run installs them and OpenClaw (about 800 MB)");
    let mut shop = None;
    if args.paid {
        shop = Some(Shop::open().await?);
    }
    let config = StackConfig {
        gateway_port: args.port,
        stripe: match &shop {
            Some(shop) => Some(shop.stripe_config()),
            None => args.stripe.config(),
        },
        ..StackConfig::new(&args.state_dir)
    };
    // At the same time, but that another creel up runs here is said before hundreds of megabytes are there.
    let tools = config.tools();
    let openclaw = AbortOnDropHandle::new(tokio::spawn(async move { tools.openclaw().await }));
    let stack = Stack::up(&config).await.context("start the local stack")?;
    progress.done(&format!("Supabase at {}", stack.supabase_url()));
    match start_on(args, stack, shop, openclaw, shutdown, progress).await {
        Ok(started) => Ok(started),
        Err((stack, error)) => {
            let _first_error_tells_more = stack.down().await;
            Err(error)
        }
    }
}

/// The rest, on a stack that is given back when this fails.
async fn start_on(
    args: &UpArgs,
    stack: Stack,
    mut shop: Option<Shop>,
    openclaw: AbortOnDropHandle<anyhow::Result<PathBuf>>,
    shutdown: &Shutdown,
    progress: &Progress,
) -> Result<(Parts, LocalProject), (Box<Stack>, anyhow::Error)> {
    let prepared = async {
        progress.doing("installing OpenClaw; the first time takes a while (about 650 MB)");
        let openclaw = openclaw
            .await
            .context("wait for OpenClaw's installation")?
            .context("install OpenClaw")?
            .canonicalize()
            .context("find OpenClaw")?;
        progress.done(&format!("OpenClaw at {}", openclaw.display()));
        let state_dir = args
            .state_dir
            .canonicalize()
            .context("find the state directory")?;
        let project = project::prepare(&stack, &state_dir).await?;
        progress.done(&format!("project {} with this host in it", project.id));
        if let Some(shop) = &mut shop {
            shop.let_in_deployer(&stack).await?;
        }
        let openclaw_state_dir = state_dir.join("openclaw");
        make_private(&openclaw_state_dir)?;
        let mut worker = WorkerConfig::new(project.host_database_url.clone())?;
        worker.openclaw.clone_from(&openclaw);
        worker.openclaw_state_dir.clone_from(&openclaw_state_dir);
        worker.workspace_root = openclaw_state_dir.join("workspaces");
        worker.data_dir = state_dir.join("worker");
        worker.http_listen.set_port(0);
        // What this command started ends with it.
        worker.agents_end_with_worker = true;
        let mut model = None;
        if args.backend == OnceBackend::Profile || args.paid {
            let started = Arc::new(StandInModel::start().await?);
            worker.profile_base = Some(deployed::write_base(&state_dir, &started)?);
            model = Some(started);
        }
        let worker_data_dir = worker.data_dir.clone();
        if !(args.once || args.no_gateway) {
            worker.keep_gateway = KeepGateway::UntilEnd;
        }
        anyhow::Ok((
            openclaw,
            state_dir,
            openclaw_state_dir,
            worker_data_dir,
            model,
            project,
            worker,
        ))
    };
    match prepared.await {
        Ok((openclaw, state_dir, openclaw_state_dir, worker_data_dir, model, project, worker)) => {
            let worker = Some(tokio::spawn(creel_worker::run(worker, shutdown.clone())));
            progress.done("worker");
            let shutdown = shutdown.clone();
            let parts = Parts {
                stack,
                state_dir,
                openclaw,
                openclaw_state_dir,
                worker_data_dir,
                model,
                shop: shop.map(Arc::new),
                worker,
                shutdown,
            };
            Ok((parts, project))
        }
        Err(error) => Err((Box::new(stack), error)),
    }
}

/// Agents' keys and instructions are for their owner's eyes only.
fn make_private(folder: &std::path::Path) -> anyhow::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    let made = std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder);
    made.with_context(|| format!("make {}", folder.display()))
}

impl Parts {
    /// Waits until a part ends that nobody told to, and says which.
    pub(super) async fn ended(&mut self) -> anyhow::Error {
        let worker = async {
            match self.worker.as_mut() {
                Some(task) => task.await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            part = self.stack.ended() => anyhow::anyhow!("{part} ended by itself; its log is in {}", self.state_dir.display()),
            ended = worker => {
                self.worker = None;
                match ended {
                    Ok(Ok(_)) => anyhow::anyhow!("the worker ended by itself"),
                    Ok(Err(error)) => error.context("run the worker"),
                    Err(error) => anyhow::Error::new(error).context("run the worker"),
                }
            }
        }
    }

    /// Stops the worker, which gives back what it has, then the rest.
    pub(super) async fn stop(self) -> anyhow::Result<()> {
        self.shutdown.drain();
        let worker = match self.worker {
            Some(task) => task
                .await
                .context("stop the worker")
                .and_then(|ended| ended.map(drop)),
            None => Ok(()),
        };
        let stack = self.stack.down().await.context("stop the local stack");
        worker.and(stack)
    }
}
