//! Archives that are read as a stream: their layers arrive before it is known which image they
//! belong to.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};
use std::rc::Rc;

use serde::Serialize;

use super::entries::{self, Entries, Entry, Kind};
use super::inspect::Results;
use super::job::{Job, Place};
use super::layer::{Kept, Pick, Reader};
use super::list::{List, listed};
use super::manifest::DOCUMENT_LIMIT;
use super::meter::{Budget, Meter, Metered};
use super::names::{Id, TooManyEntries};
use super::read::{Input, Ranges, Search, programs, unseen};
use super::start::{START, no_archive};
use super::store::{Passed, Store, linked};
use super::stream::{Stop, Tally, Unpacked};
use super::{ImageError, Inspected, Request, layer, read};
use crate::sys::registry::Hasher;

/// The maximum number of bytes of small files that are kept.
const DOCUMENTS: usize = 16 << 20;

/// The maximum number of members of an archive.
const MEMBERS: usize = 16 << 10;

/// The content of an archive, except for the contents of its layers.
pub(super) struct Flow<T> {
    passed: Passed,
    /// The members that were read as layers, by name, or the reason why one is not a layer.
    layers: BTreeMap<String, Result<layer::Passed, String>>,
    kept: Kept<T>,
    /// The number of bytes of small files, and of members of any kind, so far.
    bytes: usize,
    members: usize,
}

impl<T: Clone + Serialize> Flow<T> {
    pub(super) fn read(
        name: &str,
        input: impl Read,
        request: &Request,
        reader: &mut Reader<'_, T>,
    ) -> Result<Flow<T>, ImageError> {
        let mut flow = Flow {
            passed: Passed {
                name: name.to_owned(),
                ..Passed::default()
            },
            layers: BTreeMap::new(),
            kept: Kept::default(),
            bytes: 0,
            members: 0,
        };
        // The image is not known yet, so the reader looks for the programs of every image.
        let sought = request.want.anywhere();
        let paths = read::cleaned(&sought);
        let pick = if request.want.is_open() {
            Pick::Elf
        } else {
            Pick::Paths(&paths)
        };
        let fail = |error| ImageError::of_stream(name, error);
        let meter = Rc::clone(&reader.meter);
        let mut unpacked = outer(input, &meter).map_err(fail)?;
        let mut start = Vec::new();
        let first = (&mut unpacked).take(START as u64);
        { first }.read_to_end(&mut start).map_err(fail)?;
        if !entries::is_header(&start) {
            return Err(no_archive(name, &start, true));
        }
        let mut entries = Entries::new(io::Cursor::new(start).chain(unpacked));
        while let Some(entry) = entries.next().map_err(fail)? {
            flow.member(&mut entries, &entry, &pick, reader)
                .map_err(fail)?;
        }
        flow.passed.check().map_err(fail)?;
        Ok(flow)
    }

    fn member(
        &mut self,
        entries: &mut Entries<impl Read>,
        entry: &Entry,
        pick: &Pick<'_>,
        reader: &mut Reader<'_, T>,
    ) -> io::Result<()> {
        self.members += 1;
        if self.members > MEMBERS || self.bytes > DOCUMENTS {
            return Err(Stop::TooManyMembers.into());
        }
        let path = String::from_utf8_lossy(&entry.path).into_owned();
        self.passed.name(&path)?;
        match &entry.kind {
            Kind::File => {}
            Kind::Symlink(target) => {
                let target = linked(&path, target)?;
                self.passed.links.insert(path, target);
                return Ok(());
            }
            Kind::Hardlink(target) => {
                let target = String::from_utf8_lossy(target).into_owned();
                self.passed.links.insert(path, target);
                return Ok(());
            }
            _ => return Ok(()),
        }
        self.passed.sizes.insert(path.clone(), entry.size);
        let start = entries.start::<1>(entry)?;
        if matches!(start.as_slice(), b"{" | b"[") && entry.size <= DOCUMENT_LIMIT {
            let text = entries.content(entry, start)?;
            self.bytes = self.bytes.saturating_add(text.len());
            self.passed.documents.insert(path, text);
            return Ok(());
        }
        let hashers = [Hasher::sha256(), Hasher::sha256()].map(Some);
        // It is not known yet which layers belong to the same image.
        self.kept.given.clear();
        let input = io::Cursor::new(start).chain(entries.data());
        let read = reader.pass((input, entry.size), hashers, pick, &mut self.kept);
        let read = match read {
            // An error counts only if an image needs this layer, which is known later.
            Err(error) if is_damage(&error) => Err(error.to_string()),
            read => Ok(read?),
        };
        self.layers.insert(path, read);
        Ok(())
    }

