//! Which document a file, a part of it or a `--set` is meant for.

use serde_json::{Map, Value};

use super::path::Segment;
use super::set::Assignment;
use super::{Base, Origin, OverlayError, UserDocument};

/// A document in the making.
pub(super) struct Target {
    name: String,
    pub(super) document: Map<String, Value>,
    pub(super) origins: Vec<(String, Origin)>,
}

pub(super) struct Router {
    pub(super) targets: Vec<Target>,
    /// For each file document whether its stream has others.
    shared: Vec<bool>,
}

/// What every document of an installation must agree on.
const COMMON: &[&str] = &[
    "hub",
    "tag",
    "revision",
    "namespace",
    "compatibilityVersion",
    "installPackagePath",
];
/// The same below `values`.
const COMMON_VALUES: &[&str] = &["global", "revision", "compatibilityVersion"];
const GATEWAYS: [&str; 2] = ["ingressGateways", "egressGateways"];

impl Router {
    /// The documents are those of the base; without one, each of a stream of several, else one.
    pub(super) fn new(base: &[Base], files: &[UserDocument]) -> Result<Self, OverlayError> {
        let shared = shared(files);
        let mut targets: Vec<Target> = base.iter().map(of_base).collect();
        if targets.is_empty() {
            for (file, shared) in files.iter().zip(&shared) {
                let name = file.name().unwrap_or_default();
                if *shared {
                    targets.push(empty(name));
                }
            }
        }
        for (place, target) in targets.iter().enumerate() {
            if targets[..place]
                .iter()
                .any(|other| other.name == target.name)
            {
                return Err(OverlayError::SameName {
                    name: target.name.clone(),
                });
            }
        }
        if targets.is_empty() {
            targets.push(empty(""));
        }
        Ok(Self { targets, shared })
    }

    /// The parts of a file document, each with the target it is for.
    pub(super) fn parts(
        &self,
        place: usize,
        file: &UserDocument,
    ) -> Result<Vec<(usize, Map<String, Value>)>, OverlayError> {
        let Value::Object(whole) = &file.value else {
            return Ok(Vec::new());
        };
        let named = file.name();
        if let (Some(name), true) = (named, self.targets.len() > 1 || self.shared[place]) {
            let target = self.targets.iter().position(|target| target.name == name);
            return match target {
                Some(target) => Ok(vec![(target, whole.clone())]),
                None => Err(self.no_document(
                    format!("{} named {name}", file.start),
                    "use one of these names as metadata.name, or none",
                )),
            };
        }
        if self.targets.len() == 1 {
            return Ok(vec![(0, whole.clone())]);
        }
        let mut split = Split {
            router: self,
            file,
            parts: vec![None; self.targets.len()],
        };
        split.document(whole)?;
        Ok(split
            .parts
            .into_iter()
            .enumerate()
            .filter_map(|(target, part)| Some((target, part?)))
            .collect())
    }

    /// The targets of an assignment.
    pub(super) fn assigned(&self, assignment: &Assignment) -> Result<Vec<usize>, OverlayError> {
        let all = (0..self.targets.len()).collect();
        if self.targets.len() == 1 {
            return Ok(all);
        }
        let keys: Vec<&str> = assignment
            .path
            .iter()
            .map(|segment| match segment {
                Segment::Key(key) => key.as_str(),
                _ => "",
            })
            .collect();
        let what = format!("--set {}", assignment.text);
        match keys.as_slice() {
            [field, ..] if COMMON.contains(field) => Ok(all),
            ["values" | "unvalidatedValues", field, ..] if COMMON_VALUES.contains(field) => Ok(all),
            ["values" | "unvalidatedValues", "gateways", kind, ..] => {
                self.with_gateways(kind, &what)
            }
            ["components", list, ..] if GATEWAYS.contains(list) => {
                let name = match assignment.path.get(2) {
                    Some(Segment::Pair { key, value }) if key == "name" => Some(value.as_str()),
                    _ => None,
                };
                self.gateway(list, name, &what).map(|target| vec![target])
            }
            _ => self.control_plane(&what).map(|target| vec![target]),
        }
    }

    /// The one document that holds the gateway, or without a name the list.
    fn gateway(&self, list: &str, name: Option<&str>, what: &str) -> Result<usize, OverlayError> {
        let fits = |gateways: &[Value]| match name {
            Some(name) => gateways.iter().any(|gateway| gateway["name"] == name),
            None => !gateways.is_empty(),
        };
        let found = self.matching(|target| fits(target.gateways(list)));
        match found.as_slice() {
            [] => self.control_plane(what),
            [one] => Ok(*one),
            several => Err(self.ambiguous(
                several,
                what,
                "say which by metadata.name in a file, or by [name:…]",
            )),
        }
    }

    /// `values.gateways` configures every gateway of its kind.
    fn with_gateways(&self, kind: &str, what: &str) -> Result<Vec<usize>, OverlayError> {
        let list = match kind {
            "istio-ingressgateway" => GATEWAYS[0],
            "istio-egressgateway" => GATEWAYS[1],
            _ => return self.control_plane(what).map(|target| vec![target]),
        };
        let found = self.matching(|target| !target.gateways(list).is_empty());
        if found.is_empty() {
            self.control_plane(what).map(|target| vec![target])
        } else {
            Ok(found)
        }
    }

