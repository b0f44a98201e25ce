//! What is a container image, and what other things registries and layouts hold.

use oci_spec::image::{Descriptor, ImageManifest};

use super::platform_of;

/// What buildx writes beside images: not to be run.
const ATTESTATION: (&str, &str) = ("vnd.docker.reference.type", "attestation-manifest");

/// Media types of what an index may name and the runtimes may choose.
const MANIFESTS: [&str; 5] = [
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.v1+prettyjws",
];

/// Media types of the configurations of container images.
const CONFIGURATIONS: [&str; 2] = [
    "application/vnd.oci.image.config.v1+json",
    "application/vnd.docker.container.image.v1+json",
];

/// What a manifest is of, where that is no container image. Signatures and attestations of cosign have
/// the configuration of an image, and layers that are documents.
pub(super) fn artifact(manifest: &ImageManifest) -> Option<String> {
    let config = manifest.config().media_type().as_ref();
    if !CONFIGURATIONS.contains(&config) {
        return Some(short(config));
    }
    let layers = || {
        manifest
            .layers()
            .iter()
            .map(|layer| layer.media_type().as_ref())
    };
    let documents = layers().all(|kind| {
        let kind = kind.to_ascii_lowercase();
        kind.ends_with("json") || kind.starts_with("text/")
    });
    layers().next().filter(|_| documents).map(short)
}

/// A media type that can be shown: it comes from whoever made the image.
pub(super) fn short(kind: &str) -> String {
    /// Characters of the longest that is registered.
    const LONGEST: usize = 127;
    kind.chars().take(LONGEST).collect()
}

/// Whether an entry of an index is an image that somebody can run.
pub(in crate::image) fn is_image(entry: &Descriptor) -> bool {
    skipped_as(entry).is_none()
}

/// What an entry of an index is, where that is nothing that the runtimes choose. They look at its media
/// type and its platform alone: where it has one, no annotation makes it anything else.
pub(in crate::image) fn skipped_as(entry: &Descriptor) -> Option<String> {
    let kind = entry.media_type().as_ref();
    if !MANIFESTS.contains(&kind) {
        return Some(short(kind));
    }
    if let Some(platform) = platform_of(entry) {
        let unknown = platform.os == "unknown" && platform.architecture == "unknown";
        return unknown.then(|| ATTESTATION.1.to_owned());
    }
    let attested = entry.annotations().as_ref().is_some_and(|annotations| {
        annotations.get(ATTESTATION.0).map(String::as_str) == Some(ATTESTATION.1)
    });
    if attested {
        return Some(ATTESTATION.1.to_owned());
    }
    entry
        .artifact_type()
        .as_ref()
        .map(|kind| short(kind.as_ref()))
}
