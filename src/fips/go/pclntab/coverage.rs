//! The function table beside Go's seal: which functions begin in the code that it covers.
//!
//! The linker puts the code of Go's module in one piece at the end, between two marks that the table
//! names like functions, and seals what is between them.

use std::io;

use memchr::memmem::Finder;

use super::{Functions, NAME_LIMIT, Table, names};
use crate::fips::bytes::Bytes;
use crate::fips::elf::Layout;
use crate::fips::go::anywhere;
use crate::fips::{Coverage, Place};

/// Bytes of an entry since Go 1.18: where the function begins, and where its data stands.
const ENTRY: usize = 8;
/// Bytes of the functions' data that are read at once.
const STEP: u64 = 256 << 10;
/// Places that are taken for the description of the program, which has one.
const TRIES: usize = 4;
/// Names of functions in the sealed code that are read: of assembly, without a package.
const READ: usize = 4096;

/// Words of that description: the header of the function table, a slice of its names, and the address
/// that functions are counted from.
const NAMES: usize = 1;
const TEXT: usize = 22;

impl Functions {
    /// Which functions begin in the `sealed` code, and which of the module do not; none where the
    /// table is not of a version that seals, or does not tell where its code begins.
    pub(in crate::fips::go) fn coverage(
        &self,
        bytes: &Bytes<'_>,
        layout: &Layout,
        sealed: Place,
    ) -> io::Result<Option<Coverage>> {
        let Some(entries) = self.table.entries else {
            return Ok(None);
        };
        let text = text(bytes, layout, &self.table)?;
        let address = layout.address(sealed.offset);
        let Some(start) = address
            .zip(text)
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
        let len = self.table.functions.saturating_mul(ENTRY as u64);
        let window = bytes.window(Place {
            offset: entries,
            len,
        })?;
        for entry in window.chunks_exact(ENTRY) {
            let number = |at| self.table.words.read(entry, at, ENTRY / 2);
            let (Some(at), Some(data)) = (number(0), number(ENTRY / 2)) else {
                return Ok(None);
            };
            if walk.take(at, entries.saturating_add(data))?.is_none() {
                return Ok(None);
            }
        }
        walk.coverage.edges = walk.edges == (true, true);
        Ok((window.len() as u64 == len).then_some(walk.coverage))
    }
}

/// The way through all functions.
struct Walk<'a> {
    functions: &'a Functions,
    ahead: Ahead<'a>,
    /// Where the sealed code begins and ends.
    code: (u64, u64),
    /// Between two names of the module: what lies in there is none, and most of the table's names lie
    /// there, since it has them in the order of the functions.
    apart: (u64, u64),
    left: usize,
    edges: (bool, bool),
    coverage: Coverage,
}

impl Walk<'_> {
    /// Takes down the function that begins `at` and whose data stands at `data`; none where it has none.
    fn take(&mut self, at: u64, data: u64) -> io::Result<Option<()>> {
        let words = self.functions.table.words;
        let name = self.ahead.four(data.saturating_add(4))?;
        let Some(name) = name.and_then(|name| words.read(&name, 0, 4)) else {
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

    /// Whether the name at this place is one of the module.
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

/// Reads ever farther, each byte once.
struct Ahead<'a> {
    bytes: &'a Bytes<'a>,
    offset: u64,
    window: Vec<u8>,
}

impl<'a> Ahead<'a> {
    fn new(bytes: &'a Bytes<'a>) -> Self {
        Ahead {
            bytes,
            offset: 0,
            window: Vec::new(),
        }
    }

    /// The four bytes at `offset`; none where that lies before what was read last, as in no table.
    fn four(&mut self, offset: u64) -> io::Result<Option<[u8; 4]>> {
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

/// The address that functions are counted from: the header has it before Go 1.26, and the runtime's
/// description of the program has it always.
fn text(bytes: &Bytes<'_>, layout: &Layout, table: &Table) -> io::Result<Option<u64>> {
    let width = table.words.bytes as u64;
    let place = Place {
        offset: table.header.saturating_add(8 + 2 * width),
        len: width,
    };
    let header = layout.words(bytes, place)?;
    if let Some(&address) = header.first().filter(|address| **address > 0) {
        return Ok(Some(address));
    }
    for at in described(bytes, layout, table)? {
        let words = layout.words(
            bytes,
            Place {
                offset: at,
                len: (TEXT as u64 + 1) * width,
            },
        )?;
        let begins = [table.header, table.names.offset].map(|offset| layout.address(offset));
        if begins == [words.first().copied(), words.get(NAMES).copied()] {
            return Ok(words.get(TEXT).copied());
        }
    }
    Ok(None)
}

/// Where the runtime's description of the program can stand: by the length and the capacity of the slice of
/// names, which nothing relocates.
fn described(bytes: &Bytes<'_>, layout: &Layout, table: &Table) -> io::Result<Vec<u64>> {
    let width = table.words.bytes;
    let len = table.words.write(table.names.len);
    let pair = [&len[..], &len[..]].concat();
    let finder = Finder::new(&pair);
    let mut found = Vec::new();
    let section = layout.section(".go.module").map(|section| section.place);
    let writable = anywhere(bytes, Some(layout), |segment| segment.writable);
    for place in section.into_iter().chain(writable) {
        bytes.search(place, pair.len(), |start, piece| {
            let hits = finder.find_iter(piece).map(|at| start + at as u64);
            let begins = hits.filter_map(|at| at.checked_sub(2 * width as u64));
            let aligned = begins.filter(|at| at.is_multiple_of(4));
            found.extend(aligned.take(TRIES - found.len()));
            found.len() == TRIES
        })?;
        if !found.is_empty() {
            break;
        }
    }
    Ok(found)
}
