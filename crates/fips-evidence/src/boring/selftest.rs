//! Finds modules that were not measured, through their own integrity test: the code of the test refers to the module's
//! first byte, to its last byte and to the stored value. Three places that fit together like this are not a
//! coincidence.

use std::io;

use memchr::memmem::Finder;

use super::super::bytes::Bytes;
use super::super::elf::Layout;
use super::super::fingerprint::{Algorithm, Hex};
use super::super::{Integrity, Located, Place};
use super::mac::Mac;
use super::reference::{Machine, Reference};
use super::{between, callers, clip, word};

/// The text that the test passes to its failure report; it is among the module's own constants.
pub(in super::super) const TEXT: &str = "FIPS integrity test";

/// Maximum distance between the text and the code of the test, in bytes.
const REACH: u64 = 8 << 20;

/// Maximum distance between the reference to the text and the test's other references, in bytes.
const TEST: u64 = 0xa00;

/// Minimum size of a module: the tables of AES and P-256 alone are larger.
const SMALLEST: u64 = 128 << 10;

/// Returns the maximum size of a module. Modules grow over time; all modules with SHA-512 are older than 2022.
const fn largest(algorithm: Algorithm) -> u64 {
    match algorithm {
        Algorithm::Sha256 => 16 << 20,
        Algorithm::Sha512 => 2 << 20,
    }
}

/// Maximum number of texts per file, and of references to each of them, that are examined.
pub(super) const TEXTS: usize = 8;
const SITES: usize = 16;

/// Maximum number of bytes that are read and hashed for one file; a genuine module needs a tenth of it.
pub(super) const WORK: u64 = 256 << 20;

/// Maximum distance between the slots that are read together from the table of addresses, in bytes.
const TABLE: u64 = 1 << 20;

/// Cost of finishing an HMAC and comparing its value, as the number of bytes that cost the same to hash.
const COMPARISON: u64 = 4 << 10;

/// A search with a limited amount of work.
pub(super) struct Search<'a> {
    bytes: &'a Bytes<'a>,
    layout: Option<&'a Layout>,
    code: &'a [Place],
    machine: Machine,
    work: u64,
    /// Whether something was skipped because it would have exceeded the limit.
    gave_up: bool,
    /// Texts of tests that code refers to, but for which no module was found.
    pub unmatched: Vec<Place>,
}

impl<'a> Search<'a> {
    /// Starts a search. `work` is the number of bytes that may be read and hashed.
    pub(super) fn new(
        bytes: &'a Bytes<'a>,
        layout: Option<&'a Layout>,
        code: &'a [Place],
        machine: Machine,
        work: u64,
    ) -> Self {
        Search {
            bytes,
            layout,
            code,
            machine,
            work,
            gave_up: false,
            unmatched: Vec::new(),
        }
    }

    /// Finds the module with the integrity test that refers to the text at offset `text`.
    pub(super) fn module(&mut self, text: u64) -> io::Result<Option<Located>> {
        let mut tested = false;
        for &place in self.code {
            let window = clip(
                place,
                text.saturating_sub(REACH),
                text.saturating_add(REACH),
            );
            if text < place.offset || window.len == 0 || !self.pay(window.len) {
                continue;
            }
            let code = self.bytes.window(window)?;
            for site in self.sites(&code, window.offset, text) {
                tested = true;
                let targets = self.targets(&code, window.offset, site)?;
                let inside = (site.min(text), site.max(text));
                let module = self.sealed(&targets, inside, place)?;
                if module.is_some() {
                    return Ok(module);
                }
            }
        }
        if tested && !self.gave_up {
            self.unmatched.push(Place {
                offset: text,
                len: TEXT.len() as u64,
            });
        }
        Ok(None)
    }

    /// Returns the offsets at which `code` refers to `text`.
    fn sites(&self, code: &[u8], offset: u64, text: u64) -> Vec<u64> {
        let mut sites = Vec::new();
        self.machine.references(code, offset, |reference| {
            if reference.to == text && sites.len() < SITES {
                sites.push(reference.from);
            }
        });
        sites
    }

    /// Returns the offsets that the code around `site` refers to, in order: directly, through functions that only
    /// return an address, and through the table of addresses that the loader fills in.
    fn targets(&mut self, code: &[u8], offset: u64, site: u64) -> io::Result<Vec<u64>> {
        let index = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(code.len());
        let from = site.saturating_sub(TEST).max(offset);
        let around = &code[index(from - offset)..index((site - offset).saturating_add(TEST))];
        let mut parts = vec![(around, from)];
        self.machine.calls(around, from, |call| {
            let getter = call.to.checked_sub(offset).map(|at| &code[index(at)..]);
            let getter = getter.and_then(|code| self.machine.address_getter(code));
            parts.extend(getter.map(|body| (body, call.to)));
        });
        let (mut targets, mut slots) = (Vec::new(), Vec::new());
        for (part, at) in parts {
            self.machine.references(part, at, |reference| {
                targets.extend(self.offset(reference));
            });
            self.machine
                .loads(part, at, |reference| slots.extend(self.offset(reference)));
        }
        targets.extend(self.loaded(slots)?);
        targets.sort_unstable();
        targets.dedup();
        Ok(targets)
    }

