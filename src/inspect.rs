//! Inspect: files, archives, layouts and registry images → what is in their programs, judged.

use crate::exit::{Exit, Failure};
use crate::fips::{Environment, Judge, Reading, Subject};
use crate::image::{self, Digest, Image, Inspected, Program, Request, Sources, Target, Want};
use crate::report::{ErrorReport, Evidence, Expected, Module, PinnedImage, Report, Severity};
use crate::sys::os;

/// What to inspect, and how to judge it.
pub struct Inspect<'a> {
    /// As they were typed.
    pub targets: &'a [String],
    pub request: Request,
    pub judge: &'a Judge,
    /// `NAME=VALUE`, over the environment that an image gives.
    pub env: &'a [(String, String)],
    /// The digest of a file is wanted; that of a program in an image is known anyway.
    pub digest: bool,
}

impl Inspect<'_> {
    /// Reads every target; one that cannot be read keeps no other from being read.
    pub fn run(&self, sources: Sources<'_>, report: &mut Report) -> Result<Exit, Failure> {
        let mut failures = Vec::new();
        for text in self.targets {
            match self.target(text, sources, &mut report.expected) {
                Ok(evidence) => report.evidence.extend(evidence),
                Err(failure) if failure.exit == Exit::Interrupted => return Err(failure),
                Err(failure) => failures.push(failure),
            }
        }
        if report.evidence.is_empty()
            && let Some(failure) = failures.pop_if(|_| self.targets.len() == 1)
        {
            return Err(failure);
        }
        let found = if report.failed() {
            Exit::Findings
        } else {
            Exit::Ok
        };
        let Some(exit) = failures.iter().map(|failure| failure.exit).min() else {
            return Ok(found);
        };
        let said: Vec<&str> = failures.iter().map(|it| it.message.as_str()).collect();
        report.error = Some(ErrorReport {
            exit: exit.code(),
            message: format!(
                "{} of {} could not be read: {}",
                said.len(),
                self.targets.len(),
                said.join("; ")
            ),
            hints: failures
                .iter()
                .flat_map(|failure| failure.hints.clone())
                .collect(),
        });
        Ok(exit)
    }

    fn target(
        &self,
        text: &str,
        sources: Sources<'_>,
        expected: &mut Expected,
    ) -> Result<Vec<Evidence>, Failure> {
        let target = &Target::parse(text, os::exists)?;
        if let Target::Registry(reference) = target {
            sources.registry.allow(reference.registry());
        }
        let in_image = !matches!(target, Target::Path(_) | Target::Stdin);
        let digest = self.digest || in_image;
        let modules = &self.judge.modules;
        // What is kept of an image has the digests of its programs.
        let cache = sources.cache.filter(|_| digest);
        let sources = Sources { cache, ..sources };
        let read = image::inspect(target, &self.request, sources, &mut |program| {
            Reading::of(program.source, program.size, modules, digest)
        })?;
        Ok(match read {
            Inspected::Program(program) => {
                self.only_images(&program)?;
                vec![self.strictly(self.file(&program))]
            }
            Inspected::Images(images) => {
                let holder = match target {
                    Target::Registry(_) => String::new(),
                    held => held.holder(),
                };
                let cached = images.iter().filter_map(|image| {
                    Some((format!("{} {}", image.name, image.platform), image.kept?))
                });
                let note = image::cache_note(&cached.collect());
                expected.notes.extend(note);
                pin(&images, &mut expected.images);
                let each = images.iter();
                each.flat_map(|image| self.image(image, &holder)).collect()
            }
        })
    }

    /// What chooses within an image says nothing of a file.
    fn only_images(&self, program: &Program<Reading>) -> Result<(), Failure> {
        if self.request.platforms.is_empty() && self.request.want == Want::Known {
            return Ok(());
        }
        let message = format!(
            "`{}` is a program: --platform, --path and --all are for images",
            program.path
        );
        Err(Failure::message(Exit::Usage, message))
    }

    fn file(&self, program: &Program<Reading>) -> Evidence {
        let environment = self.environment(&[]);
        self.judge.statement(&Subject {
            image: None,
            manifest: None,
            arch: None,
            path: &program.path,
            reading: &Reading::or(program.reading.clone()),
            environment: &environment,
            known: None,
        })
    }

    fn image(&self, image: &Image<Reading>, holder: &str) -> Vec<Evidence> {
        let manifest = image.manifest.as_ref().map(ToString::to_string);
        let environment = self.environment(&image.env);
        let of = |program: &Program<Reading>| {
            let statement = self.judge.statement(&Subject {
                image: Some(&image.name),
                manifest: manifest.as_deref(),
                arch: Some(&image.platform.architecture),
                path: &program.path,
                reading: &Reading::or(program.reading.clone()),
                environment: &environment,
                known: None,
            });
            self.strictly(against_tag(&image.name, holder, statement))
        };
        if image.programs.is_empty() {
            return vec![of(&nothing())];
        }
        image.programs.iter().map(of).collect()
    }

    /// Refuses under `--strict` what an auditor is to be warned of. A status that is too old for the policy
    /// leaves it unknown, which is said already.
    fn strictly(&self, mut statement: Evidence) -> Evidence {
        if self.judge.strict
            && let Some(proof) = &mut statement.proof
            && proof.judgement.unknown.is_empty()
        {
            let remarks = proof.remarks.iter();
            let warnings = remarks.filter(|remark| remark.severity >= Severity::Warning);
            let warnings = warnings.map(|remark| remark.message.clone());
            proof.judgement.because.extend(warnings);
            proof.judgement.accepted &= proof.judgement.because.is_empty();
        }
        statement
    }

    fn environment(&self, image: &[String]) -> Environment {
        let of_image = image.iter().filter_map(|pair| pair.split_once('='));
        let given = self
            .env
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        Environment::of(of_image.chain(given))
    }
}

