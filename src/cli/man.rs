//! `man`

use super::Ended;
use super::output::Shown;
use crate::exit::{Exit, Failure};
use crate::report::Report;
use crate::ui::Ui;

/// Print a manual page: `glooistio man install | man -l -`
///
/// Prints the page of one command, or of glooistio itself if none is named, in the format that the program `man` reads.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Command to print the page of
    command: Option<String>,
}

impl Args {
    pub(crate) fn run(&self, _: &Ui, command: clap::Command) -> Ended {
        let (shown, result) = match self.page(command) {
            Ok(bytes) => (Shown::Document(bytes), Ok(Exit::Ok)),
            Err(failure) => (Shown::Report, Err(failure)),
        };
        Ended {
            report: Report::new("man"),
            result,
            shown,
        }
    }

    fn page(&self, mut command: clap::Command) -> Result<Vec<u8>, Failure> {
        command.build();
        let command = match &self.command {
            None => command,
            Some(name) => command
                .find_subcommand(name)
                .cloned()
                .ok_or_else(|| unknown(name, &command))?,
        };
        let mut page = Vec::new();
        clap_mangen::Man::new(command)
            .render(&mut page)
            .map_err(|error| Failure::new(Exit::Internal, &error))?;
        Ok(page)
    }
}

fn unknown(name: &str, command: &clap::Command) -> Failure {
    let failure = Failure::message(Exit::Usage, format!("glooistio has no command `{name}`"));
    let names = command.get_subcommands().map(clap::Command::get_name);
    match super::nearest(name, names) {
        Some(meant) => failure.hint(format!("did you mean `glooistio man {meant}`?")),
        None => failure.hint("`glooistio --help` lists them"),
    }
}
