//! A value of the log as JSON, as `to_jsonb` gives it and PostgREST sends it.

use serde_json::{Number, Value};
use tokio_postgres::types::{Kind, Type};

use super::pgoutput::Cell;

/// The value of a column of a type; none for one that the log does not tell.
pub(super) fn value(type_: &Type, cell: &Cell) -> Option<Value> {
    match cell {
        Cell::Unchanged => None,
        Cell::Null => Some(Value::Null),
        Cell::Text(text) => Some(of_text(type_, text)),
    }
}

fn of_text(type_: &Type, text: &str) -> Value {
    let as_text = || Value::String(text.to_owned());
    match *type_ {
        Type::BOOL => Value::Bool(text == "t"),
        Type::INT2 | Type::INT4 | Type::INT8 | Type::OID => {
            text.parse::<i64>().map_or_else(|_| as_text(), Value::from)
        }
        Type::FLOAT4 | Type::FLOAT8 | Type::NUMERIC => number(text).map_or_else(as_text, Value::Number),
        Type::JSON | Type::JSONB => serde_json::from_str(text).unwrap_or_else(|_| as_text()),
        Type::TIMESTAMP => Value::String(text.replacen(' ', "T", 1)),
        Type::TIMESTAMPTZ => Value::String(timestamptz(text)),
        _ => match type_.kind() {
            Kind::Array(element) => array(element, text).unwrap_or_else(as_text),
            _ => as_text(),
        },
    }
}

/// NaN and the infinities are no JSON.
fn number(text: &str) -> Option<Number> {
    if let Ok(whole) = text.parse::<i64>() {
        return Some(whole.into());
    }
    Number::from_f64(text.parse().ok()?)
}

/// `2026-11-21 18:00:00.5+00` becomes `2026-11-21T18:00:00.5+00:00`; infinity stays.
fn timestamptz(text: &str) -> String {
    let mut text = text.replacen(' ', "T", 1);
    let zone = text.rfind(['+', '-']).filter(|&at| at > 10);
    if zone.is_some_and(|at| text.len() - at == 3) {
        text.push_str(":00");
    }
    text
}

/// An array as Postgres prints it: `{1,NULL,"a b",{2}}`; none if it is not that.
fn array(element: &Type, text: &str) -> Option<Value> {
    // Bounds other than 1, such as `[0:1]={…}`, are told in front.
    let text = text
        .split_once('=')
        .filter(|(head, _)| head.starts_with('['))
        .map_or(text, |(_, rest)| rest);
    let mut rest = text.strip_prefix('{')?;
    let array = elements(element, &mut rest)?;
    rest.is_empty().then_some(array)
}

/// The elements up to the closing brace, which is taken too.
fn elements(element: &Type, rest: &mut &str) -> Option<Value> {
    let mut found = Vec::new();
    if let Some(left) = rest.strip_prefix('}') {
        *rest = left;
        return Some(Value::Array(found));
    }
    loop {
        found.push(if let Some(left) = rest.strip_prefix('{') {
            *rest = left;
            elements(element, rest)?
        } else if let Some(left) = rest.strip_prefix('"') {
            *rest = left;
            of_text(element, &quoted(rest)?)
        } else {
            let end = rest.find([',', '}'])?;
            let (bare, left) = rest.split_at(end);
            *rest = left;
            match bare {
                "NULL" => Value::Null,
                bare => of_text(element, bare),
            }
        });
        let mut left = rest.chars();
        let end = left.next()?;
        *rest = left.as_str();
        match end {
            ',' => {}
            '}' => return Some(Value::Array(found)),
            _ => return None,
        }
    }
}

/// A text up to its closing quote, which is taken too.
fn quoted(rest: &mut &str) -> Option<String> {
    let mut text = String::new();
    let mut chars = rest.chars();
    loop {
        match chars.next()? {
            '"' => break,
            '\\' => text.push(chars.next()?),
            other => text.push(other),
        }
    }
    *rest = chars.as_str();
    Some(text)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_what_to_jsonb_makes_of_them() {
        for (type_, text, expected) in [
            (Type::BOOL, "t", json!(true)),
            (Type::INT8, "-7", json!(-7)),
            (Type::NUMERIC, "1.5", json!(1.5)),
            (Type::FLOAT8, "NaN", json!("NaN")),
            (Type::JSONB, r#"{"a": [1]}"#, json!({ "a": [1] })),
            (
                Type::TIMESTAMPTZ,
                "2026-11-21 18:00:00.5+00",
                json!("2026-11-21T18:00:00.5+00:00"),
            ),
            (
                Type::TIMESTAMPTZ,
                "2026-11-21 18:00:00+05:30",
                json!("2026-11-21T18:00:00+05:30"),
            ),
            (Type::TIMESTAMPTZ, "infinity", json!("infinity")),
            (
                Type::TIMESTAMP,
                "2026-11-21 18:00:00",
                json!("2026-11-21T18:00:00"),
            ),
            (Type::TEXT, "{}", json!("{}")),
            (Type::TEXT_ARRAY, "{}", json!([])),
            (
                Type::TEXT_ARRAY,
                r#"{a,NULL,"NULL","b \"c\", {d}\\"}"#,
                json!(["a", null, "NULL", "b \"c\", {d}\\"]),
            ),
            (Type::INT4_ARRAY, "{{1,2},{3,4}}", json!([[1, 2], [3, 4]])),
            (Type::INT4_ARRAY, "[0:1]={1,2}", json!([1, 2])),
            (Type::INT4_ARRAY, "{1", json!("{1")),
        ] {
            assert_eq!(
                value(&type_, &Cell::Text(text.into())),
                Some(expected),
                "{type_} {text}"
            );
        }
        assert_eq!(value(&Type::TEXT, &Cell::Null), Some(Value::Null));
        assert_eq!(value(&Type::TEXT, &Cell::Unchanged), None);
    }
}
