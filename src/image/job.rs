//! The images that a store contains under a name, with everything that is needed to read them.

use std::collections::VecDeque;

use oci_spec::image::ImageManifest;

use super::error::some_of;
use super::layer::Expected;
use super::manifest::{Configuration, Document, Index, platform_of, skipped_as};
use super::store::{Blob, Store};
use super::{Digest, ImageError, Platform};

mod docker;
mod listing;
mod tag;

pub(super) use docker::of_docker;
pub(super) use listing::{Listing, Origin, Unreadable};
use tag::name_of;
pub(super) use tag::tagged;

/// The maximum number of images that one name may refer to.
const IMAGES: usize = 256;

/// The maximum depth of nested indexes.
const DEPTH: usize = 3;

/// The maximum number of entries in all of these indexes.
const ENTRIES: usize = 1024;

/// The maximum number of bytes kept about all images of a target before the first one is read.
const KEPT: usize = 16 << 20;

/// The maximum number of bytes of manifests and configurations that are read for the list.
const DOCUMENTS: usize = 64 << 20;

/// An image that is ready to be read.
pub(super) struct Job {
    pub(super) name: String,
    pub(super) index: Option<Digest>,
    pub(super) manifest: Option<Digest>,
    pub(super) config: Digest,
    pub(super) configuration: Configuration,
    /// The layers, the lowest first.
    pub(super) layers: Vec<Part>,
}

/// A layer and its location.
pub(super) struct Part {
    pub(super) place: Place,
    pub(super) expected: Expected,
    pub(super) digest: Digest,
}

impl Part {
    /// Returns the number of bytes that one layer of the image `name` takes, if each name of the
    /// layer has at most `longest` bytes.
    fn weight(name: &str, longest: usize) -> usize {
        // The location, the expected digest, the digest, and the digest in the name for messages.
        let texts = longest.saturating_mul(4);
        texts.saturating_add(name.len()) + size_of::<Part>()
    }
}

pub(super) enum Place {
    Blob(Blob),
    /// A member of a Docker archive.
    Member(String),
}

/// An entry of an index that has not been visited yet.
struct Open {
    name: String,
    index: Option<Digest>,
    depth: usize,
    platform: Option<Platform>,
    blob: Blob,
    /// True if the store contains other entries of the same index, so that this one may be absent.
    partial: bool,
}

impl Open {
    fn weight(&self) -> usize {
        let platform = self.platform.as_ref();
        let platform = platform.map_or(0, |platform| platform.to_string().len());
        let index = self.index.as_ref().map_or(0, |it| it.as_ref().len());
        let texts = [self.name.len(), index, self.blob.digest.as_ref().len()];
        texts.iter().sum::<usize>() + platform + size_of::<Open>()
    }
}

/// How a manifest was found.
#[derive(Default)]
struct Way {
    index: Option<Digest>,
    manifest: Option<Digest>,
    /// True if its index states the platform, by which the runtimes then choose.
    listed: bool,
}

/// Lists the images that a document refers to, only those for `platforms` unless it is empty, and
/// the entries that were skipped, absent or unreadable.
pub(super) fn of_document(
    store: &Store<'_>,
    name: &str,
    (digest, document): (Option<Digest>, Document),
    platforms: &[Platform],
) -> Result<Listing, ImageError> {
    let mut jobs = Jobs::new(store, platforms);
    match document {
        Document::Manifest(manifest) => {
            let way = Way {
                manifest: digest,
                ..Way::default()
            };
            jobs.add(name, way, &manifest)?;
        }
        Document::Artifact(kind) => return Err(ImageError::artifact(name, &kind)),
        Document::Index(index) => jobs.enter(name, digest.as_ref(), 1, &index)?,
    }
    while let Some(next) = jobs.open.pop_front() {
        jobs.visit(next)?;
    }
    jobs.finish(name)
}

struct Jobs<'a> {
    store: &'a Store<'a>,
    platforms: &'a [Platform],
    found: Listing,
    /// The index entries that have not been visited yet, and the number of all entries so far.
    open: VecDeque<Open>,
    entries: usize,
    /// The number of bytes that all of this takes.
    kept: usize,
    /// The number of bytes of documents that were read for it.
    read: usize,
    /// The platforms that were found but not requested, for the error message.
    seen: Vec<String>,
}

