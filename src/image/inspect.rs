//! From a target to its programs.

use std::fs::File;
use std::io::{Cursor, Read};
use std::path::Path;

use positioned_io::ReadAt as _;
use serde::Serialize;
use serde::de::DeserializeOwned;

mod images;

use super::entries;
use super::flow::Flow;
use super::job;
use super::layer::Reader;
use super::list::{List, listed};
use super::manifest::Document;
use super::read::Input;
use super::start::{START, no_archive};
use super::store::{Archive, Store};
use super::stream::is_compressed;
use super::{ImageError, Inspected, Program, ProgramBytes, Request, Sources, Target, Unread};
use crate::sys::os::{self, Opened, ReadError};

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
        let name = target.holder();
        match target {
            Target::Stdin => self.stream(&name, "-", os::stdin()),
            Target::Path(path) => match os::open(path).map_err(or_stdin)? {
                Opened::Directory => self.layout(&name, path, None),
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
            Target::Registry(reference) => {
                let manifest = self.sources.registry.manifest(reference)?;
                let document = Document::parse(&name, &manifest.bytes)?;
                let store = Store::Registry(self.sources.registry, reference.clone());
                self.document(&store, &name, (Some(manifest.digest), document))
            }
        }
    }

    /// A program, or an archive of images.
    fn file(&mut self, name: &str, file: File, size: u64) -> Result<Inspected<T>, ImageError> {
        let start = start_of(name, &file)?;
        if entries::is_header(&start) {
            return self.seekable(name, file, size, List::Either);
        }
        if is_compressed(&start) {
            return self.compressed(name, &file, List::Either);
        }
        Ok(Inspected::Program(self.program(&ProgramBytes {
            path: name,
            source: &file,
            size,
        })))
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
        let jobs = listed(&store, name, list, self.request)?;
        self.jobs(&store, jobs)
    }

    /// A packed archive: read from its beginning, a second time where links want it.
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
        let index = match os::read(&dir.join("index.json"), super::manifest::DOCUMENT_LIMIT) {
            Err(ReadError::Missing(_)) => {
                let why = "a directory without `index.json` is no OCI layout: name a file in it, \
                           or the directory that `skopeo copy IMAGE oci:DIR` wrote";
                return Err(no_layout(why));
            }
            index => index?,
        };
        let document = job::tagged(name, Document::parse(name, &index)?, tag)?;
        self.document(&Store::Layout(dir.to_owned()), name, (None, document))
    }
}

/// What is not there may come by a pipe.
fn or_stdin(error: ReadError) -> ImageError {
    match error {
        ReadError::Missing(path) => ImageError::Missing {
            path: path.display().to_string(),
            next: "check the path, or give `-` to read standard input",
        },
        error => error.into(),
    }
}

/// The first bytes of a file.
fn start_of(name: &str, file: &File) -> Result<Vec<u8>, ImageError> {
    let mut start = vec![0; START];
    let read = file
        .read_at(0, &mut start)
        .map_err(|source| ImageError::Io {
            name: name.to_owned(),
            source,
        })?;
    start.truncate(read);
    Ok(start)
}
