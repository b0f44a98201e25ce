//! What `imageID` of a container says, brought to one form.
//!
//! Runtimes write four forms: `docker-pullable://REPOSITORY@sha256:…`, `REPOSITORY@sha256:…` (of an index
//! or of a manifest), `sha256:…` (of the configuration) and the bare hex of that.

use std::str::FromStr;

use oci_spec::image::{Descriptor, ImageManifest};

use super::manifest::{Configuration, Document, is_image, platform_of};
use super::store::Store;
use super::{Digest, ImageError, Platform};
use crate::sys::registry::{Reference, Registry};

/// Manifests of an index that are asked for when it does not say which is for the platform.
const ASKED: usize = 16;

/// An `imageID`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ImageId {
    /// A place in a registry, with the digest of an index or a manifest.
    Place { repository: String, digest: Digest },
    /// Digest of a configuration, which no registry can be asked for.
    Config(Digest),
}

/// A text that is no `imageID`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("imageID `{0}` has no form that is known")]
pub struct ImageIdError(String);

impl FromStr for ImageId {
    type Err = ImageIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let unknown = || ImageIdError(text.to_owned());
        // `docker-pullable://` and `docker://`: what stands in front says only which runtime it was.
        let bare = text.split_once("://").map_or(text, |(_, bare)| bare);
        if let Some((_, digest)) = bare.rsplit_once('@') {
            let digest = digest.parse().map_err(|_| unknown())?;
            let place: Reference = bare.parse().map_err(|_| unknown())?;
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
        digest.map(ImageId::Config).map_err(|_| unknown())
    }
}

/// What a container runs, whatever its runtime wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Running {
    pub config: Digest,
    /// Digest of the manifest for the platform.
    pub manifest: Digest,
    pub platform: Platform,
    /// Reference by the manifest's digest, for [`inspect`](super::inspect()).
    pub reference: Reference,
}

/// Why an `imageID` leads to no image.
#[derive(Debug, thiserror::Error)]
pub enum Unresolved {
    #[error(transparent)]
    Image(#[from] ImageError),
    /// The spec's reference names another image by now than the one that runs.
    #[error(
        "`{reference}` is {found} today, but {running} runs, and no registry can be asked for that"
    )]
    Moved {
        reference: String,
        found: String,
        running: String,
    },
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
    let reference = match id {
        // The repository of the imageID can be that of another reference to the same image, which
        // the spec's credentials may not open; the spec's has it under the same digest.
        ImageId::Place { digest, .. } => spec.clone_with_digest(digest.to_string()),
        ImageId::Config(_) => spec.clone(),
    };
    let running = match (look(registry, &reference, architecture), id) {
        (Err(ImageError::Registry(error)), ImageId::Place { repository, digest })
            if error.is_not_found() =>
        {
            let place = format!("{repository}@{digest}").parse().map_err(|_| error);
            let place: Reference = place.map_err(ImageError::Registry)?;
            look(registry, &place, architecture)?
        }
        (running, _) => running?,
    };
    match id {
        ImageId::Config(wanted) if running.config != *wanted && running.manifest != *wanted => {
            Err(Unresolved::Moved {
                reference: spec.to_string(),
                found: running.config.to_string(),
                running: wanted.to_string(),
            })
        }
        _ => Ok(running),
    }
}

fn look(
    registry: &Registry,
    reference: &Reference,
    architecture: &str,
) -> Result<Running, ImageError> {
    let name = reference.to_string();
    let manifest = registry.manifest(reference)?;
    let store = Store::Registry(registry, reference.clone());
    let index = match Document::parse(&name, &manifest.bytes)? {
        Document::Manifest(image) => {
            return running(&store, reference, manifest.digest, &image);
        }
        Document::Index(index) => index,
    };
    let fits =
        |platform: &Platform| platform.os == "linux" && platform.architecture == architecture;
    let entries: Vec<&Descriptor> = index
        .manifests()
        .iter()
        .filter(|entry| is_image(entry))
        .filter(|entry| platform_of(entry).is_none_or(|platform| fits(&platform)))
        .take(ASKED)
        .collect();
    for entry in entries {
        let bytes = store.manifest(entry, &name)?;
        if let Document::Manifest(image) = Document::parse(&name, &bytes)? {
            let running = running(&store, reference, entry.digest().clone(), &image)?;
            if fits(&running.platform) {
                return Ok(running);
            }
        }
    }
    let has = index.manifests().iter().filter_map(platform_of);
    let has: Vec<String> = has.map(|platform| platform.to_string()).collect();
    Err(ImageError::NoPlatform {
        name,
        wanted: format!("linux/{architecture}"),
        has: has.join(", "),
    })
}

fn running(
    store: &Store<'_>,
    reference: &Reference,
    digest: Digest,
    image: &ImageManifest,
) -> Result<Running, ImageError> {
    let name = reference.to_string();
    let config = store.document(image.config(), &name)?;
    Ok(Running {
        config: image.config().digest().clone(),
        reference: reference.clone_with_digest(digest.to_string()),
        manifest: digest,
        platform: Configuration::parse(&name, &config)?.platform,
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
            (format!("sha256:{HEX}"), ImageId::Config(digest.clone())),
            (
                format!("docker://sha256:{HEX}"),
                ImageId::Config(digest.clone()),
            ),
            (HEX.to_uppercase(), ImageId::Config(digest.clone())),
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
