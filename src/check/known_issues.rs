//! Reports documented issues of the planned build that affect this plan.

use serde_json::Value;

use super::answer::finding;
use super::walk::walk;
use super::{Before, Check, Outcome, Run};
use crate::facts::{ControlPlane, Manager, licences};
use crate::report::{Finding, Subject};
use istio_builds::{Concern, IssueFinding, KubeVersion, Setting, Spans};

pub(super) const CHECK: Check = Check {
    id: "known-issues",
    title: "no confirmed issue affects this build",
    category: "build",
    run: Run::Before(run),
    page: include_str!("known_issues.md"),
};

fn run(before: &Before<'_>) -> Outcome {
    let issues = before.matrix.known_issues(&before.plan.tag);
    let findings = issues
        .into_iter()
        .filter(|issue| concerns(before, issue.concerns) && shows(before, issue))
        .filter_map(|issue| one(before, issue));
    Outcome::of(findings.collect(), "none is known")
}

fn concerns(before: &Before<'_>, concern: Concern) -> bool {
    match concern {
        Concern::Everybody | Concern::Fips => true,
        Concern::GlooMesh => {
            before.plan.gloo_mesh.is_some()
                || before
                    .facts
                    .gloo_mesh
                    .known()
                    .is_some_and(|it| it.version.is_some())
        }
        Concern::Ambient => before.documents.iter().any(|document| {
            document
                .effective
                .profile
                .as_deref()
                .is_some_and(|profile| profile.contains("ambient"))
        }),
        // No observation shows whether pods will run on Fargate.
        Concern::Fargate => false,
        Concern::Revision => {
            before.plan.revision.is_some()
                || planes(before).any(|plane| plane.revision != "default")
        }
        Concern::Helm => planes(before).any(|plane| matches!(plane.manager, Manager::Helm { .. })),
        Concern::GlooOperator => planes(before).any(is_of_gloo_operator),
        Concern::Licence => gives_licence(before),
    }
}

fn planes<'a>(before: &'a Before<'_>) -> impl Iterator<Item = &'a ControlPlane> {
    before.facts.control_planes.known().into_iter().flatten()
}

/// Checks whether the Gloo Operator manages a control plane: by its owner, or by the name that the operator
/// gives it.
fn is_of_gloo_operator(plane: &ControlPlane) -> bool {
    let managed = matches!(&plane.manager, Manager::Operator { name } if name.to_lowercase().contains("gloo"));
    managed || plane.name == "istiod-gloo"
}

/// Checks whether a document gives istiod a licence key.
fn gives_licence(before: &Before<'_>) -> bool {
    let variables = before.matrix.licence_variables(&before.plan.tag);
    let read: Vec<&str> = variables
        .iter()
        .filter(|row| row.read)
        .map(|row| row.variable.as_str())
        .collect();
    let mut documents = before.documents.iter();
    documents.any(|document| !licences(&document.value, &read).is_empty())
}

/// Pods per node: the default limit of the kubelet.
const PODS_PER_NODE: u64 = 110;

/// Checks whether the cluster meets the conditions of an issue: large enough, as far as the size is known, and
/// with an affected Gateway API.
fn shows(before: &Before<'_>, issue: &IssueFinding) -> bool {
    let large = |workloads: u64| {
        let nodes = before.facts.nodes.known();
        nodes.is_none_or(|nodes| nodes.total.saturating_mul(PODS_PER_NODE) >= workloads)
    };
    let gateway_api = |spans: &Spans| match before.facts.gateway_api.known() {
        Some(Some(version)) => version
            .parse::<KubeVersion>()
            .is_ok_and(|version| spans.contains_minor(version.minor())),
        Some(None) | None => false,
    };
    issue.workloads.is_none_or(large) && issue.gateway_api.as_ref().is_none_or(gateway_api)
}

fn one(before: &Before<'_>, issue: IssueFinding) -> Option<Finding> {
    if issue
        .setting
        .as_ref()
        .is_some_and(|setting| is_set(before, setting))
    {
        return None;
    }
    let (text, fixed) = (
        issue.judgement.found.clone(),
        issue.judgement.wanted.clone(),
    );
    let finding =
        finding(text, issue.judgement)?.subject(Subject::named("Known issue", issue.issue));
    Some(match issue.setting {
        Some(Setting {
            env,
            value: Some(value),
        }) => finding.fix(format!("{fixed}; or set {env}={value} on istiod")),
        Some(Setting { env, value: None }) => {
            finding.fix(format!("{fixed}; or set {env} on istiod"))
        }
        None => finding.fix(fixed),
    })
}

