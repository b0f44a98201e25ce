//! What the installer of a version has built in: profiles, platforms and compatibility versions.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::{Matrix, Page, Row, Spans, claims};
use crate::Rebuild;
use crate::version::IstioVersion;

/// A component of an IstioOperator other than a gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Component {
    Base,
    Pilot,
    Cni,
    Ztunnel,
    IstiodRemote,
}

impl Component {
    pub const ALL: [Self; 5] = [
        Self::Base,
        Self::Pilot,
        Self::Cni,
        Self::Ztunnel,
        Self::IstiodRemote,
    ];

    /// Returns its field below `spec.components`.
    pub const fn field(self) -> &'static str {
        match self {
            Self::Base => "base",
            Self::Pilot => "pilot",
            Self::Cni => "cni",
            Self::Ztunnel => "ztunnel",
            Self::IstiodRemote => "istiodRemote",
        }
    }
}

/// One of istioctl's profiles, and the versions in which it turns on these parts.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ProfileRow {
    pub profile: String,
    pub istio: Spans,
    #[serde(default)]
    pub components: BTreeSet<Component>,
    #[serde(default)]
    pub ingress_gateways: BTreeSet<String>,
    #[serde(default)]
    pub egress_gateways: BTreeSet<String>,
    /// Fields of `values` in which the profile itself sets `variant` to `distroless`.
    #[serde(default)]
    pub distroless: BTreeSet<String>,
    /// The profile's value for `values.profile`, if that turns something on.
    pub values_profile: Option<String>,
}

/// An accepted value of `values.profile`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ValuesProfileRow {
    pub values_profile: String,
    pub istio: Spans,
    /// Whether it sets `values.global.variant` to `distroless`.
    #[serde(default)]
    pub distroless: bool,
}

/// An accepted value of `values.global.platform`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlatformRow {
    pub platform: String,
    pub istio: Spans,
}

/// An accepted value of `compatibilityVersion`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct CompatibilityRow {
    pub compatibility_version: String,
    pub istio: Spans,
}

impl Row for ProfileRow {
    const COLUMNS: &'static [&'static str] = &["profile", "istio", "turns on"];

    fn key(&self) -> String {
        format!("{} {}", self.profile, self.istio)
    }

    fn cells(&self) -> Vec<String> {
        let components = self.components.iter().map(|one| one.field());
        let gateways = self.ingress_gateways.iter().chain(&self.egress_gateways);
        let parts: Vec<&str> = components.chain(gateways.map(String::as_str)).collect();
        vec![
            self.profile.clone(),
            self.istio.to_string(),
            parts.join(", "),
        ]
    }
}

impl Row for ValuesProfileRow {
    const COLUMNS: &'static [&'static str] = &["values.profile", "istio"];

    fn key(&self) -> String {
        format!("{} {}", self.values_profile, self.istio)
    }

    fn cells(&self) -> Vec<String> {
        vec![self.values_profile.clone(), self.istio.to_string()]
    }
}

impl Row for PlatformRow {
    const COLUMNS: &'static [&'static str] = &["platform", "istio"];

    fn key(&self) -> String {
        self.platform.clone()
    }

    fn cells(&self) -> Vec<String> {
        vec![self.platform.clone(), self.istio.to_string()]
    }
}

impl Row for CompatibilityRow {
    const COLUMNS: &'static [&'static str] = &["compatibility version", "istio"];

    fn key(&self) -> String {
        self.compatibility_version.clone()
    }

    fn cells(&self) -> Vec<String> {
        vec![self.compatibility_version.clone(), self.istio.to_string()]
    }
}

/// The parts that a profile turns on in one version, before any document is merged over it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Profile {
    pub components: BTreeSet<Component>,
    pub ingress_gateways: BTreeSet<String>,
    pub egress_gateways: BTreeSet<String>,
    /// Fields of `values` in which it sets `variant` to `distroless`.
    pub distroless: BTreeSet<String>,
    pub values_profile: Option<String>,
}

/// The knowledge that is built into the installer of one version.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Installer {
    pub profiles: BTreeMap<String, Profile>,
    /// Accepted values of `values.profile`, and whether each means distroless images.
    pub values_profiles: BTreeMap<String, bool>,
    /// Accepted values of `values.global.platform`; empty if the charts accept any word.
    pub platforms: BTreeSet<String>,
    /// Accepted values of `compatibilityVersion`.
    pub compatibility_versions: BTreeSet<String>,
}

