//! Known issues of builds, and the settings that avoid them.

use serde::{Deserialize, Serialize};

use dated_data::SourceQuality;

use super::{Judgement, Level, Matrix, Row, Spans, claims};
use crate::flavor::Distribution;
use crate::request::Request;
use crate::tag::ImageTag;

/// An environment variable of istiod that avoids an issue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Setting {
    pub env: String,
    /// The required value; `None` if it depends on the cluster.
    #[serde(default)]
    pub value: Option<String>,
}

/// The users that an issue affects.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Concern {
    /// All users of the build.
    #[default]
    Everybody,
    /// Users that run Gloo Mesh in the same cluster.
    GlooMesh,
    /// Users of ambient mode.
    Ambient,
    /// Users with pods on AWS Fargate.
    Fargate,
    /// Users that need FIPS.
    Fips,
    /// Users that have, or plan, a control plane with a revision.
    Revision,
    /// Users that manage a control plane with Helm.
    Helm,
    /// Users of the Gloo Operator.
    GlooOperator,
    /// Users that give istiod of a Solo build a licence key.
    Licence,
}

impl Concern {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Everybody => "everybody",
            Self::GlooMesh => "gloo-mesh",
            Self::Ambient => "ambient",
            Self::Fargate => "fargate",
            Self::Fips => "fips",
            Self::Revision => "revision",
            Self::Helm => "helm",
            Self::GlooOperator => "gloo-operator",
            Self::Licence => "licence",
        }
    }
}

/// A known issue.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Issue {
    /// A short name, for reports.
    pub issue: String,
    pub istio: Spans,
    pub text: String,
    /// What to use instead, in the words of the page.
    pub fixed: String,
    #[serde(default)]
    pub setting: Option<Setting>,
    #[serde(default)]
    pub concerns: Concern,
    /// The versions of the Gateway API in the cluster with which it occurs.
    #[serde(default)]
    pub gateway_api: Option<Spans>,
    /// The number of workloads from which on it occurs.
    #[serde(default)]
    pub workloads: Option<u64>,
}

impl Row for Issue {
    const COLUMNS: &'static [&'static str] = &[
        "issue",
        "istio",
        "text",
        "fixed",
        "concerns",
        "gateway api",
        "workloads",
    ];

    fn concerns(&self, istio: &Request) -> bool {
        self.istio.concerns(istio)
    }

    fn key(&self) -> String {
        self.issue.clone()
    }

    fn cells(&self) -> Vec<String> {
        let (istio, concerns) = (self.istio.to_string(), self.concerns.name().into());
        let gateway_api = self.gateway_api.as_ref().map(ToString::to_string);
        let workloads = self.workloads.map(|workloads| workloads.to_string());
        vec![
            self.issue.clone(),
            istio,
            self.text.clone(),
            self.fixed.clone(),
            concerns,
            gateway_api.unwrap_or_default(),
            workloads.unwrap_or_default(),
        ]
    }

    fn text(&self) -> String {
        format!("{}: {}; fixed: {}", self.istio, self.text, self.fixed)
    }
}

/// An issue that affects a build.
#[derive(Debug, Clone)]
pub struct IssueFinding {
    pub issue: String,
    pub concerns: Concern,
    /// The setting that avoids it.
    pub setting: Option<Setting>,
    /// The versions of the Gateway API in the cluster with which it occurs.
    pub gateway_api: Option<Spans>,
    /// The number of workloads from which on it occurs.
    pub workloads: Option<u64>,
    pub judgement: Judgement,
}

/// Returns how serious a known issue is: a warning if the claim is first-hand, else info.
pub(super) const fn issue_level(evidence: SourceQuality) -> Level {
    match evidence {
        SourceQuality::Docs | SourceQuality::Workshop => Level::Warning,
        SourceQuality::User
        | SourceQuality::SecondHand
        | SourceQuality::Bare
        | SourceQuality::Derived => Level::Info,
    }
}

impl Matrix {
    /// Returns the issues of a build: as warnings, or as info if the claim is not first-hand.
    ///
    /// The caller decides whether an issue matters that concerns only some users or that a setting avoids.
    pub fn known_issues(&self, tag: &ImageTag) -> Vec<IssueFinding> {
        let build = tag.rebuild();
        let touches = |row: &Issue| {
            row.istio.contains(&build)
                && match row.concerns {
                    Concern::Fips => tag.flavor.is_fips(),
                    Concern::Licence => tag.flavor.distribution == Distribution::Solo,
                    _ => true,
                }
        };
        let found = claims(&self.issues, touches).into_iter().map(|claim| {
            let row = claim.row;
            let level = issue_level(claim.page.evidence);
            let found = format!("{tag}: {}", row.text);
            let quotes = vec![claim.quote()];
            IssueFinding {
                issue: row.issue.clone(),
                concerns: row.concerns,
                setting: row.setting.clone(),
                gateway_api: row.gateway_api.clone(),
                workloads: row.workloads,
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
            ("1.29.6", "security-2026-006", true),
            ("1.29.7", "security-2026-006", false),
            ("1.30.3-solo", "security-2026-006", true),
            ("1.30.4", "security-2026-006", false),
            ("1.29.8", "security-2026-007", true),
            ("1.29.9", "security-2026-007", false),
            ("1.30.5", "security-2026-007", true),
            ("1.30.6", "security-2026-007", false),
            ("1.31.1", "security-2026-007", true),
            ("1.31.2", "security-2026-007", false),
            ("1.30.8", "gateway-rev-outage", true),
            ("1.31.0", "gateway-rev-outage", false),
            ("1.29.9", "gateway-api-silent", false),
            ("1.30.0", "gateway-api-silent", true),
            ("1.31.0", "wds-message-size", true),
            ("1.31.0", "default-chart-ssa-conflict", true),
            ("1.31.1", "default-chart-ssa-conflict", false),
            ("1.30.0-solo", "licence-rejected-stops-istiod", true),
            ("1.30.0", "licence-rejected-stops-istiod", false),
            ("1.24.0-solo", "licence-rejected-stops-istiod", false),
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
