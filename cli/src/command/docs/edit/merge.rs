//! What two people wrote at the same time, in one text.

use diffy::{ConflictStyle, IncompleteHunkStyle, MergeOptions};

/// As many as git writes; more where a text has such lines itself.
const USUAL_MARKS: usize = 7;

/// Both changes together, or both texts where they touch, with marks of this length around them.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Merged {
    /// There is nothing to decide.
    Clean(String),
    /// A person has to decide.
    Torn { text: String, marks: usize },
}

/// Merges by line.
pub(super) fn merge(base: &str, mine: &str, theirs: &str) -> Merged {
    if let Some(text) = creel_worker::mirror::merge(base, mine, theirs) {
        return Merged::Clean(text);
    }
    let marks = [base, mine, theirs]
        .iter()
        .flat_map(|text| text.lines())
        .map(|line| {
            ["<", ">", "=", "|"]
                .iter()
                .map(|mark| run_of(line, mark))
                .max()
                .unwrap_or(0)
                + 1
        })
        .fold(USUAL_MARKS, usize::max);
    let merged = MergeOptions::new()
        .set_conflict_style(ConflictStyle::Merge)
        // A mark behind a last line without an end would not be found again.
        .set_incomplete_hunk_style(IncompleteHunkStyle::Git)
        .set_conflict_marker_length(marks)
        .merge(base, mine, theirs);
    match merged {
        Ok(text) => Merged::Clean(text),
        Err(text) => Merged::Torn { text, marks },
    }
}

/// Whether marks of a conflict are in a text yet.
pub(super) fn is_torn(text: &str, marks: usize) -> bool {
    // The middle mark alone may as well be the line below a heading.
    text.lines()
        .any(|line| ["<", ">"].iter().any(|mark| run_of(line, mark) == marks))
}

fn run_of(line: &str, mark: &str) -> usize {
    line.len() - line.trim_start_matches(mark).len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_in_different_places_need_nobody() {
        assert_eq!(
            merge("a\nb\nc\n", "A\nb\nc\n", "a\nb\nC\n"),
            Merged::Clean("A\nb\nC\n".to_owned())
        );
    }

    #[test]
    fn a_conflict_shows_both_texts_and_its_marks_are_found_until_they_are_gone() {
        let Merged::Torn { text, marks } =
            merge("a\n=======\nb\n", "mine\n=======\nb\n", "yours\n=======\nb\n")
        else {
            panic!("it cannot be merged");
        };
        assert!(text.contains("mine\n") && text.contains("yours\n"), "{text}");
        assert!(marks > USUAL_MARKS && is_torn(&text, marks));
        // A line that looks like a mark is one of the text.
        assert!(!is_torn("mine\n=======\nb\n", marks));
        let Merged::Torn { text, marks } = merge("a", "mine", "yours") else {
            panic!("it cannot be merged");
        };
        assert_eq!(text, "<<<<<<< ours\nmine\n=======\nyours\n>>>>>>> theirs\n");
        assert_eq!(marks, USUAL_MARKS);
    }
}
