//! Whether the containers of a proxy are what the injector of its mesh produces.
//!
//! A container counts as genuine only if each of its settings is one that the injector gives a plain
//! pod, or one that the data file calls harmless. Everything else is a deviation: other code than that
//! of the image may run. What a pod asks for in its annotations is no excuse, only what it *is* counts.

use std::collections::{BTreeMap, BTreeSet};

use super::{Observed, Role};
use crate::fips::Environment;
use crate::istio::ImageRef;
use crate::report::{Deviation, Deviations, SettingKind};
use crate::sys::cluster::{Container, Listed, Pod, Session};

mod proxy_config;
mod reference;
mod rules;
mod setting;

pub(super) use reference::permitted;

use reference::MeshFiles;
pub(crate) use rules::read_settings;
use rules::{Homes, Rules};
use setting::{Setting, Value};

/// Where the agent looks for a mesh configuration by itself.
const MESH_FILE: &str = "/etc/istio/config";

/// What the injector of a revision gives plain pods.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reference {
    /// By what a container is for.
    settings: BTreeMap<&'static str, BTreeSet<Setting>>,
}

/// What the pods of each revision in scope are compared with.
#[derive(Debug, Default)]
pub(super) struct Permitted {
    pub(super) references: BTreeMap<String, Observed<Reference>>,
    /// Revisions in scope whose pods are compared with nothing, since no FIPS is expected of them. Any other revision is the
    /// claim of whoever created the pod: such a pod is compared like one of the revisions in scope.
    pub(super) uncompared: BTreeSet<String>,
    /// Namespaces of control planes: proxies may get their configuration from there.
    pub(super) homes: Homes,
    mesh_files: MeshFiles,
}

/// The containers of a pod that are parts of a mesh.
pub(super) struct Parts<'a> {
    pub(super) pod: &'a Pod,
    pub(super) role: Role,
    pub(super) revision: &'a str,
    /// The container of that role.
    pub(super) own: &'a Container,
    /// Other containers with images or names of a mesh.
    pub(super) others: Vec<&'a Container>,
}

impl Permitted {
    /// Reads the mesh configurations that pods mount, as far as they are not known yet.
    pub(super) async fn read_mesh_files(&self, session: &Session, pods: &[Listed]) {
        let pods = pods.iter().filter_map(|pod| pod.as_ref().ok());
        self.mesh_files.read(session, pods).await;
    }

    /// What the pod has that nothing permits; nothing where its revision is not compared.
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
        // Images of other programs are compared by the checks of versions.
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

    /// Whether it mounts the mesh configuration of its control plane, or one that is harmless.
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
    /// Adds what the containers of an injected pod have.
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

/// What the container of a role is for.
fn profile(role: Role) -> &'static str {
    match role {
        Role::Istiod => "istiod",
        Role::Sidecar | Role::Gateway => PROXY,
        Role::Agentgateway => "agentgateway",
        Role::Ztunnel => "ztunnel",
        Role::Cni => "cni",
    }
}

/// What another container that comes with a proxy is for.
fn companion(name: &str) -> Option<&'static str> {
    match name {
        "istio-init" | "istio-validation" => Some("iptables"),
        "enable-core-dump" => Some("core-dump"),
        _ => None,
    }
}

/// The variables that decide on FIPS are judged by their values, wherever these are shown.
fn is_judged_elsewhere(setting: &Setting) -> bool {
    let shown = matches!(&setting.value, Value::Literal(value) if !value.contains("$("));
    setting.kind == SettingKind::Variable
        && Environment::VARIABLES.contains(&setting.name.as_str())
        && shown
}

/// The image without tag and digest: what is in it is read, and its version is compared elsewhere.
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
