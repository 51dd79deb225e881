//! What the pages look like, and that nothing of what agents write becomes more than text.

use std::time::Duration;

use anyhow::{Result, bail};
use serde_json::json;

use crate::scene::Scene;

/// A hundred pages, each with a picture, on a busy machine.
const LOOKS: Duration = Duration::from_secs(540);
const HOSTILE: Duration = Duration::from_secs(540);
const KEYBOARD: Duration = Duration::from_secs(540);

/// Each runs where text becomes markup: as an element, in an attribute, as an address.
const ATTACK: &str = concat!(
    "<script>window.pwned = 1</script>",
    "<img src=x onerror=\"window.pwned = 1\">",
    "<svg onload=\"window.pwned = 1\"></svg>",
    "<iframe srcdoc=\"<script>parent.pwned = 1</script>\"></iframe>",
    "\"' onmouseover='window.pwned=1' autofocus onfocus='window.pwned=1'",
    "<base href=\"https://example.com/\"><style>body { display: none }</style>",
    "[a link](javascript:window.pwned=1)",
);

#[tokio::test]
async fn every_page_is_accessible_in_light_and_dark_on_a_desktop_and_a_phone() -> Result<()> {
    let scene = Scene::new().await?;
    scene.run(include_str!("seed.sql")).await?;
    scene
        .program("looks", LOOKS)
        .run(async |asked, _| bail!("nobody knows {asked}"))
        .await
}

#[tokio::test]
async fn whoever_has_a_keyboard_alone_can_do_everything() -> Result<()> {
    let scene = Scene::new().await?;
    scene.host().await?;
    scene
        .program("keyboard", KEYBOARD)
        .run(async |asked, _| bail!("nobody knows {asked}"))
        .await
}

#[tokio::test]
async fn what_agents_write_is_text_and_never_runs() -> Result<()> {
    let scene = Scene::new().await?;
    scene
        .run(&format!(
            "select set_config('test.attack', $attack${ATTACK}$attack$, false)"
        ))
        .await?;
    scene.run(include_str!("hostile.sql")).await?;
    scene
        .program("hostile", HOSTILE)
        .run(async |asked, _| match asked {
            "attack" => Ok(json!(ATTACK)),
            other => bail!("nobody knows {other}"),
        })
        .await
}
