//! Ledger against Stripe: pure, so that each kind of difference can be tried.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use serde::{Deserialize, Serialize};

/// What the ledger says, as `creel.ledger_for_reconciliation` tells it.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub(crate) struct Ledger {
    /// Accounts that are of owners of hosts.
    pub(crate) accounts: HashSet<String>,
    /// What was earned, with what corrects it.
    pub(crate) earnings: Vec<Earning>,
    /// Transfers that are of earnings, also of those of another time.
    pub(crate) known_transfers: HashSet<String>,
    /// All subscriptions.
    pub(crate) subscriptions: Vec<Subscription>,
    /// Invoices of which Creel was told that they are paid.
    pub(crate) paid_invoices: HashSet<String>,
}

/// An earning.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Earning {
    pub(crate) id: i64,
    pub(crate) invoice: String,
    pub(crate) transfer: String,
    pub(crate) destination: String,
    pub(crate) currency: String,
    pub(crate) gross_minor: i64,
    pub(crate) fee_minor: i64,
    /// What is to have come back of it.
    pub(crate) corrected_minor: i64,
    /// Transfers that gave back.
    pub(crate) paybacks: Vec<Payback>,
    /// In seconds since 1970.
    pub(crate) paid_at: i64,
    /// What Stripe was asked to do and has not done.
    pub(crate) request: Option<String>,
}

/// A transfer that gave back what had been reversed.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Payback {
    pub(crate) transfer: String,
    pub(crate) amount_minor: i64,
}

/// A subscription, on either side.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Subscription {
    pub(crate) id: String,
    pub(crate) status: String,
}

/// What Stripe says.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Stripe {
    pub(crate) transfers: Vec<Transfer>,
    /// Those that are paid.
    pub(crate) invoices: Vec<Invoice>,
    /// Those that a checkout of Creel's made.
    pub(crate) subscriptions: Vec<Subscription>,
}

/// A transfer to a connected account.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Transfer {
    pub(crate) id: String,
    pub(crate) created: i64,
    pub(crate) amount: i64,
    pub(crate) currency: String,
    pub(crate) destination: String,
    pub(crate) amount_reversed: i64,
    /// The payment that it comes from.
    pub(crate) payment_intent: Option<String>,
    /// Of the charge that it comes from; none where Stripe told nothing of it.
    pub(crate) fee: Option<i64>,
    pub(crate) fee_refunded: i64,
}

/// A paid invoice of a subscription.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Invoice {
    pub(crate) id: String,
    pub(crate) paid_at: i64,
    pub(crate) amount_paid: i64,
    pub(crate) subscription: String,
    pub(crate) payment_intents: Vec<String>,
}

/// What kind of difference it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// Stripe has it, the ledger has not.
    MissingInLedger,
    /// The ledger has it, Stripe has not.
    MissingInStripe,
    /// Another amount was transferred, or another fee taken.
    Amount,
    /// In another currency.
    Currency,
    /// To another account.
    Destination,
    /// A correction was written, and not carried out.
    ReversalMissing,
    /// More was taken back than the ledger has corrections.
    ReversalExcess,
    /// A subscription is in another state.
    SubscriptionStatus,
    /// Stripe's event of a paid invoice never arrived.
    EventMissing,
}

/// Something that is not the same on both sides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Difference {
    pub(crate) kind: Kind,
    /// Stripe's id of what it is about.
    pub(crate) object: String,
    /// What the ledger says.
    pub(crate) ledger: Option<String>,
    /// What Stripe says.
    pub(crate) stripe: Option<String>,
    /// What there is to say beside.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) note: Option<String>,
}

impl Difference {
    fn new(kind: Kind, object: &str, ledger: Option<String>, stripe: Option<String>) -> Self {
        Self {
            kind,
            object: object.to_owned(),
            ledger,
            stripe,
            note: None,
        }
    }