    /// Returns the images of the archive. `reopen` starts the same stream again, where that is
    /// possible.
    pub(super) fn images<'r>(
        self,
        list: List<'_>,
        request: &Request,
        reader: &mut Reader<'_, T>,
        reopen: Option<&dyn Fn() -> Input<'r>>,
    ) -> Result<Inspected<T>, ImageError> {
        let Flow {
            passed,
            layers,
            mut kept,
            ..
        } = self;
        let name = passed.name.clone();
        let budget = reader.meter.budget;
        let store = Store::Passed(passed);
        let mut listing = listed(&store, &name, list, request)?;
        let Store::Passed(passed) = store else {
            return Err(ImageError::Twice);
        };
        let flow = Checked { passed, layers };
        let jobs = std::mem::take(&mut listing.jobs).into_iter();
        let jobs: Vec<_> = jobs
            .map(|job| {
                let ranges = flow.ranges(&job);
                (job, ranges)
            })
            .collect();
        let mut wanted = BTreeSet::new();
        for (job, ranges) in &jobs {
            if let Ok(ranges) = ranges
                && let Ok(located) = job.locate((request, budget), &kept, ranges)
            {
                wanted.extend(unseen(&located, &kept));
            }
        }
        if !wanted.is_empty() {
            let open = reopen.ok_or(ImageError::Twice)?;
            flow.again(open(), &wanted, reader, &mut kept)?;
        }
        let mut results = Results::new(listing);
        for (job, ranges) in jobs {
            let origin = job.origin();
            let image = ranges.and_then(|ranges| {
                let located = job.locate((request, budget), &kept, &ranges)?;
                let digest = |number: usize| job.layers.get(number).map(|part| part.digest.clone());
                let programs = programs(located, &kept, &ranges, digest);
                reader.keep(&name, &programs)?;
                Ok(job.image(programs))
            });
            results.take(origin, image)?;
        }
        results.finish()
    }
}

/// An archive after its images have been determined.
struct Checked {
    passed: Passed,
    layers: BTreeMap<String, Result<layer::Passed, String>>,
}

impl Checked {
    /// Returns the ranges of entries of an image's layers, after a check of each layer's digest and
    /// size.
    fn ranges(&self, job: &Job) -> Result<Ranges, ImageError> {
        let mut ranges = BTreeMap::new();
        for (number, part) in job.layers.iter().enumerate() {
            let damaged = |why: &str| ImageError::Damaged {
                what: part.expected.name.clone(),
                why: why.to_owned(),
            };
            let path = match &part.place {
                Place::Blob(entry) => super::store::blob_path(entry),
                Place::Member(path) => path.clone(),
            };
            let layer = match self.layers.get(self.passed.real(&path)) {
                Some(Ok(layer)) => layer,
                Some(Err(why)) => return Err(damaged(why)),
                None => return Err(damaged("it is not in the archive")),
            };
            let is_sha256 = |digest| Hasher::of(digest).is_some_and(|hasher| hasher.is_sha256());
            if !part.expected.digests().all(is_sha256) {
                return Err(ImageError::Unsupported {
                    what: part.expected.name.clone(),
                    why: "its digest is not sha256, which reading a stream needs".to_owned(),
                });
            }
            part.expected.verify(layer)?;
            ranges.insert(number, layer.entries.clone());
        }
        Ok(ranges)
    }

    /// Reads the layers that contain the wanted entries again.
    fn again<T>(
        &self,
        input: impl Read,
        ids: &BTreeSet<Id>,
        reader: &mut Reader<'_, T>,
        kept: &mut Kept<T>,
    ) -> Result<(), ImageError> {
        let fail = |error| ImageError::of_stream(&self.passed.name, error);
        let meter = Rc::clone(&reader.meter);
        let mut entries = Entries::new(outer(input, &meter).map_err(fail)?);
        while let Some(entry) = entries.next().map_err(fail)? {
            let path = String::from_utf8_lossy(&entry.path);
            let Some(Ok(layer)) = self.layers.get(path.as_ref()) else {
                continue;
            };
            if ids.range(layer.entries.clone()).next().is_none() {
                continue;
            }
            let first = layer.entries.start;
            let pick = Pick::Again { first, ids };
            let hashers = [Some(Hasher::sha256()), None];
            let passed = reader
                .pass((entries.data(), entry.size), hashers, &pick, kept)
                .map_err(fail)?;
            if passed.stored != layer.stored {
                return Err(ImageError::Damaged {
                    what: self.passed.name.clone(),
                    why: "it changed while it was read".to_owned(),
                });
            }
        }
        Ok(())
    }
}

impl Job {
    fn locate<T>(
        &self,
        (request, budget): (&Request, &Budget),
        kept: &Kept<T>,
        ranges: &Ranges,
    ) -> Result<Vec<read::Located>, ImageError> {
        let sought = request.want.sought(&self.name, &self.configuration);
        let search = Search {
            name: &self.name,
            want: &request.want,
            sought: &sought,
            budget,
        };
        search.locate(kept, ranges)
    }
}

/// Returns the bytes of an archive, decompressed if it is compressed.
fn outer<'m, R: Read>(
    input: R,
    meter: &'m Meter<'m>,
) -> io::Result<Tally<'m, Unpacked<Metered<'m, 'm, R>>>> {
    let unpacked = Unpacked::new(Metered { input, meter })?;
    Ok(Tally::unpacked(unpacked, None, meter))
}

/// Returns true if a stream is just not a layer; false if reading must stop.
fn is_damage(error: &io::Error) -> bool {
    let bound = error.get_ref().is_some_and(|inner| {
        inner.is::<Stop>() || inner.is::<TooManyEntries>() || inner.is::<layer::TooMany>()
    });
    !bound && error.raw_os_error().is_none()
}
