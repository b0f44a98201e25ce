//! The seal that the linker of Go 1.24 and later puts on Go's own module, computed again.

use std::io;

use hmac::{Hmac, KeyInit, Mac};
use memchr::memmem::Finder;
use sha2::Sha256;

use super::anywhere;
use crate::fips::bytes::Bytes;
use crate::fips::elf::Layout;
use crate::fips::{Fipsinfo, Integrity, Place};

const MAGIC: &[u8; 16] = b"\xff Go fipsinfo \xff\x00";
/// The magic and the sum; after them a pointer to itself and four pairs of pointers.
const HEADER: u64 = 48;
const POINTERS: u64 = 9;
const OBJECT: &[u8] = b"go fips object v1\n";
/// Bytes that the module may have: it has less than one MiB.
const MODULE_LIMIT: u64 = 64 << 20;

/// Looks for the section, and for the magic where there is none.
pub(super) fn read(bytes: &Bytes<'_>, layout: Option<&Layout>) -> io::Result<Option<Fipsinfo>> {
    let section = layout.and_then(|layout| layout.section(".go.fipsinfo"));
    let writable = anywhere(bytes, layout, |segment| segment.writable);
    let finder = Finder::new(MAGIC);
    for place in section
        .map(|section| section.place)
        .into_iter()
        .chain(writable)
    {
        if let Some(offset) = find(bytes, &finder, place)? {
            return seal(bytes, layout, offset).map(Some);
        }
    }
    Ok(None)
}

/// The first magic on 16 bytes.
fn find(bytes: &Bytes<'_>, finder: &Finder<'_>, place: Place) -> io::Result<Option<u64>> {
    let mut found = None;
    bytes.search(place, MAGIC.len(), |start, piece| {
        let mut hits = finder.find_iter(piece).map(|at| start + at as u64);
        found = hits.find(|at| at.is_multiple_of(16));
        found.is_some()
    })?;
    Ok(found)
}

fn seal(bytes: &Bytes<'_>, layout: Option<&Layout>, offset: u64) -> io::Result<Fipsinfo> {
    let word = layout.map_or(8, |layout| u64::from(layout.bits / 8));
    let len = HEADER + POINTERS * word;
    let header = bytes.window(Place {
        offset,
        len: HEADER,
    })?;
    let stored = header.get(MAGIC.len()..).unwrap_or_default();
    let mut fipsinfo = Fipsinfo {
        place: Place { offset, len },
        stored: hex(stored),
        ranges: Vec::new(),
        integrity: Integrity::NotComputed(String::new()),
    };
    fipsinfo.integrity = match ranges(bytes, layout, offset)? {
        Err(reason) => Integrity::NotComputed(reason.to_owned()),
        Ok(ranges) => {
            fipsinfo.ranges = ranges;
            let computed = sum(bytes, &fipsinfo.ranges)?;
            if stored.iter().all(|byte| *byte == 0) {
                Integrity::NotComputed("the linker stored no sum".to_owned())
            } else if computed == fipsinfo.stored {
                Integrity::Holds
            } else {
                Integrity::Differs(computed)
            }
        }
    };
    Ok(fipsinfo)
}

/// Where the pointers lead to.
fn ranges(
    bytes: &Bytes<'_>,
    layout: Option<&Layout>,
    offset: u64,
) -> io::Result<Result<Vec<Place>, &'static str>> {
    let Some(layout) = layout else {
        return Ok(Err("no header tells where its addresses stand in the file"));
    };
    let place = Place {
        offset: offset + HEADER,
        len: POINTERS * u64::from(layout.bits / 8),
    };
    let pointers = layout.words(bytes, place)?;
    let Some((_, pairs)) = pointers.split_first().filter(|(_, pairs)| pairs.len() == 8) else {
        return Ok(Err("the file ends within it"));
    };
    let ranges: Option<Vec<Place>> = pairs
        .chunks_exact(2)
        .map(|pair| layout.range(pair[0], pair[1]))
        .collect();
    let Some(ranges) = ranges else {
        return Ok(Err("its pointers lead out of the segments"));
    };
    let len = ranges
        .iter()
        .fold(0u64, |len, range| len.saturating_add(range.len));
    Ok(if len > MODULE_LIMIT {
        Err("its pointers span more than a module has")
    } else {
        Ok(ranges)
    })
}

/// As the linker computes it.
fn sum(bytes: &Bytes<'_>, ranges: &[Place]) -> io::Result<String> {
    let mut mac = Hmac::<Sha256>::new(&[0; 64].into());
    mac.update(OBJECT);
    for range in ranges {
        mac.update(&range.len.to_be_bytes());
        bytes.stream(*range, |piece| mac.update(piece))?;
    }
    Ok(hex(&mac.finalize().into_bytes()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
