//! What the database wants Stripe to do: leased to us, done once whoever does it, and reported.

use futures_util::StreamExt;
use futures_util::stream;
use serde_json::{Value, json};

use super::api::{StripeApi, Told};
use super::event::without_nul;
use super::refused::StripeError;
use crate::deadline::Deadline;

/// Stripe takes 25 writes a second of a test account; there may be several of us.
const AT_ONCE: usize = 4;

/// What became of each request. Those that nobody knows the end of are left away: their leases end, and they are
/// made again under the same keys.
pub(super) async fn all(stripe: &StripeApi, requests: &[Value], limit: Deadline) -> Vec<Value> {
    let doing: Vec<_> = requests
        .iter()
        .map(|request| one(stripe, request, limit))
        .collect();
    stream::iter(doing)
        .buffer_unordered(AT_ONCE)
        .filter_map(std::future::ready)
        .collect()
        .await
}

async fn one(stripe: &StripeApi, request: &Value, limit: Deadline) -> Option<Value> {
    let id = &request["request_id"];
    match perform(stripe, request, limit).await {
        Ok(told) => {
            let mut object = told.object;
            without_nul(&mut object);
            Some(json!({ "request_id": id, "ok": true, "stripe_id": object["id"], "object": object }))
        }
        Err(StripeError::TimedOut | StripeError::Cut) => None,
        Err(error) => {
            tracing::warn!(%error, request.id = %id, "failed to have Stripe do what is due");
            let permanent = error.is_permanent();
            Some(json!({
                "request_id": id, "ok": false, "error": error.to_string(), "permanent": permanent,
            }))
        }
    }
}

async fn perform(stripe: &StripeApi, request: &Value, limit: Deadline) -> Result<Told, StripeError> {
    let text = |name: &str| request[name].as_str().filter(|text| !text.is_empty());
    let path = text("path").ok_or(StripeError::Impossible)?;
    let key = text("idempotency_key").ok_or(StripeError::Impossible)?;
    let Some(read_first) = text("read_first") else {
        return stripe.post(path, &request["form"], key, Some(limit)).await;
    };
    let known = stripe.get(read_first, &Value::Null, Some(limit)).await?;
    match plan_rest(&request["form"], key, &known.object) {
        Some((form, key)) => stripe.post(path, &form, &key, Some(limit)).await,
        None => Ok(known),
    }
}

/// What is left of a reversal up to `amount`, with what was reversed before, by us or by others; none if nothing is.
/// The key names where it begins, so that the same step is made once, and the next one is another.
fn plan_rest(form: &Value, key: &str, known: &Value) -> Option<(Value, String)> {
    let target = form["amount"].as_i64().unwrap_or_default();
    let reversed = known["amount_reversed"].as_i64().unwrap_or_default();
    let most = known["amount"].as_i64().unwrap_or(target);
    let rest = target.min(most) - reversed;
    let mut form = form.clone();
    form["amount"] = rest.into();
    (rest > 0).then(|| (form, format!("{key}-{reversed}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_left_is_reversed() {
        let form = json!({ "amount": 500, "metadata": { "creel": "x" } });
        let plan = |amount: i64, reversed: i64| {
            let known = json!({ "amount": amount, "amount_reversed": reversed });
            plan_rest(&form, "k", &known).map(|(form, key)| (form["amount"].as_i64(), key))
        };
        assert_eq!(plan(900, 0), Some((Some(500), "k-0".to_owned())));
        assert_eq!(plan(900, 200), Some((Some(300), "k-200".to_owned())));
        assert_eq!(plan(400, 200), Some((Some(200), "k-200".to_owned())));
        assert_eq!(plan(900, 500), None);
        assert_eq!(plan(900, 900), None);
    }
}
