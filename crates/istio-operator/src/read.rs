//! Reads the `IstioOperator`s of a file.

use std::rc::Rc;

use serde_json::{Map, Value, json};

use super::convert::Converter;
use super::parse::{self, Data, Node};
use super::{Notice, Origin, OverlayError, Position, fields, text};
use istio_builds::Placeholder;

pub(super) const KIND: &str = "IstioOperator";
pub(super) const API_VERSION: &str = "install.istio.io/v1alpha1";

/// One IstioOperator of a user's file. Its value has `apiVersion` and `kind`; `metadata` and `spec`, if present, are
/// maps.
#[derive(Debug, Clone, PartialEq)]
pub struct UserDocument {
    pub(super) value: Value,
    pub(super) start: Position,
    /// The position of every value, by canonical path.
    pub(super) places: Vec<(String, Position)>,
    pub(super) notices: Vec<Notice>,
}

impl UserDocument {
    /// Returns its `metadata.name`.
    pub fn name(&self) -> Option<&str> {
        self.value
            .pointer("/metadata/name")
            .and_then(Value::as_str)
            .filter(|name| !name.is_empty())
    }

    /// Returns where it begins.
    pub fn start(&self) -> &Position {
        &self.start
    }

    /// Returns the value as read, before any merging.
    pub fn value(&self) -> &Value {
        &self.value
    }
}

/// Reads the `IstioOperator`s of `bytes`, which messages call `source`. Empty text, comments and `null` give no
/// document.
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
    check_name(&converter, root, &value)?;
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

/// Checks the kind before anything else, so that a Service is not reported for its fields.
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
            format!("the file contains a {other}, not only IstioOperators"),
            "apply it with kubectl; istioctl would drop documents of this file",
        )),
    }
}

/// Checks `metadata.name` and `metadata.namespace`: the name becomes labels and file names, so Kubernetes must accept
/// it wherever it comes from.
fn check_name(
    converter: &Converter<'_>,
    root: &Node,
    value: &Map<String, Value>,
) -> Result<(), OverlayError> {
    for field_name in ["name", "namespace"] {
        let name = value
            .get("metadata")
            .and_then(|metadata| metadata.get(field_name));
        let Some(name) = name.and_then(Value::as_str).filter(|name| !name.is_empty()) else {
            continue;
        };
        // A flag may fill in the placeholder; if none does, it is refused later.
        if Placeholder::find(name).is_some() {
            continue;
        }
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        let label = |part: &str| {
            part.starts_with(plain)
                && part.ends_with(plain)
                && part.chars().all(|c| plain(c) || c == '-')
        };
        if name.len() > 253 || !name.split('.').all(label) {
            // A name from a merge key has no node here.
            let node = child(root, "metadata").and_then(|metadata| child(metadata, field_name));
            return Err(converter.refuse(
                node.unwrap_or(root),
                format!("metadata.{field_name} {name:?} is not a name that Kubernetes accepts"),
                "use lower-case letters, digits, dashes and dots",
            ));
        }
    }
    Ok(())
}

/// Refuses fields next to `kind` that an IstioOperator does not have.
fn check_top(converter: &Converter<'_>, root: &Node) -> Result<(), OverlayError> {
    let Data::Map(pairs) = &root.data else {
        return Ok(());
    };
    for (key, _) in pairs {
        let Data::Scalar { text, .. } = &key.data else {
            continue;
        };
        if fields::is_top(text) || text == "<<" {
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

fn child<'a>(node: &'a Node, name: &str) -> Option<&'a Node> {
    let Data::Map(pairs) = &node.data else {
        return None;
    };
    let found = pairs.iter().find(|(key, _)| match &key.data {
        Data::Scalar { text, .. } => text == name,
        _ => false,
    });
    found.map(|(_, value)| value.as_ref())
}

fn field<'a>(root: &'a Node, name: &str) -> Option<(&'a Node, &'a str)> {
    let node = child(root, name)?;
    match &node.data {
        Data::Scalar { text, .. } => Some((node, text)),
        _ => None,
    }
}

