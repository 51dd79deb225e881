//! Objects in the shape that the pinned version of the API has, as far as anybody here reads them.

use serde_json::{Value, json};

/// A new id.
pub(super) fn id(prefix: &str) -> String {
    format!("{prefix}_{}", hex::encode(rand::random::<[u8; 12]>()))
}

/// What the stand-in keeps for itself is nobody's to read.
pub(super) fn without_own(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|name, _| !name.ends_with("_of_stand_in"));
            members.values_mut().for_each(without_own);
        }
        Value::Array(items) => items.iter_mut().for_each(without_own),
        _ => {}
    }
}

/// A month and a year of Stripe's tests: what matters is that they are the same everywhere.
pub(super) fn period_secs(interval: &str) -> i64 {
    const DAY_SECS: i64 = 86_400;
    if interval == "year" {
        365 * DAY_SECS
    } else {
        30 * DAY_SECS
    }
}

/// What a subscription charges for, of its one item.
pub(super) struct Price {
    pub(super) amount: i64,
    pub(super) currency: String,
    pub(super) interval: String,
    pub(super) name: String,
}

impl Price {
    pub(super) fn of_subscription(subscription: &Value) -> Self {
        let price = &subscription["items"]["data"][0]["price"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Self {
            amount: price["unit_amount"].as_i64().unwrap_or_default(),
            currency: text(&price["currency"]),
            interval: text(&price["recurring"]["interval"]),
            name: text(&price["nickname"]),
        }
    }
}

pub(super) fn customer(now: i64, email: &Value, metadata: &Value) -> Value {
    json!({
        "id": id("cus"), "object": "customer", "created": now, "email": email, "name": null, "livemode": false,
        "metadata": metadata, "delinquent": false, "currency": null,
    })
}

pub(super) fn subscription(now: i64, customer: &str, wish: &Value, price: &Price) -> Value {
    let own = id("sub");
    let end = now + period_secs(&price.interval);
    let percent = wish["application_fee_percent"]
        .as_str()
        .and_then(|text| text.parse::<f64>().ok());
    let item = json!({
        "id": id("si"), "object": "subscription_item", "created": now, "metadata": {}, "quantity": 1,
        "subscription": own, "current_period_start": now, "current_period_end": end,
        "price": {
            "id": id("price"), "object": "price", "active": false, "currency": price.currency,
            "unit_amount": price.amount, "unit_amount_decimal": price.amount.to_string(),
            "nickname": price.name, "product": id("prod"), "type": "recurring",
            "recurring": { "interval": price.interval, "interval_count": 1, "usage_type": "licensed" },
        },
    });
    let metadata = if wish["metadata"].is_object() {
        wish["metadata"].clone()
    } else {
        json!({})
    };
    json!({
        "id": own, "object": "subscription", "created": now, "start_date": now, "billing_cycle_anchor": now,
        "customer": customer, "currency": price.currency, "status": "incomplete", "livemode": false,
        "cancel_at": null, "cancel_at_period_end": false, "canceled_at": null, "ended_at": null,
        "collection_method": "charge_automatically", "latest_invoice": null, "pause_collection": null,
        "trial_start": null, "trial_end": null, "schedule": null, "application_fee_percent": percent,
        "transfer_data": wish["transfer_data"].as_object().map(|data| json!({
            "destination": data.get("destination"), "amount_percent": null,
        })),
        "metadata": metadata,
        "items": {
            "object": "list", "has_more": false, "total_count": 1, "data": [item],
            "url": format!("/v1/subscription_items?subscription={own}"),
        },
    })
}

/// An invoice of a subscription for a period that begins then.
pub(super) fn invoice(now: i64, subscription: &Value, start: i64, reason: &str) -> Value {
    let price = Price::of_subscription(subscription);
    let percent = subscription["application_fee_percent"]
        .as_f64()
        .unwrap_or_default();
    let own = id("in");
    let item = &subscription["items"]["data"][0];
    let line = json!({
        "id": id("il"), "object": "line_item", "amount": price.amount, "currency": price.currency,
        "description": price.name, "invoice": own, "quantity": 1, "metadata": subscription["metadata"],
        "period": { "start": start, "end": start + period_secs(&price.interval) },
        "parent": {
            "type": "subscription_item_details", "invoice_item_details": null,
            "subscription_item_details": {
                "subscription": subscription["id"], "subscription_item": item["id"], "proration": false,
            },
        },
    });
    let mut invoice = json!({
        "id": own, "object": "invoice", "created": now, "customer": subscription["customer"],
        "currency": price.currency, "livemode": false, "status": "open", "billing_reason": reason,
        "collection_method": "charge_automatically", "attempted": false, "attempt_count": 0,
        "amount_due": price.amount, "amount_paid": 0, "amount_remaining": price.amount,
        "subtotal": price.amount, "total": price.amount, "total_taxes": [],
        "period_start": now, "period_end": now, "number": format!("CREEL-{}", &own[3..11]),
        "metadata": {}, "next_payment_attempt": null,
        "application_fee_amount_of_stand_in": fee_of(price.amount, percent),
    });
    invoice["parent"] = json!({
        "type": "subscription_details", "quote_details": null,
        "subscription_details": { "subscription": subscription["id"], "metadata": subscription["metadata"] },
    });
    invoice["status_transitions"] =
        json!({ "finalized_at": now, "paid_at": null, "voided_at": null, "marked_uncollectible_at": null });
    invoice["lines"] = json!({
        "object": "list", "has_more": false, "total_count": 1, "data": [line],
        "url": format!("/v1/invoices/{own}/lines"),
    });
    invoice
}

/// What the platform keeps of an amount; none is null.
fn fee_of(amount: i64, percent: f64) -> Value {
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        reason = "amounts are far below what a double holds exactly"
    )]
    let fee = (amount as f64 * percent / 100.0).round() as i64;
    if percent > 0.0 { fee.into() } else { Value::Null }
}

