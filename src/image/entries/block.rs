//! The blocks that a tar stream is made of.

use std::io::{self, Read};

use ::tar::Header;

use super::cut;

pub(super) const BLOCK: usize = 512;

/// Whether a block is a header: its checksum is right.
pub(in crate::image) fn is_header(start: &[u8]) -> bool {
    let Some(block) = start.first_chunk::<BLOCK>() else {
        return false;
    };
    let (unsigned, signed) = checksums(block);
    let stored = Header::from_byte_slice(block).cksum().ok();
    stored.is_some_and(|stored| stored == unsigned || i64::from(stored) == signed)
}

/// The sum of a header's bytes, its own place counted as blanks; some old programs took the bytes as signed.
fn checksums(block: &[u8; BLOCK]) -> (u32, i64) {
    let counted = |(at, byte): (usize, &u8)| {
        if (148..156).contains(&at) {
            b' '
        } else {
            *byte
        }
    };
    let bytes = || block.iter().enumerate().map(counted);
    (
        bytes().map(u32::from).sum(),
        bytes().map(|byte| i64::from(byte.cast_signed())).sum(),
    )
}

/// Fills `buffer`; `false` where the stream ends before its first byte.
pub(super) fn fill(input: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    let mut filled = 0;
    while filled < buffer.len() {
        match input.read(&mut buffer[filled..]) {
            Ok(0) if filled == 0 => return Ok(false),
            Ok(0) => return Err(cut()),
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

pub(super) fn skip(input: &mut impl Read, bytes: u64) -> io::Result<()> {
    if io::copy(&mut input.take(bytes), &mut io::sink())? < bytes {
        return Err(cut());
    }
    Ok(())
}
