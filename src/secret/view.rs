//! Decodes percent encoding and JSON escapes in a text, and maps results to the original.

use std::ops::Range;

/// The maximum number of nested encodings that are decoded.
const DEPTH: usize = 3;

/// A decoded text, with the position of each of its bytes in the original.
#[derive(Clone)]
pub(super) struct View {
    pub(super) text: String,
    /// The position of each byte in the original; `None` if nothing was decoded.
    places: Option<Vec<Range<usize>>>,
}

impl View {
    /// Returns the text as it is, and after each layer of decoding.
    pub(super) fn layers(text: &str) -> Vec<View> {
        let mut view = View {
            text: text.to_owned(),
            places: None,
        };
        let mut layers = Vec::new();
        while layers.len() < DEPTH && view.text.contains(['%', '\\']) {
            let outer = view.clone();
            if !view.decode() {
                break;
            }
            layers.push(outer);
        }
        layers.push(view);
        layers
    }

    /// Returns the part of the original that corresponds to a part of the view.
    pub(super) fn original(&self, range: &Range<usize>) -> Range<usize> {
        let Some(places) = &self.places else {
            return range.clone();
        };
        let part = places.get(range.clone()).unwrap_or_default();
        match (part.first(), part.last()) {
            (Some(first), Some(last)) => first.start..last.end,
            _ => 0..0,
        }
    }

    /// Decodes one layer. Returns true if this changed the text.
    fn decode(&mut self) -> bool {
        let bytes = self.text.as_bytes();
        let (mut decoded, mut places) = (Vec::with_capacity(bytes.len()), Vec::new());
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            let (meant, length) = escape(&self.text, at).unwrap_or((Meant::Byte(byte), 1));
            let place = self.original(&(at..at + length));
            let mut buffer = [0; 4];
            let meant = match meant {
                Meant::Byte(byte) => &[byte][..],
                Meant::Character(c) => c.encode_utf8(&mut buffer).as_bytes(),
            };
            decoded.extend_from_slice(meant);
            places.extend(meant.iter().map(|_| place.clone()));
            at += length;
        }
        // Each byte that is not UTF-8 becomes a `?`.
        match String::from_utf8(decoded) {
            Ok(text) if text != self.text => {
                let whole = Self::characters(&text, places);
                (self.text, self.places) = (text, Some(whole));
                true
            }
            Ok(_) => false,
            Err(error) => self.decode_lossily(error.as_bytes(), &places),
        }
    }

    /// Replaces each byte that is not UTF-8 by a `?`.
    fn decode_lossily(&mut self, decoded: &[u8], places: &[Range<usize>]) -> bool {
        let (mut text, mut kept) = (String::new(), Vec::new());
        let mut at = 0;
        for chunk in decoded.utf8_chunks() {
            let valid = chunk.valid();
            text.push_str(valid);
            kept.extend_from_slice(places.get(at..at + valid.len()).unwrap_or_default());
            at += valid.len();
            for place in places
                .get(at..at + chunk.invalid().len())
                .unwrap_or_default()
            {
                text.push('?');
                kept.push(place.clone());
            }
            at += chunk.invalid().len();
        }
        let changed = text != self.text;
        let whole = Self::characters(&text, kept);
        (self.text, self.places) = (text, Some(whole));
        changed
    }

    /// Maps every byte of a character to the range of the whole character, so that no range ends
    /// inside of a character.
    fn characters(text: &str, mut places: Vec<Range<usize>>) -> Vec<Range<usize>> {
        for (at, c) in text.char_indices() {
            let Some(part) = places.get_mut(at..at + c.len_utf8()) else {
                continue;
            };
            if let [first, .., last] = part {
                let whole = first.start..last.end;
                part.fill(whole);
            }
        }
        places
    }
}

/// The meaning of an escape sequence.
enum Meant {
    Byte(u8),
    Character(char),
}

/// Returns the escape sequence at an offset and its length.
fn escape(text: &str, at: usize) -> Option<(Meant, usize)> {
    let rest = text.get(at..)?;
    if let Some(hex) = rest.strip_prefix('%') {
        return Some((
            Meant::Byte(u8::from_str_radix(digits(hex, 2)?, 16).ok()?),
            3,
        ));
    }
    let escaped = rest.strip_prefix('\\')?;
    match escaped.chars().next()? {
        'u' => {
            let code = u32::from_str_radix(digits(escaped.get(1..)?, 4)?, 16).ok()?;
            Some((Meant::Character(char::from_u32(code)?), 6))
        }
        'x' => {
            let code = u8::from_str_radix(digits(escaped.get(1..)?, 2)?, 16).ok()?;
            Some((Meant::Byte(code), 4))
        }
        c @ ('/' | '"' | '\\') => Some((Meant::Character(c), 2)),
        _ => None,
    }
}

fn digits(text: &str, count: usize) -> Option<&str> {
    let digits = text.get(..count)?;
    let hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    hex.then_some(digits)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_byte_knows_its_place() {
        for (text, meant) in [
            ("a%2Fb", "a/b"),
            ("a%252fb", "a/b"),
            (r"a\u002fb\/c", "a/b/c"),
            (r"\x41%", "A%"),
            ("%c3%a9", "é"),
            ("%ff.%41", "?.A"),
            (r"\u12", r"\u12"),
        ] {
            let view = View::layers(text).pop().unwrap();
            assert_eq!(view.text, meant, "{text}");
            assert_eq!(
                view.original(&(0..view.text.len())),
                0..text.len(),
                "{text}"
            );
        }
        let view = View::layers("x%2Fy").pop().unwrap();
        assert_eq!(view.original(&(1..2)), 1..4);
    }

    proptest! {
        #[test]
        fn no_text_panics_and_every_place_is_one_of_the_text(text in "[%\\\\ux0-9a-fé]{0,30}") {
            let view = View::layers(&text).pop().unwrap();
            for (at, c) in view.text.char_indices() {
                let place = view.original(&(at..at + c.len_utf8()));
                prop_assert!(text.get(place.clone()).is_some_and(|it| !it.is_empty()), "{:?}", place);
            }
        }
    }
}
