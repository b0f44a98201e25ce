//! Ranges of releases of Istio.

use std::fmt;

use istio_builds::{IstioVersion, Minor};

/// A release of Istio, as ranges name it: its line and its patch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Release {
    minor: Minor,
    patch: u32,
}

impl From<&IstioVersion> for Release {
    fn from(version: &IstioVersion) -> Release {
        Release {
            minor: version.minor(),
            patch: version.point(),
        }
    }
}

impl From<Minor> for Release {
    /// Returns the last release of a line.
    fn from(minor: Minor) -> Release {
        Release {
            minor,
            patch: u32::MAX,
        }
    }
}

/// Releases from one to another, both included: `1.24..`, `1.6..1.23`, `1.23.4..1.23`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    from: Release,
    to: Option<Minor>,
}

impl Range {
    /// Parses a range of the data. A test checks that every range in the data can be parsed.
    pub(super) fn parse(text: &str) -> Option<Range> {
        let (from, to) = text.trim().split_once("..")?;
        let mut numbers = from.splitn(3, '.').map(str::parse::<u32>);
        let (major, minor) = (numbers.next()?.ok()?, numbers.next()?.ok()?);
        let patch = numbers.next().transpose().ok()?.unwrap_or_default();
        let to = match to {
            "" => None,
            to => Some(to.parse().ok()?),
        };
        Some(Range {
            from: Release {
                minor: Minor { major, minor },
                patch,
            },
            to,
        })
    }

    /// Whether one of the ranges in `text`, separated by commas, contains the release.
    pub(super) fn any_contains(text: &str, release: Release) -> bool {
        let mut ranges = text.split(',').filter_map(Range::parse);
        ranges.any(|range| range.contains(release))
    }

    /// Whether the ranges have no release in common, and `self` is the older one.
    #[cfg(test)]
    pub(super) fn ends_before(self, other: Range) -> bool {
        self.to.is_some_and(|to| to < other.from.minor)
    }

    pub(super) fn contains(self, release: Release) -> bool {
        self.from <= release && self.to.is_none_or(|to| release.minor <= to)
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Release { minor, patch } = self.from;
        let from = match patch {
            0 => minor.to_string(),
            patch => format!("{minor}.{patch}"),
        };
        match self.to {
            None => write!(f, "from {from} on"),
            Some(to) if to == minor => write!(f, "in {from}"),
            Some(to) => write!(f, "from {from} to {to}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn range_contains_its_ends_and_no_release_beyond_them() {
        let release = |text: &str| Release::from(&text.parse::<IstioVersion>().unwrap());
        for (range, inside, outside) in [
            ("1.24..", &["1.24.0", "1.31.4"][..], &["1.23.9"][..]),
            ("1.6..1.23", &["1.6.0", "1.23.9"], &["1.5.9", "1.24.0"]),
            ("1.23.4..1.23", &["1.23.4"], &["1.23.3", "1.24.0"]),
        ] {
            let range = Range::parse(range).unwrap();
            assert!(inside.iter().all(|one| range.contains(release(one))));
            assert!(!outside.iter().any(|one| range.contains(release(one))));
        }
        assert!(Range::any_contains("1.6..1.14, 1.16..", release("1.16.0")));
        assert!(!Range::any_contains("1.6..1.14, 1.16..", release("1.15.3")));
        for text in ["", "1.6", "x..1.7", "1..2", "1.6..x"] {
            assert_eq!(Range::parse(text), None, "{text}");
        }
    }

    #[test]
    fn range_is_shown_in_words() {
        for (range, words) in [
            ("1.24..", "from 1.24 on"),
            ("1.6..1.23", "from 1.6 to 1.23"),
            ("1.23.4..1.23", "in 1.23.4"),
            ("1.10..1.10", "in 1.10"),
        ] {
            assert_eq!(Range::parse(range).unwrap().to_string(), words);
        }
    }
}
