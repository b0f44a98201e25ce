//! What is known of the outside, or why it is not.

use crate::sys::cluster::ClusterError;

/// Something about the outside, or why it is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact<T> {
    Known(T),
    /// It should have been seen and could not be: forbidden, timed out, garbled.
    Unknown(String),
    /// The command cannot see it by its nature: `render` has no cluster.
    NotAsked(&'static str),
}

impl<T> Fact<T> {
    pub fn known(&self) -> Option<&T> {
        match self {
            Fact::Known(value) => Some(value),
            Fact::Unknown(_) | Fact::NotAsked(_) => None,
        }
    }
}

impl<T> Fact<T> {
    /// What was read, or why it is not known, with the right that is missing.
    pub(super) fn read(answer: Result<T, ClusterError>, right: &str) -> Fact<T> {
        match answer {
            Ok(value) => Fact::Known(value),
            Err(error) => Fact::needing(&error, right),
        }
    }

    /// A gap, with the right that would close it where one is missing.
    pub(super) fn needing(error: &ClusterError, right: &str) -> Fact<T> {
        Fact::Unknown(match error {
            ClusterError::Forbidden(_) => format!("{error}; allow {right}"),
            error => error.to_string(),
        })
    }
}

impl<T> From<Result<T, ClusterError>> for Fact<T> {
    fn from(answer: Result<T, ClusterError>) -> Self {
        match answer {
            Ok(value) => Fact::Known(value),
            Err(error) => Fact::Unknown(error.to_string()),
        }
    }
}
