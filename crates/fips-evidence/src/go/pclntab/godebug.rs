//! Reads the GODEBUG that the runtime starts with, located through the code that reads it.
//!
//! The linker sets the variable `runtime.godebugDefault`. A program without symbols does not contain its name, but
//! every program has a function of the runtime that reads it. The variable is what that function loads as a string:
//! two consecutive words.

use std::io;

use super::coverage::Ahead;
use super::{ENTRY, Functions};
use crate::bytes::Bytes;
use crate::elf::Layout;
use crate::{Arch, Place};

/// Name of the function that reads the variable.
pub(super) const READER: &[u8] = b"runtime.godebugNotify";

/// Maximum number of bytes of that function that are examined: it has fewer than two hundred.
const CODE_LIMIT: u64 = 4 << 10;

/// Maximum size of a GODEBUG in bytes: there are fewer than a hundred settings.
const TEXT_LIMIT: u64 = 4 << 10;

/// Size of `mov reg, [rip + distance]` on amd64 in bytes.
const LOAD: usize = 7;

/// The processors for which the variable can be located in the code. For any other, the result is unknown.
#[derive(Debug, Clone, Copy)]
enum Processor {
    Amd64,
    Arm64,
}

impl Functions {
    /// Returns the text of the variable; empty if the linker did not set it. Returns `None` if the variable could
    /// not be located, which includes every architecture except amd64 and arm64.
    pub(in crate::go) fn godebug(
        &self,
        bytes: &Bytes<'_>,
        layout: &Layout,
    ) -> io::Result<Option<String>> {
        let processor = match layout.arch.as_ref().map(|Arch(name)| name.as_str()) {
            Some("amd64") => Processor::Amd64,
            Some("arm64") => Processor::Arm64,
            _ => return Ok(None),
        };
        let Some((start, code)) = self.reader(bytes, layout)? else {
            return Ok(None);
        };
        let mut found: Option<String> = None;
        for variable in processor.variables(&bytes.window(code)?, start) {
            match text(bytes, layout, variable)? {
                Text::Other => {}
                // There are two different texts, and it is not known which of them is the variable.
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

    /// Returns the address and the position of the code of the function that reads the variable, up to the next
    /// function.
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
        for (index, entry) in numbers.chunks_exact(2).enumerate() {
            let (at, data) = (words.four(entry[0]), words.four(entry[1]));
            let name = ahead.four(entries.saturating_add(data).saturating_add(4))?;
            if name.map(|name| words.four(name)) == Some(wanted) {
                let next = numbers.get(2 * index + 2).map(|next| words.four(*next));
                let len = next.and_then(|next| next.checked_sub(at));
                let start = text.saturating_add(at);
                let code = layout
                    .range(start, start.saturating_add(1))
                    .map(|place| Place {
                        len: len.unwrap_or(CODE_LIMIT).min(CODE_LIMIT),
                        ..place
                    });
                return Ok(code.map(|code| (start, code)));
            }
        }
        Ok(None)
    }
}

/// What is at the address of a string.
enum Text {
    /// No text: the address is not in the file, so that the word is zero in memory, or the length is zero.
    Empty,
    Of(String),
    /// Something that is not a string.
    Other,
}

impl Processor {
    /// Returns the addresses of pairs of consecutive words that the code at address `start` loads, one load after
    /// the other.
    fn variables(self, code: &[u8], start: u64) -> Vec<u64> {
        match self {
            Self::Amd64 => loads_of_amd64(code, start),
            Self::Arm64 => loads_of_arm64(code, start),
        }
    }
}

fn loads_of_amd64(code: &[u8], start: u64) -> Vec<u64> {
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

/// Finds loads of both words at once: `adrp x27, page`, `add x27, x27, #rest`, `ldp x0, x1, [x27]`. Before Go 1.25,
/// each word has its own load: `adrp x27, page`, `ldr x0, [x27, #rest]`. The registers can be different ones.
fn loads_of_arm64(code: &[u8], start: u64) -> Vec<u64> {
    let (words, _) = code.as_chunks();
    let words: Vec<u32> = words.iter().map(|word| u32::from_le_bytes(*word)).collect();
    let pair = |at: usize| -> Option<u64> {
        let (address, page) = page_of_arm64(&words, start, at)?;
        let &[add, load] = words.get(at + 1..at + 3)? else {
            return None;
        };
        let kinds = add & 0xff80_0000 == 0x9100_0000 && load & 0xffc0_0000 == 0xa940_0000;
        let same = [register(add, 5), register(add, 0), register(load, 5)] == [address; 3];
        let shift = if add & 1 << 22 == 0 { 0 } else { 12 };
        let inside = i64::from(load >> 15 & 0x7f) << 57 >> 57;
        let begin = page.checked_add(u64::from(add >> 10 & 0xfff) << shift)?;
        (kinds && same).then(|| begin.checked_add_signed(inside * 8))?
    };
    let single = |at: usize| -> Option<u64> {
        let (address, page) = page_of_arm64(&words, start, at)?;
        let load = *words.get(at + 1)?;
        let is_load = load & 0xffc0_0000 == 0xf940_0000 && register(load, 5) == address;
        is_load.then(|| page.checked_add(u64::from(load >> 10 & 0xfff) * 8))?
    };
    (0..words.len())
        .filter_map(|at| {
            pair(at).or_else(|| {
                let (first, second) = (single(at)?, single(at + 2)?);
                (second == first.checked_add(8)?).then_some(first)
            })
        })
        .collect()
}

/// Decodes `adrp` at this index of the code, and returns its register and its page.
fn page_of_arm64(words: &[u32], start: u64, at: usize) -> Option<(u32, u64)> {
    let word = *words.get(at)?;
    let address = start.checked_add(at as u64 * 4)?;
    // A signed number of 21 bits, in pages of 4 KiB.
    let pages = i64::from((word >> 5 & 0x7_ffff) << 2 | word >> 29 & 3) << 43 >> 43;
    let page = (address & !0xfff).checked_add_signed(pages << 12)?;
    (word & 0x9f00_0000 == 0x9000_0000).then_some((register(word, 0), page))
}

/// Returns the number of the register that an arm64 instruction encodes at this bit.
fn register(word: u32, at: u32) -> u32 {
    word >> at & 0x1f
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

    /// Encodes `mov rax, [rip + distance]`, `mov rbx, [rip + distance]`.
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
        let variables = loads_of_amd64;
        assert_eq!(variables(&pair, 0x1000), [0x1107]);
        let code = [&[0x55, 0x90][..], &pair, &[0xc3]].concat();
        assert_eq!(variables(&code, 0x1000), [0x1109]);
        assert_eq!(variables(&loads([-8, -7]), 0x1000), [0xfff]);
        for distances in [[0x100, 0x109], [0x100, 0xf9], [0x100, 0x100]] {
            assert_eq!(
                variables(&loads(distances), 0x1000),
                [0; 0],
                "{distances:?}"
            );
        }
        // `lea` computes an address and does not load.
        let mut other = pair;
        other[1] = 0x8d;
        assert_eq!(variables(&other, 0x1000), [0; 0]);
    }

    #[test]
    fn finds_load_of_two_words_by_page_of_arm64() {
        let variables = |code: &[u32], start| {
            let code: Vec<u8> = code.iter().flat_map(|word| word.to_le_bytes()).collect();
            loads_of_arm64(&code, start)
        };
        // runtime.godebugNotify of Go 1.26: adrp x27, 52c000; add x27, x27, #0xa90; ldp x0, x1, [x27].
        let code = [0xf940_009a, 0xd000_261b, 0x912a_437b, 0xa940_0760];
        assert_eq!(variables(&code, 0x6_a14c), [0x52_ca90]);
        // adrp x27, one page before; add x27, x27, #1, lsl #12; ldp x0, x1, [x27, #-8].
        let code = [0xf0ff_fffb, 0x9140_077b, 0xa97f_8760];
        assert_eq!(variables(&code, 0x1234), [0xff8]);
        // Go 1.24.9: adrp x27, 4fc000; ldr x0, [x27, #2400]; adrp x27, 4fc000; ldr x1, [x27, #2408].
        let code = [0xf000_24fb, 0xf944_b360, 0xf000_24fb, 0xf944_b761];
        assert_eq!(variables(&code, 0x5_d348), [0x4f_c960]);
        let other = [0xf000_24fb, 0xf944_b360, 0xf000_24fb, 0xf944_bb61];
        assert_eq!(variables(&other, 0x5_d348), [0; 0]);
        for (index, word) in [
            // adr instead of adrp; sub instead of add; an add with another target register, and with another
            // source.
            (0, 0x5000_261b),
            (1, 0xd12a_437b),
            (1, 0x912a_437a),
            (1, 0x912a_435b),
            // ldr of one word; stp; a load through another register.
            (2, 0xf940_0360),
            (2, 0xa900_0760),
            (2, 0xa940_0740),
        ] {
            let mut code = [0xd000_261b, 0x912a_437b, 0xa940_0760];
            code[index] = word;
            assert_eq!(variables(&code, 0x6_a150), [0; 0], "{word:x}");
        }
    }
}
