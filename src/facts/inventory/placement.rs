//! The classification of pods: which programs of a mesh a pod runs, and where it is counted.

use std::collections::BTreeSet;

use super::address::is_name;
use super::common::Common;
use super::crowd;
use super::program::{Program, has_proxy_image, names_program, program};
use super::status::Columns;
use super::{ClusterIndex, ExtraContainer, PodGroupKey, Role};
use crate::facts::control_plane::{DEFAULT, REVISION};
use crate::facts::genuine::Parts;
use crate::report::PodRow;
use crate::sys::cluster::{Container, ContainerStatus, Pod};
use crate::workload::{WorkloadKind, WorkloadRef};

/// Seconds a pod may take to terminate before it counts like any other, whatever its grace period.
const LONGEST_GRACE: i64 = 300;

/// Seconds that may pass between the end of a pod's grace period and its removal.
const SLACK: i64 = 60;

/// Characters of an image or imageID that are kept: longer than any that can be pulled.
pub(super) const IMAGE: usize = 640;

/// Characters of a setting or status that are kept.
pub(super) const TEXT: usize = 128;

/// Replaces a revision name that is not valid.
const NO_REVISION: &str = "(not a name)";

/// The category in which a pod is counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum PodPlacement {
    /// The programs of a mesh that the pod runs, one entry each.
    Mesh(Vec<MeshPod>),
    /// The pod has no proxy although injection was requested; its namespace.
    Uninjected(String),
    NotApplicable(&'static str),
    /// The pod does not belong to a mesh.
    Elsewhere,
}

/// One program of a mesh in a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct MeshPod {
    pub(super) group: PodGroupKey,
    pub(super) name: String,
    pub(super) uid: String,
    pub(super) owner: Option<WorkloadRef>,
    /// The row of a control plane or gateway.
    pub(super) row: Option<PodRow>,
    /// The pod runs, so its program can be queried.
    pub(super) running: bool,
    /// The pod runs several programs, so it is not known which of them answers.
    pub(super) shared: bool,
}

/// Classifies a pod. Also returns its containers without any sign of a mesh, in the form of proxies: they turn
/// out to be proxies if a known proxy runs the same image digest.
pub(super) fn classify_pod(pod: &Pod, index: &ClusterIndex) -> (PodPlacement, Vec<MeshPod>) {
    let Containers {
        mains,
        beside,
        unrelated,
    } = containers(pod);
    let has_mesh = !mains.is_empty();
    match ended(pod, index.now) {
        Some(why) if has_mesh => (PodPlacement::NotApplicable(why), Vec::new()),
        None if has_mesh || !unrelated.is_empty() => {
            let common = Common::of(pod, index);
            let started = unrelated.into_iter();
            let started = started.filter(|it| !common.image_id(it).is_empty());
            let unrelated = started
                .map(|it| common.mesh_pod(Role::Sidecar, it))
                .collect();
            let placement = if has_mesh {
                PodPlacement::Mesh(in_mesh(&common, index, &mains, &beside))
            } else {
                outside(pod, index)
            };
            (placement, unrelated)
        }
        Some(_) | None => (outside(pod, index), Vec::new()),
    }
}

fn in_mesh(
    common: &Common<'_>,
    index: &ClusterIndex,
    mains: &[(Role, &Container)],
    beside: &[&Container],
) -> Vec<MeshPod> {
    if let Some(excess) = crowd::excess(mains, beside) {
        return crowd::mesh_pod(common, mains, beside, &excess);
    }
    let mut others = companions(common, beside);
    let mesh_pod = mains.iter().map(|&(role, container)| {
        let mut mesh_pod = common.mesh_pod(role, container);
        mesh_pod.shared = mains.len() > 1;
        let further = mains.iter().map(|(_, other)| *other);
        let further = further.filter(|other| !std::ptr::eq(*other, container));
        mesh_pod.group.deviations = index.permitted.deviations(&Parts {
            pod: common.pod,
            role,
            revision: &mesh_pod.group.revision,
            own: container,
            others: beside.iter().copied().chain(further).collect(),
        });
        // The additional containers are attached to the first program only, so that they are judged once.
        mesh_pod.group.others = std::mem::take(&mut others);
        mesh_pod
    });
    mesh_pod.collect()
}

/// The containers of a pod, by the kind of mesh program that they run.
#[derive(Default)]
struct Containers<'a> {
    mains: Vec<(Role, &'a Container)>,
    /// Containers that accompany a proxy, or have its image.
    beside: Vec<&'a Container>,
    /// Containers that keep running and show no sign of a mesh.
    unrelated: Vec<&'a Container>,
}

