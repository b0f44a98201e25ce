//! Forwards any command that is not ours to istioctl: arguments unchanged, streams and exit code kept.
//!
//! `version` is forwarded too; before it, glooistio prints its own version and the path of istioctl to stderr, for a
//! person.

use std::path::Path;

use crate::exit::{Exit, Failure};
use crate::sys::process::{self, Invocation, Status};
use crate::ui::Ui;
use istio_builds::Matrix;

/// Flags with which istioctl prints its version for a program.
const FOR_PROGRAMS: [&str; 4] = ["-o", "--output", "-s", "--short"];

/// Whether the words are `version` without a format, so that a person reads the output.
fn is_version_for_a_person(args: &[String]) -> bool {
    let formatted = args.iter().any(|arg| {
        let flag = arg.split('=').next().unwrap_or_default();
        FOR_PROGRAMS.contains(&flag) || arg.starts_with("-o")
    });
    super::argv::command_word(args) == Some("version") && !formatted
}

/// Returns the version of glooistio and the date of its data.
fn own_version() -> String {
    let version = env!("CARGO_PKG_VERSION");
    match Matrix::builtin().date_of_data() {
        Some(date) => format!("glooistio {version} (data of {date})"),
        None => format!("glooistio {version}"),
    }
}

/// Runs istioctl with the user's own words.
pub(super) fn run(ui: &Ui, args: Vec<String>, istioctl: Option<&str>) -> Result<Exit, Failure> {
    let names_itself = is_version_for_a_person(&args);
    if names_itself {
        ui.always(&own_version());
    }
    let program = super::find_istioctl(istioctl.map(Path::new)).map_err(|failure| {
        failure.hint("it gets every command that `glooistio --help` does not list")
    })?;
    if names_itself {
        ui.always(&format!("istioctl: {}", program.display()));
    }
    let invocation = Invocation {
        program,
        args,
        stdin: None,
        env: Vec::new(),
    };
    match process::passthrough(&invocation)? {
        Status::Code(0) => Ok(Exit::Ok),
        Status::Code(code) => Ok(Exit::Istioctl(code)),
        Status::Signal(signal) => Ok(Exit::signalled(signal)),
    }
}
