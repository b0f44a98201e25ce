//! `install`, also as `apply` and `manifest install`.

use super::Ended;
use super::args::{CheckArgs, ConsentArgs, ImageArgs, OutputArgs, PlanArgs, RunArgs};
use super::istioctl_flags::IstioctlFlags;
use super::output::Shown;
use super::{context, resolve, run_context};
use crate::exit::{Exit, Failure};
use crate::facts::{Observed, Record};
use crate::install::prepare::{Prepared, check_inputs, prepare};
use crate::install::{Install, RunContext};
use crate::options::{Gateways, Options};
use crate::plan::Plan;
use crate::report::Report;
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
        let mut options = resolve::options(&self.plan, &self.flags)?;
        options.consent = self.consent.consent(false);
        self.can_ask(ui)?;
        let inspect = self.images.inspected(&self.run)?;
        let rules = run_context::Policies::of(&self.checks, &self.run.proof, ui, report)?;
        let prepared = validate_inputs(&options, &rules)?;
        let istioctl = run_context::istioctl(&self.run)?;
        self.flags.known_to(&istioctl, &rules.matrix)?;
        let mut ctx = rules.run_context(ui, report, run_context::target(&self.flags), &self.run);
        ctx.inspect_images(inspect);
        ctx.installer_flags = self.flags.of_installer();
        if !self.forget_overlays {
            self.keep_inputs(&mut ctx, &mut options, &prepared.plan)?;
        }
        self.request(&options, istioctl).run(&mut ctx)
    }

    /// Refuses to drop the inputs of the last install of the revision, and leaves gateways out if that install did.
    fn keep_inputs(
        &self,
        ctx: &mut RunContext<'_>,
        options: &mut Options,
        plan: &Plan,
    ) -> Result<(), Failure> {
        let revision = plan.revision_label();
        let Some(record) = upgrade::find_record(ctx, &plan.namespace, revision)? else {
            return Ok(());
        };
        let dropped = dropped_inputs(&record, options, &self.plan)?;
        if record.without_gateways && !options.consent.gateways {
            options.gateways = Gateways::LeaveOut;
        }
        upgrade::refuse_dropped(revision, options.request.as_ref(), &dropped)
    }

    /// Runs an upgrade: the same over an older install.
    pub(super) fn upgrade(
        &self,
        target: Target<'_>,
        ui: &Ui,
        report: &mut Report,
    ) -> Result<Exit, Failure> {
        let rules = run_context::Policies::of(&self.checks, &self.run.proof, ui, report)?;
        let mut options = resolve::options(&self.plan, &self.flags)?;
        if let Some(to) = target.to {
            options.request = Some(resolve::parsed("--to", to)?);
        }
        self.can_ask(ui)?;
        // Some of what is to be installed, such as the hub, is known only after the record is read.
        check_inputs(&options)?;
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
        let origin = upgrade::find_origin(&mut ctx, &options, recall)?;
        let typed = self.plan.over(&recorded_options(&origin.record)?);
        let now = options;
        let mut options = resolve::with_files(&typed, &self.flags, now.files)?;
        options.request = now.request;
        options.consent = self.consent.consent(target.gateways);
        upgrade::apply_record(&origin, &mut options, &rules.matrix);
        let install = Install {
            typed: typed.typed(),
            origin: Some(&origin),
            ..self.request(&options, istioctl)
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

    fn request<'a>(&self, options: &'a Options, istioctl: crate::facts::Istioctl) -> Install<'a> {
        Install {
            options,
            istioctl,
            handed_on: self.flags.handed_on(),
            typed: self.plan.typed(),
            origin: None,
            yes: self.flags.on("skip-confirmation"),
            dry_run: self.flags.on("dry-run"),
            verify: !self.no_verify,
        }
    }
}

/// Names everything of a record that an install with these inputs would drop.
pub(super) fn dropped_inputs(
    record: &Record,
    options: &Options,
    plan: &PlanArgs,
) -> Result<Vec<String>, Failure> {
    let mut dropped = upgrade::dropped_inputs(record, options);
    dropped.extend(recorded_options(record)?.missing_in(plan));
    Ok(dropped)
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
fn validate_inputs(options: &Options, rules: &run_context::Policies) -> Result<Prepared, Failure> {
    prepare(
        options,
        &rules.matrix,
        &Observed::NotCollected("the input is looked at first"),
    )
}

/// Parses the options of a record, with the parser that read them from the command line.
fn recorded_options(record: &Record) -> Result<PlanArgs, Failure> {
    PlanArgs::read(&record.options).map_err(|error| {
        Failure::message(
            Exit::Data,
            format!("the options of the record cannot be read: {error}"),
        )
        .hint("give --forget-overlays and the options of the install again")
    })
}