impl<'a> Containers<'a> {
    /// Adds a container. `runs_on` is false for a container that ends before the others start, or that is only
    /// for debugging.
    fn add(&mut self, pod: &Pod, container: &'a Container, runs_on: bool) {
        // A preparation ends. If the container keeps running, it runs something other than what its arguments
        // say.
        let program = match program(pod, container) {
            Some(Program::Preparation) if runs_on => Some(Program::Proxy),
            program => program,
        };
        let role = program.and_then(|program| role(pod, container, program));
        match role {
            Some(role) if runs_on => self.mains.push((role, container)),
            None if program.is_none() && !has_proxy_image(container) => {
                self.unrelated.extend(runs_on.then_some(container));
            }
            _ => self.beside.push(container),
        }
    }
}

fn containers(pod: &Pod) -> Containers<'_> {
    let mut all = Containers::default();
    for container in &pod.spec.init_containers {
        all.add(pod, container, container.restart_policy == "Always");
    }
    for container in &pod.spec.containers {
        all.add(pod, container, true);
    }
    for put_in in &pod.spec.ephemeral_containers {
        let container = &put_in.container;
        // A shell in a proxy's image, attached as an ephemeral container for debugging, is not another proxy.
        let starts_other = has_proxy_image(container)
            && !container.command.is_empty()
            && !names_program(pod, container);
        all.add(pod, container, !starts_other);
    }
    // If a pod has no proxy, the first container with the image of one counts as its proxy.
    if all.mains.is_empty() {
        let of_role = |it: &&Container| role(pod, it, program(pod, it)?);
        let first = all.beside.iter().enumerate();
        let first = first.filter_map(|(at, it)| Some((at, of_role(it)?)));
        if let Some((at, role)) = first.min_by_key(|(at, _)| *at) {
            all.mains.push((role, all.beside.remove(at)));
        }
    }
    all
}

/// Returns the role of a container that runs a program of a mesh.
fn role(pod: &Pod, container: &Container, program: Program) -> Option<Role> {
    match program {
        Program::Discovery => Some(Role::Istiod),
        Program::Ztunnel => Some(Role::Ztunnel),
        Program::Cni => Some(Role::Cni),
        Program::Agentgateway => Some(Role::Agentgateway),
        Program::Router => Some(Role::Gateway),
        Program::Proxy if is_gateway(pod, container) => Some(Role::Gateway),
        Program::Proxy => Some(Role::Sidecar),
        Program::Preparation => None,
    }
}

/// Checks whether the proxy is the main purpose of its pod. A sidecar is judged by the same rules.
fn is_gateway(pod: &Pod, container: &Container) -> bool {
    let label = |name: &str| pod.metadata.labels.get(name).map(String::as_str);
    let templates = pod.metadata.annotations.get("inject.istio.io/templates");
    let component = label("operator.istio.io/component");
    let alone = pod.spec.containers.len() == 1
        || templates.is_some_and(|names| names.split(',').any(|name| name.trim() == "gateway"))
        || component.is_some_and(|name| ["IngressGateways", "EgressGateways"].contains(&name))
        || label("gateway.networking.k8s.io/gateway-name").is_some();
    let mut main = pod.spec.containers.iter();
    alone && main.any(|it| std::ptr::eq(it, container))
}

/// Returns why a pod no longer runs anything, or will stop soon.
pub(super) fn ended(pod: &Pod, now: i64) -> Option<&'static str> {
    let runs = |it: &ContainerStatus| it.state.as_ref().is_some_and(|it| it.running.is_some());
    let terminal = ["Succeeded", "Failed"].contains(&pod.status.phase.as_str());
    if terminal && !statuses(pod).any(runs) {
        return Some("finished");
    }
    let end = pod.metadata.deletion_timestamp.as_ref()?.seconds;
    // The deletion timestamp includes the grace period, and whoever deleted the pod chose its length.
    let grace = pod.metadata.deletion_grace_period_seconds.max(0);
    let begin = end.saturating_sub(grace);
    let limit = grace.min(LONGEST_GRACE).saturating_add(SLACK);
    (now <= begin.saturating_add(limit)).then_some("being deleted")
}

