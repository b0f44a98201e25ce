//! The search for all known texts in one pass.

use std::collections::BTreeMap;
use std::io;

use aho_corasick::packed::{Config, Searcher};

use super::super::Place;
use super::super::boring::INTEGRITY_TEST;
use super::super::bytes::Bytes;

/// A text that is searched for. No text begins with a NUL, and those of FIPS modules do not end with one, although
/// they do in C: so the list of texts in this program itself does not match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Text {
    IntegrityTest,
    SelfTest,
    Span,
    DrbgTest,
    Key,
    AwsLcFips,
    StatusClean,
    StatusModified,
    StatusDistribution,
    Release,
    Debug,
    BoringSslFips,
    AwsLcFipsLabel,
    BoringSslPath,
    BoringSslError,
    AwsLcPath,
    RingPath,
    Registry,
    BazelCrates,
    BuildInfo,
    ProviderBoring,
    ProviderAwsLc,
    ProviderRing,
    ProviderOpenSsl,
    /// One of the texts of the data, by its index.
    Row(usize),
}

const TEXTS: &[(Text, &str)] = &[
    (Text::IntegrityTest, INTEGRITY_TEST),
    (Text::SelfTest, "FIPS self test"),
    (Text::Span, "FIPS module doesn't span expected symbol"),
    (Text::DrbgTest, "DRBG Clear KAT"),
    (Text::Key, "BoringCrypto Key"),
    (Text::AwsLcFips, "AWS-LC FIPS "),
    (Text::StatusClean, "Clean\0"),
    (Text::StatusModified, "Modified\0"),
    (Text::StatusDistribution, "Distribution\0"),
    (Text::Release, "\u{e}RELEASE\0"),
    (Text::Debug, "\u{a}DEBUG\0"),
    (Text::BoringSslFips, "BoringSSL-FIPS"),
    (Text::AwsLcFipsLabel, "AWS-LC-FIPS"),
    (Text::BoringSslPath, "/boringssl"),
    (Text::BoringSslError, "OPENSSL_internal"),
    (Text::AwsLcPath, "/aws-lc"),
    (Text::RingPath, "ring-0."),
    // Directories in which cargo and Bazel keep Rust packages.
    (Text::Registry, "index.crates.io-"),
    (Text::BazelCrates, "crates__"),
    (Text::BuildInfo, "Info{Version:\""),
    // Only the first eight letters: a compiler may store the rest as another constant in the code.
    (Text::ProviderBoring, "tls-bori"),
    (Text::ProviderAwsLc, "tls-aws-"),
    (Text::ProviderRing, "tls-ring"),
    (Text::ProviderOpenSsl, "tls-open"),
];

impl Text {
    pub(super) fn as_str(self) -> &'static str {
        let row = TEXTS.iter().find(|(text, _)| *text == self);
        row.map_or("", |(_, text)| text)
    }
}

/// Number of bytes that are kept before and after a text.
const BEFORE: usize = 64;
const AFTER: usize = 96;

/// Maximum length of a text in bytes.
const LONGEST: usize = 128;

/// Maximum number of times that one text is recorded.
const LIMIT: usize = 64;

/// An occurrence of a text in the file.
#[derive(Debug)]
pub(super) struct Found {
    pub text: Text,
    /// Position of the text itself.
    pub place: Place,
    around: Vec<u8>,
    /// Index in `around` at which the text begins.
    start: usize,
}

impl Found {
    /// Checks whether the text is the beginning of a C string.
    pub(super) fn begins(&self) -> bool {
        self.before().last().is_none_or(|byte| !is_printable(*byte))
    }

    /// Checks whether the text is a complete C string.
    pub(super) fn is_whole(&self) -> bool {
        self.begins() && self.after().first() == Some(&0)
    }

    /// Returns the C string that contains the text.
    pub(super) fn c_string(&self) -> Option<String> {
        let start = self.before().iter().rposition(|byte| !is_printable(*byte));
        let start = start.map_or(0, |at| at + 1);
        let end = memchr::memchr(0, self.after())? + self.around.len() - self.after().len();
        let text = str::from_utf8(self.around.get(start..end)?).ok()?;
        let text = text.trim_end();
        text.bytes().all(is_printable).then(|| text.to_owned())
    }

    /// Returns up to 64 bytes before the text.
    pub(super) fn before(&self) -> &[u8] {
        self.around.get(..self.start).unwrap_or_default()
    }

    /// Returns the text and the bytes after it.
    pub(super) fn onward(&self) -> &[u8] {
        self.around.get(self.start..).unwrap_or_default()
    }

    /// Returns the bytes after the text.
    pub(super) fn after(&self) -> &[u8] {
        let len = usize::try_from(self.place.len).unwrap_or(usize::MAX);
        self.onward().get(len..).unwrap_or_default()
    }
}

fn is_printable(byte: u8) -> bool {
    byte == b' ' || byte.is_ascii_graphic()
}

/// Maximum number of Rust packages that are recorded for one file.
const CRATES: usize = 1024;

/// Number of bytes of a path in which the name of a package must be.
const PATH: usize = 96;

/// All texts of a file, in the order of the file.
pub(super) struct Texts {
    found: Vec<Found>,
    /// Texts of the data; [`Text::Row`] is an index into them.
    rows: Vec<String>,
    /// Name and version of each Rust package with a path in the file.
    crates: BTreeMap<(String, String), Place>,
    mapped: Vec<Place>,
}

