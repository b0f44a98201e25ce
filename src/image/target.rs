//! What a word on the command line names: a file, an archive, a layout or a reference.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::sys::registry::Reference;

/// What is inspected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A program, an image archive or a layout: told apart by what is there.
    Path(PathBuf),
    /// `-`: a program or an image archive on standard input.
    Stdin,
    /// `docker-archive:FILE`
    DockerArchive(PathBuf),
    /// `oci:DIR[:TAG]`
    Layout { dir: PathBuf, tag: Option<String> },
    /// `oci-archive:FILE`
    OciArchive(PathBuf),
    /// `docker://REFERENCE`, or a bare one.
    Registry(Reference),
}

/// Why a word names nothing that can be inspected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    #[error(
        "`{0}` is neither a file here nor an image reference: write a path, `docker://REGISTRY/NAME:TAG`, \
         `docker-archive:FILE`, `oci:DIR[:TAG]`, `oci-archive:FILE`, or `-` for standard input"
    )]
    Unknown(String),
    #[error("`{prefix}` wants {what} after it")]
    Nothing {
        prefix: &'static str,
        what: &'static str,
    },
    #[error("`{text}` is no image reference: {why}, as in `registry.example.com/istio/pilot:TAG`")]
    Reference { text: String, why: String },
}

impl Target {
    /// `exists` tells whether a path is there: a bare word that is both a path and a reference is the path.
    pub fn parse(text: &str, exists: impl Fn(&Path) -> bool) -> Result<Target, TargetError> {
        let _ = exists;
        Err(TargetError::Unknown(text.to_owned()))
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Path(path) => path.display().fmt(f),
            Target::Stdin => f.write_str("standard input"),
            Target::DockerArchive(file) => write!(f, "docker-archive:{}", file.display()),
            Target::Layout { dir, tag: None } => write!(f, "oci:{}", dir.display()),
            Target::Layout {
                dir,
                tag: Some(tag),
            } => write!(f, "oci:{}:{tag}", dir.display()),
            Target::OciArchive(file) => write!(f, "oci-archive:{}", file.display()),
            Target::Registry(reference) => reference.fmt(f),
        }
    }
}
