//! Istio on Kubernetes: what is supported, what is only tested, and what istioctl warns about.

use serde::Deserialize;

use super::claim::{judge, quotes};
use super::{Judgement, Level, Matrix, Minors, Row, Spans, claims};
use crate::flavor::Distribution;
use crate::request::Request;
use crate::version::Minor;

/// The Kubernetes versions of one line of Istio.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KubernetesRange {
    pub istio: Minor,
    #[serde(default)]
    pub kubernetes: Option<Minors>,
    /// Tested, but not supported.
    #[serde(default)]
    pub tested: Option<Minors>,
    /// The lowest version that istioctl accepts without a warning.
    #[serde(default)]
    pub minimum: Option<Minor>,
    /// The Gloo Operator for this line.
    #[serde(default)]
    pub operator: String,
}

impl Row for KubernetesRange {
    const COLUMNS: &'static [&'static str] =
        &["istio", "kubernetes", "tested", "minimum", "gloo operator"];

    fn concerns(&self, istio: &Request) -> bool {
        self.istio == istio.minor()
    }

    fn key(&self) -> String {
        self.istio.to_string()
    }

    fn cells(&self) -> Vec<String> {
        let minors =
            |minors: &Option<Minors>| minors.as_ref().map(ToString::to_string).unwrap_or_default();
        let minimum = self
            .minimum
            .map(|minimum| minimum.to_string())
            .unwrap_or_default();
        let (kubernetes, tested) = (minors(&self.kubernetes), minors(&self.tested));
        vec![
            self.istio.to_string(),
            kubernetes,
            tested,
            minimum,
            self.operator.clone(),
        ]
    }
}

impl KubernetesRange {
    fn opinion(&self, kube: Minor) -> Option<Level> {
        if self.minimum.is_some_and(|minimum| kube < minimum) && self.kubernetes.is_none() {
            return Some(Level::Error);
        }
        let supported = self.kubernetes.as_ref()?;
        let tested = self
            .tested
            .as_ref()
            .is_some_and(|tested| tested.contains(kube));
        Some(match (supported.contains(kube), tested) {
            (true, _) => Level::Pass,
            (false, true) => Level::Warning,
            (false, false) => Level::Error,
        })
    }
}

/// The Gateway API versions for lines of Istio.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GatewayApi {
    pub istio: Spans,
    #[serde(rename = "gateway-api")]
    pub gateway_api: Spans,
    /// The distribution that the row is about; `None` for all.
    #[serde(default)]
    pub distribution: Option<Distribution>,
    pub text: String,
}

impl Row for GatewayApi {
    const COLUMNS: &'static [&'static str] = &["istio", "gateway api", "distribution", "text"];

    fn concerns(&self, istio: &Request) -> bool {
        self.istio.concerns(istio)
    }

    fn key(&self) -> String {
        self.istio.to_string()
    }

    fn cells(&self) -> Vec<String> {
        let distribution = self.distribution.map(|of| of.to_string());
        vec![
            self.istio.to_string(),
            self.gateway_api.to_string(),
            distribution.unwrap_or_default(),
            self.text.clone(),
        ]
    }
}

impl Matrix {
    /// Judges whether Istio runs on this Kubernetes, and, if a Gloo Mesh version is given, whether that allows it too.
    /// Both must; the worse of the two is the result.
    pub fn kubernetes(&self, istio: Minor, gloo_mesh: Option<Minor>, kube: Minor) -> Judgement {
        let by_istio = self.istio_on_kubernetes(istio, kube);
        match gloo_mesh {
            Some(gloo_mesh) => by_istio.and(self.gloo_mesh_on_kubernetes(gloo_mesh, kube)),
            None => by_istio,
        }
    }

    /// Judges by Istio's own constraint alone.
    pub fn istio_on_kubernetes(&self, istio: Minor, kube: Minor) -> Judgement {
        let about = claims(&self.kubernetes, |row| row.istio == istio);
        let level = judge(&about, |row| row.opinion(kube));
        let supported = about.iter().find_map(|claim| claim.row.kubernetes.as_ref());
        let tested = about.iter().find_map(|claim| claim.row.tested.as_ref());
        let wanted = match (supported, tested) {
            (None, _) => self
                .tagged_only(istio)
                .unwrap_or_else(|| format!("no data of Istio {istio}")),
            (Some(supported), None) => format!("{supported} for Istio {istio}"),
            (Some(supported), Some(tested)) => {
                format!("{supported} for Istio {istio} (tested, not supported: {tested})")
            }
        };
        Judgement {
            level,
            found: format!("Kubernetes {kube}"),
            wanted,
            quotes: quotes(&about),
        }
    }