    fn control_plane(&self, what: &str) -> Result<usize, OverlayError> {
        let next = "say which by metadata.name in a file";
        match self.matching(Target::is_control_plane).as_slice() {
            [one] => Ok(*one),
            [] => Err(self.no_document(what.into(), next)),
            several => Err(self.ambiguous(several, what, next)),
        }
    }

    fn matching(&self, fits: impl Fn(&Target) -> bool) -> Vec<usize> {
        (0..self.targets.len())
            .filter(|target| fits(&self.targets[*target]))
            .collect()
    }

    fn no_document(&self, what: String, next: &str) -> OverlayError {
        let documents = self
            .targets
            .iter()
            .map(|target| target.name.clone())
            .collect();
        OverlayError::NoDocument {
            what,
            documents,
            next: next.into(),
        }
    }

    fn ambiguous(&self, targets: &[usize], what: &str, next: &str) -> OverlayError {
        let documents = targets
            .iter()
            .map(|target| self.targets[*target].name.clone())
            .collect();
        OverlayError::Ambiguous {
            what: what.into(),
            documents,
            next: next.into(),
        }
    }
}

impl Target {
    fn gateways(&self, list: &str) -> &[Value] {
        self.at(&["spec", "components", list])
            .and_then(Value::as_array)
            .map_or(&[], Vec::as_slice)
    }

    /// Whether istiod comes from this document: a gateway's own begins from the empty profile.
    fn is_control_plane(&self) -> bool {
        match self
            .at(&["spec", "components", "pilot", "enabled"])
            .and_then(Value::as_bool)
        {
            Some(enabled) => enabled,
            None => self.at(&["spec", "profile"]).and_then(Value::as_str) != Some("empty"),
        }
    }

    fn at(&self, keys: &[&str]) -> Option<&Value> {
        let (first, rest) = keys.split_first()?;
        rest.iter()
            .try_fold(self.document.get(*first)?, |value, key| value.get(key))
    }
}

fn of_base(base: &Base) -> Target {
    let document = base.value.as_object().cloned().unwrap_or_default();
    let origins = vec![(String::new(), Origin::Base(base.name.clone()))];
    Target {
        name: base.name.clone(),
        document,
        origins,
    }
}

fn empty(name: &str) -> Target {
    let mut document = Map::new();
    document.insert("apiVersion".into(), super::read::API_VERSION.into());
    document.insert("kind".into(), super::read::KIND.into());
    Target {
        name: name.into(),
        document,
        origins: Vec::new(),
    }
}

/// The same file given twice is two streams: there the place goes back.
fn shared(files: &[UserDocument]) -> Vec<bool> {
    let follows = |a: &UserDocument, b: &UserDocument| {
        a.start.source == b.start.source && a.start.line < b.start.line
    };
    (0..files.len())
        .map(|place| {
            let after = place > 0 && follows(&files[place - 1], &files[place]);
            let before = files
                .get(place + 1)
                .is_some_and(|next| follows(&files[place], next));
            after || before
        })
        .collect()
}

/// An overlay without a name, taken apart.
struct Split<'a> {
    router: &'a Router,
    file: &'a UserDocument,
    parts: Vec<Option<Map<String, Value>>>,
}

impl Split<'_> {
    fn document(&mut self, whole: &Map<String, Value>) -> Result<(), OverlayError> {
        for (key, value) in fields_of(whole.get("metadata")) {
            self.to_all(&["metadata", key], value);
        }
        for (key, value) in fields_of(whole.get("spec")) {
            match key.as_str() {
                "components" => self.components(value)?,
                "values" | "unvalidatedValues" => self.values(key, value)?,
                key if COMMON.contains(&key) => self.to_all(&["spec", key], value),
                key => self.to_control_plane(&["spec", key], value)?,
            }
        }
        Ok(())
    }

    fn components(&mut self, components: &Value) -> Result<(), OverlayError> {
        for (key, value) in fields_of(Some(components)) {
            match value {
                Value::Array(gateways) if GATEWAYS.contains(&key.as_str()) => {
                    self.gateways(key, gateways)?
                }
                _ => self.to_control_plane(&["spec", "components", key], value)?,
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
                    self.to_all(&["spec", root, field], value)
                }
                "gateways" => {
                    for (kind, value) in fields_of(Some(value)) {
                        let place = ["spec", root, "gateways", kind.as_str()];
                        for target in self.router.with_gateways(kind, &self.what(&place))? {
                            self.insert(target, &place, value.clone());
                        }
                    }
                }
                _ => self.to_control_plane(&["spec", root, key], value)?,
            }
        }
        Ok(())
    }

    fn to_all(&mut self, place: &[&str], value: &Value) {
        for target in 0..self.parts.len() {
            self.insert(target, place, value.clone());
        }
    }

    fn to_control_plane(&mut self, place: &[&str], value: &Value) -> Result<(), OverlayError> {
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
