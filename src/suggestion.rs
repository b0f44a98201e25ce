//! Commands that a report suggests: built from words, quoted in one place.
//!
//! A person copies these commands into a shell, so a word from a cluster, a registry or a file must always stay the one
//! argument that it is. This module also adds the flags by which the run chose its cluster, because a pasted command
//! must not act on another cluster.

use std::fmt;

use serde::{Serialize, Serializer};

use terminal_text::is_plain;

/// Maximum length of a command in bytes: a terminal's input line holds 4,096.
const LONGEST_COMMAND: usize = 4_000;

/// Words of a template that are shell operators. A value never becomes one, because values are quoted.
const OPERATORS: [&str; 3] = ["&&", "|", ">"];

/// A command for a POSIX shell with each word quoted, such as `kubectl get pods -n shop`.
///
/// It is serialised as the text to paste.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SuggestedCommand {
    words: Vec<Word>,
    line: String,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Word {
    Argument(String),
    Operator(&'static str),
}

/// The options of a run that its suggested commands need too.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CommandContext {
    pub flags: Vec<RunFlag>,
    /// The istioctl that the user named, if a shell would find another one.
    pub istioctl: Option<String>,
}

/// A flag of the run that a suggested command repeats.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunFlag {
    /// Its spellings; the first one is written. A command that already has any of them keeps its own flag.
    pub spellings: &'static [&'static str],
    /// Absent for a switch.
    pub value: Option<String>,
    pub readers: &'static [Reader],
}

/// A command that understands a flag of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reader {
    Kubectl,
    Istioctl,
    /// A command of glooistio: `verify`.
    Own(&'static str),
}

impl SuggestedCommand {
    /// Replaces each `{}` in the words of `template` by the next of `values`, and quotes each word.
    ///
    /// Returns `None`, so that nothing is suggested, if a value
    /// - has characters that a terminal would not show as they are: the shell would read them, but a person could not
    ///   see what runs;
    /// - would be read as a flag, because it is a whole word and begins with `-`;
    /// - makes the command too long to be pasted.
    pub fn new(template: &'static str, values: &[&str]) -> Option<Self> {
        debug_assert_eq!(template.matches("{}").count(), values.len(), "{template}");
        let mut values = values.iter();
        let mut words = Vec::new();
        for word in template.split(' ') {
            words.push(match OPERATORS.iter().find(|operator| **operator == word) {
                Some(operator) => Word::Operator(operator),
                None => Word::Argument(fill(word, &mut values)?),
            });
        }
        Self::of(words)
    }

    fn of(words: Vec<Word>) -> Option<Self> {
        let shown: Vec<String> = words.iter().map(Word::to_string).collect();
        let line = shown.join(" ");
        (line.len() <= LONGEST_COMMAND).then_some(SuggestedCommand { words, line })
    }

    /// Adds the flags of the run to each program of the command that understands them.
    ///
    /// A second call changes nothing. Returns `None`, so that nothing is suggested, if the value of a required flag
    /// cannot be shown: without it the command would act on another cluster.
    pub fn in_context(&self, context: &CommandContext) -> Option<Self> {
        let mut words = Vec::new();
        let is_end = |word: &Word| matches!(word, Word::Operator(_));
        for part in self.words.split_inclusive(is_end) {
            words.extend(part_in_context(part, context)?);
        }
        Self::of(words)
    }

    /// Appends words, for options that only the caller knows to be required.
    pub fn followed_by(self, template: &'static str, values: &[&str]) -> Option<Self> {
        let mut words = self.words;
        words.extend(Self::new(template, values)?.words);
        Self::of(words)
    }

    /// Returns the command as text to paste.
    pub fn as_str(&self) -> &str {
        &self.line
    }
}

/// Returns one program with its arguments and the operator after it, plus the flags that this program understands.
fn part_in_context(part: &[Word], context: &CommandContext) -> Option<Vec<Word>> {
    let arguments: Vec<&str> = part.iter().filter_map(Word::argument).collect();
    let mut added = Vec::new();
    let flags = context.flags.iter();
    for flag in flags.filter(|flag| flag.is_read_by(&arguments)) {
        added.extend(flag.words()?.into_iter().map(Word::Argument));
    }
    let ends_flags =
        |word: &Word| matches!(word, Word::Operator(_)) || word.argument() == Some("--");
    let at = part.iter().position(ends_flags).unwrap_or(part.len());
    let (before, after) = part.split_at(at);
    let mut words = [before, &added, after].concat();
    if let (Some(path), Some(Word::Argument(program))) = (&context.istioctl, words.first_mut())
        && program == "istioctl"
    {
        if !is_plain(path) {
            return None;
        }
        program.clone_from(path);
    }
    Some(words)
}

impl RunFlag {
    /// Whether the command understands the flag and does not have it yet.
    fn is_read_by(&self, arguments: &[&str]) -> bool {
        let program = arguments.first().copied().unwrap_or_default();
        let word = arguments.get(1).copied().unwrap_or_default();
        let reads = |reader: &Reader| match reader {
            Reader::Kubectl => program == "kubectl",
            Reader::Istioctl => program == "istioctl",
            Reader::Own(own) => program == "glooistio" && word == *own,
        };
        let is_it = |argument: &&str| {
            let name = argument.split_once('=').map_or(*argument, |(name, _)| name);
            self.spellings.contains(&name)
        };
        self.readers.iter().any(reads) && !arguments.iter().any(is_it)
    }

