//! Cryptographic libraries: the file itself, libraries that are linked into it, and libraries that it loads.

use std::io;

use super::super::bytes::Bytes;
use super::super::elf::Layout;
use super::super::libraries::{FipsBuild, LibraryRow};
use super::super::{Label, Library, Link, Place};
use super::text::{Found, Text, Texts};

/// Maximum size of a text that contains a version or a build, in bytes.
const LONGEST: usize = 64;

/// Returns the version texts of AWS-LC.
pub(super) fn labels(texts: &Texts) -> Vec<Label> {
    let mut labels: Vec<Label> = Vec::new();
    for found in texts.of(Text::AwsLcFips) {
        let Some(version) = version(found, false) else {
            continue;
        };
        let text = format!("{}{version}", found.text.as_str());
        let known = labels
            .iter()
            .any(|label| matches!(label, Label::Library { text: known, .. } if *known == text));
        if !known {
            labels.push(Label::Library {
                text,
                place: found.place,
            });
        }
    }
    labels
}

/// Returns the library that the file is, and the libraries that are linked into it. For a library that the file
/// loads, its texts in the file come from its headers and from the names of functions that the file calls, so they
/// do not count.
pub(super) fn libraries(
    bytes: &Bytes<'_>,
    layout: Option<&Layout>,
    texts: &Texts,
    rows: &[LibraryRow],
) -> io::Result<Vec<Library>> {
    let mut libraries = Vec::new();
    let loaded = loaded(layout, rows);
    let soname = layout.and_then(|layout| layout.soname.as_deref());
    // The first matching row determines the name.
    let own = soname.and_then(|soname| rows.iter().position(|row| row.is_named(soname)));
    for (index, row) in rows.iter().enumerate() {
        let soname = soname.filter(|_| own == Some(index));
        let loads = loaded.iter().any(|library| library.key == row.key);
        if soname.is_some() || !loads {
            libraries.extend(of_row(bytes, texts, row, soname)?);
        }
    }
    libraries.extend(by_paths(texts));
    let crates = rows.iter().flat_map(|row| &row.crates);
    let crates: Vec<&str> = crates.map(String::as_str).collect();
    libraries.extend(texts.crates().filter_map(|(name, version, place)| {
        let is_known = crates.contains(&name);
        is_known.then(|| Library {
            version: Some(version.to_owned()),
            ..linked(name, &format!("the path of {name}-{version}"), place)
        })
    }));
    Ok(libraries)
}

/// Returns the libraries that the file requests from the loader.
pub(in super::super) fn loaded(layout: Option<&Layout>, rows: &[LibraryRow]) -> Vec<Library> {
    let needed = layout.map_or(&[][..], |layout| &layout.libraries);
    let loaded = needed.iter().filter_map(|soname| {
        let row = rows.iter().find(|row| row.is_named(soname))?;
        Some(Library {
            name: row.name.clone(),
            key: row.key.clone(),
            version: None,
            link: Link::Loaded(soname.clone()),
            is_fips: false,
            module: None,
            shown_by: format!("the program loads {soname}"),
            place: None,
        })
    });
    loaded.collect()
}

/// Returns the library of a row, recognised by its own name or by its texts.
fn of_row(
    bytes: &Bytes<'_>,
    texts: &Texts,
    row: &LibraryRow,
    soname: Option<&str>,
) -> io::Result<Option<Library>> {
    let versions = row.version_after.iter();
    let mut versions = versions
        .flat_map(|text| texts.named(text))
        .filter_map(|found| {
            let version = version(found, row.dated).filter(|_| found.begins())?;
            Some((found, version))
        });
    let version = versions.next();
    let whole = |text: &String| texts.named(text).find(|found| found.is_whole());
    let text = row.texts.iter().find_map(whole);
    let fips = row.fips.as_ref();
    let fips_text = fips.and_then(|fips| {
        let all: Option<Vec<&Found>> = fips.texts.iter().map(whole).collect();
        all?.first().copied()
    });
    let shown = version.as_ref().map(|(found, _)| *found);
    let shown = shown.or(text).or(fips_text);
    if shown.is_none() && soname.is_none() {
        return Ok(None);
    }
    let version = version.map(|(_, version)| version);
    let says = |fips: &FipsBuild| {
        let word = fips.version_says.as_deref();
        let says = |word: &str| {
            version
                .as_ref()
                .is_some_and(|it| it.to_lowercase().contains(word))
        };
        let own_names: Vec<String> = own_names(texts, fips).collect();
        let denied = fips.denied_by.as_deref();
        if denied.is_some_and(|word| own_names.iter().any(|name| name.contains(word))) {
            return false;
        }
        // Any library can have this file name, so a build that has texts of its own must also contain them.
        let has_texts = !fips.texts.is_empty() || !fips.named_by.is_empty();
        let named = soname.is_some_and(|soname| fips.is_named(soname));
        let named = named && (!has_texts || !own_names.is_empty());
        named || fips_text.is_some() || word.is_some_and(says)
    };
    let fips = fips.filter(|fips| says(fips));
    let version = match (version, fips_text) {
        (None, Some(found)) if fips.is_some_and(|fips| fips.version_alone) => {
            alone(bytes, texts, found.place)?
        }
        (version, _) => version,
    };
    let module = fips.and_then(|fips| own_names(texts, fips).next());
    Ok(Some(Library {
        name: row.name.clone(),
        key: row.key.clone(),
        version,
        link: soname.map_or(Link::Static, |soname| Link::Itself(soname.to_owned())),
        is_fips: fips.is_some(),
        module,
        shown_by: match (soname, shown) {
            (Some(soname), _) => format!("the file calls itself {soname}"),
            (None, Some(found)) => format!("the text {:?}", found.c_string().unwrap_or_default()),
            (None, None) => String::new(),
        },
        place: shown.map(|found| found.place),
    }))
}

