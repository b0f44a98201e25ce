//! The command line: parses it, runs a command, and returns an exit code.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::exit::{Exit, Failure};
use crate::report::Report;
use crate::secret::Secrets;
use crate::sys::process::KEY_VARIABLE;
use crate::sys::{os, process, signal};
use crate::ui::{ColorChoice, Environment, Ui};
use terminal_text::{cut, escape_line};

mod args;
mod argv;
mod check;
mod completion;
mod context;
mod explain;
mod help;
mod inspect;
mod install;
mod istioctl_flags;
mod man;
mod matrix;
mod output;
mod passthrough;
mod render;
mod resolve;
mod run_context;
mod upgrade;
mod verify;

use args::{Format, OutputArgs};
use argv::CommandLine;

/// Chooses, installs and proves Solo's hardened builds of Istio
///
/// Any other command goes to istioctl unchanged: `glooistio proxy-status` is `istioctl proxy-status`.
#[derive(Debug, Parser)]
#[command(
    name = "glooistio",
    version,
    max_term_width = 100,
    disable_help_subcommand = false
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Render(render::Args),
    Check(check::Args),
    Install(install::Args),
    Upgrade(upgrade::Args),
    Verify(verify::Args),
    Inspect(inspect::Args),
    Matrix(matrix::Args),
    Explain(explain::Args),
    Completion(completion::Args),
    Man(man::Args),
}

/// Returns the command line with the longer texts of `--help`, and with what shells can complete.
fn command_line() -> clap::Command {
    completion::with_candidates(help::lengthen(Cli::command()))
}

/// A command that ran: its result, and its report up to then.
pub(crate) struct Ended {
    pub(crate) report: Report,
    pub(crate) result: Result<Exit, Failure>,
    pub(crate) shown: output::Shown,
}

/// Runs the program.
pub fn main() -> ExitCode {
    // The message of a panic can contain text from an untrusted source.
    std::panic::set_hook(Box::new(|panic| {
        stderr_ui().always(&escape_line(&panic.to_string()));
    }));
    // The hook has already written the message of the panic.
    let exit = std::panic::catch_unwind(started).unwrap_or_else(|_| {
        let failure = Failure::message(Exit::Internal, "this is a bug of glooistio");
        plain_failure(&failure.hint("report it with the command line and the lines above"))
    });
    ExitCode::from(exit.code())
}

fn started() -> Exit {
    // If a shell asks for completions, the program answers and does nothing else.
    if let Some(exit) = completion::answer() {
        return exit;
    }
    let args = os::args();
    match signal::listen() {
        Err(error) => plain_failure(&Failure::new(Exit::Internal, &error)),
        Ok(()) => match args {
            Err(text) => plain_failure(&Failure::message(
                Exit::Usage,
                format!("argument `{text}` is not UTF-8"),
            )),
            Ok(args) => dispatch(args),
        },
    }
}

fn dispatch(args: Vec<String>) -> Exit {
    let machine = output::asks_for_machine(&args);
    match argv::classify(args) {
        CommandLine::Reserved { word, instead } => {
            let failure =
                Failure::message(Exit::Usage, format!("`{word}` is not part of this version"));
            usage(failure.hint(instead), machine)
        }
        CommandLine::Mistyped { word, meant } => {
            let failure = Failure::message(Exit::Usage, format!("no such command: `{word}`"));
            let hint = match meant {
                Some(meant) => format!("did you mean `glooistio {meant}`?"),
                None => "`glooistio --help` lists the commands".to_owned(),
            };
            usage(failure.hint(hint), machine)
        }
        CommandLine::Istioctl { args, istioctl } => {
            passthrough::run(&stderr_ui(), args, istioctl.as_deref())
                .unwrap_or_else(|failure| plain_failure(&failure))
        }
        CommandLine::Own(args) => {
            let args = std::iter::once("glooistio".to_owned()).chain(args);
            let parsed = command_line()
                .try_get_matches_from(args)
                .and_then(|matches| Cli::from_arg_matches(&matches));
            match parsed {
                Ok(cli) => run(&cli.command),
                Err(error) => unparsed(&error, machine),
            }
        }
    }
}

/// Handles what clap returns instead of a command: help and version are results, everything else is a usage error.
fn unparsed(error: &clap::Error, machine: Option<Format>) -> Exit {
    if error.exit_code() == 0 {
        let (ui, text) = (stderr_ui(), error.render());
        let text = if ui.out_style().color {
            text.ansi().to_string()
        } else {
            text.to_string()
        };
        return output::written_or(&ui, Exit::Ok, &ui.text_result(&text));
    }
    if machine.is_none() {
        let text = error.render().to_string();
        let lines = text.trim_end().lines().map(indented);
        stderr_ui().always(&lines.collect::<Vec<_>>().join("\n"));
        return Exit::Usage;
    }
    let text = error.render().to_string();
    // The first paragraph is the message, each of the others a suggestion.
    let mut paragraphs = text.split("\n\n").map(|lines| {
        let words: Vec<&str> = lines.split_whitespace().collect();
        words.join(" ")
    });
    let message = paragraphs.next().unwrap_or_default();
    let failure = Failure::message(Exit::Usage, message.trim_start_matches("error: "));
    let tips = paragraphs.filter_map(|text| text.strip_prefix("tip: ").map(str::to_owned));
    usage(tips.fold(failure, Failure::hint), machine)
}

/// Returns a line with what the user typed escaped, and its indentation kept.
fn indented(line: &str) -> String {
    let text = line.trim_start_matches(' ');
    format!("{:1$}{2}", "", line.len() - text.len(), escape_line(text))
}

