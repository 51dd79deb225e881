//! Who may only look is offered nothing else.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::json;

use crate::scene::Scene;

/// Some twenty pages on a busy machine.
const LIMIT: Duration = Duration::from_secs(540);

#[tokio::test]
async fn a_viewer_is_offered_nothing_that_only_others_may_do() -> Result<()> {
    let scene = Scene::new().await?;
    scene.run(include_str!("seed.sql")).await?;
    let viewer = scene.person("viewer@example.com").await?;
    let sql = "insert into project_members (project_id, user_id, role) values ($1, $2, 'viewer')";
    let made = scene.admin.execute(sql, &[&scene.project, &viewer.id]).await;
    made.context("let the viewer in")?;
    scene
        .program("viewer", LIMIT)
        .run(async |asked, _| match asked {
            "viewer" => Ok(json!(viewer.email)),
            other => bail!("nobody knows {other}"),
        })
        .await
}
