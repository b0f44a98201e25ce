//! Lists the tags of a repository.

use serde::Deserialize;

use super::{Reference, Registry, Result};

/// The maximum number of bytes of one page of a list: about 100,000 tags.
const LIMIT: usize = 4 << 20;

/// The maximum number of tags that are requested at once. A registry may return fewer.
const PAGE: usize = 1000;

/// The maximum number of pages that are read of one repository.
const PAGES: usize = 20;

/// The answer to `tags/list`.
#[derive(Deserialize)]
struct List {
    /// Null if the repository has none.
    tags: Option<Vec<String>>,
}

impl Registry {
    /// Lists the tags of the repository that a reference names, in the order of the registry.
    ///
    /// Reads only the first pages of a repository with very many tags.
    pub fn tags(&self, reference: &Reference) -> Result<Vec<String>> {
        let what = format!(
            "tags of {}/{}",
            reference.registry(),
            reference.repository()
        );
        let mut all: Vec<String> = Vec::new();
        for _ in 0..PAGES {
            let after = all.last().map(|last| format!("&last={last}"));
            let path = format!("tags/list?n={PAGE}{}", after.unwrap_or_default());
            let mut answer =
                self.get(reference, &what, &path, &[("accept", "application/json")])?;
            let goes_on = answer.header("link").is_some();
            let bytes = answer.bounded(LIMIT)?;
            let list: List = serde_json::from_slice(&bytes)
                .map_err(|_| answer.broken("it is not a list of tags in JSON"))?;
            let tags = list.tags.unwrap_or_default();
            // A text that is not a tag cannot be requested, and would become part of the next URL.
            let tags: Vec<String> = tags.into_iter().filter(|tag| is_tag(tag)).collect();
            let is_empty = tags.is_empty();
            all.extend(tags);
            if !goes_on || is_empty {
                break;
            }
        }
        Ok(all)
    }
}

/// Returns true if a text has the form of a tag.
fn is_tag(text: &str) -> bool {
    const LONGEST: usize = 128;
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    (1..=LONGEST).contains(&text.len()) && text.chars().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_that_could_change_the_address_is_not_a_tag() {
        for (text, tag) in [
            ("1.31.0-solo", true),
            ("latest", true),
            ("", false),
            ("a/b", false),
            ("a&last=b", false),
            ("a b", false),
        ] {
            assert_eq!(is_tag(text), tag, "{text}");
        }
        assert!(!is_tag(&"a".repeat(129)));
    }
}
