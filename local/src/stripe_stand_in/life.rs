//! What happens at Stripe without a program that asks for it: people pay, banks refuse, time passes.

use anyhow::{Context, Result, anyhow, ensure};
use serde_json::{Value, json};

use super::StandIn;
use super::objects::{self, Price, period_secs};
use super::params::{Answered, Refusal, number};
use super::state::State;

/// What paying a session made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paid {
    /// The session.
    pub session: String,
    /// The customer.
    pub customer: String,
    /// The subscription.
    pub subscription: String,
    /// Its first invoice.
    pub invoice: String,
}

impl StandIn {
    /// Somebody pays on the page of a session.
    pub fn pay(&self, session: &str) -> Result<Paid> {
        let mut state = self.lock();
        let paid = begin(&mut state, session)?;
        settle_invoice(&mut state, &paid.invoice)?;
        activate(&mut state, &paid.subscription, "customer.subscription.created");
        complete(&mut state, &paid, "paid");
        Ok(paid)
    }

    /// Somebody chooses a way to pay that takes days, such as a direct debit: [`StandIn::settle`] ends it.
    pub fn pay_later(&self, session: &str) -> Result<Paid> {
        let mut state = self.lock();
        let paid = begin(&mut state, session)?;
        let subscription = state.get(&paid.subscription).cloned().unwrap_or_default();
        state.tell("customer.subscription.created", &subscription);
        complete(&mut state, &paid, "unpaid");
        Ok(paid)
    }

    /// The bank pays, or does not, what was chosen by [`StandIn::pay_later`].
    pub fn settle(&self, paid: &Paid, is_paid: bool) -> Result<()> {
        let mut state = self.lock();
        if is_paid {
            settle_invoice(&mut state, &paid.invoice)?;
            activate(&mut state, &paid.subscription, "customer.subscription.updated");
            let session = state.change(&paid.session, &json!({ "payment_status": "paid" }));
            state.tell("checkout.session.async_payment_succeeded", &session);
        } else {
            let session = state.get(&paid.session).cloned().unwrap_or_default();
            state.tell("checkout.session.async_payment_failed", &session);
            end_subscription(&mut state, &paid.subscription, "incomplete_expired");
        }
        Ok(())
    }

    /// Nobody pays in time.
    pub fn expire(&self, session: &str) -> Result<()> {
        expire_session(&mut self.lock(), session).map_err(refused)?;
        Ok(())
    }

    /// A period is over, and the next one is paid. Answers the invoice.
    pub fn renew(&self, subscription: &str) -> Result<String> {
        let mut state = self.lock();
        let invoice = next_period(&mut state, subscription)?;
        settle_invoice(&mut state, &invoice)?;
        activate(&mut state, subscription, "customer.subscription.updated");
        Ok(invoice)
    }

    /// A period is over, and the card is refused. Answers the invoice, which stays open.
    pub fn fail_renewal(&self, subscription: &str) -> Result<String> {
        let mut state = self.lock();
        let invoice = next_period(&mut state, subscription)?;
        let now = state.now_secs();
        let failed = state.change(
            &invoice,
            &json!({ "attempted": true, "attempt_count": 1, "next_payment_attempt": now + 259_200 }),
        );
        state.tell("invoice.payment_failed", &failed);
        let changed = state.change(subscription, &json!({ "status": "past_due" }));
        state.tell("customer.subscription.updated", &changed);
        Ok(invoice)
    }

    /// The open invoice is paid after all.
    pub fn recover(&self, subscription: &str) -> Result<()> {
        let mut state = self.lock();
        let latest = state.get(subscription).context("find the subscription")?["latest_invoice"].clone();
        settle_invoice(&mut state, latest.as_str().unwrap_or_default())?;
        activate(&mut state, subscription, "customer.subscription.updated");
        Ok(())
    }

    /// It ends at once.
    pub fn cancel(&self, subscription: &str) -> Result<()> {
        cancel(&mut self.lock(), subscription).map_err(refused)?;
        Ok(())
    }

