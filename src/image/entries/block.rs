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

/// Why readers give the entry of a header different names, where they do.
pub(super) fn disputed(block: &[u8; BLOCK]) -> Option<&'static str> {
    const USTAR: &[u8] = b"ustar\0";
    const GNU: &[u8] = b"ustar  \0";
    let prefix = &block[345..500];
    let magic = &block[257..265];
    // star ends the prefix earlier.
    let star = &block[508..512] == b"tar\0" && !prefix[..131].contains(&0);
    if magic.starts_with(USTAR) && prefix[0] != 0 && (star || &magic[6..] != b"00") {
        return Some("its header has a prefix that not every reader puts in front of its name");
    }
    // Where the times that GNU keeps in that place are none, Go takes it for a prefix.
    let times = [&prefix[..12], &prefix[12..24]];
    if magic == GNU && times.into_iter().any(|time| !is_time(time)) {
        return Some("its header has a time that is not a number");
    }
    None
}

/// Whether a field is a number of seconds to Go: none, octal digits, or the bytes of a 64-bit integer.
fn is_time(field: &[u8]) -> bool {
    let (first, rest) = (field[0], &field[1..]);
    match first {
        0 => true,
        0x80 => rest[..3] == [0; 3] && rest[3] < 0x80,
        0xff => rest[..3] == [0xff; 3] && rest[3] >= 0x80,
        _ => {
            let end = field.iter().position(|byte| *byte == 0);
            let text = &field[..end.unwrap_or(field.len())];
            let mut digits = text.split(|byte| *byte == b' ').filter(|it| !it.is_empty());
            let number = digits.next().unwrap_or_default();
            digits.next().is_none() && number.iter().all(|byte| matches!(byte, b'0'..=b'7'))
        }
    }
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
