//! Helpers of the fuzz targets, and the properties of an escaped line that hold for any text.

use super::{LONGEST_LINE, MARKS, escape, escape_line, is_plain};

/// The length of the longest escape sequence, `\u{10ffff}`.
const LONGEST_ESCAPE: usize = 10;

/// An upper bound for the number of characters of the note that `escape_line` adds to a line that
/// it cuts.
const LONGEST_NOTE: usize = 64;

/// The bytes of a fuzz input, consumed from the front.
///
/// After the end every byte is 0, so that an input of any length can be read as any structure.
pub struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Input(bytes)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        *first
    }

    /// Returns up to `count` bytes.
    pub fn bytes(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// Returns the rest, split at each byte 0xff, which does not occur in UTF-8.
    pub fn texts(self) -> Vec<String> {
        let parts = self.0.split(|byte| *byte == 0xff);
        parts
            .map(|part| String::from_utf8_lossy(part).into_owned())
            .collect()
    }
}

/// Checks a text of any length, escaped as a whole line and as a line that may be cut.
///
/// # Panics
///
/// Panics if a property does not hold.
pub fn lines(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (line, characters) = (escape(&text), text.chars().count());
    assert_shown(&line, false);
    assert!(line.chars().count() <= characters * LONGEST_ESCAPE);
    assert_eq!(
        escape(&line),
        line,
        "what is escaped once stays as it is: {text:?}"
    );
    assert_eq!(is_plain(&text), line == text);
    // Escaping loses nothing except the kind of white space.
    for c in text.chars().filter(|c| !c.is_whitespace()) {
        let escaped = || format!("\\u{{{:x}}}", u32::from(c));
        assert!(line.contains(c) || line.contains(&escaped()), "{c:?}");
    }

    let cut = escape_line(&text);
    assert_shown(&cut, false);
    assert!(cut.chars().count() <= LONGEST_LINE * LONGEST_ESCAPE + LONGEST_NOTE);
    let trimmed = text.trim();
    if trimmed.chars().count() <= LONGEST_LINE {
        assert_eq!(cut, escape(trimmed));
    } else {
        assert!(cut.ends_with(" more characters)"), "{cut}");
        let kept: String = trimmed.chars().take(LONGEST_LINE).collect();
        assert!(cut.starts_with(&escape(&kept)));
    }
}

/// Asserts that a terminal shows a text as it is: one line, or `lines` of a document, which keeps
/// the combining marks of its texts.
///
/// The table follows Unicode's own lists, so that it does not share a bug with the code that it
/// checks.
///
/// # Panics
///
/// Panics if a character controls a terminal.
pub fn assert_shown(text: &str, lines: bool) {
    let hidden = |c: char| match c {
        '\n' => !lines,
        // Category Cc, and line separators.
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}'
        // Category Cf: invisible signs, joiners, directions, tags.
        | '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
        | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}'
        // Blank letters and variation selectors.
        | '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{2800}' | '\u{3164}' | '\u{ffa0}' | '\u{fe00}'..='\u{fe0f}'
        // Private use: the font decides what they look like.
        | '\u{e000}'..='\u{f8ff}' | '\u{f0000}'.. => true,
        ' ' => false,
        c => c.is_whitespace(),
    };
    let found = text.chars().find(|c| hidden(*c));
    assert!(found.is_none(), "{found:?} in {text:?}");
    let mark = |c: &char| {
        matches!(c, '\u{300}'..='\u{34e}' | '\u{350}'..='\u{36f}' | '\u{1dc0}'..='\u{1dff}'
            | '\u{20d0}'..='\u{20f0}' | '\u{fe20}'..='\u{fe2f}')
    };
    let mut run = 0;
    for c in text.chars() {
        run = if mark(&c) { run + 1 } else { 0 };
        assert!(lines || run <= MARKS, "a heap of marks in {text:?}");
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn holds_on_any_text(text in any::<String>(), times in 1..50_usize) {
            lines(text.as_bytes());
            lines(text.repeat(times).as_bytes());
        }
    }

    #[test]
    fn holds_on_every_character() {
        for c in '\0'..=char::MAX {
            assert_shown(&escape(&format!("a{c}")), false);
        }
    }
}
