//! A program of `dashboard/e2e`, which drives the page in a browser and asks for what it cannot do itself.

use std::io::Write;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use creel_local::process;
use creel_tests::cluster::{repo, tools};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};

/// How a program is run.
#[derive(Debug)]
pub(crate) struct Program<'a> {
    /// The file, without its ending.
    pub(crate) name: &'a str,
    /// Where the page is.
    pub(crate) url: String,
    /// Who signs in.
    pub(crate) email: &'a str,
    pub(crate) password: &'a str,
    /// Which project is looked at.
    pub(crate) project: &'a str,
    /// How long it may take.
    pub(crate) limit: Duration,
}

impl Program<'_> {
    /// Runs it to its end; `answer` does what it asks for.
    pub(crate) async fn run(self, answer: impl AsyncFnMut(&str, &Value) -> Result<Value>) -> Result<()> {
        let limit = self.limit;
        tokio::time::timeout(limit, self.drive(answer))
            .await
            .with_context(|| format!("it took more than {} s", limit.as_secs()))?
    }

    async fn drive(self, mut answer: impl AsyncFnMut(&str, &Value) -> Result<Value>) -> Result<()> {
        let dashboard = repo().join("dashboard");
        ensure!(
            dashboard.join("node_modules").is_dir() && dashboard.join("dist/index.html").is_file(),
            "the dashboard is not built; run: npm ci --prefix dashboard && npm run build --prefix dashboard"
        );
        let screenshots = screenshots()?;
        let mut child = process::command(tools().node().await?)
            .arg(dashboard.join("e2e").join(format!("{}.ts", self.name)))
            .env("SUPABASE_URL", self.url)
            .env("EMAIL", self.email)
            .env("PASSWORD", self.password)
            .env("PROJECT", self.project)
            .env("SCREENSHOTS", screenshots)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("start node")?;
        let mut input = child.stdin.take().context("its input")?;
        let mut asked = BufReader::new(child.stdout.take().context("its output")?).lines();
        let mut stderr = child.stderr.take().context("its errors")?;
        let said = tokio::spawn(async move {
            let mut said = String::new();
            let _end = stderr.read_to_string(&mut said).await;
            said
        });
        while let Some(line) = asked.next_line().await.context("read what it asks")? {
            let asked: Value = serde_json::from_str(&line).with_context(|| format!("it said {line}"))?;
            let what = asked["ask"].as_str().unwrap_or_default();
            let told = match answer(what, &asked).await {
                Ok(told) => json!({ "ok": told }),
                Err(error) => json!({ "error": format!("{error:#}") }),
            };
            input
                .write_all(format!("{told}\n").as_bytes())
                .await
                .context("answer it")?;
        }
        let status = child.wait().await.context("wait for its end")?;
        let said = said.await.context("read what it said")?;
        ensure!(status.success(), "{status}\n{said}");
        // The test's runner shows it with what else the test said.
        std::io::stderr()
            .write_all(said.as_bytes())
            .context("show what it said")?;
        Ok(())
    }
}

/// Where pictures of the pages go; git knows nothing of it.
fn screenshots() -> Result<PathBuf> {
    let folder = repo().join("target/screenshots");
    std::fs::create_dir_all(&folder).context("make the folder of screenshots")?;
    Ok(folder)
}
