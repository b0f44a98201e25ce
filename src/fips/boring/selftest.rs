//! Modules that nobody measured, found by their own integrity test: its code names the module's first
//! byte, its last byte and where the value is stored, and three places for which that holds are no accident.

use std::io;

use memchr::memmem::Finder;

use super::super::bytes::Bytes;
use super::super::elf::Layout;
use super::super::fingerprint::{Algorithm, Hex};
use super::super::{Integrity, Located, Place};
use super::mac::Mac;
use super::reference::{Machine, Reference};
use super::{between, callers, clip, word};

/// What the test gives to its report; the module's own constants hold it.
pub(in super::super) const TEXT: &str = "FIPS integrity test";

/// How far from its text the code of the test is looked for.
const REACH: u64 = 8 << 20;

/// How far from the reference to the text the test names its places.
const TEST: u64 = 0xa00;

/// Below this nothing is a module: the tables of AES and P-256 alone are larger.
const SMALLEST: u64 = 128 << 10;

/// Modules grow; those that used SHA-512 are all before 2022.
const fn largest(algorithm: Algorithm) -> u64 {
    match algorithm {
        Algorithm::Sha256 => 16 << 20,
        Algorithm::Sha512 => 2 << 20,
    }
}

/// Texts that are looked at in one file, and tests for each of them.
pub(super) const TEXTS: usize = 8;
const SITES: usize = 16;

/// What may be read and hashed for one file, in bytes; an honest module takes a tenth.
pub(super) const WORK: u64 = 256 << 20;

/// Bytes of the table of addresses in which those of one test stand.
const TABLE: u64 = 1 << 20;

/// What it costs to end an HMAC and compare its value, in bytes that could be hashed instead.
const COMPARISON: u64 = 4 << 10;

/// A search that ends.
pub(super) struct Search<'a> {
    bytes: &'a Bytes<'a>,
    layout: Option<&'a Layout>,
    code: &'a [Place],
    machine: Machine,
    work: u64,
    /// Not everything was looked at, since that would have been too much work.
    gave_up: bool,
    /// Texts of tests that code refers to, and no module was found for.
    pub unmatched: Vec<Place>,
}

impl<'a> Search<'a> {
    /// `work` is what may be read and hashed, in bytes.
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

    /// The module whose integrity test reports by the text at `text`.
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

    /// Where `code` refers to `text`.
    fn sites(&self, code: &[u8], offset: u64, text: u64) -> Vec<u64> {
        let mut sites = Vec::new();
        self.machine.references(code, offset, |reference| {
            if reference.to == text && sites.len() < SITES {
                sites.push(reference.from);
            }
        });
        sites
    }

    /// What the code around `site` refers to, in order: by itself, through functions that only return an
    /// address, and through the table of addresses that the loader fills.
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

    /// Where the byte stands in the file that `reference` leads to. Segments can be loaded further from each
    /// other than they stand in the file.
    fn offset(&self, reference: Reference) -> Option<u64> {
        let Some(layout) = self.layout.filter(|layout| !layout.segments.is_empty()) else {
            return Some(reference.to);
        };
        let base = layout.address(reference.from)?.wrapping_sub(reference.from);
        layout.offset(base.wrapping_add(reference.to))
    }

    /// Where the addresses lead to that the loader writes into `slots`.
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

    /// The range between two of `targets` whose HMAC stands at a third. The test and its text lie `inside`.
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

    /// What stands at `targets`: one of them is the stored value.
    fn stored(&self, targets: &[u64], algorithm: Algorithm) -> io::Result<Vec<Vec<u8>>> {
        let len = algorithm.len() as u64;
        let values = targets
            .iter()
            .map(|&offset| self.bytes.window(Place { offset, len }));
        values.collect()
    }

    /// Hashes forward through `ends`, so that each byte is hashed once for all of them.
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

    /// Whether this much work may still be done.
    fn pay(&mut self, cost: u64) -> bool {
        let left = self.work.checked_sub(cost);
        self.work = left.unwrap_or(0);
        self.gave_up |= left.is_none();
        left.is_some()
    }
}

/// Where the text stands in `code`.
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

/// Those of `targets` at which a module can end that begins with `within` and holds `inside`.
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
