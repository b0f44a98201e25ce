//! Observations of the cluster, the registries and istioctl. They are collected once, before any check runs.
//!
//! An observation is either known, or it carries the reason why it is not known. Pods are folded into counts
//! while they are read and are never kept.

use std::collections::BTreeMap;

use jiff::civil::Date;

use crate::image::Found;
use crate::request::InstallRequest;
use crate::sys::cluster::Names;
use fips_evidence::{ProgramRole, Reading};
use istio_builds::{ClientVersion, ImageTag, KubeVersion, Minor};

mod after;
mod authority;
mod before;
mod causes;
mod control_plane;
mod genuine;
mod images;
mod injected;
mod install_wait;
mod inventory;
mod istioctl;
mod licence;
mod manifest;
mod observed;
mod permission;
mod pinned;
mod platform;
mod published;
mod rbac;
mod record;
mod rollout;
mod webhook;

pub use after::{Installed, after, installed};
pub use authority::{Held, Served};
pub use before::{ObservationScope, before, revisions};
pub use causes::{Cause, causes};
pub use genuine::Reference;
pub(crate) use genuine::read_settings;
pub use images::Reader;
pub use install_wait::{Changed, WebhookVersions, wait_until_complete, webhook_versions};
#[cfg(any(test, fuzzing))]
pub use inventory::fuzz;
pub use inventory::{
    Address, ExtraContainer, MeshInventory, PodGroup, PodGroupKey, Role, SelfReport,
};
pub use istioctl::istioctl;
pub use licence::{Licence, LicenceSecret, LicenceSource, licences};
pub use manifest::{Manifest, ManifestError, ObjectImage, Objects, manifests};
pub use observed::Observed;
pub use permission::INJECTOR;
pub use pinned::PinnedName;
pub use published::Published;
pub use rbac::cluster_role;
pub use record::{Kept, Records, record_name, write_record};
pub use rollout::rolled_out;
pub use webhook::{Webhook, WebhookKind};

/// The istioctl that this run starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Istioctl {
    pub path: std::path::PathBuf,
    pub version: ClientVersion,
}

/// The cluster that this run is connected to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterFact {
    pub context: String,
    pub server: String,
    pub version: KubeVersion,
}

/// The nodes of a cluster, as far as scheduling pods needs them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Nodes {
    pub total: u64,
    /// Nodes that are ready, not cordoned, and without a `NoSchedule` or `NoExecute` taint.
    pub taking_pods: u64,
    /// Number of nodes by `status.nodeInfo.architecture`.
    pub architectures: BTreeMap<String, u64>,
    /// Why nodes accept no pods, with counts: `cordoned`, `taint node.kubernetes.io/not-ready:NoSchedule`.
    pub refusals: BTreeMap<String, u64>,
}

/// The result of one `SelfSubjectAccessReview`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permission {
    pub verb: &'static str,
    pub group: &'static str,
    pub resource: &'static str,
    pub allowed: bool,
    /// The reason that the API server gives; empty if it gives none.
    pub reason: String,
}

impl Permission {
    /// Returns the resource with its API group, such as `deployments.apps`.
    pub fn full_resource(&self) -> String {
        if self.group.is_empty() {
            self.resource.to_owned()
        } else {
            format!("{}.{}", self.resource, self.group)
        }
    }
}

/// The tool that manages a control plane.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Manager {
    /// Identified by the labels `operator.istio.io/managed` or `install.operator.istio.io/owning-resource`.
    Istioctl {
        owner: String,
    },
    Helm {
        release: String,
    },
    /// The Sail operator or OpenShift Service Mesh, identified by owner reference or label.
    Operator {
        name: String,
    },
    Unknown,
}

