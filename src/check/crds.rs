//! The CRDs of Istio are there and established.

use super::{After, Check, Outcome, Run};
use crate::report::Finding;

pub(super) const CHECK: Check = Check {
    id: "crds",
    title: "the definitions of Istio are established",
    category: "control plane",
    run: Run::After(run),
    page: include_str!("crds.md"),
};

fn run(after: &After<'_>) -> Outcome {
    after.facts.crds.judge(|crds| {
        if crds.is_empty() {
            let none = Finding::error("none of Istio's custom resource definitions is there")
                .why("istiod does not become ready without them")
                .fix("install with the component `base`, or let whoever owns the definitions apply them");
            return Outcome::Found(vec![none]);
        }
        let waiting = crds.iter().filter(|(_, established)| !**established);
        let findings = waiting.map(|(name, _)| {
            Finding::error("not established")
                .subject(format!("CustomResourceDefinition {name}"))
                .command(format!("kubectl describe customresourcedefinition {name}"))
        });
        Outcome::of(findings.collect(), format!("{} established", crds.len()))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::check::support::{self, found, passed};
    use crate::facts::Fact;

    #[test]
    fn all_must_be_there_and_established() {
        for (crds, words) in [
            (vec![("a.istio.io", true)], ""),
            (
                vec![("a.istio.io", true), ("b.istio.io", false)],
                "not established",
            ),
            (vec![], "none of"),
        ] {
            let mut facts = support::after();
            facts.crds = Fact::Known(
                crds.into_iter()
                    .map(|(name, known)| (name.to_owned(), known))
                    .collect::<BTreeMap<_, _>>(),
            );
            let outcome = support::run_after(run, &facts, "1.31.0");
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
