//! Finds why a rollout does not complete, in the words of the cluster.
//!
//! Only the workloads that an install waits for can be the cause: other programs in the same namespaces, and
//! pods that are being deleted, are ignored. A missing cluster, or a namespace that is being deleted, explains
//! everything else.

use std::collections::BTreeSet;
use std::fmt;

use futures::future::join_all;
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment};
use k8s_openapi::api::core::v1::{Event, Namespace as KubeNamespace, Pod};
use kube::ResourceExt;
use kube::api::ListParams;

mod pod;

use pod::{of_pod, ready};

use super::platform::remaining;
use crate::suggestion::SuggestedCommand;
use crate::sys::cluster::{Cluster, ClusterError, Result, Session};
use crate::workload::{WorkloadKind, WorkloadRef};

/// Longest message in characters: those of schedulers and webhooks can fill a screen.
const LONGEST: usize = 400;

/// Why an install did not complete.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// The API server no longer answers; its error.
    ClusterGone(String),
    /// The namespace is being deleted; what it still contains, if the cluster reports it.
    NamespaceDeleted { namespace: String, left: String },
    /// A workload is not ready.
    NotReady {
        workload: WorkloadRef,
        why: String,
        /// The last log lines of the program, if it has ended.
        log: Vec<String>,
        /// A command that shows more.
        command: Option<SuggestedCommand>,
    },
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::ClusterGone(why) => write!(f, "the cluster does not answer any more: {why}"),
            Cause::NamespaceDeleted { namespace, left } => {
                write!(f, "namespace {namespace} is being deleted")?;
                if left.is_empty() {
                    return Ok(());
                }
                write!(f, ": {left}")
            }
            Cause::NotReady {
                workload, why, log, ..
            } => {
                write!(f, "{workload}: {why}")?;
                if log.is_empty() {
                    return Ok(());
                }
                write!(f, "; its log ends with: {}", log.join(" | "))
            }
        }
    }
}

/// Returns why these workloads are not ready; empty if the cluster does not report it.
pub fn causes(
    cluster: &Cluster,
    namespaces: &BTreeSet<String>,
    workloads: &BTreeSet<WorkloadRef>,
) -> Vec<Cause> {
    let asked = cluster.run(async |session| {
        if let Err(error) = session.version().await
            && is_gone(&error)
        {
            return vec![Cause::ClusterGone(error.to_string())];
        }
        let deleted = deleted(session, namespaces).await;
        if !deleted.is_empty() {
            return deleted;
        }
        let places: BTreeSet<&str> = workloads.iter().map(WorkloadRef::namespace).collect();
        let asking = places
            .into_iter()
            .map(|namespace| gather(session, namespace, workloads));
        let answers = join_all(asking).await;
        let found = answers.into_iter().flat_map(Result::unwrap_or_default);
        found.collect::<BTreeSet<Cause>>().into_iter().collect()
    });
    asked.unwrap_or_default()
}

/// Checks whether an error means that the API server cannot be used at all, and not that a right is missing.
fn is_gone(error: &ClusterError) -> bool {
    error.is_temporary() || matches!(error, ClusterError::Tls { .. } | ClusterError::Unauthorized)
}

async fn deleted(session: &Session, namespaces: &BTreeSet<String>) -> Vec<Cause> {
    let asking = namespaces.iter().map(async |name| {
        let found = session.get::<KubeNamespace>(None, name).await.ok()??;
        found.metadata.deletion_timestamp.as_ref()?;
        Some(Cause::NamespaceDeleted {
            namespace: name.clone(),
            left: shorten(&remaining(&found)),
        })
    });
    join_all(asking).await.into_iter().flatten().collect()
}

async fn gather(
    session: &Session,
    namespace: &str,
    workloads: &BTreeSet<WorkloadRef>,
) -> Result<Vec<Cause>> {
    let all = ListParams::default();
    let warnings = ListParams::default().fields("type=Warning");
    let place = Some(namespace);
    let (deployments, daemons, pods, events) = futures::join!(
        session.list::<Deployment>(place, &all),
        session.list::<DaemonSet>(place, &all),
        session.list::<Pod>(place, &all),
        session.list::<Event>(place, &warnings),
    );
    let events = events.unwrap_or_default();
    let ours = |kind: WorkloadKind, name: &str| {
        WorkloadRef::new(kind, namespace, name).filter(|it| workloads.contains(it))
    };
    let mut found = Vec::new();
    for deployment in deployments? {
        if let Some(workload) = ours(WorkloadKind::Deployment, &deployment.name_any()) {
            let why = deployment_causes(&deployment).into_iter();
            found.extend(why.map(|why| plain(&workload, why)));
        }
    }
    for daemon in daemons? {
        if let Some(workload) = ours(WorkloadKind::DaemonSet, &daemon.name_any()) {
            let why = daemon_causes(&daemon, &events).into_iter();
            found.extend(why.map(|why| plain(&workload, why)));
        }
    }
    for pod in pods? {
        let is_leaving = pod.metadata.deletion_timestamp.is_some();
        let owner = owner(&pod).and_then(|(kind, name)| ours(kind, &name));
        if let Some(workload) = owner.filter(|_| !is_leaving && !ready(&pod)) {
            found.extend(of_pod(session, &pod, &workload, &events).await);
        }
    }
    Ok(found)
}

