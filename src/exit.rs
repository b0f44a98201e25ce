//! The exit codes, in one place.
//!
//! If istioctl has an exit code for a reason, that one is used (64, 65 and 79 mean the same there), and otherwise one
//! of `sysexits.h`. The first one that applies in the order of the stages is used: usage, data, what is needed to
//! begin, what the checks found.

use istio_operator::OverlayError;

use crate::suggestion::{CommandContext, SuggestedCommand};

/// Why the process ended as it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    /// The command succeeded, and nothing wrong was found.
    Ok,
    /// A wrong flag, word or combination of flags.
    Usage,
    /// A file, tag, hub or revision that cannot be used.
    Data,
    /// The command cannot begin: no istioctl, or no cluster.
    Unavailable,
    /// A bug of glooistio.
    Internal,
    /// The result could not be written.
    CannotWrite,
    /// Checks found errors, or differences.
    Findings,
    /// Interrupted, or declined at the prompt.
    Interrupted,
    /// The result of istioctl: its own code, or 128 + N if signal N killed it.
    Istioctl(u8),
}

impl Exit {
    /// Every code of our own, with the description that docs/pipelines.md contains.
    pub const TABLE: [(Exit, &str); 8] = [
        (Exit::Ok, "done, nothing wrong found"),
        (Exit::Usage, "wrong flag, word or combination of flags"),
        (
            Exit::Data,
            "a file, tag, hub, key or revision that cannot be used",
        ),
        (
            Exit::Unavailable,
            "the command cannot begin: no istioctl, no cluster",
        ),
        (Exit::Internal, "a bug of glooistio"),
        (Exit::CannotWrite, "the result could not be written"),
        (Exit::Findings, "checks found errors, or differences"),
        (Exit::Interrupted, "interrupted, or declined at the prompt"),
    ];

    /// Returns the code for an istioctl that a signal killed, as shells report it.
    pub fn signalled(signal: i32) -> Exit {
        Exit::Istioctl(u8::try_from(128 + signal).unwrap_or(u8::MAX))
    }

    /// Returns the number for the operating system.
    pub fn code(self) -> u8 {
        match self {
            Exit::Ok => 0,
            Exit::Usage => 64,
            Exit::Data => 65,
            Exit::Unavailable => 69,
            Exit::Internal => 70,
            Exit::CannotWrite => 74,
            Exit::Findings => 79,
            Exit::Interrupted => 130,
            Exit::Istioctl(code) => code,
        }
    }
}

/// Why a command could not continue: the message, the next steps, and the exit code.
#[derive(Debug)]
pub struct Failure {
    pub exit: Exit,
    /// Lower case, without a full stop.
    pub message: String,
    /// Next steps, most likely first.
    pub hints: Vec<Hint>,
}

/// A next step after a failure: a sentence, or a command and what it is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hint {
    pub text: String,
    pub command: Option<SuggestedCommand>,
}

impl Failure {
    /// Creates a failure from an error and its chain of sources.
    pub fn new(exit: Exit, error: &dyn std::error::Error) -> Failure {
        let mut message = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            let text = cause.to_string();
            if !message.contains(&text) {
                message.push_str(": ");
                message.push_str(&text);
            }
            source = cause.source();
        }
        Failure {
            exit,
            message,
            hints: Vec::new(),
        }
    }

    pub fn message(exit: Exit, message: impl Into<String>) -> Failure {
        Failure {
            exit,
            message: message.into(),
            hints: Vec::new(),
        }
    }

    /// Returns the hints as lines, with the flags of the run in their commands.
    pub fn hint_lines(&self, context: &CommandContext) -> Vec<String> {
        let lines = self.hints.iter();
        lines.filter_map(|hint| hint.line(context)).collect()
    }

    #[must_use]
    pub fn hint(mut self, hint: impl Into<Hint>) -> Failure {
        self.hints.push(hint.into());
        self
    }

    /// Adds a command that helps, and what it is for; adds nothing if the command cannot be suggested.
    #[must_use]
    pub fn hint_command(self, text: &str, template: &'static str, values: &[&str]) -> Failure {
        match SuggestedCommand::new(template, values) {
            Some(command) => self.hint(Hint::command(text, command)),
            None => self,
        }
    }
}

impl Hint {
    /// Creates a hint from a command and what it is for: `see who wrote it`.
    pub fn command(text: impl Into<String>, command: SuggestedCommand) -> Hint {
        Hint {
            text: text.into(),
            command: Some(command),
        }
    }

    /// Returns the hint as one line, with the flags of the run in its command; `None` if its command cannot be
    /// suggested.
    pub fn line(&self, context: &CommandContext) -> Option<String> {
        match &self.command {
            None => Some(self.text.clone()),
            Some(command) => {
                let command = command.in_context(context)?;
                Some(format!("{}: {command}", self.text))
            }
        }
    }
}

impl From<String> for Hint {
    fn from(text: String) -> Hint {
        Hint {
            text,
            command: None,
        }
    }
}

impl From<&str> for Hint {
    fn from(text: &str) -> Hint {
        Hint::from(text.to_owned())
    }
}

impl From<OverlayError> for Failure {
    fn from(error: OverlayError) -> Failure {
        Failure::new(Exit::Data, &error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_lists_every_code_of_our_own_once() {
        let codes: Vec<u8> = Exit::TABLE.iter().map(|(exit, _)| exit.code()).collect();
        assert_eq!(codes, [0, 64, 65, 69, 70, 74, 79, 130]);
    }

    #[test]
    fn a_signal_becomes_128_and_its_number() {
        assert_eq!(Exit::signalled(15).code(), 143);
        assert_eq!(Exit::signalled(i32::MAX - 200).code(), u8::MAX);
    }
}