/// Reports a failure before any command ran; for a machine as one document, like any other.
fn usage(mut failure: Failure, machine: Option<Format>) -> Exit {
    match machine {
        None => plain_failure(&failure),
        Some(format) => {
            // What the user typed can be as long as a command line.
            let ui = stderr_ui();
            let shown = |text: &str| cut(&ui.masked(text)).into_owned();
            failure.message = shown(&failure.message);
            for hint in &mut failure.hints {
                hint.text = shown(&hint.text);
            }
            output::failure_only(&ui, format, failure)
        }
    }
}

fn plain_failure(failure: &Failure) -> Exit {
    output::say_failure(&stderr_ui(), failure);
    failure.exit
}

fn stderr_ui() -> Ui {
    Ui::new(ColorChoice::Auto, false, &environment(), secrets())
}

/// Returns the secrets on the command line and in the environment, which any error may repeat.
fn secrets() -> Secrets {
    let secrets = Secrets::default();
    let args = os::args().unwrap_or_default();
    let mut is_key = false;
    for arg in &args {
        secrets.add_keys_in(arg);
        if is_key {
            secrets.add(arg);
        }
        if let Some(key) = arg.strip_prefix("--repo-key=") {
            secrets.add(key);
        }
        is_key = arg == "--repo-key";
    }
    if let Some(key) = os::env(KEY_VARIABLE) {
        secrets.add(&key.to_string_lossy());
    }
    secrets
}

fn environment() -> Environment {
    let text = |name: &str| {
        os::env(name)
            .and_then(|value| value.into_string().ok())
            .filter(|text| !text.is_empty())
    };
    Environment {
        no_color: text("NO_COLOR").is_some(),
        ci: text("CI").is_some(),
        term: text("TERM"),
        columns: text("COLUMNS").and_then(|columns| columns.parse().ok()),
        locale: ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(text),
    }
}

fn run(command: &Command) -> Exit {
    match command {
        Command::Render(args) => finish(&args.output, args.checks.verbose, |ui| args.run(ui)),
        Command::Check(args) => finish(&args.output, args.checks.verbose, |ui| args.run(ui)),
        Command::Install(args) => finish(&args.output, args.checks.verbose, |ui| args.run(ui)),
        Command::Upgrade(args) => {
            let verbose = args.install.checks.verbose;
            finish(&args.install.output, verbose, |ui| args.run(ui))
        }
        Command::Verify(args) => finish(&args.output, args.checks.verbose, |ui| args.run(ui)),
        // The user named all targets of `inspect`, so all of them are shown, unless in quiet mode.
        Command::Inspect(args) => finish(&args.output, !args.output.quiet, |ui| args.run(ui)),
        Command::Matrix(args) => finish(&args.output, false, |ui| args.run(ui)),
        Command::Explain(args) => finish(&args.output, false, |ui| args.run(ui)),
        Command::Completion(args) => finish(&OutputArgs::default(), false, |ui| args.run(ui)),
        Command::Man(args) => finish(&OutputArgs::default(), false, |ui| {
            args.run(ui, command_line())
        }),
    }
}

/// Runs a command and writes its result.
fn finish(output: &OutputArgs, verbose: bool, run: impl FnOnce(&Ui) -> Ended) -> Exit {
    let ui = Ui::new(output.color, output.quiet, &environment(), secrets()).with_verbose(verbose);
    let ended = run(&ui);
    output::end(&ui, output.output, ended)
}

fn bold(text: &str, color: bool) -> String {
    let bold = anstyle::Style::new().bold();
    if color {
        format!("{bold}{text}{bold:#}")
    } else {
        text.to_owned()
    }
}

/// Returns the known word nearest to a mistyped one, in which at most every third letter is wrong.
fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    let near = known.filter_map(|known| {
        let wrong = strsim::osa_distance(&word, known);
        (wrong * 3 <= word.len().max(known.len())).then_some((wrong, known))
    });
    near.min_by_key(|(wrong, _)| *wrong).map(|(_, known)| known)
}

/// Finds the istioctl to run: the one that flag or environment names, or the first on PATH.
fn find_istioctl(named: Option<&Path>) -> Result<PathBuf, Failure> {
    if os::env(process::MARK).is_some() {
        let message = "the istioctl that was run leads back to glooistio";
        return Err(Failure::message(Exit::Unavailable, message)
            .hint("name the real one by --istioctl PATH or GLOOISTIO_ISTIOCTL"));
    }
    let of_environment = os::env(args::ISTIOCTL).map(PathBuf::from);
    let named = named.or(of_environment.as_deref());
    let program = named.map_or_else(|| "istioctl".into(), |path| path.to_string_lossy());
    process::find(&program, os::env("PATH").as_deref()).map_err(|error| {
        Failure::new(Exit::Unavailable, &error)
            .hint("name an istioctl by --istioctl PATH or GLOOISTIO_ISTIOCTL")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_examples_of_the_help_can_be_typed() {
        let command = Cli::command();
        let mut seen = 0;
        for ours in command.get_subcommands() {
            let help = ours.get_after_help().map(ToString::to_string);
            for line in help.iter().flat_map(|help| help.lines().skip(1)) {
                let line = line.split(" > ").next().unwrap_or_default();
                let parsed = Cli::try_parse_from(line.split_whitespace());
                assert!(parsed.is_ok(), "{line}: {:?}", parsed.err());
                assert!(line.starts_with(&format!("  glooistio {}", ours.get_name())));
                seen += 1;
            }
        }
        assert!(seen > 10, "the examples were read");
    }
}
