//! `check`

mod manifests;

use std::path::PathBuf;

use super::args::{CheckArgs, ConsentArgs, Format, ImageArgs, OutputArgs, PlanArgs, RunArgs};
use super::istioctl_flags::{IstioctlFlags, Reader};
use super::output::{self, Shown};
use super::{Ended, context, resolve, run_context};
use crate::exit::{Exit, Failure};
use crate::facts::{self, Observed};
use crate::install::RunContext;
use crate::install::prepare::{Prepared, prepare};
use crate::plan::Plan;
use crate::report::{NextStep, Report, json};
use crate::request::{InstallRequest, Template};
use crate::suggestion::{CommandContext, RunFlag, SuggestedCommand};
use crate::ui::{Event, Ui};
use crate::upgrade;

/// Run the checks of an install without installing
#[derive(Debug, clap::Args)]
#[command(mut_args(Reader::Check.hide()), after_help = "Examples:
  glooistio check --fips --distroless
  glooistio check --manifest operator.yaml
  glooistio check --print-rbac
  glooistio check --manifest clusters/ -o short
  glooistio check --strict --skip end-of-life=agreed")]
pub(crate) struct Args {
    #[command(flatten)]
    plan: PlanArgs,
    /// IstioOperator files to check, each separately, and directories to search for them; `-` is stdin.
    /// Nothing is installed, so istioctl is not required
    #[arg(long, value_name = "PATH", num_args = 1.., conflicts_with_all = ["preset", "template", "filename"])]
    manifest: Vec<PathBuf>,
    /// Print the `ClusterRole` that check, install, upgrade and verify need; contacts no cluster
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
        let inspect = self.images.inspected(&self.run)?;
        let rules = run_context::Policies::of(&self.checks, &self.run.proof, ui, report)?;
        let client = self.client(ui, report);
        let with = Given {
            rules: &rules,
            client,
            inspect,
            ui,
        };
        let judge =
            |request: &InstallRequest, report: &mut Report| self.judge(request, &with, report);
        if self.manifest.is_empty() {
            judge(&self.request()?, report)?;
        } else {
            let files = manifests::read(&self.manifest)?;
            let of_file = |file| -> Result<InstallRequest, Failure> {
                let mut request = self.request()?;
                request.template = Some(Template::None);
                request.overlays = vec![file];
                Ok(request)
            };
            manifests::judge_each(files, report, |file, report| judge(&of_file(file)?, report))?;
        }
        Ok(if report.failed() {
            Exit::Findings
        } else {
            Exit::Ok
        })
    }

    /// Returns why `install` would refuse these inputs: they drop inputs of the last install.
    fn dropped(ctx: &mut RunContext<'_>, request: &InstallRequest, plan: &Plan) -> Option<String> {
        let revision = plan.revision_label();
        // The checks report what cannot be read.
        let record = upgrade::find_record(ctx, &plan.namespace, revision).ok()??;
        let dropped = request.lacks(&record.request);
        (!dropped.is_empty()).then(|| {
            format!(
                "`install` refuses to drop what the record of revision {revision} has, without --forget-overlays: {}",
                dropped.join(", ")
            )
        })
    }

    /// Plans and checks one set of inputs.
    fn judge(
        &self,
        request: &InstallRequest,
        with: &Given<'_>,
        report: &mut Report,
    ) -> Result<(), Failure> {
        let prepared = prepare(request, &with.rules.matrix, &with.client)?;
        let client = self.used(with.client.clone(), &prepared);
        let target = run_context::target(&self.flags);
        let mut ctx = with.rules.run_context(with.ui, report, target, &self.run);
        ctx.inspect_images(with.inspect);
        ctx.describe(&prepared);
        let facts = asked(&mut ctx, client, &prepared)?;
        ctx.check(&prepared, &facts);
        if self.manifest.is_empty() {
            let has_records = facts.records.known().is_some_and(|all| !all.is_empty());
            let dropped = has_records.then(|| Self::dropped(&mut ctx, request, &prepared.plan));
            ctx.report.expected.notes.extend(dropped.flatten());
        }
        Ok(())
    }

    fn request(&self) -> Result<InstallRequest, Failure> {
        let mut request = resolve::request(&self.plan, self.flags.read_by(Reader::Check)?)?;
        request.consent = self.consent.consent(false);
        Ok(request)
    }

    /// Returns the istioctl that is available. A manifest can be judged without one.
    fn client(&self, ui: &Ui, report: &mut Report) -> Observed<facts::Istioctl> {
        let client = run_context::istioctl_if_there(&self.run);
        match &client {
            Observed::Unknown(_) if !self.manifest.is_empty() && !self.run.names_istioctl() => {
                Observed::NotCollected("--manifest installs nothing, and no istioctl was found")
            }
            Observed::Unknown(why) => {
                let next = "name an istioctl by --istioctl PATH or GLOOISTIO_ISTIOCTL";
                missing(ui, report, &format!("no istioctl: {why}"), next);
                client
            }
            Observed::Known(_) | Observed::NotCollected(_) => client,
        }
    }

    /// Returns the istioctl that the checks judge: a manifest is not necessarily installed by the one that was found.
    fn used(
        &self,
        client: Observed<facts::Istioctl>,
        prepared: &Prepared,
    ) -> Observed<facts::Istioctl> {
        let other = client
            .known()
            .is_some_and(|client| client.version.minor() != Some(prepared.plan.tag.minor()));
        if other && !self.manifest.is_empty() && !self.run.names_istioctl() {
            return Observed::NotCollected(
                "--manifest installs nothing, and the istioctl that was found is of another minor",
            );
        }
        client
    }
}

