//! What a container runs: by its command and arguments first, then by its image, then by its name.
//!
//! Labels and annotations are no evidence: whoever creates a pod chooses them.

use super::address::Address;
use crate::sys::cluster::{Container, Pod};

/// Name of the container of a proxy, and of ztunnel.
const PROXY: &str = "istio-proxy";

/// Containers that come with a proxy and end before it starts.
const COMPANIONS: [&str; 3] = ["istio-init", "istio-validation", "enable-core-dump"];

/// What the agent is told to prepare, in place of being a proxy.
const PREPARES: [&str; 2] = ["istio-iptables", "istio-clean-iptables"];

/// Programs that start another one.
const WRAPPERS: [&str; 16] = [
    "ash",
    "bash",
    "busybox",
    "catatonit",
    "dash",
    "dumb-init",
    "env",
    "exec",
    "gosu",
    "nice",
    "nohup",
    "setsid",
    "sh",
    "su-exec",
    "timeout",
    "tini",
];

/// How the controllers are called by which istiod runs agentgateway, for gateways and for waypoints.
const AGENTGATEWAYS: &str = "istio.io-agentgateway-";

/// Beginnings of paths that only programs of a mesh are given.
const MESH_MOUNTS: [&str; 3] = ["/etc/istio", "/var/run/secrets/istio", "/var/lib/istio"];

/// What a container runs for a mesh.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Program {
    Discovery,
    /// The agent with its Envoy, or an Envoy of the mesh.
    Proxy,
    /// The same, as a gateway or waypoint by its own arguments.
    Router,
    Ztunnel,
    Cni,
    Agentgateway,
    /// What prepares a pod for its proxy, and ends.
    Preparation,
}

/// The program of a mesh that a container runs.
pub(super) fn program(pod: &Pod, container: &Container) -> Option<Program> {
    let words = words(container);
    by_words(&words, pod, container)
        .or_else(|| by_image(container))
        .or_else(|| by_name(pod, container))
}

/// Whether command and arguments name a program of a mesh that runs on.
pub(super) fn names_program(pod: &Pod, container: &Container) -> bool {
    let named = by_words(&words(container), pod, container);
    named.is_some_and(|program| program != Program::Preparation)
}

/// Whether its image is one of a proxy, by its name.
pub(super) fn has_proxy_image(container: &Container) -> bool {
    ["proxyv2", "ztunnel"].contains(&image_name(&container.image))
}

/// The words of command and arguments, those of a script too.
fn words(container: &Container) -> Vec<&str> {
    let given = container.command.iter().chain(&container.args);
    given
        .flat_map(|word| word.split(|c: char| !c.is_ascii_alphanumeric() && !"/-_.=".contains(c)))
        .filter(|word| !word.is_empty())
        .collect()
}

fn by_words(words: &[&str], pod: &Pod, container: &Container) -> Option<Program> {
    let mode = words.windows(2).find_map(|pair| match pair {
        ["proxy", "sidecar"] => Some(Program::Proxy),
        ["proxy", "router" | "waypoint"] => Some(Program::Router),
        ["proxy", "ztunnel"] => Some(Program::Ztunnel),
        _ => None,
    });
    if mode.is_some() {
        return mode;
    }
    let programs: Vec<&str> = words.iter().map(|word| base(word)).collect();
    if programs.iter().any(|word| PREPARES.contains(word)) {
        return Some(Program::Preparation);
    }
    let named = programs.iter().find_map(|word| match *word {
        "pilot-agent" => Some(Program::Proxy),
        "pilot-discovery" => Some(Program::Discovery),
        "install-cni" => Some(Program::Cni),
        _ => None,
    });
    if named.is_some() {
        return named;
    }
    let first = programs.first()?;
    let started = if WRAPPERS.contains(first) {
        &programs[..]
    } else {
        &programs[..1]
    };
    started.iter().find_map(|word| match *word {
        "ztunnel" => Some(Program::Ztunnel),
        "envoy" if is_of_mesh(pod, container) => Some(Program::Proxy),
        "agentgateway" if is_agentgateway_of_mesh(pod, container) => Some(Program::Agentgateway),
        _ => None,
    })
}

fn by_image(container: &Container) -> Option<Program> {
    match image_name(&container.image) {
        "proxyv2" => Some(Program::Proxy),
        "ztunnel" => Some(Program::Ztunnel),
        "install-cni" => Some(Program::Cni),
        "pilot" if container.args.first().is_some_and(|it| it == "discovery") => {
            Some(Program::Discovery)
        }
        _ => None,
    }
}

fn by_name(pod: &Pod, container: &Container) -> Option<Program> {
    let label = |name: &str| pod.metadata.labels.get(name).map(String::as_str);
    match container.name.as_str() {
        // Nothing else tells ztunnel of a renamed image; it is judged as strictly as a proxy.
        PROXY if label("app") == Some("ztunnel") => Some(Program::Ztunnel),
        PROXY => Some(Program::Proxy),
        "discovery" if label("app") == Some("istiod") => Some(Program::Discovery),
        "install-cni" => Some(Program::Cni),
        "agentgateway" if is_agentgateway_of_mesh(pod, container) => Some(Program::Agentgateway),
        name if COMPANIONS.contains(&name) => Some(Program::Preparation),
        _ => None,
    }
}

