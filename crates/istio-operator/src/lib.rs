//! Merges presets, `-f` files and `--set` into one user document per target. Pure.
//!
//! The result has the meaning that the installer engine of that Istio version would give to a preset as the first `-f`,
//! the user's files after it and `--set` last; the profile below them is still istioctl's. If an engine fails, panics
//! or loses a value, the value is kept and written in a safe way with a [`Notice`], or refused with the spelling that
//! works.

mod apply;
mod convert;
mod error;
mod fields;
#[cfg(any(test, fuzzing, feature = "test-support"))]
pub mod fuzz;
mod map;
mod merge;
mod nulls;
mod parse;
mod path;
mod places;
mod precedence;
mod read;
mod route;
mod scalar;
pub mod schema;
mod set;
mod settings;
mod split;
mod strategic;
mod tabs;
mod text;
mod user_settings;
mod write;

use std::collections::HashMap;
use std::fmt;

use serde_json::Value;

pub use error::OverlayError;
pub use merge::merge;
pub use places::{Decides, Effective, Place, effective};
pub use read::{UserDocument, read};
pub use route::stream_names;
pub use set::Assignment;
pub use user_settings::{UserSettings, scan_user_settings};
pub use write::{quote, write};

/// The algorithm with which istioctl merges several inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Engine {
    /// Gateways and a few other lists are merged by key, and a null in a later file deletes (up to 1.23).
    Strategic,
    /// Maps are merged key by key, everything else is replaced (from 1.24 on).
    Map,
}

/// The properties of an istioctl that decide how user input is interpreted; every field is a capability.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    pub engine: Engine,
    /// `components.{in,e}gressGateways[].tag` reaches the image.
    pub gateway_tag: bool,
    /// `values.*.variant` exists.
    pub variant: bool,
}

/// A position in a user's file; line and column count from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    pub source: String,
    pub line: usize,
    pub column: usize,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.source, self.line, self.column)
    }
}

/// The origin of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The preset or template document of that name.
    Base(String),
    File(Position),
    /// The text after `--set`.
    Set(String),
    /// The user's own template of that name, filled in.
    Template(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Base(name) => write!(f, "preset document {name}"),
            Self::File(position) => position.fmt(f),
            Self::Set(text) => write!(f, "--set {text}"),
            Self::Template(name) => write!(f, "template {name}"),
        }
    }
}

/// A message about input that was interpreted otherwise than istioctl alone would do, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    pub origin: Origin,
    pub text: String,
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.origin, self.text)
    }
}

/// A document of a preset or template.
#[derive(Debug, Clone, PartialEq)]
pub struct Base {
    /// Its `metadata.name`, by which overlays refer to it.
    pub name: String,
    pub value: Value,
}

/// One merged document.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    pub value: Value,
    pub origins: Origins,
}

/// The origin of each value of a document, by its path: where it was last set.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Origins(HashMap<String, Origin>);

impl Document {
    /// Returns its `metadata.name`, empty if there is none.
    pub fn name(&self) -> &str {
        self.value
            .pointer("/metadata/name")
            .and_then(Value::as_str)
            .unwrap_or_default()
    }
}

impl Document {
    /// Sets the user's own template as the origin of the values that come from the base document.
    pub fn set_template(&mut self, name: &str) {
        for origin in self.origins.0.values_mut() {
            if matches!(origin, Origin::Base(_)) {
                *origin = Origin::Template(name.to_owned());
            }
        }
    }
}

/// The result of [`merge()`].
#[derive(Debug, Clone, PartialEq)]
pub struct Merged {
    pub documents: Vec<Document>,
    pub notices: Vec<Notice>,
}

/// The dates of the data files of this crate: `[[file name, date], …]`, for [`dated_data::DataDate::embedded`].
pub const DATA_DATES: &str = include_str!(concat!(env!("OUT_DIR"), "/dates.json"));

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
