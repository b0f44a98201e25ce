//! The program that a container runs, determined by its command and arguments first, then its image, then its
//! name.
//!
//! Labels and annotations are not evidence: whoever creates a pod chooses them.

use std::collections::HashSet;

use super::address::Address;
use crate::sys::cluster::{Container, Pod, Volume};

/// The container name of a proxy, and of ztunnel.
const PROXY: &str = "istio-proxy";

/// Containers that accompany a proxy and end before it starts.
const COMPANIONS: [&str; 3] = ["istio-init", "istio-validation", "enable-core-dump"];

/// Subcommands with which the agent prepares a pod instead of running a proxy.
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

/// Prefix of the controller names under which istiod runs agentgateway, for gateways and for waypoints.
const AGENTGATEWAYS: &str = "istio.io-agentgateway-";

/// Prefixes of mount paths that only programs of a mesh have.
const MESH_MOUNTS: [&str; 3] = ["/etc/istio", "/var/run/secrets/istio", "/var/lib/istio"];

/// The audience of the tokens that istiod accepts.
const MESH_AUDIENCE: &str = "istio-ca";

/// The program of a mesh that a container runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Program {
    Discovery,
    /// The agent with its Envoy, or an Envoy of the mesh.
    Proxy,
    /// The same, with arguments that make it a gateway or waypoint.
    Router,
    Ztunnel,
    Cni,
    Agentgateway,
    /// A program that prepares a pod for its proxy and then ends.
    Preparation,
}

/// Returns the program of a mesh that a container runs.
pub(super) fn program(pod: &Pod, container: &Container) -> Option<Program> {
    let found = by_words(pod, container)
        .or_else(|| by_image(container))
        .or_else(|| by_name(pod, container));
    // A proxy that uses the arguments or the name of another program is still a proxy.
    let is_proxy = match found {
        None => is_proxy_by_settings(container) || has_mesh_token(pod, container),
        Some(Program::Discovery | Program::Cni) => is_proxy_by_settings(container),
        Some(_) => false,
    };
    if is_proxy {
        Some(Program::Proxy)
    } else {
        found
    }
}

/// Checks whether command and arguments name a program of a mesh that keeps running.
pub(super) fn names_program(pod: &Pod, container: &Container) -> bool {
    let named = by_words(pod, container);
    named.is_some_and(|program| program != Program::Preparation)
}

/// Checks whether the name of its image is that of a proxy.
pub(super) fn has_proxy_image(container: &Container) -> bool {
    ["proxyv2", "ztunnel"].contains(&image_name(&container.image))
}

/// Returns the program that command and arguments start. Values of flags are free text, so they are ignored if
/// the program is named first; after a wrapper or an unknown program, each word may name the program.
fn by_words(pod: &Pod, container: &Container) -> Option<Program> {
    let mut given = container.command.iter().chain(&container.args);
    let first = base(given.next()?);
    if container.command.is_empty()
        && let Some(program) = by_arguments(&container.args)
    {
        return Some(program);
    }
    match first {
        "pilot-agent" => {
            let arguments: Vec<String> = given.cloned().collect();
            Some(by_arguments(&arguments).unwrap_or(Program::Proxy))
        }
        "pilot-discovery" => Some(Program::Discovery),
        "install-cni" => Some(Program::Cni),
        "ztunnel" => Some(Program::Ztunnel),
        "envoy" => is_of_mesh(pod, container).then_some(Program::Proxy),
        "agentgateway" => is_agentgateway_of_mesh(pod, container).then_some(Program::Agentgateway),
        name if PREPARES.contains(&name) => Some(Program::Preparation),
        name if WRAPPERS.contains(&name) => {
            by_any_word(container).or_else(|| by_wrapped_word(pod, container))
        }
        _ => by_any_word(container),
    }
}

/// Returns the program that the arguments of `pilot-agent` select: the first argument decides; for `proxy`, the
/// first word that names a mode.
fn by_arguments(arguments: &[String]) -> Option<Program> {
    let first = arguments.first()?;
    if PREPARES.contains(&first.as_str()) {
        return Some(Program::Preparation);
    }
    let mut modes = arguments.iter().filter_map(|word| mode(word));
    modes.next().filter(|_| first == "proxy")
}

fn mode(word: &str) -> Option<Program> {
    match word {
        "sidecar" => Some(Program::Proxy),
        "router" | "waypoint" => Some(Program::Router),
        "ztunnel" => Some(Program::Ztunnel),
        _ => None,
    }
}

/// Splits command and arguments into words, including those of a shell script.
fn words(container: &Container) -> Vec<&str> {
    let given = container.command.iter().chain(&container.args);
    given
        .flat_map(|word| word.split(|c: char| !c.is_ascii_alphanumeric() && !"/-_.=".contains(c)))
        .filter(|word| !word.is_empty())
        .collect()
}

/// Looks for a proxy first, wherever it is named; then for other programs that only a mesh has.
fn by_any_word(container: &Container) -> Option<Program> {
    let words = words(container);
    let mut after = words.windows(2).filter(|pair| pair[0] == "proxy");
    if let Some(mode) = after.find_map(|pair| mode(pair[1])) {
        return Some(mode);
    }
    let agents = words.iter().zip(words.iter().skip(1).chain([&""]));
    let mut agents = agents.filter(|(word, _)| base(word) == "pilot-agent");
    if agents.any(|(_, next)| !PREPARES.contains(next)) {
        return Some(Program::Proxy);
    }
    words.iter().find_map(|word| match base(word) {
        "pilot-discovery" => Some(Program::Discovery),
        "install-cni" => Some(Program::Cni),
        name if PREPARES.contains(&name) => Some(Program::Preparation),
        _ => None,
    })
}

