//! The build information: the version of the toolchain and the settings of the build.

use std::collections::BTreeMap;
use std::io;

use memchr::memmem::Finder;

use super::{DECIDING, anywhere, quoted};
use crate::Place;
use crate::bytes::Bytes;
use crate::elf::Layout;

const MAGIC: &[u8; 14] = b"\xff Go buildinf:";
/// The magic, the size of a pointer, flags, and the pointers of Go before 1.18.
const HEADER: u64 = 32;
const BIG_ENDIAN: u8 = 1;
/// Flag: the texts follow the header. Before Go 1.18, the header has pointers to them.
const INLINE: u8 = 2;

/// Maximum size of a version, and of the list of modules and settings. The longest list in a mesh has 60 KiB.
const VERSION_LIMIT: u64 = 4 << 10;
pub(super) const MODULES_LIMIT: u64 = 4 << 20;
/// Maximum number of places in the whole file at which the magic is followed up; a program has one.
pub(super) const TRIES: usize = 16;

/// Maximum size of the main package's path and of a setting, and maximum number of settings, that are kept.
const SETTING_LIMIT: usize = 4 << 10;
const SETTINGS_LIMIT: usize = 64;

/// The marks before and after the list of modules and settings.
pub(super) const OPEN: &[u8; 16] =
    b"\x30\x77\xaf\x0c\x92\x74\x08\x02\x41\xe1\xc1\x07\xe6\xd6\x18\xe6";
pub(super) const CLOSE: &[u8; 16] =
    b"\xf9\x32\x43\x31\x86\x18\x20\x72\x00\x82\x42\x10\x41\x16\xd8\xf2";

/// The content of the build information.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Build {
    pub version: Option<String>,
    pub settings: BTreeMap<String, String>,
    pub path: Option<String>,
    pub place: Option<Place>,
}

/// Reads the build information from its section, else from writable segments, else, without headers, from the whole
/// file.
pub(super) fn read(bytes: &Bytes<'_>, layout: Option<&Layout>) -> io::Result<Option<Build>> {
    let section = layout.and_then(|layout| layout.section(".go.buildinfo"));
    let writable = anywhere(bytes, layout, |segment| segment.writable);
    let places = section
        .map(|section| section.place)
        .into_iter()
        .chain(writable);
    let mut left = TRIES;
    for place in places {
        let found = candidates(bytes, place, left)?;
        left -= found.len();
        for offset in found {
            if let Some(build) = parse(bytes, layout, offset)? {
                return Ok(Some(build));
            }
        }
    }
    Ok(None)
}

/// Returns the offsets of the magic that are multiples of 16, as the linker aligns it; at most `limit` of them.
fn candidates(bytes: &Bytes<'_>, place: Place, limit: usize) -> io::Result<Vec<u64>> {
    let finder = Finder::new(MAGIC);
    let mut found = Vec::new();
    bytes.search(place, MAGIC.len(), |start, piece| {
        let hits = finder.find_iter(piece).map(|at| start + at as u64);
        found.extend(hits.filter(|at| at % 16 == 0).take(limit - found.len()));
        found.len() == limit
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
            len: header.len() as u64 + len,
        }),
        ..Build::default()
    };
    build.describe(&modules.unwrap_or_default());
    Ok(Some(build))
}

type Texts = [Option<Vec<u8>>; 2];

/// Returns the two texts at `offset`, each of which follows its length, and the number of bytes that they occupy.
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
    // If the file is cut off, the text occupies the bytes that are left.
    let taken = text.len() as u64;
    Ok(((taken == len).then_some(text), digits + taken))
}

/// Decodes a number with seven bits per byte, the lowest first. Returns it with its length in bytes.
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

/// Returns the two texts that the pointers at `offset` lead to, through the headers of Go strings.
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
    /// Reads the lines between the two 16-byte marks that frame them. Keeps the settings that determine the
    /// cryptography, and keeps none if one of them is longer than any toolchain writes it.
    pub(super) fn describe(&mut self, framed: &[u8]) {
        let inner = framed.get(16..framed.len().saturating_sub(16));
        let Some(lines) = inner.filter(|lines| lines.ends_with(b"\n")) else {
            return;
        };
        let mut settings = BTreeMap::new();
        for line in String::from_utf8_lossy(lines).lines() {
            if let Some(path) = line.strip_prefix("path\t") {
                self.path = (path.len() <= SETTING_LIMIT).then(|| path.to_owned());
            } else if let Some((key, value)) = line.strip_prefix("build\t").and_then(setting)
                && is_kept(&key)
            {
                if key.len() + value.len() > SETTING_LIMIT || settings.len() == SETTINGS_LIMIT {
                    return;
                }
                settings.insert(key, value);
            }
        }
        self.settings = settings;
    }
}

