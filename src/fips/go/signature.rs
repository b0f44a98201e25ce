//! The three sequences by which `crypto/internal/boring/sig` marks amd64 code: functions that jump
//! over an indicator and 24 random bytes to their return.

use std::io;

use memchr::memmem::Finder;

use super::anywhere;
use crate::fips::bytes::Bytes;
use crate::fips::elf::Layout;
use crate::fips::{Place, Signatures};

/// How each of them begins: the jump and the indicator.
const START: &[u8; 7] = b"\xeb\x1d\xf4\x48\xf4\x4b\xf4";
const LEN: usize = 32;
const BORING: &[u8; 24] =
    b"\xb3\x32\xf5\x28\x13\xa3\xb4\x50\xd4\x41\xcc\x24\x85\xf0\x01\x45\x4e\x92\x10\x1b\x1d\x2f\x19\x50";
const STANDARD: &[u8; 24] =
    b"\xba\xee\x4d\xfa\x98\x51\xca\x56\xa9\x11\x45\xe8\x3e\x99\xc5\x9c\xf9\x11\xcb\x8e\x80\xda\xf1\x2f";
const FIPS_ONLY: &[u8; 24] =
    b"\x36\x3c\xb9\xce\x9d\x68\x04\x7d\x31\xf2\x8d\x32\x5d\x5c\xa5\x87\x3f\x5d\x80\xca\xf6\xd6\x15\x1b";
const RETURN: u8 = 0xc3;

pub(super) fn read(bytes: &Bytes<'_>, layout: Option<&Layout>) -> io::Result<Signatures> {
    let text = layout.and_then(|layout| layout.section(".text"));
    let places = match text {
        Some(section) => vec![section.place],
        None => anywhere(bytes, layout, |segment| segment.executable),
    };
    let finder = Finder::new(START);
    let mut found = Signatures::default();
    for place in places {
        bytes.search(place, LEN, |start, piece| {
            for at in finder.find_iter(piece) {
                let offset = start + at as u64;
                if let Some(code) = piece
                    .get(at..at + LEN)
                    .filter(|_| offset.is_multiple_of(16))
                {
                    found.take(
                        code,
                        Place {
                            offset,
                            len: LEN as u64,
                        },
                    );
                }
            }
            false
        })?;
    }
    Ok(found)
}

impl Signatures {
    fn take(&mut self, code: &[u8], place: Place) {
        let slot = match code.get(START.len()..) {
            Some([random @ .., RETURN]) if random == BORING => &mut self.boring,
            Some([random @ .., RETURN]) if random == STANDARD => &mut self.standard,
            Some([random @ .., RETURN]) if random == FIPS_ONLY => &mut self.fipsonly,
            _ => return,
        };
        slot.get_or_insert(place);
    }
}
