//! `upgrade`

use super::Ended;
use super::install;
use crate::report::Report;
use crate::ui::Ui;

/// Install over something older, by the skew rules, with the overlays of its record again
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  glooistio upgrade --to 1.31
  glooistio upgrade -y -o short --to 1.31 --fips")]
#[group(id = "upgrade")]
pub(crate) struct Args {
    /// Version or tag to upgrade to [default: istioctl's own version]
    #[arg(long, value_name = "VERSION|TAG", conflicts_with = "istio")]
    to: Option<String>,
    #[command(flatten)]
    pub(crate) install: install::Args,
}

impl Args {
    pub(crate) fn run(&self, ui: &Ui) -> Ended {
        let mut report = Report::new("upgrade");
        let result = self.install.upgrade(self.to.as_deref(), ui, &mut report);
        self.install.ended(report, result)
    }
}
