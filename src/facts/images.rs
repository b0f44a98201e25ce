//! What registries answer about images: those that a plan needs, and those that run.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use jiff::civil::Date;

use super::{
    ImageProgram, MeshInventory, NoImage, Observed, PinnedName, PlannedImage, PodGroupKey,
    ReadImages, RunningImage, Unreached,
};
use crate::image::{
    self, Image, ImageError, ImageIdError, Inspected, Platform, Request, Sources, Target,
    Unresolved, Want,
};
use crate::sys::registry::{ParseError, Reference, RegistryError};
use fips_evidence::{Modules, Reading};
use istio_builds::ImageRef;
use istio_builds::image_reference::parse_reference;

mod same_modules;
mod strangers;

use same_modules::have_same_modules;
use strangers::{Refused, Strangers};

/// Reads the content of images.
#[derive(Clone, Copy)]
pub struct Reader<'a> {
    pub sources: Sources<'a>,
    /// The known cryptographic modules.
    pub modules: &'a Modules,
}

/// Number of references pinned by digest that are confirmed at a registry: Istio has seven images.
const MOST_PINNED: usize = 8;

/// The programs in an image, for each architecture.
type Programs = Vec<ImageProgram>;

/// The reason for images at an unreachable registry; one that refuses or returns garbage is a different case.
const AWAY: &str = "its registry is not reachable from here";

/// Bytes of JSON that the results for all running images may take. Tenants choose how many images run, and one
/// program takes at most a few hundred KiB.
const KEPT_OF_RUN: u64 = 32 << 20;

/// What has been read from running images so far.
#[derive(Default)]
struct Progress {
    /// The programs by manifest: many references lead to the same one.
    read: BTreeMap<(String, Want), Programs>,
    /// Size of these results in bytes.
    kept: u64,
    /// Images with programs that come from the cache, and the day on which they were read.
    cached: BTreeMap<String, Date>,
}

