//! The structure of an ELF file: segments, sections, and the mapping between addresses and offsets.

mod headers;
mod loader;

pub use loader::read_loaders;
mod relocation;

use std::io;

use object::Endianness;
use object::elf::{FileHeader32, FileHeader64};

use super::bytes::{Bytes, SCAN_LIMIT};
use super::{Arch, Place};

/// The layout of one ELF file.
#[derive(Debug, Clone, Default)]
pub(super) struct Layout {
    pub arch: Option<Arch>,
    /// 32 or 64.
    pub bits: u8,
    pub big_endian: bool,
    /// `PT_LOAD`, in the order of the program headers, as far as the file contains their bytes.
    pub segments: Vec<Segment>,
    /// Empty if the section headers are missing or damaged.
    pub sections: Vec<Section>,
    /// `DT_NEEDED`.
    pub libraries: Vec<String>,
    /// `DT_SONAME`: the name that a shared library gives itself.
    pub soname: Option<String>,
    /// `PT_INTERP`: the program that loads this one, cut off if it is longer than a name may be.
    pub interpreter: Option<String>,
    /// Why its bytes do not show what runs; the most serious of several reasons.
    pub flaw: Option<Flaw>,
    /// `DT_RELA`: what the loader writes into a position-independent program.
    pub relocations: Option<Place>,
}

/// Why the bytes of a file do not show what runs. Ordered from the least to the most serious.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Flaw {
    /// The file does not contain its code: it holds only debug information that is kept separately from the
    /// program.
    Codeless,
    /// The segments extend beyond the end of the file, which is cut off.
    Cut,
    /// Another program runs instead: no known system has a loader at the path that the file names (`PT_INTERP`), or
    /// the file names a loader but has nothing to load.
    Loader,
    /// Other bytes run than those of its code: two segments are loaded to the same page, or the loader writes into
    /// the code (`DT_TEXTREL`).
    Rewritten,
    /// An object file for the linker, or a core dump: the loader does not run such a file.
    Unlinked,
}

/// A segment that the loader maps.
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
    /// Has a length of 0 if the file does not contain the bytes of the section.
    pub place: Place,
}

impl Layout {
    /// Reads the headers. The inner error describes what is wrong with them. Damaged section headers are not an
    /// error: the layout then has no sections. Without program headers, segments are derived from the sections.
    pub(super) fn read(bytes: &Bytes<'_>) -> io::Result<Result<Layout, String>> {
        let head = bytes.window(Place { offset: 0, len: 64 })?;
        match head.get(4) {
            Some(1) => headers::read::<FileHeader32<Endianness>>(bytes, &head),
            Some(2) => headers::read::<FileHeader64<Endianness>>(bytes, &head),
            _ => Ok(Err("its header names neither 32 nor 64 bits".to_owned())),
        }
    }

    /// Returns the first section of this name that is completely mapped: a loader does not read section headers, so
    /// bytes outside of the segments do not belong to the running program.
    pub(super) fn section(&self, name: &str) -> Option<&Section> {
        let mapped = |place: Place| {
            self.segments.iter().any(|segment| {
                let inside = place.offset.checked_sub(segment.place.offset);
                let end = inside.and_then(|inside| inside.checked_add(place.len));
                end.is_some_and(|end| end <= segment.place.len)
            })
        };
        let mut named = self.sections.iter().filter(|section| section.name == name);
        named.find(|section| mapped(section.place))
    }

    fn note(&mut self, flaw: Flaw, is: bool) {
        self.flaw = self.flaw.max(is.then_some(flaw));
    }

    /// Checks whether the file has a symbol table, which means that it was not stripped.
    pub(super) fn has_symbols(&self) -> bool {
        self.sections
            .iter()
            .any(|section| section.name == ".symtab")
    }

    /// Returns the file offset of the byte at `address`.
    pub(super) fn offset(&self, address: u64) -> Option<u64> {
        self.segments.iter().find_map(|segment| {
            let inside = address.checked_sub(segment.address)?;
            (inside < segment.place.len).then(|| segment.place.offset.checked_add(inside))?
        })
    }

    /// Returns the address of the byte at `offset`.
    pub(super) fn address(&self, offset: u64) -> Option<u64> {
        self.segments.iter().find_map(|segment| {
            let inside = offset.checked_sub(segment.place.offset)?;
            (inside < segment.place.len).then(|| segment.address.checked_add(inside))?
        })
    }

