//! What the database wants Stripe to do: leased to us, done once whoever does it, and reported.

use futures_util::StreamExt;
use futures_util::stream;
use reqwest::Url;
use serde_json::{Map, Value, json};

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
    let failed = match perform(stripe, request, limit).await {
        Ok(told) => {
            let mut object = told.object;
            without_nul(&mut object);
            return Some(
                json!({ "request_id": id, "ok": true, "stripe_id": object["id"], "object": object }),
            );
        }
        Err(failed) => failed,
    };
    let error = failed.error;
    if matches!(error, StripeError::TimedOut | StripeError::Cut) {
        return None;
    }
    tracing::warn!(%error, request.id = %id, "failed to have Stripe do what is due");
    let permanent = error.is_permanent();
    let refused = failed.is_of_change && error.is_refusal();
    Some(json!({
        "request_id": id, "ok": false, "error": error.to_string(), "permanent": permanent, "refused": refused,
    }))
}

struct Failed {
    error: StripeError,
    /// Whether it is the answer to what changes something, and not to what was read before.
    is_of_change: bool,
}

impl From<StripeError> for Failed {
    fn from(error: StripeError) -> Self {
        Self {
            error,
            is_of_change: false,
        }
    }
}

/// The key is the database's own: it begins with another one when it has heard that nothing was done under the last.
async fn perform(stripe: &StripeApi, request: &Value, limit: Deadline) -> Result<Told, Failed> {
    let text = |name: &str| request[name].as_str().filter(|text| !text.is_empty());
    let path = text("path").ok_or(StripeError::Impossible)?;
    let key = text("idempotency_key").ok_or(StripeError::Impossible)?;
    let change = async |form: &Value, key: &str| {
        let made = stripe.post(path, form, key, Some(limit)).await;
        made.map_err(|error| Failed {
            error,
            is_of_change: true,
        })
    };
    if let Some(find_first) = text("find_first") {
        let id = text("request_id").ok_or(StripeError::Impossible)?;
        if let Some(object) = find(stripe, find_first, id, limit).await? {
            tracing::info!(request.id = id, object.id = %object["id"], "found what an earlier attempt made at Stripe");
            let at_secs = now_secs();
            return Ok(Told { object, at_secs });
        }
    }
    let Some(read_first) = text("read_first") else {
        return change(&request["form"], key).await;
    };
    let query = json!({ "expand": request["read_expand"] });
    let known = stripe.get(read_first, &query, Some(limit)).await?;
    match plan_rest(&request["form"], key, &known.object) {
        Some((form, key)) => change(&form, &key).await,
        None => Ok(known),
    }
}

/// What names the request, of a list such as `/v1/transfers?transfer_group=x`: an attempt made it whose answer nobody
/// heard, longer ago than Stripe knows its key.
async fn find(
    stripe: &StripeApi,
    list: &str,
    id: &str,
    limit: Deadline,
) -> Result<Option<Value>, StripeError> {
    let path = list.split('?').next().unwrap_or_default();
    let url = Url::parse(&format!("https://localhost{list}")).map_err(|_| StripeError::Impossible)?;
    let query: Map<String, Value> = url
        .query_pairs()
        .map(|(name, value)| (name.into_owned(), value.into_owned().into()))
        .collect();
    let all = stripe
        .list_until(path, &Value::Object(query), Some(limit))
        .await?;
    Ok(all.into_iter().find(|object| names(object, id)))
}

/// Whether its description or a value of its metadata has the id.
fn names(object: &Value, id: &str) -> bool {
    let has = |value: &Value| value.as_str().is_some_and(|text| text.contains(id));
    let mut metadata = object["metadata"].as_object().into_iter().flatten();
    has(&object["description"]) || metadata.any(|(_, value)| has(value))
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
    fn what_was_made_names_its_request() {
        let id = "3f0c9d1e-8f0a-4b0e-9a54-0d9b9d1c2a11";
        for (object, is_its) in [
            (
                json!({ "description": format!("Creel gives back: request {id}") }),
                true,
            ),
            (
                json!({ "description": null, "metadata": { "creel_request": id } }),
                true,
            ),
            (
                json!({ "description": "request of another", "metadata": { "creel_intent": "x" } }),
                false,
            ),
            (json!({}), false),
        ] {
            assert_eq!(names(&object, id), is_its, "{object}");
        }
    }

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
