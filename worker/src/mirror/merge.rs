//! Three-way merge by line.

/// How many lines may differ between two texts, both sides counted, beyond what they begin and end with: the time grows
/// with its square, and this many take a fifth of a second.
const LINES_MAX: usize = 4_000;

/// Both changes together; none where they touch each other, or where they are too large to be compared.
pub fn merge(ancestor: &str, disk: &str, row: &str) -> Option<String> {
    if disk == row || row == ancestor {
        return Some(disk.to_owned());
    }
    if disk == ancestor {
        return Some(row.to_owned());
    }
    let is_small = |text| differing_lines(ancestor, text) <= LINES_MAX;
    if is_small(disk) && is_small(row) {
        diffy::merge(ancestor, disk, row).ok()
    } else {
        None
    }
}

/// How many lines of both are neither in the common beginning nor in the common end.
fn differing_lines(one: &str, other: &str) -> usize {
    let (one, other): (Vec<_>, Vec<_>) = (one.lines().collect(), other.lines().collect());
    let common = |pairs: &mut dyn Iterator<Item = (&&str, &&str)>| pairs.take_while(|(a, b)| a == b).count();
    let begin = common(&mut one.iter().zip(&other));
    let end = common(&mut one[begin..].iter().rev().zip(other[begin..].iter().rev()));
    one.len() + other.len() - 2 * (begin + end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_in_different_places_are_both_kept() {
        for (ancestor, disk, row, merged) in [
            ("a\nb\nc\n", "A\nb\nc\n", "a\nb\nC\n", Some("A\nb\nC\n")),
            // The last line has no end.
            ("a\nb", "a\nb\nc", "x\na\nb", Some("x\na\nb\nc")),
            ("a\nb", "a\nb\n", "x\na\nb", Some("x\na\nb\n")),
            // The ends of lines stay as they are.
            (
                "a\r\nb\r\nc\r\n",
                "A\r\nb\r\nc\r\n",
                "a\r\nb\r\nC\r\n",
                Some("A\r\nb\r\nC\r\n"),
            ),
            ("a\r\nb\r\n", "a\nb\n", "a\r\nb\r\nc\r\n", None),
            // The same change on both sides is one.
            ("a\nb\nc\n", "a\nX\nc\n", "a\nX\nc\nd\n", Some("a\nX\nc\nd\n")),
            ("a\n", "a\nb\n", "a\nb\n", Some("a\nb\n")),
            // What touches is a person's to decide.
            ("a\nb\nc\n", "A\nb\nc\n", "a\nB\nc\n", None),
            ("a\n", "a\nb\n", "a\nc\n", None),
            ("a\nb\nc\n", "a\nc\n", "a\nB\nc\n", None),
            ("a\nb\n", "", "a\nb\nc\n", None),
            ("", "x\n", "y\n", None),
            ("", "x\n", "", Some("x\n")),
            // Words that look like marks of a conflict are words.
            (
                "<<<<<<< a\n",
                "<<<<<<< a\n=======\n",
                "b\n<<<<<<< a\n",
                Some("b\n<<<<<<< a\n=======\n"),
            ),
        ] {
            assert_eq!(
                merge(ancestor, disk, row).as_deref(),
                merged,
                "{ancestor:?} {disk:?} {row:?}"
            );
            assert_eq!(
                merge(ancestor, row, disk).as_deref(),
                merged,
                "{ancestor:?} {row:?} {disk:?}"
            );
        }
    }

    #[test]
    fn a_large_text_with_small_changes_is_merged_and_a_torn_one_is_a_conflict() {
        let ancestor: String = (0..200_000).map(|n| format!("{}\n", n % 7)).collect();
        let (disk, row) = (format!("{ancestor}end\n"), format!("begin\n{ancestor}"));
        assert_eq!(
            merge(&ancestor, &disk, &row),
            Some(format!("begin\n{ancestor}end\n"))
        );
        let torn = |times: usize| {
            (0..200_000)
                .map(|n| format!("{}\n", n * times % 7))
                .collect::<String>()
        };
        assert_eq!(merge(&ancestor, &torn(3), &torn(5)), None);
    }

    /// What both kept, and what either added, is there; and nothing else.
    #[test]
    fn a_merge_has_the_lines_of_both_and_no_others() {
        use rand::rngs::SmallRng;
        use rand::{RngExt, SeedableRng};
        for seed in 0..2_000 {
            let mut random = SmallRng::seed_from_u64(seed);
            let ancestor: Vec<String> = (0..random.random_range(0..12))
                .map(|n| format!("line {n}"))
                .collect();
            let edit = |random: &mut SmallRng, by: &str| {
                let mut lines = ancestor.clone();
                for n in 0..random.random_range(1..4) {
                    let at = random.random_range(0..=lines.len());
                    if at < lines.len() && random.random_bool(0.4) {
                        lines.remove(at);
                    } else {
                        lines.insert(at, format!("{by} {n}"));
                    }
                }
                lines
            };
            let (disk, row) = (edit(&mut random, "disk"), edit(&mut random, "row"));
            let end = if random.random_bool(0.5) { "\n" } else { "" };
            let text = |lines: &[String]| lines.join("\n") + if lines.is_empty() { "" } else { end };
            let Some(merged) = merge(&text(&ancestor), &text(&disk), &text(&row)) else {
                continue;
            };
            let has = |lines: &[String], line: &str| lines.iter().any(|other| other == line);
            let merged: Vec<String> = merged.lines().map(ToOwned::to_owned).collect();
            for line in ancestor.iter().chain(&disk).chain(&row) {
                let wanted = match (has(&ancestor, line), has(&disk, line), has(&row, line)) {
                    (true, disk, row) => disk && row,
                    (false, disk, row) => disk || row,
                };
                assert_eq!(has(&merged, line), wanted, "seed {seed}: {line:?} in {merged:?}");
            }
        }
    }
}