pub(super) fn payment_intent(now: i64, invoice: &Value, destination: &Value) -> Value {
    json!({
        "id": id("pi"), "object": "payment_intent", "created": now, "amount": invoice["amount_due"],
        "amount_received": 0, "currency": invoice["currency"], "customer": invoice["customer"], "livemode": false,
        "latest_charge": null, "metadata": {}, "status": "requires_payment_method",
        "application_fee_amount": invoice["application_fee_amount_of_stand_in"],
        "transfer_data": destination.as_str().map(|to| json!({ "destination": to })),
        "transfer_group": null, "last_payment_error": null,
    })
}

pub(super) fn invoice_payment(now: i64, invoice: &Value, payment_intent: &str) -> Value {
    json!({
        "id": id("inpay"), "object": "invoice_payment", "created": now, "amount_paid": null,
        "amount_requested": invoice["amount_due"], "currency": invoice["currency"], "invoice": invoice["id"],
        "is_default": true, "livemode": false, "status": "open",
        "payment": { "type": "payment_intent", "payment_intent": payment_intent },
        "status_transitions": { "canceled_at": null, "paid_at": null },
    })
}

pub(super) fn charge(now: i64, intent: &Value) -> Value {
    json!({
        "id": id("ch"), "object": "charge", "created": now, "amount": intent["amount"],
        "amount_captured": intent["amount"], "amount_refunded": 0, "captured": true, "paid": true, "refunded": false,
        "disputed": false, "currency": intent["currency"], "customer": intent["customer"], "livemode": false,
        "metadata": {}, "payment_intent": intent["id"], "status": "succeeded",
        "application_fee": null, "application_fee_amount": intent["application_fee_amount"],
        "transfer_data": intent["transfer_data"].as_object().map(|data| json!({
            "destination": data.get("destination"), "amount": null,
        })),
        "transfer_group": null,
    })
}

pub(super) fn transfer(now: i64, amount: i64, currency: &Value, destination: &str) -> Value {
    json!({
        "id": id("tr"), "object": "transfer", "created": now, "amount": amount, "amount_reversed": 0,
        "currency": currency, "destination": destination, "destination_payment": id("py"), "description": null,
        "livemode": false, "metadata": {}, "reversed": false, "source_transaction": null,
        "source_type": "card", "transfer_group": null,
    })
}

pub(super) fn application_fee(now: i64, charge: &Value, amount: i64, account: &str) -> Value {
    json!({
        "id": id("fee"), "object": "application_fee", "created": now, "account": account, "amount": amount,
        "amount_refunded": 0, "charge": charge["id"], "currency": charge["currency"], "livemode": false,
        "originating_transaction": charge["id"], "refunded": false,
    })
}

pub(super) fn account(now: i64, params: &Value, metadata: &Value) -> Value {
    json!({
        "id": id("acct"), "object": "account", "created": now, "type": "express", "country": "US",
        "email": params["email"], "business_type": null, "default_currency": "usd", "metadata": metadata,
        "charges_enabled": false, "payouts_enabled": false, "details_submitted": false,
        "capabilities": { "card_payments": "inactive", "transfers": "inactive" },
        "requirements": {
            "currently_due": ["external_account", "individual.first_name", "tos_acceptance.date"],
            "eventually_due": ["external_account"], "past_due": [], "pending_verification": [],
            "current_deadline": null, "disabled_reason": "requirements.past_due", "errors": [],
        },
    })
}
