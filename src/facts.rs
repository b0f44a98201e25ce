//! What is known of the outside: gathered once, before any check looks at it.
//!
//! A fact is known or it is not, and then the reason travels with the gap. Pods are folded into
//! counts while they are read and never kept.

use std::collections::BTreeMap;

use jiff::civil::Date;

use crate::fips::{ProgramRole, Reading};
use crate::image::Found;
use crate::istio::{ClientVersion, ImageTag, KubeVersion, Minor};
use crate::sys::cluster::Names;

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
    /// Ready, not cordoned, without a `NoSchedule` or `NoExecute` taint.
    pub taking_pods: u64,
    /// Number of nodes by `status.nodeInfo.architecture`.
    pub architectures: BTreeMap<String, u64>,
    /// Why nodes take no pods, with counts: `cordoned`, `taint node.kubernetes.io/not-ready:NoSchedule`.
    pub refusals: BTreeMap<String, u64>,
}

/// One answer of a `SelfSubjectAccessReview`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permission {
    pub verb: &'static str,
    pub group: &'static str,
    pub resource: &'static str,
    pub allowed: bool,
    /// What the API server said, where it said something.
    pub reason: String,
}

impl Permission {
    /// `deployments.apps`.
    pub fn full_resource(&self) -> String {
        if self.group.is_empty() {
            self.resource.to_owned()
        } else {
            format!("{}.{}", self.resource, self.group)
        }
    }
}

/// Who looks after a control plane.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Manager {
    /// `operator.istio.io/managed` or `install.operator.istio.io/owning-resource` labels.
    Istioctl {
        owner: String,
    },
    Helm {
        release: String,
    },
    /// The Sail operator or the OpenShift Service Mesh, by owner reference or label.
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
    /// What its rollout still lacks, in words; `None` once only its newest pods run, all available.
    pub lacks: Option<String>,
}

/// A namespace, as far as injection and admission need it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Namespace {
    pub name: String,
    /// `pod-security.kubernetes.io/enforce`.
    pub enforce: Option<String>,
    /// The revision or tag that its pods get: from `istio-injection` or `istio.io/rev`.
    pub injection: Option<String>,
    /// `istio-injection` with another value than `enabled`: its pods cannot ask either.
    pub opted_out: bool,
    /// The revision of an `istio.io/rev` that has no effect, because `istio-injection` is there too.
    pub ignored_revision: Option<String>,
    pub ambient: bool,
    /// What is left in it, where it is being deleted; may be empty.
    pub deletion: Option<String>,
}

/// What an earlier install by glooistio wrote down.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Record {
    pub revision: String,
    pub hub: String,
    pub tag: ImageTag,
    /// The `-f` files as they were merged, so that an upgrade applies them again.
    pub overlays: Vec<String>,
    /// What those files were called.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub overlay_names: Vec<String>,
    pub sets: Vec<String>,
    /// The options of ours, as a person would type them.
    pub options: Vec<String>,
    /// Name and text of the user's own template: the file may be gone at the next upgrade.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<(String, String)>,
    /// Its gateways were left to another revision.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub without_gateways: bool,
    /// Name and sha256 of each document.
    pub documents: BTreeMap<String, String>,
    /// Name and date of each data file.
    pub data: BTreeMap<String, String>,
    /// Version of glooistio.
    pub tool: String,
}

/// The Gloo Mesh of a cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GlooMeshes {
    /// By its own Deployments.
    pub version: Option<Minor>,
    /// Deployments of that name outside of its namespace.
    pub others: Names,
}

/// What proxies are counted by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ProxyKey {
    pub revision: String,
    /// Tag of the image, as text.
    pub tag: String,
    pub namespace: String,
}

/// A gateway that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunningGateway {
    pub revision: String,
    pub image: String,
    pub pods: u64,
}

