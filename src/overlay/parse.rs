//! YAML into nodes that still know how they were written; growth by aliases and depth are bounded.

use std::collections::HashMap;
use std::rc::Rc;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, StrInput, Tag};

use super::{OverlayError, Position};

/// Nodes after expansion of aliases. The largest real documents have some thousands.
const MAX_NODES: usize = 1_000_000;
const MAX_DEPTH: usize = 100;

pub(super) struct Node {
    pub(super) line: usize,
    pub(super) column: usize,
    pub(super) data: Data,
    /// How many nodes this is, aliases expanded.
    weight: usize,
    height: usize,
}

pub(super) enum Data {
    Scalar {
        text: String,
        plain: bool,
        tag: Option<String>,
    },
    List(Vec<Rc<Node>>),
    Map(Vec<(Rc<Node>, Rc<Node>)>),
}

/// The documents of a stream.
pub(super) fn parse(source: &str, text: &str) -> Result<Vec<Rc<Node>>, OverlayError> {
    let mut builder = Builder {
        source,
        open: Vec::new(),
        anchors: HashMap::new(),
        roots: Vec::new(),
    };
    let mut parser: Parser<'_, StrInput<'_>> = Parser::new_from_str(text);
    while let Some(event) = parser.next_event() {
        let (event, span) = event.map_err(|e| unreadable(source, text, &e))?;
        builder.event(event, span.start)?;
    }
    Ok(builder.roots)
}

fn unreadable(source: &str, text: &str, error: &ScanError) -> OverlayError {
    let marker = error.marker();
    let line = text
        .lines()
        .nth(marker.line().saturating_sub(1))
        .unwrap_or_default();
    let indent = &line[..line.len() - line.trim_start().len()];
    let next = if indent.contains('\t') {
        "indent with spaces, a tab may not indent"
    } else {
        "correct the YAML here"
    };
    let problem = format!("not YAML: {}", error.info());
    OverlayError::file(position(source, *marker), problem, next)
}

fn position(source: &str, marker: Marker) -> Position {
    Position {
        source: source.into(),
        line: marker.line().max(1),
        column: marker.col() + 1,
    }
}

struct Builder<'a> {
    source: &'a str,
    open: Vec<Open>,
    anchors: HashMap<usize, Rc<Node>>,
    roots: Vec<Rc<Node>>,
}

struct Open {
    start: Marker,
    anchor: usize,
    children: Vec<Rc<Node>>,
    map: bool,
}