/// Returns the texts by which a FIPS build names itself.
fn own_names<'a>(texts: &'a Texts, fips: &'a FipsBuild) -> impl Iterator<Item = String> + 'a {
    let named = fips.named_by.iter().flat_map(|text| texts.named(text));
    named.filter_map(Found::c_string)
}

/// Returns the libraries that are recognised by paths of their source code.
fn by_paths(texts: &Texts) -> Vec<Library> {
    let mut found: Vec<Library> = texts.iter().filter_map(by_path).collect();
    found.sort_by(|a, b| (&a.name, &a.version).cmp(&(&b.name, &b.version)));
    found.dedup_by(|a, b| a.name == b.name && a.version == b.version);
    // AWS-LC is a fork of BoringSSL and has the same text in its errors.
    let has_path = texts
        .of(Text::BoringSslPath)
        .any(|text| by_path(text).is_some());
    if !has_path && found.iter().any(|library| library.name == "AWS-LC") {
        found.retain(|library| library.name != "BoringSSL");
    }
    found
}

fn by_path(found: &Found) -> Option<Library> {
    let after = found.after();
    let follows = |parts: &[&[u8]]| parts.iter().any(|part| after.starts_with(part));
    let (name, version) = match found.text {
        Text::BoringSslPath if follows(&[b"/crypto/", b"+/crypto/", b"/src/crypto/"]) => {
            ("BoringSSL", None)
        }
        Text::BoringSslError if follows(&[b"\0", b":%s"]) => ("BoringSSL", None),
        Text::AwsLcPath if follows(&[b"/crypto/", b"-rs-", b"-sys-", b"-fips-sys-"]) => {
            ("AWS-LC", None)
        }
        Text::AwsLcFips => ("AWS-LC FIPS", Some(version(found, false)?)),
        Text::RingPath => ("ring", Some(ring(found)?)),
        _ => return None,
    };
    let shown_by = match (&found.text, &version) {
        (Text::RingPath, Some(version)) => format!("the path of ring-{version}"),
        (text, _) => format!("the text {:?}", text.as_str().trim_matches(['/', ' '])),
    };
    Some(Library {
        version,
        ..linked(name, &shown_by, found.place)
    })
}

fn linked(name: &str, shown_by: &str, place: Place) -> Library {
    Library {
        name: name.to_owned(),
        key: String::new(),
        version: None,
        link: Link::Static,
        is_fips: false,
        module: None,
        shown_by: shown_by.to_owned(),
        place: Some(place),
    }
}

/// Returns the version that follows the text: if `dated`, everything up to and including a year, else its first
/// word.
fn version(found: &Found, dated: bool) -> Option<String> {
    let after = found.after();
    let after = &after[..after.len().min(LONGEST)];
    let end = if dated {
        memchr::memchr(0, after)?
    } else {
        let ends = |byte: &u8| matches!(byte, 0 | b'\n' | b' ' | b',' | b')');
        after.iter().position(ends)?
    };
    let text = str::from_utf8(&after[..end]).ok()?;
    let mut words = text.split(' ');
    let first = words.next()?;
    let is_version = first.starts_with(|c: char| c.is_ascii_digit())
        && first.contains('.')
        && !text.contains(|c: char| c.is_control());
    let is_year = |word: &str| word.len() == 4 && word.bytes().all(|byte| byte.is_ascii_digit());
    let is_dated = !dated || words.next_back().is_some_and(is_year);
    (is_version && is_dated).then(|| text.to_owned())
}

/// Returns the text of the form `3.1.2` or `3.0.7-395c1a24` in the part of the file that contains `near`, if there
/// is exactly one.
fn alone(bytes: &Bytes<'_>, texts: &Texts, near: Place) -> io::Result<Option<String>> {
    let holds = |place: &&Place| {
        (place.offset..place.offset.saturating_add(place.len)).contains(&near.offset)
    };
    let Some(&place) = texts.mapped().iter().find(holds) else {
        return Ok(None);
    };
    let mut versions: Vec<String> = Vec::new();
    bytes.search(place, LONGEST, |_, piece| {
        let texts = piece
            .split(|byte| *byte == 0)
            .filter(|text| text.len() < LONGEST);
        let whole = texts.filter_map(|text| str::from_utf8(text).ok());
        versions.extend(whole.filter(|text| is_version(text)).map(str::to_owned));
        versions.sort_unstable();
        versions.dedup();
        versions.len() > 1
    })?;
    let version = versions.pop();
    Ok(version.filter(|_| versions.is_empty()))
}

fn is_version(text: &str) -> bool {
    let (numbers, suffix) = text.split_once('-').map_or((text, ""), |(n, s)| (n, s));
    let mut parts = numbers.split('.');
    let number = |part: Option<&str>| part.is_some_and(|part| part.parse::<u8>().is_ok());
    let is_suffix = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
    let three = number(parts.next()) && number(parts.next()) && number(parts.next());
    three && parts.next().is_none() && suffix.bytes().all(is_suffix)
}

/// Parses the version of ring in `ring-0.17.14/src/…`, a path in a panic message. Excludes `iri-string-0.7.14`.
fn ring(found: &Found) -> Option<String> {
    let before = found.before().last();
    if before.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'-') {
        return None;
    }
    let after = found.after();
    let end = memchr::memchr(b'/', after)?;
    let version = str::from_utf8(&after[..end]).ok()?;
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let is_version = version.split('.').count() == 2 && version.split('.').all(is_number);
    (is_version && after[end..].starts_with(b"/src/")).then(|| format!("0.{version}"))
}
