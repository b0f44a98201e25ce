//! The version that an istioctl reports. This is the only place where semver is used: the version of a foreign build is
//! whatever its builder set.

use std::fmt;

use super::tag::ImageTag;
use super::version::{IstioVersion, Minor};

/// The version from `istioctl version -o json`, as far as it can be interpreted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientVersion {
    /// A version of upstream: `1.31.0`, `1.31.0-rc.0`.
    Release(IstioVersion),
    /// A client of Solo, which names its own build: `1.29.2-patch0-solo`.
    Solo(ImageTag),
    /// `unknown` (a client that was built without a version), a version of another vendor, or not a version at all.
    Unknown { text: String, minor: Option<Minor> },
}

impl ClientVersion {
    /// Interprets the `version` field; no text is an error.
    pub fn read(text: &str) -> Self {
        match text.parse::<ImageTag>() {
            Ok(tag) if tag.patch.is_none() && tag.flavor.is_plain() => Self::Release(tag.version),
            Ok(tag) => Self::Solo(tag),
            Err(_) => Self::Unknown {
                text: text.into(),
                minor: foreign_minor(text),
            },
        }
    }

    /// Returns the release line, if the text contains it.
    pub fn minor(&self) -> Option<Minor> {
        match self {
            Self::Release(version) => Some(version.minor()),
            Self::Solo(tag) => Some(tag.minor()),
            Self::Unknown { minor, .. } => *minor,
        }
    }
}

impl fmt::Display for ClientVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Release(version) => version.fmt(f),
            Self::Solo(tag) => tag.fmt(f),
            Self::Unknown { text, .. } => f.write_str(text),
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the version of a foreign istioctl, no image tag"
)]
fn foreign_minor(text: &str) -> Option<Minor> {
    let version = semver::Version::parse(text.trim().trim_start_matches('v')).ok()?;
    Some(Minor::new(
        version.major.try_into().ok()?,
        version.minor.try_into().ok()?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_istioctl_says_is_sorted_into_release_solo_or_unknown() {
        let release = |text| matches!(ClientVersion::read(text), ClientVersion::Release(_));
        let solo = |text| matches!(ClientVersion::read(text), ClientVersion::Solo(_));
        let unknown = |text| matches!(ClientVersion::read(text), ClientVersion::Unknown { .. });
        assert!(release("1.31.0") && release("1.10.6") && release("1.31.0-rc.0"));
        assert!(solo("1.29.2-patch0-solo") && solo("1.30.3-solo") && solo("1.29.2-patch0"));
        assert!(unknown("unknown") && unknown("") && unknown("v1.31.0") && unknown("1.31.3-asm.9"));
    }

    #[test]
    fn the_minor_of_a_foreign_build_is_still_read() {
        let table = [
            ("1.31.3-asm.9", Some(Minor::new(1, 31))),
            ("v1.30.0+vendor", Some(Minor::new(1, 30))),
            ("1.29.2-patch0-solo", Some(Minor::new(1, 29))),
            ("1.24-alpha.0c4fe2", Some(Minor::new(1, 24))),
            ("unknown", None),
            ("99999999999.1.0", None),
        ];
        for (text, minor) in table {
            assert_eq!(ClientVersion::read(text).minor(), minor, "{text}");
            assert_eq!(ClientVersion::read(text).to_string(), text);
        }
    }
}
