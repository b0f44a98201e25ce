//! The hub, from which images are pulled, and the key that is part of some hubs' names.

use std::fmt;
use std::str::FromStr;

use super::placeholder::has_placeholder;

/// Replaces a key in everything that is printed.
const MASK: &str = "****";

/// Why a text is not a hub, with the spelling that works.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HubError {
    /// The variable in a copied command was never filled in.
    #[error(
        "the hub is `{text}`, a variable that was never filled in: give --repo-key, or the whole hub by --hub"
    )]
    Placeholder { text: String },
    #[error("`{text}` is not a hub: {why}; write `{right}`")]
    Spelling {
        text: String,
        why: &'static str,
        right: String,
    },
    #[error(
        "`{text}` has a digest: a hub names a place that holds every component, a digest one image; \
         remove the digest: `{right}`"
    )]
    Digest { text: String, right: String },
    #[error("`{text}` is not a hub: {why}, as in `registry.example.com:5000/istio`")]
    Shape { text: String, why: String },
}

/// A registry and a path in it, without component and tag: `registry.example.com:5000/istio`.
///
/// It follows the lower-case rules of image references, so that `hub/component` is always a valid name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hub(String);

impl Hub {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the registry's host with its port; `None` for Docker's short form (`istio`).
    pub fn registry(&self) -> Option<&str> {
        let first = self.0.split('/').next()?;
        is_registry(first).then_some(first)
    }

    /// Returns the reference of a component's image: `hub/component:tag`.
    pub fn image(&self, component: &str, tag: impl fmt::Display) -> String {
        format!("{}/{component}:{tag}", self.0)
    }
}

impl fmt::Display for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Hub {
    type Err = HubError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bare = text.trim();
        if is_placeholder(bare) {
            return Err(HubError::Placeholder { text: text.into() });
        }
        if let Some((right, _)) = bare.split_once('@') {
            return Err(HubError::Digest {
                text: text.into(),
                right: right.into(),
            });
        }
        let right = tidy(bare);
        shape(text, &right)?;
        if right == text {
            return Ok(Self(right));
        }
        Err(HubError::Spelling {
            text: text.into(),
            why: misspelling(text),
            right,
        })
    }
}

dated_data::text_serde!(Hub, "a hub such as registry.example.com/istio");

fn is_placeholder(text: &str) -> bool {
    text.is_empty() || has_placeholder(text)
}

/// Returns the hub that a text means: no scheme, no trailing slash, lower case.
fn tidy(text: &str) -> String {
    let lower = text.to_ascii_lowercase();
    let bare = lower
        .split_once("://")
        .map_or(lower.as_str(), |(_, rest)| rest);
    bare.trim_end_matches('/').to_owned()
}

fn misspelling(text: &str) -> &'static str {
    if text.trim() != text {
        "it has spaces around it"
    } else if text.contains("://") {
        "a hub has no scheme"
    } else if text.ends_with('/') {
        "a hub has no slash at its end"
    } else {
        "image names are lower case"
    }
}

fn shape(text: &str, hub: &str) -> Result<(), HubError> {
    let refuse = |why: String| {
        Err(HubError::Shape {
            text: text.into(),
            why,
        })
    };
    let (first, path) = hub
        .split_once('/')
        .map_or((hub, None), |(first, path)| (first, Some(path)));
    if is_registry(first) {
        if !is_host(first) {
            return refuse(format!("`{first}` is not a host with an optional port"));
        }
    } else if !is_component(first) {
        return refuse(format!("`{first}` is not valid in an image name"));
    }
    match path
        .into_iter()
        .flat_map(|path| path.split('/'))
        .find(|part| !is_component(part))
    {
        Some(part) if part.contains(':') => {
            refuse(format!("`{part}` has a tag, which is given by --istio"))
        }
        Some("") => refuse("a part between two slashes is empty".into()),
        Some(part) => refuse(format!("`{part}` is not valid in an image name")),
        None => Ok(()),
    }
}

/// Whether the first part is a host by Docker's rule: it has a dot or a port, or is `localhost`.
fn is_registry(first: &str) -> bool {
    first.contains(['.', ':']) || first == "localhost"
}

fn is_host(text: &str) -> bool {
    let (host, port) = text
        .split_once(':')
        .map_or((text, None), |(host, port)| (host, Some(port)));
    let label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    host.split('.').all(label)
        && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0))
}

/// Matches `[a-z0-9]+ ( ( [.] | _ | __ | -+ ) [a-z0-9]+ )*` of the OCI distribution specification.
fn is_component(text: &str) -> bool {
    let mut after_word = false;
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if first.is_ascii_lowercase() || first.is_ascii_digit() {
            after_word = true;
            rest = &rest[1..];
            continue;
        }
        let separator = ["__", "_", "."]
            .into_iter()
            .find(|sep| rest.starts_with(sep));
        let length = match separator {
            Some(separator) => separator.len(),
            None => rest.len() - rest.trim_start_matches('-').len(),
        };
        if !after_word || length == 0 {
            return false;
        }
        after_word = false;
        rest = &rest[length..];
    }
    after_word
}

/// Why a text cannot be a repo key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RepoKeyError {
    #[error(
        "the repo key is empty: give the key alone, as the vendor's article lists it for this minor"
    )]
    Empty,
    #[error(
        "the repo key is not valid in an image name: lower-case letters and digits, no spaces, no slashes"
    )]
    Shape,
    #[error("the value is a whole hub, not a repo key: give it by --hub")]
    Hub,
}

