//! Waiting for what an install changed: rollouts, and the CA bundle that a ready istiod fills in.
//!
//! istioctl waits until enough pods are ready, also old ones; a verification needs the new ones.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use k8s_openapi::api::apps::v1::Deployment;

use super::control_plane::REVISION;
use super::webhook::trusted;
use crate::sys::cluster::{Cluster, Result, Session, Watched};

/// Waits for the Deployments, `(namespace, name)`, to run their newest pods and no others.
///
/// Gives those, as `namespace/name`, that did not within `limit`.
pub fn rolled_out(
    cluster: &Cluster,
    deployments: &BTreeSet<(String, String)>,
    limit: Duration,
) -> Result<Vec<String>> {
    cluster.run(async |session| {
        let waits = deployments.iter().map(async |(namespace, name)| {
            let ended = rollout(session, namespace, name, limit).await?;
            Ok((!ended).then(|| format!("{namespace}/{name}")))
        });
        let late = futures::future::join_all(waits).await;
        late.into_iter().filter_map(Result::transpose).collect()
    })?
}

async fn rollout(session: &Session, namespace: &str, name: &str, limit: Duration) -> Result<bool> {
    let watched = Watched {
        namespace: Some(namespace.to_owned()),
        fields: format!("metadata.name={name}"),
        ..Watched::default()
    };
    let done = |found: &BTreeMap<String, Deployment>| found.values().all(|it| lacks(it).is_none());
    session.until(&watched, limit, done).await
}

/// What `kubectl rollout status` would still wait for, and what the controller says of it.
///
/// One that is not there has nothing to roll out.
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

/// Waits until the injection webhooks of a revision carry a CA bundle.
///
/// False: they did not within `limit`.
pub fn webhooks_filled(cluster: &Cluster, revision: &str, limit: Duration) -> Result<bool> {
    let watched = Watched {
        labels: format!("{REVISION}={revision}"),
        ..Watched::default()
    };
    let filled =
        |found: &BTreeMap<String, MutatingWebhookConfiguration>| found.values().all(trusted);
    cluster.run(async |session| session.until(&watched, limit, filled).await)?
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
