//! Whether images are there and may be pulled, asked of many at once.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::manifest::{Configuration, Document, is_image, platform_of};
use super::store::Store;
use super::{Digest, ImageError, Platform};
use crate::sys::registry::{Reference, Registry};

/// Questions that are asked at once.
const AT_ONCE: usize = 8;

/// An image that can be pulled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Digest of what the reference names: an index or a manifest.
    pub digest: Digest,
    /// What it is there for.
    pub platforms: Vec<Platform>,
}

impl Found {
    /// Whether a node of that processor (Go's name) can run it.
    pub fn runs_on(&self, architecture: &str) -> bool {
        self.platforms
            .iter()
            .any(|platform| platform.os == "linux" && platform.architecture == architecture)
    }
}

/// Asks for the manifest itself, which proves that it can be pulled by these credentials.
pub fn exists(registry: &Registry, reference: &Reference) -> Result<Found, ImageError> {
    let name = reference.to_string();
    let manifest = registry.manifest(reference)?;
    let platforms = match Document::parse(&name, &manifest.bytes)? {
        Document::Index(index) => index
            .manifests()
            .iter()
            .filter(|entry| is_image(entry))
            .filter_map(platform_of)
            .collect(),
        Document::Manifest(image) => {
            let store = Store::Registry(registry, reference.clone());
            let config = store.document(image.config(), &name)?;
            vec![Configuration::parse(&name, &config)?.platform]
        }
    };
    Ok(Found {
        digest: manifest.digest,
        platforms,
    })
}

/// [`exists`] for each, eight at a time, in the order of `references`.
pub fn exists_all(registry: &Registry, references: &[Reference]) -> Vec<Result<Found, ImageError>> {
    let next = AtomicUsize::new(0);
    let answers = Mutex::new(Vec::new());
    let ask = || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(reference) = references.get(number) else {
                return;
            };
            let answer = exists(registry, reference);
            if let Ok(mut answers) = answers.lock() {
                answers.push((number, answer));
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..AT_ONCE.min(references.len()) {
            scope.spawn(ask);
        }
    });
    let mut answers = answers
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    answers.sort_by_key(|(number, _)| *number);
    answers.into_iter().map(|(_, answer)| answer).collect()
}
