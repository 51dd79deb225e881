//! What an agent that is there may be given, other than its name.

use serde_json::{Map, Value, json};

/// Settings of one agent. None leaves it to what all agents of the configuration have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// `provider/model`.
    pub model: Option<String>,
    /// How much it thinks, in OpenClaw's words.
    pub thinking: Option<String>,
    /// The skills that it may use.
    pub skills: Option<Vec<String>>,
}

impl Settings {
    /// What a merge patch has to say of an entry so that it has these; none if it has them.
    pub(super) fn plan_patch(&self, entry: &Value) -> Option<Map<String, Value>> {
        let mut patch = Map::new();
        let mut differ = |key: &str, wanted: Value| {
            let has = entry.get(key).cloned().unwrap_or(Value::Null);
            if has != wanted {
                patch.insert(key.to_owned(), wanted);
            }
        };
        let model = entry.get("model");
        let primary = model.map(|model| model.get("primary").unwrap_or(model));
        if primary.and_then(Value::as_str) != self.model.as_deref() {
            let wanted = self.model.as_ref();
            differ(
                "model",
                wanted.map_or(Value::Null, |model| json!({ "primary": model })),
            );
        }
        differ("thinkingDefault", json!(self.thinking));
        differ("skills", json!(self.skills));
        (!patch.is_empty()).then_some(patch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_is_patched_and_what_is_not_wished_for_is_taken_away() {
        let settings = Settings {
            model: Some("fake/fake-1".to_owned()),
            thinking: None,
            skills: Some(vec!["a".to_owned()]),
        };
        let patch = |entry: Value| settings.plan_patch(&entry).map(Value::Object);
        assert_eq!(
            patch(json!({ "thinkingDefault": "low" })),
            Some(json!({ "model": { "primary": "fake/fake-1" }, "thinkingDefault": null, "skills": ["a"] }))
        );
        let has =
            json!({ "name": "x", "model": { "primary": "fake/fake-1", "fallbacks": [] }, "skills": ["a"] });
        assert_eq!(patch(has), None);
        assert_eq!(patch(json!({ "model": "fake/fake-1", "skills": ["a"] })), None);
        assert_eq!(Settings::default().plan_patch(&json!({ "name": "x" })), None);
    }
}
