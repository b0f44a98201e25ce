//! Modules that nobody measured, found by their own integrity test: its code names the module's first
//! byte, its last byte and where the value is stored, and three places for which that holds are no accident.

use std::io;

use memchr::memmem::Finder;

use super::super::bytes::Bytes;
use super::super::fingerprint::{Algorithm, Hex};
use super::super::{Integrity, Located, Place};
use super::mac::Mac;
use super::reference::Machine;
use super::word;

/// What the test gives to its report; the module's own constants hold it.
pub(in super::super) const TEXT: &str = "FIPS integrity test";

/// How far from its text the code of the test is looked for.
const REACH: u64 = 8 << 20;

/// How far from the reference to the text the test names its places.
const TEST: u64 = 0xa00;

/// Below this nothing is a module: the tables of AES and P-256 alone are larger.
const SMALLEST: u64 = 128 << 10;
const LARGEST: u64 = 16 << 20;

/// Tests that are looked at for one text.
const SITES: usize = 16;

/// What may be read and hashed for one file, in bytes.
const WORK: u64 = 512 << 20;

/// What it costs to end an HMAC and compare its value, in bytes that could be hashed instead.
const COMPARISON: u64 = 4 << 10;

/// A search that ends.
pub(super) struct Search<'a> {
    bytes: &'a Bytes<'a>,
    code: &'a [Place],
    machine: Machine,
    work: u64,
}

impl<'a> Search<'a> {
    pub(super) fn new(bytes: &'a Bytes<'a>, code: &'a [Place], machine: Machine) -> Self {
        Search {
            bytes,
            code,
            machine,
            work: WORK,
        }
    }

    /// The module whose integrity test reports by the text at `text`.
    pub(super) fn module(&mut self, text: u64) -> io::Result<Option<Located>> {
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
                let targets = self.targets(&code, window.offset, site);
                let module = self.sealed(&targets, place)?;
                if module.is_some() {
                    return Ok(module);
                }
            }
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

    /// What the code around `site` refers to, in order.
    fn targets(&self, code: &[u8], offset: u64, site: u64) -> Vec<u64> {
        let index = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(code.len());
        let from = site.saturating_sub(TEST).max(offset);
        let around = &code[index(from - offset)..index((site - offset).saturating_add(TEST))];
        let mut targets = Vec::new();
        self.machine
            .references(around, from, |reference| targets.push(reference.to));
        targets.sort_unstable();
        targets.dedup();
        targets
    }

    /// The range between two of `targets` whose HMAC stands at a third.
    fn sealed(&mut self, targets: &[u64], place: Place) -> io::Result<Option<Located>> {
        for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
            let mut stored = Vec::with_capacity(targets.len());
            for &offset in targets {
                let len = algorithm.len() as u64;
                stored.push(self.bytes.window(Place { offset, len })?);
            }
            for &start in targets {
                let ends = ends(targets, start, place);
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
        })
    }

    /// Whether this much work may still be done.
    fn pay(&mut self, cost: u64) -> bool {
        let left = self.work.checked_sub(cost);
        self.work = left.unwrap_or(0);
        left.is_some()
    }
}

/// Where the text stands in `code`, the first of them.
pub(super) fn texts(bytes: &Bytes<'_>, code: &[Place]) -> io::Result<Vec<u64>> {
    let finder = Finder::new(TEXT);
    let mut texts = Vec::new();
    for &place in code {
        texts.extend(bytes.find(&finder, place)?);
    }
    Ok(texts)
}

fn clip(place: Place, from: u64, to: u64) -> Place {
    let start = place.offset.max(from);
    let end = place.offset.saturating_add(place.len).min(to);
    Place {
        offset: start,
        len: end.saturating_sub(start),
    }
}

/// Those of `targets` at which a module can end that begins at `start`.
fn ends(targets: &[u64], start: u64, place: Place) -> &[u64] {
    let last = place.offset.saturating_add(place.len);
    if start < place.offset {
        return &[];
    }
    let from = targets.partition_point(|&end| end <= start.saturating_add(SMALLEST));
    let to = targets.partition_point(|&end| end <= start.saturating_add(LARGEST).min(last));
    targets.get(from..to).unwrap_or_default()
}
