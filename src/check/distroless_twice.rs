//! Distroless is said by the tag or by the variant, never by both.

use super::{Before, Check, Outcome, Run};
use crate::istio::Capability;
use crate::overlay::Decides;
use crate::render::Rendered;
use crate::report::Finding;

pub(super) const CHECK: Check = Check {
    id: "distroless-twice",
    title: "distroless is said once",
    category: "documents",
    run: Run::Before(run),
    page: include_str!("distroless_twice.md"),
};

/// What both a tag and a variant can say.
const SUFFIX: &str = "-distroless";

fn run(before: &Before<'_>) -> Outcome {
    let findings = before
        .documents
        .iter()
        .filter_map(|document| twice(before, document));
    Outcome::of(findings.collect(), "no image gets the suffix twice")
}

fn twice(before: &Before<'_>, document: &Rendered) -> Option<Finding> {
    let used = || {
        document
            .effective
            .places
            .iter()
            .filter(|place| place.ignored.is_none())
    };
    let tag =
        used().find(|place| place.decides == Decides::Tag && place.value.ends_with(SUFFIX))?;
    let variant = used().find(|place| {
        place.decides == Decides::Variant
            && place.path.ends_with(".variant")
            && !place.value.is_empty()
    });
    let said = match variant {
        Some(place) => format!("{}: {} ({})", place.path, place.value, place.origin),
        None if by_profile(before, document) => {
            "its profile makes the variant distroless".to_owned()
        }
        None => return None,
    };
    let finding = Finding::error("distroless is said by the tag and by the variant")
        .subject(format!("document {}", document.name))
        .found(format!("{}: {} ({}); {said}", tag.path, tag.value, tag.origin))
        .why("the charts put the variant behind the tag without a look: the image would end in it twice, and nothing has that name")
        .fix(format!("keep one: tag {} with the variant, or values.global.variant: \"\"", tag.value.trim_end_matches(SUFFIX)));
    Some(finding)
}

/// A profile that sets the variant by itself, unless the document empties it.
fn by_profile(before: &Before<'_>, document: &Rendered) -> bool {
    let chart_profile = document.value["spec"]["values"]["profile"].as_str();
    let profiles = [document.effective.profile.as_deref(), chart_profile];
    let mut ambient = profiles
        .into_iter()
        .flatten()
        .map(|profile| profile.contains("ambient"));
    ambient.any(|ambient| ambient)
        && document.effective.variant.is_none()
        && before
            .plan
            .capabilities
            .contains(&Capability::AmbientIsDistroless)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::support::{Given, found, passed};

    #[test]
    fn suffix_and_variant_together_are_found() {
        for (spec, words) in [
            ("{tag: 1.31.0-distroless}", ""),
            ("{tag: 1.31.0, values: {global: {variant: distroless}}}", ""),
            (
                "{tag: 1.31.0-distroless, values: {global: {variant: distroless}}}",
                "by the tag and",
            ),
            (
                "{tag: 1.31.0-distroless, values: {pilot: {variant: distroless}}}",
                "by the tag and",
            ),
            (
                "{tag: 1.31.0-distroless, profile: ambient}",
                "by the tag and",
            ),
            (
                "{tag: 1.31.0-distroless, profile: minimal, values: {profile: ambient}}",
                "by the tag and",
            ),
            (
                "{tag: 1.31.0-distroless, profile: ambient, values: {global: {variant: ''}}}",
                "",
            ),
        ] {
            let mut given = Given::tag("1.31.0-distroless").document("one", spec);
            given
                .plan
                .capabilities
                .insert(Capability::AmbientIsDistroless);
            let outcome = given.run(run);
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
}
