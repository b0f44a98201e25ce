//! The tag of an image: `version [-patchN] [-solo] [-fips…] [-distroless] [-arm]`, in that order.
//!
//! A tag is never semver, in which `-patch0` would sort below the release that it comes after.

use std::fmt;
use std::str::FromStr;

use super::flavor::{Flavor, Word};
use super::version::{IstioVersion, Minor, VersionError};

/// Why a text is not a tag, with the spelling that works.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TagError {
    #[error("the tag is empty: write one of the form X.Y.Z-solo-fips")]
    Empty,
    #[error("`{text}` is not a tag: {why}; write `{right}`")]
    Spelling {
        text: String,
        why: String,
        right: String,
    },
    #[error(
        "`{text}` names one image by its digest: a tag names the image of every component; \
         write the tag alone"
    )]
    Digest { text: String },
    #[error("`{text}` is a whole image name: give the hub by --hub and as tag `{tag}`")]
    Reference { text: String, tag: String },
    #[error(
        "`{text}` is not a tag: `{word}` is not a word of these tags (patchN, solo, fips, distroless, arm); \
         without it: `{right}`"
    )]
    UnknownWord {
        text: String,
        word: String,
        right: String,
    },
    #[error("`{text}` is not a tag: it says both `{first}` and `{second}`; keep one of them")]
    Contradiction {
        text: String,
        first: String,
        second: String,
    },
    #[error(transparent)]
    Version(#[from] VersionError),
}

/// One build of a version: `1.22.1`, or its vendor rebuild `1.22.1-patch0`, which is newer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rebuild {
    pub version: IstioVersion,
    /// The rebuild number; `None` sorts below 0.
    pub patch: Option<u32>,
}

impl Rebuild {
    pub fn minor(&self) -> Minor {
        self.version.minor()
    }

    /// Returns the tag of this build in that flavour.
    #[must_use]
    pub fn tag(self, flavor: Flavor) -> ImageTag {
        ImageTag {
            version: self.version,
            patch: self.patch,
            flavor,
        }
    }
}

impl From<IstioVersion> for Rebuild {
    fn from(version: IstioVersion) -> Self {
        Self {
            version,
            patch: None,
        }
    }
}

impl fmt::Display for Rebuild {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.version)?;
        self.patch
            .map_or(Ok(()), |patch| write!(f, "-{}", Word::Patch(patch)))
    }
}

impl FromStr for Rebuild {
    type Err = TagError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let tag: ImageTag = text.parse()?;
        if tag.flavor.is_plain() {
            return Ok(tag.rebuild());
        }
        let why = "a build of a version has no flavour".into();
        Err(TagError::Spelling {
            text: text.into(),
            why,
            right: tag.rebuild().to_string(),
        })
    }
}

dated_data::text_serde!(Rebuild, "a build, X.Y.Z or X.Y.Z-patchN");

/// The tag of an image. Sorted by version, then rebuild (none < 0 < 1 < 10), then flavour.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageTag {
    pub version: IstioVersion,
    /// The vendor's rebuild of the version, `-patchN`.
    pub patch: Option<u32>,
    pub flavor: Flavor,
}

impl ImageTag {
    pub fn minor(&self) -> Minor {
        self.version.minor()
    }

    /// Returns the build without its flavour.
    pub fn rebuild(&self) -> Rebuild {
        Rebuild {
            version: self.version.clone(),
            patch: self.patch,
        }
    }

    /// Whether only the vendor can have made it: a rebuild, or a flavour that upstream does not publish.
    ///
    /// Upstream publishes the plain and the `-distroless` build of a version.
    pub fn is_vendors(&self) -> bool {
        let upstream = Flavor {
            distroless: self.flavor.distroless,
            ..Flavor::default()
        };
        self.patch.is_some() || self.flavor != upstream
    }
}

impl fmt::Display for ImageTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.version)?;
        let patch = self.patch.map(Word::Patch).into_iter();
        patch
            .chain(self.flavor.words())
            .try_for_each(|word| write!(f, "-{word}"))
    }
}

impl FromStr for ImageTag {
    type Err = TagError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        not_a_reference(text)?;
        let lower = text.trim().to_ascii_lowercase();
        let plain = match lower.strip_prefix('v') {
            Some(rest) if rest.starts_with(|c: char| c.is_ascii_digit()) => rest,
            _ => &lower,
        };
        let Pieces { version, words } = Pieces::of(text, plain)?;
        let mut tag = Self {
            version: version.parse()?,
            patch: None,
            flavor: Flavor::default(),
        };
        let mut sorted = words.clone();
        sorted.sort();
        if let Some(pair) = sorted.windows(2).find(|pair| contradict(pair)) {
            let [first, second] = [pair[0].to_string(), pair[1].to_string()];
            return Err(TagError::Contradiction {
                text: text.into(),
                first,
                second,
            });
        }
        for word in sorted {
            tag.patch = word.put_into(&mut tag.flavor).or(tag.patch);
        }
        let right = tag.to_string();
        if right == text {
            return Ok(tag);
        }
        let why = misspelling(text, plain, &words);
        Err(TagError::Spelling {
            text: text.into(),
            why,
            right,
        })
    }
}

