//! The blocks of a tar stream.

use std::io::{self, Read};

use ::tar::Header;

use super::cut;

pub(super) const BLOCK: usize = 512;

/// Returns true if a block has the checksum of a tar header.
pub(in crate::image) fn is_header(start: &[u8]) -> bool {
    let Some(block) = start.first_chunk::<BLOCK>() else {
        return false;
    };
    let (unsigned, signed) = checksums(block);
    let stored = Header::from_byte_slice(block).cksum().ok();
    stored.is_some_and(|stored| stored == unsigned || i64::from(stored) == signed)
}

/// Returns the reason why tar readers disagree about the name in a header, if they do.
pub(super) fn disputed(block: &[u8; BLOCK]) -> Option<&'static str> {
    const USTAR: &[u8] = b"ustar\0";
    const GNU: &[u8] = b"ustar  \0";
    let prefix = &block[345..500];
    let magic = &block[257..265];
    // The prefix field of star is shorter.
    let star = &block[508..512] == b"tar\0" && !prefix[..131].contains(&0);
    if magic.starts_with(USTAR) && prefix[0] != 0 && (star || &magic[6..] != b"00") {
        return Some("its header has a prefix that not every reader puts in front of its name");
    }
    // GNU stores times in this field. If they are not numbers, Go's reader treats the field as a
    // prefix.
    let times = [&prefix[..12], &prefix[12..24]];
    if magic == GNU && times.into_iter().any(|time| !is_time(time)) {
        return Some("its header has a time that is not a number");
    }
    None
}

/// Returns true if Go's reader accepts a field as a time: empty, octal digits, or a 64-bit integer
/// in base 256.
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

/// Returns the sum of the bytes of a header, with the checksum field counted as spaces: of unsigned
/// bytes, and of signed bytes, which some old programs use.
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

/// Fills `buffer`. Returns false if the stream ends before the first byte.
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
