//! What a pod is in a mesh.

use std::collections::BTreeSet;

use super::fips_variables::settings;
use super::status::{self, Columns};
use super::{Class, Companion, Grounds, Role, SelfReport};
use crate::facts::control_plane::{DEFAULT, REVISION};
use crate::facts::genuine::Parts;
use crate::report::PodRow;
use crate::sys::cluster::{Container, ContainerStatus, Pod};
use crate::workload::{WorkloadKind, WorkloadRef};

/// Name of the container of a proxy, and of ztunnel.
const PROXY: &str = "istio-proxy";

/// How the controllers are called by which istiod runs agentgateway, for gateways and for waypoints.
const AGENTGATEWAYS: &str = "istio.io-agentgateway-";

/// Containers that come with a proxy.
const COMPANIONS: [&str; 3] = ["istio-init", "istio-validation", "enable-core-dump"];

/// Images that have programs of Istio, whatever their container is called.
const PROXIES: [&str; 2] = ["proxyv2", "ztunnel"];

/// Where a pod is counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Seat {
    Mesh(Box<Seated>),
    /// No proxy, where one was asked for.
    Uninjected(String),
    NotApplicable(&'static str),
    /// None of our business.
    Elsewhere,
}

/// A pod that runs a part of a mesh.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seated {
    pub(super) class: Class,
    pub(super) name: String,
    pub(super) uid: String,
    pub(super) owner: Option<WorkloadRef>,
    /// The row of a control plane or gateway.
    pub(super) row: Option<PodRow>,
    /// It can be asked.
    pub(super) running: bool,
}

pub(super) fn seat(pod: &Pod, grounds: &Grounds) -> Seat {
    let ground = grounds.nodes.get(&pod.spec.node_name);
    let Some((role, container)) = part(pod) else {
        return outside(pod, grounds);
    };
    if let Some(why) = ended(pod) {
        return Seat::NotApplicable(why);
    }
    if ground.is_some_and(|ground| ground.virtual_node) {
        return Seat::NotApplicable("virtual node");
    }
    let columns = status::columns(pod);
    let row = [Role::Istiod, Role::Gateway, Role::Agentgateway]
        .contains(&role)
        .then(|| row(pod, &columns));
    let (settings, hidden_settings) = settings(container);
    let revision = revision(pod);
    let parts = Parts {
        pod,
        role,
        revision: &revision,
        own: container,
        others: parts_beside(pod, container).collect(),
    };
    let class = Class {
        role,
        namespace: pod.metadata.namespace.clone(),
        deviations: grounds.permitted.deviations(&parts),
        revision,
        image: container.image.clone(),
        image_id: image_id(pod, container),
        settings,
        hidden_settings,
        others: companions(pod, container),
        ready: status::condition(pod, "Ready"),
        status: columns.status,
        arch: ground.and_then(|ground| ground.arch.clone()),
        report: SelfReport::NotAsked,
    };
    let running = pod.status.phase == "Running";
    Seat::Mesh(Box::new(Seated {
        class,
        name: pod.metadata.name.clone(),
        uid: pod.metadata.uid.clone(),
        owner: owner(pod),
        row,
        running,
    }))
}

/// What runs in the pod of a mesh, and in which container.
fn part(pod: &Pod) -> Option<(Role, &Container)> {
    let label = |name: &str| pod.metadata.labels.get(name).map(String::as_str);
    let main = |name: &str| pod.spec.containers.iter().find(|it| it.name == name);
    if label("app") == Some("istiod")
        && let Some(discovery) = main("discovery")
    {
        return Some((Role::Istiod, discovery));
    }
    if label("k8s-app") == Some("istio-cni-node")
        && let Some(install) = main("install-cni")
    {
        return Some((Role::Cni, install));
    }
    if label("gateway.istio.io/managed").is_some_and(|by| by.starts_with(AGENTGATEWAYS))
        && let Some(gateway) = main("agentgateway")
    {
        return Some((Role::Agentgateway, gateway));
    }
    if let Some(native) = pod.spec.init_containers.iter().find(|it| it.name == PROXY) {
        return Some((Role::Sidecar, native));
    }
    let proxy = main(PROXY)?;
    if label("app") == Some("ztunnel") {
        return Some((Role::Ztunnel, proxy));
    }
    let templates = pod.metadata.annotations.get("inject.istio.io/templates");
    let component = label("operator.istio.io/component");
    let gateway = pod.spec.containers.len() == 1
        || templates.is_some_and(|names| names.split(',').any(|name| name.trim() == "gateway"))
        || component.is_some_and(|name| ["IngressGateways", "EgressGateways"].contains(&name))
        || label("gateway.networking.k8s.io/gateway-name").is_some();
    Some((
        if gateway {
            Role::Gateway
        } else {
            Role::Sidecar
        },
        proxy,
    ))
}

