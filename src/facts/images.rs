//! What registries say of images: those that a plan needs, and those that run.

use std::collections::{BTreeMap, BTreeSet};

use super::{Census, Class, Fact, ImageProgram, NoImage, PlannedImage, RunningImage};
use crate::fips::{Fingerprint, Reading};
use crate::image::{
    self, Image, ImageError, ImageIdError, Inspected, Platform, Request, Sources, Target,
    Unresolved,
};
use crate::sys::registry::{ParseError, Reference, RegistryError};

/// The way to the bytes of images.
#[derive(Clone, Copy)]
pub struct Reader<'a> {
    pub sources: Sources<'a>,
    /// Values that known modules have.
    pub known: &'a [Fingerprint],
}

/// What is in an image, for each architecture.
type Programs = Vec<ImageProgram>;

/// From here nothing can be seen of such an image; what a registry refuses or garbles is another thing.
const AWAY: &str = "its registry is not reachable from here";

impl Reader<'_> {
    /// Asks for every image of a plan, on each of the `architectures` that nodes have; with `inspect`
    /// for what is in it too. The only error is an interruption.
    pub fn planned(
        &self,
        images: &BTreeSet<String>,
        architectures: &BTreeSet<String>,
        inspect: bool,
    ) -> Result<Vec<PlannedImage>, ImageError> {
        let mut planned = Vec::new();
        let mut references = Vec::new();
        for image in images {
            match image.parse::<Reference>() {
                Ok(reference) => references.push(reference),
                Err(error) => planned.push(garbled(image, &error)),
            }
        }
        let answers = image::exists_all(self.sources.registry, &references, architectures);
        for (reference, found) in references.iter().zip(answers) {
            let found = uninterrupted(found)?;
            let programs = match &found {
                Ok(_) if inspect => {
                    let platforms = architectures.iter().map(|name| Platform::linux(name));
                    match uninterrupted(self.read(reference, platforms.collect()))? {
                        Ok(programs) => Fact::Known(programs),
                        Err(error) => Fact::Unknown(error.to_string()),
                    }
                }
                _ => Fact::NotAsked("--inspect-images reads what is in them"),
            };
            planned.push(PlannedImage {
                reference: reference.to_string(),
                found: found.map_err(NoImage::from),
                programs,
            });
        }
        Ok(planned)
    }

    /// Reads the images that run where FIPS is expected: each manifest once, whatever names it has.
    /// The only error is an interruption.
    pub fn running(
        &self,
        census: &Census,
        wanted: &dyn Fn(&Class) -> bool,
    ) -> Result<BTreeMap<RunningImage, Fact<Programs>>, ImageError> {
        let classes = census.classes.keys().filter(|class| wanted(class));
        let images: BTreeSet<RunningImage> = classes.flat_map(Class::images).collect();
        let mut read = BTreeMap::new();
        let mut facts = BTreeMap::new();
        for image in images {
            let fact = match self.of_running(&image, &mut read) {
                Ok(programs) => Fact::Known(programs),
                Err(Gap::Image(ImageError::Interrupted)) => return Err(ImageError::Interrupted),
                Err(Gap::Image(error)) if error.outage().is_some() => Fact::NotAsked(AWAY),
                Err(gap) => Fact::Unknown(gap.to_string()),
            };
            facts.insert(image, fact);
        }
        Ok(facts)
    }

    fn of_running(
        &self,
        image: &RunningImage,
        read: &mut BTreeMap<(String, Platform), Programs>,
    ) -> Result<Programs, Gap> {
        let (spec, id): (Reference, _) = (image.image.parse()?, image.image_id.parse()?);
        let running = image::resolve(self.sources.registry, &id, &spec, &image.arch)?;
        let key = (running.manifest.to_string(), running.platform.clone());
        if let Some(programs) = read.get(&key) {
            return Ok(programs.clone());
        }
        let programs = self.read(&running.reference, vec![running.platform])?;
        read.insert(key, programs.clone());
        Ok(programs)
    }

    fn read(
        &self,
        reference: &Reference,
        platforms: Vec<Platform>,
    ) -> Result<Programs, ImageError> {
        let request = Request {
            platforms,
            ..Request::default()
        };
        let target = Target::Registry(reference.clone());
        let read = image::inspect(&target, &request, self.sources, &mut |program| {
            Reading::of(program.source, program.size, self.known, true)
        })?;
        Ok(match read {
            Inspected::Images(images) => images.into_iter().flat_map(programs).collect(),
            Inspected::Program(_) => Vec::new(),
        })
    }
}

/// Why nothing is known of an image that runs.
#[derive(Debug, thiserror::Error)]
enum Gap {
    #[error(transparent)]
    Reference(#[from] ParseError),
    #[error(transparent)]
    Id(#[from] ImageIdError),
    #[error("{0}")]
    Moved(String),
    #[error(transparent)]
    Image(#[from] ImageError),
}

impl From<Unresolved> for Gap {
    fn from(error: Unresolved) -> Gap {
        match error {
            Unresolved::Image(error) => Gap::Image(error),
            moved @ Unresolved::Moved { .. } => Gap::Moved(moved.to_string()),
        }
    }
}

/// An interruption ends the command; every other error is an answer.
fn uninterrupted<T>(answer: Result<T, ImageError>) -> Result<Result<T, ImageError>, ImageError> {
    match answer {
        Err(ImageError::Interrupted) => Err(ImageError::Interrupted),
        answer => Ok(answer),
    }
}

fn garbled(image: &str, error: &ParseError) -> PlannedImage {
    PlannedImage {
        reference: image.to_owned(),
        found: Err(NoImage::Missing(format!("`{image}` is no image: {error}"))),
        programs: Fact::NotAsked("it is no image reference"),
    }
}

impl From<ImageError> for NoImage {
    fn from(error: ImageError) -> NoImage {
        let said = error.to_string();
        match error {
            ImageError::Registry(RegistryError::NotFound { .. }) => NoImage::Missing(said),
            ImageError::Registry(RegistryError::Denied { .. }) => NoImage::Denied(said),
            error if error.outage().is_some() => NoImage::Unreachable(said),
            _ => NoImage::Broken(said),
        }
    }
}

fn programs(image: Image<Reading>) -> Vec<ImageProgram> {
    let Image {
        manifest,
        platform,
        env,
        command,
        programs,
        ..
    } = image;
    let manifest = manifest.map(|digest| digest.to_string());
    programs
        .into_iter()
        .map(|program| ImageProgram {
            manifest: manifest.clone(),
            arch: platform.architecture.clone(),
            env: env.clone(),
            command: command.clone(),
            path: program.path,
            real_path: program.real_path,
            reading: Reading::or(program.reading),
        })
        .collect()
}
