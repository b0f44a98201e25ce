//! The build information: the version of the toolchain and the settings of the build.

use std::collections::BTreeMap;
use std::io;

use memchr::memmem::Finder;

use super::{anywhere, quoted};
use crate::fips::Place;
use crate::fips::bytes::Bytes;
use crate::fips::elf::Layout;

const MAGIC: &[u8; 14] = b"\xff Go buildinf:";
/// The magic, the size of a pointer, flags, and the pointers of Go before 1.18.
const HEADER: u64 = 32;
const BIG_ENDIAN: u8 = 1;
/// The texts follow the header; before Go 1.18 it points to them.
const INLINE: u8 = 2;

/// Bytes of a version, and of the list of modules and settings: a mesh's longest has 60 KiB.
const VERSION_LIMIT: u64 = 4 << 10;
const MODULES_LIMIT: u64 = 4 << 20;
/// Places where the magic is believed to start something; a program has one.
const TRIES: usize = 16;

/// What it says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Build {
    pub version: Option<String>,
    pub settings: BTreeMap<String, String>,
    pub path: Option<String>,
    pub place: Option<Place>,
}

/// Looks where the linker puts it, then in what is writable, then, without headers, everywhere.
pub(super) fn read(bytes: &Bytes<'_>, layout: Option<&Layout>) -> io::Result<Option<Build>> {
    let section = layout.and_then(|layout| layout.section(".go.buildinfo"));
    let writable = anywhere(bytes, layout, |segment| segment.writable);
    let places = section
        .map(|section| section.place)
        .into_iter()
        .chain(writable);
    for place in places {
        for offset in candidates(bytes, place)? {
            if let Some(build) = parse(bytes, layout, offset)? {
                return Ok(Some(build));
            }
        }
    }
    Ok(None)
}

/// Where the magic stands, on the 16 bytes that the linker aligns it to.
fn candidates(bytes: &Bytes<'_>, place: Place) -> io::Result<Vec<u64>> {
    let finder = Finder::new(MAGIC);
    let mut found = Vec::new();
    bytes.search(place, MAGIC.len(), |start, piece| {
        let hits = finder.find_iter(piece).map(|at| start + at as u64);
        found.extend(hits.filter(|at| at % 16 == 0).take(TRIES - found.len()));
        found.len() == TRIES
    })?;
    found.dedup();
    Ok(found)
}

fn parse(bytes: &Bytes<'_>, layout: Option<&Layout>, offset: u64) -> io::Result<Option<Build>> {
    let header = bytes.window(Place {
        offset,
        len: HEADER,
    })?;
    let Some(&[pointer, flags]) = header.get(14..16) else {
        return Ok(None);
    };
    let (texts, len) = if flags & INLINE > 0 {
        inline(bytes, offset + HEADER)?
    } else {
        let fits = |layout: &&Layout| {
            layout.bits / 8 == pointer && layout.big_endian == (flags & BIG_ENDIAN > 0)
        };
        match layout.filter(fits) {
            Some(layout) => (pointed(bytes, layout, offset + 16)?, 0),
            None => return Ok(None),
        }
    };
    let [version, modules] = texts;
    let version = version.and_then(|version| String::from_utf8(version).ok());
    let Some(version) = version.filter(|text| !text.is_empty() && !text.contains(char::is_control))
    else {
        return Ok(None);
    };
    let mut build = Build {
        version: Some(version),
        place: Some(Place {
            offset,
            len: HEADER + len,
        }),
        ..Build::default()
    };
    build.describe(&modules.unwrap_or_default());
    Ok(Some(build))
}

type Texts = [Option<Vec<u8>>; 2];

/// The two texts at `offset`, each after its length, and how many bytes they take.
fn inline(bytes: &Bytes<'_>, offset: u64) -> io::Result<(Texts, u64)> {
    let (version, first) = counted(bytes, offset, VERSION_LIMIT)?;
    let (modules, second) = counted(bytes, offset.saturating_add(first), MODULES_LIMIT)?;
    Ok(([version, modules], first + second))
}

fn counted(bytes: &Bytes<'_>, offset: u64, limit: u64) -> io::Result<(Option<Vec<u8>>, u64)> {
    let number = bytes.window(Place { offset, len: 10 })?;
    let Some((len, digits)) = uvarint(&number).filter(|(len, _)| *len <= limit) else {
        return Ok((None, 0));
    };
    let text = bytes.window(Place {
        offset: offset + digits,
        len,
    })?;
    let whole = text.len() as u64 == len;
    Ok((whole.then_some(text), digits + len))
}

/// A number of seven bits a byte, the lowest first, and its bytes.
fn uvarint(bytes: &[u8]) -> Option<(u64, u64)> {
    let mut value = 0;
    for (at, byte) in (0u32..9).zip(bytes) {
        value |= u64::from(byte & 0x7f) << (7 * at);
        if *byte < 0x80 {
            return Some((value, u64::from(at) + 1));
        }
    }
    None
}

/// The two texts that the pointers at `offset` lead to, through the header of a Go string.
fn pointed(bytes: &Bytes<'_>, layout: &Layout, offset: u64) -> io::Result<Texts> {
    let pair = u64::from(layout.bits / 8) * 2;
    let words = layout.words(bytes, Place { offset, len: pair })?;
    let mut texts = [None, None];
    let limits = [VERSION_LIMIT, MODULES_LIMIT];
    for ((text, address), limit) in texts.iter_mut().zip(words).zip(limits) {
        let Some(offset) = layout.offset(address) else {
            continue;
        };
        let string = layout.words(bytes, Place { offset, len: pair })?;
        if let [data, len] = string[..]
            && len <= limit
            && let Some(place) = layout.range(data, data.saturating_add(len))
        {
            *text = Some(bytes.window(place)?);
        }
    }
    Ok(texts)
}

impl Build {
    /// Reads the lines between the two marks of 16 bytes that frame them.
    fn describe(&mut self, framed: &[u8]) {
        let inner = framed.get(16..framed.len().saturating_sub(16));
        let Some(lines) = inner.filter(|lines| lines.ends_with(b"\n")) else {
            return;
        };
        for line in String::from_utf8_lossy(lines).lines() {
            if let Some(path) = line.strip_prefix("path\t") {
                self.path = Some(path.to_owned());
            } else if let Some((key, value)) = line.strip_prefix("build\t").and_then(setting) {
                self.settings.insert(key, value);
            }
        }
    }
}

/// `key=value`, either of which may be quoted; a quoted key has no `=` of its own outside its quotes.
fn setting(line: &str) -> Option<(String, String)> {
    let quote = line
        .chars()
        .next()
        .filter(|first| matches!(first, '"' | '`'));
    let (key, value) = match quote {
        Some(quote) => {
            let end = line.find(&format!("{quote}="))?;
            (line.get(..=end)?, line.get(end + 2..)?)
        }
        None => line.split_once('=')?,
    };
    Some((quoted::plain(key), quoted::plain(value)))
}
