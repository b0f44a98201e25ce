//! What a run is asked to do, as a value: dry run, log and test see what the operating system sees.

use std::fmt;
use std::path::PathBuf;

use crate::suggestion::quote_word;

/// Set for every program that we run: one that leads back to us is told by it.
pub const MARK: &str = "UNDER_GLOOISTIO";

/// Holds the repo key where no flag gives it. No program that we run needs it: istioctl gets the
/// manifest.
pub const KEY_VARIABLE: &str = "GLOOISTIO_REPO_KEY";

/// One run of a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation {
    /// A name to be looked up, or a path.
    pub program: PathBuf,
    pub args: Vec<String>,
    /// What it reads; ours is inherited where there is nothing.
    pub stdin: Option<Vec<u8>>,
    /// Added to our environment.
    pub env: Vec<(String, String)>,
}

impl Invocation {
    pub fn new(program: impl Into<PathBuf>, args: &[&str]) -> Self {
        Invocation {
            program: program.into(),
            args: args.iter().map(|&arg| arg.to_owned()).collect(),
            stdin: None,
            env: Vec::new(),
        }
    }

    #[must_use]
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = Some(bytes.into());
        self
    }

    /// What duct runs: no shell is in between, and any exit status is an answer.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one module that may start programs"
    )]
    pub(super) fn expression(&self) -> duct::Expression {
        let mut expression = duct::cmd(&self.program, &self.args)
            .unchecked()
            .env(MARK, "1")
            .env_remove(KEY_VARIABLE);
        for (name, value) in &self.env {
            expression = expression.env(name, value);
        }
        match &self.stdin {
            Some(bytes) => expression.stdin_bytes(bytes.clone()),
            None => expression,
        }
    }
}

/// The line that a person would type.
impl fmt::Display for Invocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in &self.env {
            write!(f, "{name}={} ", quote_word(value))?;
        }
        f.write_str(&quote_word(&self.program.to_string_lossy()))?;
        self.args
            .iter()
            .try_for_each(|arg| write!(f, " {}", quote_word(arg)))
    }
}