impl Texts {
    /// Searches for all texts, including those of the data.
    pub(super) fn read<'a>(
        bytes: &Bytes<'_>,
        mapped: &[Place],
        rows: impl Iterator<Item = &'a str>,
    ) -> io::Result<Self> {
        let mut rows: Vec<String> = rows.map(str::to_owned).collect();
        rows.sort_unstable();
        rows.dedup();
        let mut found = Vec::new();
        let mut crates = BTreeMap::new();
        if let Some(searcher) = searcher(&rows) {
            let mut counts = vec![0; TEXTS.len() + rows.len()];
            for &place in mapped {
                hits(bytes, &searcher, place, |index, place, after| {
                    let text = text(index);
                    if let Some(package) = package(text, after) {
                        if crates.len() < CRATES {
                            crates.entry(package).or_insert(place);
                        }
                        return;
                    }
                    // Many texts begin with the name of a library, but few continue with a version.
                    let is_version = after.first().is_some_and(u8::is_ascii_digit);
                    if matches!(text, Text::Row(row) if rows[row].ends_with(' ')) && !is_version {
                        return;
                    }
                    counts[index] += 1;
                    if counts[index] <= LIMIT {
                        found.push((text, place));
                    }
                })?;
            }
        }
        let found = found.into_iter();
        let found = found.map(|(text, place)| around(bytes, text, place));
        Ok(Texts {
            found: found.collect::<io::Result<_>>()?,
            rows,
            crates,
            mapped: mapped.to_vec(),
        })
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Found> {
        self.found.iter()
    }

    pub(super) fn of(&self, text: Text) -> impl Iterator<Item = &Found> {
        self.iter().filter(move |found| found.text == text)
    }

    /// Returns the occurrences of a text of the data.
    pub(super) fn named(&self, row: &str) -> impl Iterator<Item = &Found> {
        let number = self.rows.iter().position(|one| one == row);
        self.iter()
            .filter(move |found| number.is_some_and(|number| found.text == Text::Row(number)))
    }

    /// Returns name, version and position of the Rust packages.
    pub(super) fn crates(&self) -> impl Iterator<Item = (&str, &str, Place)> {
        let crates = self.crates.iter();
        crates.map(|((name, version), place)| (name.as_str(), version.as_str(), *place))
    }

    /// Returns the parts that were searched.
    pub(super) fn mapped(&self) -> &[Place] {
        &self.mapped
    }
}

fn text(index: usize) -> Text {
    let fixed = TEXTS.get(index).map(|(text, _)| *text);
    fixed.unwrap_or_else(|| Text::Row(index - TEXTS.len()))
}

/// Parses name and version of a Rust package: `aes-gcm`, `0.10.3` for `1949cf8c6b5b557f/aes-gcm-0.10.3/src/lib.rs`.
fn package(text: Text, after: &[u8]) -> Option<(String, String)> {
    let mut parts = after[..after.len().min(PATH)].split(|byte| *byte == b'/');
    match text {
        Text::Registry => drop(parts.next()?),
        Text::BazelCrates => {}
        _ => return None,
    }
    let package = str::from_utf8(parts.next()?).ok()?;
    // Unless another path element follows, the name may be cut off.
    parts.next()?;
    let versions = package
        .match_indices('-')
        .map(|(at, _)| package.split_at(at));
    let mut versions = versions.filter(|(_, version)| {
        let version = version.as_bytes();
        version.get(1).is_some_and(u8::is_ascii_digit) && version.contains(&b'.')
    });
    let (name, version) = versions.next()?;
    let is_text = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
    (is_text(name) && is_text(version)).then(|| (name.to_owned(), version[1..].to_owned()))
}

/// Builds a searcher that finds all texts at the speed of memory with vector instructions. Processors without them
/// use a slower search.
fn searcher(rows: &[String]) -> Option<Searcher> {
    let build = |config: &Config| {
        let texts = TEXTS.iter().map(|(_, text)| *text);
        let texts = texts.chain(rows.iter().map(String::as_str));
        config.builder().extend(texts).build()
    };
    build(&Config::new()).or_else(|| build(Config::new().only_rabin_karp(true)))
}

/// Passes the hits in `place` to `each`, each with the [`PATH`] bytes after it, or fewer at the end.
fn hits(
    bytes: &Bytes<'_>,
    searcher: &Searcher,
    place: Place,
    mut each: impl FnMut(usize, Place, &[u8]),
) -> io::Result<()> {
    let end = place.offset.saturating_add(place.len).min(bytes.size());
    let mut seen = 0;
    bytes.search(place, LONGEST + PATH, |offset, piece| {
        let is_last = offset + piece.len() as u64 >= end;
        for hit in searcher.find_iter(piece) {
            let place = Place {
                offset: offset + hit.start() as u64,
                len: hit.len() as u64,
            };
            let after = &piece[hit.end()..];
            // The next piece contains the hit again, with more bytes after it.
            if place.offset >= seen && (is_last || after.len() >= PATH) {
                seen = place.offset + place.len;
                each(hit.pattern().as_usize(), place, after);
            }
        }
        false
    })
}

fn around(bytes: &Bytes<'_>, text: Text, place: Place) -> io::Result<Found> {
    let before = place.offset.min(BEFORE as u64);
    let around = bytes.window(Place {
        offset: place.offset - before,
        len: before + place.len + AFTER as u64,
    })?;
    Ok(Found {
        text,
        place,
        around,
        start: usize::try_from(before).unwrap_or(0),
    })
}