    fn noting(mut self, note: Option<String>) -> Self {
        self.note = note;
        self
    }
}

/// What differs of that which was paid within `range`, in seconds since 1970. Both sides are to be read with a margin, as
/// the two do not write at the same moment.
pub(crate) fn compare(ledger: &Ledger, stripe: &Stripe, range: &Range<i64>) -> Vec<Difference> {
    let mut found = Vec::new();
    let transfers: HashMap<&str, &Transfer> = stripe
        .transfers
        .iter()
        .map(|transfer| (transfer.id.as_str(), transfer))
        .collect();
    for earning in ledger
        .earnings
        .iter()
        .filter(|earning| range.contains(&earning.paid_at))
    {
        match transfers.get(earning.transfer.as_str()) {
            Some(transfer) => compare_earning(earning, transfer, &transfers, &mut found),
            None => found.push(Difference::new(
                Kind::MissingInStripe,
                &earning.transfer,
                Some(money(earning.gross_minor, &earning.currency)),
                None,
            )),
        }
        for payback in &earning.paybacks {
            if !transfers.contains_key(payback.transfer.as_str()) {
                let amount = money(payback.amount_minor, &earning.currency);
                let gone = Difference::new(Kind::MissingInStripe, &payback.transfer, Some(amount), None);
                found.push(gone.noting(Some("it was to give back what had been reversed".to_owned())));
            }
        }
    }
    let untold = untold_invoices(ledger, stripe, range);
    for invoice in &untold {
        found.push(Difference::new(
            Kind::EventMissing,
            &invoice.id,
            None,
            Some("paid".to_owned()),
        ));
    }
    unknown_transfers(ledger, stripe, range, &untold, &mut found);
    compare_subscriptions(ledger, stripe, &mut found);
    found.sort_by(|one, other| (one.kind, &one.object).cmp(&(other.kind, &other.object)));
    found
}

fn compare_earning(
    earning: &Earning,
    transfer: &Transfer,
    transfers: &HashMap<&str, &Transfer>,
    found: &mut Vec<Difference>,
) {
    let mut differ = |kind, ledger: String, stripe: String, note: Option<&str>| {
        let differs = Difference::new(kind, &transfer.id, Some(ledger), Some(stripe));
        found.push(differs.noting(note.map(ToOwned::to_owned)));
    };
    if earning.currency != transfer.currency {
        differ(
            Kind::Currency,
            earning.currency.clone(),
            transfer.currency.clone(),
            None,
        );
    }
    if earning.destination != transfer.destination {
        differ(
            Kind::Destination,
            earning.destination.clone(),
            transfer.destination.clone(),
            None,
        );
    }
    let amount = |minor| money(minor, &earning.currency);
    if earning.gross_minor != transfer.amount {
        differ(
            Kind::Amount,
            amount(earning.gross_minor),
            amount(transfer.amount),
            None,
        );
    } else if let Some(fee) = transfer.fee.filter(|fee| *fee != earning.fee_minor) {
        differ(
            Kind::Amount,
            amount(earning.fee_minor),
            amount(fee),
            Some("the platform's fee"),
        );
    }
    let kept_back: i64 = earning
        .paybacks
        .iter()
        .map(|payback| match transfers.get(payback.transfer.as_str()) {
            Some(back) => back.amount - back.amount_reversed,
            // That it is not there is a difference by itself.
            None => payback.amount_minor,
        })
        .sum();
    let returned = transfer.amount_reversed - transfer.fee_refunded - kept_back;
    if returned != earning.corrected_minor {
        let kind = if returned < earning.corrected_minor {
            Kind::ReversalMissing
        } else {
            Kind::ReversalExcess
        };
        differ(
            kind,
            amount(earning.corrected_minor),
            amount(returned),
            earning.request.as_deref(),
        );
    }
}

