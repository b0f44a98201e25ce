//! `inspect`

use std::time::Duration;

use super::Ended;
use super::args::{Format, OutputArgs, ProofArgs, RegistryArgs, duration};
use super::output::Shown;
use super::{context, run_context};
use crate::exit::{Exit, Failure};
use crate::image::{Pattern, Platform, Request, Want, is_pattern};
use crate::inspect::{Inspect, Readings};
use crate::report::{Count, ErrorReport, Report};
use crate::sys::signal;
use crate::ui::{Event, Ui};

/// Find the cryptographic modules in programs and images, without running anything
///
/// A TARGET is a file, `-` for standard input, `docker-archive:FILE[:REFERENCE]`, `oci-archive:FILE[:TAG]`,
/// `oci:DIR[:TAG]`, `dir:DIR` (a root file system, or what skopeo writes there), or the reference of an image in a
/// registry, also `docker://REFERENCE`. In each image, `inspect` reads the program that the image starts and the
/// programs of Istio; if the image starts a wrapper such as `tini --` or `sh -c`, it reads the program that the wrapper
/// starts. It reads every image of an archive or layout, unless TARGET names one. Without --require, a program without
/// FIPS is an error only if the tag or a label of its image says FIPS.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  glooistio inspect pilot-discovery
  glooistio inspect --require proven --policy 140-3-active docker-archive:pilot.tar
  glooistio inspect --explain --platform linux/arm64 registry.example.com/istio/pilot:TAG")]
pub(crate) struct Args {
    /// File, archive, layout or image; `-` is standard input
    #[arg(required = true, value_name = "TARGET")]
    targets: Vec<String>,
    /// Path of a program in the image, or a pattern such as `/usr/local/bin/*`; repeatable
    ///
    /// In a pattern, `*` and `?` match within one path element, `**` matches any directories, `[ab]` one of these
    /// characters, `{a,b}` one of these texts, and `\` makes the next character an ordinary one. A pattern is compared
    /// with the path of every ELF program, without links. A pattern without a match gives the statement `unknown`.
    #[arg(long, value_name = "PATH", conflicts_with = "all")]
    path: Vec<String>,
    /// Read every ELF program in the image
    #[arg(long)]
    all: bool,
    /// Architecture in an index, `arm64` or `linux/arm64`; repeatable [default: all]
    #[arg(long, value_name = "PLATFORM")]
    platform: Vec<String>,
    /// Variable that the program will run with, such as GODEBUG=fips140=only; repeatable
    #[arg(long, value_name = "NAME=VALUE")]
    env: Vec<String>,
    /// Treat warnings as errors: a certificate that is not active, or a status older than --max-data-age
    #[arg(long)]
    strict: bool,
    /// Show each step from the file to the certificate, and its sources
    #[arg(short = 'v', long, visible_alias = "verbose", conflicts_with = "quiet")]
    explain: bool,
    /// Total time limit for all registries, such as 90s
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = duration)]
    timeout: Duration,
    #[command(flatten)]
    proof: ProofArgs,
    #[command(flatten)]
    registry: RegistryArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

impl Args {
    pub(crate) fn run(&self, ui: &Ui) -> Ended {
        let mut report = Report::new("inspect");
        report.context = context::of_inspect(&self.proof, &self.registry);
        let result = self.inspect(ui, &mut report);
        if self.output.output == Format::Text && !self.explain {
            shorten(&mut report);
        }
        Ended {
            report,
            result,
            shown: Shown::Report,
        }
    }