    /// Judges whether the Gateway API in a cluster is compatible with Istio; `installed` is `None` if there is none.
    pub fn gateway_api(
        &self,
        istio: Minor,
        distribution: Distribution,
        installed: Option<Minor>,
    ) -> Judgement {
        let concerns = |row: &GatewayApi| {
            row.istio.contains_minor(istio) && row.distribution.is_none_or(|of| of == distribution)
        };
        let about = claims(&self.gateway_api, concerns);
        let level = match installed {
            None if about.is_empty() => Level::NoData,
            None => Level::Info,
            Some(api) => judge(&about, |row| {
                Some(if row.gateway_api.contains_minor(api) {
                    Level::Pass
                } else {
                    Level::Error
                })
            }),
        };
        let found = installed.map_or("no Gateway API".into(), |api| format!("Gateway API {api}"));
        let wanted = about.first().map_or_else(
            || format!("no data of Istio {istio}"),
            |claim| format!("Gateway API {} for Istio {istio}", claim.row.gateway_api),
        );
        Judgement {
            level,
            found,
            wanted,
            quotes: quotes(&about),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minor(text: &str) -> Minor {
        text.parse().unwrap()
    }

    fn level(istio: &str, gloo_mesh: &str, kube: &str) -> Level {
        let gloo_mesh = (!gloo_mesh.is_empty()).then(|| minor(gloo_mesh));
        Matrix::builtin()
            .kubernetes(minor(istio), gloo_mesh, minor(kube))
            .level
    }

    #[test]
    fn istio_1_9_on_kubernetes_1_22_fails_though_gloo_mesh_allows_1_22() {
        let matrix = Matrix::builtin();
        assert_eq!(
            matrix
                .gloo_mesh_on_kubernetes(minor("2.0"), minor("1.22"))
                .level,
            Level::Pass
        );
        let judgement = matrix.kubernetes(minor("1.9"), Some(minor("2.0")), minor("1.22"));
        assert_eq!(judgement.level, Level::Error);
        assert!(
            judgement.wanted.contains("1.17 - 1.20 for Istio 1.9"),
            "{}",
            judgement.wanted
        );
        assert!(
            judgement
                .quotes
                .iter()
                .any(|quote| quote.text.contains("1.17 - 1.23"))
        );
    }

    #[test]
    fn istio_1_11_on_openshift_4_8_passes() {
        let (kube, _) = Matrix::builtin().openshift(minor("4.8")).unwrap();
        assert_eq!(kube, minor("1.21"));
        assert_eq!(level("1.11", "2.0", "1.21"), Level::Pass);
    }

    #[test]
    fn minimum_and_maximum_are_judged() {
        use Level::{Error, NoData, Pass, Warning};
        let table = [
            ("1.7", "1.16", Pass),
            ("1.7", "1.15", Warning), // tested, not supported
            ("1.7", "1.19", Error),
            ("1.13", "1.23", Pass),
            ("1.13", "1.24", Error),
            ("1.20", "1.29", Pass),    // widened after the release
            ("1.26", "1.33", Warning), // the vendor's page ends at 1.32, upstream's at 1.33
            ("1.29", "1.35", Pass),
            ("1.29", "1.36", Error),
            ("1.31", "1.36", Pass),
            ("1.31", "1.37", Pass),
            ("1.31", "1.25", Error),   // below istioctl's own minimum
            ("1.31", "1.38", Warning), // only second-hand pages say so
            ("1.99", "1.33", NoData),
        ];
        for (istio, kube, expected) in table {
            assert_eq!(level(istio, "", kube), expected, "Istio {istio} on {kube}");
        }
    }

    #[test]
    fn every_line_from_1_7_to_1_31_has_a_range_and_a_minimum() {
        for line in 7..=31 {
            let istio = Minor::new(1, line);
            let about = claims(&Matrix::builtin().kubernetes, |row| row.istio == istio);
            assert!(
                about.iter().any(|claim| claim.row.kubernetes.is_some()),
                "{istio}"
            );
            assert!(
                about.iter().any(|claim| claim.row.minimum.is_some()),
                "{istio}"
            );
        }
    }

    #[test]
    fn the_gateway_api_is_judged_both_ways() {
        let of = |distribution, istio: &str, api: Option<&str>| {
            Matrix::builtin()
                .gateway_api(minor(istio), distribution, api.map(minor))
                .level
        };
        let level = |istio: &str, api| of(Distribution::Standard, istio, api);
        // Solo tests other combinations, and only with its own builds.
        let solo = |istio: &str, api| of(Distribution::Solo, istio, Some(api));
        assert_eq!(solo("1.29", "1.5"), Level::Pass);
        assert_eq!(solo("1.30", "1.6"), Level::Pass);
        assert_eq!(solo("1.30", "1.7"), Level::Warning);
        assert_eq!(level("1.30", Some("1.7")), Level::Pass);
        assert_eq!(level("1.31", Some("1.5")), Level::Pass);
        assert_eq!(level("1.31", None), Level::Info);
        assert_ne!(level("1.31", Some("1.4")), Level::Pass);
        assert_ne!(level("1.29", Some("1.5")), Level::Pass);
        assert_eq!(level("1.29", Some("1.4")), Level::Pass);
    }
}