dated_data::text_serde!(ImageTag, "an image tag, X.Y.Z-solo-fips");

fn contradict(pair: &[Word]) -> bool {
    matches!(pair, [first, second] if first != second && first.same_place(*second))
}

fn not_a_reference(text: &str) -> Result<(), TagError> {
    if text.trim().is_empty() {
        return Err(TagError::Empty);
    }
    if text.contains('@') || text.starts_with("sha256:") {
        return Err(TagError::Digest { text: text.into() });
    }
    match text.rsplit_once([':', '/']) {
        Some((_, tag)) => Err(TagError::Reference {
            text: text.into(),
            tag: tag.into(),
        }),
        None => Ok(()),
    }
}

/// A tag split into its version (with the pre-release mark, wherever that was in the tag) and its words.
struct Pieces {
    version: String,
    words: Vec<Word>,
}

impl Pieces {
    fn of(text: &str, plain: &str) -> Result<Self, TagError> {
        let mut rest = plain.split('-').filter(|piece| !piece.is_empty());
        let mut version = rest.next().unwrap_or_default().to_owned();
        let mut words = Vec::new();
        let mut unknown = None;
        for piece in rest {
            match Word::parse(piece) {
                Some(word) => words.push(word),
                None if is_pre(piece) => version = format!("{version}-{piece}"),
                None => unknown = unknown.or(Some(piece)),
            }
        }
        let Some(word) = unknown else {
            return Ok(Self { version, words });
        };
        let right: String = plain.replacen(&format!("-{word}"), "", 1);
        Err(TagError::UnknownWord {
            text: text.into(),
            word: word.into(),
            right,
        })
    }
}

fn is_pre(piece: &str) -> bool {
    piece == "internal" || piece.starts_with("rc.") || piece.starts_with("alpha.")
}

