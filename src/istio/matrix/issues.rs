//! Known issues of builds, and the settings that avoid them.

use serde::{Deserialize, Serialize};

use super::{Evidence, Judgement, Level, Matrix, Row, Spans, claims};
use crate::istio::tag::ImageTag;

/// An environment variable of istiod that avoids an issue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Setting {
    pub env: String,
    /// The value it must have; `None` where that depends on the cluster.
    #[serde(default)]
    pub value: Option<String>,
}

/// Whom an issue touches.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Concern {
    /// Everybody who runs the build.
    #[default]
    Everybody,
    /// Who uses Gloo Mesh beside it.
    GlooMesh,
    /// Who runs ambient mode.
    Ambient,
    /// Who runs pods on AWS Fargate.
    Fargate,
    /// Who wants FIPS.
    Fips,
    /// Who installs with that istioctl.
    Istioctl,
}

impl Concern {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Everybody => "everybody",
            Self::GlooMesh => "gloo-mesh",
            Self::Ambient => "ambient",
            Self::Fargate => "fargate",
            Self::Fips => "fips",
            Self::Istioctl => "istioctl",
        }
    }
}

/// A known issue.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Issue {
    /// A short name, for reports.
    pub issue: String,
    pub istio: Spans,
    pub text: String,
    /// What to take instead, as the page says it.
    pub fixed: String,
    #[serde(default)]
    pub setting: Option<Setting>,
    #[serde(default)]
    pub concerns: Concern,
}

impl Row for Issue {
    const COLUMNS: &'static [&'static str] = &["issue", "istio", "text", "fixed", "concerns"];

    fn key(&self) -> String {
        self.issue.clone()
    }

    fn cells(&self) -> Vec<String> {
        let (istio, concerns) = (self.istio.to_string(), self.concerns.name().into());
        vec![
            self.issue.clone(),
            istio,
            self.text.clone(),
            self.fixed.clone(),
            concerns,
        ]
    }

    fn text(&self) -> String {
        format!("{}: {}; fixed: {}", self.istio, self.text, self.fixed)
    }
}

/// An issue that a build has.
#[derive(Debug, Clone)]
pub struct IssueFinding {
    pub issue: String,
    pub concerns: Concern,
    /// The setting that avoids it.
    pub setting: Option<Setting>,
    pub judgement: Judgement,
}

impl Matrix {
    /// The issues of a build: warnings, or only info where the claim is not first-hand.
    ///
    /// Whether one that concerns ambient, Fargate or a setting matters is the caller's to judge.
    pub fn known_issues(&self, tag: &ImageTag) -> Vec<IssueFinding> {
        let build = tag.rebuild();
        let touches = |row: &Issue| {
            row.istio.contains(&build) && (row.concerns != Concern::Fips || tag.flavor.is_fips())
        };
        let found = claims(&self.issues, touches).into_iter().map(|claim| {
            let row = claim.row;
            let first_hand = matches!(claim.page.evidence, Evidence::Docs | Evidence::Workshop);
            let level = if first_hand {
                Level::Warning
            } else {
                Level::Info
            };
            let found = format!("{tag}: {}", row.text);
            let quotes = vec![claim.quote()];
            IssueFinding {
                issue: row.issue.clone(),
                concerns: row.concerns,
                setting: row.setting.clone(),
                judgement: Judgement {
                    level,
                    found,
                    wanted: row.fixed.clone(),
                    quotes,
                },
            }
        });
        found.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn issues(tag: &str) -> Vec<String> {
        let found = Matrix::builtin()
            .known_issues(&tag.parse().unwrap())
            .into_iter();
        found
            .filter(|found| found.concerns != Concern::Fargate)
            .map(|found| found.issue)
            .collect()
    }

    #[test]
    fn an_issue_touches_its_versions_and_not_the_fix() {
        let table: &[(&str, &str, bool)] = &[
            ("1.8.2", "failover-services", true),
            ("1.8.3", "failover-services", false),
            ("1.13.3-solo", "service-entry-hostnames", true),
            ("1.13.4-solo", "service-entry-hostnames", false),
            ("1.20.1-patch0-solo", "service-entries", true),
            ("1.20.1-patch1-solo", "service-entries", false),
            ("1.20.6", "external-services-same-host", true),
            ("1.20.7-patch0", "external-services-same-host", false),
            ("1.21.2", "external-services-same-host", true),
            ("1.22.1", "external-services-same-host", true),
            ("1.22.1-patch0", "external-services-same-host", false),
            ("1.22.1-solo", "virtual-destinations", true),
            ("1.22.1-patch0-solo", "virtual-destinations", false),
            ("1.22.3-patch1-solo", "delta-xds", true),
            ("1.22.4", "delta-xds", false),
            ("1.24.4", "certificate-rotation", true),
            ("1.25.2", "certificate-rotation", false),
            ("1.26.1-solo-fips", "fips-images", true),
            ("1.26.1-solo", "fips-images", false),
            ("1.26.1-patch0-fips", "fips-images", false),
            ("1.27.6", "debug-endpoint", false),
            ("1.27.7", "debug-endpoint", true),
            ("1.28.3", "debug-endpoint", false),
            ("1.29.0", "debug-endpoint", true),
            ("1.30.3", "waypoint-service-entry", true),
            ("1.31.0", "waypoint-service-entry", false),
        ];
        for (tag, issue, expected) in table {
            assert_eq!(
                issues(tag).iter().any(|found| found == issue),
                *expected,
                "{tag} {issue}"
            );
        }
    }

    #[test]
    fn a_setting_that_avoids_an_issue_is_given() {
        let found = Matrix::builtin().known_issues(&"1.22.3-solo".parse().unwrap());
        let delta = found
            .iter()
            .find(|found| found.issue == "delta-xds")
            .unwrap();
        let setting = Setting {
            env: "ISTIO_DELTA_XDS".into(),
            value: Some("false".into()),
        };
        assert_eq!(delta.setting, Some(setting));
        assert_eq!(delta.judgement.level, Level::Warning);
    }

    #[test]
    fn a_second_hand_issue_is_only_info() {
        let found = Matrix::builtin().known_issues(&"1.24.4".parse().unwrap());
        let rotation = found
            .iter()
            .find(|found| found.issue == "certificate-rotation")
            .unwrap();
        assert_eq!(rotation.judgement.level, Level::Info);
    }
}
