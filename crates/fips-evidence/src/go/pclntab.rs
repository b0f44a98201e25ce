//! The function table. Every Go program has it, since tracebacks need it, so it contains the names of the functions
//! even if nothing else does.

mod coverage;
mod godebug;
mod locate;
mod moduledata;
mod names;
mod other;

use std::io;

use memchr::{memchr, memchr_iter};

use crate::bytes::Bytes;
use crate::elf::Layout;
use crate::other::OtherRow;
use crate::{Names, Place};
use locate::locate;
use moduledata::Told;
use other::Collector;

/// Maximum number of bytes of a name that are examined.
const NAME_LIMIT: usize = 1 << 10;

/// Fixed cost of examining a name, as the number of bytes that cost the same to search.
const NAME_COST: u64 = 16;

/// The function table of a program.
#[derive(Debug)]
pub(super) struct Functions {
    pub names: Names,
    table: Table,
    /// Offsets of the names of functions of Go's module, relative to the first name; sorted.
    own: Vec<u64>,
    /// The address that functions are counted from, according to the description that the runtime uses.
    text: Option<u64>,
    /// Offset of the name of the function that reads the GODEBUG of the program, relative to the first name.
    reader: Option<u64>,
}

/// Size of an entry since Go 1.18 in bytes: the offset of the function, and the offset of its data.
const ENTRY: u64 = 8;

/// The positions of the parts of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Table {
    header: u64,
    names: Place,
    functions: u64,
    /// Offset of the entries of functions, since Go 1.18.
    entries: Option<u64>,
    words: Words,
    /// Whether the names are among the data of the functions, as before Go 1.16.
    interleaved: bool,
}

/// The format of the numbers in a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Words {
    bytes: usize,
    big_endian: bool,
}

/// The function tables of a file.
#[derive(Debug)]
pub(super) enum Tables<T> {
    None,
    /// Only tables of programs that are embedded as data.
    Carried,
    Own(T),
}

/// Reads the names of the program's own function table.
pub(super) fn read(
    bytes: &Bytes<'_>,
    layout: Option<&Layout>,
    other: &[OtherRow],
) -> io::Result<Tables<Functions>> {
    let (table, told) = match locate(bytes, layout)? {
        Tables::Own(found) => found,
        Tables::None => return Ok(Tables::None),
        Tables::Carried => return Ok(Tables::Carried),
    };
    let mut names = Names {
        place: Some(table.names),
        told: matches!(told, Told::Here(_)),
        ..Names::default()
    };
    let (mut own, mut reader) = (Vec::new(), None);
    let mut other = Collector::new(other);
    if table.interleaved {
        let window = bytes.window(table.names)?;
        let mut paid = Ok(());
        interleaved(&window, table, |name| {
            // Every function can refer to the same long name, so each use is charged.
            paid = bytes.pay(name.len() as u64 + NAME_COST);
            names.take(name);
            other.take(name, names.place);
            paid.is_ok()
        });
        paid?;
    } else {
        listed(bytes, table.names, |at, name| {
            names.take(name);
            reader = reader.or((name == godebug::READER).then_some(at));
            let place = Place {
                offset: table.names.offset.saturating_add(at),
                len: name.len() as u64,
            };
            other.take(name, Some(place));
            own.extend(names::is_own(name).then_some(at));
        })?;
    }
    names.other = other.finish();
    Ok(Tables::Own(Functions {
        names,
        table,
        own,
        reader,
        text: match told {
            Told::Here(text) => text,
            Told::Elsewhere | Told::Nowhere => None,
        },
    }))
}

