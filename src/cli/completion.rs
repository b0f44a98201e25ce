//! `completion`

use clap_complete::Shell;

use super::Ended;
use super::output::Shown;
use crate::exit::Exit;
use crate::report::Report;
use crate::ui::Ui;

/// Print the completion script of a shell
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    shell: Shell,
}

impl Args {
    pub(crate) fn run(&self, _: &Ui, command: &mut clap::Command) -> Ended {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, command, "glooistio", &mut script);
        Ended {
            report: Report::new("completion"),
            result: Ok(Exit::Ok),
            shown: Shown::Document(script),
        }
    }
}
