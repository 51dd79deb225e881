//! What is to be done about one document. Pure: three texts decide, by their hashes.

use creel_core::status::DocSyncState;

use crate::workspace::{OnDisk, TextHash, Unfit};

/// What the database has of a document, without its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The number of the row's text; 0 where there is no row.
    pub version: i32,
    /// The row's text.
    pub text: TextHash,
    /// The disk's text that the row has taken in last: the ancestor.
    pub common: TextHash,
    /// Whether the disk was ever taken in.
    pub is_known: bool,
    /// Whether the ancestor's text is gone.
    pub is_erased: bool,
    /// Texts that the row had since then, without the present one.
    pub unseen: Vec<TextHash>,
    /// Whether the disk has it.
    pub state: DocSyncState,
    /// What the disk had when it was held.
    pub held: Option<TextHash>,
    /// Texts that came from a template.
    pub templates: Vec<TextHash>,
}

impl Row {
    /// A document that has no row.
    pub fn absent() -> Self {
        Self {
            version: 0,
            text: TextHash::empty(),
            common: TextHash::empty(),
            is_known: false,
            is_erased: false,
            unseen: Vec::new(),
            state: DocSyncState::Synced,
            held: None,
            templates: Vec::new(),
        }
    }

    /// Nothing, a template, or somebody's own words.
    fn weight(&self, text: TextHash, is_blank: bool) -> Weight {
        if is_blank || text == TextHash::empty() {
            Weight::Nothing
        } else if self.templates.contains(&text) {
            Weight::Template
        } else {
            Weight::Words
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Weight {
    Nothing,
    Template,
    Words,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plan {
    /// Nothing.
    Nothing,
    /// The disk has a text of the row, and the row is to know.
    Ack,
    /// The disk gets the row's text, if it is still as it was seen.
    Write,
    /// The row gets the disk's text.
    Text {
        /// Whether these are a template's words and nobody's own.
        is_template: bool,
    },
    /// Both had changed: they are merged, if there is an ancestor to merge by.
    Merge {
        /// Whether there is one.
        has_ancestor: bool,
    },
    /// The disk has words that nobody wrote, and never had others: the row's are to replace them, and they are kept.
    Yield,
    /// The disk has less than the row, and a person is asked.
    Hold,
    /// The file cannot be mirrored.
    Block(Unfit),
}

/// Decides what is to be done about a document.
pub fn plan_doc(disk: &OnDisk, row: &Row) -> Plan {
    let (hash, is_blank) = match *disk {
        OnDisk::Unfit(unfit) => return Plan::Block(unfit),
        OnDisk::Text { hash, is_blank } => (hash, is_blank),
    };
    if hash == row.text {
        let is_told = row.version == 0 || (row.state == DocSyncState::Synced && row.common == hash);
        return if is_told { Plan::Nothing } else { Plan::Ack };
    }
    if row.state == DocSyncState::Held && row.held == Some(hash) {
        return Plan::Nothing;
    }
    if hash == row.common {
        return Plan::Write;
    }
    // A worker died between the disk and the row.
    if row.unseen.contains(&hash) {
        return Plan::Ack;
    }
    let (found, wanted) = (row.weight(hash, is_blank), row.weight(row.text, false));
    if found < wanted {
        return match found {
            Weight::Template if !row.is_known => Plan::Yield,
            _ => Plan::Hold,
        };
    }
    if row.text == row.common {
        return Plan::Text {
            is_template: found == Weight::Template,
        };
    }
    Plan::Merge {
        has_ancestor: !row.is_erased,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> OnDisk {
        OnDisk::Text {
            hash: TextHash::of(text),
            is_blank: text.trim().is_empty(),
        }
    }

    /// A row that has `row`, of which the disk had `common`.
    fn row(row: &str, common: &str) -> Row {
        Row {
            version: 3,
            text: TextHash::of(row),
            common: TextHash::of(common),
            is_known: true,
            templates: vec![TextHash::of("template")],
            ..Row::absent()
        }
    }

    #[test]
    fn three_texts_decide() {
        let merge = Plan::Merge { has_ancestor: true };
        let copy = Plan::Text { is_template: false };
        for (disk, of_row, common, plan) in [
            ("a", "a", "a", Plan::Nothing),
            ("b", "b", "a", Plan::Ack),
            ("a", "b", "a", Plan::Write),
            ("b", "a", "a", copy),
            ("c", "b", "a", merge),
            ("", "a", "a", Plan::Hold),
            (" \n", "a", "a", Plan::Hold),
            ("", "b", "a", Plan::Hold),
            ("template", "a", "a", Plan::Hold),
            ("template", "b", "a", Plan::Hold),
            ("", "template", "template", Plan::Hold),
            ("template", "", "", Plan::Text { is_template: true }),
            ("a", "template", "template", copy),
            ("a", "", "a", Plan::Write),
            ("", "a", "", Plan::Write),
        ] {
            assert_eq!(
                plan_doc(&text(disk), &row(of_row, common)),
                plan,
                "{disk:?} {of_row:?} {common:?}"
            );
        }
    }

    #[test]
    fn a_document_without_a_row_gets_one_with_its_first_words() {
        assert_eq!(plan_doc(&OnDisk::absent(), &Row::absent()), Plan::Nothing);
        assert_eq!(
            plan_doc(&text("a"), &Row::absent()),
            Plan::Text { is_template: false }
        );
    }

    #[test]
    fn what_is_held_is_held_once_and_planned_anew_when_either_changes() {
        let held = |of_row: &str| Row {
            state: DocSyncState::Held,
            held: Some(TextHash::empty()),
            ..row(of_row, "a")
        };
        assert_eq!(plan_doc(&OnDisk::absent(), &held("a")), Plan::Nothing);
        assert_eq!(
            plan_doc(&text("more"), &held("a")),
            Plan::Text { is_template: false }
        );
        assert_eq!(plan_doc(&text("a"), &held("a")), Plan::Ack);
        assert_eq!(plan_doc(&text("template"), &held("a")), Plan::Hold);
        // A person wrote the row: what was held is the common text by then.
        let decided = Row {
            common: TextHash::empty(),
            held: None,
            state: DocSyncState::Waiting,
            ..held("b")
        };
        assert_eq!(plan_doc(&OnDisk::absent(), &decided), Plan::Write);
    }

    #[test]
    fn a_text_that_was_on_its_way_to_the_disk_is_no_change_of_the_disk() {
        let unseen = Row {
            unseen: vec![TextHash::of("b")],
            ..row("c", "a")
        };
        assert_eq!(plan_doc(&text("b"), &unseen), Plan::Ack);
        assert_eq!(plan_doc(&text("x"), &unseen), Plan::Merge { has_ancestor: true });
    }

    #[test]
    fn a_template_on_the_disk_gives_way_to_words_that_were_never_there() {
        let new = Row {
            is_known: false,
            ..row("words", "")
        };
        assert_eq!(plan_doc(&text("template"), &new), Plan::Yield);
        assert_eq!(plan_doc(&OnDisk::absent(), &new), Plan::Write);
        assert_eq!(
            plan_doc(&text("others"), &new),
            Plan::Merge { has_ancestor: true }
        );
    }

    #[test]
    fn what_was_blocked_or_waited_is_told_well() {
        for state in [DocSyncState::Blocked, DocSyncState::Waiting, DocSyncState::Held] {
            let well = Row {
                state,
                ..row("a", "a")
            };
            assert_eq!(plan_doc(&text("a"), &well), Plan::Ack, "{state}");
        }
        assert_eq!(
            plan_doc(&OnDisk::Unfit(Unfit::Special), &row("a", "a")),
            Plan::Block(Unfit::Special)
        );
    }
}
