//! When a line of Istio was released and when its support ends: the community's, and the vendor's n-4.

use std::collections::BTreeSet;

use jiff::ToSpan as _;
use jiff::civil::Date;
use serde::Deserialize;

use super::claim::{Claim, quotes};
use super::{Judgement, Level, Matrix, Row, When, claims};
use crate::flavor::{Distribution, Flavor};
use crate::request::Request;
use crate::version::{IstioVersion, Minor};

/// A line should no longer be chosen when its support ends within this many days: there is a new line each quarter.
const SOON: i32 = 90;

/// The release and end of life of a line.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Release {
    pub istio: Minor,
    #[serde(default)]
    pub released: Option<When>,
    #[serde(default)]
    pub ends: Option<When>,
    /// Whether the end is only announced or expected.
    #[serde(default)]
    pub expected: bool,
    #[serde(default)]
    pub last_patch: Option<IstioVersion>,
    /// From this month on istioctl prints a warning of its own.
    #[serde(default)]
    pub warns: Option<When>,
    /// The day of its first tag, if the release itself was not seen.
    #[serde(default)]
    pub tagged: Option<When>,
    #[serde(default)]
    pub note: String,
}

impl Row for Release {
    const COLUMNS: &'static [&'static str] = &[
        "istio",
        "released",
        "ends",
        "last patch",
        "istioctl warns",
        "tagged",
        "note",
    ];

    fn concerns(&self, istio: &Request) -> bool {
        self.istio == istio.minor()
    }

    fn key(&self) -> String {
        self.istio.to_string()
    }

    fn cells(&self) -> Vec<String> {
        let when = |when: &Option<When>| when.as_ref().map(ToString::to_string).unwrap_or_default();
        let expected = if self.expected { " (expected)" } else { "" };
        vec![
            self.istio.to_string(),
            when(&self.released),
            format!("{}{expected}", when(&self.ends)),
            self.last_patch
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default(),
            when(&self.warns),
            when(&self.tagged),
            self.note.clone(),
        ]
    }
}

/// For how many lines back a distribution gets security patches: 4 means n-4.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SupportWindow {
    pub distribution: Distribution,
    pub back: u32,
    pub text: String,
}

impl Row for SupportWindow {
    const COLUMNS: &'static [&'static str] = &["distribution", "lines back", "text"];

    fn key(&self) -> String {
        self.distribution.to_string()
    }

    fn cells(&self) -> Vec<String> {
        vec![
            self.distribution.to_string(),
            format!("n-{}", self.back),
            self.text.clone(),
        ]
    }

    fn text(&self) -> String {
        self.text.clone()
    }
}

impl Matrix {
    /// Judges whether a line still gets patches on that day: from the community, or, for the vendor's builds only, in
    /// its own longer window. Never an error, because old builds can be installed.
    pub fn end_of_life(&self, istio: Minor, today: Date, flavor: Flavor) -> Judgement {
        let about = claims(&self.releases, |row| row.istio == istio);
        let found = format!("Istio {istio}");
        let Some((ends, expected)) = about
            .iter()
            .find_map(|claim| Some((claim.row.ends.as_ref()?, claim.row.expected)))
        else {
            let wanted = self.tagged_only(istio).map_or_else(
                || "no data of its end of life".into(),
                |tagged| format!("a line with a known end of life: {tagged}"),
            );
            return Judgement {
                level: Level::NoData,
                found,
                wanted,
                quotes: quotes(&about),
            };
        };
        let mut said = quotes(&about);
        if ends.last().is_none_or(|last| today <= last) {
            let wanted = supported(&about, ends, expected);
            return Judgement {
                level: Level::Pass,
                found,
                wanted,
                quotes: said,
            };
        }
        let windows = claims(&self.support, |row| row.distribution == flavor.distribution);
        said.extend(quotes(&windows));
        let newest = self.newest_released(today).unwrap_or(istio);
        let back = windows.first().map_or(0, |claim| claim.row.back);
        let oldest = newest.back(back);
        let (level, wanted) = match flavor.distribution {
            Distribution::Solo if istio >= oldest => (
                Level::Info,
                format!(
                    "community support ended {ends}; Solo patches n-{back} of its own builds, now {oldest} to {newest}"
                ),
            ),
            Distribution::Solo => (
                Level::Warning,
                format!(
                    "{oldest} or later: community support ended {ends}, and Solo's n-{back} for its own builds begins at {oldest}"
                ),
            ),
            Distribution::Standard => (
                Level::Warning,
                format!(
                    "a supported line: community support ended {ends}; n-4 is for Solo builds only"
                ),
            ),
        };
        Judgement {
            level,
            found,
            wanted,
            quotes: said,
        }
    }

