//! Placeholders of copied documents in the settings that a plan is made from.

use std::fmt;

use super::{Input, PlanError};
use istio_builds::{Hub, Placeholder, RepoKey, has_placeholder};
use istio_operator::Origin;

/// A placeholder that nothing fills in, and the flag that would.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfilled {
    pub origin: Origin,
    /// The text as written.
    pub text: String,
    pub flag: &'static str,
}

/// All such placeholders, written as one sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllUnfilled(pub Vec<Unfilled>);

impl fmt::Display for AllUnfilled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let places = self.0.iter();
        let places: Vec<String> = places
            .map(|one| format!("{}: `{}`", one.origin, one.text))
            .collect();
        let flags: Vec<&str> = self.0.iter().map(|one| one.flag).collect();
        let are = if places.len() == 1 {
            "is a placeholder that was"
        } else {
            "are placeholders that were"
        };
        let (places, flags) = (places.join(" and "), flags.join(" and "));
        write!(f, "{places} {are} never filled in: give {flags}")
    }
}

/// Refuses a plan if its input still has placeholders that no flag fills in.
pub(super) fn check(input: &Input<'_>) -> Result<(), PlanError> {
    let (request, user_settings) = (input.request, input.user_settings);
    let key = request.repo_key.as_ref();
    let places = [
        (&user_settings.revision, !request.revision.is_unset(), "-r"),
        (&user_settings.tag, request.build.is_some(), "--istio"),
        (
            &user_settings.hub,
            request.hub.is_some(),
            hub_flag(user_settings.hub.as_ref()),
        ),
        (&user_settings.namespace, request.namespace.is_some(), "-i"),
    ];
    let unfilled = places.into_iter().filter_map(|(said, given, flag)| {
        let (text, origin) = said.as_ref()?;
        let filled = given || (flag == KEY_OR_HUB && key.is_some());
        (!filled && has_placeholder(text)).then(|| Unfilled {
            origin: origin.clone(),
            text: text.clone(),
            flag,
        })
    });
    let unfilled: Vec<Unfilled> = unfilled.collect();
    if unfilled.is_empty() {
        Ok(())
    } else {
        Err(PlanError::Unfilled(AllUnfilled(unfilled)))
    }
}

const KEY_OR_HUB: &str = "--repo-key or --hub";

/// Returns the flags that fill in a hub: the key too, if only the key is missing or the whole hub is a placeholder.
fn hub_flag(said: Option<&(String, Origin)>) -> &'static str {
    let by_key = said.is_some_and(|(text, _)| {
        Placeholder::find(text).is_some_and(|found| found.is_whole(text) || found.is_repo_key(text))
    });
    if by_key { KEY_OR_HUB } else { "--hub" }
}

/// Returns a hub with its key filled in, if only the key is missing.
pub(super) fn with_key(text: &str, key: &RepoKey) -> Option<Hub> {
    let found = Placeholder::find(text)?;
    if !found.is_repo_key(text) {
        return None;
    }
    let (before, after) = (&text[..found.range.start], &text[found.range.end..]);
    format!("{before}{}{after}", key.expose()).parse().ok()
}