fn plain(workload: &WorkloadRef, why: String) -> Cause {
    let template = match workload.kind() {
        WorkloadKind::DaemonSet => "kubectl describe daemonset {} -n {}",
        _ => "kubectl describe deployment {} -n {}",
    };
    Cause::NotReady {
        workload: workload.clone(),
        why,
        log: Vec::new(),
        command: SuggestedCommand::new(template, &[workload.name(), workload.namespace()]),
    }
}

/// Returns the workload that a pod belongs to: pods of a Deployment have a `ReplicaSet` in between.
fn owner(pod: &Pod) -> Option<(WorkloadKind, String)> {
    let hash = pod.labels().get("pod-template-hash");
    let owners = pod.owner_references().iter();
    let set = owners.into_iter().find(|it| it.controller == Some(true))?;
    match (set.kind.as_str(), hash) {
        ("ReplicaSet", Some(hash)) => {
            let name = set.name.strip_suffix(hash.as_str()).unwrap_or(&set.name);
            let name = name.trim_end_matches('-').to_owned();
            Some((WorkloadKind::Deployment, name))
        }
        ("DaemonSet", _) => Some((WorkloadKind::DaemonSet, set.name.clone())),
        _ => None,
    }
}

/// Returns why pods are not even created: admission, pod security, quota.
fn deployment_causes(deployment: &Deployment) -> Vec<String> {
    let conditions = deployment
        .status
        .as_ref()
        .and_then(|status| status.conditions.as_ref());
    conditions
        .into_iter()
        .flatten()
        .filter(|it| it.type_ == "ReplicaFailure" && it.status == "True")
        .filter_map(|it| it.message.as_deref())
        .map(shorten)
        .collect()
}

fn daemon_causes(daemon: &DaemonSet, events: &[Event]) -> Vec<String> {
    let Some(status) = &daemon.status else {
        return Vec::new();
    };
    let name = daemon.name_any();
    if status.desired_number_scheduled == 0 {
        return vec!["no node matches it, so that it is never ready".to_owned()];
    }
    if status.number_ready >= status.desired_number_scheduled {
        return Vec::new();
    }
    let created = events
        .iter()
        .filter(|event| event.reason.as_deref() == Some("FailedCreate"));
    let ours = created.filter(|event| event.involved_object.name.as_deref() == Some(&name));
    let messages: BTreeSet<&str> = ours.filter_map(|event| event.message.as_deref()).collect();
    messages.into_iter().map(shorten).collect()
}

