//! What changes a cluster, as values first: dry run, log and test see what is run.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::render::Rendered;
use crate::sys::process::Invocation;

pub mod progress;

/// One step of an install, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// istioctl installs one document, given on stdin.
    Istioctl { document: String, invocation: Invocation },
    /// Until the control plane of this revision is rolled out and its webhooks carry a CA bundle.
    Wait { namespace: String, revision: String },
    /// Writes down what was installed.
    Record { namespace: String, revision: String },
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Action::Istioctl { invocation, .. } => {
                // As a person would type it: the name, not where it was found.
                let name = invocation.program.file_name().map_or_else(|| invocation.program.clone(), PathBuf::from);
                write!(f, "{}", Invocation { program: name, ..invocation.clone() })
            }
            Action::Wait { namespace, revision } => {
                write!(f, "kubectl rollout status deployment/{} -n {namespace}", istiod(revision))
            }
            Action::Record { namespace, revision } => {
                write!(f, "kubectl apply configmap/{} -n {namespace}", crate::facts::record_name(revision))
            }
        }
    }
}

/// The name of a revision's istiod.
pub fn istiod(revision: &str) -> String {
    if revision == "default" { "istiod".to_owned() } else { format!("istiod-{revision}") }
}

/// The actions that install `documents`, control plane first.
pub fn install(
    istioctl: &Path,
    handed_on: &[String],
    documents: &[Rendered],
    place: (&str, &str),
) -> Vec<Action> {
    let (namespace, revision) = place;
    let run = |document: &Rendered| {
        let mut args: Vec<String> = ["install", "-f", "-", "-y"].map(str::to_owned).to_vec();
        args.extend_from_slice(handed_on);
        let program = istioctl.to_owned();
        let stdin = Some(document.yaml.clone().into_bytes());
        let invocation = Invocation { program, args, stdin, env: Vec::new() };
        Action::Istioctl { document: document.name.clone(), invocation }
    };
    let (planes, gateways): (Vec<&Rendered>, Vec<&Rendered>) =
        documents.iter().partition(|document| document.has_control_plane());
    let mut actions: Vec<Action> = planes.into_iter().map(run).collect();
    if !actions.is_empty() {
        actions.push(Action::Wait { namespace: namespace.to_owned(), revision: revision.to_owned() });
    }
    actions.extend(gateways.into_iter().map(run));
    actions.push(Action::Record { namespace: namespace.to_owned(), revision: revision.to_owned() });
    actions
}
