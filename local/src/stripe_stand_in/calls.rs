//! What a program can ask the API for.

use serde_json::{Value, json};

use super::life;
use super::list;
use super::objects;
use super::params::{Answered, Refusal, known, metadata, number, text};
use super::state::State;

/// The shortest time for which a session of Checkout is open.
const SESSION_MIN_SECS: i64 = 30 * 60;

/// The least that is charged, in cents: about the same in each currency.
const AMOUNT_MIN: i64 = 50;

/// The longest.
const SESSION_MAX_SECS: i64 = 24 * 60 * 60;

/// Reads an object or a list.
pub(super) fn get(state: &State, path: &str, params: &Value) -> Answered {
    let parts: Vec<&str> = path.trim_start_matches("/v1/").split('/').collect();
    let of =
        |name: &'static str| move |object: &Value| params[name].is_null() || object[name] == params[name];
    let page =
        |kind: &str, is_meant: &dyn Fn(&Value) -> bool| list::page(state, kind, path, params, is_meant);
    match *parts.as_slice() {
        ["transfers"] => page("transfer", &|transfer| {
            of("destination")(transfer) && of("transfer_group")(transfer)
        }),
        ["transfers", id, "reversals"] => page("transfer_reversal", &|reversal| reversal["transfer"] == *id),
        ["subscriptions"] => page("subscription", &|subscription| {
            // Those that have ended are left away, unless they are asked for.
            let is_asked = match params["status"].as_str() {
                None => subscription["status"] != "canceled",
                Some("all") => true,
                Some(status) => subscription["status"] == *status,
            };
            is_asked && of("customer")(subscription)
        }),
        ["invoices"] => page("invoice", &|invoice| {
            let subscription = &invoice["parent"]["subscription_details"]["subscription"];
            let is_its = params["subscription"].is_null() || *subscription == params["subscription"];
            is_its && of("status")(invoice) && of("customer")(invoice)
        }),
        ["invoice_payments"] => page("invoice_payment", &of("invoice")),
        ["charges"] => page("charge", &|charge| {
            of("customer")(charge) && of("payment_intent")(charge)
        }),
        ["refunds"] => page("refund", &|refund| {
            of("charge")(refund) && of("payment_intent")(refund)
        }),
        ["disputes"] => page("dispute", &|dispute| {
            of("charge")(dispute) && of("payment_intent")(dispute)
        }),
        ["application_fees"] => page("application_fee", &of("charge")),
        ["payment_intents"] => page("payment_intent", &of("customer")),
        ["customers"] => page("customer", &of("email")),
        ["accounts"] => page("account", &|_| true),
        ["checkout", "sessions"] => page("checkout.session", &|session| {
            of("subscription")(session) && of("status")(session)
        }),
        ["events"] => page("event", &of("type")),
        ["accounts", id] => list::read(state, "account", id, params).map_err(|_| no_access(id)),
        ["checkout", "sessions", id] => list::read(state, "checkout.session", id, params),
        ["events", id] => {
            let event = state.events.iter().find(|event| event["id"] == *id);
            event
                .cloned()
                .ok_or_else(|| Refusal::missing(&format!("event: '{id}'")))
        }
        [collection, id] => match kind_of(collection) {
            Some(kind) => list::read(state, kind, id, params),
            None => Err(unknown(path)),
        },
        ["transfers", transfer, "reversals", id] => list::read(state, "transfer_reversal", id, params)
            .and_then(|reversal| {
                let is_its = reversal["transfer"] == *transfer;
                is_its
                    .then_some(reversal)
                    .ok_or_else(|| Refusal::missing("transfer reversal"))
            }),
        _ => Err(unknown(path)),
    }
}

/// Makes or changes something.
pub(super) fn post(state: &mut State, path: &str, params: &Value) -> Answered {
    let parts: Vec<&str> = path.trim_start_matches("/v1/").split('/').collect();
    let made = match *parts.as_slice() {
        ["checkout", "sessions"] => open_session(state, params),
        ["checkout", "sessions", id, "expire"] => life::expire_session(state, id),
        ["billing_portal", "sessions"] => open_portal(state, params),
        ["customers"] => {
            known(params, &["email", "name", "metadata"])?;
            let customer = objects::customer(state.now_secs(), &params["email"], &metadata(params));
            state.tell("customer.created", &customer);
            Ok(state.put(customer).into())
        }
        ["accounts"] => open_account(state, params),
        ["account_links"] => return link_account(state, params),
        ["transfers"] => transfer(state, params),
        ["transfers", id, "reversals"] => reverse(state, id, params),
        ["refunds"] => {
            known(
                params,
                &[
                    "charge",
                    "payment_intent",
                    "amount",
                    "reverse_transfer",
                    "refund_application_fee",
                    "reason",
                    "metadata",
                ],
            )?;
            life::refund(state, params)
        }
        _ => Err(unknown(path)),
    }?;
    let id = made.as_str().unwrap_or_default();
    let mut object = list::find(state, id).unwrap_or_default();
    list::expand_all(state, &mut object, params)?;
    Ok(object)
}

