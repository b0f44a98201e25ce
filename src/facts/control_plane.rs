//! The istiod Deployments of a cluster, whichever tool installed them.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::join_all;
use k8s_openapi::api::apps::v1::Deployment;
use kube::ResourceExt;
use kube::api::ListParams;

use super::{ControlPlane, Manager, Webhook, rollout};
use crate::request::Revision;
use crate::sys::cluster::{Names, Result, Session};

/// The label or annotation with the revision; missing for `default`.
pub(super) const REVISION: &str = "istio.io/rev";

/// The revision without a name.
pub(super) const DEFAULT: &str = Revision::DEFAULT;

/// The label of the Deployments and pods of istiod.
const ISTIOD: &str = "app=istiod";

pub(super) const DEPLOYMENTS: &str = "/apis/apps/v1/deployments";

/// Returns the namespaces of control planes.
///
/// A Deployment of any namespace can be labelled as istiod. Webhook configurations belong to the cluster, so
/// the namespaces of control planes are those that webhooks of Istio call, and the one that the user names.
pub(super) fn homes(webhooks: &[Webhook], named: &str) -> BTreeSet<String> {
    let led_to = webhooks.iter().filter_map(|hook| hook.service.as_ref());
    let led_to = led_to.map(|(namespace, _)| namespace.clone());
    led_to.chain([named.to_owned()]).collect()
}

/// Returns the control planes in a namespace.
pub(super) async fn control_planes_in(
    session: &Session,
    namespace: &str,
) -> Result<Vec<ControlPlane>> {
    let istiods = ListParams::default().labels(ISTIOD);
    let deployments: Vec<Deployment> = session.list(Some(namespace), &istiods).await?;
    Ok(deployments.iter().filter_map(control_plane).collect())
}

/// Returns the control planes in these namespaces.
pub(super) async fn control_planes(
    session: &Session,
    homes: &BTreeSet<String>,
) -> Result<Vec<ControlPlane>> {
    let each = homes.iter();
    let each = each.map(async |namespace| control_planes_in(session, namespace).await);
    let found: Result<Vec<_>> = join_all(each).await.into_iter().collect();
    found.map(|planes| planes.into_iter().flatten().collect())
}

/// Returns the Deployments in other namespaces that are labelled as istiod.
pub(super) async fn unconnected(session: &Session, homes: &BTreeSet<String>) -> Result<Names> {
    let mut named = session.names(DEPLOYMENTS, ISTIOD).await?;
    named
        .places
        .retain(|(namespace, _)| !homes.contains(namespace));
    Ok(named)
}

fn control_plane(deployment: &Deployment) -> Option<ControlPlane> {
    let spec = deployment.spec.as_ref()?;
    let containers = &spec.template.spec.as_ref()?.containers;
    let istiod = containers
        .iter()
        .find(|container| container.name == "discovery")?;
    let image = istiod.image.clone().unwrap_or_default();
    let (hub, tag) = split(&image);
    let status = deployment.status.as_ref();
    Some(ControlPlane {
        namespace: deployment.namespace().unwrap_or_default(),
        name: deployment.name_any(),
        uid: deployment.uid().unwrap_or_default(),
        revision: revision(deployment.labels()),
        hub: hub.to_owned(),
        tag: tag.parse().map_err(|_| tag.to_owned()),
        manager: manager(deployment),
        replicas: count(spec.replicas.or(Some(1))),
        ready: count(status.and_then(|status| status.ready_replicas)),
        lacks: rollout::lacks(deployment),
        image,
    })
}

fn count(number: Option<i32>) -> u32 {
    number
        .and_then(|number| u32::try_from(number).ok())
        .unwrap_or(0)
}

/// Returns the revision in labels or annotations.
pub(super) fn revision(labels: &BTreeMap<String, String>) -> String {
    labels
        .get(REVISION)
        .filter(|name| !name.is_empty())
        .map_or(DEFAULT, String::as_str)
        .to_owned()
}

/// Splits an image into hub and tag. The port of a registry is not a tag, and neither is a digest.
pub(super) fn split(image: &str) -> (&str, &str) {
    let named = image.split_once('@').map_or(image, |(named, _)| named);
    let (hub, name) = named.rsplit_once('/').unwrap_or(("", named));
    (hub, name.split_once(':').map_or("", |(_, tag)| tag))
}

