//! Checks what the injector adds to a new pod, by a server-side dry run.

use super::webhooks::taken_over;
use super::{After, Check, Outcome, Run, Wanted};
use crate::facts::{Injected, Observed};
use crate::report::{Finding, Subject};

pub(super) const CHECK: Check = Check {
    id: "injection",
    title: "a new pod gets the expected proxy",
    category: "injection",
    run: Run::After(run),
    page: include_str!("injection.md"),
};

fn run(after: &After<'_>) -> Outcome {
    let mut findings = Vec::new();
    let mut images = 0;
    let mut gaps = Vec::new();
    let webhooks = after.facts.webhooks.known().map_or(&[][..], Vec::as_slice);
    let expected = after.expected.revisions.iter();
    // New pods of the namespaces of such a revision get the proxy of another one; the check `webhooks` reports
    // this.
    let expected = expected.filter(|(revision, _)| taken_over(webhooks, revision).is_none());
    for (revision, wanted) in expected {
        match after.facts.injected.get(revision) {
            Some(Observed::Known(injected)) => {
                images += injected.images.len();
                findings.extend(judge(revision, wanted, injected));
            }
            Some(Observed::Unknown(why)) => {
                gaps.push(Outcome::Unknown(format!("revision {revision}: {why}")));
            }
            Some(Observed::NotCollected(why)) => gaps.push(Outcome::NotChecked((*why).to_owned())),
            None => gaps.push(Outcome::NotChecked(format!(
                "no dry run for revision {revision}"
            ))),
        }
    }
    let seen = || Outcome::Passed(format!("{images} containers injected as expected"));
    gaps.into_iter().next().unwrap_or_else(seen).with(findings)
}

fn judge(revision: &str, wanted: &Wanted, injected: &Injected) -> Vec<Finding> {
    let place = Subject::named(
        "Injector",
        format!("revision {revision}, namespace {}", injected.namespace),
    );
    if !injected.images.contains_key("istio-proxy") {
        let why = match injected.images.keys().next() {
            None => "the injector answered and added nothing".to_owned(),
            Some(other) => format!("the injector answered and added {other}, but no istio-proxy"),
        };
        let none = Finding::error("no-proxy", "a new pod would get no proxy")
            .subject(place)
            .why(why)
            .command(
                "kubectl get namespace {} --show-labels",
                &[&injected.namespace],
            );
        return vec![none];
    }
    let wrong = injected.images.iter().filter_map(|(container, image)| {
        let difference = wanted.differs(image)?;
        let finding = Finding::error("other-image", format!("container {container} {difference}"));
        Some(finding.subject(place.clone()).found(image).expected(wanted.image()).why(
            "the injector's own values decide this: an annotation, a template or `values.global` names another image",
        ))
    });
    wrong.collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::check::support::{self, found, passed};

    fn outcome(fact: Observed<Injected>) -> Outcome {
        let mut facts = support::after();
        facts.injected = BTreeMap::from([("default".to_owned(), fact)]);
        support::run_after(run, &facts, "1.31.0-solo-fips")
    }

    fn injected(images: &[(&str, &str)]) -> Observed<Injected> {
        let images = images
            .iter()
            .map(|(name, image)| ((*name).to_owned(), (*image).to_owned()))
            .collect();
        Observed::Known(Injected {
            namespace: "a".into(),
            revision: "default".into(),
            images,
        })
    }

    #[test]
    fn default_revision_whose_tag_was_moved_is_not_tried() {
        let mut facts = support::after();
        let proxy = ("istio-proxy", "r.io/istio/proxyv2:1.32.0-solo-fips");
        facts.injected = BTreeMap::from([("default".to_owned(), injected(&[proxy]))]);
        facts.webhooks = Observed::Known(vec![crate::facts::Webhook {
            tag: Some("default".to_owned()),
            ..support::webhook("canary")
        }]);
        assert!(passed(&support::run_after(run, &facts, "1.31.0-solo-fips")));
    }

    #[test]
    fn every_injected_container_must_be_right() {
        let proxy = ("istio-proxy", "r.io/istio/proxyv2:1.31.0-solo-fips");
        let init = ("istio-init", "r.io/istio/proxyv2:1.31.0-solo");
        assert!(passed(&outcome(injected(&[proxy]))));
        assert!(found(
            &outcome(injected(&[proxy, init])),
            "istio-init runs 1.31.0-solo,"
        ));
        assert!(found(&outcome(injected(&[])), "no proxy"));
        let init = ("istio-init", "r.io/istio/proxyv2:1.31.0-solo-fips");
        assert!(found(&outcome(injected(&[init])), "no proxy"));
    }

    #[test]
    fn a_dry_run_that_failed_is_unknown_and_one_that_was_not_tried_is_not_checked() {
        assert!(matches!(
            outcome(Observed::Unknown("refused".into())),
            Outcome::Unknown(_)
        ));
        let facts = support::after();
        assert!(matches!(
            support::run_after(run, &facts, "1.31.0"),
            Outcome::NotChecked(_)
        ));
    }
}
