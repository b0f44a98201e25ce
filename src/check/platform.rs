//! Checks that the charts support the platform that a document names.

use serde_json::Value;

use super::{Before, Check, Outcome, Run};
use crate::render::Rendered;
use crate::report::{Finding, Subject};

pub(super) const CHECK: Check = Check {
    id: "platform",
    title: "the charts know the platform",
    category: "documents",
    run: Run::Before(run),
    page: include_str!("platform.md"),
};

/// The positions of the platform, the one with precedence first.
const PLACES: [&str; 2] = ["unvalidatedValues", "values"];

fn run(before: &Before<'_>) -> Outcome {
    let known = &before.plan.installer.platforms;
    if known.is_empty() {
        return Outcome::NotApplicable(format!(
            "the charts of Istio {} take any platform",
            before.plan.tag.minor()
        ));
    }
    let findings = before.documents.iter().filter_map(|document| {
        let (place, word) = named(document)?;
        (!word.is_empty() && !known.contains(word)).then(|| {
            let known: Vec<&str> = known.iter().map(String::as_str).collect();
            Finding::error(
                "unknown-platform",
                format!(
                    "the charts of Istio {} have no platform {word}",
                    before.plan.tag.minor()
                ),
            )
            .subject(Subject::document(&document.name))
            .found(format!("spec.{place}.global.platform: {word}"))
            .expected(known.join(", "))
            .why("istioctl stops with \"unknown platform\"")
            .fix("remove it: any other platform needs no setting here")
        })
    });
    Outcome::of(
        findings.collect(),
        "none, or one that has settings of its own",
    )
}

fn named(document: &Rendered) -> Option<(&'static str, &str)> {
    PLACES.into_iter().find_map(|place| {
        let value = &document.value["spec"][place]["global"]["platform"];
        value.as_str().map(|word| (place, word)).or(match value {
            Value::Null => None,
            _ => Some((place, "that is not text")),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::support::{Given, found, passed};

    #[test]
    fn platforms_are_judged_by_version() {
        for (tag, word, words) in [
            ("1.24.6", "gke", "have no platform gke"),
            ("1.25.0", "gke", ""),
            ("1.31.0", "openshift", ""),
            ("1.31.0", "eks", "have no platform eks"),
            ("1.31.0", "OpenShift", "have no platform OpenShift"),
            ("1.31.0", "''", ""),
        ] {
            for root in PLACES {
                let spec = format!("{{{root}: {{global: {{platform: {word}}}}}}}");
                let outcome = Given::tag(tag).document("one", &spec).run(run);
                assert!(
                    if words.is_empty() {
                        passed(&outcome)
                    } else {
                        found(&outcome, words)
                    },
                    "{tag} {spec}: {outcome:?}"
                );
            }
        }
        let old = Given::tag("1.23.6").document("one", "{values: {global: {platform: eks}}}");
        assert!(matches!(old.run(run), Outcome::NotApplicable(_)));
    }
}
