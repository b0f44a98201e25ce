//! The modules of running programs as a table, with the limits of their validations.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use super::{SHOWN, Statement, Sum, left_out};
use crate::report::text::page::{Page, Tone};
use crate::report::{Assurance, RemarkKind};

/// The parts of a line of the table, in the order of their columns.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Line<'a> {
    binary: &'a str,
    tone: Tone,
    module: Assurance,
    name: Option<&'a str>,
    certificate: Option<String>,
    source: &'a str,
}

/// Writes a line for each program with the same module, certificate and way of observation. Columns that do not fit are
/// left out: first how it was observed, then the name of the module.
///
/// Returns false, and writes nothing, if the others do not fit either.
pub(super) fn table(
    page: &mut Page<'_>,
    all: &BTreeMap<Statement<'_>, Sum<'_>>,
) -> io::Result<bool> {
    let mut lines: BTreeMap<Line<'_>, u64> = BTreeMap::new();
    for (statement, sum) in all {
        let certificate = statement.validation.certificate;
        let certificate = certificate.map(|certificate| match certificate.number {
            Some(number) => format!("#{number} {}", certificate.status),
            None => certificate.status.clone(),
        });
        let line = Line {
            binary: statement.binary,
            tone: statement.tone,
            module: statement.module,
            name: statement.validation.name,
            certificate,
            source: statement.source,
        };
        *lines.entry(line).or_default() += sum.processes;
    }
    let heading = [
        "COMPONENT",
        "ASSURANCE",
        "PODS",
        "CERTIFICATE",
        "MODULE",
        "OBSERVED BY",
    ];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    let (number, none) = (lines.len(), || "-".to_owned());
    for (line, processes) in lines.into_iter().take(SHOWN) {
        rows.push(vec![
            format!("{} {}", page.glyph(line.tone), line.binary),
            line.module.word().to_owned(),
            processes.to_string(),
            line.certificate.unwrap_or_else(none),
            line.name.map_or_else(none, str::to_owned),
            line.source.to_owned(),
        ]);
    }
    let shown = rows.len() - 1;
    while !page.fits(&rows) && rows[0].len() > heading.len() - 2 {
        for row in &mut rows {
            row.pop();
        }
    }
    if !page.fits(&rows) {
        return Ok(false);
    }
    page.table(&rows)?;
    left_out(page, number, shown)?;
    Ok(true)
}

/// Writes each limit of the validations of these statements once.
pub(super) fn limits<'a>(
    page: &mut Page<'_>,
    statements: impl Iterator<Item = &'a Statement<'a>>,
) -> io::Result<()> {
    let remarks = statements.flat_map(|statement| statement.validation.remarks);
    let limits = remarks.filter(|remark| remark.kind == RemarkKind::Limitation);
    let messages: BTreeSet<&str> = limits.map(|remark| remark.message.as_str()).collect();
    for message in messages {
        page.paragraph(0, Tone::Plain, &format!("limit: {message}"))?;
    }
    Ok(())
}
