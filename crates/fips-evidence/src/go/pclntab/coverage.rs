//! Compares the function table with Go's seal: which functions begin in the code that the seal covers.
//!
//! The linker puts the code of Go's module contiguously at the end, between two marks that the table lists like
//! functions. It seals what is between them.

use std::io;

use super::{ENTRY, Functions, NAME_LIMIT, names};
use crate::bytes::Bytes;
use crate::elf::Layout;
use crate::{Coverage, Place};

/// Number of bytes of the functions' data that are read at a time.
const STEP: u64 = 64 << 10;
/// Maximum number of names that are read for functions in the sealed code: functions in assembly, without a
/// package.
const READ: usize = 4096;

impl Functions {
    /// Returns which functions begin in the `sealed` code, and which functions of the module do not. Returns `None`
    /// if the table is of a Go version that does not seal, or if it is not known where the program's code begins.
    pub(in crate::go) fn coverage(
        &self,
        bytes: &Bytes<'_>,
        layout: &Layout,
        sealed: Place,
    ) -> io::Result<Option<Coverage>> {
        let Some(entries) = self.table.entries else {
            return Ok(None);
        };
        let address = layout.address(sealed.offset);
        let Some(start) = address
            .zip(self.text)
            .and_then(|(at, text)| at.checked_sub(text))
        else {
            return Ok(None);
        };
        let mut walk = Walk {
            functions: self,
            ahead: Ahead::new(bytes),
            code: (start, start.saturating_add(sealed.len)),
            apart: (0, 0),
            left: READ,
            edges: (false, false),
            coverage: Coverage::default(),
        };
        let len = self.table.functions.saturating_mul(ENTRY);
        let window = bytes.window(Place {
            offset: entries,
            len,
        })?;
        let words = self.table.words;
        let (numbers, _) = window.as_chunks();
        for entry in numbers.chunks_exact(2) {
            let (at, data) = (words.four(entry[0]), words.four(entry[1]));
            if walk.take(at, entries.saturating_add(data))?.is_none() {
                return Ok(None);
            }
        }
        walk.coverage.edges = walk.edges == (true, true);
        Ok((window.len() as u64 == len).then_some(walk.coverage))
    }
}

/// An iteration over all functions.
struct Walk<'a> {
    functions: &'a Functions,
    ahead: Ahead<'a>,
    /// Start and end of the sealed code.
    code: (u64, u64),
    /// The gap between two names of the module that contains the name that was looked up last. No name in it is of
    /// the module. Most names are in the same gap as the previous name, since the table lists names in the order of
    /// the functions.
    apart: (u64, u64),
    left: usize,
    edges: (bool, bool),
    coverage: Coverage,
}

impl Walk<'_> {
    /// Records the function that begins at `at` and has its data at `data`. Returns `None` if the data cannot be
    /// read.
    fn take(&mut self, at: u64, data: u64) -> io::Result<Option<()>> {
        let words = self.functions.table.words;
        let name = self.ahead.four(data.saturating_add(4))?;
        let Some(name) = name.map(|name| words.four(name)) else {
            return Ok(None);
        };
        let (start, end) = self.code;
        self.edges.0 |= at == start;
        self.edges.1 |= at == end;
        match ((start..end).contains(&at), self.is_own(name)) {
            (true, true) => self.coverage.functions = self.coverage.functions.saturating_add(1),
            (false, true) if self.coverage.outside.is_none() => {
                self.coverage.outside = Some(self.name(name)?);
            }
            (true, false) if self.coverage.stranger.is_none() => {
                if self.left == 0 {
                    return Ok(None);
                }
                self.left -= 1;
                let name = self.name(name)?;
                self.coverage.stranger = names::is_foreign(name.as_bytes()).then_some(name);
            }
            _ => {}
        }
        Ok(Some(()))
    }

    /// Checks whether the name at this offset is a name of the module.
    fn is_own(&mut self, name: u64) -> bool {
        if (self.apart.0..self.apart.1).contains(&name) {
            return false;
        }
        let own = &self.functions.own;
        let found = own.binary_search(&name);
        if let Err(next) = found {
            let before = next.checked_sub(1).and_then(|before| own.get(before));
            self.apart = (
                before.map_or(0, |before| before + 1),
                own.get(next).copied().unwrap_or(u64::MAX),
            );
        }
        found.is_ok()
    }

    fn name(&self, name: u64) -> io::Result<String> {
        let Place { offset, len } = self.functions.table.names;
        let window = self.ahead.bytes.window(Place {
            offset: offset.saturating_add(name),
            len: len.saturating_sub(name).min(NAME_LIMIT as u64),
        })?;
        let end = memchr::memchr(0, &window).unwrap_or(window.len());
        Ok(String::from_utf8_lossy(&window[..end]).into_owned())
    }
}

