//! The `inspect` command: reads the programs in files, archives, image layouts and registry images, and judges
//! them.

use std::collections::BTreeMap;

use crate::exit::{Exit, Failure};
use crate::image::{
    self, Image, Images, Inspected, Program, Request, Sources, Target, UnreadImage, Want, some_of,
};
use crate::report::{ModuleStatement, PinnedImage, Severity};
use crate::sys::os;
use fips_evidence::{Environment, Judge, ProgramRole, Reading, Subject};
use istio_builds::{ImageRef, tag_says_fips};

/// The targets to inspect, and how to judge them.
pub struct Inspect<'a> {
    /// The targets as the user typed them.
    pub targets: &'a [String],
    pub request: Request,
    pub judge: &'a Judge,
    /// `NAME=VALUE`, which takes precedence over the environment of an image.
    pub env: &'a [(String, String)],
    /// Whether to compute the digest of a file; for a program in an image, it is always known.
    pub digest: bool,
}

/// What was read of all targets.
#[derive(Debug, Default)]
pub struct Readings {
    pub evidence: Vec<ModuleStatement>,
    /// What was left out, and what comes from the cache.
    pub notes: Vec<String>,
    /// The images that were read, by digest.
    pub images: Vec<PinnedImage>,
    /// Number of file systems, programs and platforms that were left out.
    pub skipped_entries: u64,
    /// The reasons why targets could not be read.
    pub failures: Vec<Failure>,
}

