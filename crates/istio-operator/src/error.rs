use thiserror::Error;

use super::Position;

/// Why user input cannot become a document. Every message ends with what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum OverlayError {
    #[error("{at}: {problem}; {next}")]
    File {
        at: Position,
        problem: String,
        next: String,
    },
    #[error("--set {assignment}: {problem}; {next}")]
    Set {
        assignment: String,
        problem: String,
        next: String,
    },
    #[error("{what} fits more than one document ({}); {next}", .documents.join(", "))]
    Ambiguous {
        what: String,
        documents: Vec<String>,
        next: String,
    },
    #[error("{what} fits none of the documents ({}); {next}", .documents.join(", "))]
    NoDocument {
        what: String,
        documents: Vec<String>,
        next: String,
    },
    #[error(
        "two documents have the metadata.name {name:?} and would delete each other's objects; \
         give each its own"
    )]
    SameName { name: String },
    #[error("{path}: {problem}; {next}")]
    Value {
        path: String,
        problem: String,
        next: String,
    },
}

impl OverlayError {
    pub(super) fn file(at: Position, problem: impl Into<String>, next: impl Into<String>) -> Self {
        Self::File {
            at,
            problem: problem.into(),
            next: next.into(),
        }
    }

    pub(super) fn set(
        assignment: &str,
        problem: impl Into<String>,
        next: impl Into<String>,
    ) -> Self {
        Self::Set {
            assignment: assignment.into(),
            problem: problem.into(),
            next: next.into(),
        }
    }

    pub(super) fn value(
        path: &impl ToString,
        problem: impl Into<String>,
        next: impl Into<String>,
    ) -> Self {
        Self::Value {
            path: path.to_string(),
            problem: problem.into(),
            next: next.into(),
        }
    }
}
