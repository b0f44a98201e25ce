//! What is known about the fields of an IstioOperator.

use super::path::{Path, fits};

/// Values that are text whatever they look like: kept as typed, `1.20` stays `1.20`.
const TEXT: &[&str] = &[
    "apiVersion",
    "kind",
    "metadata.name",
    "metadata.namespace",
    "metadata.labels.*",
    "metadata.annotations.*",
    "spec.hub",
    "spec.tag",
    "spec.revision",
    "spec.namespace",
    "spec.profile",
    "spec.compatibilityVersion",
    "spec.components.*.hub",
    "spec.components.*.tag",
    "spec.components.*.namespace",
    "spec.components.*.k8s.env.[].name",
    "spec.components.*.k8s.env.[].value",
    "spec.components.*.k8s.nodeSelector.*",
    "spec.components.*.k8s.podAnnotations.*",
    "spec.components.*.k8s.serviceAnnotations.*",
    "spec.components.*.[].name",
    "spec.components.*.[].hub",
    "spec.components.*.[].tag",
    "spec.components.*.[].namespace",
    "spec.components.*.[].label.*",
    "spec.components.*.[].k8s.env.[].name",
    "spec.components.*.[].k8s.env.[].value",
    "spec.components.*.[].k8s.nodeSelector.*",
    "spec.components.*.[].k8s.podAnnotations.*",
    "spec.components.*.[].k8s.serviceAnnotations.*",
];

/// The same below `spec.values` and `spec.unvalidatedValues`.
const TEXT_VALUES: &[&str] = &[
    "revision",
    "defaultRevision",
    "compatibilityVersion",
    "profile",
    "global.istioNamespace",
    "global.network",
    "global.meshID",
    "global.multiCluster.clusterName",
    "global.proxy.image",
    "global.proxy_init.image",
    "cni.repair.hub",
    "cni.repair.tag",
    "cni.repair.image",
    "*.hub",
    "*.tag",
    "*.image",
    "*.variant",
    "*.env.*",
    "*.nodeSelector.*",
    "*.podAnnotations.*",
    "*.serviceAnnotations.*",
    "gateways.*.env.*",
    "gateways.*.nodeSelector.*",
    "gateways.*.podAnnotations.*",
    "gateways.*.serviceAnnotations.*",
];

/// The same below `spec.meshConfig` and `spec.values.meshConfig`.
const TEXT_MESH: &[&str] = &[
    "trustDomain",
    "rootNamespace",
    "defaultConfig.image.imageType",
    "defaultConfig.proxyMetadata.*",
];

/// Not necessarily text, but findings name where they stand.
const WATCHED: &[&str] = &[
    "spec.components.*.k8s.overlays.[].patches.[].value",
    "spec.components.*.[].k8s.overlays.[].patches.[].value",
];

const VALUES: &[&str] = &["spec.values", "spec.unvalidatedValues"];
const MESH: &[&str] = &["spec.meshConfig", "spec.values.meshConfig"];

/// Whether the value at `path` is text by its meaning.
pub(super) fn is_text(path: &Path) -> bool {
    TEXT.iter().any(|pattern| path.matches(pattern))
        || under(path, VALUES, TEXT_VALUES)
        || under(path, MESH, TEXT_MESH)
}

/// Whether `path` is an annotation, label or variable: their keys often have dots.
pub(super) fn is_entry(path: &Path) -> bool {
    const HOLDERS: [&str; 8] = [
        "annotations",
        "env",
        "label",
        "labels",
        "nodeSelector",
        "podAnnotations",
        "proxyMetadata",
        "serviceAnnotations",
    ];
    let words = path.words();
    matches!(words.as_slice(), [.., holder, _] if HOLDERS.contains(holder)) && is_text(path)
}

/// Whether the place of the value at `path` is kept.
pub(super) fn is_watched(path: &Path) -> bool {
    is_text(path) || WATCHED.iter().any(|pattern| path.matches(pattern))
}

fn under(path: &Path, roots: &[&str], patterns: &[&str]) -> bool {
    let rest = roots.iter().find_map(|root| path.below(root));
    rest.is_some_and(|steps| patterns.iter().any(|pattern| fits(steps, pattern)))
}

pub(super) const TOP: &[&str] = &["apiVersion", "kind", "metadata", "spec", "status"];
pub(super) const METADATA: &[&str] = &["name", "namespace", "labels", "annotations"];
pub(super) const SPEC: &[&str] = &[
    "profile",
    "installPackagePath",
    "hub",
    "tag",
    "namespace",
    "revision",
    "compatibilityVersion",
    "meshConfig",
    "components",
    "values",
    "unvalidatedValues",
];
const COMPONENTS: &[&str] = &[
    "base",
    "pilot",
    "cni",
    "ztunnel",
    "istiodRemote",
    "ingressGateways",
    "egressGateways",
];
const COMPONENT: &[&str] = &["enabled", "namespace", "hub", "tag", "k8s", "name", "label"];
const K8S: &[&str] = &[
    "affinity",
    "env",
    "hpaSpec",
    "imagePullPolicy",
    "nodeSelector",
    "overlays",
    "podAnnotations",
    "podDisruptionBudget",
    "priorityClassName",
    "readinessProbe",
    "replicaCount",
    "resources",
    "securityContext",
    "service",
    "serviceAnnotations",
    "strategy",
    "tolerations",
    "volumes",
    "volumeMounts",
];
/// First words below `spec.values`: enough to see that a file holds chart values.
pub(super) const VALUE_ROOTS: &[&str] = &[
    "base",
    "cni",
    "gateways",
    "global",
    "istio_cni",
    "istiodRemote",
    "pilot",
    "sidecarInjectorWebhook",
    "telemetry",
    "ztunnel",
];
const GLOBAL: &[&str] = &[
    "hub",
    "tag",
    "variant",
    "istioNamespace",
    "proxy",
    "imagePullSecrets",
];

