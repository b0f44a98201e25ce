//! The texts that are looked for, all of them in one pass.

use std::io;

use aho_corasick::packed::{Config, Searcher};

use super::super::Place;
use super::super::boring::INTEGRITY_TEST;
use super::super::bytes::Bytes;

/// A text that is looked for. None begins with a NUL and those of FIPS modules do not end in one, although
/// they do so in C: in this program, where all stand one after the other, they are not what is looked for.
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
    OpenSsl,
    BuildInfo,
    ProviderBoring,
    ProviderAwsLc,
    ProviderRing,
    ProviderOpenSsl,
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
    (Text::OpenSsl, "OpenSSL "),
    (Text::BuildInfo, "Info{Version:\""),
    // The first eight letters: a compiler may write the rest as another constant in the code.
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

/// What is kept around a text.
const BEFORE: usize = 64;
const AFTER: usize = 96;

/// How often one text is taken down.
const LIMIT: usize = 64;

/// One text of the file.
#[derive(Debug)]
pub(super) struct Found {
    pub text: Text,
    /// The text itself.
    pub place: Place,
    around: Vec<u8>,
    /// Where the text begins in `around`.
    start: usize,
}

impl Found {
    /// What stands before the text, up to 64 bytes.
    pub(super) fn before(&self) -> &[u8] {
        self.around.get(..self.start).unwrap_or_default()
    }

    /// The text and what stands behind it.
    pub(super) fn onward(&self) -> &[u8] {
        self.around.get(self.start..).unwrap_or_default()
    }

    /// What stands behind the text.
    pub(super) fn after(&self) -> &[u8] {
        let len = usize::try_from(self.place.len).unwrap_or(usize::MAX);
        self.onward().get(len..).unwrap_or_default()
    }

    /// The text with what follows it up to a NUL, if it is printable and ends there.
    pub(super) fn line(&self) -> Option<&str> {
        let end = memchr::memchr(0, self.onward())?;
        let line = str::from_utf8(&self.onward()[..end]).ok()?;
        (!line.contains(|c: char| c.is_control())).then_some(line)
    }
}

/// All texts of a file, in the order of the file.
pub(super) struct Texts(Vec<Found>);

impl Texts {
    pub(super) fn read(bytes: &Bytes<'_>, mapped: &[Place]) -> io::Result<Self> {
        let mut found = Vec::new();
        if let Some(searcher) = searcher() {
            let mut counts = [0; TEXTS.len()];
            for &place in mapped {
                hits(bytes, &searcher, place, |index, place| {
                    counts[index] += 1;
                    if counts[index] <= LIMIT {
                        found.push((TEXTS[index].0, place));
                    }
                })?;
            }
        }
        found
            .into_iter()
            .map(|(text, place)| around(bytes, text, place))
            .collect::<io::Result<_>>()
            .map(Texts)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Found> {
        self.0.iter()
    }

    pub(super) fn of(&self, text: Text) -> impl Iterator<Item = &Found> {
        self.iter().filter(move |found| found.text == text)
    }
}

/// Vector instructions go through all texts at the speed of memory; processors without them get the
/// slower search.
fn searcher() -> Option<Searcher> {
    let build = |config: &Config| {
        let texts = TEXTS.iter().map(|(_, text)| text);
        config.builder().extend(texts).build()
    };
    build(&Config::new()).or_else(|| build(Config::new().only_rabin_karp(true)))
}

fn hits(
    bytes: &Bytes<'_>,
    searcher: &Searcher,
    place: Place,
    mut each: impl FnMut(usize, Place),
) -> io::Result<()> {
    let longest = TEXTS.iter().map(|(_, text)| text.len()).max();
    let mut seen = 0;
    bytes.search(place, longest.unwrap_or(0), |offset, piece| {
        for hit in searcher.find_iter(piece) {
            let place = Place {
                offset: offset + hit.start() as u64,
                len: hit.len() as u64,
            };
            if place.offset >= seen {
                seen = place.offset + place.len;
                each(hit.pattern().as_usize(), place);
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
