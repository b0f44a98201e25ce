//! The images of a Docker archive.

use serde::Deserialize;

use super::{Job, Jobs, Part, Place};
use crate::image::layer::{Check, Expected};
use crate::image::manifest::{Configuration, json};
use crate::image::store::Store;
use crate::image::{Digest, ImageError, Platform};
use crate::sys::registry::Hasher;

/// An entry of `manifest.json` in a Docker archive.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Saved {
    config: String,
    repo_tags: Option<Vec<String>>,
    layers: Vec<String>,
}

/// The images of a Docker archive by its `manifest.json`.
pub(in crate::image) fn of_docker(
    store: &Store<'_>,
    name: &str,
    manifest: &[u8],
    platforms: &[Platform],
) -> Result<Vec<Job>, ImageError> {
    let saved: Vec<Saved> = json(name, manifest)?;
    let mut jobs = Jobs::new(store, platforms);
    for saved in saved {
        let tag = saved.repo_tags.and_then(|tags| tags.into_iter().next());
        let own = tag.unwrap_or_else(|| name.to_owned());
        let bytes = store.text(&saved.config)?;
        let config = stated(&own, &saved.config, &bytes)?;
        let configuration = Configuration::parse(&own, &bytes)?;
        if !jobs.wants(&configuration.platform) {
            jobs.seen.push(configuration.platform.to_string());
            continue;
        }
        if saved.layers.len() != configuration.diff_ids.len() {
            return Err(ImageError::Damaged {
                what: own,
                why: "its layers are not those of its configuration".to_owned(),
            });
        }
        let mut layers = Vec::new();
        for (path, digest) in saved.layers.into_iter().zip(&configuration.diff_ids) {
            layers.push(Part {
                expected: Expected {
                    name: format!("layer `{path}` of {own}"),
                    size: store.size(&path)?,
                    check: Check::Unpacked(digest.clone()),
                },
                place: Place::Member(path),
                digest: digest.clone(),
            });
        }
        jobs.push(Job {
            name: own,
            index: None,
            manifest: None,
            config,
            configuration,
            layers,
        })?;
    }
    jobs.finish(name)
}

/// The digest of a configuration, which its name in the archive must not contradict.
fn stated(name: &str, path: &str, bytes: &[u8]) -> Result<Digest, ImageError> {
    let mut hasher = Hasher::sha256();
    hasher.update(bytes);
    let hex = hasher.hex();
    let damaged = |why: String| ImageError::Damaged {
        what: name.to_owned(),
        why,
    };
    let stem = path.rsplit('/').next().unwrap_or(path);
    let stem = stem.strip_suffix(".json").unwrap_or(stem);
    let is_hash = stem.len() == hex.len() && stem.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_hash && stem != hex {
        return Err(damaged(format!("the digest of `{path}` is sha256:{hex}")));
    }
    format!("sha256:{hex}")
        .parse()
        .map_err(|_| damaged(format!("`{path}` has no digest")))
}
