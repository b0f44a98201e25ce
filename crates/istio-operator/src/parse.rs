//! Parses YAML into nodes that record how they were written; number, size and depth are limited.

use std::borrow::Cow;
use std::collections::HashMap;
use std::rc::Rc;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Span, StrInput, Tag};

use super::{OverlayError, Position, fields, tabs};

/// Nodes of a stream with its aliases expanded. The largest real documents have some thousands.
const MAX_NODES: usize = 50_000;
/// Bytes of its scalars with aliases expanded: twice the limit of a file.
const MAX_BYTES: usize = 16 << 20;
pub(super) const MAX_DEPTH: usize = 100;
/// Commas and brackets of a text, more than its nodes need: the scanner keeps all tokens of a flow collection while it
/// can still be a key.
const MAX_FLOW: usize = 4 * MAX_NODES;
/// Documents of a stream: each is compared with every other.
const MAX_DOCUMENTS: usize = 1000;

pub(super) struct Node {
    pub(super) line: usize,
    pub(super) column: usize,
    pub(super) data: Data,
    size: Size,
    height: usize,
}

/// The size of a node, or of a stream so far, with its aliases expanded.
#[derive(Clone, Copy, Default)]
struct Size {
    nodes: usize,
    bytes: usize,
}

impl Size {
    fn add(&mut self, other: Size) {
        self.nodes = self.nodes.saturating_add(other.nodes);
        self.bytes = self.bytes.saturating_add(other.bytes);
    }
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

/// Parses the documents of a stream.
pub(super) fn parse(source: &str, text: &str) -> Result<Vec<Rc<Node>>, OverlayError> {
    /// Each one requires another pass.
    const MAX_OUTDENTED: usize = 50;
    let start = Position {
        source: source.into(),
        line: 1,
        column: 1,
    };
    let flow = text.bytes().filter(|byte| b",[]{}".contains(byte)).count();
    if flow > MAX_FLOW {
        let problem = format!("more than {MAX_FLOW} commas and brackets");
        return Err(OverlayError::file(start, problem, "use several files"));
    }
    let mut text = Cow::Borrowed(text);
    let mut spaced = false;
    for _ in 0..MAX_OUTDENTED {
        match attempt(source, &text) {
            Err(Failure::Outdented(line)) => text = indented(&text, line).into(),
            Err(Failure::Other(error)) => match tabs::as_spaces(&text).filter(|_| !spaced) {
                Some(better) => (text, spaced) = (better.into(), true),
                None => return Err(error),
            },
            Ok(roots) => return Ok(roots),
        }
    }
    let problem = format!("more than {MAX_OUTDENTED} brackets are closed left of their value");
    Err(OverlayError::file(
        start,
        problem,
        "indent the closing brackets",
    ))
}

enum Failure {
    /// A flow collection is closed at an indentation no deeper than its key. YAML forbids it, the parser of istioctl
    /// accepts it, and many files contain it.
    Outdented(usize),
    Other(OverlayError),
}

fn attempt(source: &str, text: &str) -> Result<Vec<Rc<Node>>, Failure> {
    let unfinished = (!text.ends_with(['\n', '\r'])).then(|| text.chars().count());
    let mut builder = Builder {
        source,
        unfinished,
        open: Vec::new(),
        anchors: HashMap::new(),
        roots: Vec::new(),
        size: Size::default(),
    };
    let mut parser: Parser<'_, StrInput<'_>> = Parser::new_from_str(text);
    while let Some(event) = parser.next_event() {
        let (event, span) = event.map_err(|error| unreadable(source, text, &error))?;
        builder.event(event, span).map_err(Failure::Other)?;
    }
    Ok(builder.roots)
}

fn indented(text: &str, line: usize) -> String {
    const ENOUGH: &str = "                                                                ";
    let lines = text.split_inclusive('\n').enumerate();
    lines
        .flat_map(|(at, here)| [if at + 1 == line { ENOUGH } else { "" }, here])
        .collect()
}

fn unreadable(source: &str, text: &str, error: &ScanError) -> Failure {
    let marker = error.marker();
    let line = text
        .lines()
        .nth(marker.line().saturating_sub(1))
        .unwrap_or_default();
    let closes = line.trim_start().starts_with([']', '}']);
    if closes && error.info() == "invalid indentation" {
        return Failure::Outdented(marker.line());
    }
    let indent = &line[..line.len() - line.trim_start().len()];
    let field = line.trim_start().split(':').next().unwrap_or_default();
    let next = if indent.contains('\t') {
        "indent with spaces, a tab may not indent"
    } else if !indent.is_empty()
        && fields::rightful_place(field).is_some()
        && !text.lines().any(|line| line.starts_with("spec:"))
    {
        "are the lines `metadata:` (above name) and `spec:` (above hub and tag) missing?"
    } else {
        "correct the YAML here"
    };
    let problem = format!("not YAML: {}", error.info());
    Failure::Other(OverlayError::file(position(source, *marker), problem, next))
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
    /// Length of the text, if its last line has no line break.
    unfinished: Option<usize>,
    open: Vec<Open>,
    anchors: HashMap<usize, Rc<Node>>,
    roots: Vec<Rc<Node>>,
    /// Everything that was read so far, so that a stream that is too large is refused before the whole of it is in
    /// memory.
    size: Size,
}

struct Open {
    start: Marker,
    anchor: usize,
    children: Vec<Rc<Node>>,
    map: bool,
}

impl Builder<'_> {
    fn event(&mut self, event: Event<'_>, span: Span) -> Result<(), OverlayError> {
        let at = span.start;
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let mut text = text.into_owned();
                let block = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
                if block
                    && self
                        .unfinished
                        .is_some_and(|length| span.end.index() >= length)
                {
                    // No line break was written, so none is part of the value.
                    text.truncate(text.trim_end_matches('\n').len());
                }
                let plain = style == ScalarStyle::Plain;
                let tag = self.tag(tag.as_deref(), at)?;
                self.close(at, anchor, Data::Scalar { text, plain, tag })
            }
            Event::SequenceStart(anchor, tag) => self.start(at, anchor, tag.as_deref(), false),
            Event::MappingStart(anchor, tag) => self.start(at, anchor, tag.as_deref(), true),
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            Event::Alias(anchor) => match self.anchors.get(&anchor).cloned() {
                Some(node) => self.count(node.size, at).and_then(|()| self.add(node, at)),
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
        let own = Size {
            nodes: 1,
            bytes: match &data {
                Data::Scalar { text, .. } => text.len(),
                _ => 0,
            },
        };
        self.count(own, at)?;
        let mut size = own;
        for child in &children {
            size.add(child.size);
        }
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
            size,
            height,
        });
        if anchor != 0 {
            self.anchors.insert(anchor, Rc::clone(&node));
        }
        self.add(node, at)
    }

    /// Adds to what was read, and refuses too much.
    fn count(&mut self, size: Size, at: Marker) -> Result<(), OverlayError> {
        self.size.add(size);
        let most = if self.size.nodes > MAX_NODES {
            format!("{MAX_NODES} values")
        } else if self.size.bytes > MAX_BYTES {
            format!("{} MiB", MAX_BYTES >> 20)
        } else {
            return Ok(());
        };
        let problem = format!("this has more than {most}, aliases written out");
        Err(self.refuse(at, &problem, "use fewer aliases, or several files"))
    }

    fn add(&mut self, node: Rc<Node>, at: Marker) -> Result<(), OverlayError> {
        if self.open.len() + node.height > MAX_DEPTH {
            return Err(self.too_deep(at));
        }
        match self.open.last_mut() {
            Some(open) => open.children.push(node),
            None if self.roots.len() == MAX_DOCUMENTS => {
                let problem = format!("more than {MAX_DOCUMENTS} documents in one file");
                return Err(self.refuse(at, &problem, "use several files"));
            }
            None => self.roots.push(node),
        }
        Ok(())
    }

    /// Returns `!!str` as `str`; a custom tag is refused, because it has no meaning here.
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
            Ok(_) => panic!("{text:.200} was read"),
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
        let long = format!(
            "a: &a {}\nb: [{}]\n",
            "x".repeat(200_000),
            "*a, ".repeat(100)
        );
        assert!(refusal(&long).contains("more than 16 MiB"));
        // Each document alone is small enough.
        let many = "---\na: &a [x, x, x, x, x, x, x, x]\nb: &b [*a, *a, *a, *a]\nc: [*b, *b, *b, *b, *b]\n";
        assert!(refusal(&many.repeat(MAX_DOCUMENTS)).contains("more than 50000 values"));
        assert!(refusal(&"---\na: b\n".repeat(MAX_DOCUMENTS + 1)).contains("documents"));
        let flat = format!("[{}]", "a,".repeat(MAX_NODES));
        assert!(refusal(&flat).contains("more than 50000 values"));
        assert!(refusal(&flat.repeat(5)).contains("commas and brackets"));
        assert!(refusal(&"[".repeat(MAX_DEPTH + 1)).contains("nested deeper"));
        let mut chain = String::from("a0: &a0 [x]\n");
        for level in 1..=MAX_DEPTH {
            chain = format!("{chain}a{level}: &a{level} [*a{}]\n", level - 1);
        }
        assert!(refusal(&chain).contains("nested deeper"));
    }

    #[test]
    fn brackets_may_close_where_their_key_stands() {
        let text = "a:\n  b: [\n    1, {\n    c: 2\n  }\n  ]\n  d: {\n  }\ne: '\n  ]'\n";
        assert_eq!(parse("f", text).unwrap().len(), 1);
        let many = "a:\n  b: [\n  ]\n".replace('a', "k");
        let many: String = (0..60)
            .map(|at| many.replace('k', &format!("k{at}")))
            .collect();
        assert!(refusal(&many).ends_with("indent the closing brackets"));
    }

    #[test]
    fn a_block_at_the_end_has_the_line_break_that_was_written() {
        for (text, want) in [
            ("a: |\n  b\n", "b\n"),
            ("a: |\n  b", "b"),
            ("a: >\n  b\n  c", "b c"),
            ("a: |-\n  b", "b"),
            ("a: |\n  b\nc: d", "b\n"),
            ("a: |\n  b\r\n", "b\n"),
        ] {
            let roots = parse("f", text).unwrap();
            let Data::Map(pairs) = &roots[0].data else {
                panic!("{text}")
            };
            let Data::Scalar { text: found, .. } = &pairs[0].1.data else {
                panic!("{text}")
            };
            assert_eq!(found, want, "{text:?}");
        }
    }
}
