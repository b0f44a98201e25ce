//! Where the images of a document come from, by a document that is whole.

use serde_json::Value;

use super::path::Path;
use super::{Document, Engine, Origin, Rules};

/// What a place decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decides {
    /// An image reference, or the name of an image.
    Image,
    Hub,
    Tag,
    /// What is put behind the tag.
    Variant,
}

/// One value from which an image is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Within the document: `spec.components.ingressGateways[name:x].tag`.
    pub path: String,
    pub value: String,
    pub decides: Decides,
    /// The preset document, the file with line and column, or the `--set`.
    pub origin: Origin,
    /// Why the engine does not use it, when it does not.
    pub ignored: Option<&'static str>,
}

/// What a document asks for when istioctl is done with it. `None` is left to profile and istioctl.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effective {
    pub hub: Option<String>,
    pub tag: Option<String>,
    pub variant: Option<String>,
    pub revision: Option<String>,
    pub namespace: Option<String>,
    pub profile: Option<String>,
    /// Every place an image, hub, tag or variant can come from, in the order of the document.
    pub places: Vec<Place>,
}

/// Strongest first, in both engines; unvalidated values are merged over everything at the end.
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
const VARIANT: &[&str] = &[
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
    "metadata.namespace",
];
pub(super) const PROFILE: &[&str] = &["spec.profile"];

/// What `document` asks for, and every place that has a say in its images.
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

/// Below `spec.values` and `spec.unvalidatedValues`.
const VALUES: &[(&str, Decides)] = &[
    ("*.hub", Decides::Hub),
    ("*.tag", Decides::Tag),
    ("*.variant", Decides::Variant),
    ("*.image", Decides::Image),
    ("global.proxy.image", Decides::Image),
    ("global.proxy.variant", Decides::Variant),
    ("global.proxy_init.image", Decides::Image),
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
            let ignored = self.ignored(key);
            self.add(text, decides, ignored);
        }
    }

    fn add(&mut self, value: String, decides: Decides, ignored: Option<&'static str>) {
        let path = self.path.to_string();
        let origin = self.document.origin(&path);
        self.places.push(Place {
            path,
            value,
            decides,
            origin,
            ignored,
        });
    }

    /// A patch of `k8s.overlays` that sets an image, by its path or within its value.
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

    fn ignored(&self, key: &str) -> Option<&'static str> {
        let spec = &self.document.value;
        let set = |path: &str| at(spec, path).is_some();
        let component = self
            .path
            .below("spec.components")
            .and_then(|_| self.path.key(2));
        let root = self
            .path
            .below("spec.values")
            .and_then(|_| self.path.key(2));
        let gateway = self.path.matches("spec.components.*.[].*");
        match key {
            "hub" | "tag"
                if self.path.matches("spec.*") && set(&format!("spec.values.global.{key}")) =>
            {
                Some("values.global wins over it")
            }
            "hub" if gateway => Some("istioctl does not use a gateway's hub"),
            "tag" if gateway && !self.rules.gateway_tag => {
                Some("this istioctl does not use a gateway's tag")
            }
            "variant" if !self.rules.variant => Some("this Istio has no variants"),
            "hub" | "tag" => match (self.rules.engine, component, root) {
                (Engine::Strategic, Some(name), None)
                    if set(&format!("spec.values.{name}.{key}")) =>
                {
                    Some("the same field below values wins over it")
                }
                (Engine::Map, None, Some(name))
                    if set(&format!("spec.components.{name}.{key}")) =>
                {
                    Some("the same field of the component wins over it")
                }
                _ => None,
            },
            _ => None,
        }
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

impl Document {
    /// Where the value at `path` was said last, or what it stands in.
    fn origin(&self, path: &str) -> Origin {
        let holds = |outer: &str| {
            path.strip_prefix(outer)
                .is_some_and(|rest| outer.is_empty() || rest.starts_with(['.', '[']))
        };
        let exact = self.origins.iter().rev().find(|(place, _)| place == path);
        let outer = || {
            self.origins
                .iter()
                .rev()
                .filter(|(place, _)| holds(place))
                .max_by_key(|(place, _)| place.len())
        };
        exact.or_else(outer).map_or_else(
            || Origin::Base("default".into()),
            |(_, origin)| origin.clone(),
        )
    }
}
