//! Workloads of a cluster: the owners of pods, and the commands that restart them.

use std::fmt;

use serde::Serialize;

use crate::suggestion::SuggestedCommand;

#[cfg(any(test, fuzzing))]
pub mod fuzz;

/// Longest name of a namespace in characters (RFC 1123 label).
const LONGEST_LABEL: usize = 63;

/// Longest name of an object in characters (RFC 1123 subdomain).
const LONGEST_NAME: usize = 253;

/// The kinds of workload that own pods with a proxy and that glooistio can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum WorkloadKind {
    DaemonSet,
    Deployment,
    Job,
    Pod,
    ReplicaSet,
    /// A Rollout of Argo Rollouts (`argoproj.io`).
    Rollout,
    StatefulSet,
}

impl WorkloadKind {
    /// Each kind with its API group.
    const GROUPS: [(WorkloadKind, &str, &str); 6] = [
        (WorkloadKind::DaemonSet, "DaemonSet", "apps"),
        (WorkloadKind::Deployment, "Deployment", "apps"),
        (WorkloadKind::Job, "Job", "batch"),
        (WorkloadKind::ReplicaSet, "ReplicaSet", "apps"),
        (WorkloadKind::Rollout, "Rollout", "argoproj.io"),
        (WorkloadKind::StatefulSet, "StatefulSet", "apps"),
    ];

    /// Returns the name of the kind in Kubernetes.
    pub fn name(self) -> &'static str {
        match self {
            WorkloadKind::DaemonSet => "DaemonSet",
            WorkloadKind::Deployment => "Deployment",
            WorkloadKind::Job => "Job",
            WorkloadKind::Pod => "Pod",
            WorkloadKind::ReplicaSet => "ReplicaSet",
            WorkloadKind::Rollout => "Rollout",
            WorkloadKind::StatefulSet => "StatefulSet",
        }
    }

    /// Returns the kind in an owner reference, whatever the version of its API group.
    pub fn from_owner(kind: &str, api_version: &str) -> Option<Self> {
        let group = api_version.split_once('/').map_or("", |(group, _)| group);
        let mut all = Self::GROUPS.iter();
        all.find(|(_, name, of)| (*name, *of) == (kind, group))
            .map(|(found, ..)| *found)
    }
}

/// A workload in a namespace, with names that Kubernetes accepts.
///
/// The API server treats kind and name of an owner reference as free text, so they are validated here: a value
/// of this type is safe in a command.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct WorkloadRef {
    kind: WorkloadKind,
    namespace: String,
    name: String,
}

impl WorkloadRef {
    /// Returns `None` if namespace or name is not one that Kubernetes accepts.
    pub fn new(kind: WorkloadKind, namespace: &str, name: &str) -> Option<Self> {
        let valid = is_label(namespace) && is_name(name);
        valid.then(|| WorkloadRef {
            kind,
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        })
    }

    pub fn kind(&self) -> WorkloadKind {
        self.kind
    }

    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the command that replaces its pods by new ones.
    ///
    /// `None` for kinds without such a command: deleting a Job or a `ReplicaSet` loses its work. A Pod without
    /// an owner is saved first, since no controller would create it again.
    pub fn restart_command(&self) -> Option<SuggestedCommand> {
        let (name, namespace) = (self.name.as_str(), self.namespace.as_str());
        let template = match self.kind {
            WorkloadKind::Pod => {
                return SuggestedCommand::new(
                    "kubectl get pod {} -n {} -o yaml > {}.yaml && kubectl replace --force -f {}.yaml",
                    &[name, namespace, name, name],
                );
            }
            WorkloadKind::DaemonSet => "kubectl rollout restart daemonset/{} -n {}",
            WorkloadKind::Deployment => "kubectl rollout restart deployment/{} -n {}",
            WorkloadKind::StatefulSet => "kubectl rollout restart statefulset/{} -n {}",
            WorkloadKind::Rollout => "kubectl argo rollouts restart {} -n {}",
            WorkloadKind::Job | WorkloadKind::ReplicaSet => return None,
        };
        SuggestedCommand::new(template, &[name, namespace])
    }
}

/// Writes the workload in the form `Deployment shop/cart`.
impl fmt::Display for WorkloadRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {}/{}", self.kind, self.namespace, self.name)
    }
}

/// Checks whether a text is an RFC 1123 label: a namespace, or the name of a Service.
pub fn is_label(text: &str) -> bool {
    text.len() <= LONGEST_LABEL && !text.contains('.') && is_name(text)
}

/// Checks whether a text is an RFC 1123 subdomain, the form of most names of objects.
pub fn is_name(text: &str) -> bool {
    let part = |part: &str| {
        let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        !part.is_empty()
            && part.bytes().all(inner)
            && !part.starts_with('-')
            && !part.ends_with('-')
    };
    text.len() <= LONGEST_NAME && text.split('.').all(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_only_names_of_kubernetes() {
        let named = |namespace: &str, name: &str| {
            WorkloadRef::new(WorkloadKind::Deployment, namespace, name).is_some()
        };
        assert!(named("shop", "cart"));
        assert!(named("shop", "cart.v1-2"));
        let long = "a".repeat(254);
        for (namespace, name) in [
            ("shop", "$(touch pwned)"),
            ("shop", ""),
            ("shop", "-n"),
            ("shop", "cart-"),
            ("shop", "a..b"),
            ("shop", "Cart"),
            ("shop", "cart\n"),
            ("shop", "ca rt"),
            ("shop", "../x"),
            ("shop", &long),
            ("a.b", "cart"),
            ("", "cart"),
            ("sh;op", "cart"),
            (&long[..64], "cart"),
        ] {
            assert!(!named(namespace, name), "{namespace:?} {name:?}");
        }
    }

    #[test]
    fn an_owner_is_known_by_kind_and_group() {
        for (kind, api_version, known) in [
            ("Deployment", "apps/v1", Some(WorkloadKind::Deployment)),
            (
                "Rollout",
                "argoproj.io/v1alpha1",
                Some(WorkloadKind::Rollout),
            ),
            ("Job", "batch/v1", Some(WorkloadKind::Job)),
            ("Deployment", "evil.io/v1", None),
            ("Deployment", "v1", None),
            ("Namespace", "v1", None),
            ("deployment", "apps/v1", None),
            ("Node", "v1", None),
        ] {
            assert_eq!(
                WorkloadKind::from_owner(kind, api_version),
                known,
                "{kind} {api_version}"
            );
        }
    }

    #[test]
    fn only_kinds_that_survive_it_have_a_restart_command() {
        let command = |kind| {
            let workload = WorkloadRef::new(kind, "shop", "cart").unwrap();
            workload.restart_command().map(|it| it.to_string())
        };
        for (kind, wanted) in [
            (
                WorkloadKind::Deployment,
                Some("kubectl rollout restart deployment/cart -n shop"),
            ),
            (
                WorkloadKind::DaemonSet,
                Some("kubectl rollout restart daemonset/cart -n shop"),
            ),
            (
                WorkloadKind::StatefulSet,
                Some("kubectl rollout restart statefulset/cart -n shop"),
            ),
            (
                WorkloadKind::Rollout,
                Some("kubectl argo rollouts restart cart -n shop"),
            ),
            (WorkloadKind::Job, None),
            (
                WorkloadKind::Pod,
                Some(
                    "kubectl get pod cart -n shop -o yaml > cart.yaml && kubectl replace --force -f cart.yaml",
                ),
            ),
            (WorkloadKind::ReplicaSet, None),
        ] {
            assert_eq!(command(kind).as_deref(), wanted);
        }
    }
}
