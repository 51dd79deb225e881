//! Versions of OpenClaw: year, month, patch.

use std::fmt;

/// The oldest version that has what Creel uses: `agents.entries`, `agents set-identity --json`.
pub const MIN_VERSION: Version = Version {
    year: 2026,
    month: 9,
    patch: 0,
};

/// A version like `2026.9.6`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// Year of the release.
    pub year: u32,
    /// Month of the release.
    pub month: u32,
    /// Count in that month.
    pub patch: u32,
}

impl Version {
    /// Finds the version in the output of `openclaw --version`, like `OpenClaw 2026.9.6 (eb377ac)`. A
    /// suffix as in `2026.9.6-beta.1` is left aside.
    pub fn find(output: &str) -> Option<Self> {
        output.split_whitespace().find_map(Self::parse)
    }

    fn parse(word: &str) -> Option<Self> {
        let word = word.strip_prefix('v').unwrap_or(word);
        let (numbers, _suffix) = word.split_once(['-', '+']).unwrap_or((word, ""));
        let mut numbers = numbers.split('.').map(|number| number.parse().ok());
        let version = Self {
            year: numbers.next()??,
            month: numbers.next()??,
            patch: numbers.next()??,
        };
        numbers.next().is_none().then_some(version)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.year, self.month, self.patch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_found_in_what_openclaw_prints() {
        let expected = Some(Version {
            year: 2026,
            month: 9,
            patch: 6,
        });
        for text in [
            "OpenClaw 2026.9.6 (eb377ac)\n",
            "2026.9.6",
            "note 1\nv2026.9.6-beta.1",
        ] {
            assert_eq!(Version::find(text), expected, "{text:?}");
        }
        for text in ["", "OpenClaw", "2026.9", "a.b.c", "1.2.3.4"] {
            assert_eq!(Version::find(text), None, "{text:?}");
        }
    }

    #[test]
    fn months_are_compared_as_numbers() {
        assert!(Version::find("2026.10.1") > Version::find("2026.9.30"));
    }
}
