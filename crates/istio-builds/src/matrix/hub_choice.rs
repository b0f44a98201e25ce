//! Choosing a hub for a tag, and judging one that the user gave.

use std::collections::BTreeSet;

use super::claim::{Claim, quotes};
use super::{HubKind, HubPattern, HubRow, Judgement, Level, Matrix, Quote, claims};
use crate::hub::{Hub, RepoKey, mask};
use crate::tag::ImageTag;
use crate::version::Minor;

/// A hub that publishes a tag's line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubOption {
    pub pattern: HubPattern,
    pub kind: HubKind,
    /// Whether the whole line is documented to be there; false if only some builds were seen.
    pub documented: bool,
    pub quotes: Vec<Quote>,
}

/// The hub for a tag, with the reason and the sources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubChoice {
    pub hub: Hub,
    pub kind: HubKind,
    pub why: String,
    pub quotes: Vec<Quote>,
}

/// Why no hub could be chosen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoHub {
    #[error(
        "the images of {minor} are at `{pattern}`: give the key by --repo-key (from {from}), or a mirror by --hub"
    )]
    Key {
        minor: Minor,
        pattern: HubPattern,
        from: String,
    },
    #[error("the data knows no hub for {minor}: give it by --hub")]
    Unknown { minor: Minor },
}

/// A judgement of a hub that the user gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubJudgement {
    pub kind: HubKind,
    pub judgement: Judgement,
    /// Other hubs that have the line.
    pub elsewhere: Vec<HubOption>,
}

impl Matrix {
    /// Returns the vendor's hubs for a tag: those documented for its line first, then those where a build of its
    /// version was seen.
    pub fn hub_options(&self, tag: &ImageTag) -> Vec<HubOption> {
        let mut found = claims(&self.hubs, |row| {
            row.is_solos() && (row.has(tag) || row.saw(tag))
        });
        found.sort_by_key(|claim| !claim.row.has(tag));
        let mut options: Vec<HubOption> = Vec::new();
        for claim in found {
            match options
                .iter_mut()
                .find(|option| option.pattern == claim.row.hub)
            {
                Some(option) => option.quotes.push(claim.quote()),
                None => options.push(HubOption {
                    pattern: claim.row.hub.clone(),
                    kind: claim.row.kind,
                    documented: claim.row.has(tag),
                    quotes: vec![claim.quote()],
                }),
            }
        }
        options
    }

    /// Returns the hub for a tag, with the key filled in if the hub needs one.
    pub fn hub_for(&self, tag: &ImageTag, key: Option<&RepoKey>) -> Result<HubChoice, NoHub> {
        let minor = tag.minor();
        let options = self.hub_options(tag);
        let usable = |option: &HubOption| {
            option
                .pattern
                .fill(key.filter(|_| option.pattern.needs_key()))
        };
        if let Some((option, hub)) = options
            .iter()
            .find_map(|option| Some((option, usable(option)?)))
        {
            let (pattern, kind, quotes) = (&option.pattern, option.kind, option.quotes.clone());
            let why = match (option.documented, key.is_some() && !pattern.needs_key()) {
                (true, true) => format!("it has builds of {minor}; no key is needed"),
                (true, false) => format!("it has builds of {minor}"),
                (false, _) => {
                    format!("this version was seen there; {minor} as a whole is elsewhere")
                }
            };
            return Ok(HubChoice {
                hub,
                kind,
                why,
                quotes,
            });
        }
        match options.into_iter().next() {
            Some(option) => Err(NoHub::Key {
                minor,
                pattern: option.pattern,
                from: self.key_source(),
            }),
            None => Err(NoHub::Unknown { minor }),
        }
    }

    /// Judges a hub that the user gave for a tag. Any registry that the data does not know is a mirror.
    pub fn hub_judgement(&self, hub: &Hub, tag: &ImageTag) -> HubJudgement {
        let here = self.hub_claims(hub);
        let kind = here.first().map_or(HubKind::Mirror, |claim| claim.row.kind);
        let elsewhere: Vec<HubOption> = self
            .hub_options(tag)
            .into_iter()
            .filter(|option| here.iter().all(|claim| claim.row.hub != option.pattern))
            .collect();
        let (level, said) = hub_level(kind, &here, tag);
        let there = elsewhere.iter().filter(|option| option.documented);
        let there: Vec<String> = there
            .map(|option| format!("`{}`", option.pattern))
            .collect();
        let wanted = match (level, there.is_empty()) {
            (Level::Pass | Level::Info, _) | (_, true) => said,
            _ => format!(
                "{said}; {} is published at {}",
                tag.minor(),
                there.join(", ")
            ),
        };
        let quotes = quotes(&here);
        let found = self.masked(hub);
        HubJudgement {
            kind,
            judgement: Judgement {
                level,
                found,
                wanted,
                quotes,
            },
            elsewhere,
        }
    }

    /// Returns the key that is part of a hub's name, so that it can be masked.
    pub fn key_in(&self, hub: &Hub) -> Option<RepoKey> {
        let here = self.hub_claims(hub);
        here.first().and_then(|claim| claim.row.hub.key_in(hub))
    }