/// A reader that only moves forward and reads each byte once.
pub(super) struct Ahead<'a> {
    bytes: &'a Bytes<'a>,
    offset: u64,
    window: Vec<u8>,
}

impl<'a> Ahead<'a> {
    pub(super) fn new(bytes: &'a Bytes<'a>) -> Self {
        Ahead {
            bytes,
            offset: 0,
            window: Vec::new(),
        }
    }

    /// Returns the four bytes at `offset`; `None` if they are before what was read last, which is not the case in
    /// any table.
    pub(super) fn four(&mut self, offset: u64) -> io::Result<Option<[u8; 4]>> {
        let Some(mut inside) = offset.checked_sub(self.offset) else {
            return Ok(None);
        };
        if inside.saturating_add(4) > self.window.len() as u64 {
            self.window = self.bytes.window(Place { offset, len: STEP })?;
            self.offset = offset;
            inside = 0;
        }
        let inside = usize::try_from(inside).unwrap_or(usize::MAX);
        let rest = self.window.get(inside..).unwrap_or_default();
        Ok(rest.first_chunk().copied())
    }
}

#[cfg(test)]
mod tests {
    use object::elf;

    use super::*;
    use crate::go::pclntab;
    use crate::go::pclntab::moduledata::TEXT;
    use crate::sample::{SHAPES, Sample};

    const CODE: u64 = 0x40_1000;
    const TABLE: u64 = 0x48_0000;
    const MODULE: u64 = 0x50_0000;
    const NEW: &str = "crypto/internal/fips140/sha256.New";

    /// How a program shows where its code begins.
    #[derive(Debug, Clone, Copy, PartialEq)]
    enum Told {
        Header,
        Assurance,
        Relocated,
        Nowhere,
    }

