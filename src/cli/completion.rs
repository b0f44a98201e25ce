//! `completion`, and the answers to a shell that requests the possible next words.
//!
//! The script of a shell calls glooistio itself, so that it offers the current presets, checks, builds, contexts and
//! revisions. A request changes nothing, and waits only briefly for the cluster.

use std::time::Duration;

use clap::Command;
use clap_complete::engine::{ArgValueCandidates, CompletionCandidate};
use clap_complete::env::{EnvCompleter, Shells};
use clap_complete::{CompleteEnv, Shell};

use super::Ended;
use super::output::Shown;
use crate::check::CHECKS;
use crate::exit::{Exit, Failure};
use crate::facts;
use crate::render::template::{Head, PRESETS};
use crate::report::Report;
use crate::sys::cluster::{Cluster, KubeTarget};
use crate::sys::os;
use crate::ui::Ui;
use fips_evidence::{CertificatePolicy, RequiredAssurance};
use istio_builds::{ImageTag, Matrix, Part};

/// The variable with which the script of a shell requests completions.
const ASKS: &str = "GLOOISTIO_COMPLETE";

/// The name by which shells call the program.
const PROGRAM: &str = "glooistio";

/// The longest wait for a cluster while a person waits for the next word.
const PATIENCE: Duration = Duration::from_secs(2);

/// Print the completion script for a shell
///
/// The script requests from glooistio the words that can come next: presets, checks, policies, builds, and the contexts
/// and revisions of the available clusters.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  glooistio completion bash > /etc/bash_completion.d/glooistio
  glooistio completion zsh > ~/.zfunc/_glooistio
  glooistio completion fish > ~/.config/fish/completions/glooistio.fish")]
pub(crate) struct Args {
    shell: Shell,
}

impl Args {
    pub(crate) fn run(&self, _: &Ui) -> Ended {
        let (shown, result) = match self.script() {
            Ok(script) => (Shown::Document(script), Ok(Exit::Ok)),
            Err(failure) => (Shown::Report, Err(failure)),
        };
        Ended {
            report: Report::new("completion"),
            result,
            shown,
        }
    }

    fn script(&self) -> Result<Vec<u8>, Failure> {
        let shells = Shells::builtins();
        let name = self.shell.to_string();
        let shell: &dyn EnvCompleter = shells.completer(&name).ok_or_else(|| {
            Failure::message(
                Exit::Usage,
                format!("there is no completion script for {name}"),
            )
        })?;
        let mut script = Vec::new();
        shell
            .write_registration(ASKS, PROGRAM, PROGRAM, PROGRAM, &mut script)
            .map_err(|error| Failure::new(Exit::CannotWrite, &error))?;
        Ok(script)
    }
}

/// Answers a shell that requests completions; `None` if no shell does.
pub(super) fn answer() -> Option<Exit> {
    os::env(ASKS)?;
    let words = os::args().unwrap_or_default();
    let args = std::iter::once(PROGRAM.to_owned()).chain(words);
    let asked = CompleteEnv::with_factory(super::command_line)
        .var(ASKS)
        .try_complete(args, os::current_dir().as_deref());
    match asked {
        Ok(true) => Some(Exit::Ok),
        Ok(false) => None,
        Err(_) => Some(Exit::Usage),
    }
}

/// Adds to the arguments of the command line the sources of their values.
pub(super) fn with_candidates(command: Command) -> Command {
    let names: Vec<String> = command
        .get_subcommands()
        .map(|command| command.get_name().to_owned())
        .collect();
    command.mut_subcommands(|sub| {
        let (name, names) = (sub.get_name().to_owned(), names.clone());
        sub.mut_args(|arg| match source(&name, arg.get_id().as_str()) {
            Some(Source::Commands) => {
                let names = names.clone();
                arg.add(ArgValueCandidates::new(move || plain(&names)))
            }
            Some(source) => arg.add(ArgValueCandidates::new(move || source.candidates())),
            None => arg,
        })
    })
}

/// The source of the values of an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Presets,
    Builds,
    Features,
    Distributions,
    Checks,
    Severities,
    Policies,
    Floors,
    Contexts,
    Revisions,
    Parts,
    Pages,
    Commands,
}

/// Returns the source of an argument of a command, by its name.
fn source(command: &str, argument: &str) -> Option<Source> {
    Some(match (command, argument) {
        (_, "preset") => Source::Presets,
        (_, "istio" | "to") => Source::Builds,
        (_, "feature") => Source::Features,
        (_, "distribution") => Source::Distributions,
        (_, "skip") => Source::Checks,
        (_, "severity") => Source::Severities,
        (_, "policy") => Source::Policies,
        (_, "require") => Source::Floors,
        (_, "context") => Source::Contexts,
        (_, "revision") => Source::Revisions,
        ("matrix", "part") => Source::Parts,
        ("explain", "id") => Source::Pages,
        ("man", "command") => Source::Commands,
        _ => return None,
    })
}

