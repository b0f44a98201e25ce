//! Plan → IstioOperator documents, parsed back and compared with what was meant. Pure.

use std::collections::BTreeSet;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::exit::{Exit, Failure};
use crate::istio::Hub;
use crate::options::{Gateways, Options};
use crate::overlay::{
    self, Assignment, Base, Document, Effective, Notice, Origins, OverlayError, UserDocument,
};
use crate::plan::Plan;

mod gateways;
mod images;
pub mod template;

pub use template::TemplateError;

/// One IstioOperator as it is given to istioctl.
#[derive(Debug, Clone)]
pub struct Rendered {
    /// `metadata.name`.
    pub name: String,
    pub value: Value,
    /// The YAML; what is hashed, shown and sent.
    pub yaml: String,
    /// Every place in it where an image can come from.
    pub effective: Effective,
    /// Where each value of it was set.
    pub origins: Origins,
}

/// All documents of a plan, and what was understood otherwise than istioctl alone would have.
#[derive(Debug, Clone)]
pub struct Manifest {
    pub documents: Vec<Rendered>,
    pub notices: Vec<Notice>,
    /// Namespace and name of the gateways that the inputs name and the documents leave out.
    pub gateways_left_out: BTreeSet<(String, String)>,
}

/// Why there are no documents.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    #[error(transparent)]
    Template(#[from] TemplateError),
    #[error("{0}")]
    Overlay(#[from] OverlayError),
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
            RenderError::Template(_) | RenderError::Overlay(_) => Exit::Data,
            RenderError::ReadBack { .. } => Exit::Internal,
        };
        Failure::new(exit, &error)
    }
}

/// Renders every document of `plan`: template, then the user's files, then `--set`.
///
/// What the user gave by a flag of its own (revision, namespace, a hub for a `$REPO` that was never
/// filled in) is said last, so that a copied file cannot undo it.
pub fn render(
    plan: &Plan,
    options: &Options,
    files: &[UserDocument],
    sets: &[Assignment],
) -> Result<Manifest, RenderError> {
    let base = base(&template::fill(plan, &options.params)?)?;
    let mut merged = overlay::merge(plan.rules, &base, files, sets)?;
    let mut left_out = BTreeSet::new();
    for document in &mut merged.documents {
        settle(plan, options, &mut document.value);
        if options.gateways == Gateways::LeaveOut {
            left_out.extend(gateways::leave_out(&mut document.value, &plan.namespace));
        }
        document.value = in_order(std::mem::take(&mut document.value));
    }
    if options.gateways == Gateways::LeaveOut {
        // What is left of a document with nothing but gateways would install nothing.
        merged
            .documents
            .retain(|document| installs_more(&document.value));
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

/// Whether a document installs something else than gateways.
fn installs_more(document: &Value) -> bool {
    let components = place(document, &["spec", "components"]).and_then(Value::as_object);
    let others = components.into_iter().flatten();
    let mut others = others.filter(|(name, _)| !name.ends_with("Gateways"));
    has_control_plane(document) || others.next().is_some()
}

fn base(text: &str) -> Result<Vec<Base>, RenderError> {
    let named = |document: &UserDocument| Base {
        name: document.name().unwrap_or_default().to_owned(),
        value: document.value().clone(),
    };
    Ok(overlay::read("template", text.as_bytes())?
        .iter()
        .map(named)
        .collect())
}

/// The document with its head in the order in which people write it.
fn in_order(document: Value) -> Value {
    let Value::Object(mut fields) = document else {
        return document;
    };
    let head = ["apiVersion", "kind", "metadata", "spec"];
    let head = head.map(|key| fields.shift_remove_entry(key));
    Value::Object(head.into_iter().flatten().chain(fields).collect())
}

/// Writes what flags of their own said over what a file said in the same places.
fn settle(plan: &Plan, options: &Options, document: &mut Value) {
    match (&options.revision, &plan.revision) {
        (Some(Some(_)), Some(revision)) => put(document, &["spec", "revision"], revision.as_str()),
        // `default` in a document would make an `istiod-default`.
        (_, None) => {
            if let Some(spec) = document.get_mut("spec").and_then(Value::as_object_mut) {
                spec.shift_remove("revision");
            }
        }
        _ => {}
    }
    for path in [
        &["spec", "tag"][..],
        &["spec", "values", "global", "tag"][..],
    ] {
        let old = place(document, path).and_then(Value::as_str);
        if old.is_some() && old == options.supersedes.as_deref() {
            put(document, path, &plan.tag.to_string());
        }
    }
    let placeholder = |hub: &Value| hub.as_str().is_some_and(|hub| hub.parse::<Hub>().is_err());
    for path in [
        &["spec", "hub"][..],
        &["spec", "values", "global", "hub"][..],
    ] {
        if place(document, path).is_some_and(placeholder) {
            put(document, path, plan.hub.as_str());
        }
    }
    if options.namespace.is_some() && has_control_plane(document) {
        put(document, &["metadata", "namespace"], &plan.namespace);
        put(document, &["spec", "namespace"], &plan.namespace);
        put(
            document,
            &["spec", "values", "global", "istioNamespace"],
            &plan.namespace,
        );
    }
}

fn place<'a>(document: &'a Value, path: &[&str]) -> Option<&'a Value> {
    path.iter().try_fold(document, |value, key| value.get(key))
}

