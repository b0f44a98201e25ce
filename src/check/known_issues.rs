//! Issues that pages tie to the planned build, and that concern this plan.

use serde_json::Value;

use super::answer::finding;
use super::walk::walk;
use super::{Before, Check, Outcome, Run};
use crate::istio::{Concern, IssueFinding, Setting};
use crate::report::Finding;

pub(super) const CHECK: Check = Check {
    id: "known-issues",
    title: "no known issue touches this build",
    category: "build",
    run: Run::Before(run),
    page: include_str!("known_issues.md"),
};

fn run(before: &Before<'_>) -> Outcome {
    let issues = before.matrix.known_issues(&before.plan.tag);
    let findings = issues
        .into_iter()
        .filter(|issue| concerns(before, issue.concerns))
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
        // Nothing that is looked at tells whether pods will run there.
        Concern::Fargate => false,
        Concern::Istioctl => before.facts.istioctl.known().is_some(),
    }
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
    let finding = finding(text, issue.judgement)?.subject(issue.issue);
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

/// Whether a document sets the variable, as a map or as a list of names and values.
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
    use crate::check::support::{Given, found, passed};

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
