//! The three sequences by which `crypto/internal/boring/sig` marks amd64 code: functions that jump over an
//! indicator and 24 random bytes to their return instruction.

use std::io;

use memchr::memmem::Finder;

use super::anywhere;
use crate::bytes::Bytes;
use crate::elf::Layout;
use crate::{Names, Place, Signatures};

/// The start of each sequence: the jump and the indicator.
const START: &[u8; 7] = b"\xeb\x1d\xf4\x48\xf4\x4b\xf4";
const LEN: usize = 32;
const BORING: &[u8; 24] =
    b"\xb3\x32\xf5\x28\x13\xa3\xb4\x50\xd4\x41\xcc\x24\x85\xf0\x01\x45\x4e\x92\x10\x1b\x1d\x2f\x19\x50";
const STANDARD: &[u8; 24] =
    b"\xba\xee\x4d\xfa\x98\x51\xca\x56\xa9\x11\x45\xe8\x3e\x99\xc5\x9c\xf9\x11\xcb\x8e\x80\xda\xf1\x2f";
const FIPS_ONLY: &[u8; 24] =
    b"\x36\x3c\xb9\xce\x9d\x68\x04\x7d\x31\xf2\x8d\x32\x5d\x5c\xa5\x87\x3f\x5d\x80\xca\xf6\xd6\x15\x1b";
const RETURN: u8 = 0xc3;

/// Searches the code until every sequence is found that has a function name. Searches all of the code if there are
/// no such names.
pub(super) fn read(
    bytes: &Bytes<'_>,
    layout: Option<&Layout>,
    names: Option<&Names>,
) -> io::Result<Signatures> {
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
            names.is_some_and(|names| found.keeps(names))
        })?;
    }
    Ok(found)
}

impl Signatures {
    /// Checks whether there is at least one function with such a name, and the sequence of each of them was found.
    fn keeps(&self, names: &Names) -> bool {
        let kept = [
            (names.boring, self.boring),
            (names.standard, self.standard),
            (names.fipsonly, self.fipsonly),
        ];
        kept.iter().any(|(named, _)| *named)
            && kept.iter().all(|(named, found)| !named || found.is_some())
    }

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{SHAPES, Sample, at};

    type Slot = fn(&Signatures) -> Option<Place>;

    fn code(random: &[u8; 24]) -> Vec<u8> {
        [&START[..], random, &[RETURN]].concat()
    }

    fn found(file: &[u8]) -> Signatures {
        let bytes = Bytes::new(&file, file.len() as u64);
        read(&bytes, Layout::read(&bytes).unwrap().ok().as_ref(), None).unwrap()
    }

    #[test]
    fn each_sequence_is_told_from_the_others_with_and_without_headers() {
        for headers in [true, false] {
            let kinds: [(_, Slot); 3] = [
                (BORING, |found| found.boring),
                (STANDARD, |found| found.standard),
                (FIPS_ONLY, |found| found.fipsonly),
            ];
            for (random, slot) in kinds {
                let text = [&[0x90; 32][..], &code(random)].concat();
                let mut sample = Sample::new(SHAPES[0]).text(".text", 0x40_1000, &text);
                (sample.section_headers, sample.program_headers) = (headers, headers);
                let file = sample.build();
                let place = slot(&found(&file)).unwrap();
                assert_eq!(at(&file, place), code(random));
                let all = kinds.iter().filter_map(|(_, slot)| slot(&found(&file)));
                assert_eq!(all.count(), 1);
            }
        }
    }

    #[test]
    fn the_search_ends_with_what_the_names_promise() {
        let pause = vec![0x90; 1 << 20];
        let text = [
            &code(BORING),
            &pause[..],
            &code(FIPS_ONLY),
            &pause,
            &code(STANDARD),
        ]
        .concat();
        let file = Sample::new(SHAPES[0])
            .text(".text", 0x40_1000, &text)
            .build();
        let bytes = Bytes::new(&file, file.len() as u64);
        let layout = Layout::read(&bytes).unwrap().unwrap();
        for (boring, fipsonly, standard, expected) in [
            (true, false, false, [true, false, false]),
            (true, true, false, [true, true, false]),
            (false, true, false, [true, true, false]),
            (true, true, true, [true, true, true]),
            (false, false, false, [true, true, true]),
        ] {
            let names = Names {
                boring,
                standard,
                fipsonly,
                ..Names::default()
            };
            let found = read(&bytes, Some(&layout), Some(&names)).unwrap();
            let found = [found.boring, found.fipsonly, found.standard];
            assert_eq!(found.map(|place| place.is_some()), expected);
        }
    }

    #[test]
    fn only_whole_and_aligned_code_counts() {
        let whole = code(BORING);
        let mut flipped = whole.clone();
        flipped[20] ^= 1;
        let mut open = whole.clone();
        open[31] = 0x90;
        for text in [
            [&[0; 8][..], &whole].concat(),
            flipped,
            open,
            whole[..31].to_vec(),
        ] {
            let file = Sample::new(SHAPES[0])
                .text(".text", 0x40_1000, &text)
                .build();
            assert_eq!(found(&file), Signatures::default());
        }
        let file = Sample::new(SHAPES[0])
            .rodata(".rodata", 0x40_1000, &whole)
            .text(".text", 0, b"x")
            .build();
        assert_eq!(found(&file), Signatures::default());
    }
}
