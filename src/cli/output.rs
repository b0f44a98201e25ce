//! The end of a command: its result on stdout, its failure on stderr, one document for a machine.

use serde_json::Value;

use super::Ended;
use super::args::Format;
use crate::exit::{Exit, Failure};
use crate::report::{self, ErrorReport, Report, RunResult};
use crate::suggestion::CommandContext;
use crate::sys::os;
use crate::ui::Ui;
use terminal_text::escape_line;

/// The form in which a command shows its result.
#[derive(Debug)]
pub(crate) enum Shown {
    /// The whole report.
    Report,
    /// What follows the plan and its checks, which were shown already.
    After,
    /// The documents, each after its command; the report goes to stderr, for the person.
    Documents,
    /// A document of its own in any format; its writer escapes what would control a terminal.
    Document(Vec<u8>),
    /// A text of its own for a person.
    Text(String),
}

/// Writes the result of a command and returns the exit code.
pub(crate) fn end(ui: &Ui, format: Format, ended: Ended) -> Exit {
    let Ended {
        mut report,
        result,
        shown,
    } = ended;
    let exit = match &result {
        Ok(exit) => *exit,
        Err(failure) => failure.exit,
    };
    let one_line = format == Format::Short && !matches!(shown, Shown::Document(_) | Shown::Text(_));
    report.complete_commands();
    report.exit = exit.code();
    report.result = match exit {
        Exit::Ok => RunResult::Passed,
        Exit::Findings => RunResult::Failed,
        Exit::Interrupted => RunResult::Interrupted,
        _ => RunResult::Error,
    };
    report.time = Some(os::time());
    if let Err(failure) = &result {
        let error = error_report(failure, &report.context);
        if !one_line {
            say_error(ui, &error.message);
            say_hints(ui, &error.hints);
        }
        report.error = Some(error);
    }
    let written = match (format, &shown) {
        (_, Shown::Document(_) | Shown::Text(_)) if result.is_err() => Ok(()),
        (_, Shown::Document(bytes)) => ui.document(bytes),
        (_, Shown::Text(text)) => ui.text_result(text),
        (Format::Text, shown) if result.is_err() && !has_results(shown, &report) => Ok(()),
        // A table without a line says less than the error.
        (Format::Csv, _) if result.is_err() && report.evidence.is_empty() => Ok(()),
        (Format::Text, _) => text(ui, &report, &shown),
        (format, _) => machine(ui, format, &report),
    };
    let ended = written_or(ui, exit, &written);
    if one_line && let Some(error) = &report.error {
        // If the line was written, it contains the message.
        if written.is_err() {
            say_error(ui, &error.message);
        }
        say_hints(ui, &error.hints);
    }
    ended
}

/// Returns the failure for CSV of something that is not a table.
pub(crate) fn no_table(what: &str) -> Failure {
    let failure = Failure::message(Exit::Usage, format!("{what} are not a table: no CSV"));
    failure.hint("use -o json or -o yaml")
}

/// Whether a run that failed has results: if one of several files cannot be used, those of the others are still shown.
fn has_results(shown: &Shown, report: &Report) -> bool {
    matches!(shown, Shown::Report) && !report.checks.is_empty()
}

/// Returns the exit code after the result was written, or could not be.
pub(crate) fn written_or(ui: &Ui, exit: Exit, written: &std::io::Result<()>) -> Exit {
    let Err(error) = written else {
        return exit;
    };
    ui.always(&format!("error: cannot write the result: {error}"));
    // An earlier failure is more important than one to write, such as a full disk.
    if exit == Exit::Ok {
        Exit::CannotWrite
    } else {
        exit
    }
}

fn text(ui: &Ui, report: &Report, shown: &Shown) -> std::io::Result<()> {
    let mut bytes = Vec::new();
    match shown {
        Shown::Documents => {
            before(ui, report)?;
            return ui.document(manifests(ui, report).as_bytes());
        }
        Shown::After => report::text::write_after(report, ui.out_style(), &mut bytes)?,
        Shown::Report | Shown::Document(_) | Shown::Text(_) => {
            report::text::write(report, ui.out_style(), &mut bytes)?;
        }
    }
    ui.text_result(&String::from_utf8_lossy(&bytes))
}

/// Writes the plan and its checks to stderr, for the person.
pub(crate) fn before(ui: &Ui, report: &Report) -> std::io::Result<()> {
    let mut text = Vec::new();
    report::text::write_before(report, ui.err_style(), &mut text)?;
    ui.report(&String::from_utf8_lossy(&text));
    Ok(())
}

/// Returns the documents, each after the command that it is passed to.
fn manifests(ui: &Ui, report: &Report) -> String {
    let count = report.documents.len();
    let one = |(at, document): (usize, &report::Document)| {
        format!(
            "# {}/{count}: {}\n---\n{}",
            at + 1,
            escape_line(&ui.masked(&document.command)),
            document.yaml
        )
    };
    report.documents.iter().enumerate().map(one).collect()
}

