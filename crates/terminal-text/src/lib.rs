//! Untrusted text, escaped so that it is safe on one line of a terminal.
//!
//! Names, annotations and messages come from tenants of the cluster, registries, images and files.
//! A terminal obeys control characters, and characters that reorder or hide other characters can
//! make a line look different from its content. All text that a person reads goes through this
//! module, and only this module decides what a terminal may show.

use std::borrow::Cow;
use std::fmt::Write as _;

#[cfg(any(test, fuzzing, feature = "test-support"))]
pub mod fuzz;

/// The maximum number of characters of one line. Longer text is cut, and a note gives the number of
/// characters that are left out.
///
/// No sentence of glooistio is nearly as long; an annotation can have 256 KiB.
const LONGEST_LINE: usize = 2_000;

/// The maximum number of combining marks that may follow each other. Accents of real names need
/// two.
const MARKS: usize = 2;

/// Returns one line that cannot control a terminal, cut to a length that a person can read.
pub fn escape_line(text: &str) -> String {
    escape(&cut(text.trim()))
}

/// Returns the text, cut to a length that a person can read.
///
/// Mask secrets before the cut: the masking does not recognize a secret that is cut in two.
pub fn cut(text: &str) -> Cow<'_, str> {
    let Some((end, _)) = text.char_indices().nth(LONGEST_LINE) else {
        return text.into();
    };
    let (shown, rest) = text.split_at(end);
    let left_out = rest.chars().count();
    format!("{shown}… ({left_out} more characters)").into()
}

/// Returns one line that cannot control a terminal, of any length.
///
/// White space becomes a space. A character that a terminal obeys, hides or moves becomes `\u{…}`.
pub fn escape(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    let mut marks = 0;
    for c in text.chars() {
        marks = if is_mark(c) { marks + 1 } else { 0 };
        if c.is_whitespace() {
            line.push(' ');
        } else if is_hidden(c) || marks > MARKS {
            // Writing to a string cannot fail.
            _ = write!(line, "\\u{{{:x}}}", u32::from(c));
        } else {
            line.push(c);
        }
    }
    line
}

/// Returns the lines of `text`, escaped so that they cannot control a terminal, and keeps the
/// colors that glooistio gives them.
///
/// This is the last step before a terminal. Line ends and color sequences (`ESC [ 1 ; 31 m`) stay;
/// everything else that [`escape`] changes is changed. The function cannot distinguish colors and
/// line ends of glooistio from those in untrusted text, so untrusted text goes through
/// [`escape_line`] before it becomes part of a line.
pub fn escape_lines(text: &str) -> String {
    let mut lines = String::with_capacity(text.len());
    for (index, line) in text.split('\n').enumerate() {
        if index > 0 {
            lines.push('\n');
        }
        let mut rest = line;
        while let Some((before, color, after)) = split_at_color(rest) {
            lines.push_str(&escape(before));
            lines.push_str(color);
            rest = after;
        }
        lines.push_str(&escape(rest));
    }
    lines
}

/// Splits a line at its first color sequence: the text before it, the sequence, and the text after
/// it.
fn split_at_color(line: &str) -> Option<(&str, &str, &str)> {
    const START: &str = "\u{1b}[";
    for (start, _) in line.match_indices(START) {
        let parameters = &line[start + START.len()..];
        let end = parameters.find(|c: char| !c.is_ascii_digit() && c != ';');
        if let Some(end) = end
            && parameters[end..].starts_with('m')
        {
            let end = start + START.len() + end + 1;
            return Some((&line[..start], &line[start..end], &line[end..]));
        }
    }
    None
}

/// Returns true if a terminal shows the whole text as it is, on one line.
pub fn is_plain(text: &str) -> bool {
    escape(text) == text
}

/// Returns true if a character controls a terminal, is invisible, or changes how others are shown.
pub fn is_hidden(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_control();
    }
    // Unicode classifies these as letters and symbols, but they are shown as blanks.
    let blank = matches!(
        c,
        '\u{115f}' | '\u{1160}' | '\u{2800}' | '\u{3164}' | '\u{ffa0}'
    );
    // These marks select the look of another character, or join characters invisibly.
    let selects = matches!(c, '\u{34f}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}');
    blank || selects || (!is_mark(c) && c.escape_debug().len() > 1)
}

