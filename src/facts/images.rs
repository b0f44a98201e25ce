//! What registries say of images: those that a plan needs, and those that run.

use std::collections::{BTreeMap, BTreeSet};

use super::{Census, Class, Fact, ImageProgram, NoImage, PlannedImage, RunningImage};
use crate::fips::{Fingerprint, Reading};
use crate::image::{
    self, Image, ImageError, Inspected, Platform, Request, Sources, Target, Unresolved,
};
use crate::sys::registry::{Reference, RegistryError};

/// The way to the bytes of images.
#[derive(Clone, Copy)]
pub struct Reader<'a> {
    pub sources: Sources<'a>,
    /// Values that known modules have.
    pub known: &'a [Fingerprint],
}

impl Reader<'_> {
    /// Asks for every image of a plan; with `inspect` for what is in it too, for each of the
    /// `architectures` that nodes have.
    pub fn planned(
        &self,
        images: &BTreeSet<String>,
        architectures: &BTreeSet<String>,
        inspect: bool,
    ) -> Vec<PlannedImage> {
        let parsed = images
            .iter()
            .map(|image| (image, image.parse::<Reference>()));
        let (sound, garbled): (Vec<_>, Vec<_>) = parsed.partition(|(_, parsed)| parsed.is_ok());
        let references: Vec<Reference> = sound.into_iter().filter_map(|(_, it)| it.ok()).collect();
        let answers = image::exists_all(self.sources.registry, &references);
        let mut planned: Vec<PlannedImage> = references
            .iter()
            .zip(answers)
            .map(|(reference, found)| {
                let programs = match &found {
                    Ok(_) if inspect => self.programs(reference, architectures),
                    _ => Fact::NotAsked("--inspect-images reads what is in them"),
                };
                PlannedImage {
                    reference: reference.to_string(),
                    found: found.map_err(NoImage::from),
                    programs,
                }
            })
            .collect();
        planned.extend(garbled.into_iter().filter_map(|(image, parsed)| {
            Some(PlannedImage {
                reference: image.clone(),
                found: Err(NoImage::Missing(format!(
                    "`{image}` is no image: {}",
                    parsed.err()?
                ))),
                programs: Fact::NotAsked("it is no image reference"),
            })
        }));
        planned
    }

    fn programs(
        &self,
        reference: &Reference,
        architectures: &BTreeSet<String>,
    ) -> Fact<Vec<ImageProgram>> {
        let platforms = architectures.iter().map(|name| linux(name)).collect();
        match self.read(reference, platforms) {
            Ok(images) => Fact::Known(images.into_iter().flat_map(programs).collect()),
            Err(error) => Fact::Unknown(error.to_string()),
        }
    }

    /// Reads the images that run where FIPS is expected: each digest once.
    pub fn running(
        &self,
        census: &Census,
        wanted: &dyn Fn(&Class) -> bool,
    ) -> BTreeMap<RunningImage, Fact<Vec<ImageProgram>>> {
        let classes = census.classes.keys().filter(|class| wanted(class));
        let running: BTreeSet<RunningImage> = classes.filter_map(Class::running).collect();
        let mut out = Outage::default();
        running
            .into_iter()
            .map(|image| {
                let fact = out.unless(&image, || self.of_running(&image));
                (image, fact)
            })
            .collect()
    }

    fn of_running(&self, image: &RunningImage) -> Result<Vec<ImageProgram>, Failed> {
        let spec: Reference = image.image.parse().map_err(Failed::other)?;
        let id = image.image_id.parse().map_err(Failed::other)?;
        let running = image::resolve(self.sources.registry, &id, &spec, &image.arch)?;
        let platforms = vec![running.platform.clone()];
        let read = self.read(&running.reference, platforms)?;
        Ok(read.into_iter().flat_map(programs).collect())
    }

    fn read(
        &self,
        reference: &Reference,
        platforms: Vec<Platform>,
    ) -> Result<Vec<Image<Reading>>, ImageError> {
        let request = Request {
            platforms,
            ..Request::default()
        };
        let target = Target::Registry(reference.clone());
        let read = image::inspect(&target, &request, self.sources, &mut |program| {
            Reading::of(program.source, program.size, self.known, true)
        })?;
        Ok(match read {
            Inspected::Images(images) => images,
            Inspected::Program(_) => Vec::new(),
        })
    }
}

/// A registry that could not be reached is not asked again.
#[derive(Default)]
struct Outage(BTreeSet<String>);

/// From here nothing can be seen of such an image; what a registry refuses or garbles is another thing.
const AWAY: Fact<Vec<ImageProgram>> = Fact::NotAsked("its registry is not reachable from here");

impl Outage {
    fn unless(
        &mut self,
        image: &RunningImage,
        read: impl FnOnce() -> Result<Vec<ImageProgram>, Failed>,
    ) -> Fact<Vec<ImageProgram>> {
        let host = image.image.split('/').next().unwrap_or_default().to_owned();
        if self.0.contains(&host) {
            return AWAY;
        }
        match read() {
            Ok(programs) => Fact::Known(programs),
            Err(failed) if failed.unreachable => {
                self.0.insert(host);
                AWAY
            }
            Err(failed) => Fact::Unknown(failed.why),
        }
    }
}

/// Why an image that runs could not be read.
struct Failed {
    why: String,
    unreachable: bool,
}

impl Failed {
    fn other(error: impl std::error::Error) -> Failed {
        Failed {
            why: error.to_string(),
            unreachable: false,
        }
    }
}

impl From<ImageError> for NoImage {
    fn from(error: ImageError) -> NoImage {
        let said = error.to_string();
        match error {
            ImageError::Registry(RegistryError::NotFound { .. }) => NoImage::Missing(said),
            ImageError::Registry(RegistryError::Denied { .. }) => NoImage::Denied(said),
            ImageError::Registry(RegistryError::Unreachable { .. }) => NoImage::Unreachable(said),
            _ => NoImage::Broken(said),
        }
    }
}

impl From<Unresolved> for Failed {
    fn from(error: Unresolved) -> Failed {
        match error {
            Unresolved::Image(error) => error.into(),
            moved @ Unresolved::Moved { .. } => Failed::other(moved),
        }
    }
}

impl From<ImageError> for Failed {
    fn from(error: ImageError) -> Failed {
        match NoImage::from(error) {
            NoImage::Unreachable(why) => Failed {
                why,
                unreachable: true,
            },
            NoImage::Missing(why) | NoImage::Denied(why) | NoImage::Broken(why) => Failed {
                why,
                unreachable: false,
            },
        }
    }
}

fn linux(architecture: &str) -> Platform {
    Platform {
        os: "linux".to_owned(),
        architecture: architecture.to_owned(),
        variant: None,
    }
}

fn programs(image: Image<Reading>) -> Vec<ImageProgram> {
    let Image {
        manifest,
        platform,
        env,
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
            path: program.path,
            reading: Reading::or(program.reading),
        })
        .collect()
}