/// What each name stands for: what one pins or signs is the index, where there is one.
fn pin(images: &[Image<Reading>], pinned: &mut Vec<PinnedImage>) {
    for image in images {
        let Some(digest) = image.index.as_ref().or(image.manifest.as_ref()) else {
            continue;
        };
        let (digest, platform) = (digest.to_string(), image.platform.to_string());
        match pinned.last_mut() {
            Some(last) if last.reference == image.name && last.digest == digest => {
                last.platforms.push(platform);
            }
            _ => pinned.push(PinnedImage {
                reference: image.name.clone(),
                digest,
                platforms: vec![platform],
            }),
        }
    }
}

/// What stands for an image in which nothing was looked at: that is never a pass.
fn nothing() -> Program<Reading> {
    Program {
        path: "/".to_owned(),
        real_path: None,
        layer: None,
        reading: Ok(Reading {
            evidence: Err(
                "no program of Istio is in it, and none was named: give --path or --all".to_owned(),
            ),
            sha256: None,
        }),
    }
}

/// Refuses a program without a FIPS module in an image whose tag promises one. The statement stays
/// that of the bytes: the tag is not in them.
fn against_tag(image: &str, holder: &str, mut statement: Evidence) -> Evidence {
    if promises_fips(image, holder)
        && statement.module == Module::Standard
        && let Some(proof) = &mut statement.proof
    {
        let because = "the tag of its image says FIPS, and it has no FIPS module";
        proof.judgement.accepted = false;
        proof.judgement.because.push(because.to_owned());
    }
    statement
}

/// Whether a word of the tag is `fips`, or `fipsonly`, `fips2`, whatever stands around it. The tag
/// follows the last colon, which a port, a digest or the path of the file that holds the image has too.
fn promises_fips(image: &str, holder: &str) -> bool {
    let named = image.strip_prefix(holder).unwrap_or(image);
    let named = match named.rsplit_once('@') {
        Some((tagged, digest)) if digest.parse::<Digest>().is_ok() => tagged,
        _ => named,
    };
    let last = named.rsplit('/').next().unwrap_or_default();
    let tag = last.rsplit_once(':').map_or("", |(_, tag)| tag);
    let mut words = tag.split(['-', '.', '_']);
    words.any(|word| word.to_ascii_lowercase().starts_with("fips"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_promises_fips_by_any_of_its_words() {
        let digest = format!("sha256:{}", "0".repeat(64));
        for (image, holder, promised) in [
            ("r.io/a/pilot:1.31.0-solo-fips", "", true),
            ("r.io/a/pilot:1.31.0-fipsonly-distroless", "", true),
            ("r.io:5000/a/pilot:1.31-FIPS", "", true),
            ("r.io/a/pilot:fips", "", true),
            ("r.io/a/pilot:fake_fips", "", true),
            ("r.io/a/pilot:1.31.0-solo", "", false),
            ("r.io/a/pilot-fips:1.31.0", "", false),
            ("r.io:5000/fips", "", false),
            (&format!("r.io/a/pilot:1-fips@{digest}"), "", true),
            (&format!("r.io/a/pilot@{digest}"), "", false),
            ("oci:dir:1.31.0-solo-fips", "oci:dir", true),
            ("oci:a@b:1-fips", "oci:a@b", true),
            ("dir:r.io/a/pilot:1-fips", "dir", true),
            ("oci:my-fips", "oci:my-fips", false),
            (
                "docker-archive:1-fips.tar",
                "docker-archive:1-fips.tar",
                false,
            ),
            ("istio/pilot:1-fips", "docker-archive:x.tar", true),
        ] {
            assert_eq!(promises_fips(image, holder), promised, "{image}");
        }
    }
}
