//! Checks that `spec.namespace` agrees with `values.global.istioNamespace`.

use super::{Before, Check, Outcome, Run};
use crate::plan::DEFAULT_NAMESPACE;
use crate::render::Rendered;
use crate::report::{Finding, Subject};

pub(super) const CHECK: Check = Check {
    id: "namespace-mismatch",
    title: "the namespace is the same in all documents",
    category: "documents",
    run: Run::Before(run),
    page: include_str!("namespace_mismatch.md"),
};

fn run(before: &Before<'_>) -> Outcome {
    let findings = before.documents.iter().filter_map(alone);
    Outcome::of(
        findings.collect(),
        format!("namespace {}", before.plan.namespace),
    )
}

fn alone(document: &Rendered) -> Option<Finding> {
    let spec = &document.value["spec"];
    let said = spec["namespace"].as_str()?;
    let own = document.effective.namespace.as_deref();
    // Every profile sets this namespace.
    let real = own.unwrap_or(DEFAULT_NAMESPACE);
    (real != said).then(|| {
        Finding::error(
            "namespace-in-one-place",
            "spec.namespace alone does not move the mesh",
        )
        .subject(Subject::document(&document.name))
        .found(format!(
            "spec.namespace: {said}, values.global.istioNamespace: {}",
            own.unwrap_or("not set")
        ))
        .why("older installers then spread the objects over two namespaces, newer ones ignore it")
        .fix(format!("give -i {said}, which sets it everywhere"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::support::{Given, found, passed};

    #[test]
    fn the_place_that_counts_must_agree() {
        for (spec, words) in [
            ("{}", ""),
            ("{namespace: a, values: {global: {istioNamespace: a}}}", ""),
            ("{namespace: a}", "does not move"),
            ("{namespace: istio-system}", ""),
            (
                "{namespace: a, unvalidatedValues: {global: {istioNamespace: a}}}",
                "",
            ),
            (
                "{namespace: istio-system, values: {global: {istioNamespace: a}}}",
                "does not move",
            ),
            (
                "{namespace: a, values: {global: {istioNamespace: b}}}",
                "does not move",
            ),
        ] {
            let outcome = Given::tag("1.31.0").document("one", spec).run(run);
            assert!(
                if words.is_empty() {
                    passed(&outcome)
                } else {
                    found(&outcome, words)
                },
                "{spec}"
            );
        }
    }
}