    type Listed<'a> = &'a [(u64, &'a str)];

    const WHOLE: Listed<'_> = &[
        (0, "main.main"),
        (0x20, "go:textfipsstart"),
        (0x30, NEW),
        (0x38, "_expand_key_128"),
        (0x40, "runtime.morestack-tramp0"),
        (0x60, "go:textfipsend"),
    ];

    /// Returns a table of these functions, and the length of their names.
    fn table(sample: &Sample, told: Told, functions: Listed<'_>) -> (Vec<u8>, u64) {
        let four = |value: u64| sample.number(value, 4);
        let (mut names, mut data, mut entries) = (Vec::new(), Vec::new(), Vec::new());
        let after = (8 * functions.len() + 4) as u64;
        for (at, name) in functions {
            entries.extend([four(*at), four(after + data.len() as u64)].concat());
            data.extend([four(*at), four(names.len() as u64)].concat());
            names.extend([name.as_bytes(), b"\0"].concat());
        }
        let first = 8 + 8 * sample.width() as u64;
        let end = first + names.len() as u64;
        let text = if told == Told::Header { CODE } else { 0 };
        let header = [functions.len() as u64, 1, text, first, end, end, end, end];
        let start = [
            &sample.number(0xffff_fff1, 4)[..],
            &[0, 0, 1, sample.bits / 8],
        ]
        .concat();
        let header = [start, sample.words(&header)].concat();
        let len = names.len() as u64;
        ([header, names, entries, four(0x80), data].concat(), len)
    }

    fn program(shape: (u8, bool, elf::Machine), told: Told, functions: Listed<'_>) -> Sample {
        let mut sample = Sample::new(shape);
        let (table, len) = table(&sample, told, functions);
        let width = sample.width() as u64;
        let names = TABLE + 8 + 8 * width;
        let mut words = [0; TEXT + 1];
        (words[2], words[3]) = (len, len);
        let addresses = [(0, TABLE), (1, names), (TEXT as u64, CODE)];
        match told {
            Told::Assurance => (words[0], words[1], words[TEXT]) = (TABLE, names, CODE),
            Told::Relocated => {
                let addresses = addresses.map(|(word, to)| (MODULE + word * width, to));
                sample.relocations = addresses.to_vec();
            }
            Told::Header | Told::Nowhere => {}
        }
        let words = sample.words(&words);
        sample
            .text(".text", CODE, &[0x90; 0x80])
            .rodata(".gopclntab", TABLE, &table)
            .data(".go.module", MODULE, &words)
    }

    /// Returns the coverage of the code from 0x20 up to 0x60.
    fn coverage(sample: &Sample) -> Option<Coverage> {
        let file = sample.build();
        let bytes = Bytes::new(&file, file.len() as u64);
        let layout = Layout::read(&bytes).unwrap().unwrap();
        let pclntab::Tables::Own(functions) = pclntab::read(&bytes, Some(&layout), &[]).unwrap()
        else {
            return None;
        };
        let sealed = layout.range(CODE + 0x20, CODE + 0x60).unwrap();
        functions.coverage(&bytes, &layout, sealed).unwrap()
    }

    fn whole() -> Coverage {
        Coverage {
            functions: 1,
            edges: true,
            ..Coverage::default()
        }
    }

    #[test]
    fn the_code_of_the_module_is_found_in_every_shape_however_its_start_is_told() {
        for shape in SHAPES {
            for told in [Told::Assurance, Told::Relocated] {
                for headers in [true, false] {
                    let mut sample = program(shape, told, WHOLE);
                    sample.section_headers = headers;
                    assert_eq!(coverage(&sample), Some(whole()), "{shape:?} {told:?}");
                }
            }
            // Before Go 1.26, the header of the table contains that address, but nothing that runs reads it there.
            for told in [Told::Header, Told::Nowhere] {
                let sample = program(shape, told, WHOLE);
                assert_eq!(coverage(&sample), None, "{shape:?} {told:?}");
            }
        }
    }

    #[test]
    fn a_function_on_the_wrong_side_is_named() {
        let changed = |index: usize, function: (u64, &'static str)| {
            let mut functions = WHOLE.to_vec();
            functions[index] = function;
            coverage(&program(SHAPES[0], Told::Assurance, &functions)).unwrap()
        };
        let stranger = changed(3, (0x38, "main.encrypt"));
        assert_eq!(stranger.stranger.as_deref(), Some("main.encrypt"));
        let outside = changed(0, (0, "crypto/internal/fips140/aes.New"));
        let name = "crypto/internal/fips140/aes.New";
        assert_eq!(
            (outside.outside.as_deref(), outside.functions),
            (Some(name), 1)
        );
        let before = changed(0, (0, "crypto/internal/fips140/aes.New-tramp1"));
        assert_eq!(before, whole());
        for (index, function) in [
            (1, (0x24, "go:textfipsstart")),
            (5, (0x5c, "go:textfipsend")),
        ] {
            let moved = changed(index, function);
            assert_eq!((moved.edges, moved.functions), (false, 1), "{function:?}");
        }
    }

    #[test]
    fn names_of_the_module_are_told_from_those_between_them() {
        let functions = [
            (0, "a.b"),
            (0x20, NEW),
            (0x28, "_a"),
            (0x30, "crypto/internal/fips140.init"),
            (0x38, "_b"),
            (0x40, "_c"),
            (0x48, "crypto/internal/fips140/aes.New"),
            (0x60, "c.d"),
        ];
        let coverage = coverage(&program(SHAPES[0], Told::Assurance, &functions)).unwrap();
        assert_eq!(
            coverage,
            Coverage {
                functions: 3,
                ..whole()
            }
        );
    }

    #[test]
    fn a_table_that_contradicts_itself_tells_nothing() {
        let sample = program(SHAPES[0], Told::Assurance, WHOLE);
        let entries = |sample: &Sample| {
            let part = sample
                .parts
                .iter()
                .position(|part| part.name == ".gopclntab");
            let names: usize = WHOLE.iter().map(|(_, name)| name.len() + 1).sum();
            (part.unwrap(), 8 + 8 * 8 + names)
        };
        let (part, at) = entries(&sample);
        // The data of the second function is before that of the first, or outside of the file.
        for data in [[0; 4], [0xff; 4]] {
            let mut sample = sample.clone();
            sample.parts[part].bytes[at + 12..at + 16].copy_from_slice(&data);
            assert_eq!(coverage(&sample), None, "{data:?}");
        }
    }

    #[test]
    fn tables_before_the_seal_tell_nothing() {
        let mut sample = program(SHAPES[0], Told::Assurance, WHOLE);
        let mut parts = sample.parts.iter_mut();
        let table = parts.find(|part| part.name == ".gopclntab").unwrap();
        // Go 1.16: without the word for the start of the code.
        table.bytes[0] = 0xfa;
        table.bytes[24..72].rotate_left(8);
        assert_eq!(coverage(&sample), None);
    }
}
