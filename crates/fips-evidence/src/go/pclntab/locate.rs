//! Locates the program's own function table: tables are found by section and by magic, and distinguished by what
//! the runtime references.

use std::cmp::Reverse;
use std::io;

use memchr::memmem::Finder;

use super::moduledata::{self, Told};
use super::{Table, Tables, parse};
use crate::Place;
use crate::bytes::Bytes;
use crate::elf::Layout;
use crate::go::anywhere;

/// Sections that contain the table; the last one contains other data as well.
const SECTIONS: [&str; 3] = [".gopclntab", ".data.rel.ro.gopclntab", ".data.rel.ro"];
/// Byte of the magic that differs between Go 1.2, 1.16, 1.18 and 1.20; its other bytes are `ff`.
pub(super) const MAGICS: [u8; 4] = [0xfb, 0xfa, 0xf0, 0xf1];
/// Size of the longest header: eight bytes and eight words.
const HEADER: usize = 72;
/// Maximum number of tables among which the program's own is searched for.
const TRIES: usize = 4;

/// A table, and which program's runtime references it.
type Found = (Table, Told);

/// Locates the table by the name of its section, and by its header anywhere in the file. A program can contain
/// other programs with their tables in its data, and a section can have any name: the program's own table is the
/// one that its runtime references.
pub(super) fn locate(bytes: &Bytes<'_>, layout: Option<&Layout>) -> io::Result<Tables<Found>> {
    let Some(layout) = layout else {
        let mut tables = everywhere(bytes, None)?.into_iter();
        return Ok(tables
            .next()
            .map_or(Tables::None, |table| Tables::Own((table, Told::Nowhere))));
    };
    let mut tables = Vec::new();
    for section in SECTIONS.iter().filter_map(|name| layout.section(name)) {
        match begin(bytes, section.place)? {
            Some(table) => tables.push(table),
            None => tables.extend(search(bytes, Some(layout), section.place)?),
        }
        if !tables.is_empty() {
            break;
        }
    }
    let named = choose(bytes, layout, tables)?;
    if let Tables::Own((_, Told::Here(_))) = named {
        return Ok(named);
    }
    let found = choose(bytes, layout, everywhere(bytes, Some(layout))?)?;
    Ok(match (found, named) {
        (found @ Tables::Own((_, Told::Here(_))), _) => found,
        (_, named @ Tables::Own(..)) => named,
        (found, _) => found,
    })
}

/// Returns the program's own table among `tables`: the one that its runtime references, or else the largest one
/// that no other program's runtime references.
fn choose(bytes: &Bytes<'_>, layout: &Layout, tables: Vec<Table>) -> io::Result<Tables<Found>> {
    let mut own = Tables::None;
    for table in tables {
        let told = moduledata::read(bytes, layout, &table)?;
        match (told, &own) {
            (Told::Here(_), _) => return Ok(Tables::Own((table, told))),
            (Told::Nowhere, Tables::None | Tables::Carried) => own = Tables::Own((table, told)),
            (Told::Elsewhere, Tables::None) => own = Tables::Carried,
            (Told::Nowhere | Told::Elsewhere, _) => {}
        }
    }
    Ok(own)
}

/// Returns the largest tables of the file.
fn everywhere(bytes: &Bytes<'_>, layout: Option<&Layout>) -> io::Result<Vec<Table>> {
    let mut tables = Vec::new();
    for place in anywhere(bytes, layout, |_| true) {
        tables.extend(search(bytes, layout, place)?);
    }
    keep_largest(&mut tables);
    Ok(tables)
}

/// Sorts the tables by size, the largest first, and keeps at most [`TRIES`] of them.
fn keep_largest(tables: &mut Vec<Table>) {
    tables.sort_by_key(|table| Reverse(table.functions));
    tables.truncate(TRIES);
}

/// Returns the table at the start of `place`.
fn begin(bytes: &Bytes<'_>, place: Place) -> io::Result<Option<Table>> {
    let len = place.len.min(HEADER as u64);
    let header = bytes.window(Place { len, ..place })?;
    let begins = |(big_endian, start): (bool, [u8; 6])| {
        let table = || parse(&header, big_endian, place);
        header.starts_with(&start).then(table)?
    };
    Ok(starts().find_map(begins))
}

/// Returns the largest tables in `place`.
fn search(bytes: &Bytes<'_>, layout: Option<&Layout>, place: Place) -> io::Result<Vec<Table>> {
    // The bytes that all little-endian headers have in common, so that one search finds them all.
    let little = (false, Finder::new(&[0xff, 0xff, 0xff, 0, 0]).into_owned());
    let big = starts().filter(|(big_endian, _)| *big_endian);
    let big = big.map(|(_, start)| (true, Finder::new(&start).into_owned()));
    let finders: Vec<(bool, Finder<'_>)> = [little]
        .into_iter()
        .chain(big)
        .filter(|(big_endian, _)| layout.is_none_or(|layout| layout.big_endian == *big_endian))
        .collect();
    let mut tables = Vec::new();
    let end = place.offset.saturating_add(place.len);
    bytes.search(place, HEADER + 1, |start, piece| {
        for (big_endian, finder) in &finders {
            for at in finder.find_iter(piece) {
                let Some(at) = at.checked_sub(usize::from(!big_endian)) else {
                    continue;
                };
                if !big_endian && !MAGICS.contains(&piece[at]) {
                    continue;
                }
                let offset = start + at as u64;
                let space = Place {
                    offset,
                    len: end.saturating_sub(offset),
                };
                tables.extend(parse(&piece[at..], *big_endian, space));
            }
        }
        keep_largest(&mut tables);
        false
    })?;
    Ok(tables)
}

/// Returns the magics, each with the two zeros that follow it, in both byte orders.
fn starts() -> impl Iterator<Item = (bool, [u8; 6])> {
    MAGICS.into_iter().flat_map(|magic| {
        [
            (false, [magic, 0xff, 0xff, 0xff, 0, 0]),
            (true, [0xff, 0xff, 0xff, magic, 0, 0]),
        ]
    })
}
