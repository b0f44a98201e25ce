//! Groups of pods that are identical in everything the checks read.

use std::collections::{BTreeMap, BTreeSet};

use super::Address;
use crate::facts::RunningImage;
use crate::report::Deviations;
use crate::workload::WorkloadRef;

/// The role of a pod in a mesh.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    Istiod,
    /// A workload with a sidecar.
    Sidecar,
    /// A standalone gateway: a proxy that is the pod's main container.
    Gateway,
    /// A gateway or waypoint that istiod runs with agentgateway instead of Envoy.
    Agentgateway,
    Ztunnel,
    Cni,
}

impl Role {
    /// Checks whether traffic of the mesh flows through programs of this role.
    pub fn is_proxy(self) -> bool {
        !matches!(self, Role::Istiod | Role::Cni)
    }
}

/// What the proxy (or istiod) itself reports about FIPS.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum SelfReport {
    /// `fips_mode` 1, or a Go version with the boringcrypto experiment.
    Fips(String),
    /// `fips_mode` 0, or a plain Go version from before Go had its own FIPS module.
    Standard(String),
    /// The report was read and does not mention FIPS: a build with Go's own module has a plain Go version too.
    Silent(String),
    /// Could not be read.
    Unreadable(String),
    /// Not needed: FIPS is not expected there, or the pod does not run.
    NotCollected,
}

/// What the pods of a group have in common: everything that the checks read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PodGroupKey {
    pub role: Role,
    pub namespace: String,
    /// The revision that the pod names in `istio.io/rev`; `default` if there is none.
    pub revision: String,
    /// The addresses that the proxy gets its configuration from; they show which revision it really belongs to.
    pub connects: BTreeSet<Address>,
    /// Name of the container.
    pub container: String,
    /// The image of the proxy container (or of istiod, ztunnel, install-cni), from the spec.
    pub image: String,
    /// Its imageID, as the container runtime reports it.
    pub image_id: String,
    /// How its containers differ from those that the injector produces.
    pub deviations: Deviations,
    /// Environment variables of its container that decide on FIPS mode.
    pub settings: BTreeMap<String, String>,
    /// Those of these variables with values that the pod does not show: `valueFrom`, `envFrom`.
    pub hidden_settings: BTreeSet<String>,
    pub others: BTreeSet<ExtraContainer>,
    pub ready: bool,
    /// `Running`, or the waiting reason that `kubectl get pods` would show.
    pub status: String,
    /// Architecture of its node, if known.
    pub arch: Option<String>,
    pub report: SelfReport,
}

/// Another container of the mesh in the pod: istio-init, istio-validation, or an ephemeral debug container.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ExtraContainer {
    pub image: String,
    pub image_id: String,
}

impl PodGroupKey {
    /// Returns its image, if the container runtime reports an imageID to look for.
    pub fn running(&self) -> Option<RunningImage> {
        self.located(&self.image, &self.image_id)
    }

    /// Returns the hexadecimal digest at the end of its imageID.
    pub(super) fn hex_digest(&self) -> Option<String> {
        let last = self.image_id.rsplit(['@', ':', '/']).next()?;
        let whole = last.len() == 64 && last.bytes().all(|byte| byte.is_ascii_hexdigit());
        whole.then(|| last.to_ascii_lowercase())
    }

    /// Returns its image, and those of its other containers that run a different one. Each comes with the
    /// program that its container starts, if that is not the entry point of the image.
    pub fn images(&self) -> impl Iterator<Item = (RunningImage, Option<&'static str>)> {
        let word = (self.role == Role::Cni).then_some("install-cni");
        let own = self.running().map(|image| (image, word));
        let others = self
            .containers_with_other_image()
            .filter_map(|other| Some((self.running_beside(other)?, None)));
        own.into_iter().chain(others)
    }

    /// Returns the other containers that run a different image.
    pub fn containers_with_other_image(&self) -> impl Iterator<Item = &ExtraContainer> {
        self.others.iter().filter(|other| {
            let told = !self.image_id.is_empty() && !other.image_id.is_empty();
            other.image != self.image || told && other.image_id != self.image_id
        })
    }

    /// Returns the image of another container of the pod, if the container runtime reports an imageID to look
    /// for.
    pub fn running_beside(&self, other: &ExtraContainer) -> Option<RunningImage> {
        self.located(&other.image, &other.image_id)
    }

    fn located(&self, image: &str, image_id: &str) -> Option<RunningImage> {
        (!image_id.is_empty()).then(|| RunningImage {
            image: image.to_owned(),
            image_id: image_id.to_owned(),
            arch: self.arch.clone(),
        })
    }
}

/// The number of pods in a group, and their owners.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PodGroup {
    pub pods: u64,
    /// Number of pods by workload; `None` stands for owners of other kinds. Bounded by the number of workloads.
    pub owners: BTreeMap<Option<WorkloadRef>, u64>,
    /// At most [`PodGroup::EXAMPLES`] names.
    pub examples: Vec<String>,
}

impl PodGroup {
    pub const EXAMPLES: usize = 5;

    /// Returns the workloads that own these pods, as far as they are known.
    pub fn workloads(&self) -> impl Iterator<Item = &WorkloadRef> {
        self.owners.keys().flatten()
    }
}
