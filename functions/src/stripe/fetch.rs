//! What the database wants to see as it is now, read from Stripe.

use axum::http::StatusCode;
use futures_util::future::try_join_all;
use futures_util::{StreamExt, stream};
use serde_json::{Map, Value, json};

use super::api::{StripeApi, Told, now_secs};
use super::event::without_nul;
use super::refused::StripeError;
use crate::deadline::Deadline;
use crate::failure::Failure;

/// More than one event can be about.
const OBJECTS_MAX: usize = 10;

/// As many as are read at a time where there are many.
const AT_ONCE: usize = 4;

/// The objects by their ids, each with the time as of which it is.
pub async fn all(
    stripe: &StripeApi,
    wanted: &[Value],
    limit: Deadline,
) -> Result<Map<String, Value>, Failure> {
    let reading: Vec<_> = wanted
        .iter()
        .take(OBJECTS_MAX)
        .map(|wish| one(stripe, wish, limit))
        .collect();
    let found = try_join_all(reading).await.map_err(|error| {
        tracing::warn!(%error, "failed to read what an event is about from Stripe");
        Failure::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "stripe_unavailable",
            "what the event is about could not be read from Stripe",
            "it is tried again with the next delivery; if it stays so, see the function's log",
        )
    })?;
    Ok(found.into_iter().collect())
}

/// Those of the objects that can be read: the others may be read another time.
pub(super) async fn those_there(stripe: &StripeApi, wanted: &[Value], limit: Deadline) -> Map<String, Value> {
    let reading: Vec<_> = wanted.iter().map(|wish| one(stripe, wish, limit)).collect();
    let mut found = Map::new();
    let mut reading = stream::iter(reading).buffer_unordered(AT_ONCE);
    while let Some(read) = reading.next().await {
        match read {
            Ok((id, object)) => drop(found.insert(id, object)),
            Err(error) => {
                tracing::warn!(%error, "failed to read what an event that waits is about from Stripe")
            }
        }
    }
    found
}

async fn one(stripe: &StripeApi, wish: &Value, limit: Deadline) -> Result<(String, Value), StripeError> {
    let object = wish["object"].as_str().unwrap_or_default();
    let id = wish["id"].as_str().unwrap_or_default();
    let path = format!("{}/{id}", collection(object).ok_or(StripeError::Impossible)?);
    let query = json!({ "expand": wish["expand"] });
    let told = match stripe.get(&path, &query, Some(limit)).await {
        // An owner of a host may close the account, or disconnect it. Nothing else can go away, but for a key that is
        // another account's: what that cannot see stays waiting.
        Err(error) if object == "account" && error.is_gone() => Told {
            object: json!({ "id": id, "object": object, "deleted": true }),
            at_secs: now_secs(),
        },
        read => read?,
    };
    let mut found = told.object;
    found["fetched_at"] = told.at_secs.into();
    without_nul(&mut found);
    Ok((id.to_owned(), found))
}

/// Where objects of a kind are.
fn collection(object: &str) -> Option<&'static str> {
    Some(match object {
        "account" => "/v1/accounts",
        "charge" => "/v1/charges",
        "checkout.session" => "/v1/checkout/sessions",
        "customer" => "/v1/customers",
        "dispute" => "/v1/disputes",
        "invoice" => "/v1/invoices",
        "payment_intent" => "/v1/payment_intents",
        "subscription" => "/v1/subscriptions",
        "transfer" => "/v1/transfers",
        _ => return None,
    })
}
