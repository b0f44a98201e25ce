//! Leaves the gateways of a document out.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::Installs;
use crate::plan::Plan;

/// The lists of gateways, and the gateway in each that `values.gateways` configures.
const LISTS: [(&str, &str); 2] = [
    ("ingressGateways", "istio-ingressgateway"),
    ("egressGateways", "istio-egressgateway"),
];

/// Disables the gateways of a document, and returns the namespace and name of each that was enabled.
pub(super) fn leave_out(plan: &Plan, document: &mut Value) -> BTreeSet<(String, String)> {
    let installs = Installs::of(plan, document);
    if installs.gateways.is_empty() {
        return BTreeSet::new();
    }
    for (list, usual) in LISTS {
        let gateways = document.pointer_mut(&format!("/spec/components/{list}"));
        let gateways = gateways.and_then(Value::as_array_mut);
        for gateway in gateways.into_iter().flatten() {
            if let Some(gateway) = gateway.as_object_mut() {
                gateway.insert("enabled".to_owned(), Value::Bool(false));
            }
        }
        for root in ["values", "unvalidatedValues"] {
            let switch = document.pointer_mut(&format!("/spec/{root}/gateways/{usual}/enabled"));
            if let Some(switch) = switch {
                *switch = Value::Bool(false);
            }
        }
    }
    // Gateways that are still enabled come from the profile.
    for gateway in Installs::of(plan, document).gateways {
        let list = LISTS.iter().find(|(list, _)| gateway.path.contains(list));
        if let Some((list, _)) = list {
            let listed = &mut document["spec"]["components"][*list];
            let off = json!({"name": gateway.name, "enabled": false});
            match listed.as_array_mut() {
                Some(listed) => listed.push(off),
                None => *listed = json!([off]),
            }
        }
    }
    installs.gateways_in(&plan.namespace).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::plan::sample::plan;

    fn left_out(tag: &str, spec: &Value) -> (Vec<String>, Value) {
        let plan = plan(tag);
        let mut document = json!({"spec": spec});
        let left = leave_out(&plan, &mut document);
        assert!(
            Installs::of(&plan, &document).gateways.is_empty(),
            "{document}"
        );
        let names = left
            .into_iter()
            .map(|(namespace, name)| format!("{namespace}/{name}"));
        (names.collect(), document["spec"].clone())
    }

    #[test]
    fn every_gateway_is_switched_off_whoever_named_it() {
        let (left, spec) = left_out("1.31.0", &json!({"profile": "default"}));
        assert_eq!(left, ["istio-system/istio-ingressgateway"]);
        let off = json!([{"name": "istio-ingressgateway", "enabled": false}]);
        assert_eq!(spec["components"]["ingressGateways"], off);

        let own = json!({"profile": "default", "components": {"ingressGateways": [
            {"name": "edge", "namespace": "edge", "enabled": true, "k8s": {"replicaCount": 2}}]}});
        let (left, spec) = left_out("1.20.8", &own);
        assert_eq!(left, ["edge/edge", "istio-system/istio-ingressgateway"]);
        let gateways = spec["components"]["ingressGateways"].as_array().unwrap();
        assert_eq!(gateways.len(), 2, "{spec}");
        assert!(
            gateways.iter().all(|gateway| gateway["enabled"] == false),
            "{spec}"
        );
        assert_eq!(gateways[0]["k8s"]["replicaCount"], 2);
        // From 1.24 on, the list replaces that of the profile.
        let (_, spec) = left_out("1.31.0", &own);
        let gateways = spec["components"]["ingressGateways"].as_array().unwrap();
        assert_eq!(gateways.len(), 1, "{spec}");

        let values = json!({"profile": "minimal", "values": {"gateways": {
            "istio-ingressgateway": {"enabled": true}}}});
        left_out("1.31.0", &values);
        left_out("1.20.8", &values);
    }

    #[test]
    fn a_document_without_gateways_stays_as_it_is() {
        let minimal = json!({"profile": "minimal"});
        assert_eq!(left_out("1.31.0", &minimal), (Vec::new(), minimal));
    }
}