/// An istiod Deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ControlPlane {
    pub namespace: String,
    pub name: String,
    pub uid: String,
    /// The label `istio.io/rev` of the Deployment; `default` if it is missing.
    pub revision: String,
    /// The image as the pod template names it.
    pub image: String,
    /// Hub part of the image: everything before the last `/`.
    pub hub: String,
    /// The parsed tag, or its text if it cannot be parsed.
    pub tag: Result<ImageTag, String>,
    pub manager: Manager,
    pub replicas: u32,
    pub ready: u32,
    /// What the rollout still lacks, as text; `None` once only pods of the newest template run and all are
    /// available.
    pub lacks: Option<String>,
}

/// A namespace, as far as injection and admission need it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Namespace {
    pub name: String,
    /// `pod-security.kubernetes.io/enforce`.
    pub enforce: Option<String>,
    /// The revision or tag that injects into its pods, from the label `istio-injection` or `istio.io/rev`.
    pub injection: Option<String>,
    /// `istio-injection` has a value other than `enabled`, so labels of its pods cannot request injection
    /// either.
    pub opted_out: bool,
    /// The revision of an `istio.io/rev` label that has no effect because `istio-injection` is set too.
    pub ignored_revision: Option<String>,
    pub ambient: bool,
    /// What the namespace still contains, if it is being deleted; may be empty.
    pub deletion: Option<String>,
}

/// The record that an earlier install by glooistio stored.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Record {
    pub revision: String,
    pub hub: String,
    pub tag: ImageTag,
    /// What was asked for, so that an upgrade applies it again.
    pub request: InstallRequest,
    /// Name and sha256 of each document.
    pub documents: BTreeMap<String, String>,
    /// Name and date of each data file.
    pub data: BTreeMap<String, String>,
    /// Version of glooistio.
    pub tool: String,
}

/// The Gloo Mesh installation of a cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GlooMeshes {
    /// The version, as its own Deployments show it.
    pub version: Option<Minor>,
    /// Deployments with the names of Gloo Mesh outside of its namespace.
    pub others: Names,
}

/// The key by which proxies are counted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ProxyKey {
    pub revision: String,
    /// Tag of the image, as text.
    pub tag: String,
    pub namespace: String,
}

/// A gateway that runs in the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunningGateway {
    pub revision: String,
    pub image: String,
    pub pods: u64,
}

/// Everything that the preflight checks read.
#[derive(Debug, Clone)]
pub struct Before {
    pub istioctl: Observed<Istioctl>,
    pub cluster: Observed<ClusterFact>,
    /// `None` if the cluster is not OpenShift.
    pub openshift: Observed<Option<Minor>>,
    pub nodes: Observed<Nodes>,
    pub permissions: Observed<Vec<Permission>>,
    /// The control planes in namespaces that a webhook of Istio calls.
    pub control_planes: Observed<Vec<ControlPlane>>,
    /// Deployments in other namespaces that are labelled as istiod.
    pub unconnected: Observed<Names>,
    pub webhooks: Observed<Vec<Webhook>>,
    pub namespaces: Observed<Vec<Namespace>>,
    /// Bundle version of the Gateway API CRDs, if they are installed.
    pub gateway_api: Observed<Option<String>>,
    pub gloo_mesh: Observed<GlooMeshes>,
    /// The running gateways, by namespace and name.
    pub gateways: Observed<BTreeMap<(String, String), RunningGateway>>,
    pub proxies: Observed<BTreeMap<ProxyKey, u64>>,
    /// The record of each revision, or the reason why it could not be read.
    pub records: Observed<Vec<Result<Record, String>>>,
    /// What the registries answered about the images of the plan.
    pub images: Observed<Vec<PlannedImage>>,
    /// The manifest that istioctl generates from each document.
    pub manifests: Observed<Vec<Manifest>>,
    /// The builds that the hub publishes; only needed if the data does not contain the planned build.
    pub published: Observed<Published>,
    /// The certificates of the secret `cacerts` if a FIPS build is planned; `None` if there is no such secret.
    pub authority: Observed<Option<Vec<Held>>>,
    /// The certificates that gateways serve, if a FIPS build is planned.
    pub served: Observed<Served>,
    /// The secrets that the documents take a licence key from.
    pub licences: Observed<Vec<LicenceSecret>>,
}

