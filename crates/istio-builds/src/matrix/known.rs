//! Whether a tag is known: seen, missing, composed by the documented rule, or not seen.

use jiff::civil::Date;

use dated_data::SourceQuality;

use super::claim::{Claim, judge, quotes};
use super::{
    Build, DefaultBuild, Judgement, Level, Matrix, MissingBuild, Quote, Variety, VarietyRow, claims,
};
use crate::flavor::{Distribution, Fips, Flavor};
use crate::tag::{ImageTag, Rebuild};
use crate::version::Minor;

/// The knowledge of the data about a tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Known {
    Seen(Vec<Quote>),
    /// Not seen itself, but it follows from this build of the same version by the documented rule.
    Composed {
        from: ImageTag,
        quotes: Vec<Quote>,
    },
    Missing(Vec<Quote>),
    /// `nearest` is the nearest known build of the same distribution, `date` is the date of the data.
    NotSeen {
        nearest: Option<ImageTag>,
        date: Option<Date>,
    },
}

impl Matrix {
    /// Looks up a tag: seen, composed, known to be missing, or not seen.
    pub fn known(&self, tag: &ImageTag) -> Known {
        let seen = claims(&self.builds, |row| row.tag == *tag);
        if !seen.is_empty() {
            return Known::Seen(quotes(&seen));
        }
        let missing = self.missing(tag);
        if !missing.is_empty() {
            return Known::Missing(quotes(&missing));
        }
        if let Some(basis) = self.composed_from(tag) {
            return Known::Composed {
                from: basis.row.tag.clone(),
                quotes: vec![basis.quote()],
            };
        }
        Known::NotSeen {
            nearest: self.nearest(tag),
            date: self.date_of_data(),
        }
    }

    /// Returns the result of `known` as a judgement: missing is an error, not seen a warning.
    pub fn judge_build(&self, tag: &ImageTag) -> Judgement {
        let found = tag.to_string();
        match self.known(tag) {
            Known::Seen(quotes) => {
                let bare = quotes
                    .iter()
                    .all(|quote| quote.evidence == SourceQuality::Bare);
                let level = if bare { Level::Info } else { Level::Pass };
                Judgement {
                    level,
                    found,
                    wanted: "a build that was seen".into(),
                    quotes,
                }
            }
            Known::Composed { from, quotes } => {
                let wanted =
                    format!("a build that was seen; this one follows by the rule from {from}");
                Judgement {
                    level: Level::Info,
                    found,
                    wanted,
                    quotes,
                }
            }
            Known::Missing(quotes) => {
                let missing = self.missing(tag);
                let level = judge(&missing, |_| Some(Level::Error));
                let instead = missing.first().map(|claim| claim.row.instead.clone());
                Judgement {
                    level,
                    found,
                    wanted: instead.unwrap_or_default(),
                    quotes,
                }
            }
            Known::NotSeen { nearest, date } => {
                let near = nearest.map_or("none".into(), |tag| tag.to_string());
                let date = date.map_or(String::new(), |date| format!(", data of {date}"));
                let wanted =
                    format!("a build that was seen: no such build seen, nearest {near}{date}");
                Judgement {
                    level: Level::Warning,
                    found,
                    wanted,
                    quotes: Vec::new(),
                }
            }
        }
    }

    /// Returns every tag that was seen, in no particular order.
    pub fn seen_builds(&self) -> impl Iterator<Item = &ImageTag> {
        let rows = self.builds.iter().flat_map(|page| &page.rows);
        rows.map(|row| &row.tag)
    }

    /// Returns the tags of a line that were seen, oldest first.
    pub fn builds_of(&self, minor: Minor) -> Vec<&ImageTag> {
        let mut tags: Vec<_> = claims(&self.builds, |row| row.tag.minor() == minor)
            .iter()
            .map(|c| &c.row.tag)
            .collect();
        tags.sort();
        tags.dedup();
        tags
    }

    /// Whether the distribution was seen, or is documented, for this build.
    pub fn has_distribution(&self, distribution: Distribution, build: &Rebuild) -> bool {
        let flavor = Flavor {
            distribution,
            ..Flavor::default()
        };
        let seen = |row: &Build| {
            row.tag.rebuild() == *build && row.tag.flavor.distribution == distribution
        };
        !claims(&self.builds, seen).is_empty() || self.documented(flavor, build)
    }

