//! The words of `envoy --version`, as far as the file contains them.

use std::io;

use memchr::memmem::Finder;

use super::super::bytes::Bytes;
use super::super::{Label, Place};
use super::text::{Found, Text, Texts};

/// Size of a short string of libc++ in memory: twice its length, the text, zeros.
const SHORT: usize = 24;

const REVISION: usize = 40;

/// Returns the label of a file that is an Envoy.
pub(super) fn label(
    bytes: &Bytes<'_>,
    texts: &Texts,
    mapped: &[Place],
) -> io::Result<Option<Label>> {
    let revision = texts
        .iter()
        .find_map(|found| Some((found, revision(found)?)));
    let build = texts.iter().find_map(|found| Some((found, build(found)?)));
    let Some(place) = place(revision.as_ref(), build.as_ref()) else {
        return Ok(None);
    };
    let status = revision.as_ref().map(|(found, _)| word(found));
    let ssl = match &build {
        Some((_, ssl)) => Some(ssl.clone()),
        None => named(texts),
    };
    Ok(Some(Label::Envoy {
        version: version(bytes, mapped, place)?,
        revision: revision.map(|(_, revision)| revision),
        status,
        build: build.map(|(found, _)| word(found)),
        ssl,
        place,
    }))
}

fn place(revision: Option<&(&Found, String)>, build: Option<&(&Found, String)>) -> Option<Place> {
    let found = revision.or(build)?.0;
    Some(found.place)
}

/// Returns the word, such as `Clean` or `RELEASE`, without the bytes that C and C++ add around it.
fn word(found: &Found) -> String {
    let is_letter = |c: char| c.is_ascii_alphabetic();
    found
        .text
        .as_str()
        .trim_matches(|c| !is_letter(c))
        .to_owned()
}

/// Returns the revision, which is before the status of the work tree: `9e55…8f23\0Clean\0`.
fn revision(found: &Found) -> Option<String> {
    let is_status = matches!(
        found.text,
        Text::StatusClean | Text::StatusModified | Text::StatusDistribution
    );
    let before = found.before().strip_suffix(&[0]).filter(|_| is_status)?;
    let (rest, digits) = before.split_last_chunk::<REVISION>()?;
    let is_digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let is_revision = digits.iter().all(is_digit) && !rest.last().is_some_and(is_digit);
    is_revision.then(|| digits.iter().copied().map(char::from).collect())
}

/// Returns the library, which is next to the build type: two short strings of libc++.
fn build(found: &Found) -> Option<String> {
    if !matches!(found.text, Text::Release | Text::Debug) {
        return None;
    }
    let own = found.onward().get(..SHORT)?;
    let after = found.onward().get(SHORT..2 * SHORT);
    let before = found
        .before()
        .split_last_chunk::<SHORT>()
        .map(|(_, last)| &last[..]);
    short(own)?;
    after.and_then(short).or_else(|| before.and_then(short))
}

fn short(string: &[u8]) -> Option<String> {
    let (&first, rest) = string.split_first()?;
    let len = usize::from(first / 2);
    let (text, zeros) = rest.split_at_checked(len)?;
    let is_text = first % 2 == 0 && len >= 3 && text.iter().copied().all(is_word);
    let text = str::from_utf8(text)
        .ok()
        .filter(|_| is_text && zeros.iter().all(|byte| *byte == 0));
    text.map(str::to_owned)
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_')
}

/// Returns the library by its name as a C string. Other C++ libraries than libc++ create their strings at startup,
/// from C strings. Only a FIPS name is evidence: the other names are also the library's own name.
fn named(texts: &Texts) -> Option<String> {
    let is_whole = |found: &&Found| {
        found.after().starts_with(b"\0") && !found.before().last().copied().is_some_and(is_word)
    };
    let mut words = texts.iter().filter(|found| {
        matches!(found.text, Text::BoringSslFips | Text::AwsLcFipsLabel) && is_whole(found)
    });
    words.next().map(word)
}

/// Returns the text of the form `1.40.0` among the constants of the program, if there is exactly one. The second
/// number must be at least 9: that of zlib's and other versions is smaller, and no Envoy with FIPS builds had a
/// smaller one.
fn version(bytes: &Bytes<'_>, mapped: &[Place], near: Place) -> io::Result<Option<String>> {
    const LONGEST: usize = 32;
    let finder = Finder::new(b"\x001.");
    let holds = |place: &&Place| {
        (place.offset..place.offset.saturating_add(place.len)).contains(&near.offset)
    };
    let Some(&place) = mapped.iter().find(holds) else {
        return Ok(None);
    };
    let mut versions: Vec<String> = Vec::new();
    bytes.search(place, LONGEST, |_, piece| {
        for hit in finder.find_iter(piece) {
            versions.extend(piece.get(hit + 1..).and_then(numbers));
        }
        versions.dedup();
        versions.len() > 1
    })?;
    let version = versions.pop();
    Ok(version.filter(|_| versions.is_empty()))
}

/// Parses `1.40.0` or `1.40.0-dev` up to its NUL.
fn numbers(text: &[u8]) -> Option<String> {
    let text = &text[..text.len().min(32)];
    let text = str::from_utf8(&text[..memchr::memchr(0, text)?]).ok()?;
    let (numbers, suffix) = text.split_once('-').map_or((text, ""), |(n, s)| (n, s));
    let mut parts = numbers.split('.');
    let mut number = || parts.next()?.parse::<u8>().ok();
    let (_, minor, _) = (number()?, number()?, number()?);
    let whole = parts.next().is_none() && suffix.bytes().all(is_word);
    (whole && minor >= 9).then(|| text.to_owned())
}