fn shorten(message: &str) -> String {
    let line = message.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::pod::{last_lines, pod_causes};
    use super::*;

    #[expect(clippy::needless_pass_by_value, reason = "literals are handed in")]
    fn said(status: Value) -> Vec<String> {
        pod_causes(
            &serde_json::from_value(json!({"metadata": {"name": "p"}, "status": status})).unwrap(),
        )
    }

    #[test]
    fn pods_say_why_they_wait() {
        let container = |state: Value| {
            json!({"containerStatuses": [{"name": "discovery", "image": "r/pilot:x",
            "imageID": "", "ready": false, "restartCount": 1, "state": state,
            "lastState": {"terminated": {"exitCode": 1, "reason": "Error"}}}]})
        };
        for (status, expected) in [
            (
                json!({"conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable",
                    "message": "0/2 nodes are available: 2 Insufficient cpu."}]}),
                "Unschedulable: 0/2 nodes are available: 2 Insufficient cpu.",
            ),
            (
                json!({"containerStatuses": [{"name": "discovery", "image": "r/pilot:x", "imageID": "",
                    "ready": false, "restartCount": 0,
                    "state": {"waiting": {"reason": "ImagePullBackOff", "message": "Back-off pulling"}}}]}),
                "ImagePullBackOff in container discovery (r/pilot:x): Back-off pulling",
            ),
        ] {
            assert_eq!(said(status.clone()), [expected], "{status}");
        }
        assert!(
            said(container(
                json!({"waiting": {"reason": "ContainerCreating"}})
            ))
            .is_empty()
        );
    }

    #[test]
    fn pods_that_are_never_created_are_explained_by_their_owner() {
        let deployment = json!({"metadata": {"name": "istiod"}, "status": {"conditions": [{
            "type": "ReplicaFailure", "status": "True", "message": "pods \"x\" is forbidden:\n exceeded quota"}]}});
        let lines = deployment_causes(&serde_json::from_value(deployment).unwrap());
        assert_eq!(lines, ["pods \"x\" is forbidden: exceeded quota"]);
        let nowhere = json!({"metadata": {"name": "ztunnel"}, "status": {"currentNumberScheduled": 0,
            "desiredNumberScheduled": 0, "numberMisscheduled": 0, "numberReady": 0}});
        let lines = daemon_causes(&serde_json::from_value(nowhere).unwrap(), &[]);
        assert!(lines[0].contains("no node matches"), "{lines:?}");
    }

    fn asked(answer: fn(&str) -> (u16, Value)) -> Vec<String> {
        let service = move |request: http::Request<kube::client::Body>| async move {
            let path = request.uri().path_and_query().unwrap().to_string();
            let (status, body) = answer(&path);
            let body = match body {
                Value::String(text) => text,
                body => body.to_string(),
            };
            let body = kube::client::Body::from(body.into_bytes());
            http::Response::builder().status(status).body(body).unwrap()
        };
        let cluster = Cluster::answering(service, std::time::Duration::from_secs(5));
        let istiod = WorkloadRef::new(WorkloadKind::Deployment, "istio-system", "istiod").unwrap();
        let found = causes(
            &cluster,
            &BTreeSet::from(["istio-system".to_owned()]),
            &BTreeSet::from([istiod]),
        );
        let lines = found.iter().map(|cause| match cause {
            Cause::NotReady { command, .. } => {
                format!(
                    "{cause} # {}",
                    command.as_ref().map_or("", SuggestedCommand::as_str)
                )
            }
            _ => cause.to_string(),
        });
        lines.collect()
    }

    const VERSION: &str = r#"{"major":"1","minor":"34","gitVersion":"v1.34.2","gitCommit":"","gitTreeState":"","buildDate":"","goVersion":"","compiler":"","platform":""}"#;

    fn crashed(name: &str, set: &str) -> Value {
        json!({"metadata": {"name": name, "labels": {"pod-template-hash": "5d8f"},
                "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": set, "uid": "u", "controller": true}]},
            "status": {"containerStatuses": [{"name": "discovery", "image": "r/pilot:x", "imageID": "", "ready": false,
                "restartCount": 3, "state": {"waiting": {"reason": "CrashLoopBackOff"}},
                "lastState": {"terminated": {"exitCode": 2, "reason": "Error"}}}]}})
    }

    #[test]
    fn panic_of_a_program_is_its_cause_and_other_programs_are_none() {
        let found = asked(|path| match path {
            "/version" => (200, VERSION.into()),
            path if path.contains("/log?") => {
                assert!(path.contains("previous=true") && path.contains("container=discovery"));
                (
                    200,
                    "info\tstarts\npanic: no licence\n\ngoroutine 1 [running]:\nmain.main()\n"
                        .into(),
                )
            }
            path if path.contains("/pods") => (
                200,
                json!({"items": [crashed("istiod-5d8f-a", "istiod-5d8f"), crashed("kiali-5d8f-b", "kiali-5d8f")]}),
            ),
            path if path.ends_with("/namespaces/istio-system") => {
                (200, json!({"metadata": {"name": "istio-system"}}))
            }
            _ => (200, json!({"items": []})),
        });
        assert_eq!(
            found,
            [
                "Deployment istio-system/istiod: CrashLoopBackOff in container discovery (r/pilot:x): last ended with 2 Error; \
              its log ends with: panic: no licence # kubectl logs istiod-5d8f-a -n istio-system -c discovery --previous"
            ]
        );
    }

    #[test]
    fn namespace_that_is_deleted_explains_all_that_is_not_ready_in_it() {
        let found = asked(|path| match path {
            "/version" => (200, VERSION.into()),
            path if path.ends_with("/namespaces/istio-system") => (
                200,
                json!({"metadata": {"name": "istio-system", "deletionTimestamp": "2026-01-01T00:00:00Z"},
                    "status": {"conditions": [{"type": "NamespaceContentRemaining", "status": "True",
                        "reason": "SomeResourcesRemain", "message": "pods. has 1 resource instances"}]}}),
            ),
            _ => (
                200,
                json!({"items": [crashed("istiod-5d8f-a", "istiod-5d8f")]}),
            ),
        });
        assert_eq!(
            found,
            ["namespace istio-system is being deleted: pods. has 1 resource instances"]
        );
    }

    #[test]
    fn cluster_that_does_not_answer_is_the_only_cause() {
        let found = asked(|_| (503, "gone".into()));
        assert_eq!(found.len(), 1);
        assert!(
            found[0].starts_with("the cluster does not answer any more: "),
            "{found:?}"
        );
    }

    #[test]
    fn last_lines_of_a_log_are_its_panic_or_its_end() {
        assert_eq!(last_lines("a\n\nb\nc\nd\n"), ["b", "c", "d"]);
        assert_eq!(
            last_lines("a\nfatal error: out\nx\ny\nz\n"),
            ["fatal error: out"]
        );
        assert!(last_lines("").is_empty());
    }

    #[test]
    fn long_messages_are_cut_between_characters() {
        assert_eq!(
            shorten(&"é".repeat(LONGEST + 1)).chars().count(),
            LONGEST + 1
        );
    }
}
