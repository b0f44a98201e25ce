//! Finds copies of modules that were measured, including damaged ones.

use std::io;

use memchr::memmem::Finder;

use super::super::bytes::Bytes;
use super::super::fingerprint::{Anchor, Fingerprint, Hex};
use super::super::{Integrity, Located, Place};
use super::mac::Mac;
use super::reference::Machine;
use super::{MODULES, callers, holds};

/// Number of pieces that must be at their expected positions in a copy: a single piece can be code that another
/// library shares.
const PIECES: usize = 2;

/// Maximum number of places that are examined closely. A file that was made to have more only hides from this
/// search.
const CANDIDATES: u32 = 1024;

/// A piece of a module that is searched for.
struct Piece<'a> {
    row: &'a Fingerprint,
    /// Distance from the first byte of the module.
    at: i64,
    finder: Finder<'a>,
}

/// A search through the code of one file.
pub(super) struct Copies<'a> {
    bytes: &'a Bytes<'a>,
    code: &'a [Place],
    pieces: Vec<Piece<'a>>,
    candidates: u32,
    pub found: Vec<Located>,
}

impl<'a> Copies<'a> {
    pub(super) fn new(
        bytes: &'a Bytes<'a>,
        code: &'a [Place],
        known: impl Iterator<Item = &'a Fingerprint>,
    ) -> Self {
        Copies {
            bytes,
            code,
            pieces: known.flat_map(pieces).collect(),
            candidates: CANDIDATES,
            found: Vec::new(),
        }
    }

    /// Records the copies in `place`.
    pub(super) fn find(&mut self, place: Place) -> io::Result<()> {
        let lens = self.pieces.iter().map(|piece| piece.finder.needle().len());
        let longest = lens.max().unwrap_or(0);
        let mut failed = Ok(());
        let bytes = self.bytes;
        bytes.search(place, longest, |offset, window| {
            failed = self.inside(offset, window);
            failed.is_err() || self.candidates == 0
        })?;
        failed
    }

    fn inside(&mut self, offset: u64, window: &[u8]) -> io::Result<()> {
        let hits = self.pieces.iter().flat_map(|piece| {
            let hits = piece.finder.find_iter(window);
            hits.map(|hit| {
                let start = (offset + hit as u64).checked_add_signed(-piece.at);
                (piece.row, start)
            })
        });
        for (row, start) in hits.collect::<Vec<_>>() {
            self.candidate(row, start)?;
        }
        Ok(())
    }

    /// Records the copy that begins at `start`, if there is one and it is new.
    fn candidate(&mut self, row: &'a Fingerprint, start: Option<u64>) -> io::Result<()> {
        let known = |start: &u64| self.found.iter().any(|one| holds(one.place, *start));
        let Some(start) = start.filter(|start| !known(start)) else {
            return Ok(());
        };
        if self.candidates > 0 && self.found.len() < MODULES {
            self.candidates -= 1;
            if is_copy_at(self.bytes, row, start)? {
                self.found.push(self.located(row, start)?);
            }
        }
        Ok(())
    }

    fn located(&self, row: &Fingerprint, start: u64) -> io::Result<Located> {
        let place = Place {
            offset: start,
            len: row.bytes,
        };
        let mut mac = Mac::new(row.algorithm);
        self.bytes.stream(place, |piece| mac.update(piece))?;
        let computed = mac.value();
        let stored = at(self.bytes, start, row.hash_at, row.algorithm.len())?;
        let (integrity, called) = if computed == stored {
            let machine = Machine::of(Some(&row.arch)).first();
            let called =
                machine.map(|&machine| callers::find(self.bytes, self.code, machine, place));
            (Integrity::Holds, called.transpose()?.flatten())
        } else {
            (Integrity::Differs(Hex::from(computed).to_string()), None)
        };
        Ok(Located {
            family: row.family,
            place,
            algorithm: row.algorithm.to_string(),
            stored: Hex::from(stored).to_string(),
            integrity,
            fingerprint: Some(row.hash.to_string()),
            version: row.fips_version,
            called,
        })
    }
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

/// Checks whether enough pieces of a module that begins at `start` are at their expected positions.
fn is_copy_at(bytes: &Bytes<'_>, row: &Fingerprint, start: u64) -> io::Result<bool> {
    let mut standing = 0;
    for piece in pieces(row) {
        let needle = piece.finder.needle();
        let there = at(bytes, start, piece.at, needle.len())?;
        standing += usize::from(there == needle);
    }
    Ok(standing >= PIECES)
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
