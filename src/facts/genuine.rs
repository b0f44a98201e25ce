//! Compares the containers of a proxy with what the injector of its mesh produces.
//!
//! A container counts as genuine only if each of its settings is one that the injector gives a plain pod, or
//! one that the data file lists as harmless. Everything else is a deviation: code other than that of the image
//! may run. Annotations of a pod that request a setting do not justify it; only the resulting setting counts.

use std::collections::{BTreeMap, BTreeSet};

use super::{Observed, Role};
use crate::report::{Deviation, Deviations, SettingKind};
use crate::sys::cluster::{Container, Listed, Pod, Session};
use fips_evidence::Environment;
use istio_builds::ImageRef;

mod proxy_config;
mod reference;
mod rules;
mod setting;

pub(super) use reference::permitted;

use reference::MeshFiles;
pub(crate) use rules::read_settings;
use rules::{Homes, Rules};
use setting::{Setting, Value};

/// The path at which the agent looks for a mesh configuration by default.
const MESH_FILE: &str = "/etc/istio/config";

/// The settings that the injector of a revision gives plain pods.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reference {
    /// The settings by the purpose of a container.
    settings: BTreeMap<&'static str, BTreeSet<Setting>>,
}

/// The settings that the pods of each revision in scope are compared with.
#[derive(Debug, Default)]
pub(super) struct Permitted {
    pub(super) references: BTreeMap<String, Observed<Reference>>,
    /// Revisions in scope with pods that are not compared, since they do not expect FIPS. Any other revision is
    /// a claim of whoever created the pod: such a pod is compared like one of the revisions in scope.
    pub(super) uncompared: BTreeSet<String>,
    /// Namespaces of control planes: proxies may get their configuration from there.
    pub(super) homes: Homes,
    mesh_files: MeshFiles,
}

/// The containers of a pod that belong to a mesh.
pub(super) struct Parts<'a> {
    pub(super) pod: &'a Pod,
    pub(super) role: Role,
    pub(super) revision: &'a str,
    /// The container with that role.
    pub(super) own: &'a Container,
    /// Other containers with images or names of a mesh.
    pub(super) others: Vec<&'a Container>,
}

impl Permitted {
    /// Reads the mesh configurations that pods mount, unless they were read before.
    pub(super) async fn read_mesh_files(&self, session: &Session, pods: &[Listed]) {
        let pods = pods.iter().filter_map(|pod| pod.as_ref().ok());
        self.mesh_files.read(session, pods).await;
    }

    /// Returns the settings of a pod that nothing permits; none if pods of its revision are not compared.
    pub(super) fn deviations(&self, parts: &Parts<'_>) -> Deviations {
        let known = self.references.get(parts.revision);
        let of_node = matches!(parts.role, Role::Ztunnel | Role::Cni);
        let is_other = !of_node && self.uncompared.contains(parts.revision);
        if self.references.is_empty() || known.is_none() && is_other {
            return Deviations::default();
        }
        let any = || self.references.values().next().filter(|_| !of_node);
        let reference = known.or_else(any).and_then(Observed::known);
        let own = self.of_container(parts, reference, profile(parts.role), parts.own);
        let others = parts.others.iter().flat_map(|other| {
            let kind = SettingKind::Container;
            match companion(&other.name) {
                Some(profile) => self.of_container(parts, reference, profile, other),
                None => vec![Deviation::new(&other.name, kind, &other.image)],
            }
        });
        Deviations::of(own.into_iter().chain(others))
    }

    fn of_container(
        &self,
        parts: &Parts<'_>,
        reference: Option<&Reference>,
        profile: &'static str,
        container: &Container,
    ) -> Vec<Deviation> {
        let given = reference.and_then(|it| it.settings.get(profile));
        let mut all = setting::settings(parts.pod, container);
        if profile == PROXY {
            all.extend(setting::annotations(parts.pod));
        }
        // Images of other programs are compared by the version checks.
        if given.is_some() {
            all.push(image(container));
        }
        all.retain(|setting| {
            let permitted = given.is_some_and(|given| given.contains(setting))
                || is_judged_elsewhere(setting)
                || Rules::builtin().permit(profile, setting, &self.homes)
                || self.is_mesh_file(parts, setting);
            !permitted
        });
        let deviation = |it: &Setting| Deviation::new(&container.name, it.kind, &it.item());
        all.iter().map(deviation).collect()
    }

    /// Checks whether a setting mounts the mesh configuration of the pod's control plane, or a harmless one.
    fn is_mesh_file(&self, parts: &Parts<'_>, setting: &Setting) -> bool {
        let Value::Literal(volume) = &setting.value else {
            return false;
        };
        let mounted = setting.kind == SettingKind::Mount && setting.name == MESH_FILE;
        let map = volume.strip_prefix("configMap ").filter(|_| mounted);
        map.is_some_and(|name| self.mesh_files.permit(&parts.pod.metadata.namespace, name))
    }
}

impl Reference {
    /// Adds the settings of the containers of an injected pod.
    fn add(&mut self, pod: &Pod) {
        for container in setting::containers(pod) {
            let profile = match container.name.as_str() {
                "istio-proxy" => Some(PROXY),
                name => companion(name),
            };
            let Some(profile) = profile else {
                continue;
            };
            let settings = setting::settings(pod, container).into_iter();
            let known = self.settings.entry(profile).or_default();
            known.extend(settings.chain([image(container)]));
        }
    }
}

const PROXY: &str = "proxy";

/// Returns the purpose of the container with that role.
fn profile(role: Role) -> &'static str {
    match role {
        Role::Istiod => "istiod",
        Role::Sidecar | Role::Gateway => PROXY,
        Role::Agentgateway => "agentgateway",
        Role::Ztunnel => "ztunnel",
        Role::Cni => "cni",
    }
}

/// Returns the purpose of another container that accompanies a proxy.
fn companion(name: &str) -> Option<&'static str> {
    match name {
        "istio-init" | "istio-validation" => Some("iptables"),
        "enable-core-dump" => Some("core-dump"),
        _ => None,
    }
}

/// Checks whether a setting is a variable that decides on FIPS mode with a value in the pod: other checks judge
/// that value.
fn is_judged_elsewhere(setting: &Setting) -> bool {
    let shown = matches!(&setting.value, Value::Literal(value) if !value.contains("$("));
    setting.kind == SettingKind::Variable
        && Environment::VARIABLES.contains(&setting.name.as_str())
        && shown
}

/// Returns the image without tag and digest: its content is read, and its version is compared by other checks.
fn image(container: &Container) -> Setting {
    let image = &container.image;
    let repository = match image.parse::<ImageRef>() {
        Ok(image) => image.repository().to_owned(),
        Err(_) => image.clone(),
    };
    Setting::new(SettingKind::Image, "", repository)
}

#[cfg(test)]
mod tests;
