//! Checks that every position in the documents that determines an image names the planned build.

use super::{Before, Check, Outcome, Run};
use crate::plan::Plan;
use crate::render::Rendered;
use crate::report::{Finding, Subject};
use istio_builds::{ImageRef, mask};
use istio_operator::{Decides, Place};

pub(super) const CHECK: Check = Check {
    id: "documents-agree",
    title: "the documents use the planned hub and tag everywhere",
    category: "documents",
    run: Run::Before(run),
    page: include_str!("documents_agree.md"),
};

/// Images of the mesh; any other image is the user's own.
const COMPONENTS: [&str; 5] = ["pilot", "proxyv2", "install-cni", "ztunnel", "operator"];

fn run(before: &Before<'_>) -> Outcome {
    if before.documents.is_empty() {
        return Outcome::NotChecked("no documents".to_owned());
    }
    let findings = before.documents.iter().flat_map(|document| {
        let places = document.effective.places.iter();
        let found = places.filter_map(|place| match place.ignored {
            None => judge(before.plan, document, place),
            Some(why) => unused(before.plan, document, place, why),
        });
        silent(before.plan, document)
            .into_iter()
            .chain(found)
            .collect::<Vec<_>>()
    });
    let places: usize = before
        .documents
        .iter()
        .map(|document| document.effective.places.len())
        .sum();
    Outcome::of(findings.collect(), format!("{places} places"))
}

/// Reports hub or tag if the document does not set it: istioctl then uses its own.
fn silent(plan: &Plan, document: &Rendered) -> Vec<Finding> {
    let said = [
        ("hub", &document.effective.hub, plan.hub.to_string()),
        ("tag", &document.effective.tag, plan.tag.to_string()),
    ];
    let unsaid = said.into_iter().filter(|(_, value, _)| value.is_none());
    unsaid
        .map(|(what, _, wanted)| {
            Finding::error(
                "not-set",
                format!("has no {what}, so istioctl uses its own"),
            )
            .subject(Subject::document(&document.name))
            .expected(masked(plan, &wanted))
            .fix(format!("set spec.{what}"))
        })
        .collect()
}

fn judge(plan: &Plan, document: &Rendered, place: &Place) -> Option<Finding> {
    let value = place.value.as_str();
    let (hub, tag) = (plan.hub.as_str(), plan.tag.to_string());
    let wanted = match place.decides {
        Decides::Hub if value != hub => hub.to_owned(),
        Decides::Tag if !same_tag(plan, document, value) => tag,
        Decides::Variant if !same_variant(plan, value) => tag,
        Decides::Image => return image(plan, document, place),
        Decides::Hub | Decides::Tag | Decides::Variant => return None,
    };
    Some(finding(plan, document, place, &wanted))
}

/// Reports a value that the user set and istioctl ignores: harmless, but misleading.
fn unused(plan: &Plan, document: &Rendered, place: &Place, why: &str) -> Option<Finding> {
    let planned = place.value == plan.hub.as_str() || same_tag(plan, document, &place.value);
    (!planned && !place.value.is_empty()).then(|| {
        Finding::info("no-effect", format!("{} has no effect: {why}", place.path))
            .subject(Subject::input(&document.name, place.origin.clone()))
            .found(masked(plan, &place.value))
    })
}

/// Checks for the planned tag, or a tag that becomes it with the variant of the document.
fn same_tag(plan: &Plan, document: &Rendered, tag: &str) -> bool {
    let planned = plan.tag.to_string();
    let variant = document
        .effective
        .variant
        .as_deref()
        .filter(|variant| !variant.is_empty());
    tag == planned || variant.is_some_and(|variant| format!("{tag}-{variant}") == planned)
}

/// Checks whether a variant agrees with the plan: it becomes the suffix of the image's tag. `default` means no
/// suffix.
fn same_variant(plan: &Plan, variant: &str) -> bool {
    let agreeing = if plan.tag.flavor.distroless {
        "distroless"
    } else {
        "default"
    };
    variant.is_empty() || variant == agreeing
}

