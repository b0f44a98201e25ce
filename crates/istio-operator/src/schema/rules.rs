//! The meaning of values beyond their types.

use std::sync::LazyLock;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::form::Form;
use super::range::{Range, Release};
use crate::path::{Path, Step, fits};
use istio_builds::Minor;

const BUILTIN: &str = include_str!(concat!(env!("OUT_DIR"), "/rules.json"));

pub(crate) static RULES: LazyLock<Rules> = LazyLock::new(|| {
    let files: Vec<(&str, Rules)> = serde_json::from_str(BUILTIN).unwrap_or_default();
    let first = files.into_iter().next();
    first.map(|(_, rules)| rules).unwrap_or_default()
});

/// The file of rules.
#[derive(Default, Deserialize)]
#[serde(
    deny_unknown_fields,
    rename_all = "kebab-case",
    bound(deserialize = "'de: 'static")
)]
pub(crate) struct Rules {
    #[serde(rename = "date")]
    _date: IgnoredAny,
    #[serde(rename = "sources")]
    _sources: IgnoredAny,
    text_maps: Vec<&'static str>,
    text_names: Vec<&'static str>,
    variable_maps: Vec<&'static str>,
    nulls: Vec<Null>,
    ignored: Vec<Advice>,
    refused: Vec<Advice>,
    forms: Vec<FormRow>,
    instead: Vec<Advice>,
    unusable: Vec<Advice>,
    reread: Vec<Reread>,
    pub(super) exclusive: Vec<Exclusive>,
    choices: Vec<Choices>,
}

/// The effect of a null at a path.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Null {
    path: &'static str,
    /// What istioctl would do; `None` if it treats a null as a value that is not set.
    pub(crate) does: Option<&'static str>,
    /// Why the null is refused: it can mean two things; the text is what to write.
    pub(crate) write: Option<&'static str>,
}

/// Advice on what to write instead of a setting.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Advice {
    path: &'static str,
    /// The value that the row is about; `None` for every value.
    value: Option<&'static str>,
    istio: &'static str,
    pub(super) write: &'static str,
}

/// The format of a text.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FormRow {
    path: &'static str,
    form: Form,
    istio: &'static str,
}

/// A text that istioctl parses again as `--set` parses a value.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Reread {
    path: &'static str,
    istio: &'static str,
    #[serde(default)]
    pub(super) refused: bool,
    pub(super) unless: Option<&'static str>,
    pub(super) write: &'static str,
}

/// Two paths of which only one can have a value.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Exclusive {
    pub(super) path: &'static str,
    pub(super) other: &'static str,
    istio: &'static str,
}

/// The words that a value can be.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Choices {
    path: &'static str,
    istio: &'static str,
    /// The last line of releases in which the value can be the path of a file.
    file_until: Option<&'static str>,
    names: std::collections::BTreeMap<&'static str, &'static str>,
}