impl Builder<'_> {
    fn event(&mut self, event: Event<'_>, at: Marker) -> Result<(), OverlayError> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain;
                let tag = self.tag(tag.as_deref(), at)?;
                let data = Data::Scalar {
                    text: text.into_owned(),
                    plain,
                    tag,
                };
                self.close(at, anchor, data)
            }
            Event::SequenceStart(anchor, tag) => self.start(at, anchor, tag.as_deref(), false),
            Event::MappingStart(anchor, tag) => self.start(at, anchor, tag.as_deref(), true),
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            Event::Alias(anchor) => match self.anchors.get(&anchor).cloned() {
                Some(node) => self.add(node, at),
                None => Err(self.refuse(at, "the anchor contains itself", "write the value out")),
            },
            _ => Ok(()),
        }
    }

    fn start(
        &mut self,
        start: Marker,
        anchor: usize,
        tag: Option<&Tag>,
        map: bool,
    ) -> Result<(), OverlayError> {
        let tag = self.tag(tag, start)?;
        if tag.is_some_and(|tag| tag != if map { "map" } else { "seq" }) {
            return Err(self.refuse(start, "this tag does not fit the value", "remove the tag"));
        }
        if self.open.len() >= MAX_DEPTH {
            return Err(self.too_deep(start));
        }
        self.open.push(Open {
            start,
            anchor,
            children: Vec::new(),
            map,
        });
        Ok(())
    }

    fn end(&mut self) -> Result<(), OverlayError> {
        let Some(Open {
            start,
            anchor,
            children,
            map,
        }) = self.open.pop()
        else {
            return Ok(());
        };
        let data = if map {
            let (pairs, _) = children.as_chunks::<2>();
            Data::Map(
                pairs
                    .iter()
                    .map(|[key, value]| (Rc::clone(key), Rc::clone(value)))
                    .collect(),
            )
        } else {
            Data::List(children)
        };
        self.close(start, anchor, data)
    }

    fn close(&mut self, at: Marker, anchor: usize, data: Data) -> Result<(), OverlayError> {
        let children: Vec<&Rc<Node>> = match &data {
            Data::Scalar { .. } => Vec::new(),
            Data::List(items) => items.iter().collect(),
            Data::Map(pairs) => pairs.iter().flat_map(|(key, value)| [key, value]).collect(),
        };
        let weight = children
            .iter()
            .fold(1_usize, |sum, child| sum.saturating_add(child.weight));
        let height = 1 + children
            .iter()
            .map(|child| child.height)
            .max()
            .unwrap_or_default();
        let (line, column) = (at.line().max(1), at.col() + 1);
        let node = Rc::new(Node {
            line,
            column,
            data,
            weight,
            height,
        });
        if anchor != 0 {
            self.anchors.insert(anchor, Rc::clone(&node));
        }
        self.add(node, at)
    }

    fn add(&mut self, node: Rc<Node>, at: Marker) -> Result<(), OverlayError> {
        if node.weight > MAX_NODES {
            let problem =
                format!("with its aliases written out this has more than {MAX_NODES} values");
            return Err(self.refuse(at, &problem, "use fewer aliases"));
        }
        if self.open.len() + node.height > MAX_DEPTH {
            return Err(self.too_deep(at));
        }
        match self.open.last_mut() {
            Some(open) => open.children.push(node),
            None => self.roots.push(node),
        }
        Ok(())
    }

    /// `!!str` as `str`; a tag of one's own means nothing here.
    fn tag(&self, tag: Option<&Tag>, at: Marker) -> Result<Option<String>, OverlayError> {
        match tag {
            None => Ok(None),
            Some(tag) if tag.is_yaml_core_schema() => Ok(Some(tag.suffix.clone())),
            Some(tag) if tag.handle.is_empty() && tag.suffix == "!" => Ok(Some("str".into())),
            Some(tag) => {
                let problem = format!("the tag {tag} has no meaning in an IstioOperator");
                Err(self.refuse(at, &problem, "remove the tag"))
            }
        }
    }

    fn too_deep(&self, at: Marker) -> OverlayError {
        self.refuse(
            at,
            &format!("nested deeper than {MAX_DEPTH} levels"),
            "make it flatter",
        )
    }

    fn refuse(&self, at: Marker, problem: &str, next: &str) -> OverlayError {
        OverlayError::file(position(self.source, at), problem, next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        match parse("f", text) {
            Ok(_) => panic!("{text:?} was read"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn what_is_not_yaml_is_refused_with_its_place() {
        for (text, start, end) in [
            ("a:\n\tb: c\n", "f:2:", "a tab may not indent"),
            ("a: [1, 2\n", "f:", "correct the YAML here"),
            ("a: *b\n", "f:1:", "correct the YAML here"),
            (
                "a: &x [*x]\n",
                "f:1:8: the anchor contains itself",
                "write the value out",
            ),
            ("a: !secret b\n", "f:1:", "remove the tag"),
            ("a: !!map [b]\n", "f:1:", "remove the tag"),
        ] {
            let message = refusal(text);
            assert!(
                message.starts_with(start) && message.ends_with(end),
                "{text:?}: {message}"
            );
        }
    }

    #[test]
    fn growth_is_bounded() {
        let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for level in 1..9 {
            let inner = vec![format!("*a{}", level - 1); 10].join(", ");
            bomb = format!("{bomb}a{level}: &a{level} [{inner}]\n");
        }
        assert!(refusal(&bomb).contains("use fewer aliases"));
        assert!(refusal(&"[".repeat(MAX_DEPTH + 1)).contains("nested deeper"));
        let mut chain = String::from("a0: &a0 [x]\n");
        for level in 1..=MAX_DEPTH {
            chain = format!("{chain}a{level}: &a{level} [*a{}]\n", level - 1);
        }
        assert!(refusal(&chain).contains("nested deeper"));
    }
}
