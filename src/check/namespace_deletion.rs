//! Checks that no namespace that the install writes to is being deleted.

use std::collections::BTreeSet;

use super::{Before, Check, Outcome, Run};
use crate::report::{Finding, Subject};

pub(super) const CHECK: Check = Check {
    id: "namespace-deletion",
    title: "no namespace of the install is being deleted",
    category: "kubernetes",
    run: Run::Before(run),
    page: include_str!("namespace_deletion.md"),
};

fn run(before: &Before<'_>) -> Outcome {
    let own = before.plan.namespace.as_str();
    let gateways = before.documents.iter().flat_map(|it| it.gateways(own));
    let mut wanted: BTreeSet<String> = gateways.map(|(namespace, _)| namespace).collect();
    wanted.insert(own.to_owned());
    before.facts.namespaces.judge(|namespaces| {
        let wanted_ones = namespaces.iter().filter(|it| wanted.contains(&it.name));
        let deleted = wanted_ones.filter_map(|it| Some((it.name.as_str(), it.deletion.as_ref()?)));
        let findings = deleted.map(|(name, left)| finding(name, left)).collect();
        let names: Vec<&str> = wanted.iter().map(String::as_str).collect();
        Outcome::of(findings, names.join(", "))
    })
}

fn finding(name: &str, left: &str) -> Finding {
    let finding = Finding::error("being-deleted", "the namespace is being deleted")
        .subject(Subject::namespace(name))
        .expected("a namespace that takes new objects, or none")
        .why("the API server refuses every new object in it")
        .fix("wait until it is gone; where it does not go, remove what is left in it, with its finalizers")
        .command("kubectl get namespace {} -o yaml", &[name]);
    if left.is_empty() {
        return finding;
    }
    finding.found(left)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::support::{Given, found, passed};
    use crate::facts::{Namespace, Observed};

    fn outcome(name: &str, deletion: Option<&str>) -> Outcome {
        let gateway =
            "{components: {ingressGateways: [{name: a, namespace: edge, enabled: true}]}}";
        let mut given = Given::tag("1.31.0-solo-fips").document("glooistio", gateway);
        given.facts.namespaces = Observed::Known(vec![Namespace {
            name: name.to_owned(),
            enforce: None,
            injection: None,
            opted_out: false,
            ambient: false,
            ignored_revision: None,
            deletion: deletion.map(str::to_owned),
        }]);
        given.run(run)
    }

    #[test]
    fn namespaces_of_control_plane_and_gateways_must_take_new_objects() {
        assert!(passed(&outcome("istio-system", None)));
        assert!(passed(&outcome("shop", Some(""))));
        for namespace in ["istio-system", "edge"] {
            for left in ["", "pods. has 1 resource instances"] {
                let judged = outcome(namespace, Some(left));
                assert!(found(&judged, "is being deleted"), "{judged:?}");
            }
        }
    }
}
