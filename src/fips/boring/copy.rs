//! Copies of modules that were measured, damaged ones too.

use std::io;

use memchr::memmem::Finder;

use super::super::bytes::Bytes;
use super::super::fingerprint::{Anchor, Fingerprint, Hex};
use super::super::{Integrity, Located, Place};
use super::mac::Mac;

/// Pieces that must stand where they belong before something is a copy: one alone can be code that
/// another library shares.
const PIECES: usize = 2;

/// Places that are looked at closely; a file that was made to have more only hides from this search.
const CANDIDATES: u32 = 1024;

/// A piece of a module that is searched for.
struct Piece<'a> {
    row: &'a Fingerprint,
    /// From the module's first byte.
    at: i64,
    finder: Finder<'a>,
}

/// The first copy of one of `known` in `code`.
pub(super) fn find(
    bytes: &Bytes<'_>,
    code: &[Place],
    known: &[&Fingerprint],
) -> io::Result<Option<Located>> {
    let pieces: Vec<Piece<'_>> = known.iter().flat_map(|row| pieces(row)).collect();
    let longest = pieces.iter().map(|piece| piece.finder.needle().len()).max();
    let mut candidates = CANDIDATES;
    for &place in code {
        let mut found = Ok(None);
        bytes.search(place, longest.unwrap_or(0), |offset, window| {
            found = inside(bytes, &pieces, (offset, window), &mut candidates);
            candidates == 0 || !matches!(found, Ok(None))
        })?;
        if let Some(copy) = found? {
            return Ok(Some(copy));
        }
    }
    Ok(None)
}

fn pieces(row: &Fingerprint) -> impl Iterator<Item = Piece<'_>> {
    let stored = std::iter::once((row.hash_at, &row.hash));
    let anchors = row
        .anchors
        .iter()
        .map(|Anchor { at, bytes }| (at.cast_signed(), bytes));
    stored.chain(anchors).map(move |(at, bytes)| Piece {
        row,
        at,
        finder: Finder::new(bytes.bytes()),
    })
}

/// Looks at every piece in one window of the file.
fn inside(
    bytes: &Bytes<'_>,
    pieces: &[Piece<'_>],
    (offset, window): (u64, &[u8]),
    candidates: &mut u32,
) -> io::Result<Option<Located>> {
    for piece in pieces {
        for hit in piece.finder.find_iter(window) {
            if *candidates == 0 {
                return Ok(None);
            }
            *candidates -= 1;
            let start = (offset + hit as u64).checked_add_signed(-piece.at);
            let Some(start) = start else { continue };
            if stands(bytes, piece.row, start)? {
                return located(bytes, piece.row, start).map(Some);
            }
        }
    }
    Ok(None)
}

/// Whether enough of the module's pieces stand where they belong if it begins at `start`.
fn stands(bytes: &Bytes<'_>, row: &Fingerprint, start: u64) -> io::Result<bool> {
    let mut standing = 0;
    for piece in pieces(row) {
        let needle = piece.finder.needle();
        let there = at(bytes, start, piece.at, needle.len())?;
        standing += usize::from(there == needle);
    }
    Ok(standing >= PIECES)
}

fn located(bytes: &Bytes<'_>, row: &Fingerprint, start: u64) -> io::Result<Located> {
    let place = Place {
        offset: start,
        len: row.bytes,
    };
    let mut mac = Mac::new(row.algorithm);
    bytes.stream(place, |piece| mac.update(piece))?;
    let computed = mac.value();
    let stored = at(bytes, start, row.hash_at, row.algorithm.len())?;
    let integrity = if computed == stored {
        Integrity::Holds
    } else {
        Integrity::Differs(Hex::from(computed).to_string())
    };
    Ok(Located {
        family: row.family,
        place,
        algorithm: row.algorithm.to_string(),
        stored: Hex::from(stored).to_string(),
        integrity,
        fingerprint: Some(row.hash.to_string()),
        version: row.fips_version,
    })
}

fn at(bytes: &Bytes<'_>, start: u64, distance: i64, len: usize) -> io::Result<Vec<u8>> {
    match start.checked_add_signed(distance) {
        Some(offset) => bytes.window(Place {
            offset,
            len: len as u64,
        }),
        None => Ok(Vec::new()),
    }
}