/// Checks whether a setting is kept: it determines the cryptography, shows who changed the toolchain, shows
/// something that the module cannot run with, or is the one that every build has (`-compiler`).
fn is_kept(key: &str) -> bool {
    DECIDING.contains(&key)
        || key.starts_with("microsoft_")
        || ["-compiler", "-asan", "GOOS"].contains(&key)
}

/// Parses `key=value`. Both may be quoted. A quoted key can contain `=` only inside its quotes.
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

#[cfg(test)]
mod tests {
    use object::elf;

    use super::*;
    use crate::sample::{SHAPES, Sample, at};

    #[test]
    fn settings_that_no_toolchain_writes_are_none() {
        let read = |lines: &str| {
            let mut build = Build::default();
            build.describe(&[&OPEN[..], lines.as_bytes(), CLOSE].concat());
            build.settings.len()
        };
        let on = "build\tDefaultGODEBUG=fips140=on\n";
        assert_eq!(
            read(&format!("{on}build\tGOFIPS140={}\n", "v".repeat(4000))),
            2
        );
        assert_eq!(
            read(&format!("{on}build\tGOFIPS140={}\n", "v".repeat(4096))),
            0
        );
        assert_eq!(
            read(&format!("{on}build\t-ldflags={}\n", "v".repeat(4096))),
            1
        );
        let vendor = |count: u32| (0..count).map(|at| format!("build\tmicrosoft_{at}=1\n"));
        assert_eq!(read(&vendor(64).collect::<String>()), 64);
        assert_eq!(read(&vendor(65).collect::<String>()), 0);
    }

    const LINES: &str = "path\tistio.io/istio/pilot\nmod\tistio.io/istio\t(devel)\t\n\
        dep\ta.test/b\tv1.0.0\th1:x=\nbuild\t-tags=fips140v1.0\nbuild\t-ldflags=x\n\
        build\tGOFIPS140=v1.0.0-c2097c7c\nbuild\tDefaultGODEBUG=x=1,fips140=on\n\
        nonsense\n";

    fn framed() -> Vec<u8> {
        [&OPEN[..], LINES.as_bytes(), CLOSE].concat()
    }

    fn counted(text: &[u8]) -> Vec<u8> {
        let [low, high, ..] = text.len().to_le_bytes();
        let len = match text.len() {
            0..0x80 => vec![low],
            len => {
                assert!(len < 1 << 14);
                vec![low | 0x80, high << 1 | low >> 7]
            }
        };
        [&len, text].concat()
    }

    fn inline(version: &str) -> Vec<u8> {
        let mut header = [MAGIC, &[8, INLINE][..]].concat();
        header.resize(32, 0);
        [header, counted(version.as_bytes()), counted(&framed())].concat()
    }

    fn found(file: &[u8]) -> Option<Build> {
        let bytes = Bytes::new(&file, file.len() as u64);
        read(&bytes, Layout::read(&bytes).unwrap().ok().as_ref()).unwrap()
    }

    fn version(file: &[u8]) -> Option<String> {
        found(file)?.version
    }

    #[test]
    fn where_it_stands_ends_with_the_file() {
        let info = inline("go1.26.6");
        let file = Sample::new(SHAPES[0])
            .data(".go.buildinfo", 0x50_0000, &info)
            .build();
        let start = memchr::memmem::find(&file, MAGIC).unwrap();
        for end in [start + info.len() - 1, start + 44] {
            let build = found(&file[..end]).unwrap();
            assert_eq!(build.version.as_deref(), Some("go1.26.6"));
            assert_eq!(
                build.place.map(|place| place.offset + place.len),
                Some(end as u64)
            );
        }
    }

    #[test]
    fn the_version_and_every_setting_are_read() {
        let info = inline("go1.26.6-X:boringcrypto");
        let file = Sample::new(SHAPES[0])
            .data(".go.buildinfo", 0x50_0000, &info)
            .build();
        let build = found(&file).unwrap();
        assert_eq!(build.version.as_deref(), Some("go1.26.6-X:boringcrypto"));
        assert_eq!(build.path.as_deref(), Some("istio.io/istio/pilot"));
        let place = build.place.unwrap();
        assert_eq!(place.len, info.len() as u64);
        assert_eq!(at(&file, place), info);
        let settings: Vec<_> = build
            .settings
            .iter()
            .map(|(key, value)| (&key[..], &value[..]))
            .collect();
        assert_eq!(
            settings,
            [
                ("-tags", "fips140v1.0"),
                ("DefaultGODEBUG", "x=1,fips140=on"),
                ("GOFIPS140", "v1.0.0-c2097c7c"),
            ]
        );
    }

