//! An overlay without a name over several documents: each part to the document it is for.

use serde_json::{Map, Value};

use super::route::{COMMON, COMMON_VALUES, GATEWAYS, Part, Router};
use super::{OverlayError, UserDocument};

/// Hub, tag and what else all must agree on to all, gateways to the document that has them, the rest
/// to the control plane.
pub(super) fn parts(router: &Router, file: &UserDocument) -> Result<Vec<Part>, OverlayError> {
    let mut split = Split {
        router,
        file,
        parts: vec![None; router.targets.len()],
    };
    if let Value::Object(whole) = &file.value {
        split.document(whole)?;
    }
    let parts = split.parts.into_iter().enumerate();
    Ok(parts
        .filter_map(|(target, part)| Some((target, part?)))
        .collect())
}

struct Split<'a> {
    router: &'a Router,
    file: &'a UserDocument,
    parts: Vec<Option<Map<String, Value>>>,
}

impl Split<'_> {
    fn document(&mut self, whole: &Map<String, Value>) -> Result<(), OverlayError> {
        for (key, value) in fields_of(whole.get("metadata")) {
            self.insert_all(&["metadata", key], value);
        }
        for (key, value) in fields_of(whole.get("spec")) {
            match key.as_str() {
                "components" => self.components(value)?,
                "values" | "unvalidatedValues" => self.values(key, value)?,
                key if COMMON.contains(&key) => self.insert_all(&["spec", key], value),
                key => self.insert_control_plane(&["spec", key], value)?,
            }
        }
        Ok(())
    }

    fn components(&mut self, components: &Value) -> Result<(), OverlayError> {
        for (key, value) in fields_of(Some(components)) {
            match value {
                Value::Array(gateways) if GATEWAYS.contains(&key.as_str()) => {
                    self.gateways(key, gateways)?;
                }
                _ => self.insert_control_plane(&["spec", "components", key], value)?,
            }
        }
        Ok(())
    }

    fn gateways(&mut self, list: &str, gateways: &[Value]) -> Result<(), OverlayError> {
        let place = ["spec", "components", list];
        if gateways.is_empty() {
            let what = self.what(&place);
            let target = self.router.gateway(list, None, &what)?;
            self.insert(target, &place, Value::Array(Vec::new()));
        }
        for gateway in gateways {
            let name = gateway["name"].as_str();
            let what = self.what(&["spec", "components", list, name.unwrap_or("(no name)")]);
            let target = self.router.gateway(list, name, &what)?;
            self.append(target, &place, gateway);
        }
        Ok(())
    }

    fn values(&mut self, root: &str, values: &Value) -> Result<(), OverlayError> {
        for (key, value) in fields_of(Some(values)) {
            match key.as_str() {
                field if COMMON_VALUES.contains(&field) => {
                    self.insert_all(&["spec", root, field], value);
                }
                "gateways" => {
                    for (kind, value) in fields_of(Some(value)) {
                        let place = ["spec", root, "gateways", kind.as_str()];
                        for target in self.router.with_gateways(kind, &self.what(&place))? {
                            self.insert(target, &place, value.clone());
                        }
                    }
                }
                _ => self.insert_control_plane(&["spec", root, key], value)?,
            }
        }
        Ok(())
    }

    fn insert_all(&mut self, place: &[&str], value: &Value) {
        for target in 0..self.parts.len() {
            self.insert(target, place, value.clone());
        }
    }

    fn insert_control_plane(&mut self, place: &[&str], value: &Value) -> Result<(), OverlayError> {
        let target = self.router.control_plane(&self.what(place))?;
        self.insert(target, place, value.clone());
        Ok(())
    }

    fn what(&self, place: &[&str]) -> String {
        format!("{} of {}", place.join("."), self.file.start.source)
    }

    fn insert(&mut self, target: usize, place: &[&str], value: Value) {
        if let Some(slot) = self.slot(target, place) {
            *slot = value;
        }
    }

    fn append(&mut self, target: usize, place: &[&str], value: &Value) {
        match self.slot(target, place) {
            Some(Value::Array(list)) => list.push(value.clone()),
            Some(slot) => *slot = Value::Array(vec![value.clone()]),
            None => {}
        }
    }

    fn slot(&mut self, target: usize, place: &[&str]) -> Option<&mut Value> {
        let (last, parents) = place.split_last()?;
        let mut map = self.parts[target].get_or_insert_default();
        for key in parents {
            map = map
                .entry(*key)
                .or_insert_with(|| Value::Object(Map::new()))
                .as_object_mut()?;
        }
        Some(map.entry(*last).or_insert(Value::Null))
    }
}

fn fields_of(value: Option<&Value>) -> impl Iterator<Item = (&String, &Value)> {
    value.and_then(Value::as_object).into_iter().flatten()
}
