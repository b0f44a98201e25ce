//! Checks that the CRDs of Istio exist and are established.

use std::collections::BTreeSet;

use super::{After, Check, Outcome, Run};
use crate::report::{Finding, Subject};

pub(super) const CHECK: Check = Check {
    id: "crds",
    title: "the CustomResourceDefinitions of Istio are established",
    category: "control plane",
    run: Run::After(run),
    page: include_str!("crds.md"),
};

fn run(after: &After<'_>) -> Outcome {
    after.facts.crds.judge(|crds| {
        if crds.is_empty() {
            let none = Finding::error(
                "none-installed",
                "none of Istio's custom resource definitions is there",
            )
            .why("istiod does not become ready without them")
            .fix(APPLY);
            return Outcome::Found(vec![none]);
        }
        let waiting = crds.iter().filter(|(_, established)| !**established);
        let waiting = waiting.map(|(name, _)| {
            Finding::error("not-established", "not established")
                .subject(Subject::cluster_object("CustomResourceDefinition", name))
                .command("kubectl describe customresourcedefinition {}", &[name])
        });
        let missing = expected(after)
            .into_iter()
            .filter(|name| !crds.contains_key(*name));
        let missing = missing.map(|name| {
            Finding::error("missing", "not there")
                .subject(Subject::cluster_object("CustomResourceDefinition", name))
                .why("objects of this kind cannot be made, and istiod reads none")
                .fix(APPLY)
        });
        let findings = missing.chain(waiting).collect();
        Outcome::of(findings, format!("{} established", crds.len()))
    })
}

const APPLY: &str =
    "install with the component `base`, or let whoever owns the definitions apply them";

/// Returns the CRDs that the versions in scope install.
fn expected<'a>(after: &'a After<'_>) -> BTreeSet<&'a str> {
    let wanted = after.expected.revisions.values();
    wanted
        .flat_map(|wanted| after.matrix.definitions(&wanted.tag.version))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::check::support::{self, expecting, found, passed};
    use crate::facts::Observed;
    use istio_builds::Matrix;

    const DATA: &str = "date: 2026-11-01
definitions:
  - source: https://example.com/definitions
    evidence: docs
    page: {era: now}
    order: 1
    rows:
      - {definition: a.istio.io, istio: 1.7..}
      - {definition: b.istio.io, istio: 1.31..}
";

    fn outcome(tag: &str, crds: &[(&str, bool)]) -> Outcome {
        let crds = crds
            .iter()
            .map(|(name, known)| ((*name).to_owned(), *known));
        let facts = crate::facts::After {
            crds: Observed::Known(crds.collect::<BTreeMap<_, _>>()),
            ..support::after()
        };
        let (expected, matrix) = (expecting(tag), Matrix::only(DATA).unwrap());
        run(&After {
            matrix: &matrix,
            ..support::whole(&expected, &facts)
        })
    }

    #[test]
    fn what_the_version_brings_must_be_there_and_established() {
        let (a, b) = (("a.istio.io", true), ("b.istio.io", true));
        for (tag, crds, words) in [
            ("1.31.0", &[a, b][..], ""),
            ("1.30.0", &[a], ""),
            ("1.31.0", &[a], "not there"),
            (
                "1.30.0",
                &[("istiooperators.install.istio.io", true)],
                "not there",
            ),
            ("1.31.0", &[a, ("b.istio.io", false)], "not established"),
            ("1.31.0", &[], "none of"),
        ] {
            let outcome = outcome(tag, crds);
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
}
