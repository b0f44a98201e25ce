//! The parts of containers and volumes that decide which code a container runs.

use prost::Message;
use serde::Deserialize;

#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Device {
    #[prost(string, tag = "2")]
    pub device_path: String,
}

/// A probe or a lifecycle hook. Only the command that it runs in the container matters.
#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default)]
pub struct Handler {
    #[prost(message, optional, tag = "1")]
    pub exec: Option<Exec>,
}

#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default)]
pub struct Exec {
    #[prost(string, repeated, tag = "1")]
    pub command: Vec<String>,
}

#[derive(Clone, PartialEq, Message, Deserialize)]
pub struct Probe {
    #[prost(message, optional, tag = "1")]
    #[serde(flatten)]
    pub handler: Option<Handler>,
}

#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Lifecycle {
    #[prost(message, optional, tag = "1")]
    pub post_start: Option<Handler>,
    #[prost(message, optional, tag = "2")]
    pub pre_stop: Option<Handler>,
}

#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct SecurityContext {
    #[prost(message, optional, tag = "1")]
    pub capabilities: Option<Capabilities>,
    #[prost(bool, tag = "2")]
    pub privileged: bool,
    #[prost(string, tag = "9")]
    pub proc_mount: String,
}

#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default)]
pub struct Capabilities {
    #[prost(string, repeated, tag = "1")]
    pub add: Vec<String>,
}

/// The source of the value of one variable.
#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ValueFrom {
    #[prost(message, optional, tag = "1")]
    pub field_ref: Option<FieldRef>,
    #[prost(message, optional, tag = "2")]
    pub resource_field_ref: Option<Present>,
}

#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct FieldRef {
    #[prost(string, tag = "2")]
    pub field_path: String,
}

/// An object of which only the presence matters.
#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default)]
pub struct Present {}

/// A source of many variables.
#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Bulk {
    #[prost(string, tag = "1")]
    pub prefix: String,
    #[prost(message, optional, tag = "2")]
    pub config_map_ref: Option<BulkSource>,
    #[prost(message, optional, tag = "3")]
    pub secret_ref: Option<BulkSource>,
}

/// The ConfigMap or Secret of a source of variables. On the wire, its name is in a nested message.
#[derive(Clone, PartialEq, Message, Deserialize)]
pub struct BulkSource {
    #[prost(message, optional, tag = "1")]
    #[serde(flatten)]
    pub reference: Option<Named>,
}

/// A ConfigMap or Secret as files.
#[derive(Clone, PartialEq, Message, Deserialize)]
pub struct FileSource {
    #[prost(message, optional, tag = "1")]
    #[serde(flatten)]
    pub reference: Option<Named>,
    /// The keys that become files; empty for all keys.
    #[prost(message, repeated, tag = "2")]
    #[serde(default)]
    pub items: Vec<KeyToPath>,
}

/// A key, and its name as a file.
#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default)]
pub struct KeyToPath {
    #[prost(string, tag = "1")]
    pub key: String,
    #[prost(string, tag = "2")]
    pub path: String,
}

#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default)]
pub struct Named {
    #[prost(string, tag = "1")]
    pub name: String,
}

#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default)]
pub struct Volume {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(message, optional, tag = "2")]
    #[serde(flatten)]
    pub source: Option<VolumeSource>,
}

/// The kinds of volumes that injectors and charts use. For any other kind, all fields are empty.
#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct VolumeSource {
    #[prost(message, optional, tag = "1")]
    pub host_path: Option<HostPath>,
    #[prost(message, optional, tag = "2")]
    pub empty_dir: Option<Present>,
    #[prost(message, optional, tag = "6")]
    pub secret: Option<SecretVolume>,
    #[prost(message, optional, tag = "16")]
    #[serde(rename = "downwardAPI")]
    pub downward_api: Option<DownwardApi>,
    #[prost(message, optional, tag = "19")]
    pub config_map: Option<FileSource>,
    #[prost(message, optional, tag = "26")]
    pub projected: Option<Projected>,
    #[prost(message, optional, tag = "28")]
    pub csi: Option<CsiVolume>,
}

#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default)]
pub struct HostPath {
    #[prost(string, tag = "1")]
    pub path: String,
}

#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct SecretVolume {
    #[prost(string, tag = "1")]
    pub secret_name: String,
    #[prost(message, repeated, tag = "2")]
    pub items: Vec<KeyToPath>,
}

