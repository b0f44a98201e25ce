//! `install`, also as `apply` and `manifest install`.

use super::Ended;
use super::args::{CheckArgs, ConsentArgs, ImageArgs, OutputArgs, PlanArgs, RunArgs};
use super::istioctl_flags::IstioctlFlags;
use super::output::Shown;
use super::{context, resolve, run_context};
use crate::exit::{Exit, Failure};
use crate::facts::Observed;
use crate::install::prepare::{Prepared, check_inputs, prepare};
use crate::install::{Install, RunContext};
use crate::plan::Plan;
use crate::report::Report;
use crate::request::{Gateways, InstallRequest};
use crate::ui::Ui;
use crate::upgrade::{self, Recall};

/// Render, check, install with the real istioctl, and verify what runs
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  glooistio install --fips --distroless
  glooistio install --istio 1.31 --fips -f overlay.yaml --set values.pilot.replicaCount=2 --dry-run
  glooistio install -y -o json --fips --require proven --policy 140-3-active")]
#[group(id = "install")]
pub(crate) struct Args {
    #[command(flatten)]
    plan: PlanArgs,
    #[command(flatten)]
    pub(super) flags: IstioctlFlags,
    #[command(flatten)]
    pub(crate) checks: CheckArgs,
    #[command(flatten)]
    run: RunArgs,
    #[command(flatten)]
    images: ImageArgs,
    /// Do not verify the installed mesh
    #[arg(long, help_heading = "Checks")]
    no_verify: bool,
    #[command(flatten)]
    consent: ConsentArgs,
    /// Drop the overlays, --set, template and options in the record of the last install
    #[arg(long, help_heading = "What to install")]
    forget_overlays: bool,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

impl Args {
    pub(crate) fn run(&self, ui: &Ui) -> Ended {
        let mut report = self.report("install");
        let result = self.install(ui, &mut report);
        self.ended(report, result)
    }

    /// Creates an empty report, with what its suggested commands need.
    pub(super) fn report(&self, command: &'static str) -> Report {
        let mut report = Report::new(command);
        report.context = context::of_run(&self.flags, &self.checks, &self.run);
        report
    }

    pub(super) fn ended(&self, report: Report, result: Result<Exit, Failure>) -> Ended {
        let shown = match &result {
            Ok(Exit::Findings) if report.pods.is_empty() => Shown::Report,
            Ok(_) if self.flags.on("dry-run") => Shown::Documents,
            _ => Shown::After,
        };
        Ended {
            report,
            result,
            shown,
        }
    }

    fn install(&self, ui: &Ui, report: &mut Report) -> Result<Exit, Failure> {
        let mut request = resolve::request(&self.plan, &self.flags)?;
        request.consent = self.consent.consent(false);
        self.can_ask(ui)?;
        let inspect = self.images.inspected(&self.run)?;
        let rules = run_context::Policies::of(&self.checks, &self.run.proof, ui, report)?;
        let prepared = validate_inputs(&request, &rules)?;
        let istioctl = run_context::istioctl(&self.run)?;
        self.flags.known_to(&istioctl, &rules.matrix)?;
        let mut ctx = rules.run_context(ui, report, run_context::target(&self.flags), &self.run);
        ctx.inspect_images(inspect);
        ctx.installer_flags = self.flags.of_installer();
        if !self.forget_overlays {
            Self::keep_inputs(&mut ctx, &mut request, &prepared.plan)?;
        }
        self.to_install(&request, istioctl).run(&mut ctx)
    }

    /// Refuses to drop the inputs of the last install of the revision, and leaves gateways out if that install did.
    fn keep_inputs(
        ctx: &mut RunContext<'_>,
        request: &mut InstallRequest,
        plan: &Plan,
    ) -> Result<(), Failure> {
        let revision = plan.revision_label();
        let Some(record) = upgrade::find_record(ctx, &plan.namespace, revision)? else {
            return Ok(());
        };
        let dropped = request.lacks(&record.request);
        if record.request.gateways == Gateways::LeaveOut && !request.consent.gateways {
            request.gateways = Gateways::LeaveOut;
        }
        upgrade::refuse_dropped(revision, request.build.as_ref(), &dropped)
    }

    /// Runs an upgrade: the same over an older install.
    pub(super) fn upgrade(
        &self,
        target: Target<'_>,
        ui: &Ui,
        report: &mut Report,
    ) -> Result<Exit, Failure> {
        let rules = run_context::Policies::of(&self.checks, &self.run.proof, ui, report)?;
        let mut request = resolve::request(&self.plan, &self.flags)?;
        if let Some(to) = target.to {
            request.build = Some(resolve::parsed("--to", to)?);
        }
        self.can_ask(ui)?;
        // Some of what is to be installed, such as the hub, is known only after the record is read.
        check_inputs(&request)?;
        let inspect = self.images.inspected(&self.run)?;
        let istioctl = run_context::istioctl(&self.run)?;
        self.flags.known_to(&istioctl, &rules.matrix)?;
        let mut ctx = rules.run_context(ui, report, run_context::target(&self.flags), &self.run);
        ctx.inspect_images(inspect);
        ctx.installer_flags = self.flags.of_installer();
        let recall = Recall {
            unattended: self.flags.on("skip-confirmation") && !self.flags.on("dry-run"),
            forget: self.forget_overlays,
        };
        let origin = upgrade::find_origin(&mut ctx, &request, recall)?;
        request.consent = self.consent.consent(target.gateways);
        let request = upgrade::apply_record(&origin, &request, &rules.matrix);
        let install = Install {
            origin: Some(&origin),
            ..self.to_install(&request, istioctl)
        };
        install.run(&mut ctx)
    }

    fn can_ask(&self, ui: &Ui) -> Result<(), Failure> {
        let asks = !self.flags.on("skip-confirmation") && !self.flags.on("dry-run");
        if asks && !ui.interactive() {
            let failure = Failure::message(Exit::Usage, "cannot ask without a terminal");
            return Err(failure
                .hint("give -y to go on without asking, or --dry-run to see what would be done"));
        }
        Ok(())
    }

    fn to_install<'a>(
        &self,
        request: &'a InstallRequest,
        istioctl: crate::facts::Istioctl,
    ) -> Install<'a> {
        Install {
            request,
            istioctl,
            handed_on: self.flags.handed_on(),
            origin: None,
            yes: self.flags.on("skip-confirmation"),
            dry_run: self.flags.on("dry-run"),
            verify: !self.no_verify,
        }
    }
}

/// The target of an upgrade.
#[derive(Debug, Clone, Copy)]
pub(super) struct Target<'a> {
    /// `--to`.
    pub(super) to: Option<&'a str>,
    /// `--gateways`.
    pub(super) gateways: bool,
}

/// Validates the input before any program is run and any cluster is read, so that its mistakes are reported first.
fn validate_inputs(
    request: &InstallRequest,
    rules: &run_context::Policies,
) -> Result<Prepared, Failure> {
    prepare(
        request,
        &rules.matrix,
        &Observed::NotCollected("the input is looked at first"),
    )
}
