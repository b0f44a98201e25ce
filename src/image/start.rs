//! Error messages for a file that is not an archive of images, by its first bytes.

use super::{ImageError, package};
use crate::suggestion::quote_word;

/// The number of first bytes that identify a file: the size of one tar header.
pub(super) const START: usize = 512;

/// The first bytes of known kinds of files.
const KINDS: &[(&[u8], &str)] = &[
    (b"\x7fELF", "an ELF program"),
    (b"\xcf\xfa\xed\xfe", "a Mach-O program"),
    (b"\xca\xfe\xba\xbe", "a Mach-O program"),
    (b"MZ", "a Windows program"),
    (b"#!", "a script"),
    (b"%PDF", "a PDF"),
    (b"{", "JSON"),
    (b"[", "JSON"),
];

/// Returns the error for a file that begins with `start`. `packed` means that these are
/// decompressed bytes.
pub(super) fn no_archive(name: &str, start: &[u8], packed: bool) -> ImageError {
    let what = if packed { "what it unpacks to" } else { "it" };
    if let Some(why) = package::name(bare(name), start).filter(|_| !packed) {
        let name = name.to_owned();
        return ImageError::NotAnImage { name, why };
    }
    let known = KINDS.iter().find(|(magic, _)| start.starts_with(magic));
    let why = match known {
        _ if start.is_empty() => format!("{what} is empty: save or fetch it again"),
        _ if is_web_page(start) => {
            format!("{what} is a web page: fetch the archive again, logged in where that is wanted")
        }
        Some((_, kind)) if kind.ends_with("program") && packed => {
            format!("{what} is {kind}: unpack it, and inspect that")
        }
        Some((_, kind)) if kind.ends_with("program") => {
            let path = quote_word(bare(name));
            format!("it is {kind}: `glooistio inspect {path}` reads it")
        }
        known => {
            let kind = known.map(|(_, kind)| format!("{kind}, "));
            let kind = kind.unwrap_or_default();
            format!("{what} is {kind}not a tar archive: `docker save` and `skopeo copy` write one")
        }
    };
    ImageError::NotAnImage {
        name: name.to_owned(),
        why,
    }
}

/// Returns the path in the name of a target.
pub(super) fn bare(name: &str) -> &str {
    let prefixes = ["docker-archive:", "oci-archive:"];
    let bare = prefixes.iter().find_map(|prefix| name.strip_prefix(prefix));
    bare.unwrap_or(name)
}

fn is_web_page(start: &[u8]) -> bool {
    let text = start.trim_ascii_start();
    let begins = |tag: &str| {
        let start = text.get(..tag.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(tag.as_bytes()))
    };
    begins("<!doctype html") || begins("<html")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_it_is_and_what_to_do_is_said() {
        for (start, packed, wanted) in [
            (&b""[..], false, "it is empty: save or fetch it again"),
            (
                b"\x7fELF\x02",
                false,
                "it is an ELF program: `glooistio inspect a:b` reads it",
            ),
            (
                b"\x7fELF\x02",
                true,
                "what it unpacks to is an ELF program: unpack it, and inspect that",
            ),
            (
                b"MZ\x90",
                false,
                "it is a Windows program: `glooistio inspect a:b` reads it",
            ),
            (b"\n<!DOCTYPE html>", false, "it is a web page: fetch"),
            (
                b"<HTML><body>",
                true,
                "what it unpacks to is a web page: fetch",
            ),
            (
                b"{\"a\": 1}",
                false,
                "it is JSON, not a tar archive: `docker save`",
            ),
            (b"PK\x03\x04", false, "it is a zip archive: unpack it by"),
            (b"hello", false, "it is not a tar archive: `docker save`"),
        ] {
            let said = no_archive("docker-archive:a:b", start, packed).to_string();
            let wanted = format!("docker-archive:a:b is not an image: {wanted}");
            assert!(said.starts_with(&wanted), "{said}");
        }
    }
}