/// Returns the tool that manages a control plane. Operators and Helm set the labels of istioctl too, so they
/// are checked first.
fn manager(deployment: &Deployment) -> Manager {
    let (labels, annotations) = (deployment.labels(), deployment.annotations());
    let label = |name: &str| labels.get(name).filter(|value| !value.is_empty()).cloned();
    let owners = deployment.owner_references();
    let operator = owners
        .iter()
        .find(|owner| ["IstioRevision", "ServiceMeshControlPlane"].contains(&owner.kind.as_str()))
        .map(|owner| format!("{}/{}", owner.kind, owner.name))
        .or_else(|| label("maistra.io/owner"));
    if let Some(name) = operator {
        return Manager::Operator { name };
    }
    if label("app.kubernetes.io/managed-by").as_deref() == Some("sail-operator") {
        return Manager::Operator {
            name: "sail-operator".to_owned(),
        };
    }
    if let Some(release) = annotations.get("meta.helm.sh/release-name") {
        return Manager::Helm {
            release: release.clone(),
        };
    }
    // Rendered manifests contain `unknown`, whichever tool applied them.
    let owner = label("install.operator.istio.io/owning-resource");
    let owner = owner.filter(|owner| owner != "unknown");
    match (owner, label("operator.istio.io/managed")) {
        (Some(owner), _) => Manager::Istioctl { owner },
        (None, Some(_)) => Manager::Istioctl {
            owner: String::new(),
        },
        (None, None) => Manager::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[expect(clippy::needless_pass_by_value, reason = "literals are handed in")]
    fn istiod(metadata: serde_json::Value) -> ControlPlane {
        let deployment = json!({
            "metadata": metadata,
            "spec": {"selector": {}, "template": {"spec": {"containers": [
                {"name": "proxy", "image": "x"},
                {"name": "discovery", "image": "r.io:5000/istio/pilot:1.31.0-solo-fips"}]}}},
            "status": {"readyReplicas": 1},
        });
        control_plane(&serde_json::from_value(deployment).unwrap()).unwrap()
    }

    #[test]
    fn hub_and_tag_come_apart_at_the_right_colon() {
        for (image, hub, tag) in [
            ("r.io:5000/istio/pilot:1.31.0", "r.io:5000/istio", "1.31.0"),
            ("r.io:5000/istio/pilot", "r.io:5000/istio", ""),
            ("r.io/istio/pilot:1.31.0@sha256:ab", "r.io/istio", "1.31.0"),
            ("pilot:1.31.0", "", "1.31.0"),
            ("", "", ""),
        ] {
            assert_eq!(split(image), (hub, tag), "{image}");
        }
    }

    #[test]
    fn what_a_deployment_says_is_read() {
        let plane = istiod(
            json!({"name": "istiod-x", "namespace": "istio-system", "uid": "u",
            "labels": {"istio.io/rev": "x"}}),
        );
        assert_eq!(
            (plane.revision.as_str(), plane.hub.as_str()),
            ("x", "r.io:5000/istio")
        );
        assert_eq!(
            (plane.tag.unwrap().to_string().as_str(), plane.replicas),
            ("1.31.0-solo-fips", 1)
        );
        assert_eq!((plane.manager, plane.ready), (Manager::Unknown, 1));
    }

    #[test]
    fn the_manager_is_told_by_its_own_marks_first() {
        let owning = "install.operator.istio.io/owning-resource";
        let table = [
            (
                json!({"labels": {owning: "production"}}),
                Manager::Istioctl {
                    owner: "production".into(),
                },
            ),
            (json!({"labels": {owning: "unknown"}}), Manager::Unknown),
            (
                json!({"labels": {owning: "unknown", "operator.istio.io/managed": "Reconcile"}}),
                Manager::Istioctl {
                    owner: String::new(),
                },
            ),
            (
                json!({"labels": {owning: "unknown"}, "annotations": {"meta.helm.sh/release-name": "r"}}),
                Manager::Helm {
                    release: "r".into(),
                },
            ),
            (
                json!({"labels": {"maistra.io/owner": "basic"}}),
                Manager::Operator {
                    name: "basic".into(),
                },
            ),
            (
                json!({"annotations": {"meta.helm.sh/release-name": "r"}, "ownerReferences":
                    [{"apiVersion": "sailoperator.io/v1", "kind": "IstioRevision", "name": "d", "uid": "u"}]}),
                Manager::Operator {
                    name: "IstioRevision/d".into(),
                },
            ),
        ];
        for (metadata, manager) in table {
            assert_eq!(istiod(metadata.clone()).manager, manager, "{metadata}");
        }
    }
}
