//! Waits for rollouts.
//!
//! istioctl waits until enough pods are ready, including old ones; a verification needs the new ones.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::future::join_all;
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment};

use crate::sys::cluster::{Cluster, Result, Session, Watched};
use crate::workload::{WorkloadKind, WorkloadRef};

/// Waits until Deployments and `DaemonSets` run only pods of their newest template.
///
/// Returns those that did not reach this within `limit`. Workloads of other kinds are ignored.
pub fn rolled_out(
    cluster: &Cluster,
    workloads: &BTreeSet<WorkloadRef>,
    limit: Duration,
) -> Result<Vec<WorkloadRef>> {
    cluster.run(async |session| {
        let waits = workloads.iter().map(async |workload| {
            let ended = rollout(session, workload, limit).await?;
            Ok((!ended).then(|| workload.clone()))
        });
        let late = join_all(waits).await;
        late.into_iter().filter_map(Result::transpose).collect()
    })?
}

async fn rollout(session: &Session, workload: &WorkloadRef, limit: Duration) -> Result<bool> {
    let watched = Watched {
        namespace: Some(workload.namespace().to_owned()),
        fields: format!("metadata.name={}", workload.name()),
        ..Watched::default()
    };
    match workload.kind() {
        WorkloadKind::Deployment => {
            let done =
                |found: &BTreeMap<String, Deployment>| found.values().all(|it| lacks(it).is_none());
            session.until(&watched, limit, done).await
        }
        WorkloadKind::DaemonSet => {
            let done = |found: &BTreeMap<String, DaemonSet>| found.values().all(is_rolled_out);
            session.until(&watched, limit, done).await
        }
        _ => Ok(true),
    }
}

/// Checks whether all pods of a `DaemonSet` are of its newest template and available.
///
/// With the strategy `OnDelete`, pods are replaced only when they are deleted, so old ones are accepted.
fn is_rolled_out(daemon: &DaemonSet) -> bool {
    let strategy = daemon.spec.as_ref();
    let strategy = strategy.and_then(|spec| spec.update_strategy.as_ref()?.type_.as_deref());
    let Some(status) = &daemon.status else {
        return false;
    };
    let wanted = status.desired_number_scheduled;
    let updated = status.updated_number_scheduled.unwrap_or(0);
    let available = status.number_available.unwrap_or(0);
    let is_seen = status.observed_generation >= daemon.metadata.generation;
    is_seen && available >= wanted && (updated >= wanted || strategy == Some("OnDelete"))
}

/// Returns what `kubectl rollout status` would still wait for, and what the controller reports about it.
///
/// A Deployment that does not exist has nothing to roll out.
pub(super) fn lacks(deployment: &Deployment) -> Option<String> {
    let Some(status) = &deployment.status else {
        return Some("the controller has not seen it yet".to_owned());
    };
    let wanted = deployment.spec.as_ref().and_then(|spec| spec.replicas);
    let wanted = wanted.unwrap_or(1);
    let number = |count: Option<i32>| count.unwrap_or(0);
    let updated = number(status.updated_replicas);
    let old = number(status.replicas).saturating_sub(updated);
    let lacking = if status.observed_generation < deployment.metadata.generation {
        "the controller has not seen its last change yet".to_owned()
    } else if updated < wanted {
        format!("{updated} of {wanted} pods are of its newest template")
    } else if old != 0 {
        format!("{old} pods of an older template still run")
    } else if number(status.available_replicas) < wanted {
        let available = number(status.available_replicas);
        format!("{available} of {wanted} pods are available")
    } else {
        return None;
    };
    let failure = status
        .conditions
        .iter()
        .flatten()
        .find(|it| it.type_ == "ReplicaFailure" && it.status == "True");
    let said = failure.and_then(|it| it.message.as_ref());
    Some(said.map_or(lacking.clone(), |said| format!("{lacking}: {said}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deployment(status: &serde_json::Value) -> Deployment {
        serde_json::from_value(serde_json::json!({
            "metadata": { "generation": 2 },
            "spec": { "replicas": 2, "selector": {}, "template": {} },
            "status": status,
        }))
        .unwrap()
    }

    #[test]
    fn a_rollout_ends_when_only_new_pods_are_left_and_available() {
        let full = serde_json::json!({
            "observedGeneration": 2, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2,
        });
        assert_eq!(lacks(&deployment(&full)), None);
        assert!(lacks(&deployment(&serde_json::Value::Null)).is_some());
        for (field, value, words) in [
            ("observedGeneration", 1, "last change"),
            ("replicas", 3, "1 pods of an older template"),
            ("updatedReplicas", 1, "1 of 2 pods are of its newest"),
            ("availableReplicas", 1, "1 of 2 pods are available"),
        ] {
            let mut status = full.clone();
            status[field] = value.into();
            let lacks = lacks(&deployment(&status)).unwrap();
            assert!(lacks.contains(words), "{field}: {lacks}");
        }
    }

    #[test]
    fn daemon_set_is_rolled_out_when_every_pod_is_new_and_available() {
        let read = |status: &serde_json::Value, strategy: &str| -> bool {
            let daemon = serde_json::json!({
                "metadata": {"generation": 2},
                "spec": {"selector": {}, "template": {}, "updateStrategy": {"type": strategy}},
                "status": status,
            });
            is_rolled_out(&serde_json::from_value(daemon).unwrap())
        };
        let full = serde_json::json!({
            "observedGeneration": 2, "desiredNumberScheduled": 2, "currentNumberScheduled": 2,
            "updatedNumberScheduled": 2, "numberAvailable": 2, "numberMisscheduled": 0, "numberReady": 2,
        });
        assert!(read(&full, "RollingUpdate"));
        for field in [
            "observedGeneration",
            "updatedNumberScheduled",
            "numberAvailable",
        ] {
            let mut status = full.clone();
            status[field] = 1.into();
            assert!(!read(&status, "RollingUpdate"), "{field}");
        }
        let mut old = full;
        old["updatedNumberScheduled"] = 1.into();
        assert!(read(&old, "OnDelete"));
    }

    #[test]
    fn what_keeps_pods_from_being_made_is_said() {
        let status = serde_json::json!({
            "observedGeneration": 2, "replicas": 2, "availableReplicas": 2, "conditions": [
                {"type": "ReplicaFailure", "status": "True", "message": "exceeded quota"}],
        });
        let lacks = lacks(&deployment(&status)).unwrap();
        assert_eq!(
            lacks,
            "0 of 2 pods are of its newest template: exceeded quota"
        );
    }
}
