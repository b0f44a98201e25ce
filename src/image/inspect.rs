//! From a target to its programs.

use std::io::{Cursor, Read};
use std::path::Path;

use positioned_io::ReadAt as _;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::entries;
use super::flow::Flow;
use super::job::{self, Job, Place};
use super::layer::Reader;
use super::manifest::Document;
use super::read::{Input, Layer, Search};
use super::store::{Archive, Store};
use super::stream::is_compressed;
use super::{
    Image, ImageError, Inspected, Program, ProgramBytes, Request, Sources, Target, Unread,
};
use crate::sys::os::{self, Opened, ReadError};
use crate::ui::Event;

/// Bytes that tell what a file is: those of one header of tar.
const START: usize = 512;

/// Bytes between two events of progress.
const STEP: u64 = 1 << 20;

/// Which of the two lists of an archive is read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum List {
    /// `index.json`
    Oci,
    /// `manifest.json`
    Docker,
    /// What there is; that of OCI before Docker's, because it has the digests of manifests.
    Either,
}

pub(super) struct Inspection<'a, T> {
    pub(super) request: &'a Request,
    pub(super) sources: Sources<'a>,
    pub(super) reader: Reader<'a, T>,
}

impl<'a, T: Clone + Serialize + DeserializeOwned> Inspection<'a, T> {
    pub(super) fn new(
        request: &'a Request,
        sources: Sources<'a>,
        each: &'a mut dyn FnMut(&ProgramBytes<'_>) -> T,
    ) -> Self {
        Inspection {
            request,
            sources,
            reader: Reader::new(request.limits, each),
        }
    }

    pub(super) fn run(&mut self, target: &Target) -> Result<Inspected<T>, ImageError> {
        let name = target.to_string();
        match target {
            Target::Stdin => self.stream(&name, "-", os::stdin()),
            Target::Path(path) => match os::open(path)? {
                Opened::Directory => self.layout(&name, path, None),
                Opened::File(file, size) => self.file(&name, file, size),
                Opened::Stream(file) => self.stream(&name, &name, file),
            },
            Target::DockerArchive(path) => self.archive(&name, path, List::Docker),
            Target::OciArchive(path) => self.archive(&name, path, List::Oci),
            Target::Layout { dir, tag } => self.layout(&name, dir, tag.as_deref()),
            Target::Registry(reference) => {
                let manifest = self.sources.registry.manifest(reference)?;
                let document = Document::parse(&name, &manifest.bytes)?;
                let store = Store::Registry(self.sources.registry, reference.clone());
                self.document(&store, &name, (Some(manifest.digest), document))
            }
        }
    }

    /// A program, or an archive of images.
    fn file(
        &mut self,
        name: &str,
        file: std::fs::File,
        size: u64,
    ) -> Result<Inspected<T>, ImageError> {
        let mut start = [0; START];
        let read = file
            .read_at(0, &mut start)
            .map_err(|source| ImageError::Io {
                name: name.to_owned(),
                source,
            })?;
        let start = start.get(..read).unwrap_or_default();
        if entries::is_header(start) {
            return self.seekable(name, file, size, List::Either);
        }
        if is_compressed(start) {
            return self.compressed(name, &file, List::Either);
        }
        Ok(Inspected::Program(self.program(&ProgramBytes {
            path: name,
            source: &file,
            size,
        })))
    }

    fn archive(&mut self, name: &str, path: &Path, list: List) -> Result<Inspected<T>, ImageError> {
        let (file, size) = os::open_file(path)?;
        let mut start = [0; START];
        let read = file
            .read_at(0, &mut start)
            .map_err(|source| ImageError::Io {
                name: name.to_owned(),
                source,
            })?;
        if is_compressed(start.get(..read).unwrap_or_default()) {
            return self.compressed(name, &file, list);
        }
        self.seekable(name, file, size, list)
    }

    fn seekable(
        &mut self,
        name: &str,
        file: std::fs::File,
        size: u64,
        list: List,
    ) -> Result<Inspected<T>, ImageError> {
        let store = Store::Archive(Archive::open(file, size, name)?);
        let jobs = listed(&store, name, list, self.request)?;
        self.jobs(&store, jobs)
    }

    /// A packed archive: read from its beginning, a second time where links want it.
    fn compressed(
        &mut self,
        name: &str,
        file: &std::fs::File,
        list: List,
    ) -> Result<Inspected<T>, ImageError> {
        let sources = self.sources;
        let size = file.metadata().ok().map(|meta| meta.len());
        let open = || -> Input<'_> {
            Box::new(sources.progress(name, size, positioned_io::Cursor::new(file)))
        };
        let flow = Flow::read(name, open(), self.request, &mut self.reader)?;
        flow.images(list, self.request, &mut self.reader, Some(&open))
    }

    /// A program or an archive that can be read only once.
    fn stream(
        &mut self,
        name: &str,
        path: &str,
        input: impl Read,
    ) -> Result<Inspected<T>, ImageError> {
        let fail = |error| ImageError::of_stream(name, error);
        let mut input = self.sources.progress(name, None, input);
        let mut start = Vec::new();
        (&mut input)
            .take(START as u64)
            .read_to_end(&mut start)
            .map_err(fail)?;
        let archive = entries::is_header(&start) || is_compressed(&start);
        let mut input = Cursor::new(start).chain(input);
        if archive {
            let flow = Flow::read(name, input, self.request, &mut self.reader)?;
            return flow.images(List::Either, self.request, &mut self.reader, None);
        }
        let limit = self.request.limits.program;
        let mut bytes = Vec::new();
        let whole = (&mut input).take(limit.saturating_add(1));
        let size = { whole }.read_to_end(&mut bytes).map_err(fail)? as u64;
        if size > limit {
            return Ok(Inspected::Program(Program {
                path: path.to_owned(),
                real_path: None,
                layer: None,
                reading: Err(Unread::TooLarge { size, limit }),
            }));
        }
        Ok(Inspected::Program(self.program(&ProgramBytes {
            path,
            source: &bytes,
            size,
        })))
    }

    fn program(&mut self, bytes: &ProgramBytes<'_>) -> Program<T> {
        Program {
            path: bytes.path.to_owned(),
            real_path: None,
            layer: None,
            reading: Ok((self.reader.each)(bytes)),
        }
    }

    fn layout(
        &mut self,
        name: &str,
        dir: &Path,
        tag: Option<&str>,
    ) -> Result<Inspected<T>, ImageError> {
        let index = match os::read(&dir.join("index.json"), super::manifest::DOCUMENT_LIMIT) {
            Err(ReadError::Missing(_)) if dir.is_dir() => {
                return Err(ImageError::NotAnImage {
                    name: name.to_owned(),
                    why: "a directory without `index.json`: name a file in it".to_owned(),
                });
            }
            index => index?,
        };
        let mut document = Document::parse(name, &index)?;
        let mut name = name;
        if let Some(tag) = tag {
            document = job::with_tag(name, document, tag)?;
            name = name.strip_suffix(&format!(":{tag}")).unwrap_or(name);
        }
        self.document(&Store::Layout(dir.to_owned()), name, (None, document))
    }

    fn document(
        &mut self,
        store: &Store<'_>,
        name: &str,
        document: (Option<super::Digest>, Document),
    ) -> Result<Inspected<T>, ImageError> {
        let jobs = job::of_document(store, name, document, &self.request.platforms)?;
        self.jobs(store, jobs)
    }

    fn jobs(&mut self, store: &Store<'_>, jobs: Vec<Job>) -> Result<Inspected<T>, ImageError> {
        let images = jobs.into_iter().map(|job| self.image(store, job));
        Ok(Inspected::Images(images.collect::<Result<_, _>>()?))
    }

    fn image(&mut self, store: &Store<'_>, job: Job) -> Result<Image<T>, ImageError> {
        // A file can hold the good manifest and other layers, and is read fast: only what a registry
        // gave by its digest is kept.
        let cache = self
            .sources
            .cache
            .filter(|_| matches!(store, Store::Registry { .. }));
        let digest = job.manifest.as_ref().unwrap_or(&job.config);
        let command = &job.configuration.command;
        let sought = self.request.want.sought(&job.name, command);
        let key = format!("{digest} {sought:?} {:?}", self.request.limits);
        if let Some(programs) = cache.and_then(|cache| cache.get(&key)) {
            return Ok(job.image(programs));
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

/// The images that an archive lists.
pub(super) fn listed(
    store: &Store<'_>,
    name: &str,
    list: List,
    request: &Request,
) -> Result<Vec<Job>, ImageError> {
    let platforms = &request.platforms;
    let oci = store
        .text("index.json")
        .ok()
        .filter(|_| list != List::Docker);
    if let Some(index) = oci {
        let document = Document::parse(name, &index)?;
        return job::of_document(store, name, (None, document), platforms);
    }
    let docker = store
        .text("manifest.json")
        .ok()
        .filter(|_| list != List::Oci);
    let Some(manifest) = docker else {
        let wanted = match list {
            List::Oci => "no `index.json`",
            List::Docker => "no `manifest.json`",
            List::Either => "neither `index.json` nor `manifest.json`",
        };
        return Err(ImageError::NotAnImage {
            name: name.to_owned(),
            why: format!("there is {wanted} in it"),
        });
    };
    job::of_docker(store, name, &manifest, platforms)
}

impl Job {
    pub(super) fn image<T>(self, programs: Vec<Program<T>>) -> Image<T> {
        Image {
            name: self.name,
            index: self.index,
            manifest: self.manifest,
            config: self.config,
            platform: self.configuration.platform,
            env: self.configuration.env,
            command: self.configuration.command,
            labels: self.configuration.labels,
            programs,
        }
    }
}

impl<'a> Sources<'a> {
    /// `input`, telling how far it is.
    fn progress<R: Read>(self, what: &str, of: Option<u64>, input: R) -> Progress<'a, R> {
        Progress {
            input,
            what: what.to_owned(),
            bytes: 0,
            told: 0,
            of,
            on_event: self.on_event,
        }
    }
}

struct Progress<'a, R> {
    input: R,
    what: String,
    bytes: u64,
    /// As many had come when it was last told.
    told: u64,
    of: Option<u64>,
    on_event: &'a dyn Fn(&Event),
}

impl<R: Read> Read for Progress<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.input.read(buffer)?;
        self.bytes = self.bytes.saturating_add(read as u64);
        if self.bytes - self.told >= STEP {
            self.told = self.bytes;
            (self.on_event)(&Event::Read {
                what: self.what.clone(),
                bytes: self.bytes,
                of: self.of,
            });
        }
        Ok(read)
    }
}
