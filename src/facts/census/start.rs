//! What a pod makes of a container: what it starts, what is mounted into it, what it is told.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::fips::Environment;
use crate::sys::cluster::{Container, Pod};

/// Variables by which the dynamic loader takes other code into a process.
const LOADER: [&str; 3] = ["LD_AUDIT", "LD_LIBRARY_PATH", "LD_PRELOAD"];

/// Directories under which images have their programs.
const PROGRAMS: [&str; 5] = ["/usr", "/opt", "/app", "/bin", "/sbin"];

/// Programs of Istio that containers start and that do cryptography.
const ISTIO: [&str; 6] = [
    "pilot-discovery",
    "pilot-agent",
    "envoy",
    "ztunnel",
    "agentgateway",
    "install-cni",
];

/// Where the agent is told which Envoy to start, by both spellings.
const ENVOY: [&str; 2] = ["binaryPath", "binary_path"];

/// What keeps the programs of a container's image from being what runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Start {
    /// What is started in place of the image's entry point: the first word of `command`, or of `args`
    /// where that is a path.
    pub command: Option<String>,
    /// The program of Istio that this in turn seems to start: `env pilot-agent`, `sh -c "exec envoy"`.
    pub behind: Option<String>,
    /// Clean paths where something is mounted and programs could be below.
    pub mounts: BTreeSet<String>,
    /// The pod's `ProxyConfig` names the Envoy to start.
    pub names_envoy: bool,
    /// The variables that it sets of `PATH` and those of the loader, whatever their values.
    pub variables: BTreeSet<String>,
}

/// Whether a variable of that name brings other code into a process.
pub fn loads_code(name: &str) -> bool {
    LOADER.contains(&name)
}

/// Whether a command starts a program of Istio, by the last part of its path.
pub fn is_of_istio(command: &str) -> bool {
    ISTIO.contains(&command.rsplit('/').next().unwrap_or(command))
}

impl Start {
    pub(super) fn of(pod: &Pod, container: &Container) -> Start {
        let path = container.args.first().filter(|word| word.starts_with('/'));
        let mut configs = configs(pod, container);
        let mounts = container.volume_mounts.iter();
        let command = container.command.first().or(path);
        Start {
            behind: command.and_then(|first| behind(first, container)),
            command: command.cloned(),
            mounts: mounts
                .map(|mount| clean(&mount.mount_path))
                .filter(|at| {
                    PROGRAMS
                        .iter()
                        .any(|dir| Path::new(dir).starts_with(at) || Path::new(at).starts_with(dir))
                })
                .collect(),
            variables: set(container)
                .filter(|name| loads_code(name) || *name == "PATH")
                .map(str::to_owned)
                .collect(),
            names_envoy: configs.any(|text| ENVOY.iter().any(|key| text.contains(key))),
        }
    }

    /// The place under which something else than the image's file stands at `path`.
    pub fn over(&self, path: &str) -> Option<&str> {
        let mut mounts = self.mounts.iter().map(String::as_str);
        mounts.find(|mount| Path::new(path).starts_with(mount))
    }
}

/// The program of Istio among the words that are given to another program.
fn behind(first: &str, container: &Container) -> Option<String> {
    if is_of_istio(first) {
        return None;
    }
    let given = container.command.iter().chain(&container.args);
    let mut words = given
        .flat_map(|word| word.split(|c: char| !c.is_ascii_alphanumeric() && !"/-_.".contains(c)));
    words.find(|word| is_of_istio(word)).map(str::to_owned)
}

/// The names of the variables that a container may have a value for; of those in bulk nobody knows.
fn set(container: &Container) -> impl Iterator<Item = &str> {
    let set = container.env.iter();
    let set = set.filter(|it| it.value_from.is_some() || !it.value.is_empty());
    set.map(|it| it.name.as_str())
}

