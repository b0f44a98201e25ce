//! Rows about builds: tags that were seen, builds known not to exist, varieties, the default version.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::{Row, Spans};
use crate::flavor::{Distribution, Fips, Flavor};
use crate::request::Request;
use crate::tag::{ImageTag, Rebuild};

/// A tag that was seen.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Build {
    pub tag: ImageTag,
    /// The earliest date on which it was seen there.
    #[serde(default)]
    pub seen: Option<Date>,
    /// The place within the source.
    #[serde(default)]
    pub at: String,
}

impl Row for Build {
    const COLUMNS: &'static [&'static str] = &["tag", "seen", "at"];

    fn concerns(&self, istio: &Request) -> bool {
        match istio {
            Request::Minor(minor) => self.tag.minor() == *minor,
            Request::Version(version) => self.tag.version == *version,
            Request::Rebuild(rebuild) => self.tag.rebuild() == *rebuild,
            Request::Tag(tag) => self.tag == *tag,
        }
    }

    fn key(&self) -> String {
        self.tag.to_string()
    }

    fn cells(&self) -> Vec<String> {
        let seen = self.seen.map(|date| date.to_string()).unwrap_or_default();
        vec![self.tag.to_string(), seen, self.at.clone()]
    }

    fn seen(&self) -> Option<Date> {
        self.seen
    }

    fn text(&self) -> String {
        let place = if self.at.is_empty() {
            String::new()
        } else {
            format!(" in {}", self.at)
        };
        format!("{} was seen{place}", self.tag)
    }
}

/// A property that a build may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Variety {
    Standard,
    Solo,
    Fips,
    FipsOnly,
    Distroless,
    Arm,
}

impl Variety {
    const fn name(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Solo => "solo",
            Self::Fips => "fips",
            Self::FipsOnly => "fipsonly",
            Self::Distroless => "distroless",
            Self::Arm => "arm",
        }
    }

    pub(super) fn is_of(self, flavor: Flavor) -> bool {
        match self {
            Self::Standard => flavor.distribution == Distribution::Standard,
            Self::Solo => flavor.distribution == Distribution::Solo,
            Self::Fips => flavor.is_fips(),
            Self::FipsOnly => flavor.fips == Fips::Only,
            Self::Distroless => flavor.distroless,
            Self::Arm => flavor.arm,
        }
    }

    pub(super) fn all_of(flavor: Flavor) -> impl Iterator<Item = Self> {
        [
            Self::Standard,
            Self::Solo,
            Self::Fips,
            Self::FipsOnly,
            Self::Distroless,
            Self::Arm,
        ]
        .into_iter()
        .filter(move |variety| variety.is_of(flavor))
    }
}

/// A build that is known not to exist in some variety.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MissingBuild {
    pub build: Rebuild,
    pub variety: Variety,
    /// What to use instead.
    pub instead: String,
}

impl Row for MissingBuild {
    const COLUMNS: &'static [&'static str] = &["build", "missing", "instead"];

    fn concerns(&self, istio: &Request) -> bool {
        match istio.rebuild() {
            Some(rebuild) => self.build == rebuild,
            None => self.build.minor() == istio.minor(),
        }
    }

    fn key(&self) -> String {
        format!("{} {}", self.build, self.variety.name())
    }

    fn cells(&self) -> Vec<String> {
        vec![
            self.build.to_string(),
            self.variety.name().into(),
            self.instead.clone(),
        ]
    }

    fn text(&self) -> String {
        format!(
            "{} has no {} build; instead: {}",
            self.build,
            self.variety.name(),
            self.instead
        )
    }
}

/// The versions for which a variety is documented, possibly for one distribution only.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VarietyRow {
    pub variety: Variety,
    pub istio: Spans,
    #[serde(default)]
    pub only: Option<Distribution>,
    pub text: String,
}

impl Row for VarietyRow {
    const COLUMNS: &'static [&'static str] = &["variety", "istio", "only", "text"];

    fn concerns(&self, istio: &Request) -> bool {
        self.istio.concerns(istio)
    }

    fn key(&self) -> String {
        self.variety.name().into()
    }

    fn cells(&self) -> Vec<String> {
        let only = self.only.map(|only| only.to_string()).unwrap_or_default();
        vec![self.key(), self.istio.to_string(), only, self.text.clone()]
    }
}

/// The version that is used if the user names none.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DefaultBuild {
    pub istio: Rebuild,
    pub text: String,
}

impl Row for DefaultBuild {
    const COLUMNS: &'static [&'static str] = &["default", "text"];

    fn key(&self) -> String {
        "default".into()
    }

    fn cells(&self) -> Vec<String> {
        vec![self.istio.to_string(), self.text.clone()]
    }
}