/// Parses the header of a table that has to end within `space`.
fn parse(header: &[u8], big_endian: bool, space: Place) -> Option<Table> {
    let magic = *header.get(if big_endian { 3 } else { 0 })?;
    let (&[quantum, size], rest) = header.get(6..)?.split_first_chunk::<2>()?;
    if !matches!(quantum, 1 | 2 | 4) || !matches!(size, 4 | 8) {
        return None;
    }
    let words = Words {
        bytes: usize::from(size),
        big_endian,
    };
    let word = |index: usize| words.read(rest, index * words.bytes, words.bytes);
    let functions = word(0).filter(|functions| *functions > 0)?;
    let width = words.bytes as u64;
    let interleaved = magic == 0xfb;
    let mut entries = None;
    let names = if interleaved {
        let after = functions
            .checked_mul(2 * width)?
            .checked_add(8 + 2 * width)?;
        let first = word(2)?;
        (after <= first && first < space.len).then_some(space)?
    } else {
        // The header contains the start of the text since Go 1.18.
        let (first, len) = if magic == 0xfa { (2, 7) } else { (3, 8) };
        let starts = [
            word(first)?,
            word(first + 1)?,
            word(first + 2)?,
            word(first + 3)?,
            word(first + 4)?,
        ];
        let after_header = 8 + len * width <= starts[0];
        let fits = functions.checked_mul(8)?.checked_add(starts[4])? <= space.len;
        if !after_header || !fits || !starts.is_sorted() || starts[0] == starts[1] {
            return None;
        }
        if magic != 0xfa {
            entries = space.offset.checked_add(starts[4]);
        }
        Place {
            offset: space.offset.checked_add(starts[0])?,
            len: starts[1] - starts[0],
        }
    };
    Some(Table {
        header: space.offset,
        names,
        functions,
        entries,
        words,
        interleaved,
    })
}

impl Words {
    /// Reads the number of `len` bytes at `at`.
    fn read(self, bytes: &[u8], at: usize, len: usize) -> Option<u64> {
        let bytes = bytes.get(at..at.checked_add(len)?)?.iter();
        let add = |value: u64, byte: &u8| value << 8 | u64::from(*byte);
        Some(if self.big_endian {
            bytes.fold(0, add)
        } else {
            bytes.rev().fold(0, add)
        })
    }

    fn four(self, bytes: [u8; 4]) -> u64 {
        u64::from(if self.big_endian {
            u32::from_be_bytes(bytes)
        } else {
            u32::from_le_bytes(bytes)
        })
    }

    /// Returns the bytes of a word.
    fn write(self, value: u64) -> Vec<u8> {
        let mut bytes: Vec<u8> = value.to_le_bytes().into_iter().take(self.bytes).collect();
        if self.big_endian {
            bytes.reverse();
        }
        bytes
    }
}

/// Passes the consecutive names, each without its NUL, to `each`, with their offsets relative to the first name.
fn listed(bytes: &Bytes<'_>, place: Place, mut each: impl FnMut(u64, &[u8])) -> io::Result<()> {
    let mut begun: Vec<u8> = Vec::new();
    let (mut at, mut streamed) = (0, 0);
    bytes.stream(place, |piece| {
        let mut start = 0;
        for end in memchr_iter(0, piece) {
            if begun.is_empty() {
                each(at, &piece[start..end]);
            } else {
                begun.extend_from_slice(&piece[start..end]);
                each(at, &begun);
                begun.clear();
            }
            start = end + 1;
            at = streamed + start as u64;
        }
        let rest = &piece[start..];
        begun.extend_from_slice(&rest[..rest.len().min(NAME_LIMIT)]);
        begun.truncate(NAME_LIMIT);
        streamed += piece.len() as u64;
    })
}

