//! What the user's own input says of hub, tag, revision, profile and namespace.

use super::places::{HUB, NAMESPACE, PROFILE, REVISION, TAG, at, said};
use super::set::Assignment;
use super::{Origin, UserDocument};

/// What the user's own input says before there is a plan: each value with its origin.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Early {
    pub hub: Option<(String, Origin)>,
    pub tag: Option<(String, Origin)>,
    pub revision: Option<(String, Origin)>,
    pub profile: Option<(String, Origin)>,
    pub namespace: Option<(String, Origin)>,
}

/// The last word of files and sets on what a plan is made of; `values.global` beats `spec`, from
/// wherever it comes, and otherwise a `--set` beats a file.
pub fn early(files: &[UserDocument], sets: &[Assignment]) -> Early {
    let last = |paths: &[&str]| {
        paths
            .iter()
            .find_map(|path| set(sets, path).or_else(|| filed(files, path)))
    };
    Early {
        hub: last(HUB),
        tag: last(TAG),
        revision: last(REVISION),
        profile: last(PROFILE),
        namespace: last(NAMESPACE),
    }
}

fn set(sets: &[Assignment], path: &str) -> Option<(String, Origin)> {
    let assignment = sets
        .iter()
        .rev()
        .find(|assignment| assignment.place().to_string() == path)?;
    Some((said(&assignment.value)?, assignment.origin()))
}

fn filed(files: &[UserDocument], path: &str) -> Option<(String, Origin)> {
    files.iter().rev().find_map(|file| {
        let value = said(at(&file.value, path)?)?;
        let (_, position) = file.places.iter().rev().find(|(place, _)| place == path)?;
        Some((value, Origin::File(position.clone())))
    })
}