impl<'a> Jobs<'a> {
    fn new(store: &'a Store<'a>, platforms: &'a [Platform]) -> Self {
        Jobs {
            store,
            platforms,
            found: Listing::default(),
            open: VecDeque::new(),
            entries: 0,
            kept: 0,
            read: 0,
            seen: Vec::new(),
        }
    }

    /// Queues the entries of an index. The index of a layout has no digest, and its entries are
    /// images of their own.
    fn enter(
        &mut self,
        name: &str,
        digest: Option<&Digest>,
        depth: usize,
        index: &Index,
    ) -> Result<(), ImageError> {
        // `docker save` stores the whole index, but only those of its images that were pulled.
        let partial = digest.is_some()
            && index
                .descriptors()
                .any(|it| self.store.has(&Blob::from(it)));
        for entry in &index.entries {
            self.count(name)?;
            let entry = match entry {
                Ok(entry) => entry,
                Err(why) => {
                    let origin = Origin {
                        name: name.to_owned(),
                        index: digest.cloned(),
                        ..Origin::default()
                    };
                    let (what, why) = (name.to_owned(), why.clone());
                    self.unread(origin, ImageError::Damaged { what, why });
                    continue;
                }
            };
            if let Some(kind) = skipped_as(entry) {
                self.found.skipped.push(kind);
                continue;
            }
            let open = Open {
                name: name_of(name, entry, digest.is_none()),
                index: digest.cloned(),
                depth,
                platform: platform_of(entry),
                blob: entry.into(),
                partial,
            };
            self.keep(name, open.weight())?;
            self.open.push_back(open);
        }
        Ok(())
    }

    /// Visits an entry. An error in it does not affect the others.
    fn visit(&mut self, open: Open) -> Result<(), ImageError> {
        match self.open(&open) {
            Err(ImageError::Interrupted) => return Err(ImageError::Interrupted),
            Err(why) => {
                let origin = Origin {
                    name: open.name,
                    index: open.index,
                    manifest: Some(open.blob.digest),
                    platform: open.platform,
                };
                self.unread(origin, why);
            }
            Ok(()) => {}
        }
        Ok(())
    }

    /// Records an image that cannot be read, unless its platform was not requested.
    fn unread(&mut self, origin: Origin, why: ImageError) {
        if origin.platform.as_ref().is_none_or(|it| self.wants(it)) {
            self.found.unread.push(Unreadable { origin, why });
        }
    }

    /// Counts an index entry against its limit.
    fn count(&mut self, what: &str) -> Result<(), ImageError> {
        self.entries += 1;
        if self.entries > ENTRIES {
            return Err(ImageError::TooLarge {
                what: what.to_owned(),
                why: format!("its indexes name more than {ENTRIES} images"),
            });
        }
        Ok(())
    }

    /// Counts bytes that are kept against their limit.
    fn keep(&mut self, what: &str, bytes: usize) -> Result<(), ImageError> {
        self.kept = self.kept.saturating_add(bytes);
        if self.kept > KEPT {
            return Err(ImageError::TooLarge {
                what: what.to_owned(),
                why: format!(
                    "to list its images takes more than {KEPT} bytes: name fewer, by a tag or a platform"
                ),
            });
        }
        Ok(())
    }

    /// Counts the bytes of a document against their limit, because many entries can refer to the
    /// same small file.
    fn document(&mut self, what: &str, bytes: Vec<u8>) -> Result<Vec<u8>, ImageError> {
        self.read = self.read.saturating_add(bytes.len());
        if self.read > DOCUMENTS {
            return Err(ImageError::TooLarge {
                what: what.to_owned(),
                why: format!("to list all images means to read more than {DOCUMENTS} bytes"),
            });
        }
        Ok(bytes)
    }

