//! Versions of Kubernetes, to which every distribution appends something of its own.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use super::{Minor, VersionError, number};

/// A version of Kubernetes as a cluster reports it: `v1.30.4-gke.100`, `v1.25.16+k3s1`, `1.30+`.
///
/// Keeps the text; sorted by its numbers (a missing third one counts as 0), then by the text.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct KubeVersion {
    text: String,
    minor: Minor,
    point: Option<u32>,
}

impl KubeVersion {
    pub const fn minor(&self) -> Minor {
        self.minor
    }

    pub const fn point(&self) -> Option<u32> {
        self.point
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl PartialOrd for KubeVersion {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for KubeVersion {
    fn cmp(&self, other: &Self) -> Ordering {
        let key = |version: &Self| (version.minor, version.point.unwrap_or(0));
        key(self)
            .cmp(&key(other))
            .then_with(|| self.text.cmp(&other.text))
    }
}

impl fmt::Display for KubeVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for KubeVersion {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = |hint| VersionError::new(text, "a version of Kubernetes", hint);
        let plain = text.strip_prefix('v').unwrap_or(text);
        let end = plain.find(['-', '+']).unwrap_or(plain.len());
        let (core, rest) = plain.split_at(end);
        let numbers: Option<Vec<u32>> = core.split('.').map(number).collect();
        let (minor, point) = match numbers.as_deref() {
            Some(&[major, minor]) => (Minor { major, minor }, None),
            Some(&[major, minor, point]) => (Minor { major, minor }, Some(point)),
            _ => return Err(refuse("write it as X.Y or vX.Y.Z")),
        };
        if !rest
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '+' | '_'))
        {
            return Err(refuse(
                "what follows the numbers may hold letters, digits, `.`, `-`, `+`",
            ));
        }
        Ok(Self {
            text: text.into(),
            minor,
            point,
        })
    }
}

dated_data::text_serde!(KubeVersion, "a version of Kubernetes, vX.Y.Z");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kubernetes_version_is_read_from_what_clusters_say() {
        let table = [
            ("v1.30.4-gke.100", (1, 30), Some(4)),
            ("1.30", (1, 30), None),
            ("v1.25.16+k3s1", (1, 25), Some(16)),
            ("v1.27.3-eks-a5565ad", (1, 27), Some(3)),
            ("1.30+", (1, 30), None),
            ("v1.33.0", (1, 33), Some(0)),
        ];
        for (text, (major, minor), point) in table {
            let version: KubeVersion = text.parse().unwrap();
            assert_eq!(version.minor(), Minor::new(major, minor), "{text}");
            assert_eq!(version.point(), point, "{text}");
            assert_eq!(version.to_string(), text);
        }
        for text in ["", "v", "1", "1.x", "1.30.4.5", "1.30 ", "one", "vv1.30"] {
            assert!(text.parse::<KubeVersion>().is_err(), "{text}");
        }
    }

    #[test]
    fn kubernetes_versions_order_by_number() {
        let version = |text: &str| text.parse::<KubeVersion>().unwrap();
        assert!(version("v1.9.9") < version("1.30"));
        assert!(version("v1.30.4-gke.900") < version("v1.30.10-gke.1"));
    }
}