/// Judges a full reference of a mesh image; a bare name is combined with hub and tag, so it agrees.
fn image(plan: &Plan, document: &Rendered, place: &Place) -> Option<Finding> {
    let name = place.value.rsplit('/').next()?.split([':', '@']).next()?;
    let whole = place.value.contains(['/', ':', '@']);
    if !whole || !COMPONENTS.contains(&name) {
        return None;
    }
    let agrees = place.value.parse::<ImageRef>().is_ok_and(|image| {
        let same_tag = image.tag().is_some_and(|tag| same_tag(plan, document, tag));
        same_tag && image.digest().is_none() && image.is_from_hub(plan.hub.as_str())
    });
    (!agrees).then(|| finding(plan, document, place, &plan.hub.image(name, &plan.tag)))
}

fn finding(plan: &Plan, document: &Rendered, place: &Place, wanted: &str) -> Finding {
    Finding::error(
        "other-build",
        format!("{} asks for another build than planned", place.path),
    )
    .subject(Subject::input(&document.name, place.origin.clone()))
    .found(masked(plan, &place.value))
    .expected(masked(plan, wanted))
    .why("a mesh of mixed builds is what a plan exists to prevent")
    .fix(format!(
        "remove {} ({}), or plan that build with --istio and --hub",
        place.path, place.origin
    ))
}

fn masked(plan: &Plan, text: &str) -> String {
    mask(text, plan.key.as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::support::{Given, found, passed};

    #[test]
    fn every_place_counts() {
        for (spec, words) in [
            ("{hub: r.io/istio, tag: 1.31.0-solo-fips}", ""),
            ("{tag: 1.31.0-solo-fips}", "has no hub"),
            ("{hub: r.io/istio}", "has no tag"),
            (
                "{hub: r.io/istio, tag: 1.31.0-solo-fips, values: {global: {hub: r.io/other}}}",
                "values.global.hub",
            ),
            ("{hub: r.io/istio, tag: 1.31.0-solo}", "spec.tag"),
            (
                "{hub: r.io/istio, tag: 1.31.0-solo-fips, values: {pilot: {image: 'x.io/a/pilot:1.31.0'}}}",
                "pilot.image",
            ),
            (
                "{hub: r.io/istio, tag: 1.31.0-solo-fips, values: {pilot: {image: pilot}}}",
                "",
            ),
            (
                "{hub: r.io/istio, tag: 1.31.0-solo-fips, components: {pilot: {tag: 1.30.0}}}",
                "components.pilot.tag",
            ),
        ] {
            let outcome = Given::tag("1.31.0-solo-fips")
                .document("one", spec)
                .run(run);
            assert!(
                if words.is_empty() {
                    passed(&outcome)
                } else {
                    found(&outcome, words)
                },
                "{spec}: {outcome:?}"
            );
        }
    }

    #[test]
    fn a_tag_that_the_variant_completes_agrees() {
        let spec =
            "{hub: r.io/istio, tag: 1.31.0-solo-fips, values: {global: {variant: distroless}}}";
        let outcome = Given::tag("1.31.0-solo-fips-distroless")
            .document("one", spec)
            .run(run);
        assert!(passed(&outcome), "{outcome:?}");
    }

    #[test]
    fn a_variant_that_changes_the_image_is_found() {
        for (tag, variant, words) in [
            ("1.31.0-solo", "''", ""),
            ("1.31.0-solo", "distroless", "values.global.variant"),
            ("1.31.0-solo", "debug", "values.global.variant"),
            ("1.31.0-solo-distroless", "debug", "values.global.variant"),
        ] {
            let spec = format!(
                "{{hub: r.io/istio, tag: {tag}, values: {{global: {{variant: {variant}}}}}}}"
            );
            let outcome = Given::tag(tag).document("one", &spec).run(run);
            assert!(
                if words.is_empty() {
                    passed(&outcome)
                } else {
                    found(&outcome, words)
                },
                "{spec}: {outcome:?}"
            );
        }
    }

    #[test]
    fn a_value_without_effect_is_a_note() {
        let spec = "{hub: x.io/old, tag: 1.31.0-solo-fips, values: {global: {hub: r.io/istio}}}";
        let outcome = Given::tag("1.31.0-solo-fips")
            .document("one", spec)
            .run(run);
        assert!(found(&outcome, "spec.hub has no effect"), "{outcome:?}");
        assert!(matches!(outcome, Outcome::Found(findings) if findings.len() == 1));
    }
}
