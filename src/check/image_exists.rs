//! Checks that every image of the plan exists for the nodes and can be pulled.

use std::collections::BTreeMap;

use super::expectation::demanded;
use super::{Before, Check, Outcome, Run};
use crate::facts::{NoImage, Nodes, Observed, PlannedImage};
use crate::image::{Found, Platform};
use crate::report::{Finding, Severity, Subject};

pub(super) const CHECK: Check = Check {
    id: "image-exists",
    title: "planned images exist for the architectures of the nodes",
    category: "build",
    run: Run::Before(run),
    page: include_str!("image_exists.md"),
};

/// The architecture of an ARM build.
const ARM: &str = "arm64";

fn run(before: &Before<'_>) -> Outcome {
    before.facts.images.judge(|images| {
        let mut away: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        let mut findings = Vec::new();
        for image in images {
            match &image.found {
                Ok(found) => findings.extend(lacking(before, image, found)),
                Err(NoImage::Unreachable(why)) => {
                    away.entry(why.clone()).or_default().push(&image.reference);
                }
                Err(NoImage::Failed(why)) => findings.push(failed(before, image, why)),
                Err(error) => findings.push(refused(image, error)),
            }
        }
        findings.extend(
            away.into_iter()
                .map(|(why, images)| unreachable(&why, &images)),
        );
        findings.extend(uncompared(before));
        let seen: Vec<&str> = images
            .iter()
            .map(|image| image.reference.as_str())
            .collect();
        Outcome::of(findings, seen.join(", "))
    })
}

/// Reports an image that some node cannot run.
fn lacking(before: &Before<'_>, image: &PlannedImage, found: &Found) -> Option<Finding> {
    let Some(nodes) = before.facts.nodes.known() else {
        return less_than_listed(image, found);
    };
    let lacking: Vec<&str> = architectures(before, nodes)
        .filter(|name| !found.runs_on(name))
        .collect();
    if lacking.is_empty() {
        return None;
    }
    let missing = found.missing.iter();
    let listed = missing.filter(|(it, _)| lacking.contains(&it.architecture.as_str()));
    let why = ["a pod that lands on such a node could not start".to_owned()];
    let why: Vec<String> = why.into_iter().chain(listed.map(sparse)).collect();
    let finding = Finding::error("platform-missing", format!("{} does not exist for {}", image.reference, lacking.join(", ")))
        .found(seen(found))
        .expected(format!("linux/{} as well", lacking.join(", linux/")))
        .why(why.join("; "))
        .fix("take a build that has it, mirror every platform (skopeo copy --all), or keep the mesh off those nodes by a node selector and lower this by --severity image-exists=warning");
    Some(finding)
}

/// If no node is known, reports an image that lacks a platform that its index lists.
fn less_than_listed(image: &PlannedImage, found: &Found) -> Option<Finding> {
    let listed: Vec<String> = found.missing.iter().map(|(it, _)| it.to_string()).collect();
    let why: Vec<String> = found.missing.iter().map(sparse).collect();
    let listed = listed.join(", ");
    (!why.is_empty()).then(|| {
        Finding::warning(
            "platform-refused",
            format!("{} is listed for {listed}, and not there", image.reference),
        )
        .found(seen(found))
        .why(why.join("; "))
        .fix("mirror every platform (skopeo copy --all), or keep the mesh to nodes of the others")
    })
}

fn seen(found: &Found) -> String {
    let has: Vec<String> = found.platforms.iter().map(ToString::to_string).collect();
    format!("{} of {}", found.digest, has.join(", "))
}

/// Describes a platform that an index lists and the registry does not have.
fn sparse((platform, why): &(Platform, String)) -> String {
    format!("its index lists {platform}, but {why}")
}

/// Reports that the images were not compared because nodes could not be listed.
fn uncompared(before: &Before<'_>) -> Option<Finding> {
    let Observed::Unknown(why) = &before.facts.nodes else {
        return None;
    };
    let finding = Finding::warning(
        "nodes-unknown",
        "the images were not compared with the processors of the nodes",
    );
    Some(finding.found(why.clone()).fix("allow `list` on nodes"))
}

/// Returns the architectures of the nodes; for an ARM build only ARM, since another check judges the other
/// nodes.
fn architectures<'a>(before: &'a Before<'_>, nodes: &'a Nodes) -> impl Iterator<Item = &'a str> {
    let arm_only = before.plan.tag.flavor.arm;
    let names = nodes.architectures.keys().map(String::as_str);
    names.filter(move |name| !arm_only || *name == ARM)
}

/// Returns why an image is not available, as text.
pub(super) fn said(error: &NoImage) -> &str {
    let (NoImage::Missing(said)
    | NoImage::Denied(said)
    | NoImage::Unreachable(said)
    | NoImage::Failed(said)
    | NoImage::Broken(said)) = error;
    said
}

/// Returns the code of a finding about an image that is not available.
fn image_code(error: &NoImage) -> &'static str {
    match error {
        NoImage::Missing(_) => "image-missing",
        NoImage::Denied(_) => "image-denied",
        NoImage::Unreachable(_) => "registry-unreachable",
        NoImage::Failed(_) => "image-failed",
        NoImage::Broken(_) => "image-broken",
    }
}

