//! A file into the `IstioOperator`s it holds.

use std::rc::Rc;

use serde_json::{Map, Value, json};

use super::convert::Converter;
use super::parse::{self, Data, Node};
use super::{Notice, Origin, OverlayError, Position, fields, text};

pub(super) const KIND: &str = "IstioOperator";
pub(super) const API_VERSION: &str = "install.istio.io/v1alpha1";

/// One IstioOperator of a user's file. Its value has `apiVersion` and `kind`, `metadata` and `spec`
/// are maps where they exist.
#[derive(Debug, Clone, PartialEq)]
pub struct UserDocument {
    pub(super) value: Value,
    pub(super) start: Position,
    /// The place of every watched value, by canonical path.
    pub(super) places: Vec<(String, Position)>,
    pub(super) notices: Vec<Notice>,
}

impl UserDocument {
    /// Its `metadata.name`.
    pub fn name(&self) -> Option<&str> {
        self.value
            .pointer("/metadata/name")
            .and_then(Value::as_str)
            .filter(|name| !name.is_empty())
    }

    /// Where it begins.
    pub fn start(&self) -> &Position {
        &self.start
    }

    /// What was read, before any merging.
    pub fn value(&self) -> &Value {
        &self.value
    }
}

/// Reads the `IstioOperator`s of `bytes`, called `source` in messages. Nothing, comments and `null`
/// are no document.
pub fn read(source: &str, bytes: &[u8]) -> Result<Vec<UserDocument>, OverlayError> {
    let text = text::decode(source, bytes)?;
    let roots = parse::parse(source, &text)?;
    roots
        .iter()
        .filter_map(|root| document(source, root).transpose())
        .collect()
}

fn document(source: &str, root: &Rc<Node>) -> Result<Option<UserDocument>, OverlayError> {
    let mut converter = Converter::new(source);
    check_kind(&converter, root)?;
    let value = match converter.value(root)? {
        Value::Null => return Ok(None),
        Value::Object(map) => map,
        _ => {
            return Err(converter.refuse(
                root,
                "this is not an IstioOperator",
                "begin with `apiVersion: install.istio.io/v1alpha1`",
            ));
        }
    };
    check_top(&converter, root)?;
    let start = converter.at(root);
    let Converter {
        places,
        mut notices,
        ..
    } = converter;
    let value = completed(value, &start, &mut notices);
    Ok(Some(UserDocument {
        value,
        start,
        places,
        notices,
    }))
}

/// Before anything else, so that a Service is not reported for its fields.
fn check_kind(converter: &Converter<'_>, root: &Node) -> Result<(), OverlayError> {
    let Some((node, kind)) = field(root, "kind") else {
        return Ok(());
    };
    match kind {
        KIND | "" => Ok(()),
        "List" => Err(converter.refuse(
            node,
            "istioctl does not take a List apart",
            "give its items as documents with `---` between them",
        )),
        other => Err(converter.refuse(
            node,
            format!("a {other} stands among the IstioOperators"),
            "apply it with kubectl; istioctl would drop documents of this file",
        )),
    }
}

/// Fields beside `kind` that no IstioOperator has there.
fn check_top(converter: &Converter<'_>, root: &Node) -> Result<(), OverlayError> {
    let Data::Map(pairs) = &root.data else {
        return Ok(());
    };
    for (key, _) in pairs {
        let Data::Scalar { text, .. } = &key.data else {
            continue;
        };
        if fields::TOP.contains(&text.as_str()) || text == "<<" {
            continue;
        }
        let next = match fields::rightful_place(text) {
            Some(place) => format!("it belongs at {place}; are `metadata:` and `spec:` missing?"),
            None => "remove it, or indent it below `spec:`".into(),
        };
        return Err(converter.refuse(
            key,
            format!("the field {text} does not belong at the top"),
            next,
        ));
    }
    Ok(())
}

fn field<'a>(root: &'a Node, name: &str) -> Option<(&'a Node, &'a str)> {
    let Data::Map(pairs) = &root.data else {
        return None;
    };
    pairs
        .iter()
        .find_map(|(key, value)| match (&key.data, &value.data) {
            (Data::Scalar { text: key, .. }, Data::Scalar { text, .. }) if key == name => {
                Some((value.as_ref(), text.as_str()))
            }
            _ => None,
        })
}

/// `apiVersion` and `kind` in front, right and filled in; no `status`, no empty `metadata` or `spec`.
fn completed(mut value: Map<String, Value>, start: &Position, notices: &mut Vec<Notice>) -> Value {
    let mut say = |text: String| {
        notices.push(Notice {
            origin: Origin::File(start.clone()),
            text,
        });
    };
    let mut whole = Map::new();
    for (name, right) in [("apiVersion", API_VERSION), ("kind", KIND)] {
        match value.remove(name).as_ref().and_then(Value::as_str) {
            Some(given) if given == right => {}
            Some("") | None => say(format!("{name}: {right} was missing and is added")),
            Some(given) => say(format!(
                "{name} is {right}, not {given}; istioctl reads both alike"
            )),
        }
        whole.insert(name.into(), json!(right));
    }
    if value.remove("status").is_some() {
        say("status says what once was installed, and is left out".into());
    }
    whole.extend(value.into_iter().filter(|(_, value)| !value.is_null()));
    Value::Object(whole)
}
