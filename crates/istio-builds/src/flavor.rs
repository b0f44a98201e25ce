//! The varieties of a build: distribution, FIPS, distroless, ARM. One table, `Word`, contains the words that name them
//! in a tag.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::version::number;

/// The distribution of a build: Solo's rebuild of upstream, or the same with the enterprise extensions.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Distribution {
    #[default]
    Standard,
    Solo,
}

impl fmt::Display for Distribution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Standard => "standard",
            Self::Solo => "solo",
        })
    }
}

/// What a tag says about FIPS.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fips {
    #[default]
    None,
    /// `-fips`
    Fips,
    /// `-fipsN`: the oldest builds number their FIPS rebuilds.
    Numbered(u32),
    /// `-fipsonly`: the strict build, which refuses RSA 4096.
    Only,
}

/// The varieties of one build. The type allows any combination; the matrix knows which ones exist.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Flavor {
    pub distribution: Distribution,
    pub fips: Fips,
    pub distroless: bool,
    pub arm: bool,
}

impl Flavor {
    /// Returns the documented combinations: {standard, solo} × {FIPS or not} × {distroless or not}.
    pub fn all() -> impl Iterator<Item = Self> {
        [Distribution::Standard, Distribution::Solo]
            .into_iter()
            .flat_map(|distribution| {
                [Fips::None, Fips::Fips].into_iter().flat_map(move |fips| {
                    [false, true].map(|distroless| Self {
                        distribution,
                        fips,
                        distroless,
                        arm: false,
                    })
                })
            })
    }

    pub const fn is_fips(self) -> bool {
        !matches!(self.fips, Fips::None)
    }

    /// Whether the tag has no suffix at all, so that upstream publishes the same name.
    pub fn is_plain(self) -> bool {
        self == Self::default()
    }

    /// Returns the suffix of the tag: `-solo-fips-distroless`, empty for the plain build.
    pub fn suffix(self) -> String {
        self.words()
            .fold(String::new(), |suffix, word| format!("{suffix}-{word}"))
    }

    pub(super) fn words(self) -> impl Iterator<Item = Word> {
        [
            (self.distribution == Distribution::Solo).then_some(Word::Solo),
            self.is_fips().then_some(Word::Fips(self.fips)),
            self.distroless.then_some(Word::Distroless),
            self.arm.then_some(Word::Arm),
        ]
        .into_iter()
        .flatten()
    }
}

/// Written for people: `solo fips distroless`, `standard`.
impl fmt::Display for Flavor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.distribution)?;
        self.words()
            .filter(|word| *word != Word::Solo)
            .try_for_each(|word| write!(f, " {word}"))
    }
}

/// A word after the version in a tag, in the order in which tags contain them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Word {
    Patch(u32),
    Solo,
    Fips(Fips),
    Distroless,
    Arm,
}

impl Word {
    /// Parses a word; leading zeros are accepted, so that an error can show the right spelling.
    pub(super) fn parse(text: &str) -> Option<Self> {
        match text {
            "solo" => Some(Self::Solo),
            "fips" => Some(Self::Fips(Fips::Fips)),
            "fipsonly" => Some(Self::Fips(Fips::Only)),
            "distroless" => Some(Self::Distroless),
            "arm" => Some(Self::Arm),
            _ => {
                let digits = text.find(|c: char| c.is_ascii_digit())?;
                let (name, digits) = text.split_at(digits);
                let trimmed = digits.trim_start_matches('0');
                let value = number(if trimmed.is_empty() { "0" } else { trimmed })?;
                match name {
                    "patch" => Some(Self::Patch(value)),
                    "fips" => Some(Self::Fips(Fips::Numbered(value))),
                    _ => None,
                }
            }
        }
    }

    /// Whether both words name the same property; if they differ, they contradict each other.
    pub(super) fn same_place(self, other: Self) -> bool {
        std::mem::discriminant(&self) == std::mem::discriminant(&other)
    }

    /// Sets the flavour that the word names, or returns the rebuild number.
    pub(super) fn put_into(self, flavor: &mut Flavor) -> Option<u32> {
        match self {
            Self::Patch(number) => return Some(number),
            Self::Solo => flavor.distribution = Distribution::Solo,
            Self::Fips(fips) => flavor.fips = fips,
            Self::Distroless => flavor.distroless = true,
            Self::Arm => flavor.arm = true,
        }
        None
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Patch(number) => write!(f, "patch{number}"),
            Self::Solo => f.write_str("solo"),
            Self::Fips(Fips::None) => Ok(()),
            Self::Fips(Fips::Fips) => f.write_str("fips"),
            Self::Fips(Fips::Numbered(number)) => write!(f, "fips{number}"),
            Self::Fips(Fips::Only) => f.write_str("fipsonly"),
            Self::Distroless => f.write_str("distroless"),
            Self::Arm => f.write_str("arm"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_products_are_eight_and_differ() {
        let suffixes: Vec<String> = Flavor::all().map(Flavor::suffix).collect();
        assert_eq!(
            suffixes,
            [
                "",
                "-distroless",
                "-fips",
                "-fips-distroless",
                "-solo",
                "-solo-distroless",
                "-solo-fips",
                "-solo-fips-distroless"
            ]
        );
    }

    #[test]
    fn every_word_is_read_back() {
        for word in [
            Word::Patch(0),
            Word::Patch(10),
            Word::Solo,
            Word::Fips(Fips::Fips),
            Word::Fips(Fips::Numbered(2)),
            Word::Fips(Fips::Only),
            Word::Distroless,
            Word::Arm,
        ] {
            assert_eq!(Word::parse(&word.to_string()), Some(word));
        }
        for text in [
            "", "patch", "solo1", "fips-", "fips2x", "debug", "patch1a", "asm.9",
        ] {
            assert_eq!(Word::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_flavour_is_said_in_words() {
        let flavor = Flavor {
            distribution: Distribution::Solo,
            fips: Fips::Numbered(2),
            distroless: true,
            arm: true,
        };
        assert_eq!(flavor.to_string(), "solo fips2 distroless arm");
        assert_eq!(Flavor::default().to_string(), "standard");
        assert!(flavor.is_fips() && !Flavor::default().is_fips());
        assert!(Flavor::default().is_plain() && !flavor.is_plain());
    }
}