impl Rules {
    /// Returns every range of the file.
    pub(super) fn ranges(&self) -> impl Iterator<Item = &'static str> {
        let advice = [&self.ignored, &self.refused, &self.instead, &self.unusable];
        let ranges = advice.into_iter().flatten().map(|row| row.istio);
        let ranges = ranges.chain(self.forms.iter().map(|row| row.istio));
        let ranges = ranges.chain(self.reread.iter().map(|row| row.istio));
        let ranges = ranges.chain(self.exclusive.iter().map(|row| row.istio));
        let ranges = ranges.chain(self.choices.iter().map(|row| row.istio));
        let names = self.choices.iter().flat_map(|row| row.names.values());
        ranges
            .chain(names.copied())
            .flat_map(|ranges| ranges.split(','))
    }

    /// Whether a value of any type is text by its meaning.
    pub(crate) fn is_text(&self, path: &Path) -> bool {
        let words = path.words();
        let named = words
            .last()
            .is_some_and(|name| self.text_names.contains(name));
        in_values(&words) && named || self.is_text_entry(path)
    }

    /// Whether the value is an entry of a map of text by its meaning.
    pub(crate) fn is_text_entry(&self, path: &Path) -> bool {
        let words = path.words();
        in_values(&words) && holder(&words).is_some_and(|map| self.text_maps.contains(&map))
    }

    /// Whether the value is a variable of a container.
    pub(crate) fn is_variable(&self, path: &Path) -> bool {
        let words = path.words();
        in_values(&words) && holder(&words).is_some_and(|map| self.variable_maps.contains(&map))
    }

    /// Returns the effect of a null at `path`.
    pub(crate) fn null(&self, path: &Path) -> Option<&Null> {
        self.nulls.iter().find(|row| reaches(path, row.path))
    }

    pub(super) fn ignored(&self, path: &Path, release: Release) -> Option<&Advice> {
        advice(&self.ignored, path, release)
    }

    pub(super) fn instead(&self, path: &Path, release: Release) -> Option<&'static str> {
        advice(&self.instead, path, release).map(|row| row.write)
    }

    pub(super) fn unusable(&self, path: &Path, release: Release) -> Option<&Advice> {
        advice(&self.unusable, path, release)
    }

    pub(super) fn refused(&self, path: &Path, value: &str, release: Release) -> Option<&Advice> {
        let mut rows = self.refused.iter();
        rows.find(|row| row.holds(path, release) && row.value.is_none_or(|one| one == value))
    }

    /// Returns the format that the text at the path must have.
    pub(super) fn form(&self, path: &Path, release: Release) -> Option<Form> {
        let mut rows = self.forms.iter();
        let row =
            rows.find(|row| reaches(path, row.path) && Range::any_contains(row.istio, release));
        row.map(|row| row.form)
    }

    pub(super) fn reread(&self, path: &Path, release: Release) -> Option<&Reread> {
        let mut rows = self.reread.iter();
        rows.find(|row| reaches(path, row.path) && Range::any_contains(row.istio, release))
    }

    pub(super) fn choices(&self, path: &Path, release: Release) -> Option<&Choices> {
        let mut rows = self.choices.iter();
        rows.find(|row| reaches(path, row.path) && Range::any_contains(row.istio, release))
    }
}

impl Advice {
    fn holds(&self, path: &Path, release: Release) -> bool {
        reaches(path, self.path) && Range::any_contains(self.istio, release)
    }
}

impl Exclusive {
    pub(super) fn holds(&self, release: Release) -> bool {
        Range::any_contains(self.istio, release)
    }
}

impl Choices {
    /// Whether `value` is one of the words of a release.
    pub(super) fn have(&self, value: &str, release: Release) -> bool {
        let last: Option<Minor> = self.file_until.and_then(|last| last.parse().ok());
        let takes_files = last.is_some_and(|last| release <= Release::from(last));
        let file = takes_files && value.contains(['/', '.']);
        file || value.is_empty() || self.names(release).any(|name| name == value)
    }

    /// Returns the words of a release.
    pub(super) fn names(&self, release: Release) -> impl Iterator<Item = &'static str> {
        let of_release = move |(_, istio): &(&&str, &&str)| Range::any_contains(istio, release);
        self.names.iter().filter(of_release).map(|(name, _)| *name)
    }

    /// Returns in which releases `value` is one of the words.
    pub(super) fn when(&self, value: &str) -> Option<String> {
        self.names.get(value).map(|ranges| in_words(ranges))
    }
}

/// Returns ranges in words.
fn in_words(ranges: &str) -> String {
    let ranges = ranges.split(',').filter_map(Range::parse);
    let words: Vec<String> = ranges.map(|range| range.to_string()).collect();
    words.join(" and ")
}

fn advice<'a>(rows: &'a [Advice], path: &Path, release: Release) -> Option<&'a Advice> {
    rows.iter().find(|row| row.holds(path, release))
}

fn in_values(words: &[&str]) -> bool {
    matches!(words, ["spec", "values" | "unvalidatedValues", ..])
}

/// Returns the name of the map that contains the value.
fn holder<'a>(words: &[&'a str]) -> Option<&'a str> {
    words.len().checked_sub(2).map(|at| words[at])
}

/// Whether `path` matches `pattern`, which can begin with `<k8s>` and end with `**`.
fn reaches(path: &Path, pattern: &str) -> bool {
    let Some(pattern) = pattern.strip_prefix("<k8s>.") else {
        return ends(path.steps(), pattern);
    };
    let roots = ["spec.components.*.k8s", "spec.components.*.[].k8s"];
    let mut below = roots.iter().filter_map(|root| path.below(root));
    below.any(|steps| ends(steps, pattern))
}

fn ends(steps: &[Step], pattern: &str) -> bool {
    let Some(root) = pattern.strip_suffix("**") else {
        return fits(steps, pattern);
    };
    let root = root.trim_end_matches('.');
    let length = root.split('.').filter(|word| !word.is_empty()).count();
    steps.len() > length && fits(&steps[..length], root)
}