    /// Returns the file offset that `reference` leads to. The distance between two segments can be larger in memory
    /// than in the file.
    fn offset(&self, reference: Reference) -> Option<u64> {
        let Some(layout) = self.layout.filter(|layout| !layout.segments.is_empty()) else {
            return Some(reference.to);
        };
        let base = layout.address(reference.from)?.wrapping_sub(reference.from);
        layout.offset(base.wrapping_add(reference.to))
    }

    /// Returns the file offsets of the addresses that the loader writes into `slots`.
    fn loaded(&mut self, mut slots: Vec<u64>) -> io::Result<Vec<u64>> {
        slots.sort_unstable();
        slots.dedup();
        let mut targets = Vec::new();
        let Some(layout) = self.layout else {
            return Ok(targets);
        };
        let word = u64::from(layout.bits / 8).max(1);
        let relocations = layout.relocations.map_or(0, |table| table.len);
        let mut slots = &slots[..];
        while let Some(&first) = slots.first() {
            let (near, rest) = slots.split_at(slots.partition_point(|slot| slot - first < TABLE));
            slots = rest;
            let place = between(first, near.last().unwrap_or(&first) + word);
            if !self.pay(place.len.saturating_add(relocations)) {
                break;
            }
            let words = layout.words(self.bytes, place)?;
            let index = |slot: &u64| usize::try_from((slot - first) / word).unwrap_or(usize::MAX);
            let addresses = near.iter().filter_map(|slot| words.get(index(slot)));
            targets.extend(addresses.filter_map(|address| layout.offset(*address)));
        }
        Ok(targets)
    }

    /// Returns the module between two of `targets` if its HMAC is stored at a third one. The module must contain
    /// the test and its text, which are the bounds in `inside`.
    fn sealed(
        &mut self,
        targets: &[u64],
        inside: (u64, u64),
        place: Place,
    ) -> io::Result<Option<Located>> {
        for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
            let stored = self.stored(targets, algorithm)?;
            for &start in targets.iter().filter(|&&start| start >= place.offset) {
                let within = clip(place, start, start.saturating_add(largest(algorithm)));
                let ends = ends(targets, inside, within);
                if let Some((end, value)) = self.sealed_from(start, ends, algorithm, &stored)? {
                    let place = Place {
                        offset: start,
                        len: end - start,
                    };
                    return self.located(place, algorithm, value).map(Some);
                }
            }
        }
        Ok(None)
    }

    /// Returns the bytes at each of `targets`: one of them is the stored value.
    fn stored(&self, targets: &[u64], algorithm: Algorithm) -> io::Result<Vec<Vec<u8>>> {
        let len = algorithm.len() as u64;
        let values = targets
            .iter()
            .map(|&offset| self.bytes.window(Place { offset, len }));
        values.collect()
    }

    /// Hashes from `start` through all of `ends`, so that each byte is hashed only once.
    fn sealed_from(
        &mut self,
        start: u64,
        ends: &[u64],
        algorithm: Algorithm,
        stored: &[Vec<u8>],
    ) -> io::Result<Option<(u64, Vec<u8>)>> {
        let mut mac = Mac::new(algorithm);
        let mut offset = start;
        for &end in ends {
            let len = end - offset;
            if !self.pay(len + COMPARISON) {
                break;
            }
            self.bytes
                .stream(Place { offset, len }, |piece| mac.update(piece))?;
            let value = mac.clone().value();
            if stored.contains(&value) {
                return Ok(Some((end, value)));
            }
            offset = end;
        }
        Ok(None)
    }

    fn located(&self, place: Place, algorithm: Algorithm, value: Vec<u8>) -> io::Result<Located> {
        let module = self.bytes.window(place)?;
        let family = word::family(&module);
        Ok(Located {
            family,
            place,
            algorithm: algorithm.to_string(),
            stored: Hex::from(value).to_string(),
            integrity: Integrity::Holds,
            fingerprint: None,
            version: word::version(&module, family, self.machine),
            called: callers::find(self.bytes, self.code, self.machine, place)?,
        })
    }

    /// Takes `cost` from the remaining work, and returns false if it does not suffice.
    fn pay(&mut self, cost: u64) -> bool {
        let left = self.work.checked_sub(cost);
        self.work = left.unwrap_or(0);
        self.gave_up |= left.is_none();
        left.is_some()
    }
}

/// Returns the offsets of the text in `code`.
pub(super) fn texts(bytes: &Bytes<'_>, code: &[Place]) -> io::Result<Vec<u64>> {
    let finder = Finder::new(TEXT);
    let mut texts = Vec::new();
    for &place in code {
        bytes.search(place, TEXT.len(), |offset, piece| {
            texts.extend(finder.find_iter(piece).map(|at| offset + at as u64));
            texts.len() >= TEXTS
        })?;
    }
    texts.dedup();
    texts.truncate(TEXTS);
    Ok(texts)
}

/// Returns those of `targets` at which a module can end that starts at `within` and contains `inside`.
fn ends(targets: &[u64], inside: (u64, u64), within: Place) -> &[u64] {
    let start = within.offset;
    if start > inside.0 {
        return &[];
    }
    let smallest = start.saturating_add(SMALLEST).max(inside.1);
    let last = start.saturating_add(within.len);
    let from = targets.partition_point(|&end| end <= smallest);
    let to = targets.partition_point(|&end| end <= last);
    targets.get(from..to).unwrap_or_default()
}
