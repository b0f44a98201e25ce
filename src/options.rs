//! What the user requested, as plain, valid values. This module does not know any flags.

use std::collections::BTreeMap;

use istio_builds::{Distribution, Hub, Minor, RepoKey, Request};

/// Everything that decides which documents are rendered.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// `--istio`, or the target of an upgrade.
    pub request: Option<Request>,
    pub distribution: Option<Distribution>,
    pub fips: bool,
    pub distroless: bool,
    pub arm: bool,
    pub hub: Option<Hub>,
    pub repo_key: Option<RepoKey>,
    pub platform: Option<String>,
    /// `None` means the default for the platform.
    pub template: Option<Template>,
    /// `--param NAME=VALUE`.
    pub params: BTreeMap<String, String>,
    pub gloo_mesh: Option<Minor>,
    pub features: Vec<String>,
    /// `-f` in order: the name as typed, and the bytes.
    pub files: Vec<(String, Vec<u8>)>,
    /// `--set` in order.
    pub sets: Vec<String>,
    /// `Some(None)` means that the user typed `-r default`.
    pub revision: Option<Option<Revision>>,
    /// `-i`: the namespace of the control plane.
    pub namespace: Option<String>,
    /// The hub in the record of the install that is upgraded, if it is still valid.
    pub recorded_hub: Option<Hub>,
    /// A tag that an upgrade replaces wherever the recorded overlays still contain it.
    pub supersedes: Option<String>,
    pub gateways: Gateways,
    pub consent: Consent,
}

/// What happens to the gateways that the inputs name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Template {
    /// A preset that is built in, by name.
    Preset(String),
    /// The user's own template: its name and text.
    File { name: String, text: String },
    /// No template: only the user's documents are used, as in `check --manifest`.
    None,
}

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

impl Options {
    /// Whether a preset, a template, a file or a `--set` chooses what to install in addition to the build.
    pub fn has_inputs(&self) -> bool {
        self.template.is_some() || !self.files.is_empty() || !self.sets.is_empty()
    }

    /// Returns the flavour flags that were typed.
    pub fn wanted(&self) -> istio_builds::Wanted {
        istio_builds::Wanted {
            distribution: self.distribution,
            fips: self.fips.then_some(true),
            distroless: self.distroless.then_some(true),
            arm: self.arm.then_some(true),
        }
    }
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
