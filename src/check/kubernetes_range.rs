//! Checks that the planned Istio supports the Kubernetes version of the cluster.

use super::answer::answer;
use super::{Before, Check, Outcome, Run};
use crate::report::Subject;

pub(super) const CHECK: Check = Check {
    id: "kubernetes-range",
    title: "this Istio supports this Kubernetes version",
    category: "kubernetes",
    run: Run::Before(run),
    page: include_str!("kubernetes_range.md"),
};

fn run(before: &Before<'_>) -> Outcome {
    before.facts.cluster.judge(|cluster| {
        let (istio, kube) = (before.plan.tag.minor(), cluster.version.minor());
        answer(before.matrix.istio_on_kubernetes(istio, kube), |finding| {
            finding
                .subject(Subject::named(
                    "Context",
                    format!("context {}", cluster.context),
                ))
                .found(cluster.version.to_string())
                .fix(runs(before))
        })
    })
}

/// Returns a fix with the Istio minors that do run on the cluster.
fn runs(before: &Before<'_>) -> String {
    let Some(cluster) = before.facts.cluster.known() else {
        return String::new();
    };
    let lines: Vec<String> = before
        .matrix
        .what_runs(cluster.version.minor(), before.plan.gloo_mesh)
        .iter()
        .map(|line| line.istio.to_string())
        .collect();
    match lines.as_slice() {
        [] => "change the version of the cluster".to_owned(),
        lines => format!(
            "take one of Istio {}, or change the version of the cluster",
            lines.join(", ")
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::support::{Given, cluster, found, passed};

    const DATA: &str = "
kubernetes:
  - source: https://example.com/supported
    evidence: docs
    page: {era: now}
    order: 1
    rows:
      - {istio: 1.9, kubernetes: 1.17 - 1.20}
";

    #[test]
    fn both_ends_of_the_range_are_judged() {
        for (kube, words) in [
            ("v1.17.0", ""),
            ("v1.20.4-gke.100", ""),
            ("v1.16.9", "Kubernetes 1.16"),
            ("v1.22.1+k3s1", "Kubernetes 1.22"),
        ] {
            let mut given = Given::tag("1.9.9").data(DATA);
            given.facts.cluster = cluster(kube);
            let outcome = given.run(run);
            assert!(
                if words.is_empty() {
                    passed(&outcome)
                } else {
                    found(&outcome, words)
                },
                "{kube}: {outcome:?}"
            );
        }
    }

    #[test]
    fn a_line_without_data_is_a_warning() {
        let mut given = Given::tag("1.77.0").data(DATA);
        given.facts.cluster = cluster("v1.30.0");
        assert!(found(&given.run(run), "no data"));
    }
}