    /// Returns the version that is used if the user names none.
    pub(super) fn default_build(&self) -> Option<Claim<'_, DefaultBuild>> {
        claims(&self.defaults, |_| true).first().copied()
    }

    pub(super) fn missing(&self, tag: &ImageTag) -> Vec<Claim<'_, MissingBuild>> {
        let build = tag.rebuild();
        claims(&self.missing, |row| {
            row.build == build && row.variety.is_of(tag.flavor)
        })
    }

    /// Returns the build of the same version and rebuild that was seen and is most similar to the tag, if the rule
    /// applies.
    fn composed_from(&self, tag: &ImageTag) -> Option<Claim<'_, Build>> {
        let build = tag.rebuild();
        if !self.documented(tag.flavor, &build) {
            return None;
        }
        let unlike = |other: Flavor| {
            usize::from(other.distribution != tag.flavor.distribution)
                + usize::from(other.fips != tag.flavor.fips)
                + usize::from(other.distroless != tag.flavor.distroless)
        };
        let numbered = |flavor: Flavor| matches!(flavor.fips, Fips::Numbered(_));
        let numbers_agree = |other: Flavor| {
            other.fips == tag.flavor.fips
                || !(numbered(tag.flavor) || numbered(other) && tag.flavor.is_fips())
        };
        claims(&self.builds, |row| row.tag.rebuild() == build)
            .into_iter()
            .filter(|claim| numbers_agree(claim.row.tag.flavor))
            .min_by_key(|claim| unlike(claim.row.tag.flavor))
    }

    /// Whether every variety of the flavour is documented for this build.
    fn documented(&self, flavor: Flavor, build: &Rebuild) -> bool {
        Variety::all_of(flavor)
            .filter(|variety| *variety != Variety::Standard)
            .all(|variety| {
                let about = claims(&self.varieties, |row| row.variety == variety);
                let fits = |row: &VarietyRow| {
                    row.istio.contains(build)
                        && row.only.is_none_or(|only| only == flavor.distribution)
                };
                about.first().is_some_and(|claim| fits(claim.row))
            })
    }

    /// Returns the build with the closest version: a seen one of the same distribution, or this flavour of a seen one
    /// if the rule composes it. Of several that are equally close, the most similar one, then the newest.
    pub(super) fn nearest(&self, tag: &ImageTag) -> Option<ImageTag> {
        let seen = claims(&self.builds, |_| true);
        let same = seen
            .iter()
            .filter(|claim| claim.row.tag.flavor.distribution == tag.flavor.distribution)
            .map(|claim| claim.row.tag.clone());
        let composed = seen
            .iter()
            .map(|claim| claim.row.tag.rebuild().tag(tag.flavor))
            .filter(|other| self.missing(other).is_empty() && self.composed_from(other).is_some());
        let distance = |other: &ImageTag| {
            let lines = other.minor().above(tag.minor()).map_or(i64::MAX, i64::abs);
            // For another line, the patch release that is closest to this line.
            let point = other.version.point();
            let points = match lines {
                0 => point.abs_diff(tag.version.point()),
                _ if other > tag => point,
                _ => u32::MAX - point,
            };
            (
                lines,
                points,
                other.flavor != tag.flavor,
                std::cmp::Reverse(other.clone()),
            )
        };
        same.chain(composed).min_by_key(distance)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(text: &str) -> ImageTag {
        text.parse().unwrap()
    }

    fn level(text: &str) -> Level {
        Matrix::builtin().judge_build(&tag(text)).level
    }

    #[test]
    fn every_build_of_the_data_is_seen_with_a_source() {
        let matrix = Matrix::builtin();
        let builds = claims(&matrix.builds, |_| true);
        assert!(builds.len() > 90, "{}", builds.len());
        for claim in builds {
            assert!(
                matches!(matrix.known(&claim.row.tag), Known::Seen(quotes) if !quotes.is_empty())
            );
        }
    }

    #[test]
    fn a_seen_build_passes_and_a_bare_string_is_only_info() {
        assert_eq!(level("1.13.5-solo-fips-distroless"), Level::Pass);
        assert_eq!(level("1.23.6-patch0"), Level::Info);
    }

    #[test]
    fn a_flavour_of_a_seen_version_is_composed_by_the_rule() {
        for text in [
            "1.31.0-solo-fips-distroless",
            "1.26.1-patch0-solo-fips",
            "1.10.4-fips",
            "1.8.5-fipsonly",
        ] {
            let known = Matrix::builtin().known(&tag(text));
            assert!(matches!(known, Known::Composed { .. }), "{text}: {known:?}");
            assert_eq!(level(text), Level::Info, "{text}");
        }
        let known = Matrix::builtin().known(&tag("1.13.5-solo-distroless"));
        let Known::Composed { from, .. } = known else {
            panic!("{known:?}")
        };
        assert_eq!(from.version, tag("1.13.5").version);
    }

    #[test]
    fn the_first_two_builds_of_1_26_have_no_fips() {
        for text in [
            "1.26.0-fips",
            "1.26.0-solo-fips",
            "1.26.1-solo-fips-distroless",
            "1.26.1-fips",
        ] {
            let judgement = Matrix::builtin().judge_build(&tag(text));
            assert_eq!(judgement.level, Level::Error, "{text}");
            assert!(judgement.wanted.contains("1.26.1-patch0"), "{judgement:?}");
            assert!(!judgement.quotes.is_empty());
        }
        assert_ne!(level("1.26.1-patch0-solo-fips"), Level::Error);
        assert_eq!(level("1.26.1-solo"), Level::Pass);
    }

    #[test]
    fn solo_before_its_first_build_is_a_warning_with_the_nearest() {
        for text in ["1.8.5-solo", "1.8.0-solo", "1.9.2-solo", "1.10.4-solo"] {
            let judgement = Matrix::builtin().judge_build(&tag(text));
            assert_eq!(judgement.level, Level::Warning, "{text}");
            assert!(
                judgement
                    .wanted
                    .contains("no such build seen, nearest 1.11.1-solo"),
                "{judgement:?}"
            );
            assert!(judgement.wanted.contains("data of 2026-"), "{judgement:?}");
        }
    }

    #[test]
    fn look_alikes_that_parse_were_not_seen() {
        for text in [
            "1.2.3-fips",
            "1.2.9-fips",
            "1.11.2-distroless",
            "1.2.3-solo-fips-distroless",
            "1.13.5-fips2",
            "1.7.5-fips",
        ] {
            let known = Matrix::builtin().known(&tag(text));
            assert!(matches!(known, Known::NotSeen { .. }), "{text}: {known:?}");
            assert_eq!(level(text), Level::Warning, "{text}");
        }
    }

    #[test]
    fn the_nearest_build_is_of_the_same_line_and_distribution() {
        let nearest = |text: &str| Matrix::builtin().nearest(&tag(text)).unwrap().to_string();
        assert_eq!(nearest("1.13.6-solo"), "1.13.5-solo");
        assert_eq!(nearest("1.31.2-solo-fips"), "1.31.1-solo-fips");
        assert_eq!(nearest("1.13.7-solo"), "1.13.8-solo");
        assert_eq!(nearest("1.99.0-solo"), nearest("1.98.0-solo"));
    }

    #[test]
    fn arm_is_documented_for_the_standard_distribution_only() {
        assert_eq!(level("1.13.4-arm"), Level::Info);
        assert_eq!(level("1.13.4-solo-arm"), Level::Warning);
        assert_eq!(level("1.15.3-solo-arm"), Level::Pass);
    }

    #[test]
    fn solo_is_had_from_its_first_build_on() {
        let has = |text: &str| {
            Matrix::builtin().has_distribution(Distribution::Solo, &text.parse().unwrap())
        };
        assert!(has("1.11.1") && has("1.31.0") && has("1.99.0"));
        assert!(!has("1.10.4") && !has("1.7.5"));
    }

    #[test]
    fn the_default_is_a_solo_build_that_was_seen() {
        let matrix = Matrix::builtin();
        let default = matrix.default_build().unwrap().row.istio.clone();
        let solo = Flavor {
            distribution: Distribution::Solo,
            ..Flavor::default()
        };
        let Known::Seen(quotes) = matrix.known(&default.tag(solo)) else {
            panic!("not seen")
        };
        assert!(
            quotes
                .iter()
                .any(|quote| quote.evidence != SourceQuality::Bare)
        );
    }
}
