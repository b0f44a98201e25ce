//! Lines on a page: wrapped, indented, marked and coloured by a [`Style`].

use std::io::{self, Write};

use anstyle::{AnsiColor, Style as Ansi};

use super::{Detail, Style};
use terminal_text::{escape, escape_line};

/// Blanks between two columns of a table.
const GAP: usize = 2;

/// The meaning of a piece of text, which decides its colour and glyph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Tone {
    Plain,
    Heading,
    Dim,
    Command,
    Good,
    Warned,
    Bad,
    Unknown,
    Aside,
}

impl Tone {
    fn ansi(self) -> Ansi {
        let plain = Ansi::new();
        match self {
            Tone::Plain => plain,
            Tone::Heading => plain.bold(),
            Tone::Dim | Tone::Aside => plain.dimmed(),
            Tone::Command => plain.fg_color(Some(AnsiColor::Cyan.into())),
            Tone::Good => plain.bold().fg_color(Some(AnsiColor::Green.into())),
            Tone::Warned | Tone::Unknown => plain.bold().fg_color(Some(AnsiColor::Yellow.into())),
            Tone::Bad => plain.bold().fg_color(Some(AnsiColor::Red.into())),
        }
    }

    fn glyph(self, ascii: bool) -> char {
        match (self, ascii) {
            (Tone::Good, false) => '√',
            (Tone::Good, true) => '+',
            (Tone::Warned, false) => '‼',
            (Tone::Warned, true) => '!',
            (Tone::Bad, false) => '×',
            (Tone::Bad, true) => 'x',
            (Tone::Unknown, _) => '?',
            _ => '-',
        }
    }
}

/// Width of the label column of [`Page::labelled`].
const LABEL: usize = 10;
/// Text is wrapped at no less than this many columns, even on a narrower terminal.
const LEAST_ROOM: usize = 16;

pub(super) struct Page<'a> {
    style: &'a Style,
    out: &'a mut dyn Write,
}

impl<'a> Page<'a> {
    pub(super) fn new(style: &'a Style, out: &'a mut dyn Write) -> Self {
        Page { style, out }
    }

    /// Whether everything is shown.
    pub(super) fn is_verbose(&self) -> bool {
        self.style.detail == Detail::Verbose
    }

    /// Whether only problems are shown.
    pub(super) fn is_quiet(&self) -> bool {
        self.style.detail == Detail::Quiet
    }

    pub(super) fn blank(&mut self) -> io::Result<()> {
        writeln!(self.out)
    }

    /// Writes a heading and below it a line of dashes of the same length.
    pub(super) fn heading(&mut self, text: &str) -> io::Result<()> {
        let text = self.shown(text);
        self.line(0, Tone::Heading, &text)?;
        let dashes = "-".repeat(text.chars().count());
        self.line(0, Tone::Plain, &dashes)
    }

    /// Writes a glyph and a text; wrapped lines are aligned with the text.
    pub(super) fn marked(&mut self, tone: Tone, text: &str) -> io::Result<()> {
        let glyph = self.paint(tone, &tone.glyph(self.style.ascii).to_string());
        for (index, line) in self.wrap(2, text).iter().enumerate() {
            if index == 0 {
                writeln!(self.out, "{glyph} {line}")?;
            } else {
                writeln!(self.out, "  {line}")?;
            }
        }
        Ok(())
    }

    /// Writes `label     text`; wrapped lines are aligned with the text, or start further left if a word is too long.
    pub(super) fn labelled(&mut self, indent: usize, label: &str, text: &str) -> io::Result<()> {
        for (index, line) in self.wrap(indent + LABEL, text).iter().enumerate() {
            if index > 0 {
                let room = self.style.width.saturating_sub(line.chars().count());
                let indent = room.min(indent + LABEL);
                writeln!(self.out, "{:indent$}{line}", "")?;
                continue;
            }
            let label = self.label(label);
            writeln!(self.out, "{:indent$}{label}{line}", "")?;
        }
        Ok(())
    }

