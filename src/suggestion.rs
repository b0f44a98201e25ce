//! Commands that a report suggests: built from words, quoted in one place.
//!
//! A person copies them into a shell, so a word from a cluster, a registry or a file must never become more than the
//! one argument that it is.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::escape::is_plain;

/// Bytes of a command: a terminal's input line holds 4,096.
const LONGEST_COMMAND: usize = 4_000;

/// A command for a POSIX shell with each word quoted, such as `kubectl get pods -n shop`.
///
/// JSON carries it as the text that can be pasted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SuggestedCommand(String);

impl SuggestedCommand {
    /// Fills `{}` in the words of `template` with `values`, in their order, and quotes each word.
    ///
    /// Returns `None`, so that nothing is suggested, where a value
    /// - has characters that a terminal would not show as they are: the shell would take them, but a person could not
    ///   see what runs;
    /// - would be read as a flag, because it is a word of its own and begins with `-`;
    /// - makes the command too long to be pasted.
    pub fn new(template: &'static str, values: &[&str]) -> Option<Self> {
        debug_assert_eq!(template.matches("{}").count(), values.len(), "{template}");
        let mut values = values.iter();
        let mut line = String::new();
        for word in template.split(' ') {
            let word = fill(word, &mut values)?;
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(&quote_word(&word));
        }
        (line.len() <= LONGEST_COMMAND).then_some(SuggestedCommand(line))
    }

    /// Returns the command as it is pasted.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SuggestedCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for SuggestedCommand {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// Replaces each `{}` in a word; `None` where the value must not be there.
fn fill<'a>(word: &str, values: &mut impl Iterator<Item = &'a &'a str>) -> Option<String> {
    let mut parts = word.split("{}");
    let mut filled = parts.next()?.to_owned();
    for part in parts {
        let value = values.next()?;
        if !is_plain(value) || (filled.is_empty() && value.starts_with('-')) {
            return None;
        }
        filled.push_str(value);
        filled.push_str(part);
    }
    Some(filled)
}

/// Returns `word` as a POSIX shell reads it back: one argument with the same bytes.
pub fn quote_word(word: &str) -> String {
    // `=` first and `~` expand in some shells, `%` starts a job: only these characters stay bare.
    let bare = |c: char| c.is_ascii_alphanumeric() || "_@+:,./-".contains(c);
    let option = |c: char| bare(c) || c == '=' || c == '%';
    let is_bare = match word.chars().next() {
        Some(first) => bare(first) && word.chars().all(option),
        None => false,
    };
    if is_bare {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_word_stays_one_argument() {
        for (word, line) in [
            ("shop", "kubectl shop"),
            ("$(touch pwned)", "kubectl '$(touch pwned)'"),
            ("a;b", "kubectl 'a;b'"),
            ("it's", r"kubectl 'it'\''s'"),
            ("", "kubectl ''"),
            ("~root", "kubectl '~root'"),
            ("=ls", "kubectl '=ls'"),
            ("set=a.b=c", "kubectl set=a.b=c"),
            ("a b", "kubectl 'a b'"),
            ("*", "kubectl '*'"),
            ("#x", "kubectl '#x'"),
            ("!!", "kubectl '!!'"),
        ] {
            let command = SuggestedCommand::new("kubectl {}", &[word]).unwrap();
            assert_eq!(command.as_str(), line);
        }
    }

    #[test]
    fn a_value_never_becomes_a_flag() {
        assert_eq!(
            SuggestedCommand::new("kubectl get {}", &["--kubeconfig=x"]),
            None
        );
        let named = SuggestedCommand::new("istioctl tag set --revision={} pod/{}", &["-x", "-y"]);
        assert_eq!(
            named.unwrap().as_str(),
            "istioctl tag set --revision=-x pod/-y"
        );
    }

    #[test]
    fn suggests_nothing_that_a_terminal_would_not_show() {
        for word in [
            "a\nb",
            "a\0",
            "\u{1b}[2J",
            "a\u{202e}b",
            "tag\u{e0041}",
            "a\tb",
        ] {
            assert_eq!(
                SuggestedCommand::new("kubectl {}", &[word]),
                None,
                "{word:?}"
            );
        }
        assert_eq!(SuggestedCommand::new("x {}", &[&"y".repeat(5_000)]), None);
    }

    proptest! {
        #[test]
        fn a_shell_reads_the_same_words_back(words in prop::collection::vec(any::<String>(), 1..5)) {
            let line: Vec<String> = words.iter().map(|word| quote_word(word)).collect();
            prop_assert_eq!(shlex::split(&line.join(" ")), Some(words.clone()));
            let first = words[0].as_str();
            if let Some(command) = SuggestedCommand::new("kubectl get {} -n shop", &[first]) {
                let wanted = ["kubectl", "get", first, "-n", "shop"].map(str::to_owned);
                prop_assert_eq!(shlex::split(command.as_str()), Some(wanted.to_vec()));
                prop_assert!(is_plain(command.as_str()) && !first.starts_with('-'));
            }
        }
    }
}
