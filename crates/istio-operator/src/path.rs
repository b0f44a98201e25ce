//! Paths: of a value in a document, and as written after `--set`.

use std::fmt;

/// One step from a value to a value inside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    Key(String),
    /// An element of a list, by its `name` if it has one, because paths must stay valid after merging.
    Item {
        index: usize,
        name: Option<String>,
    },
}

/// The path from the top of a document to a value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Path(Vec<Step>);

impl Path {
    pub(super) fn push_key(&mut self, key: &str) {
        self.0.push(Step::Key(key.into()));
    }

    pub(super) fn push_item(&mut self, index: usize, name: Option<&str>) {
        self.0.push(Step::Item {
            index,
            name: name.map(str::to_owned),
        });
    }

    pub(super) fn pop(&mut self) {
        self.0.pop();
    }

    /// Whether the path matches `pattern`: words with dots between them, `*` for any key, `[]` for any element.
    pub(super) fn matches(&self, pattern: &str) -> bool {
        fits(&self.0, pattern)
    }

    /// Returns the keys, with `[]` for an element.
    pub(super) fn words(&self) -> Vec<&str> {
        self.0
            .iter()
            .map(|step| match step {
                Step::Key(key) => key.as_str(),
                Step::Item { .. } => "[]",
            })
            .collect()
    }

    pub(super) fn steps(&self) -> &[Step] {
        &self.0
    }

    pub(super) fn from_steps(steps: &[Step]) -> Path {
        Path(steps.to_vec())
    }

    /// Returns the steps below `root`, if the path leads through it.
    pub(super) fn below(&self, root: &str) -> Option<&[Step]> {
        let (front, rest) = self.0.split_at_checked(root.split('.').count())?;
        fits(front, root).then_some(rest)
    }
}

/// Matches steps like [`Path::matches`]. The last step is compared first, because it rules out most patterns at once.
pub(super) fn fits(steps: &[Step], pattern: &str) -> bool {
    let end = match steps.last() {
        Some(Step::Key(key)) => pattern.ends_with('*') || pattern.ends_with(key.as_str()),
        Some(Step::Item { .. }) => pattern.ends_with("[]"),
        None => pattern.is_empty(),
    };
    let mut words = pattern.split('.').filter(|word| !word.is_empty());
    end && steps.iter().all(|step| match (step, words.next()) {
        (Step::Key(key), Some(word)) => word == "*" || word == key,
        (Step::Item { .. }, Some(word)) => word == "[]",
        (_, None) => false,
    }) && words.next().is_none()
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, step) in self.0.iter().enumerate() {
            match step {
                Step::Key(key) => {
                    let dot = if place == 0 { "" } else { "." };
                    write!(f, "{dot}{}", key.replace('.', "\\."))?;
                }
                Step::Item {
                    name: Some(name), ..
                } => write!(f, "[name:{name}]")?,
                Step::Item { index, name: None } => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

/// One step as written after `--set`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Segment {
    Key(String),
    /// `[i]`; an index beyond the end, or a negative one, appends.
    Index(Option<usize>),
    /// `[key:value]`, the element in which `key` is `value`.
    Pair {
        key: String,
        value: String,
    },
    /// `[:value]`, the element that is `value`.
    Element(String),
}

impl fmt::Display for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => f.write_str(&key.replace('.', "\\.")),
            Self::Index(Some(index)) => write!(f, "[{index}]"),
            Self::Index(None) => f.write_str("[-1]"),
            Self::Pair { key, value } => write!(f, "[{key}:{value}]"),
            Self::Element(value) => write!(f, "[:{value}]"),
        }
    }
}

/// Parses `a.b\.c[0].[name:x]` into segments; the error is the part that is not one.
pub(super) fn segments(text: &str) -> Result<Vec<Segment>, String> {
    let mut found = Vec::new();
    for part in split(text).filter(|part| !part.is_empty()) {
        match part.find('[') {
            None => found.push(Segment::Key(part)),
            Some(0) => found.push(bracket(&part)?),
            Some(place) => {
                found.push(Segment::Key(part[..place].into()));
                found.push(bracket(&part[place..])?);
            }
        }
    }
    Ok(found)
}

