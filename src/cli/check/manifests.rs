//! `check --manifest`: several IstioOperator files, each judged separately, in one report.

use std::path::{Path, PathBuf};

use crate::cli::resolve;
use crate::exit::{Exit, Failure};
use crate::report::{CheckResult, Report, Status};
use crate::request::Overlay;
use crate::sys::os;

/// Extensions of the files in a directory that may be an IstioOperator.
const EXTENSIONS: [&str; 3] = ["yaml", "yml", "json"];

/// Reads the files, and of directories those files that contain an IstioOperator.
pub(super) fn read(paths: &[PathBuf]) -> Result<Vec<Overlay>, Failure> {
    let mut files: Vec<Overlay> = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(resolve::read(path.display().to_string())?);
            continue;
        }
        let before = files.len();
        for path in os::files_below(path, &EXTENSIONS)? {
            files.extend(operators(&path)?);
        }
        if files.len() == before {
            let message = format!(
                "no file below `{}` has an IstioOperator in it",
                path.display()
            );
            return Err(Failure::message(Exit::Data, message));
        }
    }
    Ok(files)
}

/// Returns the IstioOperator documents of a file in a directory, without its other documents; `None` if there are none.
fn operators(path: &Path) -> Result<Option<Overlay>, Failure> {
    let bytes = os::read(path, os::TEXT_LIMIT)?;
    // A file that is not UTF-8 cannot be an IstioOperator.
    let Ok(text) = String::from_utf8(bytes) else {
        return Ok(None);
    };
    let name = path.display().to_string();
    let text = only_operators(&text).map(String::into_bytes);
    Ok(text.map(|text| Overlay { name, text }))
}

/// Returns the text with the lines of all other documents emptied, so that each line keeps its number.
fn only_operators(text: &str) -> Option<String> {
    let mut documents: Vec<Vec<&str>> = vec![Vec::new()];
    for line in text.lines() {
        if line == "---" || line.starts_with("--- ") {
            documents.push(vec![line]);
        } else if let Some(document) = documents.last_mut() {
            document.push(line);
        }
    }
    let is_operator = |document: &Vec<&str>| document.iter().any(|line| names_operator(line));
    if !documents.iter().any(is_operator) {
        return None;
    }
    let kept = documents.iter().flat_map(|document| {
        let keep = is_operator(document);
        document.iter().map(move |line| {
            if keep || line.starts_with("---") {
                *line
            } else {
                ""
            }
        })
    });
    let mut text: String = kept.collect::<Vec<_>>().join("\n");
    text.push('\n');
    Some(text)
}

/// Whether a line of YAML or JSON says that its document is an IstioOperator.
fn names_operator(line: &str) -> bool {
    let bare = |text: &str| {
        let text = text.split(" #").next().unwrap_or_default();
        text.trim_matches([' ', '\t', '"', '\'', ',', '{', '}'])
            .to_owned()
    };
    let mut fields = line.split(',').filter_map(|field| field.split_once(':'));
    let found = fields.any(|(key, value)| bare(key) == "kind" && bare(value) == "IstioOperator");
    // `kind` of something inside a document is indented in YAML, and JSON objects begin with a brace.
    found && (line.starts_with("kind") || line.trim_start().starts_with(['{', '"']))
}

/// Judges each file, and merges the results into one report.
///
/// If a file cannot be used, the others are still judged; the first such failure is the result.
pub(super) fn judge_each(
    files: Vec<Overlay>,
    report: &mut Report,
    mut judge: impl FnMut(Overlay, &mut Report) -> Result<(), Failure>,
) -> Result<(), Failure> {
    if files.len() == 1 {
        return files.into_iter().try_for_each(|file| judge(file, report));
    }
    let (mut failed, mut first) = (Vec::new(), None);
    for file in files {
        let name = file.name.clone();
        let mut own = Report::new(report.command);
        match judge(file, &mut own) {
            Ok(()) => merge(report, &name, own),
            // An error that ends the run does not belong to a single file.
            Err(failure) if failure.exit == Exit::Interrupted => return Err(failure),
            Err(failure) => {
                failed.push(name);
                first = first.or(Some(failure));
            }
        }
    }
    match first {
        None => Ok(()),
        Some(failure) if failed.len() == 1 => Err(failure),
        Some(failure) => {
            Err(failure.hint(format!("these files cannot be used: {}", failed.join(", "))))
        }
    }
}

/// Adds the findings of one file, with the name of the file in each of them.
fn merge(report: &mut Report, file: &str, own: Report) {
    let expected = own.expected;
    let planned = expected.tag.zip(expected.hub);
    let planned = planned.map(|(tag, hub)| format!("{file}: {tag} from {hub}"));
    let notes = expected.notes.iter().map(|note| format!("{file}: {note}"));
    report
        .expected
        .notes
        .extend(planned.into_iter().chain(notes));
    report.cluster = own.cluster.or(report.cluster.take());
    for mut check in own.checks {
        for finding in &mut check.findings {
            finding.file = Some(file.to_owned());
        }
        if !check.detail.is_empty() && matches!(check.status, Status::Unknown | Status::Passed) {
            check.detail = format!("{file}: {}", check.detail);
        }
        match report.checks.iter_mut().find(|known| known.id == check.id) {
            Some(known) => combine(known, check),
            None => report.checks.push(check),
        }
    }
    for skipped in own.skipped {
        if !report.skipped.contains(&skipped) {
            report.skipped.push(skipped);
        }
    }
    for step in own.next {
        if !report.next.contains(&step) {
            report.next.push(step);
        }
    }
}

