//! Which gateways a document installs, and how they are left out of it.

use std::collections::BTreeSet;

use serde_json::{Value, json};

/// The lists of gateways.
const LISTS: [&str; 2] = ["ingressGateways", "egressGateways"];

/// The gateway that profiles with one of their own call so.
const INGRESS: &str = "istio-ingressgateway";

/// The egress gateway of the profile `demo`.
const EGRESS: &str = "istio-egressgateway";

/// Switches the gateways of a document off, and returns the namespace and name of each that was on.
pub(super) fn leave_out(document: &mut Value, namespace: &str) -> BTreeSet<(String, String)> {
    let left: BTreeSet<_> = super::gateways(document, namespace).into_iter().collect();
    let profile = document.pointer("/spec/profile").and_then(Value::as_str);
    let own: &[(&str, &str)] = match profile.unwrap_or("default") {
        "demo" => &[("ingressGateways", INGRESS), ("egressGateways", EGRESS)],
        "default" | "openshift" | "preview" => &[("ingressGateways", INGRESS)],
        _ => &[],
    };
    let Some(spec) = document.get_mut("spec").and_then(Value::as_object_mut) else {
        return left;
    };
    let components = spec.entry("components").or_insert_with(|| json!({}));
    for list in LISTS {
        let gateways = components.get_mut(list).and_then(Value::as_array_mut);
        for gateway in gateways.into_iter().flatten() {
            if let Some(gateway) = gateway.as_object_mut() {
                gateway.insert("enabled".to_owned(), Value::Bool(false));
            }
        }
    }
    // An older installer merges the lists by name, so that those of the profile are named as well.
    let Some(components) = components.as_object_mut() else {
        return left;
    };
    for (list, name) in own {
        let listed = components.entry(*list).or_insert_with(|| json!([]));
        let Some(listed) = listed.as_array_mut() else {
            continue;
        };
        if !listed.iter().any(|gateway| gateway["name"] == **name) {
            listed.push(json!({"name": name, "enabled": false}));
        }
    }
    if components.is_empty() {
        spec.shift_remove("components");
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left_out(spec: &Value) -> (Vec<String>, Value) {
        let mut document = json!({"spec": spec});
        let left = leave_out(&mut document, "istio-system");
        assert!(
            super::super::gateways(&document, "istio-system").is_empty(),
            "{document}"
        );
        let names = left
            .into_iter()
            .map(|(namespace, name)| format!("{namespace}/{name}"));
        (names.collect(), document["spec"].clone())
    }

    #[test]
    fn every_gateway_is_switched_off_whoever_named_it() {
        let (left, spec) = left_out(&json!({"profile": "default"}));
        assert_eq!(left, ["istio-system/istio-ingressgateway"]);
        let off = json!([{"name": "istio-ingressgateway", "enabled": false}]);
        assert_eq!(spec["components"]["ingressGateways"], off);

        let own = json!({"profile": "default", "components": {"ingressGateways": [
            {"name": "edge", "namespace": "edge", "enabled": true, "k8s": {"replicaCount": 2}}]}});
        let (left, spec) = left_out(&own);
        assert_eq!(left, ["edge/edge"]);
        let gateways = spec["components"]["ingressGateways"].as_array().unwrap();
        assert_eq!(gateways.len(), 2, "{spec}");
        assert!(
            gateways.iter().all(|gateway| gateway["enabled"] == false),
            "{spec}"
        );
        assert_eq!(gateways[0]["k8s"]["replicaCount"], 2);
    }

    #[test]
    fn a_document_without_gateways_stays_as_it_is() {
        let minimal = json!({"profile": "minimal"});
        assert_eq!(left_out(&minimal), (Vec::new(), minimal));
    }
}
