//! Plan → IstioOperator documents, which are parsed again and compared with their values. Pure.

use std::collections::BTreeSet;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::exit::{Exit, Failure};
use crate::plan::Plan;
use crate::request::{Gateways, InstallRequest, Template};
use istio_operator::{
    self, Assignment, Base, Document, Effective, Notice, Origins, OverlayError, UserDocument,
};

mod gateways;
mod images;
mod installs;
mod overrides;
mod placeholders;
pub mod template;

pub use installs::{Gateway, Installs};
pub use placeholders::Unfilled;
pub use template::TemplateError;

use placeholders::Placeholders;

/// How messages name a document without `metadata.name`.
const UNNAMED: &str = "without a name";

/// One IstioOperator as it is passed to istioctl.
#[derive(Debug, Clone)]
pub struct Rendered {
    /// `metadata.name`, or `without a name`.
    pub name: String,
    pub value: Value,
    /// The YAML that is hashed, shown and sent.
    pub yaml: String,
    /// Every place in it that an image can come from.
    pub effective: Effective,
    /// Where each of its values was set.
    pub origins: Origins,
    /// The parts of Istio that it installs.
    pub installs: Installs,
}

/// All documents of a plan, and notices on input that was interpreted otherwise than istioctl alone would do.
#[derive(Debug, Clone)]
pub struct Manifest {
    pub documents: Vec<Rendered>,
    pub notices: Vec<Notice>,
    /// Namespace and name of the gateways that the inputs name and the documents leave out.
    pub gateways_left_out: BTreeSet<(String, String)>,
}

