//! Where a claim was read, and how good that source is.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::text_serde;

/// The quality of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SourceQuality {
    /// Documentation, source code or release notes of the builder.
    Docs,
    /// A workshop, script or configuration that the vendor runs.
    Workshop,
    /// A configuration that a third party uses.
    User,
    /// A third party's summary of the documentation.
    SecondHand,
    /// A bare version string, which does not prove that there is an image.
    Bare,
    /// A conclusion from other claims.
    Derived,
}

impl SourceQuality {
    /// Whether a claim of this quality is enough for an error.
    pub const fn can_refuse(self) -> bool {
        matches!(self, Self::Docs | Self::Workshop | Self::User)
    }

    /// Returns the word that data files use for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Docs => "docs",
            Self::Workshop => "workshop",
            Self::User => "user",
            Self::SecondHand => "second-hand",
            Self::Bare => "bare",
            Self::Derived => "derived",
        }
    }
}

/// Where a claim was read: a URL, or a repository and path. Never empty.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Source(String);

/// The error for a claim without a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a source is a URL or a place in a repository; it must not be empty")]
pub struct NoSource;

impl FromStr for Source {
    type Err = NoSource;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.trim().is_empty() {
            Err(NoSource)
        } else {
            Ok(Self(text.into()))
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

text_serde!(Source, "where the claim was read");
