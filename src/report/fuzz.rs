//! Properties that hold for all reports, whatever their texts are: they are read back as they were written, and none of
//! their characters controls a terminal.

use std::io::{self, Write};

use istio_operator::fuzz::generate_value;
use serde_json::Value;
use terminal_text::fuzz::assert_shown;

use super::json;

/// Writes a value that is generated from the bytes as JSON and YAML of a report.
///
/// The keys of a report are names of fields: none is near YAML's limit for a key before its colon.
///
/// # Panics
///
/// Panics if a property does not hold.
pub fn reports(bytes: &[u8]) {
    let (value, has_long_keys) = generate_value(bytes);
    if has_long_keys {
        return;
    }
    let json = written(json::write, &value);
    let read = serde_json::from_str::<Value>(&json).ok();
    assert_eq!(read.as_ref(), Some(&value), "{json}");
    let yaml = written(json::write_yaml, &value);
    let read = serde_yaml::from_str::<Value>(&yaml).ok();
    assert_eq!(read.as_ref(), Some(&value), "{yaml}");
}

fn written(writer: fn(&Value, &mut dyn Write) -> io::Result<()>, value: &Value) -> String {
    let mut bytes = Vec::new();
    assert!(writer(value, &mut bytes).is_ok(), "{value}");
    let text = String::from_utf8_lossy(&bytes).into_owned();
    assert_shown(&text, true);
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn reports_are_read_back_as_they_were_written(bytes: Vec<u8>) {
            super::reports(&bytes);
        }
    }
}
