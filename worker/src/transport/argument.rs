//! The argument of a call, as the database can take it.

use serde::Serialize;
use serde_json::Value;

use super::CallError;

/// Makes JSON of an argument.
pub(super) fn encode(argument: &impl Serialize) -> Result<Value, CallError> {
    let mut argument = serde_json::to_value(argument).map_err(CallError::Encode)?;
    replace_nul(&mut argument);
    Ok(argument)
}

/// Text in Postgres has no U+0000, and one in a program's output must not cost the whole result.
fn replace_nul(value: &mut Value) {
    match value {
        Value::String(text) if text.contains('\0') => *text = text.replace('\0', "\u{fffd}"),
        Value::Array(items) => items.iter_mut().for_each(replace_nul),
        Value::Object(fields) => {
            if fields.keys().any(|key| key.contains('\0')) {
                *fields = std::mem::take(fields)
                    .into_iter()
                    .map(|(key, value)| (key.replace('\0', "\u{fffd}"), value))
                    .collect();
            }
            fields.values_mut().for_each(replace_nul);
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_postgres_cannot_store_is_replaced_everywhere() {
        let value = json!({ "a\0": ["x\0y", { "b": "\0" }], "n": 1 });
        assert_eq!(
            encode(&value).expect("JSON"),
            json!({ "a\u{fffd}": ["x\u{fffd}y", { "b": "\u{fffd}" }], "n": 1 })
        );
    }
}