impl Reader<'_> {
    /// Looks up every image of a plan, on each of the `architectures` of the nodes; with `inspect`, also reads
    /// its content. The only error is an interruption.
    pub fn planned(
        &self,
        images: &BTreeSet<String>,
        architectures: &BTreeSet<String>,
        inspect: bool,
    ) -> Result<Vec<PlannedImage>, ImageError> {
        let _work = self.sources.registry.working();
        let mut planned = Vec::new();
        let mut references = Vec::new();
        for image in images {
            match parse_reference(image) {
                Ok(reference) => {
                    self.sources.registry.allow(reference.registry());
                    references.push(reference);
                }
                Err(error) => planned.push(garbled(image, &error)),
            }
        }
        let answers = image::exists_all(self.sources.registry, &references, architectures);
        for (reference, found) in references.iter().zip(answers) {
            let found = uninterrupted(found)?;
            let mut cached = BTreeMap::new();
            let programs = match &found {
                Ok(_) if inspect => {
                    let platforms = architectures.iter().map(|name| Platform::linux(name));
                    let read = self.read(reference, platforms.collect(), Want::Known, &mut cached);
                    match uninterrupted(read)? {
                        Ok(programs) => Observed::Known(programs),
                        Err(error) => Observed::Unknown(error.to_string()),
                    }
                }
                _ => Observed::NotCollected("--inspect-images reads what is in them"),
            };
            planned.push(PlannedImage {
                reference: reference.to_string(),
                found: found.map_err(|error| self.no_image(&error)),
                programs,
                cached: cached.into_values().min(),
            });
        }
        Ok(planned)
    }

    /// Asks the registries which digests these references resolve to.
    ///
    /// A reference without an answer has none: a digest that could not be confirmed is not a known build. The
    /// only error is an interruption.
    pub fn digests(&self, images: &BTreeSet<String>) -> Result<BTreeSet<PinnedName>, ImageError> {
        let _work = self.sources.registry.working();
        let mut all = BTreeSet::new();
        let named = images
            .iter()
            .filter_map(|image| image.parse::<ImageRef>().ok());
        for image in named.take(MOST_PINNED) {
            let answer = image::digests(self.sources.registry, image.reference());
            let digests = uninterrupted(answer)?.unwrap_or_default();
            all.extend(digests.into_iter().map(|digest| PinnedName {
                name: image.name().to_owned(),
                digest,
            }));
        }
        Ok(all)
    }

    /// Reads the images that run where FIPS is expected: each manifest once, however many names it has. Those
    /// at registries that the user named or that have the images of control planes (`own`) come first, so that
    /// others cannot use up their time. If other code may run in a pod, its image is not read, since it would
    /// prove nothing. An image counts as unreached only if its registry did not answer any request of the run:
    /// one that fails for a single image may hide what contradicts its tag. The only error is an interruption.
    pub fn running(
        &self,
        inventory: &MeshInventory,
        wanted: &dyn Fn(&PodGroupKey) -> bool,
        own: &BTreeSet<String>,
    ) -> Result<ReadImages, ImageError> {
        let registry = self.sources.registry;
        let is_own = |image: &str| {
            let reference = parse_reference(image);
            reference.is_ok_and(|reference| own.contains(reference.registry()))
        };
        let is_named = |image: &RunningImage| registry.allows(&image.image) || is_own(&image.image);
        let _work = registry.working();
        let genuine = |group: &&PodGroupKey| wanted(group) && group.deviations.is_empty();
        let groups = inventory.groups.keys().filter(genuine);
        let mut images: BTreeMap<RunningImage, BTreeSet<String>> = BTreeMap::new();
        for (image, word) in groups.flat_map(PodGroupKey::images) {
            let words = images.entry(image).or_default();
            words.extend(word.map(str::to_owned));
        }
        let mut images: Vec<_> = images.into_iter().collect();
        images.sort_by_key(|(image, _)| !is_named(image));
        let (mut progress, mut strangers) = (Progress::default(), Strangers::default());
        let mut answers = Vec::new();
        for (image, words) in images {
            let answer = match strangers.admit(&image.image, is_named(&image)) {
                Ok(()) => self.of_running(&image, words, &mut progress),
                Err(refused) => Err(Gap::Refused(refused)),
            };
            if let Err(Gap::Image(ImageError::Registry(error))) = &answer {
                strangers.note(error);
            }
            match answer {
                Err(Gap::Image(ImageError::Interrupted)) => return Err(ImageError::Interrupted),
                answer => answers.push((image, answer)),
            }
        }
        let mut read = ReadImages::default();
        for (image, answer) in answers {
            let fact = match answer {
                Ok(programs) => Observed::Known(programs),
                Err(Gap::Image(ImageError::Registry(error))) if registry.is_away(&error) => {
                    let unreached = Unreached {
                        registry: error.outage().unwrap_or_default().to_owned(),
                        why: error.to_string(),
                        refused_host: match &error {
                            RegistryError::Local { host, .. } => Some(host.clone()),
                            _ => None,
                        },
                    };
                    read.unreached.insert(image.clone(), unreached);
                    Observed::NotCollected(AWAY)
                }
                Err(gap) => Observed::Unknown(gap.to_string()),
            };
            read.images.insert(image, fact);
        }
        read.cached = progress.cached;
        Ok(read)
    }

    /// Returns why an image of the plan is not available.
    fn no_image(&self, error: &ImageError) -> NoImage {
        let said = error.to_string();
        let ImageError::Registry(error) = error else {
            return NoImage::Broken(said);
        };
        match error {
            RegistryError::NotFound { .. } => NoImage::Missing(said),
            RegistryError::Denied { .. } => NoImage::Denied(said),
            error if self.sources.registry.is_away(error) => NoImage::Unreachable(said),
            RegistryError::Unreachable { .. }
            | RegistryError::Local { .. }
            | RegistryError::OutOfTime { .. } => NoImage::Failed(said),
            _ => NoImage::Broken(said),
        }
    }

    /// Returns the programs of a running image. If several images may be the one that runs, all must contain
    /// the same modules.
    fn of_running(
        &self,
        image: &RunningImage,
        words: BTreeSet<String>,
        progress: &mut Progress,
    ) -> Result<Programs, Gap> {
        let (spec, id) = (parse_reference(&image.image)?, image.image_id.parse()?);
        let arch = image.arch.as_deref();
        let candidates = image::resolve(self.sources.registry, &id, &spec, arch)?;
        let want = Want::Started(words);
        let mut all = Vec::new();
        for candidate in &candidates {
            let key = (candidate.manifest.to_string(), want.clone());
            let programs = if let Some(programs) = progress.read.get(&key) {
                programs.clone()
            } else {
                let platforms = vec![candidate.platform.clone()];
                let cached = &mut progress.cached;
                let programs = self.read(&candidate.reference, platforms, want.clone(), cached)?;
                progress.keep(&programs)?;
                programs
            };
            progress.read.insert(key, programs.clone());
            all.push(programs);
        }
        if !have_same_modules(&all) {
            let platforms = candidates.iter().map(|it| it.platform.to_string());
            return Err(Gap::Which(platforms.collect::<Vec<_>>().join(", ")));
        }
        Ok(all.into_iter().flatten().collect())
    }

    fn read(
        &self,
        reference: &Reference,
        platforms: Vec<Platform>,
        want: Want,
        cached: &mut BTreeMap<String, Date>,
    ) -> Result<Programs, ImageError> {
        let request = Request {
            want,
            platforms,
            ..Request::default()
        };
        let target = Target::Registry(reference.clone());
        let read = image::inspect(&target, &request, self.sources, &mut |program| {
            Reading::of(
                program.source,
                program.size,
                self.modules,
                true,
                program.work,
            )
        })?;
        Ok(match read {
            Inspected::Images(images) => {
                if let Some(unread) = images.unread.into_iter().next() {
                    return Err(unread.why);
                }
                let known = images.read.iter().filter_map(|image| {
                    Some((format!("{} {}", image.name, image.platform), image.kept?))
                });
                cached.extend(known);
                images.read.into_iter().flat_map(programs).collect()
            }
            Inspected::Program(_) | Inspected::Directory { .. } => Vec::new(),
        })
    }
}

