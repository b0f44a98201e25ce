//! Properties that hold for all documents, whatever their texts are: they are read back as they were written, and none
//! of their characters controls a terminal.

use serde_json::{Map, Value};

use super::convert::Converter;
use super::{parse, scalar, text, write};
use terminal_text::fuzz::{Input, assert_shown};

/// From this first byte on, the keys of a document may have any length.
const LONG_KEYS: u8 = 0xc0;

/// Maximum length of other keys in bytes: escaped, they have less than a thousand characters.
const SHORT: usize = 64;

/// Maximum depth of the values of a document.
const DEEPEST: u8 = 6;

/// Limit for the entries of one list or map.
const MOST: u8 = 6;

/// Writes a value that is generated from the bytes as a document for istioctl.
///
/// # Panics
///
/// Panics if a property does not hold.
pub fn documents(bytes: &[u8]) {
    let (value, _) = generate_value(bytes);
    let document = write(&value);
    assert_shown(&document, true);
    assert_eq!(reread(&document).as_ref(), Some(&value), "{document}");
    let other = serde_yaml::from_str::<Value>(&document).ok();
    assert_eq!(other.as_ref(), Some(&value), "{document}");
}

/// Generates a value from the bytes, and whether its keys can have any length.
pub fn generate_value(bytes: &[u8]) -> (Value, bool) {
    let mut input = Input::new(bytes);
    let has_long_keys = input.byte() >= LONG_KEYS;
    (value(&mut input, has_long_keys, 0), has_long_keys)
}

/// Reads a document with the reader for users' files.
fn reread(document: &str) -> Option<Value> {
    let text = text::decode("w", document.as_bytes()).ok()?;
    let roots = parse::parse("w", &text).ok()?;
    let [root] = roots.as_slice() else {
        return None;
    };
    Converter::new("w").value(root).ok()
}

fn value(input: &mut Input<'_>, has_long_keys: bool, depth: u8) -> Value {
    let kind = input.byte();
    let list = kind.is_multiple_of(2);
    match kind {
        0..=31 => Value::Null,
        32..=47 => Value::Bool(list),
        48..=79 => number(input),
        80..=191 => Value::String(string(input)),
        _ if depth == DEEPEST => Value::Null,
        _ if list => {
            let count = input.byte() % MOST;
            (0..count)
                .map(|_| value(input, has_long_keys, depth + 1))
                .collect()
        }
        _ => {
            let count = input.byte() % MOST;
            let entry = |_| {
                (
                    key(input, has_long_keys, depth),
                    value(input, has_long_keys, depth + 1),
                )
            };
            Value::Object((0..count).map(entry).collect::<Map<_, _>>())
        }
    }
}

fn number(input: &mut Input<'_>) -> Value {
    let mut bytes = [0; 8];
    let kind = input.byte();
    let taken = input.bytes(8);
    bytes[..taken.len()].copy_from_slice(taken);
    match kind % 3 {
        0 => Value::from(i64::from_le_bytes(bytes)),
        1 => Value::from(u64::from_le_bytes(bytes)),
        // JSON parsers do not return every float with its last digit.
        _ => scalar::float(f64::from(i16::from_le_bytes([bytes[0], bytes[1]])) / 8.0)
            .unwrap_or_default(),
    }
}

/// Generates a text of less than 200 bytes, or a repeated one, because keys and lines of great length are limited.
fn string(input: &mut Input<'_>) -> String {
    let length = input.byte();
    let times = if length < 200 { 1 } else { input.byte() };
    let bytes = input.bytes(usize::from(length % 200));
    String::from_utf8_lossy(bytes).repeat(usize::from(times))
}

/// Generates a key. At the top it is never a field of `IstioOperator`, because those have types of their own.
fn key(input: &mut Input<'_>, has_long_keys: bool, depth: u8) -> String {
    let text = if has_long_keys {
        string(input)
    } else {
        let length = usize::from(input.byte()).min(SHORT);
        String::from_utf8_lossy(input.bytes(length)).into_owned()
    };
    if depth == 0 { format!("~{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Returns bytes for a map with one entry that contains `text` as key and value.
    fn described(first: u8, text: &str) -> Vec<u8> {
        let length = u8::try_from(text.len()).unwrap();
        let text = [&[length], text.as_bytes()].concat();
        let string = [&[90], text.as_slice()].concat();
        let map = [&[193, 1], text.as_slice(), string.as_slice()].concat();
        [&[first, 194, 2], string.as_slice(), map.as_slice()].concat()
    }

    proptest! {
        #[test]
        fn holds_on_any_value(bytes in prop::collection::vec(any::<u8>(), 0..200), first: u8, kind in 192_u8..) {
            documents(&[&[first, kind], bytes.as_slice()].concat());
        }
    }

    #[test]
    fn holds_on_texts_that_drive_a_terminal() {
        for text in [
            "a\u{1b}[2J",
            "\u{202e}",
            "\u{e0041}",
            "\u{61c}\n",
            "\u{85}\u{2028}",
            "'",
            "\"\\",
            "no",
            "~",
            "1e3",
        ] {
            for first in [0, LONG_KEYS] {
                documents(&described(first, text));
            }
        }
        let long = [
            &[LONG_KEYS, 193, 1, 220, 200],
            "key: \u{202e}".repeat(3).as_bytes(),
            &[90, 1, b'x'],
        ]
        .concat();
        documents(&long);
    }
}
