//! The GODEBUG that the runtime begins with, by the code that reads it.
//!
//! The linker sets the variable `runtime.godebugDefault`. Its name is gone in a program without symbols, but a
//! function of the runtime that every program has reads it: the variable is what that function loads as a string,
//! two words that follow each other.

use std::io;

use super::coverage::Ahead;
use super::{ENTRY, Functions};
use crate::fips::bytes::Bytes;
use crate::fips::elf::Layout;
use crate::fips::{Arch, Place};

/// The function that reads it.
pub(super) const READER: &[u8] = b"runtime.godebugNotify";

/// Bytes of that function that are looked at: it has fewer than two hundred.
const CODE_LIMIT: u64 = 4 << 10;

/// Bytes of a GODEBUG: there are fewer than a hundred settings.
const TEXT_LIMIT: u64 = 4 << 10;

/// Bytes of `mov reg, [rip + distance]`.
const LOAD: usize = 7;

impl Functions {
    /// The text of the variable, empty where the linker did not set it; none where the variable could not be
    /// located, as on every architecture but amd64.
    pub(in crate::fips::go) fn godebug(
        &self,
        bytes: &Bytes<'_>,
        layout: &Layout,
    ) -> io::Result<Option<String>> {
        if layout
            .arch
            .as_ref()
            .is_none_or(|Arch(name)| name != "amd64")
        {
            return Ok(None);
        }
        let Some((start, code)) = self.reader(bytes, layout)? else {
            return Ok(None);
        };
        let mut found: Option<String> = None;
        for variable in variables(&bytes.window(code)?, start) {
            match text(bytes, layout, variable)? {
                Text::Other => {}
                // Two texts: which of them is meant is not known.
                Text::Of(text)
                    if found
                        .as_ref()
                        .is_some_and(|one| !one.is_empty() && *one != text) =>
                {
                    return Ok(None);
                }
                Text::Of(text) => found = Some(text),
                Text::Empty => {
                    found.get_or_insert_default();
                }
            }
        }
        Ok(found)
    }

    /// The address of the function that reads it, and where its code stands.
    fn reader(&self, bytes: &Bytes<'_>, layout: &Layout) -> io::Result<Option<(u64, Place)>> {
        let (Some(wanted), Some(entries), Some(text)) =
            (self.reader, self.table.entries, self.text)
        else {
            return Ok(None);
        };
        let words = self.table.words;
        let len = self.table.functions.saturating_mul(ENTRY);
        let window = bytes.window(Place {
            offset: entries,
            len,
        })?;
        let (numbers, _) = window.as_chunks();
        let mut ahead = Ahead::new(bytes);
        for entry in numbers.chunks_exact(2) {
            let (at, data) = (words.four(entry[0]), words.four(entry[1]));
            let name = ahead.four(entries.saturating_add(data).saturating_add(4))?;
            if name.map(|name| words.four(name)) == Some(wanted) {
                let start = text.saturating_add(at);
                let code = layout
                    .range(start, start.saturating_add(1))
                    .map(|place| Place {
                        len: CODE_LIMIT,
                        ..place
                    });
                return Ok(code.map(|code| (start, code)));
            }
        }
        Ok(None)
    }
}

/// What stands at the address of a string.
enum Text {
    /// No text is there, so that the loader leaves zeros.
    Empty,
    Of(String),
    /// Something that is no string.
    Other,
}

/// Where code at the address `start` loads two words that follow each other, one load after the other, up to the
/// padding after the function.
fn variables(code: &[u8], start: u64) -> Vec<u64> {
    let end = memchr::memmem::find(code, &[0xcc; 2]).unwrap_or(code.len());
    let code = &code[..end];
    let target = |at: usize| -> Option<u64> {
        let load = code.get(at..at + LOAD)?;
        let is_load = load[0] & 0xfb == 0x48 && load[1] == 0x8b && load[2] & 0xc7 == 0x05;
        let distance = i32::from_le_bytes(*load.get(3..)?.first_chunk()?);
        let next = start.checked_add((at + LOAD) as u64)?;
        is_load.then(|| next.checked_add_signed(i64::from(distance)))?
    };
    (0..code.len())
        .filter_map(|at| {
            let (first, second) = (target(at)?, target(at + LOAD)?);
            (second == first.checked_add(8)?).then_some(first)
        })
        .collect()
}

fn text(bytes: &Bytes<'_>, layout: &Layout, address: u64) -> io::Result<Text> {
    let Some(offset) = layout.offset(address) else {
        return Ok(Text::Empty);
    };
    let header = layout.words(bytes, Place { offset, len: 16 })?;
    let [data, len] = header[..] else {
        return Ok(Text::Other);
    };
    if len == 0 {
        return Ok(Text::Empty);
    }
    let place = layout.range(data, data.saturating_add(len));
    let Some(place) = place.filter(|place| place.len <= TEXT_LIMIT) else {
        return Ok(Text::Other);
    };
    let text = String::from_utf8(bytes.window(place)?);
    Ok(match text {
        Ok(text) if text.contains('=') => Text::Of(text),
        _ => Text::Other,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `mov rax, [rip + distance]`, `mov rbx, [rip + distance]`.
    fn loads(distances: [i32; 2]) -> Vec<u8> {
        let [first, second] = distances.map(i32::to_le_bytes);
        [
            &[0x48, 0x8b, 0x05][..],
            &first,
            &[0x48, 0x8b, 0x1d],
            &second,
        ]
        .concat()
    }

    #[test]
    fn finds_two_loads_of_words_that_follow_each_other() {
        let pair = loads([0x100, 0x101]);
        assert_eq!(variables(&pair, 0x1000), [0x1107]);
        let code = [&[0x55, 0x90][..], &pair, &[0xc3, 0xcc, 0xcc], &pair].concat();
        assert_eq!(variables(&code, 0x1000), [0x1109]);
        assert_eq!(variables(&loads([-8, -7]), 0x1000), [0xfff]);
        for distances in [[0x100, 0x109], [0x100, 0xf9], [0x100, 0x100]] {
            assert_eq!(
                variables(&loads(distances), 0x1000),
                [0; 0],
                "{distances:?}"
            );
        }
        // An address of it is no load.
        let mut other = pair;
        other[1] = 0x8d;
        assert_eq!(variables(&other, 0x1000), [0; 0]);
    }
}
