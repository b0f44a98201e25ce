//! Parses a shell script that is one simple command.

use super::{Word, is_assignment};

/// The word that expands to the arguments of the script.
const ARGUMENTS: &str = "$@";

/// Returns the words of the command in the script `text`. `arguments` are the arguments of the
/// script. A word that the shell computes becomes `None`. Returns `None` for a script of more than
/// one command: only a shell can determine which programs it starts.
pub(super) fn command(text: &str, arguments: &[Word]) -> Option<Vec<Word>> {
    // Shells treat other white space as part of a word.
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
        // A word that begins with a quote is a program, even if it looks like an assignment.
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
    /// True if the shell expands a part of it.
    computed: bool,
    /// True if it contains a `=` and a part before the first one was quoted.
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

    /// Reads a variable. Returns `None` for a substitution that can run a command.
    fn variable(&mut self, rest: &mut Chars<'_>) -> Option<()> {
        self.text.push('$');
        match rest.peek() {
            Some('(') => None,
            // The default value can run a command as well.
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
