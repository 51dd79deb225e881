//! The function `stripe` on AWS Lambda: an invocation is a delivery of Stripe's, or the clock.

use creel_functions::settings::StripeSettings;
use creel_functions::stripe::endpoint::{self, Webhooks};
use creel_functions::{lambda, origins, secrets, server, stripe};
use serde_json::json;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    lambda_http::tracing::init_default_subscriber();
    let settings: StripeSettings = secrets::load().await?;
    let webhooks = Webhooks::try_from(&settings)?;
    let door = webhooks.door.clone();
    // Stripe is no page.
    let nobody = origins::Origins::List(Vec::new());
    let router = server::router(endpoint::routes(webhooks), stripe::ROUTES, &nobody);
    lambda::run_with_clock(router, async |limit| {
        let done = door.tick(Some(limit)).await.map_err(|failure| {
            tracing::error!(code = %failure.code, "failed to do what is due: {}", failure.message);
            format!("{}; {}", failure.message, failure.hint)
        })?;
        Ok(json!({ "done": done }))
    })
    .await
}
