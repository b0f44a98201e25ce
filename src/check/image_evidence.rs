//! The images of the plan hold what their tags say, by the bytes of their programs.

use super::{Before, Check, Outcome, Run};
use crate::facts::{Fact, ImageProgram, PlannedImage};
use crate::fips::{Environment, Policies, Subject};
use crate::report::{Evidence, Finding, Module};

pub(super) const CHECK: Check = Check {
    id: "image-evidence",
    title: "every image of the plan holds what its tag says",
    category: "build",
    run: Run::Before(run),
    page: include_str!("image_evidence.md"),
};

fn run(before: &Before<'_>) -> Outcome {
    before.facts.images.judge(|images| {
        let known = images
            .iter()
            .filter_map(|image| Some((image, image.programs.known()?)));
        let read: Vec<(&PlannedImage, Evidence)> = known
            .flat_map(|(image, programs)| {
                programs
                    .iter()
                    .map(move |program| (image, statement(before, image, program)))
            })
            .collect();
        let unread = unread(images);
        if read.is_empty() && unread.is_empty() {
            return Outcome::NotChecked("--inspect-images reads what is in them".to_owned());
        }
        let findings = read
            .iter()
            .filter_map(|(image, one)| finding(before, image, one));
        let findings: Vec<Finding> = unread.into_iter().chain(findings).collect();
        let seen = read
            .iter()
            .map(|(_, one)| format!("{} {}", one.binary, one.module.word()));
        Outcome::of(findings, seen.collect::<Vec<_>>().join(", "))
    })
}

fn statement(before: &Before<'_>, image: &PlannedImage, program: &ImageProgram) -> Evidence {
    let variables = program.env.iter().filter_map(|pair| pair.split_once('='));
    before.judge.statement(&Subject {
        image: Some(&image.reference),
        manifest: program.manifest.as_deref(),
        arch: Some(&program.arch),
        path: &program.path,
        reading: &program.reading,
        environment: &Environment::of(variables),
        known: Some(Policies::of(before.matrix, &before.plan.tag.version)),
    })
}

/// Images that are there and could not be read.
fn unread(images: &[PlannedImage]) -> Vec<Finding> {
    let unread = images.iter().filter_map(|image| match &image.programs {
        Fact::Unknown(why) => Some(
            Finding::error(format!("{} could not be read", image.reference)).found(why.clone()),
        ),
        Fact::Known(_) | Fact::NotAsked(_) => None,
    });
    unread.collect()
}

fn finding(before: &Before<'_>, image: &PlannedImage, one: &Evidence) -> Option<Finding> {
    let proof = one.proof.as_deref()?;
    let fips = before.plan.tag.flavor.is_fips();
    let wrong = match one.module {
        Module::Contradicted | Module::Unknown => true,
        Module::Standard => fips,
        Module::Declared | Module::Identified | Module::Proven => fips && !proof.judgement.accepted,
    };
    let arch = one.arch.as_deref().unwrap_or("unknown");
    let reasons = proof.judgement.because.iter().chain(&proof.reasons);
    wrong.then(|| {
        Finding::error(format!(
            "{} in {} is {}",
            one.binary,
            image.reference,
            one.module.word()
        ))
        .found(format!(
            "{} ({}, {arch})",
            proof.path,
            proof.manifest.as_deref().unwrap_or("without a manifest")
        ))
        .wanted(format!("what {} says", before.plan.tag))
        .why(reasons.map(String::as_str).collect::<Vec<_>>().join("; "))
        .command(format!("glooistio inspect --explain {}", image.reference))
    })
}
