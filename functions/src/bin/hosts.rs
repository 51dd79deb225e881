//! The function `hosts` on AWS Lambda.

use creel_functions::data_api::DataApi;
use creel_functions::settings::Settings;
use creel_functions::{hosts, lambda, secrets, server};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    lambda_http::tracing::init_default_subscriber();
    let settings: Settings = secrets::load().await?;
    let routes = hosts::routes(DataApi::of(&settings));
    lambda::run(server::router(routes, hosts::ROUTES, &settings.allowed_origins)).await
}