    /// Returns what is known about a line that was tagged but has no known release.
    pub fn tagged_only(&self, istio: Minor) -> Option<String> {
        let about = claims(&self.releases, |row| row.istio == istio);
        if about.iter().any(|claim| claim.row.released.is_some()) {
            return None;
        }
        let row = about.iter().find(|claim| claim.row.tagged.is_some())?.row;
        let tagged = row.tagged.as_ref()?;
        Some(format!(
            "Istio {istio} was tagged on {tagged}; {}",
            row.note
        ))
    }

    /// Returns when the community's support of a line ends, if that is soon.
    pub fn ends_soon(&self, istio: Minor, today: Date) -> Option<String> {
        let about = claims(&self.releases, |row| row.istio == istio);
        let ends = about.iter().find_map(|claim| claim.row.ends.as_ref())?;
        let soon = today..=today.saturating_add(SOON.days());
        soon.contains(&ends.last()?).then(|| ends.to_string())
    }

    /// Returns the newest line that was released by that day.
    pub fn newest_released(&self, today: Date) -> Option<Minor> {
        let lines: BTreeSet<Minor> = claims(&self.releases, |_| true)
            .iter()
            .map(|claim| claim.row.istio)
            .collect();
        let is_out = |line: &Minor| {
            let about = claims(&self.releases, |row| row.istio == *line);
            let day = about.iter().find_map(|claim| claim.row.released.as_ref());
            day.and_then(When::first).is_some_and(|day| day <= today)
        };
        lines.into_iter().rfind(is_out)
    }
}

