//! Checks that no planned image comes from a hub that is about to be retired.

use std::collections::{BTreeMap, BTreeSet};

use super::answer::pages;
use super::{Before, Check, Outcome, Run};
use crate::report::{Finding, Subject};
use istio_builds::{HubRetirement, ImageRef, RetirementPhase};

pub(super) const CHECK: Check = Check {
    id: "hub-retirement",
    title: "no planned image is pulled from a retired hub",
    category: "build",
    run: Run::Before(run),
    page: include_str!("hub_retirement.md"),
};

fn run(before: &Before<'_>) -> Outcome {
    let images = before.documents.iter();
    let images = images.flat_map(|document| document.images(before.plan));
    let mut retired: BTreeMap<String, (HubRetirement, BTreeSet<String>)> = BTreeMap::new();
    for image in images.chain([format!("{}/pilot", before.plan.hub)]) {
        let hub = image.parse::<ImageRef>();
        let hub = hub.as_ref().map_or(image.as_str(), ImageRef::hub);
        if let Some(retirement) = before.matrix.hub_retirement(hub, before.today) {
            let entry = retired.entry(hub.to_owned());
            let (_, images) = entry.or_insert((retirement, BTreeSet::new()));
            images.insert(image);
        }
    }
    let findings = retired.into_iter().map(|(hub, (retirement, _))| {
        let instead = retirement.instead.clone();
        finding(&hub, retirement).fix(format!(
            "pull from {instead} (--hub {instead}), or from a mirror"
        ))
    });
    Outcome::of(findings.collect(), "no hub of the plan is to be retired")
}

/// Returns the warning about a hub; the caller adds the fix.
pub(super) fn finding(hub: &str, retirement: HubRetirement) -> Finding {
    let message = match retirement.phase {
        RetirementPhase::Announced => format!("hub {hub} is about to be removed"),
        RetirementPhase::SwitchedOff => format!("hub {hub} is switched off today"),
        RetirementPhase::Removed => {
            format!("hub {hub} should already be removed, according to its announcement")
        }
    };
    Finding::warning("hub-retires", message)
        .subject(Subject::named("Hub", hub))
        .found(retirement.dates)
        .expected(format!("a hub that stays, such as {}", retirement.instead))
        .why(pages(&retirement.quotes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::support::{Given, found, passed};

    // The tests of checks run on 2026-11-22.
    const DATA: &str = "
retirements:
  - source: https://example.com/retirement
    evidence: docs
    page: {era: now}
    order: 1
    rows:
      - {hub: later.example/istio, off-from: '2026-12-08T15:00:00Z', off-to: '2026-12-09T15:00:00Z', removed: 2026-12, instead: stays.example/istio, text: x}
      - {hub: today.example, off-from: '2026-11-22T15:00:00Z', off-to: '2026-11-23T15:00:00Z', removed: 2026-12, instead: stays.example/istio, text: x}
      - {hub: gone.example/istio, removed: 2026-10, instead: stays.example/istio, text: x}
";

    fn outcome(hub: &str, spec: &str) -> Outcome {
        let mut given = Given::tag("1.30.0").data(DATA).document("istio", spec);
        given.plan.hub = hub.parse().unwrap();
        given.run(run)
    }

    #[test]
    fn the_day_and_the_hub_decide() {
        for (hub, words) in [
            ("later.example/istio", Some("about to be removed")),
            ("today.example/release", Some("switched off today")),
            ("gone.example/istio", Some("should already be removed")),
            ("stays.example/istio", None),
        ] {
            let outcome = outcome(hub, "profile: default");
            match words {
                Some(words) => assert!(found(&outcome, words), "{hub}: {outcome:?}"),
                None => assert!(passed(&outcome), "{hub}: {outcome:?}"),
            }
        }
    }

    #[test]
    fn image_of_its_own_hub_in_a_document_is_found() {
        let spec = "values: {global: {proxy: {image: later.example/istio/proxyv2:1.30.0}}}";
        let outcome = outcome("stays.example/istio", spec);
        assert!(found(&outcome, "later.example/istio"), "{outcome:?}");
    }

    #[test]
    fn finding_has_the_dates_and_the_hub_to_use() {
        let Outcome::Found(findings) = outcome("later.example/istio", "profile: default") else {
            panic!("not found");
        };
        assert_eq!(
            findings[0].found.as_deref(),
            Some(
                "switched off from 2026-12-08 15:00 UTC to 2026-12-09 15:00 UTC, removed in 2026-12"
            )
        );
        let fix = findings[0].fix.as_deref().unwrap_or_default();
        assert!(fix.contains("--hub stays.example/istio"), "{fix}");
    }
}
