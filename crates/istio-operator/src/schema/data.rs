//! The data files, parsed once.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::kind::Kind;
use super::range::Range;

/// The data that is part of the program, `[[file name, file]]` as `build.rs` wrote it.
const BUILTIN: &str = include_str!(concat!(env!("OUT_DIR"), "/fields.json"));

/// The fields of a Kubernetes type with their rows.
pub(super) type TypeFields = BTreeMap<&'static str, &'static str>;

/// The contents of all files.
#[derive(Default)]
pub(super) struct Schema {
    pub(super) root: Node,
    pub(super) types: BTreeMap<&'static str, TypeFields>,
}

/// A path of the schema.
#[derive(Debug, Default)]
pub(super) struct Node {
    /// The rows as the data contains them.
    pub(super) rows: &'static str,
    /// By name; `[]` for an item of a list, `{}` for a value of a map.
    pub(super) children: BTreeMap<&'static str, Node>,
}

/// The kind of a field in a range of releases.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    pub(super) kind: Kind,
    pub(super) range: Range,
    /// The kind by which the names of fields are checked, if it differs from `kind`.
    pub(super) checked: Option<Kind>,
    rest: &'static str,
}

impl Row {
    /// Returns other spellings that the decoder accepts.
    pub(super) fn aliases(self) -> impl Iterator<Item = &'static str> {
        self.rest
            .split(' ')
            .filter_map(|word| word.strip_prefix("alias="))
    }
}

/// A file of fields, or of types.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, bound(deserialize = "'de: 'static"))]
pub(super) struct File {
    #[serde(rename = "date")]
    _date: IgnoredAny,
    #[serde(rename = "sources")]
    _sources: IgnoredAny,
    #[serde(default)]
    pub(super) fields: BTreeMap<&'static str, &'static str>,
    #[serde(default)]
    pub(super) types: BTreeMap<&'static str, TypeFields>,
}

pub(super) static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
    let files: Vec<(&'static str, File)> = serde_json::from_str(BUILTIN).unwrap_or_default();
    let mut schema = Schema::default();
    for (_, file) in files {
        for (path, rows) in file.fields {
            schema.root.make(path).rows = rows;
        }
        schema.types.extend(file.types);
    }
    schema
});

impl Node {
    /// Returns the node at `path`, and creates it and its parents if they do not exist.
    fn make(&mut self, path: &'static str) -> &mut Node {
        names(path).fold(self, |node, name| node.children.entry(name).or_default())
    }
}

/// Returns the node at a path of the data.
pub(super) fn node(path: &str) -> Option<&'static Node> {
    names(path).try_fold(&SCHEMA.root, |node, name| node.children.get(name))
}

/// Splits `a.b[].c{}` into `a`, `b`, `[]`, `c`, `{}`.
fn names(path: &str) -> impl Iterator<Item = &str> {
    path.split('.').flat_map(|part| {
        let end = part.find(['[', '{']).unwrap_or(part.len());
        let (name, marks) = part.split_at(end);
        let marks = (0..marks.len())
            .step_by(2)
            .map(move |at| &marks[at..at + 2]);
        std::iter::once(name).chain(marks)
    })
}

/// Parses the rows of a field, in the order of the releases.
pub(super) fn rows(text: &'static str) -> impl Iterator<Item = Row> {
    text.split("; ").filter_map(row)
}

fn row(text: &'static str) -> Option<Row> {
    let (kind, rest) = text.split_once(' ')?;
    let (range, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    let checked = rest
        .split(' ')
        .find_map(|word| word.strip_prefix("checked="));
    let kind = Kind::parse(kind);
    Some(Row {
        kind,
        range: Range::parse(range)?,
        checked: checked.map(|checked| match kind {
            Kind::List(_) => Kind::list_of(checked),
            _ => Kind::parse(checked),
        }),
        rest,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_of_the_data_is_read_whole() {
        let files: Vec<(&str, File)> = serde_json::from_str(BUILTIN).unwrap();
        let mut read = 0;
        let types = files
            .iter()
            .flat_map(|(_, file)| file.types.values().flatten());
        for (path, text) in files.iter().flat_map(|(_, file)| &file.fields).chain(types) {
            let rows: Vec<Row> = rows(text).collect();
            assert_eq!(rows.len(), text.split(';').count(), "{path}: {text}");
            for (row, part) in rows.iter().zip(text.split("; ")) {
                assert_eq!(
                    row.kind == Kind::Any,
                    part.starts_with("any "),
                    "{path}: {part}"
                );
                let rest = row.rest.split(' ').filter(|word| !word.is_empty());
                let known = |word: &str| {
                    ["alias=", "checked="]
                        .iter()
                        .any(|one| word.starts_with(one))
                };
                assert!(rest.clone().all(known), "{path}: {text}");
                resolved(path, row.kind);
                row.checked
                    .into_iter()
                    .for_each(|kind| resolved(path, kind));
            }
            read += 1;
        }
        assert!(read > 2000, "{read}");
    }

    /// Checks that a kind was recognised, and that what it refers to exists.
    fn resolved(path: &str, kind: Kind) {
        match kind {
            Kind::Kubernetes(name) | Kind::Protobuf(name) => {
                let there = SCHEMA.types.contains_key(name)
                    || SCHEMA
                        .types
                        .contains_key(format!("protobuf {name}").as_str());
                assert!(there, "{path}: {name}");
            }
            Kind::SameAs(other) => assert!(node(other).is_some(), "{path}: {other}"),
            Kind::List(inner) | Kind::Map(inner) => resolved(path, inner.kind()),
            _ => {}
        }
    }

    #[test]
    fn rows_of_a_field_do_not_overlap() {
        fn check(path: &str, node: &'static Node) {
            let ranges: Vec<Range> = rows(node.rows).map(|row| row.range).collect();
            for pair in ranges.windows(2) {
                assert!(pair[0].ends_before(pair[1]), "{path}: {}", node.rows);
            }
            for (name, child) in &node.children {
                check(&format!("{path}.{name}"), child);
            }
        }
        check("", &SCHEMA.root);
    }
}