#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default)]
pub struct CsiVolume {
    #[prost(string, tag = "1")]
    pub driver: String,
}

#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default)]
pub struct Projected {
    #[prost(message, repeated, tag = "1")]
    pub sources: Vec<Projection>,
}

/// One source of a projected volume.
#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Projection {
    #[prost(message, optional, tag = "1")]
    pub secret: Option<FileSource>,
    #[prost(message, optional, tag = "2")]
    #[serde(rename = "downwardAPI")]
    pub downward_api: Option<Present>,
    #[prost(message, optional, tag = "3")]
    pub config_map: Option<FileSource>,
    #[prost(message, optional, tag = "4")]
    pub service_account_token: Option<TokenSource>,
    #[prost(message, optional, tag = "5")]
    pub cluster_trust_bundle: Option<Present>,
}

/// A token of the pod's service account.
#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default)]
pub struct TokenSource {
    /// The audience of the token; the API server if it is empty.
    #[prost(string, tag = "1")]
    pub audience: String,
}

#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default)]
pub struct DownwardApi {
    #[prost(message, repeated, tag = "1")]
    pub items: Vec<DownwardFile>,
}

/// A file with a field of the pod.
#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct DownwardFile {
    #[prost(string, tag = "1")]
    pub path: String,
    #[prost(message, optional, tag = "2")]
    pub field_ref: Option<FieldRef>,
}

impl DownwardFile {
    /// Returns the file and its field, or `None` for a file with a number.
    fn text(&self) -> Option<String> {
        let field = self.field_ref.as_ref()?;
        Some(format!("{}={}", self.path, field.field_path))
    }
}

impl BulkSource {
    pub fn name(&self) -> &str {
        self.reference.as_ref().map_or("", |it| &it.name)
    }
}

impl FileSource {
    pub fn name(&self) -> &str {
        self.reference.as_ref().map_or("", |it| &it.name)
    }

    /// Returns its name, and the keys that have another name as a file.
    fn text(&self) -> String {
        format!("{}{}", self.name(), renamed(&self.items))
    }
}

/// Lists the keys that have another name as a file: a renamed key can replace a file that the agent
/// trusts.
fn renamed(items: &[KeyToPath]) -> String {
    let other = items.iter().filter(|item| item.key != item.path);
    let mut other: Vec<String> = other
        .map(|item| format!(", {} as {}", item.key, item.path))
        .collect();
    other.sort();
    other.concat()
}

impl VolumeSource {
    /// Describes the volume; a kind that is not read is called another kind.
    pub fn text(&self) -> String {
        if self.empty_dir.is_some() {
            "emptyDir".to_owned()
        } else if let Some(secret) = &self.secret {
            format!("secret {}{}", secret.secret_name, renamed(&secret.items))
        } else if let Some(map) = &self.config_map {
            format!("configMap {}", map.text())
        } else if let Some(files) = &self.downward_api {
            let mut files: Vec<String> =
                files.items.iter().filter_map(DownwardFile::text).collect();
            files.sort();
            format!("downwardAPI {}", files.join(" and "))
        } else if let Some(projected) = &self.projected {
            let mut sources: Vec<String> = projected.sources.iter().map(Projection::text).collect();
            sources.sort();
            format!("projected {}", sources.join(" and "))
        } else if let Some(host) = &self.host_path {
            format!("hostPath {}", host.path)
        } else if let Some(csi) = &self.csi {
            format!("csi {}", csi.driver)
        } else {
            "another kind of volume".to_owned()
        }
    }

    /// Returns true if containers may write to it. Volumes that Kubernetes itself fills are
    /// read-only.
    pub fn is_writable(&self) -> bool {
        let filled = self.secret.is_some()
            || self.config_map.is_some()
            || self.downward_api.is_some()
            || self.projected.is_some();
        !filled
    }
}

impl Projection {
    fn text(&self) -> String {
        if self.service_account_token.is_some() {
            "serviceAccountToken".to_owned()
        } else if let Some(map) = &self.config_map {
            format!("configMap {}", map.text())
        } else if let Some(secret) = &self.secret {
            format!("secret {}", secret.text())
        } else if self.downward_api.is_some() {
            "downwardAPI".to_owned()
        } else if self.cluster_trust_bundle.is_some() {
            "clusterTrustBundle".to_owned()
        } else {
            "another source".to_owned()
        }
    }
}
