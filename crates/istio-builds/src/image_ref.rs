//! References to container images, as pods and documents contain them.

use std::fmt;
use std::str::FromStr;

use oci_spec::distribution::Reference;

use super::image_reference::parse_reference;

/// A reference to an image, such as `r.io/istio/proxyv2:1.31.0-solo@sha256:…`.
///
/// The grammar is that of container registries. A digest is kept: a runtime pulls by the digest if there is one, and
/// the tag before it has no effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageRef {
    /// The reference as it is written.
    text: String,
    /// The reference with the registry and the tag that a runtime adds if none is written.
    reference: Reference,
}

/// A text that is not an image reference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not an image reference: {why}")]
pub struct ImageRefError {
    text: String,
    why: String,
}

impl FromStr for ImageRef {
    type Err = ImageRefError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let reference = parse_reference(text).map_err(|error| ImageRefError {
            text: text.to_owned(),
            why: format!("{error}"),
        })?;
        Ok(ImageRef {
            text: text.to_owned(),
            reference,
        })
    }
}

/// Written unchanged.
impl fmt::Display for ImageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl ImageRef {
    /// Returns everything before tag and digest, as it is written.
    pub fn repository(&self) -> &str {
        let named = self.text.split('@').next().unwrap_or_default();
        match named.rsplit_once(':') {
            Some((repository, tag)) if !tag.contains('/') => repository,
            _ => named,
        }
    }

    /// Returns the hub, which is the repository without its last part, as it is written; empty if there is none.
    pub fn hub(&self) -> &str {
        self.repository()
            .rsplit_once('/')
            .map_or("", |(hub, _)| hub)
    }

    /// Returns the last part of the repository: `proxyv2`.
    pub fn name(&self) -> &str {
        let repository = self.repository();
        repository
            .rsplit_once('/')
            .map_or(repository, |(_, name)| name)
    }

    /// Returns the tag, where one is written.
    pub fn tag(&self) -> Option<&str> {
        let named = self.text.split('@').next()?;
        let behind = named.get(self.repository().len()..)?;
        behind.strip_prefix(':')
    }

    /// Returns the digest, `sha256:…`, where one is written.
    pub fn digest(&self) -> Option<&str> {
        self.reference.digest()
    }

    /// Whether the image comes from a hub: `docker.io/istio` and `istio` are the same hub.
    pub fn is_from_hub(&self, hub: &str) -> bool {
        let other = parse_reference(&format!("{hub}/{}", self.name()));
        other.is_ok_and(|other| {
            (other.registry(), other.repository())
                == (self.reference.registry(), self.reference.repository())
        })
    }

    /// Whether both have the same hub and the same version, which means equal tag and digest.
    pub fn is_of_build(&self, other: &ImageRef) -> bool {
        self.is_from_hub(other.hub())
            && (self.tag(), self.digest()) == (other.tag(), other.digest())
    }

    /// Whether its tag names a FIPS build. A digest does not show that.
    pub fn is_tagged_fips(&self) -> bool {
        self.tag().is_some_and(tag_says_fips)
    }

    /// Returns the reference for requests to a registry.
    pub fn reference(&self) -> &Reference {
        &self.reference
    }
}

/// Whether a tag names a FIPS build: one of its words is `fips`, `fipsonly` or `fips140`, in any grammar, and the word
/// before it does not negate it. Texts that repeat a tag, such as a label of an image, are read by the same rule.
pub fn tag_says_fips(tag: &str) -> bool {
    const DENIALS: [&str; 5] = ["no", "non", "not", "nofips", "without"];
    let lower = tag.to_ascii_lowercase();
    let words = lower.split(|c: char| !c.is_ascii_alphabetic());
    let mut before = "";
    for word in words.filter(|word| !word.is_empty()) {
        if word.starts_with("fips") && !DENIALS.contains(&before) {
            return true;
        }
        before = word;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

    #[test]
    fn reads_ports_tags_and_digests() {
        for (text, hub, name, tag, digest) in [
            (
                "r.io:5000/a/proxyv2:1.31.0-solo",
                "r.io:5000/a",
                "proxyv2",
                Some("1.31.0-solo"),
                false,
            ),
            ("r.io:5000/a/proxyv2", "r.io:5000/a", "proxyv2", None, false),
            ("r.io:5000/proxyv2", "r.io:5000", "proxyv2", None, false),
            (
                "r.io/a/proxyv2:1.31.0@",
                "r.io/a",
                "proxyv2",
                Some("1.31.0"),
                true,
            ),
            ("r.io/a/proxyv2@", "r.io/a", "proxyv2", None, true),
            ("proxyv2:1.31.0", "", "proxyv2", Some("1.31.0"), false),
            ("istio/proxyv2", "istio", "proxyv2", None, false),
        ] {
            let text = text.replace('@', &format!("@{DIGEST}"));
            let image: ImageRef = text.parse().unwrap();
            assert_eq!(
                (image.hub(), image.name(), image.tag()),
                (hub, name, tag),
                "{text}"
            );
            assert_eq!(image.digest(), digest.then_some(DIGEST), "{text}");
            assert_eq!(image.to_string(), text);
        }
    }

    #[test]
    fn refuses_what_no_runtime_pulls() {
        for text in [
            "",
            "r.io/a/proxyv2:",
            "r.io/a/proxyv2@sha256:00",
            "r.io/a/Proxyv2:1",
            "r.io/a/proxyv2:1.31.0 ",
            "$(touch pwned)",
            "r.io/a/proxyv2:1@md5:d41d8cd98f00b204e9800998ecf8427e",
            "-v",
            "a\nb",
        ] {
            assert!(text.parse::<ImageRef>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn tag_says_fips_by_any_of_its_words() {
        for (tag, says) in [
            ("1.31.0-solo-fips", true),
            ("1.31.0-solo-fips-distroless", true),
            ("1.31.0-fipsonly", true),
            ("1.30-fips", true),
            ("1.31-FIPS", true),
            ("fips", true),
            ("fake_fips", true),
            ("1.31.0fips", true),
            ("1.31.0-fips140-3", true),
            ("v1.fips.2", true),
            ("1.31.0-solo", false),
            ("1.31.0-non-fips", false),
            ("1.31.0-nofips", false),
            ("1.31.0", false),
            ("", false),
        ] {
            assert_eq!(tag_says_fips(tag), says, "{tag}");
        }
        for (image, says) in [
            ("r.io:5000/a/pilot:1-fips", true),
            ("r.io/a/pilot:1-fips@", true),
            ("r.io/a/pilot@", false),
            ("r.io/a/pilot-fips:1.31.0", false),
            ("r.io:5000/fips", false),
        ] {
            let image: ImageRef = image.replace('@', &format!("@{DIGEST}")).parse().unwrap();
            assert_eq!(image.is_tagged_fips(), says, "{image}");
        }
    }

    #[test]
    fn a_hub_is_the_same_with_and_without_the_default_registry() {
        let image: ImageRef = "istio/proxyv2:1.31.0".parse().unwrap();
        for (hub, same) in [
            ("istio", true),
            ("docker.io/istio", true),
            ("index.docker.io/istio", true),
            ("r.io/istio", false),
            ("docker.io/istio/sub", false),
            ("docker.io", false),
            ("", false),
        ] {
            assert_eq!(image.is_from_hub(hub), same, "{hub}");
        }
    }
}
