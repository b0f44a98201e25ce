//! The value of `--istio`.

use std::fmt;
use std::str::FromStr;

use super::tag::{ImageTag, Rebuild, TagError};
use super::version::{IstioVersion, Minor};

/// The version that the user requests: a release line, a version, one of its rebuilds, or a literal tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// `X.Y`
    Minor(Minor),
    /// `X.Y.Z`, also a pre-release
    Version(IstioVersion),
    /// `X.Y.Z-patchN`
    Rebuild(Rebuild),
    /// Anything with a word of a flavour; taken literally.
    Tag(ImageTag),
}

impl Request {
    pub fn minor(&self) -> Minor {
        match self {
            Self::Minor(minor) => *minor,
            Self::Version(version) => version.minor(),
            Self::Rebuild(rebuild) => rebuild.minor(),
            Self::Tag(tag) => tag.minor(),
        }
    }
}

impl Request {
    /// Returns the version and rebuild, if the user requests more than a release line.
    pub fn rebuild(&self) -> Option<Rebuild> {
        match self {
            Self::Minor(_) => None,
            Self::Version(version) => Some(version.clone().into()),
            Self::Rebuild(rebuild) => Some(rebuild.clone()),
            Self::Tag(tag) => Some(tag.rebuild()),
        }
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Minor(minor) => minor.fmt(f),
            Self::Version(version) => version.fmt(f),
            Self::Rebuild(rebuild) => rebuild.fmt(f),
            Self::Tag(tag) => tag.fmt(f),
        }
    }
}

dated_data::text_serde!(Request, "a version or a tag of Istio");

impl FromStr for Request {
    type Err = TagError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(minor) = text.parse() {
            return Ok(Self::Minor(minor));
        }
        let tag: ImageTag = text.parse()?;
        Ok(match (tag.flavor.is_plain(), tag.patch) {
            (false, _) => Self::Tag(tag),
            (true, Some(_)) => Self::Rebuild(tag.rebuild()),
            (true, None) => Self::Version(tag.version),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_a_line_a_version_a_rebuild_or_a_tag() {
        let request = |text: &str| text.parse::<Request>().unwrap();
        assert_eq!(request("1.31"), Request::Minor(Minor::new(1, 31)));
        assert!(matches!(request("1.31.0"), Request::Version(_)));
        assert!(matches!(request("1.31.0-rc.0"), Request::Version(_)));
        assert!(matches!(request("1.22.1-patch0"), Request::Rebuild(_)));
        assert!(matches!(request("1.22.1-patch0-solo"), Request::Tag(_)));
        assert!(matches!(request("1.13.5-distroless"), Request::Tag(_)));
        for text in ["1.31", "1.31.0", "1.22.1-patch0", "1.13.5-solo-fips"] {
            assert_eq!(request(text).to_string(), text);
        }
        let error = "v1.31".parse::<Request>().unwrap_err().to_string();
        assert!(error.contains("1.31"), "{error}");
    }
}
