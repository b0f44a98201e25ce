//! The inputs of an earlier install: which of them the current inputs drop, replace or apply again.

use std::collections::BTreeSet;

use crate::exit::{Exit, Failure};
use crate::facts::Record;
use crate::options::Options;
use crate::report::AppliedAgain;
use istio_builds::Request;
use istio_operator::UserDocument;

/// Names the overlays, `--set` and template of a record that the current inputs lack.
///
/// A file with the same name or the same text, and a value for the same path, count as present.
pub fn dropped_inputs(record: &Record, options: &Options) -> Vec<String> {
    let is_given = |text: &String| {
        let mut files = options.files.iter();
        files.any(|(_, bytes)| bytes == text.as_bytes())
    };
    let replaced = replaced_overlays(record, options);
    let overlays = record.overlays.iter().enumerate();
    let overlays = overlays
        .filter(|(at, text)| !replaced.contains(at) && !is_given(text))
        .map(|(at, _)| overlay_source(record, at));
    let path = |set: &String| set.split('=').next().unwrap_or_default().to_owned();
    let given: BTreeSet<String> = options.sets.iter().map(path).collect();
    let sets = record.sets.iter().filter(|set| !given.contains(&path(set)));
    let template = record.template.iter();
    let template = template.filter(|_| options.template.is_none());
    overlays
        .chain(sets.map(|set| format!("--set {set}")))
        .chain(template.map(|(name, _)| format!("--template {name}")))
        .collect()
}

/// Returns the last part of a path, because a pipeline may run in another directory.
fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Returns `overlay 1 (base.yaml)`.
fn overlay_source(record: &Record, at: usize) -> String {
    let name = record.overlay_names.get(at);
    let name = name.map(|name| format!(" ({name})")).unwrap_or_default();
    format!("overlay {}{name}", at + 1)
}

/// Refuses an install that would drop inputs in the record of the last one.
///
/// `request` is the version or tag that the user named. The suggested upgrade repeats it, and otherwise takes the
/// version from istioctl and the flavour from the record.
pub fn refuse_dropped(
    revision: &str,
    request: Option<&Request>,
    dropped: &[String],
) -> Result<(), Failure> {
    if dropped.is_empty() {
        return Ok(());
    }
    let keep = "keep them as its record has them, and add your -f, --set and options of now";
    let to = request.map(Request::to_string);
    let (template, values) = match &to {
        Some(to) => ("glooistio upgrade -r {} --to {}", vec![revision, to]),
        None => ("glooistio upgrade -r {}", vec![revision]),
    };
    let message = format!(
        "this install would drop what the last install of revision {revision} was given: {}",
        dropped.join(", ")
    );
    Err(Failure::message(Exit::Usage, message)
        .hint("give them again")
        .hint_command(keep, template, &values)
        .hint("or give --forget-overlays to install without them"))
}

/// Returns what is applied again from a record, with its settings.
pub(super) fn applied_again(record: &Record, options: &Options) -> Vec<AppliedAgain> {
    let replaced = replaced_overlays(record, options);
    let overlays = record.overlays.iter().enumerate();
    let overlays = overlays.filter(|(at, _)| !replaced.contains(at));
    let overlays = overlays.map(|(at, text)| {
        let source = overlay_source(record, at);
        let settings = match istio_operator::read(&source, text.as_bytes()) {
            Ok(documents) => documents.iter().flat_map(UserDocument::settings).collect(),
            Err(error) => vec![format!("cannot be read: {error}")],
        };
        AppliedAgain { source, settings }
    });
    let lists = [("--set", &record.sets), ("options", &record.options)];
    let lists = lists.into_iter().filter(|(_, values)| !values.is_empty());
    let lists = lists.map(|(source, values)| AppliedAgain {
        source: source.to_owned(),
        settings: values.clone(),
    });
    let template = record.template.iter().map(|(name, text)| AppliedAgain {
        source: format!("template {name}"),
        settings: text.lines().map(str::to_owned).collect(),
    });
    overlays.chain(lists).chain(template).collect()
}

/// Returns the indexes of the recorded overlays that a current file of the same name replaces.
///
/// Whole paths are compared first. File names are compared only if one overlay and one other file have that name.
pub(super) fn replaced_overlays(record: &Record, options: &Options) -> BTreeSet<usize> {
    let names = &record.overlay_names;
    let is_recorded = |given: &str| names.iter().any(|name| name == given);
    let given = || options.files.iter().map(|(given, _)| given.as_str());
    let is_only = |name: &str| {
        let same = |other: &&str| file_name(other) == file_name(name);
        let recorded = names.iter().map(String::as_str).filter(same).count();
        let new = given().filter(|given| !is_recorded(given)).filter(same);
        recorded == 1 && new.count() == 1
    };
    let is_replaced = |name: &str| given().any(|given| given == name) || is_only(name);
    let names = names.iter().enumerate();
    names
        .filter(|(_, name)| is_replaced(name))
        .map(|(at, _)| at)
        .collect()
}
