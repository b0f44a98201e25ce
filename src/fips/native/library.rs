//! Cryptographic libraries that are linked statically, recognised by the texts that they leave.

use super::super::Label;
use super::text::{Found, Text, Texts};

/// Versions that libraries say of themselves.
pub(super) fn labels(texts: &Texts) -> Vec<Label> {
    let mut labels: Vec<Label> = Vec::new();
    for found in texts.iter() {
        let Some(text) = version(found) else { continue };
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

/// `AWS-LC FIPS 4.2.0`, `OpenSSL 3.0.11 19 Sep 2023`.
fn version(found: &Found) -> Option<String> {
    let line = found.line()?;
    let (name, rest) = line.split_at_checked(found.text.as_str().len())?;
    let words = match found.text {
        Text::AwsLcFips => 1,
        Text::OpenSsl => 4,
        _ => return None,
    };
    let is_version = rest.starts_with(|c: char| c.is_ascii_digit())
        && rest.split(' ').count() == words
        && rest.split(' ').next()?.contains('.');
    is_version.then(|| format!("{name}{rest}"))
}

/// The libraries by their names, each once, with a version where the text has one.
pub(super) fn names(texts: &Texts) -> Vec<String> {
    let mut names: Vec<String> = texts.iter().filter_map(name).collect();
    names.sort_unstable();
    names.dedup();
    // AWS-LC was made from BoringSSL and kept the text of its errors.
    let has_path = texts
        .of(Text::BoringSslPath)
        .any(|found| name(found).is_some());
    if !has_path && names.iter().any(|name| name == "AWS-LC") {
        names.retain(|name| name != "BoringSSL");
    }
    names
}

fn name(found: &Found) -> Option<String> {
    let after = found.after();
    let follows = |parts: &[&[u8]]| parts.iter().any(|part| after.starts_with(part));
    let name = match found.text {
        Text::BoringSslPath if follows(&[b"/crypto/", b"+/crypto/", b"/src/crypto/"]) => {
            "BoringSSL"
        }
        Text::BoringSslError if follows(&[b"\0", b":%s"]) => "BoringSSL",
        Text::AwsLcPath if follows(&[b"/crypto/", b"-rs-", b"-sys-", b"-fips-sys-"]) => "AWS-LC",
        Text::AwsLcFips | Text::OpenSsl => return version(found),
        Text::RingPath => return ring(found),
        _ => return None,
    };
    Some(name.to_owned())
}

/// `ring-0.17.14/src/…`: a path that a panic names, which is not one of `iri-string-0.7.14`.
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
    (is_version && after[end..].starts_with(b"/src/")).then(|| format!("ring 0.{version}"))
}
