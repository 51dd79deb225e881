//! `POST /checkout/sessions`: a page of Stripe's on which an agent on a host is paid for.

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::StatusCode;
use serde_json::{Value, json};

use super::Checkout;
use super::body::Body;
use super::payer::{Payer, stripe_failure};
use crate::caller::Asker;
use crate::data_api::Repeat;
use crate::failure::Failure;
use crate::refusal::unavailable;
use crate::stripe::Event;
use crate::stripe::door::Endpoint;

/// As much of a name as Stripe shows.
const NAME_MAX_CHARS: usize = 200;

/// Keeps a place on the host, at the price that the database knows, and answers where it is paid for.
pub(super) async fn open(
    State(checkout): State<Checkout>,
    payer: Payer,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Value>, Failure> {
    let body = Body::read(body)?;
    let success_url = body.page("successUrl", &checkout.origins)?;
    let cancel_url = body.page("cancelUrl", &checkout.origins)?;
    let wish = json!({
        "project_id": payer.project(body.text("projectId")?)?,
        "agent_key": body.needed("agentKey")?,
        "host_id": body.needed("hostId")?,
        "plan": body.needed("plan")?,
        "agent": body.value("agent"),
    });
    let intent = begin(&checkout, &payer, &wish).await?;
    if let Some(url) = intent["session_url"].as_str() {
        return Ok(answer(&intent, url));
    }
    let id = intent["intent_id"].as_str().ok_or_else(unavailable)?;
    let parameters = plan_session(&intent, success_url, cancel_url);
    let made = checkout
        .door
        .stripe()
        .post_anew("/v1/checkout/sessions", &parameters, id, payer.deadline())
        .await;
    let told = match made {
        Ok(told) => told,
        Err(error) if error.is_other_content() => return other_pages(&checkout, &payer, &wish).await,
        Err(error) => {
            // Its place is given back when the intent expires, if nobody asks again before.
            tracing::error!(%error, intent.id = id, "failed to make a session of Checkout for intent {id}");
            return Err(stripe_failure(&error));
        }
    };
    let url = told.object["url"].as_str().ok_or_else(unavailable)?.to_owned();
    let event = Event::answer("checkout.session.created", told.object, told.at_secs);
    // Without it the same wish finds the same session, by its key at Stripe.
    checkout
        .door
        .apply(Endpoint::Answer, &event, payer.deadline())
        .await?;
    Ok(answer(&intent, &url))
}

async fn begin(checkout: &Checkout, payer: &Payer, wish: &Value) -> Result<Value, Failure> {
    // The same wish again answers the same intent.
    checkout
        .api
        .call(payer, "begin_checkout", wish, Repeat::Always)
        .await
}

fn answer(intent: &Value, url: &str) -> Json<Value> {
    Json(json!({
        "ok": true,
        "url": url,
        "intentId": intent["intent_id"],
        "agentId": intent["agent_id"],
        "amountMinor": intent["amount_minor"],
        "currency": intent["currency"],
        "expiresAt": intent["expires_at"],
    }))
}

/// The parameters of the session: what is paid, to whom, and the intent by which it is found again. Nothing else of an
/// agent goes to Stripe but its name.
fn plan_session(intent: &Value, success_url: &str, cancel_url: &str) -> Value {
    let metadata = json!({ "creel_intent": intent["intent_id"] });
    let text = |name: &str| intent[name].as_str().unwrap_or_default();
    let name = format!("Agent {} on {}", text("agent_name"), text("host_name"));
    let name: String = name
        .chars()
        .filter(|c| !c.is_control())
        .take(NAME_MAX_CHARS)
        .collect();
    json!({
        "mode": "subscription",
        "client_reference_id": intent["intent_id"],
        "customer": intent["customer_id"],
        "expires_at": intent["expires_at"],
        "success_url": success_url,
        "cancel_url": cancel_url,
        "line_items": [{
            "quantity": 1,
            "price_data": {
                "currency": intent["currency"],
                "unit_amount": intent["amount_minor"],
                "recurring": { "interval": intent["interval"] },
                "product_data": { "name": name },
            },
        }],
        "metadata": metadata,
        "subscription_data": {
            "application_fee_percent": percent(intent["fee_bp"].as_i64().unwrap_or_default()),
            "transfer_data": { "destination": intent["destination"] },
            "metadata": metadata,
        },
    })
}

/// Hundredths of a percent as Stripe takes them: with two decimals at most. Nothing is left away.
fn percent(basis_points: i64) -> Value {
    match basis_points {
        0 => Value::Null,
        fee => format!("{}.{:02}", fee / 100, fee % 100).into(),
    }
}

/// Somebody made this session at the same time, to come back to other pages: there is one, and it is theirs too.
async fn other_pages(checkout: &Checkout, payer: &Payer, wish: &Value) -> Result<Json<Value>, Failure> {
    let intent = begin(checkout, payer, wish).await?;
    match intent["session_url"].as_str() {
        Some(url) => Ok(answer(&intent, url)),
        None => Err(Failure::new(
            StatusCode::CONFLICT,
            "open_checkout",
            "a checkout for this agent is being made, with other successUrl or cancelUrl",
            "ask again with the same ones, or wait until it ends",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_price_is_the_databases_and_no_secret_travels() {
        let intent = json!({
            "intent_id": "6f9619ff-8b86-d011-b42d-00c04fc964ff", "amount_minor": 900, "currency": "eur",
            "interval": "month", "fee_bp": 1_505, "destination": "acct_1", "customer_id": null,
            "host_name": "mac\n1", "agent_name": "Scout", "expires_at": 1_795_221_000,
            "agent": { "config": { "token": "sk-secret" } },
        });
        let plan = plan_session(&intent, "https://a.example/ok", "https://a.example/no");
        let price = &plan["line_items"][0]["price_data"];
        assert_eq!(
            (&price["unit_amount"], &price["currency"]),
            (&json!(900), &json!("eur"))
        );
        assert_eq!(price["product_data"]["name"], json!("Agent Scout on mac1"));
        let metadata = json!({ "creel_intent": intent["intent_id"] });
        assert_eq!(plan["metadata"], metadata);
        assert_eq!(plan["subscription_data"]["metadata"], metadata);
        assert_eq!(
            plan["subscription_data"]["application_fee_percent"],
            json!("15.05")
        );
        assert!(!plan.to_string().contains("secret"), "{plan}");
        assert_eq!(
            (percent(0), percent(7), percent(10_000)),
            (Value::Null, json!("0.07"), json!("100.00"))
        );
    }
}
