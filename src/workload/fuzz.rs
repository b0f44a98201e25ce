//! Invariants of suggested commands and workloads that hold for all names.

use super::{WorkloadKind, WorkloadRef};
use crate::suggestion::{SuggestedCommand, quote_word};
use terminal_text::fuzz::{Input, assert_shown};
use terminal_text::is_plain;

/// Templates of every shape that reports use: values as words, after `=`, `/` and `:`, several in one word.
const TEMPLATES: [&str; 8] = [
    "kubectl {}",
    "kubectl get {} -n {}",
    "kubectl rollout restart deployment/{} -n {}",
    "istioctl tag set {} --revision={} --overwrite",
    "glooistio install --istio {} --hub {} -r {} -i {}",
    "kubectl auth can-i {} {}.{} --all-namespaces",
    "glooistio inspect --explain {}@{}",
    "kubectl label namespace {} istio.io/rev={}{} istio-injection-",
];

/// Bytes of a command that fits into a terminal's line.
const LONGEST: usize = 4_000;

/// Checks a template and its values: the first byte selects the template, the rest are texts.
///
/// # Panics
///
/// Panics if an invariant does not hold.
pub fn command(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let template = TEMPLATES[usize::from(input.byte()) % TEMPLATES.len()];
    let texts = input.texts();
    let count = template.matches("{}").count();
    let values = texts
        .iter()
        .map(String::as_str)
        .chain(std::iter::repeat(""));
    let values: Vec<&str> = values.take(count).collect();

    for text in &texts {
        assert_eq!(words(&quote_word(text)), [text.as_str()]);
    }
    let wanted = filled(template, &values);
    let line: Vec<String> = wanted.iter().map(|word| quote_word(word)).collect();
    let line = line.join(" ");
    let flag = values_alone(template, &values).any(|value| value.starts_with('-'));
    let refused = flag || values.iter().any(|value| !is_plain(value)) || line.len() > LONGEST;
    match SuggestedCommand::new(template, &values) {
        None => assert!(refused, "{template} {values:?}"),
        Some(command) => {
            assert!(!refused, "{command}");
            assert_shown(command.as_str(), false);
            assert_eq!(words(command.as_str()), wanted);
        }
    }
    let text = |at: usize| texts.get(at).map_or("", String::as_str);
    workload(text(0), text(1), text(2), text(3));
}

/// Returns the words of a template with the values inserted.
fn filled(template: &str, values: &[&str]) -> Vec<String> {
    let mut values = values.iter();
    let fill = |word: &str| {
        let mut parts = word.split("{}");
        let first = parts.next().unwrap_or_default().to_owned();
        parts.fold(first, |word, part| {
            word + values.next().copied().unwrap_or_default() + part
        })
    };
    template.split(' ').map(fill).collect()
}

/// Returns the values that begin a word.
fn values_alone<'a>(template: &str, values: &'a [&'a str]) -> impl Iterator<Item = &'a str> {
    let mut begins = Vec::new();
    for word in template.split(' ') {
        let count = word.matches("{}").count();
        begins.extend((0..count).map(|at| at == 0 && word.starts_with("{}")));
    }
    let both = begins.into_iter().zip(values);
    both.filter_map(|(begins, value)| begins.then_some(*value))
}

/// Splits a line as a POSIX shell does, with quotes as the only grammar.
///
/// Everything else that a shell interprets (expansions, operators, comments, jobs) must not occur outside of
/// quotes.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut rest = line.chars();
    let mut begins = true;
    while let Some(c) = rest.next() {
        let word = words.last_mut();
        match (c, word) {
            (' ', _) => words.push(String::new()),
            ('\'', Some(word)) => {
                let Some((quoted, after)) = rest.as_str().split_once('\'') else {
                    unreachable!("the next line of the shell would belong to {line}");
                };
                word.push_str(quoted);
                rest = after.chars();
            }
            ('\\', Some(word)) => {
                assert_eq!(rest.next(), Some('\''), "{line}");
                word.push('\'');
            }
            (c, Some(word)) => {
                let bare = c.is_ascii_alphanumeric() || "_@+:,./-".contains(c);
                assert!(bare || !begins && "=%".contains(c), "{c:?} in {line}");
                word.push(c);
            }
            (_, None) => {}
        }
        begins = c == ' ';
    }
    words
}

fn workload(namespace: &str, name: &str, kind: &str, api_version: &str) {
    let Some(kind) = WorkloadKind::from_owner(kind, api_version) else {
        return;
    };
    let Some(workload) = WorkloadRef::new(kind, namespace, name) else {
        return;
    };
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.".contains(c);
    for (text, longest) in [(namespace, 63), (name, 253)] {
        assert!((1..=longest).contains(&text.len()) && text.chars().all(allowed));
        let edges = [text.chars().next(), text.chars().last()];
        assert!(
            edges.iter().flatten().all(char::is_ascii_alphanumeric),
            "{text}"
        );
    }
    assert!(!namespace.contains('.'));
    assert_eq!(workload.to_string(), format!("{kind:?} {namespace}/{name}"));
    if let Some(command) = workload.restart_command() {
        let words = words(command.as_str());
        let named = words
            .iter()
            .any(|word| word.rsplit('/').next() == Some(name));
        assert!(words[0] == "kubectl" && named, "{command}");
        assert_eq!(&words[words.len() - 2..], ["-n", namespace]);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn holds_on_any_texts(template: u8, texts in prop::collection::vec(any::<String>(), 0..5)) {
            command(&[&[template], texts.join("\u{ff}").as_bytes()].concat());
            let parts: Vec<&[u8]> = texts.iter().map(String::as_bytes).collect();
            command(&[&[template], parts.join(&0xff).as_slice()].concat());
        }
    }

    #[test]
    fn holds_on_words_of_a_shell() {
        for text in [
            "$(touch pwned)",
            "a'b",
            "",
            "~",
            "=ls",
            "-n",
            "a b;c",
            "#",
            "!!",
            "\\",
            "cart\n",
        ] {
            for template in 0..8 {
                let first = [&[template], text.as_bytes()].concat();
                command(&first);
                command(&[&first, &b"\xffshop\xffDeployment\xffapps/v1"[..]].concat());
            }
        }
    }
}
