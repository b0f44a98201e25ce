//! One user document per target, out of presets, `-f` files and `--set`. Pure.
//!
//! The result means what the installer engine of that Istio version would make of a preset given as
//! the first `-f`, the user's files after it and `--set` last; the profile below it stays istioctl's.
//! Where an engine fails, panics or loses what was asked for, the value is kept and written the safe
//! way with a [`Notice`], or refused with the spelling that works.

mod apply;
mod convert;
mod error;
mod fields;
#[cfg(any(test, fuzzing))]
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

/// How istioctl puts several inputs together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Engine {
    /// Gateways and a few other lists merge by key, null in a later file deletes (up to 1.23).
    Strategic,
    /// Maps merge key by key, everything else is replaced (from 1.24 on).
    Map,
}

/// What of an istioctl decides how user input is understood; every field is a capability.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    pub engine: Engine,
    /// `components.{in,e}gressGateways[].tag` reaches the image.
    pub gateway_tag: bool,
    /// `values.*.variant` exists.
    pub variant: bool,
}

/// A place in a user's file; line and column count from 1.
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

/// Where a value was said.
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

/// Something was understood otherwise than istioctl alone would have, and this says how.
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
    /// Its `metadata.name`, by which overlays find it.
    pub name: String,
    pub value: Value,
}

/// One merged document.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    pub value: Value,
    pub origins: Origins,
}

/// Where each value of a document was set last, by its path.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Origins(HashMap<String, Origin>);

impl Document {
    /// Its `metadata.name`, empty without one.
    pub fn name(&self) -> &str {
        self.value
            .pointer("/metadata/name")
            .and_then(Value::as_str)
            .unwrap_or_default()
    }
}

impl Document {
    /// Calls the document that it began from by the name of the user's own template.
    pub fn set_template(&mut self, name: &str) {
        for origin in self.origins.0.values_mut() {
            if matches!(origin, Origin::Base(_)) {
                *origin = Origin::Template(name.to_owned());
            }
        }
    }
}

/// What [`merge()`] gives.
#[derive(Debug, Clone, PartialEq)]
pub struct Merged {
    pub documents: Vec<Document>,
    pub notices: Vec<Notice>,
}
