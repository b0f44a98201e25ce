//! Checks that the content of the planned images agrees with their tags.

use super::expectation::demanded;
use super::fips::compliance_policies;
use super::image_exists::said;
use super::{Before, Check, Outcome, Run};
use crate::facts::{ImageProgram, Observed, PlannedImage};
use crate::report::{Assurance, Finding, ModuleStatement};
use fips_evidence::{Environment, Subject};

pub(super) const CHECK: Check = Check {
    id: "image-evidence",
    title: "planned images contain what their tags say",
    category: "build",
    run: Run::Before(run),
    page: include_str!("image_evidence.md"),
};

fn run(before: &Before<'_>) -> Outcome {
    // A requirement for proof is not met by images that were not read.
    let strict = !before.judge.accepts_words();
    if let (true, Observed::NotCollected(why)) = (strict, &before.facts.images) {
        let demanded = demanded(before.judge).unwrap_or_default();
        return Outcome::Unknown(format!(
            "{demanded} is required, and no image was read: {why}"
        ));
    }
    before.facts.images.judge(|images| {
        let known = images
            .iter()
            .filter_map(|image| Some((image, image.programs.known()?)));
        let read: Vec<(&PlannedImage, ModuleStatement)> = known
            .flat_map(|(image, programs)| {
                programs
                    .iter()
                    .map(move |program| (image, statement(before, image, program)))
            })
            .collect();
        // If a registry served some images, the others must be readable too.
        let answered = !read.is_empty() && before.plan.tag.flavor.is_fips();
        let unread = unread(images, strict || answered);
        if read.is_empty() && unread.is_empty() {
            return Outcome::NotChecked(why_unread(images).to_owned());
        }
        let findings = read
            .iter()
            .filter_map(|(image, one)| finding(before, image, one));
        let findings: Vec<Finding> = unread.into_iter().chain(findings).collect();
        let undecided = read.iter().find_map(|(_, one)| undecided(one));
        if let Some(why) = undecided.filter(|_| findings.is_empty()) {
            return Outcome::Unknown(why.clone());
        }
        let seen = read
            .iter()
            .map(|(_, one)| format!("{} {}", one.binary, one.module.word()));
        Outcome::of(findings, seen.collect::<Vec<_>>().join(", "))
    })
}

pub(super) fn statement(
    before: &Before<'_>,
    image: &PlannedImage,
    program: &ImageProgram,
) -> ModuleStatement {
    let variables = program.env.iter().filter_map(|pair| pair.split_once('='));
    ModuleStatement::of_program(
        before.judge,
        &Subject {
            image: Some(&image.reference),
            manifest: program.manifest.as_deref(),
            arch: Some(&program.arch),
            path: &program.path,
            reading: &program.reading,
            environment: &Environment::of(variables),
            known: Some(compliance_policies(before.matrix, &before.plan.tag.version)),
            says_fips: before.plan.tag.flavor.is_fips() || program.labelled_fips,
            role: program.role,
        },
    )
}

/// Returns why what was read neither fulfils nor violates the policy.
fn undecided(one: &ModuleStatement) -> Option<&String> {
    one.proof.as_ref()?.judgement.unknown.first()
}

/// Returns why no image was read, if that is not a problem: the first reason represents all.
fn why_unread(images: &[PlannedImage]) -> &str {
    let mut reasons = images
        .iter()
        .map(|image| match (&image.programs, &image.found) {
            (_, Err(none)) => said(none),
            (Observed::NotCollected(why), Ok(_)) => why,
            (Observed::Known(_) | Observed::Unknown(_), Ok(_)) => {
                "no program of Istio is in the images"
            }
        });
    reasons.next().unwrap_or("the plan has no image")
}

/// Reports images that could not be read; if `strict`, also those that were unreachable or skipped.
fn unread(images: &[PlannedImage], strict: bool) -> Vec<Finding> {
    let unread = images.iter().filter_map(|image| {
        let why = match (&image.programs, &image.found) {
            (Observed::Unknown(why), _) => why.clone(),
            (Observed::NotCollected(_), Err(none)) if strict => said(none).to_owned(),
            (Observed::NotCollected(why), Ok(_)) if strict => (*why).to_owned(),
            _ => return None,
        };
        Some(
            Finding::error(
                "image-not-read",
                format!("{} could not be read", image.reference),
            )
            .found(why),
        )
    });
    unread.collect()
}

