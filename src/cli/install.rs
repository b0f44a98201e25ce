//! `install`, also as `apply` and `manifest install`.

use super::Ended;
use super::args::{CheckArgs, ImageArgs, OutputArgs, PlanArgs, RunArgs};
use super::istioctl_flags::IstioctlFlags;
use super::output::Shown;
use super::{resolve, session};
use crate::exit::{Exit, Failure};
use crate::facts::{Fact, Record};
use crate::install::Install;
use crate::install::prepare::prepare;
use crate::options::Options;
use crate::report::Report;
use crate::ui::Ui;

/// Render, check, install by the real istioctl, and verify what runs
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
    /// Do not verify what was installed
    #[arg(long, help_heading = "Checks")]
    no_verify: bool,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

impl Args {
    pub(crate) fn run(&self, ui: &Ui) -> Ended {
        let mut report = Report::new("install");
        let result = self.install(ui, &mut report);
        self.ended(report, result)
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
        let options = resolve::options(&self.plan, &self.flags)?;
        self.can_ask(ui)?;
        let inspect = self.images.inspected(&self.run)?;
        let rules = session::Rules::of(&self.checks, &self.run.proof, ui, report)?;
        sound(&options, &rules)?;
        let istioctl = session::istioctl(&self.run)?;
        let mut session = rules.session(ui, report, session::target(&self.flags), &self.run);
        session.inspect_images(inspect);
        self.request(&options, istioctl).run(&mut session)
    }

    /// The same over something older: `to` is what to upgrade to.
    pub(super) fn upgrade(
        &self,
        to: Option<&str>,
        ui: &Ui,
        report: &mut Report,
    ) -> Result<Exit, Failure> {
        let rules = session::Rules::of(&self.checks, &self.run.proof, ui, report)?;
        let mut options = resolve::options(&self.plan, &self.flags)?;
        if let Some(to) = to {
            options.request = Some(resolve::parsed("--to", to)?);
        }
        self.can_ask(ui)?;
        sound(&options, &rules)?;
        let inspect = self.images.inspected(&self.run)?;
        let istioctl = session::istioctl(&self.run)?;
        let mut session = rules.session(ui, report, session::target(&self.flags), &self.run);
        session.inspect_images(inspect);
        let unattended = self.flags.on("skip-confirmation") && !self.flags.on("dry-run");
        let record = crate::upgrade::from(&mut session, &options, unattended)?;
        let typed = self.plan.over(&then(&record)?);
        let now = options;
        let mut options = resolve::with_files(&typed, &self.flags, now.files)?;
        options.request = now.request;
        crate::upgrade::over(&record, &mut options, &rules.matrix);
        let install = Install {
            typed: typed.typed(),
            ..self.request(&options, istioctl)
        };
        install.run(&mut session)
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
            yes: self.flags.on("skip-confirmation"),
            dry_run: self.flags.on("dry-run"),
            verify: !self.no_verify,
        }
    }
}

/// What is wrong with the input itself is said before any program or cluster is asked.
fn sound(options: &Options, rules: &session::Rules) -> Result<(), Failure> {
    prepare(
        options,
        &rules.matrix,
        &Fact::NotAsked("the input is looked at first"),
    )
    .map(drop)
}

/// The options of a record, read by the same parser that took them in.
fn then(record: &Record) -> Result<PlanArgs, Failure> {
    PlanArgs::read(&record.options).map_err(|error| {
        Failure::message(
            Exit::Data,
            format!("the options of the record cannot be read: {error}"),
        )
        .hint("give the options of the install again, or delete the record's ConfigMap")
    })
}
