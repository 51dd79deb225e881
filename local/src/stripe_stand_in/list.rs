//! Reading: one object or a page of them, with what is to be expanded.

use serde_json::{Value, json};

use super::params::{Answered, Refusal, number};
use super::state::State;

/// Objects of a page where nothing is said.
const PAGE_DEFAULT: i64 = 10;

/// The most that is expanded in each other.
const DEPTH_MAX: usize = 4;

/// An object with the lists that are always part of it.
pub(super) fn find(state: &State, id: &str) -> Option<Value> {
    let mut object = state.get(id)?.clone();
    if object["object"] == "transfer" {
        let reversals: Vec<Value> = state
            .all("transfer_reversal")
            .rev()
            .filter(|reversal| reversal["transfer"] == *id)
            .cloned()
            .collect();
        object["reversals"] = json!({
            "object": "list",
            "data": reversals.iter().take(10).collect::<Vec<_>>(),
            "has_more": reversals.len() > 10,
            "url": format!("/v1/transfers/{id}/reversals"),
        });
    }
    Some(object)
}

/// An object of a kind, with what is to be expanded.
pub(super) fn read(state: &State, kind: &str, id: &str, params: &Value) -> Answered {
    let missing = || Refusal::missing(&format!("{kind}: '{id}'"));
    state.of(kind, id).ok_or_else(missing)?;
    let mut object = find(state, id).ok_or_else(missing)?;
    expand_all(state, &mut object, params)?;
    Ok(object)
}

/// A page of a list, newest first. `is_meant` says which objects belong to it.
pub(super) fn page(
    state: &State,
    kind: &str,
    path: &str,
    params: &Value,
    is_meant: impl Fn(&Value) -> bool,
) -> Answered {
    let limit = number(params, "limit")?.unwrap_or(PAGE_DEFAULT);
    let limit = usize::try_from(limit).unwrap_or_default();
    if !(1..=100).contains(&limit) {
        return Err(Refusal::invalid("limit must be between 1 and 100"));
    }
    let mut bounds = Vec::new();
    for (name, is_within) in [
        ("gt", i64::gt as fn(&i64, &i64) -> bool),
        ("gte", i64::ge),
        ("lt", i64::lt),
        ("lte", i64::le),
    ] {
        if let Some(bound) = number(&params["created"], name)? {
            bounds.push((bound, is_within));
        }
    }
    let is_within = |object: &&Value| {
        let created = object["created"].as_i64().unwrap_or_default();
        bounds.iter().all(|(bound, is_within)| is_within(&created, bound))
    };
    let found: Vec<&Value> = if kind == "event" {
        state.events.iter().rev().collect()
    } else {
        state.all(kind).rev().collect()
    };
    let found: Vec<&Value> = found
        .into_iter()
        .filter(|object| is_meant(object))
        .filter(is_within)
        .collect();
    let from = match params["starting_after"].as_str() {
        None => 0,
        Some(id) => {
            let at = found.iter().position(|object| object["id"] == *id);
            1 + at.ok_or_else(|| Refusal::missing(&format!("{kind}: '{id}'")))?
        }
    };
    let data: Vec<Value> = found
        .iter()
        .skip(from)
        .take(limit)
        .map(|object| {
            let id = object["id"].as_str().unwrap_or_default();
            find(state, id).unwrap_or_else(|| (*object).clone())
        })
        .collect();
    let has_more = found.len() > from + data.len();
    let mut list = json!({ "object": "list", "data": data, "has_more": has_more, "url": path });
    expand_all(state, &mut list, params)?;
    Ok(list)
}

/// Puts objects in the place of ids, where `expand` asks for it.
pub(super) fn expand_all(state: &State, object: &mut Value, params: &Value) -> Result<(), Refusal> {
    for path in params["expand"].as_array().into_iter().flatten() {
        let path = path.as_str().unwrap_or_default();
        let parts: Vec<&str> = path.split('.').collect();
        let depth = parts.iter().filter(|part| **part != "data").count();
        if depth > DEPTH_MAX || !expand(state, object, &parts) {
            return Err(Refusal::invalid(format!(
                "This property cannot be expanded ({path})."
            )));
        }
    }
    Ok(())
}

/// Whether there is something at the path that can be expanded.
fn expand(state: &State, value: &mut Value, path: &[&str]) -> bool {
    let Some((first, rest)) = path.split_first() else {
        return true;
    };
    if let Value::Array(items) = value {
        return items.iter_mut().all(|item| expand(state, item, path));
    }
    if *first == "payments" && value["object"] == "invoice" && value["payments"].is_null() {
        let invoice = value["id"].clone();
        let payments = state
            .all("invoice_payment")
            .filter(|payment| payment["invoice"] == invoice);
        let payments: Vec<Value> = payments.cloned().collect();
        value["payments"] = json!({ "object": "list", "data": payments, "has_more": false });
    }
    let Some(member) = value.get_mut(*first) else {
        return false;
    };
    if let Some(object) = member.as_str().and_then(|id| find(state, id)) {
        *member = object;
    }
    match member {
        // There is nothing to expand, but there could be.
        Value::Null => true,
        Value::Object(_) | Value::Array(_) => expand(state, member, rest),
        _ => false,
    }
}
