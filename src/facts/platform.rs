//! The cluster itself: its version, its platform, its nodes, namespaces and CRDs.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Namespace as KubeNamespace, Node};
use kube::ResourceExt;
use kube::api::ListParams;
use serde::Deserialize;

use super::control_plane::{DEFAULT, DEPLOYMENTS, REVISION, split};
use super::{ClusterFact, GlooMeshes, Namespace, Nodes, Observed};
use crate::sys::cluster::{Cluster, ClusterError, Result, Session};
use istio_builds::version::Minor;

const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

const OPENSHIFT: &str = "/apis/config.openshift.io/v1/clusterversions/version";

/// The namespace that the documentation of Gloo Mesh installs into.
const GLOO_MESH_NAMESPACE: &str = "gloo-mesh";

/// The selector of its Deployments.
const GLOO_MESH: &str = "app in (gloo-mesh-mgmt-server,gloo-mesh-agent)";

/// The annotation with the installed bundle version of the Gateway API.
const BUNDLE: &str = "gateway.networking.k8s.io/bundle-version";

/// A node, as far as it affects the pods on it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct NodeInfo {
    pub(super) arch: Option<String>,
    /// A virtual node: not a machine, but a provider that runs pods elsewhere.
    pub(super) virtual_node: bool,
}

#[derive(Deserialize)]
struct Definitions {
    items: Vec<Definition>,
}

#[derive(Deserialize)]
struct Definition {
    metadata: DefinitionMeta,
    #[serde(default)]
    status: DefinitionStatus,
}

