//! Decodes the bytes of a file into text.

use super::{OverlayError, Position};

/// Larger than any installer document seen, but small enough to keep several copies in memory.
const MAX_BYTES: usize = 16 * 1024 * 1024;

/// Decodes UTF-8 with or without a byte order mark, or UTF-16 with one.
pub(super) fn decode(source: &str, bytes: &[u8]) -> Result<String, OverlayError> {
    let start = || Position {
        source: source.into(),
        line: 1,
        column: 1,
    };
    if bytes.len() > MAX_BYTES {
        let problem = format!(
            "{} bytes are more than the {MAX_BYTES} a document may have",
            bytes.len()
        );
        return Err(OverlayError::file(
            start(),
            problem,
            "check that this is the file you meant",
        ));
    }
    let text = match bytes {
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes),
        [0xef, 0xbb, 0xbf, rest @ ..] => utf8(rest),
        _ => utf8(bytes),
    };
    let text = text.map_err(|line| {
        let at = Position { line, ..start() };
        OverlayError::file(at, "this is not text in UTF-8", "save the file as UTF-8")
    })?;
    match text.char_indices().find(|(_, c)| !printable(*c)) {
        None => Ok(text),
        Some((index, c)) => {
            let before = &text[..index];
            let line = before.matches('\n').count() + 1;
            let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
            let problem = format!(
                "the character U+{:04X} is not allowed in YAML",
                u32::from(c)
            );
            let at = Position {
                source: source.into(),
                line,
                column,
            };
            Err(OverlayError::file(
                at,
                problem,
                "remove it, or write it as \"\\u…\" in double quotes",
            ))
        }
    }
}

fn utf8(bytes: &[u8]) -> Result<String, usize> {
    std::str::from_utf8(bytes)
        .map(str::to_owned)
        .map_err(|e| bytes[..e.valid_up_to()].split(|b| *b == b'\n').count())
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<String, usize> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(1);
    }
    char::decode_utf16(pairs.iter().map(|pair| unit(*pair)))
        .collect::<Result<_, _>>()
        .map_err(|_| 1)
}

/// Whether both YAML 1.1 and the parser of istioctl accept the character unescaped.
pub(super) fn printable(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | '\u{85}' | ' '..='~' | '\u{a0}'..='\u{d7ff}'
        | '\u{e000}'..='\u{fefe}' | '\u{ff00}'..='\u{fffd}' | '\u{10000}'..)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_encoding_gives_the_same_text() {
        let utf16 = |f: fn(u16) -> [u8; 2], mark: [u8; 2]| -> Vec<u8> {
            mark.into_iter()
                .chain("a: ü".encode_utf16().flat_map(f))
                .collect()
        };
        for bytes in [
            "a: ü".as_bytes().to_vec(),
            "\u{feff}a: ü".as_bytes().to_vec(),
            utf16(u16::to_le_bytes, [0xff, 0xfe]),
            utf16(u16::to_be_bytes, [0xfe, 0xff]),
        ] {
            assert_eq!(decode("f", &bytes).unwrap(), "a: ü");
        }
    }

    #[test]
    fn what_is_no_text_is_refused_with_its_place() {
        for (bytes, start) in [
            (
                b"a: b\nc: \xff".as_slice(),
                "f:2:1: this is not text in UTF-8",
            ),
            (b"\xff\xfea".as_slice(), "f:1:1: this is not text in UTF-8"),
            (b"a: b\nc: \x00d".as_slice(), "f:2:4: the character U+0000"),
        ] {
            let message = decode("f", bytes).unwrap_err().to_string();
            assert!(message.starts_with(start), "{message}");
        }
        let message = decode("f", &vec![b' '; MAX_BYTES + 1])
            .unwrap_err()
            .to_string();
        assert!(message.contains("bytes are more than"), "{message}");
    }
}