/// Why the documents could not be rendered.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    #[error(transparent)]
    Template(#[from] TemplateError),
    #[error("{0}")]
    Overlay(#[from] OverlayError),
    #[error("{0}")]
    Unfilled(#[from] Unfilled),
    #[error("what was written of {name} reads back as something else: {text}")]
    ReadBack { name: String, text: String },
}

impl From<RenderError> for Failure {
    fn from(error: RenderError) -> Failure {
        let exit = match &error {
            RenderError::Template(
                TemplateError::UnknownPreset { .. }
                | TemplateError::UnknownParam { .. }
                | TemplateError::MissingParam { .. },
            ) => Exit::Usage,
            RenderError::Template(_) | RenderError::Overlay(_) | RenderError::Unfilled(_) => {
                Exit::Data
            }
            RenderError::ReadBack { .. } => Exit::Internal,
        };
        Failure::new(exit, &error)
    }
}

/// Renders every document of `plan`: template, then the user's files, then `--set`.
///
/// Values that the user gave by separate flags (revision, namespace, a value for a placeholder) come last, so that a
/// copied file cannot override them.
pub fn render(
    plan: &Plan,
    request: &InstallRequest,
    files: &[UserDocument],
    sets: &[Assignment],
) -> Result<Manifest, RenderError> {
    let base = base(plan, request, files)?;
    let mut merged = istio_operator::merge(plan.rules, &base, files, sets)?;
    let placeholders = Placeholders::new(plan, request);
    for document in &mut merged.documents {
        if let Some(Template::File { name, .. }) = &request.template {
            document.set_template(name);
        }
        placeholders.fill(&mut document.value);
    }
    placeholders::check(&merged.documents)?;
    let mut left_out = BTreeSet::new();
    for document in &mut merged.documents {
        merged
            .notices
            .extend(unread_namespace(plan, request, document));
        overrides::apply_flag_overrides(plan, request, &mut document.value);
        if request.gateways == Gateways::LeaveOut {
            left_out.extend(gateways::leave_out(plan, &mut document.value));
        }
        document.value = in_order(std::mem::take(&mut document.value));
    }
    if request.gateways == Gateways::LeaveOut {
        // A document that contained only gateways would install nothing now.
        merged
            .documents
            .retain(|document| !Installs::of(plan, &document.value).components.is_empty());
    }
    let documents = merged
        .documents
        .iter()
        .map(|document| written(plan, document));
    Ok(Manifest {
        documents: documents.collect::<Result<_, _>>()?,
        notices: merged.notices,
        gateways_left_out: left_out,
    })
}

/// Returns the documents that files and flags are merged over.
///
/// A file with several named documents needs no preset: each of them becomes one document, over what the default preset
/// sets in every document.
fn base(
    plan: &Plan,
    request: &InstallRequest,
    files: &[UserDocument],
) -> Result<Vec<Base>, RenderError> {
    let filled = template_documents(plan, request)?;
    let as_base = |document: &UserDocument| Base {
        name: document.name().unwrap_or_default().to_owned(),
        value: document.value().clone(),
    };
    let base: Vec<Base> = filled.iter().map(as_base).collect();
    let ([one], None) = (base.as_slice(), &request.template) else {
        return Ok(base);
    };
    let names = istio_operator::stream_names(files)?;
    if names.is_empty() {
        return Ok(base);
    }
    Ok(names.into_iter().map(|name| renamed(one, name)).collect())
}

/// Returns the documents of a plan's template, filled in.
pub fn template_documents(
    plan: &Plan,
    request: &InstallRequest,
) -> Result<Vec<UserDocument>, RenderError> {
    let text = template::fill(plan, &request.params)?;
    Ok(istio_operator::read("template", text.as_bytes())?)
}

fn renamed(base: &Base, name: String) -> Base {
    let mut value = base.value.clone();
    value["metadata"]["name"] = Value::String(name.clone());
    Base { name, value }
}

/// Returns a notice that istioctl does not read a namespace from `metadata`, if that names another namespace than the
/// mesh has.
fn unread_namespace(plan: &Plan, request: &InstallRequest, document: &Document) -> Option<Notice> {
    let said = document.value["metadata"]["namespace"].as_str()?;
    let moved = request.namespace.is_some() || said == plan.namespace;
    let installs = Installs::of(plan, &document.value);
    (!moved && installs.has_webhooks()).then(|| Notice {
        origin: document.origins.of("metadata.namespace"),
        text: format!(
            "istioctl does not read metadata.namespace: the control plane goes to {}, not to {said}; \
             -i {said} moves it",
            plan.namespace
        ),
    })
}

/// Returns the document with its top-level fields in the usual order.
fn in_order(document: Value) -> Value {
    let Value::Object(mut fields) = document else {
        return document;
    };
    let head = ["apiVersion", "kind", "metadata", "spec"];
    let head = head.map(|key| fields.shift_remove_entry(key));
    Value::Object(head.into_iter().flatten().chain(fields).collect())
}

impl Rendered {
    /// Returns the SHA-256 of the YAML in hex.
    pub fn sha256(&self) -> String {
        sha256(&self.yaml)
    }

    /// Returns namespace and name of the gateways that this document installs; `namespace` is that of the control
    /// plane.
    pub fn gateways(&self, namespace: &str) -> Vec<(String, String)> {
        self.installs.gateways_in(namespace)
    }

    /// Whether this document installs istiod, or its webhooks in a cluster in which istiod does not run.
    pub fn has_control_plane(&self) -> bool {
        self.installs.has_webhooks()
    }
}

/// Returns the YAML of a namespace.
pub fn namespace(name: &str) -> String {
    istio_operator::write(&serde_json::json!({
        "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name},
    }))
}

/// Returns the SHA-256 of a text in hex.
pub fn sha256(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    digest
        .iter()
        .fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}

/// Writes the document and reads it back, to check that istioctl sees the values that were meant.
fn written(plan: &Plan, document: &Document) -> Result<Rendered, RenderError> {
    let name = document.name();
    let yaml = istio_operator::write(&document.value);
    let back = istio_operator::read(name, yaml.as_bytes())?;
    if back.len() != 1 || back[0].value() != &document.value {
        return Err(RenderError::ReadBack {
            name: name.to_owned(),
            text: yaml,
        });
    }
    let effective = istio_operator::effective(plan.rules, document);
    Ok(Rendered {
        installs: Installs::of(plan, &document.value),
        name: if name.is_empty() { UNNAMED } else { name }.to_owned(),
        value: document.value.clone(),
        yaml,
        effective,
        origins: document.origins.clone(),
    })
}
