//! Documents of a thousand agents: how soon a changed file is a row, and what it costs to wait for that. Beside the
//! worker, which hears of changes, stands a mirror of the same passes that only scans, once a second.

use std::collections::HashMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use creel_core::id::AgentId;
use creel_local::process;
use creel_worker::mirror::{Days, HostDays};
use creel_worker::workspace::{Owner, TextHash, Workspace};
use tokio::sync::mpsc;
use tokio_postgres::{AsyncMessage, NoTls};
use uuid::Uuid;

use super::Effort;
use crate::clock::now_ms;
use crate::figure::{Against, Figure, Goal};
use crate::program::{Program, Usage};
use crate::stage::{Host, PROJECT, Stage};
use crate::statistics::{median, percentile};
use crate::worker::beside_this_program;

/// Workspaces on one host.
const AGENT_COUNT: usize = 1_000;

/// A few screens of text each.
const LINE_COUNT: usize = 60;

/// One change after the other, so that none waits for another one's row.
const EVERY: Duration = Duration::from_millis(50);

/// Six thousand documents are read and written the first time.
const SETTLE_LIMIT: Duration = Duration::from_secs(600);

/// What comes later is lost.
const HEARD_LIMIT: Duration = Duration::from_secs(30);

/// What a start is followed by is not idleness.
const WARM_UP: Duration = Duration::from_secs(12);

/// How many figures of memory there are before and after the changes.
struct Measured {
    waits: Vec<f64>,
    cpu_ms_per_sec: f64,
    memory_before_mib: f64,
    memory_mib: f64,
}

