//! What the user's own input says of hub, tag, revision, profile and namespace.

use super::precedence::{HUB, NAMESPACE, PROFILE, REVISION, TAG, at, said};
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

#[cfg(test)]
mod tests {
    use super::super::read;
    use super::*;

    fn of(files: &[&str], sets: &[&str]) -> Early {
        let mut documents = Vec::new();
        for (place, spec) in files.iter().enumerate() {
            let text =
                format!("apiVersion: install.istio.io/v1alpha1\nkind: IstioOperator\n{spec}\n");
            documents.extend(read(&format!("{place}.yaml"), text.as_bytes()).unwrap());
        }
        let sets: Vec<_> = sets
            .iter()
            .map(|text| Assignment::parse(text).unwrap())
            .collect();
        early(&documents, &sets)
    }

    #[test]
    fn the_last_word_counts_and_values_global_most() {
        for (files, sets, want) in [
            (&[][..], &[][..], None),
            (&["spec: {tag: a}"], &[], Some(("a", "0.yaml:3:13"))),
            (
                &["spec: {tag: a}", "spec: {tag: 1.20}"],
                &[],
                Some(("1.20", "1.yaml:3:13")),
            ),
            (
                &["spec: {tag: a}"],
                &["tag=b", "tag=c"],
                Some(("c", "--set tag=c")),
            ),
            (
                &["spec: {values: {global: {tag: a}}}"],
                &["tag=b"],
                Some(("a", "0.yaml:3:31")),
            ),
            (
                &["spec: {values: {global: {tag: a}}}"],
                &["values.global.tag=c", "tag=b"],
                Some(("c", "--set values.global.tag=c")),
            ),
            (
                &["spec: {tag: a}", "spec: {tag: null}"],
                &[],
                Some(("a", "0.yaml:3:13")),
            ),
        ] {
            let found = of(files, sets)
                .tag
                .map(|(value, origin)| (value, origin.to_string()));
            let found = found
                .as_ref()
                .map(|(value, origin)| (value.as_str(), origin.as_str()));
            assert_eq!(found, want, "{files:?} {sets:?}");
        }
    }

    #[test]
    fn everything_a_plan_needs_is_read() {
        let early = of(
            &["metadata: {namespace: n1}\nspec: {hub: h, profile: p}"],
            &["revision=r", "values.global.istioNamespace=n2"],
        );
        let value = |said: Option<(String, Origin)>| said.map(|(value, _)| value);
        assert_eq!(value(early.hub).as_deref(), Some("h"));
        assert_eq!(value(early.profile).as_deref(), Some("p"));
        assert_eq!(value(early.revision).as_deref(), Some("r"));
        assert_eq!(value(early.namespace).as_deref(), Some("n2"));
        assert_eq!(early.tag, None);
    }
}
