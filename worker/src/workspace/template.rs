//! The words that an agent begins with if nobody wrote better ones.

use creel_core::status::DocType;

/// Who an agent is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Persona {
    /// What people call it.
    pub name: String,
    /// What it does; may be empty.
    pub role: String,
    /// Its emoji; may be empty.
    pub emoji: String,
}

/// The templates, filled in for one agent.
#[derive(Debug, Clone)]
pub struct Templates(Persona);

impl Templates {
    /// The templates for this agent.
    pub fn new(persona: Persona) -> Self {
        Self(persona)
    }

    /// The text of a document; none if there is no template for it. `AGENTS.md` is left to OpenClaw, which
    /// knows best how its agents work.
    pub fn render(&self, doc_type: DocType) -> Option<String> {
        let template = match doc_type {
            DocType::Soul => include_str!("../../templates/SOUL.md"),
            DocType::User => include_str!("../../templates/USER.md"),
            DocType::Identity => include_str!("../../templates/IDENTITY.md"),
            DocType::MemoryLong => include_str!("../../templates/MEMORY.md"),
            DocType::Agents | DocType::MemoryToday => return None,
        };
        Some(
            template
                .split_inclusive('\n')
                .filter_map(|line| self.fill(line))
                .collect(),
        )
    }

    /// Fills in one line, which has at most one gap. A line for which there is nothing is left out. What is
    /// filled in is not looked at again: a name may have braces.
    fn fill(&self, line: &str) -> Option<String> {
        let gaps = [
            ("{{name}}", &self.0.name),
            ("{{role}}", &self.0.role),
            ("{{emoji}}", &self.0.emoji),
        ];
        match gaps.iter().find(|(gap, _)| line.contains(gap)) {
            Some((_, value)) if value.is_empty() => None,
            Some((gap, value)) => Some(line.replace(gap, value)),
            None => Some(line.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_filled_once_and_lines_without_words_left_out() {
        let persona = Persona {
            name: "{{role}}".to_owned(),
            role: String::new(),
            emoji: "🦞".to_owned(),
        };
        let text = Templates::new(persona)
            .render(DocType::Identity)
            .expect("there is a template");
        assert!(text.contains("**Name:** {{role}}\n"), "{text}");
        assert!(
            text.contains("**Emoji:** 🦞\n") && !text.contains("**Role:**"),
            "{text}"
        );
    }

    #[test]
    fn no_gap_is_left_in_any_document() {
        let persona = Persona {
            name: "Ada".to_owned(),
            role: "research".to_owned(),
            emoji: "🦉".to_owned(),
        };
        let templates = Templates::new(persona);
        for text in DocType::ALL
            .iter()
            .filter_map(|doc_type| templates.render(*doc_type))
        {
            assert!(!text.contains("{{"), "{text}");
        }
    }
}
