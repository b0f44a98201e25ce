//! The checks: pure functions over observations that were collected before.
//!
//! Each check is one file here with a page next to it, and one line in [`CHECKS`]. Its id is the file name in
//! kebab-case. Only [`SeverityOverrides`] changes severities: a check does not know about overrides.

mod answer;
mod build_change;
mod build_known;
mod certificates;
mod control_plane;
mod control_plane_fips;
mod crds;
mod data_plane_fips;
mod data_plane_skew;
mod default_revision;
mod distroless_conflict;
mod distroless_exec;
mod document_fields;
mod document_names;
mod documents_agree;
mod end_of_life;
mod evidence;
mod expectation;
mod features;
mod fips;
mod fips_configuration;
mod fips_keys;
mod fips_settings;
mod gateway_api;
mod gateway_takeover;
mod gateways;
mod gloo_mesh_range;
mod hpa_target;
mod hub;
mod hub_retirement;
mod image_certificates;
mod image_evidence;
mod image_exists;
mod injection;
mod istioctl_issues;
mod istioctl_manifest;
mod istioctl_version;
mod known_issues;
mod kubernetes_range;
mod licence;
mod manager;
mod mismatch;
mod namespace_deletion;
mod namespace_labels;
mod namespace_mismatch;
mod node_architecture;
mod node_info;
mod nodes;
mod openshift_range;
mod operator_manage_webhooks;
mod orphaned_webhooks;
mod pending;
mod permissions;
mod platform;
mod pod_security;
mod pods_ready;
mod privileged_ports;
mod proxies;
mod record;
mod revision_tags;
mod running_hubs;
mod severity_overrides;
#[cfg(test)]
mod support;
mod uninjected;
mod upgrade_skew;
mod walk;
mod webhooks;

use jiff::civil::Date;

pub use evidence::evidence;
pub use expectation::{Expectation, Source, Wanted};
pub use pending::pending;
pub use severity_overrides::{OverrideError, SeverityOverrides, find};

use crate::facts::{self, Observed};
use crate::plan::Plan;
use crate::render::Rendered;
use crate::report::{CheckResult, Finding, Phase, Severity, Skipped, Status};
use fips_evidence::{CompliancePolicies, Judge};
use istio_builds::Matrix;

/// Every check in the order in which reports show it, which follows the steps of an install.
pub const CHECKS: &[Check] = &[
    istioctl_version::CHECK,
    istioctl_issues::CHECK,
    kubernetes_range::CHECK,
    openshift_range::CHECK,
    namespace_deletion::CHECK,
    nodes::CHECK,
    node_architecture::CHECK,
    pod_security::CHECK,
    gateway_api::CHECK,
    permissions::CHECK,
    build_known::CHECK,
    hub::CHECK,
    hub_retirement::CHECK,
    image_exists::CHECK,
    image_evidence::CHECK,
    image_certificates::CHECK,
    end_of_life::CHECK,
    known_issues::CHECK,
    licence::CHECK,
    gloo_mesh_range::CHECK,
    features::CHECK,
    documents_agree::CHECK,
    document_names::CHECK,
    document_fields::CHECK,
    istioctl_manifest::CHECK,
    distroless_conflict::CHECK,
    distroless_exec::CHECK,
    hpa_target::CHECK,
    namespace_mismatch::CHECK,
    platform::CHECK,
    operator_manage_webhooks::CHECK,
    privileged_ports::CHECK,
    fips_configuration::CHECK,
    fips_keys::CHECK,
    manager::CHECK,
    upgrade_skew::CHECK,
    data_plane_skew::CHECK,
    build_change::CHECK,
    gateway_takeover::CHECK,
    record::CHECK,
    orphaned_webhooks::CHECK,
    default_revision::CHECK,
    control_plane::CHECK,
    crds::CHECK,
    webhooks::CHECK,
    revision_tags::CHECK,
    gateways::CHECK,
    pods_ready::CHECK,
    injection::CHECK,
    namespace_labels::CHECK,
    proxies::CHECK,
    uninjected::CHECK,
    running_hubs::CHECK,
    node_info::CHECK,
    control_plane_fips::CHECK,
    data_plane_fips::CHECK,
    certificates::CHECK,
    fips_settings::CHECK,
];

