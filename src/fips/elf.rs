//! Where an ELF file keeps what: segments, sections, and the way from an address to an offset.

mod headers;
mod relocation;

use std::io;

use object::Endianness;
use object::elf::{FileHeader32, FileHeader64};

use super::bytes::{Bytes, SCAN_LIMIT};
use super::{Arch, Place};

/// The map of one ELF file.
#[derive(Debug, Clone, Default)]
pub(super) struct Layout {
    pub arch: Option<Arch>,
    /// 32 or 64.
    pub bits: u8,
    pub big_endian: bool,
    /// `PT_LOAD`, in the order of the file, as far as the file has their bytes.
    pub segments: Vec<Segment>,
    /// Empty where the section headers are gone or damaged.
    pub sections: Vec<Section>,
    /// `DT_NEEDED`.
    pub libraries: Vec<String>,
    /// `PT_INTERP`: the program that loads this one.
    pub interpreter: Option<String>,
    /// The segments reach beyond the end of the file, which is cut off.
    pub cut: bool,
    /// `DT_RELA`: what the loader writes into a program that may stand anywhere.
    pub relocations: Option<Place>,
}

/// What the loader maps.
#[derive(Debug, Clone)]
pub(super) struct Segment {
    pub address: u64,
    pub place: Place,
    pub executable: bool,
    pub writable: bool,
}

/// A named part of the file.
#[derive(Debug, Clone)]
pub(super) struct Section {
    pub name: String,
    pub address: u64,
    /// Without length where the file holds no bytes of it.
    pub place: Place,
}

impl Layout {
    /// Reads the headers; the inner error says what is wrong with them. Damaged section headers are
    /// no error: then there are no sections. Without program headers the sections stand for them.
    pub(super) fn read(bytes: &Bytes<'_>) -> io::Result<Result<Layout, String>> {
        let head = bytes.window(Place { offset: 0, len: 64 })?;
        match head.get(4) {
            Some(1) => headers::read::<FileHeader32<Endianness>>(bytes, &head),
            Some(2) => headers::read::<FileHeader64<Endianness>>(bytes, &head),
            _ => Ok(Err("its header names neither 32 nor 64 bits".to_owned())),
        }
    }

    pub(super) fn section(&self, name: &str) -> Option<&Section> {
        self.sections.iter().find(|section| section.name == name)
    }

    /// Where the byte at `address` stands in the file.
    pub(super) fn offset(&self, address: u64) -> Option<u64> {
        self.segments.iter().find_map(|segment| {
            let inside = address.checked_sub(segment.address)?;
            (inside < segment.place.len).then(|| segment.place.offset.checked_add(inside))?
        })
    }

    /// The address of the byte at `offset`.
    pub(super) fn address(&self, offset: u64) -> Option<u64> {
        self.segments.iter().find_map(|segment| {
            let inside = offset.checked_sub(segment.place.offset)?;
            (inside < segment.place.len).then(|| segment.address.checked_add(inside))?
        })
    }

    /// Where the bytes from the address `start` up to `end` stand, if one segment holds them all.
    pub(super) fn range(&self, start: u64, end: u64) -> Option<Place> {
        let len = end.checked_sub(start)?;
        self.segments.iter().find_map(|segment| {
            let inside = start.checked_sub(segment.address)?;
            let offset = segment.place.offset.checked_add(inside)?;
            (inside.checked_add(len)? <= segment.place.len).then_some(Place { offset, len })
        })
    }

    /// The bytes of the segments that `which` chooses, in the order of the file, none of them twice
    /// and at most [`SCAN_LIMIT`] of them.
    pub(super) fn places(&self, which: impl Fn(&Segment) -> bool) -> Vec<Place> {
        let chosen = self.segments.iter().filter(|segment| which(segment));
        let mut places: Vec<Place> = chosen.map(|segment| segment.place).collect();
        places.sort_by_key(|place| place.offset);
        let (mut seen, mut left) = (0, SCAN_LIMIT);
        places.retain_mut(|place| {
            let end = place.offset.saturating_add(place.len);
            place.offset = place.offset.max(seen);
            place.len = end.saturating_sub(place.offset).min(left);
            seen = seen.max(end);
            left -= place.len;
            place.len > 0
        });
        places
    }

    /// The words at `place` as they stand in memory: with the addends that the loader writes where
    /// the program is relocatable, counted from its base.
    pub(super) fn words(&self, bytes: &Bytes<'_>, place: Place) -> io::Result<Vec<u64>> {
        let mut words = relocation::stored(self, &bytes.window(place)?);
        if let (Some(table), Some(start)) = (self.relocations, self.address(place.offset)) {
            let addends = match self.bits {
                32 => relocation::apply::<FileHeader32<Endianness>>,
                _ => relocation::apply::<FileHeader64<Endianness>>,
            };
            addends(bytes, table, self.endian(), (start, &mut words))?;
        }
        Ok(words)
    }

    fn endian(&self) -> Endianness {
        if self.big_endian {
            Endianness::Big
        } else {
            Endianness::Little
        }
    }
}
