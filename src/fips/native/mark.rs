//! Texts that only a FIPS build of `BoringSSL` or AWS-LC contains.

use super::super::{Family, Mark, Place};
use super::text::{Found, Text, Texts};

/// Different texts that must come together: one alone can be quoted by any program.
const TOGETHER: usize = 2;

/// What every FIPS build since 2019 has several of.
const CERTAIN: [Text; 4] = [
    Text::IntegrityTest,
    Text::SelfTest,
    Text::Span,
    Text::DrbgTest,
];

/// What no other build has: the rest are self-tests, which are linked into ordinary builds as well.
const ONLY: [Text; 2] = [Text::IntegrityTest, Text::Span];

/// The marks of a FIPS module, or none. A module that is linked statically keeps its texts among its
/// `code`; elsewhere, where a program keeps what it only quotes, all of them are asked for.
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

/// Whether the text stands there as C writes it.
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
