//! What changes a cluster, as values, so that dry run, log and tests show exactly what is run.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

use crate::render::Rendered;
use crate::sys::process::Invocation;
use crate::workload::{WorkloadKind, WorkloadRef};

pub mod namespace;
pub mod progress;

/// One step of an install, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Creates the namespace of a gateway if it does not exist.
    Namespace { name: String },
    /// istioctl installs one document, given on stdin.
    Istioctl {
        document: String,
        invocation: Invocation,
    },
    /// Waits until these workloads run their newest pods and no others.
    Rollout { workloads: BTreeSet<WorkloadRef> },
    /// Waits until the webhooks that the install changed carry the CA bundle that a ready istiod fills in, and can be
    /// called.
    Webhooks { revision: String },
    /// Writes the record of the install.
    Record { namespace: String, revision: String },
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Action::Istioctl { invocation, .. } => {
                // Shown as a person would type it: the name, not the path where it was found.
                let name = invocation
                    .program
                    .file_name()
                    .map_or_else(|| invocation.program.clone(), PathBuf::from);
                write!(
                    f,
                    "{}",
                    Invocation {
                        program: name,
                        ..invocation.clone()
                    }
                )
            }
            Action::Namespace { name } => write!(f, "kubectl create namespace {name}"),
            Action::Rollout { workloads } => {
                let waits = workloads.iter().map(|workload| {
                    let kind = match workload.kind() {
                        WorkloadKind::DaemonSet => "daemonset",
                        _ => "deployment",
                    };
                    let (name, namespace) = (workload.name(), workload.namespace());
                    format!("kubectl rollout status {kind}/{name} -n {namespace}")
                });
                f.write_str(&waits.collect::<Vec<_>>().join(" && "))
            }
            Action::Webhooks { revision } => {
                let kinds = "mutatingwebhookconfigurations,validatingwebhookconfigurations";
                write!(f, "kubectl get {kinds} -l istio.io/rev={revision}")
            }
            Action::Record {
                namespace,
                revision,
            } => {
                write!(
                    f,
                    "kubectl apply configmap/{} -n {namespace}",
                    crate::facts::record_name(revision)
                )
            }
        }
    }
}

/// Returns the istiod Deployment of a control plane.
pub fn istiod(place: Place<'_>) -> Option<WorkloadRef> {
    let Place {
        namespace,
        revision,
    } = place;
    let name = if revision == "default" {
        "istiod".to_owned()
    } else {
        format!("istiod-{revision}")
    };
    WorkloadRef::new(WorkloadKind::Deployment, namespace, &name)
}

/// A control plane: its namespace, and its revision as labels name it.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    pub namespace: &'a str,
    pub revision: &'a str,
}

/// Splits the documents into those of control planes and those that are installed after them.
pub fn in_order(documents: &[Rendered]) -> (Vec<&Rendered>, Vec<&Rendered>) {
    documents
        .iter()
        .partition(|document| document.has_control_plane())
}

/// A document, and what exists once it is installed.
#[derive(Debug, Clone)]
pub struct Part<'a> {
    pub document: &'a Rendered,
    /// Deployments and `DaemonSets` that it creates or changes.
    pub workloads: BTreeSet<WorkloadRef>,
    /// Namespaces of its gateways.
    pub namespaces: BTreeSet<String>,
}

/// Returns the actions that install `parts`: namespaces, control plane, wait, gateways, wait, record.
///
/// istioctl can change the webhooks with each document, so that the last step waits for them again.
pub fn install(
    istioctl: &Path,
    handed_on: &[String],
    parts: &[Part<'_>],
    place: Place<'_>,
) -> Vec<Action> {
    let (planes, others): (Vec<&Part<'_>>, Vec<&Part<'_>>) = parts
        .iter()
        .partition(|part| part.document.has_control_plane());
    let mut actions = Vec::new();
    for parts in [planes, others] {
        if parts.is_empty() {
            continue;
        }
        let namespaces = parts.iter().flat_map(|part| &part.namespaces);
        let namespaces: BTreeSet<&String> =
            namespaces.filter(|name| *name != place.namespace).collect();
        let named = |name: &String| Action::Namespace { name: name.clone() };
        actions.extend(namespaces.into_iter().map(named));
        actions.extend(
            parts
                .iter()
                .map(|part| run(istioctl, handed_on, part.document)),
        );
        let workloads = parts.iter().flat_map(|part| part.workloads.iter().cloned());
        let workloads: BTreeSet<WorkloadRef> = workloads.collect();
        if !workloads.is_empty() {
            actions.push(Action::Rollout { workloads });
        }
        actions.push(Action::Webhooks {
            revision: place.revision.to_owned(),
        });
    }
    actions.push(Action::Record {
        namespace: place.namespace.to_owned(),
        revision: place.revision.to_owned(),
    });
    actions
}

/// Returns the action in which istioctl installs a document.
fn run(istioctl: &Path, handed_on: &[String], document: &Rendered) -> Action {
    let mut args: Vec<String> = ["install", "-f", "-", "-y"].map(str::to_owned).to_vec();
    args.extend_from_slice(handed_on);
    let invocation = Invocation {
        program: istioctl.to_owned(),
        args,
        stdin: Some(document.yaml.clone().into_bytes()),
        env: Vec::new(),
    };
    Action::Istioctl {
        document: document.name.clone(),
        invocation,
    }
}