/// Returns true if a terminal draws the character onto the one before it.
fn is_mark(c: char) -> bool {
    // `escape_debug` escapes a mark only at the start of a text, and a character without a glyph
    // everywhere.
    let escaped = |text: &str| text.escape_debug().count() > text.chars().count();
    let mut after_letter = String::from("a");
    after_letter.push(c);
    !c.is_ascii() && c.escape_debug().len() > 1 && !escaped(&after_letter)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn escapes_whatever_drives_or_misleads_a_terminal() {
        for (text, shown) in [
            ("a\u{1b}[31mb\nc", r"a\u{1b}[31mb c"),
            ("a\r\u{8}b\u{7f}\u{9b}31m", r"a \u{8}b\u{7f}\u{9b}31m"),
            (
                "left\u{202e}right\u{2066}x\u{61c}",
                r"left\u{202e}right\u{2066}x\u{61c}",
            ),
            ("tag\u{e0041}\u{e0001}", r"tag\u{e0041}\u{e0001}"),
            (
                "zero\u{200b}\u{200d}\u{feff}\u{ad}width",
                r"zero\u{200b}\u{200d}\u{feff}\u{ad}width",
            ),
            (
                "fill\u{3164}\u{2800}\u{ffa0}er",
                r"fill\u{3164}\u{2800}\u{ffa0}er",
            ),
            ("pick\u{fe0f}\u{e0100}", r"pick\u{fe0f}\u{e0100}"),
            ("private\u{e000}\u{10fffd}", r"private\u{e000}\u{10fffd}"),
            ("two\u{2028}lines\u{2029}\u{85}", "two lines  "),
            ("Résumé – „ok“ 猫 ±1 …", "Résumé – „ok“ 猫 ±1 …"),
            ("e\u{301}\u{323}", "e\u{301}\u{323}"),
            (
                "e\u{301}\u{301}\u{301}\u{301}",
                "e\u{301}\u{301}\\u{301}\\u{301}",
            ),
        ] {
            assert_eq!(escape(text), shown, "{text:?}");
        }
    }

    #[test]
    fn cuts_a_line_that_nobody_could_read() {
        let shown = escape_line(&"é".repeat(250_000));
        assert_eq!(shown.chars().filter(|c| *c == 'é').count(), LONGEST_LINE);
        assert!(shown.ends_with("… (248000 more characters)"), "{shown}");
        assert_eq!(escape_line("  short \n"), "short");
    }

    #[test]
    fn lines_keep_line_ends_and_colors_only() {
        for (text, shown) in [
            (
                "\u{1b}[1;31merror\u{1b}[0m: a\n  b\n",
                "\u{1b}[1;31merror\u{1b}[0m: a\n  b\n",
            ),
            (
                "a\u{1b}[2Jb\u{1b}]0;title\u{7}",
                r"a\u{1b}[2Jb\u{1b}]0;title\u{7}",
            ),
            ("\u{1b}[\u{1b}[31mx", "\\u{1b}[\u{1b}[31mx"),
            ("\u{1b}[31", r"\u{1b}[31"),
            ("a\r\nb\u{61c}\u{e0041}", "a \nb\\u{61c}\\u{e0041}"),
        ] {
            assert_eq!(escape_lines(text), shown, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn lines_have_no_hidden_character_outside_of_colors(text in "(\u{1b}|\\[|[0-9;m]|\n|\\PC|\\pC){0,40}") {
            for line in escape_lines(&text).split('\n') {
                let mut rest = line;
                while let Some((before, _, after)) = split_at_color(rest) {
                    prop_assert!(is_plain(before));
                    rest = after;
                }
                prop_assert!(is_plain(rest));
            }
        }

        #[test]
        fn output_is_one_plain_line(text in any::<String>()) {
            let line = escape(&text);
            prop_assert!(!line.chars().any(|c| is_hidden(c) || (c.is_whitespace() && c != ' ')));
            prop_assert!(is_plain(&line));
        }
    }
}

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
