//! The properties that all programs of a pod share.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::fips_variables::settings;
use super::placement::{IMAGE, MeshPod, TEXT, owner, revision, row, shortened, statuses};
use super::status;
use super::{Address, ClusterIndex, PodGroupKey, Role, SelfReport};
use crate::report::{Deviations, PodRow};
use crate::sys::cluster::{Container, Pod};

/// The properties that all programs of a pod share. They are read once: a pod can have thousands of containers.
pub(super) struct Common<'a> {
    pub(super) pod: &'a Pod,
    /// A template for the programs of the pod, without the properties of a container.
    any: MeshPod,
    row: PodRow,
    /// The imageID of each container, as the container runtime reports it.
    image_ids: HashMap<&'a str, &'a str>,
    /// The address in the pod's annotation.
    annotated: Option<Address>,
}

impl<'a> Common<'a> {
    pub(super) fn of(pod: &'a Pod, index: &ClusterIndex) -> Self {
        let node = index.nodes.get(&pod.spec.node_name);
        let columns = status::columns(pod);
        let statuses = statuses(pod).map(|it| (it.name.as_str(), it.image_id.as_str()));
        let group = PodGroupKey {
            role: Role::Sidecar,
            namespace: pod.metadata.namespace.clone(),
            deviations: Deviations::default(),
            revision: revision(pod),
            connects: BTreeSet::new(),
            container: String::new(),
            image: String::new(),
            image_id: String::new(),
            settings: BTreeMap::new(),
            hidden_settings: BTreeSet::new(),
            others: BTreeSet::new(),
            ready: status::condition(pod, "Ready"),
            status: shortened(&columns.status, TEXT),
            arch: node.and_then(|node| node.arch.clone()),
            report: SelfReport::NotCollected,
        };
        Common {
            pod,
            any: MeshPod {
                group,
                name: pod.metadata.name.clone(),
                uid: pod.metadata.uid.clone(),
                owner: owner(pod),
                row: None,
                running: pod.status.phase == "Running",
                shared: false,
            },
            row: row(pod, &columns),
            // The first status of a name counts: the reversed iterator inserts it last.
            image_ids: statuses.rev().filter(|(_, id)| !id.is_empty()).collect(),
            annotated: Address::annotated(pod),
        }
    }

    /// Returns a container as a program of that role, without the other containers of its pod.
    pub(super) fn mesh_pod(&self, role: Role, container: &Container) -> MeshPod {
        let has_row = [Role::Istiod, Role::Gateway, Role::Agentgateway].contains(&role);
        let (mut settings, mut hidden_settings) = settings(container);
        let long = settings.extract_if(.., |_, value| value.len() > TEXT);
        hidden_settings.extend(long.map(|(name, _)| name));
        let mut mesh_pod = self.any.clone();
        mesh_pod.row = has_row.then(|| self.row.clone());
        mesh_pod.group = PodGroupKey {
            role,
            connects: self.connects(role, container),
            container: container.name.clone(),
            image: shortened(&container.image, IMAGE),
            image_id: self.image_id(container),
            settings,
            hidden_settings,
            ..mesh_pod.group
        };
        mesh_pod
    }

    /// Returns the addresses that a program gets its configuration from; a proxy without one uses the default
    /// address.
    fn connects(&self, role: Role, container: &Container) -> BTreeSet<Address> {
        if matches!(role, Role::Istiod | Role::Cni) {
            return BTreeSet::new();
        }
        let mut found = Address::from_settings(self.annotated.clone(), container);
        if found.is_empty() {
            found.insert(Address::from_defaults(container));
        }
        found
    }

    /// Returns the imageID of a container, as the container runtime reports it.
    pub(super) fn image_id(&self, container: &Container) -> String {
        let id = self.image_ids.get(container.name.as_str());
        shortened(id.copied().unwrap_or_default(), IMAGE)
    }
}
