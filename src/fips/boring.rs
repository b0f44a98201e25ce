//! BoringCrypto and its relatives in the code of a program: where the module is, and whether the
//! integrity value that it stores is the one that its bytes give.
//!
//! A module that was measured is found by its bytes, a damaged copy of it too. Any other is found
//! by its own integrity test, whose code names the module's first and last byte.

mod copy;
mod mac;
mod reference;
mod selftest;
mod word;

use std::io;

use super::bytes::Bytes;
use super::elf::Layout;
use super::fingerprint::Fingerprint;
use super::{Arch, Located, Mark, Place};
use reference::Machine;
pub(super) use selftest::TEXT as INTEGRITY_TEST;
use selftest::{Search, TEXTS, WORK};

/// What makes the caller look for a module.
#[derive(Debug, Clone, Copy)]
pub(super) enum Hint<'a> {
    /// Function names of a Go program; no texts were looked for.
    Names,
    /// Texts that were found.
    Marks(&'a [Mark]),
}

/// How far from a text of a module the module itself can reach.
const REACH: u64 = 16 << 20;

/// The modules in the executable part of a program; in the whole file where its headers tell none.
pub(super) fn locate(
    bytes: &Bytes<'_>,
    layout: Option<&Layout>,
    arch: Option<&Arch>,
    known: &[Fingerprint],
    hint: Hint<'_>,
) -> io::Result<Vec<Located>> {
    let code = executable(bytes, layout);
    let known: Vec<&Fingerprint> = known
        .iter()
        .filter(|row| arch.is_none_or(|arch| *arch == row.arch))
        .collect();
    if let Some(copy) = copy::find(bytes, &hint.within(&code), &known)? {
        return Ok(vec![copy]);
    }
    let texts = hint.tests(bytes, &code)?;
    for &machine in Machine::of(arch) {
        let mut search = Search::new(bytes, &code, machine, WORK);
        for &text in &texts {
            if let Some(module) = search.module(text)? {
                return Ok(vec![module]);
            }
        }
    }
    Ok(Vec::new())
}

impl Hint<'_> {
    /// The parts of `code` in which a measured module can be.
    fn within(self, code: &[Place]) -> Vec<Place> {
        let Hint::Marks(marks) = self else {
            return code.to_vec();
        };
        let near = marks.iter().map(|mark| {
            let start = mark.place.offset.saturating_sub(REACH);
            (start, mark.place.offset.saturating_add(REACH))
        });
        let near = merged(near.collect());
        let parts = code.iter().flat_map(|place| {
            let end = place.offset.saturating_add(place.len);
            near.iter().filter_map(move |&(from, to)| {
                let (from, to) = (from.max(place.offset), to.min(end));
                (from < to).then(|| between(from, to))
            })
        });
        parts.collect()
    }

    /// Where integrity tests have their text.
    fn tests(self, bytes: &Bytes<'_>, code: &[Place]) -> io::Result<Vec<u64>> {
        match self {
            Hint::Names => selftest::texts(bytes, code),
            Hint::Marks(marks) => Ok(marks
                .iter()
                .filter(|mark| mark.text == INTEGRITY_TEST)
                .map(|mark| mark.place.offset)
                .take(TEXTS)
                .collect()),
        }
    }
}

fn executable(bytes: &Bytes<'_>, layout: Option<&Layout>) -> Vec<Place> {
    let code = layout.map_or_else(Vec::new, |layout| {
        layout.places(|segment| segment.executable)
    });
    if code.is_empty() {
        return vec![between(0, bytes.size())];
    }
    code
}

fn merged(mut ranges: Vec<(u64, u64)>) -> Vec<(u64, u64)> {
    ranges.sort_unstable();
    let mut merged: Vec<(u64, u64)> = Vec::new();
    for (from, to) in ranges {
        match merged.last_mut() {
            Some(last) if from <= last.1 => last.1 = last.1.max(to),
            _ => merged.push((from, to)),
        }
    }
    merged
}

fn between(from: u64, to: u64) -> Place {
    Place {
        offset: from,
        len: to.saturating_sub(from),
    }
}