/// Looks for programs that other products run too, started by a wrapper.
fn by_wrapped_word(pod: &Pod, container: &Container) -> Option<Program> {
    words(container).iter().find_map(|word| match base(word) {
        "ztunnel" => Some(Program::Ztunnel),
        "envoy" if is_of_mesh(pod, container) => Some(Program::Proxy),
        "agentgateway" if is_agentgateway_of_mesh(pod, container) => Some(Program::Agentgateway),
        _ => None,
    })
}

/// Checks whether a container has what only a proxy has, whatever it starts: the name, the image, or the
/// variables of the injector.
fn is_proxy_by_settings(container: &Container) -> bool {
    let has = |name: &str| container.env.iter().any(|it| it.name.starts_with(name));
    let told = has("PROXY_CONFIG") && (has("CA_ADDR") || has("ISTIO_META_"));
    container.name == PROXY || has_proxy_image(container) || told
}

/// Checks whether a container mounts a token that istiod accepts to issue certificates of the mesh.
fn has_mesh_token(pod: &Pod, container: &Container) -> bool {
    if container.volume_mounts.is_empty() {
        return false;
    }
    let has_token = |volume: &&Volume| {
        let projected = volume.source.as_ref().and_then(|it| it.projected.as_ref());
        let sources = projected.into_iter().flat_map(|it| &it.sources);
        sources
            .filter_map(|it| it.service_account_token.as_ref())
            .any(|token| token.audience == MESH_AUDIENCE)
    };
    let volumes = pod.spec.volumes.iter().filter(has_token);
    // A pod can have thousands of volumes and mounts.
    let volumes: HashSet<&str> = volumes.map(|it| it.name.as_str()).collect();
    let mut mounts = container.volume_mounts.iter();
    mounts.any(|mount| volumes.contains(mount.name.as_str()))
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
        // Only the name identifies a ztunnel with a renamed image; it is judged as strictly as a proxy.
        PROXY if label("app") == Some("ztunnel") => Some(Program::Ztunnel),
        PROXY => Some(Program::Proxy),
        "discovery" if label("app") == Some("istiod") => Some(Program::Discovery),
        "install-cni" => Some(Program::Cni),
        "agentgateway" if is_agentgateway_of_mesh(pod, container) => Some(Program::Agentgateway),
        name if COMPANIONS.contains(&name) => Some(Program::Preparation),
        _ => None,
    }
}

/// Checks whether an agentgateway belongs to a mesh. Other products run it too: it does if istiod created or
/// configures it.
fn is_agentgateway_of_mesh(pod: &Pod, container: &Container) -> bool {
    let managed = pod.metadata.labels.get("gateway.istio.io/managed");
    managed.is_some_and(|by| by.starts_with(AGENTGATEWAYS))
        || Address::of(pod, container)
            .iter()
            .any(|address| matches!(address, Address::Istiod { .. }))
}

/// Checks whether anything in a container shows that it is part of a mesh: other products run Envoy too.
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

/// Returns the last part of a path.
fn base(word: &str) -> &str {
    word.rsplit('/').next().unwrap_or(word)
}

/// Returns the last part of a reference, without tag and digest.
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
    #[expect(clippy::too_many_lines, reason = "one table of cases")]
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
            (
                json!({"args": ["proxy", "--domain", "istio-iptables", "sidecar"]}),
                Some(Program::Proxy),
            ),
            (
                json!({"args": ["proxy", "--domain", "pilot-discovery", "--concurrency", "2", "router"]}),
                Some(Program::Router),
            ),
            (
                json!({"command": ["pilot-agent"], "args": ["proxy", "--domain", "install-cni"]}),
                Some(Program::Proxy),
            ),
            (
                json!({"command": ["/usr/local/bin/envoy"], "args": ["--service-node", "istio-iptables"], "image": "r/proxyv2:1"}),
                Some(Program::Proxy),
            ),
            (
                json!({"command": ["/x/pilot-discovery"], "name": "istio-proxy"}),
                Some(Program::Proxy),
            ),
            (
                json!({"command": ["/x/pilot-discovery"], "env": [{"name": "PROXY_CONFIG"}, {"name": "CA_ADDR"}]}),
                Some(Program::Proxy),
            ),
            (
                json!({"command": ["/x/pilot-discovery"]}),
                Some(Program::Discovery),
            ),
            (json!({"args": ["proxy"], "image": "r/kubectl:1"}), None),
            (
                json!({"args": ["proxy"], "env": [{"name": "PROXY_CONFIG"}, {"name": "ISTIO_META_MESH_ID"}]}),
                Some(Program::Proxy),
            ),
            (json!({"command": ["curl", "http://envoy:8080"]}), None),
            (json!({"image": "r/app:1"}), None),
        ] {
            assert_eq!(of(&json!({}), &container), expected, "{container}");
        }
    }

    #[test]
    fn a_container_with_a_token_for_istiod_is_a_proxy() {
        let container = json!({"name": "app", "command": ["/lib/ld-linux.so.2", "/x/envoy"], "volumeMounts": [{"name": "t", "mountPath": "/x"}]});
        for (audience, expected) in [
            ("istio-ca", Some(Program::Proxy)),
            ("vault", None),
            ("", None),
        ] {
            let token = json!({"serviceAccountToken": {"audience": audience, "path": "token"}});
            let pod =
                json!({"spec": {"volumes": [{"name": "t", "projected": {"sources": [token]}}]}});
            let pod = serde_json::from_value(pod).unwrap();
            let container = serde_json::from_value(container.clone()).unwrap();
            assert_eq!(program(&pod, &container), expected, "{audience}");
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