    /// Warns if a key does not look like those that were seen; never an error.
    pub fn judge_key(&self, key: &RepoKey) -> Judgement {
        let shapes = claims(&self.keys, |_| true);
        let Some(claim) = shapes.first() else {
            let wanted = "no shape of keys is known".into();
            return Judgement {
                level: Level::NoData,
                found: key.to_string(),
                wanted,
                quotes: Vec::new(),
            };
        };
        let shape = claim.row;
        let text = key.expose();
        let usual = shape.fits(text);
        let level = if usual { Level::Pass } else { Level::Warning };
        let wanted = format!(
            "{} characters of {}, as every key seen",
            shape.length, shape.characters
        );
        let found = format!("a key of {} characters", text.len());
        Judgement {
            level,
            found,
            wanted,
            quotes: quotes(&shapes),
        }
    }

    fn key_source(&self) -> String {
        let shapes = claims(&self.keys, |_| true);
        shapes
            .first()
            .map_or_else(|| "the vendor".into(), |claim| claim.row.from.clone())
    }

    /// Returns the text before the key in the names of hubs that contain one.
    pub fn keyed_hubs(&self) -> BTreeSet<String> {
        let rows = self.hubs.iter().flat_map(|page| &page.rows);
        let before = rows.filter_map(|row| row.hub.before_key());
        before.map(str::to_owned).collect()
    }

    /// Whether a text is a hub in the data without a key in its name.
    pub fn is_whole_hub(&self, text: &str) -> bool {
        let mut rows = self.hubs.iter().flat_map(|page| &page.rows);
        rows.any(|row| !row.hub.needs_key() && row.hub.to_string() == text)
    }

    /// Whether a text looks like the keys that were seen.
    pub fn is_key(&self, text: &str) -> bool {
        let shapes = claims(&self.keys, |_| true);
        shapes.iter().any(|claim| claim.row.fits(text))
    }

    fn masked(&self, hub: &Hub) -> String {
        mask(hub.as_str(), self.key_in(hub).as_ref())
    }

    /// Returns the claims about a hub; one that names the whole hub takes precedence over a pattern.
    fn hub_claims(&self, hub: &Hub) -> Vec<Claim<'_, HubRow>> {
        let exact = claims(&self.hubs, |row| row.hub.is(hub));
        if exact.is_empty() {
            claims(&self.hubs, |row| row.hub.key_in(hub).is_some())
        } else {
            exact
        }
    }
}

