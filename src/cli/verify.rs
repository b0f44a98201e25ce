//! `verify`, also as `verify-install`.

use super::args::{CheckArgs, OutputArgs, RunArgs};
use super::istioctl_flags::{IstioctlFlags, Reader};
use super::output::Shown;
use super::{Ended, resolve, session};
use crate::exit::{Exit, Failure};
use crate::options::Revision;
use crate::report::Report;
use crate::ui::Ui;
use crate::verify::Verify;

/// Prove that what runs is the build that was asked for: every proxy, on every version of Istio
#[derive(Debug, clap::Args)]
#[command(mut_args(Reader::Verify.hide()), after_help = "Examples:
  glooistio verify
  glooistio verify -r 1-31 -o json
  glooistio verify --fips --require proven --policy 140-3-active")]
pub(crate) struct Args {
    /// Tag that must run [default: what the record says, else istiod's own]
    #[arg(long, value_name = "TAG")]
    istio: Option<String>,
    /// FIPS must run, whatever the record says
    #[arg(long)]
    fips: bool,
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
        let result = self.verify(ui, &mut report);
        Ended {
            report,
            result,
            shown: Shown::Report,
        }
    }

    fn verify(&self, ui: &Ui, report: &mut Report) -> Result<Exit, Failure> {
        let flags = self.flags.read_by(Reader::Verify)?;
        let revision = flags.last("revision").map(Revision::parse).transpose();
        let revision = revision
            .map_err(|error| Failure::message(Exit::Data, format!("--revision: {error}")))?;
        let verify = Verify {
            revision: revision.map(|name| {
                name.map_or_else(|| "default".to_owned(), |name| name.as_str().to_owned())
            }),
            namespace: flags.last("istioNamespace").map(str::to_owned),
            tag: self
                .istio
                .as_deref()
                .map(|text| resolve::parsed("--istio", text))
                .transpose()?,
            fips: self.fips,
        };
        let rules = session::Rules::of(&self.checks, &self.run.proof, ui, report)?;
        verify.run(&mut rules.session(ui, report, session::target(flags), &self.run))
    }
}