/// Paid invoices of Creel's subscriptions of which it knows nothing.
fn untold_invoices<'a>(ledger: &Ledger, stripe: &'a Stripe, range: &Range<i64>) -> Vec<&'a Invoice> {
    let earned: HashSet<&str> = ledger
        .earnings
        .iter()
        .map(|earning| earning.invoice.as_str())
        .collect();
    let ours: HashSet<&str> = ledger
        .subscriptions
        .iter()
        .chain(&stripe.subscriptions)
        .map(|subscription| subscription.id.as_str())
        .collect();
    let invoices = stripe.invoices.iter().filter(|invoice| {
        invoice.amount_paid > 0
            && range.contains(&invoice.paid_at)
            && ours.contains(invoice.subscription.as_str())
            && !earned.contains(invoice.id.as_str())
            && !ledger.paid_invoices.contains(&invoice.id)
    });
    invoices.collect()
}

/// Transfers to owners of hosts that the ledger has not. Where the event never arrived, that is what there is to say.
fn unknown_transfers(
    ledger: &Ledger,
    stripe: &Stripe,
    range: &Range<i64>,
    untold: &[&Invoice],
    found: &mut Vec<Difference>,
) {
    let known: HashSet<&str> = ledger
        .earnings
        .iter()
        .flat_map(|earning| {
            let paybacks = earning.paybacks.iter().map(|payback| payback.transfer.as_str());
            paybacks.chain([earning.transfer.as_str()])
        })
        .collect();
    let explained: HashSet<&str> = untold
        .iter()
        .flat_map(|invoice| invoice.payment_intents.iter().map(String::as_str))
        .collect();
    for transfer in &stripe.transfers {
        let is_explained = transfer
            .payment_intent
            .as_deref()
            .is_some_and(|intent| explained.contains(intent));
        if range.contains(&transfer.created)
            && ledger.accounts.contains(&transfer.destination)
            && !known.contains(transfer.id.as_str())
            && !ledger.known_transfers.contains(&transfer.id)
            && !is_explained
        {
            found.push(Difference::new(
                Kind::MissingInLedger,
                &transfer.id,
                None,
                Some(money(transfer.amount, &transfer.currency)),
            ));
        }
    }
}

fn compare_subscriptions(ledger: &Ledger, stripe: &Stripe, found: &mut Vec<Difference>) {
    let theirs: HashMap<&str, &str> = stripe
        .subscriptions
        .iter()
        .map(|one| (one.id.as_str(), one.status.as_str()))
        .collect();
    let ours: HashSet<&str> = ledger.subscriptions.iter().map(|one| one.id.as_str()).collect();
    for one in &ledger.subscriptions {
        let status = Some(one.status.clone());
        match theirs.get(one.id.as_str()) {
            Some(theirs) if *theirs == one.status => {}
            Some(theirs) => found.push(Difference::new(
                Kind::SubscriptionStatus,
                &one.id,
                status,
                Some((*theirs).to_owned()),
            )),
            None => found.push(Difference::new(Kind::MissingInStripe, &one.id, status, None)),
        }
    }
    for one in &stripe.subscriptions {
        // Nobody paid for it: nothing came of it on either side.
        let is_nothing = matches!(one.status.as_str(), "incomplete" | "incomplete_expired");
        if !is_nothing && !ours.contains(one.id.as_str()) {
            let status = Some(one.status.clone());
            found.push(Difference::new(Kind::MissingInLedger, &one.id, None, status));
        }
    }
}

