//! Whether images are there and may be pulled, asked of many at once.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use oci_spec::image::Descriptor;

use super::error::some_of;
use super::job::of_document;
use super::manifest::{Document, is_image, platform_of};
use super::store::Store;
use super::{Digest, ImageError, Platform};
use crate::sys::registry::{Manifest, Reference, Registry};

/// Questions that are asked at once.
const AT_ONCE: usize = 8;

/// Platforms of one index that are asked for.
const PLATFORMS: usize = 16;

/// An image that can be pulled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Digest of what the reference names: an index or a manifest.
    pub digest: Digest,
    /// What it is there for. Of platforms that were not asked for, its index is believed.
    pub platforms: Vec<Platform>,
    /// What its index lists without its registry having it, as in a sparse mirror, and what is wrong.
    pub missing: Vec<(Platform, String)>,
}

impl Found {
    /// Whether a node of that processor (Go's name) can run it.
    pub fn runs_on(&self, architecture: &str) -> bool {
        let wanted = Platform::linux(architecture);
        self.platforms.iter().any(|it| wanted.covers(it))
    }
}

/// Asks for each image, in the order of `references`: for its manifest and configuration, and whether
/// its layers are there, on each of the `architectures` (all that it has, where none is given).
///
/// What proves that it can be pulled with these credentials is that it is given: an index names
/// manifests that a mirror need not have, and a mirror that reads through fetches what is asked for.
pub fn exists_all(
    registry: &Registry,
    references: &[Reference],
    architectures: &BTreeSet<String>,
) -> Vec<Result<Found, ImageError>> {
    let roots = at_once(references, |reference| Root::of(registry, reference));
    let asks: Vec<(usize, Option<Platform>)> = roots
        .iter()
        .enumerate()
        .filter_map(|(at, root)| Some((at, root.as_ref().ok()?)))
        .flat_map(|(at, root)| {
            root.asks(architectures)
                .into_iter()
                .map(move |ask| (at, ask))
        })
        .collect();
    let answers = at_once(&asks, |(at, ask)| match roots.get(*at) {
        Some(Ok(root)) => root.pullable(registry, ask.as_ref()),
        Some(Err(_)) | None => Ok(Vec::new()),
    });
    let mut answers: Vec<_> = asks.into_iter().zip(answers).collect();
    let found = roots.into_iter().enumerate().map(|(at, root)| {
        let of_it = answers.extract_if(.., |((of, _), _)| *of == at);
        let of_it = of_it.map(|((_, ask), answer)| (ask, answer)).collect();
        root?.found(of_it)
    });
    found.collect()
}

type Answer = (Option<Platform>, Result<Vec<Platform>, ImageError>);

/// What a reference names.
struct Root {
    reference: Reference,
    manifest: Manifest,
    /// What its index says of its entries; nothing of a manifest.
    listed: Vec<Platform>,
    /// Something in it does not say for what it is.
    unlabelled: bool,
}

impl Root {
    fn of(registry: &Registry, reference: &Reference) -> Result<Root, ImageError> {
        let manifest = registry.manifest(reference)?;
        let document = Document::parse(&reference.to_string(), &manifest.bytes)?;
        let entries: Vec<&Descriptor> = match &document {
            Document::Index(index) => index.descriptors().collect(),
            Document::Manifest(_) | Document::Artifact(_) => Vec::new(),
        };
        let images = || entries.iter().copied().filter(|entry| is_image(entry));
        Ok(Root {
            reference: reference.clone(),
            listed: images().filter_map(platform_of).collect(),
            unlabelled: entries.is_empty() || images().any(|entry| platform_of(entry).is_none()),
            manifest,
        })
    }

