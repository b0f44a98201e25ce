//! What a pod shows of a container, as comparable settings.

use std::collections::{BTreeMap, BTreeSet};

use crate::report::SettingKind;
use crate::sys::cluster::{Bulk, Container, Handler, Mount, Pod, Probe, ValueFrom, VolumeSource};

use super::proxy_config;

/// The annotation that changes `ProxyConfig` when the agent starts.
const PROXY_CONFIG: &str = "proxy.istio.io/config";

/// Where Kubernetes puts the termination message by itself.
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
    /// It is not in the pod, but comes from there.
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

    /// What reports call it. Values of variables and of `ProxyConfig` may be secret.
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
            | SettingKind::Container => self.name.clone(),
        }
    }
}

/// The settings of a container: its own, and those of its pod that concern it.
pub(super) fn settings(pod: &Pod, container: &Container) -> Vec<Setting> {
    let mut all = Vec::with_capacity(64);
    programs(container, &mut all);
    variables(container, &mut all);
    volumes(pod, container, &mut all);
    privileges(container, &mut all);
    processes(pod, container, &mut all);
    all
}

/// What is started in it.
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

/// The words before the first flag, then each flag with its value, as the programs of Istio read them.
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
        // A variable that Kubernetes puts into the text may change all of it.
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

fn volumes(pod: &Pod, container: &Container, all: &mut Vec<Setting>) {
    let named = pod.spec.volumes.iter();
    let named: BTreeMap<&str, Option<&VolumeSource>> = named
        .map(|volume| (volume.name.as_str(), volume.source.as_ref()))
        .collect();
    let writers = writers(pod, container);
    for mount in &container.volume_mounts {
        let path = clean(&mount.mount_path);
        let source = named.get(mount.name.as_str()).copied().flatten();
        all.push(Setting::new(
            SettingKind::Mount,
            &path,
            volume_text(source, mount),
        ));
        let shared = writers.get(mount.name.as_str());
        if let Some((first, more)) = shared.filter(|_| source.is_none_or(VolumeSource::is_writable))
        {
            let who = match more {
                0 => format!("container {first}"),
                more => format!("container {first} and {more} more"),
            };
            all.push(Setting::new(SettingKind::SharedVolume, &path, who));
        }
    }
    let devices = container.volume_devices.iter();
    all.extend(devices.map(|it| Setting::new(SettingKind::Device, &it.device_path, "")));
}

/// The other containers that can write to a volume: one of them, and how many more there are. A pod may have
/// thousands of both.
fn writers<'a>(pod: &'a Pod, container: &Container) -> BTreeMap<&'a str, (&'a str, usize)> {
    let mut writers: BTreeMap<&str, (&str, usize)> = BTreeMap::new();
    for other in containers(pod).filter(|it| it.name != container.name) {
        let mounts = other.volume_mounts.iter().filter(|it| !it.read_only);
        let volumes: BTreeSet<&str> = mounts.map(|it| it.name.as_str()).collect();
        for volume in volumes {
            let known = writers.entry(volume);
            known
                .and_modify(|(_, more)| *more += 1)
                .or_insert((&other.name, 0));
        }
    }
    writers
}

/// What is mounted, in the words of the data file.
fn volume_text(source: Option<&VolumeSource>, mount: &Mount) -> String {
    let text = source.map_or_else(|| "another kind of volume".to_owned(), VolumeSource::text);
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

/// Who else can reach into its processes.
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

/// What the agent of a proxy reads of its pod's annotations when it starts.
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

/// All containers of a pod.
pub(super) fn containers(pod: &Pod) -> impl Iterator<Item = &Container> {
    let spec = &pod.spec;
    let put_in = spec.ephemeral_containers.iter().map(|it| &it.container);
    let all = spec.init_containers.iter().chain(&spec.containers);
    all.chain(put_in)
}

/// Without doubled slashes, `.` and `..`.
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