/// The context in which every set of inputs of a run is judged.
struct Given<'a> {
    rules: &'a run_context::Policies,
    client: Observed<facts::Istioctl>,
    inspect: bool,
    ui: &'a Ui,
}

/// Returns the `ClusterRole` for an administrator as YAML, or as JSON if that is the format.
fn printed_role(report: Report, format: Format) -> Ended {
    if format == Format::Csv {
        return Ended {
            report,
            result: Err(output::no_table("rights")),
            shown: Shown::Report,
        };
    }
    let mut bytes = Vec::new();
    let written = serde_json::to_value(facts::cluster_role())
        .map_err(std::io::Error::from)
        .and_then(|role| match format {
            Format::Json => json::write(&role, &mut bytes),
            Format::Text | Format::Yaml | Format::Short | Format::Csv => {
                bytes.extend_from_slice(binding(&report.context).as_bytes());
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

/// The purpose of the role, in comments above it.
const PURPOSE: &str = "\
# Rights to check, install, upgrade and verify Istio with glooistio. Istio's own roles grant more than its installer
# needs, hence escalate and bind: whoever has them can get every right, and whoever lists secrets can read them all.
# As an administrator:
";

/// Returns how an administrator uses the role on the cluster of the run, in comments above it.
fn binding(context: &CommandContext) -> String {
    // The administrator impersonates no other user, so only the flags that name the cluster are kept.
    let names_cluster = |flag: &&RunFlag| {
        let names = ["--kubeconfig", "--context"];
        flag.spellings
            .iter()
            .any(|spelling| names.contains(spelling))
    };
    let cluster = CommandContext {
        flags: context
            .flags
            .iter()
            .filter(names_cluster)
            .cloned()
            .collect(),
        istioctl: None,
    };
    let commands = [
        "glooistio check --print-rbac | kubectl apply -f -",
        "kubectl create clusterrolebinding glooistio-installer --clusterrole=glooistio-installer --user=USER",
    ];
    let lines = commands.iter().filter_map(|command| {
        let command = SuggestedCommand::new(command, &[])?.in_context(&cluster)?;
        Some(format!("#   {command}\n"))
    });
    format!("{PURPOSE}{}", lines.collect::<String>())
}

/// Warns that a source of facts is missing; everything that can be judged without it is still checked.
fn missing(ui: &Ui, report: &mut Report, what: &str, next: &str) {
    ui.event(&Event::Warning(what.to_owned()));
    report.next.push(NextStep::text(next));
}

/// Gathers facts from the cluster if there is one; checks report what the cluster does not show as unknown.
fn asked(
    ctx: &mut RunContext<'_>,
    istioctl: Observed<facts::Istioctl>,
    prepared: &Prepared,
) -> Result<facts::Before, Failure> {
    if let Some(cluster) = ctx.connect_if_there()? {
        return ctx.gather(&cluster, &istioctl, prepared);
    }
    missing(
        ctx.ui,
        ctx.report,
        "no cluster: no kubeconfig names one, so what needs a cluster is not checked",
        "name a cluster by --kubeconfig FILE or KUBECONFIG",
    );
    ctx.gather_without_cluster(istioctl, prepared, "no kubeconfig names a cluster")
}
