//! Data files with a date, in which every row names its source, and errors that name the line.
//!
//! Everything that a release, a registry or a page decides is a row of such a file and never code.
//!
//! ```
//! use serde::Deserialize;
//!
//! #[derive(Debug, Deserialize)]
//! struct Row {
//!     tag: String,
//!     source: dated_data::Source,
//! }
//!
//! let rows: Vec<Row> = dated_data::parse("tags.yaml", "- {tag: 1.31.0, source: https://example.com}")?;
//! assert_eq!(rows[0].tag, "1.31.0");
//! let error = dated_data::parse::<Vec<Row>>("tags.yaml", "- {tag: 1.31.0}").unwrap_err();
//! assert!(error.to_string().starts_with("tags.yaml:1:3: "), "{error}");
//! # Ok::<(), dated_data::DataError>(())
//! ```

#![warn(missing_docs)]

mod bounds;
mod source;

use jiff::civil::Date;
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use source::{NoSource, Source, SourceQuality};

/// Implements serde for types that are written as one text: with `Display` and `FromStr`.
///
/// The text is parsed in the visitor, so that an error in a YAML file keeps its line and column.
#[macro_export]
macro_rules! text_serde {
    ($type:ty, $expecting:literal) => {
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Text;
                impl serde::de::Visitor<'_> for Text {
                    type Value = $type;
                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str($expecting)
                    }
                    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<$type, E> {
                        text.parse().map_err(E::custom)
                    }
                }
                deserializer.deserialize_str(Text)
            }
        }
    };
}

/// Why a data file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// It does not have the form of its type.
    #[error("{place}: {message}")]
    Parse {
        /// `FILE:LINE:COLUMN`.
        place: String,
        /// What is wrong, without the content of the file.
        message: String,
    },
    /// A page has the same key twice.
    #[error("{name}: {section} names `{key}` twice on the page {page}; keep one of them")]
    Doubled {
        /// Name of the file.
        name: String,
        /// Name of its section.
        section: &'static str,
        /// The key.
        key: String,
        /// The source of the page.
        page: String,
    },
}

/// A data file, and the date up to which it is known to be right.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DataDate {
    /// Name of the file.
    pub file: String,
    /// The day on which its rows were last compared with their sources.
    pub date: Date,
    /// False for a user's file.
    pub builtin: bool,
}

impl DataDate {
    /// Returns the dates of embedded files, from the `dates.json` that `embed-data` writes.
    ///
    /// # Errors
    /// If the text is not such a file.
    pub fn embedded(dates: &str) -> serde_json::Result<Vec<DataDate>> {
        let files: Vec<(String, Date)> = serde_json::from_str(dates)?;
        let built_in = |(file, date)| DataDate {
            file,
            date,
            builtin: true,
        };
        Ok(files.into_iter().map(built_in).collect())
    }
}

/// Parses a data file.
///
/// # Errors
/// If the text does not have the form of `F`, with the line and column.
pub fn parse<F: DeserializeOwned>(name: &str, text: &str) -> Result<F, DataError> {
    if let Err((line, message)) = bounds::check(text) {
        let place = format!("{name}:{line}");
        return Err(DataError::Parse { place, message });
    }
    serde_yaml::from_str(text).map_err(|error| {
        let place = error.location().map_or_else(
            || name.to_owned(),
            |at| format!("{name}:{}:{}", at.line(), at.column()),
        );
        DataError::Parse {
            place,
            message: kind(&plain(&error)),
        }
    })
}

/// Returns the error without the place that the parser appends, because our message begins with it.
fn plain(error: &serde_yaml::Error) -> String {
    let text = error.to_string();
    let at = error
        .location()
        .map(|at| format!(" at line {} column {}", at.line(), at.column()));
    at.and_then(|at| text.strip_suffix(&at).map(str::to_owned))
        .unwrap_or(text)
}

/// Returns the kind of a mistake without the content of the file: the user may have named the wrong file, even one with
/// a secret. The names of fields stay.
fn kind(message: &str) -> String {
    const QUOTES: [char; 2] = ['`', '"'];
    const FIELDS: [&str; 4] = [
        "unknown field ",
        "missing field ",
        "duplicate field ",
        "entry with key ",
    ];
    let Some((first, last)) = message.find(QUOTES).zip(message.rfind(QUOTES)) else {
        return message.to_owned();
    };
    let head = &message[..first];
    if FIELDS.iter().any(|field| head.ends_with(field)) {
        return message.to_owned();
    }
    let wanted = message.rfind(", expected ").filter(|at| *at > first);
    let tail = wanted.unwrap_or(if last > first {
        last + 1
    } else {
        message.len()
    });
    format!("{head}…{}", &message[tail..])
}

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
