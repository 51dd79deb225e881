//! Parameters as Stripe takes them: nested members become names with brackets.

use serde_json::Value;

/// `{"a": {"b": [1, true]}}` is `a[b][0]=1` and `a[b][1]=true`. What is null is left away.
pub(super) fn fields(value: &Value) -> Vec<(String, String)> {
    let mut fields = Vec::new();
    if let Value::Object(members) = value {
        for (name, value) in members {
            add(&mut fields, name.clone(), value);
        }
    }
    fields
}

fn add(fields: &mut Vec<(String, String)>, name: String, value: &Value) {
    match value {
        Value::Null => {}
        Value::Bool(yes) => fields.push((name, yes.to_string())),
        Value::Number(number) => fields.push((name, number.to_string())),
        Value::String(text) => fields.push((name, text.clone())),
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                add(fields, format!("{name}[{at}]"), item);
            }
        }
        Value::Object(members) => {
            for (member, value) in members {
                add(fields, format!("{name}[{member}]"), value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn members_of_members_have_brackets() {
        let made = fields(&json!({
            "mode": "subscription",
            "line_items": [{ "quantity": 1, "price_data": { "currency": "eur" } }],
            "metadata": {},
            "customer": null,
            "automatic": false,
        }));
        let expected = [
            ("automatic", "false"),
            ("line_items[0][price_data][currency]", "eur"),
            ("line_items[0][quantity]", "1"),
            ("mode", "subscription"),
        ];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let mut made = made;
        made.sort();
        assert_eq!(made, expected);
        for none in [json!(null), json!([1]), json!("x")] {
            assert_eq!(fields(&none), [], "{none}");
        }
    }
}