    fn inspect(&self, ui: &Ui, report: &mut Report) -> Result<Exit, Failure> {
        let judge = run_context::judge(&self.proof, self.strict, report)?;
        let env = self
            .env
            .iter()
            .map(|text| variable(text))
            .collect::<Result<Vec<_>, _>>()?;
        let platforms = self.platform.iter().map(|text| {
            let parsed = text.parse::<Platform>();
            parsed.map_err(|error| Failure::new(Exit::Usage, &error))
        });
        let platforms = platforms.collect::<Result<_, _>>()?;
        for path in self.path.iter().filter(|path| is_pattern(path)) {
            Pattern::parse(path).map_err(|error| Failure::new(Exit::Usage, &error))?;
        }
        let want = match (self.all, self.path.is_empty()) {
            (true, _) => Want::All,
            (false, true) => Want::Known,
            (false, false) => Want::Paths(self.path.clone()),
        };
        let images = run_context::images(&self.registry, &judge, self.timeout, ui.secrets());
        let on_event = |event: &Event| ui.event(event);
        // Nothing is changed, so there is nothing to clean up.
        let _ends_by_signal = signal::AtPrompt::begin();
        let inspect = Inspect {
            targets: &self.targets,
            request: Request {
                want,
                platforms,
                ..Request::default()
            },
            judge: &judge,
            env: &env,
            digest: self.explain || self.output.output != Format::Short,
        };
        let mut sources = images.reader(&judge, &on_event).sources;
        // Each step can be shown only for bytes that are read now.
        sources.cache = sources.cache.filter(|_| !self.explain);
        let read = inspect.run(sources);
        ui.clear();
        self.report(read?, report)
    }

    /// Adds what was read to the report, and returns its exit code. A run of which some targets could not be read has an
    /// error and results.
    fn report(&self, read: Readings, report: &mut Report) -> Result<Exit, Failure> {
        let mut failures = read.failures;
        report.evidence = read.evidence;
        report.expected.notes.extend(read.notes);
        report.expected.images = read.images;
        if read.skipped_entries > 0 {
            let counts = &mut report.counts;
            counts.insert(Count::SkippedEntries, read.skipped_entries);
        }
        if report.evidence.is_empty()
            && let Some(failure) = failures.pop_if(|_| self.targets.len() == 1)
        {
            return Err(failure);
        }
        let found = if report.failed() {
            Exit::Findings
        } else {
            Exit::Ok
        };
        let Some(exit) = failures.iter().map(|failure| failure.exit).min() else {
            return Ok(found);
        };
        let messages: Vec<&str> = failures.iter().map(|it| it.message.as_str()).collect();
        report.error = Some(ErrorReport {
            exit: exit.code(),
            message: format!(
                "{} of {} could not be read: {}",
                messages.len(),
                self.targets.len(),
                messages.join("; ")
            ),
            hints: failures
                .iter()
                .flat_map(|failure| failure.hint_lines(&report.context))
                .collect(),
        });
        Ok(exit)
    }
}

/// Removes what a person sees only with `--explain`.
fn shorten(report: &mut Report) {
    let proofs = report
        .evidence
        .iter_mut()
        .filter_map(|evidence| evidence.proof.as_mut());
    proofs.for_each(|proof| proof.chain.clear());
}

fn variable(text: &str) -> Result<(String, String), Failure> {
    let pair = text.split_once('=').filter(|(name, _)| !name.is_empty());
    let pair = pair.map(|(name, value)| (name.to_owned(), value.to_owned()));
    pair.ok_or_else(|| Failure::message(Exit::Usage, format!("--env `{text}` must be NAME=VALUE")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn platforms_and_variables_are_read_as_people_write_them() {
        for (text, shown) in [
            ("arm64", Some("linux/arm64")),
            ("linux/amd64", Some("linux/amd64")),
            ("linux/arm/v7", Some("linux/arm/v7")),
            ("", None),
            ("linux/", None),
            ("a/b/c/d", None),
        ] {
            let read = text.parse::<Platform>().ok();
            let read = read.map(|platform| platform.to_string());
            assert_eq!(read.as_deref(), shown, "{text}");
        }
        assert!(variable("=x").is_err() && variable("x").is_err());
        let pair = ("GODEBUG".to_owned(), "fips140=on".to_owned());
        assert_eq!(variable("GODEBUG=fips140=on").unwrap(), pair);
    }
}
