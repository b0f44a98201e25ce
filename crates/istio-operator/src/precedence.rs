//! Which of several places for the same setting the engines use.

use serde_json::Value;

use super::path::Path;
use super::{Engine, Rules};

/// Highest precedence first, in both engines; unvalidated values are merged over everything at the end.
pub(super) const HUB: &[&str] = &[
    "spec.unvalidatedValues.global.hub",
    "spec.values.global.hub",
    "spec.hub",
];
pub(super) const TAG: &[&str] = &[
    "spec.unvalidatedValues.global.tag",
    "spec.values.global.tag",
    "spec.tag",
];
pub(super) const VARIANT: &[&str] = &[
    "spec.unvalidatedValues.global.variant",
    "spec.values.global.variant",
];
pub(super) const REVISION: &[&str] = &[
    "spec.unvalidatedValues.revision",
    "spec.values.revision",
    "spec.revision",
];
pub(super) const NAMESPACE: &[&str] = &[
    "spec.unvalidatedValues.global.istioNamespace",
    "spec.values.global.istioNamespace",
];
pub(super) const PROFILE: &[&str] = &["spec.profile"];

pub(super) fn at<'v>(value: &'v Value, path: &str) -> Option<&'v Value> {
    path.split('.')
        .try_fold(value, |value, key| value.get(key))
        .filter(|value| !value.is_null())
}

pub(super) fn said(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        _ => None,
    }
}

/// Returns why the engine does not use the value at `path`; `None` if it does.
pub(super) fn beaten(rules: Rules, document: &Value, path: &Path) -> Option<&'static str> {
    let set = |other: String| at(document, &other).is_some();
    match path.words().as_slice() {
        ["spec", key @ ("hub" | "tag")]
            if set(format!("spec.values.global.{key}"))
                || set(format!("spec.unvalidatedValues.global.{key}")) =>
        {
            Some("values.global wins over it")
        }
        ["spec", "components", _, "[]", "hub"] => Some("istioctl does not use a gateway's hub"),
        ["spec", "components", _, "[]", "tag"] if !rules.gateway_tag => {
            Some("this istioctl does not use a gateway's tag")
        }
        ["spec", "components", name, key @ ("hub" | "tag")]
            if rules.engine == Engine::Strategic && set(format!("spec.values.{name}.{key}")) =>
        {
            Some("the same field below values wins over it")
        }
        [
            "spec",
            "values" | "unvalidatedValues",
            name,
            key @ ("hub" | "tag"),
        ] if rules.engine == Engine::Map && set(format!("spec.components.{name}.{key}")) => {
            Some("the same field of the component wins over it")
        }
        ["spec", "values", .., "variant"] if !rules.variant => Some("this Istio has no variants"),
        ["spec", "values", rest @ ..]
            if set(format!("spec.unvalidatedValues.{}", rest.join("."))) =>
        {
            Some("unvalidatedValues wins over it")
        }
        _ => None,
    }
}