/// Everything that the Before checks look at.
#[derive(Debug, Clone)]
pub struct Before {
    pub istioctl: Observed<Istioctl>,
    pub cluster: Observed<ClusterFact>,
    /// `None`: not an OpenShift.
    pub openshift: Observed<Option<Minor>>,
    pub nodes: Observed<Nodes>,
    pub permissions: Observed<Vec<Permission>>,
    /// Those to whose namespace a webhook of Istio leads.
    pub control_planes: Observed<Vec<ControlPlane>>,
    /// Deployments elsewhere that call themselves istiod.
    pub unconnected: Observed<Names>,
    pub webhooks: Observed<Vec<Webhook>>,
    pub namespaces: Observed<Vec<Namespace>>,
    /// Bundle version of the Gateway API CRDs, where they are.
    pub gateway_api: Observed<Option<String>>,
    pub gloo_mesh: Observed<GlooMeshes>,
    /// The gateways that run, by namespace and name.
    pub gateways: Observed<BTreeMap<(String, String), RunningGateway>>,
    pub proxies: Observed<BTreeMap<ProxyKey, u64>>,
    /// The record per revision, and those that could not be read with the reason.
    pub records: Observed<Vec<Result<Record, String>>>,
    /// What the registries say of the images of the plan.
    pub images: Observed<Vec<PlannedImage>>,
    /// What the installer of istioctl makes of each document.
    pub manifests: Observed<Vec<Manifest>>,
    /// The builds that the hub has, where the data does not know the planned one.
    pub published: Observed<Published>,
    /// The certificates of `cacerts` where a FIPS build is planned; `None` where there is no such secret.
    pub authority: Observed<Option<Vec<Held>>>,
    /// The certificates that gateways show where a FIPS build is planned.
    pub served: Observed<Served>,
    /// The secrets that the documents take a licence key from.
    pub licences: Observed<Vec<LicenceSecret>>,
}

/// An image that a plan needs, as its registry answers.
#[derive(Debug, Clone)]
pub struct PlannedImage {
    /// `hub/name:tag`.
    pub reference: String,
    pub found: Result<Found, NoImage>,
    /// What is in it, for each architecture.
    pub programs: Observed<Vec<ImageProgram>>,
    /// The day that its programs were read, where the cache knew them.
    pub cached: Option<Date>,
}

/// What was read of the images that run.
#[derive(Debug, Clone, Default)]
pub struct ReadImages {
    pub images: BTreeMap<RunningImage, Observed<Vec<ImageProgram>>>,
    /// Those that were not read because their registry gave no answer at all.
    pub unreached: BTreeMap<RunningImage, Unreached>,
    /// Images of which the cache knew what is in them, and the day that they were read.
    pub cached: BTreeMap<String, Date>,
}

/// A registry that gave no answer, or that was not asked.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unreached {
    /// As references spell it.
    pub registry: String,
    pub why: String,
    /// It was not asked, because it is an address of this machine or its network that the user did not name.
    pub is_refused: bool,
}

/// Why an image is not there for us, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoImage {
    Missing(String),
    /// It may be there, but not for these credentials.
    Denied(String),
    /// Nothing is known of it: its registry did not answer.
    Unreachable(String),
    /// Nothing is known of it, although its registry answers other questions.
    Failed(String),
    /// What the registry answers is no image.
    Broken(String),
}

/// A program in an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageProgram {
    /// Digest of the manifest for this architecture.
    pub manifest: Option<String>,
    /// Go's name for it.
    pub arch: String,
    /// Environment that the image gives to its containers: `NAME=VALUE`.
    pub env: Vec<String>,
    /// What the image starts where its container names nothing else: entry point and arguments.
    pub command: Vec<String>,
    pub path: String,
    /// Where links led, if to another path.
    pub real_path: Option<String>,
    pub reading: Reading,
    /// What it is for in its image.
    pub role: ProgramRole,
    /// A label of the image says FIPS.
    pub labelled_fips: bool,
}

/// An image that runs, as pods name it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RunningImage {
    /// As the spec names it.
    pub image: String,
    /// As the runtime names it.
    pub image_id: String,
    /// Of its node, by Go's name, where that is known.
    pub arch: Option<String>,
}

/// What the injector would do to a new pod: a server-side dry run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Injected {
    pub namespace: String,
    pub revision: String,
    /// Image of each container of a proxy that was added, by name: `istio-proxy`, `istio-init`, ….
    pub images: BTreeMap<String, String>,
}

/// Everything that the After checks look at.
#[derive(Debug, Clone)]
pub struct After {
    pub cluster: Observed<ClusterFact>,
    /// Those to whose namespace a webhook of Istio leads.
    pub control_planes: Observed<Vec<ControlPlane>>,
    /// Deployments elsewhere that call themselves istiod.
    pub unconnected: Observed<Names>,
    pub webhooks: Observed<Vec<Webhook>>,
    pub nodes: Observed<Nodes>,
    pub namespaces: Observed<Vec<Namespace>>,
    /// Names of the Istio CRDs that are established, and those that are not.
    pub crds: Observed<BTreeMap<String, bool>>,
    pub inventory: Observed<MeshInventory>,
    /// What is in the images that run where FIPS is expected.
    pub images: BTreeMap<RunningImage, Observed<Vec<ImageProgram>>>,
    /// Those of them that were not read because their registry gave no answer at all.
    pub unreached: BTreeMap<RunningImage, Unreached>,
    /// Per revision in scope.
    pub injected: BTreeMap<String, Observed<Injected>>,
    /// What plain pods are given, per revision where FIPS is expected.
    pub references: BTreeMap<String, Observed<Reference>>,
}
