//! Checks that every feature given by `--feature` has the build that it needs.

use super::answer::finding;
use super::{Before, Check, Outcome, Run};
use crate::report::{Finding, Subject};

pub(super) const CHECK: Check = Check {
    id: "features",
    title: "requested features have what they need",
    category: "build",
    run: Run::Before(run),
    page: include_str!("features.md"),
};

fn run(before: &Before<'_>) -> Outcome {
    let plan = before.plan;
    if plan.features.is_empty() {
        return Outcome::NotApplicable("no features are requested".to_owned());
    }
    let gloo_mesh = plan
        .gloo_mesh
        .or_else(|| before.facts.gloo_mesh.known()?.version);
    match before.matrix.features(&plan.features, &plan.tag, gloo_mesh) {
        Err(unknown) => {
            Outcome::Found(vec![Finding::error("unknown-feature", unknown.to_string())])
        }
        Ok(features) => {
            let findings = features.into_iter().filter_map(|feature| {
                let message = format!("{} is not what this feature needs", feature.judgement.found);
                Some(
                    finding(message, feature.judgement)?
                        .subject(Subject::named("Feature", feature.feature)),
                )
            });
            Outcome::of(findings.collect(), plan.features.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::support::{Given, found, passed};

    const DATA: &str = "
features:
  - source: https://example.com/features
    evidence: docs
    page: {era: now}
    order: 1
    rows:
      - {feature: xslt, name: XSLT filter, requires: Istio 1.11 or later, istio: 1.11..}
";

    #[test]
    fn a_feature_needs_its_build() {
        for (tag, features, words) in [
            ("1.11.4-solo", &["xslt"][..], ""),
            ("1.10.4", &["xslt"], "not what this feature needs"),
            ("1.11.4", &["bogus"], "bogus"),
        ] {
            let mut given = Given::tag(tag).data(DATA);
            given.plan.features = features.iter().map(|name| (*name).to_owned()).collect();
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
        assert!(matches!(
            Given::tag("1.11.4").run(run),
            Outcome::NotApplicable(_)
        ));
    }
}
