//! Checks that the installer of the available istioctl accepts the documents and renders the planned images.

use std::collections::BTreeSet;

use super::{Before, Check, Outcome, Run};
use crate::facts::{Manifest, ManifestError, ObjectImage, Objects};
use crate::image::is_image_of_istio;
use crate::render::Rendered;
use crate::report::{Finding, Subject};
use istio_builds::{ImageRef, mask};

pub(super) const CHECK: Check = Check {
    id: "istioctl-manifest",
    title: "istioctl accepts the documents and renders the planned images",
    category: "documents",
    run: Run::Before(run),
    page: include_str!("istioctl_manifest.md"),
};

fn run(before: &Before<'_>) -> Outcome {
    before.facts.manifests.judge(|manifests| {
        let mut findings = Vec::new();
        let mut gap = None;
        let mut images = BTreeSet::new();
        for manifest in manifests {
            match &manifest.outcome {
                Ok(objects) => {
                    findings.extend(judge(before, manifest, objects));
                    images.extend(objects.images.iter().map(|it| &it.image));
                }
                Err(ManifestError::Refused(why)) => {
                    findings.push(refused(before, manifest, why));
                }
                Err(ManifestError::NotRun(why)) => gap = Some(why.clone()),
                Err(ManifestError::Unreadable(why)) => {
                    let document = &manifest.document;
                    gap = Some(format!("what istioctl makes of document {document}: {why}"));
                }
            }
        }
        let seen = format!("{} images in {} documents", images.len(), manifests.len());
        gap.map_or(Outcome::Passed(seen), Outcome::Unknown)
            .with(findings)
    })
}

fn refused(before: &Before<'_>, manifest: &Manifest, why: &str) -> Finding {
    Finding::error("document-refused", "istioctl refuses this document")
        .subject(Subject::document(&manifest.document))
        .found(mask(why, before.plan.key.as_ref()))
        .expected("a document that `istioctl manifest generate -f -` accepts")
        .fix("correct the setting that the message names in your -f files or --set, or remove it")
}

fn judge(before: &Before<'_>, manifest: &Manifest, objects: &Objects) -> Vec<Finding> {
    let mut documents = before.documents.iter();
    let document = documents.find(|it| it.name == manifest.document);
    let own = |image: &str| {
        document.is_some_and(|document| {
            names_verbatim(document, image) || is_variant(before, document, image)
        })
    };
    let images = objects.images.iter();
    let other = images.filter(|it| !is_planned(before, &it.image) && !own(&it.image));
    let mut findings: Vec<Finding> = other.map(|it| other_image(before, manifest, it)).collect();
    findings.extend(document.and_then(|document| missing(before, document, objects)));
    findings
}

/// Checks whether hub, tag and digest are those of the plan, whatever the name of the image.
fn is_planned(before: &Before<'_>, image: &str) -> bool {
    let plan = before.plan;
    let Ok(parsed) = image.parse::<ImageRef>() else {
        return false;
    };
    let same_tag = parsed.tag().is_some_and(|tag| tag == plan.tag.to_string());
    if !parsed.is_from_hub(plan.hub.as_str()) {
        return false;
    }
    let Some(digest) = parsed.digest() else {
        return same_tag;
    };
    // A digest is right if the registry has it under the planned tag.
    let known = before.facts.images.known().map(Vec::as_slice);
    let planned = plan.hub.image(parsed.name(), &plan.tag);
    let found = known.unwrap_or_default().iter();
    let mut found = found.filter(|it| it.reference == planned);
    found.any(|it| {
        let found = it.found.as_ref();
        found.is_ok_and(|found| found.digest.to_string() == digest)
    }) && (same_tag || parsed.tag().is_none())
}

/// Checks whether an image is the planned build in the variant that the document or its profile selects: charts
/// append it to the tag.
fn is_variant(before: &Before<'_>, document: &Rendered, image: &str) -> bool {
    let planned = format!("{}-", before.plan.tag);
    let Ok(parsed) = image.parse::<ImageRef>() else {
        return false;
    };
    let is_longer = parsed.tag().is_some_and(|tag| tag.starts_with(&planned));
    is_longer && document.images(before.plan).contains(image)
}

/// Checks whether the document itself contains this image, as the user's own image in addition to the mesh.
/// Images of the mesh are judged wherever they come from.
fn names_verbatim(document: &Rendered, image: &str) -> bool {
    let name = image.parse::<ImageRef>();
    let is_mesh = name.is_ok_and(|parsed| is_image_of_istio(parsed.name()));
    !is_mesh && has_text(&document.value, image)
}

fn has_text(value: &serde_json::Value, text: &str) -> bool {
    match value {
        serde_json::Value::String(found) => found == text,
        serde_json::Value::Array(items) => items.iter().any(|item| has_text(item, text)),
        serde_json::Value::Object(fields) => fields.values().any(|item| has_text(item, text)),
        _ => false,
    }
}

fn other_image(before: &Before<'_>, manifest: &Manifest, image: &ObjectImage) -> Finding {
    let plan = before.plan;
    let parsed = image.image.parse::<ImageRef>();
    let name = parsed.as_ref().map_or("IMAGE", ImageRef::name);
    let masked = |text: &str| mask(text, plan.key.as_ref());
    Finding::error("other-image", "istioctl makes another image of the document than planned")
        .subject(Subject::place(&manifest.document, &image.place))
        .found(masked(&image.image))
        .expected(masked(&plan.hub.image(name, &plan.tag)))
        .why("this is what the installer of this istioctl makes of the document, whatever the document seems to say")
        .fix("remove the setting that changes the image, or plan its build by --istio and --hub")
}

