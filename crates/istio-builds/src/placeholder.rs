//! Placeholders in copied documents: `$NAME`, `${NAME}`, `<name>` and `{{ name }}`.

use std::ops::Range;

/// A part of a text that a user was meant to replace by a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placeholder<'a> {
    /// Its range in the text, in bytes.
    pub range: Range<usize>,
    /// Its name, without the characters around it.
    pub name: &'a str,
    /// Whether it is written as a variable of a shell: `$NAME` or `${NAME}`.
    pub is_variable: bool,
}

impl<'a> Placeholder<'a> {
    /// Returns the first one in `text`.
    pub fn find(text: &'a str) -> Option<Placeholder<'a>> {
        Placeholder::find_from(text, 0)
    }

    /// Returns the first one that begins at byte `from` or later.
    pub fn find_from(text: &'a str, from: usize) -> Option<Placeholder<'a>> {
        let starts = text.get(from..)?.match_indices(['$', '<', '{']);
        let mut found = starts.filter_map(|(at, _)| at_start(text, from + at));
        found.next()
    }

    /// Whether it stands for a repo key: it follows `istio-` in the name of a hub, and its name contains `key`.
    pub fn is_repo_key(&self, text: &str) -> bool {
        let named = self.name.to_ascii_lowercase().contains("key");
        named && text[..self.range.start].ends_with("istio-")
    }

    /// Whether it is the whole text.
    pub fn is_whole(&self, text: &str) -> bool {
        self.range == (0..text.len())
    }
}

/// Whether the text has a placeholder, or a `$` that does not begin one.
pub fn has_placeholder(text: &str) -> bool {
    text.contains('$') || Placeholder::find(text).is_some()
}

fn at_start(text: &str, at: usize) -> Option<Placeholder<'_>> {
    let rest = &text[at..];
    for (open, close, is_variable) in [("${", "}", true), ("{{", "}}", false), ("<", ">", false)] {
        let Some(inside) = rest.strip_prefix(open) else {
            continue;
        };
        let inside = &inside[..inside.find(close)?];
        let end = at + open.len() + inside.len() + close.len();
        // A default value, as in `${NAME:-value}`, is not part of the name.
        let name = inside.split(':').next().unwrap_or(inside).trim();
        return (!name.is_empty()).then_some(Placeholder {
            range: at..end,
            name,
            is_variable,
        });
    }
    let name = rest.strip_prefix('$')?;
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let length = name.find(|c| !word(c)).unwrap_or(name.len());
    let begins = name.starts_with(|c: char| word(c) && !c.is_ascii_digit());
    begins.then_some(Placeholder {
        range: at..at + 1 + length,
        name: &name[..length],
        is_variable: true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_found_with_its_name() {
        for (text, wanted) in [
            ("$REPO", Some(("REPO", "$REPO"))),
            ("istiod-$REVISION", Some(("REVISION", "$REVISION"))),
            ("${registry}/istio", Some(("registry", "${registry}"))),
            ("${TAG:-1.2}", Some(("TAG", "${TAG:-1.2}"))),
            ("r.io/istio-<key>", Some(("key", "<key>"))),
            (
                "{{ .Values.hub }}",
                Some((".Values.hub", "{{ .Values.hub }}")),
            ),
            ("$1", None),
            ("a<b", None),
            ("{a}", None),
            ("us-docker.pkg.dev/soloio-img/istio", None),
        ] {
            let found = Placeholder::find(text);
            let found = found.map(|one| (one.name, &text[one.range.clone()]));
            assert_eq!(found, wanted, "{text}");
        }
        assert!(has_placeholder("a$"));
        let second = Placeholder::find_from("$A-$B", 1).unwrap();
        assert_eq!((second.name, second.is_whole("$A-$B")), ("B", false));
    }
}
