//! Words that the loader writes: the addends of a relocatable program.

use std::io;

use object::Endianness;
use object::pod;
use object::read::elf::{FileHeader, Rela as _};

use super::Layout;
use crate::Place;
use crate::bytes::{Bytes, WINDOW_LIMIT};

/// Number of entries that are read at a time.
const STEP: u64 = 8192;

/// Returns the words as they are in the file. Where the addends are stored in the relocated words themselves (386,
/// arm, mips, and packed tables), these words are already the addresses.
pub(super) fn stored(layout: &Layout, bytes: &[u8]) -> Vec<u64> {
    let word = |word: &[u8]| {
        let bits = word.iter().map(|byte| u64::from(*byte));
        if layout.big_endian {
            bits.fold(0, |value, byte| value << 8 | byte)
        } else {
            bits.rev().fold(0, |value, byte| value << 8 | byte)
        }
    };
    bytes
        .chunks_exact(usize::from(layout.bits / 8))
        .map(word)
        .collect()
}

/// Applies the relocations of `table` to `words`, the first of which is at the address `start`.
pub(super) fn apply<H: FileHeader<Endian = Endianness>>(
    bytes: &Bytes<'_>,
    table: Place,
    endian: Endianness,
    (start, words): (u64, &mut [u64]),
) -> io::Result<()> {
    let entry = size_of::<H::Rela>() as u64;
    let word = if H::is_type_64_sized() { 8 } else { 4 };
    let end = table.offset.saturating_add(table.len.min(WINDOW_LIMIT));
    let mut offset = table.offset;
    while offset < end {
        let len = (end - offset).min(STEP * entry);
        let window = bytes.window(Place { offset, len })?;
        let count = window.len() / size_of::<H::Rela>();
        let Ok((entries, _)) = pod::slice_from_bytes::<H::Rela>(&window, count) else {
            break;
        };
        for rela in entries {
            let at: u64 = rela.r_offset(endian).into();
            let Some(inside) = at.checked_sub(start) else {
                continue;
            };
            let index = usize::try_from(inside / word).unwrap_or(usize::MAX);
            if let Some(word) = words.get_mut(index)
                && rela.symbol(endian, false).is_none()
            {
                let addend: i64 = rela.r_addend(endian).into();
                *word = addend.cast_unsigned();
            }
        }
        offset = offset.saturating_add(len);
    }
    Ok(())
}