/// Why a pod no longer runs anything, or not for long.
pub(super) fn ended(pod: &Pod) -> Option<&'static str> {
    if ["Succeeded", "Failed"].contains(&pod.status.phase.as_str()) {
        return Some("finished");
    }
    pod.metadata
        .deletion_timestamp
        .is_some()
        .then_some("being deleted")
}

/// A pod without a part: it may have been meant to have one.
fn outside(pod: &Pod, grounds: &Grounds) -> Seat {
    let meta = &pod.metadata;
    let namespace = grounds.namespaces.get(&meta.namespace);
    let asked = |name: &str| meta.labels.get(name).or_else(|| meta.annotations.get(name));
    let inject = asked("sidecar.istio.io/inject").map(String::as_str);
    let free = namespace.is_some_and(|it| it.injection.is_none() && !it.opted_out);
    let wanted = match inject {
        Some("false") => false,
        _ if pod.spec.host_network => false,
        Some("true") => free || namespace.is_some_and(|it| it.injection.is_some()),
        _ => {
            namespace.is_some_and(|it| it.injection.is_some())
                || free && meta.labels.contains_key(REVISION)
        }
    };
    if !wanted {
        return Seat::Elsewhere;
    }
    let virtual_node = grounds
        .nodes
        .get(&pod.spec.node_name)
        .is_some_and(|it| it.virtual_node);
    match ended(pod) {
        Some(why) => Seat::NotApplicable(why),
        None if virtual_node => Seat::NotApplicable("virtual node"),
        None if meta
            .labels
            .contains_key("eks.amazonaws.com/fargate-profile") =>
        {
            Seat::NotApplicable("Fargate")
        }
        None => Seat::Uninjected(meta.namespace.clone()),
    }
}

/// The revision that injected it, which the injector writes into an annotation: the label may name a
/// tag.
fn revision(pod: &Pod) -> String {
    let meta = &pod.metadata;
    let written = || {
        let status = meta.annotations.get("sidecar.istio.io/status")?;
        let status: serde_json::Value = serde_json::from_str(status).ok()?;
        Some(status.get("revision")?.as_str()?.to_owned())
    };
    let annotated = meta.annotations.get(REVISION).cloned().or_else(written);
    let named = annotated.or_else(|| meta.labels.get(REVISION).cloned());
    named
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| DEFAULT.to_owned())
}

/// What the runtime says that it started a container from.
fn image_id(pod: &Pod, container: &Container) -> String {
    let status = &pod.status;
    let mut all = status
        .container_statuses
        .iter()
        .chain(&status.init_container_statuses)
        .chain(&status.ephemeral_container_statuses);
    let own = all.find(|it: &&ContainerStatus| it.name == container.name);
    own.map(|it| it.image_id.clone()).unwrap_or_default()
}

/// The containers in addition to its own that come with a proxy, or have one's image.
fn parts_beside<'a>(pod: &'a Pod, own: &'a Container) -> impl Iterator<Item = &'a Container> {
    let put_in = pod.spec.ephemeral_containers.iter();
    let all = pod.spec.init_containers.iter().chain(&pod.spec.containers);
    all.chain(put_in.map(|it| &it.container))
        .filter(move |it| !std::ptr::eq(*it, own))
        .filter(|it| {
            COMPANIONS.contains(&it.name.as_str()) || PROXIES.contains(&image_name(&it.image))
        })
}

fn companions(pod: &Pod, own: &Container) -> BTreeSet<Companion> {
    let companion = |container: &Container| Companion {
        image: container.image.clone(),
        image_id: image_id(pod, container),
    };
    parts_beside(pod, own).map(companion).collect()
}

/// The last part of a reference, without tag and digest.
fn image_name(image: &str) -> &str {
    let last = image.split('@').next().and_then(|it| it.rsplit('/').next());
    let name = last.and_then(|it| it.split(':').next());
    name.unwrap_or_default()
}

