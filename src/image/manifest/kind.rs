//! Distinguishes container images from the other content of registries and layouts.

use std::sync::LazyLock;

use oci_spec::image::{Descriptor, ImageManifest};
use serde::Deserialize;

use super::platform_of;
use crate::image::ImageError;
use dated_data::{DataError, parse};

/// The annotation of the attestations that buildx adds to images. They cannot be run.
const ATTESTATION: (&str, &str) = ("vnd.docker.reference.type", "attestation-manifest");

/// The media types of index entries that the runtimes may choose.
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

/// Prefixes of the media types of known artifacts other than container images.
static ARTIFACTS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let text = include_str!(concat!(env!("OUT_DIR"), "/image.json"));
    // A test checks that the data can be read. Without data there are no known types, and nothing
    // is skipped.
    let files: Vec<(String, Table)> = serde_json::from_str(text).unwrap_or_default();
    let groups = files.into_iter().flat_map(|(_, table)| table.artifacts);
    groups.flat_map(|group| group.types).collect()
});

#[derive(Deserialize)]
struct Table {
    #[serde(default)]
    artifacts: Vec<Group>,
}

/// Reads the media types of a data file, to find mistakes in it.
pub(in crate::image) fn read_table(name: &str, text: &str) -> Result<(), DataError> {
    parse::<Table>(name, text).map(drop)
}

/// The media types of one source.
#[derive(Deserialize)]
struct Group {
    types: Vec<String>,
}

/// Returns a media type in the form in which it is compared: in lower case, without parameters.
fn essence(kind: &str) -> String {
    let bare = kind.split(';').next().unwrap_or(kind);
    bare.trim().to_ascii_lowercase()
}

fn is_artifact(kind: &str) -> bool {
    let kind = essence(kind);
    ARTIFACTS.iter().any(|start| kind.starts_with(start))
}

/// Returns what a manifest describes, if that is not a container image. Signatures and attestations
/// of cosign have the configuration of an image, but their layers are documents.
pub(super) fn artifact(what: &str, manifest: &ImageManifest) -> Result<Option<String>, ImageError> {
    let config = manifest.config().media_type().as_ref();
    if is_artifact(config) {
        return Ok(Some(short(config)));
    }
    // The runtimes ignore this media type.
    if !CONFIGURATIONS.contains(&essence(config).as_str()) {
        return Err(ImageError::Unsupported {
            what: what.to_owned(),
            why: format!("unknown configuration media type `{}`", short(config)),
        });
    }
    let layers = || {
        let layers = manifest.layers().iter();
        layers.map(|layer| layer.media_type().as_ref())
    };
    let documents = layers().all(is_artifact);
    Ok(layers().next().filter(|_| documents).map(short))
}

/// Returns a media type short enough to be shown: it is untrusted text.
pub(super) fn short(kind: &str) -> String {
    /// The length of the longest media type that can be registered.
    const LONGEST: usize = 127;
    kind.chars().take(LONGEST).collect()
}

/// Returns true if an entry of an index is an image that can be run.
pub(in crate::image) fn is_image(entry: &Descriptor) -> bool {
    skipped_as(entry).is_none()
}

/// Returns what an entry of an index is, if the runtimes do not choose it. Some runtimes choose by
/// the platform alone: an entry with a platform counts as an image, whatever its media type and
/// annotations are.
pub(in crate::image) fn skipped_as(entry: &Descriptor) -> Option<String> {
    if let Some(platform) = platform_of(entry) {
        let unknown = platform.os == "unknown" && platform.architecture == "unknown";
        return unknown.then(|| ATTESTATION.1.to_owned());
    }
    let kind = entry.media_type().as_ref();
    if is_artifact(kind) {
        return Some(short(kind));
    }
    if !MANIFESTS.contains(&essence(kind).as_str()) {
        return None;
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const MANIFEST: &str = MANIFESTS[1];

    #[test]
    fn what_some_runtime_may_choose_is_not_skipped() {
        let arm = json!({"os": "linux", "architecture": "arm64"});
        let none = json!({"os": "unknown", "architecture": "unknown"});
        for (kind, platform, skipped) in [
            (MANIFEST, json!(null), false),
            (MANIFEST, arm.clone(), false),
            (MANIFEST, none, true),
            ("application/json", arm.clone(), false),
            ("application/vnd.in-toto+json", arm, false),
            ("application/vnd.in-toto+json", json!(null), true),
            ("Application/VND.in-toto+json; a=b", json!(null), true),
            ("application/json", json!(null), false),
            ("application/x-unknown", json!(null), false),
        ] {
            let mut entry = json!({"mediaType": kind, "size": 1,
                "digest": format!("sha256:{}", "ab".repeat(32))});
            if !platform.is_null() {
                entry["platform"] = platform;
            }
            let said = skipped_as(&serde_json::from_value(entry.clone()).unwrap());
            assert_eq!(said.is_some(), skipped, "{entry}");
        }
    }

    #[test]
    fn what_a_manifest_is_of_shows_its_configuration() {
        let of = |config: &str, layers: &[&str]| {
            let blob = |kind: &str| {
                json!({"mediaType": kind, "size": 1,
                    "digest": format!("sha256:{}", "ab".repeat(32))})
            };
            let layers: Vec<_> = layers.iter().map(|kind| blob(kind)).collect();
            let manifest = json!({"schemaVersion": 2, "config": blob(config), "layers": layers});
            artifact("x", &serde_json::from_value(manifest).unwrap())
        };
        let image = CONFIGURATIONS[0];
        let tar = "application/vnd.oci.image.layer.v1.tar";
        let signature = "application/vnd.dev.cosign.simplesigning.v1+json";
        assert_eq!(of(image, &[tar]).unwrap(), None);
        assert_eq!(of(&format!("{image}; a=b"), &[tar]).unwrap(), None);
        assert_eq!(of(&image.to_ascii_uppercase(), &[]).unwrap(), None);
        assert_eq!(of(image, &[signature]).unwrap().unwrap(), signature);
        assert_eq!(of(image, &[signature, tar]).unwrap(), None);
        assert_eq!(of(image, &["application/json"]).unwrap(), None);
        assert!(
            of("application/vnd.cncf.helm.config.v1+json", &[tar])
                .unwrap()
                .is_some()
        );
        for unknown in ["application/octet-stream", "application/json", ""] {
            assert!(of(unknown, &[tar]).is_err(), "{unknown}");
        }
    }
}
