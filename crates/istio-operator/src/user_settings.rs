//! Hub, tag, revision, profile and namespace in the user's own input.

use serde_json::Value;

use super::precedence::{HUB, NAMESPACE, PROFILE, REVISION, TAG, at, said};
use super::set::Assignment;
use super::{Origin, UserDocument, route};

/// The settings in the user's own input, before there is a plan: each value with its origin.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UserSettings {
    pub hub: Option<(String, Origin)>,
    pub tag: Option<(String, Origin)>,
    pub revision: Option<(String, Origin)>,
    pub profile: Option<(String, Origin)>,
    pub namespace: Option<(String, Origin)>,
}

impl UserSettings {
    /// Returns each value of `self`, or else that of `other`.
    #[must_use]
    pub fn or(self, other: UserSettings) -> UserSettings {
        UserSettings {
            hub: self.hub.or(other.hub),
            tag: self.tag.or(other.tag),
            revision: self.revision.or(other.revision),
            profile: self.profile.or(other.profile),
            namespace: self.namespace.or(other.namespace),
        }
    }
}

/// Returns the settings of files and sets that a plan is made from; `values.global` takes precedence over `spec`,
/// wherever it comes from, and otherwise a `--set` over a file.
///
/// Among the documents of one file, those of a control plane take precedence over those of gateways alone; only the
/// former determine the namespace and revision of the control plane.
pub fn scan_user_settings(files: &[UserDocument], sets: &[Assignment]) -> UserSettings {
    let streams = route::in_streams(files);
    let (gateways, planes): (Vec<_>, Vec<_>) = files
        .iter()
        .zip(streams)
        .partition(|(file, in_stream)| *in_stream && is_gateway_alone(file));
    let last = |paths: &[&str]| {
        paths.iter().find_map(|path| {
            set(sets, path)
                .or_else(|| filed(&planes, path))
                .or_else(|| filed(&gateways, path))
        })
    };
    let counting = if planes.is_empty() {
        &gateways
    } else {
        &planes
    };
    let of_planes = |paths: &[&str]| {
        paths
            .iter()
            .find_map(|path| set(sets, path).or_else(|| filed(counting, path)))
    };
    UserSettings {
        hub: last(HUB),
        tag: last(TAG),
        revision: of_planes(REVISION),
        profile: last(PROFILE),
        namespace: of_planes(NAMESPACE),
    }
}

/// Whether a document turns istiod off, or begins from the empty profile and does not turn it on.
fn is_gateway_alone(file: &UserDocument) -> bool {
    let pilot = at(&file.value, "spec.components.pilot.enabled").and_then(Value::as_bool);
    let profile = at(&file.value, "spec.profile").and_then(Value::as_str);
    pilot.map_or(profile == Some("empty"), |enabled| !enabled)
}

fn set(sets: &[Assignment], path: &str) -> Option<(String, Origin)> {
    let assignment = sets
        .iter()
        .rev()
        .find(|assignment| assignment.place().to_string() == path)?;
    Some((said(&assignment.value)?, assignment.origin()))
}

fn filed(files: &[(&UserDocument, bool)], path: &str) -> Option<(String, Origin)> {
    files.iter().rev().find_map(|(file, _)| {
        let value = said(at(&file.value, path)?)?;
        let (_, position) = file.places.iter().rev().find(|(place, _)| place == path)?;
        Some((value, Origin::File(position.clone())))
    })
}

#[cfg(test)]
mod tests {
    use super::super::read;
    use super::*;

    fn of(files: &[&str], sets: &[&str]) -> UserSettings {
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
        scan_user_settings(&documents, &sets)
    }

    #[test]
    fn document_that_turns_istiod_off_does_not_choose_the_revision() {
        let stream = "metadata: {name: a}\nspec: {tag: t1}\n---\napiVersion: install.istio.io/v1alpha1\nkind: IstioOperator\nmetadata: {name: b}\nspec: {profile: minimal, revision: r2, tag: t2, components: {pilot: {enabled: false}}}";
        let found = of(&[stream], &[]);
        assert!(found.revision.is_none(), "{found:?}");
        assert_eq!(found.tag.unwrap().0, "t1");
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
        let user_settings = of(
            &["metadata: {namespace: n1}\nspec: {hub: h, profile: p}"],
            &["revision=r", "values.global.istioNamespace=n2"],
        );
        let value = |said: Option<(String, Origin)>| said.map(|(value, _)| value);
        assert_eq!(value(user_settings.hub).as_deref(), Some("h"));
        assert_eq!(value(user_settings.profile).as_deref(), Some("p"));
        assert_eq!(value(user_settings.revision).as_deref(), Some("r"));
        assert_eq!(value(user_settings.namespace).as_deref(), Some("n2"));
        assert_eq!(user_settings.tag, None);
    }

    #[test]
    fn metadata_namespace_decides_nothing() {
        let user_settings = of(
            &["metadata: {namespace: n1}\nspec: {profile: minimal}"],
            &[],
        );
        assert_eq!(user_settings.namespace, None);
    }

    #[test]
    fn gateway_document_of_a_stream_does_not_decide_for_the_control_plane() {
        let gateway = "metadata: {name: b}\nspec: {profile: empty, tag: t2, revision: r2, values: {global: {istioNamespace: n2}}}";
        let stream = |plane: &str| {
            format!("metadata: {{name: a}}\nspec: {plane}\n---\nkind: IstioOperator\n{gateway}")
        };
        let value = |said: &Option<(String, Origin)>| said.as_ref().map(|(value, _)| value.clone());
        for (plane, tag, revision, namespace) in [
            ("{tag: t1, revision: r1}", "t1", Some("r1"), None),
            ("{profile: minimal}", "t2", None, None),
            (
                "{values: {global: {istioNamespace: n1, tag: t1}}}",
                "t1",
                None,
                Some("n1"),
            ),
        ] {
            let user_settings = of(&[&stream(plane)], &[]);
            assert_eq!(value(&user_settings.tag).as_deref(), Some(tag), "{plane}");
            assert_eq!(
                value(&user_settings.revision).as_deref(),
                revision,
                "{plane}"
            );
            assert_eq!(
                value(&user_settings.namespace).as_deref(),
                namespace,
                "{plane}"
            );
        }
        // Separate files are merged into one document, in which the last value is used.
        let merged = of(&["spec: {tag: t1}", gateway], &[]);
        assert_eq!(value(&merged.tag).as_deref(), Some("t2"));
        assert_eq!(value(&merged.namespace).as_deref(), Some("n2"));
    }
}
