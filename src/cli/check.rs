//! `check`

use std::path::PathBuf;

use super::args::{CheckArgs, ImageArgs, OutputArgs, PlanArgs, RunArgs};
use super::istioctl_flags::{IstioctlFlags, Reader};
use super::output::Shown;
use super::{Ended, resolve, session};
use crate::exit::{Exit, Failure};
use crate::facts::{self, Fact};
use crate::install::Session;
use crate::install::prepare::{Prepared, prepare};
use crate::options::{Options, Template};
use crate::report::Report;
use crate::ui::{Event, Ui};

/// Run the checks of an install without installing
#[derive(Debug, clap::Args)]
#[command(mut_args(Reader::Check.hide()), after_help = "Examples:
  glooistio check --fips --distroless
  glooistio check --manifest operator.yaml
  glooistio check --strict --skip end-of-life=agreed")]
pub(crate) struct Args {
    #[command(flatten)]
    plan: PlanArgs,
    /// Judge somebody else's IstioOperator; `-` is stdin
    #[arg(long, value_name = "FILE", conflicts_with_all = ["preset", "template", "filename"])]
    manifest: Option<PathBuf>,
    #[command(flatten)]
    images: ImageArgs,
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
        let mut report = Report::new("check");
        let result = self.check(ui, &mut report);
        Ended {
            report,
            result,
            shown: Shown::Report,
        }
    }

    fn check(&self, ui: &Ui, report: &mut Report) -> Result<Exit, Failure> {
        let options = self.options()?;
        let inspect = self.images.inspected(&self.run)?;
        let rules = session::Rules::of(&self.checks, &self.run.proof, ui, report)?;
        let client = session::istioctl_if_there(&self.run);
        if let Fact::Unknown(why) = &client {
            let next = "name an istioctl by --istioctl PATH or GLOOISTIO_ISTIOCTL";
            missing(ui, report, &format!("no istioctl: {why}"), next);
        }
        let prepared = prepare(&options, &rules.matrix, &client)?;
        let mut session = rules.session(ui, report, session::target(&self.flags), &self.run);
        session.inspect_images(inspect);
        session.describe(&prepared);
        let facts = asked(&mut session, client, &prepared)?;
        session.check(&prepared, &facts);
        Ok(if report.failed() {
            Exit::Findings
        } else {
            Exit::Ok
        })
    }

    fn options(&self) -> Result<Options, Failure> {
        let mut options = resolve::options(&self.plan, self.flags.read_by(Reader::Check)?)?;
        if let Some(path) = &self.manifest {
            options.template = Some(Template::None);
            options.files = vec![resolve::read(path.display().to_string())?];
        }
        Ok(options)
    }
}

/// What the checks would have looked at, said before all that can be judged without it.
fn missing(ui: &Ui, report: &mut Report, what: &str, next: &str) {
    ui.event(&Event::Warning(what.to_owned()));
    report.next.push(next.to_owned());
}

/// The cluster if there is one; what it does not say, the checks leave open.
fn asked(
    session: &mut Session<'_>,
    istioctl: Fact<facts::Istioctl>,
    prepared: &Prepared,
) -> Result<facts::Before, Failure> {
    if let Some(cluster) = session.connect_if_there()? {
        return session.gather(&cluster, istioctl, prepared);
    }
    missing(
        session.ui,
        session.report,
        "no cluster: no kubeconfig names one, so what needs a cluster is not checked",
        "name a cluster by --kubeconfig FILE or KUBECONFIG",
    );
    let facts = facts::Before::not_asked("no kubeconfig names a cluster", istioctl);
    let images = session.planned(prepared, &facts.nodes)?;
    Ok(facts::Before { images, ..facts })
}