    /// It is to end with its period.
    pub fn cancel_at_period_end(&self, subscription: &str) -> Result<()> {
        let mut state = self.lock();
        ensure!(
            state.of("subscription", subscription).is_some(),
            "there is no such subscription"
        );
        let changed = state.change(subscription, &json!({ "cancel_at_period_end": true }));
        state.tell("customer.subscription.updated", &changed);
        Ok(())
    }

    /// It is of another status from now on, with the event that says so.
    pub fn set_status(&self, subscription: &str, status: &str, event: &str) -> Result<()> {
        let mut state = self.lock();
        ensure!(
            state.of("subscription", subscription).is_some(),
            "there is no such subscription"
        );
        let changed = state.change(subscription, &json!({ "status": status }));
        state.tell(event, &changed);
        Ok(())
    }

    /// The platform gives back so much of a charge, in its dashboard. Answers the refund.
    pub fn refund(&self, charge: &str, amount: i64) -> Result<String> {
        let params = json!({ "charge": charge, "amount": amount.to_string() });
        let made = refund(&mut self.lock(), &params).map_err(refused)?;
        Ok(made.as_str().unwrap_or_default().to_owned())
    }

    /// The customer's bank takes a charge back. Answers the dispute.
    pub fn dispute(&self, charge: &str) -> Result<String> {
        let mut state = self.lock();
        let now = state.now_secs();
        ensure!(state.of("charge", charge).is_some(), "there is no such charge");
        let disputed = state.change(charge, &json!({ "disputed": true }));
        let dispute = json!({
            "id": objects::id("dp"), "object": "dispute", "created": now, "amount": disputed["amount"],
            "charge": charge, "currency": disputed["currency"], "livemode": false, "metadata": {},
            "payment_intent": disputed["payment_intent"], "reason": "fraudulent", "status": "needs_response",
            "is_charge_refundable": false, "evidence_details": { "due_by": now + 604_800 },
        });
        state.tell("charge.dispute.created", &dispute);
        state.tell("charge.dispute.funds_withdrawn", &dispute);
        Ok(state.put(dispute))
    }

    /// The bank has decided.
    pub fn close_dispute(&self, dispute: &str, is_won: bool) -> Result<()> {
        let mut state = self.lock();
        ensure!(state.of("dispute", dispute).is_some(), "there is no such dispute");
        let status = if is_won { "won" } else { "lost" };
        let closed = state.change(dispute, &json!({ "status": status }));
        if is_won {
            state.tell("charge.dispute.funds_reinstated", &closed);
        }
        state.tell("charge.dispute.closed", &closed);
        Ok(())
    }

    /// The owner of an account answers all that Stripe asks.
    pub fn onboard(&self, account: &str) -> Result<()> {
        let mut state = self.lock();
        ensure!(state.of("account", account).is_some(), "there is no such account");
        let changed = state.change(
            account,
            &json!({
                "charges_enabled": true, "payouts_enabled": true, "details_submitted": true,
                "capabilities": { "card_payments": "active", "transfers": "active" },
                "requirements": {
                    "currently_due": [], "eventually_due": [], "past_due": [], "pending_verification": [],
                    "current_deadline": null, "disabled_reason": null, "errors": [],
                },
            }),
        );
        tell_transfers(&mut state, account, "active");
        state.tell_of(Some(account), "account.updated", &changed);
        Ok(())
    }

    /// Stripe decides on one without the other: whether the account may charge cards itself, and whether it may be paid
    /// by transfers.
    pub fn decide(&self, account: &str, may_charge: bool, may_be_paid: bool) -> Result<()> {
        let mut state = self.lock();
        ensure!(state.of("account", account).is_some(), "there is no such account");
        let word = |may: bool| if may { "active" } else { "inactive" };
        let changed = state.change(
            account,
            &json!({
                "charges_enabled": may_charge,
                "capabilities": { "card_payments": word(may_charge), "transfers": word(may_be_paid) },
            }),
        );
        tell_transfers(&mut state, account, word(may_be_paid));
        state.tell_of(Some(account), "account.updated", &changed);
        Ok(())
    }

