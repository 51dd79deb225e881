//! The function `notifications`: on AWS Lambda an invocation delivers what is due; elsewhere one run of it does, as for cron.

use std::time::{Duration, Instant, SystemTime};

use creel_functions::notifications::{Deliverer, KeyedOutbox, Reach, deliver_due};
use creel_functions::secrets;
use creel_functions::settings::NotifierSettings;
use lambda_http::lambda_runtime::{self, LambdaEvent, service_fn};
use serde_json::{Value, json};

/// How long a run takes at most that nobody else ends: cron begins another one every minute.
const RUN_LIMIT: Duration = Duration::from_secs(50);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    lambda_http::tracing::init_default_subscriber();
    let settings: NotifierSettings = secrets::load().await?;
    let outbox = KeyedOutbox::of(&settings);
    let deliverer = Deliverer::new(settings.ssl_cert_file.as_deref(), Reach::Internet)?;
    let (outbox, deliverer) = (&outbox, &deliverer);
    if settings.lambda_runtime.is_none() {
        deliver(outbox, deliverer, Instant::now() + RUN_LIMIT).await?;
        return Ok(());
    }
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Value>| async move {
        let left = event.context.deadline().duration_since(SystemTime::now());
        deliver(outbox, deliverer, Instant::now() + left.unwrap_or_default()).await
    }))
    .await
}

async fn deliver(
    outbox: &KeyedOutbox,
    deliverer: &Deliverer,
    end: Instant,
) -> Result<Value, lambda_http::Error> {
    let done = deliver_due(outbox, deliverer, end).await.map_err(|error| {
        tracing::error!(error = %format_args!("{error:#}"), "failed to deliver notifications");
        format!("{error:#}")
    })?;
    let (tried, arrived) = (done.tried, done.arrived);
    if tried > 0 {
        tracing::info!("{arrived} of {tried} notifications arrived");
    }
    Ok(json!({ "tried": tried, "arrived": arrived }))
}