/// Returns what is wrong with a tag that can be parsed but is not written as published tags are.
fn misspelling(text: &str, plain: &str, words: &[Word]) -> String {
    let doubled = words
        .iter()
        .enumerate()
        .find(|(at, word)| words[..*at].contains(word));
    if text.trim() != text {
        "it has spaces around it".into()
    } else if text.chars().any(char::is_uppercase) {
        "tags of these builds are lower case".into()
    } else if text != plain {
        "tags have no leading v".into()
    } else if let Some((_, word)) = doubled {
        format!("`{word}` is there twice")
    } else if text.contains("--") || text.ends_with('-') {
        "a hyphen has no word behind it".into()
    } else if words.is_sorted()
        && !words.is_empty()
        && text.contains("-patch0") | text.contains("-fips0")
    {
        "numbers have no leading zero".into()
    } else {
        "its words are in the wrong order (version, patchN, solo, fips, distroless, arm)".into()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::flavor::{Distribution, Fips};

    /// Tags of published builds, in the order of the rule.
    const SORTED: &[&str] = &[
        "1.7.5-fips1",
        "1.7.5-fips2",
        "1.7.5-fips2-distroless",
        "1.8.5-fips",
        "1.9.2",
        "1.10.2-fips",
        "1.10.4",
        "1.11.4-solo",
        "1.13.5-solo",
        "1.13.5-solo-fips",
        "1.13.5-solo-fips-distroless",
        "1.15.3-solo-arm",
        "1.16.0-distroless",
        "1.16.0-solo",
        "1.16.0-solo-distroless",
        "1.16.0-solo-fips",
        "1.18.7-patch3-solo",
        "1.18.7-patch3-solo-fips",
        "1.19.0-rc.0-patch2",
        "1.19.0-patch0-solo",
        "1.19.10-patch2",
        "1.22.3-solo",
        "1.22.3-patch0",
        "1.22.3-patch0-solo",
        "1.22.3-patch1-solo",
        "1.22.3-patch10-solo",
        "1.27.3-patch0-solo-fips-distroless",
    ];

    #[test]
    fn every_published_form_prints_back_and_sorts_by_the_rule() {
        let mut tags: Vec<ImageTag> = SORTED
            .iter()
            .rev()
            .map(|text| text.parse().unwrap())
            .collect();
        tags.sort();
        let back: Vec<String> = tags.iter().map(ToString::to_string).collect();
        assert_eq!(back, SORTED);
    }

    #[test]
    fn a_malformed_tag_is_refused_with_the_right_spelling() {
        let table = [
            (
                "1.19.3-solo-solo",
                "`solo` is there twice; write `1.19.3-solo`",
            ),
            ("1.20.2-solo-solo", "write `1.20.2-solo`"),
            ("1.22.1-patch0-solo-solo", "write `1.22.1-patch0-solo`"),
            ("1.22.3-patch1-solo-solo", "write `1.22.3-patch1-solo`"),
            ("1.13.5-fips-solo", "wrong order"),
            ("1.13.5-fips-solo", "write `1.13.5-solo-fips`"),
            ("1.19.0-patch2-rc.0", "write `1.19.0-rc.0-patch2`"),
            ("1.31.3-asm.9", "without it: `1.31.3`"),
            ("1.31.3-debug-solo", "without it: `1.31.3-solo`"),
            ("v1.31.0-solo", "no leading v; write `1.31.0-solo`"),
            ("V1.31.0-Solo", "lower case; write `1.31.0-solo`"),
            ("1.31.0-SOLO-fips", "write `1.31.0-solo-fips`"),
            ("1.31.0-solo-", "write `1.31.0-solo`"),
            ("1.31.0--solo", "no word behind it; write `1.31.0-solo`"),
            (
                "1.22.3-patch01-solo",
                "leading zero; write `1.22.3-patch1-solo`",
            ),
            (" 1.31.0", "spaces around it; write `1.31.0`"),
            ("1.31.0-fips-fips2", "both `fips` and `fips2`"),
            ("1.31.0-patch0-patch1", "both `patch0` and `patch1`"),
            ("1.31-solo", "such as `1.31.0`"),
            ("gcr.io/x/pilot:1.31.0-solo", "as tag `1.31.0-solo`"),
            ("1.31.0@sha256:abc", "digest"),
            ("sha256:abc", "digest"),
            ("latest", "not a version of Istio"),
            ("", "empty"),
        ];
        for (text, hint) in table {
            let error = text.parse::<ImageTag>().unwrap_err().to_string();
            assert!(error.contains(hint), "{text}: {error}");
        }
    }

    #[test]
    fn each_wrong_order_of_two_words_shows_the_right_one() {
        let words = ["patch1", "solo", "fips", "distroless", "arm"];
        for (first, one) in words.iter().enumerate() {
            for two in &words[first + 1..] {
                let right = format!("1.18.7-{one}-{two}");
                let error = format!("1.18.7-{two}-{one}")
                    .parse::<ImageTag>()
                    .unwrap_err();
                assert!(
                    error.to_string().ends_with(&format!("write `{right}`")),
                    "{error}"
                );
                assert_eq!(right.parse::<ImageTag>().unwrap().to_string(), right);
            }
        }
    }

    #[test]
    fn only_the_vendor_makes_rebuilds_and_suffixes() {
        let table = [
            ("1.31.0", false),
            ("1.31.0-distroless", false),
            ("1.31.0-patch0", true),
            ("1.31.0-fips", true),
            ("1.31.0-solo", true),
            ("1.31.0-arm", true),
        ];
        for (text, vendors) in table {
            assert_eq!(
                text.parse::<ImageTag>().unwrap().is_vendors(),
                vendors,
                "{text}"
            );
        }
    }

    #[test]
    fn a_build_takes_no_flavour() {
        let error = "1.22.1-patch0-solo"
            .parse::<Rebuild>()
            .unwrap_err()
            .to_string();
        assert!(error.ends_with("write `1.22.1-patch0`"), "{error}");
    }

    fn flavors() -> impl Strategy<Value = Flavor> {
        let fips = prop_oneof![
            Just(Fips::None),
            Just(Fips::Fips),
            Just(Fips::Only),
            (0u32..20).prop_map(Fips::Numbered)
        ];
        let distribution = prop_oneof![Just(Distribution::Standard), Just(Distribution::Solo)];
        (distribution, fips, any::<bool>(), any::<bool>()).prop_map(
            |(distribution, fips, distroless, arm)| Flavor {
                distribution,
                fips,
                distroless,
                arm,
            },
        )
    }

    proptest! {
        #[test]
        fn every_tag_prints_back(minor in 0u32..99, point in 0u32..30, patch in proptest::option::of(0u32..20), flavor in flavors()) {
            let tag = ImageTag { version: IstioVersion::release(Minor::new(1, minor), point), patch, flavor };
            prop_assert_eq!(tag.to_string().parse::<ImageTag>().unwrap(), tag);
        }

        #[test]
        fn what_is_read_is_written_the_same(text in "[0-9a-zV.@:/ -]{0,30}") {
            if let Ok(tag) = text.parse::<ImageTag>() {
                prop_assert_eq!(tag.to_string(), text);
            }
        }

        #[test]
        fn shuffled_words_show_a_spelling_that_parses(words in Just(vec!["patch1", "solo", "fips2", "distroless", "arm"]).prop_shuffle()) {
            let text = format!("1.18.7-{}", words.join("-"));
            if let Err(TagError::Spelling { right, .. }) = text.parse::<ImageTag>() {
                prop_assert!(right.parse::<ImageTag>().is_ok());
            } else {
                prop_assert_eq!(text, "1.18.7-patch1-solo-fips2-distroless-arm");
            }
        }
    }
}
