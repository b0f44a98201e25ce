//! Checks that the Kubernetes version of OpenShift is in range, and that the plan is made for OpenShift.

use super::answer::judged;
use super::{Before, Check, Outcome, Run};
use crate::report::{Finding, Subject};
use crate::request::Template;
use istio_builds::Minor;

pub(super) const CHECK: Check = Check {
    id: "openshift-range",
    title: "this Istio supports this OpenShift version",
    category: "kubernetes",
    run: Run::Before(run),
    page: include_str!("openshift_range.md"),
};

const PLATFORM: &str = "openshift";

fn run(before: &Before<'_>) -> Outcome {
    before.facts.openshift.judge(|openshift| match openshift {
        None => Outcome::NotApplicable("not an OpenShift".to_owned()),
        Some(version) => judge(before, *version),
    })
}

fn judge(before: &Before<'_>, version: Minor) -> Outcome {
    let range = match before.matrix.openshift(version) {
        None => Some(Finding::warning(
            "no-data",
            format!("no data of OpenShift {version}"),
        )),
        Some((kube, _)) => judged(
            before
                .matrix
                .istio_on_kubernetes(before.plan.tag.minor(), kube),
            |finding| finding.subject(Subject::named("OpenShift", format!("OpenShift {version}"))),
        ),
    };
    let findings = range.into_iter().chain(platform(before)).collect();
    Outcome::of(findings, format!("OpenShift {version}"))
}

/// Reports a missing platform: without it, pods get users and host paths that OpenShift rejects.
fn platform(before: &Before<'_>) -> Option<Finding> {
    let plan = before.plan;
    let preset = matches!(&plan.template, Template::Preset(name) if name == PLATFORM);
    let profile = before.documents.iter().any(|document| {
        document
            .effective
            .profile
            .as_deref()
            .is_some_and(|profile| profile.starts_with(PLATFORM))
    });
    (!preset && !profile && plan.platform.as_deref() != Some(PLATFORM)).then(|| {
        Finding::warning(
            "not-planned-for-openshift",
            "the cluster is an OpenShift, and the plan is not made for one",
        )
        .found(
            plan.platform
                .clone()
                .unwrap_or_else(|| "no platform".to_owned()),
        )
        .why("its security constraints refuse the users and host paths of an ordinary install")
        .fix("give --platform openshift, or --preset openshift")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::support::{Given, found, passed};
    use crate::facts::Observed;

    const DATA: &str = "
openshift:
  - source: https://example.com/openshift
    evidence: docs
    page: {era: now}
    order: 1
    rows:
      - {openshift: 4.8, kubernetes: 1.21}
      - {openshift: 4.9, kubernetes: 1.22}
kubernetes:
  - source: https://example.com/supported
    evidence: docs
    page: {era: now}
    order: 1
    rows:
      - {istio: 1.10, kubernetes: 1.18 - 1.21}
";

    fn outcome(version: Option<&str>, platform: Option<&str>) -> Outcome {
        let mut given = Given::tag("1.10.4").data(DATA);
        given.facts.openshift = Observed::Known(version.map(|version| version.parse().unwrap()));
        given.plan.platform = platform.map(str::to_owned);
        given.run(run)
    }

    #[test]
    fn its_kubernetes_decides() {
        assert!(passed(&outcome(Some("4.8"), Some("openshift"))));
        assert!(found(
            &outcome(Some("4.9"), Some("openshift")),
            "Kubernetes 1.22"
        ));
        assert!(found(
            &outcome(Some("4.99"), Some("openshift")),
            "no data of OpenShift 4.99"
        ));
        assert!(matches!(outcome(None, None), Outcome::NotApplicable(_)));
    }

    #[test]
    fn a_plan_that_is_not_for_openshift_warns() {
        assert!(found(&outcome(Some("4.8"), None), "not made for one"));
    }
}