/// Reports planned images of the document that istioctl does not render.
fn missing(before: &Before<'_>, document: &Rendered, objects: &Objects) -> Option<Finding> {
    let planned = document.images(before.plan);
    let made: BTreeSet<&String> = objects.images.iter().map(|it| &it.image).collect();
    let parsed = |image: &String| image.parse::<ImageRef>().ok();
    let missing: Vec<String> = planned
        .iter()
        .filter(|image| !made.contains(image))
        // Gateways get their proxy from an injector, which may be in another document.
        .filter(|image| parsed(image).is_none_or(|it| it.name() != "proxyv2"))
        .map(|image| mask(image, before.plan.key.as_ref()))
        .collect();
    (!missing.is_empty()).then(|| {
        Finding::warning("image-not-used", "istioctl makes no pods with an image that the plan expects")
            .subject(Subject::document(&document.name))
            .expected(missing.join(", "))
            .why("the component is disabled for this installer, or its image has another name")
            .fix("compare with `istioctl manifest generate -f -`, and enable the component if it is wanted")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::support::{Given, HUB, found, passed};
    use crate::facts::Observed;
    use crate::report::Severity;

    const TAG: &str = "1.31.0-solo-fips";

    fn outcome(outcome: Result<Objects, ManifestError>) -> Outcome {
        let document = "glooistio".to_owned();
        let spec = "{profile: minimal, meshConfig: {x: 'own.example/sidecar:2'}}";
        let mut given = Given::tag(TAG).document(&document, spec);
        given.facts.manifests = Observed::Known(vec![Manifest { document, outcome }]);
        given.run(run)
    }

    fn images(images: &[&str]) -> Objects {
        let image = |image: &&str| ObjectImage {
            place: "Deployment istio-system/istiod, container discovery".to_owned(),
            image: (*image).to_owned(),
        };
        Objects {
            images: images.iter().map(image).collect(),
            ..Objects::default()
        }
    }

    #[test]
    fn hub_and_tag_of_every_image_are_the_planned_ones() {
        let right = format!("{HUB}/pilot:{TAG}");
        assert!(passed(&outcome(Ok(images(&[&right])))));
        // Other programs that the document itself names belong to the user.
        assert!(passed(&outcome(Ok(images(&[
            &right,
            "own.example/sidecar:2"
        ])))));
        for wrong in [
            "gcr.io/istio-testing/pilot:latest".to_owned(),
            format!("{HUB}/pilot:1.31.0-solo"),
            format!("{HUB}/pilot"),
            format!("{HUB}/pilot:<nil>"),
            "<nil>/pilot:1".to_owned(),
            format!("{HUB}/pilot:{TAG}@sha256:{}", "0".repeat(64)),
            "busybox:1".to_owned(),
            String::new(),
        ] {
            let judged = outcome(Ok(images(&[&right, &wrong])));
            assert!(found(&judged, "another image"), "{wrong}: {judged:?}");
        }
    }

    #[test]
    fn variant_that_the_document_chooses_is_planned() {
        let judged = |spec: &str, image: &str| {
            let document = "glooistio".to_owned();
            let mut given = Given::tag("1.31.0-solo").document(&document, spec);
            let made = images(&[&format!("{HUB}/{image}")]);
            let outcome = Ok(made);
            given.facts.manifests = Observed::Known(vec![Manifest { document, outcome }]);
            given.run(run)
        };
        for (spec, image, right) in [
            (
                "{profile: minimal, values: {global: {variant: distroless}}}",
                "pilot:1.31.0-solo-distroless",
                true,
            ),
            (
                "{profile: minimal, values: {global: {variant: distroless}}}",
                "proxyv2:1.31.0-solo-distroless",
                true,
            ),
            ("{profile: ambient}", "ztunnel:1.31.0-solo-distroless", true),
            ("{profile: minimal}", "pilot:1.31.0-solo-distroless", false),
            (
                "{profile: minimal, values: {global: {variant: distroless}}}",
                "pilot:1.31.0-solo-debug",
                false,
            ),
        ] {
            let other = found(&judged(spec, image), "another image");
            assert_eq!(other, !right, "{spec} {image}");
        }
    }

    #[test]
    fn document_that_is_refused_is_an_error_with_the_words_of_istioctl() {
        let why = "Error: unknown field \"x\"";
        let judged = outcome(Err(ManifestError::Refused(why.to_owned())));
        let Outcome::Found(findings) = judged else {
            panic!("{judged:?}")
        };
        assert_eq!(findings[0].severity, Severity::Error);
        assert_eq!(findings[0].found.as_deref(), Some(why));
    }

    #[test]
    fn answer_that_did_not_come_is_unknown() {
        for error in [
            ManifestError::NotRun("hung".to_owned()),
            ManifestError::Unreadable("no YAML".to_owned()),
        ] {
            assert!(matches!(outcome(Err(error)), Outcome::Unknown(_)));
        }
    }

    #[test]
    fn component_that_istioctl_leaves_out_is_a_warning() {
        let judged = outcome(Ok(images(&[])));
        let Outcome::Found(findings) = judged else {
            panic!("{judged:?}")
        };
        assert_eq!(findings[0].severity, Severity::Warning);
    }
}
