//! The settings of a container in a pod, in comparable form.

use std::collections::{BTreeMap, BTreeSet};

use crate::report::SettingKind;
use crate::sys::cluster::{Bulk, Container, Handler, Mount, Pod, Probe, ValueFrom, VolumeSource};

use super::proxy_config;

/// The annotation that changes `ProxyConfig` when the agent starts.
const PROXY_CONFIG: &str = "proxy.istio.io/config";

/// The default path of the termination message.
const TERMINATION: &str = "/dev/termination-log";

/// One setting of a container.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Setting {
    pub(super) kind: SettingKind,
    pub(super) name: String,
    pub(super) value: Value,
}

/// The value of a setting.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Value {
    Literal(String),
    /// The value is not in the pod; its source.
    From(String),
}

impl Setting {
    pub(super) fn new(
        kind: SettingKind,
        name: impl Into<String>,
        value: impl Into<String>,
    ) -> Self {
        Setting {
            kind,
            name: name.into(),
            value: Value::Literal(value.into()),
        }
    }

    /// Returns the name of the setting in reports, without values of variables and of `ProxyConfig`, which may
    /// be secret.
    pub(super) fn item(&self) -> String {
        let Value::Literal(value) = &self.value else {
            return self.name.clone();
        };
        match self.kind {
            SettingKind::Command
            | SettingKind::WorkingDirectory
            | SettingKind::TerminationMessage
            | SettingKind::Image => value.clone(),
            SettingKind::Argument if self.name.is_empty() => value.clone(),
            SettingKind::Argument if value.is_empty() => self.name.clone(),
            SettingKind::Argument => format!("{}={value}", self.name),
            SettingKind::Mount => format!("{} ({value})", self.name),
            SettingKind::Hook => format!("{}: {value}", self.name),
            SettingKind::SharedVolume => format!("the volume at {} with {value}", self.name),
            SettingKind::Variable
            | SettingKind::VariableSource
            | SettingKind::Device
            | SettingKind::Privilege
            | SettingKind::ProxyConfig
            | SettingKind::Annotation
            | SettingKind::SharedProcesses
            | SettingKind::Container
            | SettingKind::TooMany => self.name.clone(),
        }
    }
}

/// Returns the settings of a container: its own, and those of its pod that affect it.
pub(super) fn settings(pod: &Pod, container: &Container) -> Vec<Setting> {
    let mut all = Vec::with_capacity(64);
    programs(container, &mut all);
    variables(container, &mut all);
    volumes(pod, container, &mut all);
    privileges(container, &mut all);
    processes(pod, container, &mut all);
    all
}

/// Adds the programs that are started in the container.
fn programs(container: &Container, all: &mut Vec<Setting>) {
    if !container.command.is_empty() {
        all.push(Setting::new(
            SettingKind::Command,
            "",
            container.command.join(" "),
        ));
    }
    arguments(&container.args, all);
    let lifecycle = container.lifecycle.as_ref();
    let hooks = [
        ("postStart", lifecycle.and_then(|it| it.post_start.as_ref())),
        ("preStop", lifecycle.and_then(|it| it.pre_stop.as_ref())),
        ("livenessProbe", handler(container.liveness_probe.as_ref())),
        (
            "readinessProbe",
            handler(container.readiness_probe.as_ref()),
        ),
        ("startupProbe", handler(container.startup_probe.as_ref())),
    ];
    for (name, hook) in hooks {
        if let Some(exec) = hook.and_then(|it| it.exec.as_ref()) {
            all.push(Setting::new(
                SettingKind::Hook,
                name,
                exec.command.join(" "),
            ));
        }
    }
    if !container.working_dir.is_empty() {
        let dir = container.working_dir.as_str();
        all.push(Setting::new(SettingKind::WorkingDirectory, "", dir));
    }
    let message = container.termination_message_path.as_str();
    if !message.is_empty() && message != TERMINATION {
        all.push(Setting::new(SettingKind::TerminationMessage, "", message));
    }
}

fn handler(probe: Option<&Probe>) -> Option<&Handler> {
    probe?.handler.as_ref()
}

