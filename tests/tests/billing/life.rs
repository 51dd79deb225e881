//! What happens to a subscription at Stripe, by chance: at least a dozen events, some of them in the same second; and now
//! and then a checkout that nobody pays.

use creel_local::stripe_stand_in::StandIn;
use serde_json::{Value, json};

use crate::chance::Chance;

/// What an agent costs: no round number, so that fees and shares are rounded.
pub const PRICE: i64 = 999;

/// In the place of the ids of checkouts: an agent may be paid for twice, and each world has ids of its own.
pub const INTENTS: [&str; 2] = [
    "00000000-0000-4000-8000-000000000000",
    "00000000-0000-4000-8000-000000000001",
];

/// Events of a life, at least.
const EVENTS_MIN: usize = 12;

/// What nobody at Creel reads is delivered once in so many times.
const UNREAD_ONE_IN: usize = 12;

/// A subscription at Stripe.
pub struct Life {
    pub stripe: StandIn,
    pub account: String,
    pub subscription: String,
    intent: &'static str,
    chance: Chance,
    is_over: bool,
    status: Status,
    told: usize,
    read: usize,
}

#[derive(Clone, Copy, PartialEq)]
enum Status {
    Active,
    PastDue,
    Unpaid,
    Paused,
}

impl Life {
    /// A stand-in whose clock stands at `at_secs`, with a connected account. `intent` is one of [`INTENTS`].
    pub async fn new(chance: Chance, intent: &'static str, at_secs: i64) -> Self {
        let stripe = StandIn::start().await.expect("start the stand-in of Stripe");
        stripe.set_clock(at_secs);
        let account = stripe
            .post("/v1/accounts", &json!({ "type": "express" }))
            .expect("make an account");
        let account = text(&account["id"]);
        stripe.onboard(&account).expect("answer what Stripe asks");
        let told = stripe.events().len();
        Self {
            stripe,
            account,
            subscription: String::new(),
            intent,
            chance,
            is_over: false,
            status: Status::Active,
            told,
            read: 0,
        }
    }

    /// Something happens. Answers the events that tell it, oldest first; none when the life is over.
    pub fn step(&mut self) -> Option<Vec<Value>> {
        if self.subscription.is_empty() {
            self.begin();
            return Some(self.news());
        }
        if self.is_over {
            return None;
        }
        self.pass_time();
        self.happen();
        Some(self.news())
    }

    fn begin(&mut self) {
        let form = json!({
            "mode": "subscription", "success_url": "https://app.example.com/", "client_reference_id": self.intent,
            "metadata": { "creel_intent": self.intent },
            "line_items": [{ "quantity": "1", "price_data": {
                "currency": "eur", "unit_amount": PRICE.to_string(), "recurring": { "interval": "month" },
                "product_data": { "name": "Agent" } } }],
            "subscription_data": {
                "application_fee_percent": "15.00", "metadata": { "creel_intent": self.intent },
                "transfer_data": { "destination": self.account } },
        });
        let session = self
            .stripe
            .post("/v1/checkout/sessions", &form)
            .expect("make a session");
        let session = text(&session["id"]);
        // What is left of an agent whose second checkout is never paid depends on whether its host ever had it.
        if self.intent == INTENTS[0] && self.chance.one_in(12) {
            self.fall_through(&session);
            return;
        }
        let paid = if self.chance.one_in(4) {
            let paid = self.stripe.pay_later(&session).expect("pay later");
            self.pass_time();
            self.stripe.settle(&paid, true).expect("the bank pays");
            paid
        } else {
            self.stripe.pay(&session).expect("pay")
        };
        self.subscription = paid.subscription;
    }

    /// Nobody ever pays.
    fn fall_through(&mut self, session: &str) {
        self.is_over = true;
        if self.chance.one_in(3) {
            self.stripe.expire(session).expect("let it expire");
            // It has none.
            "none".clone_into(&mut self.subscription);
            return;
        }
        let paid = self.stripe.pay_later(session).expect("pay later");
        self.pass_time();
        self.stripe.settle(&paid, false).expect("the bank does not pay");
        self.subscription = paid.subscription;
    }

    /// Whether the subscription was paid for, and has ended.
    pub fn has_ended(&self) -> bool {
        let subscription = self.stripe.object(&self.subscription);
        subscription.is_some_and(|subscription| subscription["status"] == "canceled")
    }

    pub fn is_paid(&self) -> bool {
        !self.stripe.objects("charge").is_empty()
    }

    fn pass_time(&self) {
        let secs = match self.chance.below(6) {
            0..=2 => 0,
            3 => 1,
            4 => 3_600 * self.chance.below(48),
            _ => 86_400 * self.chance.below(30),
        };
        self.stripe.advance(i64::try_from(secs).expect("it is small"));
    }

