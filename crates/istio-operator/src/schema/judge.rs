//! Where the real installer of a release does not do what a document requests.

use serde_json::Value;

use super::kind::Kind;
use super::range::Release;
use super::rules::RULES;
use super::{Cursor, Found};
use crate::path::Path;
use crate::scalar;
use crate::set::typed;

/// A place where the installer does not do what the document requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deviation {
    /// The path as messages write it: `spec.components.ingressGateways[name:x].labels`.
    pub path: String,
    pub problem: Problem,
}

/// The behaviour of the installer that deviates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// It refuses the document because of an unknown field.
    UnknownField(Unknown),
    /// It accepts an unknown field, and nothing reads it.
    ToleratedField(Unknown),
    /// It refuses a value that only the charts know.
    ChartOnly,
    /// It refuses a value of this kind.
    WrongKind { found: String, expected: String },
    /// It refuses a word that has no meaning in this release.
    NotAChoice {
        found: String,
        choices: Vec<&'static str>,
        nearest: Option<&'static str>,
        /// The releases in which it has one.
        when: Option<String>,
    },
    /// It accepts a second spelling that nothing reads.
    Misspelled { right: &'static str },
    /// It accepts the field and does not use it.
    Ignored { write: &'static str },
    /// It refuses the value.
    Refused { found: String, write: &'static str },
    /// It accepts the field, and Kubernetes refuses the object that is made from it.
    Unusable { write: &'static str },
    /// It parses the text a second time and changes its type.
    Reread {
        found: String,
        becomes: String,
        refused: bool,
        write: &'static str,
    },
    /// It merges this list wrongly with another one.
    Exclusive { other: &'static str },
}

/// The knowledge about a field that a release does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unknown {
    /// The field that is probably meant.
    pub nearest: Option<String>,
    /// The releases in which the field is known.
    pub when: Option<String>,
    /// What to write instead.
    pub write: Option<&'static str>,
}

/// Returns every place of `document` where the installer of `release` deviates, in the order of the document.
pub fn deviations(document: &Value, release: Release) -> Vec<Deviation> {
    let mut judge = Judge {
        document,
        release,
        path: Path::default(),
        found: Vec::new(),
    };
    judge.value(Cursor::document(), document);
    judge.exclusive();
    judge.found
}

struct Judge<'a> {
    document: &'a Value,
    release: Release,
    path: Path,
    found: Vec<Deviation>,
}

impl Judge<'_> {
    fn value(&mut self, cursor: Cursor, value: &Value) {
        if value.is_null() {
            return;
        }
        self.rules(value);
        let shape = value.is_object() || value.is_array();
        let kind = cursor.kind;
        let judged = !cursor.names_only || shape || kind.is_map() || matches!(kind, Kind::List(_));
        if judged && !kind.accepts(value) {
            return self.refused_kind(kind, value);
        }
        match value {
            Value::Object(map) => {
                for (name, value) in map {
                    self.path.push_key(name);
                    self.field(cursor, name, value);
                    self.path.pop();
                }
            }
            Value::Array(list) => {
                for (index, value) in list.iter().enumerate() {
                    let name = value.get("name").and_then(Value::as_str);
                    self.path.push_item(index, name);
                    self.value(cursor.item(), value);
                    self.path.pop();
                }
            }
            _ => {}
        }
    }

    fn field(&mut self, cursor: Cursor, name: &str, value: &Value) {
        match cursor.field(name, self.release) {
            Found::Known(known) if known.kind == Kind::ChartOnly => self.add(Problem::ChartOnly),
            Found::Known(known) => self.value(known, value),
            Found::Alias { right, cursor } => {
                // The reader of a mesh configuration decodes it once more, in either spelling.
                if !self.is_in_mesh_config() {
                    self.add(Problem::Misspelled { right });
                }
                self.value(cursor, value);
            }
            Found::Unknown { rows } => {
                let unknown = self.unknown(cursor, name, rows);
                self.add(
                    if cursor.kind == Kind::LenientFields || self.is_in_lenient_mesh_config() {
                        Problem::ToleratedField(unknown)
                    } else {
                        Problem::UnknownField(unknown)
                    },
                );
            }
            Found::Untyped => {}
        }
    }

    fn unknown(&self, cursor: Cursor, name: &str, rows: Option<&'static str>) -> Unknown {
        let known = |cursor: Cursor, name: &str| {
            matches!(cursor.field(name, self.release), Found::Known(_))
        };
        let inner = match cursor.field("k8s", self.release) {
            Found::Known(inner) if known(inner, name) => Some(format!("k8s.{name}")),
            _ => None,
        };
        let names = cursor.names();
        let names = names.into_iter().filter(|other| known(cursor, other));
        Unknown {
            nearest: inner.or_else(|| nearest(name, names).map(str::to_owned)),
            when: rows
                .map(|rows| super::data::rows(rows).filter(|row| row.kind != Kind::ChartOnly))
                .map(|rows| rows.map(|row| row.range.to_string()).collect::<Vec<_>>())
                .filter(|ranges| !ranges.is_empty())
                .map(|ranges| ranges.join(" and ")),
            write: RULES.instead(&self.path, self.release),
        }
    }

    fn refused_kind(&mut self, kind: Kind, value: &Value) {
        let problem = match (kind, value) {
            (Kind::OneOf(words), Value::String(found)) => Problem::NotAChoice {
                found: found.clone(),
                choices: words.split('|').collect(),
                nearest: nearest(found, words.split('|')),
                when: None,
            },
            _ => Problem::WrongKind {
                found: described(value),
                expected: kind.name(),
            },
        };
        self.add(problem);
    }

    /// Applies the rules for the path and its value.
    fn rules(&mut self, value: &Value) {
        let release = self.release;
        if let Some(row) = RULES.ignored(&self.path, release) {
            self.add(Problem::Ignored { write: row.write });
        }
        if let Some(row) = RULES.unusable(&self.path, release) {
            self.add(Problem::Unusable { write: row.write });
        }
        let text = match value {
            Value::Object(_) | Value::Array(_) => return,
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        if let Some(row) = RULES.refused(&self.path, &text, release) {
            let write = row.write;
            self.add(Problem::Refused {
                found: text.clone(),
                write,
            });
        }
        if let Some(form) = RULES.form(&self.path, release)
            && !form.fits(&text)
        {
            let write = form.write();
            self.add(Problem::Refused {
                found: text.clone(),
                write,
            });
        }
        if let Some(row) = RULES.choices(&self.path, release)
            && !row.have(&text, release)
        {
            let when = row.when(&text);
            self.add(Problem::NotAChoice {
                choices: row.names(release).collect(),
                nearest: nearest(&text, row.names(release)).filter(|_| when.is_none()),
                when,
                found: text.clone(),
            });
        }
        self.reread(&text);
    }

    fn reread(&mut self, text: &str) {
        let (Some(row), Some(becomes)) = (RULES.reread(&self.path, self.release), typed(text))
        else {
            return;
        };
        let stays = !row.refused && scalar::is_written(&becomes, text);
        let said = row.unless.and_then(|path| at(self.document, path));
        if !stays && said.and_then(Value::as_str) != Some(text) {
            self.add(Problem::Reread {
                found: text.to_owned(),
                becomes: becomes.to_string(),
                refused: row.refused,
                write: row.write,
            });
        }
    }

    fn exclusive(&mut self) {
        let list = |path| {
            let list = at(self.document, path).and_then(Value::as_array);
            list.is_some_and(|list| !list.is_empty())
        };
        let rows = RULES.exclusive.iter().filter(|row| row.holds(self.release));
        let both = rows.filter(|row| list(row.path) && list(row.other));
        let found: Vec<Deviation> = both
            .map(|row| Deviation {
                path: row.path.to_owned(),
                problem: Problem::Exclusive { other: row.other },
            })
            .collect();
        self.found.extend(found);
    }

    fn is_in_mesh_config(&self) -> bool {
        matches!(
            self.path.words().as_slice(),
            ["spec", "meshConfig", _, ..] | ["spec", "values", "meshConfig", _, ..]
        )
    }

    /// Whether unknown fields are accepted in the whole mesh configuration.
    fn is_in_lenient_mesh_config(&self) -> bool {
        let Found::Known(spec) = Cursor::document().field("spec", self.release) else {
            return false;
        };
        let lenient = matches!(
            spec.field("meshConfig", self.release),
            Found::Known(mesh) if mesh.kind == Kind::LenientFields
        );
        lenient && self.is_in_mesh_config()
    }

    fn add(&mut self, problem: Problem) {
        self.found.push(Deviation {
            path: self.path.to_string(),
            problem,
        });
    }
}

fn at<'v>(document: &'v Value, path: &str) -> Option<&'v Value> {
    path.split('.')
        .try_fold(document, |value, name| value.get(name))
}

/// Returns the name that is probably meant.
fn nearest<'n>(name: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    /// With more wrong letters it is another word.
    const MOST: usize = 2;
    let wrong = |other: &str| {
        let (name, other) = (name.to_lowercase(), other.to_lowercase());
        strsim::osa_distance(&name, &other)
    };
    let close = |wrong: usize| wrong <= MOST.min(name.chars().count() / 3);
    let near = names.map(|other| (wrong(other), other));
    let near = near.filter(|(wrong, _)| close(*wrong));
    near.min_by_key(|(wrong, _)| *wrong).map(|(_, other)| other)
}

/// Returns the name of a value in messages.
fn described(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::String(_) => format!("the text {value}"),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "a map".to_owned(),
    }
}
