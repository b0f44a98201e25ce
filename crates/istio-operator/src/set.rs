//! `--set path=value`: parsing it.

use serde_json::Value;

use super::parse::MAX_DEPTH;
use super::path::{Path, Segment, segments};
use super::{Notice, Origin, OverlayError, fields, scalar};

/// Maximum characters of a path: no real path is nearly as long, and a document cannot be nested that deeply.
const LONGEST_PATH: usize = 1000;

/// A parsed `--set`.
#[derive(Debug, Clone, PartialEq)]
pub struct Assignment {
    pub(super) text: String,
    /// The path below `spec`.
    pub(super) path: Vec<Segment>,
    pub(super) value: Value,
    pub(super) notices: Vec<Notice>,
}

impl Assignment {
    /// Parses `path=value`. A leading `spec.` is ignored, the value may contain more `=`, and a value that is text by
    /// its meaning (a tag, a revision, an annotation) stays as typed.
    pub fn parse(text: &str) -> Result<Self, OverlayError> {
        let Some((path, value)) = text.split_once('=') else {
            return Err(OverlayError::set(
                text,
                "there is no `=`",
                "write path=value",
            ));
        };
        let (typed, value) = (path.trim(), value.trim());
        let path = below_spec(text, typed)?;
        let mut notices = Notices {
            text,
            found: Vec::new(),
        };
        if is_cleaned(typed) {
            notices.add("the key keeps its slashes and dots as typed".into());
        }
        let value = typing(&path, value, &mut notices)?;
        Ok(Self {
            text: text.into(),
            path,
            value,
            notices: notices.found,
        })
    }

    /// Returns the path of its value in a document, as findings name it.
    pub(super) fn place(&self) -> Path {
        full_path(&self.path)
    }

    pub(super) fn origin(&self) -> Origin {
        Origin::Set(self.text.clone())
    }
}

struct Notices<'a> {
    text: &'a str,
    found: Vec<Notice>,
}

impl Notices<'_> {
    fn add(&mut self, text: String) {
        self.found.push(Notice {
            origin: Origin::Set(self.text.into()),
            text,
        });
    }
}

fn below_spec(text: &str, typed: &str) -> Result<Vec<Segment>, OverlayError> {
    if typed.len() > LONGEST_PATH {
        let next = format!("a path has at most {LONGEST_PATH} characters");
        return Err(OverlayError::set("…", "the path is too long", next));
    }
    let mut path = segments(typed).map_err(|part| {
        let next = "write [0], [name:x] or [:value]; a dot in brackets is written \\.";
        OverlayError::set(text, format!("{part} selects nothing"), next)
    })?;
    if path.first() == Some(&Segment::Key("spec".into())) {
        path.remove(0);
    }
    // The document and its spec are levels too.
    if path.len() + 2 > MAX_DEPTH {
        let next = format!("a path has at most {} parts", MAX_DEPTH - 2);
        return Err(OverlayError::set(text, "the path is nested too deep", next));
    }
    match path.first() {
        None => Err(OverlayError::set(
            text,
            "there is no path before the `=`",
            "write path=value",
        )),
        Some(Segment::Key(key))
            if ["metadata", "apiVersion", "kind", "status"].contains(&key.as_str()) =>
        {
            let problem = format!("paths begin below spec, and {key} is not below it");
            Err(OverlayError::set(text, problem, "give it in a file by -f"))
        }
        Some(Segment::Key(_)) => check_spelling(text, &path).map(|()| path),
        Some(_) => Err(OverlayError::set(
            text,
            "spec is not a list",
            "begin with the name of a field",
        )),
    }
}

fn check_spelling(text: &str, path: &[Segment]) -> Result<(), OverlayError> {
    for (place, segment) in path.iter().enumerate() {
        let Segment::Key(key) = segment else { continue };
        if let Some(right) = fields::respelled(&full_path(&path[..place]), key) {
            return Err(OverlayError::set(
                text,
                format!("unknown field {key}"),
                format!("it is spelled {right}"),
            ));
        }
    }
    Ok(())
}

fn full_path(segments: &[Segment]) -> Path {
    let mut path = Path::default();
    path.push_key("spec");
    for segment in segments {
        match segment {
            Segment::Key(key) => path.push_key(key),
            Segment::Index(index) => path.push_item(index.unwrap_or_default(), None),
            Segment::Pair { key, value } if key == "name" => path.push_item(0, Some(value)),
            Segment::Pair { .. } | Segment::Element(_) => path.push_item(0, None),
        }
    }
    path
}

/// Whether istioctl, which cleans paths like file paths, would lose a part of it.
fn is_cleaned(path: &str) -> bool {
    path.contains("//")
        || path.split('/').any(|part| part == "." || part == "..")
        || (path.len() > 1 && path.ends_with('/'))
}

