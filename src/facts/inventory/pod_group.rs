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
    /// A gateway of its own: a proxy that is the pod's main container.
    Gateway,
    /// A gateway or waypoint that istiod runs with agentgateway in place of Envoy.
    Agentgateway,
    Ztunnel,
    Cni,
}

impl Role {
    /// Whether traffic of the mesh goes through it.
    pub fn is_proxy(self) -> bool {
        !matches!(self, Role::Istiod | Role::Cni)
    }
}

/// What the proxy (or istiod) itself says of FIPS.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum SelfReport {
    /// `fips_mode` 1, or a Go version with the boringcrypto experiment.
    Fips(String),
    /// `fips_mode` 0, or a plain Go version of before Go had a module of its own.
    Standard(String),
    /// Read, and it says nothing of it: a build with Go's own module has a plain Go version too.
    Silent(String),
    /// Could not be read.
    Unreadable(String),
    /// Not needed: no FIPS is expected there, or the pod does not run.
    NotCollected,
}

/// What the pods of a group have in common: all that the checks read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PodGroupKey {
    pub role: Role,
    pub namespace: String,
    /// The revision that the pod names: `istio.io/rev` of the pod, `default` where there is none.
    pub revision: String,
    /// Where its proxy gets its configuration: which revision it really belongs to.
    pub connects: BTreeSet<Address>,
    /// Name of the container.
    pub container: String,
    /// The image of the proxy container (or of istiod, ztunnel, install-cni).
    pub image: String,
    /// Its imageID as the runtime tells it.
    pub image_id: String,
    /// What keeps its containers from being those that the injector produces.
    pub deviations: Deviations,
    /// Variables of its container that decide on FIPS mode.
    pub settings: BTreeMap<String, String>,
    /// Those whose values come from where the pod does not show them: `valueFrom`, `envFrom`.
    pub hidden_settings: BTreeSet<String>,
    pub others: BTreeSet<ExtraContainer>,
    pub ready: bool,
    /// `Running`, or the waiting reason that `kubectl get pods` would show.
    pub status: String,
    /// Architecture of its node, where known.
    pub arch: Option<String>,
    pub report: SelfReport,
}

/// Another container of the mesh in the pod: istio-init, istio-validation, one put in to debug.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ExtraContainer {
    pub image: String,
    pub image_id: String,
}

impl PodGroupKey {
    /// Its image, where the runtime says enough to look for it.
    pub fn running(&self) -> Option<RunningImage> {
        self.located(&self.image, &self.image_id)
    }

    /// The hexadecimal digest at the end of its imageID.
    pub(super) fn hex_digest(&self) -> Option<String> {
        let last = self.image_id.rsplit(['@', ':', '/']).next()?;
        let whole = last.len() == 64 && last.bytes().all(|byte| byte.is_ascii_hexdigit());
        whole.then(|| last.to_ascii_lowercase())
    }

    /// Its image, and those of its other containers that run another one; each with the word that its
    /// container starts, where that is not the entry point of the image.
    pub fn images(&self) -> impl Iterator<Item = (RunningImage, Option<&'static str>)> {
        let word = (self.role == Role::Cni).then_some("install-cni");
        let own = self.running().map(|image| (image, word));
        let others = self
            .containers_with_other_image()
            .filter_map(|other| Some((self.running_beside(other)?, None)));
        own.into_iter().chain(others)
    }

    /// The other containers that run another image than it does.
    pub fn containers_with_other_image(&self) -> impl Iterator<Item = &ExtraContainer> {
        self.others.iter().filter(|other| {
            let told = !self.image_id.is_empty() && !other.image_id.is_empty();
            other.image != self.image || told && other.image_id != self.image_id
        })
    }

    /// The same of a container beside it.
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

/// How many pods of a group there are, and who owns them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PodGroup {
    pub pods: u64,
    /// Number of pods by workload; `None` for owners of other kinds. Bounded by the number of workloads.
    pub owners: BTreeMap<Option<WorkloadRef>, u64>,
    /// At most [`PodGroup::EXAMPLES`] names.
    pub examples: Vec<String>,
}

impl PodGroup {
    pub const EXAMPLES: usize = 5;

    /// The workloads that own these pods, as far as they are known.
    pub fn workloads(&self) -> impl Iterator<Item = &WorkloadRef> {
        self.owners.keys().flatten()
    }
}
