//! The sources of the images of a merged document.

use serde_json::Value;

use super::path::Path;
use super::precedence::{HUB, NAMESPACE, PROFILE, REVISION, TAG, VARIANT, at, beaten, said};
use super::{Document, Origin, Origins, Rules};

/// The part of an image reference that a place decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decides {
    /// An image reference, or the name of an image.
    Image,
    Hub,
    Tag,
    /// The suffix that is appended to the tag.
    Variant,
}

/// One value that an image reference is made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The path in the document: `spec.components.ingressGateways[name:x].tag`.
    pub path: String,
    pub value: String,
    pub decides: Decides,
    /// The preset document, the file with line and column, or the `--set`.
    pub origin: Origin,
    /// Why the engine does not use it; `None` if it does.
    pub ignored: Option<&'static str>,
}

/// The settings of a document after istioctl has processed it. `None` means that profile and istioctl decide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effective {
    pub hub: Option<String>,
    pub tag: Option<String>,
    pub variant: Option<String>,
    pub revision: Option<String>,
    pub namespace: Option<String>,
    pub profile: Option<String>,
    /// Every place that an image, hub, tag or variant can come from, in the order of the document.
    pub places: Vec<Place>,
}

/// Returns what `document` requests, and every place that can decide its images.
pub fn effective(rules: Rules, document: &Document) -> Effective {
    let first = |paths: &[&str]| {
        paths
            .iter()
            .find_map(|path| at(&document.value, path))
            .and_then(said)
    };
    let mut walk = Walk {
        rules,
        document,
        path: Path::default(),
        places: Vec::new(),
    };
    walk.value(&document.value);
    Effective {
        hub: first(HUB),
        tag: first(TAG),
        variant: first(VARIANT),
        revision: first(REVISION),
        namespace: first(NAMESPACE),
        profile: first(PROFILE),
        places: walk.places,
    }
}

const PLACES: &[(&str, Decides)] = &[
    ("spec.hub", Decides::Hub),
    ("spec.tag", Decides::Tag),
    ("spec.components.*.hub", Decides::Hub),
    ("spec.components.*.tag", Decides::Tag),
    ("spec.components.*.[].hub", Decides::Hub),
    ("spec.components.*.[].tag", Decides::Tag),
    (
        "spec.meshConfig.defaultConfig.image.imageType",
        Decides::Variant,
    ),
];

/// Paths below `spec.values` and `spec.unvalidatedValues`.
const VALUES: &[(&str, Decides)] = &[
    ("*.hub", Decides::Hub),
    ("*.tag", Decides::Tag),
    ("*.variant", Decides::Variant),
    ("*.image", Decides::Image),
    ("global.proxy.image", Decides::Image),
    ("global.proxy.variant", Decides::Variant),
    ("global.proxy_init.image", Decides::Image),
    ("cni.repair.hub", Decides::Hub),
    ("cni.repair.tag", Decides::Tag),
    ("cni.repair.image", Decides::Image),
    ("gateways.*.hub", Decides::Hub),
    ("gateways.*.tag", Decides::Tag),
    ("gateways.*.image", Decides::Image),
    ("meshConfig.defaultConfig.image.imageType", Decides::Variant),
];

const ANNOTATIONS: &[(&str, Decides)] = &[
    ("sidecar.istio.io/proxyImage", Decides::Image),
    ("sidecar.istio.io/proxyImageType", Decides::Variant),
];

struct Walk<'a> {
    rules: Rules,
    document: &'a Document,
    path: Path,
    places: Vec<Place>,
}

impl Walk<'_> {
    fn value(&mut self, value: &Value) {
        match value {
            Value::Object(map) => {
                self.patch(value);
                for (key, value) in map {
                    self.path.push_key(key);
                    self.field(key, value);
                    self.value(value);
                    self.path.pop();
                }
            }
            Value::Array(list) => {
                for (index, value) in list.iter().enumerate() {
                    self.path
                        .push_item(index, value.get("name").and_then(Value::as_str));
                    self.value(value);
                    self.path.pop();
                }
            }
            _ => {}
        }
    }

    fn field(&mut self, key: &str, value: &Value) {
        let Some(text) = said(value) else { return };
        if let Some(decides) = decided_by(&self.path, key) {
            let ignored = beaten(self.rules, &self.document.value, &self.path);
            self.add(text, decides, ignored);
        }
    }

    fn add(&mut self, value: String, decides: Decides, ignored: Option<&'static str>) {
        let path = self.path.to_string();
        let origin = self.document.origins.of(&path);
        self.places.push(Place {
            path,
            value,
            decides,
            origin,
            ignored,
        });
    }

    /// Finds images in a patch of `k8s.overlays`, by its path or within its value.
    fn patch(&mut self, patch: &Value) {
        let component = self
            .path
            .matches("spec.components.*.k8s.overlays.[].patches.[]");
        let gateway = self
            .path
            .matches("spec.components.*.[].k8s.overlays.[].patches.[]");
        if !component && !gateway {
            return;
        }
        self.path.push_key("value");
        let whole = patch["path"]
            .as_str()
            .is_some_and(|path| path.rsplit('.').next() == Some("image"));
        if let (true, Some(text)) = (whole, said(&patch["value"])) {
            self.add(text, Decides::Image, None);
        }
        let mut images = Vec::new();
        images_in(&patch["value"], &mut images);
        for image in images {
            self.add(image, Decides::Image, None);
        }
        self.path.pop();
    }
}

