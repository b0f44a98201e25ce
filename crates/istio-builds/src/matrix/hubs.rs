//! Rows about hubs: who owns them, which builds they have, and what a key looks like.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{Row, Spans};
use crate::hub::{Hub, HubError, RepoKey};
use crate::request::Request;
use crate::tag::ImageTag;

const KEY: &str = "<key>";

/// A hub, or a hub with `<key>` in the place of its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubPattern(String);

impl HubPattern {
    /// Returns the pattern as the data contains it.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    pub fn needs_key(&self) -> bool {
        self.0.contains(KEY)
    }

    /// Returns the hub itself, with the key filled in; `None` without a required key.
    pub fn fill(&self, key: Option<&RepoKey>) -> Option<Hub> {
        match key {
            Some(key) => self.0.replacen(KEY, key.expose(), 1).parse().ok(),
            None => self.0.parse().ok(),
        }
    }

    /// Returns the key in a hub of this pattern.
    pub(super) fn key_in(&self, hub: &Hub) -> Option<RepoKey> {
        let (before, after) = self.0.split_once(KEY)?;
        let key = hub.as_str().strip_prefix(before)?.strip_suffix(after)?;
        key.parse().ok()
    }

    /// Returns the text before the key.
    pub(super) fn before_key(&self) -> Option<&str> {
        self.0.split_once(KEY).map(|(before, _)| before)
    }

    pub(super) fn is(&self, hub: &Hub) -> bool {
        self.0 == hub.as_str()
    }
}

impl fmt::Display for HubPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for HubPattern {
    type Err = HubError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let _hub: Hub = text.replacen(KEY, "k", 1).parse()?;
        Ok(Self(text.into()))
    }
}

dated_data::text_serde!(HubPattern, "a hub, perhaps with <key> in it");

/// The owner and purpose of a hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HubKind {
    /// The vendor's hub, with a key in its name.
    SoloKeyed,
    /// The vendor's hub without a key.
    SoloKeyless,
    /// Upstream's hub.
    Community,
    /// The vendor's hub for its workshops.
    Workshop,
    /// The vendor's hub for previews.
    Preview,
    /// Any other registry.
    Mirror,
}

impl HubKind {
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::SoloKeyed => "Solo's hub with a key",
            Self::SoloKeyless => "Solo's open hub",
            Self::Community => "a hub of the Istio community",
            Self::Workshop => "Solo's hub for workshops",
            Self::Preview => "Solo's hub for previews",
            Self::Mirror => "a registry that the data does not know, so a mirror",
        }
    }
}

/// The claims of one page about a hub.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HubRow {
    pub hub: HubPattern,
    pub kind: HubKind,
    /// The builds that it has.
    #[serde(default)]
    pub has: Option<Spans>,
    /// The builds that are known not to be there.
    #[serde(default)]
    pub lacks: Option<Spans>,
    /// Single builds that were seen there, which does not mean that it has their whole lines.
    #[serde(default)]
    pub builds: Vec<ImageTag>,
    #[serde(default)]
    pub note: String,
}

impl Row for HubRow {
    const COLUMNS: &'static [&'static str] = &["hub", "kind", "has", "lacks", "builds", "note"];

    fn concerns(&self, istio: &Request) -> bool {
        let spans = [&self.has, &self.lacks];
        let named = spans
            .into_iter()
            .flatten()
            .any(|spans| spans.concerns(istio));
        let silent = self.has.is_none() && self.lacks.is_none() && self.builds.is_empty();
        let seen = self.builds.iter().any(|tag| match istio.rebuild() {
            Some(rebuild) => tag.rebuild() == rebuild,
            None => tag.minor() == istio.minor(),
        });
        named || seen || silent
    }

    fn key(&self) -> String {
        self.hub.to_string()
    }

    fn cells(&self) -> Vec<String> {
        let spans =
            |spans: &Option<Spans>| spans.as_ref().map(ToString::to_string).unwrap_or_default();
        let builds: Vec<String> = self.builds.iter().map(ToString::to_string).collect();
        let kind = self.kind.words().to_owned();
        let (has, lacks) = (spans(&self.has), spans(&self.lacks));
        vec![
            self.hub.to_string(),
            kind,
            has,
            lacks,
            builds.join(", "),
            self.note.clone(),
        ]
    }
}

impl HubRow {
    pub(super) fn is_solos(&self) -> bool {
        matches!(self.kind, HubKind::SoloKeyed | HubKind::SoloKeyless)
    }

    pub(super) fn has(&self, tag: &ImageTag) -> bool {
        self.has
            .as_ref()
            .is_some_and(|has| has.contains(&tag.rebuild()))
    }

    pub(super) fn lacks(&self, tag: &ImageTag) -> bool {
        self.lacks
            .as_ref()
            .is_some_and(|lacks| lacks.contains(&tag.rebuild()))
    }

    pub(super) fn saw(&self, tag: &ImageTag) -> bool {
        self.builds
            .iter()
            .any(|seen| seen.rebuild() == tag.rebuild())
    }
}

/// The form of keys, and where to get one.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyShape {
    pub length: usize,
    pub characters: String,
    /// Who issues keys.
    pub from: String,
    pub note: String,
}

impl KeyShape {
    /// Whether a text looks like the keys that were seen.
    pub fn fits(&self, text: &str) -> bool {
        text.len() == self.length && text.chars().all(|c| self.characters.contains(c))
    }
}

impl Row for KeyShape {
    const COLUMNS: &'static [&'static str] = &["length", "characters", "from", "note"];

    fn key(&self) -> String {
        "repo-key".into()
    }

    fn cells(&self) -> Vec<String> {
        let length = self.length.to_string();
        vec![
            length,
            self.characters.clone(),
            self.from.clone(),
            self.note.clone(),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_a_hub_or_a_hub_with_a_key_in_it() {
        let key: RepoKey = "0123456789ab".parse().unwrap();
        let keyed: HubPattern = "h.io/istio-<key>".parse().unwrap();
        assert!(keyed.needs_key() && keyed.fill(None).is_none());
        let hub = keyed.fill(Some(&key)).unwrap();
        assert_eq!(hub.as_str(), "h.io/istio-0123456789ab");
        assert_eq!(keyed.key_in(&hub), Some(key));
        let open: HubPattern = "h.io/istio".parse().unwrap();
        assert!(!open.needs_key() && open.is(&open.fill(None).unwrap()));
        assert!("h.io/istio/".parse::<HubPattern>().is_err());
    }
}