    /// Writes a labelled command: never broken, so that it can be copied.
    pub(super) fn command(&mut self, indent: usize, label: &str, text: &str) -> io::Result<()> {
        let label = self.label(label);
        // A command that is cut would be another command.
        let command = self.paint(Tone::Command, &self.drawn(escape(text)));
        writeln!(self.out, "{:indent$}{label}{command}", "")
    }

    pub(super) fn paragraph(&mut self, indent: usize, tone: Tone, text: &str) -> io::Result<()> {
        for line in self.wrap(indent, text) {
            self.line(indent, tone, &line)?;
        }
        Ok(())
    }

    /// Writes one line that is never broken.
    pub(super) fn verbatim(&mut self, indent: usize, text: &str) -> io::Result<()> {
        let text = self.drawn(escape(text));
        self.line(indent, Tone::Command, &text)
    }

    /// Writes rows in columns as wide as their widest cell; the first row is the header.
    pub(super) fn table<R: AsRef<[String]>>(&mut self, rows: &[R]) -> io::Result<()> {
        let widths = self.widths(rows);
        for row in rows {
            let cells: Vec<String> = row
                .as_ref()
                .iter()
                .zip(&widths)
                .map(|(cell, width)| (cell, *width))
                .map(|(cell, width)| format!("{:width$}", self.shown(cell)))
                .collect();
            writeln!(self.out, "{}", cells.join(&" ".repeat(GAP)).trim_end())?;
        }
        Ok(())
    }

    /// Returns the width of each column in characters.
    fn widths<R: AsRef<[String]>>(&self, rows: &[R]) -> Vec<usize> {
        let mut widths = Vec::new();
        for row in rows {
            let row = row.as_ref();
            widths.resize(widths.len().max(row.len()), 0);
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(self.shown(cell).chars().count());
            }
        }
        widths
    }

    /// Whether these rows fit into the page as a table.
    pub(super) fn fits<R: AsRef<[String]>>(&self, rows: &[R]) -> bool {
        let widths = self.widths(rows);
        let gaps = widths.len().saturating_sub(1) * GAP;
        widths.iter().sum::<usize>() + gaps <= self.style.width
    }

    /// Returns the glyph of a tone, as this page shows it.
    pub(super) fn glyph(&self, tone: Tone) -> char {
        tone.glyph(self.style.ascii)
    }

    /// Writes a sentence that ends with a glyph.
    pub(super) fn verdict(&mut self, text: &str, tone: Tone) -> io::Result<()> {
        let glyph = self.paint(tone, &tone.glyph(self.style.ascii).to_string());
        writeln!(self.out, "{} {glyph}", self.shown(text))
    }

    /// Returns a label padded to the width of its column.
    fn label(&self, text: &str) -> String {
        self.paint(Tone::Dim, &format!("{:<LABEL$}", self.shown(text)))
    }

    /// Writes a line without escaping it: every caller has escaped the text.
    fn line(&mut self, indent: usize, tone: Tone, text: &str) -> io::Result<()> {
        let text = self.paint(tone, text);
        writeln!(self.out, "{:indent$}{text}", "")
    }

    fn paint(&self, tone: Tone, text: &str) -> String {
        let ansi = tone.ansi();
        if !self.style.color || text.trim().is_empty() || ansi == Ansi::new() {
            return text.to_owned();
        }
        format!("{ansi}{text}{ansi:#}")
    }

    fn wrap(&self, indent: usize, text: &str) -> Vec<String> {
        wrap(
            &self.shown(text),
            self.style.width.saturating_sub(indent).max(LEAST_ROOM),
        )
    }

    fn shown(&self, text: &str) -> String {
        self.drawn(escape_line(text))
    }

    /// Replaces characters that the terminal cannot show.
    fn drawn(&self, text: String) -> String {
        if self.style.ascii {
            to_ascii(&text)
        } else {
            text
        }
    }
}

