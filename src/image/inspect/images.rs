//! Reads the images of a store, each one once.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Inspection;
use crate::image::job::{self, Job, Listing, Origin, Place};
use crate::image::manifest::Document;
use crate::image::read::{Input, Layer, Search};
use crate::image::store::Store;
use crate::image::variables::takes_over;
use crate::image::{
    Digest, Image, ImageError, Images, Inspected, Program, ProgramReadError, UnreadImage,
};

impl<T: Clone + Serialize + DeserializeOwned> Inspection<'_, T> {
    pub(super) fn document(
        &mut self,
        store: &Store<'_>,
        name: &str,
        document: (Option<Digest>, Document),
    ) -> Result<Inspected<T>, ImageError> {
        let listing = job::of_document(store, name, document, &self.request.platforms)?;
        self.listing(store, listing)
    }

    /// Reads each image. An error in one image does not affect the others.
    pub(super) fn listing(
        &mut self,
        store: &Store<'_>,
        mut listing: Listing,
    ) -> Result<Inspected<T>, ImageError> {
        let jobs = std::mem::take(&mut listing.jobs);
        let mut results = Results::new(listing);
        for job in jobs {
            let origin = job.origin();
            let read = self.image(store, job, &results.images.read);
            results.take(origin, read)?;
        }
        results.finish()
    }

    /// Reads an image, unless it is one of the images `before` under another name.
    fn image(
        &mut self,
        store: &Store<'_>,
        job: Job,
        before: &[Image<T>],
    ) -> Result<Image<T>, ImageError> {
        // Only images that a registry returned by digest are cached: a file can contain the
        // manifest of a good image with other layers, and is fast to read.
        let cache = self
            .sources
            .cache
            .filter(|_| matches!(store, Store::Registry { .. }));
        let digest = job.manifest.as_ref().unwrap_or(&job.config);
        let sought = self.request.want.sought(&job.name, &job.configuration);
        let key = format!("{digest} {sought:?} {:?}", self.request.limits);
        let want = &self.request.want;
        let same = |image: &&Image<T>| {
            let sought_there = || want.sought(&image.name, &job.configuration);
            image.manifest.is_some() && image.manifest == job.manifest && sought_there() == sought
        };
        // The newest first: only few names change which programs are wanted.
        let known = before.iter().rev().find(same);
        let known = known.map(|image| (image.kept, image.programs.clone()));
        let kept = || {
            cache?
                .get(&key)
                .map(|(day, programs)| (Some(day), programs))
        };
        if let Some((kept, programs)) = known.or_else(kept) {
            self.reader.keep(&job.name, &programs)?;
            return Ok(Image {
                kept,
                ..job.image(programs)
            });
        }
        let search = Search {
            name: &job.name,
            want: &self.request.want,
            sought: &sought,
            budget: self.sources.budget,
        };
        let sources = self.sources;
        let what = format!("{} {}", job.name, job.configuration.platform);
        let layers = job.layers.iter().map(|part| {
            let what = what.clone();
            let open = move || -> Result<Input<'_>, ImageError> {
                let input = match &part.place {
                    Place::Blob(entry) => store.blob(entry)?,
                    Place::Member(path) => store.member(path)?,
                };
                let size = Some(part.expected.size);
                Ok(Box::new(sources.progress(&what, size, input)))
            };
            Layer {
                expected: part.expected.clone(),
                digest: part.digest.clone(),
                open: Box::new(open),
            }
        });
        let programs = search.run(&layers.collect::<Vec<_>>(), &mut self.reader)?;
        if let Some(cache) = cache {
            cache.put(&key, &programs);
        }
        Ok(job.image(programs))
    }
}

/// The images of a target that were processed so far.
pub(in crate::image) struct Results<T> {
    images: Images<T>,
}

impl<T> Results<T> {
    pub(in crate::image) fn new(listing: Listing) -> Self {
        let unread = listing.unread.into_iter();
        Results {
            images: Images {
                read: Vec::new(),
                unread: unread.map(|one| one.origin.unread(one.why)).collect(),
                skipped: listing.skipped,
                absent: listing.absent,
            },
        }
    }

    /// Records an image, or why it could not be read. An interruption ends the run.
    pub(in crate::image) fn take(
        &mut self,
        origin: Origin,
        read: Result<Image<T>, ImageError>,
    ) -> Result<(), ImageError> {
        match read {
            Ok(image) => self.images.read.push(image),
            Err(ImageError::Interrupted) => return Err(ImageError::Interrupted),
            Err(why) => self.images.unread.push(origin.unread(why)),
        }
        Ok(())
    }

    /// Returns the images, or the first error if no image could be read.
    pub(in crate::image) fn finish(mut self) -> Result<Inspected<T>, ImageError> {
        let unread = &mut self.images.unread;
        if self.images.read.is_empty() && !unread.is_empty() {
            return Err(unread.swap_remove(0).why);
        }
        Ok(Inspected::Images(self.images))
    }
}

impl Origin {
    fn unread(self, why: ImageError) -> UnreadImage {
        UnreadImage {
            name: self.name,
            index: self.index,
            manifest: self.manifest,
            platform: self.platform,
            why,
        }
    }
}

impl Job {
    /// Returns the image with its programs. If one of its environment variables replaces what they
    /// do, the programs count as unknown.
    pub(in crate::image) fn image<T>(self, mut programs: Vec<Program<T>>) -> Image<T> {
        let started = self.configuration.started;
        let env = [self.configuration.env, started.env].concat();
        if let Some(why) = takes_over(&env) {
            for program in &mut programs {
                program.reading = Err(ProgramReadError::NotTold(why.clone()));
            }
        }
        Image {
            name: self.name,
            index: self.index,
            manifest: self.manifest,
            config: self.config,
            platform: self.configuration.platform,
            env,
            command: match started.unknown {
                Some(_) => self.configuration.command,
                None => started.words,
            },
            wrappers: started.wrappers,
            labelled_fips: self.configuration.labelled_fips,
            kept: None,
            programs,
        }
    }
}
