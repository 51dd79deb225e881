//! What Stripe says of a time.

use std::collections::HashSet;
use std::ops::Range;

use anyhow::Context;
use creel_functions::stripe::api::StripeApi;
use serde_json::{Value, json};

use super::compare::{Invoice, Ledger, Stripe, Subscription, Transfer};

/// Reads transfers, paid invoices and subscriptions, page by page.
pub(super) async fn read(api: &StripeApi, range: &Range<i64>) -> anyhow::Result<Stripe> {
    let created = json!({ "gte": range.start, "lt": range.end });
    let query = json!({ "created": created, "expand": ["data.source_transaction.application_fee"] });
    let transfers = api.list("/v1/transfers", &query).await;
    let query = json!({ "created": created, "status": "paid", "expand": ["data.payments"] });
    let invoices = api.list("/v1/invoices", &query).await;
    let subscriptions = api.list("/v1/subscriptions", &json!({ "status": "all" })).await;
    Ok(Stripe {
        transfers: all(&transfers.context("read the transfers")?, transfer)?,
        invoices: all(&invoices.context("read the invoices")?, invoice)?,
        subscriptions: all(&subscriptions.context("read the subscriptions")?, subscription)?,
    })
}

/// Reads those transfers of the ledger that are of another time, as the one that gives back after a long dispute is.
pub(super) async fn complete(api: &StripeApi, ledger: &Ledger, stripe: &mut Stripe) -> anyhow::Result<()> {
    let known: HashSet<String> = stripe
        .transfers
        .iter()
        .map(|transfer| transfer.id.clone())
        .collect();
    let wanted = ledger.earnings.iter().flat_map(|earning| {
        let paybacks = earning.paybacks.iter().map(|payback| &payback.transfer);
        paybacks.chain([&earning.transfer])
    });
    for id in wanted.filter(|id| !known.contains(*id)) {
        let query = json!({ "expand": ["source_transaction.application_fee"] });
        match api.get(&format!("/v1/transfers/{id}"), &query, None).await {
            Ok(told) => stripe.transfers.extend(all(&[told.object], transfer)?),
            Err(error) if error.is_missing() => {}
            Err(error) => return Err(error).with_context(|| format!("read transfer {id}")),
        }
    }
    Ok(())
}

/// Those that are meant. What cannot be read is no reason to leave it out: it would be missing.
fn all<T>(objects: &[Value], read: impl Fn(&Value) -> Option<Option<T>>) -> anyhow::Result<Vec<T>> {
    let mut all = Vec::with_capacity(objects.len());
    for object in objects {
        let found = read(object).with_context(|| format!("read {} as Stripe tells it", object["id"]))?;
        all.extend(found);
    }
    Ok(all)
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(ToOwned::to_owned)
}

/// The id of an object, which may be there itself.
fn id(value: &Value) -> Option<String> {
    text(value).or_else(|| text(&value["id"]))
}

fn transfer(object: &Value) -> Option<Option<Transfer>> {
    let charge = &object["source_transaction"];
    Some(Some(Transfer {
        id: text(&object["id"])?,
        created: object["created"].as_i64()?,
        amount: object["amount"].as_i64()?,
        currency: text(&object["currency"])?,
        destination: id(&object["destination"])?,
        amount_reversed: object["amount_reversed"].as_i64()?,
        payment_intent: id(&charge["payment_intent"]),
        // A charge that is told and has none is one of which no fee was taken.
        fee: charge
            .is_object()
            .then(|| charge["application_fee_amount"].as_i64().unwrap_or_default()),
        fee_refunded: charge["application_fee"]["amount_refunded"]
            .as_i64()
            .unwrap_or_default(),
    }))
}

/// Those of a subscription: others are of no concern.
fn invoice(object: &Value) -> Option<Option<Invoice>> {
    let subscription =
        id(&object["subscription"]).or_else(|| id(&object["parent"]["subscription_details"]["subscription"]));
    let Some(subscription) = subscription else {
        return Some(None);
    };
    let payments = object["payments"]["data"].as_array().into_iter().flatten();
    let intents = payments.filter_map(|payment| id(&payment["payment"]["payment_intent"]));
    Some(Some(Invoice {
        id: text(&object["id"])?,
        paid_at: object["status_transitions"]["paid_at"]
            .as_i64()
            .or_else(|| object["created"].as_i64())?,
        amount_paid: object["amount_paid"].as_i64()?,
        subscription,
        payment_intents: intents.chain(id(&object["payment_intent"])).collect(),
    }))
}

/// Those that name a checkout of Creel's.
fn subscription(object: &Value) -> Option<Option<Subscription>> {
    if object["metadata"]["creel_intent"].is_null() {
        return Some(None);
    }
    Some(Some(Subscription {
        id: text(&object["id"])?,
        status: text(&object["status"])?,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fee_that_was_not_taken_is_none_and_one_that_is_not_told_is_unknown() {
        let fee = |charge: Value| {
            let object = json!({
                "id": "tr_1", "created": 1, "amount": 900, "currency": "usd", "destination": "acct_1",
                "amount_reversed": 0, "source_transaction": charge,
            });
            transfer(&object).flatten().expect("a transfer").fee
        };
        assert_eq!(fee(json!({ "application_fee_amount": 135 })), Some(135));
        assert_eq!(fee(json!({ "application_fee_amount": null })), Some(0));
        assert_eq!(fee(json!("ch_1")), None);
        assert_eq!(fee(Value::Null), None);
    }
}