/// An image that a plan needs, and what its registry answered about it.
#[derive(Debug, Clone)]
pub struct PlannedImage {
    /// `hub/name:tag`.
    pub reference: String,
    pub found: Result<Found, NoImage>,
    /// The programs in the image, for each architecture.
    pub programs: Observed<Vec<ImageProgram>>,
    /// The day on which its programs were read, if they come from the cache.
    pub cached: Option<Date>,
}

/// What was read from the images of running containers.
#[derive(Debug, Clone, Default)]
pub struct ReadImages {
    pub images: BTreeMap<RunningImage, Observed<Vec<ImageProgram>>>,
    /// Images that were not read because their registry did not answer at all.
    pub unreached: BTreeMap<RunningImage, Unreached>,
    /// Images with programs that come from the cache, and the day on which they were read.
    pub cached: BTreeMap<String, Date>,
}

/// A registry that did not answer, or that was not contacted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unreached {
    /// The registry, as references spell it.
    pub registry: String,
    pub why: String,
    /// The host that was not asked, because it is an address of this machine or its network that the user did not name: the
    /// registry, or a host that it redirects to.
    pub refused_host: Option<String>,
}

/// Why an image is not available, as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoImage {
    Missing(String),
    /// The image may exist, but these credentials do not give access to it.
    Denied(String),
    /// Unknown: the registry did not answer.
    Unreachable(String),
    /// Unknown, although the registry answers other requests.
    Failed(String),
    /// The registry answered with something that is not an image.
    Broken(String),
}

/// A program in an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageProgram {
    /// Digest of the manifest for this architecture.
    pub manifest: Option<String>,
    /// The architecture, as Go names it.
    pub arch: String,
    /// The environment that the image gives to its containers, as `NAME=VALUE`.
    pub env: Vec<String>,
    /// What the image starts if its container sets no command: entry point and arguments.
    pub command: Vec<String>,
    pub path: String,
    /// The path that links lead to, if it differs.
    pub real_path: Option<String>,
    pub reading: Reading,
    /// The role of the program in its image.
    pub role: ProgramRole,
    /// A label of the image says FIPS.
    pub labelled_fips: bool,
}

/// The image of a running container, as the pod names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RunningImage {
    /// The image in the pod's spec.
    pub image: String,
    /// The imageID in the pod's status.
    pub image_id: String,
    /// The architecture of its node, as Go names it, if known.
    pub arch: Option<String>,
}

/// What the injector does to a new pod, as a server-side dry run shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Injected {
    pub namespace: String,
    pub revision: String,
    /// Image of each proxy container that was added, by name: `istio-proxy`, `istio-init`, ….
    pub images: BTreeMap<String, String>,
}

/// Everything that the checks after an install read.
#[derive(Debug, Clone)]
pub struct After {
    pub cluster: Observed<ClusterFact>,
    /// The control planes in namespaces that a webhook of Istio calls.
    pub control_planes: Observed<Vec<ControlPlane>>,
    /// Deployments in other namespaces that are labelled as istiod.
    pub unconnected: Observed<Names>,
    pub webhooks: Observed<Vec<Webhook>>,
    pub nodes: Observed<Nodes>,
    pub namespaces: Observed<Vec<Namespace>>,
    /// Names of the Istio CRDs, and whether each is established.
    pub crds: Observed<BTreeMap<String, bool>>,
    pub inventory: Observed<MeshInventory>,
    /// The programs in the images that run where FIPS is expected.
    pub images: BTreeMap<RunningImage, Observed<Vec<ImageProgram>>>,
    /// Those of these images that were not read because their registry did not answer at all.
    pub unreached: BTreeMap<RunningImage, Unreached>,
    /// The result of the injection dry run, per revision in scope.
    pub injected: BTreeMap<String, Observed<Injected>>,
    /// What the injector gives plain pods, per revision where FIPS is expected.
    pub references: BTreeMap<String, Observed<Reference>>,
}
