//! The report as one JSON or YAML document: the contract that [`SCHEMA`](super::SCHEMA) numbers.

use std::io::{self, Write};

use serde::Serialize;

/// Writes the report as JSON, indented by two, with a final newline.
pub fn write(report: &impl Serialize, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, report)?;
    writeln!(out)
}

/// Writes the same document as YAML.
pub fn write_yaml(report: &impl Serialize, out: &mut dyn Write) -> io::Result<()> {
    let yaml = serde_yaml::to_string(report).map_err(io::Error::other)?;
    out.write_all(yaml.as_bytes())
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
        assert!(failed["findings"][0]["wanted"].is_string());
    }
}