    /// Returns the flag as a user types it; `None` if a terminal would not show its value as it is.
    fn words(&self) -> Option<Vec<String>> {
        let name = self.spellings.first()?;
        match &self.value {
            None => Some(vec![(*name).to_owned()]),
            Some(value) if !is_plain(value) => None,
            Some(value) if value.starts_with('-') => Some(vec![format!("{name}={value}")]),
            Some(value) => Some(vec![(*name).to_owned(), value.clone()]),
        }
    }
}

impl Word {
    fn argument(&self) -> Option<&str> {
        match self {
            Word::Argument(text) => Some(text),
            Word::Operator(_) => None,
        }
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Word::Argument(text) => f.write_str(&quote_word(text)),
            Word::Operator(operator) => f.write_str(operator),
        }
    }
}

impl fmt::Display for SuggestedCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.line)
    }
}

impl Serialize for SuggestedCommand {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.line)
    }
}

/// Replaces each `{}` in a word; returns `None` if the value must not be there.
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

/// Quotes `word` so that a POSIX shell reads it as one argument with the same bytes.
pub fn quote_word(word: &str) -> String {
    // Some shells expand a leading `=` or `~`, and `%` starts a job: only these characters stay unquoted.
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

    fn context(context: &str, namespace: &str) -> CommandContext {
        let flag = |spellings, value: &str, readers| RunFlag {
            spellings,
            value: Some(value.to_owned()),
            readers,
        };
        let all = &[Reader::Kubectl, Reader::Istioctl, Reader::Own("verify")];
        let mesh = &[Reader::Istioctl, Reader::Own("verify")];
        CommandContext {
            flags: vec![
                flag(&["--context"], context, all),
                flag(&["-i", "--istioNamespace"], namespace, mesh),
            ],
            istioctl: None,
        }
    }

    #[test]
    fn flags_of_the_run_reach_each_program_that_reads_them_once() {
        let context = context("prod eu", "mesh");
        for (template, line) in [
            ("kubectl get pods", "kubectl get pods --context 'prod eu'"),
            (
                "glooistio verify",
                "glooistio verify --context 'prod eu' -i mesh",
            ),
            ("glooistio explain hub", "glooistio explain hub"),
            (
                "istioctl uninstall -i other",
                "istioctl uninstall -i other --context 'prod eu'",
            ),
            (
                "istioctl x --istioNamespace=other --context=dev",
                "istioctl x --istioNamespace=other --context=dev",
            ),
            (
                "kubectl label namespace shop a=b && kubectl rollout restart deployment -n shop",
                "kubectl label namespace shop a=b --context 'prod eu' && kubectl rollout restart deployment -n shop --context 'prod eu'",
            ),
            (
                "kubectl get pod x -o yaml > x.yaml",
                "kubectl get pod x -o yaml --context 'prod eu' > x.yaml",
            ),
            (
                "istioctl tag generate a | kubectl apply -f -",
                "istioctl tag generate a --context 'prod eu' -i mesh | kubectl apply -f - --context 'prod eu'",
            ),
            (
                "kubectl exec x -- kubectl y",
                "kubectl exec x --context 'prod eu' -- kubectl y",
            ),
        ] {
            let command = SuggestedCommand::new(template, &[]).unwrap();
            let flagged = command.in_context(&context).unwrap();
            assert_eq!(flagged.as_str(), line);
            assert_eq!(flagged.in_context(&context).unwrap().as_str(), line);
            let nothing = CommandContext::default();
            assert_eq!(command.in_context(&nothing), Some(command));
        }
    }

    #[test]
    fn the_istioctl_that_was_named_is_the_one_that_is_suggested() {
        let named = CommandContext {
            istioctl: Some("/opt/istio 1.30/istioctl".to_owned()),
            ..context("prod", "mesh")
        };
        let uninstall = SuggestedCommand::new("istioctl uninstall", &[]).unwrap();
        let line = "'/opt/istio 1.30/istioctl' uninstall --context prod -i mesh";
        let once = uninstall.in_context(&named).unwrap();
        assert_eq!(once.as_str(), line);
        assert_eq!(once.in_context(&named), Some(once));
    }

    #[test]
    fn no_command_is_suggested_whose_cluster_cannot_be_shown() {
        let pods = SuggestedCommand::new("kubectl get pods", &[]).unwrap();
        assert_eq!(pods.in_context(&context("a\nb", "mesh")), None);
        let own = SuggestedCommand::new("glooistio explain hub", &[]).unwrap();
        assert!(own.in_context(&context("a\nb", "mesh")).is_some());
        let dashed = pods.in_context(&context("-x", "mesh")).unwrap();
        assert_eq!(dashed.as_str(), "kubectl get pods --context=-x");
    }

    #[test]
    fn a_value_is_never_an_operator() {
        for value in ["&&", "|", ">"] {
            let command = SuggestedCommand::new("kubectl get {}", &[value]).unwrap();
            assert_eq!(command.as_str(), format!("kubectl get '{value}'"));
            let flagged = command.in_context(&context("c", "m")).unwrap();
            assert!(flagged.as_str().ends_with("--context c"), "{flagged}");
        }
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
