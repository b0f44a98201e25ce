//! What the user wants to be installed, as plain, valid values. It is also what the record of an install contains. This
//! module does not know any flags.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use istio_builds::{Distribution, Hub, ImageTag, Minor, RepoKey, Request};
use serde::{Deserialize, Serialize};

/// Everything that decides which documents are rendered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct InstallRequest {
    /// `--istio`, or the target of an upgrade.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub build: Option<Request>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub distribution: Option<Distribution>,
    pub fips: bool,
    pub distroless: bool,
    pub arm: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hub: Option<Hub>,
    /// Never stored: it is a secret.
    #[serde(skip)]
    pub repo_key: Option<RepoKey>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
    /// `None` means the default for the platform.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template: Option<Template>,
    /// `--param NAME=VALUE`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub params: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gloo_mesh: Option<Minor>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub features: Vec<String>,
    /// `-f` in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub overlays: Vec<Overlay>,
    /// `--set` in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sets: Vec<String>,
    #[serde(skip_serializing_if = "RevisionChoice::is_unset")]
    pub revision: RevisionChoice,
    /// `-i`: the namespace of the control plane.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    pub gateways: Gateways,
    /// Given for one run.
    #[serde(skip)]
    pub consent: Consent,
    /// What an upgrade starts from.
    #[serde(skip)]
    pub upgraded: Option<Upgraded>,
}

/// A file of the user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Overlay {
    /// The name as typed.
    pub name: String,
    /// The content; its encoding is validated when it is read as a document.
    #[serde(with = "lossy_text")]
    pub text: Vec<u8>,
}

/// Stores bytes as text.
mod lossy_text {
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&String::from_utf8_lossy(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<u8>, D::Error> {
        String::deserialize(deserializer).map(String::into_bytes)
    }
}

/// The install that an upgrade starts from, as far as it decides about the plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upgraded {
    /// The hub of that install, if it is still valid.
    pub hub: Option<Hub>,
    /// The tag of that install, which is replaced wherever its overlays still contain it.
    pub tag: ImageTag,
}

/// What happens to the gateways that the inputs name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Gateways {
    #[default]
    Install,
    /// They stay as they are, with the revision that they belong to.
    LeaveOut,
}

/// The user's consent to risky changes, each by a flag of its own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Consent {
    /// Installing an older build than the one that runs.
    pub downgrade: bool,
    /// Replacing a FIPS build by one without FIPS.
    pub fips_loss: bool,
    /// Moving gateways to another revision.
    pub gateways: bool,
}

/// The source of the first document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Template {
    /// A preset that is built in, by name.
    Preset(String),
    /// The user's own template: its name and text.
    File { name: String, text: String },
    /// No template: only the user's documents are used, as in `check --manifest`.
    None,
}

/// The revision that the user names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum RevisionChoice {
    /// None: the inputs decide.
    #[default]
    Unset,
    /// `-r default`: the control plane without a revision.
    Default,
    Named(Revision),
}

impl RevisionChoice {
    pub fn is_unset(&self) -> bool {
        *self == RevisionChoice::Unset
    }

    /// Returns the name, if it is not the default revision.
    pub fn named(&self) -> Option<&Revision> {
        match self {
            RevisionChoice::Named(revision) => Some(revision),
            RevisionChoice::Unset | RevisionChoice::Default => None,
        }
    }
}

impl fmt::Display for RevisionChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.named().map_or(Revision::DEFAULT, Revision::as_str))
    }
}

impl FromStr for RevisionChoice {
    type Err = RevisionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let named = Revision::parse(text)?;
        Ok(named.map_or(RevisionChoice::Default, RevisionChoice::Named))
    }
}

dated_data::text_serde!(RevisionChoice, "the name of a revision");

/// The name of a revision other than `default`.
///
/// A lower-case DNS label of at most [`Revision::LONGEST`] characters, because `istiod-NAME` must be one too.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Revision(String);

/// Why a text is not the name of a revision.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RevisionError {
    #[error("revision `{0}` must be lower case: use `{lower}`", lower = slug(.0))]
    Case(String),
    #[error("revision `{0}` is longer than {longest} characters: `istiod-{0}` must fit a Service name", longest = Revision::LONGEST)]
    Long(String),
    #[error("revision `{0}` must be letters, digits and dashes, beginning and ending with a letter or digit: use `{better}`", better = slug(.0))]
    Shape(String),
}