    /// Whose it is disconnects an account from the platform, or closes it: it cannot be read any more.
    pub fn disconnect(&self, account: &str) -> Result<()> {
        let mut state = self.lock();
        ensure!(state.of("account", account).is_some(), "there is no such account");
        tell_transfers(&mut state, account, "inactive");
        state.forget(account);
        Ok(())
    }

    /// Stripe wants to know more, and pays nothing out until then.
    pub fn restrict(&self, account: &str, wanted: &str) -> Result<()> {
        let mut state = self.lock();
        ensure!(state.of("account", account).is_some(), "there is no such account");
        let changed = state.change(
            account,
            &json!({
                "charges_enabled": false, "payouts_enabled": false,
                "capabilities": { "card_payments": "inactive", "transfers": "inactive" },
                "requirements": {
                    "currently_due": [wanted], "eventually_due": [wanted], "past_due": [wanted],
                    "pending_verification": [], "current_deadline": null,
                    "disabled_reason": "requirements.past_due", "errors": [],
                },
            }),
        );
        state.tell_of(Some(account), "account.updated", &changed);
        Ok(())
    }

    /// An account's bank does not take the money.
    pub fn fail_payout(&self, account: &str, amount: i64) -> Result<()> {
        let mut state = self.lock();
        let payout = json!({
            "id": objects::id("po"), "object": "payout", "created": state.now_secs(), "amount": amount,
            "currency": "usd", "status": "failed", "livemode": false, "failure_code": "account_closed",
            "failure_message": "The bank account has been closed", "metadata": {},
        });
        state.tell_of(Some(account), "payout.failed", &payout);
        Ok(())
    }

    /// The platform deletes a customer: all that is subscribed ends.
    pub fn delete_customer(&self, customer: &str) -> Result<()> {
        delete_customer(&mut self.lock(), customer).map_err(refused)?;
        Ok(())
    }
}

fn tell_transfers(state: &mut State, account: &str, status: &str) {
    let capability = json!({
        "id": "transfers", "object": "capability", "account": account, "requested": true,
        "requested_at": state.now_secs(), "status": status,
        "requirements": { "currently_due": [], "disabled_reason": null },
    });
    state.tell_of(Some(account), "capability.updated", &capability);
}

pub(super) fn refused(refusal: Refusal) -> anyhow::Error {
    anyhow!("the stand-in refused: {}", refusal.body()["error"]["message"])
}

