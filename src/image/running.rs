//! Parses the `imageID` of a container and resolves it to an image.
//!
//! Runtimes write four forms: `docker-pullable://REPOSITORY@sha256:…`, `REPOSITORY@sha256:…` (of an
//! index or of a manifest), `sha256:…` (of the configuration; Docker with the containerd image
//! store writes the digest of the index or of the manifest) and the hex of that digest without a
//! prefix.

use std::collections::BTreeSet;
use std::str::FromStr;

use super::job::{Job, of_document};
use super::manifest::Document;
use super::store::Store;
use super::{Digest, ImageError, Platform};
use crate::sys::registry::{Reference, Registry};
use istio_builds::image_reference::parse_reference;

/// The maximum number of images of an index that may be the running one.
const CANDIDATES: usize = 16;

/// The `imageID` of a container.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ImageId {
    /// A repository in a registry, with the digest of an index or a manifest.
    Place { repository: String, digest: Digest },
    /// A digest without a repository: of a configuration, which a registry cannot look up, or of
    /// the manifest or index that leads to it.
    Bare(Digest),
}

/// A text that is not an `imageID`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("imageID `{0}` has no form that is known")]
pub struct ImageIdError(String);

impl FromStr for ImageId {
    type Err = ImageIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let unknown = || ImageIdError(text.to_owned());
        // The prefix `docker-pullable://` or `docker://` only names the runtime.
        let bare = text.split_once("://").map_or(text, |(_, bare)| bare);
        if let Some((_, digest)) = bare.rsplit_once('@') {
            let digest = digest.parse().map_err(|_| unknown())?;
            let place = parse_reference(bare).map_err(|_| unknown())?;
            return Ok(ImageId::Place {
                repository: format!("{}/{}", place.registry(), place.repository()),
                digest,
            });
        }
        let is_hex = bare.len() == 64 && bare.bytes().all(|byte| byte.is_ascii_hexdigit());
        let digest = if is_hex {
            format!("sha256:{}", bare.to_ascii_lowercase()).parse()
        } else {
            bare.parse()
        };
        digest.map(ImageId::Bare).map_err(|_| unknown())
    }
}

/// The image that a container runs, independent of the form of its `imageID`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Running {
    pub config: Digest,
    /// The digest of the manifest for the platform.
    pub manifest: Digest,
    pub platform: Platform,
    /// The reference by the digest of the manifest, for [`inspect`](super::inspect()).
    pub reference: Reference,
}

/// The reason why an `imageID` cannot be resolved to an image.
#[derive(Debug, thiserror::Error)]
pub enum Unresolved {
    #[error(transparent)]
    Image(#[from] ImageError),
    /// The reference in the pod spec now names another image than the running one.
    #[error(
        "`{reference}` is {found} today, but {running} runs, and no registry can be asked for that"
    )]
    Moved {
        reference: String,
        found: String,
        running: String,
    },
}

/// Resolves an `imageID` to images with their configuration and platform.
///
/// `spec` is the image in the pod's spec; `architecture` is that of the node, by Go's name, if it
/// is known. If several images of an index match (variants of a processor, or all images if the
/// architecture is unknown), it returns all of them, because each may be the running one. It
/// returns at least one.
pub fn resolve(
    registry: &Registry,
    id: &ImageId,
    spec: &Reference,
    architecture: Option<&str>,
) -> Result<Vec<Running>, Unresolved> {
    let reference = match id {
        // The repository of the `imageID` can be that of another reference to the same image, which
        // the credentials for the spec may not cover. The repository of the spec contains the same
        // digest.
        ImageId::Place { digest, .. } => spec.clone_with_digest(digest.to_string()),
        ImageId::Bare(_) => spec.clone(),
    };
    let (named, mut candidates) = match (look(registry, &reference, architecture), id) {
        (Err(ImageError::Registry(error)), ImageId::Place { repository, digest })
            if error.is_not_found() =>
        {
            let place = parse_reference(&format!("{repository}@{digest}")).map_err(|_| error);
            let place = place.map_err(ImageError::Registry)?;
            look(registry, &place, architecture)?
        }
        (found, _) => found?,
    };
    if let ImageId::Bare(wanted) = id
        && *wanted != named
    {
        let found = candidates.first().map(|it| it.config.to_string());
        candidates.retain(|it| it.config == *wanted || it.manifest == *wanted);
        if candidates.is_empty() {
            return Err(Unresolved::Moved {
                reference: spec.to_string(),
                found: found.unwrap_or_default(),
                running: wanted.to_string(),
            });
        }
    }
    Ok(candidates)
}

