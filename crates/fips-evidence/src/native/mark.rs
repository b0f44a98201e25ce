//! Texts that only a FIPS build of `BoringSSL` or AWS-LC contains.

use super::super::{Family, Mark, Place};
use super::text::{Found, Text, Texts};

/// Number of different texts that must occur together: any program can quote a single one.
const TOGETHER: usize = 2;

/// Texts of which every FIPS build since 2019 contains several.
const CERTAIN: [Text; 4] = [
    Text::IntegrityTest,
    Text::SelfTest,
    Text::Span,
    Text::DrbgTest,
];

/// Texts that only FIPS builds contain: the others are self-tests, which are linked into ordinary builds as well.
const ONLY: [Text; 2] = [Text::IntegrityTest, Text::Span];

/// Returns the marks of a FIPS module, or none. A statically linked module has its texts in `code`, where [`TOGETHER`]
/// of them are enough if one is in [`ONLY`]. Elsewhere a program has texts that it only quotes, so all texts of
/// [`CERTAIN`] must be present.
pub(super) fn marks(texts: &Texts, code: &[Place]) -> Vec<Mark> {
    let marks: Vec<&Found> = texts.iter().filter(|found| is_mark(found)).collect();
    let has = |text: &Text| marks.iter().any(|found| found.text == *text);
    let runs = |text: &Text| {
        let mut of = marks.iter().filter(|found| found.text == *text);
        of.any(|found| code.iter().any(|code| contains(code, found.place)))
    };
    let together = CERTAIN.iter().filter(|text| runs(text)).count() >= TOGETHER;
    let together = together && ONLY.iter().any(runs);
    if !together && !CERTAIN.iter().all(has) {
        return Vec::new();
    }
    let family = if has(&Text::AwsLcFips) {
        Family::AwsLc
    } else {
        Family::BoringCrypto
    };
    let marks = marks.iter().map(|found| Mark {
        family,
        text: found.text.as_str().trim_end().to_owned(),
        place: found.place,
    });
    marks.collect()
}

/// Checks whether the bytes around the text are as in C.
fn is_mark(found: &Found) -> bool {
    let after = found.after();
    match found.text {
        Text::IntegrityTest | Text::SelfTest | Text::DrbgTest => after.starts_with(b"\0"),
        Text::Span => after.starts_with(b". Expected %p") || after.starts_with(b" (%s). Expected"),
        Text::Key => true,
        Text::AwsLcFips => after.first().is_some_and(u8::is_ascii_digit),
        _ => false,
    }
}

fn contains(code: &Place, text: Place) -> bool {
    let inside = text.offset.checked_sub(code.offset);
    inside.is_some_and(|inside| inside < code.len)
}
