//! What is known of the outside: gathered once, before any check looks at it.
//!
//! A fact is known or it is not, and then the reason travels with the gap. Pods are folded into
//! counts while they are read and never kept.

use std::collections::{BTreeMap, BTreeSet};

use crate::istio::client::ClientVersion;
use crate::istio::tag::ImageTag;
use crate::istio::version::{KubeVersion, Minor};
use crate::report::PodRow;
use crate::sys::cluster::ClusterError;

mod after;
mod before;
mod causes;
mod census;
mod control_plane;
mod injected;
mod istioctl;
mod permission;
mod platform;
mod record;
mod webhook;

pub use after::after;
pub use before::before;
pub use causes::causes;
pub use istioctl::istioctl;
pub use record::keep;

/// Something about the outside, or why it is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact<T> {
    Known(T),
    /// It should have been seen and could not be: forbidden, timed out, garbled.
    Unknown(String),
    /// The command cannot see it by its nature: `render` has no cluster.
    NotAsked(&'static str),
}

impl<T> Fact<T> {
    pub fn known(&self) -> Option<&T> {
        match self {
            Fact::Known(value) => Some(value),
            Fact::Unknown(_) | Fact::NotAsked(_) => None,
        }
    }
}

impl<T> From<Result<T, ClusterError>> for Fact<T> {
    fn from(answer: Result<T, ClusterError>) -> Self {
        match answer {
            Ok(value) => Fact::Known(value),
            Err(error) => Fact::Unknown(error.to_string()),
        }
    }
}

/// The istioctl that will be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Istioctl {
    pub path: std::path::PathBuf,
    pub version: ClientVersion,
}

/// The cluster that answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterFact {
    pub context: String,
    pub server: String,
    pub version: KubeVersion,
}

/// Nodes, as far as placing pods needs them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Nodes {
    pub total: u64,
    /// Ready, not cordoned, without a NoSchedule or NoExecute taint.
    pub taking_pods: u64,
    /// Number of nodes by `status.nodeInfo.architecture`.
    pub architectures: BTreeMap<String, u64>,
    /// Why nodes take no pods, with counts: `cordoned`, `taint node.kubernetes.io/not-ready:NoSchedule`.
    pub refusals: BTreeMap<String, u64>,
}

/// One answer of a SelfSubjectAccessReview.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permission {
    pub verb: &'static str,
    pub group: &'static str,
    pub resource: &'static str,
    pub allowed: bool,
    /// What the API server said, where it said something.
    pub reason: String,
}

/// Who looks after a control plane.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Manager {
    /// `operator.istio.io/managed` or `install.operator.istio.io/owning-resource` labels.
    Istioctl { owner: String },
    Helm { release: String },
    /// The Sail operator or the OpenShift Service Mesh, by owner reference or label.
    Operator { name: String },
    Unknown,
}

/// An istiod Deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ControlPlane {
    pub namespace: String,
    pub name: String,
    pub uid: String,
    /// `default` where the Deployment carries no other `istio.io/rev`.
    pub revision: String,
    /// The image as the pod template names it.
    pub image: String,
    /// Hub part of the image: everything before the last `/`.
    pub hub: String,
    /// The tag where the grammar knows it, else the text.
    pub tag: Result<ImageTag, String>,
    pub manager: Manager,
    pub replicas: u32,
    pub ready: u32,
}

/// An injection or validation webhook of an Istio.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    pub kind: WebhookKind,
    pub name: String,
    /// `istio.io/rev`, `default` where there is none.
    pub revision: String,
    /// `istio.io/tag` of a revision tag.
    pub tag: Option<String>,
    /// Namespace and name of the Service called, where it is one.
    pub service: Option<(String, String)>,
    /// Whether that Service exists and has a ready endpoint.
    pub service_ready: Fact<bool>,
    /// Every webhook in it carries a CA bundle.
    pub ca_bundle: bool,
    /// Deactivated by istioctl: it selects nothing.
    pub deactivated: bool,
    pub fail_closed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WebhookKind {
    Mutating,
    Validating,
}

/// A revision tag: a second name of a revision that namespaces and pods may ask for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RevisionTag {
    pub tag: String,
    pub revision: String,
    pub form: TagForm,
}

/// What makes the tag: newer Istio writes both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TagForm {
    Webhook,
    Service,
}

