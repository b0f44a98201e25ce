//! Parses the text of a schema data file as the program would, to find mistakes in it.

use std::fmt;

use serde_json::Value;

use super::data::{self, File};
use super::range::Range;
use super::rules::Rules;
use dated_data::{DataError, parse};

/// A mistake in a data file, with its place.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    #[error(transparent)]
    Yaml(#[from] DataError),
    #[error("{file}: {message}")]
    Content { file: String, message: String },
}

impl SchemaError {
    fn new(file: &str, message: impl fmt::Display) -> SchemaError {
        SchemaError::Content {
            file: file.to_owned(),
            message: message.to_string(),
        }
    }
}

/// Validates a file of fields or types.
pub fn validate_fields(name: &str, text: &str) -> Result<(), SchemaError> {
    let file: File =
        serde_json::from_str(kept(name, text)?).map_err(|error| SchemaError::new(name, error))?;
    if file.fields.is_empty() == file.types.is_empty() {
        return Err(SchemaError::new(name, "expected `fields` or `types`"));
    }
    let types = file.types.values().flatten();
    for (path, rows) in file.fields.iter().chain(types) {
        if data::rows(rows).count() != rows.split(';').count() {
            return Err(SchemaError::new(
                name,
                format!("{path}: cannot read {rows:?}"),
            ));
        }
    }
    Ok(())
}

/// Validates a file of rules.
pub fn validate_rules(name: &str, text: &str) -> Result<(), SchemaError> {
    let rules: Rules =
        serde_json::from_str(kept(name, text)?).map_err(|error| SchemaError::new(name, error))?;
    let wrong = rules.ranges().find(|range| Range::parse(range).is_none());
    match wrong {
        Some(range) => Err(SchemaError::new(
            name,
            format!("cannot read the range {range:?}"),
        )),
        None => Ok(()),
    }
}

/// Returns the file as JSON that lives as long as the program, like the data that is part of it. This leaks memory, but
/// only for the few files that are validated.
fn kept(name: &str, text: &str) -> Result<&'static str, DataError> {
    let value: Value = parse(name, text)?;
    Ok(Box::leak(value.to_string().into_boxed_str()))
}
