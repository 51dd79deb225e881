//! Parameters of a call, and how Stripe refuses them.

use serde_json::{Map, Value, json};

/// A refusal, in Stripe's form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: u16,
    kind: &'static str,
    code: Option<&'static str>,
    message: String,
}

impl Refusal {
    pub(super) fn new(
        status: u16,
        kind: &'static str,
        code: Option<&'static str>,
        message: impl Into<String>,
    ) -> Self {
        Self {
            status,
            kind,
            code,
            message: message.into(),
        }
    }

    /// A parameter is not as it must be.
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(400, "invalid_request_error", Some("parameter_invalid"), message)
    }

    /// There is no such object.
    pub(super) fn missing(what: &str) -> Self {
        Self::new(
            404,
            "invalid_request_error",
            Some("resource_missing"),
            format!("No such {what}"),
        )
    }

    pub(super) fn body(&self) -> Value {
        json!({ "error": { "type": self.kind, "code": self.code, "message": self.message } })
    }
}

/// What a call came to.
pub(super) type Answered = Result<Value, Refusal>;

/// The parameters of a body or a query, with the nesting that their names say.
pub(super) fn parse(text: &str) -> Value {
    let mut all = Map::new();
    let Ok(url) = reqwest::Url::parse(&format!("http://localhost/?{text}")) else {
        return Value::Object(all);
    };
    for (name, value) in url.query_pairs() {
        let mut path = name.split('[').map(|part| part.trim_end_matches(']'));
        let first = path.next().unwrap_or_default().to_owned();
        let rest: Vec<&str> = path.collect();
        add(all.entry(first).or_insert(Value::Null), &rest, &value);
    }
    let mut all = Value::Object(all);
    make_lists(&mut all);
    all
}

fn add(place: &mut Value, path: &[&str], value: &str) {
    let Some((first, rest)) = path.split_first() else {
        *place = value.into();
        return;
    };
    if !place.is_object() {
        *place = json!({});
    }
    let members = place.as_object_mut().expect("it was made an object");
    // `expand[]=a&expand[]=b` are two.
    let name = if first.is_empty() {
        members.len().to_string()
    } else {
        (*first).to_owned()
    };
    add(members.entry(name).or_insert(Value::Null), rest, value);
}

fn make_lists(value: &mut Value) {
    let Value::Object(members) = value else { return };
    members.values_mut().for_each(make_lists);
    let is_list = !members.is_empty() && (0..members.len()).all(|at| members.contains_key(&at.to_string()));
    if is_list {
        let items = (0..members.len()).filter_map(|at| members.remove(&at.to_string()));
        *value = items.collect();
    }
}

/// Refuses members that are not in the list, as Stripe does.
pub(super) fn known(params: &Value, names: &[&str]) -> Result<(), Refusal> {
    let unknown = params
        .as_object()
        .into_iter()
        .flatten()
        .find(|(name, _)| !names.contains(&name.as_str()) && *name != "expand");
    match unknown {
        None => Ok(()),
        Some((name, _)) => Err(Refusal::new(
            400,
            "invalid_request_error",
            Some("parameter_unknown"),
            format!("Received unknown parameter: {name}"),
        )),
    }
}

/// A text that must be there.
pub(super) fn text<'a>(params: &'a Value, name: &str) -> Result<&'a str, Refusal> {
    let text = params[name].as_str().filter(|text| !text.is_empty());
    text.ok_or_else(|| {
        Refusal::new(
            400,
            "invalid_request_error",
            Some("parameter_missing"),
            format!("Missing required param: {name}."),
        )
    })
}

/// A whole number that must be one, if it is there.
pub(super) fn number(params: &Value, name: &str) -> Result<Option<i64>, Refusal> {
    match params[name].as_str() {
        None => Ok(None),
        Some(text) => text
            .parse()
            .map(Some)
            .map_err(|_| Refusal::invalid(format!("Invalid integer: {name}"))),
    }
}

/// The metadata: texts by names.
pub(super) fn metadata(params: &Value) -> Value {
    match &params["metadata"] {
        Value::Object(members) => Value::Object(members.clone()),
        _ => json!({}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_are_members_of_members() {
        let parsed = parse("a=1&b[0][c]=x%20y&b[0][d]=2&b[1][c]=z&m[k]=v&expand[]=p&expand[]=q.r");
        assert_eq!(
            parsed,
            json!({
                "a": "1", "b": [{ "c": "x y", "d": "2" }, { "c": "z" }], "m": { "k": "v" }, "expand": ["p", "q.r"],
            })
        );
        assert_eq!(
            parse("line_items%5B0%5D%5Bquantity%5D=1")["line_items"][0]["quantity"],
            json!("1")
        );
        assert_eq!(parse(""), json!({}));
    }
}
