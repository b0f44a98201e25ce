//! Lists the images of a Docker archive.

use serde::Deserialize;

use super::{Job, Jobs, Listing, Origin, Part, Place};
use crate::image::error::some_of;
use crate::image::layer::Expected;
use crate::image::manifest::{Configuration, ENTRIES, OF_ARCHIVE, elements, json, plain};
use crate::image::store::Store;
use crate::image::{Digest, ImageError, Platform};
use crate::sys::registry::Hasher;
use istio_builds::image_reference::parse_reference;

/// An entry of `manifest.json` in a Docker archive.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Saved {
    config: String,
    repo_tags: Option<Vec<String>>,
    layers: Vec<String>,
}

impl Saved {
    /// Returns the name of the image if it is the wanted one, or if every image is wanted. `place`
    /// is its index in the list.
    fn called(&self, place: usize, archive: &str, wanted: Option<&str>) -> Option<String> {
        let tags = self.repo_tags.as_deref().unwrap_or_default();
        let Some(wanted) = wanted.filter(|wanted| *wanted != format!("@{place}")) else {
            let name = tags.first().map_or(archive, String::as_str);
            return Some(name.to_owned());
        };
        // `istio/pilot:1` and `docker.io/istio/pilot:1` are the same name.
        let whole = |name: &str| parse_reference(name).ok();
        let wanted = whole(wanted)?;
        let tag = tags.iter().find(|tag| whole(tag).as_ref() == Some(&wanted));
        tag.cloned()
    }
}

/// Lists the images of the archive `name` from its `manifest.json`: all, or the one that is
/// `wanted`.
pub(in crate::image) fn of_docker(
    store: &Store<'_>,
    (name, wanted): (&str, Option<&str>),
    manifest: &[u8],
    platforms: &[Platform],
) -> Result<Listing, ImageError> {
    plain(name, manifest, OF_ARCHIVE)?;
    let list = elements(manifest, None, ENTRIES).ok_or_else(|| ImageError::Damaged {
        what: name.to_owned(),
        why: "its `manifest.json` is not a list".to_owned(),
    })?;
    let mut jobs = Jobs::new(store, platforms);
    let mut others = Vec::new();
    for (place, text) in list.into_iter().enumerate() {
        jobs.count(name)?;
        let saved: Saved = match json(name, text) {
            Ok(saved) => saved,
            Err(why) => {
                jobs.unsaved(name, why);
                continue;
            }
        };
        match saved.called(place, name, wanted) {
            Some(own) => match jobs.add_saved(own.clone(), saved) {
                Err(ImageError::Interrupted) => return Err(ImageError::Interrupted),
                Err(why) => jobs.unsaved(&own, why),
                Ok(()) => {}
            },
            None => others.push(saved.repo_tags.unwrap_or_default()),
        }
    }
    if let Some(image) = wanted
        && jobs.found.jobs.is_empty()
        && jobs.found.unread.is_empty()
        && jobs.seen.is_empty()
    {
        let names = others.into_iter().enumerate().flat_map(|(place, tags)| {
            let unnamed = tags.is_empty().then(|| format!("@{place}"));
            tags.into_iter().chain(unnamed)
        });
        return Err(ImageError::NotIn {
            name: name.to_owned(),
            image: image.to_owned(),
            has: some_of(&names.collect::<Vec<_>>()),
        });
    }
    jobs.finish(name)
}

impl Jobs<'_> {
    /// Records an entry of the list that cannot be read.
    fn unsaved(&mut self, name: &str, why: ImageError) {
        let origin = Origin {
            name: name.to_owned(),
            ..Origin::default()
        };
        self.unread(origin, why);
    }

    fn add_saved(&mut self, own: String, saved: Saved) -> Result<(), ImageError> {
        let bytes = self.store.text(&saved.config)?;
        let bytes = self.document(&own, bytes)?;
        let config = stated(&own, &saved.config, &bytes)?;
        let configuration = Configuration::parse(&own, &bytes)?;
        self.keep(&own, configuration.weight)?;
        if !self.wants(&configuration.platform) {
            self.seen.push(configuration.platform.to_string());
            return Ok(());
        }
        if saved.layers.len() != configuration.diff_ids.len() {
            return Err(ImageError::Damaged {
                what: own,
                why: "its layers are not those of its configuration".to_owned(),
            });
        }
        let mut layers = Vec::new();
        for (path, digest) in saved.layers.into_iter().zip(&configuration.diff_ids) {
            let longest = path.len().max(digest.as_ref().len());
            self.keep(&own, Part::weight(&own, longest))?;
            layers.push(Part {
                expected: Expected {
                    name: format!("layer `{path}` of {own}"),
                    size: self.store.size(&path)?,
                    stored: None,
                    unpacked: digest.clone(),
                },
                place: Place::Member(path),
                digest: digest.clone(),
            });
        }
        self.push(Job {
            name: own,
            index: None,
            manifest: None,
            config,
            configuration,
            layers,
        })
    }
}

/// Returns the digest of a configuration. Its file name in the archive must not contradict it.
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
