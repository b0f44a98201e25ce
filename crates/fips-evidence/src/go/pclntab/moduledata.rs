//! The runtime's description of its program (`runtime.moduledata`). Only this structure leads from what is loaded
//! to the program's own function table.

use std::collections::HashSet;
use std::io;

use memchr::memmem::Finder;

use super::Table;
use crate::Place;
use crate::bytes::Bytes;
use crate::elf::Layout;
use crate::go::anywhere;

/// Maximum number of places in the file that are examined as a description; a program has one.
const TRIES: usize = 4;

/// Indices of its words since Go 1.16. It starts with the header of the function table and a slice of its names;
/// `TEXT` is the address that functions are counted from.
const NAMES: usize = 1;
pub(super) const TEXT: usize = 22;

/// Which program a table belongs to, according to descriptions in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    /// The table is the program's own. Since Go 1.16, contains the address that functions are counted from.
    Here(Option<u64>),
    /// The table belongs to a program that is embedded as data: the description has another address than the table.
    Elsewhere,
    /// No description references the table.
    Nowhere,
}

pub(super) fn read(bytes: &Bytes<'_>, layout: &Layout, table: &Table) -> io::Result<Told> {
    if table.interleaved {
        let named = names_address(bytes, layout, table)?;
        return Ok(if named {
            Told::Here(None)
        } else {
            Told::Elsewhere
        });
    }
    let lens = lens(bytes, table)?;
    let (mut told, mut left) = (Told::Nowhere, TRIES);
    let section = layout.section(".go.module").map(|section| section.place);
    let writable = anywhere(bytes, Some(layout), |segment| segment.writable);
    let others = anywhere(bytes, Some(layout), |segment| !segment.writable);
    for place in section.into_iter().chain(writable).chain(others) {
        let found = candidates(bytes, place, &lens, left)?;
        left -= found.len();
        for offset in found {
            match description(bytes, layout, table, offset)? {
                Told::Nowhere => {}
                Told::Elsewhere => told = Told::Elsewhere,
                Told::Here(text) => return Ok(Told::Here(text)),
            }
        }
    }
    Ok(told)
}

/// Returns where the description can be, at most `limit` places. They are found by length and capacity of the slice
/// of names, which are not relocated.
fn candidates(
    bytes: &Bytes<'_>,
    place: Place,
    lens: &[Vec<u8>],
    limit: usize,
) -> io::Result<Vec<u64>> {
    let pairs: Vec<Vec<u8>> = lens.iter().map(|len| [&len[..], len].concat()).collect();
    let finders: Vec<Finder<'_>> = pairs.iter().map(Finder::new).collect();
    let longest = pairs.iter().map(Vec::len).max().unwrap_or(0);
    let mut found = Vec::new();
    bytes.search(place, longest, |start, piece| {
        for finder in &finders {
            let hits = finder.find_iter(piece).map(|at| start + at as u64);
            let begins = hits.filter_map(|at| at.checked_sub(longest as u64));
            let aligned = begins.filter(|at| at.is_multiple_of(4));
            found.extend(aligned.take(limit - found.len()));
        }
        found.len() == limit
    })?;
    found.dedup();
    Ok(found)
}

/// Returns the lengths that the slice of names can have, as words. What follows the names in the table is aligned
/// to 32 bytes, and the slice ends somewhere in the zeros in between.
fn lens(bytes: &Bytes<'_>, table: &Table) -> io::Result<Vec<Vec<u8>>> {
    const ALIGNMENT: u64 = 64;
    let Place { offset, len } = table.names;
    let tail = len.min(ALIGNMENT);
    let tail = bytes.window(Place {
        offset: offset + (len - tail),
        len: tail,
    })?;
    let zeros = tail.iter().rev().take_while(|byte| **byte == 0).count();
    // The last of the names ends with a zero.
    let names = len.saturating_sub(zeros.saturating_sub(1) as u64);
    let mut lens = [8, 1, 2, 4, 16]
        .map(|unit| names.next_multiple_of(unit).min(len))
        .to_vec();
    lens.push(len);
    let mut seen = HashSet::new();
    lens.retain(|len| seen.insert(*len));
    Ok(lens.into_iter().map(|len| table.words.write(len)).collect())
}

/// Returns what the description at `offset` shows about the table.
fn description(bytes: &Bytes<'_>, layout: &Layout, table: &Table, offset: u64) -> io::Result<Told> {
    let len = (TEXT as u64 + 1) * table.words.bytes as u64;
    let words = layout.words(bytes, Place { offset, len })?;
    let (Some(&header), Some(&names)) = (words.first(), words.get(NAMES)) else {
        return Ok(Told::Nowhere);
    };
    let own = [table.header, table.names.offset].map(|offset| layout.address(offset));
    Ok(if own == [Some(header), Some(names)] {
        Told::Here(words.get(TEXT).copied())
    } else if names.wrapping_sub(header) == table.names.offset - table.header
        || (header, names) == (0, 0)
    {
        Told::Elsewhere
    } else {
        Told::Nowhere
    })
}

/// Checks whether a word in the writable segments references the table. Before Go 1.16, the description begins with
/// a slice of the whole table, and no header contains the length of that slice.
fn names_address(bytes: &Bytes<'_>, layout: &Layout, table: &Table) -> io::Result<bool> {
    let Some(address) = layout.address(table.header) else {
        return Ok(false);
    };
    let word = table.words.write(address);
    let finder = Finder::new(&word);
    let writable = anywhere(bytes, Some(layout), |segment| segment.writable);
    // If the loader writes the address, it is in the relocation table.
    for place in writable.into_iter().chain(layout.relocations) {
        let mut found = false;
        bytes.search(place, word.len(), |start, piece| {
            let mut hits = finder.find_iter(piece).map(|at| start + at as u64);
            found = hits.any(|at| at.is_multiple_of(4));
            found
        })?;
        if found {
            return Ok(true);
        }
    }
    Ok(false)
}
