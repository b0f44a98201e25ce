//! Reasons why an image, or a program in it, could not be read.

use std::io;

use serde::{Deserialize, Serialize};

use super::layer::TooMany;
use super::names::TooManyEntries;
use super::stream::Stop;
use crate::exit::{Exit, Failure};
use crate::sys::os::ReadError;
use crate::sys::registry::RegistryError;

/// The maximum number of names that a message lists as choices.
const LISTED: usize = 12;

/// The reason why an image could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// Never [`RegistryError::Interrupted`]: that is [`ImageError::Interrupted`].
    #[error(transparent)]
    Registry(RegistryError),
    #[error(transparent)]
    Open(#[from] ReadError),
    /// `next` depends on how the user named the file.
    #[error("`{path}` does not exist: {next}")]
    Missing { path: String, next: &'static str },
    #[error("cannot read {name}: {source}")]
    Io { name: String, source: io::Error },
    /// A tar archive or directory without the files that make it an image.
    #[error("{name} is not an image: {why}")]
    NotAnImage { name: String, why: String },
    /// An image of a kind that cannot be read: schema 1, a chart, an encrypted or foreign layer.
    #[error("cannot read {what}: {why}")]
    Unsupported { what: String, why: String },
    /// Truncated, malformed, or with another digest than expected.
    #[error("{what} is damaged: {why}")]
    Damaged { what: String, why: String },
    #[error("{what} is refused: {why}")]
    TooLarge { what: String, why: String },
    #[error("{name} does not exist for {wanted}: it has {has}")]
    NoPlatform {
        name: String,
        wanted: String,
        has: String,
    },
    #[error("{name} has no image `{image}`: it has {has}")]
    NotIn {
        name: String,
        image: String,
        has: String,
    },
    /// The image must be read twice because of links or of the program that it starts, but standard
    /// input can be read only once.
    #[error(
        "the image on standard input has links, or starts a program, that must be read twice: save it to a file and pass its path"
    )]
    Twice,
    /// A signal stopped the run.
    #[error("interrupted")]
    Interrupted,
}

impl From<RegistryError> for ImageError {
    fn from(error: RegistryError) -> ImageError {
        match error {
            RegistryError::Interrupted => ImageError::Interrupted,
            error => ImageError::Registry(error),
        }
    }
}

impl ImageError {
    pub(super) fn artifact(name: &str, kind: &str) -> ImageError {
        ImageError::Unsupported {
            what: name.to_owned(),
            why: format!("it is not a container image but a `{kind}`"),
        }
    }

    /// Returns the error for a stream of `what` that ended early: the registry's error, an exceeded
    /// limit, or damage.
    pub(super) fn of_stream(what: &str, error: io::Error) -> ImageError {
        let what = what.to_owned();
        let inner = error.get_ref();
        if let Some(registry) = inner.and_then(|inner| inner.downcast_ref::<RegistryError>()) {
            return registry.clone().into();
        }
        match inner.and_then(|inner| inner.downcast_ref::<Stop>()) {
            Some(Stop::Interrupted) => return ImageError::Interrupted,
            Some(Stop::Compression(name)) => {
                let why = format!(
                    "it is compressed with {name}, and only gzip and zstd are read: unpack it by `{name} -d` first"
                );
                return ImageError::Unsupported { what, why };
            }
            Some(
                stop @ (Stop::Bomb(_) | Stop::Ratio(_) | Stop::Kept(_) | Stop::TooManyMembers),
            ) => {
                let why = stop.to_string();
                return ImageError::TooLarge { what, why };
            }
            Some(Stop::Longer(_)) | None => {}
        }
        if inner.is_some_and(|inner| inner.is::<TooManyEntries>() || inner.is::<TooMany>()) {
            let why = format!("it has {error}");
            return ImageError::TooLarge { what, why };
        }
        if error.raw_os_error().is_some() {
            let (name, source) = (what, error);
            return ImageError::Io { name, source };
        }
        let cut = error.kind() == io::ErrorKind::UnexpectedEof;
        let again = if cut { ": save or fetch it again" } else { "" };
        let why = format!("{error}{again}");
        ImageError::Damaged { what, why }
    }
}

impl From<ImageError> for Failure {
    fn from(error: ImageError) -> Failure {
        let exit = match &error {
            ImageError::Registry(error) => error.exit(),
            ImageError::Interrupted => Exit::Interrupted,
            _ => Exit::Data,
        };
        Failure::new(exit, &error)
    }
}

/// Lists some of the available names, so that the user can choose one.
pub fn some_of(names: &[String]) -> String {
    match names {
        [] => "none".to_owned(),
        [some @ .., _] if some.len() >= LISTED => {
            let more = names.len() - LISTED;
            format!("{} and {more} more", names[..LISTED].join(", "))
        }
        names => names.join(", "),
    }
}

/// The reason why one program could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProgramReadError {
    #[error("not in the image")]
    Missing,
    #[error("{size} bytes, more than the {limit} that are read of one program")]
    TooLarge { size: u64, limit: u64 },
    /// A directory, a device, and so on.
    #[error("{0}, not a file")]
    NotAFile(String),
    /// The command line of the image does not show which program it starts.
    #[error("{0}")]
    NotTold(String),
    #[error("its links lead in a circle, or further than 40 steps")]
    Links,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_there_is_to_choose_from_is_listed_up_to_a_dozen() {
        let names = |count: usize| -> Vec<String> { (0..count).map(|it| it.to_string()).collect() };
        assert_eq!(some_of(&[]), "none");
        assert_eq!(some_of(&names(2)), "0, 1");
        assert!(some_of(&names(12)).ends_with("10, 11"));
        assert!(some_of(&names(5000)).ends_with("10, 11 and 4988 more"));
    }
}
