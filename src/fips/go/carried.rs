//! What a program carries of its build for its own use.

use std::io;

use memchr::memmem::{self, Finder};

use super::anywhere;
use super::buildinfo::{Build, CLOSE, MODULES_LIMIT, OPEN, TRIES};
use crate::fips::bytes::Bytes;
use crate::fips::elf::Layout;
use crate::fips::{Carried, Place};

/// Looks among the constants for the text of the build information and for the GODEBUG that the
/// runtime begins with, `build` itself apart.
///
/// A program can carry others with texts of their own: the one that agrees with `build` is its own.
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
        // The linker ends the text of a variable with a zero, which no line of the build settings has.
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
    })
}

/// Where `text` stands in `places`, the one that is set `apart` left out.
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

/// The settings of the framed text at `offset`, and where it stands.
fn framed(
    bytes: &Bytes<'_>,
    offset: u64,
) -> io::Result<Option<(std::collections::BTreeMap<String, String>, Place)>> {
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