/// Passes the name of every function to `each`, by its entry: the data of a function begins with its address and
/// the offset of its name. Stops when `each` returns false.
fn interleaved(window: &[u8], table: Table, mut each: impl FnMut(&[u8]) -> bool) {
    let Words { bytes: width, .. } = table.words;
    let number = |at: usize, len: usize| usize::try_from(table.words.read(window, at, len)?).ok();
    let entries = (8 + 2 * width..window.len()).step_by(2 * width);
    let functions = usize::try_from(table.functions).unwrap_or(usize::MAX);
    for entry in entries.take(functions) {
        let data = number(entry, width).and_then(|data| data.checked_add(width));
        let name = data
            .and_then(|data| number(data, 4))
            .and_then(|name| window.get(name..));
        if let Some(name) = name {
            let name = &name[..name.len().min(NAME_LIMIT)];
            if !each(&name[..memchr(0, name).unwrap_or(name.len())]) {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::locate::MAGICS;
    use super::*;
    use crate::sample::{SHAPES, Sample, at};

    const BORING: &str = "crypto/internal/boring/sig.BoringCrypto";

    /// Returns a table as written by the linker of the version with this magic.
    fn table(sample: &Sample, magic: u8, names: &[&str]) -> Vec<u8> {
        let count = names.len() as u64;
        let mut out = sample.number(0xffff_ff00 | u64::from(magic), 4);
        out.extend([0, 0, 1, sample.bits / 8]);
        let list: Vec<u8> = names
            .iter()
            .flat_map(|name| [name.as_bytes(), b"\0"].concat())
            .collect();
        if magic == 0xfb {
            let width = sample.width() as u64;
            let functions = 8 + (2 + 2 * count) * width;
            let texts = functions + count * (width + 4);
            out.extend(sample.words(&[count]));
            for index in 0..count {
                out.extend(sample.words(&[0x40_1000 + index, functions + index * (width + 4)]));
            }
            out.extend(sample.words(&[0x40_2000]));
            let mut at = texts;
            for (index, name) in (0..).zip(names) {
                out.extend(sample.words(&[0x40_1000 + index]));
                out.extend(sample.number(at, 4));
                at += name.len() as u64 + 1;
            }
            out.extend(list);
            return out;
        }
        let words = if magic == 0xfa { 7 } else { 8 };
        let first = 8 + words * sample.width() as u64;
        let end = first + list.len() as u64;
        let mut header = vec![count, 1];
        header.extend((words == 8).then_some(0x40_1000));
        header.extend([first, end, end, end, end]);
        out.extend(sample.words(&header));
        out.extend(list);
        out.extend(vec![7; names.len() * 8]);
        out
    }

    fn found(file: &[u8]) -> Option<Names> {
        let bytes = Bytes::new(&file, file.len() as u64);
        let found = read(&bytes, Layout::read(&bytes).unwrap().ok().as_ref(), &[]);
        match found.unwrap() {
            Tables::Own(functions) => Some(functions.names),
            Tables::None | Tables::Carried => None,
        }
    }

    #[test]
    fn names_are_read_in_every_version_and_shape_by_section_or_magic() {
        for (shape, magic) in SHAPES
            .into_iter()
            .flat_map(|shape| MAGICS.map(|magic| (shape, magic)))
        {
            let sample = Sample::new(shape);
            let table = table(&sample, magic, &["main.main", BORING, "crosscall2"]);
            for (name, headers) in [
                (".gopclntab", true),
                (".data.rel.ro.gopclntab", true),
                (".data.rel.ro", true),
                (".other", true),
                (".other", false),
            ] {
                let mut sample = sample
                    .clone()
                    .rodata(name, 0x48_0000, &[&[9; 16][..], &table].concat())
                    .data(".told", 0x50_0000, &sample.words(&[0x48_0010]));
                (sample.section_headers, sample.program_headers) = (headers, headers);
                let names = found(&sample.build()).unwrap();
                assert!(
                    names.boring && names.cgo && !names.standard,
                    "{shape:?} {magic:x} {name}"
                );
                assert!(!names.cryptography);
            }
        }
    }

    #[test]
    fn texts_beside_the_table_are_not_names() {
        for magic in MAGICS {
            let sample = Sample::new(SHAPES[0]);
            let mut table = table(&sample, magic, &["main.main"]);
            table.extend([b"\0", BORING.as_bytes(), b"\0"].concat());
            let text = [b"\0", BORING.as_bytes(), b"\0"].concat();
            let told = sample.words(&[0x49_0000]);
            let file = sample
                .rodata(".rodata", 0x48_0000, &text)
                .rodata(".gopclntab", 0x49_0000, &table)
                .data(".told", 0x50_0000, &told)
                .build();
            let names = found(&file).unwrap();
            assert!(!names.boring, "{magic:x}");
            let names = at(&file, names.place.unwrap());
            assert!(memchr::memmem::find(names, b"main.main\0").is_some());
        }
    }

    #[test]
    fn without_section_names_the_largest_table_is_the_program_s_own() {
        let sample = Sample::new(SHAPES[0]);
        let carried = table(&sample, 0xf1, &[BORING]);
        let own = table(&sample, 0xf1, &["main.main", "runtime.main"]);
        for order in [[&carried, &own], [&own, &carried]] {
            let mut sample = sample.clone().rodata(
                ".rodata",
                0x48_0000,
                &order.map(|table| &table[..]).concat(),
            );
            sample.section_headers = false;
            assert!(!found(&sample.build()).unwrap().boring);
        }
    }

    const TABLES: u64 = 0x48_0000;

    /// Returns the description that the runtime uses, for a program with a table at `header` that has only the name
    /// `main.main`.
    fn told(sample: &Sample, header: u64) -> Vec<u8> {
        let len = "main.main\0".len() as u64;
        let mut words = [0; moduledata::TEXT + 1];
        let names = header + 8 + 8 * sample.width() as u64;
        words[..4].copy_from_slice(&[header, names, len, len]);
        sample.words(&words)
    }

    #[test]
    fn the_table_that_the_runtime_is_told_of_comes_before_a_larger_and_a_named_one() {
        for shape in SHAPES {
            let sample = Sample::new(shape);
            let carried = table(&sample, 0xf1, &[BORING, "main.main", "runtime.main"]);
            let own = table(&sample, 0xf1, &["main.main"]);
            let header = TABLES + carried.len() as u64;
            let tables = [carried, own].concat();
            for name in [".rodata", ".gopclntab"] {
                let sample = sample.clone().rodata(name, TABLES, &tables);
                let names = found(&sample.build()).unwrap();
                assert!(names.boring && !names.told, "{shape:?} {name}");
                let told = told(&sample, header);
                let names = found(&sample.data(".data", 0x50_0000, &told).build()).unwrap();
                assert!(!names.boring && names.told, "{shape:?} {name}");
            }
        }
    }

    #[test]
    fn a_table_of_which_another_program_s_runtime_is_told_is_not_the_program_s_own() {
        for shape in SHAPES {
            let sample = Sample::new(shape);
            let mut table = table(&sample, 0xf1, &["main.main"]);
            table.resize(table.len().next_multiple_of(16), 0);
            for carried in [told(&sample, 0x1000), told(&sample, TABLES), vec![0; 8]] {
                let own = carried == told(&sample, TABLES);
                let unknown = carried.len() == 8;
                let program = [&table[..], &carried].concat();
                let file = sample.clone().rodata(".rodata", TABLES, &program).build();
                assert_eq!(found(&file).is_some(), own || unknown, "{shape:?}");
            }
            // Relocated in its own program, so that the file does not contain the address.
            let mut words = told(&sample, TABLES);
            words[..2 * sample.width()].fill(0);
            let program = [&table[..], &words].concat();
            assert_eq!(
                found(&sample.rodata(".rodata", TABLES, &program).build()),
                None
            );
        }
    }

    #[test]
    fn the_runtime_s_slice_of_names_may_end_in_the_padding() {
        let sample = Sample::new(SHAPES[0]);
        let mut table = table(&sample, 0xf1, &["main.main", &"x".repeat(20)]);
        // 31 bytes of names. The table counts 64 bytes, up to offset 136.
        let end = 72 + 31;
        table.splice(end..end, [0; 33]);
        for word in 4..8 {
            let at = 8 + word * 8;
            table[at..at + 8].copy_from_slice(&(72u64 + 64).to_le_bytes());
        }
        for (len, expected) in [(31, true), (32, true), (64, true), (30, false), (65, false)] {
            let mut words = [0; moduledata::TEXT + 1];
            words[..4].copy_from_slice(&[TABLES, TABLES + 72, len, len]);
            let file = sample
                .clone()
                .rodata(".gopclntab", TABLES, &table)
                .data(".data", 0x50_0000, &sample.words(&words))
                .build();
            assert_eq!(found(&file).unwrap().told, expected, "{len}");
        }
    }

    #[test]
    fn before_go_1_16_the_address_of_the_table_alone_is_told() {
        for shape in SHAPES {
            let sample = Sample::new(shape);
            let table = table(&sample, 0xfb, &["main.main"]);
            let sample = sample.rodata(".gopclntab", TABLES, &table);
            assert_eq!(found(&sample.build()), None);
            let words = sample.words(&[TABLES]);
            let stored = sample.clone().data(".data", 0x50_0000, &words);
            assert!(found(&stored.build()).unwrap().told, "{shape:?}");
            let mut relocated = sample.clone().data(".data", 0x50_0000, &sample.words(&[0]));
            relocated.relocations = vec![(0x50_0000, TABLES)];
            assert!(found(&relocated.build()).unwrap().told, "{shape:?}");
        }
    }

    #[test]
    fn a_header_that_contradicts_itself_is_no_table() {
        let sample = Sample::new(SHAPES[0]);
        for (magic, at, value) in [
            (0xf1, 4, 1),
            (0xf1, 6, 3),
            (0xf1, 7, 2),
            (0xf1, 8, 0),     // no functions
            (0xf1, 10, 1),    // more than there is room for
            (0xf1, 32, 8),    // names within the header
            (0xf1, 40, 60),   // names that end before they begin
            (0xf1, 39, 0xff), // names that begin outside
            (0xf1, 64, 0xff), // functions that begin outside
            (0xfa, 24, 8),
            (0xfb, 8, 0),
            (0xfb, 15, 0xff),
            (0xfb, 24, 16), // function data within the entries
            (0xfb, 31, 0xff),
        ] {
            let mut table = table(&sample, magic, &[BORING]);
            table[at] = value;
            let file = sample
                .clone()
                .rodata(".gopclntab", 0x48_0000, &table)
                .build();
            assert_eq!(found(&file), None, "{magic:x} {at}");
        }
    }

    #[test]
    fn names_are_whole_across_the_pieces_of_a_long_list() {
        let filler = "x".repeat(1000);
        let names: Vec<String> = (0..600)
            .map(|index| format!("{}{filler}", index % 7))
            .collect();
        let mut names: Vec<&str> = names
            .iter()
            .map(|name| &name[..900 + name.len() % 97])
            .collect();
        // One name at each offset at which a piece could end.
        for index in (0..600).step_by(2) {
            names[index] = "crypto/internal/boring._Cfunc__goboringcrypto_SHA1_Init";
        }
        let sample = Sample::new(SHAPES[0]);
        let file = sample
            .clone()
            .rodata(".gopclntab", 0x48_0000, &table(&sample, 0xf1, &names))
            .build();
        assert_eq!(found(&file).unwrap().boring_calls, 300);
    }

    proptest! {
        #[test]
        fn no_table_makes_the_reader_fail(
            magic in prop::sample::select(&MAGICS[..]),
            changes in prop::collection::vec((0usize..160, any::<u8>()), 0..12),
            len in 0usize..200,
        ) {
            let sample = Sample::new(SHAPES[0]);
            let mut table = table(&sample, magic, &["main.main", BORING]);
            for (at, value) in changes {
                if let Some(byte) = table.get_mut(at) {
                    *byte = value;
                }
            }
            table.truncate(len);
            let file = sample.rodata(".gopclntab", 0x48_0000, &table).build();
            if let Some(place) = found(&file).and_then(|names| names.place) {
                prop_assert!(place.offset + place.len <= file.len() as u64);
            }
        }
    }
}
