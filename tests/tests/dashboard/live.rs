//! The page stays right: beside another tab and a command line, without Realtime, and with a thousand agents.

use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::scene::{Scene, nothing, words};

/// Starts of a browser and of gateways on a busy machine.
const LIMIT: Duration = Duration::from_secs(540);

#[tokio::test]
async fn two_tabs_and_a_command_line_at_once_stay_consistent() -> Result<()> {
    let scene = Scene::new().await?;
    let (_worker, _home) = scene.worker().await?;
    scene
        .program("tabs", LIMIT)
        .run(async |asked, given| match asked {
            "creel" => {
                let words = words(given);
                let words: Vec<&str> = words.iter().map(String::as_str).collect();
                Ok(scene.creel(&words).await)
            }
            "rows" => scene.rows(given["sql"].as_str().context("a query")?).await,
            other => bail!("nobody knows {other}"),
        })
        .await
}

#[tokio::test]
async fn realtime_that_dies_under_the_page_is_noticed_and_polled_around() -> Result<()> {
    let scene = Scene::new().await?;
    scene.host().await?;
    scene
        .program("silence", LIMIT)
        .run(async |asked, given| {
            match asked {
                "silence" => scene.rest.realtime().silence(),
                "cut" => scene.rest.realtime().cut(),
                "mend" => scene.rest.realtime().mend(),
                "make_agent" => {
                    let name = given["name"].as_str().context("a name")?;
                    let key = format!("agent:{}:main", name.to_lowercase().replace(' ', "-"));
                    scene
                        .admin
                        .execute(
                            "insert into agents (project_id, agent_key, name) values ($1, $2, $3)",
                            &[&scene.project, &key, &name],
                        )
                        .await
                        .context("make an agent")?;
                }
                other => bail!("nobody knows {other}"),
            }
            Ok(nothing())
        })
        .await
}

#[tokio::test]
async fn a_page_outlives_its_update_and_its_network() -> Result<()> {
    let scene = Scene::new().await?;
    scene
        .program("rebuilt", LIMIT)
        .run(async |asked, _| bail!("nobody knows {asked}"))
        .await
}

#[tokio::test]
async fn a_thousand_agents_are_scrolled_and_live() -> Result<()> {
    let scene = Scene::new().await?;
    scene.run(include_str!("crowd.sql")).await?;
    scene
        .program("crowd", LIMIT)
        .run(async |asked, given| {
            match asked {
                "rename" => {
                    let (name, role) = (given["name"].as_str(), given["role"].as_str());
                    let changed = scene
                        .admin
                        .execute("update agents set role = $2 where name = $1", &[&name, &role])
                        .await
                        .context("change an agent")?;
                    anyhow::ensure!(changed == 1, "{changed} agents are called {name:?}");
                }
                "stop_some" => {
                    scene
                        .run(
                            "set session_replication_role = replica;
                             update agents set status = 'stopped', desired_state = 'stopped'
                               where name ~ '^Agent [1-3]\\d\\d$' or name = 'Agent 400';
                             update agents set status = 'running', desired_state = 'running' where name = 'Agent 400';
                             set session_replication_role = origin",
                        )
                        .await?;
                }
                other => bail!("nobody knows {other}"),
            }
            Ok(nothing())
        })
        .await
}