/// Which names are known for the fields of the map at a path.
const NAMES: &[(&str, &[&str])] = &[
    ("", TOP),
    ("metadata", METADATA),
    ("spec", SPEC),
    ("spec.components", COMPONENTS),
    ("spec.components.*", COMPONENT),
    ("spec.components.*.[]", COMPONENT),
    ("spec.components.*.k8s", K8S),
    ("spec.components.*.[].k8s", K8S),
    ("spec.values", VALUE_ROOTS),
    ("spec.values.global", GLOBAL),
];

/// The right spelling of a field that is known in other letter case.
pub(super) fn respelled(parent: &Path, field: &str) -> Option<&'static str> {
    let known = NAMES.iter().find(|(pattern, _)| parent.matches(pattern))?.1;
    let same = known.iter().find(|name| name.eq_ignore_ascii_case(field))?;
    (*same != field).then_some(*same)
}

/// Where a field belongs that stands at the top of a document by mistake.
pub(super) fn rightful_place(field: &str) -> Option<String> {
    [
        ("spec", SPEC),
        ("metadata", METADATA),
        ("spec.components", COMPONENTS),
        ("spec.values", VALUE_ROOTS),
    ]
    .into_iter()
    .find(|(_, names)| names.contains(&field))
    .map(|(place, _)| format!("{place}.{field}"))
}

/// What kind of thing the engines insist on at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Map,
    List,
    Bool,
}

const SHAPES: &[(&str, Shape)] = &[
    ("metadata", Shape::Map),
    ("spec", Shape::Map),
    ("spec.components", Shape::Map),
    ("spec.components.base", Shape::Map),
    ("spec.components.pilot", Shape::Map),
    ("spec.components.cni", Shape::Map),
    ("spec.components.ztunnel", Shape::Map),
    ("spec.components.istiodRemote", Shape::Map),
    ("spec.components.ingressGateways", Shape::List),
    ("spec.components.egressGateways", Shape::List),
    ("spec.components.*.[]", Shape::Map),
    ("spec.components.*.enabled", Shape::Bool),
    ("spec.components.*.[].enabled", Shape::Bool),
    ("spec.components.*.k8s", Shape::Map),
    ("spec.components.*.[].k8s", Shape::Map),
    ("spec.meshConfig", Shape::Map),
    ("spec.meshConfig.defaultConfig", Shape::Map),
    ("spec.values", Shape::Map),
    ("spec.values.cni", Shape::Map),
    ("spec.values.gateways", Shape::Map),
    ("spec.values.global", Shape::Map),
    ("spec.values.meshConfig", Shape::Map),
    ("spec.values.pilot", Shape::Map),
    ("spec.values.ztunnel", Shape::Map),
    ("spec.values.global.proxy", Shape::Map),
    ("spec.values.global.imagePullSecrets", Shape::List),
    ("spec.unvalidatedValues", Shape::Map),
];

pub(super) fn shape(path: &Path) -> Option<Shape> {
    SHAPES
        .iter()
        .find(|(pattern, _)| path.matches(pattern))
        .map(|(_, shape)| *shape)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(words: &[&str]) -> Path {
        let mut path = Path::default();
        for word in words {
            match *word {
                "[]" => path.push_item(0, None),
                key => path.push_key(key),
            }
        }
        path
    }

    #[test]
    fn tags_and_metadata_are_text_and_switches_are_not() {
        for (words, want) in [
            (&["spec", "tag"][..], true),
            (&["spec", "values", "global", "tag"], true),
            (&["spec", "unvalidatedValues", "global", "tag"], true),
            (&["spec", "components", "pilot", "tag"], true),
            (
                &["spec", "components", "ingressGateways", "[]", "name"],
                true,
            ),
            (
                &["spec", "meshConfig", "defaultConfig", "proxyMetadata", "X"],
                true,
            ),
            (&["spec", "values", "meshConfig", "trustDomain"], true),
            (&["spec", "components", "pilot", "enabled"], false),
            (&["spec", "values", "pilot", "traceSampling"], false),
        ] {
            assert_eq!(is_text(&path(words)), want, "{words:?}");
        }
    }

    #[test]
    fn letter_case_is_corrected_where_names_are_known() {
        for (parent, field, want) in [
            (&["spec"][..], "Tag", Some("tag")),
            (&["spec"], "tag", None),
            (&["spec"], "bogus", None),
            (&[], "Spec", Some("spec")),
            (&["spec", "components", "pilot"], "K8S", Some("k8s")),
            (
                &["spec", "components", "egressGateways", "[]"],
                "Name",
                Some("name"),
            ),
            (&["spec", "meshConfig"], "Tag", None),
        ] {
            assert_eq!(respelled(&path(parent), field), want, "{parent:?} {field}");
        }
    }

    #[test]
    fn a_misplaced_field_is_sent_home() {
        for (field, want) in [
            ("hub", Some("spec.hub")),
            ("name", Some("metadata.name")),
            ("ingressGateways", Some("spec.components.ingressGateways")),
            ("global", Some("spec.values.global")),
            ("bogus", None),
        ] {
            assert_eq!(rightful_place(field).as_deref(), want, "{field}");
        }
    }
}
