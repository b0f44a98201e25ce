//! Converts nodes into JSON values, as `sigs.k8s.io/yaml` does, but keeps text where the field takes text.

use std::collections::HashSet;
use std::rc::Rc;

use serde_json::{Map, Value};

use super::fields::{self, Shape};
use super::parse::{Data, Node};
use super::path::Path;
use super::{Notice, Origin, OverlayError, Position, scalar};

/// Bytes of all paths and notices of a document: a long key is a part of the path of every value below it.
const MAX_NAMED: usize = 32 << 20;

/// Converts one document of a file.
pub(super) struct Converter<'a> {
    source: &'a str,
    path: Path,
    /// The position of each value, by canonical path; a later one of the same path takes precedence.
    pub(super) places: Vec<(String, Position)>,
    pub(super) notices: Vec<Notice>,
    /// Bytes of both so far.
    named: usize,
}

impl<'a> Converter<'a> {
    pub(super) fn new(source: &'a str) -> Self {
        Self {
            source,
            path: Path::default(),
            places: Vec::new(),
            notices: Vec::new(),
            named: 0,
        }
    }

    pub(super) fn value(&mut self, node: &Node) -> Result<Value, OverlayError> {
        let value = match &node.data {
            Data::Scalar { text, plain, tag } => self.scalar(node, text, *plain, tag.as_deref()),
            Data::List(items) => self.list(items),
            Data::Map(pairs) => self.map(pairs),
        }?;
        let value = self.shaped(node, value)?;
        if !self.path.steps().is_empty() {
            let place = self.path.to_string();
            self.count(node, place.len())?;
            self.places.push((place, self.at(node)));
        }
        Ok(value)
    }

    /// Counts bytes of paths and notices, and refuses too many.
    fn count(&mut self, node: &Node, bytes: usize) -> Result<(), OverlayError> {
        self.named += bytes + self.source.len();
        if self.named > MAX_NAMED {
            let problem = format!(
                "the paths of the values up to here have more than {} MiB",
                MAX_NAMED >> 20
            );
            return Err(self.refuse(node, problem, "use shorter keys, or fewer values"));
        }
        Ok(())
    }

    pub(super) fn at(&self, node: &Node) -> Position {
        Position {
            source: self.source.into(),
            line: node.line,
            column: node.column,
        }
    }