/// Splits a path at its dots; `\.` is a dot in a part, any other backslash is unchanged.
fn split(text: &str) -> impl Iterator<Item = String> {
    const HELD: &str = "\u{0}";
    text.replace("\\.", HELD)
        .split('.')
        .map(|part| part.replace(HELD, "."))
        .collect::<Vec<_>>()
        .into_iter()
}

fn bracket(part: &str) -> Result<Segment, String> {
    let inner = part
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let inner = inner.ok_or_else(|| part.to_owned())?;
    if let Ok(index) = inner.parse::<i64>() {
        return Ok(Segment::Index(usize::try_from(index).ok()));
    }
    match inner.split_once(':') {
        Some(("", value)) => Ok(Segment::Element(value.into())),
        Some((key, value)) => Ok(Segment::Pair {
            key: key.into(),
            value: value.into(),
        }),
        None => Err(part.into()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(text: &str) -> Segment {
        Segment::Key(text.into())
    }

    #[test]
    fn paths_after_set_are_split_as_istioctl_splits_them() {
        let name = |value: &str| Segment::Pair {
            key: "name".into(),
            value: value.into(),
        };
        for (text, want) in [
            ("tag", vec![key("tag")]),
            (".tag", vec![key("tag")]),
            ("tag.", vec![key("tag")]),
            ("..tag", vec![key("tag")]),
            ("values..global", vec![key("values"), key("global")]),
            ("a\\.b/c", vec![key("a.b/c")]),
            ("a\\b", vec![key("a\\b")]),
            ("a[0].b", vec![key("a"), Segment::Index(Some(0)), key("b")]),
            ("a.[0].b", vec![key("a"), Segment::Index(Some(0)), key("b")]),
            ("a[-1]", vec![key("a"), Segment::Index(None)]),
            ("a.[name:x]", vec![key("a"), name("x")]),
            ("a.[name:x\\.y]", vec![key("a"), name("x.y")]),
            ("a.[:v]", vec![key("a"), Segment::Element("v".into())]),
            ("http://x/", vec![key("http://x/")]),
        ] {
            assert_eq!(segments(text), Ok(want), "{text}");
        }
    }

    #[test]
    fn a_bracket_that_selects_nothing_is_named() {
        for (text, part) in [
            ("a[b", "[b"),
            ("a[x]", "[x]"),
            ("a[0][1]", "[0][1]"),
            ("a.[name:x.y]", "[name:x"),
        ] {
            assert_eq!(segments(text), Err(part.into()), "{text}");
        }
    }

    #[test]
    fn patterns_match_whole_paths_only() {
        let mut path = Path::default();
        path.push_key("spec");
        path.push_key("components");
        path.push_key("ingressGateways");
        path.push_item(0, Some("ig"));
        path.push_key("tag");
        for (pattern, want) in [
            ("spec.components.*.[].tag", true),
            ("spec.components.ingressGateways.[].tag", true),
            ("spec.components.*.[]", false),
            ("spec.components.*.*.tag", false),
            ("spec.components.*.[].tag.x", false),
        ] {
            assert_eq!(path.matches(pattern), want, "{pattern}");
        }
        assert_eq!(
            path.to_string(),
            "spec.components.ingressGateways[name:ig].tag"
        );
    }

    proptest! {
        #[test]
        fn splitting_a_path_never_panics_and_keys_print_back(text in ".{0,40}") {
            if let Ok(found) = segments(&text) {
                for segment in found {
                    let again = segments(&segment.to_string());
                    let stable = !text.contains(['[', '\\', '\u{0}']);
                    prop_assert!(!stable || again == Ok(vec![segment]));
                }
            }
        }
    }
}
