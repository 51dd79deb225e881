//! The least that can run on AWS Lambda: what the start of a function is compared with.

use lambda_http::{Body, Error, Request, Response, service_fn};

async fn hello(request: Request) -> Result<Response<Body>, Error> {
    let size = request.body().len();
    Ok(Response::builder().body(format!("{{\"bytes\":{size}}}").into())?)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    lambda_http::tracing::init_default_subscriber();
    lambda_http::run(service_fn(hello)).await
}
