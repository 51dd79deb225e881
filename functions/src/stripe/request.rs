//! What the database wants Stripe to do: leased to us, done once whoever does it, and reported.

use futures_util::StreamExt;
use futures_util::stream;
use serde_json::{Value, json};

use super::api::{StripeApi, Told, now_secs};
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
        return post(stripe, path, &request["form"], key, limit).await;
    };
    let query = json!({ "expand": request["read_expand"] });
    let known = stripe.get(read_first, &query, Some(limit)).await?;
    match plan_rest(&request["form"], key, &known.object) {
        Some((form, key)) => post(stripe, path, &form, &key, limit).await,
        None => Ok(known),
    }
}

/// Stripe answers a key for a day what it answered it first. Where that was a refusal, as of an empty account, nothing
/// was done under the key, and another one is tried: the same for an hour.
async fn post(
    stripe: &StripeApi,
    path: &str,
    form: &Value,
    key: &str,
    limit: Deadline,
) -> Result<Told, StripeError> {
    match stripe.post(path, form, key, Some(limit)).await {
        Err(error) if error.is_stale() && !error.is_permanent() => {
            let hour = now_secs() / 3_600;
            stripe
                .post(path, form, &format!("{key}-{hour}"), Some(limit))
                .await
        }
        other => other,
    }
}

/// What is left of a reversal up to `amount`, with what came back before, by us or by others; none if nothing is. What
/// was refunded of the platform's fee went to the account again. The key says where it begins, so that the same step is
/// made once, and the next one is another.
fn plan_rest(form: &Value, key: &str, known: &Value) -> Option<(Value, String)> {
    let number = |value: &Value| value.as_i64().unwrap_or_default();
    let reversed = number(&known["amount_reversed"]);
    let fee = number(&known["source_transaction"]["application_fee"]["amount_refunded"]);
    let left = number(&known["amount"]) - reversed;
    let rest = (number(&form["amount"]) - (reversed - fee)).min(left);
    let mut form = form.clone();
    form["amount"] = rest.into();
    (rest > 0).then(|| (form, format!("{key}-{reversed}-{rest}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_left_is_reversed() {
        let form = json!({ "amount": 500, "metadata": { "creel_intent": "x" } });
        let plan = |amount: i64, reversed: i64, fee: Value| {
            let known = json!({ "amount": amount, "amount_reversed": reversed, "source_transaction": fee });
            let planned = plan_rest(&form, "k", &known);
            planned.map(|(form, key)| (form["amount"].as_i64().unwrap_or_default(), key))
        };
        let refunded = |minor: i64| json!({ "application_fee": { "amount_refunded": minor } });
        assert_eq!(plan(900, 0, Value::Null), Some((500, "k-0-500".to_owned())));
        assert_eq!(plan(900, 200, json!("ch_1")), Some((300, "k-200-300".to_owned())));
        assert_eq!(plan(400, 200, refunded(0)), Some((200, "k-200-200".to_owned())));
        assert_eq!(plan(900, 200, refunded(30)), Some((330, "k-200-330".to_owned())));
        assert_eq!(plan(900, 500, Value::Null), None);
        assert_eq!(plan(900, 900, refunded(900)), None);
    }
}