/// Ends something.
pub(super) fn delete(state: &mut State, path: &str) -> Answered {
    let parts: Vec<&str> = path.trim_start_matches("/v1/").split('/').collect();
    match *parts.as_slice() {
        ["subscriptions", id] => {
            life::cancel(state, id)?;
            list::find(state, id).ok_or_else(|| unknown(path))
        }
        ["customers", id] => life::delete_customer(state, id),
        _ => Err(unknown(path)),
    }
}

fn unknown(path: &str) -> Refusal {
    Refusal::new(
        404,
        "invalid_request_error",
        None,
        format!("Unrecognized request URL ({path}); the stand-in does not have it."),
    )
}

fn kind_of(collection: &str) -> Option<&'static str> {
    Some(match collection {
        "accounts" => "account",
        "application_fees" => "application_fee",
        "charges" => "charge",
        "customers" => "customer",
        "disputes" => "dispute",
        "invoices" => "invoice",
        "payment_intents" => "payment_intent",
        "refunds" => "refund",
        "subscriptions" => "subscription",
        "transfers" => "transfer",
        _ => return None,
    })
}

/// `POST /v1/checkout/sessions`, of the mode that is used here.
fn open_session(state: &mut State, params: &Value) -> Answered {
    known(
        params,
        &[
            "mode",
            "line_items",
            "success_url",
            "cancel_url",
            "client_reference_id",
            "customer",
            "customer_email",
            "expires_at",
            "metadata",
            "subscription_data",
            "allow_promotion_codes",
            "automatic_tax",
            "locale",
        ],
    )?;
    if text(params, "mode")? != "subscription" {
        return Err(Refusal::invalid("the stand-in has mode=subscription only"));
    }
    for name in ["success_url", "cancel_url"] {
        let is_url = params[name]
            .as_str()
            .is_none_or(|url| reqwest::Url::parse(url).is_ok());
        if !is_url {
            return Err(Refusal::new(
                400,
                "invalid_request_error",
                Some("url_invalid"),
                format!("Not a valid URL: {name}"),
            ));
        }
    }
    text(params, "success_url")?;
    let item = &params["line_items"][0];
    let data = &item["price_data"];
    known(item, &["price_data", "quantity"])?;
    known(data, &["currency", "unit_amount", "recurring", "product_data"])?;
    text(item, "quantity")?;
    text(&data["product_data"], "name")?;
    let currency = text(data, "currency")?.to_lowercase();
    let interval = text(&data["recurring"], "interval")?;
    let amount = number(data, "unit_amount")?.unwrap_or(-1);
    if currency.len() != 3 || !matches!(interval, "day" | "week" | "month" | "year") || amount < 0 {
        return Err(Refusal::invalid("Invalid currency, interval or amount"));
    }
    if amount < AMOUNT_MIN {
        return Err(Refusal::new(
            400,
            "invalid_request_error",
            Some("amount_too_small"),
            "The Checkout Session's total amount due must add up to at least $0.50 usd",
        ));
    }
    let wish = &params["subscription_data"];
    known(
        wish,
        &[
            "metadata",
            "application_fee_percent",
            "transfer_data",
            "description",
            "trial_period_days",
        ],
    )?;
    if let Some(percent) = wish["application_fee_percent"].as_str() {
        let decimals = percent.split_once('.').map_or(0, |(_, decimals)| decimals.len());
        let is_percent = percent
            .parse::<f64>()
            .is_ok_and(|percent| (0.0..=100.0).contains(&percent));
        if !is_percent || decimals > 2 {
            return Err(Refusal::invalid(
                "application_fee_percent has at most two decimal places",
            ));
        }
    }
    if let Some(destination) = wish["transfer_data"]["destination"].as_str() {
        require_transfers(state, destination)?;
    } else if wish["application_fee_percent"].is_string() {
        return Err(Refusal::invalid(
            "You can only apply an application_fee_percent together with transfer_data[destination]",
        ));
    }
    let customer = params["customer"].as_str();
    if let Some(id) = customer {
        let found = state
            .of("customer", id)
            .filter(|customer| customer["deleted"] != true);
        found.ok_or_else(|| Refusal::missing(&format!("customer: '{id}'")))?;
    }
    let now = state.now_secs();
    let expires_at = number(params, "expires_at")?.unwrap_or(now + SESSION_MAX_SECS);
    if !(now + SESSION_MIN_SECS..=now + SESSION_MAX_SECS).contains(&expires_at) {
        return Err(Refusal::invalid(
            "The `expires_at` timestamp must be between 30 minutes and 24 hours from Checkout Session creation.",
        ));
    }
    let id = objects::id("cs_test");
    let session = json!({
        "id": id, "object": "checkout.session", "created": now, "mode": "subscription", "status": "open",
        "payment_status": "unpaid", "livemode": false, "url": format!("{}/c/pay/{id}", state.url),
        "client_reference_id": params["client_reference_id"], "customer": customer, "customer_details": null,
        "customer_email": params["customer_email"], "currency": currency, "amount_subtotal": amount,
        "amount_total": amount, "expires_at": expires_at, "success_url": params["success_url"],
        "cancel_url": params["cancel_url"], "metadata": metadata(params), "subscription": null, "invoice": null,
        "payment_intent": null, "ui_mode": "hosted_page", "params_of_stand_in": params,
    });
    Ok(state.put(session).into())
}