/// The input of a preflight check.
pub struct Before<'a> {
    pub plan: &'a Plan,
    pub documents: &'a [Rendered],
    pub facts: &'a facts::Before,
    pub matrix: &'a Matrix,
    /// The date for which end of life is judged.
    pub today: Date,
    /// The rules for judging cryptographic modules.
    pub judge: &'a Judge,
}

/// The input of a check after an install.
pub struct After<'a> {
    pub expected: &'a Expectation,
    pub facts: &'a facts::After,
    pub scope: Scope,
    pub matrix: &'a Matrix,
    /// The rules for judging cryptographic modules.
    pub judge: &'a Judge,
}

impl After<'_> {
    /// Returns which compliance policies are supported by the Istio version that a group should run.
    fn policies(&self, group: &facts::PodGroupKey) -> Option<CompliancePolicies> {
        let wanted = pending::wanted(self, group)?;
        Some(fips::compliance_policies(self.matrix, &wanted.tag.version))
    }
}

/// The set of proxies that a check after an install judges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// What an install changed; proxies that were not restarted are pending, not wrong.
    Changed,
    /// Every proxy; an outdated one is an error.
    Everything,
}

/// The outcome of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// A pass, with what was seen.
    Passed(String),
    NotApplicable(String),
    NotChecked(String),
    Unknown(String),
    Found(Vec<Finding>),
}

impl Outcome {
    /// Returns the findings, or a pass with what was seen if there are none.
    fn of(findings: Vec<Finding>, seen: impl Into<String>) -> Outcome {
        if findings.is_empty() {
            Outcome::Passed(seen.into())
        } else {
            Outcome::Found(findings)
        }
    }

    /// Adds findings from another source. They take precedence over every other outcome, except that notes alone never
    /// make a gap pass.
    fn with(self, mut findings: Vec<Finding>) -> Outcome {
        let are_notes = findings.iter().all(|it| it.severity == Severity::Info);
        match self {
            gap @ (Outcome::Unknown(_) | Outcome::NotChecked(_)) if are_notes => gap,
            Outcome::Found(own) => {
                findings.extend(own);
                Outcome::Found(findings)
            }
            other if findings.is_empty() => other,
            _ => Outcome::Found(findings),
        }
    }
}

impl<T> Observed<T> {
    /// Judges the value if it is known; an unknown value never passes.
    pub fn judge(&self, judge: impl FnOnce(&T) -> Outcome) -> Outcome {
        match self {
            Observed::Known(value) => judge(value),
            Observed::Unknown(why) => Outcome::Unknown(why.clone()),
            Observed::NotCollected(why) => Outcome::NotChecked((*why).to_owned()),
        }
    }
}