/// Returns the digests that a runtime may report for what a reference names today: the digest of
/// the index or manifest, and those of the manifests in an index.
pub fn digests(registry: &Registry, reference: &Reference) -> Result<BTreeSet<String>, ImageError> {
    let name = reference.to_string();
    let manifest = registry.manifest(reference)?;
    let mut digests = BTreeSet::from([manifest.digest.to_string()]);
    if let Document::Index(index) = Document::parse(&name, &manifest.bytes)? {
        let entries = index.descriptors();
        digests.extend(entries.map(|entry| entry.digest().to_string()));
    }
    Ok(digests)
}

/// Returns the digest that a reference names and the images that it refers to, each manifest once.
fn look(
    registry: &Registry,
    reference: &Reference,
    architecture: Option<&str>,
) -> Result<(Digest, Vec<Running>), ImageError> {
    let name = reference.to_string();
    let manifest = registry.manifest(reference)?;
    let document = Document::parse(&name, &manifest.bytes)?;
    // A manifest that is named directly is the running one, whatever platform its configuration
    // states.
    let wanted = match document {
        Document::Manifest(_) | Document::Artifact(_) => None,
        Document::Index(_) => architecture.map(Platform::linux),
    };
    let wanted: Vec<Platform> = wanted.into_iter().collect();
    let store = Store::Registry(registry, reference.clone());
    let named = manifest.digest;
    let jobs = of_document(&store, &name, (Some(named.clone()), document), &wanted)?.complete()?;
    let mut candidates: Vec<Running> = Vec::new();
    for running in jobs.into_iter().filter_map(|job| running(reference, job)) {
        if candidates.iter().all(|it| it.manifest != running.manifest) {
            candidates.push(running);
        }
    }
    if candidates.len() > CANDIDATES {
        let many = candidates.len();
        let why = format!("any of {many} images in it may be the one that runs");
        return Err(ImageError::TooLarge { what: name, why });
    }
    Ok((named, candidates))
}

fn running(reference: &Reference, job: Job) -> Option<Running> {
    let manifest = job.manifest?;
    Some(Running {
        config: job.config,
        reference: reference.clone_with_digest(manifest.to_string()),
        manifest,
        platform: job.configuration.platform,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

    #[test]
    fn every_form_of_an_image_id_is_known() {
        let digest: Digest = format!("sha256:{HEX}").parse().unwrap();
        let place = |repository: &str| ImageId::Place {
            repository: repository.to_owned(),
            digest: digest.clone(),
        };
        for (text, wanted) in [
            (
                format!("docker-pullable://h.io:5000/istio/pilot@sha256:{HEX}"),
                place("h.io:5000/istio/pilot"),
            ),
            (
                format!("istio/pilot@sha256:{HEX}"),
                place("docker.io/istio/pilot"),
            ),
            (format!("h.io/pilot:1.31@sha256:{HEX}"), place("h.io/pilot")),
            (format!("sha256:{HEX}"), ImageId::Bare(digest.clone())),
            (
                format!("docker://sha256:{HEX}"),
                ImageId::Bare(digest.clone()),
            ),
            (HEX.to_uppercase(), ImageId::Bare(digest.clone())),
        ] {
            assert_eq!(text.parse(), Ok(wanted), "{text}");
        }
    }

    #[test]
    fn what_is_no_image_id_is_said() {
        for text in [
            "",
            "pilot",
            "pilot:1.31",
            "sha256:12",
            "h.io/p@sha256:12",
            "A@B",
        ] {
            let error = text.parse::<ImageId>().unwrap_err();
            assert!(error.to_string().contains(&format!("`{text}`")));
        }
    }
}