fn hub_level(kind: HubKind, here: &[Claim<'_, HubRow>], tag: &ImageTag) -> (Level, String) {
    let words = kind.words();
    let minor = tag.minor();
    let says = |about: fn(&HubRow, &ImageTag) -> bool| {
        here.iter()
            .find(|claim| about(claim.row, tag))
            .map(|claim| claim.page.evidence)
    };
    match kind {
        HubKind::Mirror => (Level::Info, format!("{words}: it must hold {tag}")),
        HubKind::Community if tag.is_vendors() => (
            Level::Error,
            format!("a hub of Solo: {words} never holds `{tag}`"),
        ),
        HubKind::Community => (Level::Info, format!("{words}: these are not Solo's builds")),
        _ if says(HubRow::saw).is_some() => (
            level_of_solos(kind),
            format!("{words}, where {} was seen", tag.rebuild()),
        ),
        _ if says(HubRow::has).is_some() => (level_of_solos(kind), format!("{words}, for {minor}")),
        _ => match says(HubRow::lacks) {
            Some(evidence) => {
                let level = if evidence.can_refuse() {
                    Level::Error
                } else {
                    Level::Warning
                };
                (level, format!("another hub: {words} does not hold {minor}"))
            }
            None => (
                Level::Warning,
                format!("a hub known to hold {minor}: nothing says that {words} does"),
            ),
        },
    }
}

const fn level_of_solos(kind: HubKind) -> Level {
    match kind {
        HubKind::Workshop | HubKind::Preview => Level::Warning,
        _ => Level::Pass,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY_VALUE: &str = "0123456789ab";

    fn tag(text: &str) -> ImageTag {
        text.parse().unwrap()
    }

    fn judged(hub: &str, of: &str) -> HubJudgement {
        Matrix::builtin().hub_judgement(&hub.parse().unwrap(), &tag(of))
    }

    #[test]
    fn the_hub_of_a_line_is_chosen_by_the_data() {
        let key: RepoKey = KEY_VALUE.parse().unwrap();
        let keyed = "us-docker.pkg.dev/gloo-mesh/istio-0123456789ab";
        let open = "us-docker.pkg.dev/soloio-img/istio";
        let table = [
            ("1.7.5-fips2", "gcr.io/istio-enterprise"),
            ("1.11.4-solo", "gcr.io/istio-enterprise"),
            ("1.12.6-fips", keyed),
            ("1.28.3-patch0-solo", keyed),
            ("1.26.1-solo", keyed),
            ("1.29.0-solo-distroless", open),
            ("1.31.0-solo-fips-distroless", open),
        ];
        for (of, hub) in table {
            let choice = Matrix::builtin().hub_for(&tag(of), Some(&key)).unwrap();
            assert_eq!(choice.hub.as_str(), hub, "{of}");
            assert!(!choice.quotes.is_empty() && !choice.why.is_empty(), "{of}");
        }
    }

    #[test]
    fn without_a_key_the_error_names_both_sources_unless_the_build_is_open() {
        let hub = |of| Matrix::builtin().hub_for(&tag(of), None);
        for of in ["1.13.5-solo-fips", "1.28.3-patch0-solo", "1.27.1-solo"] {
            let error = hub(of).unwrap_err().to_string();
            for hint in [
                "Istio images built by Solo.io",
                "account representative",
                "--repo-key",
                "--hub",
            ] {
                assert!(error.contains(hint), "{of}: {error}");
            }
        }
        assert_eq!(hub("1.26.1-solo").unwrap().kind, HubKind::SoloKeyless);
        assert_eq!(hub("1.30.0-solo").unwrap().kind, HubKind::SoloKeyless);
        assert_eq!(hub("1.11.4-solo").unwrap().kind, HubKind::SoloKeyless);
        assert!(matches!(hub("1.5.0"), Err(NoHub::Unknown { .. })));
    }

    #[test]
    fn a_given_hub_is_judged_by_whose_it_is_and_what_it_holds() {
        use HubKind::{Community, Mirror, SoloKeyed, SoloKeyless, Workshop};
        use Level::{Error, Info, Pass, Warning};
        let (old, open) = (
            "gcr.io/istio-enterprise",
            "us-docker.pkg.dev/soloio-img/istio",
        );
        let keyed = "us-docker.pkg.dev/gloo-mesh/istio-0123456789ab";
        let workshop = "us-docker.pkg.dev/gloo-mesh/istio-workshops";
        let mirror = "eu.gcr.io/kyma-project/external/gcr.io/istio-enterprise";
        let table = [
            (old, "1.7.5-fips2", SoloKeyless, Pass),
            (old, "1.13.5-solo-fips", SoloKeyless, Error),
            (keyed, "1.13.5-solo-fips", SoloKeyed, Pass),
            (keyed, "1.11.7-solo", SoloKeyed, Pass),
            (keyed, "1.30.0-solo", SoloKeyed, Warning),
            (workshop, "1.20.2-solo", Workshop, Warning),
            (open, "1.31.0-solo", SoloKeyless, Pass),
            (open, "1.26.1-solo", SoloKeyless, Pass),
            (open, "1.28.1-solo", SoloKeyless, Warning),
            (open, "1.20.2-solo", SoloKeyless, Error),
            ("docker.io/istio", "1.31.0-solo", Community, Error),
            ("gcr.io/istio-release", "1.30.2-solo-fips", Community, Error),
            ("registry.istio.io/release", "1.30.0-fips", Community, Error),
            ("docker.io/istio", "1.31.0", Community, Info),
            ("docker.io/istio", "1.31.0-distroless", Community, Info),
            ("gcr.io/istio-testing", "1.22.1-patch0", Community, Error),
            (mirror, "1.13.5-solo-fips", Mirror, Info),
            (
                "registry.example.com:5000/istio",
                "1.13.5-solo",
                Mirror,
                Info,
            ),
        ];
        for (hub, of, kind, level) in table {
            let judged = judged(hub, of);
            assert_eq!(
                (judged.kind, judged.judgement.level),
                (kind, level),
                "{hub} {of}: {judged:?}"
            );
        }
    }

    #[test]
    fn a_wrong_hub_names_the_right_one_and_a_key_is_never_shown() {
        let wrong = judged("gcr.io/istio-enterprise", "1.13.5-solo-fips");
        assert!(
            wrong
                .judgement
                .wanted
                .contains("us-docker.pkg.dev/gloo-mesh/istio-<key>"),
            "{wrong:?}"
        );
        assert_eq!(wrong.elsewhere.len(), 1);
        let keyed = judged(
            "us-docker.pkg.dev/gloo-mesh/istio-0123456789ab",
            "1.30.0-solo",
        );
        assert!(!format!("{keyed:?}").contains(KEY_VALUE), "{keyed:?}");
        let hub = "us-docker.pkg.dev/gloo-mesh/istio-0123456789ab"
            .parse()
            .unwrap();
        assert_eq!(Matrix::builtin().key_in(&hub).unwrap().expose(), KEY_VALUE);
        let workshop = "us-docker.pkg.dev/gloo-mesh/istio-workshops"
            .parse()
            .unwrap();
        assert_eq!(Matrix::builtin().key_in(&workshop), None);
    }

    #[test]
    fn an_odd_key_is_said_but_accepted() {
        let level = |key: &str| Matrix::builtin().judge_key(&key.parse().unwrap()).level;
        assert_eq!(level(KEY_VALUE), Level::Pass);
        assert_eq!(level("0123456789a"), Level::Warning);
        assert_eq!(level("0123456789az"), Level::Warning);
        assert_eq!(
            Matrix::default()
                .judge_key(&KEY_VALUE.parse().unwrap())
                .level,
            Level::NoData
        );
    }
}
