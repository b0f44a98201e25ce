//! The grammar of image references.
//!
//! `oci_spec` has a parser for it, too, but its regular expression with Unicode classes takes 20 MiB once it is
//! compiled, a third of what `verify` may use for ten thousand pods. A test compares the two.

use oci_spec::distribution::{ParseError, Reference};

/// Maximum length of a tag in characters.
const TAG_LIMIT: usize = 128;

/// Maximum length of a repository in characters, without its registry.
const REPOSITORY_LIMIT: usize = 255;

/// The registry that a runtime adds if none is written, and its other name.
const DEFAULT_REGISTRY: &str = "docker.io";
const DEFAULT_REGISTRY_ALIAS: &str = "index.docker.io";

/// Parses `registry/repository:tag@digest` and adds the registry and the tag that a runtime adds if none is written.
///
/// # Errors
/// If no runtime pulls an image by this text.
pub fn parse_reference(text: &str) -> Result<Reference, ParseError> {
    if text.is_empty() {
        return Err(ParseError::NameEmpty);
    }
    let (named, digest) = match text.split_once('@') {
        Some((named, digest)) => (named, Some(digest)),
        None => (text, None),
    };
    let (name, tag) = match named.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
        _ => (named, None),
    };
    if !is_name(name) || !tag.is_none_or(is_tag) {
        return Err(ParseError::ReferenceInvalidFormat);
    }
    digest.map_or(Ok(()), check_digest)?;
    let (registry, repository) = split_registry(name);
    if repository.len() > REPOSITORY_LIMIT {
        return Err(ParseError::NameTooLong);
    }
    Ok(match (tag, digest.map(str::to_owned)) {
        (Some(tag), Some(digest)) => {
            Reference::with_tag_and_digest(registry, repository, tag.to_owned(), digest)
        }
        (None, Some(digest)) => Reference::with_digest(registry, repository, digest),
        (tag, None) => {
            Reference::with_tag(registry, repository, tag.unwrap_or("latest").to_owned())
        }
    })
}

fn is_name(name: &str) -> bool {
    let is_path = |path: &str| path.split('/').all(is_component);
    is_path(name)
        || name
            .split_once('/')
            .is_some_and(|(host, path)| is_host(host) && is_path(path))
}

/// Whether a text is one component of a repository: runs of lower-case letters and digits, separated by one `.`, one or
/// two `_`, or any number of `-`.
fn is_component(text: &str) -> bool {
    let is_letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let is_separator =
        |text: &str| matches!(text, "" | "." | "_" | "__") || text.bytes().all(|byte| byte == b'-');
    let is_outer = |c: Option<char>| c.is_some_and(is_letter);
    is_outer(text.chars().next())
        && is_outer(text.chars().next_back())
        && text.split(is_letter).all(is_separator)
}

/// Whether a text is a host name or an IPv4 address, with or without a port.
fn is_host(text: &str) -> bool {
    let (host, port) = text.split_once(':').unwrap_or((text, "0"));
    let is_label = |label: &str| {
        let is_inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        !label.is_empty()
            && label.bytes().all(is_inner)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let is_port = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    is_port && host.split('.').all(is_label)
}

fn is_tag(text: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    text.len() <= TAG_LIMIT
        && text.bytes().next().is_some_and(is_word)
        && text
            .bytes()
            .all(|byte| is_word(byte) || matches!(byte, b'.' | b'-'))
}

fn check_digest(text: &str) -> Result<(), ParseError> {
    let (algorithm, hex) = text
        .split_once(':')
        .ok_or(ParseError::ReferenceInvalidFormat)?;
    let len = match algorithm {
        "sha256" => 64,
        "sha384" => 96,
        "sha512" => 128,
        _ => return Err(ParseError::DigestUnsupported),
    };
    if !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(ParseError::DigestInvalidFormat);
    }
    if hex.len() != len {
        return Err(ParseError::DigestInvalidLength);
    }
    Ok(())
}

/// Splits a name into registry and repository as Docker does: the first part is a registry only if it has a dot or a
/// port, or is `localhost`.
fn split_registry(name: &str) -> (String, String) {
    let host = name
        .split_once('/')
        .filter(|(host, _)| host.contains(['.', ':']) || *host == "localhost");
    let (registry, repository) = host.unwrap_or((DEFAULT_REGISTRY, name));
    if ![DEFAULT_REGISTRY, DEFAULT_REGISTRY_ALIAS].contains(&registry) {
        return (registry.to_owned(), repository.to_owned());
    }
    let owner = if repository.contains('/') {
        ""
    } else {
        "library/"
    };
    (DEFAULT_REGISTRY.to_owned(), format!("{owner}{repository}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Parts of references, valid and invalid ones.
    fn texts() -> impl Strategy<Value = String> {
        let part = prop_oneof![
            prop::sample::select(
                &[
                    "/",
                    ":",
                    "@",
                    ".",
                    "-",
                    "_",
                    "__",
                    "--",
                    "..",
                    "a",
                    "A",
                    "0",
                    "localhost",
                    "docker.io/",
                    "index.docker.io/",
                    "library/",
                    "r.io:5000/",
                    "r.io/",
                    "R.io/",
                    "istio",
                    "proxyv2",
                    ":1.31.0-solo",
                    "@sha256:",
                    "@sha512:",
                    "@md5:",
                    "sha256:",
                    "é",
                    " ",
                    "\n",
                    "\0",
                ][..]
            )
            .prop_map(str::to_owned),
            "[0-9a-fA-F]{64}",
            "[a-z0-9._-]{1,200}",
            "[0-9a-f]{32,128}",
        ];
        prop::collection::vec(part, 0..8).prop_map(|parts| parts.concat())
    }

    proptest! {
        #[test]
        fn parses_as_the_specification_does(text in texts()) {
            let (ours, theirs) = (parse_reference(&text), text.parse::<Reference>());
            prop_assert_eq!(ours.as_ref().ok(), theirs.as_ref().ok().filter(|_| text.is_ascii()), "{}", text);
        }
    }

    #[test]
    fn parses_what_is_written_in_pods_and_documents() {
        let long = "a".repeat(255);
        for text in [
            "istiod".to_owned(),
            "localhost/x".to_owned(),
            "localhost:5000/x".to_owned(),
            "localhost:5000".to_owned(),
            "Host/x:1".to_owned(),
            "r.io/a//b".to_owned(),
            "r.io:/a".to_owned(),
            "-r.io/a".to_owned(),
            "a..b/c".to_owned(),
            "a_-b".to_owned(),
            "a___b".to_owned(),
            "a---b:_".to_owned(),
            "a:-1".to_owned(),
            format!("r.io/{long}"),
            format!("r.io/{long}a"),
            format!("r.io/a:{}", "1".repeat(128)),
            format!("r.io/a:{}", "1".repeat(129)),
            format!("r.io/a:1@sha256:{}", "0".repeat(63)),
            format!("r.io/a:1@sha256:{}", "F".repeat(64)),
            format!("r.io/a@sha384:{}", "f".repeat(96)),
            format!("r.io/a@sha256:{}@sha256:{}", "0".repeat(64), "1".repeat(64)),
        ] {
            let theirs = text.parse::<Reference>().ok();
            assert_eq!(parse_reference(&text).ok(), theirs, "{text}");
        }
    }
}
