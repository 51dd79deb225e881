//! A place on a host is let, rented and paid for on the page, with the real functions and worker; only Stripe is stood in for.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use creel_core::secret::Secret;
use creel_local::billing::StripeConfig;
use creel_local::stripe_stand_in::{Endpoints, StandIn};
use serde_json::json;

use crate::scene::{Scene, nothing};

/// Starts of a browser and of a gateway on a busy machine.
const LIMIT: Duration = Duration::from_secs(540);

#[tokio::test]
async fn an_agent_is_rented_on_the_page_and_runs_when_it_is_paid_for() -> Result<()> {
    let stripe = StandIn::start().await?;
    let secret = |which: &str| Secret::new(format!("whsec_{which}{}", "0".repeat(32)));
    let config = StripeConfig {
        api_url: stripe.url(),
        api_key: stripe.api_key().clone(),
        pages_api_key: Some(stripe.pages_api_key().clone()),
        webhook_secret: secret("platform"),
        connect_webhook_secret: secret("connect"),
    };
    let scene = Scene::with_stripe(&config).await?;
    let landlord = scene.person("landlord@example.com").await?;
    let theirs = scene.project_of(&landlord).await?;
    let host = scene.idle_host().await?;
    let let_out = "update hosts set owner_id = $1, name = 'mac-mini', tenancy = 'single' where id = $2";
    let changed = scene.admin.execute(let_out, &[&landlord.id, &host.id]).await;
    ensure!(
        changed.context("give the host to its owner")? == 1,
        "there is no host"
    );
    let serve = "insert into project_hosts (project_id, host_id) values ($1, $2)";
    let made = scene.admin.execute(serve, &[&theirs, &host.id]).await;
    made.context("let the host serve its owner")?;
    let (_worker, _home) = scene.worker_of(&host).await?;
    let url = |which: &str| format!("{}/functions/v1/stripe/{which}", scene.rest.url());
    let endpoints = Endpoints {
        platform: (url("events"), config.webhook_secret.clone()),
        connect: (url("connect"), config.connect_webhook_secret.clone()),
    };
    scene
        .program("paid", LIMIT)
        .run(async |asked, given| {
            let named = |name: &str| given[name].as_str().with_context(|| format!("{name} is given"));
            match asked {
                "landlord" => Ok(json!({ "email": landlord.email, "project": theirs, "host": "mac-mini" })),
                "onboard" => stripe.onboard(named("account")?).map(|()| nothing()),
                "session" => stripe.object(named("session")?).context("find the session"),
                "pay" => stripe.pay(named("session")?).map(|_paid| nothing()),
                "deliver" => {
                    // What comes too early is refused, and told once more.
                    for _ in 0..10 {
                        let told = stripe.deliver(&endpoints).await?;
                        if told.iter().all(|event| event.status == 200) {
                            return Ok(nothing());
                        }
                    }
                    bail!("an event of Stripe's is not taken");
                }
                other => bail!("nobody knows {other}"),
            }
        })
        .await
}
