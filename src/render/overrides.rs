//! Values that flags and the kind of a document set over those of files.

use serde_json::Value;

use super::Installs;
use crate::plan::Plan;
use crate::request::{InstallRequest, Template};
use istio_builds::{Capability, has_placeholder};

/// The revision name that means none.
const DEFAULT: &str = "default";

/// The switch with which an install leaves revision tags and their webhooks unchanged.
const MANAGED_WEBHOOKS: [&str; 4] = ["spec", "values", "global", "operatorManageWebhooks"];

/// The same switch in the values that are merged over all others.
const UNVALIDATED: [&str; 4] = [
    "spec",
    "unvalidatedValues",
    "global",
    "operatorManageWebhooks",
];

/// Writes the values of separate flags over those of files.
pub(super) fn apply_flag_overrides(plan: &Plan, request: &InstallRequest, document: &mut Value) {
    if let (Some(_), Some(revision)) = (request.revision.named(), &plan.revision) {
        put_text(document, &["spec", "revision"], revision.as_str());
    }
    let revision = document["spec"]["revision"].as_str();
    // `default` in a document would create an `istiod-default`.
    if plan.revision.is_none() && revision.is_some_and(|text| matches!(text, "" | DEFAULT)) {
        remove(document, "revision");
    }
    for root in [&["spec"][..], &["spec", "values", "global"]] {
        let superseded = |text: &str| has_placeholder(text) || request.is_upgraded_from(text);
        replace(document, root, "tag", &plan.tag.to_string(), superseded);
        replace(document, root, "hub", plan.hub.as_str(), has_placeholder);
    }
    let installs = Installs::of(plan, document);
    if request.namespace.is_some() {
        if installs.has_webhooks() {
            put_text(document, &["metadata", "namespace"], &plan.namespace);
            put_text(document, &["spec", "namespace"], &plan.namespace);
        }
        let path = ["spec", "values", "global", "istioNamespace"];
        put_text(document, &path, &plan.namespace);
    }
    leave_webhooks(plan, request, &installs, document);
}

fn remove(document: &mut Value, field: &str) {
    if let Some(spec) = document.get_mut("spec").and_then(Value::as_object_mut) {
        spec.shift_remove(field);
    }
}

/// Sets the switch in a document with gateways alone: otherwise its install would make its own revision the default
/// one. A document that is only judged is not changed.
fn leave_webhooks(
    plan: &Plan,
    request: &InstallRequest,
    installs: &Installs,
    document: &mut Value,
) {
    let has_switch = plan
        .capabilities
        .contains(&Capability::OperatorManageWebhooks);
    let judged = request.template == Some(Template::None);
    if !has_switch || judged || installs.has_webhooks() {
        return;
    }
    let is_said = |path: [&str; 4]| {
        let value = path
            .iter()
            .try_fold(&*document, |value, key| value.get(key));
        value.is_some_and(|value| !value.is_null())
    };
    if !is_said(MANAGED_WEBHOOKS) && !is_said(UNVALIDATED) {
        put(document, &MANAGED_WEBHOOKS, Value::Bool(true));
    }
}

/// Replaces the text at `root.key` if `is_old` holds for it.
fn replace(
    document: &mut Value,
    root: &[&str],
    key: &str,
    new: &str,
    is_old: impl Fn(&str) -> bool,
) {
    let map = root
        .iter()
        .try_fold(document, |value, key| value.get_mut(key));
    if let Some(Value::String(text)) = map.and_then(|map| map.get_mut(key))
        && is_old(text)
    {
        new.clone_into(text);
    }
}

fn put_text(document: &mut Value, path: &[&str], text: &str) {
    put(document, path, Value::String(text.to_owned()));
}

fn put(document: &mut Value, path: &[&str], new: Value) {
    let mut at = document;
    for key in path {
        if !at.is_object() {
            *at = Value::Object(serde_json::Map::new());
        }
        at = &mut at[*key];
    }
    *at = new;
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::plan::sample::plan;

    fn overridden(tag: &str, request: &InstallRequest, spec: &Value) -> Value {
        let mut plan = plan(tag);
        plan.capabilities = istio_builds::Matrix::builtin().capabilities(&plan.tag.version);
        if let Some(namespace) = &request.namespace {
            plan.namespace.clone_from(namespace);
        }
        let mut document = json!({"metadata": {"name": "x"}, "spec": spec});
        apply_flag_overrides(&plan, request, &mut document);
        document["spec"].clone()
    }

    #[test]
    fn document_without_pilot_leaves_webhooks_alone() {
        let switch = |tag: &str, spec: Value| {
            let spec = overridden(tag, &InstallRequest::default(), &spec);
            spec["values"]["global"]["operatorManageWebhooks"].clone()
        };
        for (tag, spec, wanted) in [
            ("1.31.0", json!({"profile": "empty"}), json!(true)),
            (
                "1.31.0",
                json!({"components": {"pilot": {"enabled": false}}}),
                json!(true),
            ),
            ("1.20.8", json!({"profile": "empty"}), json!(true)),
            ("1.14.0", json!({"profile": "empty"}), json!(null)),
            ("1.31.0", json!({}), json!(null)),
            ("1.31.0", json!({"profile": "remote"}), json!(null)),
            ("1.20.8", json!({"profile": "remote"}), json!(null)),
            (
                "1.31.0",
                json!({"profile": "empty", "components": {"pilot": {"enabled": true}}}),
                json!(null),
            ),
            (
                "1.31.0",
                json!({"profile": "empty", "values": {"global": {"operatorManageWebhooks": false}}}),
                json!(false),
            ),
        ] {
            assert_eq!(switch(tag, spec.clone()), wanted, "{tag} {spec}");
        }
        let judged = InstallRequest {
            template: Some(Template::None),
            ..InstallRequest::default()
        };
        let spec = overridden("1.31.0", &judged, &json!({"profile": "empty"}));
        assert_eq!(spec, json!({"profile": "empty"}));
    }

    #[test]
    fn namespace_flag_reaches_documents_of_gateways_too() {
        let request = InstallRequest {
            namespace: Some("mesh".into()),
            ..InstallRequest::default()
        };
        let plane = overridden("1.31.0", &request, &json!({"profile": "minimal"}));
        assert_eq!(plane["namespace"], "mesh");
        assert_eq!(plane["values"]["global"]["istioNamespace"], "mesh");
        let spec = json!({"profile": "empty", "values": {"global": {"istioNamespace": "other"}}});
        let gateway = overridden("1.31.0", &request, &spec);
        assert_eq!(gateway["namespace"], Value::Null);
        assert_eq!(gateway["values"]["global"]["istioNamespace"], "mesh");
    }
}
