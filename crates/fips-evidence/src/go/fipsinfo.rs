//! The seal that the linker of Go 1.24 and later writes for Go's own module, computed again.

use std::io;

use hmac::{Hmac, KeyInit, Mac};
use memchr::memmem::Finder;
use sha2::Sha256;

use super::anywhere;
use crate::bytes::Bytes;
use crate::elf::Layout;
use crate::{Fipsinfo, Hex, Integrity, Place};

const MAGIC: &[u8; 16] = b"\xff Go fipsinfo \xff\x00";
/// The magic and the sum. A pointer to the seal itself and four pairs of pointers follow.
const HEADER: u64 = 48;
const POINTERS: u64 = 9;
const OBJECT: &[u8] = b"go fips object v1\n";
/// Maximum size of the module in bytes: it has less than one MiB.
const MODULE_LIMIT: u64 = 64 << 20;

/// Reads the seal from its section, or from where the magic is if there is no section.
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

/// Returns the offset of the first magic that is aligned to 16 bytes.
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
        coverage: None,
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

/// Returns the ranges that the pointers of the seal lead to.
fn ranges(
    bytes: &Bytes<'_>,
    layout: Option<&Layout>,
    offset: u64,
) -> io::Result<Result<Vec<Place>, &'static str>> {
    let Some(layout) = layout else {
        return Ok(Err("no header maps its addresses to places in the file"));
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

/// Computes the sum in the same way as the linker.
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
    Hex::from(bytes.to_vec()).to_string()
}

#[cfg(test)]
mod tests {
    use object::elf;

    use super::*;
    use crate::sample::{SHAPES, Sample, at};

    const PARTS: [(u64, &[u8]); 4] = [
        (0x40_1004, b"code of the module"),
        (0x48_0008, b"its constants"),
        (0x50_1000, b""),
        (0x50_1004, b"its data"),
    ];

    /// Computes the sum over [`PARTS`] in a different way than the tested code: RFC 2104 by hand.
    fn expected() -> Vec<u8> {
        use sha2::Digest as _;
        let mut object = OBJECT.to_vec();
        for (_, part) in PARTS {
            object.extend((part.len() as u64).to_be_bytes());
            object.extend(part);
        }
        let inner = Sha256::digest([&[0x36; 64][..], &object].concat());
        Sha256::digest([&[0x5c; 64][..], &inner].concat()).to_vec()
    }

    fn sealed(shape: (u8, bool, elf::Machine), relocated: bool) -> Sample {
        let mut sample = Sample::new(shape);
        let at = 0x50_0000;
        let pointers = PARTS
            .iter()
            .flat_map(|(start, part)| [*start, start + part.len() as u64]);
        let pointers: Vec<u64> = [at].into_iter().chain(pointers).collect();
        let mut info = [&MAGIC[..], &expected()].concat();
        if relocated {
            let width = sample.width() as u64;
            let places = (0..).map(|index| at + HEADER + index * width);
            sample.relocations = places.zip(pointers.iter().copied()).collect();
            info.extend(sample.words(&[0; 9]));
        } else {
            info.extend(sample.words(&pointers));
        }
        sample
            .text(".text", 0x40_1000, b"....code of the module....")
            .rodata(".rodata", 0x48_0000, b"........its constants")
            .data(".go.fipsinfo", at, &info)
            .data(".data", 0x50_1000, b"xxxxits data")
    }

    fn found(file: &[u8]) -> Option<Fipsinfo> {
        let bytes = Bytes::new(&file, file.len() as u64);
        read(&bytes, Layout::read(&bytes).unwrap().ok().as_ref()).unwrap()
    }

    #[test]
    fn the_sum_holds_in_every_shape_by_section_or_magic_in_place_or_relocated() {
        for shape in SHAPES {
            for (relocated, headers) in [(false, true), (true, true), (false, false), (true, false)]
            {
                let mut sample = sealed(shape, relocated);
                sample.section_headers = headers;
                let file = sample.build();
                let fipsinfo = found(&file).unwrap();
                assert_eq!(
                    fipsinfo.integrity,
                    Integrity::Holds,
                    "{shape:?} {relocated} {headers}"
                );
                assert_eq!(fipsinfo.stored, hex(&expected()));
                assert_eq!(at(&file, fipsinfo.ranges[0]), PARTS[0].1);
            }
        }
    }

    #[test]
    fn one_flipped_bit_in_any_range_or_in_the_sum_is_seen() {
        let file = sealed(SHAPES[0], false).build();
        let fipsinfo = found(&file).unwrap();
        let sum = Place {
            offset: fipsinfo.place.offset + 16,
            len: 32,
        };
        let covered = fipsinfo.ranges.iter().chain([&sum]);
        for byte in covered.flat_map(|range| range.offset..range.offset + range.len) {
            let mut file = file.clone();
            file[usize::try_from(byte).unwrap()] ^= 0x10;
            let fipsinfo = found(&file).unwrap();
            let Integrity::Differs(computed) = fipsinfo.integrity else {
                panic!("{byte}: {:?}", fipsinfo.integrity);
            };
            assert_ne!(computed, fipsinfo.stored);
        }
    }

    #[test]
    fn what_cannot_be_computed_says_why() {
        let reason = |sample: &Sample, change: &dyn Fn(&mut [u8])| {
            let mut file = sample.build();
            let at = memchr::memmem::find(&file, MAGIC).unwrap();
            change(&mut file[at..]);
            match found(&file).unwrap().integrity {
                Integrity::NotComputed(reason) => reason,
                other => panic!("{other:?}"),
            }
        };
        let sample = sealed(SHAPES[0], false);
        let mut bare = sample.clone();
        (bare.section_headers, bare.program_headers) = (false, false);
        assert!(reason(&bare, &|_| {}).contains("header"));
        assert!(reason(&sample, &|info| info[16..48].fill(0)).contains("no sum"));
        assert!(reason(&sample, &|info| info[56..64].fill(0xff)).contains("pointers"));
        // The end of the text is before its start.
        assert!(reason(&sample, &|info| info[64] = 0).contains("pointers"));
    }

    #[test]
    fn a_magic_off_its_alignment_is_none() {
        let text = [&[0; 8][..], MAGIC, &[1; 128]].concat();
        let file = Sample::new(SHAPES[0])
            .data(".data", 0x50_0000, &text)
            .build();
        assert_eq!(found(&file), None);
    }
}