fn machine(ui: &Ui, format: Format, report: &Report) -> std::io::Result<()> {
    let mut bytes = Vec::new();
    if format == Format::Short {
        report::short::write(report, &mut bytes)?;
        return ui.text_result(&String::from_utf8_lossy(&bytes));
    }
    if format == Format::Csv {
        report::csv::write(report, &mut bytes)?;
        return ui.document(ui.masked(&String::from_utf8_lossy(&bytes)).as_bytes());
    }
    let mut value = serde_json::to_value(report)?;
    mask(ui, &mut value);
    // Only the manifests keep the key: they are useless without it.
    let masked = value.get_mut("documents").and_then(Value::as_array_mut);
    for (document, whole) in masked.into_iter().flatten().zip(&report.documents) {
        if let Some(yaml) = document.get_mut("yaml") {
            *yaml = Value::String(whole.yaml.clone());
        }
    }
    match format {
        Format::Yaml => report::json::write_yaml(&value, &mut bytes)?,
        _ => report::json::write(&value, &mut bytes)?,
    }
    ui.document(&bytes)
}

/// Masks secrets in values and names.
pub(crate) fn mask(ui: &Ui, value: &mut Value) {
    match value {
        Value::String(text) => *text = ui.masked(text),
        Value::Array(items) => items.iter_mut().for_each(|item| mask(ui, item)),
        Value::Object(fields) => {
            let whole = std::mem::take(fields);
            fields.extend(whole.into_iter().map(|(name, mut field)| {
                mask(ui, &mut field);
                (ui.masked(&name), field)
            }));
        }
        _ => {}
    }
}

/// Prints a failure for a person.
pub(crate) fn say_failure(ui: &Ui, failure: &Failure) {
    say_error(ui, &failure.message);
    say_hints(ui, &failure.hint_lines(&CommandContext::default()));
}

fn say_error(ui: &Ui, message: &str) {
    ui.always(&format!("error: {}", escape_line(&ui.masked(message))));
}

fn say_hints(ui: &Ui, hints: &[String]) {
    for hint in hints {
        ui.always(&format!("  hint: {}", escape_line(&ui.masked(hint))));
    }
}

/// Reports a failure before any command ran, for a machine and a person.
pub(crate) fn failure_only(ui: &Ui, format: Format, failure: Failure) -> Exit {
    let ended = Ended {
        report: Report::new("usage"),
        result: Err(failure),
        shown: Shown::Report,
    };
    end(ui, format, ended)
}

fn error_report(failure: &Failure, context: &CommandContext) -> ErrorReport {
    ErrorReport {
        exit: failure.exit.code(),
        message: failure.message.clone(),
        hints: failure.hint_lines(context),
    }
}

/// Returns the machine format that a command line requests, read here because clap may refuse the line.
pub(crate) fn asks_for_machine(args: &[String]) -> Option<Format> {
    let mut args = args.iter().take_while(|arg| *arg != "--");
    while let Some(arg) = args.next() {
        let value = match arg.strip_prefix("--output") {
            Some("") => args.next().cloned(),
            Some(rest) => rest.strip_prefix('=').map(str::to_owned),
            None => clustered(arg).and_then(|rest| {
                if rest.is_empty() {
                    args.next().cloned()
                } else {
                    Some(rest)
                }
            }),
        };
        let format = match value.as_deref() {
            Some("json") => Some(Format::Json),
            Some("yaml") => Some(Format::Yaml),
            Some("short") => Some(Format::Short),
            Some("csv") => Some(Format::Csv),
            _ => None,
        };
        if format.is_some() {
            return format;
        }
    }
    None
}

/// Returns what follows the `o` in `-o`, `-ojson`, `-o=json` and `-yo`.
fn clustered(arg: &str) -> Option<String> {
    let letters = arg
        .strip_prefix('-')
        .filter(|rest| !rest.starts_with('-'))?;
    let rest = letters
        .trim_start_matches(['y', 'q', 'v'])
        .strip_prefix('o')?;
    Some(rest.strip_prefix('=').unwrap_or(rest).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_the_output_flag_is_seen() {
        for (line, wanted) in [
            ("install -o json", Some(Format::Json)),
            ("install -ojson", Some(Format::Json)),
            ("install --output=yaml", Some(Format::Yaml)),
            ("install -o=json --bogus", Some(Format::Json)),
            ("install -yo json --bogus", Some(Format::Json)),
            ("install -o short", Some(Format::Short)),
            ("install -- -o json", None),
            ("install --output text", None),
            ("install -o", None),
            ("-O json", None),
        ] {
            let args: Vec<String> = line.split(' ').map(str::to_owned).collect();
            assert_eq!(asks_for_machine(&args), wanted, "{line}");
        }
    }
}