    /// Returns the position of the bytes from address `start` up to `end`, if one segment contains all of them.
    pub(super) fn range(&self, start: u64, end: u64) -> Option<Place> {
        let len = end.checked_sub(start)?;
        self.segments.iter().find_map(|segment| {
            let inside = start.checked_sub(segment.address)?;
            let offset = segment.place.offset.checked_add(inside)?;
            (inside.checked_add(len)? <= segment.place.len).then_some(Place { offset, len })
        })
    }

    /// Returns the number of bytes that the loader maps.
    pub(super) fn mapped(&self) -> u64 {
        let lens = self.segments.iter().map(|segment| segment.place.len);
        lens.fold(0, u64::saturating_add)
    }

    /// Returns the bytes of the segments for which `which` returns true, in the order of the file, without
    /// duplicates and limited to [`SCAN_LIMIT`].
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

    /// Returns the words at `place` as they are in memory: in a relocatable program, including the addends that the
    /// loader writes, relative to its base address.
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

#[cfg(test)]
mod tests {
    use object::elf;

    use super::*;
    use crate::sample::{SHAPES, Sample};

    fn layout(file: &[u8]) -> Result<Layout, String> {
        Layout::read(&Bytes::new(&file, file.len() as u64)).unwrap()
    }

    fn program(shape: (u8, bool, elf::Machine)) -> Sample {
        Sample::new(shape).text(".text", 0x40_1000, b"code").data(
            ".data",
            0x50_0000,
            b"0123456789abcdef",
        )
    }

    #[test]
    fn both_tables_are_read_in_every_shape_of_the_format() {
        let archs = ["amd64", "s390x", "386", "mips"];
        for (shape, arch) in SHAPES.into_iter().zip(archs) {
            let mut sample = program(shape);
            sample.interpreter = Some("/lib/ld.so.1");
            sample.libraries = vec!["libc.so.6", "libcrypto.so.3"];
            let file = sample.build();
            let layout = layout(&file).unwrap();
            assert_eq!(layout.arch, Some(Arch(arch.to_owned())));
            assert_eq!((layout.bits, layout.big_endian), (shape.0, shape.1));
            assert_eq!(layout.interpreter.as_deref(), Some("/lib/ld.so.1"));
            assert_eq!(layout.libraries, ["libc.so.6", "libcrypto.so.3"]);
            let text = layout.section(".text").unwrap();
            assert_eq!(layout.offset(0x40_1003), Some(text.place.offset + 3));
            assert_eq!(layout.address(text.place.offset + 3), Some(0x40_1003));
            assert_eq!(layout.offset(0x40_1004), None);
            let kinds = layout.segments.iter().take(2);
            let kinds: Vec<_> = kinds.map(|part| (part.executable, part.writable)).collect();
            assert_eq!(kinds, [(true, false), (false, true)]);
            let known = arch == "mips";
            assert_eq!(layout.flaw, (!known).then_some(Flaw::Loader), "{arch}");
        }
    }

    #[test]
    fn the_loader_s_addends_replace_what_the_file_has() {
        for shape in SHAPES {
            let mut sample = program(shape);
            let stored = sample.words(&[7, 8, 9]);
            let width = sample.width() as u64;
            sample = sample.data(".got", 0x60_0000, &stored);
            sample.relocations = vec![
                (0x5f_ffff, 1),
                (0x60_0000 + width, 0x40_1000),
                (0x70_0000, 2),
            ];
            let file = sample.build();
            let layout = layout(&file).unwrap();
            let place = layout.section(".got").unwrap().place;
            let bytes = Bytes::new(&file, file.len() as u64);
            assert_eq!(layout.words(&bytes, place).unwrap(), [7, 0x40_1000, 9]);
        }
    }

    #[test]
    fn damaged_tables_leave_the_other_one_and_no_table_is_an_error() {
        for shape in SHAPES {
            let mut sample = program(shape);
            sample.section_headers = false;
            let without = layout(&sample.build()).unwrap();
            assert!(without.sections.is_empty());
            assert_eq!(without.segments.len(), 2);

            sample.program_headers = false;
            assert!(layout(&sample.build()).unwrap_err().contains("tables"));

            sample.section_headers = true;
            let without = layout(&sample.build()).unwrap();
            let segments: Vec<_> = without.segments.iter().map(|part| part.address).collect();
            assert_eq!(segments, [0x40_1000, 0x50_0000]);
            assert!(without.segments[1].writable && without.segments[0].executable);
        }
    }