/// Classifies a pod without a program of a mesh: injection may have been requested for it.
fn outside(pod: &Pod, index: &ClusterIndex) -> PodPlacement {
    let meta = &pod.metadata;
    let namespace = index.namespaces.get(&meta.namespace);
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
        return PodPlacement::Elsewhere;
    }
    let virtual_node = index
        .nodes
        .get(&pod.spec.node_name)
        .is_some_and(|it| it.virtual_node);
    match ended(pod, index.now) {
        Some(why) => PodPlacement::NotApplicable(why),
        None if virtual_node => PodPlacement::NotApplicable("virtual node"),
        None if meta
            .labels
            .contains_key("eks.amazonaws.com/fargate-profile") =>
        {
            PodPlacement::NotApplicable("Fargate")
        }
        None => PodPlacement::Uninjected(meta.namespace.clone()),
    }
}

/// Returns the revision that a pod names. The injector writes it into an annotation, since the label may name a
/// tag. Whoever created the pod could also have set it.
pub(super) fn revision(pod: &Pod) -> String {
    let meta = &pod.metadata;
    let written = || {
        let status = meta.annotations.get("sidecar.istio.io/status")?;
        let status: serde_json::Value = serde_json::from_str(status).ok()?;
        Some(status.get("revision")?.as_str()?.to_owned())
    };
    let annotated = meta.annotations.get(REVISION).cloned().or_else(written);
    let named = annotated.or_else(|| meta.labels.get(REVISION).cloned());
    match named.filter(|name| !name.is_empty()) {
        None => DEFAULT.to_owned(),
        Some(name) if is_name(&name) => name,
        Some(_) => NO_REVISION.to_owned(),
    }
}

/// Returns the statuses of all containers of a pod.
pub(super) fn statuses(pod: &Pod) -> impl DoubleEndedIterator<Item = &ContainerStatus> {
    let status = &pod.status;
    let all = status.container_statuses.iter();
    all.chain(&status.init_container_statuses)
        .chain(&status.ephemeral_container_statuses)
}

fn companions(common: &Common<'_>, beside: &[&Container]) -> BTreeSet<ExtraContainer> {
    let companion = |container: &&Container| ExtraContainer {
        image: shortened(&container.image, IMAGE),
        image_id: common.image_id(container),
    };
    beside.iter().map(companion).collect()
}

