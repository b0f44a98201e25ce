//! The data files that are part of the program: their dates, and whether the text of one is valid.

use std::sync::LazyLock;

use jiff::civil::Date;

use crate::{facts, image};
use fips_evidence::{Modules, ModulesError};
use istio_builds::{CellError, DataDate, Matrix, Spans};
use istio_operator::schema;

/// Days after which a data file may lack a release of Istio, because there is one each quarter.
pub const MAX_AGE: u32 = 90;

/// The folders with the data files that are part of the program, from the root of the sources.
pub const FOLDERS: [&str; 7] = [
    "crates/fips-evidence/data",
    "crates/fips-evidence/loaders",
    "crates/istio-builds/data",
    "crates/istio-operator/fields",
    "crates/istio-operator/rules",
    "src/facts/data",
    "src/image/data",
];

/// Every data file that is part of the program, with the day up to which it is known to be right.
static FILES: LazyLock<Vec<DataDate>> = LazyLock::new(|| {
    let own = include_str!(concat!(env!("OUT_DIR"), "/dates.json"));
    let all = [
        istio_builds::DATA_DATES,
        fips_evidence::DATA_DATES,
        istio_operator::DATA_DATES,
        own,
    ];
    // A test reads the dates. If they could not be read, no file would have a date, and none would count as old.
    let files = all.into_iter().map(DataDate::embedded);
    files.flat_map(Result::unwrap_or_default).collect()
});

/// Returns every data file that is part of the program, with its date.
pub fn files() -> &'static [DataDate] {
    &FILES
}

/// Whether data of `date` is more than `max_age` days old on `today`.
pub fn is_old(date: Date, today: Date, max_age: u32) -> bool {
    age(date, today) > i64::from(max_age)
}

/// Returns the days from `date` to `today`; 0 if the data is newer.
pub fn age(date: Date, today: Date) -> i64 {
    let span = today.since(date).map(|span| i64::from(span.get_days()));
    span.unwrap_or(i64::MAX).max(0)
}

/// Reads the text of the data file at `path` as the program would, and returns what is wrong with it.
///
/// An error names the file, and its line and column if they are known. A file in an unknown folder is not judged.
pub fn validate(path: &str, text: &str) -> Result<(), String> {
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let is = |known: &str| folder == known || folder.ends_with(&format!("/{known}"));
    if is("crates/istio-builds/data") {
        return to_text(Matrix::with_file(path, text));
    }
    if is("crates/fips-evidence/data") {
        return to_text(modules_with_file(path, text));
    }
    if is("crates/fips-evidence/loaders") {
        return to_text(fips_evidence::read_loaders(path, text));
    }
    if is("src/facts/data") {
        return to_text(facts::read_settings(path, text));
    }
    if is("src/image/data") {
        return to_text(image::read_tables(path, text));
    }
    if is("crates/istio-operator/fields") {
        return to_text(schema::validate_fields(path, text));
    }
    if is("crates/istio-operator/rules") {
        return to_text(schema::validate_rules(path, text));
    }
    Ok(())
}

/// Why a file of modules cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ModulesFileError {
    #[error(transparent)]
    Modules(#[from] ModulesError),
    #[error("{name}: keys {key}: {error}")]
    Ranges {
        name: String,
        key: String,
        error: CellError,
    },
}

/// Returns the built-in data about modules with the rows of a user's file. Its ranges of versions of Istio must be valid.
pub fn modules_with_file(name: &str, text: &str) -> Result<Modules, ModulesFileError> {
    let modules = Modules::with_file(name, text)?;
    for row in modules.keys() {
        for ranges in [&row.istio, &row.versions] {
            if let Err(error) = ranges.parse::<Spans>() {
                let (name, key) = (name.to_owned(), row.key.clone());
                return Err(ModulesFileError::Ranges { name, key, error });
            }
        }
    }
    Ok(modules)
}

fn to_text<T, E: std::fmt::Display>(read: Result<T, E>) -> Result<(), String> {
    read.map(drop).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::os;

    /// Returns the data files of the sources.
    fn sources() -> Vec<(String, String)> {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let entries = FOLDERS
            .iter()
            .flat_map(|folder| std::fs::read_dir(root.join(folder)).unwrap());
        let paths = entries.map(|entry| entry.unwrap().path());
        let read = paths.map(|path| {
            let text = os::read(&path, os::TEXT_LIMIT).unwrap();
            (path.display().to_string(), String::from_utf8(text).unwrap())
        });
        read.collect()
    }

    #[test]
    fn every_data_file_is_valid_and_dated() {
        let sources = sources();
        assert_eq!(sources.len(), files().len());
        for (path, text) in sources {
            validate(&path, &text).unwrap_or_else(|error| panic!("{error}"));
            let name = path.rsplit('/').next().unwrap();
            assert!(files().iter().any(|file| file.file == name), "{name}");
        }
    }

    #[test]
    fn mistake_in_a_data_file_is_found_in_every_folder() {
        for (path, text) in sources() {
            // Replaces the last list of the file by a text.
            let at = text.rfind('[').or_else(|| text.rfind("- ")).unwrap();
            let broken = format!("{}nonsense", &text[..at]);
            let error = validate(&path, &broken).unwrap_err();
            assert!(error.contains(&path), "{error}");
        }
    }

    #[test]
    fn data_is_old_after_so_many_days_and_not_on_the_last_one() {
        let day = |text: &str| text.parse::<Date>().unwrap();
        for (date, today, old) in [
            ("2026-09-01", "2026-11-30", false),
            ("2026-08-31", "2026-11-30", true),
            ("2026-11-30", "2026-11-30", false),
            ("2027-06-01", "2026-11-30", false),
            ("2024-11-30", "2026-11-30", true),
        ] {
            assert_eq!(is_old(day(date), day(today), MAX_AGE), old, "{date}");
        }
        assert_eq!(age(day("2024-11-30"), day("2026-11-30")), 730);
    }
}
