//! The statements about modules as CSV, for spreadsheets: a line for each program and place.

use std::io;

use terminal_text::escape;

use super::{ModuleStatement, Report, RunsIn};

/// The columns, which are also the first line.
pub const COLUMNS: [&str; 15] = [
    "component",
    "assurance",
    "module",
    "certificate",
    "standard",
    "status",
    "until",
    "accepted",
    "namespace",
    "role",
    "pods",
    "arch",
    "image",
    "digest",
    "observed",
];

/// Writes a line for each program and place where it runs.
pub fn write(report: &Report, out: &mut dyn io::Write) -> io::Result<()> {
    let mut lines = csv::Writer::from_writer(out);
    lines.write_record(COLUMNS)?;
    for statement in &report.evidence {
        if statement.runs_in.is_empty() {
            lines.write_record(line(statement, None))?;
        }
        for place in &statement.runs_in {
            lines.write_record(line(statement, Some(place)))?;
        }
    }
    lines.flush()
}

fn line(statement: &ModuleStatement, place: Option<&RunsIn>) -> [String; COLUMNS.len()] {
    let proof = statement.proof.as_deref();
    let certificate = proof.and_then(|proof| proof.certificate.as_ref());
    let number = certificate.and_then(|certificate| certificate.number);
    let pods = place.map_or(statement.count, |place| place.pods);
    let cells: [Option<String>; COLUMNS.len()] = [
        Some(statement.binary.clone()),
        Some(statement.module.word().to_owned()),
        proof.and_then(|proof| proof.name.clone()),
        number.map(|number| number.to_string()),
        certificate.and_then(|certificate| certificate.standard.clone()),
        certificate.map(|certificate| certificate.status.clone()),
        certificate.and_then(|certificate| certificate.until.clone()),
        proof.map(|proof| proof.judgement.accepted.to_string()),
        place.map(|place| place.namespace.clone()),
        place.map(|place| place.role.to_owned()),
        Some(pods.to_string()),
        statement.arch.clone(),
        proof.and_then(|proof| proof.image.clone()),
        statement.digest.clone(),
        Some(statement.source.clone()),
    ];
    cells.map(|cell| cell.map_or_else(String::new, |cell| as_text(&cell)))
}

/// Writes any table, with its columns as first line.
pub fn write_table(
    columns: &[&str],
    rows: &[Vec<String>],
    out: &mut dyn io::Write,
) -> io::Result<()> {
    let mut lines = csv::Writer::from_writer(out);
    lines.write_record(columns)?;
    for row in rows {
        lines.write_record(row.iter().map(|cell| as_text(cell)))?;
    }
    lines.flush()
}

/// Returns a cell that no terminal obeys and that no spreadsheet calculates: names of programs come from images.
fn as_text(cell: &str) -> String {
    let cell = escape(cell);
    if cell.starts_with(['=', '+', '-', '@']) {
        format!("'{cell}")
    } else {
        cell
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;

    fn written(report: &Report) -> Vec<Vec<String>> {
        let mut bytes = Vec::new();
        write(report, &mut bytes).unwrap();
        let lines = csv::ReaderBuilder::new()
            .has_headers(false)
            .from_reader(bytes.as_slice())
            .into_records()
            .map(|line| line.unwrap().iter().map(str::to_owned).collect());
        lines.collect()
    }

    #[test]
    fn has_a_line_for_each_place() {
        let mut report = samples::full();
        let statement = &mut report.evidence[0];
        let place = |namespace: &str, pods| RunsIn {
            namespace: namespace.to_owned(),
            role: "sidecar",
            pods,
        };
        statement.runs_in = vec![place("a", 1), place("b", 2)];
        report.evidence.truncate(1);
        let lines = written(&report);
        assert_eq!(lines[0], COLUMNS);
        let places: Vec<_> = lines[1..]
            .iter()
            .map(|line| (&line[8], &line[10]))
            .collect();
        assert_eq!(
            places,
            [
                (&"a".to_owned(), &"1".to_owned()),
                (&"b".to_owned(), &"2".to_owned())
            ]
        );
    }

    #[test]
    fn keeps_a_hostile_name_in_its_cell() {
        let mut report = samples::full();
        report.evidence.truncate(1);
        report.evidence[0].binary = "=cmd|' /C calc'!A0\",\n\u{1b}[2J".to_owned();
        let lines = written(&report);
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[1][0], "'=cmd|' /C calc'!A0\", \\u{1b}[2J");
    }
}
