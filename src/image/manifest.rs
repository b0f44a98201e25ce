//! Indexes, manifests and configurations of images, of OCI and of Docker (schema 2).

use std::collections::BTreeMap;

use oci_spec::image::{Descriptor, ImageConfiguration, ImageIndex, ImageManifest};
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};

use super::{Digest, ImageError, Platform};

/// Bytes that any document of an image may have: what registries allow.
pub(super) const DOCUMENT_LIMIT: u64 = 4 << 20;

/// Layers that an image may have; no runtime mounts as many.
const LAYERS: usize = 512;

/// What buildx writes beside images: not to be run.
const ATTESTATION: (&str, &str) = ("vnd.docker.reference.type", "attestation-manifest");

/// What a digest or a tag names.
pub(super) enum Document {
    Index(Box<ImageIndex>),
    Manifest(Box<ImageManifest>),
}

/// What tells one kind from the other.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Kind {
    #[serde(default)]
    schema_version: Option<u32>,
    #[serde(default)]
    manifests: Option<IgnoredAny>,
    #[serde(default)]
    layers: Option<IgnoredAny>,
    #[serde(default)]
    fs_layers: Option<IgnoredAny>,
}

/// What the configuration says that matters here.
pub(super) struct Configuration {
    pub(super) platform: Platform,
    pub(super) env: Vec<String>,
    pub(super) command: Vec<String>,
    pub(super) labels: BTreeMap<String, String>,
    /// Digests of the layers unpacked, the lowest first.
    pub(super) diff_ids: Vec<Digest>,
}

impl Document {
    pub(super) fn parse(what: &str, bytes: &[u8]) -> Result<Document, ImageError> {
        let kind: Kind = json(what, bytes)?;
        let damaged = |why: &str| ImageError::Damaged {
            what: what.to_owned(),
            why: why.to_owned(),
        };
        match (kind.manifests, kind.layers) {
            (Some(_), Some(_)) => Err(damaged("it is an index and a manifest in one")),
            (Some(_), None) => Ok(Document::Index(Box::new(json(what, bytes)?))),
            (None, Some(_)) => {
                let manifest: ImageManifest = json(what, bytes)?;
                runnable(what, &manifest)?;
                Ok(Document::Manifest(Box::new(manifest)))
            }
            (None, None) if kind.fs_layers.is_some() || kind.schema_version == Some(1) => {
                Err(ImageError::Unsupported {
                    what: what.to_owned(),
                    why: "it is of Docker's schema 1, which no digest binds to its content: push it again"
                        .to_owned(),
                })
            }
            (None, None) => Err(damaged("it is neither an index nor a manifest")),
        }
    }
}

/// Refuses charts, signatures and other artifacts, and layers that cannot be read.
fn runnable(what: &str, manifest: &ImageManifest) -> Result<(), ImageError> {
    let unsupported = |why: String| ImageError::Unsupported {
        what: what.to_owned(),
        why,
    };
    let config = manifest.config().media_type().as_ref();
    if !matches!(
        config,
        "application/vnd.oci.image.config.v1+json"
            | "application/vnd.docker.container.image.v1+json"
    ) {
        return Err(unsupported(format!(
            "it is no container image but a `{config}`"
        )));
    }
    if manifest.layers().len() > LAYERS {
        return Err(ImageError::TooLarge {
            what: what.to_owned(),
            why: format!("it has more than {LAYERS} layers"),
        });
    }
    for layer in manifest.layers() {
        let kind = layer.media_type().as_ref();
        if kind.contains("encrypted") {
            let digest = layer.digest();
            return Err(unsupported(format!("its layer {digest} is encrypted")));
        }
        if kind.contains("foreign") || kind.contains("nondistributable") {
            let digest = layer.digest();
            return Err(unsupported(format!(
                "its layer {digest} is kept elsewhere (a foreign layer)"
            )));
        }
    }
    Ok(())
}

/// Whether an entry of an index is an image that somebody can run.
pub(super) fn is_image(entry: &Descriptor) -> bool {
    let attested = entry.annotations().as_ref().is_some_and(|annotations| {
        annotations.get(ATTESTATION.0).map(String::as_str) == Some(ATTESTATION.1)
    });
    let nowhere = platform_of(entry)
        .is_some_and(|platform| platform.os == "unknown" && platform.architecture == "unknown");
    !attested && !nowhere && entry.artifact_type().is_none()
}

/// The platform that an index gives for an entry.
pub(super) fn platform_of(entry: &Descriptor) -> Option<Platform> {
    entry.platform().as_ref().map(|platform| Platform {
        os: platform.os().to_string(),
        architecture: platform.architecture().to_string(),
        variant: platform.variant().clone().filter(|text| !text.is_empty()),
    })
}

impl Configuration {
    pub(super) fn parse(what: &str, bytes: &[u8]) -> Result<Configuration, ImageError> {
        let parsed: ImageConfiguration = json(what, bytes)?;
        let config = parsed.config().clone().unwrap_or_default();
        let words = |words: &Option<Vec<String>>| words.clone().unwrap_or_default();
        let mut command = words(config.entrypoint());
        command.extend(words(config.cmd()));
        let diff_ids = parsed.rootfs().diff_ids().iter().map(|text| {
            text.parse().map_err(|_| ImageError::Damaged {
                what: what.to_owned(),
                why: format!("`{text}` is no digest"),
            })
        });
        Ok(Configuration {
            platform: Platform {
                os: parsed.os().to_string(),
                architecture: parsed.architecture().to_string(),
                variant: parsed.variant().clone().filter(|text| !text.is_empty()),
            },
            env: words(config.env()),
            command,
            labels: config
                .labels()
                .clone()
                .unwrap_or_default()
                .into_iter()
                .collect(),
            diff_ids: diff_ids.collect::<Result<_, _>>()?,
        })
    }
}

pub(super) fn json<T: DeserializeOwned>(what: &str, bytes: &[u8]) -> Result<T, ImageError> {
    serde_json::from_slice(bytes).map_err(|error| ImageError::Damaged {
        what: what.to_owned(),
        why: format!("it is not the JSON of an image: {error}"),
    })
}
