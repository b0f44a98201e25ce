//! `verify`, also as `verify-install`.

use super::args::{CheckArgs, OutputArgs, RunArgs};
use super::istioctl_flags::{IstioctlFlags, Reader};
use super::output::Shown;
use super::{Ended, context, resolve, run_context};
use crate::exit::{Exit, Failure};
use crate::facts::Observed;
use crate::plan::PlanError;
use crate::report::{Choice, Report};
use crate::request::Revision;
use crate::ui::Ui;
use crate::verify::Verify;
use istio_builds::{ImageTag, Request, Wanted};

/// Verify that the requested build runs: every proxy, on every version of Istio
#[derive(Debug, clap::Args)]
#[command(mut_args(Reader::Verify.hide()), after_help = "Examples:
  glooistio verify
  glooistio verify -r 1-31 -o json
  glooistio verify --fips --require proven --policy 140-3-active")]
pub(crate) struct Args {
    /// Version or tag that must run, completed as `install` does [default: from the record, else istiod's own]
    #[arg(long, value_name = "VERSION|TAG")]
    istio: Option<String>,
    /// Require FIPS builds, whatever the record says
    #[arg(long)]
    fips: bool,
    /// Distribution of --istio: `solo` or `standard` [default: solo if that version has one]
    #[arg(long, value_name = "DISTRIBUTION", requires = "istio")]
    distribution: Option<String>,
    /// Require the distroless build of --istio
    #[arg(long, requires = "istio")]
    distroless: bool,
    /// Require the ARM build of --istio
    #[arg(long, requires = "istio")]
    arm: bool,
    #[command(flatten)]
    flags: IstioctlFlags,
    #[command(flatten)]
    pub(crate) checks: CheckArgs,
    #[command(flatten)]
    run: RunArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

impl Args {
    pub(crate) fn run(&self, ui: &Ui) -> Ended {
        let mut report = Report::new("verify");
        report.context = context::of_run(&self.flags, &self.checks, &self.run);
        let result = self.verify(ui, &mut report);
        Ended {
            report,
            result,
            shown: Shown::Report,
        }
    }

    fn verify(&self, ui: &Ui, report: &mut Report) -> Result<Exit, Failure> {
        let flags = self.flags.read_by(Reader::Verify)?;
        let rules = run_context::Policies::of(&self.checks, &self.run.proof, ui, report)?;
        let revision = flags.last("revision").map(Revision::parse).transpose();
        let revision = revision
            .map_err(|error| Failure::message(Exit::Data, format!("--revision: {error}")))?;
        let verify = Verify {
            revision: revision.map(|name| {
                name.map_or_else(|| "default".to_owned(), |name| name.as_str().to_owned())
            }),
            namespace: flags.last("istioNamespace").map(str::to_owned),
            tag: self.tag(&rules, report)?,
            fips: self.fips,
        };
        verify.run(&mut rules.run_context(ui, report, run_context::target(flags), &self.run))
    }

    /// Returns the build that must run, completed by the rules of `install`.
    fn tag(
        &self,
        rules: &run_context::Policies,
        report: &mut Report,
    ) -> Result<Option<ImageTag>, Failure> {
        let Some(text) = &self.istio else {
            return Ok(None);
        };
        let request: Request = resolve::parsed("--istio", text)?;
        let distribution = self.distribution.as_deref();
        let wanted = Wanted {
            distribution: distribution.map(resolve::distribution).transpose()?,
            fips: self.fips.then_some(true),
            distroless: self.distroless.then_some(true),
            arm: self.arm.then_some(true),
        };
        // For a release line, the version of istioctl is used if it belongs to that line.
        let client = match request {
            Request::Minor(_) => run_context::istioctl_if_there(&self.run),
            _ => Observed::NotCollected("the version is given"),
        };
        let client = client.known().map(|client| &client.version);
        let completed = rules.matrix.complete(Some(&request), wanted, client);
        let completed = completed.map_err(PlanError::from)?;
        report.expected.chosen.push(Choice {
            what: "tag".to_owned(),
            value: completed.tag.to_string(),
            why: completed.why,
        });
        Ok(Some(completed.tag))
    }
}