impl InstallRequest {
    /// Whether a preset, a template, a file or a `--set` chooses what to install in addition to the build.
    pub fn has_inputs(&self) -> bool {
        self.template.is_some() || !self.overlays.is_empty() || !self.sets.is_empty()
    }

    /// Whether this is the tag of the install that is upgraded.
    pub fn is_upgraded_from(&self, tag: &str) -> bool {
        let upgraded = self.upgraded.as_ref();
        upgraded.is_some_and(|upgraded| upgraded.tag.to_string() == tag)
    }

    /// Returns the hub of the install that is upgraded, if it is still valid.
    pub fn recorded_hub(&self) -> Option<&Hub> {
        self.upgraded.as_ref()?.hub.as_ref()
    }

    /// Returns the flavour that the user names.
    pub fn wanted(&self) -> istio_builds::Wanted {
        istio_builds::Wanted {
            distribution: self.distribution,
            fips: self.fips.then_some(true),
            distroless: self.distroless.then_some(true),
            arm: self.arm.then_some(true),
        }
    }

    /// Returns this request with the inputs of an earlier one under its own: where both have a value, this one counts.
    ///
    /// Build, flavour, revision, namespace, key and consent are only those of this request. An overlay replaces the one
    /// of `earlier` with the same name; see [`InstallRequest::replaced_overlays`].
    #[must_use]
    pub fn merged_over(&self, earlier: &InstallRequest) -> InstallRequest {
        let replaced = self.replaced_overlays(earlier);
        let kept = earlier.overlays.iter().enumerate();
        let kept = kept.filter(|(at, _)| !replaced.contains(at));
        let kept = kept.map(|(_, overlay)| overlay.clone());
        let features = earlier.features.iter();
        let features = features.filter(|feature| !self.features.contains(feature));
        let mut params = earlier.params.clone();
        params.extend(self.params.clone());
        InstallRequest {
            hub: self.hub.clone().or_else(|| earlier.hub.clone()),
            platform: self.platform.clone().or_else(|| earlier.platform.clone()),
            template: self.template.clone().or_else(|| earlier.template.clone()),
            params,
            gloo_mesh: self.gloo_mesh.or(earlier.gloo_mesh),
            features: features.chain(&self.features).cloned().collect(),
            overlays: kept.chain(self.overlays.iter().cloned()).collect(),
            sets: [earlier.sets.clone(), self.sets.clone()].concat(),
            ..self.clone()
        }
    }

    /// Returns the indexes of the overlays of `earlier` that an overlay of the same name replaces.
    ///
    /// Whole paths are compared first. File names are compared only if one overlay and one other file have that name.
    pub fn replaced_overlays(&self, earlier: &InstallRequest) -> BTreeSet<usize> {
        let names = || earlier.overlays.iter().map(|overlay| overlay.name.as_str());
        let is_recorded = |given: &str| names().any(|name| name == given);
        let given = || self.overlays.iter().map(|overlay| overlay.name.as_str());
        let is_only = |name: &str| {
            let same = |other: &&str| file_name(other) == file_name(name);
            let recorded = names().filter(same).count();
            let new = given().filter(|given| !is_recorded(given)).filter(same);
            recorded == 1 && new.count() == 1
        };
        let is_replaced = |name: &str| given().any(|given| given == name) || is_only(name);
        let names = names().enumerate();
        names
            .filter(|(_, name)| is_replaced(name))
            .map(|(at, _)| at)
            .collect()
    }

    /// Names what `earlier` has and this request lacks, as the user would type it: overlays, `--set`, template and
    /// options. An option that only checks use does not count.
    ///
    /// A file with the same name or the same text, and a value for the same path, count as present.
    pub fn lacks(&self, earlier: &InstallRequest) -> Vec<String> {
        let replaced = self.replaced_overlays(earlier);
        let is_given = |overlay: &Overlay| self.overlays.iter().any(|own| own.text == overlay.text);
        let overlays = earlier.overlays.iter().enumerate();
        let overlays = overlays
            .filter(|(at, overlay)| !replaced.contains(at) && !is_given(overlay))
            .map(|(at, overlay)| format!("overlay {} ({})", at + 1, overlay.name));
        let path = |set: &str| set.split('=').next().unwrap_or_default().to_owned();
        let given: BTreeSet<String> = self.sets.iter().map(|set| path(set)).collect();
        let sets = earlier
            .sets
            .iter()
            .filter(|set| !given.contains(&path(set)));
        let template = earlier.template.iter().filter(|_| self.template.is_none());
        let hub = earlier.hub.iter().filter(|_| self.hub.is_none());
        let platform = earlier.platform.iter().filter(|_| self.platform.is_none());
        let params = earlier.params.iter();
        let params = params.filter(|(name, _)| !self.params.contains_key(*name));
        overlays
            .chain(sets.map(|set| format!("--set {set}")))
            .chain(template.filter_map(Template::flag))
            .chain(hub.map(|hub| format!("--hub {hub}")))
            .chain(platform.map(|platform| format!("--platform {platform}")))
            .chain(params.map(|(name, value)| format!("--param {name}={value}")))
            .collect()
    }