/// The agents' files.
struct Files {
    workspaces: Vec<(String, PathBuf)>,
    names: Vec<(&'static str, String)>,
}

/// Measures both.
pub async fn measure(stage: &Stage, effort: Effort) -> Result<Vec<Figure>> {
    let host = stage.host(5_000).await?;
    let files = make_agents(stage, &host).await?;
    stage
        .admin
        .batch_execute(
            "update creel.settings set max_shown_per_minute = 1000000;
             create or replace function bench_told() returns trigger language plpgsql as $$
             begin
               perform pg_notify('bench_mirror', new.agent_key || ' ' || new.doc_type || ' ' || new.sha256);
               return null;
             end $$;
             create or replace trigger bench_told after update of content on public.brain_docs
               for each row execute function bench_told();",
        )
        .await
        .context("listen to documents")?;

    let began = Instant::now();
    let mut command = worker(stage, &host)?;
    let ours = measure_one(stage, &files, &mut command, effort, None).await?;
    let first_secs = began.elapsed().as_secs();
    let mut command = process::command(beside_this_program("bench-scan-mirror")?);
    command
        .env_clear()
        .env("DATABASE_URL", host.url.expose())
        .stderr(Stdio::null());
    let theirs = measure_one(stage, &files, &mut command, effort, Some("ready")).await?;

    const SCAN: &str = "scan each second";
    let figure = |name, what, unit, ours, against, goal| Figure {
        name,
        what,
        ours,
        unit,
        against,
        goal,
        note: None,
    };
    Ok(vec![
        figure(
            "mirror_p50",
            "file changed → row changed, 1,000 workspaces, p50",
            "ms",
            median(&ours.waits),
            Against::OursByTheirs(SCAN, median(&theirs.waits)),
            Goal::None,
        ),
        figure(
            "mirror_p99",
            "the same, p99",
            "ms",
            percentile(&ours.waits, 0.99),
            Against::Itself,
            Goal::AtMost(1_000.0),
        ),
        figure(
            "mirror_p99_scan",
            "the same",
            "ms",
            percentile(&ours.waits, 0.99),
            Against::OursByTheirs(SCAN, percentile(&theirs.waits, 0.99)),
            Goal::None,
        ),
        figure(
            "mirror_idle_cpu",
            "their worker when nothing changes, processor time",
            "ms/s",
            ours.cpu_ms_per_sec,
            Against::Itself,
            Goal::AtMost(10.0),
        ),
        figure(
            "mirror_idle_cpu_scan",
            "the same",
            "ms/s",
            ours.cpu_ms_per_sec,
            Against::OursByTheirs(SCAN, theirs.cpu_ms_per_sec),
            Goal::AtMost(1.0 / 10.0),
        ),
        Figure {
            note: Some(format!(
                "all is mirrored and measured within {first_secs} s of the start; {:.1} MiB before the changes",
                ours.memory_before_mib
            )),
            ..figure(
                "mirror_memory",
                "their worker, memory after the changes",
                "MiB",
                ours.memory_mib,
                Against::OursByTheirs(SCAN, theirs.memory_mib),
                Goal::None,
            )
        },
    ])
}

/// Agents as if they had been provisioned, with their files.
async fn make_agents(stage: &Stage, host: &Host) -> Result<Files> {
    let root = stage.new_folder("workspaces")?;
    let names = ["soul", "agents", "user", "identity", "memory_long"]
        .into_iter()
        .zip(["SOUL.md", "AGENTS.md", "USER.md", "IDENTITY.md", "MEMORY.md"].map(ToOwned::to_owned))
        .chain([("memory_today", format!("memory/{}.md", HostDays.today()))]);
    let names: Vec<_> = names.collect();
    let mut workspaces = Vec::new();
    for n in 0..AGENT_COUNT {
        let id = AgentId::parse(&format!("m{n}")).context("make an id")?;
        let agent_key = format!("agent:m{n}:main");
        let path = root.join(id.as_str());
        let row = stage
            .admin
            .query_one(
                "insert into public.agents
                   (project_id, agent_key, host_id, openclaw_id, provisioned, status, desired_state, workspace_path)
                 values ($1, $2, $3, $4, true, 'stopped', 'stopped', $5) returning id",
                &[&PROJECT, &agent_key, &host.id, &id.as_str(), &path.to_string_lossy().into_owned()],
            )
            .await
            .context("make an agent")?;
        let owner = Owner {
            agent_id: row.get::<_, Uuid>(0),
            project_id: PROJECT.to_owned(),
            agent_key: agent_key.clone(),
        };
        Workspace::open(&root, &id, &owner).context("make a workspace")?;
        fs::create_dir(path.join("memory")).context("make a folder")?;
        for (doc_type, name) in &names {
            let text: String = (0..LINE_COUNT)
                .map(|line| format!("- {doc_type} of {agent_key}: line {line} of what it has to say\n"))
                .collect();
            fs::write(path.join(name), text).context("write a document")?;
        }
        workspaces.push((agent_key, path));
    }
    Ok(Files { workspaces, names })
}

fn worker(stage: &Stage, host: &Host) -> Result<tokio::process::Command> {
    let folder = stage.new_folder("mirror")?;
    let mut command = process::command(beside_this_program("creel")?);
    command
        .arg("worker")
        .env_clear()
        .env("DATABASE_URL", host.url.expose())
        .env("HOME", &folder)
        .env("CREEL_DATA_DIR", folder.join("data"))
        .env("CREEL_OPENCLAW_STATE_DIR", folder.join("openclaw"))
        .env("CREEL_HTTP_LISTEN", "127.0.0.1:0")
        .stderr(Stdio::null());
    Ok(command)
}

async fn measure_one(
    stage: &Stage,
    files: &Files,
    command: &mut tokio::process::Command,
    effort: Effort,
    first_line: Option<&str>,
) -> Result<Measured> {
    let mut program = Program::start(command)?;
    if first_line.is_some() {
        program.line(SETTLE_LIMIT).await?;
    }
    until_settled(stage).await?;
    stage.settle().await?;
    tokio::time::sleep(WARM_UP).await;
    let pid = program.pid()?;
    // Some of the scans that come once a minute.
    let period = Duration::from_secs(effort.pick(65, 180));
    let before = Usage::of(pid)?;
    tokio::time::sleep(period).await;
    let after = Usage::of(pid)?;
    let waits = measure_changes(stage, files, effort.pick(200, 2_000)).await?;
    let at_end = Usage::of(pid)?;
    program.stop().await?;
    Ok(Measured {
        waits,
        cpu_ms_per_sec: after.cpu_ms_since(&before) / period.as_secs_f64(),
        memory_before_mib: before.memory_mib,
        memory_mib: at_end.memory_mib,
    })
}

/// Waits until all documents are on both sides.
async fn until_settled(stage: &Stage) -> Result<()> {
    let began = Instant::now();
    loop {
        let count: i64 = stage
            .admin
            .query_one(
                "select count(*) from public.brain_docs where agent_key like 'agent:m%' and sync_state = 'synced'",
                &[],
            )
            .await
            .context("count documents")?
            .get(0);
        if usize::try_from(count).is_ok_and(|count| count == 6 * AGENT_COUNT) {
            return Ok(());
        }
        if began.elapsed() > SETTLE_LIMIT {
            bail!(
                "only {count} documents are mirrored after {} s",
                SETTLE_LIMIT.as_secs()
            );
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Appends lines to files here and there; answers how long each took to be a row.
async fn measure_changes(stage: &Stage, files: &Files, count: usize) -> Result<Vec<f64>> {
    let (listener, mut connection) = stage
        .superuser("postgres")
        .connect(NoTls)
        .await
        .context("connect")?;
    let (heard, mut hears) = mpsc::unbounded_channel();
    let listening = tokio::spawn(async move {
        while let Some(Ok(message)) = std::future::poll_fn(|cx| connection.poll_message(cx)).await {
            if let AsyncMessage::Notification(told) = message
                && heard.send((told.payload().to_owned(), now_ms())).is_err()
            {
                return;
            }
        }
    });
    listener
        .batch_execute("listen bench_mirror")
        .await
        .context("listen")?;
    let mut written = HashMap::new();
    let mut clock = tokio::time::interval(EVERY);
    for n in 0..count {
        clock.tick().await;
        // Far apart, and each a document of its own as long as there are any.
        let place = n * 7_919 % (AGENT_COUNT * files.names.len());
        let (agent_key, folder) = &files.workspaces[place % AGENT_COUNT];
        let (doc_type, name) = &files.names[place / AGENT_COUNT];
        let hash = append(&folder.join(name), &format!("- change {n}\n"))?;
        written.insert(format!("{agent_key} {doc_type} {hash}"), now_ms());
    }
    let mut waits = Vec::new();
    while waits.len() < count {
        let told = tokio::time::timeout(HEARD_LIMIT, hears.recv());
        let (told, at) = told
            .await
            .with_context(|| format!("hear of the {} changes that are left", count - waits.len()))?
            .context("hear of a row")?;
        waits.extend(written.remove(&told).map(|written| at - written));
    }
    drop(listener);
    listening.abort();
    Ok(waits)
}

/// Appends to a file as another process would; answers what it has then.
fn append(path: &Path, line: &str) -> Result<TextHash> {
    let mut file = fs::OpenOptions::new()
        .append(true)
        .open(path)
        .context("open a document")?;
    file.write_all(line.as_bytes()).context("append to a document")?;
    drop(file);
    Ok(TextHash::of(fs::read(path).context("read a document")?))
}