/// Returns until when the community supports a line.
fn supported(about: &[Claim<'_, Release>], ends: &When, expected: bool) -> String {
    let note = about.iter().find(|claim| !claim.row.note.is_empty());
    match (ends.last(), note) {
        (None, Some(claim)) => format!("community support: {}", claim.row.note),
        (None, None) => "community support; its end is not known".to_owned(),
        (Some(_), _) if expected => format!("community support, which is expected to end {ends}"),
        (Some(_), _) => format!("community support, which ends {ends}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOLO: Flavor = Flavor {
        distribution: Distribution::Solo,
        fips: crate::flavor::Fips::None,
        distroless: false,
        arm: false,
    };

    fn judged(istio: &str, today: &str, flavor: Flavor) -> Judgement {
        Matrix::builtin().end_of_life(istio.parse().unwrap(), today.parse().unwrap(), flavor)
    }

    #[test]
    fn n_minus_4_is_for_solo_builds_only() {
        let today = "2026-10-01"; // 1.31 is out, 1.28 ended on 2026-07-01
        let standard = Flavor::default();
        let table = [
            ("1.31", SOLO, Level::Pass),
            ("1.29", standard, Level::Pass),
            ("1.28", SOLO, Level::Info),
            ("1.27", SOLO, Level::Info),
            ("1.26", SOLO, Level::Warning),
            ("1.28", standard, Level::Warning),
            ("1.7", standard, Level::Warning),
            ("1.99", SOLO, Level::NoData),
            ("1.32", standard, Level::NoData),
        ];
        for (istio, flavor, level) in table {
            assert_eq!(
                judged(istio, today, flavor).level,
                level,
                "{istio} {flavor}"
            );
        }
        assert!(
            judged("1.28", today, standard)
                .wanted
                .contains("n-4 is for Solo builds only")
        );
        assert!(
            judged("1.28", today, SOLO)
                .wanted
                .contains("now 1.27 to 1.31")
        );
    }

    #[test]
    fn an_end_is_soon_for_a_quarter() {
        let soon = |today: &str| {
            let istio = "1.28".parse().unwrap();
            Matrix::builtin().ends_soon(istio, today.parse().unwrap())
        };
        for (today, said) in [
            ("2026-04-01", false),
            ("2026-04-02", true),
            ("2026-07-01", true),
            ("2026-07-02", false),
        ] {
            assert_eq!(soon(today).is_some(), said, "{today}");
        }
    }

    #[test]
    fn support_ends_after_its_last_day_and_the_window_moves_with_releases() {
        assert_eq!(judged("1.28", "2026-07-01", SOLO).level, Level::Pass);
        assert_eq!(judged("1.28", "2026-07-02", SOLO).level, Level::Info);
        assert_eq!(judged("1.13", "2022-10-13", SOLO).level, Level::Info);
        assert_eq!(judged("1.13", "2024-01-01", SOLO).level, Level::Warning);
        let newest = |today: &str| Matrix::builtin().newest_released(today.parse().unwrap());
        assert_eq!(newest("2026-08-30"), Some(Minor::new(1, 30)));
        assert_eq!(newest("2026-08-31"), Some(Minor::new(1, 31)));
    }

    #[test]
    fn end_that_depends_on_an_unseen_release_is_unknown_and_not_today() {
        let standard = Flavor::default();
        for day in ["2026-11-30", "2026-12-01", "2027-03-01"] {
            let judgement = judged("1.30", day, standard);
            assert_eq!(judgement.level, Level::Pass, "{day}");
            let wanted = &judgement.wanted;
            assert!(wanted.contains("after the release of 1.32"), "{wanted}");
            // The older page, which gave a day, is still quoted.
            let days = judgement.quotes.iter();
            assert!(
                days.into_iter()
                    .any(|quote| quote.text.contains("2026-11-30"))
            );
        }
        let soon = Matrix::builtin().ends_soon(Minor::new(1, 30), "2026-11-30".parse().unwrap());
        assert_eq!(soon, None);
        assert_eq!(judged("1.29", "2026-10-16", standard).level, Level::Warning);
        assert_eq!(judged("1.29", "2026-10-15", standard).level, Level::Pass);
    }

    #[test]
    fn tagged_line_is_named_with_what_is_not_known_of_it() {
        let matrix = Matrix::builtin();
        let tagged = matrix.tagged_only(Minor::new(1, 32)).unwrap();
        assert!(
            tagged.starts_with("Istio 1.32 was tagged on 2026-10-21; "),
            "{tagged}"
        );
        assert_eq!(matrix.tagged_only(Minor::new(1, 31)), None);
        assert_eq!(matrix.tagged_only(Minor::new(1, 99)), None);
        let kubernetes = matrix.istio_on_kubernetes(Minor::new(1, 32), Minor::new(1, 34));
        assert_eq!(kubernetes.level, Level::NoData);
        assert!(kubernetes.wanted.contains("was tagged on 2026-10-21"));
        let end = judged("1.32", "2026-11-30", Flavor::default());
        assert!(end.wanted.contains("was tagged on 2026-10-21"), "{end:?}");
    }

    #[test]
    fn every_line_from_1_7_on_is_dated_in_order() {
        let mut before: Option<Date> = None;
        for line in 7..=31 {
            let about = claims(&Matrix::builtin().releases, |row| {
                row.istio == Minor::new(1, line)
            });
            let row = about.first().unwrap().row;
            let (released, ends) = (row.released.clone().unwrap(), row.ends.clone().unwrap());
            let ends_later = ends.last().is_none_or(|end| released.first() < Some(end));
            assert!(before < released.first() && ends_later, "1.{line}");
            before = released.first();
        }
    }
}
