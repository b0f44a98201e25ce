//! The report as one JSON or YAML document: the contract that [`SCHEMA`](super::SCHEMA) numbers.

use std::fmt::{self, Write as _};
use std::io::{self, Write};

use serde::Serialize;

use terminal_text::is_hidden;

/// Writes the report as JSON, indented by two, with a final newline.
///
/// Characters that would control or mislead a terminal are written as `\uXXXX`, which JSON parsers read as the same
/// value.
pub fn write(report: &impl Serialize, out: &mut dyn Write) -> io::Result<()> {
    write_escaped(report, out, |escaped, c| {
        let mut units = [0; 2];
        let mut units = c.encode_utf16(&mut units).iter();
        units.try_for_each(|unit| write!(escaped, "\\u{unit:04x}"))
    })
}

/// Writes JSON with `escape` for each character that must not reach a terminal; they occur only in its strings.
fn write_escaped(
    report: &impl Serialize,
    out: &mut dyn Write,
    escape: fn(&mut String, char) -> fmt::Result,
) -> io::Result<()> {
    let json = serde_json::to_string_pretty(report)?;
    let mut escaped = String::with_capacity(json.len());
    for c in json.chars() {
        if is_shown(c) {
            escaped.push(c);
        } else {
            escape(&mut escaped, c).map_err(io::Error::other)?;
        }
    }
    writeln!(out, "{escaped}")
}

/// Writes the same document as YAML.
///
/// If the document has characters that would control or mislead a terminal, it is written in the style of JSON, because
/// YAML has escapes in quoted strings only. The escapes are those of YAML, which has no surrogate pairs.
pub fn write_yaml(report: &impl Serialize, out: &mut dyn Write) -> io::Result<()> {
    let yaml = serde_yaml::to_string(report).map_err(io::Error::other)?;
    if !yaml.chars().all(is_shown) {
        return write_escaped(report, out, |escaped, c| {
            write!(escaped, "\\U{:08x}", u32::from(c))
        });
    }
    out.write_all(yaml.as_bytes())
}

/// Whether a character of the document may be written to a terminal unescaped.
fn is_shown(c: char) -> bool {
    c == '\n' || !is_hidden(c)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Report;
    use crate::report::samples;

    fn written(writer: fn(&Report, &mut dyn Write) -> io::Result<()>, report: &Report) -> String {
        let mut bytes = Vec::new();
        writer(report, &mut bytes).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn every_field_of_the_contract_is_there_even_when_nothing_was_found() {
        let json: serde_json::Value =
            serde_json::from_str(&written(write, &Report::new("check"))).unwrap();
        for field in [
            "schema", "tool", "data", "cluster", "expected", "checks", "evidence", "counts",
            "skipped",
        ] {
            assert!(json.get(field).is_some(), "{field} is missing");
        }
        assert_eq!(json["schema"], 1);
    }

    #[test]
    fn yaml_holds_the_same_document_as_json() {
        let report = samples::full();
        let json: serde_json::Value = serde_json::from_str(&written(write, &report)).unwrap();
        let yaml: serde_json::Value = serde_yaml::from_str(&written(write_yaml, &report)).unwrap();
        assert_eq!(json, yaml);
    }

    #[test]
    fn hidden_characters_are_escaped_and_keep_their_value() {
        let hostile = "a\u{1b}[2J\u{7f}\u{202e}\u{61c}\u{e0041}\n";
        let mut report = samples::full();
        report.next = vec![crate::report::NextStep::text(hostile)];
        let json = written(write, &report);
        let yaml = written(write_yaml, &report);
        for text in [&json, &yaml] {
            assert!(text.chars().all(is_shown));
        }
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        let yaml: serde_json::Value = serde_yaml::from_str(&yaml).unwrap();
        assert_eq!(json["next"][0]["text"], hostile);
        assert_eq!(json, yaml);
    }

    #[test]
    fn a_check_says_its_status_severity_and_findings() {
        let json: serde_json::Value =
            serde_json::from_str(&written(write, &samples::full())).unwrap();
        let failed = json["checks"]
            .as_array()
            .unwrap()
            .iter()
            .find(|check| check["status"] == "failed")
            .unwrap();
        assert_eq!(failed["severity"], "error");
        assert_eq!(failed["phase"], "before");
        assert!(failed["findings"][0]["expected"].is_string());
    }
}
