//! The function `checkout` on AWS Lambda.

use creel_core::secret::Secret;
use creel_functions::checkout::{self, Checkout};
use creel_functions::data_api::DataApi;
use creel_functions::settings::CheckoutSettings;
use creel_functions::stripe::door::Door;
use creel_functions::{lambda, secrets, server};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    lambda_http::tracing::init_default_subscriber();
    let settings: CheckoutSettings = secrets::load().await?;
    let url = format!("{}/rest/v1", settings.supabase_url);
    let key: Secret = settings.supabase_publishable_key.clone();
    let routes = checkout::routes(Checkout {
        api: DataApi::new(&url, key, settings.ssl_cert_file.clone()),
        door: Door::try_from(&settings)?,
        origins: settings.allowed_origins.clone(),
    });
    lambda::run(server::router(
        routes,
        checkout::ROUTES,
        &settings.allowed_origins,
    ))
    .await
}
