//! Tabs that istioctl's YAML parser accepts as spaces, and ours does not.
//!
//! A tab may follow the colon of a key, and indent the lines inside brackets. Only a text that could not be parsed is
//! changed. Every tab becomes one space, so that positions in messages stay right; a line inside brackets that is then
//! not deeper than the line that opened them gets the spaces that our parser requires.

/// Returns the text with such tabs replaced by spaces; `None` if there are none.
pub(super) fn as_spaces(text: &str) -> Option<String> {
    let mut reader = Reader::default();
    let lines = text.split_inclusive('\n').map(|line| reader.line(line));
    let spaced: String = lines.collect();
    (spaced != text).then_some(spaced)
}

/// The state at the beginning of a line.
#[derive(Default)]
struct Reader {
    /// The quote character of an open quoted scalar.
    quote: Option<char>,
    /// Number of open brackets of flow collections.
    depth: usize,
    /// The indentation of the line that opened the first of them.
    outer: usize,
    /// The indentation of the line that began a block scalar: deeper lines are its text.
    block: Option<usize>,
}

impl Reader {
    fn line(&mut self, line: &str) -> String {
        let indent = line.len() - line.trim_start_matches(' ').len();
        if let Some(parent) = self.block {
            if line.trim().is_empty() || indent > parent {
                return line.to_owned();
            }
            self.block = None;
        }
        let inside = self.depth > 0 && self.quote.is_none();
        let mut spaced = self.structure(line);
        if !inside {
            self.outer = indent;
        } else if line.trim_start_matches(' ').starts_with('\t') {
            let width = spaced.len() - spaced.trim_start_matches(' ').len();
            spaced.insert_str(0, &" ".repeat((self.outer + 1).saturating_sub(width)));
        }
        let end = spaced.trim_end();
        let end = end.rsplit(' ').next().unwrap_or_default();
        let header =
            end.starts_with(['|', '>']) && end[1..].chars().all(|c| "+-0123456789".contains(c));
        if header && self.quote.is_none() && self.depth == 0 {
            self.block = Some(indent);
        }
        spaced
    }

    /// Returns a line outside of block scalars with its tabs replaced.
    fn structure(&mut self, line: &str) -> String {
        let mut out = String::with_capacity(line.len());
        let (mut before, mut comment, mut escaped) = (' ', false, false);
        let mut leading = self.depth > 0 && self.quote.is_none();
        for c in line.chars() {
            let separates = leading || ":-?,[{".contains(before) || before == '\u{0}';
            match self.quote {
                _ if comment => out.push(c),
                Some(quote) => {
                    out.push(c);
                    if !escaped && c == quote {
                        self.quote = None;
                    }
                    escaped = quote == '"' && c == '\\' && !escaped;
                }
                None if c == '\t' && separates => {
                    out.push(' ');
                    // The next tab of the run is a separator too.
                    before = '\u{0}';
                    continue;
                }
                None => {
                    self.open(c, before, &mut comment);
                    out.push(c);
                }
            }
            leading = leading && c == ' ';
            before = c;
        }
        out
    }

    fn open(&mut self, c: char, before: char, comment: &mut bool) {
        let starts = before.is_whitespace() || "[{,:-\u{0}".contains(before);
        match c {
            '"' | '\'' if starts => self.quote = Some(c),
            '#' if before.is_whitespace() || before == '\u{0}' => *comment = true,
            '[' | '{' if starts || self.depth > 0 => self.depth += 1,
            ']' | '}' => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tab_that_separates_becomes_a_space() {
        for (text, want) in [
            ("a:\tb\n", "a: b\n"),
            ("a:\t\tb\n", "a:  b\n"),
            ("-\ta: b\n", "- a: b\n"),
            ("a: {\n\t\"b\": 1\n\t}\n", "a: {\n \"b\": 1\n }\n"),
            ("a: [\n \t1,\t2]\n", "a: [\n  1, 2]\n"),
            (
                "a:\n    b: {\n\t\"c\": 1\n    }\n",
                "a:\n    b: {\n     \"c\": 1\n    }\n",
            ),
            ("a: |\n  x\nb:\tc\n", "a: |\n  x\nb: c\n"),
        ] {
            assert_eq!(as_spaces(text).as_deref(), Some(want), "{text:?}");
        }
    }

    #[test]
    fn tab_in_a_value_stays() {
        for text in [
            "a: 'b:\tc'\n",
            "a: \"b\\\":\tc\"\n",
            "a: |\n  b:\tc\n  - d:\te\n",
            "a: >-\n  b:\tc\n\n  d:\te\n",
            "a: b\tc\n",
            "# a:\tb\n",
            "a: b # c:\td\n",
            "\ta: b\n",
            "a:\n\tb: c\n",
        ] {
            assert_eq!(as_spaces(text), None, "{text:?}");
        }
    }
}