    /// Returns the options as the user would type them, except build, flavour, files and `--set`.
    pub fn options(&self) -> Vec<String> {
        let hub = self.hub.iter().map(|hub| format!("--hub {hub}"));
        let platform = self.platform.iter();
        let platform = platform.map(|platform| format!("--platform {platform}"));
        let preset = match &self.template {
            Some(preset @ Template::Preset(_)) => preset.flag(),
            _ => None,
        };
        let gloo_mesh = self.gloo_mesh.iter();
        let gloo_mesh = gloo_mesh.map(|version| format!("--gloo-mesh {version}"));
        let params = self.params.iter();
        let params = params.map(|(name, value)| format!("--param {name}={value}"));
        let features = self.features.iter();
        let features = features.map(|feature| format!("--feature {feature}"));
        hub.chain(platform)
            .chain(preset)
            .chain(gloo_mesh)
            .chain(params)
            .chain(features)
            .collect()
    }
}

impl Template {
    /// Returns the option that names it; `None` if there is none.
    fn flag(&self) -> Option<String> {
        match self {
            Template::Preset(name) => Some(format!("--preset {name}")),
            Template::File { name, .. } => Some(format!("--template {name}")),
            Template::None => None,
        }
    }
}

/// Returns the last part of a path, because a pipeline may run in another directory.
fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

impl Revision {
    /// The 63 characters of a Service name minus those of `istiod-`.
    pub const LONGEST: usize = 56;

    /// The name in labels if no revision is set.
    pub const DEFAULT: &'static str = "default";