fn finding(before: &Before<'_>, image: &PlannedImage, one: &ModuleStatement) -> Option<Finding> {
    let proof = one.proof.as_deref()?;
    let demanded = demanded(before.judge);
    let fips = before.plan.tag.flavor.is_fips() || demanded.is_some();
    let wrong = match one.module {
        Assurance::Contradicted | Assurance::Unknown => true,
        Assurance::Standard => fips,
        Assurance::Declared | Assurance::Identified | Assurance::Proven => {
            fips && !proof.judgement.because.is_empty()
        }
    };
    let arch = one.arch.as_deref().unwrap_or("unknown");
    let reasons = proof.judgement.because.iter().chain(&proof.reasons);
    wrong.then(|| {
        Finding::error(
            "assurance-too-low",
            format!(
                "{} in {} is {}",
                one.binary,
                image.reference,
                one.module.word()
            ),
        )
        .found(format!(
            "{} ({}, {arch})",
            proof.path,
            proof.manifest.as_deref().unwrap_or("without a manifest")
        ))
        .expected(demanded.unwrap_or_else(|| format!("what {} says", before.plan.tag)))
        .why(reasons.map(String::as_str).collect::<Vec<_>>().join("; "))
        .command("glooistio inspect --explain {}", &[&image.reference])
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::support::{Given, boring, found, own_module, passed, program, standard};
    use crate::facts::NoImage;
    use crate::report::Severity;

    const PATH: &str = "/usr/local/bin/pilot-discovery";

    fn planned(tag: &str, programs: Observed<Vec<ImageProgram>>) -> Observed<Vec<PlannedImage>> {
        Observed::Known(vec![PlannedImage {
            reference: format!("r.io/istio/pilot:{tag}"),
            found: Err(NoImage::Broken("not looked at here".to_owned())),
            programs,
            cached: None,
        }])
    }

    fn outcome(tag: &str, programs: Observed<Vec<ImageProgram>>) -> Outcome {
        let mut given = Given::tag(tag);
        given.facts.images = planned(tag, programs);
        given.run(run)
    }

    #[test]
    fn a_tag_and_the_bytes_behind_it_must_agree() {
        const FIPS: &str = "1.31.0-solo-fips";
        const PLAIN: &str = "1.31.0-solo";
        let lying = |mut evidence: fips_evidence::BinaryFacts| {
            evidence.modules[0].integrity = fips_evidence::Integrity::Differs("cd".to_owned());
            evidence
        };
        // tag, program, expected finding
        let table = [
            (FIPS, Ok(boring(false)), None),
            (FIPS, Ok(own_module()), None),
            (FIPS, Ok(standard()), Some("is contradicted")),
            (FIPS, Ok(lying(boring(false))), Some("is contradicted")),
            (FIPS, Err("cut off"), Some("is unknown")),
            (PLAIN, Ok(standard()), None),
            (PLAIN, Ok(boring(false)), None),
            (PLAIN, Ok(lying(boring(false))), Some("is contradicted")),
            (PLAIN, Err("cut off"), Some("is unknown")),
        ];
        for (tag, evidence, wanted) in table {
            let outcome = outcome(tag, Observed::Known(vec![program(PATH, PATH, evidence)]));
            match (&outcome, wanted) {
                (Outcome::Passed(seen), None) => assert!(seen.starts_with("pilot-discovery ")),
                (Outcome::Found(findings), Some(part)) => {
                    let [finding] = &findings[..] else {
                        panic!("{findings:?}")
                    };
                    assert_eq!(finding.severity, Severity::Error);
                    assert!(finding.message.contains(part), "{tag}: {}", finding.message);
                    assert!(finding.message.contains(&format!("pilot:{tag}")));
                }
                _ => panic!("{tag} {wanted:?}: {outcome:?}"),
            }
        }
    }

    #[test]
    fn a_floor_that_is_asked_for_judges_every_tag() {
        let below = |floor: Option<fips_evidence::RequiredAssurance>, policy| {
            let mut given = Given::tag("1.31.0-solo");
            given.facts.images = planned(
                "1.31.0-solo",
                Observed::Known(vec![program(PATH, PATH, Ok(standard()))]),
            );
            given.judge.floor = floor;
            given.judge.policy = policy;
            given.run(run)
        };
        assert!(passed(&below(None, fips_evidence::CertificatePolicy::Any)));
        assert!(found(
            &below(
                Some(fips_evidence::RequiredAssurance::Declared),
                fips_evidence::CertificatePolicy::Any
            ),
            "is standard"
        ));
        assert!(found(
            &below(None, fips_evidence::CertificatePolicy::Active140_3),
            "is standard"
        ));
    }

    #[test]
    fn what_asks_for_bytes_is_not_met_by_leaving_them_unread() {
        for (floor, policy, strict) in [
            (None, fips_evidence::CertificatePolicy::Any, false),
            (
                Some(fips_evidence::RequiredAssurance::Declared),
                fips_evidence::CertificatePolicy::Any,
                false,
            ),
            (
                Some(fips_evidence::RequiredAssurance::Proven),
                fips_evidence::CertificatePolicy::Any,
                true,
            ),
            (None, fips_evidence::CertificatePolicy::Active140_3, true),
        ] {
            let with = |images: Observed<Vec<PlannedImage>>| {
                let mut given = Given::tag("1.31.0-solo-fips");
                given.facts.images = images;
                given.judge.floor = floor;
                given.judge.policy = policy;
                given.run(run)
            };
            let none = with(Observed::NotCollected("--no-registry"));
            assert_eq!(matches!(none, Outcome::Unknown(_)), strict, "{none:?}");
            let away = with(planned(
                "1.31.0-solo-fips",
                Observed::NotCollected("in this test"),
            ));
            assert_eq!(found(&away, "could not be read"), strict, "{away:?}");
            assert_eq!(matches!(away, Outcome::NotChecked(_)), !strict, "{away:?}");
        }
    }

    #[test]
    fn variables_of_the_image_itself_count() {
        let with = |env: &str| {
            let mut program = program(PATH, PATH, Ok(own_module()));
            program.env = vec![env.to_owned()];
            outcome("1.31.0-solo-fips", Observed::Known(vec![program]))
        };
        assert!(passed(&with("GODEBUG=x=1")));
        let Outcome::Found(findings) = with("GODEBUG=fips140=off") else {
            panic!("a module that is switched off passed");
        };
        assert!(
            findings[0].why.as_deref().unwrap().contains("off"),
            "{findings:?}"
        );
    }

    #[test]
    fn what_could_not_be_read_is_an_error_and_what_nobody_asked_for_is_none() {
        let unread = outcome(
            "1.31.0-solo",
            Observed::Unknown("a layer is damaged".to_owned()),
        );
        let Outcome::Found(findings) = unread else {
            panic!("{unread:?}")
        };
        assert_eq!(findings[0].found.as_deref(), Some("a layer is damaged"));
        assert_eq!(findings[0].severity, Severity::Error);
        let idle = outcome("1.31.0-solo", Observed::NotCollected("in this test"));
        assert!(matches!(idle, Outcome::NotChecked(_)), "{idle:?}");
    }
}