/// The secret part of a hub's name. Whoever knows it can pull, so it is masked wherever a person or a log may see it;
/// `expose` is for the manifest.
#[derive(Clone, PartialEq, Eq)]
pub struct RepoKey(String);

impl RepoKey {
    /// Returns the key itself: for building a hub, never for a message.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl FromStr for RepoKey {
    type Err = RepoKeyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let key = text.trim();
        if key.is_empty() {
            Err(RepoKeyError::Empty)
        } else if key.contains('/') {
            Err(RepoKeyError::Hub)
        } else if is_component(key) {
            Ok(Self(key.into()))
        } else {
            Err(RepoKeyError::Shape)
        }
    }
}

impl fmt::Debug for RepoKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RepoKey({MASK})")
    }
}

impl fmt::Display for RepoKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

/// Returns the text with every occurrence of the key masked.
pub fn mask(text: &str, key: Option<&RepoKey>) -> String {
    key.map_or_else(|| text.to_owned(), |key| text.replace(key.expose(), MASK))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn hubs_with_ports_and_paths_are_kept_as_they_are() {
        for text in [
            "registry.example.com",
            "registry.example.com:5000/a/b-c/d__e/f.g/h_i",
            "localhost:5000",
            "localhost/istio",
            "istio",
            "docker.io/istio",
            "10.0.0.1:5000/istio",
            "h.io/a---b",
        ] {
            assert_eq!(text.parse::<Hub>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_malformed_hub_is_refused_with_the_right_spelling() {
        let table = [
            ("h.io/istio/", "no slash at its end; write `h.io/istio`"),
            ("https://h.io/istio", "no scheme; write `h.io/istio`"),
            ("H.io/Istio", "lower case; write `h.io/istio`"),
            (" h.io/istio", "write `h.io/istio`"),
            (
                "h.io/istio@sha256:abc",
                "a digest one image; remove the digest: `h.io/istio`",
            ),
            ("h.io/istio:1.31.0", "by --istio"),
            ("h.io//istio", "empty"),
            ("h.io/is tio", "is not valid in an image name"),
            ("h.io:port/istio", "is not a host"),
            ("h.io:0/istio", "is not a host"),
            ("h.io:70000/istio", "is not a host"),
            ("h..io/istio", "is not a host"),
            ("-h.io/istio", "is not a host"),
            ("h.io/a___b", "is not valid in an image name"),
            ("h.io/a..b", "is not valid in an image name"),
            ("h.io/-a", "is not valid in an image name"),
            ("h.io/a_", "is not valid in an image name"),
        ];
        for (text, hint) in table {
            let error = text.parse::<Hub>().unwrap_err().to_string();
            assert!(error.contains(hint), "{text}: {error}");
        }
    }

    #[test]
    fn an_unfilled_variable_is_an_error_of_its_own() {
        for text in [
            "",
            " ",
            "$REPO",
            "${REPO}",
            "gcr.io/$PROJECT/istio",
            "<repo>",
            "{{ hub }}",
        ] {
            let error = text.parse::<Hub>().unwrap_err();
            assert!(matches!(error, HubError::Placeholder { .. }), "{text}");
            let said = error.to_string();
            assert!(
                said.contains("--repo-key") && said.contains("--hub"),
                "{said}"
            );
        }
    }

    #[test]
    fn a_hub_gives_images_and_its_registry() {
        let hub: Hub = "h.io:5000/a".parse().unwrap();
        assert_eq!(
            hub.image("pilot", "1.31.0-solo"),
            "h.io:5000/a/pilot:1.31.0-solo"
        );
        assert_eq!(hub.registry(), Some("h.io:5000"));
        assert_eq!("istio".parse::<Hub>().unwrap().registry(), None);
        assert_eq!(
            "localhost/istio".parse::<Hub>().unwrap().registry(),
            Some("localhost")
        );
    }

    #[test]
    fn a_key_never_shows_itself() {
        let key: RepoKey = " 0123456789ab\n".parse().unwrap();
        assert_eq!(key.expose(), "0123456789ab");
        assert_eq!(format!("{key} {key:?}"), "**** RepoKey(****)");
        assert_eq!(
            mask("h.io/istio-0123456789ab/pilot", Some(&key)),
            "h.io/istio-****/pilot"
        );
        assert_eq!(mask("h.io/istio", None), "h.io/istio");
    }

    #[test]
    fn what_no_registry_allows_is_not_a_key_and_is_not_repeated() {
        for text in ["", "ABC", "a b", "a/b", "a:b", "-a"] {
            let error = text.parse::<RepoKey>().unwrap_err().to_string();
            assert!(
                text.is_empty() || !error.contains(&format!("`{text}`")),
                "{error}"
            );
        }
    }

    proptest! {
        #[test]
        fn no_text_panics_and_what_is_accepted_prints_back(text in "\\PC{0,40}") {
            if let Ok(hub) = text.parse::<Hub>() {
                prop_assert_eq!(hub.to_string(), text);
            }
        }

        #[test]
        fn every_suggested_spelling_is_a_hub(text in "(https://)?[a-zA-Z]{1,5}\\.[a-zA-Z]{2}(/[a-zA-Z0-9]{1,5}){0,3}/{0,2}") {
            if let Err(HubError::Spelling { right, .. }) = text.parse::<Hub>() {
                prop_assert!(right.parse::<Hub>().is_ok(), "{}", right);
            }
        }
    }
}
