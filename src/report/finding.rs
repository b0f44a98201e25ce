//! What a check has to say, and how much that weighs.

use serde::Serialize;

use crate::suggestion::SuggestedCommand;

/// How much a finding matters. Ordered: a higher one weighs more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    Info,
    Warning,
    Error,
}

/// One thing that a check has to say about one subject.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub severity: Severity,
    /// One sentence, lower case, without a full stop.
    pub message: String,
    /// What it is about: `Deployment istio-system/istiod`, `overlay.yaml:7`, a node, a namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wanted: Option<String>,
    /// Why it matters, or where the claim comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Every page that the claim is from, as `--verbose` shows them; `why` quotes the first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<String>,
    /// The next step, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
    /// The next step as a command that can be copied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<SuggestedCommand>,
}

impl Finding {
    /// A finding without more than its sentence.
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

    /// Something that must not stay so.
    pub fn error(message: impl Into<String>) -> Self {
        Self::new(Severity::Error, message)
    }

    /// Something that may well be wrong.
    pub fn warning(message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, message)
    }

    /// Something to know.
    pub fn info(message: impl Into<String>) -> Self {
        Self::new(Severity::Info, message)
    }

    /// Says it in other words.
    #[must_use]
    pub fn message(mut self, text: impl Into<String>) -> Self {
        self.message = text.into();
        self
    }

    /// What it is about.
    #[must_use]
    pub fn subject(mut self, text: impl Into<String>) -> Self {
        self.subject = Some(text.into());
        self
    }

    /// What was seen.
    #[must_use]
    pub fn found(mut self, text: impl Into<String>) -> Self {
        self.found = Some(text.into());
        self
    }

    /// What should be there.
    #[must_use]
    pub fn wanted(mut self, text: impl Into<String>) -> Self {
        self.wanted = Some(text.into());
        self
    }

    /// Why it matters, or who says so.
    #[must_use]
    pub fn why(mut self, text: impl Into<String>) -> Self {
        self.why = Some(text.into());
        self
    }

    /// Where the claim comes from, page by page.
    #[must_use]
    pub fn sources(mut self, sources: impl IntoIterator<Item = String>) -> Self {
        self.sources = sources.into_iter().collect();
        self
    }

    /// The next step, in words.
    #[must_use]
    pub fn fix(mut self, text: impl Into<String>) -> Self {
        self.fix = Some(text.into());
        self
    }

    /// The next step, as a command that can be copied: see [`SuggestedCommand::new`] for when there is none.
    #[must_use]
    pub fn command(self, template: &'static str, values: &[&str]) -> Self {
        self.suggest(SuggestedCommand::new(template, values))
    }

    /// The next step, as a command that was built elsewhere, where there is one.
    #[must_use]
    pub fn suggest(mut self, command: Option<SuggestedCommand>) -> Self {
        self.command = command;
        self
    }
}
