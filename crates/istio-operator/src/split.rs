//! Splits an overlay into parts, each for the document that it applies to.

use serde_json::{Map, Value};

use super::route::{COMMON, COMMON_VALUES, GATEWAYS, Router};
use super::{OverlayError, UserDocument};

/// The index of a target, and its part of a file.
type Part = (usize, Map<String, Value>);

/// Returns the parts of the file document at `place`. If it has no name and there are several targets, it is split:
/// hub, tag and the other common fields go to all targets, gateways to the document that has them, and the rest to the
/// control plane.
pub(super) fn parts(
    router: &Router,
    place: usize,
    file: &UserDocument,
) -> Result<Vec<Part>, OverlayError> {
    let Value::Object(whole) = &file.value else {
        return Ok(Vec::new());
    };
    if let Some(target) = router.whole(place, file)? {
        return Ok(vec![(target, whole.clone())]);
    }
    let mut split = Split {
        router,
        file,
        parts: vec![None; router.targets.len()],
    };
    split.document(whole)?;
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::{Assignment, Base, Engine, Merged, Rules, merge, read};
    use super::*;

    const RULES: Rules = Rules {
        engine: Engine::Map,
        gateway_tag: true,
        variant: true,
    };

    fn production() -> Vec<Base> {
        let gateway = |document: &str, name: &str| Base {
            name: document.into(),
            value: json!({
                "metadata": {"name": document},
                "spec": {"profile": "empty", "components": {"ingressGateways": [{"name": name}]}},
            }),
        };
        let istiod = json!({"metadata": {"name": "istiod"}, "spec": {"profile": "minimal"}});
        vec![
            Base {
                name: "istiod".into(),
                value: istiod,
            },
            gateway("ingress", "istio-ingressgateway"),
            gateway("eastwest", "istio-eastwestgateway"),
        ]
    }

    fn merged(base: &[Base], files: &[&str], sets: &[&str]) -> Result<Merged, OverlayError> {
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
        merge(RULES, base, &documents, &sets)
    }

    /// Returns which documents have the value, of istiod, ingress and eastwest.
    fn holders(merged: &Merged, pointer: &str) -> String {
        let has = |value: &Value| value.pointer(pointer).is_some();
        let short = ["i", "g", "e"];
        merged
            .documents
            .iter()
            .zip(short)
            .filter(|(d, _)| has(&d.value))
            .map(|(_, s)| s)
            .collect()
    }

    /// The input as a file, the input as a `--set`, the pointer to the value, and the documents that have it.
    const PARTS: &[[&str; 4]] = &[
        ["spec: {hub: h}", "hub=h", "/spec/hub", "ige"],
        ["spec: {tag: t}", "tag=t", "/spec/tag", "ige"],
        ["spec: {revision: r}", "revision=r", "/spec/revision", "ige"],
        [
            "spec: {values: {global: {a: b}}}",
            "values.global.a=b",
            "/spec/values/global/a",
            "ige",
        ],
        [
            "spec: {unvalidatedValues: {global: {a: b}}}",
            "unvalidatedValues.global.a=b",
            "/spec/unvalidatedValues/global/a",
            "ige",
        ],
        [
            "spec: {values: {pilot: {a: b}}}",
            "values.pilot.a=b",
            "/spec/values/pilot/a",
            "i",
        ],
        [
            "spec: {meshConfig: {a: b}}",
            "meshConfig.a=b",
            "/spec/meshConfig/a",
            "i",
        ],
        [
            "spec: {components: {cni: {enabled: true}}}",
            "components.cni.enabled=true",
            "/spec/components/cni",
            "i",
        ],
        [
            "spec: {values: {gateways: {istio-ingressgateway: {a: b}}}}",
            "values.gateways.istio-ingressgateway.a=b",
            "/spec/values/gateways/istio-ingressgateway/a",
            "ge",
        ],
        [
            "spec: {values: {gateways: {istio-egressgateway: {a: b}}}}",
            "values.gateways.istio-egressgateway.a=b",
            "/spec/values/gateways/istio-egressgateway/a",
            "i",
        ],
        [
            "spec: {components: {ingressGateways: [{name: istio-eastwestgateway, tag: t}]}}",
            "components.ingressGateways.[name:istio-eastwestgateway].tag=t",
            "/spec/components/ingressGateways/0/tag",
            "e",
        ],
        [
            "spec: {components: {egressGateways: [{name: new, tag: t}]}}",
            "components.egressGateways[0].name=new",
            "/spec/components/egressGateways/0/name",
            "i",
        ],
    ];

    #[test]
    fn each_part_of_an_overlay_goes_to_its_document() {
        for [file, set, pointer, want] in PARTS {
            let by_file = merged(&production(), &[file], &[]).unwrap();
            assert_eq!(holders(&by_file, pointer), *want, "{file}");
            let by_set = merged(&production(), &[], &[set]).unwrap();
            assert_eq!(holders(&by_set, pointer), *want, "{set}");
        }
        let metadata = merged(&production(), &["metadata: {namespace: n1}"], &[]).unwrap();
        assert_eq!(holders(&metadata, "/metadata/namespace"), "ige");
    }

    #[test]
    fn a_name_sends_an_overlay_to_its_document_whole() {
        let file = "metadata: {name: ingress}\nspec: {meshConfig: {a: b}, hub: h}";
        let merged = merged(&production(), &[file], &[]).unwrap();
        assert_eq!(holders(&merged, "/spec/meshConfig/a"), "g");
        assert_eq!(holders(&merged, "/spec/hub"), "g");
        assert_eq!(merged.documents[1].name(), "ingress");
    }

    #[test]
    fn what_fits_no_document_or_several_is_refused_with_their_names() {
        let all = "(istiod, ingress, eastwest)";
        let several = "(ingress, eastwest)";
        for (file, set, want) in [
            (
                Some("metadata: {name: nope}"),
                None,
                ["named nope fits none of the documents", all],
            ),
            (
                Some("spec: {components: {ingressGateways: []}}"),
                None,
                ["fits more than one document", several],
            ),
            (
                Some("spec: {components: {ingressGateways: [{tag: t}]}}"),
                None,
                ["ingressGateways.(no name) of 0.yaml fits", several],
            ),
            (
                None,
                Some("components.ingressGateways[0].tag=t"),
                ["--set components.ingressGateways[0].tag=t fits", several],
            ),
        ] {
            let refused = merged(&production(), file.as_slice(), set.as_slice())
                .unwrap_err()
                .to_string();
            assert!(want.iter().all(|part| refused.contains(part)), "{refused}");
        }
        let mut two = production();
        two[1].value["spec"]["profile"] = "minimal".into();
        let refused = merged(&two, &[], &["profile=demo"])
            .unwrap_err()
            .to_string();
        assert!(refused.contains("(istiod, ingress)"), "{refused}");
        two[0].value["spec"]["components"] = json!({"pilot": {"enabled": false}});
        assert!(merged(&two, &[], &["profile=demo"]).is_ok());
    }

    #[test]
    fn without_a_base_a_stream_of_several_is_several_documents() {
        let stream = "metadata: {name: a}\nspec: {hub: h}\n---\nkind: IstioOperator\nmetadata: {name: b}\nspec: {profile: empty}";
        let two = merged(
            &[],
            &[stream, "spec: {tag: t, profile: demo}"],
            &["revision=r"],
        )
        .unwrap();
        let values: Vec<_> = two
            .documents
            .iter()
            .map(|d| d.value["spec"].clone())
            .collect();
        assert_eq!(
            values,
            [
                json!({"hub": "h", "tag": "t", "profile": "demo", "revision": "r"}),
                json!({"profile": "empty", "tag": "t", "revision": "r"}),
            ]
        );
        assert!(
            matches!(merged(&two_names(), &[], &[]), Err(OverlayError::SameName { name }) if name == "x")
        );
        let foreign = merged(&production()[..1], &[stream], &[])
            .unwrap_err()
            .to_string();
        assert!(
            foreign.contains("named a fits none of the documents (istiod)"),
            "{foreign}"
        );
    }

    fn two_names() -> Vec<Base> {
        let base = Base {
            name: "x".into(),
            value: json!({}),
        };
        vec![base.clone(), base]
    }

    #[test]
    fn files_of_other_names_are_one_document_as_in_istioctl_and_that_is_said() {
        let one = merged(&[], &["metadata: {name: a}", "metadata: {name: b}"], &[]).unwrap();
        assert_eq!(one.documents.len(), 1);
        assert_eq!(one.documents[0].name(), "b");
        assert!(
            one.notices[0]
                .to_string()
                .starts_with("1.yaml:1:1: b is merged with a into one document")
        );
    }

    #[test]
    fn the_same_file_twice_is_not_a_stream_of_two() {
        let text = b"kind: IstioOperator\napiVersion: install.istio.io/v1alpha1\nspec: {hub: h}\n";
        let files = [read("f", text).unwrap(), read("f", text).unwrap()].concat();
        assert_eq!(merge(RULES, &[], &files, &[]).unwrap().documents.len(), 1);
    }
}
