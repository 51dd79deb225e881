//! An owner's work on hosts, members, webhooks and dead letters.

use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::scene::{Scene, nothing, words};

/// Three dozen clicks on a busy machine.
const LIMIT: Duration = Duration::from_secs(540);

#[tokio::test]
async fn hosts_members_webhooks_and_dead_letters_are_steered_on_the_page() -> Result<()> {
    let scene = Scene::new().await?;
    scene
        .program("steer", LIMIT)
        .run(async |asked, given| match asked {
            "creel" => {
                let words = words(given);
                let words: Vec<&str> = words.iter().map(String::as_str).collect();
                Ok(scene.creel(&words).await)
            }
            "person" => {
                scene
                    .person(given["email"].as_str().context("an address")?)
                    .await?;
                Ok(nothing())
            }
            "dead_letter" => {
                scene.host().await?;
                scene.run(include_str!("dead_letter.sql")).await?;
                Ok(nothing())
            }
            other => bail!("nobody knows {other}"),
        })
        .await
}