fn decided_by(path: &Path, key: &str) -> Option<Decides> {
    let found = |table: &[(&str, Decides)], fits: &dyn Fn(&str) -> bool| {
        table
            .iter()
            .find(|(pattern, _)| fits(pattern))
            .map(|(_, decides)| *decides)
    };
    let annotation = || found(ANNOTATIONS, &|name| name == key);
    let below = path
        .below("spec.values")
        .or_else(|| path.below("spec.unvalidatedValues"));
    found(PLACES, &|pattern| path.matches(pattern))
        .or_else(|| {
            found(VALUES, &|pattern| {
                below.is_some_and(|steps| super::path::fits(steps, pattern))
            })
        })
        .or_else(annotation)
}

fn images_in(value: &Value, images: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                match value {
                    Value::String(image) if key == "image" => images.push(image.clone()),
                    value => images_in(value, images),
                }
            }
        }
        Value::Array(list) => list.iter().for_each(|value| images_in(value, images)),
        _ => {}
    }
}

impl Origins {
    /// Returns where the value at `path` was last set; a value that no file and no `--set` sets comes from the base
    /// document.
    pub fn of(&self, path: &str) -> Origin {
        let exact = self.0.get(path).or_else(|| self.0.get(""));
        exact
            .cloned()
            .unwrap_or_else(|| Origin::Base("default".into()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Assignment, Base, Engine, merge, read};
    use super::*;

    const MAP: Rules = Rules {
        engine: Engine::Map,
        gateway_tag: true,
        variant: true,
    };
    const OLD: Rules = Rules {
        engine: Engine::Strategic,
        gateway_tag: false,
        variant: false,
    };

    fn of(rules: Rules, spec: &str, sets: &[&str]) -> Effective {
        let text = format!("apiVersion: install.istio.io/v1alpha1\nkind: IstioOperator\n{spec}\n");
        let files = read("f", text.as_bytes()).unwrap();
        let sets: Vec<_> = sets
            .iter()
            .map(|text| Assignment::parse(text).unwrap())
            .collect();
        let value = serde_json::json!({"spec": {"hub": "base", "profile": "demo"}});
        let base = Base {
            name: "b".into(),
            value,
        };
        effective(
            rules,
            &merge(rules, &[base], &files, &sets).unwrap().documents[0],
        )
    }

    fn listed(effective: &Effective) -> Vec<String> {
        let line = |place: &Place| {
            let ignored = place
                .ignored
                .map(|why| format!(" ({why})"))
                .unwrap_or_default();
            format!(
                "{}: {}={:?}{ignored}",
                place.origin, place.path, place.value
            )
        };
        effective.places.iter().map(line).collect()
    }

    #[test]
    fn values_global_wins_and_the_rest_is_read_where_it_stands() {
        let spec = "metadata: {namespace: n1}\nspec: {hub: a, tag: b, revision: r, values: {global: {hub: c}}}";
        let moved = ["values.global.istioNamespace=n2"];
        assert_eq!(of(MAP, spec, &moved).namespace.as_deref(), Some("n2"));
        let found = of(MAP, spec, &["tag=d", "values.global.variant=debug"]);
        assert_eq!(found.hub.as_deref(), Some("c"));
        assert_eq!(found.tag.as_deref(), Some("d"));
        assert_eq!(found.variant.as_deref(), Some("debug"));
        assert_eq!(found.revision.as_deref(), Some("r"));
        assert_eq!(found.namespace, None);
        assert_eq!(found.profile.as_deref(), Some("demo"));
        assert_eq!(
            listed(&found),
            [
                "f:4:13: spec.hub=\"a\" (values.global wins over it)",
                "--set tag=d: spec.tag=\"d\"",
                "f:4:60: spec.values.global.hub=\"c\"",
                "--set values.global.variant=debug: spec.values.global.variant=\"debug\"",
            ]
        );
    }

    const IMAGES: &str = r#"spec:
  meshConfig: {defaultConfig: {image: {imageType: debug}}}
  components:
    pilot:
      tag: c1
      k8s:
        podAnnotations: {sidecar.istio.io/proxyImage: x/y, sidecar.istio.io/proxyImageType: debug}
        overlays:
        - kind: Deployment
          patches:
          - {path: "spec.template.spec.containers.[name:discovery].image", value: q/r}
          - {path: spec.template.spec, value: {initContainers: [{image: s/t}]}}
          - {path: spec.replicas, value: 1}
    ingressGateways:
    - {name: ig, hub: gh, tag: gt}
  values:
    pilot: {hub: ph, tag: pt, image: pi, variant: pv}
    cni: {image: ci, repair: {tag: rt}}
    global: {proxy: {image: px}, proxy_init: {image: pn}}
    gateways: {istio-ingressgateway: {tag: vt}}
  unvalidatedValues:
    ztunnel: {tag: zt}
    pilot: {image: up}"#;

    #[test]
    fn every_place_of_an_image_is_found() {
        let places = |rules| {
            listed(&of(rules, IMAGES, &[]))
                .into_iter()
                .map(|line| line.split_once(": ").unwrap().1.to_owned())
                .collect::<Vec<_>>()
        };
        let overlay = "spec.components.pilot.k8s.overlays[0].patches";
        assert_eq!(places(MAP), [
            "spec.hub=\"base\"".to_owned(),
            "spec.meshConfig.defaultConfig.image.imageType=\"debug\"".into(),
            "spec.components.pilot.tag=\"c1\"".into(),
            "spec.components.pilot.k8s.podAnnotations.sidecar\\.istio\\.io/proxyImage=\"x/y\"".into(),
            "spec.components.pilot.k8s.podAnnotations.sidecar\\.istio\\.io/proxyImageType=\"debug\"".into(),
            format!("{overlay}[0].value=\"q/r\""),
            format!("{overlay}[1].value=\"s/t\""),
            "spec.components.ingressGateways[name:ig].hub=\"gh\" (istioctl does not use a gateway's hub)".into(),
            "spec.components.ingressGateways[name:ig].tag=\"gt\"".into(),
            "spec.values.pilot.hub=\"ph\"".into(),
            "spec.values.pilot.tag=\"pt\" (the same field of the component wins over it)".into(),
            "spec.values.pilot.image=\"pi\" (unvalidatedValues wins over it)".into(),
            "spec.values.pilot.variant=\"pv\"".into(),
            "spec.values.cni.image=\"ci\"".into(),
                "spec.values.cni.repair.tag=\"rt\"".into(),
            "spec.values.global.proxy.image=\"px\"".into(),
            "spec.values.global.proxy_init.image=\"pn\"".into(),
            "spec.values.gateways.istio-ingressgateway.tag=\"vt\"".into(),
            "spec.unvalidatedValues.ztunnel.tag=\"zt\"".into(),
            "spec.unvalidatedValues.pilot.image=\"up\"".into(),
        ]);
        let ignored: Vec<_> = places(OLD)
            .into_iter()
            .filter(|line| line.ends_with(')'))
            .collect();
        assert_eq!(
            ignored,
            [
                "spec.components.pilot.tag=\"c1\" (the same field below values wins over it)",
                "spec.components.ingressGateways[name:ig].hub=\"gh\" (istioctl does not use a gateway's hub)",
                "spec.components.ingressGateways[name:ig].tag=\"gt\" (this istioctl does not use a gateway's tag)",
                "spec.values.pilot.image=\"pi\" (unvalidatedValues wins over it)",
                "spec.values.pilot.variant=\"pv\" (this Istio has no variants)",
            ]
        );
    }

    #[test]
    fn a_place_knows_who_said_it() {
        let spec = "spec:\n  components:\n    ingressGateways:\n    - {name: ig, tag: a}\n    - {name: two, tag: b}";
        let found = of(MAP, spec, &["components.ingressGateways[1].tag=c"]);
        assert_eq!(
            listed(&found),
            [
                "preset document b: spec.hub=\"base\"",
                "f:6:23: spec.components.ingressGateways[name:ig].tag=\"a\"",
                "--set components.ingressGateways[1].tag=c: spec.components.ingressGateways[name:two].tag=\"c\"",
            ]
        );
    }
}
