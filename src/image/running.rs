//! What `imageID` of a container says, brought to one form.
//!
//! Runtimes write four forms: `docker-pullable://REPOSITORY@sha256:…`, `REPOSITORY@sha256:…` (of an index
//! or of a manifest), `sha256:…` (of the configuration) and the bare hex of that.

use std::str::FromStr;

use super::{Digest, Platform};
use crate::sys::registry::{Reference, Registry, RegistryError};

/// An `imageID`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ImageId {
    /// A place in a registry: `host/name` and the digest of an index or a manifest.
    Place { repository: String, digest: String },
    /// Digest of a configuration, which no registry can be asked for: `sha256:…`.
    Config(String),
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("imageID `{0}` has no form that is known")]
pub struct ImageIdError(pub String);

impl FromStr for ImageId {
    type Err = ImageIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Err(ImageIdError(text.to_owned()))
    }
}

/// What a container runs, whatever its runtime wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Running {
    pub config: Digest,
    /// Digest of the manifest for the platform: what to inspect.
    pub manifest: Digest,
    pub platform: Platform,
    /// Reference by digest that [`inspect`](super::inspect) reads it by.
    pub reference: Reference,
}

/// Why an `imageID` leads to no image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unresolved {
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The tag of the spec now names another image than the one that runs.
    #[error("`{reference}` is {found} today, but {running} runs: nothing leads to what runs")]
    Moved {
        reference: String,
        found: String,
        running: String,
    },
    #[error("`{reference}` is not there for {platform}")]
    NoPlatform { reference: String, platform: String },
    #[error("`{reference}`: {why}")]
    Manifest { reference: String, why: String },
}

/// Brings an `imageID` to (configuration, platform).
///
/// `spec` is the image that the pod's spec names; `architecture` is the node's, by Go's name.
pub fn resolve(
    registry: &Registry,
    id: &ImageId,
    spec: &Reference,
    architecture: &str,
) -> Result<Running, Unresolved> {
    let _ = (registry, id);
    Err(Unresolved::NoPlatform {
        reference: spec.to_string(),
        platform: architecture.to_owned(),
    })
}
