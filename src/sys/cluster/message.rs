//! The protobuf messages of pods: only the fields that are used, by their numbers in the Kubernetes
//! API.
//!
//! The same structures read JSON, for servers that refuse protobuf.

use std::collections::BTreeMap;

use prost::Message;
use serde::{Deserialize, Deserializer};

mod settings;

pub use settings::{Bulk, Handler, Probe, ValueFrom, Volume, VolumeSource};
use settings::{Device, Lifecycle, SecurityContext};

#[derive(Clone, PartialEq, Message)]
pub(super) struct Unknown {
    #[prost(bytes = "bytes", tag = "2")]
    pub(super) raw: bytes::Bytes,
}

/// A list of pods, each still encoded, so that a pod that cannot be read does not affect the
/// others.
#[derive(Clone, PartialEq, Message)]
pub(super) struct PodList {
    #[prost(message, optional, tag = "1")]
    pub(super) metadata: Option<ListMeta>,
    #[prost(bytes = "bytes", repeated, tag = "2")]
    pub(super) items: Vec<bytes::Bytes>,
}

/// The same list from a server that answers in JSON.
#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
pub(super) struct JsonPodList {
    pub(super) metadata: Option<ListMeta>,
    pub(super) items: Option<Vec<serde_json::Value>>,
}

/// A pod of which only the name can be read.
#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default)]
pub(super) struct Named {
    #[prost(message, required, tag = "1")]
    pub(super) metadata: Name,
}

#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default)]
pub(super) struct Name {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(string, tag = "3")]
    pub(super) namespace: String,
}

#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ListMeta {
    #[prost(string, tag = "3")]
    #[serde(rename = "continue")]
    pub(super) continuation: String,
}

/// A pod, with only the fields that are used.
#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Pod {
    #[prost(message, required, tag = "1")]
    pub metadata: Meta,
    #[prost(message, required, tag = "2")]
    pub spec: PodSpec,
    #[prost(message, required, tag = "3")]
    pub status: PodStatus,
}

#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Meta {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(string, tag = "3")]
    pub namespace: String,
    #[prost(string, tag = "5")]
    pub uid: String,
    /// Set while the pod is being deleted: the time of its removal, after the grace period.
    #[prost(message, optional, tag = "9")]
    #[serde(deserialize_with = "moment")]
    pub deletion_timestamp: Option<Moment>,
    #[prost(int64, tag = "10")]
    pub deletion_grace_period_seconds: i64,
    #[prost(btree_map = "string, string", tag = "11")]
    pub labels: BTreeMap<String, String>,
    #[prost(btree_map = "string, string", tag = "12")]
    pub annotations: BTreeMap<String, String>,
    #[prost(message, repeated, tag = "13")]
    pub owner_references: Vec<Owner>,
}

/// A point in time.
#[derive(Clone, PartialEq, Message)]
pub struct Moment {
    /// Seconds since 1970.
    #[prost(int64, tag = "1")]
    pub seconds: i64,
}

/// Reads a time. A time that cannot be parsed becomes 1970.
fn moment<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Moment>, D::Error> {
    let text = Option::<String>::deserialize(from)?;
    Ok(text.map(|text| Moment {
        seconds: text
            .parse::<jiff::Timestamp>()
            .map_or(0, jiff::Timestamp::as_second),
    }))
}

#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Owner {
    #[prost(string, tag = "1")]
    pub kind: String,
    #[prost(string, tag = "3")]
    pub name: String,
    #[prost(string, tag = "5")]
    pub api_version: String,
    #[prost(bool, tag = "6")]
    pub controller: bool,
}

#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct PodSpec {
    #[prost(message, repeated, tag = "1")]
    pub volumes: Vec<Volume>,
    #[prost(message, repeated, tag = "2")]
    pub containers: Vec<Container>,
    #[prost(string, tag = "10")]
    pub node_name: String,
    #[prost(bool, tag = "11")]
    pub host_network: bool,
    #[prost(bool, tag = "12")]
    #[serde(rename = "hostPID")]
    pub host_pid: bool,
    #[prost(message, repeated, tag = "20")]
    pub init_containers: Vec<Container>,
    #[prost(bool, tag = "27")]
    pub share_process_namespace: bool,
    #[prost(message, repeated, tag = "34")]
    pub ephemeral_containers: Vec<Ephemeral>,
}

