//! The entry points of the fuzz targets: each reader on its own, and the conditions that must hold for any bytes.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::civil::date;
use positioned_io::ReadAt;

use super::bytes::Bytes;
use super::elf::Layout;
use super::{
    BinaryFacts, CertificatePolicy, Environment, Integrity, Judge, Modules, Place, ProgramRole,
    Reading, Subject, Work, go,
};
use crate::Assurance;

/// Maximum number of times that the bytes of a file may be read, and allowance in bytes on top of the size: a
/// search can start at many places, but none of them may start another search.
const PASSES: u64 = 64;
const FREE: u64 = 4 << 10;

/// Reads the build information, with and without the headers.
pub fn buildinfo(file: &[u8]) {
    reading(file, go::fuzz::buildinfo);
}

/// Reads the names of the function table, with and without the headers.
pub fn pclntab(file: &[u8]) {
    reading(file, go::fuzz::pclntab);
}

/// Reads the headers, and runs every query on them.
pub fn elf(file: &[u8]) {
    reading(file, |bytes, layout| {
        let Some(layout) = layout else {
            return Ok(None);
        };
        let sections = layout.sections.iter().map(|section| section.place);
        let places = layout.segments.iter().map(|segment| segment.place);
        let places: Vec<Place> = places
            .chain(sections)
            .chain(layout.places(|_| true))
            .collect();
        for place in &places {
            inside(*place, file);
        }
        for segment in &layout.segments {
            let end = segment.address.saturating_add(segment.place.len);
            if let Some(place) = layout.range(segment.address, end) {
                inside(place, file);
            }
        }
        // A single table of words is enough.
        let first = places.first().copied();
        if let Some(place) = first.filter(|place| layout.address(place.offset).is_some()) {
            layout.words(bytes, place)?;
        }
        Ok(None)
    });
}

/// Reads a whole file: its evidence, which must be the same after a round trip through the cache format, and its
/// statement.
///
/// # Panics
///
/// Panics if a condition does not hold.
pub fn file(file: &[u8]) {
    let modules = Modules::builtin();
    let source = Counted::new(file);
    let work = Work::new(u64::MAX);
    let reading = Reading::of(&source, file.len() as u64, modules, true, &work);
    source.check();
    let kept = serde_json::to_string(&reading).and_then(|text| serde_json::from_str(&text));
    assert!(
        matches!(&kept, Ok::<Reading, _>(kept) if *kept == reading),
        "{reading:?}"
    );
    let judge = Judge {
        modules: modules.clone(),
        at: date(2026, 12, 1),
        policy: CertificatePolicy::Any,
        floor: None,
        max_age: 90,
        strict: false,
    };
    let statement = judge.statement(&Subject {
        image: None,
        manifest: None,
        arch: None,
        path: "program",
        reading: &reading,
        environment: &Environment::of([("GODEBUG", "fips140=on")]),
        known: None,
        says_fips: false,
        role: ProgramRole::Main,
    });
    let evidence = reading.evidence.as_ref();
    let computed = evidence.is_ok_and(holds);
    let certain = matches!(statement.module, Assurance::Proven | Assurance::Identified);
    assert!(computed || !certain, "{reading:?}");
}

/// Checks whether any integrity value was computed again and matches the stored value.
fn holds(evidence: &BinaryFacts) -> bool {
    let own = evidence.go.iter().filter_map(|go| go.fipsinfo.as_ref());
    let own = own.map(|sealed| &sealed.integrity);
    let modules = evidence.modules.iter().map(|module| &module.integrity);
    modules.chain(own).any(|value| *value == Integrity::Holds)
}

/// Runs a reader on a file with its headers and without them.
fn reading(file: &[u8], read: impl Fn(&Bytes<'_>, Option<&Layout>) -> io::Result<Option<Place>>) {
    let source = Counted::new(file);
    let bytes = Bytes::new(&source, file.len() as u64);
    let layout = Layout::read(&bytes);
    assert!(layout.is_ok(), "only a source fails");
    let layout = layout.ok().and_then(Result::ok);
    for layout in [layout.as_ref(), None] {
        let place = read(&bytes, layout);
        assert!(place.is_ok(), "only a source fails");
        if let Ok(Some(place)) = place {
            inside(place, file);
        }
    }
    source.check();
}

fn inside(place: Place, file: &[u8]) {
    let end = place.offset.checked_add(place.len);
    assert!(end.is_some_and(|end| end <= file.len() as u64), "{place:?}");
}

/// Counts the bytes that are read from a file.
struct Counted<'a> {
    file: &'a [u8],
    read: AtomicU64,
}

impl<'a> Counted<'a> {
    fn new(file: &'a [u8]) -> Self {
        Counted {
            file,
            read: AtomicU64::new(0),
        }
    }

    fn check(&self) {
        let (read, size) = (self.read.load(Ordering::Relaxed), self.file.len() as u64);
        assert!(read <= PASSES * (size + FREE), "{read} bytes of {size}");
    }
}

impl ReadAt for Counted<'_> {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(offset, buffer)?;
        self.read.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::{SHAPES, Sample};
    use super::*;

    #[test]
    fn every_target_holds_on_small_programs() {
        for shape in SHAPES {
            let mut sample = Sample::new(shape)
                .text(".text", 0x40_1000, b"\0FIPS integrity test\0")
                .data(".go.buildinfo", 0x50_0000, b"\xff Go buildinf:\x08\x02");
            sample.libraries = vec!["libcrypto.so.3"];
            let program = sample.build();
            for bytes in [&program[..], &program[..100], b""] {
                for target in [buildinfo, pclntab, elf, file] {
                    target(bytes);
                }
            }
        }
    }
}
