//! `creel-bench`: measures, and prints the table.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, ValueEnum};
use creel_bench::figure::{Figure, table};
use creel_bench::row::{Effort, drain, function, hosts, idle, latency, mirror, provision, realtime, stripe};
use creel_bench::stage::Stage;
use creel_bench::{queue, say};
use tokio::signal::unix::{SignalKind, signal};

/// Agents of the bench's own queue.
const AGENT_COUNT: i32 = 1_000;

/// Room for them and for those of the rows about provisioning.
const CAPACITY: u32 = 5_000;

/// Measures Creel beside what people use today, and prints the ratios.
#[derive(Parser)]
#[command(name = "bench")]
struct Args {
    /// Less of everything: done in some five minutes
    #[arg(long)]
    quick: bool,
    /// One line of JSON a figure instead of the table
    #[arg(long)]
    json: bool,
    /// Only these rows
    #[arg(long, value_name = "ROW")]
    only: Vec<Row>,
}

/// Groups of rows that are measured together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Row {
    /// Row written → agent ready, alone and fifty at once
    Ready,
    /// Items a second, and transactions an item
    Drain,
    /// Row written → handler starts
    Wake,
    /// Row written → handler starts, on a host that speaks HTTPS and hears by Realtime
    Realtime,
    /// What an idle worker costs
    Idle,
    /// Spawn → first handler
    Start,
    /// The function on AWS Lambda: its calls, its size, its start
    Function,
    /// The function that Stripe's events arrive at: its start, and 500 events a second
    Stripe,
    /// File changed → row changed, with 1,000 workspaces
    Mirror,
    /// 1,000 hosts that tick every ten seconds; last, as they stay
    Hosts,
}

fn main() -> ExitCode {
    let args = Args::parse();
    creel_core::telemetry::init("warn");
    let measured = tokio::runtime::Runtime::new()
        .context("start the runtime")
        .and_then(|runtime| runtime.block_on(measure(&args)));
    match measured {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

async fn measure(args: &Args) -> Result<()> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let stage = Stage::set_up(here.parent().unwrap_or(here)).await?;
    let measured = tokio::select! {
        measured = measure_rows(args, &stage) => measured,
        told = told_to_stop() => told.and_then(|()| anyhow::bail!("interrupted")),
    };
    stage.tear_down().await?;
    let figures = measured?;
    if !args.json {
        print(&table(&figures).to_string())?;
    }
    Ok(())
}

/// Waits for Ctrl-C or SIGTERM: what runs is stopped first.
async fn told_to_stop() -> Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("listen to SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("listen to SIGINT")?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

async fn measure_rows(args: &Args, stage: &Stage) -> Result<Vec<Figure>> {
    let effort = if args.quick { Effort::Quick } else { Effort::Whole };
    let host = stage.host(CAPACITY).await?;
    queue::create(stage, host.id, AGENT_COUNT).await?;
    let mut figures = Vec::new();
    for &row in Row::value_variants() {
        if !args.only.is_empty() && !args.only.contains(&row) {
            continue;
        }
        say(&format!("measuring: {row:?}"));
        let measured = match row {
            Row::Ready => provision::measure(stage, &host, effort).await?,
            Row::Drain => drain::measure(stage, &host, effort).await?,
            Row::Wake => latency::measure(stage, &host, effort).await?,
            Row::Realtime => realtime::measure(stage, effort).await?,
            Row::Idle => idle::measure_idle(stage, &host, None, effort).await?,
            Row::Function => function::measure(stage, effort).await?,
            Row::Stripe => stripe::measure(stage, &host, effort).await?,
            Row::Mirror => mirror::measure(stage, effort).await?,
            Row::Hosts => hosts::measure(stage, effort).await?,
            Row::Start => idle::measure_start(stage, &host, effort).await?,
        };
        if args.json {
            for figure in &measured {
                print(&figure.to_json().to_string())?;
            }
        }
        figures.extend(measured);
    }
    Ok(figures)
}

fn print(line: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").context("print")
}
