//! Checks that distroless is set by the tag or by the variant, not by both.

use super::{Before, Check, Outcome, Run};
use crate::render::Rendered;
use crate::report::{Finding, Subject};
use istio_operator::Decides;

pub(super) const CHECK: Check = Check {
    id: "distroless-conflict",
    title: "distroless is set in one place only",
    category: "documents",
    run: Run::Before(run),
    page: include_str!("distroless_conflict.md"),
};

/// The suffix that both a tag and a variant can add.
const SUFFIX: &str = "-distroless";

fn run(before: &Before<'_>) -> Outcome {
    let findings = before.documents.iter().filter_map(twice);
    Outcome::of(findings.collect(), "no image gets the suffix twice")
}

fn twice(document: &Rendered) -> Option<Finding> {
    let of_profile = &document.installs.distroless;
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
        None if !of_profile.is_empty() => "its profile makes the variant distroless".to_owned(),
        None => return None,
    };
    let emptied = if of_profile.is_empty() {
        vec![r#"values.global.variant: """#.to_owned()]
    } else {
        let roots = of_profile.iter();
        roots
            .map(|root| format!(r#"values.{root}.variant: """#))
            .collect()
    };
    let finding = Finding::error("set-twice", "distroless is set by the tag and by the variant")
        .subject(Subject::document(&document.name))
        .found(format!("{}: {} ({}); {said}", tag.path, tag.value, tag.origin))
        .why("the charts append the variant to the tag unconditionally: the image would end in it twice, and nothing has that name")
        .fix(format!("keep one: tag {} with the variant, or {}", tag.value.trim_end_matches(SUFFIX), emptied.join(" and ")));
    Some(finding)
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
            let outcome = Given::tag("1.31.0-distroless")
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
    fn profile_ambient_is_emptied_where_that_version_sets_its_variant() {
        for (tag, values, twice) in [
            ("1.19.0-distroless", "{}", false),
            ("1.20.8-distroless", "{}", true),
            ("1.20.8-distroless", "{global: {variant: ''}}", true),
            (
                "1.20.8-distroless",
                "{pilot: {variant: ''}, ztunnel: {variant: ''}}",
                false,
            ),
            (
                "1.21.0-distroless",
                "{pilot: {variant: ''}, ztunnel: {variant: ''}}",
                false,
            ),
            ("1.22.0-distroless", "{pilot: {variant: ''}}", true),
            ("1.22.0-distroless", "{global: {variant: ''}}", false),
        ] {
            let spec = format!("{{profile: ambient, tag: {tag}, values: {values}}}");
            let outcome = Given::tag(tag).document("one", &spec).run(run);
            assert_eq!(!passed(&outcome), twice, "{spec}: {outcome:?}");
        }
    }
}
