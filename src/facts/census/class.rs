//! Pods that are alike.

use std::collections::{BTreeMap, BTreeSet};

use super::Start;
use crate::facts::RunningImage;
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
    NotAsked,
}

/// Pods that are alike in everything that is judged.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Class {
    pub role: Role,
    pub namespace: String,
    /// The revision that the pod runs: `istio.io/rev` of the pod, `default` where there is none.
    pub revision: String,
    /// The image of the proxy container (or of istiod, ztunnel, install-cni).
    pub image: String,
    /// Its imageID as the runtime tells it.
    pub image_id: String,
    pub start: Start,
    /// Variables of its container that decide on FIPS mode.
    pub settings: BTreeMap<String, String>,
    /// Those whose values come from where the pod does not show them: `valueFrom`, `envFrom`.
    pub hidden_settings: BTreeSet<String>,
    pub others: BTreeSet<Companion>,
    pub ready: bool,
    /// `Running`, or the waiting reason that `kubectl get pods` would show.
    pub status: String,
    /// Architecture of its node, where known.
    pub arch: Option<String>,
    pub report: SelfReport,
}

/// Another container of the mesh in the pod: istio-init, istio-validation, one put in to debug.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Companion {
    pub image: String,
    pub image_id: String,
    pub start: Start,
}

impl Class {
    /// Its image, where the runtime says enough to look for it.
    pub fn running(&self) -> Option<RunningImage> {
        self.located(&self.image, &self.image_id)
    }

    /// Its image, and those of the containers beside it that run another; each with the word that its
    /// container starts, where the image has to be asked which program that is.
    pub fn images(&self) -> impl Iterator<Item = (RunningImage, Option<&str>)> {
        let own = self.running().map(|image| (image, self.start.word()));
        let beside = self
            .strangers()
            .filter_map(|other| Some((self.running_beside(other)?, other.start.word())));
        own.into_iter().chain(beside)
    }

    /// The containers beside it that run another image than it does, or start a program in a way of their
    /// own.
    pub fn strangers(&self) -> impl Iterator<Item = &Companion> {
        self.others.iter().filter(|other| {
            let told = !self.image_id.is_empty() && !other.image_id.is_empty();
            let another = other.image != self.image || told && other.image_id != self.image_id;
            another || other.start.behind.is_some()
        })
    }

    /// The same of a container beside it.
    pub fn running_beside(&self, other: &Companion) -> Option<RunningImage> {
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

/// How many pods of a class there are, and who owns them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Members {
    pub pods: u64,
    /// Number of pods by workload; `None` for owners of other kinds. Bounded by the number of workloads.
    pub owners: BTreeMap<Option<WorkloadRef>, u64>,
    /// At most [`Members::EXAMPLES`] names.
    pub examples: Vec<String>,
}

impl Members {
    pub const EXAMPLES: usize = 5;

    /// The workloads that own these pods, as far as they are known.
    pub fn workloads(&self) -> impl Iterator<Item = &WorkloadRef> {
        self.owners.keys().flatten()
    }
}

impl Start {
    /// The command, where it is a word that the image's `PATH` leads from.
    fn word(&self) -> Option<&str> {
        self.command.as_deref().filter(|word| !word.contains('/'))
    }
}
