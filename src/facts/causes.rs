//! Why a rollout does not come to its end, in the words of the cluster.

use std::collections::BTreeSet;

use futures::future::join_all;
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment};
use k8s_openapi::api::core::v1::{ContainerStatus, Event, Pod};
use kube::ResourceExt;
use kube::api::ListParams;

use crate::sys::cluster::{Cluster, Result, Session};

/// Messages of schedulers and webhooks can fill a screen.
const LONGEST: usize = 400;

/// One line for each reason why something in these namespaces is not ready; none where the cluster
/// does not say.
pub fn causes(cluster: &Cluster, namespaces: &BTreeSet<String>) -> Vec<String> {
    let asked = cluster.run(async |session| {
        let asking = namespaces
            .iter()
            .map(|namespace| gather(session, namespace));
        let answers = join_all(asking).await;
        answers
            .into_iter()
            .flat_map(Result::unwrap_or_default)
            .collect()
    });
    asked.unwrap_or_default()
}

async fn gather(session: &Session, namespace: &str) -> Result<Vec<String>> {
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
    let mut lines = BTreeSet::new();
    lines.extend(deployments?.iter().flat_map(deployment_causes));
    lines.extend(
        daemons?
            .iter()
            .flat_map(|daemon| daemon_causes(daemon, &events)),
    );
    for pod in pods?.iter().filter(|pod| !ready(pod)) {
        let said = pod_causes(pod);
        let said = if said.is_empty() {
            last_warning(&pod.name_any(), &events)
        } else {
            said
        };
        lines.extend(
            said.into_iter()
                .map(|line| format!("{}: {}", owner(pod), shorten(&line))),
        );
    }
    Ok(lines.into_iter().collect())
}

/// Pods of a Deployment differ only by name: the lines name what they belong to.
fn owner(pod: &Pod) -> String {
    let hash = pod.labels().get("pod-template-hash");
    let set = pod
        .owner_references()
        .iter()
        .find(|owner| owner.controller == Some(true));
    match (set, hash) {
        (Some(set), Some(hash)) if set.kind == "ReplicaSet" => {
            let name = set.name.strip_suffix(hash.as_str()).unwrap_or(&set.name);
            format!("Deployment {}", name.trim_end_matches('-'))
        }
        (Some(set), _) => format!("{} {}", set.kind, set.name),
        (None, _) => format!("Pod {}", pod.name_any()),
    }
}

/// Pods that are not even created: admission, pod security, quota.
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
        .map(|message| format!("Deployment {}: {}", deployment.name_any(), shorten(message)))
        .collect()
}

fn daemon_causes(daemon: &DaemonSet, events: &[Event]) -> Vec<String> {
    let Some(status) = &daemon.status else {
        return Vec::new();
    };
    let name = daemon.name_any();
    if status.desired_number_scheduled == 0 {
        return vec![format!(
            "DaemonSet {name}: no node matches it, so that it is never ready"
        )];
    }
    if status.number_ready >= status.desired_number_scheduled {
        return Vec::new();
    }
    let created = events
        .iter()
        .filter(|event| event.reason.as_deref() == Some("FailedCreate"));
    let ours = created.filter(|event| event.involved_object.name.as_deref() == Some(&name));
    let messages: BTreeSet<&str> = ours.filter_map(|event| event.message.as_deref()).collect();
    messages
        .into_iter()
        .map(|it| format!("DaemonSet {name}: {}", shorten(it)))
        .collect()
}

fn ready(pod: &Pod) -> bool {
    let Some(status) = &pod.status else {
        return false;
    };
    let mut conditions = status.conditions.iter().flatten();
    status.phase.as_deref() == Some("Succeeded")
        || conditions.any(|it| it.type_ == "Ready" && it.status == "True")
}

/// What a pod that is not ready says itself.
fn pod_causes(pod: &Pod) -> Vec<String> {
    let Some(status) = &pod.status else {
        return Vec::new();
    };
    let unscheduled = status.conditions.iter().flatten().filter_map(|it| {
        let waits = it.type_ == "PodScheduled" && it.status == "False";
        let reason = it.reason.as_deref().unwrap_or("Unschedulable");
        waits.then(|| {
            format!(
                "{reason}: {}",
                it.message.as_deref().unwrap_or("no reason given")
            )
        })
    });
    let containers = status
        .init_container_statuses
        .iter()
        .chain(&status.container_statuses);
    unscheduled
        .chain(containers.flatten().filter_map(container_cause))
        .collect()
}

fn container_cause(status: &ContainerStatus) -> Option<String> {
    let state = status.state.as_ref()?;
    let (reason, message) = match (&state.waiting, &state.terminated) {
        (Some(waiting), _) => (waiting.reason.clone()?, waiting.message.clone()),
        (None, Some(ended)) if ended.exit_code != 0 => {
            let reason = ended.reason.clone().unwrap_or_else(|| "ended".to_owned());
            (
                format!("{reason} (exit code {})", ended.exit_code),
                ended.message.clone(),
            )
        }
        _ => return None,
    };
    // It waits for others, which say why themselves.
    if ["ContainerCreating", "PodInitializing"].contains(&reason.as_str()) {
        return None;
    }
    let previous = status
        .last_state
        .as_ref()
        .and_then(|state| state.terminated.as_ref());
    let previous = previous.map(|ended| {
        format!(
            "last ended with {} {}",
            ended.exit_code,
            ended.reason.as_deref().unwrap_or_default()
        )
    });
    let said = [message, previous]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join("; ");
    let colon = if said.is_empty() { "" } else { ": " };
    Some(format!(
        "{reason} in container {} ({}){colon}{}",
        status.name,
        status.image,
        said.trim()
    ))
}

/// The newest warning about a pod that says nothing itself: a volume, a probe.
fn last_warning(pod: &str, events: &[Event]) -> Vec<String> {
    let ours = events
        .iter()
        .filter(|event| event.involved_object.name.as_deref() == Some(pod));
    let newest = ours.max_by_key(|event| {
        event
            .last_timestamp
            .as_ref()
            .map(|time| time.0)
            .or(event.event_time.as_ref().map(|time| time.0))
    });
    let line = newest.map(|event| {
        let reason = event.reason.as_deref().unwrap_or("Warning");
        format!(
            "{reason}: {}",
            event.message.as_deref().unwrap_or("no message")
        )
    });
    line.into_iter().collect()
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

    use super::*;

    #[expect(clippy::needless_pass_by_value, reason = "reads better with json!")]
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
                container(
                    json!({"waiting": {"reason": "ImagePullBackOff", "message": "Back-off pulling"}}),
                ),
                "ImagePullBackOff in container discovery (r/pilot:x): Back-off pulling; last ended with 1 Error",
            ),
            (
                container(json!({"terminated": {"exitCode": 2}})),
                "ended (exit code 2) in container discovery (r/pilot:x): last ended with 1 Error",
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
        assert_eq!(
            lines,
            ["Deployment istiod: pods \"x\" is forbidden: exceeded quota"]
        );
        let nowhere = json!({"metadata": {"name": "ztunnel"}, "status": {"currentNumberScheduled": 0,
            "desiredNumberScheduled": 0, "numberMisscheduled": 0, "numberReady": 0}});
        let lines = daemon_causes(&serde_json::from_value(nowhere).unwrap(), &[]);
        assert!(lines[0].contains("no node matches"), "{lines:?}");
    }

    #[test]
    fn long_messages_are_cut_between_characters() {
        assert_eq!(
            shorten(&"é".repeat(LONGEST + 1)).chars().count(),
            LONGEST + 1
        );
    }
}
