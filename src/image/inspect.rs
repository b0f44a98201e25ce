//! Reads a target and finds its programs.

use std::fs::File;
use std::io::{Cursor, Read};
use std::path::Path;

use positioned_io::ReadAt;
use serde::Serialize;
use serde::de::DeserializeOwned;

mod directory;
mod images;

pub(super) use images::Results;

use super::entries;
use super::flow::Flow;
use super::job;
use super::layer::Reader;
use super::list::{List, listed};
use super::manifest::{DOCUMENT_LIMIT, Document};
use super::package;
use super::read::Input;
use super::start::{START, no_archive};
use super::store::{Archive, Store};
use super::stream::is_compressed;
use super::{
    ImageError, Inspected, Program, ProgramBytes, ProgramReadError, Request, Sources, Target,
};
use crate::sys::os::{self, Opened, ReadError};
use crate::sys::registry::Hasher;

/// The file in which a layout lists its images.
const INDEX: &str = "index.json";

/// The file that identifies a directory of skopeo, and the beginning of its content.
const SKOPEO: (&str, &[u8]) = ("version", b"Directory Transport Version");

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
            reader: Reader::new(request.limits, sources.budget, each),
        }
    }

    pub(super) fn run(&mut self, target: &Target) -> Result<Inspected<T>, ImageError> {
        let name = target.holder();
        match target {
            Target::Stdin => self.stream(&name, "-", os::stdin()),
            Target::Path(path) => match os::open(path).map_err(or_stdin)? {
                Opened::Directory => self.directory(&name, path),
                Opened::File(file, size) => self.file(&name, file, size),
                Opened::Stream(file) => self.stream(&name, &name, file),
            },
            Target::DockerArchive { file, image } => {
                self.archive(&name, file, List::Docker(image.as_deref()))
            }
            Target::OciArchive { file, tag } => {
                self.archive(&name, file, List::Oci(tag.as_deref()))
            }
            Target::Layout { dir, tag } => self.layout(&name, dir, tag.as_deref()),
            Target::Directory(path) => self.directory(&name, path),
            Target::Registry(reference) => {
                let manifest = self.sources.registry.manifest(reference)?;
                let document = Document::parse(&name, &manifest.bytes)?;
                let store = Store::Registry(self.sources.registry, reference.clone());
                self.document(&store, &name, (Some(manifest.digest), document))
            }
        }
    }

    /// Reads a file that is a program or an archive of images.
    fn file(&mut self, name: &str, file: File, size: u64) -> Result<Inspected<T>, ImageError> {
        let start = start_of(name, &file)?;
        if entries::is_header(&start) {
            return self.seekable(name, file, size, List::Either);
        }
        if is_compressed(&start) {
            return self.compressed(name, &file, List::Either);
        }
        if let Some(why) = package::name(name, &start) {
            let name = name.to_owned();
            return Err(ImageError::NotAnImage { name, why });
        }
        Ok(Inspected::Program(self.program(name, &file, size)))
    }

    fn archive(
        &mut self,
        name: &str,
        path: &Path,
        list: List<'_>,
    ) -> Result<Inspected<T>, ImageError> {
        let opened = os::open_file(path).map_err(|error| match error {
            ReadError::Directory(path) => ImageError::NotAnImage {
                name: name.to_owned(),
                why: format!("it is a directory: `oci:{}` reads a layout", path.display()),
            },
            error => or_stdin(error),
        });
        let (file, size) = opened?;
        let start = start_of(name, &file)?;
        if is_compressed(&start) {
            return self.compressed(name, &file, list);
        }
        if !entries::is_header(&start) {
            return Err(no_archive(name, &start, false));
        }
        self.seekable(name, file, size, list)
    }

    fn seekable(
        &mut self,
        name: &str,
        file: File,
        size: u64,
        list: List<'_>,
    ) -> Result<Inspected<T>, ImageError> {
        let store = Store::Archive(Archive::open(file, size, name)?);
        let listing = listed(&store, name, list, self.request)?;
        self.listing(&store, listing)
    }

    /// Reads a compressed archive from its beginning, and a second time if links require it.
    fn compressed(
        &mut self,
        name: &str,
        file: &File,
        list: List<'_>,
    ) -> Result<Inspected<T>, ImageError> {
        let sources = self.sources;
        let size = file.metadata().ok().map(|meta| meta.len());
        let open = || -> Input<'_> {
            Box::new(sources.progress(name, size, positioned_io::Cursor::new(file)))
        };
        let flow = Flow::read(name, open(), self.request, &mut self.reader)?;
        flow.images(list, self.request, &mut self.reader, Some(&open))
    }

    /// Reads a program or an archive that can be read only once.
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
        if let Some(why) = package::name("-", input.get_ref().0.get_ref()) {
            let name = name.to_owned();
            return Err(ImageError::NotAnImage { name, why });
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
                reading: Err(ProgramReadError::TooLarge { size, limit }),
            }));
        }
        Ok(Inspected::Program(self.program(path, &bytes, size)))
    }

    /// Reads a program that is not in an image. Its own bytes add to the budget.
    fn program(&mut self, path: &str, source: &(dyn ReadAt + Sync), size: u64) -> Program<T> {
        self.reader.meter.earn(size);
        Program {
            path: path.to_owned(),
            real_path: None,
            layer: None,
            reading: Ok((self.reader.each)(&ProgramBytes {
                path,
                source,
                size,
                work: self.sources.budget.work(),
            })),
        }
    }

    /// Reads a directory: a layout, a directory of skopeo, or else a root file system.
    fn directory(&mut self, name: &str, path: &Path) -> Result<Inspected<T>, ImageError> {
        if os::exists(&path.join(INDEX)) && os::exists(&path.join("oci-layout")) {
            return self.layout(name, path, None);
        }
        let version = os::read_file(&path.join(SKOPEO.0), DOCUMENT_LIMIT);
        if !version.is_ok_and(|text| text.starts_with(SKOPEO.1)) {
            return self.root(name, path);
        }
        let manifest = os::read_file(&path.join("manifest.json"), DOCUMENT_LIMIT)?;
        let document = Document::parse(name, &manifest)?;
        let mut hasher = Hasher::sha256();
        hasher.update(&manifest);
        let digest = format!("sha256:{}", hasher.hex()).parse().ok();
        self.document(&Store::Skopeo(path.to_owned()), name, (digest, document))
    }

    fn layout(
        &mut self,
        name: &str,
        dir: &Path,
        tag: Option<&str>,
    ) -> Result<Inspected<T>, ImageError> {
        let no_layout = |why: &str| ImageError::NotAnImage {
            name: name.to_owned(),
            why: why.to_owned(),
        };
        match os::open(dir) {
            Ok(Opened::Directory) => {}
            Ok(_) => {
                let why = "it is a file: `oci-archive:` and `docker-archive:` are for archives";
                return Err(no_layout(why));
            }
            Err(ReadError::Missing(path)) => {
                return Err(ImageError::Missing {
                    path: path.display().to_string(),
                    next: "name the directory that `skopeo copy IMAGE oci:DIR` wrote",
                });
            }
            Err(error) => return Err(error.into()),
        }
        let index = match os::read_file(&dir.join(INDEX), DOCUMENT_LIMIT) {
            Err(ReadError::Missing(_)) => {
                let why = "a directory without `index.json` is not an OCI layout: `dir:DIR` reads a root file \
                           system, and what `skopeo copy IMAGE dir:DIR` wrote";
                return Err(no_layout(why));
            }
            index => index?,
        };
        let document = job::tagged(name, Document::parse(name, &index)?, tag)?;
        self.document(&Store::Layout(dir.to_owned()), name, (None, document))
    }
}

/// Converts an open error. For a missing file, it suggests standard input.
fn or_stdin(error: ReadError) -> ImageError {
    match error {
        ReadError::Missing(path) => ImageError::Missing {
            path: path.display().to_string(),
            next: "check the path, or give `-` to read standard input",
        },
        error => error.into(),
    }
}

/// Returns the first bytes of a file.
fn start_of(name: &str, file: &File) -> Result<Vec<u8>, ImageError> {
    let mut start = vec![0; package::START];
    let read = file
        .read_at(0, &mut start)
        .map_err(|source| ImageError::Io {
            name: name.to_owned(),
            source,
        })?;
    start.truncate(read);
    Ok(start)
}
