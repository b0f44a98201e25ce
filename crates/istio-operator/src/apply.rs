//! `--set path=value`: its effect on a document.

use serde_json::{Map, Value};

use super::fields::{self, Shape};
use super::path::{Path, Segment};
use super::set::Assignment;
use super::{Engine, OverlayError};

/// Sets the value, and returns its path in the document.
pub(super) fn apply(
    engine: Engine,
    document: &mut Map<String, Value>,
    assignment: &Assignment,
) -> Result<Path, OverlayError> {
    let mut apply = Apply {
        engine,
        assignment,
        path: Path::default(),
    };
    apply.path.push_key("spec");
    apply.put(
        document.entry("spec").or_insert(Value::Null),
        &assignment.path,
    )?;
    Ok(apply.path)
}

struct Apply<'a> {
    engine: Engine,
    assignment: &'a Assignment,
    path: Path,
}

impl Apply<'_> {
    fn put(&mut self, target: &mut Value, rest: &[Segment]) -> Result<(), OverlayError> {
        match rest.split_first() {
            None => self.leaf(target),
            Some((Segment::Key(key), rest)) => {
                let map = self.map(target)?;
                self.path.push_key(key);
                self.put(map.entry(key.as_str()).or_insert(Value::Null), rest)
            }
            Some((selector, rest)) => {
                let list = self.list(target, selector)?;
                let index = self.find(list, selector, rest)?.unwrap_or(list.len());
                if index == list.len() {
                    list.push(Value::Null);
                }
                let element = &mut list[index];
                self.path
                    .push_item(index, element.get("name").and_then(Value::as_str));
                self.put(element, rest)
            }
        }
    }

    fn leaf(&self, target: &mut Value) -> Result<(), OverlayError> {
        let value = &self.assignment.value;
        match (&mut *target, fields::shape(&self.path)) {
            (Value::Array(list), None | Some(Shape::List))
                if self.engine == Engine::Strategic && !list.iter().any(Value::is_object) =>
            {
                if value == "null" {
                    let problem = format!("{} would get a further element \"null\"", self.path);
                    let next = "to have none, write `[]` there in a file for -f";
                    return Err(self.refuse(problem, next));
                }
                list.push(value.clone());
                return Ok(());
            }
            (Value::Array(_), _) | (_, Some(Shape::List)) => {
                let next = format!("append by {}[-1]=…", self.assignment_path());
                return Err(self.refuse(format!("{} is a list", self.path), next));
            }
            (Value::Object(_), _) | (_, Some(Shape::Map)) => {
                let next = format!("name a field in it: {}.FIELD=…", self.assignment_path());
                return Err(self.refuse(format!("{} is a map", self.path), next));
            }
            (_, Some(shape)) if !shape.fits(value) => {
                let (wanted, next) = shape.words();
                return Err(self.refuse(format!("{} is {wanted}", self.path), next));
            }
            _ => {}
        }
        target.clone_from(value);
        Ok(())
    }

    fn map<'v>(&self, target: &'v mut Value) -> Result<&'v mut Map<String, Value>, OverlayError> {
        if fields::is_entry(&self.path) {
            let next = "write a dot that belongs to a key as \\.";
            return Err(self.refuse(format!("{} is text", self.path), next));
        }
        if target.is_null() {
            match fields::shape(&self.path) {
                Some(Shape::List) => *target = Value::Array(Vec::new()),
                Some(shape @ (Shape::Switch | Shape::Whole)) => {
                    let (wanted, next) = shape.words();
                    return Err(self.refuse(format!("{} is {wanted}", self.path), next));
                }
                Some(Shape::Map) | None => *target = Value::Object(Map::new()),
            }
        }
        match target {
            Value::Object(map) => Ok(map),
            Value::Array(_) => {
                let next = "say which element: [0], or [name:x]";
                Err(self.refuse(format!("{} is a list", self.path), next))
            }
            scalar => {
                let problem = format!("{} is {scalar} already, which has no fields", self.path);
                Err(self.refuse(problem, "set one or the other"))
            }
        }
    }

    fn list<'v>(
        &self,
        target: &'v mut Value,
        selector: &Segment,
    ) -> Result<&'v mut Vec<Value>, OverlayError> {
        if target.is_null() && matches!(selector, Segment::Index(_)) {
            match fields::shape(&self.path) {
                None | Some(Shape::List) => *target = Value::Array(Vec::new()),
                Some(shape) => {
                    let (wanted, _) = shape.words();
                    let problem = format!("{} is {wanted}", self.path);
                    return Err(self.refuse(problem, "leave out the brackets"));
                }
            }
        }
        match target {
            Value::Array(list) => Ok(list),
            Value::Null => {
                let list = self.assignment_path();
                let next = match selector {
                    Segment::Pair { key, value } => {
                        format!("begin one: --set {list}[0].{key}={value} --set {list}[0]…")
                    }
                    _ => format!("begin one: {list}[0]=…"),
                };
                let problem = format!(
                    "there is no list {} in your files to find {selector} in",
                    self.path
                );
                Err(self.refuse(problem, next))
            }
            _ => Err(self.refuse(
                format!("{} is not a list", self.path),
                "leave out the brackets",
            )),
        }
    }

    /// Returns the index of the element to set; `None` means a new one at the end.
    fn find(
        &self,
        list: &[Value],
        selector: &Segment,
        rest: &[Segment],
    ) -> Result<Option<usize>, OverlayError> {
        let found = match selector {
            Segment::Key(_) => None,
            Segment::Index(index) => {
                return self.whole(list, index.filter(|index| *index < list.len()), rest);
            }
            Segment::Pair { key, value } => list
                .iter()
                .position(|element| element.get(key).is_some_and(|v| says(v, value))),
            Segment::Element(value) => list.iter().position(|element| says(element, value)),
        };
        if found.is_none() {
            let problem = format!("{} has no element {selector}", self.path);
            return Err(self.refuse(problem, format!("it has {}", elements(list, selector))));
        }
        self.whole(list, found, rest)
    }

    /// Refuses to replace a map by a scalar, which no engine can do.
    fn whole(
        &self,
        list: &[Value],
        found: Option<usize>,
        rest: &[Segment],
    ) -> Result<Option<usize>, OverlayError> {
        let is_map = found
            .and_then(|index| list.get(index))
            .is_some_and(Value::is_object);
        if rest.is_empty() && is_map {
            let next = "name a field of it, as in [0].name=…";
            return Err(self.refuse(format!("the element of {} is a map", self.path), next));
        }
        Ok(found)
    }

    /// Returns the path so far, as it is written after `--set`.
    fn assignment_path(&self) -> String {
        let path = self.path.to_string();
        path.strip_prefix("spec.")
            .map_or(path.clone(), str::to_owned)
    }

    fn refuse(&self, problem: impl Into<String>, next: impl Into<String>) -> OverlayError {
        OverlayError::set(&self.assignment.text, problem, next)
    }
}

fn bare(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

fn says(value: &Value, text: &str) -> bool {
    bare(value) == text
}

fn elements(list: &[Value], selector: &Segment) -> String {
    let names: Vec<String> = list
        .iter()
        .filter_map(|element| match selector {
            Segment::Pair { key, .. } => element
                .get(key)
                .map(|value| format!("[{key}:{}]", bare(value))),
            _ => Some(format!("[:{}]", bare(element))),
        })
        .collect();
    if names.is_empty() {
        format!("{} elements without it", list.len())
    } else {
        names.join(", ")
    }
}