impl Inspect<'_> {
    /// Reads every target; a target that cannot be read does not affect the others.
    ///
    /// # Errors
    /// If the run was interrupted.
    pub fn run(&self, sources: Sources<'_>) -> Result<Readings, Failure> {
        let mut all = Readings::default();
        for text in self.targets {
            match self.target(text, sources, &mut all) {
                Ok(evidence) => all.evidence.extend(evidence),
                Err(failure) if failure.exit == Exit::Interrupted => return Err(failure),
                Err(failure) => all.failures.push(failure),
            }
        }
        Ok(all)
    }

    fn target(
        &self,
        text: &str,
        sources: Sources<'_>,
        all: &mut Readings,
    ) -> Result<Vec<ModuleStatement>, Failure> {
        let target = &Target::parse(text, os::exists)?;
        if let Target::Registry(reference) = target {
            sources.registry.allow(reference.registry());
        }
        let in_image = !matches!(target, Target::Path(_) | Target::Stdin);
        let digest = self.digest || in_image;
        let modules = &self.judge.modules;
        // The cache stores the digests of an image's programs, so it is used only if they are computed.
        let cache = sources.cache.filter(|_| digest);
        let sources = Sources { cache, ..sources };
        let read = image::inspect(target, &self.request, sources, &mut |program| {
            Reading::of(program.source, program.size, modules, digest, program.work)
        })?;
        Ok(match read {
            Inspected::Program(program) => {
                self.only_images(&program)?;
                vec![self.strictly(self.file(&program))]
            }
            Inspected::Directory { programs, left_out } => {
                if !self.request.platforms.is_empty() {
                    let message = "--platform is for images: a directory has one platform";
                    return Err(Failure::message(Exit::Usage, message));
                }
                let holder = target.holder();
                if !left_out.is_empty() {
                    all.notes.push(format!(
                        "{holder}: other file systems that are mounted in it are skipped: {}",
                        some_of(&left_out)
                    ));
                    all.skipped_entries += left_out.len() as u64;
                }
                self.directory(&holder, &programs)
            }
            Inspected::Images(images) => {
                let holder = match target {
                    Target::Registry(_) => String::new(),
                    held => held.holder(),
                };
                let Images { read, unread, .. } = &images;
                let cached = read.iter().filter_map(|image| {
                    Some((format!("{} {}", image.name, image.platform), image.kept?))
                });
                all.notes.extend(image::cache_note(&cached.collect()));
                all.notes.extend(left_out(&target.holder(), &images));
                all.skipped_entries += (images.skipped.len() + images.absent.len()) as u64;
                pin(read, &mut all.images);
                let of_read = read.iter().flat_map(|image| self.image(image, &holder));
                let of_unread = unread.iter().map(|image| self.unread(image));
                of_read.chain(of_unread).collect()
            }
        })
    }

    /// Rejects options for images if the target is a single program.
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

    fn file(&self, program: &Program<Reading>) -> ModuleStatement {
        let environment = self.environment(&[]);
        ModuleStatement::of_program(
            self.judge,
            &Subject {
                image: None,
                manifest: None,
                arch: None,
                path: &program.path,
                reading: &Reading::or(program.reading.clone()),
                environment: &environment,
                known: None,
                says_fips: false,
                role: ProgramRole::Main,
            },
        )
    }

    /// Judges the programs of a root file system, which does not show which program is started.
    fn directory(&self, holder: &str, programs: &[Program<Reading>]) -> Vec<ModuleStatement> {
        let environment = self.environment(&[]);
        let of = |program: &Program<Reading>| {
            self.strictly(ModuleStatement::of_program(
                self.judge,
                &Subject {
                    image: Some(holder),
                    manifest: None,
                    arch: None,
                    path: &program.path,
                    reading: &Reading::or(program.reading.clone()),
                    environment: &environment,
                    known: None,
                    says_fips: false,
                    role: ProgramRole::Main,
                },
            ))
        };
        if programs.is_empty() {
            return vec![of(&nothing())];
        }
        programs.iter().map(of).collect()
    }

    fn image(&self, image: &Image<Reading>, holder: &str) -> Vec<ModuleStatement> {
        let manifest = image.manifest.as_ref().map(ToString::to_string);
        let environment = self.environment(&image.env);
        let says_fips = is_tagged_fips(&image.name, holder) || image.labelled_fips;
        let of = |program: &Program<Reading>| {
            self.strictly(ModuleStatement::of_program(
                self.judge,
                &Subject {
                    image: Some(&image.name),
                    manifest: manifest.as_deref(),
                    arch: Some(&image.platform.architecture),
                    path: &program.path,
                    reading: &Reading::or(program.reading.clone()),
                    environment: &environment,
                    known: None,
                    says_fips,
                    role: image.role(&program.path),
                },
            ))
        };
        if image.programs.is_empty() {
            return vec![of(&nothing())];
        }
        image.programs.iter().map(of).collect()
    }

    /// With `--strict`, turns warnings for auditors into reasons to reject. If the certificate status is too
    /// old for the policy, the result is already unknown.
    fn strictly(&self, mut statement: ModuleStatement) -> ModuleStatement {
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

    /// Returns a statement for an image that could not be read, so that it is listed with the others.
    fn unread(&self, image: &UnreadImage) -> ModuleStatement {
        let manifest = image.manifest.as_ref().map(ToString::to_string);
        let platform = image.platform.as_ref();
        ModuleStatement::of_program(
            self.judge,
            &Subject {
                image: Some(&image.name),
                manifest: manifest.as_deref(),
                arch: platform.map(|platform| platform.architecture.as_str()),
                path: "/",
                reading: &Reading {
                    evidence: Err(image.why.to_string()),
                    sha256: None,
                },
                environment: &self.environment(&[]),
                known: None,
                says_fips: false,
                role: ProgramRole::Main,
            },
        )
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

/// Records the digest for each name: that of the index if there is one, since that is what users pin or sign.
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

/// Returns notes about the parts of a target that were skipped, with the reason.
fn left_out<T>(holder: &str, images: &Images<T>) -> Vec<String> {
    let folded = |texts: &[String]| {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for text in texts {
            *counts.entry(text).or_default() += 1;
        }
        let counts = counts.into_iter();
        let each: Vec<String> = counts
            .map(|(text, count)| format!("{count} × {text}"))
            .collect();
        some_of(&each)
    };
    let mut notes = Vec::new();
    if !images.skipped.is_empty() {
        notes.push(format!(
            "{holder}: entries that are not container images are skipped: {}",
            folded(&images.skipped)
        ));
    }
    if !images.absent.is_empty() {
        notes.push(format!(
            "{holder}: platforms that its index lists and that were not saved with it are skipped: {}",
            folded(&images.absent)
        ));
    }
    notes
}

/// Returns a placeholder for an image in which no program was read: it never passes.
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

/// Checks whether the tag of an image says FIPS. In a file, the image is named by the file name and the tag
/// alone, or by its whole reference.
fn is_tagged_fips(image: &str, holder: &str) -> bool {
    let named = match image.strip_prefix(holder) {
        Some(rest) if !holder.is_empty() => match rest.strip_prefix(':') {
            Some(tag) => return tag_says_fips(tag),
            None if rest.is_empty() => return false,
            None => image,
        },
        _ => image,
    };
    named
        .parse::<ImageRef>()
        .is_ok_and(|image| image.is_tagged_fips())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tag_is_found_in_every_name_of_an_image() {
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
            assert_eq!(is_tagged_fips(image, holder), promised, "{image}");
        }
    }
}
