//! Where an ELF file keeps what: segments, sections, and the way from an address to an offset.

use super::{Arch, Place};

/// The map of one ELF file.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    pub arch: Option<Arch>,
    /// 32 or 64.
    pub bits: u8,
    pub big_endian: bool,
    /// `PT_LOAD`, in the order of the file.
    pub segments: Vec<Segment>,
    /// Empty where the section headers are gone or damaged.
    pub sections: Vec<Section>,
    /// `DT_NEEDED`.
    pub libraries: Vec<String>,
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
    pub place: Place,
}

impl Layout {
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
}