/// Customer, subscription and the first invoice of a session that is open.
fn begin(state: &mut State, session: &str) -> Result<Paid> {
    let now = state.now_secs();
    let found = state
        .of("checkout.session", session)
        .context("find the session")?
        .clone();
    ensure!(found["status"] == "open", "the session is {}", found["status"]);
    ensure!(
        found["expires_at"].as_i64() > Some(now),
        "the session has expired"
    );
    let params = &found["params_of_stand_in"];
    let customer = match found["customer"].as_str() {
        Some(customer) => customer.to_owned(),
        None => {
            let customer = objects::customer(now, &json!("payer@example.com"), &json!({}));
            state.tell("customer.created", &customer);
            state.put(customer)
        }
    };
    let data = &params["line_items"][0]["price_data"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let price = Price {
        amount: found["amount_total"].as_i64().unwrap_or_default(),
        currency: text(&found["currency"]),
        interval: text(&data["recurring"]["interval"]),
        name: text(&data["product_data"]["name"]),
    };
    let made = objects::subscription(now, &customer, &params["subscription_data"], &price);
    let subscription = state.put(made);
    let invoice = bill(state, &subscription, now, "subscription_create")?;
    let paid = Paid {
        session: session.to_owned(),
        customer,
        subscription,
        invoice,
    };
    state.change(
        session,
        &json!({
            "status": "complete", "customer": paid.customer, "subscription": paid.subscription,
            "invoice": paid.invoice, "customer_details": { "email": "payer@example.com", "name": "A Payer" },
        }),
    );
    Ok(paid)
}

fn complete(state: &mut State, paid: &Paid, payment_status: &str) {
    let session = state.change(&paid.session, &json!({ "payment_status": payment_status }));
    state.tell("checkout.session.completed", &session);
}

/// An open invoice with its payment, for the period that begins then.
fn bill(state: &mut State, subscription: &str, start: i64, reason: &str) -> Result<String> {
    let now = state.now_secs();
    let of = state
        .of("subscription", subscription)
        .context("find the subscription")?
        .clone();
    let made = objects::invoice(now, &of, start, reason);
    let intent = objects::payment_intent(now, &made, &of["transfer_data"]["destination"]);
    let payment = objects::invoice_payment(now, &made, intent["id"].as_str().unwrap_or_default());
    state.tell("invoice.created", &made);
    state.tell("invoice.finalized", &made);
    let invoice = state.put(made);
    state.put(intent);
    state.put(payment);
    state.change(subscription, &json!({ "latest_invoice": invoice }));
    Ok(invoice)
}

/// The charge, its transfer and its fee; and the invoice is paid.
fn settle_invoice(state: &mut State, invoice: &str) -> Result<()> {
    let now = state.now_secs();
    let open = state.of("invoice", invoice).context("find the invoice")?.clone();
    ensure!(open["status"] == "open", "the invoice is {}", open["status"]);
    let payment = state
        .all("invoice_payment")
        .find(|payment| payment["invoice"] == *invoice);
    let payment = payment.context("find the payment")?.clone();
    let intent = payment["payment"]["payment_intent"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let mut charge = objects::charge(now, state.get(&intent).context("find the payment intent")?);
    let amount = charge["amount"].as_i64().unwrap_or_default();
    let fee = charge["application_fee_amount"].as_i64().unwrap_or_default();
    if let Some(account) = charge["transfer_data"]["destination"]
        .as_str()
        .map(ToOwned::to_owned)
    {
        let mut transfer = objects::transfer(now, amount, &charge["currency"], &account);
        transfer["source_transaction"] = charge["id"].clone();
        let group = json!(format!("group_{intent}"));
        transfer["transfer_group"] = group.clone();
        charge["transfer_group"] = group;
        state.tell("transfer.created", &transfer);
        charge["transfer"] = state.put(transfer).into();
        *state.balances.entry(account.clone()).or_default() += amount - fee;
        if fee > 0 {
            let fee = objects::application_fee(now, &charge, fee, &account);
            state.tell("application_fee.created", &fee);
            charge["application_fee"] = state.put(fee).into();
        }
    }
    state.tell("charge.succeeded", &charge);
    let charge = state.put(charge);
    let intent = state.change(
        &intent,
        &json!({ "status": "succeeded", "latest_charge": charge, "amount_received": amount }),
    );
    state.tell("payment_intent.succeeded", &intent);
    let own = payment["id"].as_str().unwrap_or_default();
    let payment = state.change(
        own,
        &json!({ "status": "paid", "amount_paid": amount, "status_transitions": { "paid_at": now, "canceled_at": null } }),
    );
    state.tell("invoice_payment.paid", &payment);
    let mut transitions = open["status_transitions"].clone();
    transitions["paid_at"] = now.into();
    let paid = state.change(
        invoice,
        &json!({
            "status": "paid", "attempted": true, "attempt_count": 1, "amount_paid": amount, "amount_remaining": 0,
            "status_transitions": transitions, "next_payment_attempt": null,
        }),
    );
    state.tell("invoice.paid", &paid);
    state.tell("invoice.payment_succeeded", &paid);
    Ok(())
}

fn activate(state: &mut State, subscription: &str, event: &str) {
    let active = state.change(subscription, &json!({ "status": "active" }));
    state.tell(event, &active);
}

/// The subscription's next period begins, with an open invoice.
fn next_period(state: &mut State, subscription: &str) -> Result<String> {
    let of = state
        .of("subscription", subscription)
        .context("find the subscription")?
        .clone();
    let is_over = matches!(of["status"].as_str(), Some("canceled" | "incomplete_expired"));
    ensure!(!is_over, "the subscription is {}", of["status"]);
    let start = of["items"]["data"][0]["current_period_end"]
        .as_i64()
        .unwrap_or_default();
    let mut items = of["items"].clone();
    let interval = Price::of_subscription(&of).interval;
    items["data"][0]["current_period_start"] = start.into();
    items["data"][0]["current_period_end"] = (start + period_secs(&interval)).into();
    state.change(subscription, &json!({ "items": items }));
    bill(state, subscription, start, "subscription_cycle")
}

pub(super) fn cancel(state: &mut State, subscription: &str) -> Result<(), Refusal> {
    let found = state.of("subscription", subscription);
    let is_there = found.is_some_and(|found| found["status"] != "canceled");
    if !is_there {
        return Err(Refusal::missing(&format!("subscription: '{subscription}'")));
    }
    end_subscription(state, subscription, "canceled");
    Ok(())
}

fn end_subscription(state: &mut State, subscription: &str, status: &str) {
    let now = state.now_secs();
    let ended = state.change(
        subscription,
        &json!({ "status": status, "canceled_at": now, "ended_at": now }),
    );
    let event = match status {
        "canceled" => "customer.subscription.deleted",
        _ => "customer.subscription.updated",
    };
    state.tell(event, &ended);
}

pub(super) fn expire_session(state: &mut State, session: &str) -> Answered {
    let found = state.of("checkout.session", session);
    match found.and_then(|session| session["status"].as_str()) {
        Some("open") => {
            let expired = state.change(session, &json!({ "status": "expired", "url": null }));
            state.tell("checkout.session.expired", &expired);
            Ok(session.into())
        }
        Some(status) => Err(Refusal::invalid(format!(
            "Only Checkout Sessions with a status of open can be expired. This one is {status}."
        ))),
        None => Err(Refusal::missing(&format!("checkout.session: '{session}'"))),
    }
}

pub(super) fn delete_customer(state: &mut State, customer: &str) -> Answered {
    let found = state
        .of("customer", customer)
        .filter(|customer| customer["deleted"] != true);
    let deleted = found
        .cloned()
        .ok_or_else(|| Refusal::missing(&format!("customer: '{customer}'")))?;
    let of = state
        .all("subscription")
        .filter(|subscription| subscription["customer"] == *customer);
    let open: Vec<Value> = of
        .filter(|subscription| subscription["status"] != "canceled")
        .map(|subscription| subscription["id"].clone())
        .collect();
    for subscription in &open {
        end_subscription(state, subscription.as_str().unwrap_or_default(), "canceled");
    }
    state.change(customer, &json!({ "deleted": true }));
    state.tell("customer.deleted", &deleted);
    Ok(json!({ "id": customer, "object": "customer", "deleted": true }))
}

/// Gives money back; answers the refund's id.
pub(super) fn refund(state: &mut State, params: &Value) -> Answered {
    let intent = params["payment_intent"].as_str();
    let of_intent = intent.and_then(|intent| state.of("payment_intent", intent)?["latest_charge"].as_str());
    let charge = params["charge"]
        .as_str()
        .or(of_intent)
        .unwrap_or_default()
        .to_owned();
    let missing = || Refusal::missing(&format!("charge: '{charge}'"));
    let found = state.of("charge", &charge).ok_or_else(missing)?.clone();
    let (amount, refunded) = (
        found["amount"].as_i64().unwrap_or_default(),
        found["amount_refunded"].as_i64().unwrap_or_default(),
    );
    let wished = number(params, "amount")?.unwrap_or(amount - refunded);
    if wished <= 0 || refunded + wished > amount {
        return Err(Refusal::new(
            400,
            "invalid_request_error",
            Some("charge_already_refunded"),
            "Refund amount is greater than what is left of the charge",
        ));
    }
    let now = state.now_secs();
    let mut made = json!({
        "id": objects::id("re"), "object": "refund", "created": now, "amount": wished, "charge": charge,
        "currency": found["currency"], "metadata": super::params::metadata(params),
        "payment_intent": found["payment_intent"], "reason": params["reason"], "status": "succeeded",
        "source_transfer_reversal": null, "transfer_reversal": null,
    });
    if params["reverse_transfer"] == "true" {
        let transfer = found["transfer"].as_str().unwrap_or_default().to_owned();
        let reversal = reverse(state, &transfer, Some(wished), &json!({}), &made["id"])?;
        made["transfer_reversal"] = reversal;
    }
    if params["refund_application_fee"] == "true" {
        refund_fee(state, &found, wished);
    }
    let changed = state.change(
        &charge,
        &json!({ "amount_refunded": refunded + wished, "refunded": refunded + wished == amount }),
    );
    state.tell("refund.created", &made);
    state.tell("charge.refunded", &changed);
    Ok(state.put(made).into())
}

/// The platform gives its part back, to the account that paid it.
fn refund_fee(state: &mut State, charge: &Value, refunded: i64) {
    let fee = charge["application_fee"].as_str().unwrap_or_default().to_owned();
    let Some(known) = state.of("application_fee", &fee).cloned() else {
        return;
    };
    let number = |value: &Value| value.as_i64().unwrap_or_default();
    let (whole, before) = (number(&known["amount"]), number(&known["amount_refunded"]));
    let part = (whole * refunded / number(&charge["amount"]).max(1)).min(whole - before);
    let members = json!({ "amount_refunded": before + part, "refunded": before + part == whole });
    let changed = state.change(&fee, &members);
    let account = known["account"].as_str().unwrap_or_default().to_owned();
    *state.balances.entry(account).or_default() += part;
    state.tell("application_fee.refunded", &changed);
}

/// Takes money of a transfer back; answers the reversal's id.
pub(super) fn reverse(
    state: &mut State,
    transfer: &str,
    amount: Option<i64>,
    metadata: &Value,
    source_refund: &Value,
) -> Answered {
    let missing = || Refusal::missing(&format!("transfer: '{transfer}'"));
    let found = state.of("transfer", transfer).ok_or_else(missing)?.clone();
    let whole = found["amount"].as_i64().unwrap_or_default();
    let before = found["amount_reversed"].as_i64().unwrap_or_default();
    let amount = amount.unwrap_or(whole - before);
    if amount <= 0 || before + amount > whole {
        return Err(Refusal::new(
            400,
            "invalid_request_error",
            Some("amount_too_large"),
            format!(
                "Refund amount ({amount}) is greater than unrefunded amount on transfer ({})",
                whole - before
            ),
        ));
    }
    let account = found["destination"].as_str().unwrap_or_default().to_owned();
    let balance = state.balances.entry(account).or_default();
    if *balance < amount {
        return Err(Refusal::new(
            400,
            "invalid_request_error",
            Some("balance_insufficient"),
            "You cannot reverse this transfer: the balance of the connected account is insufficient.",
        ));
    }
    *balance -= amount;
    let made = json!({
        "id": objects::id("trr"), "object": "transfer_reversal", "created": state.now_secs(), "amount": amount,
        "currency": found["currency"], "transfer": transfer, "metadata": metadata,
        "source_refund": source_refund, "destination_payment_refund": null,
    });
    let changed = state.change(
        transfer,
        &json!({ "amount_reversed": before + amount, "reversed": before + amount == whole }),
    );
    let reversal = state.put(made);
    state.tell("transfer.reversed", &changed);
    Ok(reversal.into())
}