    fn list(&mut self, items: &[Rc<Node>]) -> Result<Value, OverlayError> {
        let mut list = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            self.path.push_item(index, name_of(item));
            list.push(self.value(item)?);
            self.path.pop();
        }
        Ok(Value::Array(list))
    }

    fn map(&mut self, pairs: &[(Rc<Node>, Rc<Node>)]) -> Result<Value, OverlayError> {
        let mut map = Map::new();
        let mut own = HashSet::new();
        for (key_node, node) in pairs {
            if is_merge(key_node) {
                self.merge_key(node, &mut map, &own)?;
                continue;
            }
            let key = self.key(key_node)?;
            self.path.push_key(&key);
            let value = self.value(node)?;
            self.path.pop();
            if !own.insert(key.clone()) {
                self.repeated(key_node, &key, map.get(&key) == Some(&value))?;
            }
            map.insert(key, value);
        }
        Ok(Value::Object(map))
    }

    /// Handles a key that its map already has, which is harmless with the same value.
    fn repeated(&mut self, node: &Node, key: &str, same: bool) -> Result<(), OverlayError> {
        if same {
            return self.notice(
                node,
                format!("{key} is set twice to the same value; remove one"),
            );
        }
        let problem = format!("{key} is set twice in one map, to different values");
        Err(self.refuse(node, problem, "remove one of the two"))
    }

    /// Handles `<<`: the first of several maps takes precedence, and keys of the map itself take precedence over all.
    fn merge_key(
        &mut self,
        node: &Node,
        map: &mut Map<String, Value>,
        own: &HashSet<String>,
    ) -> Result<(), OverlayError> {
        let sources: Vec<&Node> = match &node.data {
            Data::Map(_) => vec![node],
            Data::List(items) => items.iter().rev().map(Rc::as_ref).collect(),
            Data::Scalar { .. } => Vec::new(),
        };
        if sources.is_empty()
            || !sources
                .iter()
                .all(|source| matches!(source.data, Data::Map(_)))
        {
            return Err(self.refuse(
                node,
                "`<<` wants a map or a list of maps",
                "give it an alias of a map",
            ));
        }
        for source in sources {
            let Data::Map(pairs) = &source.data else {
                continue;
            };
            let Value::Object(merged) = self.map(pairs)? else {
                continue;
            };
            if let Some((key, _)) = merged
                .iter()
                .find(|(key, value)| own.contains(*key) && map.get(*key) != Some(value))
            {
                let problem = format!("{key} is before `<<`, which has another value for it");
                return Err(self.refuse(
                    node,
                    problem,
                    "put `<<` first; readers disagree on this order",
                ));
            }
            map.extend(merged);
        }
        Ok(())
    }

    fn key(&mut self, node: &Node) -> Result<String, OverlayError> {
        let Data::Scalar { text, plain, tag } = &node.data else {
            return Err(self.refuse(node, "a key must be text", "write a word before the colon"));
        };
        if let Some(right) = fields::respelled(&self.path, text) {
            let problem = format!("unknown field {text}");
            return Err(self.refuse(node, problem, format!("it is spelled {right}")));
        }
        if !plain || tag.as_deref() == Some("str") {
            return Ok(text.clone());
        }
        let key = match scalar::resolve(text) {
            // `[2001:db8::]` is text to some parsers and a map to others.
            Ok(Value::String(key)) if !key.ends_with(':') => return Ok(key),
            Ok(Value::Bool(value)) => value.to_string(),
            Ok(Value::Number(value)) if !value.is_f64() => value.to_string(),
            _ => {
                return Err(self.refuse(
                    node,
                    format!("the key {text:?} is not text"),
                    "put it in quotes",
                ));
            }
        };
        if key != *text {
            let said = format!(
                "the key {text} is read as {key:?}, as istioctl does; quote it to keep it as it is"
            );
            self.notice(node, said)?;
        }
        Ok(key)
    }

    fn scalar(
        &mut self,
        node: &Node,
        text: &str,
        plain: bool,
        tag: Option<&str>,
    ) -> Result<Value, OverlayError> {
        match tag {
            Some("str") => return Ok(text.into()),
            Some(tag) => return self.tagged(node, text, tag),
            None if !plain => return Ok(text.into()),
            None => {}
        }
        let read = scalar::resolve(text);
        if matches!(read, Ok(Value::String(_) | Value::Null)) {
            return Ok(read.unwrap_or_default());
        }
        let kept = read
            .as_ref()
            .is_ok_and(|value| scalar::is_written(value, text));
        let printed = matches!(&read, Ok(Value::Number(number)) if fields::is_variable(&self.path)
            && !(kept && scalar::is_printed(number)));
        let word = matches!(&read, Ok(Value::Bool(_))) && fields::is_word(&self.path);
        if printed || word || fields::is_text(&self.path) {
            if !kept || printed || word {
                let place = &self.path;
                self.notice(
                    node,
                    format!("{place} is kept as the text {text:?}; put it in quotes"),
                )?;
            }
            return Ok(text.into());
        }
        read.map_err(|_| {
            let problem = format!("{text} is not a value that Kubernetes knows");
            self.refuse(
                node,
                problem,
                "give a number, or quote it to have it as text",
            )
        })
    }

    fn tagged(&self, node: &Node, text: &str, tag: &str) -> Result<Value, OverlayError> {
        let fits = |value: &Value| match tag {
            "null" => value.is_null(),
            "bool" => value.is_boolean(),
            "int" => value.is_i64() || value.is_u64(),
            "float" => value.is_number(),
            _ => false,
        };
        scalar::resolve(text).ok().filter(fits).ok_or_else(|| {
            self.refuse(
                node,
                format!("{text:?} is not a !!{tag} here"),
                "remove the tag",
            )
        })
    }

    /// Returns the value in the type that every release takes at its path, if all agree on that.
    fn shaped(&mut self, node: &Node, value: Value) -> Result<Value, OverlayError> {
        let Some(shape) = fields::shape(&self.path) else {
            return Ok(value);
        };
        if shape.fits(&value) || value.is_null() {
            return Ok(value);
        }
        if let (Shape::Whole, Some(number)) = (shape, value.as_str().and_then(whole)) {
            let text = format!("{} is the number {number}; remove the quotes", self.path);
            self.notice(node, text)?;
            return Ok(number.into());
        }
        if let (Shape::Switch, Some(text @ ("true" | "false"))) = (shape, value.as_str()) {
            let notice = format!("{} is the switch {text}; remove the quotes", self.path);
            self.notice(node, notice)?;
            return Ok((text == "true").into());
        }
        let (wanted, next) = shape.words();
        Err(self.refuse(node, format!("{} must be {wanted}", self.path), next))
    }

    fn notice(&mut self, node: &Node, text: String) -> Result<(), OverlayError> {
        self.count(node, text.len())?;
        self.notices.push(Notice {
            origin: Origin::File(self.at(node)),
            text,
        });
        Ok(())
    }

    pub(super) fn refuse(
        &self,
        node: &Node,
        problem: impl Into<String>,
        next: impl Into<String>,
    ) -> OverlayError {
        OverlayError::file(self.at(node), problem, next)
    }
}

/// Parses a whole number written as text.
fn whole(text: &str) -> Option<i64> {
    let number: i64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

fn is_merge(node: &Node) -> bool {
    matches!(&node.data, Data::Scalar { text, plain, tag: None } if text == "<<" && *plain)
        || matches!(&node.data, Data::Scalar { tag: Some(tag), .. } if tag == "merge")
}

/// Returns the `name` of a list entry, which identifies its place after merging.
fn name_of(node: &Node) -> Option<&str> {
    let Data::Map(pairs) = &node.data else {
        return None;
    };
    pairs
        .iter()
        .find_map(|(key, value)| match (&key.data, &value.data) {
            (Data::Scalar { text: key, .. }, Data::Scalar { text, .. }) if key == "name" => {
                Some(text.as_str())
            }
            _ => None,
        })
}
