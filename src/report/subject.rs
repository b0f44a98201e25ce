//! What a finding is about.

use std::fmt;

use istio_operator::Origin;
use serde::Serialize;

use crate::workload::WorkloadRef;

/// What a finding is about. JSON has its parts as fields, of which `kind` and `name` or `namespace` are always there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// An object of the cluster.
    Object {
        /// The kind in Kubernetes: `Deployment`, `Namespace`, …
        kind: &'static str,
        /// Absent for objects without a namespace.
        namespace: Option<String>,
        name: String,
    },
    /// Pods of one namespace.
    Pods {
        namespace: String,
        count: u64,
        /// Some of their names.
        examples: Vec<String>,
    },
    /// A document of the plan.
    Document {
        name: String,
        /// Where in the document: `spec.components.pilot.tag`, `the image of ztunnel`.
        place: Option<String>,
        /// The input that the value comes from.
        origin: Option<Origin>,
    },
    /// Anything else that has a name, by the word for what it is: `Image`, `Feature`, `Known issue`.
    Named { kind: &'static str, name: String },
}

impl Subject {
    pub fn namespace(name: impl Into<String>) -> Self {
        Subject::Object {
            kind: NAMESPACE,
            namespace: None,
            name: name.into(),
        }
    }

    pub fn deployment(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Subject::object("Deployment", namespace, name)
    }

    /// Returns an object in a namespace.
    pub fn object(
        kind: &'static str,
        namespace: impl Into<String>,
        name: impl Into<String>,
    ) -> Self {
        Subject::Object {
            kind,
            namespace: Some(namespace.into()),
            name: name.into(),
        }
    }

    /// Returns an object without a namespace.
    pub fn cluster_object(kind: &'static str, name: impl Into<String>) -> Self {
        Subject::Object {
            kind,
            namespace: None,
            name: name.into(),
        }
    }

    /// Returns a document of the plan as a whole.
    pub fn document(name: impl Into<String>) -> Self {
        Subject::Document {
            name: name.into(),
            place: None,
            origin: None,
        }
    }

    /// Returns a place in a document of the plan.
    pub fn place(document: impl Into<String>, place: impl Into<String>) -> Self {
        Subject::Document {
            name: document.into(),
            place: Some(place.into()),
            origin: None,
        }
    }

    /// Returns a value in a document of the plan, by the input that it comes from.
    pub fn input(document: impl Into<String>, origin: Origin) -> Self {
        Subject::Document {
            name: document.into(),
            place: None,
            origin: Some(origin),
        }
    }

    pub fn pods(
        namespace: impl Into<String>,
        count: u64,
        examples: impl IntoIterator<Item = String>,
    ) -> Self {
        Subject::Pods {
            namespace: namespace.into(),
            count,
            examples: examples.into_iter().collect(),
        }
    }

    pub fn image(reference: impl Into<String>) -> Self {
        Subject::named("Image", reference)
    }

    pub fn named(kind: &'static str, name: impl Into<String>) -> Self {
        Subject::Named {
            kind,
            name: name.into(),
        }
    }
}

impl From<&WorkloadRef> for Subject {
    fn from(workload: &WorkloadRef) -> Self {
        Subject::object(
            workload.kind().name(),
            workload.namespace(),
            workload.name(),
        )
    }
}

const NAMESPACE: &str = "Namespace";

/// The fields of a subject in JSON.
#[derive(Default, Serialize)]
struct Fields<'a> {
    kind: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    place: Option<&'a str>,
    /// The user's file, with line and column that count from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<usize>,
    /// Another input of the user: `--set …`, `template …`.
    #[serde(skip_serializing_if = "Option::is_none")]
    input: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    examples: Option<&'a [String]>,
}

impl Serialize for Subject {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let fields = match self {
            Subject::Object {
                kind,
                namespace,
                name,
            } => Fields {
                kind,
                namespace: namespace.as_deref(),
                name: Some(name),
                ..Fields::default()
            },
            Subject::Pods {
                namespace,
                count,
                examples,
            } => Fields {
                kind: "Pods",
                namespace: Some(namespace),
                count: Some(*count),
                examples: Some(examples),
                ..Fields::default()
            },
            Subject::Document {
                name,
                place,
                origin,
            } => {
                let position = match origin {
                    Some(Origin::File(position)) => Some(position),
                    _ => None,
                };
                let other = origin.as_ref().filter(|_| position.is_none());
                Fields {
                    kind: "Document",
                    name: Some(name),
                    place: place.as_deref(),
                    file: position.map(|position| position.source.as_str()),
                    line: position.map(|position| position.line),
                    column: position.map(|position| position.column),
                    input: other.map(ToString::to_string),
                    ..Fields::default()
                }
            }
            Subject::Named { kind, name } => Fields {
                kind,
                name: Some(name),
                ..Fields::default()
            },
        };
        fields.serialize(serializer)
    }
}

/// Writes the subject as the beginning of a sentence: `Deployment shop/cart`, `namespace shop (3 pods)`.
impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Subject::Object {
                kind: NAMESPACE,
                name,
                ..
            } => write!(f, "namespace {name}"),
            Subject::Object {
                kind,
                namespace: Some(namespace),
                name,
            } => write!(f, "{kind} {namespace}/{name}"),
            Subject::Object { kind, name, .. } => write!(f, "{kind} {name}"),
            Subject::Pods {
                namespace,
                count,
                examples,
            } => {
                write!(f, "namespace {namespace}")?;
                if (examples.len() as u64) < *count {
                    write!(f, ", {count} pods")?;
                }
                if examples.is_empty() {
                    Ok(())
                } else {
                    write!(f, ": {}", examples.join(", "))
                }
            }
            Subject::Document {
                name,
                place,
                origin,
            } => {
                if let Some(origin) = origin {
                    write!(f, "{origin}, ")?;
                }
                write!(f, "document {name}")?;
                place
                    .as_ref()
                    .map_or(Ok(()), |place| write!(f, ": {place}"))
            }
            Subject::Named { name, .. } => f.write_str(name),
        }
    }
}