/// As Stripe counts: in minor units, which not every currency has a hundred of.
fn money(minor: i64, currency: &str) -> String {
    format!("{minor} {currency}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const RANGE: Range<i64> = 1000..2000;

    fn earning(number: i64) -> Earning {
        Earning {
            id: number,
            invoice: format!("in_{number}"),
            transfer: format!("tr_{number}"),
            destination: "acct_1".to_owned(),
            currency: "usd".to_owned(),
            gross_minor: 1000,
            fee_minor: 150,
            corrected_minor: 0,
            paybacks: Vec::new(),
            paid_at: 1000 + number,
            request: None,
        }
    }

    fn transfer(number: i64) -> Transfer {
        Transfer {
            id: format!("tr_{number}"),
            created: 1000 + number,
            amount: 1000,
            currency: "usd".to_owned(),
            destination: "acct_1".to_owned(),
            amount_reversed: 0,
            payment_intent: Some(format!("pi_{number}")),
            fee: Some(150),
            fee_refunded: 0,
        }
    }

    fn invoice(number: i64) -> Invoice {
        Invoice {
            id: format!("in_{number}"),
            paid_at: 1000 + number,
            amount_paid: 1000,
            subscription: "sub_1".to_owned(),
            payment_intents: vec![format!("pi_{number}")],
        }
    }

    fn subscription(status: &str) -> Subscription {
        Subscription {
            id: "sub_1".to_owned(),
            status: status.to_owned(),
        }
    }

    /// Nine months of which nothing differs.
    fn same() -> (Ledger, Stripe) {
        let ledger = Ledger {
            accounts: ["acct_1".to_owned()].into(),
            earnings: (1..10).map(earning).collect(),
            known_transfers: ["tr_of_another_year".to_owned()].into(),
            subscriptions: vec![subscription("active")],
            paid_invoices: (1..10).map(|number| format!("in_{number}")).collect(),
        };
        let stripe = Stripe {
            transfers: (1..10).map(transfer).collect(),
            invoices: (1..10).map(invoice).collect(),
            subscriptions: vec![subscription("active")],
        };
        (ledger, stripe)
    }

    fn found(change: impl FnOnce(&mut Ledger, &mut Stripe)) -> Vec<(Kind, String)> {
        let (mut ledger, mut stripe) = same();
        change(&mut ledger, &mut stripe);
        let found = compare(&ledger, &stripe, &RANGE);
        found.into_iter().map(|one| (one.kind, one.object)).collect()
    }

    #[test]
    fn what_is_the_same_differs_in_nothing() {
        assert_eq!(found(|_, _| {}), []);
        assert_eq!(compare(&Ledger::default(), &Stripe::default(), &RANGE), []);
    }

    #[test]
    fn each_kind_is_found_by_itself() {
        let one = |kind, object: &str| vec![(kind, object.to_owned())];
        assert_eq!(
            found(|ledger, _| drop(ledger.earnings.remove(2))),
            one(Kind::MissingInLedger, "tr_3")
        );
        assert_eq!(
            found(|_, stripe| drop(stripe.transfers.remove(2))),
            one(Kind::MissingInStripe, "tr_3")
        );
        assert_eq!(
            found(|ledger, _| ledger.earnings[0].gross_minor = 999),
            one(Kind::Amount, "tr_1")
        );
        assert_eq!(
            found(|_, stripe| stripe.transfers[0].fee = Some(100)),
            one(Kind::Amount, "tr_1")
        );
        assert_eq!(
            found(|_, stripe| stripe.transfers[0].currency = "eur".to_owned()),
            one(Kind::Currency, "tr_1")
        );
        assert_eq!(
            found(|_, stripe| stripe.transfers[0].destination = "acct_2".to_owned()),
            one(Kind::Destination, "tr_1")
        );
        assert_eq!(
            found(|ledger, _| ledger.earnings[0].corrected_minor = 5),
            one(Kind::ReversalMissing, "tr_1")
        );
        assert_eq!(
            found(|_, stripe| stripe.transfers[0].amount_reversed = 5),
            one(Kind::ReversalExcess, "tr_1")
        );
        assert_eq!(
            found(|ledger, _| ledger.subscriptions[0].status = "past_due".to_owned()),
            one(Kind::SubscriptionStatus, "sub_1")
        );
        assert_eq!(
            found(|ledger, _| {
                ledger.earnings.remove(2);
                ledger.paid_invoices.remove("in_3");
            }),
            one(Kind::EventMissing, "in_3"),
            "one cause, one difference"
        );
    }

    #[test]
    fn what_was_given_back_counts() {
        let back = |number: i64, amount: i64| Transfer {
            id: format!("tr_back{number}"),
            amount,
            payment_intent: None,
            fee: None,
            ..transfer(number)
        };
        let payback = |amount| Payback {
            transfer: "tr_back1".to_owned(),
            amount_minor: amount,
        };
        // Disputed, won, and a part of it refunded afterwards.
        let settled = |ledger: &mut Ledger, stripe: &mut Stripe| {
            ledger.earnings[0].corrected_minor = 85;
            ledger.earnings[0].paybacks.push(payback(850));
            stripe.transfers[0].amount_reversed = 850;
            let mut back = back(1, 850);
            back.amount_reversed = 85;
            stripe.transfers.push(back);
        };
        assert_eq!(found(settled), []);
        assert_eq!(
            found(|ledger, stripe| {
                settled(ledger, stripe);
                stripe.transfers.pop();
            }),
            [
                (Kind::MissingInStripe, "tr_back1".to_owned()),
                (Kind::ReversalMissing, "tr_1".to_owned())
            ],
            "what was reversed of it is gone with it"
        );
        assert_eq!(
            found(|ledger, stripe| {
                settled(ledger, stripe);
                ledger.earnings[0].paybacks.clear();
            }),
            [
                (Kind::MissingInLedger, "tr_back1".to_owned()),
                (Kind::ReversalExcess, "tr_1".to_owned())
            ]
        );
        // A refund by hand, with its part of the fee.
        assert_eq!(
            found(|ledger, stripe| {
                ledger.earnings[1].corrected_minor = 425;
                stripe.transfers[1].amount_reversed = 500;
                stripe.transfers[1].fee_refunded = 75;
            }),
            []
        );
    }

    #[test]
    fn what_is_not_creels_or_not_of_the_time_is_left_alone() {
        assert_eq!(
            found(|ledger, stripe| {
                let mut other = transfer(20);
                other.destination = "acct_other".to_owned();
                stripe.transfers.push(other);
                let mut early = transfer(21);
                early.created = 999;
                stripe.transfers.push(early);
                let mut back = transfer(25);
                back.id = "tr_of_another_year".to_owned();
                stripe.transfers.push(back);
                let mut late = earning(22);
                late.paid_at = 2000;
                ledger.earnings.push(late);
                let mut theirs = invoice(23);
                theirs.subscription = "sub_of_another_product".to_owned();
                stripe.invoices.push(theirs);
                let mut free = invoice(24);
                free.amount_paid = 0;
                stripe.invoices.push(free);
                stripe.subscriptions.push(Subscription {
                    id: "sub_never_paid".to_owned(),
                    status: "incomplete_expired".to_owned(),
                });
            }),
            []
        );
    }

    #[test]
    fn a_transfer_at_the_edge_is_known_by_the_margin() {
        // The event came a second before the range, the transfer is of its first second; and the other way round.
        assert_eq!(
            found(|ledger, stripe| {
                ledger.earnings[0].paid_at = 999;
                stripe.transfers[0].created = 1000;
                ledger.earnings[1].paid_at = 1999;
                stripe.transfers[1].created = 2000;
            }),
            []
        );
    }

    #[test]
    fn a_request_that_is_under_way_is_told() {
        let (mut ledger, stripe) = same();
        ledger.earnings[0].corrected_minor = 5;
        ledger.earnings[0].request = Some("waiting: balance_insufficient".to_owned());
        let found = compare(&ledger, &stripe, &RANGE);
        assert_eq!(found[0].note.as_deref(), Some("waiting: balance_insufficient"));
        assert_eq!(
            (found[0].ledger.as_deref(), found[0].stripe.as_deref()),
            (Some("5 usd"), Some("0 usd"))
        );
    }
}