fn refused(image: &PlannedImage, error: &NoImage) -> Finding {
    let finding =
        Finding::error(image_code(error), said(error)).subject(Subject::image(&image.reference));
    match error {
        NoImage::Missing(_) => finding
            .why("pods would end in ImagePullBackOff")
            .command("glooistio matrix builds", &[]),
        NoImage::Denied(_) => finding
            .why("it is asked from here with the credentials of docker or podman; nodes may have others")
            .fix("check the repo key (--repo-key), or leave this out by --skip image-exists=REASON where only the nodes may pull"),
        _ => finding,
    }
}

/// Reports an image that failed although its registry answers other requests: an error if FIPS is required,
/// because the missing image may be the one that contradicts its tag.
fn failed(before: &Before<'_>, image: &PlannedImage, why: &str) -> Finding {
    let fips = before.plan.tag.flavor.is_fips() || demanded(before.judge).is_some();
    let severity = if fips {
        Severity::Error
    } else {
        Severity::Warning
    };
    Finding::new(
        "not-readable",
        severity,
        format!("{} could not be looked at", image.reference),
    )
    .found(why.to_owned())
    .why("its registry answers other requests, so what is in the image stays unknown")
    .fix("run the command again, check the registry, or leave images out with --no-registry")
}

fn unreachable(why: &str, images: &[&str]) -> Finding {
    Finding::warning("registry-unreachable", why.to_owned())
        .subject(Subject::image(images.join(", ")))
        .why("the nodes may reach it all the same; nothing is known of these images")
        .fix("run it where the registry can be reached, or leave it out by --no-registry")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::support::{Given, found, passed};

    fn given(found: Result<Found, NoImage>, nodes: Observed<Nodes>) -> Given {
        let mut given = Given::tag("1.31.0-solo-fips");
        given.facts.nodes = nodes;
        given.facts.images = Observed::Known(vec![PlannedImage {
            reference: "r.io/istio/pilot:1.31.0-solo-fips".to_owned(),
            found,
            programs: Observed::NotCollected("in this test"),
            cached: None,
        }]);
        given
    }

    fn nodes(names: &[&str]) -> Observed<Nodes> {
        let architectures = names.iter().map(|name| ((*name).to_owned(), 1)).collect();
        Observed::Known(Nodes {
            architectures,
            ..Nodes::default()
        })
    }

    fn amd64() -> Found {
        Found {
            digest: format!("sha256:{}", "0a".repeat(32)).parse().unwrap(),
            platforms: vec!["linux/amd64".parse().unwrap()],
            missing: Vec::new(),
        }
    }

    #[test]
    fn what_a_sparse_mirror_lacks_is_said_where_a_node_needs_it_or_may() {
        let sparse = Found {
            missing: vec![(Platform::linux("arm64"), "it was thrown away".to_owned())],
            ..amd64()
        };
        let outcome = |nodes| given(Ok(sparse.clone()), nodes).run(run);
        assert!(passed(&outcome(nodes(&["amd64"]))));
        for (nodes, severity) in [
            (nodes(&["amd64", "arm64"]), Severity::Error),
            (Observed::NotCollected("no cluster"), Severity::Warning),
        ] {
            let Outcome::Found(findings) = outcome(nodes) else {
                panic!("{severity:?} passed");
            };
            assert_eq!((findings.len(), findings[0].severity), (1, severity));
            let why = findings[0].why.as_deref().unwrap();
            assert!(
                why.contains("its index lists linux/arm64, but it was thrown away"),
                "{why}"
            );
        }
        let whole = given(Ok(amd64()), Observed::NotCollected("no cluster")).run(run);
        assert!(passed(&whole), "{whole:?}");
    }

    #[test]
    fn every_processor_of_the_nodes_must_have_the_image() {
        assert!(passed(&given(Ok(amd64()), nodes(&["amd64"])).run(run)));
        let lacking = given(Ok(amd64()), nodes(&["amd64", "arm64"])).run(run);
        assert!(found(&lacking, "does not exist for arm64"));
    }

    #[test]
    fn what_was_not_seen_is_a_warning_and_what_is_refused_an_error() {
        let said = || "it says so".to_owned();
        for (answer, nodes, severity) in [
            (Ok(amd64()), Observed::Unknown(said()), Severity::Warning),
            (
                Err(NoImage::Unreachable(said())),
                nodes(&[]),
                Severity::Warning,
            ),
            (Err(NoImage::Missing(said())), nodes(&[]), Severity::Error),
            (Err(NoImage::Denied(said())), nodes(&[]), Severity::Error),
            (Err(NoImage::Broken(said())), nodes(&[]), Severity::Error),
        ] {
            let Outcome::Found(findings) = given(answer.clone(), nodes).run(run) else {
                panic!("{answer:?} passed");
            };
            assert_eq!(findings.len(), 1, "{answer:?}");
            assert_eq!(findings[0].severity, severity, "{answer:?}");
        }
    }
}
