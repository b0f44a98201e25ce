//! What is known of the outside, or why it is not.

use crate::sys::cluster::ClusterError;

/// Something about the outside, or why it is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Observed<T> {
    Known(T),
    /// It should have been seen and could not be: forbidden, timed out, garbled.
    Unknown(String),
    /// The command cannot see it by its nature: `render` has no cluster.
    NotCollected(&'static str),
}

impl<T> Observed<T> {
    pub fn known(&self) -> Option<&T> {
        match self {
            Observed::Known(value) => Some(value),
            Observed::Unknown(_) | Observed::NotCollected(_) => None,
        }
    }
}

impl<T> Observed<T> {
    /// What was read, or why it is not known, with the right that is missing.
    pub(super) fn read(answer: Result<T, ClusterError>, right: &str) -> Observed<T> {
        match answer {
            Ok(value) => Observed::Known(value),
            Err(error) => Observed::needing(&error, right),
        }
    }

    /// A gap, with the right that would close it where one is missing.
    pub(super) fn needing(error: &ClusterError, right: &str) -> Observed<T> {
        Observed::Unknown(match error {
            ClusterError::Forbidden(_) => format!("{error}; allow {right}"),
            error => error.to_string(),
        })
    }
}

impl<T> From<Result<T, ClusterError>> for Observed<T> {
    fn from(answer: Result<T, ClusterError>) -> Self {
        match answer {
            Ok(value) => Observed::Known(value),
            Err(error) => Observed::Unknown(error.to_string()),
        }
    }
}
