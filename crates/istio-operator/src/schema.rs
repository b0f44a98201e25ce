//! The fields of an IstioOperator: which fields exist, and what kind of value each takes in which version of Istio.
//!
//! A pure lookup in the data files of the folders `fields` and `rules`. A `Cursor`
//! represents the values at a path; it steps to a field of a map or an item of a list, for one release or for all of
//! them.

mod data;
mod form;
mod judge;
mod kind;
mod range;
mod rules;
mod validate;

use data::{Node, SCHEMA};
pub use judge::{Deviation, Problem, Unknown, deviations};
pub(super) use kind::Kind;
pub use range::{Range, Release};
pub(super) use rules::RULES;
pub use validate::{SchemaError, validate_fields, validate_rules};

/// The possible values at a path, as far as the schema knows them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cursor {
    pub(super) kind: Kind,
    /// Whether the names of fields are checked here, but not the types of their values.
    pub(super) names_only: bool,
    node: Option<&'static Node>,
}

/// The result of looking up a field of a map.
#[derive(Debug, Clone, Copy)]
pub(super) enum Found {
    Known(Cursor),
    /// A second spelling that is decoded as the field `right`, which is the only spelling that charts read.
    Alias {
        right: &'static str,
        cursor: Cursor,
    },
    /// Not a field of this release; `rows` are those of other releases.
    Unknown {
        rows: Option<&'static str>,
    },
    /// Any name and any value is accepted here.
    Untyped,
}

impl Cursor {
    /// Returns the cursor of a whole document.
    pub(super) fn document() -> Cursor {
        Cursor {
            kind: Kind::Fields,
            names_only: false,
            node: Some(&SCHEMA.root),
        }
    }

    /// Looks up the field `name` in `release`.
    pub(super) fn field(self, name: &str, release: Release) -> Found {
        match self.kind {
            Kind::Fields | Kind::LenientFields => self.named(name, release),
            Kind::Kubernetes(_) | Kind::Protobuf(_) => {
                let Some(rows) = self.type_fields().and_then(|fields| fields.get(name)) else {
                    return Found::Unknown { rows: None };
                };
                // The table begins where the types became Kubernetes' own; earlier messages had the same fields.
                let row = data::rows(rows).next();
                row.map_or(Found::Unknown { rows: Some(rows) }, |row| {
                    let known = row.range.contains(release)
                        || matches!(self.kind, Kind::Protobuf(_))
                        || self.names_only;
                    if known {
                        Found::Known(self.below(row.kind, None))
                    } else {
                        Found::Unknown { rows: Some(rows) }
                    }
                })
            }
            Kind::Map(values) => Found::Known(self.below(values.kind(), self.child("{}"))),
            _ => Found::Untyped,
        }
    }

    fn named(self, name: &str, release: Release) -> Found {
        let Some(node) = self.node else {
            return Found::Untyped;
        };
        if let Some(child) = node.children.get(name) {
            let row = data::rows(child.rows).find(|row| row.range.contains(release));
            return match row {
                Some(row) => Found::Known(Cursor::of(row, child, Some(release))),
                None => Found::Unknown {
                    rows: Some(child.rows),
                },
            };
        }
        for (right, child) in &node.children {
            let row = data::rows(child.rows).find(|row| row.range.contains(release));
            if let Some(row) = row.filter(|row| row.aliases().any(|alias| alias == name)) {
                let cursor = Cursor::of(row, child, Some(release));
                return Found::Alias { right, cursor };
            }
        }
        Found::Unknown { rows: None }
    }

    /// Returns what the field `name` is in all releases; empty if nothing is known about it.
    pub(super) fn field_ever(self, name: &str) -> Vec<Cursor> {
        match self.kind {
            Kind::Fields | Kind::LenientFields => {
                let child = self.node.and_then(|node| node.children.get(name));
                let Some(child) = child else {
                    return Vec::new();
                };
                let rows = data::rows(child.rows);
                rows.map(|row| Cursor::of(row, child, None)).collect()
            }
            Kind::Kubernetes(_) | Kind::Protobuf(_) => {
                let rows = self.type_fields().and_then(|fields| fields.get(name));
                let rows = rows.into_iter().flat_map(|rows| data::rows(rows));
                rows.map(|row| self.below(row.kind, None)).collect()
            }
            Kind::Map(values) => vec![self.below(values.kind(), self.child("{}"))],
            _ => Vec::new(),
        }
    }

    /// Returns the cursor of an item of the list.
    pub(super) fn item(self) -> Cursor {
        match self.kind {
            Kind::List(items) => self.below(items.kind(), self.child("[]")),
            _ => self.below(Kind::Any, None),
        }
    }

    /// Returns the names of the fields, including those of other releases; none if any name is accepted.
    pub(super) fn names(self) -> Vec<&'static str> {
        match self.kind {
            Kind::Fields | Kind::LenientFields => {
                let children = self.node.map(|node| node.children.keys());
                children.into_iter().flatten().copied().collect()
            }
            Kind::Kubernetes(_) | Kind::Protobuf(_) => {
                let fields = self.type_fields().map(|fields| fields.keys());
                fields.into_iter().flatten().copied().collect()
            }
            _ => Vec::new(),
        }
    }

    fn of(row: data::Row, node: &'static Node, release: Option<Release>) -> Cursor {
        let kind = row.checked.unwrap_or(row.kind);
        let names_only = row.checked.is_some();
        let Kind::SameAs(path) = kind else {
            return Cursor {
                kind,
                names_only,
                node: Some(node),
            };
        };
        let node = data::node(path);
        let rows = node.into_iter().flat_map(|node| data::rows(node.rows));
        let kind = rows
            .filter(|row| release.is_none_or(|release| row.range.contains(release)))
            .last()
            .map_or(Kind::Any, |row| row.kind);
        Cursor {
            kind,
            names_only,
            node,
        }
    }

    fn below(self, kind: Kind, node: Option<&'static Node>) -> Cursor {
        Cursor { kind, node, ..self }
    }

    fn child(self, name: &str) -> Option<&'static Node> {
        self.node.and_then(|node| node.children.get(name))
    }

    fn type_fields(self) -> Option<&'static data::TypeFields> {
        match self.kind {
            Kind::Kubernetes(name) => SCHEMA.types.get(name),
            Kind::Protobuf(name) => {
                let own = SCHEMA.types.get(format!("protobuf {name}").as_str());
                own.or_else(|| SCHEMA.types.get(name))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
