//! A value read from the cluster, a registry or istioctl, or the reason why it is not known.

use crate::sys::cluster::ClusterError;

/// A value read from outside of this program, or the reason why it is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Observed<T> {
    Known(T),
    /// The value should have been read and could not be: forbidden, timed out, garbled.
    Unknown(String),
    /// The command does not read this value by design: `render` has no cluster.
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
    /// Wraps the result of a read; an error of a missing right names the `right` to allow.
    pub(super) fn read(answer: Result<T, ClusterError>, right: &str) -> Observed<T> {
        match answer {
            Ok(value) => Observed::Known(value),
            Err(error) => Observed::needing(&error, right),
        }
    }

    /// Turns an error into an unknown value; an error of a missing right names the `right` to allow.
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
