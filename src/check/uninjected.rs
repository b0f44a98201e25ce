//! Reports pods without a proxy in namespaces that request injection.

use super::pending::asked;
use super::{After, Check, Outcome, Run};
use crate::facts::MeshInventory;
use crate::report::{Finding, Subject};

pub(super) const CHECK: Check = Check {
    id: "uninjected",
    title: "pods in injected namespaces have a proxy",
    category: "data plane",
    run: Run::After(run),
    page: include_str!("uninjected.md"),
};

fn run(after: &After<'_>) -> Outcome {
    // The labels of namespaces show which pods should have a proxy.
    let facts = after.facts;
    facts
        .namespaces
        .judge(|_| facts.inventory.judge(|inventory| judge(after, inventory)))
}

fn judge(after: &After<'_>, inventory: &MeshInventory) -> Outcome {
    let bare = inventory.uninjected.iter();
    let bare = bare.filter(|(namespace, pods)| **pods > 0 && ours(after, namespace));
    let findings = bare.map(|(namespace, pods)| {
        Finding::warning(
            "not-injected",
            format!("{pods} pods have no proxy, though the namespace asks for injection"),
        )
        .subject(Subject::namespace(namespace))
        .why("they were started before the label, or while the injector could not be reached")
        .fix("restart their workloads, or opt them out by the label sidecar.istio.io/inject=false")
        .command("kubectl get pods -n {}", &[namespace])
    });
    Outcome::of(findings.collect(), "no pod was left out")
}

/// Checks whether the namespace requests a revision in scope, as far as that is known.
fn ours(after: &After<'_>, namespace: &str) -> bool {
    asked(after, namespace).is_none_or(|revision| after.expected.revisions.contains_key(&revision))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::support::{self, found, namespace, passed};
    use crate::facts::Observed;

    #[test]
    fn without_namespaces_nobody_knows_who_asked_for_a_proxy() {
        let mut facts = support::after();
        facts.namespaces = Observed::Unknown("forbidden; allow list of namespaces".to_owned());
        let outcome = support::run_after(run, &facts, "1.31.0");
        assert!(matches!(outcome, Outcome::Unknown(why) if why.contains("allow list")));
    }

    #[test]
    fn pods_without_a_proxy_are_a_warning_per_namespace() {
        let mut facts = support::after();
        facts.inventory = Observed::Known(MeshInventory::default());
        assert!(passed(&support::run_after(run, &facts, "1.31.0")));
        let mut inventory = MeshInventory::default();
        inventory.uninjected.insert("shop".to_owned(), 2);
        facts.inventory = Observed::Known(inventory);
        assert!(found(
            &support::run_after(run, &facts, "1.31.0"),
            "2 pods have no proxy"
        ));
        facts.namespaces = Observed::Known(vec![namespace("shop", Some("theirs"))]);
        assert!(
            passed(&support::run_after(run, &facts, "1.31.0")),
            "another mesh is not judged"
        );
    }
}