/// Checks whether a document sets the variable, as a map or as a list of names and values.
fn is_set(before: &Before<'_>, setting: &Setting) -> bool {
    let fits = |value: &Value| {
        let text = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        setting.value.as_ref().is_none_or(|wanted| *wanted == text)
    };
    let mut set = false;
    for document in before.documents {
        walk(&document.value, &mut |path, value| {
            let mapped = path.ends_with(&format!(".env.{}", setting.env)) && fits(value);
            let listed = value["name"] == setting.env.as_str() && fits(&value["value"]);
            set |= mapped || listed;
        });
    }
    set
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::support::{Given, control_plane, found, passed};
    use crate::facts::{Nodes, Observed};

    const DATA: &str = "
known-issues:
  - source: https://example.com/issues
    evidence: docs
    page: {era: now}
    order: 1
    rows:
      - {issue: delta-xds, istio: 1.22.0..1.22.3, text: routes are lost, fixed: 1.22.4, setting: {env: ISTIO_DELTA_XDS, value: 'false'}, concerns: everybody}
      - {issue: service-entries, istio: 1.20.0..1.20.1, text: breaks Gloo Mesh, fixed: 1.20.2, concerns: gloo-mesh}
";

    #[test]
    fn an_issue_counts_where_it_concerns_the_plan() {
        for (tag, gloo_mesh, words) in [
            ("1.22.3-solo", None, "routes are lost"),
            ("1.22.4-solo", None, ""),
            ("1.20.1-solo", None, ""),
            ("1.20.1-solo", Some("2.5"), "breaks Gloo Mesh"),
        ] {
            let mut given = Given::tag(tag).data(DATA);
            given.plan.gloo_mesh = gloo_mesh.map(|version| version.parse().unwrap());
            let outcome = given.run(run);
            assert!(
                if words.is_empty() {
                    passed(&outcome)
                } else {
                    found(&outcome, words)
                },
                "{tag}: {outcome:?}"
            );
        }
    }

    const CONCERNS: &str = "
known-issues:
  - source: https://example.com/issues
    evidence: docs
    page: {era: now}
    order: 1
    rows:
      - {issue: relabel, istio: .., text: interrupts traffic, fixed: x, concerns: revision}
      - {issue: helm, istio: .., text: conflicts with Helm, fixed: x, concerns: helm}
      - {issue: operator, istio: .., text: is refused, fixed: x, concerns: gloo-operator, gateway-api: 1.5..}
      - {issue: licence, istio: .., text: exits, fixed: x, concerns: licence}
      - {issue: large, istio: .., text: cannot reconnect, fixed: x, workloads: 40000}
licence-variables:
  - source: https://example.com/licence
    evidence: docs
    page: {era: now}
    order: 1
    rows:
      - {variable: SOLO_LICENSE_KEY, read: true, istio: .., text: x}
";

    /// Returns the issues that are found in a cluster with that many nodes, so that an issue of large clusters
    /// is excluded.
    fn names(change: impl FnOnce(&mut Given), nodes: u64, spec: &str) -> Vec<String> {
        let mut given = Given::tag("1.30.0-solo")
            .data(CONCERNS)
            .document("istio", spec);
        given.facts.nodes = Observed::Known(Nodes {
            total: nodes,
            ..Nodes::default()
        });
        change(&mut given);
        match given.run(run) {
            Outcome::Found(findings) => {
                let subjects = findings.into_iter().filter_map(|finding| finding.subject);
                subjects.map(|subject| subject.to_string()).collect()
            }
            _ => Vec::new(),
        }
    }

    #[test]
    fn issue_that_concerns_some_users_is_shown_to_them_only() {
        let nothing = "profile: default";
        assert_eq!(names(|_| {}, 363, nothing), [""; 0]);
        assert_eq!(names(|_| {}, 364, nothing), ["large"]);
        let plane = |change: fn(&mut ControlPlane)| {
            move |given: &mut Given| {
                let mut plane = control_plane("default", "1.30.0");
                change(&mut plane);
                given.facts.control_planes = Observed::Known(vec![plane]);
            }
        };
        let canary = plane(|plane| plane.revision = "canary".to_owned());
        assert_eq!(names(canary, 1, nothing), ["relabel"]);
        let helm = plane(|plane| {
            plane.manager = Manager::Helm {
                release: "istiod".to_owned(),
            };
        });
        assert_eq!(names(helm, 1, nothing), ["helm"]);
        for (version, found) in [("v1.4.1", 0), ("v1.5.0", 1)] {
            let operator = |given: &mut Given| {
                plane(|plane| plane.name = "istiod-gloo".to_owned())(given);
                given.facts.gateway_api = Observed::Known(Some(version.to_owned()));
            };
            assert_eq!(names(operator, 1, nothing).len(), found, "{version}");
        }
        let key = "values: {pilot: {env: {SOLO_LICENSE_KEY: abc}}}";
        assert_eq!(names(|_| {}, 1, key), ["licence"]);
    }

    #[test]
    fn the_setting_that_avoids_it_counts_in_either_form() {
        for spec in [
            "{values: {pilot: {env: {ISTIO_DELTA_XDS: 'false'}}}}",
            "{values: {pilot: {env: {ISTIO_DELTA_XDS: false}}}}",
            "{components: {pilot: {k8s: {env: [{name: ISTIO_DELTA_XDS, value: 'false'}]}}}}",
        ] {
            assert!(
                passed(
                    &Given::tag("1.22.3")
                        .data(DATA)
                        .document("one", spec)
                        .run(run)
                ),
                "{spec}"
            );
        }
        let wrong = "{values: {pilot: {env: {ISTIO_DELTA_XDS: 'true'}}}}";
        assert!(found(
            &Given::tag("1.22.3")
                .data(DATA)
                .document("one", wrong)
                .run(run),
            "routes"
        ));
    }
}
