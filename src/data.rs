//! The data files that are part of the program: their dates, and whether the text of one is valid.

use std::sync::LazyLock;

use jiff::civil::Date;

use crate::fips::{self, Modules};
use crate::istio::{DataDate, Matrix};
use crate::overlay::schema;
use crate::{facts, image};

/// Days after which a data file may lack a release of Istio, because there is one each quarter.
pub const MAX_AGE: u32 = 90;

/// Every data file that is part of the program, with the day up to which it is known to be right.
static FILES: LazyLock<Vec<DataDate>> = LazyLock::new(|| {
    // A test reads the dates. If they could not be read, no file would have a date, and none would count as old.
    let files: Vec<(String, Date)> =
        serde_json::from_str(include_str!(concat!(env!("OUT_DIR"), "/dates.json")))
            .unwrap_or_default();
    let dated = files.into_iter().map(|(file, date)| DataDate {
        file,
        date,
        builtin: true,
    });
    dated.collect()
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
    if is("src/istio/data") {
        return to_text(Matrix::with_file(path, text));
    }
    if is("src/fips/data") {
        return to_text(Modules::with_file(path, text));
    }
    if is("src/fips/elf/data") {
        return to_text(fips::read_loaders(path, text));
    }
    if is("src/facts/data") {
        return to_text(facts::read_settings(path, text));
    }
    if is("src/image/data") {
        return to_text(image::read_tables(path, text));
    }
    if is("src/overlay/schema/data") {
        return to_text(schema::validate_fields(path, text));
    }
    if is("src/overlay/data") {
        return to_text(schema::validate_rules(path, text));
    }
    Ok(())
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
        let folders = [
            "src/facts/data",
            "src/fips/data",
            "src/fips/elf/data",
            "src/image/data",
            "src/istio/data",
            "src/overlay/data",
            "src/overlay/schema/data",
        ];
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let entries = folders
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