    #[test]
    fn either_side_of_a_setting_may_be_quoted() {
        for (line, key, value) in [
            ("a=b", "a", "b"),
            ("a=b=c", "a", "b=c"),
            ("-ldflags=\"-X a=\\\"b\\\"\"", "-ldflags", "-X a=\"b\""),
            ("\"a=b\"=`c d`", "a=b", "c d"),
            ("empty=", "empty", ""),
            ("=lost", "", "lost"),
        ] {
            assert_eq!(
                setting(line),
                Some((key.to_owned(), value.to_owned())),
                "{line}"
            );
        }
        assert_eq!(setting("nonsense"), None);
    }

    #[test]
    fn pointers_are_followed_in_every_shape_and_through_relocations() {
        for shape in SHAPES {
            for relocated in [false, true] {
                let file = pointing(shape, relocated).build();
                let build = found(&file).unwrap();
                assert_eq!(
                    build.version.as_deref(),
                    Some("go1.16.3"),
                    "{shape:?} {relocated}"
                );
                assert_eq!(build.settings["GOFIPS140"], "v1.0.0-c2097c7c");
                assert_eq!(build.place.unwrap().len, 32);
            }
        }
    }

    /// Builds the format before Go 1.18: a header, two string headers, two texts.
    fn pointing(shape: (u8, bool, elf::Machine), relocated: bool) -> Sample {
        let mut sample = Sample::new(shape);
        let width = sample.width() as u64;
        let (texts, strings, header) = (0x48_0000, 0x50_1000, 0x50_0000);
        let text = [b"go1.16.3", &framed()[..]].concat();
        let pointers = [
            (header + 16, strings),
            (header + 16 + width, strings + 2 * width),
            (strings, texts),
            (strings + 2 * width, texts + 8),
        ];
        let stored = pointers.map(|(_, to)| if relocated { 0 } else { to });
        if relocated {
            sample.relocations = pointers.to_vec();
        }
        let mut info = [MAGIC, &[shape.0 / 8, u8::from(shape.1)][..]].concat();
        info.extend(sample.words(&stored[..2]));
        info.resize(32, 0);
        let strings = sample.words(&[stored[2], 8, stored[3], framed().len() as u64]);
        sample
            .rodata(".rodata", texts, &text)
            .data(".go.buildinfo", header, &info)
            .data(".data", 0x50_1000, &strings)
    }

    #[test]
    fn without_a_section_it_is_found_in_what_is_writable_and_without_headers_anywhere() {
        let mut sample = Sample::new(SHAPES[0])
            .rodata(".rodata", 0x48_0000, &inline("go1.2"))
            .data(".data", 0x50_0000, &inline("go1.26.6"));
        sample.section_headers = false;
        assert_eq!(version(&sample.build()).as_deref(), Some("go1.26.6"));
        sample.program_headers = false;
        assert_eq!(version(&sample.build()).as_deref(), Some("go1.2"));
    }

    #[test]
    fn a_magic_that_starts_nothing_is_passed_over() {
        let bare = |bytes: &[u8]| {
            Sample::new(SHAPES[0])
                .data(".data", 0x50_0000, bytes)
                .build()
        };
        let good = inline("go1.26.6");
        let unaligned = [&[0; 8][..], &inline("go1.1"), &[0; 8]].concat();
        let mut long = inline("go1.1");
        long[32] = 0xff;
        let mut control = inline("go1.1");
        control[34] = 7;
        let mut pointers = inline("go1.1");
        pointers[15] = 0;
        let mut foreign = inline("go1.1");
        foreign[14..16].copy_from_slice(&[4, BIG_ENDIAN]);
        for bad in [unaligned, long, control, pointers, foreign, MAGIC.to_vec()] {
            assert_eq!(version(&bare(&bad)), None);
            let mut both = bad;
            both.resize(both.len().next_multiple_of(16), 0);
            both.extend_from_slice(&good);
            assert_eq!(version(&bare(&both)).as_deref(), Some("go1.26.6"));
        }
    }

    #[test]
    fn what_starts_nothing_is_passed_over_so_often_in_the_whole_file() {
        let version = |count: usize| {
            let decoys = [MAGIC, &[0; 2][..]].concat().repeat(count / 2);
            let file = Sample::new(SHAPES[0])
                .data(".a", 0x50_0000, &decoys)
                .data(".b", 0x51_0000, &decoys)
                .data(".c", 0x52_0000, &inline("go1.26.6"));
            version(&file.build())
        };
        assert_eq!(version(TRIES - 2).as_deref(), Some("go1.26.6"));
        assert_eq!(version(TRIES), None);
    }

    #[test]
    fn a_list_of_modules_without_its_frame_says_nothing() {
        let mut info = inline("go1.26.6");
        let lines = info.len() - 17;
        info[lines] = b' ';
        let file = Sample::new(SHAPES[0])
            .data(".go.buildinfo", 0x50_0000, &info)
            .build();
        let build = found(&file).unwrap();
        assert_eq!(
            (build.version.as_deref(), build.settings.len()),
            (Some("go1.26.6"), 0)
        );
    }
}
