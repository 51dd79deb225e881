//! `POST /checkout/portal`: the page of Stripe's on which a project's payments are seen, changed and ended.

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;

use super::Checkout;
use super::body::Body;
use super::payer::{Payer, stripe_failure};
use crate::caller::Asker;
use crate::failure::Failure;
use crate::refusal::unavailable;

/// Answers where a project's editor manages what it pays for.
pub(super) async fn open(
    State(checkout): State<Checkout>,
    payer: Payer,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Value>, Failure> {
    let body = Body::read(body)?;
    let return_url = body.page("returnUrl", &checkout.origins)?;
    let project = payer.project(body.text("projectId")?)?;
    // Checkouts that were open at the same time may have made several customers: the one of a subscription knows it.
    let wished = match body.text("subscriptionId")? {
        Some(id) => Some(customer_of(&checkout, &payer, &project, id).await?),
        None => None,
    };
    // Row security shows it to editors and owners only.
    let rows = checkout
        .api
        .read(&payer, "stripe_customers", |rows| {
            let rows = rows.select("customer_id").eq("project_id", &project);
            let rows = match &wished {
                Some(customer) => rows.eq("customer_id", customer),
                None => rows,
            };
            rows.order("created_at.desc").limit(1)
        })
        .await?;
    let customer = rows.first().and_then(|row| row["customer_id"].as_str());
    let customer = customer.ok_or_else(no_customer)?;
    let parameters = json!({ "customer": customer, "return_url": return_url });
    let key = Uuid::new_v4().to_string();
    let told = checkout
        .door
        .stripe()
        .post("/v1/billing_portal/sessions", &parameters, &key, payer.deadline())
        .await
        .map_err(|error| {
            tracing::error!(%error, "failed to open the billing portal");
            stripe_failure(&error)
        })?;
    let url = told.object["url"].as_str().ok_or_else(unavailable)?;
    Ok(Json(json!({ "ok": true, "url": url })))
}

/// Who pays for a subscription of the project.
async fn customer_of(
    checkout: &Checkout,
    payer: &Payer,
    project: &str,
    subscription: &str,
) -> Result<String, Failure> {
    let rows = checkout
        .api
        .read(payer, "subscriptions", |rows| {
            rows.select("customer_id")
                .eq("project_id", project)
                .eq("id", subscription)
                .limit(1)
        })
        .await?;
    let customer = rows.first().and_then(|row| row["customer_id"].as_str());
    customer.map(str::to_owned).ok_or_else(no_customer)
}

fn no_customer() -> Failure {
    Failure::new(
        StatusCode::NOT_FOUND,
        "no_customer",
        "nobody has paid for this project or by this subscription yet, or you are no editor of it",
        "pay for an agent first, or ask an owner of the project",
    )
}
