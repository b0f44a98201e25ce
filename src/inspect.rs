//! Inspect: files, archives, layouts and registry images → what is in their programs, judged.

use crate::exit::{Exit, Failure};
use crate::fips::{Environment, Judge, Reading, Subject};
use crate::image::{self, Image, Inspected, Program, Request, Sources, Target};
use crate::report::{ErrorReport, Evidence, Report};

/// What to inspect, and how to judge it.
pub struct Inspect<'a> {
    pub targets: &'a [Target],
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
        for target in self.targets {
            match self.target(target, sources) {
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

    fn target(&self, target: &Target, sources: Sources<'_>) -> Result<Vec<Evidence>, Failure> {
        let in_image = !matches!(target, Target::Path(_) | Target::Stdin);
        let digest = self.digest || in_image;
        let known = self.judge.modules.fingerprints();
        let read = image::inspect(target, &self.request, sources, &mut |program| {
            Reading::of(program.source, program.size, known, digest)
        })?;
        Ok(match read {
            Inspected::Program(program) => vec![self.file(&program)],
            Inspected::Images(images) => {
                images.iter().flat_map(|image| self.image(image)).collect()
            }
        })
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

    fn image(&self, image: &Image<Reading>) -> Vec<Evidence> {
        let manifest = image.manifest.as_ref().map(ToString::to_string);
        let environment = self.environment(&image.env);
        let of = |program: &Program<Reading>| {
            self.judge.statement(&Subject {
                image: Some(&image.name),
                manifest: manifest.as_deref(),
                arch: Some(&image.platform.architecture),
                path: &program.path,
                reading: &Reading::or(program.reading.clone()),
                environment: &environment,
                known: None,
            })
        };
        image.programs.iter().map(of).collect()
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
