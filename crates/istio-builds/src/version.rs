//! Versions of Istio and Kubernetes. Neither follows semver: Istio's builds contain more than semver can order, and
//! Kubernetes distributions append whatever they like.

mod kube;

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

pub use kube::KubeVersion;

/// Why a text is not a version, with the spelling that works.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {kind}: {hint}")]
pub struct VersionError {
    text: String,
    kind: &'static str,
    hint: String,
}

impl VersionError {
    fn new(text: &str, kind: &'static str, hint: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            kind,
            hint: hint.into(),
        }
    }
}

/// A release line such as `1.31`: of Istio, Kubernetes, Gloo Mesh or OpenShift alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Minor {
    pub major: u32,
    pub minor: u32,
}

impl Minor {
    pub const fn new(major: u32, minor: u32) -> Self {
        Self { major, minor }
    }

    /// Returns how many minors `self` is above `older`; negative if it is below, `None` across majors.
    pub fn above(self, older: Self) -> Option<i64> {
        (self.major == older.major).then(|| i64::from(self.minor) - i64::from(older.minor))
    }

    /// Returns the line `count` minors before this one; stops at `.0`.
    #[must_use]
    pub fn back(self, count: u32) -> Self {
        Self {
            minor: self.minor.saturating_sub(count),
            ..self
        }
    }
}

impl fmt::Display for Minor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl FromStr for Minor {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const KIND: &str = "a minor version";
        let numbers: Option<Vec<u32>> = text.split('.').map(number).collect();
        match numbers.as_deref() {
            Some(&[major, minor]) => Ok(Self { major, minor }),
            Some(&[major, minor, ..]) => {
                let hint = format!("write only major and minor: `{major}.{minor}`");
                Err(VersionError::new(text, KIND, hint))
            }
            _ => Err(VersionError::new(
                text,
                KIND,
                without_v(text, "write it as X.Y"),
            )),
        }
    }
}

dated_data::text_serde!(Minor, "a minor version, X.Y");

/// The part of a version between the numbers and the rest that marks a pre-release.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Pre {
    /// `-rc.N`
    Rc(u32),
    /// `-alpha.SHA`, built from a commit; with `-internal` if the vendor did not publish it.
    Alpha { sha: String, internal: bool },
}

impl fmt::Display for Pre {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rc(number) => write!(f, "-rc.{number}"),
            Self::Alpha { sha, internal } => {
                write!(
                    f,
                    "-alpha.{sha}{}",
                    if *internal { "-internal" } else { "" }
                )
            }
        }
    }
}

impl Pre {
    /// Returns the sort key: builds of a commit, which have no order of their own, sort below release candidates, which
    /// sort by number.
    fn key(&self) -> (u32, u32, &str, bool) {
        match self {
            Self::Alpha { sha, internal } => (0, 0, sha, *internal),
            Self::Rc(number) => (1, *number, "", false),
        }
    }
}

/// A version of Istio: `X.Y.Z`, `X.Y.Z-rc.N`, or `X.Y-alpha.SHA[-internal]`, which has no `Z`.
///
/// Sorted by numbers; with equal numbers, a release is newer than its candidates, and those are newer than an alpha.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct IstioVersion {
    minor: Minor,
    point: u32,
    pre: Option<Pre>,
}

impl IstioVersion {
    /// Returns the released version `minor.point`.
    pub const fn release(minor: Minor, point: u32) -> Self {
        Self {
            minor,
            point,
            pre: None,
        }
    }

    pub const fn minor(&self) -> Minor {
        self.minor
    }

    /// Returns the last of the three numbers; 0 for an alpha.
    pub const fn point(&self) -> u32 {
        self.point
    }

    pub const fn pre(&self) -> Option<&Pre> {
        self.pre.as_ref()
    }
}

impl PartialOrd for IstioVersion {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for IstioVersion {
    fn cmp(&self, other: &Self) -> Ordering {
        let numbers = (self.minor, self.point).cmp(&(other.minor, other.point));
        numbers.then_with(|| match (&self.pre, &other.pre) {
            (None, None) => Ordering::Equal,
            (None, Some(_)) => Ordering::Greater,
            (Some(_), None) => Ordering::Less,
            (Some(mine), Some(theirs)) => mine.key().cmp(&theirs.key()),
        })
    }
}

impl fmt::Display for IstioVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.pre {
            Some(pre @ Pre::Alpha { .. }) => write!(f, "{}{pre}", self.minor),
            Some(pre) => write!(f, "{}.{}{pre}", self.minor, self.point),
            None => write!(f, "{}.{}", self.minor, self.point),
        }
    }
}

impl FromStr for IstioVersion {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = |hint: String| VersionError::new(text, "a version of Istio", hint);
        let (core, pre) = text
            .split_once('-')
            .map_or((text, None), |(core, pre)| (core, Some(pre)));
        let numbers: Option<Vec<u32>> = core.split('.').map(number).collect();
        let pre = pre.map(|pre| parse_pre(pre).map_err(refuse)).transpose()?;
        match (numbers.as_deref(), pre) {
            (Some(&[major, minor]), Some(pre @ Pre::Alpha { .. })) => Ok(Self {
                minor: Minor { major, minor },
                point: 0,
                pre: Some(pre),
            }),
            (Some(&[major, minor, _]), Some(pre @ Pre::Alpha { .. })) => Err(refuse(format!(
                "an alpha names no patch release: `{major}.{minor}{pre}`"
            ))),
            (Some(&[major, minor, point]), pre) => Ok(Self {
                minor: Minor { major, minor },
                point,
                pre,
            }),
            (Some(&[major, minor]), _) => {
                let hint = format!("it must name the patch release, such as `{major}.{minor}.0`");
                Err(refuse(hint))
            }
            _ => Err(refuse(without_v(text, "write it as X.Y.Z"))),
        }
    }
}