/// A container that was added to a running pod.
#[derive(Clone, PartialEq, Message, Deserialize)]
pub struct Ephemeral {
    #[prost(message, required, tag = "1")]
    #[serde(flatten)]
    pub container: Container,
    /// The name of the container that shares its processes with this one.
    #[prost(string, tag = "2")]
    #[serde(default, rename = "targetContainerName")]
    pub target: String,
}

#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Container {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(string, tag = "2")]
    pub image: String,
    /// Replaces the entry point of the image.
    #[prost(string, repeated, tag = "3")]
    pub command: Vec<String>,
    #[prost(string, repeated, tag = "4")]
    pub args: Vec<String>,
    #[prost(string, tag = "5")]
    pub working_dir: String,
    #[prost(message, repeated, tag = "7")]
    pub env: Vec<Variable>,
    #[prost(message, repeated, tag = "9")]
    pub volume_mounts: Vec<Mount>,
    #[prost(message, optional, tag = "10")]
    pub liveness_probe: Option<Probe>,
    #[prost(message, optional, tag = "11")]
    pub readiness_probe: Option<Probe>,
    #[prost(message, optional, tag = "12")]
    pub lifecycle: Option<Lifecycle>,
    /// A file of the node is mounted at this path.
    #[prost(string, tag = "13")]
    pub termination_message_path: String,
    #[prost(message, optional, tag = "15")]
    pub security_context: Option<SecurityContext>,
    #[prost(message, repeated, tag = "19")]
    pub env_from: Vec<Bulk>,
    #[prost(message, repeated, tag = "21")]
    pub volume_devices: Vec<Device>,
    #[prost(message, optional, tag = "22")]
    pub startup_probe: Option<Probe>,
    /// `Always` makes an init container a native sidecar.
    #[prost(string, tag = "24")]
    pub restart_policy: String,
}

/// An environment variable. Its value is empty if it comes from another source.
#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Variable {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(string, tag = "2")]
    pub value: String,
    #[prost(message, optional, tag = "3")]
    pub value_from: Option<ValueFrom>,
}

#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Mount {
    /// The name of its volume.
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(bool, tag = "2")]
    pub read_only: bool,
    #[prost(string, tag = "3")]
    pub mount_path: String,
    #[prost(string, tag = "4")]
    pub sub_path: String,
    #[prost(string, tag = "6")]
    pub sub_path_expr: String,
}

#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct PodStatus {
    #[prost(string, tag = "1")]
    pub phase: String,
    #[prost(message, repeated, tag = "2")]
    pub conditions: Vec<Condition>,
    #[prost(string, tag = "3")]
    pub message: String,
    #[prost(string, tag = "4")]
    pub reason: String,
    #[prost(message, repeated, tag = "8")]
    pub container_statuses: Vec<ContainerStatus>,
    #[prost(message, repeated, tag = "10")]
    pub init_container_statuses: Vec<ContainerStatus>,
    #[prost(message, repeated, tag = "13")]
    pub ephemeral_container_statuses: Vec<ContainerStatus>,
}

#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Condition {
    #[prost(string, tag = "1")]
    #[serde(rename = "type")]
    pub kind: String,
    #[prost(string, tag = "2")]
    pub status: String,
    #[prost(string, tag = "5")]
    pub reason: String,
    #[prost(string, tag = "6")]
    pub message: String,
}

#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ContainerStatus {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(message, optional, tag = "2")]
    pub state: Option<State>,
    #[prost(bool, tag = "4")]
    pub ready: bool,
    #[prost(int32, tag = "5")]
    pub restart_count: i32,
    #[prost(string, tag = "7")]
    #[serde(rename = "imageID")]
    pub image_id: String,
    #[prost(bool, tag = "9")]
    pub started: bool,
}

#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct State {
    #[prost(message, optional, tag = "1")]
    pub waiting: Option<Waiting>,
    #[prost(message, optional, tag = "2")]
    pub running: Option<Running>,
    #[prost(message, optional, tag = "3")]
    pub terminated: Option<Terminated>,
}

#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Waiting {
    #[prost(string, tag = "1")]
    pub reason: String,
    #[prost(string, tag = "2")]
    pub message: String,
}

#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default)]
pub struct Running {}

#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Terminated {
    #[prost(int32, tag = "1")]
    pub exit_code: i32,
    #[prost(int32, tag = "2")]
    pub signal: i32,
    #[prost(string, tag = "3")]
    pub reason: String,
    #[prost(string, tag = "4")]
    pub message: String,
}