impl Source {
    fn candidates(self) -> Vec<CompletionCandidate> {
        match self {
            Source::Presets => PRESETS
                .iter()
                .map(|(name, text)| with_help(name, &Head::read(text).about))
                .collect(),
            Source::Builds => plain(builds(Matrix::builtin())),
            Source::Features => plain(Matrix::builtin().feature_names()),
            Source::Distributions => plain(["solo", "standard"]),
            Source::Checks => CHECKS
                .iter()
                .map(|check| with_help(&format!("{}=", check.id), check.title))
                .collect(),
            Source::Severities => CHECKS
                .iter()
                .flat_map(|check| {
                    let levels = ["info", "warning", "error"];
                    levels.map(|level| with_help(&format!("{}={level}", check.id), check.title))
                })
                .collect(),
            Source::Policies => plain(CertificatePolicy::ALL.map(CertificatePolicy::name)),
            Source::Floors => plain(RequiredAssurance::ALL.map(RequiredAssurance::name)),
            Source::Contexts => plain(typed_target().contexts()),
            Source::Revisions => plain(revisions(&typed_target())),
            Source::Parts => plain(Part::ALL.iter().map(|part| part.name())),
            Source::Pages => super::explain::topics()
                .iter()
                .map(|(id, title)| with_help(id, title))
                .collect(),
            Source::Commands => Vec::new(),
        }
    }
}

fn plain<T: AsRef<str>>(words: impl IntoIterator<Item = T>) -> Vec<CompletionCandidate> {
    // A word that could control a terminal is never one that a person wants.
    let words = words.into_iter();
    words
        .filter(|word| {
            !word
                .as_ref()
                .contains(|c: char| c.is_control() || c.is_whitespace())
        })
        .map(|word| CompletionCandidate::new(word.as_ref().to_owned()))
        .collect()
}

fn with_help(word: &str, help: &str) -> CompletionCandidate {
    CompletionCandidate::new(word.to_owned()).help(Some(help.to_owned().into()))
}

/// Returns the release lines and the tags that were seen, the newest first.
fn builds(matrix: &Matrix) -> Vec<String> {
    let tags: std::collections::BTreeSet<&ImageTag> = matrix.seen_builds().collect();
    let lines: std::collections::BTreeSet<_> = tags.iter().map(|tag| tag.minor()).collect();
    let lines = lines.into_iter().rev().map(|line| line.to_string());
    let tags = tags.into_iter().rev().map(ToString::to_string);
    lines.chain(tags).collect()
}

/// Returns the cluster that the command line names so far.
fn typed_target() -> KubeTarget {
    let words = os::args().unwrap_or_default();
    let value = |flag: &str| {
        let mut words = words.iter();
        while let Some(word) = words.next() {
            match word.strip_prefix(flag) {
                Some("") => return words.next().filter(|word| !word.is_empty()).cloned(),
                Some(rest) => {
                    if let Some(value) = rest.strip_prefix('=') {
                        return Some(value.to_owned());
                    }
                }
                None => {}
            }
        }
        None
    };
    KubeTarget {
        kubeconfig: value("--kubeconfig").map(Into::into),
        context: value("--context"),
        ..KubeTarget::default()
    }
}

/// Returns the revisions of the control planes of a cluster; none if it does not answer in time.
fn revisions(target: &KubeTarget) -> Vec<String> {
    let Ok(cluster) = Cluster::connect(target, PATIENCE) else {
        return Vec::new();
    };
    facts::revisions(&cluster)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the words that a source offers.
    fn words(source: Source) -> Vec<String> {
        let candidates = source.candidates().into_iter();
        candidates
            .map(|one| one.get_value().to_string_lossy().into_owned())
            .collect()
    }

    #[test]
    fn values_come_from_what_the_program_knows() {
        for (source, word) in [
            (Source::Presets, "production"),
            (Source::Builds, "1.31"),
            (Source::Builds, "1.30.5-solo"),
            (Source::Features, "ambient"),
            (Source::Distributions, "solo"),
            (Source::Checks, "hub="),
            (Source::Severities, "hub=warning"),
            (Source::Policies, "140-3-active"),
            (Source::Floors, "fipsonly"),
            (Source::Parts, "known-issues"),
            (Source::Pages, "exit-codes"),
        ] {
            let all = words(source);
            assert!(all.iter().any(|one| one == word), "{source:?}: {all:?}");
        }
        let builds = words(Source::Builds);
        assert_eq!(builds.iter().filter(|tag| *tag == "1.30.5-solo").count(), 1);
    }

    #[test]
    fn every_argument_with_known_values_has_its_source() {
        let mut command = crate::cli::command_line();
        command.build();
        let mut found = std::collections::BTreeSet::new();
        for sub in command.get_subcommands() {
            for arg in sub.get_arguments().map(clap::Arg::get_id) {
                let of = source(sub.get_name(), arg.as_str());
                found.extend(of.map(|of| format!("{of:?}")));
            }
        }
        assert_eq!(found.len(), 13, "{found:?}");
    }
}
