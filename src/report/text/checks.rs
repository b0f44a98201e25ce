//! The checks: a heading per category, a line per check, the findings of a check below its line.

use std::io;

use super::page::{Page, Tone};
use crate::report::{CheckResult, Finding, Phase, Report, Severity, Status};

/// Findings shown per check, unless the mode is verbose.
const SHOWN: usize = 8;
const INDENT: usize = 4;

/// Writes the checks of a phase: one line for a category in which all passed, and every check of the other categories.
pub(super) fn write(page: &mut Page<'_>, report: &Report, phase: Phase) -> io::Result<()> {
    let (verbose, quiet) = (page.is_verbose(), page.is_quiet());
    let is_shown = |check: &&CheckResult| match tone(check.status) {
        Tone::Aside => verbose,
        Tone::Good => !quiet,
        _ => true,
    };
    let is_brief = |check: &CheckResult| {
        !verbose && check.status == Status::Passed && check.findings.is_empty()
    };
    let shown = report.checks.iter().filter(|check| check.phase == phase);
    let shown: Vec<&CheckResult> = shown.filter(is_shown).collect();
    let mut is_in_list = false;
    for group in shown.chunk_by(|left, right| left.category == right.category) {
        let Some(first) = group.first() else { continue };
        let passed = group.iter().filter(|check| is_brief(check)).count();
        let noun = if passed == 1 { "check" } else { "checks" };
        let passed_text = format!("{passed} {noun} passed");
        if passed == group.len() {
            page.marked(Tone::Good, &format!("{}: {passed_text}", first.category))?;
            is_in_list = true;
            continue;
        }
        if std::mem::take(&mut is_in_list) {
            page.blank()?;
        }
        page.heading(first.category)?;
        if passed > 0 {
            page.marked(Tone::Good, &passed_text)?;
        }
        for result in group.iter().filter(|check| !is_brief(check)) {
            check(page, result)?;
        }
        page.blank()?;
    }
    if is_in_list {
        page.blank()?;
    }
    Ok(())
}

fn tone(status: Status) -> Tone {
    match status {
        Status::Passed => Tone::Good,
        Status::Warned => Tone::Warned,
        Status::Failed => Tone::Bad,
        Status::Unknown => Tone::Unknown,
        Status::NotApplicable | Status::NotChecked | Status::Skipped => Tone::Aside,
    }
}

fn check(page: &mut Page<'_>, check: &CheckResult) -> io::Result<()> {
    page.marked(tone(check.status), check.title)?;
    if !check.detail.is_empty() && (page.is_verbose() || check.status == Status::Unknown) {
        page.paragraph(INDENT, Tone::Dim, &check.detail)?;
    }
    let shown = if page.is_verbose() {
        check.findings.len()
    } else {
        SHOWN
    };
    for finding in check.findings.iter().take(shown) {
        write_finding(page, check.status, finding)?;
    }
    if check.findings.len() > shown {
        let more = check.findings.len() - shown;
        page.paragraph(
            INDENT,
            Tone::Dim,
            &format!("and {more} more: --verbose shows them"),
        )?;
    }
    if matches!(
        check.status,
        Status::Failed | Status::Warned | Status::Unknown
    ) {
        page.command(INDENT, "see", &format!("glooistio explain {}", check.id))?;
    }
    Ok(())
}

fn write_finding(page: &mut Page<'_>, status: Status, finding: &Finding) -> io::Result<()> {
    let rank = match (finding.severity, status) {
        (Severity::Info, _) => "note: ",
        (Severity::Warning, Status::Failed) => "warning: ",
        _ => "",
    };
    let subject = finding.subject.as_ref().map(ToString::to_string);
    let subject = subject.filter(|subject| !finding.message.starts_with(subject.as_str()));
    let file = finding.file.clone();
    let place = file
        .into_iter()
        .chain(subject)
        .fold(String::new(), |place, part| place + &part + ": ");
    page.paragraph(
        INDENT,
        Tone::Plain,
        &format!("{rank}{place}{}", finding.message),
    )?;
    // A note on a check that passed is one sentence; its sources are for those who ask for everything.
    if status == Status::Passed && !page.is_verbose() {
        return Ok(());
    }
    // JSON contains every field; for a person, text that repeats another field is left out.
    let found = finding.found.as_ref();
    let found = found.filter(|found| !finding.message.contains(found.as_str()));
    let expected = finding.expected.as_ref();
    let expected = expected.filter(|expected| finding.fix.as_ref() != Some(*expected));
    let lines = [
        ("found", found),
        ("expected", expected),
        ("why", finding.why.as_ref()),
        ("fix", finding.fix.as_ref()),
    ];
    for (label, text) in lines {
        if let Some(text) = text {
            page.labelled(INDENT, label, text)?;
        }
    }
    if page.is_verbose() {
        for source in &finding.sources {
            page.labelled(INDENT, "source", source)?;
        }
    }
    if let Some(command) = &finding.command {
        page.command(INDENT, "run", command.as_str())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Subject;
    use crate::report::text::{Detail, Style};

    #[test]
    fn a_person_reads_a_thing_once() {
        let style = Style {
            color: false,
            width: 80,
            ascii: false,
            detail: Detail::Normal,
        };
        let said = |finding: &Finding| {
            let mut bytes = Vec::new();
            let mut page = Page::new(&style, &mut bytes);
            write_finding(&mut page, Status::Failed, finding).unwrap();
            String::from_utf8(bytes).unwrap()
        };
        let twice = Finding::error("missing", "h.io/pilot:1 does not exist")
            .subject(Subject::image("h.io/pilot:1"))
            .found("does not exist")
            .expected("another")
            .fix("another");
        let once = "    h.io/pilot:1 does not exist\n    fix       another\n";
        assert_eq!(said(&twice), once);
        let all = Finding::error("away", "away")
            .subject(Subject::image("x"))
            .found("none")
            .expected("one")
            .fix("more");
        let wanted = "    x: away\n    found     none\n    expected  one\n    fix       more\n";
        assert_eq!(said(&all), wanted);
    }
}