/// The function of a check. Its type sets the phase: a preflight check has no access to what runs afterwards.
#[derive(Clone, Copy)]
pub enum Run {
    Before(fn(&Before<'_>) -> Outcome),
    After(fn(&After<'_>) -> Outcome),
}

/// A check.
pub struct Check {
    /// The id in kebab-case; equal to the file name.
    pub id: &'static str,
    /// The statement that is true if the check passes: `istioctl is of the planned minor`.
    pub title: &'static str,
    /// The heading of the check in reports: `istioctl`, `kubernetes`, `build`, …
    pub category: &'static str,
    pub run: Run,
    /// The page that `explain` shows.
    pub page: &'static str,
}

impl Check {
    pub fn phase(&self) -> Phase {
        match self.run {
            Run::Before(_) => Phase::Before,
            Run::After(_) => Phase::After,
        }
    }

    /// Returns a result without an outcome.
    fn result(&self) -> CheckResult {
        CheckResult {
            id: self.id,
            title: self.title,
            category: self.category,
            phase: self.phase(),
            status: Status::NotChecked,
            severity: None,
            detail: String::new(),
            findings: Vec::new(),
        }
    }
}

/// The results of all checks of a phase.
#[derive(Debug, Default)]
pub struct Ran {
    pub results: Vec<CheckResult>,
    pub skipped: Vec<Skipped>,
}

/// Runs the preflight checks.
pub fn before(subject: &Before<'_>, policy: &SeverityOverrides) -> Ran {
    run(policy, |check| match check.run {
        Run::Before(judge) => Some(judge(subject)),
        Run::After(_) => None,
    })
}

/// Runs the checks after an install.
pub fn after(subject: &After<'_>, policy: &SeverityOverrides) -> Ran {
    run(policy, |check| match check.run {
        Run::After(judge) => Some(judge(subject)),
        Run::Before(_) => None,
    })
}

fn run(policy: &SeverityOverrides, judge: impl Fn(&Check) -> Option<Outcome>) -> Ran {
    let mut ran = Ran::default();
    for check in CHECKS {
        let Some(outcome) = judge(check) else {
            continue;
        };
        let Some(reason) = policy.skipped(check) else {
            ran.results.push(policy.to_check_result(check, outcome));
            continue;
        };
        let detail = format!("left out: {reason}");
        ran.results.push(CheckResult {
            status: Status::Skipped,
            detail,
            ..check.result()
        });
        ran.skipped.push(Skipped {
            check: check.id.to_owned(),
            reason: reason.to_owned(),
        });
    }
    ran
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Files in `src/check` that are not checks.
    const HELPERS: [&str; 9] = [
        "answer",
        "evidence",
        "expectation",
        "fips",
        "mismatch",
        "pending",
        "severity-overrides",
        "support",
        "walk",
    ];

    fn files(extension: &str) -> BTreeSet<String> {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/check");
        let entries = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path());
        let named = entries.filter(|path| path.extension().is_some_and(|found| found == extension));
        named
            .map(|path| {
                path.file_stem()
                    .unwrap()
                    .to_string_lossy()
                    .replace('_', "-")
            })
            .collect()
    }

    #[test]
    fn every_file_is_a_registered_check_with_a_page() {
        let registered: BTreeSet<String> = CHECKS.iter().map(|check| check.id.to_owned()).collect();
        assert_eq!(registered.len(), CHECKS.len(), "an id occurs twice");
        let helpers: BTreeSet<String> = HELPERS.iter().map(|name| (*name).to_owned()).collect();
        let checks: BTreeSet<String> = files("rs").difference(&helpers).cloned().collect();
        assert_eq!(checks, registered);
        assert_eq!(files("md"), registered);
    }

    #[test]
    fn every_page_answers_the_same_questions() {
        for check in CHECKS {
            let headings: Vec<&str> = check
                .page
                .lines()
                .filter(|line| line.starts_with('#'))
                .collect();
            let title = format!("# {}", check.id);
            assert_eq!(
                headings,
                [
                    &title,
                    "## What is checked",
                    "## Why it matters",
                    "## Outcomes",
                    "## What to do",
                    "## Leaving it out"
                ],
                "{}",
                check.id
            );
            assert!(
                check.page.contains(&format!("--skip {}=", check.id)),
                "{}",
                check.id
            );
        }
    }

    #[test]
    fn titles_and_categories_are_short_and_lower_case() {
        for check in CHECKS {
            assert!(
                check.title.len() <= 72 && !check.title.ends_with('.'),
                "{}",
                check.id
            );
            assert_eq!(
                check.category,
                check.category.to_lowercase(),
                "{}",
                check.id
            );
        }
    }

    #[test]
    fn checks_of_a_category_and_phase_stand_together() {
        let mut headings: Vec<_> = CHECKS
            .iter()
            .map(|check| (check.phase(), check.category))
            .collect();
        headings.dedup();
        let once: BTreeSet<_> = headings.iter().collect();
        assert_eq!(once.len(), headings.len(), "{headings:?}");
    }

    #[test]
    fn a_gap_is_never_a_pass() {
        let passes = |_: &u8| Outcome::Passed(String::new());
        assert_eq!(
            Observed::Unknown("no".into()).judge(passes),
            Outcome::Unknown("no".into())
        );
        assert_eq!(
            Observed::NotCollected("no").judge(passes),
            Outcome::NotChecked("no".into())
        );
        assert_eq!(
            Observed::Known(1).judge(passes),
            Outcome::Passed(String::new())
        );
    }
}
