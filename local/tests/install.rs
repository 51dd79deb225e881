//! Installations from npm, by the real npm.

#![expect(clippy::disallowed_methods, reason = "tests start programs as a person would")]

use std::fs;
use std::process::Command;

use anyhow::Result;
use creel_local::install::Tools;
use creel_local::install::openclaw::OPENCLAW_VERSION;

#[tokio::test]
async fn two_processes_that_install_at_once_do_not_disturb_each_other() -> Result<()> {
    let dir = tempfile::tempdir()?;
    // What an interrupted installation leaves.
    let half = dir.path().join("tools/.postgrest-12.0.2-2.new/node_modules");
    fs::create_dir_all(&half)?;
    let (one, other) = (
        Tools::new(dir.path().join("tools")),
        Tools::new(dir.path().join("tools")),
    );
    let (first, second) = tokio::join!(one.postgrest(), other.postgrest());
    let program = first?;
    assert_eq!(program, second?);
    let output = Command::new(&program).arg("--version").output()?;
    assert!(output.status.success());
    assert!(!half.exists());
    // Found again without npm's help: it could not write here.
    let folder = fs::metadata(one.folder())?.modified()?;
    assert_eq!(one.postgrest().await?, program);
    assert_eq!(fs::metadata(one.folder())?.modified()?, folder);
    Ok(())
}

#[tokio::test]
async fn slow_openclaw_is_installed_with_a_node_that_it_runs_with() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let tools = Tools::new(dir.path().join("to ols'"));
    let program = tools.own_openclaw().await?;
    let output = Command::new(&program).arg("--version").output()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        said.contains(OPENCLAW_VERSION),
        "{said} {}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(tools.own_openclaw().await?, program);
    Ok(())
}
