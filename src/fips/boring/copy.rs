//! Copies of modules that were measured, damaged ones too.

use std::io;

use memchr::memmem::Finder;

use super::super::bytes::Bytes;
use super::super::fingerprint::{Anchor, Fingerprint, Hex};
use super::super::{Integrity, Located, Place};
use super::mac::Mac;
use super::reference::Machine;
use super::{callers, holds};

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

/// A search for copies in one file.
pub(super) struct Copies<'a> {
    bytes: &'a Bytes<'a>,
    code: &'a [Place],
    pieces: Vec<Piece<'a>>,
    candidates: u32,
}

impl<'a> Copies<'a> {
    pub(super) fn new(
        bytes: &'a Bytes<'a>,
        code: &'a [Place],
        known: Vec<&'a Fingerprint>,
    ) -> Self {
        Copies {
            bytes,
            code,
            pieces: known.into_iter().flat_map(pieces).collect(),
            candidates: CANDIDATES,
        }
    }

    /// Adds the copies in `place` to those that were `found`, until `enough` says so.
    pub(super) fn find(
        &mut self,
        place: Place,
        found: &mut Vec<Located>,
        enough: impl Fn(&[Located]) -> bool,
    ) -> io::Result<()> {
        let longest = self.pieces.iter().map(|piece| piece.finder.needle().len());
        let longest = longest.max().unwrap_or(0);
        let mut failed = Ok(());
        let bytes = self.bytes;
        bytes.search(place, longest, |offset, window| {
            failed = self.inside((offset, window), found, &enough);
            failed.is_err() || self.candidates == 0 || enough(found)
        })?;
        failed
    }

    /// Looks at every piece in one window of the file.
    fn inside(
        &mut self,
        (offset, window): (u64, &[u8]),
        found: &mut Vec<Located>,
        enough: impl Fn(&[Located]) -> bool,
    ) -> io::Result<()> {
        for piece in &self.pieces {
            for hit in piece.finder.find_iter(window) {
                let start = (offset + hit as u64).checked_add_signed(-piece.at);
                let fresh = |start: &u64| !found.iter().any(|one| holds(one.place, *start));
                let Some(start) = start.filter(fresh) else {
                    continue;
                };
                if self.candidates == 0 || enough(found) {
                    return Ok(());
                }
                self.candidates -= 1;
                if stands(self.bytes, piece.row, start)? {
                    found.push(self.located(piece.row, start)?);
                }
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

fn at(bytes: &Bytes<'_>, start: u64, distance: i64, len: usize) -> io::Result<Vec<u8>> {
    match start.checked_add_signed(distance) {
        Some(offset) => bytes.window(Place {
            offset,
            len: len as u64,
        }),
        None => Ok(Vec::new()),
    }
}
