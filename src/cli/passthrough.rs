//! Any word that is not ours goes to istioctl: arguments unchanged, streams and exit code kept.

use std::path::Path;

use crate::exit::{Exit, Failure};
use crate::sys::process::{self, Invocation, Status};

/// Runs istioctl with the user's own words.
pub(super) fn run(args: Vec<String>, istioctl: Option<&str>) -> Result<Exit, Failure> {
    let program = super::find_istioctl(istioctl.map(Path::new)).map_err(|failure| {
        failure.hint("it gets every word that is no command of `glooistio --help`")
    })?;
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
