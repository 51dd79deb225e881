//! A mirror of documents that hears of nothing: it makes the worker's own passes over all agents, once a second.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use async_trait::async_trait;
use clap::Parser;
use creel_core::host_api::{
    API, FetchDocsReply, FetchDocsRequest, ListAgentsReply, ListAgentsRequest, ListDocsReply,
    ListDocsRequest, PutDocsReply, PutDocsRequest,
};
use creel_worker::mirror::{HOLD_AFTER, HostDays, Mirror, MirrorSettings, Mirrored, Rows, Wanted};
use creel_worker::workspace::{DISPLACED_STAYS, NoFaults, Owner};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio_postgres::{Client, NoTls};
use uuid::Uuid;

/// What is asked of the worker, by scans alone.
const EVERY: Duration = Duration::from_secs(1);

/// A mirror that only scans.
#[derive(Parser)]
struct Args {
    /// The database, as the host's login role
    #[arg(long, env = "DATABASE_URL")]
    database_url: String,
}

struct HostRows(Client);

#[derive(Deserialize)]
struct Listed {
    id: Uuid,
    project_id: String,
    agent_key: String,
    workspace_path: PathBuf,
}

impl HostRows {
    async fn call<R: DeserializeOwned>(
        &self,
        function: &str,
        request: &(impl Serialize + Sync),
    ) -> Result<R> {
        let argument = serde_json::to_value(request)?;
        let row = self
            .0
            .query_one(&format!("select public.{function}($1)"), &[&argument])
            .await?;
        Ok(serde_json::from_value(row.get(0))?)
    }
}

#[async_trait]
impl Rows for HostRows {
    async fn list(&self, request: &ListDocsRequest) -> Result<ListDocsReply> {
        self.call("list_docs", request).await
    }

    async fn fetch(&self, request: &FetchDocsRequest) -> Result<FetchDocsReply> {
        self.call("fetch_docs", request).await
    }

    async fn put(&self, request: &PutDocsRequest) -> Result<PutDocsReply> {
        self.call("put_docs", request).await
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

async fn run(args: Args) -> Result<()> {
    let (client, connection) = tokio_postgres::connect(&args.database_url, NoTls)
        .await
        .context("connect to the database")?;
    tokio::spawn(connection);
    let rows = Arc::new(HostRows(client));
    let request = ListAgentsRequest {
        api: API,
        session: Uuid::new_v4(),
    };
    let reply: ListAgentsReply = rows.call("list_agents", &request).await?;
    let agents = reply.agents.iter().map(|agent| {
        let listed = Listed::deserialize(agent)?;
        Ok(Mirrored {
            agent_id: listed.id,
            owner: Owner {
                agent_id: listed.id,
                project_id: listed.project_id,
                agent_key: listed.agent_key,
            },
            workspace: listed.workspace_path,
        })
    });
    let agents: Vec<Mirrored> = agents.collect::<Result<_>>()?;
    let mut mirror = Mirror::new(MirrorSettings {
        rows,
        days: Arc::new(HostDays),
        faults: Arc::new(NoFaults),
        hold_after: HOLD_AFTER,
        displaced_stays: DISPLACED_STAYS,
        templates: Vec::new(),
    });
    let mut clock = tokio::time::interval(EVERY);
    clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut is_first = true;
    loop {
        clock.tick().await;
        let wanted = agents.iter().map(|agent| Wanted {
            agent: agent.clone(),
            rows_changed: is_first,
            is_busy: false,
        });
        mirror.pass(wanted.collect()).await?;
        if std::mem::take(&mut is_first) {
            let mut out = std::io::stdout().lock();
            writeln!(out, "ready")
                .and_then(|()| out.flush())
                .context("print")?;
        }
    }
}
