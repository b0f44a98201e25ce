//! A text in the language of the shell that is one simple command.

use super::{Word, is_assignment};

/// What stands for the arguments of the text.
const ARGUMENTS: &str = "$@";

/// The words of the one command that `text` is, where it is one; `arguments` are those of the text.
/// A word that the shell computes has no value. What is more than one command is none: which programs it
/// starts only a shell can tell.
pub(super) fn command(text: &str, arguments: &[Word]) -> Option<Vec<Word>> {
    // Other white space is a part of a word to the shells.
    let text = text.trim_matches([' ', '\t', '\n']);
    let text = text.strip_suffix(';').unwrap_or(text);
    let mut words = Vec::new();
    let mut rest = text.chars().peekable();
    loop {
        while rest.next_if(|c| matches!(c, ' ' | '\t')).is_some() {}
        if rest.peek().is_none() {
            return (!words.is_empty()).then_some(words);
        }
        let word = Part::read(&mut rest)?;
        let first = words
            .iter()
            .all(|word: &Word| is_assignment(word.as_deref()));
        // What begins with a quote is a program, though it looks like a variable.
        if first && word.quoted {
            return None;
        }
        if word.text == ARGUMENTS && word.computed {
            words.extend_from_slice(arguments);
        } else {
            words.push((!word.computed).then_some(word.text));
        }
    }
}

/// A word that is being read.
#[derive(Default)]
struct Part {
    text: String,
    /// The shell puts something else in the place of a part of it.
    computed: bool,
    /// A part of it in front of its first `=` was quoted, and it has one.
    quoted: bool,
}

type Chars<'a> = std::iter::Peekable<std::str::Chars<'a>>;

impl Part {
    fn read(rest: &mut Chars<'_>) -> Option<Part> {
        let mut word = Part::default();
        let mut quoted = false;
        while let Some(c) = rest.next_if(|c| !matches!(c, ' ' | '\t')) {
            quoted |= matches!(c, '\'' | '"' | '\\') && !word.text.contains('=');
            match c {
                '\'' => word.single_quoted(rest)?,
                '"' => word.double_quoted(rest)?,
                '\\' => word.text.push(rest.next().filter(|c| *c != '\n')?),
                '$' => word.variable(rest)?,
                '*' | '?' | '[' | ']' | '{' | '}' | '~' => {
                    word.computed = true;
                    word.text.push(c);
                }
                ';' | '&' | '|' | '<' | '>' | '(' | ')' | '`' | '#' | '!' | '\n' | '\r' => {
                    return None;
                }
                c => word.text.push(c),
            }
        }
        word.quoted = quoted && word.text.contains('=');
        Some(word)
    }

    fn single_quoted(&mut self, rest: &mut Chars<'_>) -> Option<()> {
        loop {
            match rest.next()? {
                '\'' => return Some(()),
                c => self.text.push(c),
            }
        }
    }

    fn double_quoted(&mut self, rest: &mut Chars<'_>) -> Option<()> {
        loop {
            match rest.next()? {
                '"' => return Some(()),
                '`' => return None,
                '$' => self.variable(rest)?,
                '\\' => {
                    let c = rest.next()?;
                    if !matches!(c, '$' | '`' | '"' | '\\') {
                        self.text.push('\\');
                    }
                    self.text.push(c);
                }
                c => self.text.push(c),
            }
        }
    }

    /// A variable; one that runs a command to have its value is none.
    fn variable(&mut self, rest: &mut Chars<'_>) -> Option<()> {
        self.text.push('$');
        match rest.peek() {
            Some('(') => None,
            // Its default can run a command as well.
            Some('{') => {
                rest.next();
                let mut name = String::new();
                while let Some(c) = rest.next_if(|c| c.is_ascii_alphanumeric() || *c == '_') {
                    name.push(c);
                }
                self.computed = true;
                (rest.next()? == '}' && !name.is_empty()).then_some(())
            }
            Some(c) if c.is_ascii_alphanumeric() || "_@*#?-$!".contains(*c) => {
                self.computed = true;
                self.text.push(rest.next()?);
                Some(())
            }
            _ => Some(()),
        }
    }
}
