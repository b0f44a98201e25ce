//! What must hold of documents whatever their texts are: they are read back as they were written, and none of
//! their characters drives a terminal.

use std::io::{self, Write};

use serde_json::{Map, Value};

use super::convert::Converter;
use super::{parse, scalar, text, write};
use crate::escape::fuzz::{Input, assert_shown};
use crate::report::json;

/// From this first byte on the keys of a document may be of any length.
const LONG_KEYS: u8 = 0xc0;

/// Bytes of other keys: escaped, they have less than a thousand characters.
const SHORT: usize = 64;

/// How deep the values of a document may be.
const DEEPEST: u8 = 6;

/// Entries of one list or map.
const MOST: u8 = 6;

/// Writes a value that the bytes describe: as JSON and YAML of a report, and as a document for istioctl.
///
/// # Panics
///
/// Where something does not hold.
pub fn documents(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let has_long_keys = input.byte() >= LONG_KEYS;
    let value = value(&mut input, has_long_keys, 0);
    if !has_long_keys {
        report(&value);
    }
    istio_operator(&value);
}

/// The keys of a report are names of its fields: none comes near YAML's limit for a key before its colon.
fn report(value: &Value) {
    let json = written(json::write, value);
    let read = serde_json::from_str::<Value>(&json).ok();
    assert_eq!(read.as_ref(), Some(value), "{json}");
    let yaml = written(json::write_yaml, value);
    let read = serde_yaml::from_str::<Value>(&yaml).ok();
    assert_eq!(read.as_ref(), Some(value), "{yaml}");
}

fn istio_operator(value: &Value) {
    let document = write(value);
    assert_shown(&document, true);
    assert_eq!(reread(&document).as_ref(), Some(value), "{document}");
    let other = serde_yaml::from_str::<Value>(&document).ok();
    assert_eq!(other.as_ref(), Some(value), "{document}");
}

fn written(writer: fn(&Value, &mut dyn Write) -> io::Result<()>, value: &Value) -> String {
    let mut bytes = Vec::new();
    assert!(writer(value, &mut bytes).is_ok(), "{value}");
    let text = String::from_utf8_lossy(&bytes).into_owned();
    assert_shown(&text, true);
    text
}

/// What the reader of users' files makes of a document.
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
        // A reader of JSON does not give every float back to its last digit.
        _ => scalar::float(f64::from(i16::from_le_bytes([bytes[0], bytes[1]])) / 8.0)
            .unwrap_or_default(),
    }
}

/// A text of less than 200 bytes, or one repeated: keys and lines of any length have their limits.
fn string(input: &mut Input<'_>) -> String {
    let length = input.byte();
    let times = if length < 200 { 1 } else { input.byte() };
    let bytes = input.bytes(usize::from(length % 200));
    String::from_utf8_lossy(bytes).repeat(usize::from(times))
}

/// The fields of an `IstioOperator` have shapes of their own: at the top there are none.
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

    /// A map with one entry and a list with another.
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