dated_data::text_serde!(IstioVersion, "a version of Istio, X.Y.Z");

fn parse_pre(text: &str) -> Result<Pre, String> {
    if let Some(candidate) = text.strip_prefix("rc.") {
        return number(candidate)
            .map(Pre::Rc)
            .ok_or_else(|| format!("`-{text}` needs a number, such as `-rc.0`"));
    }
    let Some(build) = text.strip_prefix("alpha.") else {
        return Err(format!("`-{text}` is neither `-rc.N` nor `-alpha.SHA`"));
    };
    let (sha, internal) = match build.strip_suffix("-internal") {
        Some(sha) => (sha, true),
        None => (build, false),
    };
    if sha.is_empty()
        || !sha
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    {
        return Err(format!("`{sha}` is not a commit in lower-case hexadecimal"));
    }
    Ok(Pre::Alpha {
        sha: sha.into(),
        internal,
    })
}

/// Parses a decimal number as versions contain it: no sign, no leading zero.
pub(super) fn number(text: &str) -> Option<u32> {
    let canonical = !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_digit())
        && (text == "0" || !text.starts_with('0'));
    canonical.then(|| text.parse().ok()).flatten()
}

fn without_v(text: &str, hint: &str) -> String {
    match text.strip_prefix(['v', 'V']) {
        Some(plain) if plain.starts_with(|c: char| c.is_ascii_digit()) => {
            format!("Istio's versions have no leading v: `{plain}`")
        }
        _ => hint.into(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn minor(text: &str) -> Minor {
        text.parse().unwrap()
    }

    #[test]
    fn a_minor_prints_back_and_orders_by_number() {
        assert_eq!(minor("1.31").to_string(), "1.31");
        assert!(minor("1.9") < minor("1.10"));
        assert_eq!(minor("1.10").above(minor("1.8")), Some(2));
        assert_eq!(minor("1.8").above(minor("1.10")), Some(-2));
        assert_eq!(minor("2.0").above(minor("1.31")), None);
        assert_eq!(minor("1.31").back(4), minor("1.27"));
    }

    #[test]
    fn a_version_orders_release_over_candidate_over_alpha() {
        let sorted = [
            "1.18.9",
            "1.19-alpha.0c4f",
            "1.19.0-rc.0",
            "1.19.0-rc.2",
            "1.19.0-rc.10",
            "1.19.0",
            "1.19.1",
            "1.19.10",
        ];
        let mut versions: Vec<IstioVersion> = sorted
            .iter()
            .rev()
            .map(|text| text.parse().unwrap())
            .collect();
        versions.sort();
        assert_eq!(
            versions.iter().map(ToString::to_string).collect::<Vec<_>>(),
            sorted
        );
    }

    #[test]
    fn a_version_error_names_the_right_spelling() {
        let table = [
            ("1.31", "such as `1.31.0`"),
            ("v1.31.0", "no leading v: `1.31.0`"),
            ("1.31.0-rc", "neither `-rc.N`"),
            ("1.31.0-rc.x", "`-rc.0`"),
            ("1.24.0-alpha.ab12", "`1.24-alpha.ab12`"),
            ("1.24-alpha.XY", "lower-case hexadecimal"),
            ("1.031.0", "X.Y.Z"),
            ("", "X.Y.Z"),
        ];
        for (text, hint) in table {
            let error = text.parse::<IstioVersion>().unwrap_err().to_string();
            assert!(error.contains(hint), "{text}: {error}");
        }
        let error = "1.31.2".parse::<Minor>().unwrap_err().to_string();
        assert!(error.ends_with("`1.31`"), "{error}");
    }

    #[test]
    fn an_alpha_keeps_its_commit_and_has_no_patch_release() {
        let version: IstioVersion = "1.24-alpha.0c4fe2-internal".parse().unwrap();
        assert_eq!(version.minor(), Minor::new(1, 24));
        let pre = Pre::Alpha {
            sha: "0c4fe2".into(),
            internal: true,
        };
        assert_eq!(version.pre(), Some(&pre));
        assert_eq!(version.to_string(), "1.24-alpha.0c4fe2-internal");
    }

    proptest! {
        #[test]
        fn every_version_prints_back(major in 0u32..3, minor in 0u32..99, point in 0u32..99, rc in proptest::option::of(0u32..20)) {
            let text = format!("{major}.{minor}.{point}{}", rc.map_or(String::new(), |n| format!("-rc.{n}")));
            prop_assert_eq!(text.parse::<IstioVersion>().unwrap().to_string(), text);
        }

        #[test]
        fn no_text_panics(text in ".{0,40}") {
            drop((text.parse::<IstioVersion>(), text.parse::<Minor>(), text.parse::<KubeVersion>()));
        }
    }
}
