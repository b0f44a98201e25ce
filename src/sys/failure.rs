//! Which exit code an error of the outside carries.

use super::cluster::ClusterError;
use super::os::{ReadError, WriteError};
use super::process::RunError;
use crate::exit::{Exit, Failure};

impl From<ClusterError> for Failure {
    fn from(error: ClusterError) -> Failure {
        let exit = match error {
            ClusterError::Interrupted => Exit::Interrupted,
            _ => Exit::Unavailable,
        };
        Failure::new(exit, &error)
    }
}

impl From<ReadError> for Failure {
    fn from(error: ReadError) -> Failure {
        Failure::new(Exit::Data, &error)
    }
}

impl From<WriteError> for Failure {
    fn from(error: WriteError) -> Failure {
        Failure::new(Exit::CannotWrite, &error)
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Failure {
        Failure::new(Exit::Unavailable, &error)
    }
}
