//! Which document a file, a part of it or a `--set` applies to.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::path::Segment;
use super::set::Assignment;
use super::{Base, Origin, OverlayError, UserDocument};

/// A document that is being merged.
pub(super) struct Target {
    name: String,
    /// The name from the last file that had one.
    pub(super) named: Option<String>,
    pub(super) document: Map<String, Value>,
    pub(super) origins: HashMap<String, Origin>,
}

pub(super) struct Router {
    pub(super) targets: Vec<Target>,
    /// For each file document, whether its stream has others.
    shared: Vec<bool>,
}

/// Fields on which all documents of an installation must agree.
pub(super) const COMMON: &[&str] = &[
    "hub",
    "tag",
    "revision",
    "namespace",
    "compatibilityVersion",
    "installPackagePath",
];
/// Such fields below `values`.
pub(super) const COMMON_VALUES: &[&str] = &["global", "revision", "compatibilityVersion"];
pub(super) const GATEWAYS: [&str; 2] = ["ingressGateways", "egressGateways"];

impl Router {
    /// Creates a target for each document of the base; without a base, for each document of files with several, or else
    /// one.
    pub(super) fn new(base: &[Base], files: &[UserDocument]) -> Result<Self, OverlayError> {
        let shared = in_streams(files);
        check_streams(files, &shared, base.is_empty())?;
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

    /// Returns the only target of a whole file document; `None` if its parts belong to several.
    pub(super) fn whole(
        &self,
        place: usize,
        file: &UserDocument,
    ) -> Result<Option<usize>, OverlayError> {
        let one = self.targets.len() == 1;
        let Some(name) = file.name().filter(|_| !one || self.shared[place]) else {
            return Ok(one.then_some(0));
        };
        let target = self.targets.iter().position(|target| target.name == name);
        target.map(Some).ok_or_else(|| {
            self.no_document(
                format!("{} named {name}", file.start),
                "use one of these names as metadata.name, or none; without --preset and --template \
                 each document of a file with several is installed as it is",
            )
        })
    }

    /// Returns the targets of an assignment.
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

    /// Returns the only document that contains the gateway, or, without a name, the list.
    pub(super) fn gateway(
        &self,
        list: &str,
        name: Option<&str>,
        what: &str,
    ) -> Result<usize, OverlayError> {
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

    /// Returns the documents with gateways of a kind, because `values.gateways` configures all of them.
    pub(super) fn with_gateways(&self, kind: &str, what: &str) -> Result<Vec<usize>, OverlayError> {
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

    pub(super) fn control_plane(&self, what: &str) -> Result<usize, OverlayError> {
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

    /// Whether istiod comes from this document: a document only for a gateway begins from the empty profile.
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
    let origins = HashMap::from([(String::new(), Origin::Base(base.name.clone()))]);
    Target {
        name: base.name.clone(),
        named: None,
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
        named: None,
        document,
        origins: HashMap::new(),
    }
}

/// Returns the names of the documents from files with several documents, in order. A document without a name in such a
/// file is refused: it could only be meant for all the others, which istioctl does not support.
pub fn stream_names(files: &[UserDocument]) -> Result<Vec<String>, OverlayError> {
    let streams = in_streams(files);
    check_streams(files, &streams, true)?;
    let mut names: Vec<String> = Vec::new();
    for (file, in_stream) in files.iter().zip(streams) {
        let name = file.name().filter(|_| in_stream);
        if let Some(name) = name.filter(|name| names.iter().all(|other| other != name)) {
            names.push(name.to_owned());
        }
    }
    Ok(names)
}

/// Refuses what istioctl refuses too, and what would lose a document: two documents of one file with the same name, or
/// without one.
fn check_streams(
    files: &[UserDocument],
    in_streams: &[bool],
    alone: bool,
) -> Result<(), OverlayError> {
    let next = "give each document a metadata.name of its own, or a file of its own";
    for (place, file) in files.iter().enumerate().filter(|(at, _)| in_streams[*at]) {
        let name = file.name().unwrap_or_default();
        if name.is_empty() && alone {
            let problem = "this file has several IstioOperators, and this one has no metadata.name";
            return Err(OverlayError::file(file.start.clone(), problem, next));
        }
        let stream = files[..place].iter().enumerate().rev();
        let mut before =
            stream.take_while(|(at, other)| in_streams[*at] && follows(other, &files[at + 1]));
        if before.any(|(_, other)| other.name().unwrap_or_default() == name) {
            let problem = if name.is_empty() {
                "a second IstioOperator of this file has no metadata.name".to_owned()
            } else {
                format!("a second IstioOperator of this file has the metadata.name {name}")
            };
            return Err(OverlayError::file(file.start.clone(), problem, next));
        }
    }
    Ok(())
}

/// Whether `b` comes after `a` in the same file.
fn follows(a: &UserDocument, b: &UserDocument) -> bool {
    a.start.source == b.start.source && a.start.line < b.start.line
}

/// Returns for each document whether its file has several. The same file given twice counts as two streams, in the
/// second of which the line numbers start again.
pub(super) fn in_streams(files: &[UserDocument]) -> Vec<bool> {
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
