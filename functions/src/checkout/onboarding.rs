//! `POST /checkout/onboarding`: the pages of Stripe's on which a host's owner says where the money goes.

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
use crate::stripe::api::Told;
use crate::stripe::door::Endpoint;
use crate::stripe::{Event, StripeError};

/// Makes the owner's account, if there is none yet, and answers where they go on with it.
pub(super) async fn open(
    State(checkout): State<Checkout>,
    payer: Payer,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Value>, Failure> {
    let body = Body::read(body)?;
    let return_url = body.page("returnUrl", &checkout.origins)?;
    let refresh_url = body.page("refreshUrl", &checkout.origins)?;
    // Row security shows nobody's but their own. With this the token has been checked, too.
    let rows = checkout
        .api
        .read(&payer, "stripe_accounts", |rows| {
            rows.select("account_id").limit(1)
        })
        .await?;
    let known = rows.first().and_then(|row| row["account_id"].as_str());
    let account = match known {
        Some(account) => account.to_owned(),
        None => make_account(&checkout, &payer, None).await?,
    };
    let pages = (return_url, refresh_url);
    let mut made = link(&checkout, &payer, &account, pages).await;
    if made.as_ref().is_err_and(StripeError::is_gone) {
        tracing::warn!(
            account.id = account,
            "account {account} was closed or disconnected; its owner gets another one"
        );
        let account = make_account(&checkout, &payer, Some(&account)).await?;
        made = link(&checkout, &payer, &account, pages).await;
    }
    let told = made.map_err(|error| {
        tracing::error!(%error, account.id = account, "failed to make a link for account {account}");
        stripe_failure(&error)
    })?;
    let url = told.object["url"].as_str().ok_or_else(unavailable)?;
    Ok(Json(
        json!({ "ok": true, "url": url, "expiresAt": told.object["expires_at"] }),
    ))
}

async fn link(
    checkout: &Checkout,
    payer: &Payer,
    account: &str,
    (return_url, refresh_url): (&str, &str),
) -> Result<Told, StripeError> {
    let parameters = json!({
        "account": account,
        "return_url": return_url,
        "refresh_url": refresh_url,
        "type": "account_onboarding",
    });
    let key = Uuid::new_v4().to_string();
    let stripe = checkout.door.stripe();
    stripe
        .post("/v1/account_links", &parameters, &key, payer.deadline())
        .await
}

/// The owner's account: the first one, or the one in the place of `gone`.
async fn make_account(checkout: &Checkout, payer: &Payer, gone: Option<&str>) -> Result<String, Failure> {
    let owner = payer.user_id()?;
    let owner_id = owner.to_string();
    let hosts = checkout.api.read(payer, "hosts", |rows| {
        rows.select("id").eq("owner_id", &owner_id).limit(1)
    });
    if hosts.await?.is_empty() {
        return Err(Failure::new(
            StatusCode::CONFLICT,
            "no_host",
            "you own no host that could earn anything",
            "enrol a host first",
        ));
    }
    let parameters = json!({
        "type": "express",
        // It is paid by transfers alone. A platform without an approval of its own may not ask for these alone.
        "capabilities": { "card_payments": { "requested": true }, "transfers": { "requested": true } },
        "metadata": { "creel_owner": owner_id },
    });
    let key = match gone {
        None => owner_id.clone(),
        Some(gone) => format!("{owner_id}-{gone}"),
    };
    let stripe = checkout.door.stripe();
    let made = stripe.post_anew("/v1/accounts", &parameters, &key, payer.deadline());
    let told = made.await.map_err(|error| {
        tracing::error!(%error, owner.id = owner_id, "failed to make an account for {owner_id}");
        stripe_failure(&error)
    })?;
    let account = told.object["id"].as_str().ok_or_else(unavailable)?.to_owned();
    let event = Event::answer("account.created", told.object, told.at_secs);
    checkout
        .door
        .apply(Endpoint::Answer, &event, payer.deadline())
        .await?;
    Ok(account)
}