    /// The questions about it: a platform each, or whatever it is for.
    fn asks(&self, architectures: &BTreeSet<String>) -> Vec<Option<Platform>> {
        if self.listed.is_empty() {
            return vec![None];
        }
        let listed = self.listed.iter().filter(|it| it.os == "linux");
        let listed: BTreeSet<&str> = listed.map(|it| it.architecture.as_str()).collect();
        let wanted: Vec<&str> = if architectures.is_empty() {
            listed.into_iter().collect()
        } else {
            let names = architectures.iter().map(String::as_str);
            names
                .filter(|name| self.unlabelled || listed.contains(name))
                .collect()
        };
        let wanted = wanted.into_iter().take(PLATFORMS);
        wanted.map(|name| Some(Platform::linux(name))).collect()
    }

    /// Asks for all that a node would pull; what it is for by its own configuration.
    fn pullable(
        &self,
        registry: &Registry,
        wanted: Option<&Platform>,
    ) -> Result<Vec<Platform>, ImageError> {
        let name = self.reference.to_string();
        let document = Document::parse(&name, &self.manifest.bytes)?;
        let store = Store::Registry(registry, self.reference.clone());
        let digest = Some(self.manifest.digest.clone());
        let platforms: Vec<Platform> = wanted.into_iter().cloned().collect();
        let jobs = of_document(&store, &name, (digest, document), &platforms)?.complete()?;
        for job in jobs.iter().take(PLATFORMS) {
            for layer in job.layers.iter().filter(|layer| layer.expected.size > 0) {
                registry.has_blob(&self.reference, &layer.digest)?;
            }
        }
        let there = jobs.into_iter().map(|job| job.configuration.platform);
        let there: Vec<Platform> = there.collect();
        match wanted {
            // Its index says so, and it is none of these.
            Some(wanted) if !there.iter().any(|it| wanted.covers(it)) => {
                let has: Vec<String> = there.iter().map(ToString::to_string).collect();
                Err(ImageError::NoPlatform {
                    name,
                    wanted: wanted.to_string(),
                    has: some_of(&has),
                })
            }
            _ => Ok(there),
        }
    }

    fn found(self, answers: Vec<Answer>) -> Result<Found, ImageError> {
        let mut platforms = self.listed;
        let mut missing = Vec::new();
        for (wanted, answer) in answers {
            match (answer, wanted) {
                (Ok(there), _) => {
                    let new = there
                        .into_iter()
                        .filter(|it| !platforms.iter().any(|known| it.covers(known)));
                    let new: Vec<Platform> = new.collect();
                    platforms.extend(new);
                }
                (Err(error), Some(wanted)) if says_absent(&error) => {
                    let before = platforms.len();
                    platforms.retain(|listed| !wanted.covers(listed));
                    // Of what nobody promised nothing is missing.
                    if platforms.len() < before {
                        missing.push((wanted, error.to_string()));
                    }
                }
                (Err(error), _) => return Err(error),
            }
        }
        Ok(Found {
            digest: self.manifest.digest,
            platforms,
            missing,
        })
    }
}

/// Whether it is the image that is wrong, and not the way to it.
fn says_absent(error: &ImageError) -> bool {
    match error {
        ImageError::Registry(error) => error.is_not_found(),
        ImageError::Interrupted => false,
        _ => true,
    }
}

/// What `ask` gives for each, eight at a time, in the order of `items`.
fn at_once<T: Sync, R: Send>(items: &[T], ask: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let answers = Mutex::new(Vec::new());
    let work = || {
        while let Some((at, item)) = {
            let at = next.fetch_add(1, Ordering::Relaxed);
            items.get(at).map(|item| (at, item))
        } {
            let answer = ask(item);
            // What another thread left is whole: it only ever pushes.
            let mut answers = answers.lock().unwrap_or_else(PoisonError::into_inner);
            answers.push((at, answer));
        }
    };
    thread::scope(|scope| {
        for _ in 0..AT_ONCE.min(items.len()) {
            scope.spawn(work);
        }
    });
    let mut answers = answers.into_inner().unwrap_or_else(PoisonError::into_inner);
    answers.sort_by_key(|(at, _)| *at);
    answers.into_iter().map(|(_, answer)| answer).collect()
}