impl Progress {
    /// Adds the size of an image's results to the total, and fails if it exceeds the limit.
    fn keep(&mut self, programs: &Programs) -> Result<(), Gap> {
        let mut weight = Weight(self.kept);
        for program in programs {
            serde_json::to_writer(&mut weight, &program.reading).map_err(|_| Gap::TooMuch)?;
            let words = program.env.iter().chain(&program.command);
            weight.0 += words.map(|word| word.len() as u64).sum::<u64>();
        }
        if weight.0 > KEPT_OF_RUN {
            return Err(Gap::TooMuch);
        }
        self.kept = weight.0;
        Ok(())
    }
}

/// A writer that only counts bytes.
struct Weight(u64);

impl io::Write for Weight {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.saturating_add(bytes.len() as u64);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Why the content of a running image is not known.
#[derive(Debug, thiserror::Error)]
enum Gap {
    #[error(transparent)]
    Reference(#[from] ParseError),
    #[error(transparent)]
    Id(#[from] ImageIdError),
    #[error("{0}")]
    Moved(String),
    #[error(
        "each of these in its index may be what runs, and they do not hold the same modules: {0}"
    )]
    Which(String),
    #[error("what is known of the images that run takes more than {} MiB, so no more are read", KEPT_OF_RUN >> 20)]
    TooMuch,
    #[error(transparent)]
    Refused(Refused),
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

/// Passes on an interruption, which ends the command; every other error is a result.
fn uninterrupted<T>(answer: Result<T, ImageError>) -> Result<Result<T, ImageError>, ImageError> {
    match answer {
        Err(ImageError::Interrupted) => Err(ImageError::Interrupted),
        answer => Ok(answer),
    }
}

fn garbled(image: &str, error: &ParseError) -> PlannedImage {
    PlannedImage {
        reference: image.to_owned(),
        found: Err(NoImage::Missing(format!(
            "`{image}` is not an image reference: {error}"
        ))),
        programs: Observed::NotCollected("it is not an image reference"),
        cached: None,
    }
}

fn programs(mut image: Image<Reading>) -> Vec<ImageProgram> {
    let manifest = image.manifest.as_ref().map(ToString::to_string);
    let programs = std::mem::take(&mut image.programs);
    let programs = programs.into_iter().map(|program| ImageProgram {
        manifest: manifest.clone(),
        arch: image.platform.architecture.clone(),
        env: image.env.clone(),
        command: image.command.clone(),
        role: image.role(&program.path),
        labelled_fips: image.labelled_fips,
        path: program.path,
        real_path: program.real_path,
        reading: Reading::or(program.reading),
    });
    programs.collect()
}
