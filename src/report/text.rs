//! The report for a person, in linkerd's layout: a heading per category, a line per check, and below it the findings:
//! what was found, what was expected, why, and the next step.
//!
//! This module does not query the terminal: width, colours and glyphs are values of [`Style`].

mod checks;
mod page;
mod programs;
mod proof;
mod tables;

use std::io::{self, Write};

use page::{Page, Tone};
pub use page::{to_ascii, wrap};
pub use proof::meaning;

use super::{Assurance, ModuleStatement, NextStep, Phase, Report, Status};

/// The appearance of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// ANSI colours.
    pub color: bool,
    /// Columns to wrap at; unlimited if the output is not a terminal. Commands and names are never cut.
    pub width: usize,
    /// Plain ASCII glyphs, for a dumb terminal.
    pub ascii: bool,
    pub detail: Detail,
}

/// The amount of detail that is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Detail {
    /// Only warnings, errors and unknowns: a run without problems writes nothing.
    Quiet,
    #[default]
    Normal,
    /// Everything: each check, each row of a list, and the sources of the data.
    Verbose,
}

/// Writes the whole report.
pub fn write(report: &Report, style: &Style, out: &mut dyn Write) -> io::Result<()> {
    write_before(report, style, out)?;
    write_after(report, style, out)
}

/// Writes what is known before anything changes: the plan with its reasons, and the Before checks.
pub fn write_before(report: &Report, style: &Style, out: &mut dyn Write) -> io::Result<()> {
    let mut page = Page::new(style, out);
    old_data(&mut page, report)?;
    plan(&mut page, report)?;
    checks::write(&mut page, report, Phase::Before)
}

/// Writes the rest: the After checks, pods, modules, pending restarts, the next steps and the result.
pub fn write_after(report: &Report, style: &Style, out: &mut dyn Write) -> io::Result<()> {
    let mut page = Page::new(style, out);
    checks::write(&mut page, report, Phase::After)?;
    tables::pods(&mut page, &report.pods)?;
    programs::write(&mut page, report)?;
    proof::write(&mut page, &report.evidence)?;
    tables::pending(&mut page, &report.pending)?;
    if let Some(up_to_date) = report.up_to_date.as_ref().filter(|_| !page.is_quiet()) {
        page.paragraph(0, Tone::Plain, up_to_date)?;
        page.blank()?;
    }
    // After a successful run, the next steps are not shown in quiet mode.
    if !page.is_quiet() || report.failed() {
        next(&mut page, &report.next)?;
    }
    error(&mut page, report)?;
    ending(&mut page, report)
}

/// Warns about data that is so old that a release of Istio may be missing from it.
fn old_data(page: &mut Page<'_>, report: &Report) -> io::Result<()> {
    // Quiet mode shows problems of what was judged, and old data is a problem of this program.
    if page.is_quiet() {
        return Ok(());
    }
    let old = report.data.iter().filter_map(|file| {
        let days = file.days_old?;
        Some(format!("{} ({}, {days} days)", file.name, file.date))
    });
    let old: Vec<String> = old.collect();
    if old.is_empty() {
        return Ok(());
    }
    let text = format!(
        "data is old: {}; use a newer glooistio, or give newer rows by --matrix or --modules",
        old.join(", ")
    );
    page.marked(Tone::Warned, &text)?;
    page.blank()
}

fn plan(page: &mut Page<'_>, report: &Report) -> io::Result<()> {
    let expected = &report.expected;
    if page.is_quiet() {
        return Ok(());
    }
    if expected.chosen.is_empty() && expected.notes.is_empty() {
        return Ok(());
    }
    page.heading(if expected.tag.is_some() {
        "plan"
    } else {
        "judged by"
    })?;
    for choice in &expected.chosen {
        page.labelled(0, &choice.what, &choice.value)?;
        page.labelled(0, "", &choice.why)?;
    }
    if let Some(cluster) = &report.cluster {
        page.labelled(0, "cluster", &cluster.context)?;
        page.labelled(0, "", &cluster.server)?;
    }
    for again in &expected.applied_again {
        page.labelled(0, "record", &format!("applies {} again", again.source))?;
        for setting in again.settings.iter().take(SETTINGS) {
            page.labelled(0, "", &shortened(setting))?;
        }
        if let Some(more @ 1..) = again.settings.len().checked_sub(SETTINGS) {
            page.labelled(
                0,
                "",
                &format!("and {more} more; -o json lists all of them"),
            )?;
        }
    }
    for note in &expected.notes {
        page.labelled(0, "note", note)?;
    }
    if page.is_verbose() {
        for file in &report.data {
            page.labelled(0, "data", &format!("{} of {}", file.name, file.date))?;
        }
    }
    page.blank()
}

