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
/// False: they did not within `limit`.
pub fn rolled_out(
    cluster: &Cluster,
    deployments: &BTreeSet<(String, String)>,
    limit: Duration,
) -> Result<bool> {
    cluster.run(async |session| {
        let waits = deployments
            .iter()
            .map(|(namespace, name)| rollout(session, namespace, name, limit));
        let ended = futures::future::join_all(waits).await;
        ended.into_iter().try_fold(true, |all, one| Ok(all && one?))
    })?
}

async fn rollout(session: &Session, namespace: &str, name: &str, limit: Duration) -> Result<bool> {
    let watched = Watched {
        namespace: Some(namespace.to_owned()),
        fields: format!("metadata.name={name}"),
        ..Watched::default()
    };
    let done = |found: &BTreeMap<String, Deployment>| found.values().all(is_rolled_out);
    session.until(&watched, limit, done).await
}

/// As `kubectl rollout status` judges it. One that is not there has nothing to roll out.
fn is_rolled_out(deployment: &Deployment) -> bool {
    let wanted = deployment
        .spec
        .as_ref()
        .and_then(|spec| spec.replicas)
        .unwrap_or(1);
    deployment.status.as_ref().is_some_and(|status| {
        let number = |count: Option<i32>| count.unwrap_or(0);
        status.observed_generation >= deployment.metadata.generation
            && number(status.updated_replicas) >= wanted
            && number(status.replicas) == number(status.updated_replicas)
            && number(status.available_replicas) >= wanted
    })
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
        assert!(is_rolled_out(&deployment(&full)));
        for (field, value) in [
            ("observedGeneration", 1),
            ("replicas", 3),
            ("updatedReplicas", 1),
            ("availableReplicas", 1),
        ] {
            let mut status = full.clone();
            status[field] = value.into();
            assert!(!is_rolled_out(&deployment(&status)), "{field}");
        }
    }
}