/// Adds the words before the first flag, then each flag with its value, as the programs of Istio parse them.
fn arguments(args: &[String], all: &mut Vec<Setting>) {
    let is_flag = |word: &&String| word.starts_with('-');
    let first = args.iter().take_while(|word| !is_flag(word));
    let first: Vec<&str> = first.map(String::as_str).collect();
    if !first.is_empty() {
        all.push(Setting::new(SettingKind::Argument, "", first.join(" ")));
    }
    let mut rest = args[first.len()..].iter().peekable();
    while let Some(word) = rest.next() {
        let setting = match word.split_once('=') {
            _ if !is_flag(&word) => Setting::new(SettingKind::Argument, word, ""),
            Some((name, value)) => Setting::new(SettingKind::Argument, name, value),
            None => {
                let value = rest.next_if(|next| !is_flag(next));
                Setting::new(
                    SettingKind::Argument,
                    word,
                    value.map_or("", String::as_str),
                )
            }
        };
        all.push(setting);
    }
}

fn variables(container: &Container, all: &mut Vec<Setting>) {
    for variable in &container.env {
        let value = match &variable.value_from {
            None => Value::Literal(variable.value.clone()),
            Some(from) => Value::From(source(from)),
        };
        // A variable that Kubernetes expands in the text may change all of it.
        let expands = variable.value.replace("$(HOST_IP)", "").contains("$(");
        if variable.name == "PROXY_CONFIG" && variable.value_from.is_none() && !expands {
            all.extend(proxy_config::settings("PROXY_CONFIG", &variable.value));
            continue;
        }
        all.push(Setting {
            kind: SettingKind::Variable,
            name: variable.name.clone(),
            value,
        });
    }
    let bulk = container.env_from.iter().map(bulk_name);
    all.extend(bulk.map(|name| Setting::new(SettingKind::VariableSource, name, "")));
}

fn source(from: &ValueFrom) -> String {
    match (&from.field_ref, &from.resource_field_ref) {
        (Some(field), _) => format!("field {}", field.field_path),
        (None, Some(_)) => "resource".to_owned(),
        (None, None) => "elsewhere".to_owned(),
    }
}

fn bulk_name(bulk: &Bulk) -> String {
    let source = match (&bulk.config_map_ref, &bulk.secret_ref) {
        (Some(map), _) => format!("ConfigMap {}", map.name()),
        (None, Some(secret)) => format!("Secret {}", secret.name()),
        (None, None) => "elsewhere".to_owned(),
    };
    match bulk.prefix.as_str() {
        "" => source,
        prefix => format!("{source} as {prefix}…"),
    }
}

/// Number of containers with write access to a volume that are listed by name; more of them are only counted.
const MOST_WRITERS: usize = 16;

fn volumes(pod: &Pod, container: &Container, all: &mut Vec<Setting>) {
    let named = pod.spec.volumes.iter();
    let named: BTreeMap<&str, (Option<&VolumeSource>, String)> = named
        .map(|volume| (volume.name.as_str(), volume.source.as_ref()))
        .map(|(name, source)| (name, (source, source_text(source))))
        .collect();
    let writers = writers(pod, container);
    for mount in &container.volume_mounts {
        let path = clean(&mount.mount_path);
        let (source, text) = match named.get(mount.name.as_str()) {
            Some((source, text)) => (*source, text.clone()),
            None => (None, source_text(None)),
        };
        let text = volume_text(text, mount);
        all.push(Setting::new(SettingKind::Mount, &path, text));
        let writers = writers.get(mount.name.as_str());
        let writers = writers.filter(|_| source.is_none_or(VolumeSource::is_writable));
        let shared = |who: String| Setting::new(SettingKind::SharedVolume, &path, who);
        match writers {
            Some(many) if many.len() > MOST_WRITERS => {
                all.push(shared(format!("{} containers", many.len())));
            }
            Some(few) => all.extend(few.iter().map(|name| shared(format!("container {name}")))),
            None => {}
        }
    }
    let devices = container.volume_devices.iter();
    all.extend(devices.map(|it| Setting::new(SettingKind::Device, &it.device_path, "")));
}

/// Returns the other containers that can write to each volume, computed once for all mounts of a container.
fn writers<'a>(pod: &'a Pod, container: &Container) -> BTreeMap<&'a str, BTreeSet<&'a str>> {
    let mut writers: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for other in containers(pod).filter(|it| it.name != container.name) {
        for mount in other.volume_mounts.iter().filter(|it| !it.read_only) {
            let known = writers.entry(mount.name.as_str()).or_default();
            known.insert(other.name.as_str());
        }
    }
    writers
}

/// Characters of the text of a volume that are kept: the injector's volumes are shorter, and any number of
/// mounts can share one.
const LONGEST_VOLUME: usize = 1024;