/// How many settings of one overlay are shown.
const SETTINGS: usize = 40;

/// How many characters of one setting are shown.
const SETTING: usize = 160;

fn shortened(setting: &str) -> String {
    match setting.char_indices().nth(SETTING) {
        Some((at, _)) => format!("{}…", &setting[..at]),
        None => setting.to_owned(),
    }
}

fn next(page: &mut Page<'_>, steps: &[NextStep]) -> io::Result<()> {
    if steps.is_empty() {
        return Ok(());
    }
    page.heading("next steps")?;
    for step in steps {
        match step.command {
            Some(_) => page.verbatim(0, &step.to_string())?,
            None => page.paragraph(0, Tone::Plain, &step.text)?,
        }
    }
    page.blank()
}

fn error(page: &mut Page<'_>, report: &Report) -> io::Result<()> {
    let Some(error) = &report.error else {
        return Ok(());
    };
    page.marked(Tone::Bad, &format!("error: {}", error.message))?;
    for hint in &error.hints {
        page.paragraph(4, Tone::Plain, hint)?;
    }
    page.blank()
}

/// Writes the counts and, last, linkerd's status line.
fn ending(page: &mut Page<'_>, report: &Report) -> io::Result<()> {
    if page.is_quiet() && !report.failed() && report.error.is_none() {
        return Ok(());
    }
    let counted = [
        (Status::Passed, "passed"),
        (Status::Warned, "with warnings"),
        (Status::Failed, "failed"),
        (Status::Unknown, "unknown"),
        (Status::NotApplicable, "not applicable"),
        (Status::NotChecked, "not checked"),
        (Status::Skipped, "skipped"),
    ];
    let parts: Vec<String> = counted
        .into_iter()
        .map(|(status, word)| (report.ended(status), word))
        .filter(|(number, _)| *number > 0)
        .map(|(number, word)| format!("{number} {word}"))
        .collect();
    if !parts.is_empty() {
        page.paragraph(0, Tone::Dim, &format!("checks: {}", parts.join(", ")))?;
    }
    for skipped in &report.skipped {
        page.paragraph(
            0,
            Tone::Dim,
            &format!("skipped {}: {}", skipped.check, skipped.reason),
        )?;
    }
    let seen: Vec<String> = report
        .counts
        .iter()
        .filter(|(_, number)| **number > 0)
        .map(|(what, number)| format!("{number} {}", what.words()))
        .collect();
    if !seen.is_empty() {
        page.paragraph(0, Tone::Dim, &format!("seen: {}", seen.join(", ")))?;
    }
    // A module that is only declared causes no finding, but it was not verified either.
    let is_declared = |one: &ModuleStatement| one.count == 0 && one.module == Assurance::Declared;
    let tone = if report.failed() || report.error.is_some() {
        Tone::Bad
    } else if report.evidence.iter().any(is_declared) {
        Tone::Warned
    } else {
        Tone::Good
    };
    if let Some(ending) = report.ending() {
        page.paragraph(
            0,
            Tone::Plain,
            &format!("{}: {}", report.command, ending.words()),
        )?;
    }
    page.verdict("Status check results are", tone)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Count, PodRow, samples};

    const PLAIN: Style = Style {
        color: false,
        width: 80,
        ascii: false,
        detail: Detail::Normal,
    };

    fn text(style: &Style) -> String {
        let mut bytes = Vec::new();
        write(&samples::full(), style, &mut bytes).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn eighty_columns() {
        insta::assert_snapshot!(text(&PLAIN));
    }

    #[test]
    fn data_that_is_old_is_named_with_its_date_before_the_plan() {
        let mut report = samples::full();
        let file = |name: &str, days_old| crate::report::DataFile {
            name: name.to_owned(),
            date: "2026-08-22".to_owned(),
            days_old,
        };
        report.data = vec![file("openshift.yaml", Some(100)), file("builds.yaml", None)];
        let mut bytes = Vec::new();
        write_before(
            &report,
            &Style {
                width: 400,
                ..PLAIN
            },
            &mut bytes,
        )
        .unwrap();
        let text = String::from_utf8(bytes).unwrap();
        assert!(
            text.starts_with("‼ data is old: openshift.yaml (2026-08-22, 100 days); use a newer"),
            "{text}"
        );
        assert!(!text.contains("builds.yaml"), "{text}");
    }

    #[test]
    fn forty_columns() {
        insta::assert_snapshot!(text(&Style { width: 40, ..PLAIN }));
    }

    #[test]
    fn colours_are_the_only_difference_that_colour_makes() {
        let colored = text(&Style {
            color: true,
            ..PLAIN
        });
        assert!(colored.contains("\u{1b}[1m\u{1b}[31m×"), "{colored:?}");
        assert_eq!(
            anstream::adapter::strip_str(&colored).to_string(),
            text(&PLAIN)
        );
    }

    #[test]
    fn a_long_table_of_pods_is_cut_unless_verbose() {
        let mut report = samples::full();
        let pod = report.pods[0].clone();
        report.pods = (0..10_000)
            .map(|at| PodRow {
                name: format!("gateway-{at}"),
                ..pod.clone()
            })
            .collect();
        for (verbose, rows) in [(false, 100), (true, 10_000)] {
            let detail = if verbose {
                Detail::Verbose
            } else {
                Detail::Normal
            };
            let style = Style { detail, ..PLAIN };
            let mut bytes = Vec::new();
            write(&report, &style, &mut bytes).unwrap();
            let text = String::from_utf8(bytes).unwrap();
            assert_eq!(text.matches("  gateway-").count(), rows);
            assert_eq!(text.contains("and 9900 more"), !verbose, "{text}");
        }
    }

    #[test]
    fn a_dumb_terminal_gets_ascii_only() {
        let dumb = text(&Style {
            ascii: true,
            ..PLAIN
        });
        assert!(dumb.is_ascii(), "{dumb}");
        assert!(dumb.ends_with("Status check results are x\n"));
    }

    #[test]
    fn verbose_shows_what_passed_and_what_did_not_apply() {
        let quiet = text(&PLAIN);
        let loud = text(&Style {
            detail: Detail::Verbose,
            ..PLAIN
        });
        for only_loud in [
            "- the OpenShift fits",
            "not an OpenShift",
            "left out: agreed with Jo",
        ] {
            assert!(
                !quiet.contains(only_loud) && loud.contains(only_loud),
                "{only_loud}"
            );
        }
    }

    #[test]
    fn quiet_shows_only_what_is_not_green() {
        let quiet = Style {
            detail: Detail::Quiet,
            ..PLAIN
        };
        insta::assert_snapshot!(text(&quiet));
        let mut green = samples::full();
        green.checks.retain(|check| check.status == Status::Passed);
        green
            .evidence
            .retain(|one| one.module != Assurance::Contradicted);
        green.pending.clear();
        let mut bytes = Vec::new();
        write(&green, &quiet, &mut bytes).unwrap();
        assert_eq!(String::from_utf8(bytes).unwrap(), "");
    }

    #[test]
    fn programs_stand_below_their_image_with_the_module_first() {
        let mut bytes = Vec::new();
        write(&samples::inspected(), &PLAIN, &mut bytes).unwrap();
        insta::assert_snapshot!(String::from_utf8(bytes).unwrap());
    }

    #[test]
    fn what_is_refused_is_no_green_line_wherever_it_stands() {
        let mut report = samples::inspected();
        report.evidence.truncate(1);
        let refuse = "fipsonly was asked for".to_owned();
        let proof = report.evidence[0].proof.as_mut().unwrap();
        proof.judgement.accepted = false;
        proof.judgement.because = vec![refuse];
        for (count, wanted) in [
            (
                0,
                "× /usr/local/bin/pilot-discovery: refused (proven)\n    refused   fipsonly was",
            ),
            (
                1,
                "× pilot-discovery: refused (proven) by its bytes, for 1 process on amd64, 1\n  image\n    refused   fipsonly was",
            ),
        ] {
            report.evidence[0].count = count;
            let mut bytes = Vec::new();
            write(&report, &PLAIN, &mut bytes).unwrap();
            let text = String::from_utf8(bytes).unwrap();
            assert!(text.contains(wanted), "{text}");
        }
    }

    #[test]
    fn a_certificate_of_the_past_is_no_green_line() {
        for (status, wanted) in [
            ("active", "√ /usr/local/bin/pilot-discovery: proven\n"),
            (
                "historical",
                "‼ /usr/local/bin/pilot-discovery: proven, but its certificate is historical\n",
            ),
            (
                "revoked",
                "‼ /usr/local/bin/pilot-discovery: proven, but its certificate is revoked\n",
            ),
        ] {
            let mut report = samples::inspected();
            report.evidence.truncate(1);
            report = samples::with_certificate_status(report, status);
            let text = written(&report);
            assert!(text.contains(wanted), "{text}");
            report.evidence[0].count = 3;
            let running = written(&report);
            let glyph: String = wanted.chars().take(2).collect();
            let line = format!("{glyph}pilot-discovery  proven     3     #4735 {status}");
            assert!(running.contains(&line), "{running}");
        }
    }

    #[test]
    fn certificate_is_described_once_and_its_limits_with_every_program() {
        let mut report = samples::inspected();
        report.evidence.remove(1);
        report.evidence[1].binary = "pilot-agent".into();
        let text = written(&report);
        let times = |part: &str| text.matches(part).count();
        assert_eq!(times("read in   https://example.com/modules"), 1, "{text}");
        assert_eq!(times("page      https://csrc.example.gov"), 1, "{text}");
        assert_eq!(times("limit     no TLS 1.3 key derivation"), 2, "{text}");
    }

    #[test]
    fn running_programs_with_good_modules_are_lines_of_one_table() {
        let mut report = samples::inspected();
        report.evidence.remove(1);
        report.evidence[1].binary = "pilot-agent".into();
        report.evidence.iter_mut().for_each(|one| one.count = 2);
        let text = written(&report);
        let times = |part: &str| text.matches(part).count();
        assert_eq!(
            times("  proven     2     #4735 active  BoringCrypto"),
            2,
            "{text}"
        );
        assert_eq!(times("limit: no TLS 1.3 key derivation"), 1, "{text}");
        assert_eq!(times("read in"), 0, "{text}");
    }

    #[test]
    fn what_a_policy_cannot_decide_is_neither_green_nor_refused() {
        let mut report = samples::inspected();
        report.evidence.truncate(1);
        report = samples::with_old_status(report);
        let text = written(&report);
        let wanted = "? /usr/local/bin/pilot-discovery: unknown by policy 140-3-active (proven)\n    unknown   its status";
        assert!(text.contains(wanted), "{text}");
        assert!(text.ends_with("results are ×\n"), "{text}");
    }

    fn written(report: &Report) -> String {
        let mut bytes = Vec::new();
        write(report, &PLAIN, &mut bytes).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn what_one_pins_stands_beside_what_was_read_and_fits_a_terminal() {
        let mut report = samples::inspected();
        let digest = |digit: &str| format!("sha256:{}", digit.repeat(64));
        report.evidence[0].proof.as_mut().unwrap().manifest = Some(digest("a"));
        report.expected.images = vec![crate::report::PinnedImage {
            reference: "r.io/istio/pilot:1".into(),
            digest: digest("b"),
            platforms: vec!["linux/amd64".into()],
        }];
        let mut bytes = Vec::new();
        write(&report, &PLAIN, &mut bytes).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        let wanted = format!("\nindex {}\nmanifest {}\n", digest("b"), digest("a"));
        assert!(text.contains(&wanted), "{text}");
        assert!(
            text.lines().all(|line| line.chars().count() <= 80),
            "{text}"
        );
    }

    #[test]
    fn the_two_parts_make_the_whole() {
        let mut parts = Vec::new();
        write_before(&samples::full(), &PLAIN, &mut parts).unwrap();
        write_after(&samples::full(), &PLAIN, &mut parts).unwrap();
        assert_eq!(String::from_utf8(parts).unwrap(), text(&PLAIN));
    }

    #[test]
    fn what_was_not_seen_is_not_counted() {
        let mut report = Report::new("verify");
        report.counts = crate::report::Counts::from([(Count::Proxies, 12), (Count::Gone, 0)]);
        let mut bytes = Vec::new();
        write(&report, &PLAIN, &mut bytes).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.contains("seen: 12 proxies\n"), "{text}");
    }

    #[test]
    fn an_empty_report_is_green_and_one_line() {
        let mut bytes = Vec::new();
        write(&Report::new("check"), &PLAIN, &mut bytes).unwrap();
        assert_eq!(bytes, "Status check results are √\n".as_bytes());
    }
}