/// Replaces the characters of a text that an ASCII terminal cannot show.
pub fn to_ascii(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            c if c.is_ascii() => plain.push(c),
            '×' => plain.push('x'),
            '–' | '—' => plain.push('-'),
            '→' => plain.push_str("->"),
            '≤' => plain.push_str("<="),
            '≥' => plain.push_str(">="),
            '…' => plain.push_str("..."),
            _ => plain.push('?'),
        }
    }
    plain
}

/// Wraps a text at blanks; a word that is longer than `room` is not broken.
pub fn wrap(text: &str, room: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut used = 0;
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if used > 0 && used + 1 + length > room {
            lines.push(String::new());
            used = 0;
        }
        if let Some(line) = lines.last_mut() {
            if used > 0 {
                line.push(' ');
                used += 1;
            }
            line.push_str(word);
            used += length;
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_long_word_is_never_cut() {
        assert_eq!(
            wrap("see https://docs.solo.io/istio now", 8),
            ["see", "https://docs.solo.io/istio", "now"]
        );
    }

    #[test]
    fn a_digest_in_a_wrapped_line_still_fits_the_terminal() {
        let style = Style {
            color: false,
            width: 80,
            ascii: false,
            detail: Detail::Normal,
        };
        let mut bytes = Vec::new();
        let digest = format!("sha256:{}", "a".repeat(64));
        let mut page = Page::new(&style, &mut bytes);
        page.labelled(4, "chain", &format!("1. the file is {digest} (x)"))
            .unwrap();
        assert_eq!(
            String::from_utf8(bytes).unwrap(),
            format!("    chain     1. the file is\n         {digest}\n              (x)\n")
        );
    }

    #[test]
    fn every_writer_escapes_text_that_drives_a_terminal() {
        const HOSTILE: &str = "a\u{1b}[2Jb\r\nc\u{202e}d\u{7}\u{9b}e\u{200b}";
        type Write = fn(&mut Page<'_>) -> io::Result<()>;
        let writers: [(&str, usize, Write); 9] = [
            ("heading", 2, |page| page.heading(HOSTILE)),
            ("marked", 1, |page| page.marked(Tone::Bad, HOSTILE)),
            ("label", 1, |page| page.labelled(4, HOSTILE, "x")),
            ("labelled", 1, |page| page.labelled(4, "x", HOSTILE)),
            ("label of command", 1, |page| page.command(4, HOSTILE, "x")),
            ("command", 1, |page| page.command(4, "x", HOSTILE)),
            ("verbatim", 1, |page| page.verbatim(4, HOSTILE)),
            ("verdict", 1, |page| page.verdict(HOSTILE, Tone::Good)),
            ("table", 2, |page| {
                page.table(&[[HOSTILE.to_owned()], ["x".to_owned()]])
            }),
        ];
        let paragraph: (&str, usize, Write) =
            ("paragraph", 1, |page| page.paragraph(0, Tone::Dim, HOSTILE));
        for (name, lines, write) in writers.into_iter().chain([paragraph]) {
            let style = Style {
                color: false,
                width: 200,
                ascii: false,
                detail: Detail::Normal,
            };
            let mut bytes = Vec::new();
            write(&mut Page::new(&style, &mut bytes)).unwrap();
            let text = String::from_utf8(bytes).unwrap();
            assert_eq!(text.lines().count(), lines, "{name}: {text:?}");
            for line in text.lines() {
                assert!(terminal_text::is_plain(line), "{name}: {line:?}");
            }
            assert!(text.contains("a\\u{1b}[2Jb"), "{name}: {text:?}");
        }
    }

    proptest! {
        #[test]
        fn wrapping_keeps_every_word_and_the_width(text in "[a-z ]{0,120}", room in 16usize..60) {
            let lines = wrap(&text, room);
            let words: Vec<&str> = lines.iter().flat_map(|line| line.split(' ')).filter(|word| !word.is_empty()).collect();
            prop_assert_eq!(words, text.split_whitespace().collect::<Vec<_>>());
            for line in &lines {
                prop_assert!(line.len() <= room || !line.contains(' '));
            }
        }
    }
}