/// Returns numbers and booleans as istioctl reads them, unless the path takes text.
fn typing(path: &[Segment], value: &str, notices: &mut Notices<'_>) -> Result<Value, OverlayError> {
    let place = full_path(path);
    let text = value.replace("\\,", ",");
    if value.is_empty()
        && ["hub", "tag"]
            .iter()
            .any(|last| is_image_part(&place, last))
    {
        return Err(OverlayError::set(
            notices.text,
            format!("{place} may not be empty"),
            "give a value, or leave the --set out",
        ));
    }
    if value.len() > 1 && value.starts_with('"') && value.ends_with('"') {
        notices.add("the quotes are a part of the value".into());
    }
    if value.starts_with('{') && value.ends_with('}') {
        notices.add(format!(
            "{value} is text; a list is written {place}[0]=…, {place}[1]=…"
        ));
    }
    let Some(read) = typed(value) else {
        if value.parse::<f64>().is_ok() {
            notices.add(format!("{value} is kept as text"));
        }
        return Ok(text.into());
    };
    let kept = scalar::is_written(&read, value);
    let printed = matches!(&read, Value::Number(number) if fields::is_variable(&place)
        && !(kept && scalar::is_printed(number)));
    if !printed && !fields::is_text(&place) {
        return Ok(read);
    }
    if !kept || printed {
        notices.add(format!("{place} is kept as the text {value:?}"));
    }
    Ok(text.into())
}

fn is_image_part(place: &Path, last: &str) -> bool {
    [
        "spec",
        "spec.values.*",
        "spec.components.*",
        "spec.components.*.[]",
    ]
    .iter()
    .any(|parent| place.matches(&format!("{parent}.{last}")))
}

/// Parses a value as `--set` does; `None` means text.
pub(super) fn typed(value: &str) -> Option<Value> {
    if let Ok(number) = value.parse::<i64>() {
        return Some(number.into());
    }
    if let Ok(number) = value.parse::<f64>() {
        return scalar::float(number);
    }
    match value {
        "t" | "T" | "true" | "True" | "TRUE" => Some(true.into()),
        "f" | "F" | "false" | "False" | "FALSE" => Some(false.into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_typed_as_istioctl_types_them() {
        for (value, want) in [
            ("1.20", json!(1.2)),
            ("2.50", json!(2.5)),
            ("1.0", json!(1)),
            ("01", json!(1)),
            ("+5", json!(5)),
            ("-5", json!(-5)),
            (".5", json!(0.5)),
            ("1e3", json!(1000)),
            ("1e21", json!(1e21)),
            ("1_000", json!("1_000")),
            ("true", json!(true)),
            ("T", json!(true)),
            ("FALSE", json!(false)),
            ("f", json!(false)),
            ("tRue", json!("tRue")),
            ("yes", json!("yes")),
            ("on", json!("on")),
            ("null", json!("null")),
            ("~", json!("~")),
            ("0x10", json!("0x10")),
            ("0o17", json!("0o17")),
            (".nan", json!(".nan")),
            ("inf", json!("inf")),
            ("NaN", json!("NaN")),
            ("1e999", json!("1e999")),
            ("", json!("")),
            ("\"x\"", json!("\"x\"")),
            ("a\\,b", json!("a,b")),
            ("a,b", json!("a,b")),
            (" a b ", json!("a b")),
            ("a=b", json!("a=b")),
        ] {
            let assignment = Assignment::parse(&format!("values.x={value}")).unwrap();
            assert_eq!(assignment.value, want, "{value:?}");
        }
    }

    #[test]
    fn what_is_done_otherwise_is_said() {
        for (text, want) in [
            ("tag=1.31.0", None),
            ("tag=true", None),
            ("tag=20", None),
            ("values.pilot.traceSampling=1.50", None),
            ("tag=1.20", Some("spec.tag is kept as the text \"1.20\"")),
            ("tag=007", Some("spec.tag is kept as the text \"007\"")),
            ("tag=t", Some("spec.tag is kept as the text \"t\"")),
            (
                "components.ingressGateways.[name:ig].tag=1e3",
                Some("spec.components.ingressGateways[name:ig].tag is kept as the text \"1e3\""),
            ),
            ("values.x=inf", Some("inf is kept as text")),
            ("values.x=\"y\"", Some("the quotes are a part of the value")),
            (
                "values.x={a,b}",
                Some("{a,b} is text; a list is written spec.values.x[0]=…, spec.values.x[1]=…"),
            ),
            (
                "values.a//b=c",
                Some("the key keeps its slashes and dots as typed"),
            ),
            (
                "values.http://x/=c",
                Some("the key keeps its slashes and dots as typed"),
            ),
            ("./x=c", Some("the key keeps its slashes and dots as typed")),
            ("values.a/b=c", None),
        ] {
            let notices = Assignment::parse(text).unwrap().notices;
            let said: Vec<_> = notices.iter().map(|notice| notice.text.as_str()).collect();
            assert_eq!(said, Vec::from_iter(want), "{text}");
            assert!(
                notices
                    .iter()
                    .all(|notice| notice.origin == Origin::Set(text.into()))
            );
        }
    }

    #[test]
    fn deep_paths_are_refused_where_they_are_given() {
        for (parts, fits) in [(MAX_DEPTH - 2, true), (MAX_DEPTH - 1, false)] {
            let text = format!("{}b=c", "a.".repeat(parts - 1));
            assert_eq!(Assignment::parse(&text).is_ok(), fits, "{parts}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_parsing_panic(text in ".{0,40}") {
            if let Ok(assignment) = Assignment::parse(&text) {
                prop_assert!(!assignment.path.is_empty());
            }
        }
    }
}
