//! What registries say of images: those that a plan needs, and those that run.

use std::collections::{BTreeMap, BTreeSet};

use super::{Census, Class, Fact, ImageProgram, NoImage, PinnedName, PlannedImage, RunningImage};
use crate::fips::{Evidence, Integrity, Modules, Reading};
use crate::image::{
    self, Image, ImageError, ImageIdError, Inspected, Platform, Request, Sources, Target,
    Unresolved, Want,
};
use crate::istio::ImageRef;
use crate::sys::registry::{ParseError, Reference, RegistryError};

/// The way to the bytes of images.
#[derive(Clone, Copy)]
pub struct Reader<'a> {
    pub sources: Sources<'a>,
    /// What is known of modules.
    pub modules: &'a Modules,
}

/// References to images that pods pin by digest and that a registry is asked for: a mesh has six images.
const MOST_PINNED: usize = 8;

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
                    match uninterrupted(self.read(reference, platforms.collect(), Want::Known))? {
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

    /// Asks the registries which digests these references stand for.
    ///
    /// One that does not answer has none: a digest that could not be confirmed is not a known build. The only error
    /// is an interruption.
    pub fn digests(&self, images: &BTreeSet<String>) -> Result<BTreeSet<PinnedName>, ImageError> {
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

    /// Reads the images that run where FIPS is expected: each manifest once, whatever names it has.
    /// The only error is an interruption.
    pub fn running(
        &self,
        census: &Census,
        wanted: &dyn Fn(&Class) -> bool,
    ) -> Result<BTreeMap<RunningImage, Fact<Programs>>, ImageError> {
        let classes = census.classes.keys().filter(|class| wanted(class));
        let mut images: BTreeMap<RunningImage, BTreeSet<String>> = BTreeMap::new();
        for (image, word) in classes.flat_map(Class::images) {
            let words = images.entry(image).or_default();
            words.extend(word.map(str::to_owned));
        }
        let mut read = BTreeMap::new();
        let mut facts = BTreeMap::new();
        for (image, words) in images {
            let fact = match self.of_running(&image, words, &mut read) {
                Ok(programs) => Fact::Known(programs),
                Err(Gap::Image(ImageError::Interrupted)) => return Err(ImageError::Interrupted),
                Err(Gap::Image(error)) if error.outage().is_some() => Fact::NotAsked(AWAY),
                Err(gap) => Fact::Unknown(gap.to_string()),
            };
            facts.insert(image, fact);
        }
        Ok(facts)
    }

    /// What is in every image that may be the one that runs, where all of them hold the same.
    fn of_running(
        &self,
        image: &RunningImage,
        words: BTreeSet<String>,
        read: &mut BTreeMap<(String, Want), Programs>,
    ) -> Result<Programs, Gap> {
        let (spec, id): (Reference, _) = (image.image.parse()?, image.image_id.parse()?);
        let arch = image.arch.as_deref();
        let candidates = image::resolve(self.sources.registry, &id, &spec, arch)?;
        let want = Want::Started(words);
        let mut all = Vec::new();
        for candidate in &candidates {
            let key = (candidate.manifest.to_string(), want.clone());
            let programs = if let Some(programs) = read.get(&key) {
                programs.clone()
            } else {
                let platforms = vec![candidate.platform.clone()];
                self.read(&candidate.reference, platforms, want.clone())?
            };
            read.insert(key, programs.clone());
            all.push(programs);
        }
        if !alike(&all) {
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
                images.read.into_iter().flat_map(programs).collect()
            }
            Inspected::Program(_) | Inspected::Directory { .. } => Vec::new(),
        })
    }
}

/// Whether the bytes say the same of modules in each of the images, as far as processors have it alike.
fn alike(images: &[Programs]) -> bool {
    let held = images.iter().map(|programs| {
        let programs = programs.iter();
        let held = programs.map(|it| (&it.path, it.reading.evidence.as_ref().ok().map(modules)));
        held.collect::<BTreeMap<_, _>>()
    });
    let held: Vec<_> = held.collect();
    held.iter().all(|one| Some(one) == held.first())
}

fn modules(evidence: &Evidence) -> impl PartialEq {
    let of_c = evidence.modules.iter();
    let of_c = of_c.map(|it| (it.family, it.integrity == Integrity::Holds));
    let go = evidence.go.as_ref();
    let names = go.and_then(|go| go.names.as_ref());
    let names = names.map(|it| {
        (
            it.boring,
            it.fipsonly,
            it.frozen.clone(),
            it.foreign.clone(),
        )
    });
    let sealed = go.and_then(|go| go.fipsinfo.as_ref());
    let sealed = sealed.map(|it| it.integrity == Integrity::Holds);
    let toolchain = go.and_then(|go| go.version.clone());
    (of_c.collect::<BTreeSet<_>>(), toolchain, names, sealed)
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
    #[error(
        "each of these in its index may be what runs, and they do not hold the same modules: {0}"
    )]
    Which(String),
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
