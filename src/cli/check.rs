//! `check`

use std::path::PathBuf;

use super::args::{CheckArgs, ConsentArgs, Format, ImageArgs, OutputArgs, PlanArgs, RunArgs};
use super::istioctl_flags::{IstioctlFlags, Reader};
use super::output::Shown;
use super::{Ended, context, resolve, session};
use crate::exit::{Exit, Failure};
use crate::facts::{self, Fact};
use crate::install::Session;
use crate::install::prepare::{Prepared, prepare};
use crate::options::{Options, Template};
use crate::report::{NextStep, Report, json};
use crate::ui::{Event, Ui};
use crate::upgrade;

/// Run the checks of an install without installing
#[derive(Debug, clap::Args)]
#[command(mut_args(Reader::Check.hide()), after_help = "Examples:
  glooistio check --fips --distroless
  glooistio check --manifest operator.yaml
  glooistio check --print-rbac
  glooistio check --strict --skip end-of-life=agreed")]
pub(crate) struct Args {
    #[command(flatten)]
    plan: PlanArgs,
    /// Judge somebody else's IstioOperator; `-` is stdin
    #[arg(long, value_name = "FILE", conflicts_with_all = ["preset", "template", "filename"])]
    manifest: Option<PathBuf>,
    /// Print the `ClusterRole` with which a person can check, install, upgrade and verify; asks no cluster
    #[arg(long)]
    print_rbac: bool,
    #[command(flatten)]
    images: ImageArgs,
    #[command(flatten)]
    flags: IstioctlFlags,
    #[command(flatten)]
    pub(crate) checks: CheckArgs,
    #[command(flatten)]
    consent: ConsentArgs,
    #[command(flatten)]
    run: RunArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

impl Args {
    pub(crate) fn run(&self, ui: &Ui) -> Ended {
        let mut report = Report::new("check");
        report.context = context::of_run(&self.flags, &self.checks, &self.run);
        if self.print_rbac {
            return printed_role(report, self.output.output);
        }
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
        if self.manifest.is_none() {
            let dropped = self.dropped(&options, &prepared, &facts);
            session.report.expected.notes.extend(dropped);
        }
        Ok(if report.failed() {
            Exit::Findings
        } else {
            Exit::Ok
        })
    }

    /// What keeps an install with these inputs from leaving out those of the last one.
    fn dropped(
        &self,
        options: &Options,
        prepared: &Prepared,
        facts: &facts::Before,
    ) -> Option<String> {
        let revision = prepared.plan.revision_label();
        let records = facts.records.known()?.iter().flatten();
        let record = records.into_iter().find(|it| it.revision == revision)?;
        let mut dropped = upgrade::dropped_inputs(record, options);
        let recorded = PlanArgs::read(&record.options).ok()?;
        dropped.extend(recorded.missing_in(&self.plan));
        (!dropped.is_empty()).then(|| {
            format!(
                "`install` refuses to drop what the record of revision {revision} has, without --forget-overlays: {}",
                dropped.join(", ")
            )
        })
    }

    fn options(&self) -> Result<Options, Failure> {
        let mut options = resolve::options(&self.plan, self.flags.read_by(Reader::Check)?)?;
        options.consent = self.consent.consent(false);
        if let Some(path) = &self.manifest {
            options.template = Some(Template::None);
            options.files = vec![resolve::read(path.display().to_string())?];
        }
        Ok(options)
    }
}

/// The `ClusterRole` for an administrator: YAML, or JSON where that is asked for.
fn printed_role(report: Report, format: Format) -> Ended {
    let mut bytes = Vec::new();
    let written = serde_json::to_value(facts::cluster_role())
        .map_err(std::io::Error::from)
        .and_then(|role| match format {
            Format::Json => json::write(&role, &mut bytes),
            Format::Text | Format::Yaml | Format::Short => {
                bytes.extend_from_slice(BINDING.as_bytes());
                json::write_yaml(&role, &mut bytes)
            }
        });
    Ended {
        report,
        result: written
            .map(|()| Exit::Ok)
            .map_err(|error| Failure::new(Exit::Internal, &error)),
        shown: Shown::Document(bytes),
    }
}

/// How an administrator uses the role: comments above it.
const BINDING: &str = "\
# Rights to check, install, upgrade and verify Istio with glooistio. Istio's own roles grant more than its installer
# needs, hence escalate and bind: whoever has them can get every right. As an administrator:
#   glooistio check --print-rbac | kubectl apply -f -
#   kubectl create clusterrolebinding glooistio-installer --clusterrole=glooistio-installer --user=USER
";

/// What the checks would have looked at, said before all that can be judged without it.
fn missing(ui: &Ui, report: &mut Report, what: &str, next: &str) {
    ui.event(&Event::Warning(what.to_owned()));
    report.next.push(NextStep::text(next));
}

/// The cluster if there is one; what it does not say, the checks leave open.
fn asked(
    session: &mut Session<'_>,
    istioctl: Fact<facts::Istioctl>,
    prepared: &Prepared,
) -> Result<facts::Before, Failure> {
    if let Some(cluster) = session.connect_if_there()? {
        return session.gather(&cluster, &istioctl, prepared);
    }
    missing(
        session.ui,
        session.report,
        "no cluster: no kubeconfig names one, so what needs a cluster is not checked",
        "name a cluster by --kubeconfig FILE or KUBECONFIG",
    );
    session.gather_without_cluster(istioctl, prepared, "no kubeconfig names a cluster")
}