fn open_portal(state: &mut State, params: &Value) -> Answered {
    known(params, &["customer", "return_url", "locale", "configuration"])?;
    let customer = text(params, "customer")?;
    let found = state
        .of("customer", customer)
        .filter(|customer| customer["deleted"] != true);
    found.ok_or_else(|| Refusal::missing(&format!("customer: '{customer}'")))?;
    let id = objects::id("bps");
    let session = json!({
        "id": id, "object": "billing_portal.session", "created": state.now_secs(), "customer": customer,
        "livemode": false, "return_url": params["return_url"], "url": format!("{}/p/session/{id}", state.url),
    });
    Ok(state.put(session).into())
}

fn open_account(state: &mut State, params: &Value) -> Answered {
    known(
        params,
        &[
            "type",
            "country",
            "email",
            "capabilities",
            "metadata",
            "business_type",
            "settings",
        ],
    )?;
    if text(params, "type")? != "express" {
        return Err(Refusal::invalid("the stand-in has type=express only"));
    }
    let is_requested = |name: &str| params["capabilities"][name]["requested"] == "true";
    if is_requested("transfers") && !is_requested("card_payments") {
        return Err(Refusal::new(
            400,
            "invalid_request_error",
            None,
            "Your platform needs approval for accounts to have requested the `transfers` capability without the \
             `card_payments` capability.",
        ));
    }
    let account = objects::account(state.now_secs(), params, &metadata(params));
    Ok(state.put(account).into())
}

fn link_account(state: &State, params: &Value) -> Answered {
    known(
        params,
        &[
            "account",
            "refresh_url",
            "return_url",
            "type",
            "collection_options",
        ],
    )?;
    let account = text(params, "account")?;
    state.of("account", account).ok_or_else(|| no_access(account))?;
    for name in ["refresh_url", "return_url", "type"] {
        text(params, name)?;
    }
    let now = state.now_secs();
    Ok(json!({
        "object": "account_link", "created": now, "expires_at": now + 300,
        "url": format!("{}/setup/e/{account}", state.url),
    }))
}

/// A transfer of the platform's own money, as after a dispute that was won.
fn transfer(state: &mut State, params: &Value) -> Answered {
    known(
        params,
        &[
            "amount",
            "currency",
            "destination",
            "source_transaction",
            "transfer_group",
            "description",
            "metadata",
        ],
    )?;
    let amount = number(params, "amount")?.unwrap_or_default();
    if amount <= 0 {
        return Err(Refusal::invalid("Invalid positive integer: amount"));
    }
    let destination = text(params, "destination")?;
    require_transfers(state, destination)?;
    if let Some(charge) = params["source_transaction"].as_str() {
        let found = state.of("charge", charge);
        let charge = found.ok_or_else(|| Refusal::missing(&format!("charge: '{charge}'")))?;
        if amount > charge["amount"].as_i64().unwrap_or_default() {
            return Err(Refusal::invalid(
                "The transfer amount cannot be greater than the source transaction amount",
            ));
        }
        if charge["currency"] != params["currency"] {
            return Err(Refusal::invalid(
                "The currency of source_transaction's balance transaction is another one",
            ));
        }
    }
    text(params, "currency")?;
    let mut made = objects::transfer(state.now_secs(), amount, &params["currency"], destination);
    for name in ["source_transaction", "transfer_group", "description"] {
        made[name] = params[name].clone();
    }
    made["metadata"] = metadata(params);
    *state.balances.entry(destination.to_owned()).or_default() += amount;
    state.tell("transfer.created", &made);
    Ok(state.put(made).into())
}

fn reverse(state: &mut State, id: &str, params: &Value) -> Answered {
    known(
        params,
        &["amount", "description", "metadata", "refund_application_fee"],
    )?;
    let amount = number(params, "amount")?;
    life::reverse(state, id, amount, &metadata(params), &Value::Null)
}

/// Stripe does not say whether there is an account that is not connected.
fn no_access(account: &str) -> Refusal {
    Refusal::new(
        403,
        "invalid_request_error",
        Some("account_invalid"),
        format!(
            "The provided key does not have access to account '{account}' (or that account does not exist). Application \
             access may have been revoked."
        ),
    )
}

fn require_transfers(state: &State, account: &str) -> Result<(), Refusal> {
    let found = state.of("account", account);
    let found = found.ok_or_else(|| Refusal::missing(&format!("destination: '{account}'")))?;
    if found["capabilities"]["transfers"] == "active" {
        return Ok(());
    }
    Err(Refusal::new(
        400,
        "invalid_request_error",
        Some("insufficient_capabilities_for_transfer"),
        "Your destination account needs to have at least one of the following capabilities enabled: transfers",
    ))
}