/// Other products run agentgateway too: it is of a mesh where istiod made it, or configures it.
fn is_agentgateway_of_mesh(pod: &Pod, container: &Container) -> bool {
    let managed = pod.metadata.labels.get("gateway.istio.io/managed");
    managed.is_some_and(|by| by.starts_with(AGENTGATEWAYS))
        || Address::of(pod, container)
            .iter()
            .any(|address| matches!(address, Address::Istiod { .. }))
}

/// Whether anything about a container shows that it is part of a mesh: other products run Envoy too.
fn is_of_mesh(pod: &Pod, container: &Container) -> bool {
    let variables = ["CA_ADDR", "PROXY_CONFIG", "PILOT_CERT_PROVIDER"];
    let told = container
        .env
        .iter()
        .any(|it| variables.contains(&it.name.as_str()) || it.name.starts_with("ISTIO_META_"));
    let mounted = container.volume_mounts.iter().any(|mount| {
        MESH_MOUNTS
            .iter()
            .any(|begin| mount.mount_path.starts_with(begin))
    });
    let annotations = &pod.metadata.annotations;
    told || mounted || annotations.contains_key("sidecar.istio.io/status")
}

/// The last part of a path.
fn base(word: &str) -> &str {
    word.rsplit('/').next().unwrap_or(word)
}

/// The last part of a reference, without tag and digest.
fn image_name(image: &str) -> &str {
    let last = image.split('@').next().and_then(|it| it.rsplit('/').next());
    let name = last.and_then(|it| it.split(':').next());
    name.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn of(metadata: &Value, container: &Value) -> Option<Program> {
        let pod = serde_json::from_value(json!({"metadata": metadata})).unwrap();
        program(&pod, &serde_json::from_value(container.clone()).unwrap())
    }

    #[test]
    fn command_and_arguments_tell_the_program_whatever_it_is_called() {
        for (container, expected) in [
            (json!({"args": ["proxy", "sidecar"]}), Some(Program::Proxy)),
            (
                json!({"args": ["proxy", "waypoint"]}),
                Some(Program::Router),
            ),
            (
                json!({"args": ["proxy", "ztunnel"]}),
                Some(Program::Ztunnel),
            ),
            (
                json!({"command": ["/x/run"], "args": ["pilot-agent", "proxy"]}),
                Some(Program::Proxy),
            ),
            (
                json!({"command": ["sh", "-c", "exec /usr/local/bin/pilot-agent proxy router"]}),
                Some(Program::Router),
            ),
            (
                json!({"command": ["/usr/bin/ztunnel"]}),
                Some(Program::Ztunnel),
            ),
            (
                json!({"command": ["tini", "--", "ztunnel"]}),
                Some(Program::Ztunnel),
            ),
            (
                json!({"command": ["kubectl"], "args": ["logs", "ds/ztunnel"]}),
                None,
            ),
            (
                json!({"command": ["envoy"], "env": [{"name": "CA_ADDR", "value": "x"}]}),
                Some(Program::Proxy),
            ),
            (
                json!({"command": ["envoy"], "volumeMounts": [{"mountPath": "/etc/istio/proxy"}]}),
                Some(Program::Proxy),
            ),
            (json!({"command": ["envoy", "-c", "/config"]}), None),
            (
                json!({"args": ["istio-iptables", "-p", "15001"], "image": "r/proxyv2:1"}),
                Some(Program::Preparation),
            ),
            (
                json!({"command": ["sh", "-c", "pilot-agent istio-iptables; pilot-agent proxy sidecar"]}),
                Some(Program::Proxy),
            ),
            (json!({"command": ["curl", "http://envoy:8080"]}), None),
            (json!({"image": "r/app:1"}), None),
        ] {
            assert_eq!(of(&json!({}), &container), expected, "{container}");
        }
    }

    #[test]
    fn the_image_tells_where_no_word_does_and_labels_hide_nothing() {
        let labels = json!({"labels": {"app": "istiod", "k8s-app": "istio-cni-node"}});
        for (container, expected) in [
            (
                json!({"name": "app", "image": "r:5000/a/proxyv2:1@sha256:00"}),
                Some(Program::Proxy),
            ),
            (
                json!({"name": "app", "image": "r/ztunnel"}),
                Some(Program::Ztunnel),
            ),
            (
                json!({"name": "istio-proxy", "image": "r/x:1"}),
                Some(Program::Proxy),
            ),
            (
                json!({"name": "discovery", "image": "r/x:1"}),
                Some(Program::Discovery),
            ),
            (
                json!({"name": "istio-init", "image": "r/x:1"}),
                Some(Program::Preparation),
            ),
        ] {
            assert_eq!(of(&labels, &container), expected, "{container}");
        }
    }

    #[test]
    fn an_agentgateway_is_of_the_mesh_where_istiod_made_it_or_configures_it() {
        let made = |by: &str| json!({"labels": {"gateway.istio.io/managed": by}});
        let plain = json!({"name": "agentgateway", "image": "r/agentgateway:1"});
        let led = |to: &str| json!({"name": "agentgateway", "env": [{"name": "XDS_ADDRESS", "value": to}]});
        let own = Some(Program::Agentgateway);
        for (metadata, container, expected) in [
            (made("istio.io-agentgateway-controller"), plain.clone(), own),
            (made("kgateway.dev"), plain, None),
            (
                made("kgateway.dev"),
                led("istiod.istio-system.svc:15012"),
                own,
            ),
            (
                json!({}),
                led("http://kgateway.kgateway-system.svc:9977"),
                None,
            ),
        ] {
            assert_eq!(
                of(&metadata, &container),
                expected,
                "{metadata} {container}"
            );
        }
    }
}
