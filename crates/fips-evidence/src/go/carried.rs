//! What a program contains about its build for its own use.

use std::collections::BTreeMap;
use std::io;

use memchr::memmem::{self, Finder};

use super::anywhere;
use super::buildinfo::{Build, CLOSE, MODULES_LIMIT, OPEN, TRIES};
use crate::bytes::Bytes;
use crate::elf::Layout;
use crate::{Carried, Place};

type Settings = BTreeMap<String, String>;

/// Searches the constants for the text of the build information and for the GODEBUG that the runtime starts with,
/// excluding the build information `build` itself.
///
/// A program can contain other programs with texts of their own: the text that agrees with `build` is its own.
pub(super) fn read(
    bytes: &Bytes<'_>,
    layout: Option<&Layout>,
    build: Option<&Build>,
) -> io::Result<Carried> {
    let constants = match layout.and_then(|layout| layout.section(".rodata")) {
        Some(section) => vec![section.place],
        None => anywhere(bytes, layout, |_| true),
    };
    let apart = build.and_then(|build| build.place);
    let mut texts = Vec::new();
    for offset in find(bytes, OPEN, (&constants, apart))? {
        texts.extend(framed(bytes, offset)?);
    }
    let said = build.map(|build| &build.settings);
    let own = texts
        .iter()
        .position(|(settings, _)| Some(settings) == said)
        .or_else(|| {
            let alike = texts.iter().all(|(settings, _)| *settings == texts[0].0);
            (alike && !texts.is_empty()).then_some(0)
        });
    let (settings, place) = own.map(|own| texts.swap_remove(own)).unzip();
    let default = said
        .or(settings.as_ref())
        .and_then(|settings| settings.get("DefaultGODEBUG"));
    let godebug = match default {
        // The linker ends the text of a variable with a NUL, which no line of the build settings contains.
        Some(value) => find(
            bytes,
            &[value.as_bytes(), b"\0"].concat(),
            (&constants, apart),
        )?
        .first()
        .map(|&offset| Place {
            offset,
            len: value.len() as u64,
        }),
        None => None,
    };
    Ok(Carried {
        settings,
        place,
        godebug,
        begins: None,
    })
}

/// Returns the offsets of `text` in `places`, except those inside of `apart`.
fn find(
    bytes: &Bytes<'_>,
    text: &[u8],
    (places, apart): (&[Place], Option<Place>),
) -> io::Result<Vec<u64>> {
    let finder = Finder::new(text);
    let inside = |at: u64| {
        apart.is_some_and(|apart| {
            at.checked_sub(apart.offset)
                .is_some_and(|at| at < apart.len)
        })
    };
    let mut found = Vec::new();
    for &place in places {
        bytes.search(place, text.len(), |start, piece| {
            let hits = finder.find_iter(piece).map(|at| start + at as u64);
            found.extend(hits.filter(|at| !inside(*at)).take(TRIES - found.len()));
            found.len() == TRIES
        })?;
    }
    found.dedup();
    Ok(found)
}

/// Returns the settings of the framed text at `offset`, and the position of that text.
fn framed(bytes: &Bytes<'_>, offset: u64) -> io::Result<Option<(Settings, Place)>> {
    let window = bytes.window(Place {
        offset,
        len: MODULES_LIMIT,
    })?;
    let Some(end) = memmem::find(&window, CLOSE).map(|at| at + CLOSE.len()) else {
        return Ok(None);
    };
    let mut build = Build::default();
    build.describe(&window[..end]);
    let place = Place {
        offset,
        len: end as u64,
    };
    Ok((!build.settings.is_empty()).then_some((build.settings, place)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{SHAPES, Sample, at};

    const SAYS: &str = "build\tGOFIPS140=latest\nbuild\tDefaultGODEBUG=a=1,fips140=on\n";

    fn text(lines: &str) -> Vec<u8> {
        [&OPEN[..], lines.as_bytes(), CLOSE].concat()
    }

    fn carried(constants: &[u8], build: Option<&Build>) -> (Carried, Vec<u8>) {
        let file = Sample::new(SHAPES[0])
            .rodata(".rodata", 0x48_0000, constants)
            .data(".data", 0x50_0000, &text("build\tGOFIPS140=data\n"))
            .build();
        let bytes = Bytes::new(&file, file.len() as u64);
        let layout = Layout::read(&bytes).unwrap().unwrap();
        (read(&bytes, Some(&layout), build).unwrap(), file)
    }

    fn said(lines: &str) -> Build {
        let mut build = Build::default();
        build.describe(&text(lines));
        build
    }

    #[test]
    fn settings_and_godebug_are_found_without_build_information() {
        let constants = [&b"xx"[..], &text(SAYS), b"a=1,fips140=on\0"].concat();
        let (found, file) = carried(&constants, None);
        assert_eq!(found.settings, Some(said(SAYS).settings));
        assert_eq!(at(&file, found.place.unwrap()), text(SAYS));
        assert_eq!(at(&file, found.godebug.unwrap()), b"a=1,fips140=on");
    }

    #[test]
    fn a_line_of_the_settings_is_not_what_the_runtime_begins_with() {
        let constants = [&text(SAYS)[..], b"a=1,fips140=on,b=1\0"].concat();
        assert_eq!(carried(&constants, None).0.godebug, None);
    }

    #[test]
    fn among_several_texts_the_one_that_agrees_is_the_program_s_own() {
        let other = text("build\tGOFIPS140=off\n");
        let both = [other.clone(), text(SAYS)].concat();
        let own = carried(&both, Some(&said(SAYS))).0.settings;
        assert_eq!(own, Some(said(SAYS).settings));
        let (found, _) = carried(&both, None);
        assert_eq!((found.settings, found.place), (None, None));
        // The program reads this text, although the build information shows other settings to tools.
        let (found, _) = carried(&other, Some(&said(SAYS)));
        assert_eq!(
            found.settings,
            Some(said("build\tGOFIPS140=off\n").settings)
        );
    }

    #[test]
    fn the_build_information_itself_is_no_copy() {
        let (found, _) = carried(&text(SAYS), None);
        let build = Build {
            place: found.place,
            ..said(SAYS)
        };
        assert_eq!(carried(&text(SAYS), Some(&build)).0, Carried::default());
    }
}