    /// Parses a revision; `default` and the empty text mean that none is set.
    pub fn parse(text: &str) -> Result<Option<Revision>, RevisionError> {
        if text.is_empty() || text == Self::DEFAULT {
            return Ok(None);
        }
        let label = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        if text.chars().any(|c| c.is_ascii_uppercase()) {
            return Err(RevisionError::Case(text.to_owned()));
        }
        if !text.chars().all(|c| label(c) || c == '-')
            || !text.starts_with(label)
            || !text.ends_with(label)
        {
            return Err(RevisionError::Shape(text.to_owned()));
        }
        if text.len() > Revision::LONGEST {
            return Err(RevisionError::Long(text.to_owned()));
        }
        Ok(Some(Revision(text.to_owned())))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Returns the nearest spelling that is a valid revision: `1.20.3` → `1-20-3`.
fn slug(text: &str) -> String {
    let dashed: String = text
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() {
                c.to_ascii_lowercase()
            } else {
                '-'
            }
        })
        .collect();
    let trimmed = dashed.trim_matches('-');
    if trimmed.is_empty() {
        "1-31".to_owned()
    } else {
        trimmed.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_and_empty_mean_unset() {
        assert_eq!(Revision::parse("default"), Ok(None));
        assert_eq!(Revision::parse(""), Ok(None));
    }

    fn overlay(name: &str, text: &str) -> Overlay {
        Overlay {
            name: name.to_owned(),
            text: text.as_bytes().to_vec(),
        }
    }

    fn with_overlays(names: &[&str]) -> InstallRequest {
        InstallRequest {
            overlays: names.iter().map(|name| overlay(name, name)).collect(),
            ..InstallRequest::default()
        }
    }

    #[test]
    fn overlay_replaces_one_of_the_same_name() {
        for (recorded, given, replaced) in [
            (&["base.yaml"][..], &["base.yaml"][..], &[0][..]),
            // A pipeline may run in another directory.
            (&["a/base.yaml", "x.yaml"], &["b/base.yaml"], &[0]),
            (&["team/o.yaml", "prod/o.yaml"], &["team/o.yaml"], &[0]),
            (&["team/o.yaml", "prod/o.yaml"], &["prod/o.yaml"], &[1]),
            (&["team/o.yaml", "prod/o.yaml"], &["o.yaml"], &[]),
            (&["o.yaml"], &["team/o.yaml", "prod/o.yaml"], &[]),
            (&["o.yaml"], &["o.yaml", "prod/o.yaml"], &[0]),
            (&["o.yaml"], &["other.yaml"], &[]),
        ] {
            let earlier = with_overlays(recorded);
            let mut now = with_overlays(given);
            let found: Vec<usize> = now.replaced_overlays(&earlier).into_iter().collect();
            assert_eq!(found, replaced, "{recorded:?} {given:?}");
            for overlay in &mut now.overlays {
                overlay.text = b"other".to_vec();
            }
            let missing = now.lacks(&earlier).len();
            assert_eq!(
                missing,
                recorded.len() - replaced.len(),
                "{recorded:?} {given:?}"
            );
        }
    }

    /// Returns a request with every kind of input.
    fn full() -> InstallRequest {
        InstallRequest {
            build: Some("1.31.0-solo-fips".parse().unwrap()),
            hub: Some("h.io/mirror".parse().unwrap()),
            platform: Some("openshift".to_owned()),
            template: Some(Template::File {
                name: "t.hbs".to_owned(),
                text: "one".to_owned(),
            }),
            params: [("cluster", "a"), ("network", "n")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
            gloo_mesh: Some("2.5".parse().unwrap()),
            features: vec!["x".to_owned()],
            overlays: vec![overlay("base.yaml", "spec: {hub: a}")],
            sets: vec!["a.b=1".to_owned()],
            revision: "canary".parse().unwrap(),
            namespace: Some("mesh".to_owned()),
            gateways: Gateways::LeaveOut,
            ..InstallRequest::default()
        }
    }

    #[test]
    fn missing_inputs_are_named_as_they_are_typed() {
        assert_eq!(
            InstallRequest::default().lacks(&full()),
            [
                "overlay 1 (base.yaml)",
                "--set a.b=1",
                "--template t.hbs",
                "--hub h.io/mirror",
                "--platform openshift",
                "--param cluster=a",
                "--param network=n",
            ]
        );
        assert_eq!(full().lacks(&full()), [""; 0]);
        let renamed = InstallRequest {
            overlays: vec![overlay("other.yaml", "spec: {hub: a}")],
            sets: vec!["a.b=2".to_owned()],
            template: Some(Template::Preset("minimal".to_owned())),
            ..full()
        };
        assert_eq!(renamed.lacks(&full()), [""; 0]);
    }

    #[test]
    fn merge_prefers_the_later_request_and_keeps_the_rest() {
        let now = InstallRequest {
            params: [("cluster".to_owned(), "b".to_owned())].into(),
            sets: vec!["a.b=2".to_owned()],
            ..InstallRequest::default()
        };
        let merged = now.merged_over(&full());
        let expected = InstallRequest {
            build: None,
            revision: RevisionChoice::Unset,
            namespace: None,
            gateways: Gateways::Install,
            params: [("cluster", "b"), ("network", "n")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
            sets: vec!["a.b=1".to_owned(), "a.b=2".to_owned()],
            ..full()
        };
        assert_eq!(merged, expected);
        assert_eq!(full().merged_over(&InstallRequest::default()), full());
    }

    #[test]
    fn record_format_keeps_everything_but_secret_and_consent() {
        let request = InstallRequest {
            repo_key: Some("0123456789ab".parse().unwrap()),
            consent: Consent {
                downgrade: true,
                ..Consent::default()
            },
            ..full()
        };
        let text = serde_json::to_string(&request).unwrap();
        assert!(
            !text.contains("0123456789ab") && !text.contains("--"),
            "{text}"
        );
        assert_eq!(
            serde_json::from_str::<InstallRequest>(&text).unwrap(),
            full()
        );
        assert!(serde_json::from_str::<InstallRequest>(r#"{"fipz": true}"#).is_err());
    }

    #[test]
    fn refusals_name_the_spelling_that_works() {
        for (text, spelling) in [
            ("Ab", "`ab`"),
            ("1.20.3", "`1-20-3`"),
            ("-a", "`a`"),
            ("a_b", "`a-b`"),
            ("..", "`1-31`"),
        ] {
            let refusal = Revision::parse(text).unwrap_err().to_string();
            assert!(refusal.contains(spelling), "{text}: {refusal}");
        }
        assert!(Revision::parse(&"a".repeat(57)).is_err());
        assert!(Revision::parse(&"a".repeat(56)).is_ok());
    }
}