/// A namespace, as far as injection and admission need it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Namespace {
    pub name: String,
    /// `pod-security.kubernetes.io/enforce`.
    pub enforce: Option<String>,
    /// The revision or tag that its pods get: from `istio-injection` or `istio.io/rev`.
    pub injection: Option<String>,
    pub ambient: bool,
}

/// What an earlier install by glooistio wrote down.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Record {
    pub revision: String,
    pub hub: String,
    pub tag: ImageTag,
    /// The `-f` files as they were merged, so that an upgrade applies them again.
    pub overlays: Vec<String>,
    pub sets: Vec<String>,
    /// The options of ours, as a person would type them.
    pub options: Vec<String>,
    /// Name and sha256 of each document.
    pub documents: BTreeMap<String, String>,
    /// Name and date of each data file.
    pub data: BTreeMap<String, String>,
    /// Version of glooistio.
    pub tool: String,
}

/// Everything that the Before checks look at.
#[derive(Debug, Clone)]
pub struct Before {
    pub istioctl: Fact<Istioctl>,
    pub cluster: Fact<ClusterFact>,
    /// `None`: not an OpenShift.
    pub openshift: Fact<Option<Minor>>,
    pub nodes: Fact<Nodes>,
    pub permissions: Fact<Vec<Permission>>,
    pub control_planes: Fact<Vec<ControlPlane>>,
    pub webhooks: Fact<Vec<Webhook>>,
    pub tags: Fact<Vec<RevisionTag>>,
    pub namespaces: Fact<Vec<Namespace>>,
    /// Bundle version of the Gateway API CRDs, where they are.
    pub gateway_api: Fact<Option<String>>,
    /// The Gloo Mesh that runs there, by its own Deployments.
    pub gloo_mesh: Fact<Option<Minor>>,
    /// Proxies by revision and tag text.
    pub proxies: Fact<BTreeMap<(String, String), u64>>,
    /// The record per revision, and those that could not be read with the reason.
    pub records: Fact<Vec<Result<Record, String>>>,
}

/// The role of a pod in a mesh.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    Istiod,
    /// A workload with a sidecar.
    Sidecar,
    /// A gateway of its own: a proxy that is the pod's main container.
    Gateway,
    Ztunnel,
    Cni,
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
    /// Images of the other mesh containers in the pod (istio-init, istio-validation).
    pub others: BTreeSet<String>,
    pub ready: bool,
    /// `Running`, or the waiting reason that `kubectl get pods` would show.
    pub status: String,
    /// Architecture of its node, where known.
    pub arch: Option<String>,
    pub report: SelfReport,
}

/// How many pods of a class there are, and who owns them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Members {
    pub pods: u64,
    /// `deployment/reviews-v1` → number of pods. Bounded by the number of workloads.
    pub owners: BTreeMap<String, u64>,
    /// At most [`Members::EXAMPLES`] names.
    pub examples: Vec<String>,
}

impl Members {
    pub const EXAMPLES: usize = 5;
}

/// All pods of all meshes, folded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Census {
    pub classes: BTreeMap<Class, Members>,
    /// Pods without a proxy in namespaces that ask for injection: namespace → number.
    pub uninjected: BTreeMap<String, u64>,
    /// Pods that are not applicable, by reason: `finished`, `virtual node`, `Fargate`, …
    pub not_applicable: BTreeMap<String, u64>,
    /// Pods that vanished while being read.
    pub gone: u64,
    /// Control plane and gateway pods, as `kubectl get pods` shows them.
    pub rows: Vec<PodRow>,
    /// Every pod that was listed.
    pub seen: u64,
}

/// What the injector would do to a new pod: a server-side dry run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Injected {
    pub namespace: String,
    pub revision: String,
    /// Image of each container or init container that the injector added, by name.
    pub images: BTreeMap<String, String>,
}

/// Everything that the After checks look at.
#[derive(Debug, Clone)]
pub struct After {
    pub cluster: Fact<ClusterFact>,
    pub control_planes: Fact<Vec<ControlPlane>>,
    pub webhooks: Fact<Vec<Webhook>>,
    pub tags: Fact<Vec<RevisionTag>>,
    pub namespaces: Fact<Vec<Namespace>>,
    /// Names of the Istio CRDs that are established, and those that are not.
    pub crds: Fact<BTreeMap<String, bool>>,
    pub census: Fact<Census>,
    /// Per revision in scope.
    pub injected: BTreeMap<String, Fact<Injected>>,
    pub records: Fact<Vec<Result<Record, String>>>,
}
