//! What a check found, and how serious it is.

use serde::Serialize;

use super::Severity;
use crate::suggestion::SuggestedCommand;

/// One thing that a check found about one subject.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub severity: Severity,
    /// One sentence, lower case, without a full stop.
    pub message: String,
    /// The subject: `Deployment istio-system/istiod`, `overlay.yaml:7`, a node, a namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wanted: Option<String>,
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
    /// Creates a finding that has only a message.
    pub fn new(severity: Severity, message: impl Into<String>) -> Self {
        Finding {
            severity,
            message: message.into(),
            subject: None,
            found: None,
            wanted: None,
            why: None,
            sources: Vec::new(),
            fix: None,
            command: None,
        }
    }

    /// Creates a finding about something that must be fixed.
    pub fn error(message: impl Into<String>) -> Self {
        Self::new(Severity::Error, message)
    }

    /// Creates a finding about something that may be wrong.
    pub fn warning(message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, message)
    }

    /// Creates a finding that is only information.
    pub fn info(message: impl Into<String>) -> Self {
        Self::new(Severity::Info, message)
    }

    /// Replaces the message.
    #[must_use]
    pub fn message(mut self, text: impl Into<String>) -> Self {
        self.message = text.into();
        self
    }

    /// Sets the subject.
    #[must_use]
    pub fn subject(mut self, text: impl Into<String>) -> Self {
        self.subject = Some(text.into());
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
    pub fn wanted(mut self, text: impl Into<String>) -> Self {
        self.wanted = Some(text.into());
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