/// Returns a volume, in the notation of the data file.
fn source_text(source: Option<&VolumeSource>) -> String {
    let text = source.map_or_else(|| "another kind of volume".to_owned(), VolumeSource::text);
    match text.char_indices().nth(LONGEST_VOLUME) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// Returns the mounted part of a volume with that text.
fn volume_text(text: String, mount: &Mount) -> String {
    let part = if mount.sub_path.is_empty() {
        &mount.sub_path_expr
    } else {
        &mount.sub_path
    };
    if part.is_empty() {
        text
    } else {
        format!("{text}, file {part}")
    }
}

fn privileges(container: &Container, all: &mut Vec<Setting>) {
    let Some(context) = &container.security_context else {
        return;
    };
    if context.privileged {
        all.push(Setting::new(SettingKind::Privilege, "privileged", ""));
    }
    if !["", "Default"].contains(&context.proc_mount.as_str()) {
        let mount = format!("procMount {}", context.proc_mount);
        all.push(Setting::new(SettingKind::Privilege, mount, ""));
    }
    let added = context.capabilities.iter().flat_map(|it| &it.add);
    all.extend(added.map(|name| Setting::new(SettingKind::Privilege, name, "")));
}

/// Adds what else can reach the processes of the container.
fn processes(pod: &Pod, container: &Container, all: &mut Vec<Setting>) {
    let shared = |name: String| Setting::new(SettingKind::SharedProcesses, name, "");
    if pod.spec.host_pid {
        all.push(shared("hostPID".to_owned()));
    }
    if pod.spec.share_process_namespace && containers(pod).nth(1).is_some() {
        all.push(shared("shareProcessNamespace".to_owned()));
    }
    let put_in = pod.spec.ephemeral_containers.iter();
    let put_in = put_in.filter(|it| it.target == container.name);
    all.extend(put_in.map(|it| shared(format!("ephemeral container {}", it.container.name))));
}

/// Returns the settings in the pod's annotations that a proxy's agent reads when it starts.
pub(super) fn annotations(pod: &Pod) -> Vec<Setting> {
    let mut all = Vec::new();
    for (name, value) in &pod.metadata.annotations {
        if name == PROXY_CONFIG {
            all.extend(proxy_config::settings(PROXY_CONFIG, value));
        } else if name.contains("istio.io/") {
            all.push(Setting::new(SettingKind::Annotation, name, value));
        }
    }
    all
}

/// Returns all containers of a pod.
pub(super) fn containers(pod: &Pod) -> impl Iterator<Item = &Container> {
    let spec = &pod.spec;
    let put_in = spec.ephemeral_containers.iter().map(|it| &it.container);
    let all = spec.init_containers.iter().chain(&spec.containers);
    all.chain(put_in)
}

/// Normalizes a path: removes doubled slashes, `.` and `..`.
fn clean(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn mounts_of_a_shared_volume_cost_what_each_of_them_costs() {
        let other = |n| {
            let mounts = json!([{"name": "v", "mountPath": "/v"}]);
            json!({"name": format!("c{n}"), "volumeMounts": mounts})
        };
        let key = |n| json!({"key": format!("k{n}"), "path": format!("p{n}")});
        let keys: Vec<_> = (0..1000).map(key).collect();
        let mounts: Vec<_> = (0..1000)
            .flat_map(|n| {
                ["v", "map"].map(|name| json!({"name": name, "mountPath": format!("/{name}{n}")}))
            })
            .collect();
        let settings = |others: usize| {
            let mut containers: Vec<_> = (0..others).map(other).collect();
            containers.push(json!({"name": "istio-proxy", "volumeMounts": mounts}));
            let volumes = json!([{"name": "v", "emptyDir": {}}, {"name": "map", "configMap": {"name": "m", "items": keys}}]);
            let pod = json!({"spec": {"containers": containers, "volumes": volumes}});
            let pod: Pod = serde_json::from_value(pod).unwrap();
            settings(&pod, &pod.spec.containers[others])
        };
        assert_eq!(settings(MOST_WRITERS).len(), 2000 + 1000 * MOST_WRITERS);
        let many = settings(1000);
        assert_eq!(many.len(), 2000 + 1000);
        let items: usize = many.iter().map(|it| it.item().len()).sum();
        assert!(items < 2_000_000, "{items}");
        let shared = many.iter().find(|it| it.kind == SettingKind::SharedVolume);
        assert_eq!(
            shared.unwrap().item(),
            "the volume at /v0 with 1000 containers"
        );
    }
}
