//! What values mean while a document is read, before its Istio version is known.
//!
//! The answers are valid for every release: a value is text if one release takes text there and none takes another
//! type.

use serde_json::Value;

use super::path::{Path, Step};
use super::schema::{Cursor, Kind, RULES};

/// Returns the kinds of a path in all releases that have it; none if any value is accepted.
fn kinds(path: &Path) -> Vec<Kind> {
    let cursors = cursors(path);
    let kinds = cursors.iter().map(|cursor| cursor.kind);
    kinds.filter(|kind| *kind != Kind::ChartOnly).collect()
}

fn cursors(path: &Path) -> Vec<Cursor> {
    let mut cursors = vec![Cursor::document()];
    for (place, step) in path.steps().iter().enumerate() {
        cursors = match step {
            // The charts get `values` and `unvalidatedValues` in the same way.
            Step::Key(key) if place == 1 && key == "unvalidatedValues" => {
                fields_of(&cursors, "values")
            }
            Step::Key(key) => fields_of(&cursors, key),
            Step::Item { .. } => cursors.into_iter().map(Cursor::item).collect(),
        };
    }
    cursors
}

fn fields_of(cursors: &[Cursor], name: &str) -> Vec<Cursor> {
    let fields = cursors.iter().flat_map(|cursor| cursor.field_ever(name));
    fields.collect()
}

/// Whether the value at `path` is always text, and kept as typed: `1.20` stays `1.20`.
pub(super) fn is_text(path: &Path) -> bool {
    let kinds = kinds(path);
    let typed: Vec<&Kind> = kinds.iter().filter(|kind| **kind != Kind::Any).collect();
    if typed.is_empty() {
        return RULES.is_text(path) || is_tag(path);
    }
    let text = |kind: &&Kind| matches!(kind, Kind::Text | Kind::Quantity);
    let number = |kind: &&Kind| {
        matches!(
            kind,
            Kind::Switch
                | Kind::Whole
                | Kind::Long
                | Kind::Count
                | Kind::Number
                | Kind::WholeOrText
        )
    };
    typed.iter().copied().any(|kind| text(&kind))
        && !typed.iter().copied().any(|kind| number(&kind))
}

/// Whether the value at `path` is one of a list of words, such as `OFF`, which is a boolean in plain YAML 1.1.
pub(super) fn is_word(path: &Path) -> bool {
    let kinds = kinds(path);
    !kinds.is_empty() && kinds.iter().all(|kind| matches!(kind, Kind::OneOf(_)))
}

/// Whether the path is a tag outside values, for which istioctl does not define a type.
fn is_tag(path: &Path) -> bool {
    [
        "spec.tag",
        "spec.components.*.tag",
        "spec.components.*.[].tag",
    ]
    .iter()
    .any(|pattern| path.matches(pattern))
}

/// Whether the value at `path` is a variable of a container for which istioctl defines no type.
pub(super) fn is_variable(path: &Path) -> bool {
    RULES.is_variable(path)
}

/// Whether `path` is an entry of a map of text, such as an annotation, a label or a variable: their keys often have
/// dots.
pub(super) fn is_entry(path: &Path) -> bool {
    let [parent @ .., Step::Key(_)] = path.steps() else {
        return false;
    };
    let parent = Path::from_steps(parent);
    let of_text = |kind: Kind| matches!(kind, Kind::Map(values) if values.kind() == Kind::Text);
    kinds(&parent).into_iter().any(of_text) || RULES.is_variable(path) || RULES.is_text_entry(path)
}

/// Whether a name is a field of the document itself.
pub(super) fn is_top(name: &str) -> bool {
    Cursor::document().names().contains(&name)
}

/// Returns the right spelling of a field that is known in other letter case.
pub(super) fn respelled(parent: &Path, field: &str) -> Option<&'static str> {
    let cursors = cursors(parent);
    let names = || cursors.iter().flat_map(|cursor| cursor.names());
    if names().any(|name| name == field) {
        return None;
    }
    names().find(|name| name.eq_ignore_ascii_case(field))
}

/// Returns where a field belongs that is at the top of a document by mistake.
pub(super) fn rightful_place(field: &str) -> Option<String> {
    let places: [&[&str]; 4] = [
        &["spec"],
        &["metadata"],
        &["spec", "components"],
        &["spec", "values"],
    ];
    let holder = places.into_iter().find(|words| {
        let document = vec![Cursor::document()];
        let cursors = words
            .iter()
            .fold(document, |cursors, name| fields_of(&cursors, name));
        cursors.iter().any(|cursor| cursor.names().contains(&field))
    })?;
    Some(format!("{}.{field}", holder.join(".")))
}

/// The type that every release requires at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Map,
    List,
    Switch,
    Whole,
}

/// Returns the shape of the value at `path`, if all releases agree on it.
pub(super) fn shape(path: &Path) -> Option<Shape> {
    if path.steps().is_empty() {
        // A root that is not a document at all is refused with another message.
        return None;
    }
    let shape = |kind: Kind| match kind {
        kind if kind.is_map() => Some(Shape::Map),
        Kind::List(_) => Some(Shape::List),
        Kind::Switch => Some(Shape::Switch),
        Kind::Whole | Kind::Long | Kind::Count => Some(Shape::Whole),
        _ => None,
    };
    let mut shapes = kinds(path).into_iter().map(shape);
    let first = shapes.next()??;
    shapes.all(|other| other == Some(first)).then_some(first)
}

impl Shape {
    /// Whether `value` has this shape.
    pub(super) fn fits(self, value: &Value) -> bool {
        match self {
            Shape::Map => value.is_object(),
            Shape::List => value.is_array(),
            Shape::Switch => value.is_boolean(),
            Shape::Whole => value.is_i64() || value.is_u64(),
        }
    }

    /// Returns its name, and what to write.
    pub(super) fn words(self) -> (&'static str, &'static str) {
        match self {
            Shape::Map => ("a map", "write its fields below it, indented"),
            Shape::List => ("a list", "write `- ` before each entry"),
            Shape::Switch => ("a switch", "write true or false, without quotes"),
            Shape::Whole => ("a whole number", "write digits, without quotes"),
        }
    }
}