/// The workload that a restart has to name: the owner of a `ReplicaSet` where its labels tell which.
///
/// `None` where the owner is of a kind that is not known here, or has no valid name: its creator chose both.
fn owner(pod: &Pod) -> Option<WorkloadRef> {
    let meta = &pod.metadata;
    let workload = |kind, name: &str| WorkloadRef::new(kind, &meta.namespace, name);
    let Some(owner) = meta.owner_references.iter().find(|it| it.controller) else {
        return workload(WorkloadKind::Pod, &meta.name);
    };
    let without_hash = |label: &str| {
        let hash = meta.labels.get(label)?;
        owner.name.strip_suffix(hash.as_str())?.strip_suffix('-')
    };
    match WorkloadKind::from_owner(&owner.kind, &owner.api_version)? {
        WorkloadKind::ReplicaSet => {
            let rollout = without_hash("rollouts-pod-template-hash");
            let deployment = without_hash("pod-template-hash");
            match (rollout, deployment) {
                (Some(name), _) => workload(WorkloadKind::Rollout, name),
                (None, Some(name)) => workload(WorkloadKind::Deployment, name),
                (None, None) => workload(WorkloadKind::ReplicaSet, &owner.name),
            }
        }
        kind => workload(kind, &owner.name),
    }
}

fn row(pod: &Pod, columns: &Columns) -> PodRow {
    PodRow {
        namespace: pod.metadata.namespace.clone(),
        name: pod.metadata.name.clone(),
        ready: format!("{}/{}", columns.ready, columns.total),
        status: columns.status.clone(),
        restarts: columns.restarts,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::{Value, json};

    use super::*;
    use crate::facts::Namespace;
    use crate::facts::platform::Ground;

    fn grounds() -> Grounds {
        let namespace = |name: &str, injection: Option<&str>| Namespace {
            name: name.to_owned(),
            enforce: None,
            injection: injection.map(str::to_owned),
            opted_out: name == "out",
            ambient: false,
        };
        let all = [
            namespace("shop", Some("default")),
            namespace("free", None),
            namespace("out", None),
        ];
        let real = Ground {
            arch: Some("arm64".into()),
            virtual_node: false,
        };
        let elsewhere = Ground {
            arch: None,
            virtual_node: true,
        };
        let nodes = BTreeMap::from([("real".to_owned(), real), ("virtual".to_owned(), elsewhere)]);
        Grounds::new(&all, nodes)
    }

    fn seated(pod: &Value) -> Seat {
        seat(&serde_json::from_value(pod.clone()).unwrap(), &grounds())
    }

    #[expect(clippy::needless_pass_by_value, reason = "literals are handed in")]
    fn pod(metadata: Value, init: &[&str], main: &[&str]) -> Value {
        let containers = |names: &[&str]| -> Vec<Value> {
            names
                .iter()
                .map(|name| json!({"name": name, "image": format!("r/{name}:1")}))
                .collect()
        };
        json!({"metadata": metadata, "status": {"phase": "Running"},
            "spec": {"nodeName": "real", "initContainers": containers(init), "containers": containers(main)}})
    }

    #[test]
    fn the_role_is_told_by_containers_and_labels() {
        let label = |key: &str, value: &str| json!({"labels": {key: value}});
        let templates = json!({"annotations": {"inject.istio.io/templates": "sidecar, gateway"}});
        for (metadata, init, main, role) in [
            (
                label("app", "istiod"),
                vec![],
                vec!["discovery"],
                Some(Role::Istiod),
            ),
            (
                json!({}),
                vec!["istio-init", "istio-proxy"],
                vec!["app"],
                Some(Role::Sidecar),
            ),
            (
                json!({}),
                vec!["istio-init"],
                vec!["app", "istio-proxy"],
                Some(Role::Sidecar),
            ),
            (json!({}), vec![], vec!["istio-proxy"], Some(Role::Gateway)),
            (
                templates,
                vec![],
                vec!["istio-proxy", "log"],
                Some(Role::Gateway),
            ),
            (
                label("app", "ztunnel"),
                vec![],
                vec!["istio-proxy"],
                Some(Role::Ztunnel),
            ),
            (
                label("k8s-app", "istio-cni-node"),
                vec![],
                vec!["install-cni"],
                Some(Role::Cni),
            ),
            (label("app", "istiod"), vec![], vec!["other"], None),
        ] {
            let found = match seated(&pod(metadata.clone(), &init, &main)) {
                Seat::Mesh(seated) => Some(seated.class.role),
                _ => None,
            };
            assert_eq!(found, role, "{metadata} {main:?}");
        }
    }

    #[test]
    fn only_istiods_own_agentgateways_are_of_the_mesh() {
        for (controller, main, own) in [
            ("istio.io-agentgateway-controller", "agentgateway", true),
            (
                "istio.io-agentgateway-waypoint-controller",
                "agentgateway",
                true,
            ),
            ("istio.io-agentgateway-controller", "other", false),
            ("kgateway.dev", "agentgateway", false),
        ] {
            let metadata = json!({"labels": {"gateway.istio.io/managed": controller}});
            let seat = seated(&pod(metadata, &[], &[main, "log"]));
            let found = matches!(&seat, Seat::Mesh(it) if it.class.role == Role::Agentgateway);
            assert_eq!(found, own, "{controller} {main}");
        }
    }

    #[test]
    fn a_sidecar_is_known_by_its_own_image_and_those_that_come_with_it() {
        let Seat::Mesh(seated) = seated(&pod(json!({}), &["istio-init", "istio-proxy"], &["app"]))
        else {
            panic!("not of the mesh")
        };
        assert_eq!(seated.class.image, "r/istio-proxy:1");
        let others: Vec<&str> = seated
            .class
            .others
            .iter()
            .map(|it| it.image.as_str())
            .collect();
        assert_eq!(others, ["r/istio-init:1"]);
        assert_eq!(seated.class.arch.as_deref(), Some("arm64"));
    }

    #[test]
    fn a_container_that_was_put_in_counts_where_it_is_of_a_proxys_image() {
        let mut pod = pod(json!({}), &[], &["app", "istio-proxy"]);
        let names = [
            "r:5000/x/proxyv2:2@sha256:00",
            "r/ztunnel",
            "r/proxyv2-x:1",
            "busybox",
        ];
        pod["spec"]["ephemeralContainers"] = names
            .iter()
            .map(|image| json!({"name": format!("debug-{image}"), "image": image, "targetContainerName": "app"}))
            .collect();
        pod["status"]["ephemeralContainerStatuses"] =
            json!([{"name": "debug-r/ztunnel", "imageID": "sha256:01"}]);
        let Seat::Mesh(seated) = seated(&pod) else {
            panic!("not of the mesh")
        };
        let others = seated.class.others.iter();
        let others: Vec<_> = others
            .map(|it| (it.image.as_str(), it.image_id.as_str()))
            .collect();
        assert_eq!(others, [("r/ztunnel", "sha256:01"), (names[0], "")]);
        let strangers = seated.class.strangers().count();
        assert_eq!(strangers, 2, "both are other images than the proxy's");
    }

    #[test]
    fn a_container_of_a_proxys_image_counts_whatever_it_is_called() {
        let mut pod = pod(
            json!({}),
            &["setup", "migrate"],
            &["app", "second", "istio-proxy"],
        );
        for (at, image) in [
            ("containers/1", "r/proxyv2:2"),
            ("containers/2", "r/proxyv2:1"),
            ("initContainers/0", "r/proxyv2:3"),
        ] {
            *pod.pointer_mut(&format!("/spec/{at}/image")).unwrap() = json!(image);
        }
        let Seat::Mesh(seated) = seated(&pod) else {
            panic!("not of the mesh")
        };
        let others: Vec<_> = seated
            .class
            .others
            .iter()
            .map(|it| it.image.as_str())
            .collect();
        assert_eq!(others, ["r/proxyv2:2", "r/proxyv2:3"]);
    }

    #[test]
    fn a_container_beside_it_is_a_stranger_by_image_or_by_what_the_runtime_says() {
        let class = |own: &str, init: &str, init_image: &str| {
            let mut pod = pod(json!({}), &["istio-init"], &["app", "istio-proxy"]);
            pod["spec"]["containers"][1]["image"] = json!("r/proxyv2:1");
            pod["spec"]["initContainers"][0]["image"] = json!(init_image);
            pod["status"]["containerStatuses"] = json!([{"name": "istio-proxy", "imageID": own}]);
            pod["status"]["initContainerStatuses"] =
                json!([{"name": "istio-init", "imageID": init}]);
            match seated(&pod) {
                Seat::Mesh(seated) => seated.class.strangers().count(),
                other => panic!("{other:?}"),
            }
        };
        for (own, init, image, strangers) in [
            ("a", "a", "r/proxyv2:1", 0),
            ("a", "b", "r/proxyv2:1", 1),
            ("a", "", "r/proxyv2:1", 0),
            ("", "b", "r/proxyv2:1", 0),
            ("a", "a", "r/proxyv2:2", 1),
        ] {
            assert_eq!(class(own, init, image), strangers, "{own} {init} {image}");
        }
    }

    #[test]
    fn pods_that_were_meant_to_have_a_proxy_are_counted() {
        let inject = |value: &str| json!({"sidecar.istio.io/inject": value});
        let missing = Seat::Uninjected;
        for (namespace, labels, expected) in [
            ("shop", json!({}), missing("shop".into())),
            ("shop", inject("false"), Seat::Elsewhere),
            ("free", json!({}), Seat::Elsewhere),
            ("free", inject("true"), missing("free".into())),
            ("free", json!({"istio.io/rev": "x"}), missing("free".into())),
            ("out", inject("true"), Seat::Elsewhere),
            (
                "shop",
                json!({"eks.amazonaws.com/fargate-profile": "p"}),
                Seat::NotApplicable("Fargate"),
            ),
        ] {
            let metadata = json!({"namespace": namespace, "labels": labels});
            assert_eq!(
                seated(&pod(metadata, &[], &["app"])),
                expected,
                "{namespace} {labels}"
            );
        }
    }

    #[test]
    fn what_no_longer_runs_or_runs_elsewhere_is_not_applicable() {
        let with = |path: &str, value: Value| {
            let mut pod = pod(json!({"namespace": "shop"}), &["istio-proxy"], &["app"]);
            *pod.pointer_mut(path).unwrap() = value;
            seated(&pod)
        };
        assert_eq!(
            with("/status/phase", json!("Succeeded")),
            Seat::NotApplicable("finished")
        );
        assert_eq!(
            with("/spec/nodeName", json!("virtual")),
            Seat::NotApplicable("virtual node")
        );
        let leaving = json!({"namespace": "shop", "deletionTimestamp": "2026-01-01T00:00:00Z"});
        assert_eq!(
            with("/metadata", leaving),
            Seat::NotApplicable("being deleted")
        );
    }

    #[test]
    fn the_revision_is_what_the_injector_wrote() {
        for (metadata, expected) in [
            (
                json!({"labels": {"istio.io/rev": "prod"}, "annotations": {"istio.io/rev": "1-31"}}),
                "1-31",
            ),
            (
                json!({"labels": {"istio.io/rev": "prod"},
                    "annotations": {"sidecar.istio.io/status": "{\"revision\":\"1-20\"}"}}),
                "1-20",
            ),
            (json!({"labels": {"istio.io/rev": "x"}}), "x"),
            (
                json!({"annotations": {"sidecar.istio.io/status": "{"}}),
                "default",
            ),
        ] {
            let pod: Pod = serde_json::from_value(json!({"metadata": metadata})).unwrap();
            assert_eq!(revision(&pod), expected, "{metadata}");
        }
    }

    #[test]
    fn the_owner_is_what_a_restart_names() {
        let named = |api_version: &str, kind: &str, name: &str, labels: Value| {
            let owner_reference =
                json!({"apiVersion": api_version, "kind": kind, "name": name, "controller": true});
            let meta = json!({"name": "p", "namespace": "shop", "labels": labels,
                "ownerReferences": [owner_reference]});
            let found = owner(&serde_json::from_value(json!({"metadata": meta})).unwrap());
            found.map(|it| it.to_string()).unwrap_or_default()
        };
        let hash = || json!({"pod-template-hash": "5b"});
        let rollout = || json!({"rollouts-pod-template-hash": "7"});
        for (api_version, kind, name, labels, wanted) in [
            (
                "apps/v1",
                "ReplicaSet",
                "a-b-5b",
                hash(),
                "Deployment shop/a-b",
            ),
            (
                "apps/v1",
                "ReplicaSet",
                "a-b",
                hash(),
                "ReplicaSet shop/a-b",
            ),
            ("apps/v1", "ReplicaSet", "a-7", rollout(), "Rollout shop/a"),
            (
                "apps/v1",
                "DaemonSet",
                "ztunnel",
                json!({}),
                "DaemonSet shop/ztunnel",
            ),
            ("evil.io/v1", "DaemonSet", "ztunnel", json!({}), ""),
            ("v1", "Namespace", "kube-system", json!({}), ""),
            ("apps/v1", "Deployment", "$(touch pwned)", json!({}), ""),
            ("apps/v1", "Deployment", "a\nb", json!({}), ""),
            ("apps/v1", "ReplicaSet", "-n-5b", hash(), ""),
            ("", "", "", json!({}), ""),
        ] {
            assert_eq!(
                named(api_version, kind, name, labels),
                wanted,
                "{kind} {name}"
            );
        }
        let bare = json!({"metadata": {"name": "p", "namespace": "shop"}});
        let bare = owner(&serde_json::from_value(bare).unwrap()).unwrap();
        assert_eq!(bare.to_string(), "Pod shop/p");
    }
}