#[derive(Deserialize)]
struct DefinitionMeta {
    name: String,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

#[derive(Deserialize, Default)]
struct DefinitionStatus {
    #[serde(default)]
    conditions: Vec<DefinitionCondition>,
}

#[derive(Deserialize)]
struct DefinitionCondition {
    r#type: String,
    status: String,
}

#[derive(Deserialize)]
struct ClusterVersion {
    status: ClusterVersionStatus,
}

#[derive(Deserialize)]
struct ClusterVersionStatus {
    desired: Release,
}

#[derive(Deserialize)]
struct Release {
    version: String,
}

pub(super) async fn cluster_fact(cluster: &Cluster, session: &Session) -> Observed<ClusterFact> {
    let info = match session.version().await {
        Ok(info) => info,
        Err(error) => return Observed::Unknown(error.to_string()),
    };
    match info.git_version.parse() {
        Ok(version) => Observed::Known(ClusterFact {
            context: cluster.context().to_owned(),
            server: cluster.server().to_owned(),
            version,
        }),
        Err(error) => Observed::Unknown(format!("the API server gives an odd version: {error}")),
    }
}

/// Returns the version of OpenShift; `None` if the cluster is not OpenShift.
pub(super) async fn openshift(session: &Session) -> Result<Option<Minor>> {
    match session.raw::<ClusterVersion>(OPENSHIFT).await {
        Ok(found) => Ok(minor(&found.status.desired.version)),
        Err(ClusterError::NotFound(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Parses the minor version at the beginning of the version of another product.
fn minor(version: &str) -> Option<Minor> {
    let mut numbers = version.trim_start_matches('v').split(['.', '-', '+']);
    let mut next = || numbers.next()?.parse().ok();
    Some(Minor::new(next()?, next()?))
}

/// Returns a summary of the nodes, and each node by name.
pub(super) async fn nodes(session: &Session) -> Result<(Nodes, BTreeMap<String, NodeInfo>)> {
    let all: Vec<Node> = session.list(None, &ListParams::default()).await?;
    let (mut folded, mut index) = (Nodes::default(), BTreeMap::new());
    for node in &all {
        let arch = node
            .status
            .as_ref()
            .and_then(|status| status.node_info.as_ref());
        let arch = arch
            .map(|info| info.architecture.clone())
            .filter(|arch| !arch.is_empty());
        folded.total += 1;
        if let Some(arch) = &arch {
            *folded.architectures.entry(arch.clone()).or_default() += 1;
        }
        let refusals = refusals(node);
        if refusals.is_empty() {
            folded.taking_pods += 1;
        }
        for refusal in refusals {
            *folded.refusals.entry(refusal).or_default() += 1;
        }
        let virtual_node = node
            .labels()
            .get("type")
            .is_some_and(|kind| kind == "virtual-kubelet");
        index.insert(node.name_any(), NodeInfo { arch, virtual_node });
    }
    Ok((folded, index))
}

/// Returns why a node accepts no ordinary pods.
fn refusals(node: &Node) -> Vec<String> {
    let mut reasons = Vec::new();
    let spec = node.spec.as_ref();
    if spec.and_then(|spec| spec.unschedulable) == Some(true) {
        reasons.push("cordoned".to_owned());
    }
    for taint in spec
        .and_then(|spec| spec.taints.as_ref())
        .into_iter()
        .flatten()
    {
        // Cordoning is also a taint, and is already listed.
        let cordon = taint.key == "node.kubernetes.io/unschedulable";
        if ["NoSchedule", "NoExecute"].contains(&taint.effect.as_str()) && !cordon {
            reasons.push(format!("taint {}:{}", taint.key, taint.effect));
        }
    }
    let conditions = node
        .status
        .as_ref()
        .and_then(|status| status.conditions.as_ref());
    let ready = conditions
        .into_iter()
        .flatten()
        .any(|it| it.type_ == "Ready" && it.status == "True");
    if !ready && reasons.is_empty() {
        reasons.push("not ready".to_owned());
    }
    reasons
}

pub(super) async fn namespaces(session: &Session) -> Result<Vec<Namespace>> {
    let all: Vec<KubeNamespace> = session.list(None, &ListParams::default()).await?;
    Ok(all.iter().map(namespace).collect())
}

fn namespace(namespace: &KubeNamespace) -> Namespace {
    let labels = namespace.labels();
    // If the label `istio-injection` exists, whatever its value, `istio.io/rev` has no effect.
    let injection = match labels.get("istio-injection").map(String::as_str) {
        Some("enabled") => Some(DEFAULT.to_owned()),
        Some(_) => None,
        None => labels.get(REVISION).cloned(),
    };
    Namespace {
        name: namespace.name_any(),
        enforce: labels.get("pod-security.kubernetes.io/enforce").cloned(),
        injection,
        opted_out: labels
            .get("istio-injection")
            .is_some_and(|value| value != "enabled"),
        ignored_revision: labels
            .get(REVISION)
            .filter(|_| labels.contains_key("istio-injection"))
            .cloned(),
        ambient: labels
            .get("istio.io/dataplane-mode")
            .is_some_and(|mode| mode == "ambient"),
        deletion: namespace
            .metadata
            .deletion_timestamp
            .as_ref()
            .map(|_| remaining(namespace)),
    }
}

/// Returns why a namespace that is being deleted still exists, in the words of its controller.
pub(super) fn remaining(namespace: &KubeNamespace) -> String {
    let status = namespace.status.as_ref();
    let conditions = status.and_then(|status| status.conditions.as_ref());
    let held = conditions
        .into_iter()
        .flatten()
        .filter(|it| it.status == "True");
    let messages: Vec<&str> = held.filter_map(|it| it.message.as_deref()).collect();
    messages.join("; ")
}

/// Returns the CRDs of Istio, and whether each is established.
pub(super) async fn crds(session: &Session) -> Result<BTreeMap<String, bool>> {
    let all: Definitions = session.raw(DEFINITIONS).await?;
    let ours = all
        .items
        .into_iter()
        .filter(|it| it.metadata.name.ends_with(".istio.io"));
    let established = |definition: &Definition| {
        let conditions = &definition.status.conditions;
        conditions
            .iter()
            .any(|it| it.r#type == "Established" && it.status == "True")
    };
    Ok(ours
        .map(|it| (it.metadata.name.clone(), established(&it)))
        .collect())
}

/// Returns the bundle version of the Gateway API.
pub(super) async fn gateway_api(session: &Session) -> Result<Option<String>> {
    let path = format!("{DEFINITIONS}/gateways.gateway.networking.k8s.io");
    match session.raw::<Definition>(&path).await {
        Ok(found) => Ok(found.metadata.annotations.get(BUNDLE).cloned()),
        Err(ClusterError::NotFound(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Returns the Gloo Mesh that runs in the cluster; the oldest of several, which sets the limit.
///
/// A Deployment of any namespace can use its name: those outside of its own namespace are only listed.
pub(super) async fn gloo_mesh(session: &Session) -> Observed<GlooMeshes> {
    let named = ListParams::default().labels(GLOO_MESH);
    let (own, all) = futures::join!(
        session.list::<Deployment>(Some(GLOO_MESH_NAMESPACE), &named),
        session.names(DEPLOYMENTS, GLOO_MESH),
    );
    let (own, mut others) = match (own, all) {
        (Ok(own), Ok(all)) => (own, all),
        (Err(error), _) | (_, Err(error)) => {
            return Observed::needing(&error, "list of deployments.apps");
        }
    };
    others
        .places
        .retain(|(namespace, _)| namespace != GLOO_MESH_NAMESPACE);
    let versions = own.iter().map(gloo_mesh_of);
    let versions = versions.collect::<std::result::Result<Vec<_>, _>>();
    versions.map_or_else(Observed::Unknown, |all| {
        Observed::Known(GlooMeshes {
            version: all.into_iter().min(),
            others,
        })
    })
}

/// Returns the version from the Gloo Mesh image, which a mirror may have renamed, or why it cannot be
/// determined.
fn gloo_mesh_of(deployment: &Deployment) -> std::result::Result<Minor, String> {
    let spec = deployment.spec.as_ref();
    let pod = spec.and_then(|spec| spec.template.spec.as_ref());
    let containers = pod.into_iter().flat_map(|pod| &pod.containers);
    let images: Vec<&str> = containers.filter_map(|it| it.image.as_deref()).collect();
    let own = images.iter().find(|image| image.contains("/gloo-mesh-"));
    let image = own.or(images.first()).copied().unwrap_or_default();
    minor(split(image).1).ok_or_else(|| {
        let (space, name) = (deployment.namespace(), deployment.name_any());
        let space = space.unwrap_or_default();
        format!(
            "Gloo Mesh runs as Deployment {space}/{name}, and its image `{image}` names no version"
        )
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn versions_of_others_give_their_release_line() {
        for (text, expected) in [
            ("4.14.3", Some((4, 14))),
            ("v2.5.0-beta1", Some((2, 5))),
            ("4.8.0-0.okd", Some((4, 8))),
            ("2", None),
            ("latest", None),
        ] {
            assert_eq!(
                minor(text),
                expected.map(|(major, minor)| Minor::new(major, minor)),
                "{text}"
            );
        }
    }

    #[test]
    fn a_gloo_mesh_is_told_by_its_image_or_not_at_all() {
        let told = |images: &[&str]| {
            let containers: Vec<_> = images
                .iter()
                .map(|image| json!({"name": "c", "image": image}))
                .collect();
            let deployment = json!({
                "metadata": {"name": "agent", "namespace": "gloo-mesh"},
                "spec": {"selector": {}, "template": {"spec": {"containers": containers}}},
            });
            gloo_mesh_of(&serde_json::from_value(deployment).unwrap()).ok()
        };
        for (images, version) in [
            (
                &["r.io/x/sidecar:9.9", "r.io/x/gloo-mesh-agent:2.5.1"][..],
                Some((2, 5)),
            ),
            (&["mirror.io/renamed:2.4.0"], Some((2, 4))),
            (&["r.io/x/gloo-mesh-agent@sha256:00"], None),
            (&["r.io/x/gloo-mesh-agent:latest"], None),
            (&[], None),
        ] {
            let expected = version.map(|(major, minor)| Minor::new(major, minor));
            assert_eq!(told(images), expected, "{images:?}");
        }
    }

    #[test]
    fn a_node_says_why_it_takes_no_pods() {
        let node = |spec: serde_json::Value, ready: &str| -> Node {
            let conditions = json!([{"type": "Ready", "status": ready}]);
            serde_json::from_value(json!({"spec": spec, "status": {"conditions": conditions}}))
                .unwrap()
        };
        let taint = |key: &str, effect: &str| json!({"taints": [{"key": key, "effect": effect}]});
        assert!(refusals(&node(json!({}), "True")).is_empty());
        assert!(refusals(&node(taint("a", "PreferNoSchedule"), "True")).is_empty());
        assert_eq!(
            refusals(&node(taint("a", "NoExecute"), "True")),
            ["taint a:NoExecute"]
        );
        assert_eq!(
            refusals(&node(json!({"unschedulable": true}), "True")),
            ["cordoned"]
        );
        assert_eq!(refusals(&node(json!({}), "Unknown")), ["not ready"]);
    }

    #[test]
    fn the_older_label_of_a_namespace_has_precedence() {
        for (labels, expected) in [
            (
                json!({"istio-injection": "enabled", "istio.io/rev": "x"}),
                Some("default"),
            ),
            (
                json!({"istio-injection": "disabled", "istio.io/rev": "x"}),
                None,
            ),
            (json!({"istio.io/rev": "x"}), Some("x")),
            (json!({}), None),
        ] {
            let read = serde_json::from_value(json!({"metadata": {"name": "n", "labels": labels}}));
            assert_eq!(
                namespace(&read.unwrap()).injection.as_deref(),
                expected,
                "{labels}"
            );
        }
    }
}