/// Combines the results of one check for two files: the worse status, and the findings of both.
fn combine(known: &mut CheckResult, other: CheckResult) {
    let weight = |status: Status| match status {
        Status::Skipped => 0,
        Status::NotApplicable => 1,
        Status::NotChecked => 2,
        Status::Passed => 3,
        Status::Warned => 4,
        Status::Unknown => 5,
        Status::Failed => 6,
    };
    let (mine, theirs) = (weight(known.status), weight(other.status));
    known.detail = match mine.cmp(&theirs) {
        std::cmp::Ordering::Less => other.detail,
        std::cmp::Ordering::Equal if known.detail != other.detail => {
            let both = [std::mem::take(&mut known.detail), other.detail];
            let both: Vec<String> = both.into_iter().filter(|text| !text.is_empty()).collect();
            both.join("; ")
        }
        _ => std::mem::take(&mut known.detail),
    };
    if theirs > mine {
        known.status = other.status;
    }
    known.severity = known.severity.max(other.severity);
    known.findings.extend(other.findings);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Finding, Phase, Severity, Subject};

    #[test]
    fn only_documents_that_are_istio_operators_are_kept_with_their_lines() {
        let text = "kind: Namespace\n---\napiVersion: x\nkind: IstioOperator\nspec:\n  kind: other\n---\nkind: Service\n";
        let kept = only_operators(text).unwrap();
        assert_eq!(
            kept,
            "\n---\napiVersion: x\nkind: IstioOperator\nspec:\n  kind: other\n---\n\n"
        );
        assert_eq!(kept.lines().count(), text.lines().count());
        for (text, wanted) in [
            ("kind: \"IstioOperator\"\n", true),
            ("kind: IstioOperator # ours\n", true),
            ("{\"kind\": \"IstioOperator\", \"spec\": {}}\n", true),
            (
                "{\n  \"apiVersion\": \"x\",\n  \"kind\": \"IstioOperator\"\n}\n",
                true,
            ),
            ("kind: IstioOperatorList\n", false),
            ("spec:\n  kind: IstioOperator\n", false),
            ("# kind: IstioOperator\n", false),
            ("", false),
        ] {
            assert_eq!(only_operators(text).is_some(), wanted, "{text}");
        }
    }

    fn result(status: Status, detail: &str, findings: Vec<Finding>) -> CheckResult {
        CheckResult {
            id: "hub",
            title: "t",
            category: "build",
            phase: Phase::Before,
            status,
            severity: findings.iter().map(|finding| finding.severity).max(),
            detail: detail.to_owned(),
            findings,
        }
    }

    #[test]
    fn worst_status_counts_and_findings_name_their_file() {
        let mut report = Report::new("check");
        let files = ["a.yaml", "b.yaml", "c.yaml"].map(|name| Overlay {
            name: name.to_owned(),
            text: Vec::new(),
        });
        let judged = judge_each(files.into(), &mut report, |Overlay { name, .. }, report| {
            report.checks.push(match name.as_str() {
                "a.yaml" => result(Status::Passed, "fine", Vec::new()),
                "b.yaml" => {
                    let finding =
                        Finding::error("wrong-hub", "wrong hub").subject(Subject::image("x"));
                    result(Status::Failed, "", vec![finding])
                }
                _ => result(
                    Status::Warned,
                    "",
                    vec![Finding::warning("doubtful", "doubtful")],
                ),
            });
            Ok(())
        });
        assert!(judged.is_ok());
        assert_eq!(report.checks.len(), 1);
        let check = &report.checks[0];
        assert_eq!(
            (check.status, check.severity),
            (Status::Failed, Some(Severity::Error))
        );
        let subjects: Vec<_> = check
            .findings
            .iter()
            .map(|one| (one.file.as_deref(), one.subject.clone()))
            .collect();
        let image = Subject::image("x");
        assert_eq!(
            subjects,
            [(Some("b.yaml"), Some(image)), (Some("c.yaml"), None)]
        );
    }

    #[test]
    fn file_that_cannot_be_used_keeps_no_other_from_being_judged() {
        let mut report = Report::new("check");
        let files = ["a.yaml", "b.yaml", "c.yaml"].map(|name| Overlay {
            name: name.to_owned(),
            text: Vec::new(),
        });
        let judged = judge_each(files.into(), &mut report, |Overlay { name, .. }, report| {
            if name == "c.yaml" {
                report
                    .checks
                    .push(result(Status::Passed, "fine", Vec::new()));
                return Ok(());
            }
            Err(Failure::message(Exit::Data, format!("{name}: broken")))
        });
        let failure = judged.unwrap_err();
        assert_eq!(
            (failure.exit, failure.message.as_str()),
            (Exit::Data, "a.yaml: broken")
        );
        assert_eq!(
            failure.hints,
            ["these files cannot be used: a.yaml, b.yaml".into()]
        );
        assert_eq!(report.checks.len(), 1);
    }
}
