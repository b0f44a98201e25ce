//! The wait for a control plane: rolled out, and its webhooks trusted by the API server.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use k8s_openapi::api::apps::v1::Deployment;

use super::control_plane::REVISION;
use super::webhook::trusted;
use crate::sys::cluster::{Cluster, ClusterError, Result, Watched};

/// Waits for at most `limit` until istiod of a revision is rolled out and has put its CA bundle into
/// the webhooks of the revision: until then new pods are refused, or left without a proxy.
pub fn rolled_out(
    cluster: &Cluster,
    namespace: &str,
    revision: &str,
    limit: Duration,
) -> Result<()> {
    let istiods = Watched {
        namespace: Some(namespace.to_owned()),
        labels: format!("app=istiod,{REVISION}={revision}"),
        fields: String::new(),
    };
    let hooks = Watched {
        labels: format!("{REVISION}={revision}"),
        ..Watched::default()
    };
    let waited = cluster.run(async |session| {
        futures::join!(
            session.until(&istiods, limit, |found: &BTreeMap<String, Deployment>| {
                found.values().all(complete)
            }),
            session.until(
                &hooks,
                limit,
                |found: &BTreeMap<String, MutatingWebhookConfiguration>| {
                    found.values().all(trusted)
                }
            ),
        )
    });
    let (istiod, hook) = waited?;
    let late = |what: &str| {
        let what = format!("{what} of revision {revision}");
        ClusterError::Timeout {
            what,
            seconds: limit.as_secs(),
        }
    };
    if !istiod? {
        return Err(late("the rollout of istiod"));
    }
    if hook? {
        Ok(())
    } else {
        Err(late("the CA bundle in the webhooks"))
    }
}

/// What `kubectl rollout status` waits for.
fn complete(deployment: &Deployment) -> bool {
    let wanted = deployment
        .spec
        .as_ref()
        .and_then(|spec| spec.replicas)
        .unwrap_or(1);
    deployment.status.as_ref().is_some_and(|status| {
        let count = |number: Option<i32>| number.unwrap_or(0);
        status.observed_generation >= deployment.metadata.generation
            && count(status.updated_replicas) >= wanted
            && count(status.replicas) <= count(status.updated_replicas)
            && count(status.available_replicas) >= wanted
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_rollout_is_complete_when_only_new_pods_are_left_and_available() {
        let rolled = |generation: i64, status: Value| {
            let meta = json!({"generation": generation});
            let deployment = json!({"metadata": meta, "spec": {"replicas": 2, "selector": {}, "template": {}},
                "status": status});
            complete(&serde_json::from_value(deployment).unwrap())
        };
        let status = |seen: i64, all: i32, updated: i32, available: i32| {
            json!({"observedGeneration": seen, "replicas": all, "updatedReplicas": updated,
                "availableReplicas": available})
        };
        assert!(rolled(3, status(3, 2, 2, 2)));
        for (generation, status) in [
            (4, status(3, 2, 2, 2)),
            (3, status(3, 3, 2, 2)),
            (3, status(3, 2, 1, 2)),
            (3, status(3, 2, 2, 1)),
            (3, json!({})),
        ] {
            assert!(!rolled(generation, status.clone()), "{status}");
        }
    }
}