/// Puts the right `apiVersion` and `kind` first, and drops `status` and empty `metadata` or `spec`.
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

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "apiVersion: install.istio.io/v1alpha1\nkind: IstioOperator\n";

    fn one(text: &str) -> UserDocument {
        let mut documents = read("f", text.as_bytes()).unwrap();
        assert_eq!(documents.len(), 1, "{text}");
        documents.remove(0)
    }

    fn notices(document: &UserDocument) -> Vec<String> {
        document.notices.iter().map(Notice::to_string).collect()
    }

    #[test]
    fn nothing_is_no_document() {
        for text in [
            "",
            "# comment\n",
            "---\n",
            "---\n---\n",
            "null\n",
            "---\n# c\n...\n",
        ] {
            assert_eq!(read("f", text.as_bytes()).unwrap(), [], "{text:?}");
        }
    }

    #[test]
    fn documents_of_a_stream_keep_name_and_place() {
        let text =
            format!("{HEAD}metadata:\n  name: a\n---\n\n{HEAD}metadata: {{name: b}}\n---\n{HEAD}");
        let documents = read("f", text.as_bytes()).unwrap();
        let seen: Vec<_> = documents
            .iter()
            .map(|d| (d.name(), d.start().to_string()))
            .collect();
        assert_eq!(
            seen,
            [
                (Some("a"), "f:1:1".into()),
                (Some("b"), "f:7:1".into()),
                (None, "f:11:1".into()),
            ]
        );
    }

    #[test]
    fn line_ends_and_encodings_do_not_matter() {
        let want = one(&format!("{HEAD}spec:\n  tag: t\n"));
        for text in [
            format!("{HEAD}spec:\n  tag: t\n").replace('\n', "\r\n"),
            format!("\u{feff}{HEAD}spec:\n  tag: t\n"),
        ] {
            assert_eq!(one(&text), want);
        }
    }

    #[test]
    fn head_and_status_are_put_right_and_said() {
        let added = [
            "apiVersion: install.istio.io/v1alpha1",
            "kind: IstioOperator",
        ];
        let document = one("spec: {tag: t}\n");
        assert_eq!(
            notices(&document),
            added.map(|line| format!("f:1:1: {line} was missing and is added"))
        );
        assert_eq!(
            document.value(),
            &json!({
                "apiVersion": API_VERSION, "kind": KIND, "spec": {"tag": "t"},
            })
        );
        let document = one(
            "apiVersion: install.istio.io/v1\nkind: IstioOperator\nmetadata:\nspec:\nstatus: {}\n",
        );
        assert_eq!(
            notices(&document),
            [
                "f:1:1: apiVersion is install.istio.io/v1alpha1, not install.istio.io/v1; istioctl reads both alike",
                "f:1:1: status says what once was installed, and is left out",
            ]
        );
        assert_eq!(
            document.value(),
            &json!({"apiVersion": API_VERSION, "kind": KIND})
        );
    }

    #[test]
    fn numbers_where_text_is_meant_stay_as_typed_and_are_said() {
        let text = format!(
            "{HEAD}metadata: {{name: 1}}\nspec:\n  tag: 1.20\n  revision: 20\n  values:\n    global: {{tag: 1_0, hub: \"x\"}}\n  components:\n    ingressGateways:\n    - {{name: y, tag: t}}\n"
        );
        let document = one(&text);
        assert_eq!(document.value()["metadata"]["name"], "1");
        assert_eq!(document.value()["spec"]["tag"], "1.20");
        assert_eq!(document.value()["spec"]["revision"], "20");
        assert_eq!(document.value()["spec"]["values"]["global"]["tag"], "1_0");
        assert_eq!(
            document.value()["spec"]["components"]["ingressGateways"][0]["name"],
            "y"
        );
        assert_eq!(
            notices(&document),
            [
                "f:5:8: spec.tag is kept as the text \"1.20\"; put it in quotes",
                "f:8:19: spec.values.global.tag is kept as the text \"1_0\"; put it in quotes",
                "f:11:14: spec.components.ingressGateways[name:y].name is kept as the text \"y\"; put it in quotes",
            ]
        );
        let place = |path: &str| {
            document
                .places
                .iter()
                .find(|(p, _)| p == path)
                .unwrap()
                .1
                .to_string()
        };
        assert_eq!(place("spec.values.global.hub"), "f:8:29");
        assert_eq!(
            place("spec.components.ingressGateways[name:y].tag"),
            "f:11:22"
        );
    }

    #[test]
    fn keys_are_read_as_istioctl_reads_them() {
        let document = one(&format!(
            "{HEAD}spec:\n  values:\n    a: {{on: 1, 'no': 2, 0x10: 3, !!str yes: 4, 5: 6}}\n"
        ));
        assert_eq!(
            document.value()["spec"]["values"]["a"],
            json!({"true": 1, "no": 2, "16": 3, "yes": 4, "5": 6})
        );
        assert_eq!(notices(&document).len(), 2);
        let twice = read(
            "f",
            format!("{HEAD}spec:\n  values: {{y: 1, 'true': 2}}\n").as_bytes(),
        );
        assert!(
            twice
                .unwrap_err()
                .to_string()
                .starts_with("f:4:18: true is set twice in one map")
        );
        for key in ["1.5", "~", "[a]", "{a: b}", "fd00::"] {
            assert!(
                read(
                    "f",
                    format!("{HEAD}spec: {{values: {{? {key} : x}}}}\n").as_bytes()
                )
                .is_err(),
                "{key}"
            );
        }
    }

    #[test]
    fn merge_keys_give_way_to_what_stands_in_the_map() {
        let text = |map: &str| {
            format!(
                "{HEAD}spec:\n  values:\n    x: [&a {{p: 1, q: 2}}, &b {{q: 3, r: 4}}]\n    m: {map}\n"
            )
        };
        for (map, want) in [
            ("{<<: *a, p: 9}", json!({"p": 9, "q": 2})),
            ("{<<: [*a, *b]}", json!({"p": 1, "q": 2, "r": 4})),
            ("{<<: {p: 7}}", json!({"p": 7})),
            ("{p: 1, <<: *a}", json!({"p": 1, "q": 2})),
            ("{'<<': 1}", json!({"<<": 1})),
        ] {
            assert_eq!(
                one(&text(map)).value()["spec"]["values"]["m"],
                want,
                "{map}"
            );
        }
        for (map, want) in [
            (
                "{p: 9, <<: *a}",
                "put `<<` first; readers disagree on this order",
            ),
            ("{<<: 1}", "give it an alias of a map"),
            ("{<<: [1]}", "give it an alias of a map"),
        ] {
            let message = read("f", text(map).as_bytes()).unwrap_err().to_string();
            assert!(message.ends_with(want), "{map}: {message}");
        }
    }

    #[test]
    fn names_are_checked_wherever_they_come_from() {
        for metadata in [
            "metadata: {name: ../x}",
            "metadata: {namespace: a/b}",
            "metadata: {name: A}",
            "metadata: {<<: {name: ../x}}",
            "<<: {metadata: {name: ..}}",
            "spec: {values: {a: &a {name: ../../x}}}\nmetadata: *a",
            "spec: {values: {a: &a ../x}}\nmetadata: {name: *a}",
        ] {
            let error = read("f", format!("{HEAD}{metadata}\n").as_bytes()).unwrap_err();
            let message = error.to_string();
            assert!(
                message.contains("is not a name that Kubernetes accepts"),
                "{metadata}: {message}"
            );
        }
    }

    #[test]
    fn explicit_tags_say_what_a_value_is() {
        let values =
            "{a: !!str 1, b: !!int 010, c: !!float 1, d: !!bool 'yes', e: ! 1, f: !!null ''}";
        let document = one(&format!("{HEAD}spec:\n  values: {values}\n"));
        let want = json!({"a": "1", "b": 8, "c": 1, "d": true, "e": "1", "f": null});
        assert_eq!(document.value()["spec"]["values"], want);
        for value in [
            "!!int x",
            "!!bool 1",
            "!!binary aGk=",
            "!!int 1.5",
            "!mine x",
        ] {
            let text = format!("{HEAD}spec:\n  values: {{a: {value}}}\n");
            let message = read("f", text.as_bytes()).unwrap_err().to_string();
            assert!(message.ends_with("remove the tag"), "{value}: {message}");
        }
    }
}
