//! Checks that every metric of an autoscaler has a target.

use serde_json::Value;

use super::walk::walk;
use super::{Before, Check, Outcome, Run};
use crate::report::{Finding, Subject};

pub(super) const CHECK: Check = Check {
    id: "hpa-target",
    title: "every autoscaler has a target",
    category: "documents",
    run: Run::Before(run),
    page: include_str!("hpa_target.md"),
};

fn run(before: &Before<'_>) -> Outcome {
    let mut findings = Vec::new();
    for document in before.documents {
        walk(&document.value, &mut |path, value| {
            if path.ends_with(".hpaSpec") {
                findings.extend(without_target(path, value, &document.name));
            }
        });
    }
    Outcome::of(findings, "every metric has a target")
}

fn without_target(path: &str, hpa: &Value, document: &str) -> Vec<Finding> {
    let metrics = hpa["metrics"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let aimless = metrics
        .iter()
        .enumerate()
        .filter(|(_, metric)| !has_target(metric));
    aimless
        .map(|(index, _)| {
            Finding::error(
                "metric-without-target",
                format!("{path}.metrics[{index}] has no target"),
            )
            .subject(Subject::document(document))
            .why("the API server refuses an autoscaler without one, after the rest was applied")
            .fix("add resource.target: {type: Utilization, averageUtilization: 80}")
        })
        .collect()
}

/// Checks whether a metric has a target: in an object `target`, or, in the old form, as a flat field.
fn has_target(metric: &Value) -> bool {
    let old = [
        "targetAverageUtilization",
        "targetAverageValue",
        "targetValue",
    ];
    metric.as_object().is_some_and(|metric| {
        metric.values().any(|source| {
            !source["target"].is_null() || old.iter().any(|name| !source[name].is_null())
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::support::{Given, found, passed};

    #[test]
    fn a_metric_needs_a_target_in_either_form() {
        for (resource, words) in [
            (
                "{name: cpu, target: {type: Utilization, averageUtilization: 80}}",
                "",
            ),
            ("{name: cpu, targetAverageUtilization: 80}", ""),
            ("{name: cpu}", "metrics[0] has no target"),
        ] {
            let spec = format!(
                "{{components: {{pilot: {{k8s: {{hpaSpec: {{metrics: [{{type: Resource, resource: {resource}}}]}}}}}}}}}}"
            );
            let outcome = Given::tag("1.31.0").document("one", &spec).run(run);
            assert!(
                if words.is_empty() {
                    passed(&outcome)
                } else {
                    found(&outcome, words)
                },
                "{outcome:?}"
            );
        }
    }
}
