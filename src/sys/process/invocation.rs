//! A run of a program as a value, so that dry run, log and test see what the operating system sees.

use std::fmt;
use std::path::PathBuf;

use crate::suggestion::quote_word;

/// Set for every program that this program runs, so that a run of glooistio by that program can be
/// detected.
pub const MARK: &str = "UNDER_GLOOISTIO";

/// Contains the repo key if no flag gives it. It is removed from the environment of every program
/// that is run: istioctl gets the manifest and does not need the key.
pub const KEY_VARIABLE: &str = "GLOOISTIO_REPO_KEY";

/// One run of a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation {
    /// A name to look up, or a path.
    pub program: PathBuf,
    pub args: Vec<String>,
    /// The input of the program; `None` to inherit that of this process.
    pub stdin: Option<Vec<u8>>,
    /// Variables that are added to the environment of this process.
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

    /// Returns the duct expression: it uses no shell, and treats any exit status as a result.
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

/// Writes the command line that a person would type.
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
