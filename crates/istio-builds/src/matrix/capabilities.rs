//! Which versions have a capability.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::claim::quotes;
use super::{Matrix, Quote, Row, Spans, claims};
use crate::capability::Capability;
use crate::request::Request;
use crate::version::{IstioVersion, Minor};

/// A capability and the versions that have it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CapabilityRow {
    pub name: Capability,
    pub istio: Spans,
}

impl Row for CapabilityRow {
    const COLUMNS: &'static [&'static str] = &["capability", "istio"];

    fn concerns(&self, istio: &Request) -> bool {
        self.istio.concerns(istio)
    }

    fn key(&self) -> String {
        self.name.to_string()
    }

    fn cells(&self) -> Vec<String> {
        vec![self.name.to_string(), self.istio.to_string()]
    }
}

impl Matrix {
    /// Whether this version has the capability.
    pub fn has(&self, capability: Capability, version: &IstioVersion) -> bool {
        let build = version.clone().into();
        let about = claims(&self.capabilities, |row| row.name == capability);
        about
            .first()
            .is_some_and(|claim| claim.row.istio.contains(&build))
    }

    /// Whether the first release of this line has the capability, for cases in which only the line is known.
    pub fn line_has(&self, capability: Capability, minor: Minor) -> bool {
        self.has(capability, &IstioVersion::release(minor, 0))
    }

    /// Returns the versions that have a capability, such as `1.24 and later`.
    pub fn capability_span(&self, capability: Capability) -> String {
        let about = claims(&self.capabilities, |row| row.name == capability);
        let span = about.first().map(|claim| claim.row.istio.to_string());
        span.unwrap_or_default()
    }

    /// Returns all capabilities of this version, for templates.
    pub fn capabilities(&self, version: &IstioVersion) -> BTreeSet<Capability> {
        Capability::ALL
            .iter()
            .copied()
            .filter(|capability| self.has(*capability, version))
            .collect()
    }

    /// Returns the sources for which versions have a capability.
    pub fn capability_claims(&self, capability: Capability) -> Vec<Quote> {
        quotes(&claims(&self.capabilities, |row| row.name == capability))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_data_has_a_row_for_every_capability_and_for_nothing_else() {
        for capability in Capability::ALL {
            let quotes = Matrix::builtin().capability_claims(*capability);
            assert!(!quotes.is_empty(), "{capability}");
        }
    }

    #[test]
    fn capabilities_come_and_go() {
        use Capability as C;
        let table = [
            (C::VerifyInstall, "1.23.6", true),
            (C::VerifyInstall, "1.24.0", false),
            (C::StrategicMerge, "1.23.0", true),
            (C::MapMerge, "1.23.0", false),
            (C::MapMerge, "1.24.0", true),
            (C::GlobalVariant, "1.15.7", false),
            (C::GlobalVariant, "1.16.0", true),
            (C::PilotCni, "1.22.0", true),
            (C::NativeSidecarDefault, "1.26.8", false),
            (C::NativeSidecarDefault, "1.27.0", true),
            (C::PlatformOpenshift, "1.23.0", false),
            (C::SetSecondEquals, "1.30.0", false),
            (C::SetSecondEqualsRefused, "1.30.0", false),
            (C::SetSecondEqualsRefused, "1.23.0", true),
            (C::ComplianceFips1402, "1.19.7", false),
            (C::ComplianceFips1402, "1.19.8", true),
            (C::ComplianceFips1402, "1.20.3", false),
            (C::ComplianceFips1402, "1.20.4", true),
            (C::ComplianceFips1403, "1.31.0", true),
            (C::FipsModeGauge, "1.9.9", false),
            (C::FipsModeGauge, "1.10.0", true),
            (C::RemoteProfile, "1.15.2", false),
            (C::CosignKeyV2, "1.31.0", false),
            (C::CosignKeyV2, "1.31.1", true),
            (C::XdsCertificateCheck, "1.29.8", false),
            (C::XdsCertificateCheck, "1.29.9", true),
            (C::XdsCertificateCheck, "1.30.5", false),
            (C::XdsCertificateCheck, "1.31.2", true),
            (C::ZtunnelTls12, "1.28.10", false),
            (C::ZtunnelFips1403, "1.31.0", true),
            (C::ManifestOutputFile, "1.30.8", false),
        ];
        for (capability, version, expected) in table {
            let has = Matrix::builtin().has(capability, &version.parse().unwrap());
            assert_eq!(has, expected, "{capability} {version}");
        }
    }

    #[test]
    fn every_version_has_exactly_one_merge_engine() {
        for line in 7..=40 {
            let minor = Minor::new(1, line);
            let engines = [Capability::StrategicMerge, Capability::MapMerge];
            let count = engines
                .iter()
                .filter(|one| Matrix::builtin().line_has(**one, minor))
                .count();
            assert_eq!(count, 1, "{minor}");
        }
        let all = Matrix::builtin().capabilities(&"1.31.0".parse().unwrap());
        assert!(all.contains(&Capability::MapMerge) && !all.contains(&Capability::StrategicMerge));
    }
}