fn put(document: &mut Value, path: &[&str], text: &str) {
    let mut at = document;
    for key in path {
        if !at.is_object() {
            *at = Value::Object(serde_json::Map::new());
        }
        at = &mut at[*key];
    }
    *at = Value::String(text.to_owned());
}

impl Rendered {
    /// Hex sha256 of the YAML.
    pub fn sha256(&self) -> String {
        sha256(&self.yaml)
    }

    /// Namespace and name of the gateways that this document installs; `namespace` is that of the
    /// control plane.
    pub fn gateways(&self, namespace: &str) -> Vec<(String, String)> {
        gateways(&self.value, namespace)
    }

    /// Whether istiod comes of this document.
    pub fn has_control_plane(&self) -> bool {
        has_control_plane(&self.value)
    }
}

fn gateways(document: &Value, namespace: &str) -> Vec<(String, String)> {
    let lists = ["ingressGateways", "egressGateways"];
    let components = document.pointer("/spec/components");
    let listed = lists
        .iter()
        .filter_map(|list| components?.get(list)?.as_array())
        .flatten();
    let on = |gateway: &&Value| {
        gateway
            .get("enabled")
            .and_then(Value::as_bool)
            .unwrap_or(true)
    };
    let named = listed.filter(on).filter_map(|gateway| {
        let own = gateway
            .get("namespace")
            .and_then(Value::as_str)
            .unwrap_or(namespace);
        Some((own.to_owned(), gateway.get("name")?.as_str()?.to_owned()))
    });
    // The profiles with a gateway of their own all call it so.
    let profile = document
        .pointer("/spec/profile")
        .and_then(Value::as_str)
        .unwrap_or("default");
    let own = matches!(profile, "default" | "demo" | "openshift" | "preview")
        && components.is_none_or(|all| all.get("ingressGateways").is_none());
    named
        .chain(own.then(|| (namespace.to_owned(), "istio-ingressgateway".to_owned())))
        .collect()
}

/// Hex sha256 of a text.
pub fn sha256(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    digest
        .iter()
        .fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}

/// Every profile but `empty` has an istiod.
fn has_control_plane(document: &Value) -> bool {
    place(document, &["spec", "profile"]).and_then(Value::as_str) != Some("empty")
}

/// The document as text, read back: what istioctl sees is what was meant.
fn written(plan: &Plan, document: &Document) -> Result<Rendered, RenderError> {
    let name = place(&document.value, &["metadata", "name"])
        .and_then(Value::as_str)
        .unwrap_or_default();
    let yaml = overlay::write(&document.value);
    let back = overlay::read(name, yaml.as_bytes())?;
    if back.len() != 1 || back[0].value() != &document.value {
        return Err(RenderError::ReadBack {
            name: name.to_owned(),
            text: yaml,
        });
    }
    let effective = overlay::effective(plan.rules, document);
    Ok(Rendered {
        name: name.to_owned(),
        value: document.value.clone(),
        yaml,
        effective,
        origins: document.origins.clone(),
    })
}
