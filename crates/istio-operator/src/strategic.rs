//! The merge of the engine up to 1.23: a Kubernetes strategic merge patch over the operator's structs.
//!
//! If two files set a field that those structs lack, that engine fails; here such fields are merged like maps.

use serde_json::{Map, Value};

use super::OverlayError;
use super::path::Path;

/// Lists in which elements are matched by a key.
const BY_KEY: &[(&str, &str)] = &[
    ("spec.components.ingressGateways", "name"),
    ("spec.components.egressGateways", "name"),
    ("spec.values.gateways.istio-ingressgateway.ports", "name"),
    (
        "spec.values.gateways.istio-ingressgateway.meshExpansionPorts",
        "name",
    ),
    (
        "spec.values.gateways.istio-ingressgateway.secretVolumes",
        "name",
    ),
    ("spec.values.gateways.istio-egressgateway.ports", "name"),
    (
        "spec.values.gateways.istio-egressgateway.meshExpansionPorts",
        "name",
    ),
    (
        "spec.values.gateways.istio-egressgateway.secretVolumes",
        "name",
    ),
    ("spec.meshConfig.extensionProviders", "name"),
    ("spec.values.meshConfig.extensionProviders", "name"),
    ("spec.meshConfig.configSources", "address"),
    ("spec.values.meshConfig.configSources", "address"),
    ("spec.meshConfig.certificates", "secretName"),
    ("spec.values.meshConfig.certificates", "secretName"),
];

/// Lists of strings that are merged as sets.
const SETS: &[&str] = &[
    "trustDomainAliases",
    "defaultServiceExportTo",
    "defaultVirtualServiceExportTo",
    "defaultDestinationRuleExportTo",
];

/// A map that is replaced as a whole.
const REPLACED: &str = "defaultConfig.tracing";

const MESH: [&str; 2] = ["spec.meshConfig", "spec.values.meshConfig"];

/// Merges `over` over `base`, which began as `preset`. A null removes what another file set, but never what the preset
/// sets: the preset takes the role of the profile, which a null does not change.
pub(super) fn merge(
    base: &mut Map<String, Value>,
    over: Map<String, Value>,
    preset: Option<&Map<String, Value>>,
) -> Result<(), OverlayError> {
    merge_map(base, over, preset, &mut Path::default())
}

fn merge_map(
    base: &mut Map<String, Value>,
    over: Map<String, Value>,
    preset: Option<&Map<String, Value>>,
    path: &mut Path,
) -> Result<(), OverlayError> {
    for (key, value) in over {
        path.push_key(&key);
        let preset = preset.and_then(|preset| preset.get(&key));
        match (base.get_mut(&key), value) {
            (Some(slot), Value::Null) => match preset {
                Some(preset) => slot.clone_from(preset),
                None => drop(base.shift_remove(&key)),
            },
            (None, Value::Null) => {}
            (Some(Value::Object(base)), Value::Object(over)) if !in_mesh(path, REPLACED) => {
                merge_map(base, over, preset.and_then(Value::as_object), path)?;
            }
            (Some(Value::Array(base)), Value::Array(over)) => {
                let preset = preset
                    .and_then(Value::as_array)
                    .map_or(&[][..], Vec::as_slice);
                merge_list(base, over, preset, path)?;
            }
            (Some(slot), value) => *slot = without_nulls(value),
            (None, value) => {
                base.insert(key, without_nulls(value));
            }
        }
        path.pop();
    }
    Ok(())
}

fn in_mesh(path: &Path, field: &str) -> bool {
    MESH.iter()
        .any(|mesh| path.matches(&format!("{mesh}.{field}")))
}

fn merge_list(
    base: &mut Vec<Value>,
    over: Vec<Value>,
    preset: &[Value],
    path: &mut Path,
) -> Result<(), OverlayError> {
    if let Some((_, key)) = BY_KEY.iter().find(|(pattern, _)| path.matches(pattern)) {
        let ids = |list: &[Value]| -> Result<Vec<Value>, OverlayError> {
            list.iter().map(|element| id(element, key, path)).collect()
        };
        let (base_ids, over_ids) = (ids(base)?, ids(&over)?);
        let mut merged = Vec::with_capacity(over.len());
        for (place, (element, id)) in over.into_iter().zip(&over_ids).enumerate() {
            let old = base_ids
                .iter()
                .position(|other| other == id)
                .map(|at| base[at].clone());
            path.push_item(place, id.as_str());
            let preset = preset.iter().find(|element| element.get(key) == Some(id));
            merged.push(merge_element(old, element, preset, path)?);
            path.pop();
        }
        *base = in_order(std::mem::take(base), &base_ids, merged, &over_ids);
    } else if SETS.iter().any(|set| in_mesh(path, set)) {
        let ids = (base.clone(), over.clone());
        *base = in_order(std::mem::take(base), &ids.0, over, &ids.1);
    } else {
        *base = over;
    }
    Ok(())
}

fn id(element: &Value, key: &str, path: &Path) -> Result<Value, OverlayError> {
    element
        .get(key)
        .filter(|id| !id.is_null())
        .cloned()
        .ok_or_else(|| {
            let problem = format!("an element has no {key}, by which two files are merged");
            OverlayError::value(path, problem, format!("give every element its {key}"))
        })
}

fn merge_element(
    old: Option<Value>,
    new: Value,
    preset: Option<&Value>,
    path: &mut Path,
) -> Result<Value, OverlayError> {
    match (old, new) {
        (Some(Value::Object(mut base)), Value::Object(over)) => {
            merge_map(&mut base, over, preset.and_then(Value::as_object), path)?;
            Ok(Value::Object(base))
        }
        (_, new) => Ok(without_nulls(new)),
    }
}

/// Returns the overlay's elements in their order. An element of the base alone goes before the first overlay element
/// that comes after it in the base, or else to the end.
fn in_order(
    base: Vec<Value>,
    base_ids: &[Value],
    merged: Vec<Value>,
    over_ids: &[Value],
) -> Vec<Value> {
    let place = |id: &Value| base_ids.iter().position(|other| other == id);
    let mut rest = base
        .into_iter()
        .enumerate()
        .filter(|(at, _)| !over_ids.contains(&base_ids[*at]))
        .peekable();
    let mut all = Vec::new();
    for (element, id) in merged.into_iter().zip(over_ids) {
        while let Some((_, before)) =
            rest.next_if(|(at, _)| place(id).is_some_and(|here| *at < here))
        {
            all.push(before);
        }
        all.push(element);
    }
    all.extend(rest.map(|(_, element)| element));
    all
}

/// Removes the nulls of maps, where they delete a value. In lists, which are replaced as a whole, they stay, because a
/// patch can have `value: null`.
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(
            map.into_iter()
                .filter(|(_, value)| !value.is_null())
                .map(|(key, value)| (key, without_nulls(value)))
                .collect(),
        ),
        other => other,
    }
}