/// The deciding variables of a container: those that its pod shows, and those that it does not.
pub(super) fn settings(container: &Container) -> (BTreeMap<String, String>, BTreeSet<String>) {
    let (mut shown, mut hidden) = (BTreeMap::new(), BTreeSet::new());
    if !container.env_from.is_empty() {
        hidden.extend(
            Environment::VARIABLES
                .iter()
                .chain(&LOADER)
                .map(|&name| name.to_owned()),
        );
    }
    // Of a name that stands twice the later counts, and each counts more than what comes in bulk.
    for variable in &container.env {
        let name = &variable.name;
        if !Environment::VARIABLES.contains(&name.as_str()) {
            continue;
        }
        if variable.value_from.is_some() || variable.value.contains("$(") {
            shown.remove(name);
            hidden.insert(name.clone());
        } else {
            hidden.remove(name);
            shown.insert(name.clone(), variable.value.clone());
        }
    }
    (shown, hidden)
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

/// The texts of its `ProxyConfig`; of one that the pod does not show, the worst that it may say.
fn configs<'a>(pod: &'a Pod, container: &'a Container) -> impl Iterator<Item = &'a str> {
    let named = |name: &str| name == "PROXY_CONFIG";
    let told = container.env.iter().filter(move |it| named(&it.name));
    let bulk = !container.env_from.is_empty() && told.clone().next().is_none();
    let told = told.map(|it| match it.value_from {
        Some(_) => ENVOY[0],
        None => &it.value,
    });
    let annotated = pod.metadata.annotations.get("proxy.istio.io/config");
    told.chain(bulk.then_some(ENVOY[0]))
        .chain(annotated.map(String::as_str))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn container(fields: &Value) -> Container {
        serde_json::from_value(fields.clone()).unwrap()
    }

    #[test]
    fn a_pod_starts_something_else_by_command_or_by_a_path_among_its_arguments() {
        for (fields, command) in [
            (json!({}), None),
            (json!({"args": ["proxy", "/x"]}), None),
            (json!({"args": ["/x", "proxy"]}), Some("/x")),
            (json!({"command": ["sh", "-c"], "args": ["/x"]}), Some("sh")),
        ] {
            let start = Start::of(&Pod::default(), &container(&fields));
            assert_eq!(start.command.as_deref(), command, "{fields}");
        }
    }

    #[test]
    fn a_program_that_another_one_starts_is_seen_behind_it() {
        for (fields, behind) in [
            (
                json!({"command": ["/usr/bin/env", "pilot-agent", "istio-iptables"]}),
                Some("pilot-agent"),
            ),
            (
                json!({"command": ["sh", "-c"], "args": ["exec /usr/local/bin/envoy;"]}),
                Some("/usr/local/bin/envoy"),
            ),
            (
                json!({"args": ["/usr/bin/env", "A=b", "pilot-agent"]}),
                Some("pilot-agent"),
            ),
            (
                json!({"command": ["/bin/sh"], "args": ["-c", "sysctl -w kernel.core_pattern=/var/lib/istio/data/core.proxy"]}),
                None,
            ),
            (
                json!({"command": ["pilot-agent", "wait"], "args": ["envoy"]}),
                None,
            ),
            (json!({"args": ["proxy", "--envoy", "envoy"]}), None),
        ] {
            let start = Start::of(&Pod::default(), &container(&fields));
            assert_eq!(start.behind.as_deref(), behind, "{fields}");
        }
    }

    #[test]
    fn what_is_mounted_over_a_program_is_told_however_it_is_written() {
        let envoy = "/usr/local/bin/envoy";
        for (at, over) in [
            ("/", true),
            ("/usr", true),
            ("/usr/local/bin/", true),
            ("//usr/./local/x/../bin/envoy", true),
            ("usr/local/bin", true),
            ("/usr/local/bin/pilot-agent", false),
            ("/usr/local/bin/envoy2", false),
            ("/usr/local/bi", false),
            ("/etc/istio/proxy", false),
        ] {
            let fields = json!({"volumeMounts": [{"name": "v", "mountPath": at}]});
            let start = Start::of(&Pod::default(), &container(&fields));
            assert_eq!(start.over(envoy).is_some(), over, "{at}");
        }
        let usual = json!({"volumeMounts": [{"mountPath": "/etc/istio/proxy"}, {"mountPath": "/var/lib/istio/data"}]});
        let start = Start::of(&Pod::default(), &container(&usual));
        assert_eq!(start, Start::default(), "classes stay few");
    }

    #[test]
    fn another_envoy_is_named_by_variable_or_annotation() {
        let named = |annotation: &str, variable: &str| {
            let pod = json!({"metadata": {"annotations": {"proxy.istio.io/config": annotation}}});
            let fields = json!({"env": [{"name": "PROXY_CONFIG", "value": variable},
                {"name": "OTHER", "value": "binaryPath"}]});
            Start::of(&serde_json::from_value(pod).unwrap(), &container(&fields)).names_envoy
        };
        let hidden = json!({"name": "PROXY_CONFIG", "valueFrom": {"configMapKeyRef": {}}});
        let literal = json!({"name": "PROXY_CONFIG", "value": "{}"});
        let bulk = json!([{"configMapRef": {"name": "m"}}]);
        for (env, env_from, may) in [
            (json!([hidden]), json!([]), true),
            (json!([]), bulk.clone(), true),
            (json!([literal]), bulk, false),
        ] {
            let fields = json!({"env": env, "envFrom": env_from});
            let start = Start::of(&Pod::default(), &container(&fields));
            assert_eq!(start.names_envoy, may, "{fields}");
        }
        assert!(!named("concurrency: 2", "{}"));
        assert!(named("binaryPath: /x", "{}"));
        assert!(named("", r#"{"binary_path":"/x"}"#));
    }

    #[test]
    fn what_the_loader_is_told_counts_wherever_it_comes_from() {
        for (variable, told) in [
            (json!({"name": "LD_PRELOAD", "value": "/x.so"}), true),
            (json!({"name": "LD_AUDIT", "valueFrom": {}}), true),
            (json!({"name": "LD_LIBRARY_PATH", "value": "$(X)"}), true),
            (json!({"name": "PATH", "value": "/x"}), true),
            (json!({"name": "LD_PRELOAD", "value": ""}), false),
            (json!({"name": "LD_DEBUG", "value": "all"}), false),
        ] {
            let start = Start::of(&Pod::default(), &container(&json!({"env": [variable]})));
            assert_eq!(!start.variables.is_empty(), told, "{variable}");
        }
    }

    #[test]
    fn a_setting_that_comes_from_elsewhere_is_not_shown() {
        let literal = json!({"name": "GODEBUG", "value": "fips140=on"});
        let from =
            json!({"name": "GODEBUG", "valueFrom": {"configMapKeyRef": {"name": "m", "key": "k"}}});
        let expanded = json!({"name": "GODEBUG", "value": "$(MODE)"});
        let all = [
            "COMPLIANCE_POLICY",
            "GODEBUG",
            "LD_AUDIT",
            "LD_LIBRARY_PATH",
            "LD_PRELOAD",
            "TLS12_ENABLED",
        ];
        for (env, bulk, shown, hidden) in [
            (json!([literal]), false, Some("fips140=on"), &[][..]),
            (json!([from]), false, None, &all[1..2]),
            (json!([expanded]), false, None, &all[1..2]),
            (json!([from, literal]), false, Some("fips140=on"), &[]),
            (json!([literal, from]), false, None, &all[1..2]),
            (
                json!([{"name": "OTHER", "valueFrom": {}}]),
                false,
                None,
                &[],
            ),
            (json!([]), true, None, &all),
            (
                json!([literal]),
                true,
                Some("fips140=on"),
                &[all[0], all[2], all[3], all[4], all[5]],
            ),
        ] {
            let env_from = if bulk {
                json!([{"secretRef": {"name": "s"}}])
            } else {
                json!([])
            };
            let (found, unseen) = settings(&container(&json!({"env": env, "envFrom": env_from})));
            assert_eq!(found.get("GODEBUG").map(String::as_str), shown, "{env}");
            assert!(unseen.iter().eq(hidden), "{env}: {unseen:?}");
        }
    }
}