impl Matrix {
    /// Returns what the installer of this version has built in.
    pub fn installer(&self, version: &IstioVersion) -> Installer {
        let build = version.clone().into();
        let profiles = of(&self.profiles, &build, |row| &row.istio, |row| &row.profile);
        let values = of(
            &self.values_profiles,
            &build,
            |row| &row.istio,
            |row| &row.values_profile,
        );
        Installer {
            profiles: profiles
                .into_iter()
                .map(|(name, row)| (name, profile(row)))
                .collect(),
            values_profiles: values
                .into_iter()
                .map(|(name, row)| (name, row.distroless))
                .collect(),
            platforms: of(
                &self.platforms,
                &build,
                |row| &row.istio,
                |row| &row.platform,
            )
            .into_keys()
            .collect(),
            compatibility_versions: of(
                &self.compatibility_versions,
                &build,
                |row| &row.istio,
                |row| &row.compatibility_version,
            )
            .into_keys()
            .collect(),
        }
    }

    /// Returns every platform that the charts of some version know.
    pub fn platforms(&self) -> BTreeSet<&str> {
        let rows = self.platforms.iter().flat_map(|page| &page.rows);
        rows.map(|row| row.platform.as_str()).collect()
    }
}

fn profile(row: &ProfileRow) -> Profile {
    Profile {
        components: row.components.clone(),
        ingress_gateways: row.ingress_gateways.clone(),
        egress_gateways: row.egress_gateways.clone(),
        distroless: row.distroless.clone(),
        values_profile: row.values_profile.clone(),
    }
}

/// Returns the rows that apply to a build, by name; of several rows for one name, the one with the highest order.
fn of<'a, R: Row>(
    pages: &'a [Page<R>],
    build: &Rebuild,
    istio: fn(&R) -> &Spans,
    name: fn(&R) -> &String,
) -> BTreeMap<String, &'a R> {
    let mut rows = BTreeMap::new();
    for claim in claims(pages, |row| istio(row).contains(build)) {
        rows.entry(name(claim.row).clone()).or_insert(claim.row);
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    fn installer(version: &str) -> Installer {
        Matrix::builtin().installer(&version.parse().unwrap())
    }

    #[test]
    fn profiles_come_go_and_change_with_the_version() {
        let on = |version: &str, profile: &str| {
            let profile = installer(version).profiles.get(profile).cloned()?;
            let components: Vec<&str> = profile.components.iter().map(|one| one.field()).collect();
            Some(components.join(" "))
        };
        for (version, profile, wanted) in [
            ("1.7.5", "default", Some("base pilot")),
            ("1.7.5", "openshift", None),
            ("1.15.2", "remote", None),
            ("1.16.0", "remote", Some("istiodRemote")),
            ("1.24.0", "remote", Some("base pilot")),
            ("1.17.8", "ambient", Some("base pilot")),
            ("1.20.8", "ambient", Some("base pilot cni ztunnel")),
            ("1.21.0", "external", Some("istiodRemote")),
            ("1.22.0", "external", None),
            ("1.31.0", "empty", Some("")),
            ("1.31.0", "Minimal", None),
        ] {
            assert_eq!(
                on(version, profile).as_deref(),
                wanted,
                "{version} {profile}"
            );
        }
    }

    #[test]
    fn words_of_platforms_and_compatibility_depend_on_the_version() {
        assert!(installer("1.23.6").platforms.is_empty());
        assert!(!installer("1.24.6").platforms.contains("gke"));
        assert!(installer("1.25.0").platforms.contains("gke"));
        assert!(Matrix::builtin().platforms().contains("openshift"));
        let versions: Vec<String> = installer("1.24.6")
            .compatibility_versions
            .into_iter()
            .collect();
        assert_eq!(versions, ["1.21", "1.22", "1.23"]);
        assert_eq!(
            installer("1.21.0").values_profiles.get("ambient"),
            Some(&false)
        );
        assert_eq!(
            installer("1.22.0").values_profiles.get("ambient"),
            Some(&true)
        );
    }
}
