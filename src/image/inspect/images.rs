//! The images of a store, each read once.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Inspection;
use crate::image::job::{self, Job, Place};
use crate::image::manifest::Document;
use crate::image::read::{Input, Layer, Search};
use crate::image::store::Store;
use crate::image::{Digest, Image, ImageError, Inspected, Program};

impl<T: Clone + Serialize + DeserializeOwned> Inspection<'_, T> {
    pub(super) fn document(
        &mut self,
        store: &Store<'_>,
        name: &str,
        document: (Option<Digest>, Document),
    ) -> Result<Inspected<T>, ImageError> {
        let jobs = job::of_document(store, name, document, &self.request.platforms)?;
        self.jobs(store, jobs)
    }

    pub(super) fn jobs(
        &mut self,
        store: &Store<'_>,
        jobs: Vec<Job>,
    ) -> Result<Inspected<T>, ImageError> {
        let mut images = Vec::new();
        for job in jobs {
            images.push(self.image(store, job, &images)?);
        }
        Ok(Inspected::Images(images))
    }

    /// Reads an image, where it is not one of those `before` under another name.
    fn image(
        &mut self,
        store: &Store<'_>,
        job: Job,
        before: &[Image<T>],
    ) -> Result<Image<T>, ImageError> {
        // A file can hold the good manifest and other layers, and is read fast: only what a registry
        // gave by its digest is kept.
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
        // The newest first: few names make a difference to what is sought.
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

impl Job {
    pub(in crate::image) fn image<T>(self, programs: Vec<Program<T>>) -> Image<T> {
        Image {
            name: self.name,
            index: self.index,
            manifest: self.manifest,
            config: self.config,
            platform: self.configuration.platform,
            env: self.configuration.env,
            command: self.configuration.command,
            kept: None,
            programs,
        }
    }
}
