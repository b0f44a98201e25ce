//! The ways in which a pod differs from what is expected.

use std::fmt;

/// How a proxy differs from the one that a new pod would get.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Mismatch {
    /// Its image has another tag.
    Tag { runs: String, wanted: String },
    /// Its image is from another hub.
    Hub { runs: String, wanted: String },
    /// Its image has another name than the one that the injector sets.
    Name { runs: String, wanted: String },
    /// Its image is pinned by a digest that is not known to be of the wanted build.
    Digest { digest: String, tag: String },
    /// Its image has no tag to compare.
    Untagged(String),
    /// Its image is not a valid reference.
    NotAReference(String),
    /// Its namespace requests another revision.
    Revision { runs: String, requested: String },
    /// It gets its configuration from another istiod than the one for the revision that its pod names.
    Connection { named: String, connects: String },
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Mismatch::Tag { runs, wanted } => write!(f, "runs {runs}, wanted {wanted}"),
            Mismatch::Hub { runs, wanted } => write!(f, "runs from {runs}, wanted {wanted}"),
            Mismatch::Name { runs, wanted } => {
                write!(f, "runs the image {runs}, a new pod would get {wanted}")
            }
            Mismatch::Digest { digest, tag } => write!(
                f,
                "is pinned to {digest}, which is not known to be the build {tag}"
            ),
            Mismatch::Untagged(image) => {
                write!(f, "{image} has no tag, so its flavour is not known")
            }
            Mismatch::NotAReference(image) => write!(f, "`{image}` is not an image reference"),
            Mismatch::Connection { named, connects } => write!(
                f,
                "names revision {named} and gets its configuration from istiod of revision {connects}"
            ),
            Mismatch::Revision { runs, requested } => {
                write!(
                    f,
                    "runs revision {runs}, its namespace requests {requested}"
                )
            }
        }
    }
}
