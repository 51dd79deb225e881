//! One line of the table: what was measured, what it is compared to, and whether that is good enough.

use comfy_table::{Attribute, Cell, Color, ContentArrangement, Table, presets};
use serde_json::{Value, json};

/// How a number is to be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Goal {
    /// This or more.
    AtLeast(f64),
    /// This or less.
    AtMost(f64),
    /// This and nothing else.
    Exactly(f64),
    /// Nothing: it is printed so that people can judge the others.
    None,
}

/// What the goal is about.
#[derive(Debug, Clone, PartialEq)]
pub enum Against {
    /// Somebody else's number, in the same unit. The ratio is theirs by ours.
    TheirsByOurs(&'static str, f64),
    /// Somebody else's number, in the same unit. The ratio is ours by theirs.
    OursByTheirs(&'static str, f64),
    /// Nobody: the number is good or not by itself.
    Itself,
}

/// One line of the table.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// A word for programs.
    pub name: &'static str,
    /// What was measured.
    pub what: &'static str,
    /// What it came to.
    pub ours: f64,
    /// Of what it is a number.
    pub unit: &'static str,
    /// What it is compared to.
    pub against: Against,
    /// What the ratio, or the number by itself, is to be.
    pub goal: Goal,
    /// How it was measured where that is not as the table says.
    pub note: Option<String>,
}

impl Goal {
    /// Whether a number is as wished; none where nothing is wished.
    pub fn is_met(self, number: f64) -> Option<bool> {
        match self {
            Self::AtLeast(least) => Some(number >= least),
            Self::AtMost(most) => Some(number <= most),
            Self::Exactly(wished) => Some((number - wished).abs() < f64::EPSILON),
            Self::None => None,
        }
    }

    fn text(self) -> String {
        match self {
            Self::AtLeast(least) => format!("≥ {}", number_text(least)),
            Self::AtMost(most) => format!("≤ {}", number_text(most)),
            Self::Exactly(wished) => format!("= {}", number_text(wished)),
            Self::None => "–".to_owned(),
        }
    }
}

impl Figure {
    /// The ratio; none for a number by itself.
    pub fn ratio(&self) -> Option<f64> {
        match self.against {
            Against::TheirsByOurs(_, theirs) => Some(theirs / self.ours),
            Against::OursByTheirs(_, theirs) => Some(self.ours / theirs),
            Against::Itself => None,
        }
    }

    /// Whether the goal is met.
    pub fn is_met(&self) -> Option<bool> {
        self.goal.is_met(self.ratio().unwrap_or(self.ours))
    }

    /// One line for programs.
    pub fn to_json(&self) -> Value {
        let (against, theirs) = self.theirs();
        let (goal, bound) = match self.goal {
            Goal::AtLeast(bound) => (Some("at_least"), Some(bound)),
            Goal::AtMost(bound) => (Some("at_most"), Some(bound)),
            Goal::Exactly(bound) => (Some("exactly"), Some(bound)),
            Goal::None => (None, None),
        };
        json!({
            "figure": self.name, "what": self.what, "unit": self.unit, "ours": self.ours,
            "against": against, "theirs": theirs, "ratio": self.ratio(),
            "goal": goal, "bound": bound, "met": self.is_met(), "note": self.note,
        })
    }

    fn theirs(&self) -> (Option<&'static str>, Option<f64>) {
        match self.against {
            Against::TheirsByOurs(who, theirs) | Against::OursByTheirs(who, theirs) => {
                (Some(who), Some(theirs))
            }
            Against::Itself => (None, None),
        }
    }

    fn row(&self) -> Vec<Cell> {
        let (against, theirs) = self.theirs();
        let quantity = |number: f64| format!("{} {}", number_text(number), self.unit);
        let met = match self.is_met() {
            Some(true) => Cell::new("met").fg(Color::Green),
            Some(false) => Cell::new("missed").fg(Color::Red).add_attribute(Attribute::Bold),
            None => Cell::new("–"),
        };
        let what = match &self.note {
            Some(note) => format!("{} ({note})", self.what),
            None => self.what.to_owned(),
        };
        vec![
            Cell::new(what),
            Cell::new(quantity(self.ours)),
            Cell::new(against.unwrap_or("–")),
            Cell::new(theirs.map_or_else(|| "–".to_owned(), quantity)),
            Cell::new(self.ratio().map_or_else(|| "–".to_owned(), number_text)),
            Cell::new(self.goal.text()),
            met,
        ]
    }
}

/// The table for people.
pub fn table(figures: &[Figure]) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_HORIZONTAL_ONLY)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(["what", "Creel", "against", "it", "ratio", "goal", ""]);
    for figure in figures {
        table.add_row(figure.row());
    }
    table
}

/// Three digits that count, and no more: what is beyond them is noise.
fn number_text(number: f64) -> String {
    let magnitude = number.abs();
    let digits = if magnitude >= 100.0 || magnitude.fract() == 0.0 && magnitude >= 1.0 {
        0
    } else if magnitude >= 10.0 {
        1
    } else if magnitude >= 1.0 || magnitude == 0.0 {
        2
    } else {
        3
    };
    format!("{number:.digits$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(against: Against, goal: Goal) -> Figure {
        Figure {
            name: "rate",
            what: "draining",
            ours: 200.0,
            unit: "items/s",
            against,
            goal,
            note: None,
        }
    }

    #[test]
    fn a_ratio_is_met_or_missed_by_its_own_direction() {
        let faster = figure(Against::OursByTheirs("another", 100.0), Goal::AtLeast(2.0));
        assert_eq!((faster.ratio(), faster.is_met()), (Some(2.0), Some(true)));
        let slower = figure(Against::TheirsByOurs("another", 100.0), Goal::AtLeast(2.0));
        assert_eq!((slower.ratio(), slower.is_met()), (Some(0.5), Some(false)));
        let alone = figure(Against::Itself, Goal::AtMost(200.0));
        assert_eq!((alone.ratio(), alone.is_met()), (None, Some(true)));
        assert_eq!(figure(Against::Itself, Goal::None).is_met(), None);
    }

    #[test]
    fn the_table_and_the_line_say_the_same() {
        let figure = figure(Against::OursByTheirs("another", 100.0), Goal::AtLeast(2.5));
        let shown = table(std::slice::from_ref(&figure)).to_string();
        for part in [
            "draining",
            "200 items/s",
            "another",
            "100 items/s",
            "2",
            "≥ 2.50",
            "missed",
        ] {
            assert!(shown.contains(part), "{part:?} is not in\n{shown}");
        }
        let line = figure.to_json();
        assert_eq!((&line["ratio"], &line["met"]), (&json!(2.0), &json!(false)));
    }

    #[test]
    fn numbers_have_three_digits() {
        let shown: Vec<_> = [12_345.6, 99.0, 12.34, 1.234, 0.012_34, 0.0]
            .map(number_text)
            .to_vec();
        assert_eq!(shown, ["12346", "99", "12.3", "1.23", "0.012", "0.00"]);
    }
}