    #[test]
    fn a_file_that_ends_within_a_segment_is_cut() {
        let file = program(SHAPES[0]).build();
        let layout = layout(&file[..200]).unwrap();
        assert_eq!(layout.flaw, Some(Flaw::Cut));
        assert!(layout.sections.is_empty());
        assert!(
            layout
                .segments
                .iter()
                .all(|part| part.place.offset + part.place.len <= 200)
        );
    }

    #[test]
    fn a_range_stands_in_one_segment_and_may_end_with_it() {
        let file = program(SHAPES[0]).build();
        let layout = layout(&file).unwrap();
        let offset = layout.section(".data").unwrap().place.offset;
        let range = |start, end| {
            layout
                .range(start, end)
                .map(|place| (place.offset, place.len))
        };
        assert_eq!(range(0x50_0004, 0x50_0010), Some((offset + 4, 12)));
        assert_eq!(range(0x50_0010, 0x50_0010), Some((offset + 16, 0)));
        assert_eq!(range(0x50_0004, 0x50_0011), None);
        assert_eq!(range(0x50_0004, 0x50_0003), None);
        assert_eq!(range(0x40_1000, u64::MAX), None);
    }

    #[test]
    fn a_section_that_no_segment_maps_whole_is_none() {
        let place = |offset, len| Place { offset, len };
        let layout = |sections: &[Place]| Layout {
            segments: vec![Segment {
                address: 0x40_0000,
                place: place(100, 50),
                executable: false,
                writable: false,
            }],
            sections: sections
                .iter()
                .map(|&place| Section {
                    name: ".a".to_owned(),
                    place,
                })
                .collect(),
            ..Layout::default()
        };
        let found = |sections: &[Place]| layout(sections).section(".a").map(|it| it.place);
        for outside in [
            place(99, 10),
            place(140, 11),
            place(150, 1),
            place(120, u64::MAX),
        ] {
            assert_eq!(found(&[outside]), None, "{outside:?}");
            assert_eq!(found(&[outside, place(100, 50)]), Some(place(100, 50)));
        }
        assert!(layout(&[place(0, 1)]).section(".b").is_none());
    }

    #[test]
    fn overlapping_segments_are_searched_once() {
        let segment = |offset, len| Segment {
            address: 0,
            place: Place { offset, len },
            executable: true,
            writable: false,
        };
        let layout = Layout {
            segments: vec![
                segment(50, 100),
                segment(0, 60),
                segment(20, 10),
                segment(u64::MAX, 9),
            ],
            ..Layout::default()
        };
        let places = layout.places(|_| true);
        let places: Vec<_> = places
            .iter()
            .map(|place| (place.offset, place.len))
            .collect();
        assert_eq!(places, [(0, 60), (60, 90)]);

        let huge = Layout {
            segments: vec![segment(0, u64::MAX); 2],
            ..Layout::default()
        };
        assert_eq!(huge.mapped(), u64::MAX);
        assert_eq!(
            huge.places(|_| true),
            [Place {
                offset: 0,
                len: SCAN_LIMIT
            }]
        );
    }

    #[test]
    fn code_that_the_file_does_not_have_is_said() {
        let sample = program(SHAPES[0]);
        let file = sample.build();
        assert_eq!(layout(&file).unwrap().flaw, None);
        // The section headers of code and data; their type follows their name.
        let table = usize::try_from(u64::from_le_bytes(*file[40..].first_chunk().unwrap()));
        let table = table.unwrap();
        for (section, codeless) in [(1, true), (2, false)] {
            let mut file = file.clone();
            file[table + 64 * section + 4] = 8;
            let flaw = layout(&file).unwrap().flaw;
            assert_eq!(flaw == Some(Flaw::Codeless), codeless);
        }
    }

    #[test]
    fn a_name_without_an_end_is_no_section() {
        let mut file = program(SHAPES[0]).build();
        let names = memchr::memmem::find(&file, b"\0.data\0").unwrap();
        file[names + 6..names + 7].fill(b'x');
        let sections = layout(&file).unwrap().sections;
        let names: Vec<_> = sections
            .iter()
            .map(|section| section.name.as_str())
            .collect();
        assert_eq!(names, [".text", ""]);
    }
}