    fn open(&mut self, open: &Open) -> Result<(), ImageError> {
        let Open {
            name,
            index,
            depth,
            platform,
            blob,
            partial,
        } = open;
        if let Some(platform) = platform
            && !self.wants(platform)
        {
            self.seen.push(platform.to_string());
            return Ok(());
        }
        if *partial && !self.store.has(blob) {
            let platform = platform.as_ref().map(ToString::to_string);
            let which = platform.unwrap_or_else(|| blob.digest.to_string());
            self.found.absent.push(which);
            return Ok(());
        }
        let bytes = self.store.manifest(blob, name)?;
        let bytes = self.document(name, bytes)?;
        let digest = &blob.digest;
        match Document::parse(name, &bytes)? {
            Document::Manifest(manifest) => {
                let way = Way {
                    index: index.clone(),
                    manifest: Some(digest.clone()),
                    listed: platform.is_some(),
                };
                self.add(name, way, &manifest)
            }
            // Some runtimes choose by the platform alone, so they would choose this artifact.
            Document::Artifact(kind) if platform.is_some() => {
                Err(ImageError::artifact(name, &kind))
            }
            Document::Artifact(kind) => {
                self.found.skipped.push(kind);
                Ok(())
            }
            Document::Index(_) if *depth == DEPTH => Err(ImageError::TooLarge {
                what: name.clone(),
                why: format!("its indexes are more than {DEPTH} deep"),
            }),
            Document::Index(nested) => self.enter(name, Some(digest), depth + 1, &nested),
        }
    }

    fn add(&mut self, name: &str, way: Way, manifest: &ImageManifest) -> Result<(), ImageError> {
        let config = manifest.config().digest().clone();
        let document = self.store.document(&manifest.config().into(), name)?;
        let document = self.document(name, document)?;
        let configuration = Configuration::parse(name, &document)?;
        self.keep(name, configuration.weight)?;
        if !way.listed && !self.wants(&configuration.platform) {
            self.seen.push(configuration.platform.to_string());
            return Ok(());
        }
        let (layers, ids) = (manifest.layers().len(), configuration.diff_ids.len());
        if layers != ids {
            return Err(ImageError::Damaged {
                what: name.to_owned(),
                why: format!("its manifest has {layers} layers, its configuration {ids}"),
            });
        }
        for layer in manifest.layers() {
            self.keep(name, Part::weight(name, layer.digest().as_ref().len()))?;
        }
        let layers = manifest.layers().iter().zip(&configuration.diff_ids);
        let layers = layers.map(|(layer, unpacked)| Part {
            place: Place::Blob(layer.into()),
            expected: Expected {
                name: format!("layer {} of {name}", layer.digest()),
                size: layer.size(),
                stored: Some(layer.digest().clone()),
                unpacked: unpacked.clone(),
            },
            digest: layer.digest().clone(),
        });
        self.push(Job {
            name: name.to_owned(),
            index: way.index,
            manifest: way.manifest,
            config,
            layers: layers.collect(),
            configuration,
        })
    }

    fn push(&mut self, job: Job) -> Result<(), ImageError> {
        if self.found.jobs.len() == IMAGES {
            return Err(ImageError::TooLarge {
                what: job.name,
                why: format!("it refers to more than {IMAGES} images"),
            });
        }
        self.found.jobs.push(job);
        Ok(())
    }

    fn wants(&self, platform: &Platform) -> bool {
        self.platforms.is_empty() || self.platforms.iter().any(|wanted| wanted.covers(platform))
    }

    fn finish(mut self, name: &str) -> Result<Listing, ImageError> {
        if !self.found.jobs.is_empty() {
            return Ok(self.found);
        }
        if let Some(first) = self.found.unread.drain(..).next() {
            return Err(first.why);
        }
        if self.seen.is_empty() {
            let mut why = "there is nothing in it that could be run".to_owned();
            let skipped = self.found.skipped.iter().chain(&self.found.absent);
            let skipped: Vec<String> = skipped.cloned().collect();
            if !skipped.is_empty() {
                why = format!("{why}, only {}", some_of(&skipped));
            }
            return Err(ImageError::NotAnImage {
                name: name.to_owned(),
                why,
            });
        }
        let wanted = self.platforms.iter().map(ToString::to_string);
        Err(ImageError::NoPlatform {
            name: name.to_owned(),
            wanted: wanted.collect::<Vec<_>>().join(", "),
            has: some_of(&self.seen),
        })
    }
}