    fn happen(&mut self) {
        let (stripe, sub) = (&self.stripe, self.subscription.as_str());
        let is_long = self.read >= EVENTS_MIN;
        match (self.chance.below(16), self.status) {
            (0..=2, Status::Active) => {
                stripe.renew(sub).expect("renew");
            }
            (3..=4, Status::Active) => {
                stripe.fail_renewal(sub).expect("refuse the card");
                self.status = Status::PastDue;
            }
            (0..=4, Status::PastDue | Status::Unpaid) => {
                stripe.recover(sub).expect("pay after all");
                self.status = Status::Active;
            }
            (5, Status::PastDue) => {
                stripe
                    .set_status(sub, "unpaid", "customer.subscription.updated")
                    .expect("give up");
                self.status = Status::Unpaid;
            }
            (5, Status::Active) => {
                stripe
                    .set_status(sub, "paused", "customer.subscription.paused")
                    .expect("pause");
                self.status = Status::Paused;
            }
            (0..=4, Status::Paused) => {
                stripe
                    .set_status(sub, "active", "customer.subscription.resumed")
                    .expect("resume");
                self.status = Status::Active;
            }
            (6, _) => stripe.cancel_at_period_end(sub).expect("end it with its period"),
            (7..=9, _) => self.refund(),
            (10..=11, _) => self.dispute(),
            (12, _) if is_long => {
                stripe.cancel(sub).expect("cancel");
                self.is_over = true;
            }
            (13, _) if is_long => {
                let customer = stripe.object(sub).expect("it is there")["customer"].clone();
                stripe
                    .delete_customer(&text(&customer))
                    .expect("delete the customer");
                self.is_over = true;
            }
            (14..=15, _) if is_long => self.is_over = true,
            _ => {}
        }
        // What is disputed or given back after the end is told too.
        if self.is_over && self.chance.one_in(2) {
            self.pass_time();
            self.refund();
        }
    }

    fn refund(&self) {
        let charge = self.any("charge");
        let left = number(&charge["amount"]) - number(&charge["amount_refunded"]);
        let part = match self.chance.below(3) {
            0 => left,
            _ => left / 3,
        };
        if part > 0 {
            self.stripe
                .refund(&text(&charge["id"]), part)
                .expect("give money back");
        }
    }

    fn dispute(&self) {
        let open: Vec<Value> = self.stripe.objects("dispute");
        let open: Vec<&Value> = open
            .iter()
            .filter(|dispute| dispute["status"] == "needs_response")
            .collect();
        if let Some(dispute) = open.first() {
            let is_won = self.chance.one_in(2);
            self.stripe
                .close_dispute(&text(&dispute["id"]), is_won)
                .expect("decide");
            return;
        }
        let charge = self.any("charge");
        if charge["disputed"] == false {
            self.stripe
                .dispute(&text(&charge["id"]))
                .expect("take a charge back");
        }
    }

    fn any(&self, kind: &str) -> Value {
        self.chance.of(&self.stripe.objects(kind))
    }

    /// The events since the last question.
    fn news(&mut self) -> Vec<Value> {
        let news = self.stripe.events_after(self.told);
        self.told += news.len();
        self.read += news.iter().filter(|event| is_read(event)).count();
        news.into_iter()
            .filter(|event| is_read(event) || self.chance.one_in(UNREAD_ONE_IN))
            .collect()
    }

    /// What the host's owner is to have of all charges: each less the fee, less what went back to whoever paid it.
    pub fn earned(&self) -> i64 {
        let disputes = self.stripe.objects("dispute");
        let net = PRICE - (PRICE * 15 + 50) / 100;
        let share = |gross: i64| (net * gross * 2 + PRICE) / (2 * PRICE);
        let mut sum = 0;
        for charge in self.stripe.objects("charge") {
            let refunded = share(number(&charge["amount_refunded"]));
            let disputed: i64 = disputes
                .iter()
                .filter(|dispute| dispute["charge"] == charge["id"] && dispute["status"] != "won")
                .map(|dispute| number(&dispute["amount"]))
                .sum();
            sum += (net - refunded - share(disputed)).max(0);
        }
        sum
    }
}

/// Whether Creel does something with an event of this kind.
fn is_read(event: &Value) -> bool {
    let kind = event["type"].as_str().unwrap_or_default();
    [
        "checkout.",
        "customer.subscription.",
        "customer.deleted",
        "charge.refunded",
        "charge.dispute.",
    ]
    .iter()
    .any(|begin| kind.starts_with(begin))
        || matches!(kind, "invoice.paid" | "invoice.payment_failed")
}

pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

pub fn number(value: &Value) -> i64 {
    value.as_i64().unwrap_or_default()
}
