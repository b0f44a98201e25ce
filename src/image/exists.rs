//! Checks for many images concurrently whether they exist and can be pulled.

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

/// The maximum number of concurrent requests.
const AT_ONCE: usize = 8;

/// The maximum number of platforms of one index that are checked.
const PLATFORMS: usize = 16;

/// An image that can be pulled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The digest of the index or manifest that the reference names.
    pub digest: Digest,
    /// The platforms of the image. Those that were not checked are taken from its index.
    pub platforms: Vec<Platform>,
    /// Platforms that the index lists but the registry does not have, as in a sparse mirror, with
    /// the error.
    pub missing: Vec<(Platform, String)>,
}

impl Found {
    /// Returns true if a node with this processor (Go's name) can run it.
    pub fn runs_on(&self, architecture: &str) -> bool {
        let wanted = Platform::linux(architecture);
        self.platforms.iter().any(|it| wanted.covers(it))
    }
}

/// Checks each image, in the order of `references`: its manifest, its configuration, and whether
/// its layers exist, for each of the `architectures` (if there are none, for all that the image
/// has).
///
/// Only a successful request proves that an image can be pulled with these credentials: an index
/// lists manifests that a mirror does not have to have, and a pull-through mirror fetches content
/// only on request.
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

/// The manifest or index that a reference names.
struct Root {
    reference: Reference,
    manifest: Manifest,
    /// The platforms of the entries of an index; empty for a manifest.
    listed: Vec<Platform>,
    /// True if an entry does not state its platform.
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

    /// Returns the platforms to check; `None` stands for any platform that the image is for.
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

    /// Requests everything that a node would pull. Returns the platforms according to the
    /// configuration of the images.
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
            // The index lists the wanted platform, but no image is for it.
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
                    // A platform that the index does not list is not missing.
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

/// Returns true if the image is the cause of the error, and not the connection to the registry.
fn says_absent(error: &ImageError) -> bool {
    match error {
        ImageError::Registry(error) => error.is_not_found(),
        ImageError::Interrupted => false,
        _ => true,
    }
}

/// Returns the results of `ask` for all items, in their order. Runs up to eight calls concurrently.
fn at_once<T: Sync, R: Send>(items: &[T], ask: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let answers = Mutex::new(Vec::new());
    let work = || {
        while let Some((at, item)) = {
            let at = next.fetch_add(1, Ordering::Relaxed);
            items.get(at).map(|item| (at, item))
        } {
            let answer = ask(item);
            // A panic in another thread leaves the list valid: threads only push to it.
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
