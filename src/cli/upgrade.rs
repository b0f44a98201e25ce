//! `upgrade`

use super::Ended;
use super::install::{self, Target};
use crate::ui::Ui;

/// Upgrade an older install within the version skew rules, with the overlays of its record
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  glooistio upgrade --to 1.31
  glooistio upgrade -y -o short --to 1.31 --fips
  glooistio upgrade --to 1.31 -r 1-31")]
#[group(id = "upgrade")]
pub(crate) struct Args {
    /// Version or tag to upgrade to [default: istioctl's own version]
    #[arg(long, value_name = "VERSION|TAG", conflicts_with = "istio")]
    to: Option<String>,
    /// Move the gateways too: otherwise `-r NAME` with a new revision leaves them unchanged
    #[arg(long)]
    gateways: bool,
    #[command(flatten)]
    pub(crate) install: install::Args,
}

impl Args {
    pub(crate) fn run(&self, ui: &Ui) -> Ended {
        let mut report = self.install.report("upgrade");
        let target = Target {
            to: self.to.as_deref(),
            gateways: self.gateways,
        };
        let result = self.install.upgrade(target, ui, &mut report);
        self.install.ended(report, result)
    }
}
