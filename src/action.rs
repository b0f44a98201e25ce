//! What changes a cluster, as values first: dry run, log and test see what is run.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

use crate::render::Rendered;
use crate::sys::process::Invocation;

pub mod namespace;
pub mod progress;

/// One step of an install, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Makes the namespace of a gateway, where it is missing.
    Namespace { name: String },
    /// istioctl installs one document, given on stdin.
    Istioctl {
        document: String,
        invocation: Invocation,
    },
    /// Until these Deployments, `(namespace, name)`, run their newest pods and no others.
    Rollout {
        deployments: BTreeSet<(String, String)>,
    },
    /// Until the injection webhooks of a revision carry the CA bundle that a ready istiod fills in.
    Webhooks { revision: String },
    /// Writes down what was installed.
    Record { namespace: String, revision: String },
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Action::Istioctl { invocation, .. } => {
                // As a person would type it: the name, not where it was found.
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
            Action::Rollout { deployments } => {
                let waits = deployments.iter().map(|(namespace, name)| {
                    format!("kubectl rollout status deployment/{name} -n {namespace}")
                });
                f.write_str(&waits.collect::<Vec<_>>().join(" && "))
            }
            Action::Webhooks { revision } => {
                write!(
                    f,
                    "kubectl get mutatingwebhookconfigurations -l istio.io/rev={revision} -w"
                )
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

/// The name of a revision's istiod.
pub fn istiod(revision: &str) -> String {
    if revision == "default" {
        "istiod".to_owned()
    } else {
        format!("istiod-{revision}")
    }
}

/// Where a control plane lives: namespace, and revision as labels name it.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    pub namespace: &'a str,
    pub revision: &'a str,
}

/// The actions that install `documents`: control plane, wait, namespaces, gateways, wait, record.
pub fn install(
    istioctl: &Path,
    handed_on: &[String],
    documents: &[Rendered],
    gateways: BTreeSet<(String, String)>,
    place: Place<'_>,
) -> Vec<Action> {
    let Place {
        namespace,
        revision,
    } = place;
    let run = |document: &Rendered| {
        let mut args: Vec<String> = ["install", "-f", "-", "-y"].map(str::to_owned).to_vec();
        args.extend_from_slice(handed_on);
        let stdin = Some(document.yaml.clone().into_bytes());
        let invocation = Invocation {
            program: istioctl.to_owned(),
            args,
            stdin,
            env: Vec::new(),
        };
        Action::Istioctl {
            document: document.name.clone(),
            invocation,
        }
    };
    let (planes, others): (Vec<&Rendered>, Vec<&Rendered>) = documents
        .iter()
        .partition(|document| document.has_control_plane());
    let mut actions: Vec<Action> = planes.into_iter().map(run).collect();
    if !actions.is_empty() {
        let istiod = (namespace.to_owned(), istiod(revision));
        actions.push(Action::Rollout {
            deployments: BTreeSet::from([istiod]),
        });
        actions.push(Action::Webhooks {
            revision: revision.to_owned(),
        });
    }
    let namespaces: BTreeSet<&String> = gateways.iter().map(|(namespace, _)| namespace).collect();
    let missing = namespaces.into_iter().filter(|name| *name != namespace);
    actions.extend(missing.map(|name| Action::Namespace { name: name.clone() }));
    actions.extend(others.into_iter().map(run));
    if !gateways.is_empty() {
        actions.push(Action::Rollout {
            deployments: gateways,
        });
    }
    actions.push(Action::Record {
        namespace: namespace.to_owned(),
        revision: revision.to_owned(),
    });
    actions
}