/// Returns at most `limit` characters of a text, with an ellipsis if it was longer.
pub(super) fn shortened(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

/// Returns the workload that a restart has to name: for a `ReplicaSet`, its owner if the labels of the pod show
/// it.
///
/// `None` if the owner is of an unknown kind or has an invalid name: whoever created the pod chose both.
pub(super) fn owner(pod: &Pod) -> Option<WorkloadRef> {
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

pub(super) fn row(pod: &Pod, columns: &Columns) -> PodRow {
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
    use crate::facts::platform::NodeInfo;
    use crate::facts::{Address, Namespace};

    /// 2026-01-01T00:00:00Z
    const NOW: i64 = 1_767_225_600;

    fn index() -> ClusterIndex {
        let namespace = |name: &str, injection: Option<&str>| Namespace {
            name: name.to_owned(),
            enforce: None,
            injection: injection.map(str::to_owned),
            opted_out: name == "out",
            ignored_revision: None,
            ambient: false,
            deletion: None,
        };
        let all = [
            namespace("shop", Some("default")),
            namespace("free", None),
            namespace("out", None),
        ];
        let real = NodeInfo {
            arch: Some("arm64".into()),
            virtual_node: false,
        };
        let elsewhere = NodeInfo {
            arch: None,
            virtual_node: true,
        };
        let nodes = BTreeMap::from([("real".to_owned(), real), ("virtual".to_owned(), elsewhere)]);
        ClusterIndex {
            now: NOW,
            ..ClusterIndex::new(&all, nodes, BTreeSet::new())
        }
    }

    fn mesh_pod(pod: &Value) -> PodPlacement {
        classify_pod(&serde_json::from_value(pod.clone()).unwrap(), &index()).0
    }

    fn of_mesh(pod: &Value) -> Vec<MeshPod> {
        match mesh_pod(pod) {
            PodPlacement::Mesh(all) => all,
            other => panic!("{other:?}"),
        }
    }

    /// Returns the programs of a pod in the form `istio-proxy sidecar, second sidecar`.
    fn roles(pod: &Value) -> String {
        let all = of_mesh(pod);
        let each = all.iter().map(|it| {
            let role = format!("{:?}", it.group.role).to_lowercase();
            format!("{} {role}", it.group.container)
        });
        each.collect::<Vec<_>>().join(", ")
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
            let found = match mesh_pod(&pod(metadata.clone(), &init, &main)) {
                PodPlacement::Mesh(mesh_pod) => Some(mesh_pod[0].group.role),
                _ => None,
            };
            assert_eq!(found, role, "{metadata} {main:?}");
        }
    }

    #[test]
    fn a_sidecar_is_known_by_its_own_image_and_those_that_come_with_it() {
        let mut pod = pod(json!({}), &["istio-init", "istio-proxy"], &["app"]);
        pod["spec"]["initContainers"][1]["restartPolicy"] = json!("Always");
        let all = of_mesh(&pod);
        let [mesh_pod] = all.as_slice() else {
            panic!("{all:?}")
        };
        assert_eq!(mesh_pod.group.image, "r/istio-proxy:1");
        let others: Vec<&str> = mesh_pod
            .group
            .others
            .iter()
            .map(|it| it.image.as_str())
            .collect();
        assert_eq!(others, ["r/istio-init:1"]);
        assert_eq!(mesh_pod.group.arch.as_deref(), Some("arm64"));
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
        let all = of_mesh(&pod);
        let images: Vec<_> = all
            .iter()
            .map(|it| (it.group.image.as_str(), it.group.image_id.as_str()))
            .collect();
        assert_eq!(
            images,
            [
                ("r/istio-proxy:1", ""),
                (names[0], ""),
                ("r/ztunnel", "sha256:01"),
            ]
        );
        for container in pod["spec"]["ephemeralContainers"].as_array_mut().unwrap() {
            container["command"] = json!(["sh"]);
        }
        let all = of_mesh(&pod);
        assert_eq!(all.len(), 1);
        let strangers = all[0].group.containers_with_other_image().count();
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
        assert_eq!(roles(&pod), "second sidecar, istio-proxy sidecar");
        let all = of_mesh(&pod);
        let others: Vec<_> = all[0]
            .group
            .others
            .iter()
            .map(|it| it.image.as_str())
            .collect();
        assert_eq!(others, ["r/proxyv2:3"]);
        assert!(all[1].group.others.is_empty() && all.iter().all(|it| it.shared));
    }

    #[test]
    fn neither_labels_nor_names_take_a_proxy_out_of_the_totals() {
        let labels = json!({"labels": {"app": "istiod", "k8s-app": "istio-cni-node",
            "gateway.istio.io/managed": "istio.io-agentgateway-controller"}});
        for (metadata, init, main, expected) in [
            (
                labels.clone(),
                &["istio-init"][..],
                &["discovery", "istio-proxy"][..],
                "discovery istiod, istio-proxy sidecar",
            ),
            (
                labels.clone(),
                &[],
                &["install-cni", "istio-proxy"],
                "install-cni cni, istio-proxy sidecar",
            ),
            (
                labels,
                &[],
                &["agentgateway", "istio-proxy"],
                "agentgateway agentgateway, istio-proxy sidecar",
            ),
        ] {
            assert_eq!(roles(&pod(metadata, init, main)), expected);
        }
        let mut shadowed = pod(json!({}), &["istio-proxy"], &["app", "real"]);
        shadowed["spec"]["containers"][1]["args"] = json!(["proxy", "sidecar"]);
        assert_eq!(roles(&shadowed), "real sidecar");
        shadowed["spec"]["containers"][1]["args"] = json!([]);
        assert_eq!(roles(&shadowed), "istio-proxy sidecar", "counted as one");
    }

    #[test]
    fn a_proxy_without_an_address_looks_at_the_usual_place() {
        let usual = Address::Istiod {
            namespace: "istio-system".to_owned(),
            revision: "default".to_owned(),
        };
        let metadata = json!({"annotations": {"istio.io/rev": "other"}});
        let all = of_mesh(&pod(metadata, &[], &["istio-proxy", "app"]));
        assert_eq!(all[0].group.connects, BTreeSet::from([usual]));
        assert_eq!(all[0].group.revision, "other");
    }

    #[test]
    fn texts_of_strangers_are_kept_short() {
        let long = "x".repeat(10_000);
        let mut pod = pod(
            json!({"annotations": {"istio.io/rev": long}}),
            &[],
            &["istio-proxy"],
        );
        pod["spec"]["containers"][0]["image"] = json!(format!("r/proxyv2:{long}"));
        pod["spec"]["containers"][0]["env"] = json!([{"name": "GODEBUG", "value": long}]);
        pod["status"]["containerStatuses"] = json!([{"name": "istio-proxy", "imageID": long,
            "state": {"waiting": {"reason": long}}}]);
        let group = of_mesh(&pod).remove(0).group;
        assert!(format!("{group:?}").len() < 4000);
        assert!(group.settings.is_empty() && group.hidden_settings.contains("GODEBUG"));
        assert_eq!(group.revision, NO_REVISION);
    }

    #[test]
    fn a_container_beside_it_is_a_stranger_by_image_or_by_what_the_runtime_says() {
        let group = |own: &str, init: &str, init_image: &str| {
            let mut pod = pod(json!({}), &["istio-init"], &["app", "istio-proxy"]);
            pod["spec"]["containers"][1]["image"] = json!("r/proxyv2:1");
            pod["spec"]["initContainers"][0]["image"] = json!(init_image);
            pod["status"]["containerStatuses"] = json!([{"name": "istio-proxy", "imageID": own}]);
            pod["status"]["initContainerStatuses"] =
                json!([{"name": "istio-init", "imageID": init}]);
            match mesh_pod(&pod) {
                PodPlacement::Mesh(mesh_pod) => {
                    mesh_pod[0].group.containers_with_other_image().count()
                }
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
            assert_eq!(group(own, init, image), strangers, "{own} {init} {image}");
        }
    }

    #[test]
    fn pods_that_were_meant_to_have_a_proxy_are_counted() {
        let inject = |value: &str| json!({"sidecar.istio.io/inject": value});
        let missing = PodPlacement::Uninjected;
        for (namespace, labels, expected) in [
            ("shop", json!({}), missing("shop".into())),
            ("shop", inject("false"), PodPlacement::Elsewhere),
            ("free", json!({}), PodPlacement::Elsewhere),
            ("free", inject("true"), missing("free".into())),
            ("free", json!({"istio.io/rev": "x"}), missing("free".into())),
            ("out", inject("true"), PodPlacement::Elsewhere),
            (
                "shop",
                json!({"eks.amazonaws.com/fargate-profile": "p"}),
                PodPlacement::NotApplicable("Fargate"),
            ),
        ] {
            let metadata = json!({"namespace": namespace, "labels": labels});
            assert_eq!(
                mesh_pod(&pod(metadata, &[], &["app"])),
                expected,
                "{namespace} {labels}"
            );
        }
    }

    #[test]
    fn what_no_longer_runs_is_not_applicable() {
        let with = |path: &str, value: Value| {
            let mut pod = pod(json!({"namespace": "shop"}), &[], &["app", "istio-proxy"]);
            pod["status"]["containerStatuses"] = json!([]);
            *pod.pointer_mut(path).unwrap() = value;
            mesh_pod(&pod)
        };
        let finished = json!({"phase": "Succeeded"});
        assert_eq!(
            with("/status", finished),
            PodPlacement::NotApplicable("finished")
        );
        let contradicted = json!({"phase": "Failed", "containerStatuses":
            [{"name": "istio-proxy", "state": {"running": {}}}]});
        assert!(matches!(
            with("/status", contradicted),
            PodPlacement::Mesh(_)
        ));
        let on_virtual = with("/spec/nodeName", json!("virtual"));
        assert!(
            matches!(on_virtual, PodPlacement::Mesh(_)),
            "a node can label itself"
        );
    }

    #[test]
    fn a_pod_that_takes_longer_to_end_than_it_may_counts() {
        let leaving = |end: &str, grace: i64| {
            let metadata = json!({"namespace": "shop", "deletionTimestamp": end,
                "deletionGracePeriodSeconds": grace});
            mesh_pod(&pod(metadata, &[], &["app", "istio-proxy"]))
        };
        let soon = PodPlacement::NotApplicable("being deleted");
        for (end, grace, hidden) in [
            ("2026-01-01T00:00:20Z", 30, true),
            ("2025-12-31T23:59:30Z", 30, true),
            ("2025-12-31T23:58:00Z", 30, false),
            ("2026-01-01T00:55:00Z", 3600, true),
            ("2026-01-01T00:50:00Z", 3600, false),
            ("2030-01-01T00:00:00Z", 0, true),
            ("2016-01-01T00:00:00Z", 30, false),
            ("10000-01-01T00:00:00Z", 30, false),
            ("2025-12-31T23:00:00Z", -7200, false),
            ("2025-12-31T23:59:30Z", i64::MIN, true),
        ] {
            assert_eq!(leaving(end, grace) == soon, hidden, "{end} {grace}");
        }
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
            (
                json!({"annotations": {"istio.io/rev": "$(id)"}}),
                NO_REVISION,
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
