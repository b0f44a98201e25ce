//! What a check found, and how serious it is.

use serde::Serialize;

use super::{Severity, Subject};
use crate::suggestion::SuggestedCommand;

/// One thing that a check found about one subject.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was found, in kebab-case, for programs: unlike the message it does not change with the wording. Unique in
    /// its check.
    pub code: &'static str,
    pub severity: Severity,
    /// One sentence, lower case, without a full stop.
    pub message: String,
    /// The file of `check --manifest` that it was found in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<Subject>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// Why it matters, or the source of the claim.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Every source of the claim, which `--verbose` shows; `why` quotes the first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<String>,
    /// The next step, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
    /// The next step as a command to copy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<SuggestedCommand>,
}

impl Finding {
    /// Creates a finding that has only a code and a message.
    pub fn new(code: &'static str, severity: Severity, message: impl Into<String>) -> Self {
        Finding {
            code,
            severity,
            message: message.into(),
            file: None,
            subject: None,
            found: None,
            expected: None,
            why: None,
            sources: Vec::new(),
            fix: None,
            command: None,
        }
    }

    /// Creates a finding about something that must be fixed.
    pub fn error(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(code, Severity::Error, message)
    }

    /// Creates a finding about something that may be wrong.
    pub fn warning(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(code, Severity::Warning, message)
    }

    /// Creates a finding that is only information.
    pub fn info(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(code, Severity::Info, message)
    }

    /// Replaces the message.
    #[must_use]
    pub fn message(mut self, text: impl Into<String>) -> Self {
        self.message = text.into();
        self
    }

    /// Sets the subject.
    #[must_use]
    pub fn subject(mut self, subject: impl Into<Subject>) -> Self {
        self.subject = Some(subject.into());
        self
    }

    /// Sets what was found.
    #[must_use]
    pub fn found(mut self, text: impl Into<String>) -> Self {
        self.found = Some(text.into());
        self
    }

    /// Sets what was expected.
    #[must_use]
    pub fn expected(mut self, text: impl Into<String>) -> Self {
        self.expected = Some(text.into());
        self
    }

    /// Sets why it matters, or the source of the claim.
    #[must_use]
    pub fn why(mut self, text: impl Into<String>) -> Self {
        self.why = Some(text.into());
        self
    }

    /// Sets all sources of the claim.
    #[must_use]
    pub fn sources(mut self, sources: impl IntoIterator<Item = String>) -> Self {
        self.sources = sources.into_iter().collect();
        self
    }

    /// Sets the next step in words.
    #[must_use]
    pub fn fix(mut self, text: impl Into<String>) -> Self {
        self.fix = Some(text.into());
        self
    }

    /// Sets the next step as a command to copy, or removes it in the cases in which [`SuggestedCommand::new`] returns
    /// `None`.
    #[must_use]
    pub fn command(self, template: &'static str, values: &[&str]) -> Self {
        self.suggest(SuggestedCommand::new(template, values))
    }

    /// Sets the next step to a command that the caller has built; `None` removes it.
    #[must_use]
    pub fn suggest(mut self, command: Option<SuggestedCommand>) -> Self {
        self.command = command;
        self
    }
}
